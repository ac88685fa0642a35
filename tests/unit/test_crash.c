/* A child crashes in every way; its last words and its wait status are looked at. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/crash.h"

static const int	 fatal_signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
#define FATAL_COUNT	(sizeof(fatal_signals) / sizeof(fatal_signals[0]))

static char		 heard[65536];	/* what the child wrote to descriptor 2 */
static pid_t		 child;
static int		 send_when_stopped;	/* a signal for the child as soon as it has stopped itself */
static volatile bool	 always = true;

static void
become_quiet(int fd)
{
	const struct rlimit	 no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	alarm(20);
	dup2(fd, STDERR_FILENO);
	/* cmocka has its own for most of them while a test runs, a sanitizer too. */
	for (size_t i = 0; i < FATAL_COUNT; i++)
		signal(fatal_signals[i], SIG_DFL);
}

/* Run `way` in a child; its wait status, and `heard`. */
static int
after(void (*way)(void))
{
	size_t	 len = 0;
	ssize_t	 n;
	int	 pipe_fds[2], status;

	fflush(NULL);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_not_equal(child = fork(), -1);
	if (child == 0) {
		become_quiet(pipe_fds[1]);
		way();
		_exit(0);
	}
	close(pipe_fds[1]);
	if (send_when_stopped != 0) {
		assert_int_equal(waitpid(child, &status, WUNTRACED), child);
		kill(child, send_when_stopped);
		kill(child, SIGCONT);
	}
	while (len < sizeof(heard) - 1 && (n = read(pipe_fds[0], heard + len, sizeof(heard) - 1 - len)) > 0)
		len += (size_t)n;
	heard[len] = '\0';
	close(pipe_fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
assert_killed(int status, int sig)
{
	if (!WIFSIGNALED(status) || WTERMSIG(status) != sig)
		fail_msg("wait status %#x is not a death by signal %d; it said: %s", (unsigned)status, sig, heard);
}

static void
assert_said(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
assert_said(const char *fmt, ...)
{
	char	 want[200];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(want, sizeof(want), fmt, ap);
	va_end(ap);
	if (strstr(heard, want) == NULL)
		fail_msg("no \"%s\" in: %s", want, heard);
}

/* Every line is one of ours, and there are some frames among them. */
static void
assert_every_line_greps(void)
{
	char	 ours[64], *end;
	int	 frames = 0;

	snprintf(ours, sizeof(ours), "Z tester[%d] error crash: ", (int)child);
	for (char *line = heard; *line != '\0'; line = end + 1) {
		assert_non_null(end = strchr(line, '\n'));
		*end = '\0';
		if (strncmp(line, "20", 2) != 0 || strncmp(line + 23, ours, strlen(ours)) != 0)
			fail_msg("a line of another form: %s", line);
		frames += strstr(line, " frame=") != NULL && strstr(line, " at=") != NULL && strstr(line, "[0x") != NULL;
		*end = '\n';
	}
	assert_true(frames >= 3);
}

static void
abort_way(void)
{
	crash_init("tester");
	abort();
}

static void
an_abort_is_told_with_its_trace(void **state)
{
	(void)state;
	assert_killed(after(abort_way), SIGABRT);
	assert_said("Z tester[%d] error crash: signal=6 name=SIGABRT code=-6 sender_pid=%d\n", (int)child, (int)child);
	assert_said(" frame=0 at=");
	assert_every_line_greps();
}

static void
stopped_way(void)
{
	crash_init("tester");
	raise(SIGSTOP);
	pause();
}

static void
the_sender_of_a_signal_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < FATAL_COUNT; i++) {
		send_when_stopped = fatal_signals[i];
		assert_killed(after(stopped_way), fatal_signals[i]);
		send_when_stopped = 0;
		assert_said(" error crash: signal=%d name=SIG", fatal_signals[i]);
		assert_said(" code=0 sender_pid=%d\n", (int)getpid());
		assert_every_line_greps();
	}
}

/* A page nobody may touch, at an address that can be told beforehand. */
#define BAD_PAGE	((void *)0x200000000000)

static void
segv_way(void)
{
	volatile char	*page = mmap(BAD_PAGE, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	crash_init("tester");
	if (page != MAP_FAILED)
		page[16] = 1;
}

static void
a_fault_is_told_with_its_address(void **state)
{
	(void)state;
	assert_killed(after(segv_way), SIGSEGV);
	assert_said(" error crash: signal=11 name=SIGSEGV code=%d address=0x200000000010\n", SEGV_ACCERR);
	assert_every_line_greps();
}

/* A page of a file behind the file's end. */
static void
bus_way(void)
{
	FILE		*empty = tmpfile();
	volatile char	*page;

	crash_init("tester");
	if (empty == NULL)
		return;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(empty), 0);
	if (page != MAP_FAILED)
		page[0] = 1;
}

static void
a_bus_error_is_told(void **state)
{
	(void)state;
	assert_killed(after(bus_way), SIGBUS);
	assert_said(" error crash: signal=7 name=SIGBUS code=%d address=0x", BUS_ADRERR);
	assert_every_line_greps();
}

static int __attribute__((noinline))
deeper(volatile char *above)
{
	volatile char	 here[512];

	here[0] = above[0];
	return always ? deeper(here) + here[0] : 0;
}

static void
overflow_way(void)
{
	volatile char	 first = 1;

	crash_init("tester");
	deeper(&first);
}

static void
a_stack_overflow_still_has_its_trace(void **state)
{
	(void)state;
	assert_killed(after(overflow_way), SIGSEGV);
	assert_said(" error crash: signal=11 name=SIGSEGV code=");
	assert_said(" frame=30 at=");
	assert_every_line_greps();
}

/* A handler held up, here by a log that takes nothing, until the next signal. */
static void
second_crash_way(void)
{
	int	 full[2];
	char	 byte = 0;

	crash_init("tester");
	if (pipe(full) == -1 || fcntl(full[1], F_SETFL, O_NONBLOCK) == -1)
		return;
	while (write(full[1], &byte, 1) == 1)
		continue;
	if (fcntl(full[1], F_SETFL, 0) == -1)
		return;
	dup2(full[1], STDERR_FILENO);	/* the handler hangs in its first write */
	if (fork() == 0) {
		const struct timespec	 a_while = { .tv_nsec = 200000000 };

		nanosleep(&a_while, NULL);
		kill(getppid(), SIGBUS);
		_exit(0);
	}
	raise(SIGSEGV);
}

static void
a_second_crash_ends_it_at_once(void **state)
{
	(void)state;
	assert_killed(after(second_crash_way), SIGBUS);
	assert_string_equal(heard, "");
}

static void
own_handler(int sig)
{
	(void)sig;
	_exit(42);
}

static void
handled_way(void)
{
	signal(SIGFPE, own_handler);
	signal(SIGILL, SIG_IGN);
	crash_init("tester");
	raise(SIGILL);
	raise(SIGFPE);
}

static void
a_handler_that_was_there_stays(void **state)
{
	int	 status;

	(void)state;
	status = after(handled_way);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	assert_string_equal(heard, "");
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(an_abort_is_told_with_its_trace),
		cmocka_unit_test(the_sender_of_a_signal_is_named),
		cmocka_unit_test(a_fault_is_told_with_its_address),
		cmocka_unit_test(a_bus_error_is_told),
		cmocka_unit_test(a_stack_overflow_still_has_its_trace),
		cmocka_unit_test(a_second_crash_ends_it_at_once),
		cmocka_unit_test(a_handler_that_was_there_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
