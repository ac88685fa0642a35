/* The strategies macd_cross, supertrend_flip and bollinger_squeeze. */
#include "tests/unit/strategy_run.h"

static bool
level_is(struct decimal d, const char *text)
{
	return decimal_compare(d, dec(text)) == 0;
}

static void
macd_cross_fires_on_the_far_side_of_zero(void **state)
{
	struct run	 r;
	struct macd	 macd;
	struct atr	 atr;
	double		 close, previous = 0;
	bool		 fired, up, down;
	int		 sides[2] = { 0, 0 }, filtered = 0, cold = 0;

	(void)state;
	macd_init(&macd, 5, 9, 4);
	atr_init(&atr, 14);
	run_begin(&r, "[strategy m]\ntype = macd_cross\ntimeframe = 1h\nfast = 5\nslow = 9\nsignal = 4\nwarmup = 200\n", 4);
	for (int i = 0; i < 3000; i++) {
		/* The ripples cross on the near side too. */
		close = wave(i) + 2 * sin(i / 1.7);
		fired = run_bar(&r, close + 0.3, close - 0.3, close);
		macd_update(&macd, r.last.close);
		atr_update(&atr, &r.last);
		up = macd.histogram > 0 && previous <= 0;
		down = macd.histogram < 0 && previous >= 0;
		if (i >= 199) {
			assert_int_equal(fired, (up && macd.value < 0) || (down && macd.value > 0));
			filtered += (up && macd.value > 0) || (down && macd.value < 0);
		} else {
			assert_false(fired);
			cold += (up && macd.value < 0) || (down && macd.value > 0);
		}
		if (fired) {
			assert_int_equal(r.signal.side, up ? SIDE_LONG : SIDE_SHORT);
			assert_true(fabs(r.signal.confidence - (0.5 + 0.5 * fmin(1, fabs(macd.value) / atr.value))) <= 0.00005001);
			sides[r.signal.side]++;
			check_text(&r.signal);
		}
		previous = macd.histogram;
	}
	assert_true(sides[0] > 10 && sides[1] > 10 && filtered > 10 && cold > 3);
	run_end(&r);
}

static const char	 turtle[] =
    "[strategy t]\ntype = supertrend_flip\ntimeframe = 1h\nperiod = 2\nmultiplier = 1\natr_period = 2\nwarmup = 5\n";

static void
supertrend_flip_fires_but_not_on_the_first_flip(void **state)
{
	struct run	 r;

	(void)state;
	run_begin(&r, turtle, 2);
	for (int i = 0; i < 10; i++)
		assert_false(run_bar(&r, 101, 99, 100));	/* ATR 2, bands 98 and 102, up by convention */
	assert_false(run_bar(&r, 104, 102, 103));	/* ATR 3, bands 100 and 102: above, and still up */
	assert_false(run_bar(&r, 98, 96, 97));		/* ATR 5, 97 < 100: down, the first flip */
	/* ATR 6, bands 97 and 102: 103 > 102 */
	assert_true(run_bar(&r, 104, 102, 103));
	assert_int_equal(r.signal.side, SIDE_LONG);
	assert_true(level_is(r.signal.entry, "103") && level_is(r.signal.initial_stop, "94"));
	assert_true(level_is(r.signal.targets[0], "116.5") && level_is(r.signal.targets[1], "130"));
	assert_true(fabs(r.signal.confidence - 0.5833) < 1e-12);	/* 1 / 6 of an ATR beyond */
	assert_string_equal(r.signal.reason, "The close (103) went above Supertrend 2/1 (102): the trend turned up.");
	assert_string_equal(r.signal.indicators, "{\"supertrend\":97,\"crossed\":102,\"supertrend_atr\":6,\"atr\":6}");
	/* ATR 7.5, bands 97 and 102.5: 95 < 97; the close at the line itself would be none. */
	assert_true(run_bar(&r, 96, 94, 95));
	assert_int_equal(r.signal.side, SIDE_SHORT);
	assert_true(fabs(r.signal.confidence - 0.6333) < 1e-12);
	assert_false(run_bar(&r, 96, 94, 95));
	check_text(&r.signal);
	run_end(&r);
}

static void
supertrend_flip_is_silent_while_cold(void **state)
{
	struct run	 r;
	int		 flips = 0, fired = 0;

	(void)state;
	run_begin(&r, "[strategy t]\ntype = supertrend_flip\ntimeframe = 1h\nperiod = 2\nmultiplier = 1\natr_period = 2\n"
	    "warmup = 60\n", 2);
	for (int i = 1; i <= 120; i++) {
		bool	 high = i / 4 % 2 == 0, now = run_bar(&r, high ? 121 : 101, high ? 119 : 99, high ? 120 : 100);

		assert_true(!now || i >= 60);
		flips += i > 8 && i % 4 == 0;
		fired += now;
	}
	assert_true(flips > 20 && fired >= 15);
	run_end(&r);
}

/* `bars` of a rise (or of a quiet market), then a fall: does the fall fire? */
static bool
fall_fires_after(int bars, bool rise)
{
	struct run	 r;
	bool		 fired = false;
	double		 c = 100;

	run_begin(&r, turtle, 2);
	for (int i = 0; i < bars; i++, c += rise)
		assert_false(run_bar(&r, c + 1, c - 1, c));
	for (int i = 0; i < 5; i++) {
		c -= 10;
		fired = run_bar(&r, c + 1, c - 1, c) || fired;
	}
	run_end(&r);
	return fired;
}

/*
 * A restart looks back 4 * 25 * 2 bars or more; a trend that has lasted longer
 * shows no flip in them, and its end must fire all the same.
 */
static void
supertrend_flip_knows_a_trend_that_is_older_than_the_history(void **state)
{
	(void)state;
	assert_false(fall_fires_after(150, true));
	assert_false(fall_fires_after(199, true));
	assert_true(fall_fires_after(200, true));
	assert_true(fall_fires_after(1000, true));
	/* Whether a market that left no band went up or down nobody knows. */
	assert_false(fall_fires_after(1000, false));
}

/* A walk at random around 10,000. */
static void
walk(struct bar *bars, int count)
{
	uint64_t	 seed = 88172645463325252u;
	double		 price = 10000;

	for (int i = 0; i < count; i++) {
		bars[i] = (struct bar){ .high = price, .low = price };
		for (int k = 0; k < 10; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			price += (double)(seed % 2001) / 1000 - 1;
			bars[i].high = fmax(bars[i].high, price);
			bars[i].low = fmin(bars[i].low, price);
		}
		bars[i].close = price;
	}
}

/* However wide the bands and however short everything else: a restart with as much history as it asks for changes nothing. */
static void
supertrend_flip_goes_on_after_a_restart(void **state)
{
	static const char	 wide[] = "[strategy t]\ntype = supertrend_flip\ntimeframe = 1h\nperiod = 2\nmultiplier = 20\n"
	    "atr_period = 2\nwarmup = 1\n";
	static struct bar	 bars[20000];
	static bool		 fires[20000];
	struct run		 whole, rest;
	int			 memory, seen = 0;

	(void)state;
	walk(bars, 20000);
	run_begin(&whole, wide, 2);
	memory = (int)strategy_memory(whole.strategy);
	for (int i = 0; i < 20000; i++)
		fires[i] = run_bar(&whole, bars[i].high, bars[i].low, bars[i].close);
	for (int split = memory + 100; split < 19000; split += 331) {
		run_begin(&rest, wide, 2);
		for (int i = split - memory; i < split; i++)
			run_bar(&rest, bars[i].high, bars[i].low, bars[i].close);
		for (int i = split; i < split + 1000; i++) {
			assert_int_equal(run_bar(&rest, bars[i].high, bars[i].low, bars[i].close), fires[i]);
			seen += fires[i];
		}
		run_end(&rest);
	}
	assert_true(seen > 20);
	run_end(&whole);
}

static void
bollinger_squeeze_fires_by_hand(void **state)
{
	static const double	 close[2] = { 100.5, 99.5 };
	struct run		 r;

	(void)state;
	for (int side = 0; side < 2; side++) {
		run_begin(&r, "[strategy b]\ntype = bollinger_squeeze\ntimeframe = 1h\nperiod = 5\ndeviations = 1.5\nlookback = 10\n"
		    "armed_bars = 3\natr_period = 2\nwarmup = 20\n", 2);
		for (int i = 0; i < 20; i++)
			assert_false(run_bar(&r, 101.5, 98.5, i % 2 == 0 ? 99 : 101));
		for (int i = 0; i < 6; i++)
			assert_false(run_bar(&r, 100.5, 99.5, i % 2 == side ? (i < 2 ? 99.88 : 99.9) : (i < 2 ? 100.12 : 100.1)));
		/*
		 * Long: of 99.9, 100.1, 99.9, 100.1, 100.5 the mean is 100.1 and the deviation sqrt(0.24 / 5) = 0.21909: the
		 * band ends at 100.42863, half of it is 0.32863.  Beyond: 0.07137, or 0.21716 of the half.  Short: the mirror image.
		 */
		assert_true(run_bar(&r, 100.6, 99.4, close[side]));
		assert_int_equal(r.signal.side, side == 0 ? SIDE_LONG : SIDE_SHORT);
		assert_true(fabs(r.signal.confidence - 0.6086) < 1e-12);
		assert_string_equal(r.signal.reason, side == 0 ?
		    "The close (100.5) is above the Bollinger band 5/1.5 (100.42863) 1 bar after the band was the narrowest of 10 bars." :
		    "The close (99.5) is below the Bollinger band 5/1.5 (99.571366) 1 bar after the band was the narrowest of 10 bars.");
		check_text(&r.signal);
		/* The squeeze is used up: the next close outside is none. */
		assert_false(run_bar(&r, 103, 97, side == 0 ? 102.5 : 97.5));
		run_end(&r);
	}
}

/* Everything anew from the list of closes, as the first comment of the file has it. */
struct squeeze {
	double	 closes[6000], widths[6000];
	int	 count;
	int	 armed_until;
};

static void
band_of(const struct squeeze *q, double *middle, double *deviation)
{
	double	 sum = 0, squares = 0;

	for (int i = q->count - 8; i < q->count; i++)
		sum += q->closes[i];
	*middle = sum / 8;
	for (int i = q->count - 8; i < q->count; i++)
		squares += (q->closes[i] - *middle) * (q->closes[i] - *middle);
	*deviation = sqrt(squares / 8);
}

static void
bollinger_squeeze_fires_while_it_is_armed_and_once(void **state)
{
	static struct squeeze	 q;
	struct run		 r;
	uint64_t		 seed = 88172645463325252u;
	double			 close = 100, middle, deviation;
	int			 sides[2] = { 0, 0 }, unarmed = 0, used = 0, used_until = -1;
	bool			 fired, above, below, low;

	(void)state;
	run_begin(&r, "[strategy b]\ntype = bollinger_squeeze\ntimeframe = 1h\nperiod = 8\ndeviations = 1.9\nlookback = 25\n"
	    "armed_bars = 4\natr_period = 3\nwarmup = 100\n", 3);
	for (int i = 0; i < 6000; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		/* Calm and wild by turns. */
		close += ((double)(seed % 2001) / 1000 - 1) * (0.3 + 0.2 * sin(i / 9.0)) + (100 - close) * 0.01;
		fired = run_bar(&r, close + 0.1, close - 0.1, close);
		q.closes[q.count++] = r.last.close;
		if (q.count < 8)
			continue;
		band_of(&q, &middle, &deviation);
		q.widths[i] = 2 * 1.9 * deviation / middle;
		above = r.last.close > middle + 1.9 * deviation;
		below = r.last.close < middle - 1.9 * deviation;
		if (i >= 99) {
			assert_int_equal(fired, (above || below) && i <= q.armed_until);
			unarmed += (above || below) && i > q.armed_until;
			used += (above || below) && i > q.armed_until && i <= used_until;
		}
		if (fired) {
			sides[r.signal.side]++;
			assert_int_equal(r.signal.side, above ? SIDE_LONG : SIDE_SHORT);
			assert_true(fabs(r.signal.confidence - (0.5 + 0.5 * fmin(1, fabs(r.last.close - middle) / (1.9 * deviation) - 1)))
			    <= 0.00005001);
			check_text(&r.signal);
		}
		if ((above || below) && i <= q.armed_until) {
			used_until = q.armed_until;
			q.armed_until = -1;
		}
		low = i >= 7 + 24;
		for (int k = i - 24; k < i && low; k++)
			low = q.widths[i] <= q.widths[k] * (1 + 1e-12);
		if (low)
			q.armed_until = i + 4;
	}
	assert_true(sides[0] > 10 && sides[1] > 10 && unarmed > 50 && used > 3);
	run_end(&r);
}

static void
bollinger_squeeze_takes_a_dead_market_for_none(void **state)
{
	struct run	 r;

	(void)state;
	run_begin(&r, "[strategy b]\ntype = bollinger_squeeze\ntimeframe = 1h\nlookback = 30\natr_period = 2\nwarmup = 20\n", 2);
	/* The sum of twenty times 0.1 is not 2: what is left is no width. */
	for (int i = 0; i < 200; i++)
		assert_false(run_bar(&r, 0.2, 0.05, 0.1));
	assert_false(run_bar(&r, 0.3, 0.1, 0.25));
	run_end(&r);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(macd_cross_fires_on_the_far_side_of_zero),
		cmocka_unit_test(supertrend_flip_fires_but_not_on_the_first_flip),
		cmocka_unit_test(supertrend_flip_is_silent_while_cold),
		cmocka_unit_test(supertrend_flip_knows_a_trend_that_is_older_than_the_history),
		cmocka_unit_test(supertrend_flip_goes_on_after_a_restart),
		cmocka_unit_test(bollinger_squeeze_fires_by_hand),
		cmocka_unit_test(bollinger_squeeze_fires_while_it_is_armed_and_once),
		cmocka_unit_test(bollinger_squeeze_takes_a_dead_market_for_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
