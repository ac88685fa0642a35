/*
 * exchange: market messages parsed per second and core, by exchange: a mix of
 * what a busy connection sends, handed to a handler that only counts.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "generator/exchange.h"

#define ROUNDS		1000000
#define MESSAGES_MAX	3

static uint64_t told;

static void
on_trade(size_t symbol, const struct trade *t, void *arg)
{
	(void)symbol, (void)t, (void)arg;
	told++;
}

static void
on_candle(size_t symbol, enum timeframe tf, const struct candle *c, void *arg)
{
	(void)symbol, (void)tf, (void)c, (void)arg;
	told++;
}

static void
on_heartbeat(size_t symbol, int64_t last_trade_id, int64_t exchange_us, void *arg)
{
	(void)symbol, (void)last_trade_id, (void)exchange_us, (void)arg;
	told++;
}

static void
on_subscribed(size_t symbol, void *arg)
{
	(void)symbol, (void)arg;
}

static void
on_refused(size_t symbol, const char *why, void *arg)
{
	(void)symbol, (void)why, (void)arg;
}

static void
on_online(bool online, const char *word, void *arg)
{
	(void)online, (void)word, (void)arg;
}

static void
on_closing(void *arg)
{
	(void)arg;
}

static const struct exchange_handler handler = {
	on_trade, on_candle, on_heartbeat, on_subscribed, on_refused, on_online, on_closing
};

static const struct load {
	const struct exchange	*x;
	const char		*messages[MESSAGES_MAX];
} loads[] = {
	{ &exchange_binance, {
	    "{\"stream\":\"btcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1770000000207,\"s\":\"BTCUSDT\",\"a\":3300456,"
	    "\"p\":\"77010.50000000\",\"q\":\"0.01200000\",\"f\":5600120,\"l\":5600123,\"T\":1770000000205,\"m\":true,\"M\":true}}",
	    "{\"stream\":\"ethusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1770000000209,\"s\":\"ETHUSDT\",\"a\":7001,"
	    "\"p\":\"2310.75000000\",\"q\":\"1.50000000\",\"f\":9100,\"l\":9100,\"T\":1770000000208,\"m\":false,\"M\":true}}",
	    "{\"stream\":\"btcusdt@kline_1m\",\"data\":{\"e\":\"kline\",\"E\":1770000002012,\"s\":\"BTCUSDT\",\"k\":{\"t\":1770000000000,"
	    "\"T\":1770000059999,\"s\":\"BTCUSDT\",\"i\":\"1m\",\"f\":100,\"L\":141,\"o\":\"77010.50\",\"c\":\"77002.00\",\"h\":\"77044.10\","
	    "\"l\":\"76990.00\",\"v\":\"3.25\",\"n\":42,\"x\":false,\"q\":\"250300.1\",\"V\":\"1.5\",\"Q\":\"115500.0\",\"B\":\"0\"}}}" } },
	{ &exchange_coinbase, {
	    "{\"type\":\"match\",\"trade_id\":5501,\"maker_order_id\":\"27fff20b-0000-4f45-8744-56dd1ef57dc0\","
	    "\"taker_order_id\":\"1da6ce16-0000-4732-9f71-6049f4c6aaf8\",\"side\":\"sell\",\"size\":\"0.25000000\",\"price\":\"77010.75\","
	    "\"product_id\":\"BTC-USDT\",\"sequence\":771,\"time\":\"2026-02-02T02:40:00.205678Z\"}",
	    "{\"type\":\"match\",\"trade_id\":881,\"maker_order_id\":\"27fff20b-0000-4f45-8744-56dd1ef57dc0\","
	    "\"taker_order_id\":\"1da6ce16-0000-4732-9f71-6049f4c6aaf8\",\"side\":\"buy\",\"size\":\"1.5\",\"price\":\"2310.75\","
	    "\"product_id\":\"ETH-USDT\",\"sequence\":772,\"time\":\"2026-02-02T02:40:00.205901Z\"}",
	    "{\"type\":\"heartbeat\",\"sequence\":90,\"last_trade_id\":5503,\"product_id\":\"BTC-USDT\",\"time\":\"2026-02-02T02:40:01.000001Z\"}" } },
	{ &exchange_kraken, {
	    "{\"channel\":\"trade\",\"type\":\"update\",\"data\":[{\"symbol\":\"BTC/USDT\",\"side\":\"buy\",\"price\":77010.1,\"qty\":0.00027625,"
	    "\"ord_type\":\"limit\",\"trade_id\":10218208,\"timestamp\":\"2026-02-02T02:40:00.440295Z\"}]}",
	    "{\"channel\":\"trade\",\"type\":\"update\",\"data\":[{\"symbol\":\"ETH/USDT\",\"side\":\"buy\",\"price\":2310.75,\"qty\":1.5,"
	    "\"ord_type\":\"limit\",\"trade_id\":901,\"timestamp\":\"2026-02-02T02:40:00.5Z\"},{\"symbol\":\"ETH/USDT\",\"side\":\"buy\","
	    "\"price\":2310.8,\"qty\":0.5,\"ord_type\":\"limit\",\"trade_id\":902,\"timestamp\":\"2026-02-02T02:40:00.5Z\"}]}",
	    "{\"channel\":\"heartbeat\"}" } },
};

static int
run(const struct load *load)
{
	static const char *const	 symbols[] = { "BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT" };
	struct exchange_markets		*m = exchange_markets_new(load->x, symbols, sizeof(symbols) / sizeof(symbols[0]));
	struct jsonr			 r = { 0 };
	size_t				 lengths[MESSAGES_MAX], bytes = 0;
	char				 why[EXCHANGE_WHY_MAX];
	double				 seconds;
	int64_t				 start;
	int				 broken = 0;

	for (int i = 0; i < MESSAGES_MAX; i++)
		lengths[i] = strlen(load->messages[i]);
	told = 0;
	start = clock_mono_us();
	for (int i = 0; i < ROUNDS; i++) {
		broken += !load->x->message(m, &r, load->messages[i % MESSAGES_MAX], lengths[i % MESSAGES_MAX], &handler, NULL, why);
		bytes += lengths[i % MESSAGES_MAX];
	}
	seconds = (double)(clock_mono_us() - start) / 1e6;
	printf("%-9s %9.0f messages/s %9.0f told/s %6.1f MB/s\n", load->x->name, ROUNDS / seconds, (double)told / seconds,
	    (double)bytes / seconds / 1e6);
	if (broken > 0)
		printf("%-9s %d broken: %s\n", load->x->name, broken, why);
	jsonr_release(&r);
	exchange_markets_free(m);
	return broken;
}

int
main(void)
{
	int	 broken = 0;

	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
		broken += run(&loads[i]);
	return broken == 0 ? 0 : 1;
}
