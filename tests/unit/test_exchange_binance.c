#include "tests/unit/exchange_record.h"

#define NOW_US	INT64_C(1770000090000000)	/* 2026-02-02T02:41:30Z */

static const char *const symbols[] = { "BTC/USDT", "ETH/BTC", "1INCH/USDT" };

static const char agg_trade[] = "{\"e\":\"aggTrade\",\"E\":1770000000207,\"s\":\"ETHBTC\",\"a\":7001,\"p\":\"0.03170000\",\"q\":\"12.50\","
    "\"f\":9100,\"l\":9103,\"T\":1770000000205,\"m\":true,\"M\":true}";
static const char closed_kline[] = "{\"stream\":\"btcusdt@kline_1m\",\"data\":{\"e\":\"kline\",\"E\":1770000060012,\"s\":\"BTCUSDT\",\"k\":{"
    "\"t\":1770000000000,\"T\":1770000059999,\"s\":\"BTCUSDT\",\"i\":\"1m\",\"f\":100,\"L\":141,\"o\":\"77010.50\",\"c\":\"77002.00\","
    "\"h\":\"77044.10\",\"l\":\"76990.00\",\"v\":\"3.25000000\",\"n\":42,\"x\":true,\"q\":\"250300.1\",\"V\":\"1.5\",\"Q\":\"115500.0\",\"B\":\"0\"}}}";

static int
set_up(void **state)
{
	static struct record	 rec;

	record_init(&rec, &exchange_binance, symbols, 3);
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
trades_come_wrapped_and_raw(void **state)
{
	char	 wrapped[512];

	says(*state, agg_trade, "trade ETH/BTC 7001 2026-02-02T02:40:00.205000Z 0.0317*12.5+3\n");
	snprintf(wrapped, sizeof(wrapped), "{\"stream\":\"ethbtc@aggTrade\",\"data\":%s}", agg_trade);
	says(*state, wrapped, "trade ETH/BTC 7001 2026-02-02T02:40:00.205000Z 0.0317*12.5+3\n");
}

static void
microseconds_are_told_from_milliseconds(void **state)
{
	char	 text[1024];

	says(*state, changed(agg_trade, "1770000000205", "1770000000205678", text, sizeof(text)),
	    "trade ETH/BTC 7001 2026-02-02T02:40:00.205678Z 0.0317*12.5+3\n");
	says(*state, changed(closed_kline, "1770000000000", "1770000000000000", text, sizeof(text)),
	    "candle BTC/USDT 1m 2026-02-02T02:40:00.000000Z 77010.5 77044.1 76990 77002 3.25 42 ws\n");
}

static void
only_a_closed_kline_is_a_candle(void **state)
{
	char	 text[1024], empty[1024];

	says(*state, closed_kline, "candle BTC/USDT 1m 2026-02-02T02:40:00.000000Z 77010.5 77044.1 76990 77002 3.25 42 ws\n");
	says(*state, changed(closed_kline, "\"x\":true", "\"x\":false", text, sizeof(text)), "");
	says(*state, changed(closed_kline, "\"i\":\"1m\"", "\"i\":\"1M\"", text, sizeof(text)), "");
	says(*state, changed(closed_kline, "\"i\":\"1m\"", "\"i\":\"8h\"", text, sizeof(text)), "");
	/* 2026-02-02T02:40:00Z is no boundary of an hour. */
	breaks(*state, changed(closed_kline, "\"i\":\"1m\"", "\"i\":\"1h\"", text, sizeof(text)), "no 1h candle opens at");
	changed(closed_kline, "\"n\":42", "\"n\":0", text, sizeof(text));
	says(*state, changed(text, "3.25000000", "0.00000000", empty, sizeof(empty)),
	    "candle BTC/USDT 1m 2026-02-02T02:40:00.000000Z 77010.5 77044.1 76990 77002 0 0 filled\n");
}

static void
names_that_differ_by_case_only_are_kept_apart(void **state)
{
	char	 text[1024];

	/* "L", the last id, in front of "l", the low; "T" in front of "t". */
	says(*state, "{\"e\":\"kline\",\"s\":\"BTCUSDT\",\"k\":{\"T\":1770000059999,\"L\":141,\"Q\":\"1\",\"V\":\"2\",\"t\":1770000000000,"
	    "\"i\":\"1m\",\"o\":\"5\",\"c\":\"6\",\"h\":\"7\",\"l\":\"4\",\"v\":\"8\",\"n\":1,\"x\":true}}",
	    "candle BTC/USDT 1m 2026-02-02T02:40:00.000000Z 5 7 4 6 8 1 ws\n");
	breaks(*state, changed(closed_kline, "\"l\":\"76990.00\",", "", text, sizeof(text)), "kline of BTC/USDT: l is missing");
	breaks(*state, changed(agg_trade, "\"T\":1770000000205,", "\"t\":1770000000205,", text, sizeof(text)), "T is missing");
}

static void
what_is_unknown_is_silent(void **state)
{
	static const char *const	 messages[] = {
		"{\"stream\":\"dogeusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"s\":\"DOGEUSDT\",\"a\":\"?\"}}",
		"{\"e\":\"kline\",\"s\":\"DOGEUSDT\"}",
		"{\"e\":\"24hrTicker\",\"s\":\"BTCUSDT\",\"p\":\"1\"}",
		"{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":1,\"s\":\"BTCUSDT\",\"b\":\"1\",\"B\":\"2\",\"a\":\"3\",\"A\":\"4\"}}",
		"{\"stream\":\"!miniTicker@arr\",\"data\":[{\"e\":\"24hrMiniTicker\"}]}",
		"{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":5,\"p\":\"1\",\"q\":\"1\",\"T\":1770000000205}",
		"{\"result\":[\"btcusdt@aggTrade\"],\"id\":1}", "{\"result\":null,\"id\":2}", "{\"result\":null}", "{}", "[]", "17", "null",
	};

	says_nothing(*state, messages, sizeof(messages) / sizeof(messages[0]));
}

static void
a_broken_trade_says_what_is_wrong(void **state)
{
	static const struct {
		const char	*old, *fresh, *hint;
	} cases[] = {
		{ "\"a\":7001", "\"a\":0", "aggTrade of ETH/BTC: a is no whole number above zero: 0" },
		{ "\"a\":7001", "\"a\":-5", "a is no whole number" },
		{ "\"a\":7001", "\"a\":7001.5", "a is no whole number" },
		{ "\"a\":7001", "\"a\":99999999999999999999", "a is no whole number" },
		{ "\"a\":7001,", "", "a is missing" },
		{ "\"0.03170000\"", "\"0.00000000\"", "p is not above zero" },
		{ "\"0.03170000\"", "\"-0.0317\"", "p is not above zero" },
		{ "\"0.03170000\"", "\"nan\"", "p is no decimal number" },
		{ "\"0.03170000\"", "[]", "p is no decimal number" },
		{ "\"0.03170000\"", "\"1e30\"", "p is no decimal number" },
		{ "\"12.50\"", "\"0\"", "q is not above zero" },
		{ "\"12.50\"", "null", "q is no decimal number" },
		{ "\"f\":9100", "\"f\":9104", "l is below f: 9103, 9104" },
		{ "\"f\":9100", "\"f\":-1", "f is no whole number" },
		{ "1770000000205", "177000000020", "T is no time" },
		{ "1770000000205", "-1770000000205", "T is no time" },
		{ "1770000000205", "9223372036854775807", "T is no time" },
		{ "1770000000205", "\"2026\"", "T is no time" },
		{ "\"s\":\"ETHBTC\"", "\"s\":7", "s of an aggTrade is no string: 7" },
		{ "\"s\":\"ETHBTC\",", "", "s of an aggTrade is missing" },
		{ "\"M\":true}", "\"M\":true", "no JSON: {\"e\":\"aggTrade\"" },
	};
	char	 text[1024];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		breaks(*state, changed(agg_trade, cases[i].old, cases[i].fresh, text, sizeof(text)), cases[i].hint);
	breaks(*state, "", "no JSON");
}

static void
a_broken_kline_says_what_is_wrong(void **state)
{
	static const struct {
		const char	*old, *fresh, *hint;
	} cases[] = {
		{ "\"x\":true", "\"x\":\"true\"", "kline of BTC/USDT: x is neither" },
		{ "\"i\":\"1m\",", "", "kline of BTC/USDT: i is no interval" },
		{ "1770000000000", "1770000000001", "no 1m candle opens at" },
		{ "1770000000000", "0", "t is no time" },
		{ "77044.10", "77000.10", "above the high" },
		{ "76990.00", "77005.00", "below the low" },
		{ "76990.00", "0", "not above zero" },
		{ "3.25000000", "-3.25", "volume is negative" },
		{ "\"n\":42", "\"n\":-1", "n is no whole number from zero" },
		{ "\"s\":\"BTCUSDT\"", "\"S\":\"BTCUSDT\"", "s of a kline is missing" },
	};
	char	 text[1024];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		breaks(*state, changed(closed_kline, cases[i].old, cases[i].fresh, text, sizeof(text)), cases[i].hint);
}

static void
one_message_subscribes_to_many_streams(void **state)
{
	assert_string_equal(subscription(*state, TF_5M, 0), "{\"method\":\"SUBSCRIBE\",\"params\":[\"btcusdt@aggTrade\",\"btcusdt@kline_5m\","
	    "\"ethbtc@aggTrade\",\"ethbtc@kline_5m\",\"1inchusdt@aggTrade\",\"1inchusdt@kline_5m\"],\"id\":1}");
	assert_null(subscription(*state, TF_5M, 1));
	assert_null(subscription(*state, TF_5M, SIZE_MAX));
}

static void
very_many_streams_take_several_short_messages(void **state)
{
	static char	 names[100][64];
	const char	*list[100];
	struct record	 rec;
	size_t		 messages = 0, streams = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(names[i], sizeof(names[i]), "ABCDEFGHIJKLMNOPQ%03d/ABCDEFGHIJKLMNOPQ%03d", i, i);
		list[i] = names[i];
	}
	record_init(&rec, &exchange_binance, list, 100);
	for (const char *text; (text = subscription(&rec, TF_15M, messages)) != NULL; messages++) {
		assert_true(strlen(text) < 4096);
		for (const char *at = text; (at = strchr(at, '@')) != NULL; at++)
			streams++;
	}
	assert_int_equal(streams, 200);
	assert_int_equal(messages, 4);
	/* And each is confirmed by its number. */
	assert_true(tell(&rec, "{\"result\":null,\"id\":4}", 22));
	assert_int_equal(strncmp(rec.text, "subscribed ABCDEFGHIJKLMNOPQ090/ABCDEFGHIJKLMNOPQ090\n", 53), 0);
	streams = 0;
	for (const char *at = rec.text; (at = strchr(at, '\n')) != NULL; at++)
		streams++;
	assert_int_equal(streams, 10);
	record_release(&rec);
}

static void
a_confirmation_is_for_all_of_its_message(void **state)
{
	says(*state, "{\"result\":null,\"id\":1}", "subscribed BTC/USDT\nsubscribed ETH/BTC\nsubscribed 1INCH/USDT\n");
}

static void
refusals_come_in_two_forms(void **state)
{
	says(*state, "{\"error\":{\"code\":2,\"msg\":\"Invalid request: bad params\"},\"id\":1}",
	    "refused BTC/USDT Invalid request: bad params code=2\nrefused ETH/BTC Invalid request: bad params code=2\n"
	    "refused 1INCH/USDT Invalid request: bad params code=2\n");
	says(*state, "{\"code\":3,\"msg\":\"Invalid stream ethbtc@aggtrade\",\"id\":1}",
	    "refused ETH/BTC Invalid stream ethbtc@aggtrade code=3\n");
	says(*state, "{\"error\":{\"code\":1,\"msg\":\"Too many\"},\"id\":9}", "refused all Too many code=1\n");
	says(*state, "{\"error\":{},\"id\":null}", "refused all  code=0\n");
}

static void
a_shutdown_is_announced(void **state)
{
	says(*state, "{\"e\":\"serverShutdown\",\"E\":1770000000000}", "closing\n");
	says(*state, "{\"stream\":\"\",\"data\":{\"e\":\"serverShutdown\",\"E\":1770000000000}}", "closing\n");
}

static void
paths_are_exact(void **state)
{
	struct record	*rec = *state;
	char		 path[EXCHANGE_PATH_MAX];

	rec->x->stream_path(path);
	assert_string_equal(path, "/stream");
	rec->x->candles_path(rec->m, 2, TF_4H, INT64_C(1769990400000000), INT64_C(1770004800000000), path);
	assert_string_equal(path, "/api/v3/klines?symbol=1INCHUSDT&interval=4h&startTime=1769990400000&endTime=1770004799999&limit=1000");
	rec->x->trades_path(rec->m, 0, 812, NOW_US, 0, path);
	assert_string_equal(path, "/api/v3/aggTrades?symbol=BTCUSDT&fromId=812&limit=1000");
	rec->x->trades_path(rec->m, 0, 0, NOW_US + 999, 0, path);
	assert_string_equal(path, "/api/v3/aggTrades?symbol=BTCUSDT&startTime=1770000090000&limit=1000");
}

#define KLINES \
	"[[1770000000000,\"10.0\",\"12\",\"9.5\",\"11\",\"100\",1770000059999,\"1050\",7,\"40\",\"420\",\"0\"]," \
	"[1770000060000,\"11\",\"11\",\"11\",\"11\",\"0\",1770000119999,\"0\",0,\"0\",\"0\",\"0\"]," \
	"[1770000120000,\"11\",\"13\",\"11\",\"12\",\"5\",1770000179999,\"60\",2,\"1\",\"12\",\"0\"]]"

static void
the_open_candle_of_an_answer_is_left_out(void **state)
{
	static const char	 first[] = "2026-02-02T02:40:00.000000Z 10 12 9.5 11 100 7 rest\n";
	static const char	 two[] = "2026-02-02T02:40:00.000000Z 10 12 9.5 11 100 7 rest\n2026-02-02T02:41:00.000000Z 11 11 11 11 0 0 filled\n";

	candles_are(*state, KLINES, TF_1M, NOW_US, 8, first);
	candles_are(*state, KLINES, TF_1M, INT64_C(1770000120000000) - 1, 8, first);
	candles_are(*state, KLINES, TF_1M, INT64_C(1770000120000000), 8, two);
	candles_are(*state, KLINES, TF_1M, INT64_C(1770000999000000), 2, two);
	candles_are(*state, "[]", TF_1M, NOW_US, 8, "");
}

static void
a_broken_answer_of_candles_says_what_is_wrong(void **state)
{
	char	 text[1024];

	candles_are(*state, "{\"code\":-1121,\"msg\":\"Invalid symbol.\"}", TF_1M, NOW_US, 8, "-1 Invalid symbol. code=-1121");
	candles_are(*state, "<html>busy</html>", TF_1M, NOW_US, 8, "-1 no JSON: <html>busy</html>");
	candles_are(*state, "{}", TF_1M, NOW_US, 8, "-1 neither an array nor an error");
	candles_are(*state, "[[1]]", TF_1M, NOW_US, 8, "-1 row 1 of the candles: no array of nine or more");
	candles_are(*state, changed(KLINES, "\"12\"", "\"10.5\"", text, sizeof(text)), TF_1M, NOW_US, 8,
	    "-1 row 1 of the candles: the values of 2026-02-02T02:40:00.000Z: a price is above the high");
	candles_are(*state, changed(KLINES, "1770000120000,", "1770000060000,", text, sizeof(text)), TF_1M, NOW_US + 90000000, 8,
	    "-1 two candles open at 2026-02-02T02:41:00.000Z");
	candles_are(*state, changed(KLINES, "1770000000000", "17700000", text, sizeof(text)), TF_1M, NOW_US, 8,
	    "-1 row 1 of the candles: open time is no time in ms or us of this century: 17700000");
	candles_are(*state, KLINES, TF_5M, NOW_US, 8,
	    "-1 row 2 of the candles: the values of 2026-02-02T02:41:00.000Z: no 5m candle opens at 2026-02-02T02:41:00.000000Z");
}

static void
answers_of_trades_are_read(void **state)
{
	static const char	 page[] = "[{\"a\":501,\"p\":\"4.016\",\"q\":\"12\",\"f\":900,\"l\":900,\"T\":1770000000100,\"m\":true,\"M\":true},"
	    "{\"a\":502,\"p\":\"4.017\",\"q\":\"0.5\",\"f\":901,\"l\":905,\"T\":1770000000100,\"m\":false,\"M\":true}]";
	char			 text[512];

	trades_are(*state, page, 8, "501 2026-02-02T02:40:00.100000Z 4.016*12+0\n502 2026-02-02T02:40:00.100000Z 4.017*0.5+4\n");
	trades_are(*state, page, 1, "501 2026-02-02T02:40:00.100000Z 4.016*12+0\n");
	trades_are(*state, "[]", 8, "");
	trades_are(*state, "{\"code\":-1003,\"msg\":\"Too much request weight used.\"}", 8, "-1 Too much request weight used. code=-1003");
	trades_are(*state, changed(page, "\"0.5\"", "\"0\"", text, sizeof(text)), 8, "-1 row 2 of the trades: q is not above zero: 0");
	trades_are(*state, changed(page, "502", "501", text, sizeof(text)), 8, "-1 two trades have the id 501");
	trades_are(*state, "[7]", 8, "-1 row 1 of the trades: a is missing");
}

/* Captures */

static void
the_capture_of_spot_is_read(void **state)
{
	static const char *const	 markets[] = { "NKN/USDT", "BLZ/ETH", "LRC/BTC", "RUNE/EUR" };
	struct record			 rec;

	(void)state;
	record_init(&rec, &exchange_binance, markets, 4);
	replay(&rec, "binance_spot_combined_aggTrade_kline.txt");
	assert_int_equal(rec.trades, 2);
	assert_int_equal(rec.broken + rec.candles, 0);
	assert_int_equal(rec.last_id[0], 15683430);
	assert_int_equal(rec.last_id[2], 9213679);
	record_release(&rec);
}

static void
the_capture_of_binance_us_is_read(void **state)
{
	static const char *const	 markets[] = { "CRV/USDT", "COMP/USDT", "OMG/BUSD", "ZRX/USDT" };
	struct record			 rec;

	(void)state;
	record_init(&rec, &exchange_binance, markets, 4);
	replay(&rec, "binance_us_combined.txt");
	assert_int_equal(rec.trades, 11);
	assert_int_equal(rec.jumps + rec.folded, 0);
	assert_int_equal(rec.candles, 1);
	assert_int_equal(rec.broken, 0);
	record_release(&rec);
}

static void
the_capture_of_futures_is_read(void **state)
{
	static const char *const	 markets[] = { "SUSHI/USDT", "AKRO/USDT", "KEEP/USDT", "CTK/USDT" };
	struct record			 rec;

	(void)state;
	record_init(&rec, &exchange_binance, markets, 4);
	replay(&rec, "binance_futures_combined_aggTrade_kline.txt");
	assert_int_equal(rec.trades, 91);
	assert_int_equal(rec.jumps, 0);
	assert_int_equal(rec.folded, 89);
	assert_int_equal(rec.candles, 4);
	assert_int_equal(rec.broken, 0);
	record_release(&rec);
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_setup_teardown(trades_come_wrapped_and_raw, set_up, tear_down),
		cmocka_unit_test_setup_teardown(microseconds_are_told_from_milliseconds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_a_closed_kline_is_a_candle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_that_differ_by_case_only_are_kept_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_unknown_is_silent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_trade_says_what_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_kline_says_what_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_message_subscribes_to_many_streams, set_up, tear_down),
		cmocka_unit_test(very_many_streams_take_several_short_messages),
		cmocka_unit_test_setup_teardown(a_confirmation_is_for_all_of_its_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refusals_come_in_two_forms, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_shutdown_is_announced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(paths_are_exact, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_open_candle_of_an_answer_is_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_answer_of_candles_says_what_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_of_trades_are_read, set_up, tear_down),
		cmocka_unit_test(the_capture_of_spot_is_read),
		cmocka_unit_test(the_capture_of_binance_us_is_read),
		cmocka_unit_test(the_capture_of_futures_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
