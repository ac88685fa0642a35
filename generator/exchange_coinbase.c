/*
 * Coinbase Exchange: matches, with a heartbeat a second that tells the newest
 * trade.  Its documents: docs.cdp.coinbase.com/exchange, websocket-feed/channels
 * and rest-api.  A candle is [time, low, high, open, close, volume].
 */
#include "generator/exchange_private.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"

#define CANDLES_MAX	300
#define PAGE_ROWS	1000

static void
native(const char *symbol, char name[EXCHANGE_NATIVE_MAX])
{
	snprintf(name, EXCHANGE_NATIVE_MAX, "%s", symbol);
	*strchr(name, '/') = '-';
}

static void
stream_path(char path[EXCHANGE_PATH_MAX])
{
	snprintf(path, EXCHANGE_PATH_MAX, "/");
}

/* One product a message: a wrong one takes all of its message with it. */
static bool
subscribe(const struct exchange_markets *m, enum timeframe tf, size_t index, struct jsonw *message)
{
	(void)tf;	/* there are no candles to subscribe to */
	if (index >= m->count)
		return false;
	jsonw_object(message, NULL);
	jsonw_str(message, "type", "subscribe");
	jsonw_array(message, "product_ids");
	jsonw_str(message, NULL, m->natives[index]);
	jsonw_end_array(message);
	jsonw_array(message, "channels");
	jsonw_str(message, NULL, "matches");
	jsonw_str(message, NULL, "heartbeat");
	jsonw_end_array(message);
	jsonw_end_object(message);
	return true;
}

/* The stream's and REST's are the same. */
static bool
read_trade(struct jsonv v, struct trade *t, char why[EXCHANGE_WHY_MAX])
{
	t->folded = 0;
	return exchange_int(jsonv_get(v, "trade_id"), "trade_id", 1, &t->id, why) &&
	    exchange_positive(jsonv_get(v, "price"), "price", &t->price, why) &&
	    exchange_positive(jsonv_get(v, "size"), "size", &t->quantity, why) &&
	    exchange_time_iso(jsonv_get(v, "time"), "time", &t->time_us, why);
}

static bool
match(const struct exchange_markets *m, struct jsonv root, const struct exchange_handler *h, void *arg, char why[EXCHANGE_WHY_MAX])
{
	size_t		 symbol;
	struct trade	 t;

	if (!exchange_whose(m, jsonv_get(root, "product_id"), "product_id of a match", &symbol, why))
		return false;
	if (symbol == EXCHANGE_ALL)
		return true;
	if (!read_trade(root, &t, why))
		return exchange_wrong_in(why, "match", m->symbols[symbol]);
	h->trade(symbol, &t, arg);
	return true;
}

static bool
heartbeat(const struct exchange_markets *m, struct jsonv root, const struct exchange_handler *h, void *arg,
    char why[EXCHANGE_WHY_MAX])
{
	size_t		 symbol;
	int64_t		 id, time_us;

	if (!exchange_whose(m, jsonv_get(root, "product_id"), "product_id of a heartbeat", &symbol, why))
		return false;
	if (symbol == EXCHANGE_ALL)
		return true;
	if (!exchange_int(jsonv_get(root, "last_trade_id"), "last_trade_id", 0, &id, why) ||
	    !exchange_time_iso(jsonv_get(root, "time"), "time", &time_us, why))
		return exchange_wrong_in(why, "heartbeat", m->symbols[symbol]);
	h->heartbeat(symbol, id, time_us, arg);
	return true;
}

/* All that stands so far, not only what is new. */
static void
subscriptions(const struct exchange_markets *m, struct jsonv root, const struct exchange_handler *h, void *arg)
{
	struct jsonv	 channel, product;
	size_t		 symbol;

	for (channel = jsonv_first(jsonv_get(root, "channels")); channel.at != -1; channel = jsonv_next(channel)) {
		if (!jsonv_equals(jsonv_get(channel, "name"), "matches"))
			continue;
		product = jsonv_first(jsonv_get(channel, "product_ids"));
		for (; product.at != -1; product = jsonv_next(product))
			if ((symbol = exchange_market(m, product)) != EXCHANGE_ALL)
				h->subscribed(symbol, arg);
	}
}

static void
refuse(const struct exchange_markets *m, struct jsonv root, const struct exchange_handler *h, void *arg)
{
	char	 words[EXCHANGE_WHY_MAX], reason[EXCHANGE_WHY_MAX], text[EXCHANGE_WHY_MAX];

	exchange_words(jsonv_get(root, "message"), words, sizeof(words));
	exchange_words(jsonv_get(root, "reason"), reason, sizeof(reason));
	snprintf(text, sizeof(text), "%.90s%s%.90s", words, reason[0] == '\0' ? "" : ": ", reason);
	h->refused(exchange_named(m, text), text, arg);
}

static bool
message(const struct exchange_markets *m, struct jsonr *r, const char *text, size_t len, const struct exchange_handler *h,
    void *arg, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 root, type;

	if (!exchange_parse(r, text, len, why))
		return false;
	root = jsonr_root(r);
	type = jsonv_get(root, "type");
	if (jsonv_equals(type, "match") || jsonv_equals(type, "last_match"))
		return match(m, root, h, arg, why);
	if (jsonv_equals(type, "heartbeat"))
		return heartbeat(m, root, h, arg, why);
	if (jsonv_equals(type, "subscriptions"))
		subscriptions(m, root, h, arg);
	else if (jsonv_equals(type, "error"))
		refuse(m, root, h, arg);
	return true;
}

static void
candles_path(const struct exchange_markets *m, size_t symbol, enum timeframe tf, int64_t from_us, int64_t to_us,
    char path[EXCHANGE_PATH_MAX])
{
	char	 from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];

	/* `end` names the last candle, and 301 of them would be refused: end within the one before the boundary. */
	snprintf(path, EXCHANGE_PATH_MAX, "/products/%s/candles?granularity=%lld&start=%s&end=%s", m->natives[symbol],
	    (long long)(timeframe_us(tf) / 1000000), clock_iso_ms(from_us, from), clock_iso_ms(to_us - 1000000, to));
}

static bool
parse_rows(struct jsonr *r, const char *text, size_t len, char why[EXCHANGE_WHY_MAX])
{
	if (!exchange_parse(r, text, len, why))
		return false;
	if (jsonv_is_array(jsonr_root(r)))
		return true;
	if (exchange_words(jsonv_get(jsonr_root(r), "message"), why, EXCHANGE_WHY_MAX)[0] == '\0')
		exchange_wrong(why, "neither an array nor an error");
	return false;
}

static bool
candle_row(struct jsonv row, struct candle *c, char why[EXCHANGE_WHY_MAX])
{
	struct jsonv	 cells[6];

	if (!exchange_cells(row, cells, 6))
		return exchange_wrong(why, "no array of six");
	c->trades = -1;
	return exchange_time_s(cells[0], "time", &c->open_us, why) && exchange_decimal(cells[1], "low", &c->low, why) &&
	    exchange_decimal(cells[2], "high", &c->high, why) && exchange_decimal(cells[3], "open", &c->open, why) &&
	    exchange_decimal(cells[4], "close", &c->close, why) && exchange_volume(cells[5], &c->volume, why);
}

static int
candles_answer(struct jsonr *r, const char *text, size_t len, enum timeframe tf, int64_t now_us, struct candle *out,
    size_t max, char why[EXCHANGE_WHY_MAX])
{
	if (!parse_rows(r, text, len, why))
		return -1;
	return exchange_candles(jsonr_root(r), candle_row, true, tf, now_us, out, max, why);
}

static void
trades_path(const struct exchange_markets *m, size_t symbol, int64_t from_id, int64_t from_us, int64_t below_id,
    char path[EXCHANGE_PATH_MAX])
{
	int	 len = snprintf(path, EXCHANGE_PATH_MAX, "/products/%s/trades?limit=%d", m->natives[symbol], PAGE_ROWS);

	(void)from_id, (void)from_us;	/* descending */
	if (below_id != 0)
		snprintf(path + len, (size_t)(EXCHANGE_PATH_MAX - len), "&after=%lld", (long long)below_id);
}

static int
trades_answer(struct jsonr *r, const char *text, size_t len, struct trade *out, size_t max, char why[EXCHANGE_WHY_MAX])
{
	if (!parse_rows(r, text, len, why))
		return -1;
	return exchange_trades(jsonr_root(r), read_trade, true, out, max, why);
}

const struct exchange exchange_coinbase = {
	.name = "coinbase",
	.stream_url = "wss://ws-feed.exchange.coinbase.com",
	.rest_url = "https://api.exchange.coinbase.com",
	.silence_ms = 5000,
	.answer_ms = 5000,
	.session_max_s = 0,
	.symbols_max = 0,
	.send_gap_ms = 50,
	.request_gap_ms = 200,
	.weight_header = NULL,
	.weight_max = 0,
	.candles_max = CANDLES_MAX,
	.candles_reach = 0,
	.trades_descend = true,
	.timeframes = 1u << TF_1M | 1u << TF_5M | 1u << TF_15M | 1u << TF_1H | 1u << TF_6H | 1u << TF_1D,
	.native = native,
	.stream_path = stream_path,
	.subscribe = subscribe,
	.message = message,
	.candles_path = candles_path,
	.candles_answer = candles_answer,
	.trades_path = trades_path,
	.trades_answer = trades_answer,
};
