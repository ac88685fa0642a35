#include "tests/unit/unit.h"

#include "relay/webhook_plan.h"

#define S		INT64_C(1000000)
#define GIVE_UP_MS	INT64_C(259200000)

static int64_t	 wait_ms;

static enum webhook_step
plan(struct webhook_trouble *t, int status, int64_t wall_us, int64_t retry_after_ms, uint32_t random)
{
	const struct webhook_attempt	 a = {
		.status = status, .retry_after_ms = retry_after_ms, .wall_us = wall_us, .give_up_ms = GIVE_UP_MS, .random = random
	};

	return webhook_plan(t, &a, &wait_ms);
}

static void
what_was_taken_ends_all_trouble(void **state)
{
	struct webhook_trouble	 t = { .wall_since_us = 1, .tries = 7, .refusals = 3, .skipped = 9 };

	(void)state;
	for (int status = 200; status < 300; status++) {
		assert_int_equal(plan(&t, status, 5 * S, -1, 0), WEBHOOK_NEXT);
		assert_int_equal(t.wall_since_us + t.tries + t.refusals + t.skipped, 0);
	}
}

static void
waits_double_with_half_at_random_up_to_five_minutes(void **state)
{
	struct webhook_trouble	 low = { 0 }, high = { 0 };
	int64_t			 ceiling = 1000;

	(void)state;
	for (int i = 0; i < 40; i++) {
		assert_int_equal(plan(&low, 500, S, -1, 0), WEBHOOK_AGAIN);
		assert_int_equal(wait_ms, ceiling / 2);
		assert_int_equal(plan(&high, 0, S, -1, UINT32_MAX), WEBHOOK_AGAIN);
		assert_true(wait_ms >= ceiling - 1 && wait_ms <= ceiling);
		ceiling = ceiling * 2 > WEBHOOK_RETRY_MAX_MS ? WEBHOOK_RETRY_MAX_MS : ceiling * 2;
	}
}

static void
retry_after_is_heeded_but_never_hastens(void **state)
{
	struct webhook_trouble	 t = { 0 };

	(void)state;
	assert_int_equal(plan(&t, 429, S, 120000, 0), WEBHOOK_AGAIN);
	assert_int_equal(wait_ms, 120000);
	assert_int_equal(plan(&t, 503, S, 0, 0), WEBHOOK_AGAIN);
	assert_int_equal(wait_ms, 1000);
	assert_int_equal(plan(&t, 503, S, INT64_C(90000000000), 0), WEBHOOK_AGAIN);
	assert_int_equal(wait_ms, WEBHOOK_RETRY_AFTER_MAX_MS);
}

static void
gone_parks_at_once(void **state)
{
	struct webhook_trouble	 t = { 0 };

	(void)state;
	assert_int_equal(plan(&t, 410, S, -1, 0), WEBHOOK_PARK);
}

static void
days_without_one_taken_park_but_not_before_three_attempts(void **state)
{
	struct webhook_trouble	 t = { 0 }, old = { .wall_since_us = 1 };

	(void)state;
	for (int64_t at = S; at < GIVE_UP_MS * 1000; at += 600 * S)
		assert_int_equal(plan(&t, 500, at, -1, 0), WEBHOOK_AGAIN);
	assert_int_equal(plan(&t, 500, S + GIVE_UP_MS * 1000, -1, 0), WEBHOOK_PARK);
	/* The relay was not running meanwhile. */
	assert_int_equal(plan(&old, 500, GIVE_UP_MS * 2000, -1, 0), WEBHOOK_AGAIN);
	assert_int_equal(plan(&old, 500, GIVE_UP_MS * 2000, -1, 0), WEBHOOK_AGAIN);
	assert_int_equal(plan(&old, 500, GIVE_UP_MS * 2000, -1, 0), WEBHOOK_PARK);
}

static void
a_clock_set_back_begins_the_days_anew(void **state)
{
	struct webhook_trouble	 t = { 0 };

	(void)state;
	plan(&t, 500, 1000 * S, -1, 0);
	plan(&t, 500, 10 * S, -1, 0);
	assert_int_equal(t.wall_since_us, 10 * S);
}

static void
an_event_that_is_not_taken_is_left_out_after_three_tries_of_its_own(void **state)
{
	static const int	 statuses[] = { 400, 413, 415, 422 };
	struct webhook_trouble	 t;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		t = (struct webhook_trouble){ 0 };
		/* What was in its way first is not its fault. */
		for (int n = 0; n < 10; n++)
			assert_int_equal(plan(&t, n % 2 == 0 ? 500 : 0, S, -1, 0), WEBHOOK_AGAIN);
		for (int n = 0; n < WEBHOOK_SKIP_TRIES - 1; n++)
			assert_int_equal(plan(&t, statuses[i], S, -1, 0), WEBHOOK_AGAIN);
		assert_int_equal(plan(&t, statuses[i], S, -1, 0), WEBHOOK_SKIP);
		assert_int_equal(t.tries + t.refusals, 0);
		assert_int_equal(t.skipped, 1);
	}
}

static void
a_receiver_that_takes_nothing_is_no_reason_to_leave_all_out(void **state)
{
	struct webhook_trouble	 t = { 0 };
	unsigned		 skips = 0;

	(void)state;
	for (int64_t at = S; at < GIVE_UP_MS * 1000; at += 300 * S)
		skips += plan(&t, 400, at, -1, 0) == WEBHOOK_SKIP;
	assert_int_equal(skips, WEBHOOK_SKIPS_MAX);
	assert_int_equal(plan(&t, 400, S + GIVE_UP_MS * 1000, -1, 0), WEBHOOK_PARK);
}

static void
who_we_are_and_where_is_tried_for_days(void **state)
{
	static const int	 statuses[] = { 0, 301, 302, 308, 401, 402, 403, 404, 405, 408, 409, 425, 429, 500, 502, 503, 504, 100, 999 };

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct webhook_trouble	 t = { 0 };

		for (int n = 0; n < 100; n++)
			assert_int_equal(plan(&t, statuses[i], S, -1, 7), WEBHOOK_AGAIN);
	}
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(what_was_taken_ends_all_trouble), cmocka_unit_test(waits_double_with_half_at_random_up_to_five_minutes),
		cmocka_unit_test(retry_after_is_heeded_but_never_hastens), cmocka_unit_test(gone_parks_at_once),
		cmocka_unit_test(days_without_one_taken_park_but_not_before_three_attempts),
		cmocka_unit_test(a_clock_set_back_begins_the_days_anew),
		cmocka_unit_test(an_event_that_is_not_taken_is_left_out_after_three_tries_of_its_own),
		cmocka_unit_test(a_receiver_that_takes_nothing_is_no_reason_to_leave_all_out),
		cmocka_unit_test(who_we_are_and_where_is_tried_for_days),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
