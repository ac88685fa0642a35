/* Invented readings: what they tell, and what they must not. */
#include "tests/unit/unit.h"

#include "watchdog/clocks.h"

#define SECOND	INT64_C(1000000)

static const struct clocks	 start = { .mono_us = 100 * SECOND, .boot_us = 160 * SECOND, .wall_us = 1767225600 * SECOND };

/* `awake_us` later, after a sleep, with the wall clock set. */
static struct clocks
later(const struct clocks *c, int64_t awake_us, int64_t asleep_us, int64_t set_us)
{
	return (struct clocks){
		.mono_us = c->mono_us + awake_us, .boot_us = c->boot_us + awake_us + asleep_us,
		.wall_us = c->wall_us + awake_us + asleep_us + set_us,
	};
}

static void
assert_change(int64_t asleep_us, int64_t set_us, int64_t want_asleep_us, int64_t want_set_us)
{
	struct clocks		 now = later(&start, 5 * SECOND, asleep_us, set_us);
	struct clocks_change	 c = clocks_compare(&start, &now);

	assert_int_equal(c.suspended_us, want_asleep_us);
	assert_int_equal(c.stepped_us, want_set_us);
}

static void
time_that_passes_is_no_change(void **state)
{
	struct clocks		 now;
	struct clocks_change	 c;

	(void)state;
	assert_change(0, 0, 0, 0);
	c = clocks_compare(&start, &start);
	assert_int_equal(c.suspended_us, 0);
	assert_int_equal(c.stepped_us, 0);
	/* Also when we ourselves did not run for an hour: all three went on. */
	now = later(&start, 3600 * SECOND, 0, 0);
	c = clocks_compare(&start, &now);
	assert_int_equal(c.suspended_us, 0);
	assert_int_equal(c.stepped_us, 0);
}

static void
a_sleep_is_no_step(void **state)
{
	(void)state;
	assert_change(8 * 3600 * SECOND, 0, 8 * 3600 * SECOND, 0);
	assert_change(500000, 0, 500000, 0);
	assert_change(499999, 0, 0, 0);
	assert_change(-2 * SECOND, 2 * SECOND, 0, 2 * SECOND);	/* there is no sleep backwards */
}

static void
a_step_is_no_sleep_and_has_a_direction(void **state)
{
	(void)state;
	assert_change(0, 3600 * SECOND, 0, 3600 * SECOND);
	assert_change(0, -3600 * SECOND, 0, -3600 * SECOND);
	assert_change(0, -SECOND, 0, -SECOND);		/* a leap second */
	assert_change(0, 500000, 0, 500000);
	assert_change(0, 499999, 0, 0);
	assert_change(0, -499999, 0, 0);
	assert_change(0, -1767225600 * SECOND, 0, -1767225600 * SECOND);
}

static void
both_at_once_are_told_apart(void **state)
{
	(void)state;
	assert_change(60 * SECOND, -7 * SECOND, 60 * SECOND, -7 * SECOND);
	assert_change(60 * SECOND, -60 * SECOND, 60 * SECOND, -60 * SECOND);	/* set back to when it fell asleep */
}

/* 0.1 s a reading, one way and the other: an hour of it never becomes a step. */
static void
small_drifts_do_not_add_up(void **state)
{
	struct clocks		 before = start, now;
	struct clocks_change	 c;

	(void)state;
	for (int i = 0; i < 720; i++) {
		now = later(&before, 5 * SECOND, 400000, i < 360 ? 100000 : -100000);
		c = clocks_compare(&before, &now);
		assert_int_equal(c.suspended_us, 0);
		assert_int_equal(c.stepped_us, 0);
		before = now;
	}
}

/* Two seconds off the processor between two of the three reads. */
static void
a_torn_reading_is_no_change(void **state)
{
	struct clocks		 now = later(&start, 5 * SECOND, 2 * SECOND, -2 * SECOND);
	struct clocks_change	 c;

	(void)state;
	now.spread_us = 2 * SECOND;
	c = clocks_compare(&start, &now);
	assert_int_equal(c.suspended_us, 0);
	assert_int_equal(c.stepped_us, 0);
	/* A change larger than the doubt is still one. */
	now = later(&start, 5 * SECOND, 60 * SECOND, 0);
	now.spread_us = 2 * SECOND;
	assert_int_equal(clocks_compare(&start, &now).suspended_us, 60 * SECOND);
}

static void
the_real_clocks_agree_with_each_other(void **state)
{
	struct clocks		 before = clocks_read(), now = clocks_read();

	(void)state;
	assert_true(before.mono_us > 0 && before.boot_us > 0 && before.wall_us > 0 && before.spread_us >= 0);
	assert_true(now.mono_us >= before.mono_us);
	assert_int_equal(clocks_compare(&before, &now).suspended_us, 0);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(time_that_passes_is_no_change),
		cmocka_unit_test(a_sleep_is_no_step),
		cmocka_unit_test(a_step_is_no_sleep_and_has_a_direction),
		cmocka_unit_test(both_at_once_are_told_apart),
		cmocka_unit_test(small_drifts_do_not_add_up),
		cmocka_unit_test(a_torn_reading_is_no_change),
		cmocka_unit_test(the_real_clocks_agree_with_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
