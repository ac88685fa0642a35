/* What the kernel says of processes in every state that the watchdog tells apart. */
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "watchdog/procfs.h"

static pid_t
child(void (*body)(void))
{
	pid_t	 pid = fork();

	if (pid == 0) {
		body();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void
sleeping(void)
{
	for (;;)
		pause();
}

static void
spinning(void)
{
	for (;;)
		;
}

static void
catching(void)
{
	(void)signal(SIGHUP, SIG_IGN);
	sleeping();
}

/* Its state becomes what is expected: fork and signals take a moment. */
static void
becomes(pid_t pid, char state)
{
	const struct timespec	 moment = { 0, 1000000 };
	struct procfs_usage	 u;

	for (int i = 0; i < 10000; i++) {
		assert_true(procfs_usage(pid, &u));
		if (u.state == state)
			return;
		(void)nanosleep(&moment, NULL);
	}
	fail_msg("state is %c, not %c", u.state, state);
}

static void
end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
running_sleeping_stopped(void **state)
{
	pid_t	 sleeper = child(sleeping), spinner = child(spinning);

	(void)state;
	becomes(sleeper, 'S');
	becomes(spinner, 'R');
	assert_int_equal(kill(sleeper, SIGSTOP), 0);
	becomes(sleeper, 'T');
	assert_int_equal(kill(sleeper, SIGCONT), 0);
	becomes(sleeper, 'S');
	end(sleeper);
	end(spinner);
}

static void
held_by_a_debugger(void **state)
{
	pid_t	 pid = child(sleeping);

	(void)state;
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == -1) {
		end(pid);
		skip();		/* forbidden here, by yama or a container */
	}
	assert_int_equal(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
	becomes(pid, 't');
	end(pid);
}

static void
one_that_is_gone_is_unknown(void **state)
{
	pid_t			 pid = child(sleeping);
	struct procfs_usage	 u;
	struct procfs_turns	 t;

	(void)state;
	end(pid);
	assert_false(procfs_usage(pid, &u));
	assert_int_equal(u.state, '?');
	assert_int_equal(u.rss_kb, -1);
	assert_false(procfs_turns(pid, &t));
	assert_true(procfs_handles(pid, SIGHUP));
}

static void
own_usage_and_turns_grow(void **state)
{
	struct procfs_usage	 u;
	struct procfs_turns	 before, now;

	(void)state;
	assert_true(procfs_usage(getpid(), &u));
	assert_true(u.rss_kb > 0 && u.cpu_ms >= 0);
	if (!procfs_turns(getpid(), &before))
		skip();		/* a kernel without schedstats */
	do
		assert_true(procfs_turns(getpid(), &now));
	while (now.ran_us <= before.ran_us);
	assert_true(now.waited_us >= before.waited_us);
}

static void
who_takes_a_signal(void **state)
{
	const struct timespec	 moment = { 0, 1000000 };
	pid_t			 sleeper = child(sleeping), catcher = child(catching);

	(void)state;
	for (int i = 0; i < 10000 && !procfs_handles(catcher, SIGHUP); i++)
		(void)nanosleep(&moment, NULL);
	assert_true(procfs_handles(catcher, SIGHUP));
	assert_false(procfs_handles(catcher, SIGUSR1));
	assert_false(procfs_handles(sleeper, SIGHUP));
	end(sleeper);
	end(catcher);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(running_sleeping_stopped),
		cmocka_unit_test(held_by_a_debugger),
		cmocka_unit_test(one_that_is_gone_is_unknown),
		cmocka_unit_test(own_usage_and_turns_grow),
		cmocka_unit_test(who_takes_a_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
