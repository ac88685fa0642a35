#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

/* The log takes over 1 and 2; cmocka wants them back. */
struct saved {
	int	 out, err;
	char	 dir[32], path[64], old[64];
};

static int
set_up(void **state)
{
	struct saved	*s = calloc(1, sizeof(*s));

	strcpy(s->dir, "/tmp/tocsin-log.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/x.log", s->dir);
	snprintf(s->old, sizeof(s->old), "%s/x.log.1", s->dir);
	fflush(NULL);
	s->out = dup(STDOUT_FILENO);
	s->err = dup(STDERR_FILENO);
	*state = s;
	return log_open("tester", s->path);
}

static int
tear_down(void **state)
{
	struct saved	*s = *state;

	unlink(s->path);
	unlink(s->old);
	rmdir(s->dir);
	log_set_max_size(0);
	log_open("tester", NULL);
	free(s);
	return 0;
}

static void
restore_output(struct saved *s)
{
	dup2(s->out, STDOUT_FILENO);
	dup2(s->err, STDERR_FILENO);
	close(s->out);
	close(s->err);
}

static char *
content(const char *path)
{
	static char	 text[65536];
	FILE		*f = fopen(path, "re");
	size_t		 n = f == NULL ? 0 : fread(text, 1, sizeof(text) - 1, f);

	text[n] = '\0';
	if (f != NULL)
		fclose(f);
	return text;
}

static void
a_line_has_time_program_level_and_module_and_cannot_be_forged(void **state)
{
	struct saved	*s = *state;
	char		*text, want[160];

	errno = ENOENT;
	log_warn("feed", "bad line=\"%s\"", "x\n2026-01-01T00:00:00.000Z forged\xff\x7f");
	assert_int_equal(errno, ENOENT);
	log_debug("feed", "not shown");
	log_info("feed", "state old=%s", "a");
	restore_output(s);
	text = content(s->path);
	snprintf(want, sizeof(want), "Z tester[%d] warn feed: bad line=\"x\\x0a2026-01-01T00:00:00.000Z forged\\xff\\x7f\": No such file", (int)getpid());
	assert_non_null(strstr(text, want));
	assert_int_equal(text[10], 'T');
	assert_non_null(strstr(text, " info feed: state old=a\n"));
	assert_null(strstr(text, "not shown"));
	assert_int_equal(strchr(strchr(text, '\n') + 1, '\n')[1], '\0');	/* two lines */
}

static void
beyond_its_size_it_is_begun_anew(void **state)
{
	struct saved	*s = *state;
	struct stat	 st;

	log_set_max_size(1000);
	for (int i = 0; i < 30; i++)
		log_info("test", "line number=%d", i);
	restore_output(s);
	assert_int_equal(stat(s->path, &st), 0);
	assert_true(st.st_size <= 1100);
	assert_int_equal(stat(s->old, &st), 0);
	assert_true(st.st_size >= 1000 && st.st_size <= 1100);
	assert_non_null(strstr(content(s->path), "number=29"));
}

static void
after_a_rename_by_somebody_else_reopen_finds_the_new_file(void **state)
{
	struct saved	*s = *state;

	log_info("test", "one");
	rename(s->path, s->old);
	log_info("test", "two");
	log_reopen();
	log_info("test", "three");
	restore_output(s);
	assert_non_null(strstr(content(s->old), "two"));
	assert_non_null(strstr(content(s->path), "three"));
	assert_null(strstr(content(s->path), "two"));
}

/* Somebody who may write in the folder planted it: opening it would wait for a reader, for ever. */
static void
a_pipe_in_its_place_is_refused_and_not_waited_for(void **state)
{
	struct saved	*s = *state;
	int		 reader;

	rename(s->path, s->old);
	assert_int_equal(mkfifo(s->path, 0666), 0);
	alarm(10);
	log_reopen();
	reader = open(s->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	log_reopen();
	alarm(0);
	close(reader);
	restore_output(s);
	assert_non_null(strstr(content(s->old), "cannot reopen"));
	assert_non_null(strstr(content(s->old), "Invalid argument"));
}

/* A full disk, as far as write(2) can tell. */
static void
lines_that_cannot_be_written_are_counted(void **state)
{
	struct saved	*s = *state;
	int		 full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_int_not_equal(full, -1);
	dup2(full, STDERR_FILENO);
	close(full);
	log_info("test", "lost 1");
	log_info("test", "lost 2");
	log_reopen();
	log_info("test", "back");
	restore_output(s);
	assert_non_null(strstr(content(s->path), "warn log: could not be written lines_lost=2\n"));
	assert_non_null(strstr(content(s->path), "back"));
}

/* A disk that becomes full in the middle of a line. */
static void
after_half_a_line_the_next_one_begins_a_line(void **state)
{
	struct saved		*s = *state;
	struct rlimit		 all, room;
	const char		*text;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
	room = (struct rlimit){ 10, all.rlim_max };
	setrlimit(RLIMIT_FSIZE, &room);
	log_info("test", "half");
	log_info("test", "lost");
	setrlimit(RLIMIT_FSIZE, &all);
	log_info("test", "back");
	log_info("test", "on");
	restore_output(s);
	text = content(s->path);
	assert_int_equal(text[10], '\n');
	assert_int_equal(text[15], '-');
	assert_non_null(strstr(text, "could not be written lines_lost=2\n"));
	assert_null(strstr(text + 11, "\n\n"));
	assert_non_null(strstr(text, " on\n"));
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_setup_teardown(a_line_has_time_program_level_and_module_and_cannot_be_forged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(beyond_its_size_it_is_begun_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(after_a_rename_by_somebody_else_reopen_finds_the_new_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_pipe_in_its_place_is_refused_and_not_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lines_that_cannot_be_written_are_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(after_half_a_line_the_next_one_begins_a_line, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
