#include "unit.h"

#include "generator/skew.h"

#define SECOND	INT64_C(1000000)
#define T0	INT64_C(1767225600000000)	/* 2026-01-01 */

static void
a_right_clock_stays_as_it_is(void **state)
{
	struct skew	 s = { 0 };

	(void)state;
	assert_int_equal(skew_wall_us(&s, T0), T0);
	for (int64_t us = 0; us < 5 * SECOND; us += 70000) {
		skew_sample(&s, T0 + us + 30000, T0 + us / SECOND * SECOND);
		assert_int_equal(skew_wall_us(&s, T0 + us), T0 + us);
	}
}

static void
a_clock_ahead_is_set_back(void **state)
{
	struct skew	 s = { 0 };

	(void)state;
	skew_sample(&s, T0 + 60 * SECOND + 500000, T0);
	assert_int_equal(skew_wall_us(&s, T0 + 60 * SECOND), T0 + 500000);
}

static void
a_clock_behind_is_left(void **state)
{
	struct skew	 s = { 0 };

	(void)state;
	skew_sample(&s, T0, T0 + 60 * SECOND);
	assert_int_equal(skew_wall_us(&s, T0), T0);
	assert_true(s.ahead_us <= -60 * SECOND);
}

static void
one_slow_answer_does_not_count(void **state)
{
	struct skew	 s = { 0 };

	(void)state;
	skew_sample(&s, T0, T0);
	for (int i = 0; i < 10; i++) {
		for (int k = 1; k < SKEW_TRUSTED; k++)
			skew_sample(&s, T0 + 9 * SECOND, T0);
		assert_int_equal(skew_wall_us(&s, T0), T0);
		skew_sample(&s, T0 - SECOND / 2, T0);
	}
	for (int k = 0; k < SKEW_TRUSTED; k++)		/* the clock was set */
		skew_sample(&s, T0 + (9 + k) * SECOND, T0);
	assert_int_equal(skew_wall_us(&s, T0), T0 - 8 * SECOND);
	skew_sample(&s, T0, T0);			/* and back */
	assert_int_equal(skew_wall_us(&s, T0), T0);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_right_clock_stays_as_it_is),
		cmocka_unit_test(a_clock_ahead_is_set_back),
		cmocka_unit_test(a_clock_behind_is_left),
		cmocka_unit_test(one_slow_answer_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
