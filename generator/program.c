#include "generator/program.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"

/* The guard: its standard input ends with us. */
static char	 sh[] = "/bin/sh", dash_c[] = "-c", guard_name[] = "tocsin-guard",
    guard_script[] = "read -r line; kill -TERM \"-$1\"; sleep 1; kill -KILL \"-$1\"";

struct program {
	pid_t			 pid, guard;		/* -1: none */
	int			 guard_fd;		/* what the guard reads from */
	int			 pidfd, exec_fd;	/* exec_fd: errno of a failed exec */
	struct event		*on_end, *on_grace;
	bool			 stopping;
	int64_t			 kill_at_us;		/* monotonic, once it is stopping */
	program_ended_cb	 ended;
	void			*arg;
};

/* The child, from fork to exec: async-signal-safe calls only. */

/* Handlers first: unblocked before that, a signal would run this process's own in the child. */
static void
reset_signals(void)
{
	struct sigaction	 sa = { .sa_handler = SIG_DFL };
	sigset_t		 none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &sa, NULL);	/* KILL, STOP and the C library's own refuse */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * 0, 1 and 2 (/dev/null for -1), by way of numbers above them; the exec pipe, if
 * there is one, behind them, nothing else.
 */
static bool
arrange_descriptors(const int wanted[3], int *exec_fd)
{
	int	 null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[3];

	if (null == -1 || (*exec_fd != -1 && (*exec_fd = fcntl(*exec_fd, F_DUPFD_CLOEXEC, 4)) == -1))
		return false;
	for (int i = 0; i < 3; i++)
		if ((fds[i] = fcntl(wanted[i] == -1 ? null : wanted[i], F_DUPFD_CLOEXEC, 4)) == -1)
			return false;
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) == -1)
			return false;
	if (*exec_fd == -1)
		return close_range(3, ~0U, 0) == 0 || errno == ENOSYS;
	if (dup3(*exec_fd, 3, O_CLOEXEC) == -1)
		return false;
	*exec_fd = 3;
	return close_range(4, ~0U, 0) == 0 || errno == ENOSYS;
}

/* `parent` 0: no death of it is to end this one. */
static bool
become(char *const argv[], char *const envp[], pid_t parent, const int fds[3], int *exec_fd)
{
	if (!arrange_descriptors(fds, exec_fd) || setsid() == -1)
		return false;
	if (parent != 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) == -1)
		return false;
	errno = ESRCH;
	if (parent != 0 && getppid() != parent)		/* it died before we asked */
		return false;
	reset_signals();
	execve(argv[0], argv, envp);
	return false;
}

static void __attribute__((noreturn))
child(char *const argv[], char *const envp[], pid_t parent, const int fds[3], int exec_fd)
{
	int	 error;
	ssize_t	 n;

	(void)become(argv, envp, parent, fds, &exec_fd);
	error = errno;
	n = write(exec_fd, &error, sizeof(error));
	(void)n;	/* unread, it is an exit 127 with no reason given */
	_exit(127);
}

/* The parent */

/* What is left of its group, while the leader's number is still its own. */
static void
kill_group(const struct program *p, int sig)
{
	/* Right after its fork it has no group yet: then the signal waits for it. */
	if (kill(-p->pid, sig) == -1)
		(void)kill(p->pid, sig);
}

static int
read_exec_error(const struct program *p)
{
	int	 error;

	/* A good exec closed the other end without a word. */
	return read(p->exec_fd, &error, sizeof(error)) == sizeof(error) ? error : 0;
}

/* The program has ended: its number may soon be another's. */
static void
end_guard(struct program *p)
{
	if (p->guard != -1) {
		(void)kill(p->guard, SIGKILL);
		while (waitpid(p->guard, NULL, 0) == -1 && errno == EINTR)
			;
	}
	p->guard = -1;
	fd_close(&p->guard_fd);
}

static int
collect(struct program *p)
{
	int	 status = 0;

	kill_group(p, SIGKILL);
	while (waitpid(p->pid, &status, 0) == -1 && errno == EINTR)
		;
	p->pid = -1;
	end_guard(p);
	return status;
}

static void
ended_cb(evutil_socket_t fd, short what, void *arg)
{
	struct program	*p = arg;
	int		 status, error;

	(void)fd, (void)what;
	event_del(p->on_end);
	event_del(p->on_grace);
	status = collect(p);
	error = read_exec_error(p);
	p->ended(status, error, p->arg);
}

static void
grace_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	kill_group(arg, SIGKILL);
}

static void
watch(struct program *p, struct event_base *base)
{
	p->on_end = event_new(base, p->pidfd, EV_READ, ended_cb, p);
	p->on_grace = evtimer_new(base, grace_cb, p);
	if (p->on_end == NULL || p->on_grace == NULL || event_add(p->on_end, NULL) == -1)
		fatalx("program", "cannot watch a process");
}

static pid_t
start(char *const argv[], char *const envp[], pid_t parent, const int fds[3], int exec_fd)
{
	sigset_t	 all, old;
	pid_t		 pid;
	int		 saved;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	if ((pid = fork()) == 0)
		child(argv, envp, parent, fds, exec_fd);
	saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return pid;
}

static int
start_guard(struct program *p)
{
	char		 group[24], *argv[] = { sh, dash_c, guard_script, guard_name, group, NULL }, *envp[] = { NULL };
	int		 alive[2];

	snprintf(group, sizeof(group), "%d", (int)p->pid);
	if (pipe2(alive, O_CLOEXEC) == -1)
		return -1;
	p->guard_fd = alive[1];
	p->guard = start(argv, envp, 0, (const int[]){ alive[0], -1, -1 }, -1);
	fd_close(&alive[0]);
	return p->guard == -1 ? -1 : 0;
}

struct program *
program_start(struct event_base *base, char *const argv[], char *const envp[], int *out_fd, int *err_fd, program_ended_cb ended,
    void *arg)
{
	int		 out[2] = { -1, -1 }, err[2] = { -1, -1 }, result[2] = { -1, -1 };
	struct program	*p = xcalloc(1, sizeof(*p));
	int		 saved;

	*p = (struct program){ .pid = -1, .guard = -1, .guard_fd = -1, .pidfd = -1, .exec_fd = -1, .ended = ended, .arg = arg };
	if (pipe2(out, O_CLOEXEC) == -1 || pipe2(err, O_CLOEXEC) == -1 || pipe2(result, O_CLOEXEC) == -1 ||
	    fd_nonblock(out[0]) == -1 || fd_nonblock(err[0]) == -1 || fd_nonblock(result[0]) == -1)
		goto failed;
	if ((p->pid = start(argv, envp, getpid(), (const int[]){ -1, out[1], err[1] }, result[1])) == -1)
		goto failed;
	if (start_guard(p) == -1 || (p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0)) == -1) {
		saved = errno;
		(void)collect(p);
		errno = saved;
		goto failed;
	}
	fd_close(&out[1]);
	fd_close(&err[1]);
	fd_close(&result[1]);
	*out_fd = out[0];
	*err_fd = err[0];
	p->exec_fd = result[0];
	watch(p, base);
	return p;
failed:
	for (int i = 0; i < 2; i++) {
		fd_close(&out[i]);
		fd_close(&err[i]);
		fd_close(&result[i]);
	}
	free(p);
	return NULL;
}

pid_t
program_pid(const struct program *p)
{
	return p->pid;
}

void
program_stop(struct program *p)
{
	const struct timeval	 grace = clock_timeval_ms(PROGRAM_GRACE_MS);

	if (p->stopping || p->pid == -1)
		return;
	p->stopping = true;
	p->kill_at_us = clock_mono_us() + PROGRAM_GRACE_MS * INT64_C(1000);
	kill_group(p, SIGTERM);
	/* A stopped one would not even see it. */
	kill_group(p, SIGCONT);
	event_add(p->on_grace, &grace);
}

static void
await_end(struct program *p)
{
	struct pollfd	 end = { .fd = p->pidfd, .events = POLLIN };
	int64_t		 left_us;

	while ((left_us = p->kill_at_us - clock_mono_us()) > 0)
		if (poll(&end, 1, (int)(left_us / 1000) + 1) == 1)
			break;
	(void)collect(p);
}

void
program_free(struct program *p)
{
	if (p == NULL)
		return;
	if (p->pid != -1) {
		program_stop(p);
		await_end(p);
	}
	event_free(p->on_end);
	event_free(p->on_grace);
	fd_close(&p->pidfd);
	fd_close(&p->exec_fd);
	free(p);
}
