#include "generator/program.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"

struct program {
	pid_t			 pid;
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

/* 0, 1 and 2, by way of numbers above them; the exec pipe behind them, nothing else. */
static bool
arrange_descriptors(int out, int err, int *exec_fd)
{
	int	 null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null == -1 || (null = fcntl(null, F_DUPFD_CLOEXEC, 4)) == -1 || (out = fcntl(out, F_DUPFD_CLOEXEC, 4)) == -1 ||
	    (err = fcntl(err, F_DUPFD_CLOEXEC, 4)) == -1 || (*exec_fd = fcntl(*exec_fd, F_DUPFD_CLOEXEC, 4)) == -1)
		return false;
	if (dup2(null, 0) == -1 || dup2(out, 1) == -1 || dup2(err, 2) == -1 || dup3(*exec_fd, 3, O_CLOEXEC) == -1)
		return false;
	*exec_fd = 3;
	return close_range(4, ~0U, 0) == 0 || errno == ENOSYS;
}

static bool
become(char *const argv[], char *const envp[], pid_t parent, int out, int err, int *exec_fd)
{
	if (!arrange_descriptors(out, err, exec_fd) || setsid() == -1 || prctl(PR_SET_PDEATHSIG, SIGTERM) == -1)
		return false;
	errno = ESRCH;
	if (getppid() != parent)	/* it died before we asked */
		return false;
	reset_signals();
	execve(argv[0], argv, envp);
	return false;
}

static void __attribute__((noreturn))
child(char *const argv[], char *const envp[], pid_t parent, int out, int err, int exec_fd)
{
	int	 error;
	ssize_t	 n;

	(void)become(argv, envp, parent, out, err, &exec_fd);
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

static int
collect(struct program *p)
{
	int	 status = 0;

	kill_group(p, SIGKILL);
	while (waitpid(p->pid, &status, 0) == -1 && errno == EINTR)
		;
	p->pid = -1;
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
start(char *const argv[], char *const envp[], int out, int err, int exec_fd)
{
	sigset_t	 all, old;
	pid_t		 self = getpid(), pid;
	int		 saved;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	if ((pid = fork()) == 0)
		child(argv, envp, self, out, err, exec_fd);
	saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return pid;
}

struct program *
program_start(struct event_base *base, char *const argv[], char *const envp[], int *out_fd, int *err_fd, program_ended_cb ended,
    void *arg)
{
	int		 out[2] = { -1, -1 }, err[2] = { -1, -1 }, result[2] = { -1, -1 };
	struct program	*p = xcalloc(1, sizeof(*p));

	*p = (struct program){ .pid = -1, .pidfd = -1, .exec_fd = -1, .ended = ended, .arg = arg };
	if (pipe2(out, O_CLOEXEC) == -1 || pipe2(err, O_CLOEXEC) == -1 || pipe2(result, O_CLOEXEC) == -1 ||
	    fd_nonblock(out[0]) == -1 || fd_nonblock(err[0]) == -1 || fd_nonblock(result[0]) == -1)
		goto failed;
	if ((p->pid = start(argv, envp, out[1], err[1], result[1])) == -1)
		goto failed;
	if ((p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0)) == -1) {
		(void)collect(p);
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
