/* The merge of several logs: its order, and the files below it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "watchdog/logfile.h"
#include "watchdog/logline.h"
#include "watchdog/logmerge.h"
#include "watchdog/logs.h"

/* Order */

/* One log of the merge: a line a word, "5" at 5, "+" belongs to the one before, "!" in front: not due. */
struct script {
	const char	*words[8];
	size_t		 next;
	int64_t		 wall_us;
};

static struct logmerge_head
head_of(struct script *s)
{
	const char		*word = s->words[s->next];
	struct logmerge_head	 head = { .there = word != NULL, .due = true };

	if (word == NULL)
		return head;
	if (*word == '!') {
		head.due = false;
		word++;
	}
	head.continues = *word == '+';
	if (!head.continues)
		s->wall_us = atoi(word);
	head.wall_us = s->wall_us;
	return head;
}

/* The merge as text: "a5 b6 b+ ". */
static void
assert_merge(struct script *a, struct script *b, const char *expected)
{
	struct script		*logs[] = { a, b };
	struct logmerge_head	 heads[2];
	char			 text[256] = "";
	size_t			 next, last = LOGMERGE_NONE;

	for (;;) {
		for (size_t i = 0; i < 2; i++)
			heads[i] = head_of(logs[i]);
		if ((next = logmerge_next(heads, 2, last)) == LOGMERGE_NONE)
			break;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%c%s ", "ab"[next], logs[next]->words[logs[next]->next]);
		logs[next]->next++;
		last = next;
	}
	assert_string_equal(text, expected);
}

static void
lines_are_merged_by_time_and_the_first_log_wins_a_tie(void **state)
{
	(void)state;
	assert_merge(&(struct script){ .words = { "1", "4", "4", "9" } }, &(struct script){ .words = { "2", "4", "5" } },
	    "a1 b2 a4 a4 b4 b5 a9 ");
	assert_merge(&(struct script){ .words = { NULL } }, &(struct script){ .words = { "2" } }, "b2 ");
	assert_merge(&(struct script){ .words = { NULL } }, &(struct script){ .words = { NULL } }, "");
}

static void
a_line_without_time_stays_with_the_one_before(void **state)
{
	(void)state;
	assert_merge(&(struct script){ .words = { "1", "+", "+", "7" } }, &(struct script){ .words = { "1", "+", "2" } },
	    "a1 a+ a+ b1 b+ b2 a7 ");
}

static void
a_log_whose_clock_went_back_keeps_its_order(void **state)
{
	(void)state;
	assert_merge(&(struct script){ .words = { "8", "3", "9" } }, &(struct script){ .words = { "5", "10" } }, "b5 a8 a3 a9 b10 ");
}

static void
a_new_line_waits_unless_it_is_older_than_one_that_is_due(void **state)
{
	(void)state;
	assert_merge(&(struct script){ .words = { "5", "!8" } }, &(struct script){ .words = { "!4", "!6" } }, "b!4 a5 ");
	assert_merge(&(struct script){ .words = { "!5" } }, &(struct script){ .words = { "!4" } }, "");
	/* What belongs to a line that is out follows it at once. */
	assert_merge(&(struct script){ .words = { "5", "!+", "!6" } }, &(struct script){ .words = { NULL } }, "a5 a!+ ");
}

/* Lines */

static void
only_a_stamp_of_ours_is_a_time(void **state)
{
	static const char *const others[] = {
		"", "x", "2026-11-23", "2026-11-23T10:00:00Z w", "2026-11-23 10:00:00.000Z w", "2026-11-23T10:00:00.000Z",
		"2026-11-23T10:00:00.000Zw", "2026-13-23T10:00:00.000Z w", " 2026-11-23T10:00:00.000Z w", "2026-11-23T10:00:00.000+ w"
	};
	int64_t			 wall_us = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(logline_time(others[i], strlen(others[i]), &wall_us));
	assert_int_equal(wall_us, 7);
	assert_true(logline_time("1970-01-01T00:00:01.002Z w", 26, &wall_us));
	assert_int_equal(wall_us, 1002000);
}

static void
assert_printed(const char *line, size_t len, bool safe, const char *expected)
{
	char	*text = NULL;
	size_t	 size = 0;
	FILE	*out = open_memstream(&text, &size);

	assert_non_null(out);
	logline_print(out, line, len, safe);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static void
control_bytes_do_not_reach_a_terminal(void **state)
{
	(void)state;
	assert_printed("a\tb \xc3\xa9", 6, true, "a\tb \xc3\xa9\n");
	assert_printed("\033[2Jx\r\x7f", 7, true, "\\x1b[2Jx\\x0d\\x7f\n");
	assert_printed("\xc2\x9b" "2J \xff", 6, true, "\\xc2\\x9b2J \\xff\n");
	assert_printed("\033[2J", 4, false, "\033[2J\n");
}

static void
numbers_of_lines(void **state)
{
	static const char *const wrong[] = { "", "-1", "x", "5x", "+5", " 5" };
	int64_t			 n;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(logs_lines(wrong[i], &n));
	assert_true(logs_lines("0", &n) && n == 0);
	assert_true(logs_lines("20", &n) && n == 20);
	assert_true(logs_lines("all", &n) && n == LOGFILE_ALL);
	assert_true(logs_lines("99999999999999999999999", &n) && n > 1000000 && n < LOGFILE_ALL);
}

/* Files */

static char	 dir[64], path[80], older[84];

static int
make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/tocsin-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/a.log", dir);
	snprintf(older, sizeof(older), "%s.1", path);
	return 0;
}

static int
remove_dir(void **state)
{
	(void)state;
	unlink(path);
	unlink(older);
	return rmdir(dir);
}

static void
add_text(const char *where, const char *text)
{
	int	 fd = open(where, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Take every line that is there (`due_only`: that is due); each is followed by '|'. */
static void
assert_lines(struct logfile *f, bool due_only, const char *expected)
{
	char			 text[4096] = "";
	struct logfile_line	 line;

	while (logfile_peek(f, &line) && (!due_only || line.head.due)) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s|", (int)line.len, line.text);
		logfile_drop(f);
	}
	assert_string_equal(text, expected);
}

static void
assert_tail(int64_t lines, int64_t count, const char *expected)
{
	struct logfile	*f = logfile_new(path);
	int64_t		 found;

	assert_int_equal(logfile_tail(f, lines, false, &found), 0);
	assert_int_equal(found, count);
	assert_lines(f, true, expected);
	logfile_free(f);
}

static void
the_last_lines_are_found_from_the_end(void **state)
{
	struct logfile	*f = logfile_new(path);
	int64_t		 count;

	(void)state;
	assert_int_equal(logfile_tail(f, 5, false, &count), -1);
	logfile_free(f);
	add_text(path, "");
	assert_tail(5, 0, "");
	add_text(path, "one\n\nthree\nfour");
	assert_tail(0, 0, "");
	assert_tail(1, 1, "four|");
	assert_tail(3, 3, "|three|four|");
	assert_tail(4, 4, "one||three|four|");
	assert_tail(9, 4, "one||three|four|");
	assert_tail(LOGFILE_ALL, 0, "one||three|four|");
	add_text(path, "\n");
	assert_tail(2, 2, "three|four|");
	add_text(older, "minus one\nzero\n");
	assert_tail(4, 4, "one||three|four|");
	assert_tail(5, 5, "zero|one||three|four|");
	assert_tail(7, 6, "minus one|zero|one||three|four|");
	assert_tail(LOGFILE_ALL, 0, "minus one|zero|one||three|four|");
	unlink(path);
	assert_tail(1, 1, "zero|");
}

static void
lines_are_found_across_blocks(void **state)
{
	struct logfile		*f = logfile_new(path);
	struct logfile_line	 line;
	char			 text[64], expected[256] = "";
	FILE			*file = fopen(path, "we");
	int64_t			 count;

	(void)state;
	assert_non_null(file);
	for (int i = 0; i < 20000; i++)
		fprintf(file, "line %d\n", i);
	fclose(file);
	for (int i = 19995; i < 20000; i++)
		snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "line %d|", i);
	assert_tail(5, 5, expected);
	assert_int_equal(logfile_tail(f, 15000, false, &count), 0);
	assert_int_equal(count, 15000);
	for (int i = 5000; i < 20000; i++) {
		snprintf(text, sizeof(text), "line %d", i);
		assert_true(logfile_peek(f, &line));
		assert_int_equal(line.len, strlen(text));
		assert_memory_equal(line.text, text, line.len);
		logfile_drop(f);
	}
	assert_false(logfile_peek(f, &line));
	logfile_free(f);
}

static void
assert_first_time(int64_t lines, int64_t wall_s)
{
	struct logfile		*f = logfile_new(path);
	struct logfile_line	 line;
	int64_t			 count;

	assert_int_equal(logfile_tail(f, lines, false, &count), 0);
	assert_true(logfile_peek(f, &line));
	assert_true(line.head.continues);
	assert_int_equal(line.head.wall_us, wall_s * 1000000);
	logfile_free(f);
}

static void
a_first_line_without_time_borrows_one(void **state)
{
	const struct timespec	 times[2] = { { 12345, 0 }, { 12345, 0 } };

	(void)state;
	add_text(path, "no time at all\n");
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_first_time(1, 12345);
	add_text(path, "1970-01-01T00:00:07.000Z w[1] info\n");
	assert_first_time(2, 7);
	add_text(path, "\tat line 5\n\tat line 6\n");
	assert_first_time(1, 7);
}

static void
a_line_too_long_comes_in_pieces(void **state)
{
	struct logfile		*f = logfile_new(path);
	struct logfile_line	 line;
	char			*text = malloc(150001);
	size_t			 total = 0, pieces = 0;
	int64_t			 count;

	(void)state;
	memset(text, 'x', 150000);
	text[150000] = '\0';
	add_text(path, text);
	add_text(path, "\nnext\n");
	assert_int_equal(logfile_tail(f, 2, false, &count), 0);
	assert_int_equal(count, 2);
	do {
		assert_true(logfile_peek(f, &line));
		total += line.len;
		pieces++;
		logfile_drop(f);
	} while (!line.ends);
	assert_int_equal(total, 150000);
	assert_int_equal(pieces, 3);
	assert_lines(f, true, "next|");
	logfile_free(f);
	free(text);
}

static struct logfile *
followed(void)
{
	struct logfile	*f = logfile_new(path);
	int64_t		 count;

	(void)logfile_tail(f, 0, true, &count);		/* it may not be there yet */
	assert_int_equal(logfile_follow(f), 0);
	return f;
}

/* What is new comes out one round later. */
static void
assert_followed(struct logfile *f, const char *expected)
{
	assert_int_equal(logfile_follow(f), 0);
	assert_lines(f, true, "");
	assert_int_equal(logfile_follow(f), 0);
	assert_lines(f, true, expected);
}

static void
a_followed_log_gives_whole_lines_a_round_later(void **state)
{
	struct logfile	*f;

	(void)state;
	add_text(path, "old\n");
	f = followed();
	add_text(path, "a\nb");
	assert_followed(f, "a|");
	add_text(path, "c\n");
	assert_int_equal(logfile_follow(f), 0);
	assert_lines(f, true, "bc|");	/* it began a round ago */
	logfile_free(f);
}

static void
a_rotated_log_is_read_to_its_end_first(void **state)
{
	struct logfile	*f;
	int		 writer;

	(void)state;
	add_text(path, "old\n");
	f = followed();
	add_text(path, "a\n");
	writer = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(rename(path, older), 0);
	assert_followed(f, "a|");
	add_text(path, "");
	/* The new file is there, but the writer still has the old one. */
	assert_int_equal(write(writer, "b\n", 2), 2);
	assert_followed(f, "b|");
	assert_int_equal(write(writer, "c", 1), 1);
	close(writer);
	add_text(path, "d\n");
	assert_int_equal(logfile_follow(f), 0);
	assert_int_equal(logfile_follow(f), 0);
	assert_lines(f, true, "c|");
	assert_followed(f, "d|");
	logfile_free(f);
}

static void
two_rotations_between_two_looks_lose_nothing(void **state)
{
	struct logfile	*f;

	(void)state;
	add_text(path, "a\n");
	f = followed();
	add_text(path, "b\n");
	assert_int_equal(unlink(path), 0);	/* as if it were PATH.2 now */
	add_text(older, "c\n");
	add_text(path, "d\n");
	for (int i = 0; i < 4; i++)
		assert_int_equal(logfile_follow(f), 0);
	assert_lines(f, false, "b|c|");
	for (int i = 0; i < 4; i++)
		assert_int_equal(logfile_follow(f), 0);
	assert_lines(f, false, "d|");
	logfile_free(f);
}

static void
a_cut_log_begins_anew_and_a_late_one_is_found(void **state)
{
	struct logfile	*f = followed();

	(void)state;
	assert_followed(f, "");
	add_text(path, "first of all\nhalf");
	assert_followed(f, "first of all|");
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(logfile_follow(f), 0);
	add_text(path, "new\n");
	assert_int_equal(logfile_follow(f), 0);
	assert_int_equal(logfile_follow(f), 0);
	assert_lines(f, true, "half|new|");
	logfile_free(f);
}

static void
links_and_pipes_are_not_read(void **state)
{
	struct logfile	*f = logfile_new(path);
	int64_t		 count;

	(void)state;
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(logfile_tail(f, 5, false, &count), -1);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(logfile_tail(f, 5, false, &count), -1);
	logfile_free(f);
}

#define FILE_TEST(f)	cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_merged_by_time_and_the_first_log_wins_a_tie),
		cmocka_unit_test(a_line_without_time_stays_with_the_one_before),
		cmocka_unit_test(a_log_whose_clock_went_back_keeps_its_order),
		cmocka_unit_test(a_new_line_waits_unless_it_is_older_than_one_that_is_due),
		cmocka_unit_test(only_a_stamp_of_ours_is_a_time),
		cmocka_unit_test(control_bytes_do_not_reach_a_terminal),
		cmocka_unit_test(numbers_of_lines),
		FILE_TEST(the_last_lines_are_found_from_the_end),
		FILE_TEST(lines_are_found_across_blocks),
		FILE_TEST(a_first_line_without_time_borrows_one),
		FILE_TEST(a_line_too_long_comes_in_pieces),
		FILE_TEST(a_followed_log_gives_whole_lines_a_round_later),
		FILE_TEST(a_rotated_log_is_read_to_its_end_first),
		FILE_TEST(two_rotations_between_two_looks_lose_nothing),
		FILE_TEST(a_cut_log_begins_anew_and_a_late_one_is_found),
		FILE_TEST(links_and_pipes_are_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
