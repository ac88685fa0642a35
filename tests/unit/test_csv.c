#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "generator/csv.h"

#define FIELDS	16

/* Split a copy and compare with the fields that `want` lists, NULL at the end. */
static void
assert_fields(const char *line, char separator, const char *const *want)
{
	struct csv_field	 f[FIELDS];
	const char		*why = NULL;
	char			 copy[256];
	int			 count, n = 0;

	memcpy(copy, line, strlen(line) + 1);
	count = csv_split(copy, strlen(line), separator, f, FIELDS, &why);
	for (; want[n] != NULL; n++)
		;
	assert_int_equal(count, n);
	for (int i = 0; i < n; i++) {
		assert_int_equal(f[i].len, strlen(want[i]));
		assert_memory_equal(f[i].text, want[i], f[i].len);
	}
}

#define ASSERT_FIELDS(line, separator, ...) \
	assert_fields(line, separator, (const char *const[]){ __VA_ARGS__, NULL })

static void
a_line_is_cut_at_its_separators(void **state)
{
	(void)state;
	ASSERT_FIELDS("a,b,c", ',', "a", "b", "c");
	ASSERT_FIELDS("a,b,c\r\n", ',', "a", "b", "c");
	ASSERT_FIELDS("a,b,\n", ',', "a", "b", "");
	ASSERT_FIELDS(",", ',', "", "");
	ASSERT_FIELDS("", ',', "");
	ASSERT_FIELDS("\r\n", ',', "");
	ASSERT_FIELDS("1;2,5;3", ';', "1", "2,5", "3");
	ASSERT_FIELDS("a\tb", '\t', "a", "b");
	ASSERT_FIELDS(" a , b ", ',', " a ", " b ");
}

static void
quotes_hold_separators_and_quotes(void **state)
{
	(void)state;
	ASSERT_FIELDS("\"a,b\",c", ',', "a,b", "c");
	ASSERT_FIELDS("\"a \"\"b\"\"\",\"\"", ',', "a \"b\"", "");
	ASSERT_FIELDS("x,\"\"\"\"", ',', "x", "\"");
	ASSERT_FIELDS("5\" disk,b", ',', "5\" disk", "b");
	ASSERT_FIELDS("\"a\"\r\n", ',', "a");
}

static void
quotes_that_do_not_fit_are_an_error(void **state)
{
	struct csv_field	 f[FIELDS];
	const char		*why = NULL;
	char			 open[] = "a,\"b", open2[] = "\"", behind[] = "\"a\"b,c";

	(void)state;
	assert_int_equal(csv_split(open, strlen(open), ',', f, FIELDS, &why), -1);
	assert_string_equal(why, "a quote is never closed");
	assert_int_equal(csv_split(open2, strlen(open2), ',', f, FIELDS, &why), -1);
	assert_int_equal(csv_split(behind, strlen(behind), ',', f, FIELDS, &why), -1);
	assert_string_equal(why, "there is text behind a closing quote");
}

static void
fields_beyond_the_array_are_counted_only(void **state)
{
	struct csv_field	 f[2];
	const char		*why;
	char			 line[] = "1,2,3,4";

	(void)state;
	assert_int_equal(csv_split(line, strlen(line), ',', f, 2, &why), 4);
	assert_int_equal(f[1].text[0], '2');
	assert_int_equal(csv_split(line, strlen(line), ',', NULL, 0, &why), 4);
}

static void
whatever_is_quoted_comes_back(void **state)
{
	static const char	 alphabet[] = "ab,\";\t .";
	char			 fields[FIELDS][9], line[512], *p;
	struct csv_field	 f[FIELDS];
	const char		*why = "";
	unsigned		 x = 1;
	int			 count;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		count = 1 + round % FIELDS;
		p = line;
		for (int i = 0; i < count; i++) {
			x = x * 1664525 + 1013904223;
			for (unsigned k = 0, n = x >> 28 & 7; k <= n; k++) {
				x = x * 1664525 + 1013904223;
				fields[i][k] = k == n ? '\0' : alphabet[(x >> 24) % (sizeof(alphabet) - 1)];
			}
			*p++ = '"';
			for (const char *c = fields[i]; *c != '\0'; c++) {
				*p++ = *c;
				if (*c == '"')
					*p++ = '"';
			}
			*p++ = '"';
			*p++ = i == count - 1 ? '\n' : ',';
		}
		assert_int_equal(csv_split(line, (size_t)(p - line), ',', f, FIELDS, &why), count);
		for (int i = 0; i < count; i++) {
			assert_int_equal(f[i].len, strlen(fields[i]));
			assert_memory_equal(f[i].text, fields[i], f[i].len);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_cut_at_its_separators),
		cmocka_unit_test(quotes_hold_separators_and_quotes),
		cmocka_unit_test(quotes_that_do_not_fit_are_an_error),
		cmocka_unit_test(fields_beyond_the_array_are_counted_only),
		cmocka_unit_test(whatever_is_quoted_comes_back),
	};

	return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
