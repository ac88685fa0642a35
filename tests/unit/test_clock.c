#include "tests/unit/unit.h"

#include <string.h>

#include "common/clock.h"

static int64_t
parsed(const char *text)
{
	int64_t	 us = -1;

	assert_true(clock_parse_iso(text, strlen(text), &us));
	return us;
}

static void
reads_every_usual_form_of_a_time(void **state)
{
	(void)state;
	assert_int_equal(parsed("1970-01-01T00:00:00Z"), 0);
	assert_int_equal(parsed("1970-01-02"), 86400000000);
	assert_int_equal(parsed("2026-01-01T00:00:00.101234Z"), 1767225600101234);
	assert_int_equal(parsed("2026-01-01 00:00:00.1"), 1767225600100000);
	assert_int_equal(parsed("2026-01-01T00:00:31.806315597Z"), 1767225631806315);
	assert_int_equal(parsed("2026-01-01T02:30:00+02:30"), 1767225600000000);
	assert_int_equal(parsed("2025-12-31T19:00:00-0500"), 1767225600000000);
	assert_int_equal(parsed("2026-01-01T01:00+01"), 1767225600000000);
	assert_int_equal(parsed("2024-02-29T12:00:00Z"), 1709208000000000);
	assert_int_equal(parsed("1969-12-31T23:59:59.5Z"), -500000);
}

static void
refuses_what_is_no_time(void **state)
{
	static const char *const	 bad[] = {
		"", "2026", "2026-13-01", "2026-02-29", "2026-1-1", "2026-01-01T", "2026-01-01T24:00", "2026-01-01T00:60",
		"2026-01-01T00:00:00.Z", "2026-01-01T00:00:00X", "2026-01-01T00:00:00Z ", "2026-01-01T00:00:00+1", "0000-01-01", "now"
	};
	int64_t				 us = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (clock_parse_iso(bad[i], strlen(bad[i]), &us))
			fail_msg("took \"%s\"", bad[i]);
	assert_int_equal(us, 7);
}

static void
writes_what_it_reads(void **state)
{
	char	 text[CLOCK_TEXT_MAX];

	(void)state;
	assert_string_equal(clock_iso_us(1767225600101234, text), "2026-01-01T00:00:00.101234Z");
	assert_string_equal(clock_iso_ms(1767225600101999, text), "2026-01-01T00:00:00.101Z");
	assert_string_equal(clock_iso_us(-1, text), "1969-12-31T23:59:59.999999Z");
	/* Every day of 400 years. */
	for (int64_t day = -30000; day < 116097; day++) {
		clock_iso_us(day * 86400000000 + 1, text);
		assert_int_equal(parsed(text), day * 86400000000 + 1);
	}
	/* And some of every year that has a text. */
	for (int64_t day = -719162; day <= 2932896; day += 31) {
		clock_iso_us(day * 86400000000 + 86399999999, text);
		assert_int_equal(parsed(text), day * 86400000000 + 86399999999);
	}
	assert_string_equal(clock_iso_ms(-719162 * INT64_C(86400000000), text), "0001-01-01T00:00:00.000Z");
	assert_string_equal(clock_iso_ms(2932896 * INT64_C(86400000000), text), "9999-12-31T00:00:00.000Z");
	/* No time at all is some text of the usual length. */
	assert_int_equal(strlen(clock_iso_us(INT64_MIN, text)), 27);
	assert_int_equal(strlen(clock_iso_us(INT64_MAX, text)), 27);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(reads_every_usual_form_of_a_time),
		cmocka_unit_test(refuses_what_is_no_time),
		cmocka_unit_test(writes_what_it_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
