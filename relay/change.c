#include "relay/change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/jsonr.h"
#include "common/log.h"
#include "relay/cursor.h"

#define SEQ_MAX		INT64_C(9007199254740992)	/* readers may keep it as a double, which beyond this tells no two apart */
#define WORD_MAX	64				/* with the NUL: a symbol, a strategy, a time */

const char *const change_op_names[] = { "INSERT", "UPDATE", "DELETE", NULL };
const char *const change_kind_names[] = { "opened", "target_hit", "stop_moved", "closed", "acked", "deleted", NULL };
const char *const change_side_names[] = { "long", "short", NULL };

/* What a text is before it is a change. */
struct draft {
	struct change	 c;
	const char	*head, *text, *tail;
	size_t		 text_len, record_at, record_len;	/* within the text */
	char		 symbol[WORD_MAX], strategy[WORD_MAX], at[WORD_MAX];
};

struct change_index {
	size_t	 count;
	struct {
		uint32_t	 key, key_len, value, value_len;	/* offsets within the frame */
	}	 fields[];
};

/* One for all texts: there is no thread but one, and it keeps its memory. */
static struct jsonr	 reader;

static int
find_name(const char *const *names, struct jsonv name)
{
	for (int i = 0; names[i] != NULL; i++)
		if (jsonv_equals(name, names[i]))
			return i;
	return -1;
}

/* Copy a member that is a string; "" when it is none, or too long for what it is. */
static void
take_word(struct jsonv object, const char *key, char word[WORD_MAX])
{
	if (!jsonv_string(jsonv_get(object, key), word, WORD_MAX))
		word[0] = '\0';
}

static int64_t
time_of(const char *text)
{
	int64_t	 wall_us = 0;

	return clock_parse_iso(text, strlen(text), &wall_us) ? wall_us : 0;
}

static bool
take_seq(struct jsonv object, int64_t *seq)
{
	struct jsonv	 v = jsonv_get(object, "seq");

	return !jsonv_is_string(v) && jsonv_int(v, seq) && *seq >= 1 && *seq <= SEQ_MAX;
}

static void
take_record(struct draft *d, struct jsonv record)
{
	char		 generated[WORD_MAX];
	const char	*raw;
	int		 side = find_name(change_side_names, jsonv_get(record, "side"));

	d->c.side = side == -1 ? CHANGE_NO_SIDE : (enum change_side)side;
	if (!jsonv_is_object(record))
		return;
	raw = jsonv_raw(record, &d->record_len);
	d->record_at = (size_t)(raw - d->text);
	take_word(record, "symbol", d->symbol);
	take_word(record, "strategy", d->strategy);
	(void)jsonv_double(jsonv_get(record, "confidence"), &d->c.confidence);		/* 0 stays */
	take_word(record, "generated_at", generated);
	d->c.wall_generated_us = time_of(generated);
}

static const char *
put_word(char **to, const char *word)
{
	char	*start = *to;
	size_t	 size = strlen(word) + 1;

	memcpy(start, word, size);
	*to += size;
	return start;
}

/* Frame and words live behind the struct, in one piece of memory. */
static struct change *
build(const struct draft *d)
{
	size_t		 head_len = strlen(d->head), tail_len = strlen(d->tail);
	size_t		 frame_len = head_len + d->text_len + tail_len;
	size_t		 words = strlen(d->symbol) + strlen(d->strategy) + strlen(d->at) + 3;
	struct change	*c = xcalloc(1, sizeof(*c) + frame_len + 1 + words);
	char		*frame = (char *)(c + 1), *json = frame + head_len, *word = frame + frame_len + 1;

	*c = d->c;
	c->frame = frame;
	c->refs = 1;
	c->frame_len = frame_len;
	c->json_at = head_len;
	c->json_len = d->text_len;
	c->record_at = d->record_len == 0 ? 0 : head_len + d->record_at;
	c->record_len = d->record_len;
	memcpy(frame, d->head, head_len);
	memcpy(json, d->text, d->text_len);
	memcpy(json + d->text_len, d->tail, tail_len);
	/* Between JSON's tokens a newline is only a blank, but it would end the line `data:`. */
	for (char *p = json; p < json + d->text_len; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	c->symbol = d->symbol[0] == '\0' ? NULL : put_word(&word, d->symbol);
	c->strategy = d->strategy[0] == '\0' ? NULL : put_word(&word, d->strategy);
	c->at = put_word(&word, d->at);
	c->wall_at_us = time_of(c->at);
	return c;
}

/* Without an op, the kind tells it. */
static enum change_op
op_of(struct jsonv op, enum change_kind kind)
{
	int	 known = find_name(change_op_names, op);

	if (known != -1)
		return (enum change_op)known;
	return kind == CHANGE_OPENED ? CHANGE_INSERT : kind == CHANGE_DELETED ? CHANGE_DELETE : CHANGE_UPDATE;
}

struct change *
change_parse(const char *text, const char *epoch, const char **why)
{
	struct draft	 d = { .text = text, .text_len = strlen(text), .tail = "\n\n" };
	char		 head[CURSOR_MAX + 16], place[CURSOR_MAX];
	struct jsonv	 root, record;
	size_t		 len;
	int		 kind;

	if (!jsonr_parse(&reader, text, d.text_len) || !jsonv_is_object(root = jsonr_root(&reader))) {
		*why = "no JSON object";
		return NULL;
	}
	if (!take_seq(root, &d.c.seq)) {
		*why = "no seq";
		return NULL;
	}
	if ((kind = find_name(change_kind_names, jsonv_get(root, "kind"))) == -1) {
		*why = "no known kind";
		return NULL;
	}
	record = jsonv_get(root, "record");
	if (jsonv_raw(record, &len) != NULL && !jsonv_is_object(record) && !jsonv_is_null(record)) {
		*why = "a record that is no object";
		return NULL;
	}
	d.c.kind = (enum change_kind)kind;
	d.c.op = op_of(jsonv_get(root, "op"), d.c.kind);
	d.c.has_record = jsonv_raw(record, &len) != NULL;
	(void)jsonv_int(jsonv_get(root, "id"), &d.c.id);	/* 0 stays */
	take_word(root, "at", d.at);
	take_record(&d, record);
	snprintf(head, sizeof(head), "id: %s\ndata: ", cursor_format(epoch, d.c.seq, place));
	d.head = head;
	return build(&d);
}

struct change *
change_snapshot(const char *record, const char **why)
{
	struct draft	 d = {
		.c = { .op = CHANGE_INSERT, .kind = CHANGE_OPENED, .has_record = true },
		.head = "event: snapshot\ndata: {\"record\":", .text = record, .text_len = strlen(record), .tail = "}\n\n"
	};
	struct jsonv	 root;

	if (!jsonr_parse(&reader, record, d.text_len) || !jsonv_is_object(root = jsonr_root(&reader)) ||
	    !take_seq(root, &d.c.seq)) {
		*why = "no record of a signal";
		return NULL;
	}
	(void)jsonv_int(jsonv_get(root, "id"), &d.c.id);	/* 0 stays */
	take_word(root, "updated_at", d.at);
	take_record(&d, root);
	return build(&d);
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
	if (c == NULL || --c->refs > 0)
		return;
	if (c->extra != NULL)
		c->free_extra(c->extra);
	free(c->index);
	free(c);
}

void
change_unref_cb(void *change)
{
	change_unref(change);
}

/* Columns */

static uint32_t
offset(const struct change *c, const char *p)
{
	return (uint32_t)(p - c->frame);
}

static struct change_index *
make_index(const struct change *c)
{
	struct change_index	*index;
	struct jsonv		 record, value;
	const char		*raw;
	size_t			 len, quotes;

	/* It was parsed as part of the whole text, so there is nothing that could fail but an absent record. */
	if (c->record_len == 0 || !jsonr_parse(&reader, c->frame + c->record_at, c->record_len))
		return xcalloc(1, sizeof(*index));
	record = jsonr_root(&reader);
	index = xcalloc(1, sizeof(*index) + jsonv_count(record) * sizeof(index->fields[0]));
	for (struct jsonv k = jsonv_first_key(record); k.at != -1; k = jsonv_next_key(k)) {
		raw = jsonv_raw(k, &len);
		index->fields[index->count].key = offset(c, raw);
		index->fields[index->count].key_len = (uint32_t)len;
		value = jsonv_of_key(k);
		raw = jsonv_raw(value, &len);
		quotes = jsonv_is_string(value) ? 1 : 0;
		index->fields[index->count].value = offset(c, raw - quotes);
		index->fields[index->count++].value_len = (uint32_t)(len + 2 * quotes);
	}
	return index;
}

const char *
change_field(const struct change *c, const char *column, size_t *len)
{
	const struct change_index	*index = c->index;
	size_t				 column_len = strlen(column);

	/* It says nothing that the frame does not, so a change stays as constant as it looks. */
	if (index == NULL)
		index = ((struct change *)c)->index = make_index(c);
	for (size_t i = 0; i < index->count; i++)
		if (index->fields[i].key_len == column_len && memcmp(c->frame + index->fields[i].key, column, column_len) == 0) {
			*len = index->fields[i].value_len;
			return c->frame + index->fields[i].value;
		}
	return NULL;
}

void
change_end(void)
{
	jsonr_release(&reader);
}
