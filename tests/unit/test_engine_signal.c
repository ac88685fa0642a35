/* Only a part of what engine_record.h has is used here. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "tests/unit/engine_record.h"

#define MINUTE_US	INT64_C(60000000)
#define T0		INT64_C(1767225600000000)	/* 2026-01-01 */

static const char	 one_strategy[] = "[strategy cross]\ntype = ema_cross\ntimeframe = 1m\n";

static struct record	 rec;
static struct engine	*engine;
static struct stream	*stream;

static int
begin(void **state)
{
	(void)state;
	engine = engine_of(one_strategy, MODE_LIVE, 10, &rec);
	stream = engine_stream(engine, "test", "BTC/USDT", TF_1M);
	engine_set_wall_us(engine, 12345);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	engine_free(engine);
	record_release(&rec);
	return 0;
}

/* A signal of the candle that opens `minute` minutes after T0: entry 100, stop at 1, targets at 1 and 2 away. */
static struct signal
outside(const char *strategy, enum signal_side side, int minute)
{
	int64_t		 sign = side == SIDE_LONG ? 1 : -1;
	struct signal	 s = {
		.timeframe = TF_1M, .strategy_version = 1, .side = side, .candle_open_us = T0 + minute * MINUTE_US,
		.candle_close_us = T0 + (minute + 1) * MINUTE_US, .expires_us = T0 + (minute + 6) * MINUTE_US,
		.entry = { 100, 0 }, .initial_stop = { 100 - sign, 0 }, .stop_loss = { 100 - sign, 0 },
		.targets = { { 100 + sign, 0 }, { 100 + 2 * sign, 0 } }, .target_count = 2, .reason = "because", .indicators = "{}",
		.last_price = { 100, 0 }, .max_favorable = { 100, 0 }, .max_adverse = { 100, 0 },
	};

	strcpy(s.strategy, strategy);
	return s;
}

static enum signal_verdict
give(const char *strategy, enum signal_side side, int minute)
{
	struct signal	 s = outside(strategy, side, minute);

	return stream_signal(stream, &s);
}

static void
candle(int minute, int64_t low, int64_t high)
{
	struct candle	 c = {
		.open_us = T0 + minute * MINUTE_US, .open = { 100, 0 }, .high = { high, 0 }, .low = { low, 0 }, .close = { 100, 0 },
		.trades = 1, .source = SOURCE_FILE
	};

	stream_candle(stream, &c);
}

/* The last happening to a signal, which is of this kind. */
static const struct signal *
latest(enum kind kind)
{
	for (size_t i = rec.count; i-- > 0;)
		if (rec.list[i].signal != NULL) {
			assert_int_equal(rec.list[i].kind, kind);
			return rec.list[i].signal;
		}
	fail_msg("nothing has happened to a signal");
	return NULL;
}

static size_t
count_of(enum kind kind)
{
	size_t	 count = 0;

	for (size_t i = 0; i < rec.count; i++)
		count += rec.list[i].kind == kind;
	return count;
}

static void
its_life_follows_the_stream_s_candles(void **state)
{
	const struct signal	*s;

	(void)state;
	assert_int_equal(give("mine", SIDE_LONG, 0), VERDICT_OPENED);
	s = latest(ON_OPENED);
	assert_string_equal(s->exchange, "test");
	assert_string_equal(s->symbol, "BTC/USDT");
	assert_int_equal(s->mode, MODE_LIVE);
	assert_int_equal(s->generated_us, 12345);
	/* Its own candle does not count. */
	candle(0, 90, 110);
	assert_int_equal(count_of(ON_CHANGED), 0);
	candle(1, 100, 101);
	s = latest(ON_CHANGED);
	assert_int_equal(s->targets_hit, 1);
	assert_int_equal(decimal_compare(s->stop_loss, s->entry), 0);
	candle(2, 99, 101);
	s = latest(ON_CHANGED);
	assert_int_equal(s->status, STATUS_STOPPED);
	assert_int_equal(s->outcome, OUTCOME_BREAKEVEN);
}

static void
one_of_a_strategy_is_active_at_a_time(void **state)
{
	const struct signal	*s;

	(void)state;
	assert_int_equal(give("mine", SIDE_LONG, 0), VERDICT_OPENED);
	assert_int_equal(give("mine", SIDE_LONG, 0), VERDICT_REPEATED);
	assert_int_equal(give("mine", SIDE_LONG, 1), VERDICT_REPEATED);
	assert_int_equal(give("mine", SIDE_SHORT, 0), VERDICT_REPEATED);
	/* Others do not matter. */
	assert_int_equal(give("other", SIDE_SHORT, 0), VERDICT_OPENED);
	assert_int_equal(count_of(ON_OPENED), 2);
	assert_int_equal(count_of(ON_CHANGED), 0);
	/* A reversal. */
	assert_int_equal(give("mine", SIDE_SHORT, 2), VERDICT_OPENED);
	assert_int_equal(count_of(ON_CHANGED), 1);
	assert_int_equal(rec.list[rec.count - 2].kind, ON_CHANGED);
	s = rec.list[rec.count - 2].signal;
	assert_int_equal(s->status, STATUS_CANCELLED);
	assert_int_equal(s->exit_reason, EXIT_REVERSED);
	assert_int_equal(s->closed_us, T0 + 3 * MINUTE_US);
	assert_int_equal(latest(ON_OPENED)->side, SIDE_SHORT);
	/* An old one again, whatever its side: nothing goes back. */
	assert_int_equal(give("mine", SIDE_LONG, 0), VERDICT_REPEATED);
}

static void
a_configured_name_and_a_late_one_are_refused(void **state)
{
	(void)state;
	assert_int_equal(give("cross", SIDE_LONG, 0), VERDICT_RESERVED);
	candle(0, 100, 100);
	assert_int_equal(give("mine", SIDE_LONG, 0), VERDICT_OPENED);
	candle(1, 100, 100);
	/* The candle of minute 1 has closed: what it did to a signal of minute 0 is past. */
	assert_int_equal(give("other", SIDE_LONG, 0), VERDICT_LATE);
	assert_int_equal(give("other", SIDE_LONG, 1), VERDICT_OPENED);
	assert_int_equal(count_of(ON_OPENED), 2);
}

static void
names_cannot_be_made_up_for_ever(void **state)
{
	char	 name[16];
	int	 opened = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		opened += give(name, SIDE_LONG, 0) == VERDICT_OPENED;
	}
	assert_int_equal(opened, 256);
	assert_int_equal(give("another", SIDE_LONG, 0), VERDICT_TOO_MANY);
	/* Those that are known go on. */
	assert_int_equal(give("s0", SIDE_SHORT, 1), VERDICT_OPENED);
}

static void
without_any_price_it_ends_by_the_clock_and_is_void(void **state)
{
	const struct signal	*s;

	(void)state;
	assert_int_equal(give("mine", SIDE_LONG, 0), VERDICT_OPENED);
	stream_clock(stream, T0 + 6 * MINUTE_US + 1999999);	/* the grace is 2 s */
	assert_int_equal(count_of(ON_CHANGED), 0);
	stream_clock(stream, T0 + 6 * MINUTE_US + 2000000);
	s = latest(ON_CHANGED);
	assert_int_equal(s->status, STATUS_EXPIRED);
	assert_int_equal(s->exit_reason, EXIT_EXPIRED);
	assert_int_equal(s->outcome, OUTCOME_VOID);
	assert_int_equal(s->closed_us, T0 + 6 * MINUTE_US);
	assert_int_equal(decimal_compare(s->exit_price, s->entry), 0);
	assert_true(s->r_multiple == 0);
	stream_clock(stream, T0 + 60 * MINUTE_US);
	assert_int_equal(count_of(ON_CHANGED), 1);
	/* And another one may come. */
	assert_int_equal(give("mine", SIDE_LONG, 60), VERDICT_OPENED);
	/* Where there are candles, they end it, at a price. */
	candle(61, 100, 100);
	stream_clock(stream, T0 + 600 * MINUTE_US);
	assert_int_equal(count_of(ON_CHANGED), 1);
	candle(70, 100, 100);
	assert_int_equal(latest(ON_CHANGED)->outcome, OUTCOME_BREAKEVEN);
}

static void
one_that_is_too_old_is_told_and_not_followed(void **state)
{
	struct signal	 s = outside("mine", SIDE_LONG, 0);

	(void)state;
	engine_set_wall_us(engine, T0 + 5 * MINUTE_US);
	s.fresh_until_us = T0 + 2 * MINUTE_US;
	assert_int_equal(stream_signal(stream, &s), VERDICT_OPENED);
	assert_int_equal(latest(ON_OPENED)->fresh_until_us, T0 + 2 * MINUTE_US);
	candle(1, 1, 200);
	assert_int_equal(count_of(ON_CHANGED), 0);
	/* The next one does not wait for it. */
	assert_int_equal(give("mine", SIDE_LONG, 1), VERDICT_OPENED);
	assert_int_equal(latest(ON_OPENED)->fresh_until_us, T0 + 6 * MINUTE_US);
	candle(2, 1, 200);
	assert_int_equal(latest(ON_CHANGED)->status, STATUS_STOPPED);
}

static void
a_restart_knows_the_active_and_the_last(void **state)
{
	struct signal	 s = outside("mine", SIDE_LONG, 5), closed = outside("done", SIDE_LONG, 7);

	(void)state;
	strcpy(s.exchange, "test");
	strcpy(s.symbol, "BTC/USDT");
	strcpy(closed.exchange, "test");
	strcpy(closed.symbol, "BTC/USDT");
	closed.status = STATUS_EXPIRED;
	engine_restore(engine, &s);
	engine_restore(engine, &closed);
	assert_int_equal(rec.count, 0);
	assert_int_equal(give("mine", SIDE_LONG, 6), VERDICT_REPEATED);
	assert_int_equal(give("done", SIDE_LONG, 7), VERDICT_REPEATED);
	assert_int_equal(give("done", SIDE_SHORT, 6), VERDICT_REPEATED);
	assert_int_equal(give("done", SIDE_LONG, 8), VERDICT_OPENED);
	candle(6, 98, 100);
	assert_int_equal(latest(ON_CHANGED)->status, STATUS_STOPPED);
	assert_string_equal(latest(ON_CHANGED)->strategy, "mine");
	assert_int_equal(give("mine", SIDE_LONG, 6), VERDICT_OPENED);
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_setup_teardown(its_life_follows_the_stream_s_candles, begin, end),
		cmocka_unit_test_setup_teardown(one_of_a_strategy_is_active_at_a_time, begin, end),
		cmocka_unit_test_setup_teardown(a_configured_name_and_a_late_one_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(names_cannot_be_made_up_for_ever, begin, end),
		cmocka_unit_test_setup_teardown(without_any_price_it_ends_by_the_clock_and_is_void, begin, end),
		cmocka_unit_test_setup_teardown(one_that_is_too_old_is_told_and_not_followed, begin, end),
		cmocka_unit_test_setup_teardown(a_restart_knows_the_active_and_the_last, begin, end),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("engine_signal", tests, NULL, NULL);
}
