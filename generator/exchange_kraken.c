/*
 * Kraken spot, WebSocket version 2: trades, several a message and in no order.
 * Its documents: docs.kraken.com/api, spot-websocket-v2 and rest-api.  REST has
 * older names than the stream has, goes by time and not by ids, and its last
 * candle is always the running one.
 */
#include "generator/exchange_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/symbol.h"

#define MESSAGE_SYMBOLS	50
#define WORD_MAX	32
#define CANDLES_MAX	720

static void
native(const char *symbol, char name[EXCHANGE_NATIVE_MAX])
{
	snprintf(name, EXCHANGE_NATIVE_MAX, "%s", symbol);
}

static void
stream_path(char path[EXCHANGE_PATH_MAX])
{
	snprintf(path, EXCHANGE_PATH_MAX, "/v2");
}

/* Heartbeats come unasked. */
static bool
subscribe(const struct exchange_markets *m, enum timeframe tf, size_t index, struct jsonw *message)
{
	(void)tf;	/* its candle channel does not say when one is closed */
	if (index >= (m->count + MESSAGE_SYMBOLS - 1) / MESSAGE_SYMBOLS)
		return false;
	jsonw_object(message, NULL);
	jsonw_str(message, "method", "subscribe");
	jsonw_object(message, "params");
	jsonw_str(message, "channel", "trade");
	jsonw_array(message, "symbol");
	for (size_t i = index * MESSAGE_SYMBOLS; i < m->count && i < (index + 1) * MESSAGE_SYMBOLS; i++)
		jsonw_str(message, NULL, m->natives[i]);
	jsonw_end_array(message);
	jsonw_bool(message, "snapshot", true);
	jsonw_end_object(message);
	jsonw_int(message, "req_id", (int64_t)index + 1);
	jsonw_end_object(message);
	return true;
}

struct told {
	size_t		 symbol;
	struct trade	 trade;
};

static int
compare_told(const void *a, const void *b)
{
	const struct told	*x = a, *y = b;

	if (x->symbol != y->symbol)
		return x->symbol < y->symbol ? -1 : 1;
	return (x->trade.id > y->trade.id) - (x->trade.id < y->trade.id);
}

static bool
read_trade(struct jsonv v, struct trade *t, char why[EXCHANGE_WHY_MAX])
{
	t->folded = 0;
	return exchange_int(jsonv_get(v, "trade_id"), "trade_id", 1, &t->id, why) &&
	    exchange_positive(jsonv_get(v, "price"), "price", &t->price, why) &&
	    exchange_positive(jsonv_get(v, "qty"), "qty", &t->quantity, why) &&
	    exchange_time_iso(jsonv_get(v, "timestamp"), "timestamp", &t->time_us, why);
}

/* Those up to the first that is broken. */
static bool
read_trades(const struct exchange_markets *m, struct jsonv data, struct told *told, size_t *count, char why[EXCHANGE_WHY_MAX])
{
	size_t	 symbol;

	for (struct jsonv v = jsonv_first(data); v.at != -1; v = jsonv_next(v)) {
		if (!exchange_whose(m, jsonv_get(v, "symbol"), "symbol of a trade", &symbol, why))
			return false;
		if (symbol == EXCHANGE_ALL)
			continue;
		if (!read_trade(v, &told[*count].trade, why))
			return exchange_wrong_in(why, "trade", m->symbols[symbol]);
		told[(*count)++].symbol = symbol;
	}
	return true;
}

static bool
trades(const struct exchange_markets *m, struct jsonv root, const struct exchange_handler *h, void *arg, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 data = jsonv_get(root, "data");
	struct told	*told;
	size_t		 count = 0;
	bool		 ok;

	if (!jsonv_is_array(data))
		return exchange_wrong(why, "trade without an array data");
	told = xcalloc(jsonv_count(data) + 1, sizeof(*told));
	ok = read_trades(m, data, told, &count, why);
	qsort(told, count, sizeof(*told), compare_told);
	for (size_t i = 0; i < count; i++)
		h->trade(told[i].symbol, &told[i].trade, arg);
	free(told);
	return ok;
}

static bool
status(struct jsonv root, const struct exchange_handler *h, void *arg, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 word = jsonv_get(jsonv_first(jsonv_get(root, "data")), "system");
	char		 text[WORD_MAX];

	if (!jsonv_is_string(word))
		return exchange_wrong(why, "status without system");
	h->online(jsonv_equals(word, "online"), exchange_words(word, text, sizeof(text)), arg);
	return true;
}

static bool
subscription(const struct exchange_markets *m, struct jsonv root, const struct exchange_handler *h, void *arg,
    char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 result = jsonv_get(root, "result");
	char		 text[EXCHANGE_WHY_MAX];
	size_t		 symbol;
	bool		 success;

	if (!jsonv_bool(jsonv_get(root, "success"), &success))
		return exchange_wrong(why, "subscribe without success");
	if (success) {
		symbol = exchange_market(m, jsonv_get(result, "symbol"));
		if (symbol != EXCHANGE_ALL && jsonv_equals(jsonv_get(result, "channel"), "trade"))
			h->subscribed(symbol, arg);
		return true;
	}
	exchange_words(jsonv_get(root, "error"), text, sizeof(text));
	if ((symbol = exchange_market(m, jsonv_get(root, "symbol"))) == EXCHANGE_ALL)
		symbol = exchange_named(m, text);
	h->refused(symbol, text, arg);
	return true;
}

static bool
message(const struct exchange_markets *m, struct jsonr *r, const char *text, size_t len, const struct exchange_handler *h,
    void *arg, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 root, channel;

	if (!exchange_parse(r, text, len, why))
		return false;
	root = jsonr_root(r);
	channel = jsonv_get(root, "channel");
	if (jsonv_equals(channel, "trade"))
		return trades(m, root, h, arg, why);
	if (jsonv_equals(channel, "status"))
		return status(root, h, arg, why);
	if (jsonv_equals(channel, "heartbeat"))
		h->heartbeat(EXCHANGE_ALL, 0, INT64_MIN, arg);
	else if (jsonv_equals(jsonv_get(root, "method"), "subscribe"))
		return subscription(m, root, h, arg, why);
	return true;
}

/* REST */

static const char *
rest_asset(const char *asset)
{
	static const char *const	 older[][2] = { { "BTC", "XBT" }, { "DOGE", "XDG" } };

	for (size_t i = 0; i < sizeof(older) / sizeof(older[0]); i++)
		if (strcmp(asset, older[i][0]) == 0)
			return older[i][1];
	return asset;
}

static void
rest_pair(const char *symbol, char pair[EXCHANGE_NATIVE_MAX])
{
	const char	*slash = strchr(symbol, '/');
	char		 base[SYMBOL_PART_MAX + 1];

	snprintf(base, sizeof(base), "%.*s", (int)(slash - symbol), symbol);
	snprintf(pair, EXCHANGE_NATIVE_MAX, "%s%s", rest_asset(base), rest_asset(slash + 1));
}

/* What comes since a time is behind it, so both ask from a little before. */

static void
candles_path(const struct exchange_markets *m, size_t symbol, enum timeframe tf, int64_t from_us, int64_t to_us,
    char path[EXCHANGE_PATH_MAX])
{
	char	 pair[EXCHANGE_NATIVE_MAX];

	(void)to_us;	/* it always answers up to now */
	rest_pair(m->symbols[symbol], pair);
	snprintf(path, EXCHANGE_PATH_MAX, "/0/public/OHLC?pair=%s&interval=%lld&since=%lld", pair,
	    (long long)(timeframe_us(tf) / 60000000), (long long)(from_us / 1000000 - 1));
}

static void
trades_path(const struct exchange_markets *m, size_t symbol, int64_t from_id, int64_t from_us, int64_t below_id,
    char path[EXCHANGE_PATH_MAX])
{
	char	 pair[EXCHANGE_NATIVE_MAX];

	(void)from_id, (void)below_id;	/* by time only */
	rest_pair(m->symbols[symbol], pair);
	snprintf(path, EXCHANGE_PATH_MAX, "/0/public/Trades?pair=%s&since=%lld", pair, (long long)(from_us * 1000 - 1));
}

/* Its errors begin with E, its warnings with W; those come beside a result. */
static bool
fails(struct jsonv errors, char why[EXCHANGE_WHY_MAX])
{
	for (struct jsonv e = jsonv_first(errors); e.at != -1; e = jsonv_next(e))
		if (exchange_words(e, why, EXCHANGE_WHY_MAX)[0] != 'W')
			return why[0] != '\0' || !exchange_wrong(why, "an error without words");
	return false;
}

/* The rows, whatever the pair is called there. */
static bool
parse_rows(struct jsonr *r, const char *text, size_t len, struct jsonv *rows, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 key = { NULL, -1 }, result;

	if (!exchange_parse(r, text, len, why) || fails(jsonv_get(jsonr_root(r), "error"), why))
		return false;
	result = jsonv_get(jsonr_root(r), "result");
	while (jsonv_member(result, &key, rows))
		if (jsonv_is_array(*rows))
			return true;
	return exchange_wrong(why, "neither rows nor an error");
}

static bool
candle_row(struct jsonv row, struct candle *c, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 cells[8];

	if (!exchange_cells(row, cells, 8))
		return exchange_wrong(why, "no array of eight");
	return exchange_time_s(cells[0], "time", &c->open_us, why) && exchange_decimal(cells[1], "open", &c->open, why) &&
	    exchange_decimal(cells[2], "high", &c->high, why) && exchange_decimal(cells[3], "low", &c->low, why) &&
	    exchange_decimal(cells[4], "close", &c->close, why) && exchange_volume(cells[6], &c->volume, why) &&
	    exchange_int(cells[7], "count", 0, &c->trades, why);
}

/* When the running candle, the last row, opened; INT64_MAX when there is none. */
static int64_t
running_us(struct jsonv rows)
{
	struct jsonv	 last = jsonv_first(rows), next;
	int64_t		 us;
	char		 why[EXCHANGE_WHY_MAX];

	while ((next = jsonv_next(last)).at != -1)
		last = next;
	return exchange_time_s(jsonv_first(last), "time", &us, why) ? us : INT64_MAX;
}

static int
candles_answer(struct jsonr *r, const char *text, size_t len, enum timeframe tf, int64_t now_us, struct candle *out,
    size_t max, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 rows;
	int64_t		 running;

	if (!parse_rows(r, text, len, &rows, why))
		return -1;
	/* When the running one opened, by the exchange's clock, the others were over. */
	running = running_us(rows);
	return exchange_candles(rows, candle_row, false, tf, running < now_us ? running : now_us, out, max, why);
}

static bool
trade_row(struct jsonv row, struct trade *t, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 cells[7];

	if (!exchange_cells(row, cells, 7))
		return exchange_wrong(why, "no array of seven");
	t->folded = 0;
	return exchange_positive(cells[0], "price", &t->price, why) && exchange_positive(cells[1], "volume", &t->quantity, why) &&
	    exchange_time_s(cells[2], "time", &t->time_us, why) && exchange_int(cells[6], "trade_id", 1, &t->id, why);
}

static int
trades_answer(struct jsonr *r, const char *text, size_t len, struct trade *out, size_t max, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 rows;

	if (!parse_rows(r, text, len, &rows, why))
		return -1;
	return exchange_trades(rows, trade_row, false, out, max, why);
}

const struct exchange exchange_kraken = {
	.name = "kraken",
	.stream_url = "wss://ws.kraken.com",
	.rest_url = "https://api.kraken.com",
	.silence_ms = 5000,
	.answer_ms = 5000,
	.session_max_s = 0,
	.symbols_max = 0,
	.send_gap_ms = 200,
	.request_gap_ms = 1000,
	.weight_header = NULL,
	.weight_max = 0,
	.candles_max = CANDLES_MAX,
	.candles_reach = CANDLES_MAX,
	.trades_descend = false,
	.timeframes = 1u << TF_1M | 1u << TF_5M | 1u << TF_15M | 1u << TF_30M | 1u << TF_1H | 1u << TF_4H | 1u << TF_1D,
	.native = native,
	.stream_path = stream_path,
	.subscribe = subscribe,
	.message = message,
	.candles_path = candles_path,
	.candles_answer = candles_answer,
	.trades_path = trades_path,
	.trades_answer = trades_answer,
};
