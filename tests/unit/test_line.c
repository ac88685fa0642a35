#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "generator/line.h"

#define MINUTE	INT64_C(60000000)
#define T0	INT64_C(1767225600000000)	/* 2026-01-01 */
#define NOW	(T0 + 10 * MINUTE + 5)

static char		 btc[] = "BTC/USDT", eth[] = "ETH/USDT", *two[] = { btc, eth };
static const struct line_market	 one_market = { two, 1, TF_1M }, two_markets = { two, 2, TF_5M };
static struct jsonr	 scratch;
static struct line	 line;
static char		 why[LINE_WHY_MAX];

static enum line_result
parse(const struct line_market *m, int64_t now_us, const char *text)
{
	memset(&line, 0xa5, sizeof(line));
	why[0] = '\0';
	return line_parse(&scratch, m, now_us, text, strlen(text), &line, why);
}

static void
take(const struct line_market *m, int64_t now_us, const char *text)
{
	if (parse(m, now_us, text) != LINE_TAKEN)
		fail_msg("%s was refused: %s", text, why);
}

static void
assert_decimal(struct decimal d, const char *want)
{
	char	 buf[DECIMAL_TEXT_MAX];

	assert_string_equal(decimal_text(d, buf), want);
}

static void
trades(void **state)
{
	(void)state;
	take(&one_market, NOW, "{\"symbol\":\"BTC/USDT\",\"price\":87650.10,\"quantity\":\"0.00027625\",\"time\":1767225600.25,\"id\":7}");
	assert_int_equal(line.kind, LINE_TRADE);
	assert_int_equal(line.symbol, 0);
	assert_decimal(line.trade.price, "87650.1");
	assert_decimal(line.trade.quantity, "0.00027625");
	assert_int_equal(line.trade.time_us, T0 + 250000);
	assert_int_equal(line.trade.id, 7);
	assert_int_equal(line.trade.folded, 0);
	assert_true(line.has_id);
	assert_int_equal(line_time_us(&line), T0 + 250000);
	/* Without symbol and id, a member that nobody knows, one that is null, a side of its own. */
	take(&one_market, LINE_NO_CLOCK, " {\"type\":\"trade\",\"price\":\"1e-05\",\"quantity\":0,\"time\":\"2026-01-01T00:00:00.5Z\","
	    "\"id\":null,\"side\":\"buy\",\"x\":[{}]}\r");
	assert_decimal(line.trade.price, "0.00001");
	assert_false(line.has_id);
	assert_int_equal(line.trade.id, 0);
	take(&two_markets, NOW, "{\"symbol\":\"ETH\\/USDT\",\"price\":1,\"quantity\":1,\"time\":1767225600250,\"id\":\"12345678901\"}");
	assert_int_equal(line.symbol, 1);
	assert_int_equal(line.trade.id, 12345678901);
	assert_int_equal(line.trade.time_us, T0 + 250000);
	take(&one_market, NOW, "{\"price\":1,\"quantity\":1,\"time\":1767225600250000}");
	assert_int_equal(line.trade.time_us, T0 + 250000);
}

static void
candles(void **state)
{
	(void)state;
	take(&one_market, NOW, "{\"time\":1767225600,\"open\":2,\"high\":\"3.50\",\"low\":1,\"close\":2.5}");
	assert_int_equal(line.kind, LINE_CANDLE);
	assert_int_equal(line.candle.open_us, T0);
	assert_decimal(line.candle.high, "3.5");
	assert_decimal(line.candle.volume, "0");
	assert_int_equal(line.candle.trades, -1);
	assert_int_equal(line.candle.source, SOURCE_FILE);
	take(&two_markets, NOW, "{\"symbol\":\"ETH/USDT\",\"timeframe\":\"5m\",\"time\":\"2026-01-01\",\"open\":1,\"high\":1,\"low\":1,"
	    "\"close\":1,\"volume\":\"12.5\",\"trades\":291,\"price\":1}");
	assert_int_equal(line.symbol, 1);
	assert_decimal(line.candle.volume, "12.5");
	assert_int_equal(line.candle.trades, 291);
}

#define CANDLE(time, more) "{\"time\":" time ",\"open\":1,\"high\":1,\"low\":1,\"close\":1" more "}"

static void
a_candle_is_taken_once_it_is_over(void **state)
{
	const char	*last = CANDLE("1767226140", ""), *running = CANDLE("1767226200", "");

	(void)state;
	assert_int_equal(parse(&one_market, NOW, last), LINE_TAKEN);
	assert_int_equal(parse(&one_market, NOW, running), LINE_UNFINISHED);
	assert_int_equal(parse(&one_market, LINE_NO_CLOCK, running), LINE_TAKEN);
	/* The program knows better, in both directions, but not by much. */
	assert_int_equal(parse(&one_market, NOW, CANDLE("1767226140", ",\"closed\":false")), LINE_UNFINISHED);
	assert_int_equal(parse(&one_market, LINE_NO_CLOCK, CANDLE("1767226140", ",\"closed\":false")), LINE_UNFINISHED);
	assert_int_equal(parse(&one_market, NOW, CANDLE("1767226200", ",\"closed\":true")), LINE_TAKEN);
	assert_int_equal(parse(&one_market, NOW, CANDLE("1767226260", ",\"closed\":true")), LINE_BAD);
	assert_string_equal(why, "it ends more than a minute ahead of this machine's clock");
}

/* A signal with `more` members (a later one of a name is not looked at, so put them first). */
#define LONG(more) "{" more "\"strategy\":\"mine\",\"side\":\"long\",\"entry\":100,\"stop_loss\":99,\"targets\":[101.5,\"103\"]}"
#define SHORT(more) "{" more "\"strategy\":\"mine\",\"side\":\"short\",\"entry\":100,\"stop_loss\":101,\"targets\":[99]}"

static void
signals(void **state)
{
	(void)state;
	take(&one_market, NOW, LONG("\"time\":1767226140,"));
	assert_int_equal(line.kind, LINE_SIGNAL);
	assert_string_equal(line.signal.strategy, "mine");
	assert_int_equal(line.signal.strategy_version, 1);
	assert_string_equal(line.signal.params_hash, "");
	assert_int_equal(line.signal.timeframe, TF_1M);
	/* At 00:09:00 the candle of 00:08 was the last that had closed. */
	assert_int_equal(line.signal.candle_open_us, T0 + 8 * MINUTE);
	assert_int_equal(line.signal.candle_close_us, T0 + 9 * MINUTE);
	assert_int_equal(line.signal.expires_us, T0 + (9 + 24) * MINUTE);
	assert_int_equal(line_time_us(&line), T0 + 9 * MINUTE);
	assert_int_equal(line.signal.side, SIDE_LONG);
	assert_decimal(line.signal.entry, "100");
	assert_decimal(line.signal.initial_stop, "99");
	assert_decimal(line.signal.stop_loss, "99");
	assert_decimal(line.signal.last_price, "100");
	assert_int_equal(line.signal.target_count, 2);
	assert_decimal(line.signal.targets[1], "103");
	assert_true(line.signal.confidence == 0);
	assert_string_equal(line.signal.reason, "the program gave no reason");
	assert_string_equal(line.signal.indicators, "{}");
	assert_int_equal(line.signal.status, STATUS_ACTIVE);
	/* Of now; a timeframe of its own. */
	take(&one_market, NOW, SHORT("\"timeframe\":\"5m\",\"expiry_candles\":2,\"confidence\":\"0.12345\",\"strategy_version\":3,"
	    "\"reason\":\"because \\u00e4\\n\","));
	assert_int_equal(line.signal.candle_open_us, T0 + 5 * MINUTE);
	assert_int_equal(line.signal.expires_us, T0 + 20 * MINUTE);
	assert_int_equal(line.signal.side, SIDE_SHORT);
	assert_int_equal(line.signal.strategy_version, 3);
	assert_true(line.signal.confidence == 0.1235);
	assert_string_equal(line.signal.reason, "because \xc3\xa4\n");
	take(&one_market, NOW, SHORT("\"candle_open_time\":\"2026-01-01T00:09:00Z\",\"time\":1,\"expires_at\":\"2026-01-01T00:10:01Z\","));
	assert_int_equal(line.signal.candle_open_us, T0 + 9 * MINUTE);
	assert_int_equal(line.signal.expires_us, T0 + 10 * MINUTE + 1000000);
	/* Values that the table could not take as they are are written as it can. */
	take(&one_market, NOW, LONG("\"indicators\":{\"adx\":25.10,\"tiny\":1e-400,\"b\":true,\"n\":null,\"w\":\"x\\\"\\ud83d\\ude00\"},"));
	assert_string_equal(line.signal.indicators, "{\"adx\":25.10,\"tiny\":0,\"b\":true,\"n\":null,\"w\":\"x\\\"\xf0\x9f\x98\x80\"}");
}

static void
lines_of_other_symbols_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(parse(&one_market, NOW, "{\"symbol\":\"ETH/USDT\",\"price\":1,\"quantity\":1,\"time\":1767225600}"), LINE_OTHER);
	/* And nothing else of them is looked at. */
	assert_int_equal(parse(&one_market, NOW, "{\"symbol\":\"ETH/USDT\",\"price\":\"x\"}"), LINE_OTHER);
}

static void
every_refusal_has_its_words(void **state)
{
	static const struct {
		const struct line_market *market;
		const char		*text, *why;
	} bad[] = {
		{ &one_market, "", "it is no JSON" },
		{ &one_market, "hello", "it is no JSON" },
		{ &one_market, "{\"price\":1,\"quantity\":1,\"time\":17672", "it is no JSON" },
		{ &one_market, "{\"price\":1} {\"price\":1}", "it is no JSON" },
		{ &one_market, "{\"price\":NaN}", "it is no JSON" },
		{ &one_market, "{\"x\":\"\xff\"}", "it is no JSON" },
		{ &one_market, "[1]", "it is no JSON object" },
		{ &one_market, "{}", "neither a trade (price, quantity, time) nor a candle (time, open, high, low, close) nor a signal "
		    "(strategy, side, entry, stop_loss, targets)" },
		{ &one_market, "{\"type\":\"quote\",\"price\":1}", "type 'quote' is none of trade, candle, signal" },
		{ &one_market, "{\"type\":\"candle\",\"price\":1}", "type says candle, but it has the members of a trade" },
		{ &one_market, "{\"type\":\"trade\"}", "no price" },
		{ &two_markets, "{\"price\":1}", "no symbol, and the feed has several" },
		{ &one_market, "{\"symbol\":\"btc/usdt\",\"price\":1}", "symbol 'btc/usdt' is no BASE/QUOTE in capitals" },
		{ &one_market, "{\"symbol\":7,\"price\":1}", "symbol '7' is no BASE/QUOTE in capitals" },
		/* Trades. */
		{ &one_market, "{\"price\":\"abc\"}", "price 'abc' is no number of up to 18 digits" },
		{ &one_market, "{\"price\":[1]}", "price '[1]' is no number of up to 18 digits" },
		{ &one_market, "{\"price\":1.2345678901234567890}", "price '1.2345678901234567890' is no number of up to 18 digits" },
		{ &one_market, "{\"price\":1,\"time\":1767225600}", "no quantity" },
		{ &one_market, "{\"price\":1,\"quantity\":1}", "no time" },
		{ &one_market, "{\"price\":1,\"quantity\":1,\"time\":12}",
		    "time '12' is none: ISO 8601 (without a zone UTC), or s, ms or us since 1970" },
		{ &one_market, "{\"price\":1,\"quantity\":1,\"time\":\"soon\"}",
		    "time 'soon' is none: ISO 8601 (without a zone UTC), or s, ms or us since 1970" },
		{ &one_market, "{\"price\":0,\"quantity\":1,\"time\":1767225600}", "the price is not above zero" },
		{ &one_market, "{\"price\":1,\"quantity\":-1,\"time\":1767225600}", "the quantity is negative" },
		{ &one_market, "{\"price\":1,\"quantity\":1,\"time\":1767225600,\"id\":1.5}", "id '1.5' is no whole number of 0 or more" },
		{ &one_market, "{\"price\":1,\"quantity\":1,\"time\":1767225600,\"id\":-1}", "id '-1' is no whole number of 0 or more" },
		{ &one_market, "{\"price\":1,\"quantity\":1,\"time\":1767226261}",
		    "its time is more than a minute ahead of this machine's clock" },
		/* Candles. */
		{ &one_market, "{\"open\":1}", "no time" },
		{ &one_market, "{\"time\":1767225600,\"open\":1,\"high\":1,\"close\":1}", "no low" },
		{ &one_market, CANDLE("1767225601", ""), "no 1m candle opens at 2026-01-01T00:00:01.000000Z" },
		{ &one_market, "{\"time\":1767225600,\"open\":2,\"high\":1,\"low\":1,\"close\":1}", "a price is above the high" },
		{ &one_market, CANDLE("1767225600", ",\"volume\":-1"), "the volume is negative" },
		{ &one_market, CANDLE("1767225600", ",\"volume\":\"x\""), "volume 'x' is no number of up to 18 digits" },
		{ &one_market, CANDLE("1767225600", ",\"timeframe\":\"5m\""), "timeframe '5m' is not the feed's" },
		{ &one_market, CANDLE("1767225600", ",\"trades\":2147483648"), "trades '2147483648' is no number of trades" },
		{ &one_market, CANDLE("1767225600", ",\"closed\":1"), "closed '1' is neither true nor false" },
		/* Signals. */
		{ &one_market, "{\"entry\":1}", "no strategy: its name, 1 to 48 of a-z 0-9 _" },
		{ &one_market, "{\"strategy\":\"My\",\"entry\":1}", "no strategy: its name, 1 to 48 of a-z 0-9 _" },
		{ &one_market, "{\"strategy\":\"\",\"entry\":1}", "no strategy: its name, 1 to 48 of a-z 0-9 _" },
		{ &one_market, "{\"strategy\":\"abcdefghijabcdefghijabcdefghijabcdefghijabcdefghi\",\"entry\":1}",
		    "no strategy: its name, 1 to 48 of a-z 0-9 _" },
		{ &one_market, LONG("\"strategy_version\":0,"), "strategy_version is no whole number of 1 or more" },
		{ &one_market, LONG("\"timeframe\":\"7m\","), "timeframe is none of 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 12h, 1d" },
		{ &two_markets, LONG("\"symbol\":\"BTC/USDT\",\"timeframe\":\"1m\","), "timeframe is no multiple of the feed's" },
		{ &one_market, LONG("\"candle_open_time\":1767225601,"), "no candle of its timeframe opens at candle_open_time" },
		{ &one_market, LONG("\"candle_open_time\":1767226200,"), "its candle has not closed by this machine's clock" },
		{ &one_market, LONG("\"time\":1767226260,"), "its candle has not closed by this machine's clock" },
		{ &one_market, LONG("\"expiry_candles\":0,"), "expiry_candles is no whole number from 1 to 100000" },
		{ &one_market, LONG("\"expires_at\":\"2026-01-01T00:10:00Z\","), "expires_at is not after the end of its candle" },
		{ &one_market, LONG("\"time\":1767225600,\"expiry_candles\":10,"), "it has expired already" },
		{ &one_market, LONG("\"side\":\"buy\","), "side is neither long nor short" },
		{ &one_market, LONG("\"entry\":\"x\","), "entry 'x' is no number of up to 18 digits" },
		{ &one_market, LONG("\"entry\":0,"), "entry is not above zero" },
		{ &one_market, LONG("\"stop_loss\":0,"), "stop_loss is not above zero" },
		{ &one_market, LONG("\"stop_loss\":100,"), "stop_loss is not on the losing side of entry" },
		{ &one_market, SHORT("\"stop_loss\":99,"), "stop_loss is not on the losing side of entry" },
		{ &one_market, LONG("\"targets\":[],"), "no targets: an array of 1 to 5 prices" },
		{ &one_market, LONG("\"targets\":101,"), "no targets: an array of 1 to 5 prices" },
		{ &one_market, LONG("\"targets\":[101,102,103,104,105,106],"), "no targets: an array of 1 to 5 prices" },
		{ &one_market, LONG("\"targets\":[null],"), "target 'null' is no number of up to 18 digits" },
		{ &one_market, SHORT("\"targets\":[99,0],"), "a target is not above zero" },
		{ &one_market, LONG("\"targets\":[100],"), "the first target is not on the winning side of entry" },
		{ &one_market, LONG("\"targets\":[101,101],"), "a target does not lie beyond the one before it" },
		{ &one_market, LONG("\"confidence\":1.1,"), "confidence is not from 0 to 1" },
		{ &one_market, LONG("\"confidence\":\"high\","), "confidence 'high' is no number of up to 18 digits" },
		{ &one_market, LONG("\"reason\":\"a\\u0000b\","), "reason is no text of up to 500 bytes" },
		{ &one_market, LONG("\"reason\":5,"), "reason is no text of up to 500 bytes" },
		{ &one_market, LONG("\"indicators\":[1],"), "indicators is no object" },
		{ &one_market, LONG("\"indicators\":{\"a\":{}},"),
		    "indicators holds something else than numbers, short words, true, false and null" },
		{ &one_market, LONG("\"indicators\":{\"a\":1e999},"),
		    "indicators holds something else than numbers, short words, true, false and null" },
		{ &one_market, LONG("\"indicators\":{\"\\ud800\":1},"),
		    "indicators holds something else than numbers, short words, true, false and null" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i].market, NOW, bad[i].text) != LINE_BAD)
			fail_msg("%s was taken", bad[i].text);
		if (strcmp(why, bad[i].why) != 0)
			fail_msg("%s: \"%s\" instead of \"%s\"", bad[i].text, why, bad[i].why);
	}
}

static void
what_is_too_long_is_refused(void **state)
{
	char	 text[3000], filler[1100];

	(void)state;
	memset(filler, 'x', sizeof(filler));
	snprintf(text, sizeof(text), LONG("\"reason\":\"%.*s\","), 500, filler);
	take(&one_market, NOW, text);
	snprintf(text, sizeof(text), LONG("\"reason\":\"%.*s\","), 501, filler);
	assert_int_equal(parse(&one_market, NOW, text), LINE_BAD);
	snprintf(text, sizeof(text), LONG("\"indicators\":{\"a\":\"%.*s\",\"b\":\"%.*s\",\"c\":\"%.*s\",\"d\":\"%.*s\",\"e\":1},"),
	    250, filler, 250, filler, 250, filler, 250, filler);
	assert_int_equal(parse(&one_market, NOW, text), LINE_BAD);
	assert_string_equal(why, "indicators are longer than 1023 bytes");
}

static void
a_recording_has_no_clock(void **state)
{
	(void)state;
	take(&one_market, LINE_NO_CLOCK, "{\"price\":1,\"quantity\":1,\"time\":\"2999-01-01\"}");
	take(&one_market, LINE_NO_CLOCK, LONG("\"time\":\"1999-01-01\","));
	assert_int_equal(parse(&one_market, LINE_NO_CLOCK, LONG("")), LINE_BAD);
	assert_string_equal(why, "no time");
}

static int
release(void **state)
{
	(void)state;
	jsonr_release(&scratch);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(trades),
		cmocka_unit_test(candles),
		cmocka_unit_test(a_candle_is_taken_once_it_is_over),
		cmocka_unit_test(signals),
		cmocka_unit_test(lines_of_other_symbols_are_told_apart),
		cmocka_unit_test(every_refusal_has_its_words),
		cmocka_unit_test(what_is_too_long_is_refused),
		cmocka_unit_test(a_recording_has_no_clock),
	};

	return cmocka_run_group_tests_name("line", tests, NULL, release);
}
