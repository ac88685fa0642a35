/*
 * An answer to a WebSocket's upgrade, whole and in two pieces: what is decided
 * early stays so, the head lies within what came, and a verdict says why.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "generator/upgrade.h"

#define KEY	"dGhlIHNhbXBsZSBub25jZQ=="	/* the RFC's own */

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum upgrade_verdict
parse(const char *text, size_t len, bool ended, struct upgrade_answer *a)
{
	enum upgrade_verdict	 v = upgrade_parse(text, len, ended, KEY, INT64_C(1767225600000000), a);

	if (a->head_len > len || (a->status != 0 && (a->status < 100 || a->status > 599)))
		abort();
	if (a->retry_after_ms < -1 || a->retry_after_ms > UPGRADE_RETRY_MAX_MS)
		abort();
	if (memchr(a->why, '\0', sizeof(a->why)) == NULL)
		abort();
	if ((v == UPGRADE_BAD || v == UPGRADE_REFUSED) == (*a->why == '\0'))
		abort();
	if ((v == UPGRADE_OPEN && a->status != 101) || (v == UPGRADE_MORE && ended))
		abort();
	return v;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char		*text = (const char *)data;
	struct upgrade_answer	 whole, part;
	enum upgrade_verdict	 v = parse(text, size, false, &whole), early;

	(void)parse(text, size, true, &part);
	early = parse(text, size / 2, false, &part);
	if (early != UPGRADE_MORE && early != v)
		abort();
	if (early == UPGRADE_OPEN && part.head_len != whole.head_len)
		abort();
	return 0;
}
