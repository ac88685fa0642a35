#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/indicator_reference.h"

#define assert_near(a, b)	assert_true(near(a, b))
#define COUNT(a)		(sizeof(a) / sizeof((a)[0]))

static bool
near(double a, double b)
{
	return fabs(a - b) <= 1e-12 * fmax(1, fabs(b));
}

static void
a_sum_goes_from_the_oldest_value_to_the_newest(void **state)
{
	struct window	 w;

	(void)state;
	window_init(&w, 3);
	window_push(&w, 7);
	assert_false(window_full(&w));
	window_push(&w, 1e17);
	window_push(&w, 3);
	window_push(&w, -1e17);
	assert_true(window_full(&w));
	/* 1e17 + 3 is 1e17 (a step is 16), minus 1e17 is 0; any other order gives 3. */
	assert_true(window_sum(&w) == 0);
	assert_true(window_max(&w) == 1e17);
	assert_true(window_min(&w) == -1e17);
	window_release(&w);
}

static void
sma_is_the_mean_of_the_last_n(void **state)
{
	struct sma	 s;

	(void)state;
	sma_init(&s, 3);
	sma_update(&s, 1);
	sma_update(&s, 2);
	assert_false(s.ready);
	sma_update(&s, 3);
	assert_true(s.ready);
	assert_near(s.value, 2);
	sma_update(&s, 7);
	assert_near(s.value, 4);
	sma_release(&s);
	sma_init(&s, 1);
	sma_update(&s, 42.5);
	assert_true(s.ready && s.value == 42.5);
	sma_release(&s);
}

static void
a_huge_price_leaves_no_residue(void **state)
{
	struct sma	 s;

	(void)state;
	sma_init(&s, 4);
	for (int i = 0; i < 4; i++)
		sma_update(&s, 1e9 + i / 3.0);
	for (int i = 0; i < 4; i++)
		sma_update(&s, 1e-5);
	assert_true(fabs(s.value - 1e-5) <= 1e-20);
	sma_release(&s);
}

static void
ema_begins_with_the_mean(void **state)
{
	struct ema	 e;
	const double	 x[] = { 2, 4, 6 };

	(void)state;
	ema_init(&e, 3);		/* k = 2 / 4 */
	for (size_t i = 0; i < COUNT(x); i++) {
		assert_false(e.ready);
		ema_update(&e, x[i]);
	}
	assert_near(e.value, 4);
	ema_update(&e, 8);		/* 4 + (8 - 4) / 2 */
	assert_near(e.value, 6);
	ema_update(&e, 4);		/* 6 + (4 - 6) / 2 */
	assert_near(e.value, 5);
}

static void
rma_smooths_by_one_nth(void **state)
{
	struct rma	 r;

	(void)state;
	rma_init(&r, 4);
	for (int x = 4; x <= 16; x += 4) {
		assert_false(r.ready);
		rma_update(&r, x);
	}
	assert_near(r.value, 10);
	rma_update(&r, 2);		/* (10 * 3 + 2) / 4 */
	assert_near(r.value, 8);
}

static void
rsi_by_hand(void **state)
{
	struct rsi	 r;

	(void)state;
	rsi_init(&r, 2);
	rsi_update(&r, 10);
	rsi_update(&r, 11);
	assert_false(r.ready);
	rsi_update(&r, 10.5);		/* up (1 + 0) / 2 = 0.5, down (0 + 0.5) / 2 = 0.25 */
	assert_true(r.ready);
	assert_near(r.value, 200.0 / 3);
	rsi_update(&r, 11.5);		/* up (0.5 + 1) / 2 = 0.75, down 0.125: 0.75 / 0.875 = 6 / 7 */
	assert_near(r.value, 600.0 / 7);
	assert_false(r.flat);
}

static void
rsi_without_falls_is_100_and_flat_is_50(void **state)
{
	struct rsi	 rising, flat;

	(void)state;
	rsi_init(&rising, 3);
	rsi_init(&flat, 3);
	for (int i = 0; i < 4; i++) {
		assert_false(flat.ready);
		rsi_update(&rising, 10 + i);
		rsi_update(&flat, 10);
	}
	assert_true(rising.ready && rising.value == 100 && !rising.flat);
	assert_true(flat.ready && flat.value == 50 && flat.flat);
	rsi_update(&flat, 9);
	assert_true(flat.value == 0 && !flat.flat);
}

static void
bollinger_takes_the_population_deviation(void **state)
{
	struct bollinger	 b;
	const double		 x[] = { 2, 4, 4, 6 };

	(void)state;
	bollinger_init(&b, 4, 2);
	for (size_t i = 0; i < COUNT(x); i++) {
		assert_false(b.ready);
		bollinger_update(&b, x[i]);
	}
	/* mean 4, variance (4 + 0 + 0 + 4) / 4 = 2 */
	assert_near(b.middle, 4);
	assert_near(b.upper, 4 + 2 * sqrt(2));
	assert_near(b.lower, 4 - 2 * sqrt(2));
	assert_near(b.width, sqrt(2));
	assert_near(b.position, 0.5 + 2 / (4 * sqrt(2)));
	bollinger_release(&b);
}

static void
bollinger_does_not_collapse_in_a_narrow_market(void **state)
{
	struct bollinger	 high, small;

	(void)state;
	bollinger_init(&high, 20, 2);
	bollinger_init(&small, 20, 2);
	for (int i = 0; i < 200; i++) {
		bollinger_update(&high, 60000 + (i % 2 == 0 ? 0.001 : -0.001));
		bollinger_update(&small, 1e-5 + (i % 2 == 0 ? 1e-8 : -1e-8));
	}
	/* Half of the values on each side: the deviation is the distance itself. */
	assert_true(fabs((high.upper - high.middle) / 2 - 0.001) < 1e-10);
	assert_true(fabs((small.upper - small.middle) / 2 - 1e-8) < 1e-19);
	bollinger_release(&high);
	bollinger_release(&small);
	bollinger_init(&high, 3, 2);
	for (int i = 0; i < 3; i++)
		bollinger_update(&high, 7);
	assert_true(high.upper == 7 && high.lower == 7 && high.width == 0 && high.position == 0.5);
	bollinger_release(&high);
}

static void
macd_seeds_both_averages_on_one_bar(void **state)
{
	struct macd	 m, swapped;
	const double	 x[] = { 1, 2, 4 };

	(void)state;
	macd_init(&m, 2, 3, 2);
	macd_init(&swapped, 3, 2, 2);
	for (size_t i = 0; i < COUNT(x); i++) {
		macd_update(&m, x[i]);
		macd_update(&swapped, x[i]);
		assert_false(m.ready);
	}
	/* slow = 7/3, fast = mean of x[1..2] = 3: macd 2/3, not published */
	macd_update(&m, 8);
	macd_update(&swapped, 8);
	/* fast = 3 + 2/3 * 5 = 19/3, slow = 7/3 + (8 - 7/3) / 2 = 31/6, macd = 7/6, signal = (2/3 + 7/6) / 2 = 11/12 */
	assert_true(m.ready);
	assert_near(m.value, 7.0 / 6);
	assert_near(m.signal, 11.0 / 12);
	assert_near(m.histogram, 0.25);
	assert_true(m.value == swapped.value && m.signal == swapped.signal);
	macd_update(&m, 16);
	/* fast = 19/3 + 2/3 * 29/3 = 115/9, slow = 31/6 + 65/12 = 127/12, macd = 79/36, signal = 11/12 + 2/3 * 46/36 = 191/108 */
	assert_near(m.value, 79.0 / 36);
	assert_near(m.signal, 191.0 / 108);
}

static void
atr_begins_with_the_second_bar(void **state)
{
	const struct bar	 bars[] = { { 10, 8, 9 }, { 11, 9, 10 }, { 10, 9.5, 9.5 }, { 14, 12, 13 } };
	struct atr		 a;

	(void)state;
	atr_init(&a, 2);
	atr_update(&a, &bars[0]);
	assert_false(a.has_range);
	atr_update(&a, &bars[1]);	/* 2, |11 - 9|, |9 - 9| */
	assert_true(a.has_range && !a.ready);
	assert_near(a.true_range, 2);
	atr_update(&a, &bars[2]);	/* 0.5, |10 - 10|, |9.5 - 10|: (2 + 0.5) / 2 */
	assert_true(a.ready);
	assert_near(a.value, 1.25);
	atr_update(&a, &bars[3]);	/* 2, |14 - 9.5| = 4.5: (1.25 + 4.5) / 2 */
	assert_near(a.true_range, 4.5);
	assert_near(a.value, 2.875);
}

static void
a_flat_market_has_no_range_and_no_direction(void **state)
{
	const struct bar	 flat = { 5, 5, 5 };
	struct atr		 atr;
	struct adx		 adx;

	(void)state;
	atr_init(&atr, 3);
	adx_init(&adx, 3);
	for (int i = 0; i < 20; i++) {
		atr_update(&atr, &flat);
		adx_update(&adx, &flat);
	}
	assert_true(atr.ready && atr.value == 0);
	assert_true(adx.ready && adx.plus_di == 0 && adx.minus_di == 0 && adx.value == 0);
}

static void
adx_by_hand(void **state)
{
	const struct bar	 bars[] = { { 10, 8, 9 }, { 12, 9, 11 }, { 11, 7, 8 }, { 13, 9, 12 }, { 14, 8, 11 } };
	struct adx		 a;

	(void)state;
	adx_init(&a, 2);
	adx_update(&a, &bars[0]);
	adx_update(&a, &bars[1]);	/* +2 -0, range 3: the sums of n - 1 = 1 value are 2, 0, 3 */
	assert_false(a.di_ready);
	adx_update(&a, &bars[2]);	/* -2, range 4: 2 - 1, 0 + 2, 3 - 1.5 + 4; index 100 * 1 / 3 */
	assert_true(a.di_ready && !a.ready);
	assert_near(a.plus_di, 100 / 5.5);
	assert_near(a.minus_di, 200 / 5.5);
	adx_update(&a, &bars[3]);	/* +2, range 5: 2.5, 1, 7.75; index 100 * 1.5 / 3.5 */
	assert_true(a.ready);
	assert_near(a.plus_di, 250 / 7.75);
	assert_near(a.minus_di, 100 / 7.75);
	assert_near(a.value, (100.0 / 3 + 300.0 / 7) / 2);
	adx_update(&a, &bars[4]);	/* one up, one down: a tie, so neither; range 6: 1.25, 0.5, 9.875; index as before */
	assert_near(a.plus_di, 125 / 9.875);
	assert_near(a.value, ((100.0 / 3 + 300.0 / 7) / 2 + 300.0 / 7) / 2);
}

static void
an_undefined_index_leaves_adx_as_it_is(void **state)
{
	/* Only the range moves, so both DI are 0 throughout the seed. */
	const struct bar	 wide = { 12, 8, 10 }, up = { 13, 9, 11 };
	struct adx		 a;
	double			 before;

	(void)state;
	adx_init(&a, 2);
	for (int i = 0; i < 6; i++)
		adx_update(&a, &wide);
	assert_true(a.ready && a.value == 0);
	before = a.value;
	adx_update(&a, &wide);
	assert_true(a.value == before);
	adx_update(&a, &up);		/* all of it is up: index 100 */
	assert_near(a.value, 50);
}

static void
stochastic_by_hand(void **state)
{
	const struct bar	 bars[] = { { 5, 3, 4 }, { 6, 4, 5 }, { 7, 4, 6 }, { 8, 5, 6 }, { 8, 4, 8 } };
	struct stochastic	 s;

	(void)state;
	stochastic_init(&s, 3, 2, 2, false);
	for (size_t i = 0; i < COUNT(bars); i++) {
		assert_false(s.ready);		/* first: 2 + 1 + 1 */
		stochastic_update(&s, &bars[i]);
	}
	/* raw 75 (3..7), 50 (4..8), 100 (4..8): %K 62.5, 75; %D 68.75 */
	assert_true(s.ready);
	assert_near(s.k, 75);
	assert_near(s.d, 68.75);
	stochastic_release(&s);
}

static void
stochastic_without_range_is_50_or_as_ta_lib_0(void **state)
{
	const struct bar	 flat = { 5, 5, 5 };
	struct stochastic	 ours, theirs;

	(void)state;
	stochastic_init(&ours, 2, 1, 1, false);
	stochastic_init(&theirs, 2, 1, 1, true);
	for (int i = 0; i < 2; i++) {
		stochastic_update(&ours, &flat);
		stochastic_update(&theirs, &flat);
	}
	assert_true(ours.ready && ours.k == 50 && ours.d == 50);
	assert_true(theirs.ready && theirs.k == 0 && theirs.d == 0);
	stochastic_release(&ours);
	stochastic_release(&theirs);
}

static void
donchian_keeps_the_channel_before_this_bar(void **state)
{
	const struct bar	 bars[] = { { 5, 3, 4 }, { 6, 4, 5 }, { 9, 7, 8 } };
	struct donchian		 d;

	(void)state;
	donchian_init(&d, 2);
	donchian_update(&d, &bars[0]);
	assert_false(d.ready);
	donchian_update(&d, &bars[1]);
	assert_true(d.ready && !d.previous_ready);
	assert_true(d.upper == 6 && d.lower == 3 && d.middle == 4.5);
	donchian_update(&d, &bars[2]);
	assert_true(d.previous_ready && d.previous_upper == 6 && d.previous_lower == 3);
	assert_true(d.upper == 9 && d.lower == 4);
	assert_true(bars[2].close > d.previous_upper && bars[2].close <= d.upper);
	donchian_release(&d);
}

static void
supertrend_by_hand(void **state)
{
	const struct bar	 bars[] = { { 10, 8, 9 }, { 11, 9, 10 }, { 10, 9.5, 9.5 }, { 14, 12, 13 }, { 12, 9, 9 } };
	struct supertrend	 s;

	(void)state;
	supertrend_init(&s, 2, 1);
	supertrend_update(&s, &bars[0]);
	supertrend_update(&s, &bars[1]);
	assert_false(s.ready);
	supertrend_update(&s, &bars[2]);	/* ATR 1.25 around 9.75 */
	assert_true(s.ready && s.up && !s.flipped);
	assert_near(s.upper, 11);
	assert_near(s.value, 8.5);
	supertrend_update(&s, &bars[3]);	/* ATR 2.875 around 13: 15.875 does not tighten, 10.125 does */
	assert_near(s.upper, 11);
	assert_near(s.value, 10.125);
	supertrend_update(&s, &bars[4]);	/* range 4, ATR 3.4375 around 10.5; the close before, 13, was beyond 11 */
	assert_near(s.upper, 13.9375);
	assert_near(s.lower, 10.125);
	assert_true(!s.up && s.flipped && s.flips == 1);
	assert_near(s.value, 13.9375);
}

static void
warmups_are_those_of_the_specification(void **state)
{
	(void)state;
	assert_int_equal(sma_warmup(20), 20);
	assert_int_equal(bollinger_warmup(20), 20);
	assert_int_equal(donchian_warmup(20), 21);
	assert_int_equal(stochastic_warmup(14, 3, 3), 18);
	assert_int_equal(ema_warmup(200), 2000);
	assert_int_equal(rsi_warmup(14), 350);
	assert_int_equal(atr_warmup(14), 350);
	assert_int_equal(adx_warmup(14), 420);
	assert_int_equal(macd_warmup(12, 26, 9), 350);
	assert_int_equal(supertrend_warmup(10), 250);
}

static void
check_reference(const char *name)
{
	char	 path[4096];

	if (reference_run(reference_path(name, path, sizeof(path))) == 0) {
		print_message("%s is not there: set TOCSIN_DATA\n", path);
		skip();
	}
	for (int i = 0; i < REFERENCES; i++) {
		if (references[i].misplaced > 0 || references[i].compared == 0 || !(references[i].largest <= references[i].tolerance))
			fail_msg("%s: largest deviation %g, tolerance %g, values %zu, misplaced %zu", references[i].column,
			    references[i].largest, references[i].tolerance, references[i].compared, references[i].misplaced);
	}
}

static void
eurusd_agrees_with_ta_lib(void **state)
{
	(void)state;
	check_reference("eurusd_1h.reference.csv");
}

static void
goog_agrees_with_ta_lib(void **state)
{
	(void)state;
	check_reference("goog_1d.reference.csv");
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_sum_goes_from_the_oldest_value_to_the_newest),
		cmocka_unit_test(sma_is_the_mean_of_the_last_n),
		cmocka_unit_test(a_huge_price_leaves_no_residue),
		cmocka_unit_test(ema_begins_with_the_mean),
		cmocka_unit_test(rma_smooths_by_one_nth),
		cmocka_unit_test(rsi_by_hand),
		cmocka_unit_test(rsi_without_falls_is_100_and_flat_is_50),
		cmocka_unit_test(bollinger_takes_the_population_deviation),
		cmocka_unit_test(bollinger_does_not_collapse_in_a_narrow_market),
		cmocka_unit_test(macd_seeds_both_averages_on_one_bar),
		cmocka_unit_test(atr_begins_with_the_second_bar),
		cmocka_unit_test(a_flat_market_has_no_range_and_no_direction),
		cmocka_unit_test(adx_by_hand),
		cmocka_unit_test(an_undefined_index_leaves_adx_as_it_is),
		cmocka_unit_test(stochastic_by_hand),
		cmocka_unit_test(stochastic_without_range_is_50_or_as_ta_lib_0),
		cmocka_unit_test(donchian_keeps_the_channel_before_this_bar),
		cmocka_unit_test(supertrend_by_hand),
		cmocka_unit_test(warmups_are_those_of_the_specification),
		cmocka_unit_test(eurusd_agrees_with_ta_lib),
		cmocka_unit_test(goog_agrees_with_ta_lib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
