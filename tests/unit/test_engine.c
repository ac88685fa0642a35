#include "tests/unit/engine_split.h"

/* Short periods, so that many signals and many restarts beyond all memory fit into a test. */
static const char	 quick[] =
    "[strategy cross]\ntype = ema_cross\ntimeframe = 5m\nfast = 3\nslow = 8\nadx_period = 5\nadx_min = 15\natr_period = 5\nwarmup = 150\n"
    "[strategy dip]\ntype = rsi_reversion\ntimeframe = 1m\nrsi_period = 5\nema_period = 20\natr_period = 5\nwarmup = 200\n"
    "cooldown_candles = 2\nguard_stops = 2\nguard_candles = 60\n"
    "[strategy break]\ntype = donchian_breakout\ntimeframe = 15m\nperiod = 6\natr_period = 5\nwarmup = 60\ntargets_r = 0.5, 1, 2\n"
    "[strategy break_fast]\ntype = donchian_breakout\ntimeframe = 1m\nperiod = 10\natr_period = 5\nwarmup = 100\nexpiry_candles = 8\n"
    "cooldown_candles = 0\nguard_stops = 0\ntargets_r = 1, 2, 3, 4, 5\n";

/* The page's defaults, on two timeframes. */
static const char	 defaults[] =
    "[strategy ema_cross]\ntype = ema_cross\ntimeframe = 1m\n"
    "[strategy rsi_reversion]\ntype = rsi_reversion\ntimeframe = 1m\n"
    "[strategy donchian_breakout]\ntype = donchian_breakout\ntimeframe = 5m\n";

/* The promises */

static struct market	 market;
static struct span	 synthetic;

static int
make_market(void **state)
{
	(void)state;
	market_make(&market, 16000, 42);
	synthetic = (struct span){ market.candles, market.candle_count, TF_1M };
	return 0;
}

static int
drop_market(void **state)
{
	(void)state;
	market_release(&market);
	return 0;
}

static void
every_signal_satisfies_the_table_and_the_rules(void **state)
{
	struct record	 r = { 0 };

	(void)state;
	run_whole(quick, &synthetic, synthetic.count, &r);
	check_life(&r, &synthetic, 300);
	record_release(&r);
}

static void
the_signals_of_a_prefix_are_a_prefix_of_the_signals(void **state)
{
	struct record	 whole = { 0 }, part = { 0 };

	(void)state;
	run_whole(quick, &synthetic, synthetic.count, &whole);
	for (size_t to = 1; to < synthetic.count; to += 911) {
		run_whole(quick, &synthetic, to, &part);
		assert_continues(&whole, 0, &part, false, to);
		assert_int_equal(part.count, happenings_before(&whole, to));
		record_release(&part);
	}
	record_release(&whole);
}

static void
a_restart_anywhere_changes_nothing(void **state)
{
	(void)state;
	check_splits(quick, &synthetic, 163);
}

static void
trades_give_what_their_candles_give(void **state)
{
	struct record	 candles = { 0 }, trades = { 0 };
	struct engine	*e;
	struct stream	*s;

	(void)state;
	run_whole(quick, &synthetic, synthetic.count, &candles);
	for (int with_clock = 0; with_clock < 2; with_clock++) {
		e = engine_of(quick, MODE_REPLAY, FILL_MAX, &trades);
		s = engine_stream(e, "test", "BTC/USDT", TF_1M);
		for (size_t i = 0; i < market.trade_count; i++) {
			if (with_clock)
				stream_clock(s, market.trades[i].time_us);
			stream_trade(s, &market.trades[i]);
		}
		stream_clock(s, market.trades[market.trade_count - 1].time_us + 2 * MINUTE_US);
		assert_continues(&candles, 0, &trades, true, (size_t)with_clock);
		engine_free(e);
		record_release(&trades);
	}
	record_release(&candles);
}

static void
trades_resume_after_the_last_candle(void **state)
{
	struct record	 whole = { 0 }, rest = { 0 };
	struct engine	*e;
	struct stream	*s;
	size_t		 until;
	int64_t		 resume_us;

	(void)state;
	run_whole(quick, &synthetic, synthetic.count, &whole);
	for (size_t split = 1000; split < synthetic.count; split += 2003) {
		until = happenings_before(&whole, split);
		e = engine_of(quick, MODE_REPLAY, FILL_MAX, &rest);
		s = engine_stream(e, "test", "BTC/USDT", TF_1M);
		restart(e, s, TF_1M, &whole, until);
		resume_us = synthetic.candles[split - 1].open_us + MINUTE_US;
		/* The feed goes back further than what is stored. */
		for (size_t i = 0; i < market.trade_count; i++)
			if (market.trades[i].time_us >= resume_us - 10 * MINUTE_US)
				stream_trade(s, &market.trades[i]);
		stream_clock(s, market.trades[market.trade_count - 1].time_us + 2 * MINUTE_US);
		assert_continues(&whole, until, &rest, true, split);
		engine_free(e);
		record_release(&rest);
	}
	record_release(&whole);
}

static void
filled_candles_are_told_but_never_judged(void **state)
{
	struct record	 r = { 0 };
	size_t		 filled = 0, judged = 0, told[TIMEFRAMES] = { 0 };

	(void)state;
	run_whole(quick, &synthetic, synthetic.count, &r);
	for (size_t i = 0; i < r.count; i++) {
		if (r.list[i].kind == ON_JUDGED)
			judged++;
		else if (r.list[i].kind == ON_CANDLE && r.list[i].candle.source == SOURCE_FILLED) {
			filled++;
			assert_true(i + 1 == r.count || r.list[i + 1].kind != ON_JUDGED);
		} else if (r.list[i].kind == ON_CANDLE)
			told[r.list[i].tf]++;
	}
	assert_true(filled > 500);
	assert_int_equal(told[TF_1M], synthetic.count);
	/* Two strategies on 1m, one on 5m and one on 15m. */
	assert_int_equal(judged, 2 * told[TF_1M] + told[TF_5M] + told[TF_15M]);
	record_release(&r);
}

static void
old_candles_are_ignored(void **state)
{
	struct record	 r = { 0 };
	struct engine	*e = engine_of(quick, MODE_LIVE, FILL_MAX, &r);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", TF_1M);

	(void)state;
	for (size_t i = 0; i < 50; i++)
		stream_warm(s, &synthetic.candles[i]);
	for (size_t i = 0; i < 50; i++)
		stream_candle(s, &synthetic.candles[i]);
	assert_int_equal(r.count, 0);
	stream_candle(s, &synthetic.candles[50]);
	assert_true(r.count > 0);
	engine_free(e);
	record_release(&r);
}

static void
a_signal_of_a_strategy_that_is_gone_lives_to_its_end(void **state)
{
	struct record	 whole = { 0 }, rest = { 0 };
	struct engine	*e;
	struct stream	*s;
	struct signal	 lost, other_mode;
	size_t		 i = 0, closed = 0;

	(void)state;
	run_whole(quick, &synthetic, synthetic.count, &whole);
	while (whole.list[i].kind != ON_OPENED || strcmp(whole.list[i].signal->strategy, "break") != 0)
		i++;
	lost = other_mode = *whole.list[i].signal;
	other_mode.mode = MODE_LIVE;
	e = engine_of("[strategy cross]\ntype = ema_cross\ntimeframe = 5m\n", MODE_REPLAY, FILL_MAX, &rest);
	s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	engine_restore(e, &lost);
	engine_restore(e, &other_mode);
	feed(s, &rest, &synthetic, whole.list[i].input + 1, synthetic.count);
	for (size_t k = 0; k < rest.count; k++)
		if (rest.list[k].kind == ON_CHANGED && rest.list[k].signal->status != STATUS_ACTIVE &&
		    rest.list[k].signal->candle_open_us == lost.candle_open_us) {
			closed++;
			check_outcome(rest.list[k].signal, &synthetic);
		}
	assert_int_equal(closed, 1);
	engine_free(e);
	record_release(&whole);
	record_release(&rest);
}

static void
a_higher_candle_that_a_hole_delays_is_judged_before_the_prices_after_it(void **state)
{
	struct record	 r = { 0 };
	struct engine	*e = engine_of("[strategy d]\ntype = donchian_breakout\ntimeframe = 5m\nperiod = 2\natr_period = 2\nwarmup = 4\n",
	    MODE_LIVE, 0, &r);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	struct candle	 c = { .source = SOURCE_FILE, .trades = 1 };
	int64_t		 start_us = INT64_C(1700000100) * 1000000 / (15 * MINUTE_US) * (15 * MINUTE_US);
	size_t		 opened = 0;

	(void)state;
	/* Twenty minutes around 100, then a breakout in the first three minutes of the next five, then a hole. */
	for (int i = 0; i < 23; i++) {
		c.open_us = start_us + i * MINUTE_US;
		c.open = c.close = (struct decimal){ .units = i < 20 ? 100 : 110, .scale = 0 };
		c.high = (struct decimal){ .units = i < 20 ? 101 : 111, .scale = 0 };
		c.low = (struct decimal){ .units = i < 20 ? 99 : 109, .scale = 0 };
		stream_candle(s, &c);
	}
	for (size_t i = 0; i < r.count; i++)
		opened += r.list[i].kind == ON_OPENED;
	assert_int_equal(opened, 0);		/* 20 to 25 is not over as far as anybody knows */
	/* The candle after the hole goes through the stop: it came after the signal's candle, so it counts. */
	c.open_us = start_us + 40 * MINUTE_US;
	c.open = c.close = c.low = (struct decimal){ .units = 50, .scale = 0 };
	c.high = (struct decimal){ .units = 51, .scale = 0 };
	stream_candle(s, &c);
	assert_int_equal(r.list[r.count - 4].kind, ON_OPENED);
	assert_int_equal(r.list[r.count - 3].kind, ON_JUDGED);
	assert_int_equal(r.list[r.count - 2].kind, ON_CHANGED);
	assert_int_equal(r.list[r.count - 2].signal->status, STATUS_STOPPED);
	assert_true(decimal_double(r.list[r.count - 2].signal->exit_price) == 50);
	assert_int_equal(r.list[r.count - 1].kind, ON_CANDLE);
	engine_free(e);
	record_release(&r);
}

static void
status_is_json_and_bounded(void **state)
{
	struct record	 r = { 0 };
	struct engine	*e = engine_of(quick, MODE_LIVE, FILL_MAX, &r);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	char		 buf[4096], symbol[32];
	struct jsonw	 w;

	(void)state;
	feed(s, &r, &synthetic, 0, 500);
	for (int round = 0; round < 2; round++) {
		jsonw_init_fixed(&w, buf, sizeof(buf));
		jsonw_object(&w, NULL);
		engine_status_json(e, &w);
		jsonw_end_object(&w);
		assert_true(!w.failed && w.len < 2600 && json_valid(w.buf, w.len));
		assert_int_equal(strstr(buf, "\"strategies\":[") != NULL, round == 0);
		for (int i = 0; i < 20; i++) {
			snprintf(symbol, sizeof(symbol), "COIN%d/USDT", i);
			engine_stream(e, "test", symbol, TF_1M);
		}
	}
	engine_free(e);
	record_release(&r);
}

static void
history_covers_the_memory_of_the_slowest(void **state)
{
	struct record	 r = { 0 };
	struct engine	*e = engine_of(defaults, MODE_LIVE, FILL_MAX, &r);

	(void)state;
	assert_int_equal(stream_history_wanted(engine_stream(e, "test", "A/B", TF_1M)), 5 * 2000 + 5);
	/* 5m is no multiple of 3m, and 1m is below it: nobody is left to want anything. */
	assert_int_equal(stream_history_wanted(engine_stream(e, "test", "C/D", TF_3M)), 0);
	assert_int_equal(stream_memory_us(engine_stream(e, "test", "E/F", TF_1M)), 24 * 5 * MINUTE_US);
	engine_free(e);
}

static void
history_is_stored_and_judged_but_gives_no_signals(void **state)
{
	struct record	 whole = { 0 }, late = { 0 };
	struct engine	*e = engine_of(quick, MODE_LIVE, FILL_MAX, &late);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", synthetic.base);
	int64_t		 live_us = synthetic.candles[synthetic.count / 2].open_us;
	size_t		 told[2] = { 0 }, opened = 0;

	(void)state;
	assert_int_equal(stream_warmup(s), 15 * 61);
	stream_live_from(s, live_us);
	feed(s, &late, &synthetic, 0, synthetic.count);
	engine_free(e);
	run_whole(quick, &synthetic, synthetic.count, &whole);
	for (size_t i = 0; i < whole.count; i++)
		told[0] += whole.list[i].kind == ON_CANDLE || whole.list[i].kind == ON_JUDGED;
	for (size_t i = 0; i < late.count; i++) {
		told[1] += late.list[i].kind == ON_CANDLE || late.list[i].kind == ON_JUDGED;
		if (late.list[i].kind != ON_OPENED)
			continue;
		opened++;
		assert_true(late.list[i].signal->candle_close_us > live_us);
	}
	assert_int_equal(told[0], told[1]);
	assert_true(opened > 10);
	record_release(&whole);
	record_release(&late);
}

/* Real data */

static void
check_real(const char *name, const char *text, enum timeframe tf, int numbered, size_t opened_min, size_t step)
{
	struct span	 in = { .base = tf };
	struct candle	*list = read_candles(name, tf, numbered, &in.count);
	struct record	 r = { 0 };

	in.candles = list;
	assert_true(in.count > 2000);
	run_whole(text, &in, in.count, &r);
	check_life(&r, &in, opened_min);
	record_release(&r);
	check_splits(text, &in, step);
	free(list);
}

static void
a_real_minute_market_keeps_all_promises(void **state)
{
	(void)state;
	check_real("unittest_btc_1m.csv", defaults, TF_1M, 0, 50, 977);
	check_real("unittest_btc_1m.csv", quick, TF_1M, 0, 300, 449);
}

static void
a_real_hourly_market_keeps_all_promises(void **state)
{
	(void)state;
	check_real("eurusd_1h.csv", "[strategy e]\ntype = ema_cross\ntimeframe = 1h\n[strategy d]\ntype = donchian_breakout\ntimeframe = 2h\n"
	    "[strategy r]\ntype = rsi_reversion\ntimeframe = 1h\nema_period = 50\n", TF_1H, 1, 50, 331);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(every_signal_satisfies_the_table_and_the_rules),
		cmocka_unit_test(the_signals_of_a_prefix_are_a_prefix_of_the_signals),
		cmocka_unit_test(a_restart_anywhere_changes_nothing),
		cmocka_unit_test(trades_give_what_their_candles_give),
		cmocka_unit_test(trades_resume_after_the_last_candle),
		cmocka_unit_test(filled_candles_are_told_but_never_judged),
		cmocka_unit_test(old_candles_are_ignored),
		cmocka_unit_test(a_signal_of_a_strategy_that_is_gone_lives_to_its_end),
		cmocka_unit_test(a_higher_candle_that_a_hole_delays_is_judged_before_the_prices_after_it),
		cmocka_unit_test(status_is_json_and_bounded),
		cmocka_unit_test(history_covers_the_memory_of_the_slowest),
		cmocka_unit_test(history_is_stored_and_judged_but_gives_no_signals),
		cmocka_unit_test(a_real_minute_market_keeps_all_promises),
		cmocka_unit_test(a_real_hourly_market_keeps_all_promises),
	};

	return cmocka_run_group_tests(tests, make_market, drop_market);
}
