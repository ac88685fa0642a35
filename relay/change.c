#include "relay/change.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "relay/cursor.h"

#define SEQ_MAX		9007199254740992.0	/* beyond it a double no longer tells two seqs apart */

const char *const change_kind_names[] = { "opened", "target_hit", "stop_moved", "closed", "acked", "deleted", NULL };
const char *const change_side_names[] = { "long", "short", NULL };

static int
find_name(const char *const *names, const char *name)
{
	for (int i = 0; names[i] != NULL; i++)
		if (name != NULL && strcmp(names[i], name) == 0)
			return i;
	return -1;
}

static const char *
text_of(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static int64_t
time_of(const cJSON *object, const char *key)
{
	const char	*text = text_of(object, key);
	int64_t		 wall_us = 0;

	return text != NULL && clock_parse_iso(text, strlen(text), &wall_us) ? wall_us : 0;
}

static bool
seq_of(const cJSON *object, int64_t *seq)
{
	const cJSON	*item = cJSON_GetObjectItemCaseSensitive(object, "seq");

	/* Written so that NaN fails too. */
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 1 && item->valuedouble <= SEQ_MAX) ||
	    floor(item->valuedouble) != item->valuedouble)
		return false;
	*seq = (int64_t)item->valuedouble;
	return true;
}

/* Frame, symbol and strategy live behind the struct, in one piece of memory. */
static struct change *
build(const char *head, const char *text, const char *tail, const cJSON *record)
{
	const char	*symbol = text_of(record, "symbol"), *strategy = text_of(record, "strategy");
	size_t		 symbol_size = symbol == NULL ? 0 : strlen(symbol) + 1;
	size_t		 strategy_size = strategy == NULL ? 0 : strlen(strategy) + 1;
	size_t		 head_len = strlen(head), text_len = strlen(text), tail_len = strlen(tail);
	size_t		 frame_len = head_len + text_len + tail_len;
	struct change	*c = xcalloc(1, sizeof(*c) + frame_len + 1 + symbol_size + strategy_size);
	char		*names = c->frame + frame_len + 1;
	int		 side = find_name(change_side_names, text_of(record, "side"));
	double		 confidence = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(record, "confidence"));

	c->refs = 1;
	c->frame_len = frame_len;
	c->json_at = head_len;
	c->json_len = text_len;
	memcpy(c->frame, head, head_len);
	memcpy(c->frame + head_len, text, text_len);
	memcpy(c->frame + head_len + text_len, tail, tail_len);
	/* Between JSON's tokens a newline is only a blank, but it would end the line `data:`. */
	for (char *p = c->frame + head_len; p < c->frame + head_len + text_len; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	if (symbol != NULL)
		c->symbol = memcpy(names, symbol, symbol_size);
	if (strategy != NULL)
		c->strategy = memcpy(names + symbol_size, strategy, strategy_size);
	c->side = side == -1 ? CHANGE_NO_SIDE : (enum change_side)side;
	c->confidence = isfinite(confidence) ? confidence : 0;
	c->wall_generated_us = time_of(record, "generated_at");
	return c;
}

struct change *
change_parse(const char *text, const char *epoch, const char **why)
{
	struct change	*c = NULL;
	const cJSON	*record;
	cJSON		*json = cJSON_ParseWithOpts(text, NULL, 1);
	char		 head[CURSOR_MAX + 16], place[CURSOR_MAX];
	int64_t		 seq;
	int		 kind;

	if (!cJSON_IsObject(json)) {
		*why = "no JSON object";
		goto out;
	}
	if (!seq_of(json, &seq)) {
		*why = "no seq";
		goto out;
	}
	if ((kind = find_name(change_kind_names, text_of(json, "kind"))) == -1) {
		*why = "no known kind";
		goto out;
	}
	record = cJSON_GetObjectItemCaseSensitive(json, "record");
	if (record != NULL && !cJSON_IsObject(record) && !cJSON_IsNull(record)) {
		*why = "a record that is no object";
		goto out;
	}
	snprintf(head, sizeof(head), "id: %s\ndata: ", cursor_format(epoch, seq, place));
	c = build(head, text, "\n\n", record);
	c->seq = seq;
	c->kind = (enum change_kind)kind;
	c->has_record = record != NULL;
	c->wall_at_us = time_of(json, "at");
out:
	cJSON_Delete(json);
	return c;
}

struct change *
change_snapshot(const char *record, const char **why)
{
	struct change	*c = NULL;
	cJSON		*json = cJSON_ParseWithOpts(record, NULL, 1);
	int64_t		 seq;

	if (!cJSON_IsObject(json) || !seq_of(json, &seq)) {
		*why = "no record of a signal";
		goto out;
	}
	c = build("event: snapshot\ndata: {\"record\":", record, "}\n\n", json);
	c->seq = seq;
	c->kind = CHANGE_OPENED;
	c->has_record = true;
out:
	cJSON_Delete(json);
	return c;
}

struct change *
change_ref(struct change *c)
{
	c->refs++;
	return c;
}

void
change_unref(struct change *c)
{
	if (c != NULL && --c->refs == 0)
		free(c);
}

void
change_unref_cb(void *change)
{
	change_unref(change);
}
