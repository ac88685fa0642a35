/* The heartbeat parser: every piece of every line, and nothing that is none. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "watchdog/beat.h"

struct heard {
	char	 text[512];	/* one letter a line, a STATUS with its value */
};

static void
line_cb(enum beat_kind kind, const char *value, size_t len, void *arg)
{
	struct heard	*h = arg;
	size_t		 used = strlen(h->text);

	switch (kind) {
	case BEAT_READY:
		strcat(h->text, "R");
		break;
	case BEAT_ALIVE:
		strcat(h->text, "W");
		break;
	case BEAT_STOPPING:
		strcat(h->text, "S");
		break;
	case BEAT_STATUS:
		snprintf(h->text + used, sizeof(h->text) - used, "%.*s", (int)len, value);
	}
}

/* Feed the text in pieces of `step` bytes; what was heard, and how many lines were refused. */
static unsigned
hear(const char *text, size_t len, size_t step, struct heard *h)
{
	static struct beat_parser	 p;

	beat_clear(&p);
	h->text[0] = '\0';
	for (size_t at = 0; at < len; at += step)
		beat_feed(&p, text + at, len - at < step ? len - at : step, line_cb, h);
	return p.refused;
}

static void
words_are_heard_in_order(void **state)
{
	static const char	 text[] = "READY=1\nWATCHDOG=1\nSTATUS={\"rows\":12}\nSTOPPING=1\n";
	struct heard		 h;

	(void)state;
	for (size_t step = 1; step <= sizeof(text); step++) {
		assert_int_equal(hear(text, sizeof(text) - 1, step, &h), 0);
		assert_string_equal(h.text, "RW{\"rows\":12}S");
	}
}

static void
line_without_end_waits(void **state)
{
	struct heard	 h;

	(void)state;
	hear("WATCHDOG=1\nREADY=1", 18, 18, &h);
	assert_string_equal(h.text, "W");
}

static void
unknown_keys_are_left_alone(void **state)
{
	static const char	 text[] = "MAINPID=12\nREADY=0\nWATCHDOG=trigger\n\nWATCHDOG=1\nREADY=1 \n";
	struct heard		 h;

	(void)state;
	assert_int_equal(hear(text, sizeof(text) - 1, 7, &h), 0);
	assert_string_equal(h.text, "W");
}

static void
garbage_is_refused_and_passes(void **state)
{
	static const char	 text[] = "hello\n\xff\xfe\0\nSTATUS={\"a\":}\nSTATUS=busy\nSTATUS=\nSTATUS=[1]\nWATCHDOG=1\n";
	struct heard		 h;

	(void)state;
	assert_int_equal(hear(text, sizeof(text) - 1, 5, &h), 6);
	assert_string_equal(h.text, "W");
}

static void
overlong_line_is_skipped_to_its_end(void **state)
{
	static char	 text[3 * PIPE_BUF];
	static const char tail[] = "WATCHDOG=1\nWATCHDOG=1\n";
	struct heard	 h;
	size_t		 len = 2 * PIPE_BUF;

	(void)state;
	memset(text, 'x', len);
	memcpy(text + len, tail, sizeof(tail) - 1);
	for (size_t step = 1; step < 3 * PIPE_BUF; step = step * 3 + 1) {
		/* The first WATCHDOG=1 is the tail of the overlong line. */
		assert_int_equal(hear(text, len + sizeof(tail) - 1, step, &h), 1);
		assert_string_equal(h.text, "W");
	}
}

static void
longest_line_fits(void **state)
{
	static char	 text[PIPE_BUF + 1];
	struct heard	 h;
	static const char head[] = "STATUS={\"a\":\"", tail[] = "x\"}\n";

	(void)state;
	/* PIPE_BUF bytes with the newline: the most that one write promises to keep together. */
	memset(text, 'x', sizeof(text));
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + PIPE_BUF - 4, tail, sizeof(tail) - 1);
	assert_int_equal(hear(text, PIPE_BUF, 100, &h), 0);
	assert_int_equal(strncmp(h.text, "{\"a\":\"xxx", 9), 0);
	/* One more is too long. */
	memcpy(text + PIPE_BUF - 3, tail, sizeof(tail) - 1);
	assert_int_equal(hear(text, PIPE_BUF + 1, 100, &h), 1);
	assert_string_equal(h.text, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_heard_in_order),
		cmocka_unit_test(line_without_end_waits),
		cmocka_unit_test(unknown_keys_are_left_alone),
		cmocka_unit_test(garbage_is_refused_and_passes),
		cmocka_unit_test(overlong_line_is_skipped_to_its_end),
		cmocka_unit_test(longest_line_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
