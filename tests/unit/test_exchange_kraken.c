#include "tests/unit/exchange_record.h"

#define NOW_US	INT64_C(1770000090000000)	/* 2026-02-02T02:41:30Z */

static const char *const symbols[] = { "BTC/USD", "ETH/BTC", "DOGE/EUR" };

#define TRADE(symbol, id, price, qty, time) \
	"{\"symbol\":\"" symbol "\",\"side\":\"buy\",\"price\":" price ",\"qty\":" qty ",\"ord_type\":\"limit\",\"trade_id\":" id \
	",\"timestamp\":\"" time "\"}"
#define TRADES(type, list)	"{\"channel\":\"trade\",\"type\":\"" type "\",\"data\":[" list "]}"

static int
set_up(void **state)
{
	static struct record	 rec;

	record_init(&rec, &exchange_kraken, symbols, 3);
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
prices_are_taken_as_they_are_written(void **state)
{
	says(*state, TRADES("update", TRADE("BTC/USD", "31", "77010.1", "0.00027625", "2026-02-02T02:40:00.440295Z")),
	    "trade BTC/USD 31 2026-02-02T02:40:00.440295Z 77010.1*0.00027625+0\n");
	says(*state, TRADES("snapshot", TRADE("ETH/BTC", "32", "1.2e-05", "0.10000000000000001", "2026-02-02T02:40:00.123456789Z")),
	    "trade ETH/BTC 32 2026-02-02T02:40:00.123456Z 0.000012*0.10000000000000001+0\n");
	says(*state, TRADES("update", TRADE("ETH/BTC", "33", "\"1.5\"", "2", "2026-02-02T02:40:01Z")),
	    "trade ETH/BTC 33 2026-02-02T02:40:01.000000Z 1.5*2+0\n");
}

static void
trades_of_a_message_are_told_in_the_order_of_ids(void **state)
{
	says(*state, TRADES("snapshot", TRADE("ETH/BTC", "9", "3", "1", "2026-02-02T02:40:03Z") ","
	    TRADE("BTC/USD", "500", "5", "1", "2026-02-02T02:40:00Z") "," TRADE("ETH/BTC", "7", "1", "1", "2026-02-02T02:40:01Z") ","
	    TRADE("XRP/USD", "1", "0", "0", "x") "," TRADE("ETH/BTC", "8", "2", "1", "2026-02-02T02:40:02Z")),
	    "trade BTC/USD 500 2026-02-02T02:40:00.000000Z 5*1+0\ntrade ETH/BTC 7 2026-02-02T02:40:01.000000Z 1*1+0\n"
	    "trade ETH/BTC 8 2026-02-02T02:40:02.000000Z 2*1+0\ntrade ETH/BTC 9 2026-02-02T02:40:03.000000Z 3*1+0\n");
	says(*state, TRADES("snapshot", ""), "");
}

static void
what_stands_before_a_broken_trade_is_told(void **state)
{
	struct record	*rec = *state;
	const char	*text = TRADES("update", TRADE("ETH/BTC", "8", "2", "1", "2026-02-02T02:40:02Z") ","
			    TRADE("ETH/BTC", "7", "1", "1", "2026-02-02T02:40:01Z") "," TRADE("BTC/USD", "5", "0", "1", "2026-02-02T02:40:00Z") ","
			    TRADE("BTC/USD", "6", "3", "1", "2026-02-02T02:40:00Z"));

	assert_false(tell(rec, text, strlen(text)));
	assert_string_equal(rec->why, "trade of BTC/USD: price is not above zero: 0");
	assert_string_equal(rec->text, "trade ETH/BTC 7 2026-02-02T02:40:01.000000Z 1*1+0\ntrade ETH/BTC 8 2026-02-02T02:40:02.000000Z 2*1+0\n");
}

static void
a_broken_message_says_what_is_wrong(void **state)
{
	static const struct {
		const char	*message, *hint;
	} cases[] = {
		{ TRADES("update", TRADE("BTC/USD", "0", "1", "1", "2026-02-02T02:40:00Z")), "trade of BTC/USD: trade_id is no whole number" },
		{ TRADES("update", TRADE("BTC/USD", "1e3", "1", "1", "2026-02-02T02:40:00Z")), "trade_id is no whole number" },
		{ TRADES("update", TRADE("BTC/USD", "1", "-1", "1", "2026-02-02T02:40:00Z")), "price is not above zero: -1" },
		{ TRADES("update", TRADE("BTC/USD", "1", "1", "0.0", "2026-02-02T02:40:00Z")), "qty is not above zero: 0.0" },
		{ TRADES("update", TRADE("BTC/USD", "1", "1", "1e-30", "2026-02-02T02:40:00Z")), "qty is no decimal number that fits" },
		{ TRADES("update", TRADE("BTC/USD", "1", "1", "1", "1770000000")), "timestamp is no time" },
		{ TRADES("update", "{\"trade_id\":1}"), "symbol of a trade is missing" },
		{ TRADES("update", "7"), "symbol of a trade is missing" },
		{ "{\"channel\":\"trade\",\"type\":\"update\"}", "trade without an array data" },
		{ "{\"channel\":\"status\",\"data\":[]}", "status without system" },
		{ "{\"method\":\"subscribe\",\"result\":{}}", "subscribe without success" },
		{ "{\"channel\":\"heartbeat\"", "no JSON: {\"channel\"" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		breaks(*state, cases[i].message, cases[i].hint);
}

static void
the_state_of_the_market_is_told(void **state)
{
	says(*state, "{\"channel\":\"status\",\"type\":\"update\",\"data\":[{\"api_version\":\"v2\",\"connection_id\":18446744073709551615,"
	    "\"system\":\"online\",\"version\":\"2.0.10\"}]}", "online online\n");
	says(*state, "{\"channel\":\"status\",\"type\":\"update\",\"data\":[{\"system\":\"cancel_only\"}]}", "not-online cancel_only\n");
	says(*state, "{\"channel\":\"status\",\"data\":[{\"system\":\"maintenance\"}]}", "not-online maintenance\n");
	says(*state, "{\"channel\":\"status\",\"data\":[{\"system\":\"a word that is longer than words are here\"}]}",
	    "not-online a word that is longer than word\n");
	says(*state, "{\"channel\":\"heartbeat\"}", "heartbeat all 0 never\n");
}

static void
every_symbol_is_confirmed_or_refused(void **state)
{
	says(*state, "{\"method\":\"subscribe\",\"result\":{\"channel\":\"trade\",\"snapshot\":true,\"symbol\":\"ETH/BTC\"},\"success\":true,"
	    "\"time_in\":\"2026-02-02T02:40:00.1Z\",\"time_out\":\"2026-02-02T02:40:00.2Z\",\"req_id\":1}", "subscribed ETH/BTC\n");
	says(*state, "{\"method\":\"subscribe\",\"result\":{\"channel\":\"ohlc\",\"symbol\":\"ETH/BTC\"},\"success\":true}", "");
	says(*state, "{\"method\":\"subscribe\",\"result\":{\"channel\":\"trade\",\"symbol\":\"XRP/USD\"},\"success\":true}", "");
	says(*state, "{\"error\":\"Currency pair not supported DOGE/EUR\",\"method\":\"subscribe\",\"success\":false,\"req_id\":1}",
	    "refused DOGE/EUR Currency pair not supported DOGE/EUR\n");
	says(*state, "{\"error\":\"No such pair\",\"method\":\"subscribe\",\"success\":false,\"symbol\":\"ETH/BTC\"}", "refused ETH/BTC No such pair\n");
	says(*state, "{\"error\":\"Event(s) not found\",\"method\":\"subscribe\",\"success\":false}", "refused all Event(s) not found\n");
	says(*state, "{\"method\":\"subscribe\",\"success\":false}", "refused all \n");
}

static void
what_is_unknown_is_silent(void **state)
{
	static const char *const	 messages[] = {
		"{\"method\":\"pong\",\"req_id\":101,\"time_in\":\"2026-02-02T02:40:00.1Z\",\"time_out\":\"2026-02-02T02:40:00.2Z\"}",
		"{\"method\":\"unsubscribe\",\"result\":{\"channel\":\"trade\",\"symbol\":\"ETH/BTC\"},\"success\":true}",
		"{\"channel\":\"ohlc\",\"type\":\"update\",\"data\":[{\"symbol\":\"BTC/USD\",\"open\":1,\"high\":1,\"low\":1,\"close\":1}]}",
		"{\"channel\":\"ticker\",\"data\":[]}", "{}", "[]", "0",
		"[1921,[[\"0.0430\",\"20.5\",\"1770000000.1\",\"b\",\"l\",\"\"]],\"trade\",\"BTC/USD\"]",
	};

	says_nothing(*state, messages, sizeof(messages) / sizeof(messages[0]));
}

static void
fifty_symbols_go_into_a_message(void **state)
{
	static char	 names[51][EXCHANGE_NATIVE_MAX];
	const char	*list[51], *text;
	struct record	 rec;
	size_t		 slashes = 0;

	assert_string_equal(subscription(*state, TF_1M, 0), "{\"method\":\"subscribe\",\"params\":{\"channel\":\"trade\",\"symbol\":[\"BTC/USD\","
	    "\"ETH/BTC\",\"DOGE/EUR\"],\"snapshot\":true},\"req_id\":1}");
	assert_null(subscription(*state, TF_1M, 1));
	assert_null(subscription(*state, TF_1M, SIZE_MAX));
	for (int i = 0; i < 51; i++) {
		snprintf(names[i], sizeof(names[i]), "C%d/USD", i);
		list[i] = names[i];
	}
	record_init(&rec, &exchange_kraken, list, 51);
	for (text = subscription(&rec, TF_1M, 0); (text = strchr(text, '/')) != NULL; text++)
		slashes++;
	assert_int_equal(slashes, 50);
	assert_string_equal(subscription(&rec, TF_1M, 1),
	    "{\"method\":\"subscribe\",\"params\":{\"channel\":\"trade\",\"symbol\":[\"C50/USD\"],\"snapshot\":true},\"req_id\":2}");
	assert_null(subscription(&rec, TF_1M, 2));
	record_release(&rec);
}

static void
paths_have_the_older_names(void **state)
{
	struct record	*rec = *state;
	char		 path[EXCHANGE_PATH_MAX];

	rec->x->stream_path(path);
	assert_string_equal(path, "/v2");
	rec->x->candles_path(rec->m, 0, TF_15M, INT64_C(1770000300000000), NOW_US, path);
	assert_string_equal(path, "/0/public/OHLC?pair=XBTUSD&interval=15&since=1770000299");
	rec->x->trades_path(rec->m, 1, 812, NOW_US, 0, path);
	assert_string_equal(path, "/0/public/Trades?pair=ETHXBT&since=1770000089999999999");
	rec->x->trades_path(rec->m, 2, 0, NOW_US, 0, path);
	assert_string_equal(path, "/0/public/Trades?pair=XDGEUR&since=1770000089999999999");
}

#define OHLC \
	"{\"error\":[],\"result\":{\"last\":1770000060,\"XXBTZUSD\":[[1770000000,\"10.0\",\"12.0\",\"9.5\",\"11.0\",\"10.7\",\"100.25\",7]," \
	"[1770000060,\"11.0\",\"11.0\",\"11.0\",\"11.0\",\"0.0\",\"0.00000000\",0]," \
	"[1770000120,\"11.0\",\"13.0\",\"11.0\",\"12.0\",\"11.5\",\"5.5\",2]]}}"

static void
the_last_candle_is_always_the_running_one(void **state)
{
	static const char	 first[] = "2026-02-02T02:40:00.000000Z 10 12 9.5 11 100.25 7 rest\n";
	static const char	 two[] = "2026-02-02T02:40:00.000000Z 10 12 9.5 11 100.25 7 rest\n2026-02-02T02:41:00.000000Z 11 11 11 11 0 0 filled\n";

	candles_are(*state, OHLC, TF_1M, NOW_US, 8, first);
	/* Even when our clock is long past its end. */
	candles_are(*state, OHLC, TF_1M, INT64_C(1770000999000000), 8, two);
	candles_are(*state, OHLC, TF_1M, INT64_C(1770000999000000), 1, first);
	candles_are(*state, "{\"error\":[],\"result\":{\"XXBTZUSD\":[],\"last\":0}}", TF_1M, NOW_US, 8, "");
	candles_are(*state, "{\"error\":[\"WGeneral:Deprecated\"],\"result\":{\"XXBTZUSD\":[],\"last\":0}}", TF_1M, NOW_US, 8, "");
}

static void
a_broken_answer_says_what_is_wrong(void **state)
{
	char	 text[1024];

	candles_are(*state, "{\"error\":[\"EQuery:Unknown asset pair\"]}", TF_1M, NOW_US, 8, "-1 EQuery:Unknown asset pair");
	candles_are(*state, "{\"error\":[\"WGeneral:Odd\",\"EAPI:Rate limit exceeded\"],\"result\":{}}", TF_1M, NOW_US, 8,
	    "-1 EAPI:Rate limit exceeded");
	candles_are(*state, "{\"error\":[7],\"result\":{}}", TF_1M, NOW_US, 8, "-1 an error without words");
	candles_are(*state, "{\"error\":[]}", TF_1M, NOW_US, 8, "-1 neither rows nor an error");
	candles_are(*state, "{\"error\":[],\"result\":{\"last\":7}}", TF_1M, NOW_US, 8, "-1 neither rows nor an error");
	candles_are(*state, "[]", TF_1M, NOW_US, 8, "-1 neither rows nor an error");
	candles_are(*state, "down", TF_1M, NOW_US, 8, "-1 no JSON: down");
	candles_are(*state, changed(OHLC, "\"100.25\",7", "\"100.25\"", text, sizeof(text)), TF_1M, NOW_US, 8,
	    "-1 row 1 of the candles: no array of eight");
	candles_are(*state, changed(OHLC, "\"9.5\"", "\"10.5\"", text, sizeof(text)), TF_1M, NOW_US, 8,
	    "-1 row 1 of the candles: the values of 2026-02-02T02:40:00.000Z: a price is below the low");
	candles_are(*state, changed(OHLC, "[1770000120,", "[true,", text, sizeof(text)), TF_1M, NOW_US, 8,
	    "-1 row 3 of the candles: time is no time in seconds of this century: true");
	trades_are(*state, "{\"error\":[\"EQuery:Unknown asset pair\"]}", 8, "-1 EQuery:Unknown asset pair");
	trades_are(*state, "{\"error\":[],\"result\":{\"XXBTZUSD\":[[\"1\",\"1\",1770000000.5,\"b\",\"l\",\"\"]]}}", 8,
	    "-1 row 1 of the trades: no array of seven");
}

static void
times_of_trades_are_exact(void **state)
{
	static const char	 page[] = "{\"error\":[],\"result\":{\"XXBTZUSD\":["
	    "[\"77010.10000\",\"0.00027625\",1770000000.1234567,\"b\",\"l\",\"\",41],"
	    "[\"77010.20000\",\"1.5\",1770000000.123456789,\"s\",\"m\",\"\",42,\"new\"],"
	    "[\"77010.30000\",\"2\",1770000001,\"s\",\"m\",\"\",43]],\"last\":\"1770000001000000000\"}}";
	char			 text[1024];

	trades_are(*state, page, 8, "41 2026-02-02T02:40:00.123456Z 77010.1*0.00027625+0\n42 2026-02-02T02:40:00.123456Z 77010.2*1.5+0\n"
	    "43 2026-02-02T02:40:01.000000Z 77010.3*2+0\n");
	trades_are(*state, page, 1, "41 2026-02-02T02:40:00.123456Z 77010.1*0.00027625+0\n");
	trades_are(*state, "{\"error\":[],\"result\":{\"XXBTZUSD\":[],\"last\":\"0\"}}", 8, "");
	trades_are(*state, changed(page, "1770000001,", "-1770000001,", text, sizeof(text)), 8,
	    "-1 row 3 of the trades: time is no time in seconds of this century: -1770000001");
	trades_are(*state, changed(page, "1770000001,", "1.770000001e9,", text, sizeof(text)), 8,
	    "-1 row 3 of the trades: time is no time in seconds of this century: 1.770000001e9");
}

static void
the_capture_of_version_1_says_nothing(void **state)
{
	static const char *const	 markets[] = { "WAVES/EUR", "XMR/USD", "SC/EUR", "OMG/USD" };
	struct record			 rec;

	(void)state;
	record_init(&rec, &exchange_kraken, markets, 4);
	replay(&rec, "kraken_v1_trade.txt");
	assert_int_equal(rec.trades + rec.candles + rec.broken, 0);
	record_release(&rec);
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_setup_teardown(prices_are_taken_as_they_are_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(trades_of_a_message_are_told_in_the_order_of_ids, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_stands_before_a_broken_trade_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_message_says_what_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_state_of_the_market_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_symbol_is_confirmed_or_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_unknown_is_silent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fifty_symbols_go_into_a_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(paths_have_the_older_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_last_candle_is_always_the_running_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_answer_says_what_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(times_of_trades_are_exact, set_up, tear_down),
		cmocka_unit_test(the_capture_of_version_1_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
