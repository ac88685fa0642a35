#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "generator/batch.h"
#include "generator/table.h"

static const struct signal sample = {
	.exchange = "sim", .symbol = "BTC/USDT", .timeframe = TF_1M, .strategy = "ema_cross", .strategy_version = 1,
	.params_hash = "0123456789abcdef", .candle_open_us = 1767225600000000, .mode = MODE_LIVE, .side = SIDE_LONG,
	.candle_close_us = 1767225660000000, .expires_us = 1767227100000000, .generated_us = 1767225660000001,
	.entry = { 1005, 1 }, .initial_stop = { 99, 0 }, .stop_loss = { 99, 0 }, .targets = { { 102, 0 }, { 1055, 1 } }, .target_count = 2,
	.confidence = 0.5, .reason = "a \"reason\"", .indicators = "{\"ema\":1}", .last_price = { 1005, 1 },
	.max_favorable = { 1005, 1 }, .max_adverse = { 1005, 1 },
};

static void
signals_keep_their_order_and_prices_come_last(void **state)
{
	static const enum batch_kind	 want[] = { BATCH_OPEN, BATCH_CHANGE, BATCH_OPEN, BATCH_CANDLES, BATCH_REFRESH, BATCH_STATE };
	struct batch			*b = batch_new();
	struct signal			 other = sample, closed = sample;
	struct candle			 c = { .open_us = 1767225600000000, .open = { 1, 0 }, .high = { 2, 0 }, .low = { 1, 0 }, .close = { 2, 0 },
					    .volume = { 5, 1 }, .trades = -1, .source = SOURCE_FILE };
	const char			*json;

	(void)state;
	assert_int_equal(batch_rows(b), 0);
	strcpy(other.symbol, "ETH/USDT");
	closed.status = STATUS_STOPPED;
	closed.exit_reason = EXIT_STOP_LOSS;
	closed.outcome = OUTCOME_LOSS;
	closed.exit_price = closed.stop_loss;
	closed.closed_us = 1767225720000000;
	batch_candle(b, "sim", "BTC/USDT", TF_1M, &c);
	batch_open(b, &sample);
	batch_open(b, &other);
	batch_refresh(b, &sample);
	batch_refresh(b, &other);
	batch_change(b, &closed);
	batch_judged(b, "sim", "BTC/USDT", TF_1M, "ema_cross", 1);
	batch_judged(b, "sim", "BTC/USDT", TF_1M, "ema_cross", 1767225600000000);
	other.candle_open_us += 60000000;
	batch_open(b, &other);
	assert_int_equal(batch_rows(b), 7);	/* the refresh of the closed one is gone, the states are one */
	batch_seal(b);
	assert_int_equal(batch_statements(b), 6);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(batch_statement(b, i, &json), want[i]);
		if (!json_valid(json, strlen(json)))
			fail_msg("no JSON: %s", json);
	}
	batch_statement(b, 4, &json);
	assert_null(strstr(json, "BTC/USDT"));
	assert_non_null(strstr(json, "ETH/USDT"));
	batch_statement(b, 5, &json);
	assert_string_equal(json, "[{\"exchange\":\"sim\",\"symbol\":\"BTC/USDT\",\"timeframe\":\"1m\",\"strategy\":\"ema_cross\","
	    "\"t\":\"2026-01-01T00:00:00.000000Z\"}]");
	batch_statement(b, 3, &json);
	assert_string_equal(json, "[{\"e\":\"sim\",\"s\":\"BTC/USDT\",\"f\":\"1m\",\"t\":\"2026-01-01T00:00:00.000000Z\",\"o\":1,\"h\":2,\"l\":1,"
	    "\"c\":2,\"v\":0.5,\"x\":\"file\"}]");
	batch_refuse(b, 1);
	assert_true(batch_is_refused(b, 1));
	assert_false(batch_is_refused(b, 0));
	batch_free(b);
}

static void
a_statement_splits_down_to_single_rows(void **state)
{
	struct batch	*b = batch_new();
	struct signal	 s = sample;
	const char	*json;
	size_t		 statements;

	(void)state;
	for (int i = 0; i < 5; i++) {
		snprintf(s.symbol, sizeof(s.symbol), "S%d/USDT", i);
		snprintf(s.reason, sizeof(s.reason), "tricky \\ \" { [ , } ] %d", i);
		batch_open(b, &s);
	}
	s.status = STATUS_EXPIRED;
	batch_change(b, &s);
	batch_seal(b);
	statements = batch_statements(b);
	assert_int_equal(statements, 2);
	assert_int_equal(batch_statement_rows(b, 0), 5);
	for (size_t i = 0; i < statements; )
		if (batch_split(b, i))
			statements++;
		else
			i++;
	assert_int_equal(statements, 6);
	assert_int_equal(batch_statements(b), 6);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(batch_statement(b, i, &json), BATCH_OPEN);
		assert_int_equal(batch_statement_rows(b, i), 1);
		assert_true(json_valid(json, strlen(json)));
		snprintf(s.symbol, sizeof(s.symbol), "S%zu/USDT", i);
		assert_non_null(strstr(json, s.symbol));
	}
	assert_int_equal(batch_statement(b, 5, &json), BATCH_CHANGE);
	batch_free(b);
}

static void
a_table_keeps_the_last_value_of_each_of_many_keys(void **state)
{
	struct table	*t = table_new();
	char		 key[32], value[64];
	const char	*found;
	size_t		 at = 0, n = 0;

	(void)state;
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 1000; i++) {
			snprintf(key, sizeof(key), "key %d", i);
			snprintf(value, sizeof(value), "%d of round %d", i, round);
			table_put(t, key, value);
		}
	table_remove(t, "key 0");
	table_remove(t, "key 0");
	table_remove(t, "no such key");
	assert_int_equal(table_count(t), 999);
	while (table_next(t, &at, &found)) {
		snprintf(value, sizeof(value), "%zu of round 2", ++n);
		assert_string_equal(found, value);
	}
	assert_int_equal(n, 999);
	table_put(t, "key 0", "again");
	assert_int_equal(table_count(t), 1000);
	table_free(t);
}

static void
assert_same_statements(const struct batch *a, const struct batch *b)
{
	const char	*one, *other;

	assert_int_equal(batch_statements(a), batch_statements(b));
	for (size_t i = 0; i < batch_statements(a); i++) {
		assert_int_equal(batch_statement(a, i, &one), batch_statement(b, i, &other));
		assert_string_equal(one, other);
		assert_int_equal(batch_statement_rows(a, i), batch_statement_rows(b, i));
	}
}

static struct batch *
batch_of_all_kinds(void)
{
	struct batch	*b = batch_new();
	struct signal	 other = sample;
	struct candle	 c = { .open_us = 1767225600000000, .open = { 1, 0 }, .high = { 2, 0 }, .low = { 1, 0 }, .close = { 2, 0 },
			    .volume = { 5, 1 }, .trades = -1, .source = SOURCE_REST };

	batch_open(b, &sample);
	other.targets_hit = 1;
	batch_change(b, &other);
	batch_candle(b, "sim", "BTC/USDT", TF_1M, &c);
	c.volume.units = 6;
	batch_correct(b, "sim", "BTC/USDT", TF_1M, &c);
	c.volume.units = 7;
	batch_correct(b, "sim", "BTC/USDT", TF_1M, &c);
	batch_refresh(b, &sample);
	batch_judged(b, "sim", "BTC/USDT", TF_1M, "ema_cross", 1);
	assert_int_equal(batch_rows(b), 6);
	batch_seal(b);
	assert_int_equal(batch_statements(b), BATCH_KINDS);
	return b;
}

static void
a_batch_comes_back_from_the_journal_as_it_was(void **state)
{
	struct batch	*b = batch_of_all_kinds(), *back = batch_new();
	size_t		 len;
	char		*bytes = batch_pack(b, &len);

	(void)state;
	assert_true(batch_unpack(back, bytes, len));
	assert_same_statements(b, back);
	/* Another one goes behind it. */
	assert_true(batch_unpack(back, bytes, len));
	assert_int_equal(batch_statements(back), 2 * BATCH_KINDS);
	/* Bytes that are none of ours change nothing. */
	assert_false(batch_unpack(back, bytes, len - 1));
	bytes[0] = '?';
	assert_false(batch_unpack(back, bytes, len));
	assert_int_equal(batch_statements(back), 2 * BATCH_KINDS);
	free(bytes);
	batch_free(b);
	batch_free(back);
}

static void
all_but_signals_can_be_done_without(void **state)
{
	struct batch	*b = batch_of_all_kinds();
	const char	*json;

	(void)state;
	assert_int_equal(batch_signal_rows(b), 2);
	assert_int_equal(batch_drop_others(b), 4);
	assert_int_equal(batch_statements(b), 2);
	assert_int_equal(batch_statement(b, 0, &json), BATCH_OPEN);
	assert_int_equal(batch_statement(b, 1, &json), BATCH_CHANGE);
	assert_int_equal(batch_drop_others(b), 0);
	batch_free(b);
}

static void
an_opening_says_how_long_it_is_fresh(void **state)
{
	struct batch	*b = batch_new();
	struct signal	 s = sample;
	const char	*json;

	(void)state;
	assert_true(batch_take_oldest_us(b) == INT64_MAX);
	batch_open(b, &s);
	s.generated_us -= 5;
	s.fresh_until_us = 1767225720000000;
	batch_open(b, &s);
	assert_true(batch_take_oldest_us(b) == s.generated_us);
	assert_true(batch_take_oldest_us(b) == INT64_MAX);
	batch_seal(b);
	batch_statement(b, 0, &json);
	assert_non_null(strstr(json, "\"fresh_until\":\"2026-01-01T00:02:00.000000Z\""));
	/* The first one is always fresh. */
	assert_true(strstr(json, "fresh_until") > strstr(json, "},{"));
	batch_free(b);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_batch_comes_back_from_the_journal_as_it_was),
		cmocka_unit_test(all_but_signals_can_be_done_without),
		cmocka_unit_test(an_opening_says_how_long_it_is_fresh),
		cmocka_unit_test(signals_keep_their_order_and_prices_come_last),
		cmocka_unit_test(a_statement_splits_down_to_single_rows),
		cmocka_unit_test(a_table_keeps_the_last_value_of_each_of_many_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
