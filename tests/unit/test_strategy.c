#include "tests/unit/strategy_run.h"

static void
expect_error(const char *text, const char *part)
{
	struct conf			*c = conf_of(text);
	const struct conf_section	*section = conf_next(c, "strategy", NULL);
	struct strategy			*s;
	char				*errors;

	assert_non_null(section);
	s = strategy_new(c, section);
	errors = conf_verdict(c);
	if (strstr(errors, part) == NULL)
		fail_msg("\"%s\" is not among: %s", part, errors);
	free(errors);
	strategy_free(s);
	conf_free(c);
}

static void
errors_name_the_key_and_what_is_allowed(void **state)
{
	(void)state;
	expect_error("[strategy]\ntype = ema_cross\ntimeframe = 5m\n", "a name is needed");
	expect_error("[strategy Big-One]\ntype = ema_cross\ntimeframe = 5m\n", "1 to 48 of a-z 0-9 _");
	expect_error("[strategy a]\ntimeframe = 5m\n", "type: is missing");
	expect_error("[strategy a]\ntype = magic\ntimeframe = 5m\n", "one of ema_cross, rsi_reversion, donchian_breakout, macd_cross, "
	    "supertrend_flip, bollinger_squeeze");
	expect_error("[strategy a]\ntype = ema_cross\n", "timeframe: is missing");
	expect_error("[strategy a]\ntype = ema_cross\ntimeframe = 7m\n", "one of 1m, 3m");
	expect_error("[strategy a]\ntype = ema_cross\ntimeframe = 5m\nfast = 26\n", "26 is not below slow (26)");
	expect_error("[strategy a]\ntype = ema_cross\ntimeframe = 5m\nfast = 1.5\n", "a whole number from 2 to 1000");
	expect_error("[strategy a]\ntype = ema_cross\ntimeframe = 5m\nperiod = 20\n", "period: is no key");
	expect_error("[strategy a]\ntype = rsi_reversion\ntimeframe = 5m\noversold = 50\noverbought = 50\n",
	    "50 is not below overbought (50)");
	/* Everything is a dip there, for ever; no restart sees where it began. */
	expect_error("[strategy a]\ntype = rsi_reversion\ntimeframe = 5m\noversold = 60\n", "from 1 to 50");
	expect_error("[strategy a]\ntype = rsi_reversion\ntimeframe = 5m\noverbought = 40\n", "from 50 to 99");
	expect_error("[strategy a]\ntype = macd_cross\ntimeframe = 5m\nslow = 12\n", "12 is not below slow (12)");
	expect_error("[strategy a]\ntype = supertrend_flip\ntimeframe = 5m\nmultiplier = 0\n", "from 0.1 to 20");
	/* Of 5 bars none can lie 2 deviations from their mean: the rule would be silent for ever. */
	expect_error("[strategy a]\ntype = bollinger_squeeze\ntimeframe = 5m\nperiod = 5\n", "2 is not below 2: of 5 bars");
	expect_error("[strategy a]\ntype = bollinger_squeeze\ntimeframe = 5m\narmed_bars = 0\n", "from 1 to 1000");
	expect_error("[strategy a]\ntype = donchian_breakout\ntimeframe = 5m\ntargets_r = 3, 1.5\n", "1.5 does not rise");
	expect_error("[strategy a]\ntype = donchian_breakout\ntimeframe = 5m\ntargets_r = 1, x\n", "1 to 5 rising numbers");
	expect_error("[strategy a]\ntype = donchian_breakout\ntimeframe = 5m\ntargets_r = 1, nan\n", "1 to 5 rising numbers");
	expect_error("[strategy a]\ntype = donchian_breakout\ntimeframe = 5m\ntargets_r = 1,2,3,4,5,6\n", "6 targets");
	expect_error("[strategy a]\ntype = donchian_breakout\ntimeframe = 5m\ntargets_r =\n", "0 targets");
	expect_error("[strategy a]\ntype = donchian_breakout\ntimeframe = 5m\nsymbols =\n", "names none");
	expect_error("[strategy a]\ntype = donchian_breakout\ntimeframe = 5m\nsymbols = btc/usdt\n", "BASE/QUOTE");
	expect_error("[strategy a]\ntype = donchian_breakout\ntimeframe = 5m\nexpiry_candles = 0\n", "from 1 to");
}

static void
symbols_choose_the_streams(void **state)
{
	struct strategy	*all = strategy_of("[strategy a]\ntype = ema_cross\ntimeframe = 1h\n");
	struct strategy	*two = strategy_of("[strategy a]\ntype = ema_cross\ntimeframe = 1h\nsymbols = BTC/USDT, ETH/USDT\n");

	(void)state;
	assert_true(strategy_watches(all, "XRP/EUR"));
	assert_true(strategy_watches(two, "ETH/USDT"));
	assert_false(strategy_watches(two, "XRP/EUR"));
	strategy_free(all);
	strategy_free(two);
}

static void
warmup_follows_the_indicators(void **state)
{
	static const struct {
		const char	*text;
		size_t		 warmup, memory;
	} cases[] = {
		/* ADX 14 needs 420, so the floor of 500 counts */
		{ "[strategy a]\ntype = ema_cross\ntimeframe = 1h\n", 500, 2000 },
		{ "[strategy a]\ntype = ema_cross\ntimeframe = 1h\nslow = 100\n", 1000, 4000 },
		{ "[strategy a]\ntype = rsi_reversion\ntimeframe = 1h\n", 2000, 8000 },
		{ "[strategy a]\ntype = donchian_breakout\ntimeframe = 1h\n", 500, 2000 },
		{ "[strategy a]\ntype = macd_cross\ntimeframe = 1h\nslow = 60\n", 690, 2760 },
		{ "[strategy a]\ntype = supertrend_flip\ntimeframe = 1h\nperiod = 30\n", 750, 3000 },
		{ "[strategy a]\ntype = bollinger_squeeze\ntimeframe = 1h\nlookback = 600\n", 630, 2520 },
		{ "[strategy a]\ntype = donchian_breakout\ntimeframe = 1h\natr_period = 40\n", 1000, 4000 },
		/* what is left of older bars is a matter of the indicators, not of the wish */
		{ "[strategy a]\ntype = ema_cross\ntimeframe = 1h\nwarmup = 100\n", 100, 1680 },
		{ "[strategy a]\ntype = ema_cross\ntimeframe = 1h\nwarmup = 900\n", 900, 3600 },
	};
	struct strategy	*s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s = strategy_of(cases[i].text);
		assert_int_equal(strategy_warmup(s), cases[i].warmup);
		assert_int_equal(strategy_memory(s), cases[i].memory);
		strategy_free(s);
	}
}

static void
expect_hash(const char *text, const char *other, bool equal)
{
	struct strategy	*a = strategy_of(text), *b = strategy_of(other);

	assert_int_equal(strlen(strategy_params_hash(a)), 16);
	assert_int_equal(strspn(strategy_params_hash(a), "0123456789abcdef"), 16);
	assert_int_equal(strcmp(strategy_params_hash(a), strategy_params_hash(b)) == 0, equal);
	strategy_free(a);
	strategy_free(b);
}

static void
the_hash_is_that_of_the_effective_parameters(void **state)
{
	static const char	 plain[] = "[strategy a]\ntype = ema_cross\ntimeframe = 5m\n";
	struct strategy		*s = strategy_of(plain);

	(void)state;
	/*
	 * A signal's identity: it must never change by accident.  By hand:
	 * printf '%s\n' 'version = 1' 'type = ema_cross' 'timeframe = 5m' 'atr_period = 14' 'stop_atr = 1.5'
	 *   'expiry_candles = 24' 'cooldown_candles = 3' 'guard_stops = 4' 'guard_candles = 24' 'warmup = 0' 'fast = 12'
	 *   'slow = 26' 'adx_period = 14' 'adx_min = 20' 'targets_r = 1.5 3' | sha256sum | cut -c1-16
	 */
	assert_string_equal(strategy_params_hash(s), "f121340bc4738bfd");
	strategy_free(s);
	expect_hash(plain, "[strategy b]\ntimeframe = 5m\nadx_min = 20.0\nfast = 12\ntype = ema_cross\ntargets_r = 1.50,3\n", true);
	expect_hash(plain, "[strategy a]\ntype = ema_cross\ntimeframe = 5m\nsymbols = BTC/USDT\n", true);
	expect_hash(plain, "[strategy a]\ntype = ema_cross\ntimeframe = 5m\nfast = 11\n", false);
	expect_hash(plain, "[strategy a]\ntype = ema_cross\ntimeframe = 5m\nstop_atr = 1.6\n", false);
	expect_hash(plain, "[strategy a]\ntype = ema_cross\ntimeframe = 5m\ntargets_r = 1.5, 3, 4\n", false);
	expect_hash(plain, "[strategy a]\ntype = donchian_breakout\ntimeframe = 5m\n", false);
}

static void
the_print_is_a_configuration_again(void **state)
{
	struct strategy	*s = strategy_of("[strategy a]\ntype = rsi_reversion\ntimeframe = 4h\noversold = 25\nsymbols = A/B, C/D\n"), *again;
	char		*text = NULL;
	size_t		 size = 0;
	FILE		*out = open_memstream(&text, &size);

	(void)state;
	strategy_print(s, out);
	fclose(out);
	again = strategy_of(text);
	assert_string_equal(strategy_name(again), "a");
	assert_string_equal(strategy_params_hash(s), strategy_params_hash(again));
	assert_true(strategy_watches(again, "C/D") && !strategy_watches(again, "E/F"));
	free(text);
	strategy_free(s);
	strategy_free(again);
}

static void
donchian_fires_on_a_close_beyond_the_bars_before(void **state)
{
	struct run	 r;

	(void)state;
	run_begin(&r, "[strategy d]\ntype = donchian_breakout\ntimeframe = 1h\nperiod = 4\natr_period = 2\nwarmup = 5\n", 2);
	for (int i = 0; i < 10; i++)
		assert_false(run_bar(&r, 101, 99, 100));	/* the ATR settles at 2 */
	assert_false(run_bar(&r, 101.5, 99, 101));		/* high beyond, close at the edge: no */
	/* ATR: (2 + 2.5) / 2 = 2.25, then true range max(1.5, |102.25 - 101|) = 1.5: (2.25 + 1.5) / 2 = 1.875 */
	assert_true(run_bar(&r, 102.25, 100.75, 101.75));
	assert_int_equal(r.signal.side, SIDE_LONG);
	assert_int_equal(decimal_compare(r.signal.entry, dec("101.75")), 0);
	/* 101.75 - 1.5 * 1.875 = 98.9375, R = 2.8125; targets + 4.21875 and + 8.4375 */
	assert_int_equal(decimal_compare(r.signal.initial_stop, dec("98.9375")), 0);
	assert_int_equal(decimal_compare(r.signal.stop_loss, dec("98.9375")), 0);
	assert_int_equal(r.signal.target_count, 2);
	assert_int_equal(decimal_compare(r.signal.targets[0], dec("105.96875")), 0);
	assert_int_equal(decimal_compare(r.signal.targets[1], dec("110.1875")), 0);
	/* the channel before: 99 to 101.5; 4 * 0.25 / 2.5 = 0.4: 0.5 + 0.2 */
	assert_true(fabs(r.signal.confidence - 0.7) < 1e-12);
	assert_string_equal(r.signal.reason, "The close (101.75) is above 101.5, the highest price of the 4 bars before.");
	assert_string_equal(r.signal.indicators, "{\"upper\":101.5,\"lower\":99,\"atr\":1.875}");
	assert_string_equal(r.signal.strategy, "d");
	assert_int_equal(r.signal.timeframe, TF_1H);
	assert_int_equal(r.signal.strategy_version, 1);
	assert_int_equal(r.signal.candle_open_us, START_US + 11 * HOUR_US);
	assert_int_equal(r.signal.candle_close_us, START_US + 12 * HOUR_US);
	assert_int_equal(r.signal.expires_us, START_US + 36 * HOUR_US);
	assert_int_equal(decimal_compare(r.signal.last_price, r.signal.entry), 0);
	check_text(&r.signal);
	run_end(&r);
}

static void
nothing_fires_before_the_warmup_is_over(void **state)
{
	struct run	 r;

	(void)state;
	run_begin(&r, "[strategy d]\ntype = donchian_breakout\ntimeframe = 1h\nperiod = 4\natr_period = 2\nwarmup = 50\n", 2);
	for (int i = 1; i <= 60; i++)		/* each close is a breakout */
		assert_int_equal(run_bar(&r, 100 + 2 * i, 97 + 2 * i, 99.5 + 2 * i), i >= 50);
	assert_int_equal(strategy_state_bars(r.state), 60);
	run_end(&r);
}

static void
a_flat_market_gives_nothing(void **state)
{
	static const char *const	 types[] = {
		"ema_cross\nadx_min = 0", "rsi_reversion\noversold = 49\noverbought = 50", "donchian_breakout", "macd_cross",
		"supertrend_flip\nmultiplier = 0.1", "bollinger_squeeze\nlookback = 2"
	};
	struct run			 r;
	char				 text[200];

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		snprintf(text, sizeof(text), "[strategy f]\ntype = %s\ntimeframe = 1h\nwarmup = 10\n", types[i]);
		run_begin(&r, text, 2);
		for (int k = 0; k < 1000; k++)
			assert_false(run_bar(&r, 100, 100, 100));
		run_end(&r);
	}
}

static void
levels_that_coincide_or_are_not_above_zero_give_nothing(void **state)
{
	struct run	 r;

	(void)state;
	/* After a flat market one cent at the ninth digit: the stop would be the entry on the grid of eight. */
	run_begin(&r, "[strategy d]\ntype = donchian_breakout\ntimeframe = 1h\nperiod = 2\natr_period = 1000\nwarmup = 5\n", 2);
	for (int i = 0; i < 1100; i++)
		run_bar(&r, 1000000, 1000000, 1000000);
	assert_false(run_bar(&r, 1000000.01, 1000000, 1000000.01));
	run_end(&r);
	/* A short at 10 whose last target would be at 10 - 3 * 1.5 * ATR of about 4. */
	run_begin(&r, "[strategy d]\ntype = donchian_breakout\ntimeframe = 1h\nperiod = 4\natr_period = 2\nwarmup = 5\n", 2);
	for (int i = 0; i < 20; i++)
		run_bar(&r, 14, 10.5, 12);
	assert_false(run_bar(&r, 12, 8, 10));
	run_end(&r);
	/* And a long whose stop would be below 0. */
	run_begin(&r, "[strategy d]\ntype = donchian_breakout\ntimeframe = 1h\nperiod = 4\natr_period = 2\nwarmup = 5\nstop_atr = 5\n", 2);
	for (int i = 0; i < 20; i++)
		run_bar(&r, 14, 10.5, 12);
	assert_false(run_bar(&r, 16, 12, 15));
	run_end(&r);
}

static void
tiny_prices_keep_their_levels_apart(void **state)
{
	struct run	 r;

	(void)state;
	run_begin(&r, "[strategy d]\ntype = donchian_breakout\ntimeframe = 1h\nperiod = 4\natr_period = 2\nwarmup = 5\n", 8);
	for (int i = 0; i < 20; i++)
		run_bar(&r, 0.00001240, 0.00001230, 0.00001234);
	assert_true(run_bar(&r, 0.00001250, 0.00001234, 0.00001249));
	assert_true(decimal_compare(r.signal.initial_stop, r.signal.entry) < 0);
	assert_true(decimal_compare(r.signal.targets[0], r.signal.entry) > 0);
	assert_true(decimal_compare(r.signal.targets[1], r.signal.targets[0]) > 0);
	run_end(&r);
}

static void
ema_cross_fires_where_the_averages_cross_in_a_trend(void **state)
{
	struct run	 r;
	struct ema	 fast, slow;
	struct adx	 adx;
	double		 gap, previous = 0, close;
	bool		 fired;
	int		 sides[2] = { 0, 0 }, filtered = 0;

	(void)state;
	ema_init(&fast, 5);
	ema_init(&slow, 9);
	adx_init(&adx, 7);
	run_begin(&r, "[strategy e]\ntype = ema_cross\ntimeframe = 1h\nfast = 5\nslow = 9\nadx_period = 7\nadx_min = 40\nwarmup = 210\n", 4);
	for (int i = 0; i < 3000; i++) {
		/* The ripples make weak crossings too. */
		close = wave(i) + 2 * sin(i / 1.7);
		fired = run_bar(&r, close + 0.3, close - 0.3, close);
		ema_update(&fast, r.last.close);
		ema_update(&slow, r.last.close);
		adx_update(&adx, &r.last);
		gap = fast.value - slow.value;
		if (i >= 209) {
			assert_int_equal(fired, adx.value > 40 && ((gap > 0 && previous <= 0) || (gap < 0 && previous >= 0)));
			filtered += adx.value <= 40 && gap * previous < 0;
		}
		if (fired) {
			assert_int_equal(r.signal.side, gap > 0 ? SIDE_LONG : SIDE_SHORT);
			assert_true(fabs(r.signal.confidence - (0.5 + 0.5 * fmin(1, (adx.value - 40) / 30))) <= 0.00005001);
			sides[r.signal.side]++;
			check_text(&r.signal);
		}
		previous = gap;
	}
	assert_true(sides[0] > 10 && sides[1] > 10 && filtered > 10);
	run_end(&r);
}

static void
rsi_reversion_fires_when_the_dip_is_over_and_the_trend_agrees(void **state)
{
	struct run	 r;
	struct rsi	 rsi;
	struct ema	 ema;
	double		 close, previous = 50, lowest = 100, highest = 0;
	bool		 fired, up, down;
	int		 sides[2] = { 0, 0 }, filtered = 0;

	(void)state;
	rsi_init(&rsi, 5);
	ema_init(&ema, 50);
	run_begin(&r, "[strategy s]\ntype = rsi_reversion\ntimeframe = 1h\nrsi_period = 5\nema_period = 50\nwarmup = 500\n", 4);
	for (int i = 0; i < 6000; i++) {
		/* A wave on a slow tide, so that dips occur on both sides of the average. */
		close = wave(i) + 30 * sin(i / 150.0) + 2 * sin(i / 1.7);
		fired = run_bar(&r, close + 0.3, close - 0.3, close);
		rsi_update(&rsi, r.last.close);
		ema_update(&ema, r.last.close);
		up = previous <= 30 && rsi.value > 30;
		down = previous >= 70 && rsi.value < 70;
		if (i >= 499) {
			assert_int_equal(fired, (up && r.last.close > ema.value) || (down && r.last.close < ema.value));
			filtered += (up && r.last.close <= ema.value) || (down && r.last.close >= ema.value);
		}
		if (fired) {
			assert_int_equal(r.signal.side, up ? SIDE_LONG : SIDE_SHORT);
			assert_true(fabs(r.signal.confidence - (up ? 0.5 + 0.5 * (30 - lowest) / 30 : 0.5 + 0.5 * (highest - 70) / 30)) <= 0.00005001);
			sides[r.signal.side]++;
			check_text(&r.signal);
		}
		previous = rsi.value;
		lowest = rsi.value <= 30 ? fmin(lowest, rsi.value) : 100;
		highest = rsi.value >= 70 ? fmax(highest, rsi.value) : 0;
	}
	assert_true(sides[0] > 3 && sides[1] > 3 && filtered > 3);
	run_end(&r);
}

static void
confidence_is_cut_to_its_range(void **state)
{
	(void)state;
	assert_true(strategy_clamp(-1) == 0);
	assert_true(strategy_clamp(0.25) == 0.25);
	assert_true(strategy_clamp(7) == 1);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(errors_name_the_key_and_what_is_allowed),
		cmocka_unit_test(symbols_choose_the_streams),
		cmocka_unit_test(warmup_follows_the_indicators),
		cmocka_unit_test(the_hash_is_that_of_the_effective_parameters),
		cmocka_unit_test(the_print_is_a_configuration_again),
		cmocka_unit_test(donchian_fires_on_a_close_beyond_the_bars_before),
		cmocka_unit_test(nothing_fires_before_the_warmup_is_over),
		cmocka_unit_test(a_flat_market_gives_nothing),
		cmocka_unit_test(levels_that_coincide_or_are_not_above_zero_give_nothing),
		cmocka_unit_test(tiny_prices_keep_their_levels_apart),
		cmocka_unit_test(ema_cross_fires_where_the_averages_cross_in_a_trend),
		cmocka_unit_test(rsi_reversion_fires_when_the_dip_is_over_and_the_trend_agrees),
		cmocka_unit_test(confidence_is_cut_to_its_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
