/* Any bytes down the heartbeat pipe, in any pieces: what comes out is the same, and is JSON where it says so. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "watchdog/beat.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	size_t		 count;
	uint64_t	 mark;
};

static void
note(struct seen *s, const void *data, size_t len)
{
	const unsigned char	*bytes = data;

	for (size_t i = 0; i < len; i++)
		s->mark = (s->mark ^ bytes[i]) * 1099511628211U;
}

static void
line_cb(enum beat_kind kind, const char *value, size_t len, void *arg)
{
	struct seen	*s = arg;

	if ((kind == BEAT_STATUS) != (value != NULL))
		abort();
	if (value != NULL && (len >= PIPE_BUF || *value != '{' || !json_valid(value, len)))
		abort();
	s->count++;
	note(s, &kind, sizeof(kind));
	note(s, value == NULL ? "" : value, len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct beat_parser	 whole, pieces;
	struct seen			 a = { 0 }, b = { 0 };
	const char			*text = (const char *)data;
	size_t				 step = size > 0 ? data[0] % 17 + 1 : 1, n;

	beat_clear(&whole);
	beat_clear(&pieces);
	beat_feed(&whole, text, size, line_cb, &a);
	for (size_t at = 0; at < size; at += n) {
		n = size - at < step ? size - at : step;
		beat_feed(&pieces, text + at, n, line_cb, &b);
	}
	if (a.count != b.count || a.mark != b.mark || whole.refused != pieces.refused)
		abort();
	return 0;
}
