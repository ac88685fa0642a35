/* exchange_record: what an exchange's messages and answers say, as text to compare. */
#ifndef TOCSIN_TESTS_UNIT_EXCHANGE_RECORD_H
#define TOCSIN_TESTS_UNIT_EXCHANGE_RECORD_H
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/jsonr.h"
#include "generator/exchange.h"

#define RECORD_SYMBOLS	16

struct record {
	const struct exchange		*x;
	struct exchange_markets		*m;
	struct jsonr			 r;
	char				 text[16384];	/* a line a call; those of the last message only */
	size_t				 len;
	char				 why[EXCHANGE_WHY_MAX];
	/* Over all messages. */
	size_t				 trades, candles, broken;
	int64_t				 last_id[RECORD_SYMBOLS], jumps, folded;
};

static void	 note(struct record *rec, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
note(struct record *rec, const char *fmt, ...)
{
	va_list	 args;

	va_start(args, fmt);
	rec->len += (size_t)vsnprintf(rec->text + rec->len, sizeof(rec->text) - rec->len, fmt, args);
	va_end(args);
	assert_true(rec->len < sizeof(rec->text));
}

static const char *
whose(const struct record *rec, size_t symbol)
{
	return symbol == EXCHANGE_ALL ? "all" : rec->m->symbols[symbol];
}

static void
note_trade(struct record *rec, const struct trade *t)
{
	char	 price[DECIMAL_TEXT_MAX], quantity[DECIMAL_TEXT_MAX], time[CLOCK_TEXT_MAX];

	note(rec, "%lld %s %s*%s+%lld\n", (long long)t->id, clock_iso_us(t->time_us, time), decimal_text(t->price, price),
	    decimal_text(t->quantity, quantity), (long long)t->folded);
}

static void
note_candle(struct record *rec, const struct candle *c)
{
	char	 text[5][DECIMAL_TEXT_MAX], time[CLOCK_TEXT_MAX];

	note(rec, "%s %s %s %s %s %s %lld %s\n", clock_iso_us(c->open_us, time), decimal_text(c->open, text[0]),
	    decimal_text(c->high, text[1]), decimal_text(c->low, text[2]), decimal_text(c->close, text[3]),
	    decimal_text(c->volume, text[4]), (long long)c->trades, candle_source_names[c->source]);
}

static void
on_trade(size_t symbol, const struct trade *t, void *arg)
{
	struct record	*rec = arg;

	assert_true(symbol < rec->m->count && symbol < RECORD_SYMBOLS);
	note(rec, "trade %s ", whose(rec, symbol));
	note_trade(rec, t);
	rec->jumps += rec->last_id[symbol] != 0 && t->id != rec->last_id[symbol] + 1;
	rec->last_id[symbol] = t->id;
	rec->folded += t->folded;
	rec->trades++;
}

static void
on_candle(size_t symbol, enum timeframe tf, const struct candle *c, void *arg)
{
	struct record	*rec = arg;
	char		 why[200];

	assert_true(candle_ok(c, tf, why, sizeof(why)));
	note(rec, "candle %s %s ", whose(rec, symbol), timeframe_names[tf]);
	note_candle(rec, c);
	rec->candles++;
}

static void
on_heartbeat(size_t symbol, int64_t last_trade_id, int64_t exchange_us, void *arg)
{
	struct record	*rec = arg;
	char		 time[CLOCK_TEXT_MAX];

	note(rec, "heartbeat %s %lld %s\n", whose(rec, symbol), (long long)last_trade_id,
	    exchange_us == INT64_MIN ? "never" : clock_iso_us(exchange_us, time));
}

static void
on_subscribed(size_t symbol, void *arg)
{
	note(arg, "subscribed %s\n", whose(arg, symbol));
}

static void
on_refused(size_t symbol, const char *why, void *arg)
{
	note(arg, "refused %s %s\n", whose(arg, symbol), why);
}

static void
on_online(bool online, const char *word, void *arg)
{
	note(arg, "%s %s\n", online ? "online" : "not-online", word);
}

static void
on_closing(void *arg)
{
	note(arg, "closing\n");
}

static const struct exchange_handler recorder = {
	on_trade, on_candle, on_heartbeat, on_subscribed, on_refused, on_online, on_closing
};

static void
record_init(struct record *rec, const struct exchange *x, const char *const *symbols, size_t count)
{
	*rec = (struct record){ .x = x };
	rec->m = exchange_markets_new(x, symbols, count);
}

static void
record_release(struct record *rec)
{
	jsonr_release(&rec->r);
	exchange_markets_free(rec->m);
}

/* In memory of exactly its size, so that a sanitizer sees a step beyond. */
static char *
exact(const char *text, size_t len)
{
	char	*copy = malloc(len + (len == 0));

	assert_non_null(copy);
	return memcpy(copy, text, len);
}

static bool
tell(struct record *rec, const char *message, size_t len)
{
	char	*copy = exact(message, len);
	bool	 ok;

	rec->len = 0;
	rec->text[0] = rec->why[0] = '\0';
	ok = rec->x->message(rec->m, &rec->r, copy, len, &recorder, rec, rec->why);
	free(copy);
	rec->broken += !ok;
	return ok;
}

static inline void
says(struct record *rec, const char *message, const char *expected)
{
	bool	 ok = tell(rec, message, strlen(message));

	assert_string_equal(rec->why, "");
	assert_string_equal(rec->text, expected);
	assert_true(ok);
}

static inline void
says_nothing(struct record *rec, const char *const *messages, size_t count)
{
	for (size_t i = 0; i < count; i++)
		says(rec, messages[i], "");
}

/* Broken, nothing told, and the reason has `hint` in it. */
static inline void
breaks(struct record *rec, const char *message, const char *hint)
{
	bool	 ok = tell(rec, message, strlen(message));

	assert_string_equal(rec->text, "");
	assert_false(ok);
	if (strstr(rec->why, hint) == NULL)
		assert_string_equal(rec->why, hint);
}

/* `text` with the first `old` in it replaced. */
static inline char *
changed(const char *text, const char *old, const char *fresh, char *buf, size_t size)
{
	const char	*at = strstr(text, old);

	assert_non_null(at);
	snprintf(buf, size, "%.*s%s%s", (int)(at - text), text, fresh, at + strlen(old));
	return buf;
}

/* The message `index`, NULL when there is none; valid until the next. */
static inline const char *
subscription(struct record *rec, enum timeframe tf, size_t index)
{
	struct jsonw	 w;

	jsonw_init_fixed(&w, rec->text, sizeof(rec->text));
	if (!rec->x->subscribe(rec->m, tf, index, &w))
		return NULL;
	assert_false(w.failed);
	assert_true(json_valid(w.buf, w.len));
	return w.buf;
}

/* REST answers: what they hold, or "-1 why". */
static inline void
candles_are(struct record *rec, const char *answer, enum timeframe tf, int64_t now_us, size_t max, const char *expected)
{
	struct candle	 out[8];
	char		*copy = exact(answer, strlen(answer)), why[EXCHANGE_WHY_MAX] = "";
	int		 count = rec->x->candles_answer(&rec->r, copy, strlen(answer), tf, now_us, out, max, why);

	free(copy);
	rec->len = 0;
	rec->text[0] = '\0';
	if (count == -1)
		note(rec, "-1 %s", why);
	assert_true(count <= (int)max);
	for (int i = 0; i < count; i++)
		note_candle(rec, &out[i]);
	assert_string_equal(rec->text, expected);
}

static inline void
trades_are(struct record *rec, const char *answer, size_t max, const char *expected)
{
	struct trade	 out[8];
	char		*copy = exact(answer, strlen(answer)), why[EXCHANGE_WHY_MAX] = "";
	int		 count = rec->x->trades_answer(&rec->r, copy, strlen(answer), out, max, why);

	free(copy);
	rec->len = 0;
	rec->text[0] = '\0';
	if (count == -1)
		note(rec, "-1 %s", why);
	assert_true(count <= (int)max);
	for (int i = 0; i < count; i++)
		note_trade(rec, &out[i]);
	assert_string_equal(rec->text, expected);
}

/* Every message received of a capture in data/ws; what the client sent itself is passed over. */
static inline void
replay(struct record *rec, const char *name)
{
	const char	*folder = getenv("TOCSIN_DATA"), *message;
	char		 path[4096], *line = NULL;
	size_t		 cap = 0, digits;
	ssize_t		 len;
	FILE		*in;

	snprintf(path, sizeof(path), "%s/ws/%s", folder != NULL ? folder : "../shared/data", name);
	if ((in = fopen(path, "re")) == NULL) {
		print_message("%s is not there: set TOCSIN_DATA\n", path);
		record_release(rec);
		skip();
	}
	while ((len = getline(&line, &cap, in)) != -1) {
		digits = strspn(line, "0123456789.");
		if (digits == 0 || strncmp(line + digits, ": ", 2) != 0)
			continue;
		message = line + digits + 2;
		len -= message - line;
		while (len > 0 && (message[len - 1] == '\n' || message[len - 1] == '\r'))
			len--;
		(void)tell(rec, message, (size_t)len);	/* counts what is broken */
	}
	free(line);
	fclose(in);
}
#endif
