/* What a live market does to an engine: gaps, corrections, signals that come too late, operators. */
#include "tests/unit/engine_record.h"

#define MINUTE_US	INT64_C(60000000)
#define T0		INT64_C(1767225600000000)

static const char	 breakout[] =
    "[strategy break]\ntype = donchian_breakout\ntimeframe = 1m\nperiod = 5\natr_period = 3\nwarmup = 10\ncooldown_candles = 0\n"
    "guard_stops = 0\nexpiry_candles = 50\n";
static const char	 patient[] =
    "[strategy break]\ntype = donchian_breakout\ntimeframe = 1m\nperiod = 5\natr_period = 3\nwarmup = 10\ncooldown_candles = 0\n"
    "guard_stops = 0\nexpiry_candles = 50\nmax_age = 5m\n";

static struct record	 rec;

static int
clean(void **state)
{
	(void)state;
	record_release(&rec);
	return 0;
}

/* A candle of one unit's range around its price. */
static struct candle
candle_at(int minute, int price)
{
	return (struct candle){
		.open_us = T0 + minute * MINUTE_US, .open = { price, 0 }, .high = { price * 10 + 5, 1 }, .low = { price * 10 - 5, 1 },
		.close = { price, 0 }, .volume = { 1, 0 }, .trades = 1, .source = SOURCE_REST
	};
}

static void
put(struct stream *s, int minute, int price)
{
	struct candle	 c = candle_at(minute, price);

	stream_candle(s, &c);
}

/* Twelve quiet candles, then one that breaks out upwards: the first signal. */
static void
break_out(struct stream *s, int from, int level)
{
	for (int i = 0; i < 12; i++)
		put(s, from + i, level + i % 2);
	put(s, from + 12, level + 10);
}

static size_t
count_of(enum kind kind)
{
	size_t	 count = 0;

	for (size_t i = 0; i < rec.count; i++)
		count += rec.list[i].kind == kind;
	return count;
}

static const struct signal *
last_signal(enum kind kind)
{
	for (size_t i = rec.count; i-- > 0; )
		if (rec.list[i].kind == kind)
			return rec.list[i].signal;
	fail_msg("nothing of that kind");
	return NULL;
}

static void
a_gap_cancels_signals_and_begins_anew(void **state)
{
	struct engine		*e = engine_of(breakout, MODE_LIVE, 20, &rec);
	struct stream		*s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	const struct signal	*cancelled;

	(void)state;
	break_out(s, 0, 1000);
	assert_int_equal(count_of(ON_OPENED), 1);
	put(s, 13, 1010);
	stream_gap(s, T0 + 20 * MINUTE_US);
	cancelled = last_signal(ON_CHANGED);
	assert_int_equal(cancelled->status, STATUS_CANCELLED);
	assert_int_equal(cancelled->exit_reason, EXIT_FEED_GAP);
	assert_int_equal(cancelled->outcome, OUTCOME_VOID);
	assert_int_equal(cancelled->exit_price.units, 1010);
	assert_true(cancelled->closed_us == T0 + 14 * MINUTE_US);
	/* Nothing from before it is looked at, nothing fills it, and what breaks out at once is not warm. */
	put(s, 19, 1020);
	assert_int_equal(count_of(ON_CANDLE), 14);
	put(s, 20, 1030);
	put(s, 21, 1050);
	assert_int_equal(count_of(ON_CANDLE), 16);
	assert_int_equal(count_of(ON_OPENED), 1);
	break_out(s, 22, 1100);
	assert_int_equal(count_of(ON_OPENED), 2);
	engine_free(e);
}

/* A restart in the middle of it makes no difference: a hole in what is stored, where all else is filled, is a gap. */
static void
a_gap_is_one_for_the_history_too(void **state)
{
	struct engine	*e = engine_of(breakout, MODE_LIVE, 20, &rec);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	struct candle	 c;

	(void)state;
	for (int i = 0; i < 30; i++) {
		c = candle_at(i < 25 ? i : i + 6, 1000 + i % 2);
		stream_warm(s, &c);
	}
	put(s, 36, 1050);
	assert_int_equal(count_of(ON_OPENED), 0);
	engine_free(e);
}

static void
trades_of_the_candle_at_hand_go_with_the_gap(void **state)
{
	struct engine	*e = engine_of(breakout, MODE_LIVE, 20, &rec);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	struct trade	 t = { .time_us = T0 + 5000000, .id = 1, .price = { 1000, 0 }, .quantity = { 1, 0 } };

	(void)state;
	stream_trade(s, &t);
	stream_gap(s, T0 + MINUTE_US);
	t = (struct trade){ .time_us = T0 + MINUTE_US, .id = 9, .price = { 1001, 0 }, .quantity = { 2, 0 }, .folded = 3 };
	stream_trade(s, &t);
	stream_clock(s, T0 + 3 * MINUTE_US);
	assert_int_equal(count_of(ON_CANDLE), 1);
	assert_true(rec.list[0].candle.open_us == T0 + MINUTE_US);
	assert_int_equal(rec.list[0].candle.trades, 4);
	engine_free(e);
}

/* A candle from REST takes the place of the trades that the builder holds of it. */
static void
a_candle_takes_the_place_of_its_trades(void **state)
{
	struct engine	*e = engine_of(breakout, MODE_LIVE, 20, &rec);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	struct trade	 t = { .time_us = T0 + 5000000, .id = 1, .price = { 1000, 0 }, .quantity = { 1, 0 } };

	(void)state;
	stream_trade(s, &t);
	put(s, 0, 1005);
	stream_clock(s, T0 + 3 * MINUTE_US);
	t.id = 2;
	t.time_us += 1000;
	stream_trade(s, &t);
	t.id = 3;
	t.time_us += MINUTE_US;
	stream_trade(s, &t);
	stream_clock(s, T0 + 3 * MINUTE_US);
	assert_int_equal(count_of(ON_CANDLE), 2);
	assert_int_equal(rec.list[0].candle.close.units, 1005);
	assert_int_equal(rec.list[0].candle.source, SOURCE_REST);
	engine_free(e);
}

static void
only_a_different_official_candle_is_a_correction(void **state)
{
	struct engine	*e = engine_of(breakout, MODE_LIVE, 20, &rec);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	struct candle	 c;

	(void)state;
	put(s, 0, 1000);
	c = rec.list[0].candle;
	stream_correct(s, &c);
	c.trades = -1;			/* unknown is no difference */
	stream_correct(s, &c);
	assert_int_equal(count_of(ON_CORRECTED), 0);
	c.volume = (struct decimal){ 11, 1 };
	stream_correct(s, &c);
	assert_int_equal(count_of(ON_CORRECTED), 1);
	assert_int_equal(rec.list[rec.count - 1].candle.volume.units, 11);
	/* One that comes early waits for its candle. */
	c = rec.list[0].candle;
	c.open_us += MINUTE_US;
	c.volume = (struct decimal){ 7, 0 };
	stream_correct(s, &c);
	assert_int_equal(count_of(ON_CORRECTED), 1);
	put(s, 1, 1000);
	assert_int_equal(count_of(ON_CORRECTED), 2);
	put(s, 2, 1000);
	assert_int_equal(count_of(ON_CORRECTED), 2);
	engine_free(e);
}

/* The exchange says that nobody traded, and so do we. */
static void
a_filled_candle_is_no_correction_of_itself(void **state)
{
	struct engine	*e = engine_of(breakout, MODE_LIVE, 20, &rec);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	struct candle	 c;

	(void)state;
	put(s, 0, 1000);
	c = candle_at(1, 1000);
	c.high = c.low = c.close;
	c.volume = (struct decimal){ 0, 0 };
	c.trades = 0;
	c.source = SOURCE_FILLED;
	stream_correct(s, &c);
	put(s, 3, 1001);
	assert_int_equal(count_of(ON_CANDLE), 4);
	assert_int_equal(count_of(ON_CORRECTED), 0);
	engine_free(e);
}

static void
a_signal_is_as_old_as_its_candle_where_time_is_real(void **state)
{
	struct engine		*e = engine_of(breakout, MODE_LIVE, 20, &rec);
	struct stream		*s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	const struct signal	*opened;

	(void)state;
	stream_set_real_time(s, true);
	/* A minute and a half late: older than one candle, the default. */
	engine_set_wall_us(e, T0 + 13 * MINUTE_US + 90000000);
	break_out(s, 0, 1000);
	opened = last_signal(ON_OPENED);
	assert_true(opened->fresh_until_us == 1);
	/* It is void from the start: nothing follows it, and the next one may come. */
	for (int i = 13; i < 20; i++)
		put(s, i, 1010);
	assert_int_equal(count_of(ON_REFRESHED) + count_of(ON_CHANGED), 0);
	engine_set_wall_us(e, T0 + 21 * MINUTE_US);
	put(s, 20, 1030);
	assert_int_equal(count_of(ON_OPENED), 2);
	put(s, 21, 1031);
	assert_int_equal(count_of(ON_REFRESHED), 1);
	engine_free(e);
}

static void
elsewhere_it_is_as_old_as_it_was_generated(void **state)
{
	struct engine	*e = engine_of(patient, MODE_LIVE, 20, &rec);

	(void)state;
	engine_set_wall_us(e, T0 + 1000 * MINUTE_US);
	break_out(engine_stream(e, "test", "BTC/USDT", TF_1M), 0, 1000);
	assert_true(last_signal(ON_OPENED)->fresh_until_us == T0 + 1005 * MINUTE_US);
	engine_free(e);
}

static void
a_replay_is_never_too_late(void **state)
{
	struct engine	*e = engine_of(breakout, MODE_REPLAY, 20, &rec);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", TF_1M);

	(void)state;
	stream_set_real_time(s, true);
	engine_set_wall_us(e, T0 + 1000 * MINUTE_US);
	break_out(s, 0, 1000);
	put(s, 13, 1011);
	assert_true(last_signal(ON_OPENED)->fresh_until_us == 0);
	assert_int_equal(count_of(ON_REFRESHED), 1);
	engine_free(e);
}

static void
what_is_closed_in_the_table_leaves_the_book(void **state)
{
	struct engine		*e = engine_of(breakout, MODE_LIVE, 20, &rec);
	struct stream		*s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	int64_t			 open_us;

	(void)state;
	break_out(s, 0, 1000);
	open_us = last_signal(ON_OPENED)->candle_open_us;
	/* Not another one's, nor an older one. */
	engine_closed(e, "other", "BTC/USDT", "1m", "break", open_us, 0);
	engine_closed(e, "test", "BTC/USDT", "5m", "break", open_us, 0);
	engine_closed(e, "test", "BTC/USDT", "1m", "brake", open_us, 0);
	engine_closed(e, "test", "BTC/USDT", "1m", "break", open_us - MINUTE_US, 0);
	put(s, 13, 1010);
	assert_int_equal(count_of(ON_REFRESHED), 1);
	engine_closed(e, "test", "BTC/USDT", "1m", "break", open_us, T0 + 13 * MINUTE_US);
	put(s, 14, 1009);
	assert_int_equal(count_of(ON_REFRESHED), 1);
	assert_int_equal(count_of(ON_CHANGED), 0);
	put(s, 15, 1030);
	assert_int_equal(count_of(ON_OPENED), 2);
	engine_free(e);
}

static void
one_time_out_of_the_future_does_not_stop_a_live_market(void **state)
{
	struct engine	*e = engine_of(breakout, MODE_LIVE, 20, &rec);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	struct trade	 t = { .time_us = T0, .id = 1, .price = { 1000, 0 }, .quantity = { 1, 0 } };

	(void)state;
	stream_set_real_time(s, true);
	engine_set_wall_us(e, T0);
	stream_trade(s, &t);
	t.id = 2;
	t.time_us = T0 + 72 * 60 * MINUTE_US;
	stream_trade(s, &t);
	put(s, 72 * 60, 1000);
	t.id = 3;
	t.time_us = T0 + MINUTE_US;
	stream_trade(s, &t);
	assert_int_equal(count_of(ON_CANDLE), 1);
	assert_int_equal(rec.list[0].candle.trades, 1);
	engine_free(e);
}

/* A live feed says what is lost: an hour and a half of silence is filled, and so is no gap for a restart either. */
static void
a_quiet_live_market_is_filled_however_long(void **state)
{
	struct engine	*e = engine_of(breakout, MODE_LIVE, 20, &rec);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", TF_1M);

	(void)state;
	stream_set_real_time(s, true);
	engine_set_wall_us(e, T0 + 20000 * MINUTE_US);
	put(s, 0, 1000);
	put(s, 91, 1000);
	assert_int_equal(count_of(ON_CANDLE), 92);
	/* Beyond a week it is a gap, here and after a restart. */
	put(s, 12000, 1000);
	assert_int_equal(count_of(ON_CANDLE), 93);
	engine_free(e);
}

static void
any_hole_in_the_history_of_a_live_market_is_a_gap(void **state)
{
	struct engine	*e = engine_of(breakout, MODE_LIVE, 20, &rec);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	struct candle	 c;

	(void)state;
	stream_set_real_time(s, true);
	engine_set_wall_us(e, T0 + 200 * MINUTE_US);
	for (int i = 0; i < 30; i++) {
		c = candle_at(i < 25 ? i : i + 100, 1000 + i % 2);
		stream_warm(s, &c);
	}
	put(s, 130, 1050);
	assert_int_equal(count_of(ON_OPENED), 0);
	engine_free(e);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_teardown(a_gap_cancels_signals_and_begins_anew, clean),
		cmocka_unit_test_teardown(a_gap_is_one_for_the_history_too, clean),
		cmocka_unit_test_teardown(trades_of_the_candle_at_hand_go_with_the_gap, clean),
		cmocka_unit_test_teardown(a_candle_takes_the_place_of_its_trades, clean),
		cmocka_unit_test_teardown(only_a_different_official_candle_is_a_correction, clean),
		cmocka_unit_test_teardown(a_filled_candle_is_no_correction_of_itself, clean),
		cmocka_unit_test_teardown(a_signal_is_as_old_as_its_candle_where_time_is_real, clean),
		cmocka_unit_test_teardown(elsewhere_it_is_as_old_as_it_was_generated, clean),
		cmocka_unit_test_teardown(a_replay_is_never_too_late, clean),
		cmocka_unit_test_teardown(what_is_closed_in_the_table_leaves_the_book, clean),
		cmocka_unit_test_teardown(one_time_out_of_the_future_does_not_stop_a_live_market, clean),
		cmocka_unit_test_teardown(a_quiet_live_market_is_filled_however_long, clean),
		cmocka_unit_test_teardown(any_hole_in_the_history_of_a_live_market_is_a_gap, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
