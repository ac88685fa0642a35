#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "generator/decimal.h"

static struct decimal
dec(const char *text)
{
	struct decimal	 d;

	assert_true(decimal_parse(text, strlen(text), &d));
	return d;
}

static void
assert_text(struct decimal d, const char *want)
{
	char	 buf[DECIMAL_TEXT_MAX];

	assert_string_equal(decimal_text(d, buf), want);
}

static uint64_t
xorshift(void)
{
	static uint64_t	 x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static void
what_is_read_is_written_without_ballast(void **state)
{
	static const struct {
		const char	*in, *out;
	} rows[] = {
		{ "0", "0" }, { "-0", "0" }, { "0.000", "0" }, { "0e99", "0" }, { "1", "1" }, { "+1", "1" }, { "-1.50", "-1.5" },
		{ "0.00162008", "0.00162008" }, { "87650.10000000", "87650.1" }, { "1e-05", "0.00001" }, { "1E+3", "1000" },
		{ "1.5e3", "1500" }, { "12345e-2", "123.45" }, { "000123.4500", "123.45" }, { "100", "100" },
		{ "0.000000000000000001", "0.000000000000000001" }, { "999999999999999999", "999999999999999999" },
		{ "1000000000000000000", "1000000000000000000" }, { "9e18", "9000000000000000000" },
		{ "123456789.123456789", "123456789.123456789" }, { "1.000000000000000000000000", "1" },
		{ "-0.5E-1", "-0.05" }, { "1e018", "1000000000000000000" }, { "22351900", "22351900" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_text(dec(rows[i].in), rows[i].out);
	assert_int_equal(dec("1.50").units, 15);
	assert_int_equal(dec("1.50").scale, 1);
	assert_int_equal(dec("1500").scale, 0);
}

static void
anything_else_is_refused(void **state)
{
	static const char *const rows[] = {
		"", "-", "+", ".", "1.", ".5", "-.5", "1.e5", "e5", "1e", "1e+", "1e5.0", "1.2.3", " 1", "1 ", "1,5", "0x10", "inf", "-inf",
		"nan", "NaN", "--1", "+-1", "1-", "1e--1", "1_000", "1234567890123456789", "0.1234567890123456789",
		"1.0000000000000000001", "1e19", "1e-19", "0.0000000000000000001", "9.3e18", "1e99999999999999999999",
		"1e-99999999999999999999", "\xd9\xa1",
	};
	struct decimal	 d = { 77, 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (decimal_parse(rows[i], strlen(rows[i]), &d))
			fail_msg("\"%s\" was read", rows[i]);
	assert_false(decimal_parse("1\0", 2, &d));
	assert_int_equal(d.units, 77);
	/* Only the length counts: what lies behind it is not looked at. */
	assert_true(decimal_parse("12.5rest", 4, &d));
	assert_text(d, "12.5");
}

static void
the_double_is_the_one_of_strtod(void **state)
{
	char		 text[64];
	int64_t		 units;
	int		 scale;
	struct decimal	 d;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		units = (int64_t)(xorshift() >> (11 + xorshift() % 50));
		scale = (int)(xorshift() % 13);
		d = (struct decimal){ units, scale };
		decimal_text(d, text);
		if (decimal_double(d) != strtod(text, NULL))
			fail_msg("%s", text);
	}
	for (int i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "%s%llu.%0*llue%d", xorshift() & 1 ? "-" : "", (unsigned long long)(xorshift() % 1000000),
		    6, (unsigned long long)(xorshift() % 1000000), (int)(xorshift() % 9) - 4);
		assert_true(decimal_double(dec(text)) == strtod(text, NULL));
	}
	assert_true(decimal_double(dec("999999999999999999")) == 999999999999999999.0);
	assert_true(decimal_double(dec("0.999999999999999999")) == 0.999999999999999999);
}

static void
text_of_any_decimal_reads_back(void **state)
{
	char		 text[DECIMAL_TEXT_MAX];
	struct decimal	 d, back;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		d.units = (int64_t)(xorshift() % 1000000000000000000u) * (xorshift() & 1 ? 1 : -1);
		for (uint64_t n = xorshift() % 18; n > 0; n--)
			d.units /= 10;
		d.scale = (int)(xorshift() % (DECIMAL_SCALE_MAX + 1));
		decimal_text(d, text);
		assert_true(strlen(text) < DECIMAL_TEXT_MAX);
		assert_true(decimal_parse(text, strlen(text), &back));
		assert_int_equal(decimal_compare(d, back), 0);
	}
	assert_text((struct decimal){ INT64_MIN, 18 }, "-9.223372036854775808");
	assert_text((struct decimal){ INT64_MAX, 0 }, "9223372036854775807");
}

static void
order_is_exact(void **state)
{
	(void)state;
	assert_int_equal(decimal_compare(dec("1.5"), dec("1.50")), 0);
	assert_int_equal(decimal_compare(dec("0.1"), dec("0.10000000000000001")), -1);
	assert_int_equal(decimal_compare(dec("1000000000000000000"), dec("0.000000000000000001")), 1);
	assert_int_equal(decimal_compare(dec("-2"), dec("1")), -1);
	assert_int_equal(decimal_compare(dec("-2"), dec("-2.1")), 1);
	assert_int_equal(decimal_compare(dec("999999999999999999"), dec("999999999999999998")), 1);
}

static void
a_sum_is_exact_while_it_fits(void **state)
{
	struct decimal	 sum = { 0 }, wei = { 0 };

	(void)state;
	assert_text(decimal_add(dec("0.1"), dec("0.2")), "0.3");
	assert_text(decimal_add(dec("1.25"), dec("0.75")), "2");
	assert_text(decimal_add(dec("1e17"), dec("1e-17")), "100000000000000000");
	assert_text(decimal_add(dec("-1.5"), dec("0.25")), "-1.25");
	assert_text(decimal_add(dec("900000000000000000"), dec("1.123456789")), "900000000000000001");
	assert_text(decimal_add(dec("9e18"), dec("9e18")), "9223372036854775800");
	assert_text(decimal_add(dec("-9e18"), dec("-9e18")), "-9223372036854775800");
	assert_text(decimal_add(dec("1230000000000000000"), dec("0")), "1230000000000000000");
	assert_text(decimal_add(dec("1230000000000000000"), dec("-7")), "1229999999999999990");
	/* Wei-style quantities: a sum that is stored must be readable again. */
	for (int i = 0; i < 30; i++) {
		struct decimal	 back;
		char		 text[DECIMAL_TEXT_MAX];

		wei = decimal_add(wei, dec("0.999999999999999999"));
		decimal_text(wei, text);
		assert_true(decimal_parse(text, strlen(text), &back));
		assert_int_equal(decimal_compare(wei, back), 0);
	}
	for (int i = 0; i < 1000000; i++)
		sum = decimal_add(sum, dec("0.00000001"));
	assert_text(sum, "0.01");
}

static void
a_level_lies_on_the_grid_of_its_price(void **state)
{
	(void)state;
	assert_text(decimal_level(87650.123456, dec("87650.1")), "87650.123");
	assert_text(decimal_level(87650.1, dec("87650.1")), "87650.1");
	assert_text(decimal_level(0.00161234567891, dec("0.00162008")), "0.0016123457");
	assert_text(decimal_level(1.0718999999999999, dec("1.0719")), "1.0719");
	assert_text(decimal_level(123456789.6, dec("123456789")), "123456790");
	assert_text(decimal_level(5.123456789, dec("5.1234567890123")), "5.123456789");
	assert_text(decimal_level(0, dec("10")), "0");
	assert_text(decimal_level(1e17, dec("0.000000001")), "100000000000000000");
	assert_text(decimal_level(1e300, dec("1")), "1000000000000000000");
	/* Rounding twice changes nothing: a level is on its own grid. */
	for (int i = 0; i < 100000; i++) {
		struct decimal	 like = { (int64_t)(xorshift() % 100000000) + 1, (int)(xorshift() % 9) };
		struct decimal	 level = decimal_level(decimal_double(like) * (0.9 + (double)(xorshift() % 1000) / 5000), like);
		struct decimal	 again = decimal_level(decimal_double(level), like);

		assert_int_equal(decimal_compare(level, again), 0);
	}
}

/* Plain digits have a shorter way through the parser; an exponent of 0 takes the long one. */
static void
both_ways_of_reading_give_the_same(void **state)
{
	uint64_t	 seed = 88172645463325252u, choice;
	char		 text[32];
	struct decimal	 plain, general;
	size_t		 len;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		len = 0;
		do {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			/* Many zeros, now and then a point (or two), rarely something else. */
			choice = seed % 1000;
			text[len++] = choice < 350 ? '0' : choice < 880 ? (char)('0' + seed / 1000 % 10) : choice < 995 ? '.' : '-';
		} while (len < 22 && seed / 100000 % 14 != 0);
		memcpy(text + len, "e0", 3);
		memset(&plain, 0xff, sizeof(plain));
		general = plain;
		assert_int_equal(decimal_parse(text, len, &plain), decimal_parse(text, len + 2, &general));
		assert_true(plain.units == general.units && plain.scale == general.scale);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_of_reading_give_the_same),
		cmocka_unit_test(what_is_read_is_written_without_ballast),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(the_double_is_the_one_of_strtod),
		cmocka_unit_test(text_of_any_decimal_reads_back),
		cmocka_unit_test(order_is_exact),
		cmocka_unit_test(a_sum_is_exact_while_it_fits),
		cmocka_unit_test(a_level_lies_on_the_grid_of_its_price),
	};

	return cmocka_run_group_tests_name("decimal", tests, NULL, NULL);
}
