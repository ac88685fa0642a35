#include "tests/unit/unit.h"

#include "relay/follow.h"

/* Caught up to `cursor` and following. */
static struct follow
live_at(int64_t cursor)
{
	struct follow	 f = { .cursor = cursor };

	follow_page_asked(&f);
	assert_false(follow_page_done(&f, false));
	assert_int_equal(f.state, FOLLOW_LIVE);
	return f;
}

static void
the_next_event_goes_out_as_it_came(void **state)
{
	struct follow	 f = live_at(41);

	(void)state;
	assert_int_equal(follow_notified(&f, 42, true), FOLLOW_DELIVER);
	assert_int_equal(follow_notified(&f, 43, true), FOLLOW_DELIVER);
	assert_int_equal(f.cursor, 43);
}

static void
what_is_known_is_ignored(void **state)
{
	struct follow	 f = live_at(42);

	(void)state;
	assert_int_equal(follow_notified(&f, 42, true), FOLLOW_IGNORE);
	assert_int_equal(follow_notified(&f, 7, false), FOLLOW_IGNORE);
	assert_int_equal(f.cursor, 42);
}

static void
nothing_passes_a_gap(void **state)
{
	struct follow	 f = live_at(10);

	(void)state;
	assert_int_equal(follow_notified(&f, 13, true), FOLLOW_READ_BACK);
	follow_page_asked(&f);
	assert_int_equal(follow_notified(&f, 14, true), FOLLOW_IGNORE);
	assert_int_equal(f.cursor, 10);
	assert_true(follow_row(&f, 11));
	assert_true(follow_row(&f, 13));
	/* 14 was notified after the page was asked for: the page may lack it. */
	assert_true(follow_page_done(&f, false));
	follow_page_asked(&f);
	assert_true(follow_row(&f, 14));
	assert_false(follow_row(&f, 14));
	assert_false(follow_page_done(&f, false));
	assert_int_equal(follow_notified(&f, 15, true), FOLLOW_DELIVER);
}

static void
a_page_that_brought_the_late_one_ends_the_reading(void **state)
{
	struct follow	 f = live_at(10);

	(void)state;
	assert_int_equal(follow_notified(&f, 12, true), FOLLOW_READ_BACK);
	follow_page_asked(&f);
	assert_int_equal(follow_notified(&f, 13, true), FOLLOW_IGNORE);
	assert_true(follow_row(&f, 12));
	assert_true(follow_row(&f, 13));
	assert_false(follow_page_done(&f, false));
	assert_int_equal(f.state, FOLLOW_LIVE);
}

static void
a_notification_without_its_record_is_read_back(void **state)
{
	struct follow	 f = live_at(10);

	(void)state;
	assert_int_equal(follow_notified(&f, 11, false), FOLLOW_READ_BACK);
	assert_int_equal(f.cursor, 10);
}

static void
full_pages_follow_one_another(void **state)
{
	struct follow	 f = { .cursor = 0 };

	(void)state;
	follow_page_asked(&f);
	assert_true(follow_row(&f, 1000));
	assert_true(follow_page_done(&f, true));
	assert_int_equal(f.state, FOLLOW_READING);
}

static void
a_seq_that_the_log_never_had_does_not_read_for_ever(void **state)
{
	struct follow	 f = live_at(10);

	(void)state;
	assert_int_equal(follow_notified(&f, 1000000, true), FOLLOW_READ_BACK);
	follow_page_asked(&f);
	assert_false(follow_page_done(&f, false));
	assert_int_equal(f.cursor, 10);
	assert_int_equal(follow_notified(&f, 11, true), FOLLOW_DELIVER);
}

static void
away_means_nothing_counts(void **state)
{
	struct follow	 f = live_at(10);

	(void)state;
	follow_away(&f);
	assert_int_equal(follow_notified(&f, 11, true), FOLLOW_IGNORE);
	assert_int_equal(f.cursor, 10);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(the_next_event_goes_out_as_it_came),
		cmocka_unit_test(what_is_known_is_ignored),
		cmocka_unit_test(nothing_passes_a_gap),
		cmocka_unit_test(a_page_that_brought_the_late_one_ends_the_reading),
		cmocka_unit_test(a_notification_without_its_record_is_read_back),
		cmocka_unit_test(full_pages_follow_one_another),
		cmocka_unit_test(a_seq_that_the_log_never_had_does_not_read_for_ever),
		cmocka_unit_test(away_means_nothing_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
