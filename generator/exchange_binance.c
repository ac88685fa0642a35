/*
 * Binance spot: aggregated trades, and closed candles as the exchange sees them.
 * Its documents: binance/binance-spot-api-docs, web-socket-streams.md and
 * rest-api.md.  Not all of them say it: names differ by case only ("l" is a low
 * price, "L" an id), and a stream of no known market is confirmed like any other.
 */
#include "generator/exchange_private.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SYMBOLS	30	/* of two streams each: below 4 KiB with the longest names */
#define STREAMS_MAX	1024	/* of one connection */
#define PAGE_ROWS	1000

#define MS(us)		((long long)((us) / 1000))

static void
native(const char *symbol, char name[EXCHANGE_NATIVE_MAX])
{
	size_t	 len = 0;

	for (; *symbol != '\0' && len < EXCHANGE_NATIVE_MAX - 1; symbol++)
		if (*symbol != '/')
			name[len++] = *symbol;
	name[len] = '\0';
}

static void
stream_path(char path[EXCHANGE_PATH_MAX])
{
	snprintf(path, EXCHANGE_PATH_MAX, "/stream");
}

/* The markets of message `index`: [*from, *to). */
static bool
message_symbols(const struct exchange_markets *m, size_t index, size_t *from, size_t *to)
{
	if (index >= (m->count + MESSAGE_SYMBOLS - 1) / MESSAGE_SYMBOLS)
		return false;
	*from = index * MESSAGE_SYMBOLS;
	*to = m->count - *from < MESSAGE_SYMBOLS ? m->count : *from + MESSAGE_SYMBOLS;
	return true;
}

static void
put_streams(struct jsonw *message, const char *name, enum timeframe tf)
{
	char	 lower[EXCHANGE_NATIVE_MAX], stream[EXCHANGE_NATIVE_MAX + 16];
	size_t	 i = 0;

	for (; name[i] != '\0'; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	lower[i] = '\0';
	snprintf(stream, sizeof(stream), "%s@aggTrade", lower);
	jsonw_str(message, NULL, stream);
	if ((exchange_binance.timeframes & 1u << tf) == 0)
		return;
	snprintf(stream, sizeof(stream), "%s@kline_%s", lower, timeframe_names[tf]);
	jsonw_str(message, NULL, stream);
}

static bool
subscribe(const struct exchange_markets *m, enum timeframe tf, size_t index, struct jsonw *message)
{
	size_t	 from, to;

	if (!message_symbols(m, index, &from, &to))
		return false;
	jsonw_object(message, NULL);
	jsonw_str(message, "method", "SUBSCRIBE");
	jsonw_array(message, "params");
	for (size_t i = from; i < to; i++)
		put_streams(message, m->natives[i], tf);
	jsonw_end_array(message);
	jsonw_int(message, "id", (int64_t)index + 1);
	jsonw_end_object(message);
	return true;
}

/* The markets of our message that an answer is to. */
static bool
answered(const struct exchange_markets *m, struct jsonv answer, size_t *from, size_t *to)
{
	int64_t	 id;

	return jsonv_int(jsonv_get(answer, "id"), &id) && id > 0 && message_symbols(m, (size_t)id - 1, from, to);
}

/* Common to the stream's and REST's: they differ in where the market is named. */
static bool
read_trade(struct jsonv e, struct trade *t, char why[EXCHANGE_WHY_MAX])
{
	int64_t	 first, last;

	if (!exchange_int(jsonv_get(e, "a"), "a", 1, &t->id, why) ||
	    !exchange_positive(jsonv_get(e, "p"), "p", &t->price, why) ||
	    !exchange_positive(jsonv_get(e, "q"), "q", &t->quantity, why) ||
	    !exchange_int(jsonv_get(e, "f"), "f", 0, &first, why) ||
	    !exchange_int(jsonv_get(e, "l"), "l", 0, &last, why) ||
	    !exchange_time_ms(jsonv_get(e, "T"), "T", &t->time_us, why))
		return false;
	if (last < first)
		return exchange_wrong(why, "l is below f: %lld, %lld", (long long)last, (long long)first);
	t->folded = last - first;
	return true;
}

static bool
agg_trade(const struct exchange_markets *m, struct jsonv e, const struct exchange_handler *h, void *arg, char why[EXCHANGE_WHY_MAX])
{
	size_t		 symbol;
	struct trade	 t;

	if (!exchange_whose(m, jsonv_get(e, "s"), "s of an aggTrade", &symbol, why))
		return false;
	if (symbol == EXCHANGE_ALL)
		return true;
	if (!read_trade(e, &t, why))
		return exchange_wrong_in(why, "aggTrade", m->symbols[symbol]);
	h->trade(symbol, &t, arg);
	return true;
}

static bool
read_kline(struct jsonv k, enum timeframe tf, struct candle *c, char why[EXCHANGE_WHY_MAX])
{
	if (!exchange_time_ms(jsonv_get(k, "t"), "t", &c->open_us, why) ||
	    !exchange_decimal(jsonv_get(k, "o"), "o", &c->open, why) ||
	    !exchange_decimal(jsonv_get(k, "h"), "h", &c->high, why) ||
	    !exchange_decimal(jsonv_get(k, "l"), "l", &c->low, why) ||
	    !exchange_decimal(jsonv_get(k, "c"), "c", &c->close, why) ||
	    !exchange_volume(jsonv_get(k, "v"), &c->volume, why) ||
	    !exchange_int(jsonv_get(k, "n"), "n", 0, &c->trades, why))
		return false;
	c->source = c->trades == 0 ? SOURCE_FILLED : SOURCE_WS;
	return candle_ok(c, tf, why, EXCHANGE_WHY_MAX);
}

static bool
kline(const struct exchange_markets *m, struct jsonv e, const struct exchange_handler *h, void *arg, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 k = jsonv_get(e, "k"), interval = jsonv_get(k, "i");
	size_t		 symbol;
	int		 tf = 0;
	struct candle	 c;
	bool		 closed;

	if (!exchange_whose(m, jsonv_get(e, "s"), "s of a kline", &symbol, why))
		return false;
	if (symbol == EXCHANGE_ALL)
		return true;
	if (!jsonv_is_string(interval))
		exchange_wrong(why, "i is no interval");
	else if (!jsonv_bool(jsonv_get(k, "x"), &closed))
		exchange_wrong(why, "x is neither true nor false");
	else {
		while (tf < TIMEFRAMES && !jsonv_equals(interval, timeframe_names[tf]))
			tf++;
		if (!closed || tf == TIMEFRAMES)
			return true;
		if (read_kline(k, (enum timeframe)tf, &c, why)) {
			h->candle(symbol, (enum timeframe)tf, &c, arg);
			return true;
		}
	}
	return exchange_wrong_in(why, "kline", m->symbols[symbol]);
}

static bool
event(const struct exchange_markets *m, struct jsonv e, const struct exchange_handler *h, void *arg, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 kind = jsonv_get(e, "e");

	if (jsonv_equals(kind, "aggTrade"))
		return agg_trade(m, e, h, arg, why);
	if (jsonv_equals(kind, "kline"))
		return kline(m, e, h, arg, why);
	if (jsonv_equals(kind, "serverShutdown"))
		h->closing(arg);
	return true;
}

static char *
error_text(struct jsonv error, char text[EXCHANGE_WHY_MAX])
{
	char		 words[EXCHANGE_WHY_MAX];
	int64_t		 code = 0;

	(void)jsonv_int(jsonv_get(error, "code"), &code);	/* 0: none */
	snprintf(text, EXCHANGE_WHY_MAX, "%.150s code=%lld", exchange_words(jsonv_get(error, "msg"), words, sizeof(words)),
	    (long long)code);
	return text;
}

/* It fails as a whole: what it names, else all that it asked for, else everything. */
static void
refuse(const struct exchange_markets *m, struct jsonv answer, struct jsonv error, const struct exchange_handler *h, void *arg)
{
	char	 text[EXCHANGE_WHY_MAX];
	size_t	 from, to, symbol;

	error_text(error, text);
	if ((symbol = exchange_named(m, text)) != EXCHANGE_ALL || !answered(m, answer, &from, &to)) {
		h->refused(symbol, text, arg);
		return;
	}
	for (size_t i = from; i < to; i++)
		h->refused(i, text, arg);
}

static bool
message(const struct exchange_markets *m, struct jsonr *r, const char *text, size_t len, const struct exchange_handler *h,
    void *arg, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 root, error;
	size_t		 from, to;

	if (!exchange_parse(r, text, len, why))
		return false;
	root = jsonr_root(r);
	if (jsonv_is_string(jsonv_get(root, "stream")))
		return event(m, jsonv_get(root, "data"), h, arg, why);
	if (jsonv_is_string(jsonv_get(root, "e")))
		return event(m, root, h, arg, why);
	error = jsonv_get(root, "error");
	if (jsonv_is_object(error))
		refuse(m, root, error, h, arg);
	else if (jsonv_is_string(jsonv_get(root, "msg")))
		refuse(m, root, root, h, arg);
	else if (jsonv_is_null(jsonv_get(root, "result")) && answered(m, root, &from, &to))
		for (size_t i = from; i < to; i++)
			h->subscribed(i, arg);
	return true;
}

static void
candles_path(const struct exchange_markets *m, size_t symbol, enum timeframe tf, int64_t from_us, int64_t to_us,
    char path[EXCHANGE_PATH_MAX])
{
	snprintf(path, EXCHANGE_PATH_MAX, "/api/v3/klines?symbol=%s&interval=%s&startTime=%lld&endTime=%lld&limit=%d",
	    m->natives[symbol], timeframe_names[tf], MS(from_us), MS(to_us) - 1, PAGE_ROWS);
}

/* An answer that is an array, or else why not. */
static bool
parse_rows(struct jsonr *r, const char *text, size_t len, char why[EXCHANGE_WHY_MAX])
{
	if (!exchange_parse(r, text, len, why))
		return false;
	if (jsonv_is_array(jsonr_root(r)))
		return true;
	if (!jsonv_is_string(jsonv_get(jsonr_root(r), "msg")))
		return exchange_wrong(why, "neither an array nor an error");
	error_text(jsonr_root(r), why);
	return false;
}

static bool
candle_row(struct jsonv row, struct candle *c, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 cells[9];

	if (!exchange_cells(row, cells, 9))
		return exchange_wrong(why, "no array of nine or more");
	return exchange_time_ms(cells[0], "open time", &c->open_us, why) &&
	    exchange_decimal(cells[1], "open", &c->open, why) && exchange_decimal(cells[2], "high", &c->high, why) &&
	    exchange_decimal(cells[3], "low", &c->low, why) && exchange_decimal(cells[4], "close", &c->close, why) &&
	    exchange_volume(cells[5], &c->volume, why) && exchange_int(cells[8], "trades", 0, &c->trades, why);
}

static int
candles_answer(struct jsonr *r, const char *text, size_t len, enum timeframe tf, int64_t now_us, struct candle *out,
    size_t max, char why[EXCHANGE_WHY_MAX])
{
	if (!parse_rows(r, text, len, why))
		return -1;
	return exchange_candles(jsonr_root(r), candle_row, false, tf, now_us, out, max, why);
}

static void
trades_path(const struct exchange_markets *m, size_t symbol, int64_t from_id, int64_t from_us, int64_t below_id,
    char path[EXCHANGE_PATH_MAX])
{
	(void)below_id;		/* ascending */
	if (from_id != 0)
		snprintf(path, EXCHANGE_PATH_MAX, "/api/v3/aggTrades?symbol=%s&fromId=%lld&limit=%d", m->natives[symbol],
		    (long long)from_id, PAGE_ROWS);
	else
		snprintf(path, EXCHANGE_PATH_MAX, "/api/v3/aggTrades?symbol=%s&startTime=%lld&limit=%d", m->natives[symbol],
		    MS(from_us), PAGE_ROWS);
}

static int
trades_answer(struct jsonr *r, const char *text, size_t len, struct trade *out, size_t max, char why[EXCHANGE_WHY_MAX])
{
	if (!parse_rows(r, text, len, why))
		return -1;
	return exchange_trades(jsonr_root(r), read_trade, false, out, max, why);
}

const struct exchange exchange_binance = {
	.name = "binance",
	.stream_url = "wss://stream.binance.com:9443",
	.rest_url = "https://api.binance.com",
	.silence_ms = 5000,
	.answer_ms = 5000,
	.session_max_s = 86400,
	.symbols_max = STREAMS_MAX / 2,
	.send_gap_ms = 300,
	.request_gap_ms = 100,
	.weight_header = "x-mbx-used-weight-1m",
	.weight_max = 1000,
	.candles_max = PAGE_ROWS,
	.candles_reach = 0,
	.trades_descend = false,
	.timeframes = 1u << TF_1M | 1u << TF_3M | 1u << TF_5M | 1u << TF_15M | 1u << TF_30M | 1u << TF_1H | 1u << TF_2H |
	    1u << TF_4H | 1u << TF_6H | 1u << TF_12H | 1u << TF_1D,
	.native = native,
	.stream_path = stream_path,
	.subscribe = subscribe,
	.message = message,
	.candles_path = candles_path,
	.candles_answer = candles_answer,
	.trades_path = trades_path,
	.trades_answer = trades_answer,
};
