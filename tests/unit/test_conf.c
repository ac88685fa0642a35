#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf.h"

struct values {
	char			*text, *needed;
	int64_t			 count, wait_ms, size_bytes;
	double			 ratio;
	bool			 on;
	int			 choice;
	struct conf_list	 list;
};

static bool
no_spaces(const char *value, char *why, size_t why_size)
{
	snprintf(why, why_size, "a word");
	return strchr(value, ' ') == NULL;
}

static const char *const colours[] = { "red", "green", NULL };
static const struct conf_key keys[] = {
	{ .name = "text", .type = CONF_STR, .offset = offsetof(struct values, text), .def = "", .help = "a text" },
	{ .name = "needed", .type = CONF_STR, .offset = offsetof(struct values, needed), .help = "a needed text" },
	{ .name = "count", .type = CONF_INT, .offset = offsetof(struct values, count), .def = "3", .min = 1, .max = 10, .help = "how many" },
	{ .name = "wait", .type = CONF_DURATION, .offset = offsetof(struct values, wait_ms), .def = "5s", .min = 0, .max = 86400000, .help = "time" },
	{ .name = "size", .type = CONF_SIZE, .offset = offsetof(struct values, size_bytes), .def = "64K", .help = "room" },
	{ .name = "ratio", .type = CONF_DOUBLE, .offset = offsetof(struct values, ratio), .def = "1.5", .min = 0, .max = 2, .help = "part" },
	{ .name = "on", .type = CONF_BOOL, .offset = offsetof(struct values, on), .def = "no", .help = "whether" },
	{ .name = "choice", .type = CONF_ENUM, .offset = offsetof(struct values, choice), .def = "red", .choices = colours, .help = "which" },
	{ .name = "list", .type = CONF_LIST, .offset = offsetof(struct values, list), .def = "*", .check = no_spaces, .help = "words" },
	{ .name = NULL }
};

/* Read `text` as a file; the errors, with the file's name cut off, go to `errors`. */
static int
read_text(const char *text, struct values *v, char *errors, size_t size)
{
	char		 path[] = "/tmp/tocsin-conf.XXXXXX", *all = NULL, *line, *rest;
	size_t		 all_size = 0, len = strlen(path);
	int		 fd = mkstemp(path), count;
	FILE		*out = open_memstream(&all, &all_size);
	struct conf	*c;

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	c = conf_read(path);
	unlink(path);
	memset(v, 0, sizeof(*v));
	conf_fill(c, conf_section(c, "main", NULL), keys, v);
	conf_ignore(c, "other");
	count = conf_finish(c, out);
	conf_free(c);
	fclose(out);
	errors[0] = '\0';
	for (rest = all; (line = strsep(&rest, "\n")) != NULL && *line != '\0'; )
		snprintf(errors + strlen(errors), size - strlen(errors), "%s\n", line + len + 1);
	free(all);
	return count;
}

static void
defaults_and_every_type(void **state)
{
	struct values	 v;
	char		 errors[4096];

	(void)state;
	assert_int_equal(read_text("[main]\nneeded = x\n", &v, errors, sizeof(errors)), 0);
	assert_null(v.text);
	assert_int_equal(v.count, 3);
	assert_int_equal(v.wait_ms, 5000);
	assert_int_equal(v.size_bytes, 65536);
	assert_int_equal(v.list.count, 1);
	conf_clear(keys, &v);
	assert_int_equal(read_text("\xef\xbb\xbf# a comment\n[main]   ; here too\n  needed = two words ; comment\n  text = a;b\ncount = 10\n"
	    "wait = 90 m\nsize = 2G\nratio = .25\non = yes\nchoice=green\nlist = a, b ,c,\n[other]\nwhatever = 1\n",
	    &v, errors, sizeof(errors)), 0);
	assert_string_equal(v.needed, "two words");
	assert_string_equal(v.text, "a;b");
	assert_int_equal(v.count, 10);
	assert_int_equal(v.wait_ms, 5400000);
	assert_int_equal(v.size_bytes, 2147483648);
	assert_true(v.ratio == 0.25);
	assert_true(v.on);
	assert_int_equal(v.choice, 1);
	assert_int_equal(v.list.count, 3);
	assert_string_equal(v.list.items[1], "b");
	conf_clear(keys, &v);
}

static void
every_error_is_named_at_once_in_order_of_lines(void **state)
{
	struct values	 v;
	char		 errors[8192];

	(void)state;
	assert_int_equal(read_text("early = 1\n[main]\ncount = 11\nwait = 5\nsize = 1T\nratio = 0x1\non = maybe\nchoice = blue\n"
	    "list = a b, c\nunknown = 1\ncount = 4\nnonsense\n[strange place]\n[main]\n[open\n", &v, errors, sizeof(errors)), 15);
	conf_clear(keys, &v);
	assert_string_equal(errors,
	    "1: early: stands before the first [section]\n"
	    "2: needed: is missing: a needed text\n"
	    "3: count: \"11\" is not allowed: a whole number from 1 to 10\n"
	    "4: wait: \"5\" is not allowed: a duration with its unit (ms, s, m, h, d) from 0ms to 1d\n"
	    "5: size: \"1T\" is not allowed: a size in bytes, or with K, M, G\n"
	    "6: ratio: \"0x1\" is not allowed: a number from 0 to 2\n"
	    "7: on: \"maybe\" is not allowed: yes or no\n"
	    "8: choice: \"blue\" is not allowed: one of red, green\n"
	    "9: list: \"a b, c\" is not allowed: a word\n"
	    "10: unknown: is no key of [main]: see tocsin.conf(5)\n"
	    "11: count: is set in line 3 already\n"
	    "12: \"nonsense\" is neither [section] nor key = value\n"
	    "13: [strange place] is no section of tocsin: see tocsin.conf(5)\n"
	    "14: [main] stands in this file already: put its keys into one section\n"
	    "15: \"[open\" has no closing bracket\n");
}

static void
a_value_may_be_longer_than_the_parser_of_lines_allows(void **state)
{
	struct values	 v;
	char		 errors[4096], text[4000], *want = text + 24;
	size_t		 len;

	(void)state;
	strcpy(text, "[main]\nneeded = y\ntext = ");
	want = text + strlen(text);
	for (int i = 0; i < 100; i++)
		sprintf(text + strlen(text), "host%d=10.0.0.%d%s", i, i, i < 99 ? " " : "");
	len = strlen(want);
	strcat(text, " ; comment\n");
	assert_int_equal(read_text(text, &v, errors, sizeof(errors)), 0);
	assert_int_equal(strlen(v.text), len);
	assert_memory_equal(v.text, want, len);
	conf_clear(keys, &v);
}

static void
a_missing_file_is_one_error(void **state)
{
	struct conf	*c = conf_read("/nonexistent/tocsin.conf");
	char		*text = NULL;
	size_t		 size = 0;
	FILE		*out = open_memstream(&text, &size);

	(void)state;
	assert_int_equal(conf_finish(c, out), 1);
	fclose(out);
	assert_non_null(strstr(text, "/nonexistent/tocsin.conf:0: No such file or directory"));
	free(text);
	conf_free(c);
}

static void
what_is_printed_reads_back_the_same(void **state)
{
	struct values	 v, again;
	char		 errors[4096], *text = NULL;
	size_t		 size = 0;
	FILE		*out = open_memstream(&text, &size);

	(void)state;
	assert_int_equal(read_text("[main]\nneeded = x\nwait = 1500ms\nsize = 3M\nlist = p, q\nratio = 0.1\n", &v, errors, sizeof(errors)), 0);
	conf_print(out, "main", NULL, keys, &v);
	fclose(out);
	assert_non_null(strstr(text, "wait = 1500ms"));
	assert_int_equal(read_text(text, &again, errors, sizeof(errors)), 0);
	assert_int_equal(again.wait_ms, 1500);
	assert_int_equal(again.size_bytes, 3145728);
	assert_true(again.ratio == 0.1);
	assert_string_equal(again.list.items[1], "q");
	free(text);
	conf_clear(keys, &v);
	conf_clear(keys, &again);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(defaults_and_every_type),
		cmocka_unit_test(every_error_is_named_at_once_in_order_of_lines),
		cmocka_unit_test(a_value_may_be_longer_than_the_parser_of_lines_allows),
		cmocka_unit_test(a_missing_file_is_one_error),
		cmocka_unit_test(what_is_printed_reads_back_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
