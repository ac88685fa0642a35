/* A webhook's body from any text: JSON in every format or nothing; and secrets and addresses from any text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/jsonr.h"
#include "relay/address.h"
#include "relay/webhook_sign.h"
#include "relay/webhook_template.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A message of its service, within its limit. */
static void
check_limit(const struct jsonw *w, const char *key, size_t max_bytes)
{
	struct jsonr	 r = { 0 };
	size_t		 len = 0;

	if (!jsonr_parse(&r, w->buf, w->len) || jsonv_raw(jsonv_get(jsonr_root(&r), key), &len) == NULL || len > max_bytes)
		abort();
	jsonr_release(&r);
}

static void
check_formats(const char *text, size_t len)
{
	/* Four bytes a character, each of which JSON may write as six. */
	static const struct { const char *key; size_t max; } limits[] = {
		[WEBHOOK_TELEGRAM] = { "text", WEBHOOK_TELEGRAM_MAX * 6 }, [WEBHOOK_DISCORD] = { "content", WEBHOOK_DISCORD_MAX * 6 },
		[WEBHOOK_SLACK] = { "text", WEBHOOK_SLACK_MAX * 6 }, [WEBHOOK_NTFY] = { "message", WEBHOOK_NTFY_MAX * 6 },
	};
	struct jsonw	 w;
	bool		 ok, first = false;

	for (int f = WEBHOOK_STANDARD; f <= WEBHOOK_NTFY; f++) {
		jsonw_init(&w);
		ok = webhook_body(&w, (enum webhook_format)f, "target", text, len);
		if (f == WEBHOOK_STANDARD)
			first = ok;
		if (ok != first || (ok && !json_valid(w.buf, w.len)))
			abort();
		if (ok && f != WEBHOOK_STANDARD)
			check_limit(&w, limits[f].key, limits[f].max);
		jsonw_release(&w);
	}
}

/* The bytes as what a record says. */
static void
check_reason(const char *text)
{
	struct jsonw	 w;

	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "kind", "opened");
	jsonw_object(&w, "record");
	jsonw_str(&w, "symbol", text);
	jsonw_str(&w, "reason", text);
	jsonw_end_object(&w);
	jsonw_end_object(&w);
	check_formats(w.buf, w.len);
	jsonw_release(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char			*text = malloc(size + 1), why[200], signature[WEBHOOK_SIGNATURE_MAX];
	struct webhook_keys	 keys;

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	check_formats(text, size);
	check_reason(text);
	if (webhook_keys_parse(text, &keys, why, sizeof(why)))
		(void)webhook_sign(&keys, "id", 1, text, size, signature);
	(void)address_is_public(text, why, sizeof(why));
	free(text);
	return 0;
}
