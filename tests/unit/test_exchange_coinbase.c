#include "tests/unit/exchange_record.h"

#define NOW_US	INT64_C(1770000090000000)	/* 2026-02-02T02:41:30Z */

static const char *const symbols[] = { "BTC/USD", "ETH/EUR", "BTC/USDT" };

static const char match[] = "{\"type\":\"match\",\"trade_id\":5501,\"maker_order_id\":\"m\",\"taker_order_id\":\"t\",\"side\":\"sell\","
    "\"size\":\"0.25000000\",\"price\":\"2310.75\",\"product_id\":\"ETH-EUR\",\"sequence\":771,\"time\":\"2026-02-02T02:40:00.205678Z\"}";
static const char heartbeat[] = "{\"type\":\"heartbeat\",\"sequence\":90,\"last_trade_id\":5503,\"product_id\":\"ETH-EUR\","
    "\"time\":\"2026-02-02T02:40:01.000001Z\"}";

static int
set_up(void **state)
{
	static struct record	 rec;

	record_init(&rec, &exchange_coinbase, symbols, 3);
	*state = &rec;
	return 0;
}

static int
tear_down(void **state)
{
	record_release(*state);
	return 0;
}

static void
matches_are_trades(void **state)
{
	char	 text[512];

	says(*state, match, "trade ETH/EUR 5501 2026-02-02T02:40:00.205678Z 2310.75*0.25+0\n");
	says(*state, changed(match, "\"match\"", "\"last_match\"", text, sizeof(text)),
	    "trade ETH/EUR 5501 2026-02-02T02:40:00.205678Z 2310.75*0.25+0\n");
}

static void
a_heartbeat_tells_the_newest_trade(void **state)
{
	char	 text[512];

	says(*state, heartbeat, "heartbeat ETH/EUR 5503 2026-02-02T02:40:01.000001Z\n");
	says(*state, changed(heartbeat, "5503", "0", text, sizeof(text)), "heartbeat ETH/EUR 0 2026-02-02T02:40:01.000001Z\n");
	breaks(*state, changed(heartbeat, "5503", "-1", text, sizeof(text)), "heartbeat of ETH/EUR: last_trade_id is no whole number from zero");
	breaks(*state, changed(heartbeat, "2026-02-02T02:40:01.000001Z", "soon", text, sizeof(text)), "time is no time in RFC 3339");
	breaks(*state, changed(heartbeat, "product_id", "product", text, sizeof(text)), "product_id of a heartbeat is missing");
}

static void
subscriptions_are_confirmed_by_product(void **state)
{
	says(*state, "{\"type\":\"subscriptions\",\"channels\":[{\"name\":\"heartbeat\",\"product_ids\":[\"BTC-USD\"]},"
	    "{\"name\":\"matches\",\"product_ids\":[\"ETH-EUR\",\"LTC-USD\",\"BTC-USD\",7],\"account_ids\":null}]}",
	    "subscribed ETH/EUR\nsubscribed BTC/USD\n");
	says(*state, "{\"type\":\"subscriptions\",\"channels\":[]}", "");
	says(*state, "{\"type\":\"subscriptions\"}", "");
}

static void
an_error_refuses_the_product_that_it_names(void **state)
{
	says(*state, "{\"type\":\"error\",\"message\":\"Failed to subscribe\",\"reason\":\"ETH-EUR is delisted\"}",
	    "refused ETH/EUR Failed to subscribe: ETH-EUR is delisted\n");
	says(*state, "{\"type\":\"error\",\"message\":\"Failed to subscribe\",\"reason\":\"BTC-USDT is not a valid product\"}",
	    "refused BTC/USDT Failed to subscribe: BTC-USDT is not a valid product\n");
	says(*state, "{\"type\":\"error\",\"message\":\"Failed to subscribe\",\"reason\":\"BTC-USDC is not a valid product\"}",
	    "refused all Failed to subscribe: BTC-USDC is not a valid product\n");
	says(*state, "{\"type\":\"error\",\"message\":\"Slow down\"}", "refused all Slow down\n");
	says(*state, "{\"type\":\"error\"}", "refused all \n");
}

static void
what_is_unknown_is_silent(void **state)
{
	static const char *const	 messages[] = {
		"{\"type\":\"ticker\",\"sequence\":771,\"product_id\":\"ETH-EUR\",\"price\":\"2310.75\",\"side\":\"buy\",\"trade_id\":5501,"
		    "\"time\":\"2026-02-02T02:40:00.205678Z\",\"last_size\":\"0.25\"}",
		"{\"type\":\"match\",\"product_id\":\"LTC-USD\"}", "{\"type\":\"heartbeat\",\"product_id\":\"LTC-USD\"}",
		"{\"type\":\"match_v9\",\"product_id\":\"ETH-EUR\"}", "{\"type\":7}", "{}", "[]", "\"match\"",
	};

	says_nothing(*state, messages, sizeof(messages) / sizeof(messages[0]));
}

static void
a_broken_match_says_what_is_wrong(void **state)
{
	static const struct {
		const char	*old, *fresh, *hint;
	} cases[] = {
		{ "5501", "0", "match of ETH/EUR: trade_id is no whole number above zero: 0" },
		{ "5501", "5.5", "trade_id is no whole number" },
		{ "\"2310.75\"", "\"0.00\"", "price is not above zero" },
		{ "\"2310.75\"", "{}", "price is no decimal number" },
		{ "\"0.25000000\"", "\"\"", "size is no decimal number" },
		{ "\"size\":\"0.25000000\",", "", "size is missing" },
		{ "2026-02-02T02:40", "2026-02-31T02:40", "time is no time" },
		{ "2026-02-02T02:40", "1926-02-02T02:40", "time is no time" },
		{ "\"2026-02-02T02:40:00.205678Z\"", "1770000000", "time is no time" },
		{ "\"product_id\":\"ETH-EUR\",", "", "product_id of a match is missing" },
		{ "205678Z\"}", "205678Z\"", "no JSON" },
	};
	char	 text[512];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		breaks(*state, changed(match, cases[i].old, cases[i].fresh, text, sizeof(text)), cases[i].hint);
}

static void
every_product_has_a_message_of_its_own(void **state)
{
	assert_string_equal(subscription(*state, TF_1M, 0),
	    "{\"type\":\"subscribe\",\"product_ids\":[\"BTC-USD\"],\"channels\":[\"matches\",\"heartbeat\"]}");
	assert_string_equal(subscription(*state, TF_1M, 2),
	    "{\"type\":\"subscribe\",\"product_ids\":[\"BTC-USDT\"],\"channels\":[\"matches\",\"heartbeat\"]}");
	assert_null(subscription(*state, TF_1M, 3));
}

static void
paths_are_exact(void **state)
{
	struct record	*rec = *state;
	char		 path[EXCHANGE_PATH_MAX];

	rec->x->stream_path(path);
	assert_string_equal(path, "/");
	/* Three candles: the last opens at 02:50. */
	rec->x->candles_path(rec->m, 1, TF_5M, INT64_C(1770000000000000), INT64_C(1770000900000000), path);
	assert_string_equal(path, "/products/ETH-EUR/candles?granularity=300&start=2026-02-02T02:40:00.000Z&end=2026-02-02T02:54:59.000Z");
	rec->x->trades_path(rec->m, 0, 812, NOW_US, 0, path);
	assert_string_equal(path, "/products/BTC-USD/trades?limit=1000");
	rec->x->trades_path(rec->m, 0, 812, NOW_US, 5500, path);
	assert_string_equal(path, "/products/BTC-USD/trades?limit=1000&after=5500");
}

/* Newest first; low, high, open, close. */
#define CANDLES \
	"[[1770000120,9,13,11,12,1.5],[1770000060,8.5,12.5,11,11,2e-08],[1769999940,9.5,12,10,11,100.30000000000001]]"

static void
candles_are_turned_round_and_their_columns_told_apart(void **state)
{
	static const char	 two[] = "2026-02-02T02:39:00.000000Z 10 12 9.5 11 100.30000000000001 -1 rest\n"
				    "2026-02-02T02:41:00.000000Z 11 12.5 8.5 11 0.00000002 -1 rest\n";

	candles_are(*state, CANDLES, TF_1M, INT64_C(1770000120000000), 8, two);
	candles_are(*state, CANDLES, TF_1M, INT64_C(1770000120000000) - 1, 8,
	    "2026-02-02T02:39:00.000000Z 10 12 9.5 11 100.30000000000001 -1 rest\n");
	/* Room for two of three: the oldest. */
	candles_are(*state, CANDLES, TF_1M, INT64_C(1770000999000000), 2, two);
	candles_are(*state, "[]", TF_1M, NOW_US, 8, "");
}

/* Sums of doubles, and cheap coins by the million: a volume with more digits than fit is cut, and costs no page. */
static void
a_volume_is_cut_to_what_fits(void **state)
{
	candles_are(*state, "[[1770000060,8.5,12.5,11,11,1.2340000000000001e-05],[1770000000,9.5,12,10,11,12345678901234.1234567]]",
	    TF_1M, INT64_C(1770000999000000), 8, "2026-02-02T02:40:00.000000Z 10 12 9.5 11 12345678901234.1234 -1 rest\n"
	    "2026-02-02T02:41:00.000000Z 11 12.5 8.5 11 0.00001234 -1 rest\n");
	candles_are(*state, "[[1770000060,8.5,12.5,11,11,1234567890123456789]]", TF_1M, NOW_US, 8,
	    "-1 row 1 of the candles: volume is no decimal number that fits: 1234567890123456789");
	/* A price is exact or none. */
	candles_are(*state, "[[1770000060,8.5,12.5,11,10.1234567890123456789,1]]", TF_1M, NOW_US, 8,
	    "-1 row 1 of the candles: close is no decimal number that fits: 10.1234567890123456789");
}

static void
a_broken_answer_says_what_is_wrong(void **state)
{
	char	 text[512];

	candles_are(*state, "{\"message\":\"NotFound\"}", TF_1M, NOW_US, 8, "-1 NotFound");
	candles_are(*state, "", TF_1M, NOW_US, 8, "-1 no JSON: ");
	candles_are(*state, "{\"message\":\"\"}", TF_1M, NOW_US, 8, "-1 neither an array nor an error");
	candles_are(*state, "{\"message\":7}", TF_1M, NOW_US, 8, "-1 neither an array nor an error");
	candles_are(*state, "[[1770000060,8.5,12.5,11,11]]", TF_1M, NOW_US, 8, "-1 row 1 of the candles: no array of six");
	candles_are(*state, changed(CANDLES, "1770000060,", "1770000061,", text, sizeof(text)), TF_1M, NOW_US, 8,
	    "-1 row 2 of the candles: the values of 2026-02-02T02:41:01.000Z: no 1m candle opens at 2026-02-02T02:41:01.000000Z");
	candles_are(*state, changed(CANDLES, "1770000060,", "\"x\",", text, sizeof(text)), TF_1M, NOW_US, 8,
	    "-1 row 2 of the candles: time is no time in seconds of this century: x");
	candles_are(*state, changed(CANDLES, "1770000060,", "\"1770000060x\",", text, sizeof(text)), TF_1M, NOW_US, 8,
	    "-1 row 2 of the candles: time is no time in seconds of this century: 1770000060x");
	candles_are(*state, changed(CANDLES, "1770000060,", "60,", text, sizeof(text)), TF_1M, NOW_US, 8,
	    "-1 row 2 of the candles: time is no time in seconds of this century: 60");
	candles_are(*state, changed(CANDLES, "1770000060,", "99999999999999999999999,", text, sizeof(text)), TF_1M, NOW_US, 8,
	    "-1 row 2 of the candles: time is no time in seconds of this century: 99999999999999999999999");
	trades_are(*state, "{\"message\":\"NotFound\"}", 8, "-1 NotFound");
	trades_are(*state, "[{\"trade_id\":1}]", 8, "-1 row 1 of the trades: price is missing");
}

static void
pages_of_trades_are_turned_round(void **state)
{
	static const char	 page[] =
	    "[{\"trade_id\":42,\"side\":\"buy\",\"size\":\"0.1\",\"price\":\"10.5\",\"time\":\"2026-02-02T02:40:07.5Z\"},"
	    "{\"trade_id\":41,\"side\":\"sell\",\"size\":\"2.00\",\"price\":\"10.25\",\"time\":\"2026-02-02T02:40:06Z\"}]";

	trades_are(*state, page, 8, "41 2026-02-02T02:40:06.000000Z 10.25*2+0\n42 2026-02-02T02:40:07.500000Z 10.5*0.1+0\n");
	trades_are(*state, page, 1, "41 2026-02-02T02:40:06.000000Z 10.25*2+0\n");
	trades_are(*state, "[]", 8, "");
}

static void
the_capture_is_read(void **state)
{
	static const char *const	 markets[] = { "SKL/USD", "SKL/BTC", "BAND/GBP", "NMR/EUR", "BAND/BTC", "YFI/BTC", "DASH/BTC",
	    "NU/GBP", "CRV/EUR", "SKL/GBP" };
	struct record			 rec;

	(void)state;
	record_init(&rec, &exchange_coinbase, markets, 10);
	replay(&rec, "coinbase_matches_ticker.txt");
	/* As many as there are tickers, which tell each trade again. */
	assert_int_equal(rec.trades, 107);
	assert_int_equal(rec.jumps, 0);
	assert_int_equal(rec.broken, 0);
	for (int i = 0; i < 10; i++)
		assert_true(rec.last_id[i] > 0);
	record_release(&rec);
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_setup_teardown(matches_are_trades, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_heartbeat_tells_the_newest_trade, set_up, tear_down),
		cmocka_unit_test_setup_teardown(subscriptions_are_confirmed_by_product, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_error_refuses_the_product_that_it_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_unknown_is_silent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_match_says_what_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_product_has_a_message_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(paths_are_exact, set_up, tear_down),
		cmocka_unit_test_setup_teardown(candles_are_turned_round_and_their_columns_told_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_volume_is_cut_to_what_fits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_answer_says_what_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pages_of_trades_are_turned_round, set_up, tear_down),
		cmocka_unit_test(the_capture_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
