#include "watchdog/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/suite.h"
#include "watchdog/operate.h"
#include "watchdog/program.h"

#define PATIENCE_MS	10000		/* then we say what we wait for */
#define END_LIMIT_US	INT64_C(5000000)
#define END_PAUSE_NS	10000000

enum verdict { VERDICT_NONE, VERDICT_SOME_UP, VERDICT_ALL_UP };

bool
launch_is_verdict(const char *line, bool *all_up)
{
	static const char	 start[] = "tocsin-watchdog: running, ";
	unsigned long		 up, all;
	const char		*at = line + sizeof(start) - 1;
	char			*end;

	if (strncmp(line, start, sizeof(start) - 1) != 0)
		return false;
	up = strtoul(at, &end, 10);
	if (end == at || strncmp(end, " of ", 4) != 0)
		return false;
	at = end + 4;
	all = strtoul(at, &end, 10);
	if (end == at)
		return false;
	*all_up = up == all;
	return true;
}

static void __attribute__((noreturn))
be_watchdog(const char *program, const char *conf_path, int err)
{
	const char *const	 argv[] = { "tocsin-watchdog", "-c", conf_path, NULL };
	int			 nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* A session of its own: no Ctrl-C and no hang-up of this terminal reaches it. */
	if (setsid() == -1 || chdir("/") == -1 || nothing == -1 || dup2(nothing, STDIN_FILENO) == -1 ||
	    dup2(nothing, STDOUT_FILENO) == -1 || dup2(err, STDERR_FILENO) == -1) {
		dprintf(err, "tocsin: cannot start the watchdog: %s\n", strerror(errno));
		_exit(EXIT_TEMPORARY);
	}
	_exit(program_become(program, argv));
}

/* Hand on every line as it comes, until the watchdog has closed its end: decided, or dead. */
static enum verdict
listen_to(int fd)
{
	struct pollfd	 p = { .fd = fd, .events = POLLIN };
	enum verdict	 verdict = VERDICT_NONE;
	FILE		*in;
	char		*line = NULL;
	size_t		 cap = 0;
	bool		 all_up;

	/* Once is enough; Ctrl-C ends this command and not what it has started. */
	if (poll(&p, 1, PATIENCE_MS) == 0)
		fprintf(stderr, "tocsin: waiting until every process is up or has failed; Ctrl-C ends only the waiting\n");
	if ((in = fdopen(fd, "r")) == NULL) {
		close(fd);
		return VERDICT_NONE;
	}
	while (getline(&line, &cap, in) != -1) {
		(void)fputs(line, stderr);	/* nowhere to complain if that fails */
		if (launch_is_verdict(line, &all_up))
			verdict = all_up ? VERDICT_ALL_UP : VERDICT_SOME_UP;
	}
	free(line);
	fclose(in);
	return verdict;
}

/* It said nothing of running, so it should have ended by now. */
static int
exit_code_of(pid_t pid)
{
	const struct timespec	 pause = { 0, END_PAUSE_NS };
	int64_t			 limit_us = clock_mono_us() + END_LIMIT_US;
	int			 status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_mono_us() > limit_us) {
			fprintf(stderr, "tocsin: the watchdog (pid %d) has not said whether it runs: ask `tocsin status`\n", (int)pid);
			return EXIT_NOT_DONE;
		}
		(void)nanosleep(&pause, NULL);
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "tocsin: the watchdog died at its start: signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
	return EXIT_TEMPORARY;
}

int
launch_watchdog(const char *conf_path)
{
	char	 program[PATH_MAX];
	int	 pfd[2];
	pid_t	 pid;

	if (program_find("tocsin-watchdog", program) == -1)
		return EXIT_TEMPORARY;
	(void)fflush(stdout);
	if (pipe2(pfd, O_CLOEXEC) == -1 || (pid = fork()) == -1) {
		fprintf(stderr, "tocsin: cannot start the watchdog: %s\n", strerror(errno));
		return EXIT_TEMPORARY;
	}
	if (pid == 0)
		be_watchdog(program, conf_path, pfd[1]);
	fd_close(&pfd[1]);
	switch (listen_to(pfd[0])) {
	case VERDICT_ALL_UP:
		return EXIT_DONE;
	case VERDICT_SOME_UP:
		return EXIT_NOT_DONE;
	case VERDICT_NONE:
		break;
	}
	return exit_code_of(pid);
}
