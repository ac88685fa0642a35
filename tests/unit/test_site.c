/* What the operators' command reads of a configuration, and of the watchdog's first words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "watchdog/launch.h"
#include "watchdog/site.h"

/* Read `text` as a configuration; the errors are not looked at. */
static int
read_text(struct site *s, const char *text)
{
	char	 path[] = "/tmp/tocsin-test-XXXXXX";
	int	 fd = mkstemp(path), rc;
	FILE	*nowhere = fopen("/dev/null", "we");

	assert_true(fd != -1 && nowhere != NULL);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	rc = site_read(s, path, nowhere);
	fclose(nowhere);
	unlink(path);
	return rc;
}

static void
processes_are_read_in_order_and_strange_names_left_out(void **state)
{
	struct site	 s;

	(void)state;
	assert_int_equal(read_text(&s, "[process b]\ncommand = /bin/b -x\nuser = u\n[process ../../etc/x]\n[process]\n[process watchdog]\n"
	    "[process a]\n[whatever]\nx = 1\n[tocsin]\nlog_dir = /l\n"), 0);	/* what is strange is for `-n` to tell */
	assert_int_equal(s.count, 2);
	assert_string_equal(s.processes[0].name, "b");
	assert_string_equal(s.processes[0].command, "/bin/b -x");
	assert_string_equal(s.processes[0].user, "u");
	assert_string_equal(s.processes[1].name, "a");
	assert_null(s.processes[1].command);
	assert_string_equal(s.suite.log_dir, "/l");
	site_release(&s);
}

static void
an_empty_folder_is_an_error_of_ours(void **state)
{
	struct site	 s;

	(void)state;
	assert_int_equal(read_text(&s, "[tocsin]\n[process a]\n"), 0);
	site_release(&s);
	assert_int_equal(read_text(&s, "[tocsin]\nlog_dir =\n"), -1);
	site_release(&s);
}

static void
assert_password(const char *section, const char *conninfo, bool expected)
{
	char		 text[256];
	struct site	 s;

	snprintf(text, sizeof(text), "[%s]\ndatabase = %s\n", section, conninfo);
	(void)read_text(&s, text);
	assert_int_equal(s.holds_password, expected);
	site_release(&s);
}

static void
a_password_is_noticed_wherever_it_stands(void **state)
{
	(void)state;
	assert_password("tocsin", "host=/run dbname=x", false);
	assert_password("tocsin", "host=/run password=x", true);
	assert_password("relay", "host=/run PASSWORD = x", true);
	assert_password("generator", "postgresql://u:p@host/db", true);
	assert_password("generator", "postgresql://u@host:5432/db", false);
	assert_password("generator", "postgresql://host:5432/db", false);
}

static void
the_watchdogs_last_word_on_its_start(void **state)
{
	bool	 all = false;

	(void)state;
	assert_true(launch_is_verdict("tocsin-watchdog: running, 2 of 2 processes up; see /l\n", &all) && all);
	assert_true(launch_is_verdict("tocsin-watchdog: running, 1 of 12 processes up", &all) && !all);
	assert_false(launch_is_verdict("tocsin-watchdog: process x: exit code 1: trying again\n", &all));
	assert_false(launch_is_verdict("tocsin-watchdog: running, all", &all));
	assert_false(launch_is_verdict("tocsin-watchdog: running, 2 of all", &all));
	assert_false(launch_is_verdict("", &all));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_are_read_in_order_and_strange_names_left_out),
		cmocka_unit_test(an_empty_folder_is_an_error_of_ours),
		cmocka_unit_test(a_password_is_noticed_wherever_it_stands),
		cmocka_unit_test(the_watchdogs_last_word_on_its_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
