#include "generator/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "generator/table.h"

/* Holds any identity: the longest names of struct signal, and the words around them. */
#define KEY_MAX		512

struct statement {
	enum batch_kind	 kind;
	struct jsonw	 json;
	size_t		 rows;
	bool		 closed, refused;
};

struct batch {
	struct statement	*statements;
	size_t			 count, capacity;
	struct jsonw		 candles;
	size_t			 candle_rows, signal_rows;
	size_t			 signal_bytes;
	int64_t			 oldest_us;
	struct table		*corrected;	/* series and time -> row of BATCH_CORRECT */
	struct table		*refreshed;	/* identity -> row of BATCH_REFRESH */
	struct table		*judged;	/* series and strategy -> row of BATCH_STATE */
};

struct batch *
batch_new(void)
{
	struct batch	*b = xcalloc(1, sizeof(*b));

	jsonw_init(&b->candles);
	jsonw_array(&b->candles, NULL);
	b->oldest_us = INT64_MAX;
	b->corrected = table_new();
	b->refreshed = table_new();
	b->judged = table_new();
	return b;
}

void
batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->count; i++)
		jsonw_release(&b->statements[i].json);
	free(b->statements);
	jsonw_release(&b->candles);
	table_free(b->corrected);
	table_free(b->refreshed);
	table_free(b->judged);
	free(b);
}

static struct statement *
add_statement(struct batch *b, enum batch_kind kind)
{
	struct statement	*st;

	if (b->count == b->capacity) {
		b->capacity = b->capacity == 0 ? 8 : b->capacity * 2;
		b->statements = xrealloc(b->statements, b->capacity * sizeof(*b->statements));
	}
	st = &b->statements[b->count++];
	*st = (struct statement){ .kind = kind };
	jsonw_init(&st->json);
	jsonw_array(&st->json, NULL);
	return st;
}

static void
put_time(struct jsonw *w, const char *key, int64_t us)
{
	char	 text[CLOCK_TEXT_MAX];

	jsonw_str(w, key, clock_iso_us(us, text));
}

static void
put_decimal(struct jsonw *w, const char *key, struct decimal d)
{
	char	 text[DECIMAL_TEXT_MAX];

	decimal_text(d, text);
	jsonw_raw(w, key, text, strlen(text));
}

static void
put_identity(struct jsonw *w, const struct signal *s)
{
	jsonw_str(w, "exchange", s->exchange);
	jsonw_str(w, "symbol", s->symbol);
	jsonw_str(w, "timeframe", timeframe_names[s->timeframe]);
	jsonw_str(w, "strategy", s->strategy);
	jsonw_int(w, "strategy_version", s->strategy_version);
	jsonw_str(w, "params_hash", s->params_hash);
	put_time(w, "candle_open_time", s->candle_open_us);
	jsonw_str(w, "mode", signal_mode_names[s->mode]);
}

static void
put_prices(struct jsonw *w, const struct signal *s)
{
	put_decimal(w, "last_price", s->last_price);
	put_decimal(w, "max_favorable", s->max_favorable);
	put_decimal(w, "max_adverse", s->max_adverse);
}

void
batch_open(struct batch *b, const struct signal *s)
{
	/* Openings in a row share one statement: the triggers run once a statement. */
	struct statement	*st = b->count > 0 && b->statements[b->count - 1].kind == BATCH_OPEN &&
				    !b->statements[b->count - 1].closed ?
				    &b->statements[b->count - 1] : add_statement(b, BATCH_OPEN);
	struct jsonw		*w = &st->json;
	size_t			 before = w->len;

	jsonw_object(w, NULL);
	put_identity(w, s);
	jsonw_str(w, "side", signal_side_names[s->side]);
	put_time(w, "candle_close_time", s->candle_close_us);
	put_decimal(w, "entry", s->entry);
	put_decimal(w, "stop_loss", s->stop_loss);
	put_decimal(w, "initial_stop", s->initial_stop);
	jsonw_array(w, "targets");
	for (int i = 0; i < s->target_count; i++)
		put_decimal(w, NULL, s->targets[i]);
	jsonw_end_array(w);
	jsonw_double(w, "confidence", s->confidence, 9);
	jsonw_str(w, "reason", s->reason);
	jsonw_raw(w, "indicators", s->indicators, strlen(s->indicators));
	put_prices(w, s);
	put_time(w, "generated_at", s->generated_us);
	put_time(w, "expires_at", s->expires_us);
	if (s->fresh_until_us != 0)
		put_time(w, "fresh_until", s->fresh_until_us);
	jsonw_end_object(w);
	if (s->generated_us < b->oldest_us)
		b->oldest_us = s->generated_us;
	st->rows++;
	b->signal_rows++;
	b->signal_bytes += w->len - before;
}

/* The members of the identity, as the key of a table. */
static void
identity_key(const struct signal *s, char key[KEY_MAX])
{
	struct jsonw	 w;

	jsonw_init_fixed(&w, key, KEY_MAX);
	put_identity(&w, s);
}

void
batch_change(struct batch *b, const struct signal *s)
{
	/* One row a statement: within one UPDATE the order of rows, and so of seq, would be the planner's. */
	struct statement *st = add_statement(b, BATCH_CHANGE);
	struct jsonw	*w = &st->json;
	char		 key[KEY_MAX];
	bool		 closed = s->status != STATUS_ACTIVE;

	jsonw_object(w, NULL);
	put_identity(w, s);
	jsonw_str(w, "status", signal_status_names[s->status]);
	jsonw_int(w, "targets_hit", s->targets_hit);
	put_decimal(w, "stop_loss", s->stop_loss);
	put_prices(w, s);
	if (closed) {
		put_decimal(w, "exit_price", s->exit_price);
		jsonw_str(w, "exit_reason", signal_exit_names[s->exit_reason]);
		jsonw_str(w, "outcome", signal_outcome_names[s->outcome]);
		jsonw_double(w, "pnl_ratio", s->pnl_ratio, 17);
		jsonw_double(w, "r_multiple", s->r_multiple, 17);
		put_time(w, "closed_at", s->closed_us);
	}
	jsonw_end_object(w);
	st->rows++;
	b->signal_rows++;
	b->signal_bytes += w->len;
	/* It carries the prices itself, and a closed one takes no refresh. */
	identity_key(s, key);
	table_remove(b->refreshed, key);
}

void
batch_refresh(struct batch *b, const struct signal *s)
{
	char		 key_buf[KEY_MAX], row_buf[KEY_MAX + 256];
	struct jsonw	 row;

	identity_key(s, key_buf);
	jsonw_init_fixed(&row, row_buf, sizeof(row_buf));
	jsonw_object(&row, NULL);
	jsonw_raw(&row, NULL, key_buf, strlen(key_buf));
	put_prices(&row, s);
	jsonw_end_object(&row);
	table_put(b->refreshed, key_buf, row_buf);
}

static void
put_candle(struct jsonw *w, const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "e", exchange);
	jsonw_str(w, "s", symbol);
	jsonw_str(w, "f", timeframe_names[tf]);
	put_time(w, "t", c->open_us);
	put_decimal(w, "o", c->open);
	put_decimal(w, "h", c->high);
	put_decimal(w, "l", c->low);
	put_decimal(w, "c", c->close);
	put_decimal(w, "v", c->volume);
	if (c->trades >= 0)
		jsonw_int(w, "n", c->trades);
	jsonw_str(w, "x", candle_source_names[c->source]);
	jsonw_end_object(w);
}

void
batch_candle(struct batch *b, const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c)
{
	put_candle(&b->candles, exchange, symbol, tf, c);
	b->candle_rows++;
}

void
batch_correct(struct batch *b, const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c)
{
	char		 key[256], row_buf[640];
	struct jsonw	 row;

	snprintf(key, sizeof(key), "%s %s %d %lld", exchange, symbol, tf, (long long)c->open_us);
	jsonw_init_fixed(&row, row_buf, sizeof(row_buf));
	put_candle(&row, exchange, symbol, tf, c);
	table_put(b->corrected, key, row.buf);
}

void
batch_judged(struct batch *b, const char *exchange, const char *symbol, enum timeframe tf, const char *strategy, int64_t open_us)
{
	char		 key_buf[256], row_buf[384];
	struct jsonw	 key, row;

	jsonw_init_fixed(&key, key_buf, sizeof(key_buf));
	jsonw_str(&key, "exchange", exchange);
	jsonw_str(&key, "symbol", symbol);
	jsonw_str(&key, "timeframe", timeframe_names[tf]);
	jsonw_str(&key, "strategy", strategy);
	jsonw_init_fixed(&row, row_buf, sizeof(row_buf));
	jsonw_object(&row, NULL);
	jsonw_raw(&row, NULL, key.buf, key.len);
	put_time(&row, "t", open_us);
	jsonw_end_object(&row);
	table_put(b->judged, key.buf, row.buf);
}

size_t
batch_rows(const struct batch *b)
{
	return b->signal_rows + b->candle_rows + table_count(b->corrected) + table_count(b->refreshed) + table_count(b->judged);
}

size_t
batch_bytes(const struct batch *b)
{
	return b->signal_bytes + (b->candle_rows > 0 ? b->candles.len : 0);
}

static void
seal_table(struct batch *b, enum batch_kind kind, const struct table *t)
{
	struct statement	*st;
	const char		*row;

	if (table_count(t) == 0)
		return;
	st = add_statement(b, kind);
	st->rows = table_count(t);
	for (size_t i = 0; table_next(t, &i, &row); )
		jsonw_raw(&st->json, NULL, row, strlen(row));
}

size_t
batch_close_signals(struct batch *b)
{
	struct statement	*st;

	for (size_t i = 0; i < b->count; i++) {
		st = &b->statements[i];
		if (st->closed)
			continue;
		jsonw_end_array(&st->json);
		st->closed = true;
		if (st->json.failed)
			fatalx("batch", "out of memory");
	}
	return b->count;
}

void
batch_seal(struct batch *b)
{
	if (b->candle_rows > 0) {
		struct statement	*st = add_statement(b, BATCH_CANDLES);

		jsonw_release(&st->json);
		st->json = b->candles;
		st->rows = b->candle_rows;
		jsonw_init(&b->candles);
	}
	seal_table(b, BATCH_CORRECT, b->corrected);
	seal_table(b, BATCH_REFRESH, b->refreshed);
	seal_table(b, BATCH_STATE, b->judged);
	(void)batch_close_signals(b);
}

size_t
batch_statements(const struct batch *b)
{
	return b->count;
}

enum batch_kind
batch_statement(const struct batch *b, size_t index, const char **json)
{
	*json = b->statements[index].json.buf;
	return b->statements[index].kind;
}

size_t
batch_statement_rows(const struct batch *b, size_t index)
{
	return b->statements[index].rows;
}

/* Where the array's row number `row` begins.  Our own text: rows are objects, side by side. */
static size_t
row_offset(const char *json, size_t row)
{
	size_t	 at = 1;
	int	 depth = 0;
	bool	 in_string = false;

	for (; row > 0; at++)
		if (in_string) {
			if (json[at] == '\\')
				at++;
			else if (json[at] == '"')
				in_string = false;
		} else if (json[at] == '"')
			in_string = true;
		else if (json[at] == '{')
			depth++;
		else if (json[at] == '}')
			depth--;
		else if (json[at] == ',' && depth == 0)
			row--;
	return at;
}

bool
batch_split(struct batch *b, size_t index)
{
	struct statement	*first, *second;
	size_t			 half = b->statements[index].rows / 2, at;

	if (half == 0)
		return false;
	(void)add_statement(b, b->statements[index].kind);	/* at the end; it moves to its place */
	second = &b->statements[b->count - 1];
	for (struct statement *st = second, moved = *second; ; st--)
		if (st == &b->statements[index + 1]) {
			*st = moved;
			second = st;
			break;
		} else
			*st = st[-1];
	first = &b->statements[index];
	at = row_offset(first->json.buf, half);
	jsonw_raw(&second->json, NULL, first->json.buf + at, first->json.len - at - 1);
	jsonw_end_array(&second->json);
	second->rows = first->rows - half;
	second->closed = true;
	first->json.len = at - 1;		/* without the comma */
	jsonw_end_array(&first->json);
	first->rows = half;
	return true;
}

void
batch_refuse(struct batch *b, size_t index)
{
	b->statements[index].refused = true;
}

bool
batch_is_refused(const struct batch *b, size_t index)
{
	return b->statements[index].refused;
}

int64_t
batch_take_oldest_us(struct batch *b)
{
	int64_t	 oldest_us = b->oldest_us;

	b->oldest_us = INT64_MAX;
	return oldest_us;
}

/* The journal's form: for each statement a letter, rows and length (32 bits, little-endian), the JSON. */

#define PACK_HEAD	9

static const char	 letters[BATCH_KINDS] = {
	[BATCH_OPEN] = 'o', [BATCH_CHANGE] = 'c', [BATCH_CANDLES] = 'k', [BATCH_CORRECT] = 'K', [BATCH_REFRESH] = 'r', [BATCH_STATE] = 's'
};

static void
put32(unsigned char *out, size_t value)
{
	for (int i = 0; i < 4; i++)
		out[i] = (unsigned char)(value >> 8 * i);
}

static size_t
get32(const unsigned char *in)
{
	return (size_t)in[0] | (size_t)in[1] << 8 | (size_t)in[2] << 16 | (size_t)in[3] << 24;
}

void *
batch_pack(const struct batch *b, size_t *len)
{
	const struct statement	*st;
	unsigned char		*bytes, *out;

	*len = 0;
	for (size_t i = 0; i < b->count; i++)
		*len += PACK_HEAD + b->statements[i].json.len;
	out = bytes = xcalloc(1, *len + 1);
	for (size_t i = 0; i < b->count; i++) {
		st = &b->statements[i];
		*out = (unsigned char)letters[st->kind];
		put32(out + 1, st->rows);
		put32(out + 5, st->json.len);
		memcpy(out + PACK_HEAD, st->json.buf, st->json.len);
		out += PACK_HEAD + st->json.len;
	}
	return bytes;
}

/* Of an array of objects (valid JSON) how many they are; 0 when it is anything else. */
static size_t
rows_in(const char *json, size_t len)
{
	size_t	 rows = 0;
	int	 depth = 0;
	bool	 in_string = false;

	if (len < 2 || json[0] != '[' || json[len - 1] != ']')
		return 0;
	for (size_t i = 1; i < len - 1; i++)
		if (in_string) {
			if (json[i] == '\\')
				i++;
			else if (json[i] == '"')
				in_string = false;
		} else if (json[i] == '{')
			rows += depth++ == 0;
		else if (json[i] == '}')
			depth--;
		else if (depth == 0 && json[i] != ',')
			return 0;
		else if (json[i] == '"')
			in_string = true;
	return rows;
}

/* One packed statement within `left` bytes: its whole length, or 0. */
static size_t
unpack_one(const unsigned char *in, size_t left, enum batch_kind *kind, size_t *rows, size_t *len)
{
	const char	*letter;

	if (left < PACK_HEAD || (letter = memchr(letters, in[0], BATCH_KINDS)) == NULL)
		return 0;
	*kind = (enum batch_kind)(letter - letters);
	*rows = get32(in + 1);
	*len = get32(in + 5);
	if (*len > left - PACK_HEAD || *rows == 0 || !json_valid((const char *)in + PACK_HEAD, *len) ||
	    rows_in((const char *)in + PACK_HEAD, *len) != *rows)
		return 0;
	return PACK_HEAD + *len;
}

bool
batch_unpack(struct batch *b, const void *data, size_t len)
{
	const unsigned char	*in = data;
	struct statement	*st;
	enum batch_kind		 kind;
	size_t			 rows, json_len, step;

	for (size_t at = 0; at < len; at += step)
		if ((step = unpack_one(in + at, len - at, &kind, &rows, &json_len)) == 0)
			return false;
	for (size_t at = 0; at < len; at += PACK_HEAD + json_len) {
		(void)unpack_one(in + at, len - at, &kind, &rows, &json_len);
		st = add_statement(b, kind);
		jsonw_clear(&st->json);
		jsonw_raw(&st->json, NULL, (const char *)in + at + PACK_HEAD, json_len);
		st->rows = rows;
		st->closed = true;
		if (kind == BATCH_OPEN || kind == BATCH_CHANGE)
			b->signal_rows += rows;
		else
			b->candle_rows += rows;
		b->signal_bytes += json_len;
	}
	return true;
}

size_t
batch_signal_rows(const struct batch *b)
{
	return b->signal_rows;
}

size_t
batch_drop_others(struct batch *b)
{
	size_t	 kept = 0, dropped = 0;

	for (size_t i = 0; i < b->count; i++)
		if (b->statements[i].kind == BATCH_OPEN || b->statements[i].kind == BATCH_CHANGE)
			b->statements[kept++] = b->statements[i];
		else {
			dropped += b->statements[i].rows;
			jsonw_release(&b->statements[i].json);
		}
	b->count = kept;
	return dropped;
}
