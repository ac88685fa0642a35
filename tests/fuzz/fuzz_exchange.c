/*
 * What exchanges send: the first byte picks the exchange and whether the rest
 * is a message (0 to 2), an answer of candles (3 to 5) or of trades (6 to 8).  Whatever comes, what
 * is told is about a market of ours and could be stored as it is, and what is
 * not told has a reason.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/jsonr.h"
#include "generator/exchange.h"

#define ROWS	8
#define NOW_US	INT64_C(1770000090000000)

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const symbols[] = { "BTC/USDT", "ETH/BTC", "BTC/USD", "ETH/USD" };

static void
check(bool good)
{
	if (!good)
		abort();
}

static void
check_symbol(size_t symbol, bool or_all)
{
	check(symbol < sizeof(symbols) / sizeof(symbols[0]) || (or_all && symbol == EXCHANGE_ALL));
}

static void
check_trade(const struct trade *t)
{
	check(t->id > 0 && t->price.units > 0 && t->quantity.units > 0 && t->folded >= 0);
	check(t->time_us > INT64_C(1000000000000000) && t->time_us < INT64_C(5000000000000000));
}

static void
on_trade(size_t symbol, const struct trade *t, void *arg)
{
	struct trade	*last = arg;

	check_symbol(symbol, false);
	check_trade(t);
	check(t->id >= last[symbol].id);
	last[symbol] = *t;
}

static void
on_candle(size_t symbol, enum timeframe tf, const struct candle *c, void *arg)
{
	char	 why[200];

	(void)arg;
	check_symbol(symbol, false);
	check((unsigned)tf < TIMEFRAMES && candle_ok(c, tf, why, sizeof(why)) && c->trades >= 0);
}

static void
on_heartbeat(size_t symbol, int64_t last_trade_id, int64_t exchange_us, void *arg)
{
	(void)arg;
	check_symbol(symbol, true);
	check(last_trade_id >= 0 && (exchange_us > 0 || exchange_us == INT64_MIN));
}

static void
on_subscribed(size_t symbol, void *arg)
{
	(void)arg;
	check_symbol(symbol, true);
}

static void
on_refused(size_t symbol, const char *why, void *arg)
{
	(void)arg;
	check_symbol(symbol, true);
	check(strlen(why) < EXCHANGE_WHY_MAX);
}

static void
on_online(bool online, const char *word, void *arg)
{
	(void)arg;
	check(!online || strcmp(word, "online") == 0);
}

static void
on_closing(void *arg)
{
	(void)arg;
}

static const struct exchange_handler handler = {
	on_trade, on_candle, on_heartbeat, on_subscribed, on_refused, on_online, on_closing
};

static void
check_why(bool ok, const char *why)
{
	check(memchr(why, '\0', EXCHANGE_WHY_MAX) != NULL && (ok || why[0] != '\0'));
}

static void
candles(const struct exchange *x, struct jsonr *r, const char *text, size_t len, enum timeframe tf, char *why)
{
	struct candle	 out[ROWS];
	int		 count = x->candles_answer(r, text, len, tf, NOW_US, out, ROWS, why);
	char		 reason[200];

	check(count >= -1 && count <= ROWS);
	for (int i = 0; i < count; i++) {
		check(candle_ok(&out[i], tf, reason, sizeof(reason)));
		check(out[i].open_us + timeframe_us(tf) <= NOW_US);
		check(i == 0 || out[i].open_us > out[i - 1].open_us);
	}
	check_why(count != -1, why);
}

static void
trades(const struct exchange *x, struct jsonr *r, const char *text, size_t len, char *why)
{
	struct trade	 out[ROWS];
	int		 count = x->trades_answer(r, text, len, out, ROWS, why);

	check(count >= -1 && count <= ROWS);
	for (int i = 0; i < count; i++) {
		check_trade(&out[i]);
		check(i == 0 || out[i].id > out[i - 1].id);
	}
	check_why(count != -1, why);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct exchange *const	 exchanges[] = { &exchange_binance, &exchange_coinbase, &exchange_kraken };
	const struct exchange			*x;
	struct exchange_markets			*m;
	struct trade				 last[sizeof(symbols) / sizeof(symbols[0])] = { 0 };
	struct jsonr				 r = { 0 };
	const char				*text = (const char *)data + 1;
	unsigned				 choice;
	char					 why[EXCHANGE_WHY_MAX];

	if (size == 0)
		return 0;
	choice = (uint8_t)(data[0] - '0');
	x = exchanges[choice % 3];
	m = exchange_markets_new(x, symbols, sizeof(symbols) / sizeof(symbols[0]));
	memset(why, 0, sizeof(why));
	switch (choice / 3 % 3) {
	case 0:
		check_why(x->message(m, &r, text, size - 1, &handler, last, why), why);
		break;
	case 1:
		candles(x, &r, text, size - 1, choice / 9 % 2 == 0 ? TF_1M : TF_1D, why);
		break;
	default:
		trades(x, &r, text, size - 1, why);
	}
	exchange_markets_free(m);
	jsonr_release(&r);
	return 0;
}
