#include "tests/unit/unit.h"

#include <string.h>

#include "generator/exchange_private.h"

static size_t
find(const struct exchange_markets *m, const char *native)
{
	return exchange_markets_find(m, native, strlen(native));
}

static void
markets_are_found_by_their_native_names(void **state)
{
	static const char *const	 symbols[] = { "ETH/USDT", "BTC/USDT", "BTC/USD", "1000.A/B", "XRP/USDT" };
	struct exchange_markets		*m = exchange_markets_new(&exchange_binance, symbols, 5);

	(void)state;
	assert_int_equal(m->count, 5);
	assert_string_equal(m->symbols[3], "1000.A/B");
	assert_string_equal(m->natives[3], "1000.AB");
	assert_int_equal(find(m, "ETHUSDT"), 0);
	assert_int_equal(find(m, "BTCUSDT"), 1);
	assert_int_equal(find(m, "BTCUSD"), 2);
	assert_int_equal(find(m, "1000.AB"), 3);
	assert_int_equal(find(m, "XRPUSDT"), 4);
	/* Neither a part, nor more, nor another case; and not beyond the length given. */
	assert_true(find(m, "BTCUS") == EXCHANGE_ALL);
	assert_true(find(m, "BTCUSDTT") == EXCHANGE_ALL);
	assert_true(find(m, "btcusdt") == EXCHANGE_ALL);
	assert_true(find(m, "") == EXCHANGE_ALL);
	assert_true(find(m, "ZZZ") == EXCHANGE_ALL);
	assert_true(exchange_markets_find(m, "BTCUSD\0", 7) == EXCHANGE_ALL);
	assert_int_equal(exchange_markets_find(m, "BTCUSDT", 6), 2);
	exchange_markets_free(m);
	exchange_markets_free(NULL);
}

static void
each_exchange_writes_a_symbol_its_own_way(void **state)
{
	static const struct {
		const struct exchange	*x;
		const char		*name, *native;
	} cases[] = {
		{ &exchange_binance, "binance", "ABCDEFGHIJKLMNOPQRSTABCDEFGHIJKLMNOPQRST" },
		{ &exchange_coinbase, "coinbase", "ABCDEFGHIJKLMNOPQRST-ABCDEFGHIJKLMNOPQRST" },
		{ &exchange_kraken, "kraken", "ABCDEFGHIJKLMNOPQRST/ABCDEFGHIJKLMNOPQRST" },
	};
	char	 native[EXCHANGE_NATIVE_MAX];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		cases[i].x->native("ABCDEFGHIJKLMNOPQRST/ABCDEFGHIJKLMNOPQRST", native);
		assert_string_equal(native, cases[i].native);
		assert_string_equal(cases[i].x->name, cases[i].name);
	}
}

static void
a_text_names_a_market_by_a_whole_word(void **state)
{
	static const char *const	 symbols[] = { "BTC/USD", "ETH/USD" };
	struct exchange_markets		*m = exchange_markets_new(&exchange_coinbase, symbols, 2);

	(void)state;
	assert_int_equal(exchange_named(m, "no ETH-USD here"), 1);
	assert_int_equal(exchange_named(m, "ETH-USD"), 1);
	assert_int_equal(exchange_named(m, "(eth-usd)"), 1);
	assert_int_equal(exchange_named(m, "WETH-USD, ETH-USDT, ETH-USD"), 1);
	assert_true(exchange_named(m, "WETH-USD, ETH-USDT") == EXCHANGE_ALL);
	assert_true(exchange_named(m, "") == EXCHANGE_ALL);
	exchange_markets_free(m);
}

/* A feed may take its base candles from REST: what is offered there must be what can be asked for. */
static void
timeframes_are_those_that_rest_has(void **state)
{
	static const enum timeframe	 coinbase[] = { TF_1M, TF_5M, TF_15M, TF_1H, TF_6H, TF_1D };
	static const enum timeframe	 kraken[] = { TF_1M, TF_5M, TF_15M, TF_30M, TF_1H, TF_4H, TF_1D };
	unsigned			 bits = 0;

	(void)state;
	assert_int_equal(exchange_binance.timeframes, (1u << TIMEFRAMES) - 1);
	for (size_t i = 0; i < sizeof(coinbase) / sizeof(coinbase[0]); i++)
		bits |= 1u << coinbase[i];
	assert_int_equal(exchange_coinbase.timeframes, bits);
	bits = 0;
	for (size_t i = 0; i < sizeof(kraken) / sizeof(kraken[0]); i++)
		bits |= 1u << kraken[i];
	assert_int_equal(exchange_kraken.timeframes, bits);
}

static void
words_are_cut_where_the_room_ends(void **state)
{
	static const char	 text[] = "[\"a long \\\"word\\\"\",7,\"short\"]";
	struct jsonr		 r = { 0 };
	struct jsonv		 v;
	char			 buf[8];

	(void)state;
	assert_true(jsonr_parse(&r, text, sizeof(text) - 1));
	v = jsonv_first(jsonr_root(&r));
	assert_string_equal(exchange_words(v, buf, sizeof(buf)), "a long ");
	v = jsonv_next(v);
	assert_string_equal(exchange_words(v, buf, sizeof(buf)), "");
	assert_string_equal(exchange_words(jsonv_next(v), buf, sizeof(buf)), "short");
	jsonr_release(&r);
}

static void
a_why_never_grows_beyond_its_room(void **state)
{
	char	 why[EXCHANGE_WHY_MAX], name[300];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_false(exchange_wrong(why, "%s", name));
	assert_int_equal(strlen(why), EXCHANGE_WHY_MAX - 1);
	assert_false(exchange_wrong_in(why, "trade", "BTC/USD"));
	assert_int_equal(strlen(why), EXCHANGE_WHY_MAX - 1);
	assert_memory_equal(why, "trade of BTC/USD: nnn", 21);
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(markets_are_found_by_their_native_names),
		cmocka_unit_test(each_exchange_writes_a_symbol_its_own_way),
		cmocka_unit_test(a_text_names_a_market_by_a_whole_word),
		cmocka_unit_test(timeframes_are_those_that_rest_has),
		cmocka_unit_test(words_are_cut_where_the_room_ends),
		cmocka_unit_test(a_why_never_grows_beyond_its_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
