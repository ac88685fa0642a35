/*
 * beater: the child that supervise.c has supervised, as small as one can be.
 *
 *	beater STAMPS INTERVAL_MS
 *
 * The very first thing it does is to read the clock; "PID CLOCK_MONOTONIC_ns" goes to STAMPS (a file or a FIFO).  Then it
 * is READY and beats every INTERVAL_MS down TOCSIN_HEARTBEAT_FD, until the pipe breaks or SIGTERM comes.  SIGUSR1 makes it
 * loop for ever without a beat, SIGUSR2 wait for ever for a mutex that it holds.  Without a pipe it only waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static const int handled_signals[] = { SIGTERM, SIGUSR1, SIGUSR2 };
static volatile sig_atomic_t asked;

static void
ask(int sig)
{
	asked = sig;
}

/* Blocked but for the wait, so that none is missed between a look at `asked` and the wait. */
static void
take_signals(sigset_t *while_waiting)
{
	struct sigaction	 action = { .sa_handler = ask };
	sigset_t		 handled;

	sigemptyset(&handled);
	for (size_t i = 0; i < sizeof(handled_signals) / sizeof(handled_signals[0]); i++) {
		sigaddset(&handled, handled_signals[i]);
		sigaction(handled_signals[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &handled, while_waiting);
	signal(SIGPIPE, SIG_IGN);
}

static int
stamp(const char *path, const struct timespec *born)
{
	char	 line[64];
	int	 len = snprintf(line, sizeof(line), "%d %lld\n", (int)getpid(), born->tv_sec * 1000000000LL + born->tv_nsec);
	int	 fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd == -1 || write(fd, line, (size_t)len) != len)
		return -1;
	return close(fd);
}

static int
say(int fd, const char *line)
{
	size_t	 len = strlen(line);

	return fd == -1 || write(fd, line, len) == (ssize_t)len ? 0 : -1;
}

static void __attribute__((noreturn))
loop_for_ever(void)
{
	volatile uint64_t	 turns = 0;

	for (;;)
		turns++;
}

static void __attribute__((noreturn))
deadlock(void)
{
	static pthread_mutex_t	 mutex = PTHREAD_MUTEX_INITIALIZER;

	for (;;)
		pthread_mutex_lock(&mutex);
}

static int
beat(int fd, const struct timespec *interval, const sigset_t *while_waiting)
{
	struct pollfd	 pipe_end = { .fd = fd };	/* no events: the breaking of the pipe is told unasked */
	int		 n;

	for (;;) {
		n = ppoll(&pipe_end, 1, fd == -1 ? NULL : interval, while_waiting);
		if (asked == SIGUSR1)
			loop_for_ever();
		if (asked == SIGUSR2)
			deadlock();
		if (asked == SIGTERM || n > 0 || (n == -1 && errno != EINTR) || say(fd, "WATCHDOG=1\n") == -1)
			return 0;
	}
}

int
main(int argc, char **argv)
{
	struct timespec	 born, interval;
	sigset_t	 while_waiting;
	const char	*pipe_number;
	long		 interval_ms;
	int		 fd = -1;

	clock_gettime(CLOCK_MONOTONIC, &born);
	if (argc != 3 || stamp(argv[1], &born) == -1)
		return 2;
	if ((pipe_number = getenv("TOCSIN_HEARTBEAT_FD")) != NULL)
		fd = (int)strtol(pipe_number, NULL, 10);
	else
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a bare supervisor has no other way to end it */
	interval_ms = strtol(argv[2], NULL, 10);
	interval = (struct timespec){ interval_ms / 1000, interval_ms % 1000 * 1000000 };
	take_signals(&while_waiting);
	return say(fd, "READY=1\n") == -1 ? 2 : beat(fd, &interval, &while_waiting);
}
