#include "tests/unit/unit.h"

#include <string.h>

#include "relay/cursor.h"

static void
an_id_comes_back_as_it_was_sent(void **state)
{
	static const char	 epoch[] = "0123456789abcdef0123456789abcdef.1A";
	char			 text[CURSOR_MAX];
	struct cursor		 c;

	(void)state;
	assert_true(cursor_parse(cursor_format(epoch, 9007199254740991, text), &c));
	assert_string_equal(c.epoch, epoch);
	assert_int_equal(c.seq, 9007199254740991);
}

static void
a_bare_seq_means_this_epoch(void **state)
{
	struct cursor	 c;

	(void)state;
	assert_true(cursor_parse("0", &c));
	assert_string_equal(c.epoch, "");
	assert_int_equal(c.seq, 0);
	assert_true(cursor_parse("000000000000000042", &c));
	assert_int_equal(c.seq, 42);
}

static void
anything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "-", "-5", "abc", "abc-", "abc-x", "abc-5 ", " 5", "+5", "5.0", "0x5", "a b-5", "a-b-5", "a\n-5",
		"1234567890123456789", "ABC-99999999999999999999",
		"0123456789012345678901234567890123456789012345678901234567-1",
	};
	struct cursor		 c = { .seq = 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(cursor_parse(bad[i], &c));
	assert_int_equal(c.seq, 7);
}

static void
a_place_is_good_while_all_that_follows_is_there(void **state)
{
	(void)state;
	assert_int_equal(cursor_judge(50, 10, 100), CURSOR_GOOD);
	assert_int_equal(cursor_judge(9, 10, 100), CURSOR_GOOD);
	assert_int_equal(cursor_judge(8, 10, 100), CURSOR_EXPIRED);
	assert_int_equal(cursor_judge(100, 10, 100), CURSOR_GOOD);
	assert_int_equal(cursor_judge(101, 10, 100), CURSOR_UNKNOWN);
	assert_int_equal(cursor_judge(5, 0, 0), CURSOR_EXPIRED);
}

static void
zero_asks_for_whatever_there_is(void **state)
{
	(void)state;
	assert_int_equal(cursor_judge(0, 0, 0), CURSOR_GOOD);
	assert_int_equal(cursor_judge(0, 500, 600), CURSOR_GOOD);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(an_id_comes_back_as_it_was_sent),
		cmocka_unit_test(a_bare_seq_means_this_epoch),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(a_place_is_good_while_all_that_follows_is_there),
		cmocka_unit_test(zero_asks_for_whatever_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
