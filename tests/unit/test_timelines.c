#include "tests/unit/unit.h"

#include <stdio.h>

#include "relay/timelines.h"

#define ID	"0123456789abcdef0123456789abcdef"

static void
a_cursor_from_before_a_promotion_goes_on(void **state)
{
	struct timelines	 t;

	(void)state;
	timelines_read(&t, ID ".2", "2:100,1:0", 150);
	assert_true(timelines_continue(&t, ID ".2", 150));
	assert_true(timelines_continue(&t, "", 150));
	assert_true(timelines_continue(&t, ID ".1", 100));
	assert_true(timelines_continue(&t, ID ".1", 1));
	assert_true(timelines_continue(&t, ID ".1", 0));
	/* Events that the promotion has lost, whatever has their numbers now. */
	assert_false(timelines_continue(&t, ID ".1", 101));
	assert_false(timelines_continue(&t, ID ".1", 150));
}

static void
also_over_several_and_before_the_first_event_of_the_new_one(void **state)
{
	struct timelines	 t;

	(void)state;
	timelines_read(&t, ID ".1B", "11:300,3:200,1:10", 400);
	assert_true(timelines_continue(&t, ID ".B", 400));
	assert_false(timelines_continue(&t, ID ".B", 401));
	assert_true(timelines_continue(&t, ID ".3", 300));
	assert_false(timelines_continue(&t, ID ".3", 301));
	assert_true(timelines_continue(&t, ID ".1", 200));
	assert_false(timelines_continue(&t, ID ".1", 201));
}

static void
what_is_none_of_our_past_does_not(void **state)
{
	static const char *const bad[] = {
		ID ".3",				/* another branch, or the future */
		ID ".1F", ID ".0", ID ".", ID, "1", ".1", ID ".01x", ID ".fffffffff",
		"1123456789abcdef0123456789abcdef.1", ID "0.1", ID ".1.1",
	};
	struct timelines	 t;

	(void)state;
	timelines_read(&t, ID ".5", "5:100,4:50,1:0", 150);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (timelines_continue(&t, bad[i], 1))
			fail_msg("%s", bad[i]);
	/* Nothing is known of what went before: the tables were made in this one, or came by a dump. */
	timelines_read(&t, ID ".5", NULL, 150);
	assert_false(timelines_continue(&t, ID ".4", 1));
	timelines_read(&t, ID ".5", "5:0", 150);
	assert_false(timelines_continue(&t, ID ".4", 1));
	timelines_read(&t, ID ".5", "garbage", 150);
	assert_false(timelines_continue(&t, ID ".4", 1));
	assert_true(timelines_continue(&t, ID ".5", 1));
}

static void
too_many_are_forgotten_from_the_oldest_on(void **state)
{
	char			 text[4096] = "";
	size_t			 len = 0;
	struct timelines	 t;

	(void)state;
	for (int i = 200; i > 0; i--)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d:%d", i < 200 ? "," : "", i, i * 10);
	timelines_read(&t, ID ".C8", text, 3000);
	assert_int_equal(t.count, TIMELINES_MAX);
	assert_true(timelines_continue(&t, ID ".C7", 2000));
	assert_false(timelines_continue(&t, ID ".1", 1));
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_cursor_from_before_a_promotion_goes_on),
		cmocka_unit_test(also_over_several_and_before_the_first_event_of_the_new_one),
		cmocka_unit_test(what_is_none_of_our_past_does_not),
		cmocka_unit_test(too_many_are_forgotten_from_the_oldest_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
