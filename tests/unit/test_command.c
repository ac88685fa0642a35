/* Command lines of the configuration. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "common/command.h"

/* The words of `text`, joined by '|'. */
static void
assert_words(const char *text, const char *expected)
{
	char	 **argv = command_split(text), joined[256] = "", why[128];

	assert_non_null(argv);
	assert_true(command_ok(text, why, sizeof(why)));
	for (char **a = argv; *a != NULL; a++) {
		strcat(joined, *a);
		strcat(joined, "|");
	}
	assert_string_equal(joined, expected);
	free(argv);
}

static void
words_are_split_at_blanks(void **state)
{
	(void)state;
	assert_words("/bin/true", "/bin/true|");
	assert_words("  /bin/a \t b  c ", "/bin/a|b|c|");
	assert_words("/a a a a a a", "/a|a|a|a|a|a|");
}

static void
quotes_keep_blanks(void **state)
{
	(void)state;
	assert_words("/bin/a \"b c\" d\"e f\"g", "/bin/a|b c|de fg|");
	assert_words("/bin/a \"\" \"\"", "/bin/a|||");
	assert_words("\"/opt/my tools/a\"", "/opt/my tools/a|");
	assert_words("/bin/a $HOME *", "/bin/a|$HOME|*|");
}

static void
other_lines_are_refused(void **state)
{
	static const char *const lines[] = { "", "  ", "bin/true", "./true", "true", "/bin/a \"b", "\"", "\"\"", "\"\" /bin/a" };
	char			 why[128];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		why[0] = '\0';
		assert_false(command_ok(lines[i], why, sizeof(why)));
		assert_true(strlen(why) > 10);
		assert_null(command_split(lines[i]));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_split_at_blanks),
		cmocka_unit_test(quotes_keep_blanks),
		cmocka_unit_test(other_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
