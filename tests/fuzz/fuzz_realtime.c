/* Realtime's messages of anybody: an envelope in both versions and in binary, a join's payload, a filter. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "relay/change.h"
#include "relay/realtime_data.h"
#include "relay/realtime_filter.h"
#include "relay/realtime_join.h"
#include "relay/realtime_message.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const events[] = {
	"{\"seq\":7,\"op\":\"INSERT\",\"kind\":\"opened\",\"id\":5,\"at\":\"2026-11-23T10:57:25.1Z\",\"record\":{\"id\":5,\"symbol\":\"BTC/USDT\","
	"\"entry\":61234.5,\"confidence\":0.7,\"reason\":\"gr\\u00fcn\",\"outcome\":null,\"generated_at\":\"2026-11-23T10:57:25+00:00\"}}",
	"{\"seq\":8,\"op\":\"DELETE\",\"kind\":\"deleted\",\"id\":5,\"record\":null}",
};
static struct change	*changes[2];

static void
make_changes(void)
{
	const char	*why;

	for (size_t i = 0; changes[1] == NULL && i < 2; i++)
		if ((changes[i] = change_parse(events[i], "e.1", &why)) == NULL)
			abort();
}

/* What is written must be JSON, whatever was read. */
static void
check_written(const struct realtime_message *m, struct jsonv payload, enum realtime_version version)
{
	struct jsonw	 w;
	const char	*key;

	jsonw_init(&w);
	key = realtime_message_begin(&w, version, &m->join_ref, &m->ref, m->topic, "phx_reply");
	realtime_join_echo(&w, key, payload);
	realtime_message_end(&w, version);
	if (w.failed || !json_valid(w.buf, w.len))
		abort();
	jsonw_release(&w);
}

static void
check_data(const struct realtime_join *j)
{
	struct realtime_matches	 matches;
	struct realtime_data	 d;
	column_set		 select;
	struct jsonw		 w;

	for (size_t i = 0; i < 2; i++) {
		if (!realtime_join_match(j, changes[i], &matches, &select))
			continue;
		d = realtime_data_of(changes[i], select);
		jsonw_init(&w);
		jsonw_raw(&w, NULL, d.head, d.head_len);
		w.comma = false;
		jsonw_raw(&w, NULL, d.body, d.body_len);
		w.comma = false;
		jsonw_raw(&w, NULL, REALTIME_DATA_TAIL, strlen(REALTIME_DATA_TAIL));
		if (!json_valid(w.buf, w.len))
			abort();
		jsonw_release(&w);
	}
}

static void
check_join(struct jsonv payload)
{
	struct realtime_join	 j;
	char			 why[REALTIME_WHY_MAX] = "";

	if (realtime_join_read(payload, &j, why))
		check_data(&j);
	else if (why[0] == '\0' || strlen(why) >= sizeof(why))
		abort();
	realtime_join_release(&j);
}

static void
check_message(const char *text, size_t size, enum realtime_version version)
{
	struct jsonr		 r = { 0 };
	struct realtime_message	 m;
	const char		*why = NULL;

	if (realtime_message_read(&r, version, text, size, &m, &why)) {
		check_written(&m, m.payload, REALTIME_V1);
		check_written(&m, m.payload, REALTIME_V2);
		check_join(m.payload);
		free(realtime_join_token(m.payload));
	} else if (why == NULL)
		abort();
	jsonr_release(&r);
}

static void
check_filter(const char *text)
{
	struct realtime_filter	*f;
	char			 why[200];

	if (realtime_filter_read(text, &f, why, sizeof(why)) && f != NULL)
		for (size_t i = 0; i < 2; i++)
			(void)realtime_filter_passes(f, changes[i]);
	else
		return;
	realtime_filter_free(f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct realtime_message	 m;
	const char		*why;
	char			*text = malloc(size + 1);

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	make_changes();
	check_message(text, size, REALTIME_V1);
	check_message(text, size, REALTIME_V2);
	if (realtime_message_read_binary(data, size, &m, &why))
		check_written(&m, m.payload, REALTIME_V2);
	check_filter(text);
	free(text);
	return 0;
}
