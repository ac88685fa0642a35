#include "tests/unit/unit.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "generator/feed.h"
#include "tests/unit/conf_text.h"

#define DEADLINE_S	30
#define PIPE_FD		50	/* something that a program must not inherit */

/* What a feed delivers, and when the loop is to be left. */
static struct {
	struct event_base	*base;
	struct feed		**feeds;
	struct feed		*feed;
	bool			 in_turn, timed_out;
	int			 trades, candles, signals, ended, in_this_turn, most_in_a_turn;
	bool			 ended_ok;
	struct trade		 last;
	int			 stop_at;	/* trades after which to leave */
	const char		*stop_log;	/* or when the log has this */
	char			 status[2000];
} rec;

static int	 real_stderr;
static char	 dir[32], script_path[64], log_path[64], mark_path[64];

static void
leave(void)
{
	event_base_loopbreak(rec.base);
}

static void
trade_cb(size_t symbol, const struct trade *t, void *arg)
{
	(void)symbol, (void)arg;
	assert_true(rec.in_turn);
	rec.trades++;
	rec.last = *t;
	if (++rec.in_this_turn > rec.most_in_a_turn)
		rec.most_in_a_turn = rec.in_this_turn;
	if (rec.trades == rec.stop_at)
		leave();
}

static void
candle_cb(size_t symbol, const struct candle *c, void *arg)
{
	(void)symbol, (void)c, (void)arg;
	rec.candles++;
}

static enum signal_verdict
signal_cb(size_t symbol, const struct signal *s, void *arg)
{
	(void)symbol, (void)arg;
	rec.signals++;
	return strcmp(s->strategy, "again") == 0 ? VERDICT_REPEATED : strcmp(s->strategy, "late") == 0 ? VERDICT_LATE : VERDICT_OPENED;
}

static void
clock_cb(size_t symbol, int64_t now_us, void *arg)
{
	(void)symbol, (void)now_us, (void)arg;
	assert_true(rec.in_turn);
}

static void
gap_cb(size_t symbol, int64_t from_us, void *arg)
{
	(void)symbol, (void)from_us, (void)arg;
}

static void
live_from_cb(size_t symbol, int64_t market_us, void *arg)
{
	(void)symbol, (void)market_us, (void)arg;
}

static void
turn_begin_cb(void *arg)
{
	(void)arg;
	assert_false(rec.in_turn);
	rec.in_turn = true;
	rec.in_this_turn = 0;
}

static void
turn_end_cb(void *arg)
{
	(void)arg;
	assert_true(rec.in_turn);
	rec.in_turn = false;
}

static void
ended_cb(bool ok, void *arg)
{
	(void)arg;
	rec.ended++;
	rec.ended_ok = ok;
	leave();
}

static const struct feed_handler handler = {
	.trade = trade_cb, .candle = candle_cb, .signal = signal_cb, .clock = clock_cb, .gap = gap_cb, .live_from = live_from_cb,
	.turn_begin = turn_begin_cb, .turn_end = turn_end_cb, .ended = ended_cb,
};

/* The log so far; good until the next call. */
static const char *
log_text(void)
{
	static char	 text[1 << 18];
	FILE		*in = fopen(log_path, "r");
	size_t		 len = in == NULL ? 0 : fread(text, 1, sizeof(text) - 1, in);

	if (in != NULL)
		fclose(in);
	text[len] = '\0';
	return text;
}

static int
log_count(const char *part)
{
	int	 count = 0;

	for (const char *at = log_text(); (at = strstr(at, part)) != NULL; at++)
		count++;
	return count;
}

static void
assert_log(const char *part)
{
	if (log_count(part) == 0)
		fail_msg("\"%s\" is not in\n%s", part, log_text());
}

static void
poll_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	if (rec.stop_log != NULL && log_count(rec.stop_log) > 0)
		leave();
}

static void
deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	rec.timed_out = true;
	leave();
}

static void
read_status(void)
{
	struct jsonw	 w;

	jsonw_init_fixed(&w, rec.status, sizeof(rec.status));
	jsonw_object(&w, NULL);
	feed_status_json(rec.feed, &w);
	jsonw_end_object(&w);
	assert_false(w.failed);
}

static void
assert_status(const char *part)
{
	read_status();
	if (strstr(rec.status, part) == NULL)
		fail_msg("%s is not in %s", part, rec.status);
}

/* A feed of a shell script with further keys. */
static void
open_feed(const char *script, const char *keys)
{
	char		 text[1000], *errors;
	FILE		*out = fopen(script_path, "w");
	struct conf	*file;
	static const int64_t	 from_start[2] = { INT64_MIN, INT64_MIN };

	fputs(script, out);
	fclose(out);
	chmod(script_path, 0700);
	snprintf(text, sizeof(text), "[feed rec]\ntype = exec\nsymbols = A/B, C/D\n%s\n%s%s\n",
	    strstr(keys, "command") != NULL ? "" : "backfills = yes", keys, strstr(keys, "command") != NULL ? "" : "\ncommand = /bin/sh ");
	if (strstr(keys, "command") == NULL) {
		text[strlen(text) - 1] = '\0';
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s %s\n", script_path, mark_path);
	}
	file = conf_of(text);
	memset(&rec, 0, sizeof(rec));
	rec.feeds = feed_read_all(file);
	errors = conf_verdict(file);
	assert_string_equal(errors, "");
	free(errors);
	conf_free(file);
	rec.base = event_base_new();
	rec.feed = rec.feeds[0];
	feed_open(rec.feed, rec.base, from_start, 7, &handler, NULL);
}

/* Until so many trades have come, the log has something, or the feed has ended. */
static void
run(int stop_at, const char *stop_log)
{
	struct event	*poll = event_new(rec.base, -1, EV_PERSIST, poll_cb, NULL);
	struct event	*deadline = evtimer_new(rec.base, deadline_cb, NULL);

	rec.stop_at = stop_at;
	rec.stop_log = stop_log;
	event_add(poll, &(struct timeval){ .tv_usec = 5000 });
	event_add(deadline, &(struct timeval){ .tv_sec = DEADLINE_S });
	event_base_dispatch(rec.base);
	event_free(poll);
	event_free(deadline);
	if (rec.timed_out)
		fail_msg("nothing came of it; the log:\n%s", log_text());
}

static void
close_feed(void)
{
	feed_free_all(rec.feeds);
	event_base_free(rec.base);
	unlink(mark_path);
}

static pid_t
pid_in_status(void)
{
	const char	*at;

	read_status();
	at = strstr(rec.status, "\"pid\":");
	assert_non_null(at);
	return (pid_t)atoi(at + 6);
}

/* What a script wrote to the path that is its first argument. */
static long
number_in_mark(void)
{
	char	 text[32] = "";
	FILE	*in = fopen(mark_path, "r");

	if (in == NULL || fgets(text, sizeof(text), in) == NULL)
		text[0] = '\0';
	if (in != NULL)
		fclose(in);
	return atol(text);
}

static int
set_up(void **state)
{
	int	 fd;

	(void)state;
	strcpy(dir, "/tmp/test_feed_exec.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(script_path, sizeof(script_path), "%s/script", dir);
	snprintf(mark_path, sizeof(mark_path), "%s/mark", dir);
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	/* The log goes where descriptor 2 does. */
	real_stderr = dup(STDERR_FILENO);
	fd = open(log_path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	assert_true(real_stderr != -1 && fd != -1 && dup2(fd, STDERR_FILENO) != -1);
	close(fd);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	unlink(script_path);
	unlink(log_path);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

#define TRADE "{\\\"symbol\\\":\\\"A/B\\\",\\\"price\\\":1,\\\"quantity\\\":1,\\\"time\\\":\\\"2026-01-01T00:00:00Z\\\"}"

/* The promises */

static void
its_lines_are_delivered_and_it_knows_for_whom(void **state)
{
	(void)state;
	setenv("PGPASSWORD", "secret", 1);
	setenv("TOCSIN_LOG", "/dev/null", 1);
	open_feed("t='\"time\":\"2026-01-01T00:00:00Z\"'\n"
	    "echo \"{\\\"symbol\\\":\\\"A/B\\\",$t,\\\"open\\\":1,\\\"high\\\":1,\\\"low\\\":1,\\\"close\\\":1}\"\n"
	    "s='\"symbol\":\"A/B\",\"side\":\"long\",\"entry\":2,\"stop_loss\":1,\"targets\":[3]'\n"
	    "for n in new again late; do echo \"{$s,\\\"strategy\\\":\\\"$n\\\"}\"; done\n"
	    "echo \"{\\\"symbol\\\":\\\"E/F\\\",\\\"price\\\":1,\\\"quantity\\\":1,$t}\"\n"
	    "echo \"{\\\"symbol\\\":\\\"C/D\\\",\\\"time\\\":\\\"$(date -u +%FT%H:%M:00Z)\\\",\\\"open\\\":1,\\\"high\\\":1,\\\"low\\\":1,\\\"close\\\":1,\\\"closed\\\":false}\"\n"
	    "printf '%s,' \"$TOCSIN_FEED\" \"$TOCSIN_SYMBOLS\" \"$TOCSIN_TIMEFRAME\" \"$TOCSIN_HISTORY\" \"[$TOCSIN_RESUME]\" \"[$PGPASSWORD$TOCSIN_LOG]\" >&2\n"
	    "echo >&2\n"
	    "echo '{\"symbol\":\"C/D\",\"price\":\"3.5\",\"quantity\":1,\"time\":\"2026-01-01T00:00:01Z\",\"id\":9}'; sleep 100\n", "");
	run(1, NULL);
	assert_int_equal(rec.candles, 1);
	assert_int_equal(rec.signals, 3);
	assert_int_equal(rec.last.id, 9);
	assert_int_equal(rec.last.price.units, 35);
	assert_status("\"state\":\"running\"");
	assert_status("\"lines\":7,\"bad_lines\":1,\"trades\":1,\"candles\":1,\"signals\":1,\"repeated_signals\":1,\"dropped\":0,"
	    "\"unfinished_candles\":1,\"other_symbols\":1");
	assert_log("line=4 reason=\"it comes too late");
	run(0, "text=\"rec,A/B,C/D,1m,7,[],[],\"");
	close_feed();
	unsetenv("PGPASSWORD");
	unsetenv("TOCSIN_LOG");
}

static void
one_that_dies_is_started_again_and_told_where_to_go_on(void **state)
{
	(void)state;
	open_feed("echo \"resume [$TOCSIN_RESUME]\" >&2\n"
	    "echo '{\"symbol\":\"A/B\",\"price\":1,\"quantity\":1,\"time\":\"2026-01-01T00:07:30Z\",\"id\":1}'\n"
	    "echo '{\"symbol\":\"C/D\",\"time\":\"2026-01-01T00:00:00Z\",\"open\":1,\"high\":1,\"low\":1,\"close\":1}'\n"
	    "[ -e \"$1\" ] && sleep 100; : >\"$1\"; kill -9 $$\n", "");
	run(2, NULL);
	run(0, "text=\"C/D=2026");
	assert_log("signal=9 lines=2");
	assert_log("text=\"resume []\"");
	assert_log("text=\"resume [A/B=2026-01-01T00:07:00.000Z\"");
	assert_log("text=\"C/D=2026-01-01T00:01:00.000Z\"");
	assert_status("\"starts\":2");
	/* The candle was known already; the trade has an id, and the builder knows it. */
	assert_status("\"trades\":2,\"candles\":1");
	close_feed();
}

static void
exit_0_ends_the_feed_only_when_it_is_to(void **state)
{
	(void)state;
	open_feed("echo \"" TRADE "\"; printf '%s' \"" TRADE "\"\n", "restart = failure");
	run(0, NULL);
	assert_int_equal(rec.ended, 1);
	assert_true(rec.ended_ok);
	assert_int_equal(rec.trades, 2);	/* the last one without its end, too */
	assert_status("\"state\":\"ended\"");
	close_feed();
	open_feed("echo \"" TRADE "\"\n", "");
	run(0, "exit_code=0 lines=1");
	assert_status("\"state\":\"waiting\"");
	close_feed();
	open_feed("exit 3\n", "restart = failure");
	run(0, "exit_code=3 lines=0");
	assert_int_equal(rec.ended, 0);
	close_feed();
}

static void
garbage_is_named_by_its_line_skipped_and_soon_only_counted(void **state)
{
	(void)state;
	open_feed("echo hello; echo; echo '{\"symbol\":\"A/B\",\"price\":1}'\n"
	    "head -c 65536 /dev/zero | tr '\\0' x; echo; head -c 70000 /dev/zero | tr '\\0' y; echo\n"
	    "i=0; while [ $i -lt 100 ]; do printf '\\377\\033[31m\\n'; i=$((i + 1)); done\n"
	    "echo \"" TRADE "\"; sleep 100\n", "");
	run(1, NULL);
	assert_log("bad line skipped name=rec line=1 reason=\"it is no JSON\"");
	assert_log("line=3 reason=\"no quantity\"");
	assert_log("line=4 reason=\"it is no JSON\"");
	assert_log("line=5 reason=\"it is longer than 65536 bytes\"");
	assert_log("only counted, once a minute) name=rec line=21 ");
	assert_int_equal(log_count("bad line skipped"), 20);
	assert_status("\"lines\":106,\"bad_lines\":104");
	close_feed();
	/* What was held back is told when the program is ended, at the latest. */
}

static void
a_flood_leaves_the_loop_turning(void **state)
{
	(void)state;
	open_feed("yes \"" TRADE "\"\n", "");
	run(100000, NULL);
	assert_true(rec.most_in_a_turn <= 512);
	close_feed();
}

static void
a_pause_holds_the_program_back_and_loses_nothing(void **state)
{
	struct timeval	 soon = { .tv_usec = 300000 };

	(void)state;
	open_feed("i=1; while [ $i -le 3000 ]; do echo \"{\\\"symbol\\\":\\\"A/B\\\",\\\"price\\\":1,\\\"quantity\\\":1,"
	    "\\\"time\\\":1767225600,\\\"id\\\":$i}\"; i=$((i + 1)); done\n", "restart = failure");
	run(10, NULL);
	feed_pause(rec.feed);
	assert_status("\"state\":\"paused\"");
	rec.trades = 0;
	event_base_loopexit(rec.base, &soon);
	run(0, NULL);
	assert_int_equal(rec.trades, 0);
	assert_int_equal(rec.ended, 0);
	feed_resume(rec.feed);
	run(0, NULL);
	assert_int_equal(rec.ended, 1);
	assert_int_equal(rec.last.id, 3000);
	assert_status("\"trades\":3000");
	close_feed();
}

static void
silence_is_told_of_and_may_end_it(void **state)
{
	(void)state;
	open_feed("echo \"" TRADE "\"; while [ ! -e \"$1\" ]; do sleep 0.05; done; echo \"" TRADE "\"; sleep 100\n", "silent_after = 200ms");
	run(0, "prints nothing name=rec");
	assert_status("\"state\":\"silent\"");
	assert_true(feed_is_degraded(rec.feed));
	close(open(mark_path, O_CREAT | O_WRONLY, 0600));
	run(0, "prints again name=rec");
	assert_status("\"state\":\"running\"");
	assert_false(feed_is_degraded(rec.feed));
	close_feed();
	open_feed("echo \"" TRADE "\"; sleep 100\n", "silent_after = 200ms\non_silent = restart");
	run(0, "prints nothing, ending it");
	run(0, "the program has ended name=rec");
	assert_log("signal=15 lines=1");
	close_feed();
}

static void
what_cannot_be_run_is_told_with_the_reason(void **state)
{
	char	 keys[100];

	(void)state;
	snprintf(keys, sizeof(keys), "command = %s", script_path);
	open_feed("#!/nonexistent/interpreter\n", keys);
	run(0, "next_start_in_ms");
	assert_log("the program cannot be run name=rec");
	assert_log("No such file or directory");
	assert_status("\"state\":\"waiting\"");
	assert_true(feed_is_degraded(rec.feed));
	close_feed();
}

static void
a_command_that_is_no_program_is_found_by_the_check(void **state)
{
	static const char *const bad[][2] = {
		{ "command = sleep 1", "an absolute path, then its arguments" },
		{ "command = /nonexistent/program", "command: /nonexistent/program cannot be run (No such file or directory)" },
		{ "command = /etc/passwd", "(Permission denied)" },
		{ "command = /bin/true\nrestart = never", "restart: \"never\" is not allowed" },
		{ "", "command: is missing" },
	};
	char		 text[300], *errors;
	struct conf	*file;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[feed rec]\ntype = exec\nsymbols = A/B\n%s\n", bad[i][0]);
		file = conf_of(text);
		feed_free_all(feed_read_all(file));
		errors = conf_verdict(file);
		if (strstr(errors, bad[i][1]) == NULL)
			fail_msg("\"%s\" is not in \"%s\"", bad[i][1], errors);
		free(errors);
		conf_free(file);
	}
}

static void
its_standard_error_is_in_the_log_escaped_and_bounded(void **state)
{
	(void)state;
	open_feed("printf 'careful\\033[31m\\n' >&2; head -c 3000 /dev/zero | tr '\\0' x >&2; echo >&2\n"
	    "head -c 20000 /dev/zero | tr '\\0' y >&2; echo >&2\n"
	    "i=0; while [ $i -lt 5000 ]; do echo chatter >&2; i=$((i + 1)); done; echo last >&2\n", "restart = failure");
	run(0, NULL);
	assert_log("the program says name=rec text=\"careful\\x1b[31m\"");
	assert_int_equal(log_count("the program says"), 20);
	assert_log("the program said more name=rec lines=4984");
	assert_null(strstr(log_text(), "\033"));
	/* The longest line of the log holds 500 of the 3000. */
	assert_true(strlen(log_text()) < 6000);
	close_feed();
}

static void
it_inherits_nothing_but_the_three(void **state)
{
	sigset_t	 blocked, before;
	int		 fd = open("/dev/null", O_RDONLY);

	(void)state;
	assert_int_equal(dup2(fd, PIPE_FD), PIPE_FD);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	open_feed("cat; grep -E 'SigBlk|SigIgn' /proc/self/status >&2\n"
	    "for n in 3 4 5 6 7 8 9 50; do [ -e /proc/$$/fd/$n ] && [ \"$(readlink /proc/$$/fd/$n)\" != \"$0\" ] && echo \"leaked $n\" >&2; done\n"
	    "[ \"$(cut -d ' ' -f 5,6 /proc/$$/stat)\" = \"$$ $$\" ] && echo leads >&2; echo done >&2; sleep 100\n", "");
	run(0, "text=\"done\"");
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(fd);
	close(PIPE_FD);
	assert_log("SigBlk:\\x090000000000000000");
	assert_log("SigIgn:\\x090000000000000000");
	assert_log("text=\"leads\"");
	assert_int_equal(log_count("leaked"), 0);
	close_feed();
}

static bool
is_gone(pid_t pid)
{
	return kill(pid, 0) == -1 && errno == ESRCH;
}

static void
closing_ends_it_and_its_children_whatever_they_ignore(void **state)
{
	int64_t	 begin_us;
	pid_t	 pid, grandchild;

	(void)state;
	open_feed("trap '' TERM HUP\nsleep 1000 & echo $! >\"$1\"; echo \"" TRADE "\"; wait; while :; do sleep 1000; done\n", "");
	run(1, NULL);
	pid = pid_in_status();
	grandchild = (pid_t)number_in_mark();
	assert_true(grandchild > 0 && !is_gone(grandchild));
	begin_us = clock_mono_us();
	close_feed();
	/* A second for it to end by itself, then no more. */
	assert_true(clock_mono_us() - begin_us >= 900000);
	assert_true(is_gone(pid));
	/* Its new parent may still have to collect it. */
	for (int i = 0; i < 1000 && !is_gone(grandchild); i++) {
		char	 path[64], line[256] = "";
		FILE	*in;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)grandchild);
		if ((in = fopen(path, "r")) == NULL || fgets(line, sizeof(line), in) == NULL || strstr(line, ") Z ") != NULL) {
			if (in != NULL)
				fclose(in);
			return;
		}
		fclose(in);
		usleep(10000);
	}
	assert_true(is_gone(grandchild));
}

static void
what_it_leaves_behind_ends_with_it(void **state)
{
	(void)state;
	/* The child holds the pipes open: that must not keep the next run waiting. */
	open_feed("trap '' TERM\nsleep 1000 & echo \"" TRADE "\"\n", "restart = failure");
	run(0, NULL);
	assert_int_equal(rec.ended, 1);
	close_feed();
}

static void
one_that_closes_its_output_is_ended(void **state)
{
	(void)state;
	open_feed("echo \"" TRADE "\"; exec >&-; sleep 100\n", "");
	run(0, "has closed its standard output");
	run(0, "the program has ended name=rec");
	close_feed();
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_setup_teardown(its_lines_are_delivered_and_it_knows_for_whom, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_dies_is_started_again_and_told_where_to_go_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(exit_0_ends_the_feed_only_when_it_is_to, set_up, tear_down),
		cmocka_unit_test_setup_teardown(garbage_is_named_by_its_line_skipped_and_soon_only_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_flood_leaves_the_loop_turning, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_pause_holds_the_program_back_and_loses_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(silence_is_told_of_and_may_end_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_run_is_told_with_the_reason, set_up, tear_down),
		cmocka_unit_test(a_command_that_is_no_program_is_found_by_the_check),
		cmocka_unit_test_setup_teardown(its_standard_error_is_in_the_log_escaped_and_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_inherits_nothing_but_the_three, set_up, tear_down),
		cmocka_unit_test_setup_teardown(closing_ends_it_and_its_children_whatever_they_ignore, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_it_leaves_behind_ends_with_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_closes_its_output_is_ended, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("feed_exec", tests, NULL, NULL);
}
