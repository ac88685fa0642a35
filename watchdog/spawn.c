#include "watchdog/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/heartbeat.h"
#include "common/log.h"
#include "watchdog/folder.h"

#define LISTEN_FIRST	3	/* SD_LISTEN_FDS_START */
#define OURS_MAX	8	/* variables that we add, see build_environment() */

struct spawn_plan {
	char		**argv;			/* borrowed from the configuration */
	char		**envp;			/* owned, the strings too */
	char		*listen_pid;		/* the one of envp that the child itself completes, or NULL */
	char		*log_path, *old_log_path, *folder;
	const struct process_conf *conf;	/* borrowed */
	const struct suite_conf *suite;		/* borrowed */
	int		*inherited;		/* sockets, heartbeat, lock: they become LISTEN_FIRST … */
	size_t		 socket_count;
};

static char *
variable(const char *name, const char *value)
{
	size_t	 size = strlen(name) + strlen(value) + 2;
	char	*text = xcalloc(1, size);

	snprintf(text, size, "%s=%s", name, value);
	return text;
}

static char *
number_variable(const char *name, size_t value)
{
	char	 text[24];

	snprintf(text, sizeof(text), "%zu", value);
	return variable(name, text);
}

/* What our own supervisor told us is not for our children. */
bool
spawn_is_private(const char *entry, bool change_user)
{
	static const char *const names[] = {
		"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
		HEARTBEAT_FD_ENV, LOG_PATH_ENV, "TOCSIN_PROCESS", "HOME", "USER", "LOGNAME"
	};
	size_t			 count = sizeof(names) / sizeof(names[0]), len = strcspn(entry, "=");

	for (size_t i = 0; i < (change_user ? count : count - 3); i++)
		if (strlen(names[i]) == len && memcmp(names[i], entry, len) == 0)
			return true;
	return false;
}

static void
build_environment(struct spawn_plan *plan, const struct process_conf *conf)
{
	size_t	 count = 0, n = 0;

	while (environ[count] != NULL)
		count++;
	plan->envp = xcalloc(count + OURS_MAX + 1, sizeof(*plan->envp));
	for (size_t i = 0; i < count; i++)
		if (!spawn_is_private(environ[i], conf->identity.change))
			plan->envp[n++] = xstrdup(environ[i]);
	plan->envp[n++] = number_variable(HEARTBEAT_FD_ENV, LISTEN_FIRST + plan->socket_count);
	plan->envp[n++] = variable(LOG_PATH_ENV, plan->log_path);
	plan->envp[n++] = variable("TOCSIN_PROCESS", conf->name);
	if (plan->socket_count > 0) {
		plan->envp[n++] = number_variable("LISTEN_FDS", plan->socket_count);
		plan->listen_pid = plan->envp[n++] = variable("LISTEN_PID", "0000000000");
	}
	if (conf->identity.change) {
		plan->envp[n++] = variable("HOME", conf->identity.home);
		plan->envp[n++] = variable("USER", conf->user);
		plan->envp[n] = variable("LOGNAME", conf->user);
	}
}

struct spawn_plan *
spawn_plan_new(const struct process_conf *conf, const struct suite_conf *suite, const int *listen_fds, size_t listen_count)
{
	struct spawn_plan	*plan = xcalloc(1, sizeof(*plan));

	plan->argv = conf->argv;
	plan->conf = conf;
	plan->suite = suite;
	plan->socket_count = listen_count;
	plan->inherited = xcalloc(listen_count + 2, sizeof(int));
	for (size_t i = 0; i < listen_count; i++)
		plan->inherited[i] = listen_fds[i];
	plan->log_path = folder_path(suite->log_dir, conf->name, ".log");
	plan->old_log_path = folder_path(suite->log_dir, conf->name, ".log.1");
	plan->folder = folder_path(suite->state_dir, conf->name, "");
	build_environment(plan, conf);
	return plan;
}

void
spawn_plan_free(struct spawn_plan *plan)
{
	if (plan == NULL)
		return;
	for (char **e = plan->envp; *e != NULL; e++)
		free(*e);
	free(plan->envp);
	free(plan->log_path);
	free(plan->old_log_path);
	free(plan->folder);
	free(plan->inherited);
	free(plan);
}

/*
 * The child, from fork to exec: async-signal-safe calls only.  Each step says
 * whether it went well; errno is told to the watchdog when not.
 */

/* Handlers first: unblocked before that, a signal would run the watchdog's own in the child. */
bool
spawn_reset_signals(void)
{
	struct sigaction	 sa = { .sa_handler = SIG_DFL };
	sigset_t		 none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &sa, NULL);	/* KILL, STOP and the C library's own refuse */
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) == 0 && setsid() != -1;
}

/* A limit that cannot be had is no reason not to start. */
static void
set_limits(const struct process_conf *conf, bool may_dump)
{
	struct rlimit	 files, core = { RLIM_INFINITY, RLIM_INFINITY }, data = { (rlim_t)conf->max_memory, (rlim_t)conf->max_memory };

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_max = (rlim_t)conf->max_open_files;
		if (files.rlim_cur > files.rlim_max)
			files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	/* 1, not 0: core(5) lets a pipe in core_pattern have its dump at 0 all the same. */
	if (!may_dump)
		core = (struct rlimit){ 1, 1 };
	else if (setrlimit(RLIMIT_CORE, &core) == -1 && getrlimit(RLIMIT_CORE, &core) == 0)
		core.rlim_cur = core.rlim_max;
	(void)setrlimit(RLIMIT_CORE, &core);
	if (conf->max_memory > 0)
		(void)setrlimit(RLIMIT_DATA, &data);
}

/* The watchdog may be exempt from the OOM killer; its children are not. */
void
spawn_be_mortal(void)
{
	int	 fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	ssize_t	 n;

	if (fd == -1)
		return;
	n = write(fd, "0", 1);
	(void)n;	/* where it is refused the score was not ours to set */
	close(fd);
}

bool
spawn_change_user(const struct identity *id)
{
	return !id->change || (setgroups((size_t)id->group_count, id->groups) == 0 &&
	    setresgid(id->gid, id->gid, id->gid) == 0 && setresuid(id->uid, id->uid, id->uid) == 0);
}

/*
 * SIGTERM, not SIGKILL: a child finishes what it has in hand.  The broken
 * heartbeat pipe says the same; this one reaches programs that know no pipe.
 * Asked for after the user is changed, which clears it.
 */
static bool
die_with_watchdog(pid_t watchdog)
{
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1)
		return false;
	errno = ESRCH;
	return getppid() == watchdog;	/* or it died before we asked */
}

/*
 * Its own user opens it: no other may be written through a link planted in the
 * folder.  One that has grown too long is put aside now, for the programs that
 * do not do so themselves.
 */
static bool
open_log(const struct spawn_plan *plan)
{
	int		 fd = fd_open_log(plan->log_path), fresh;
	struct stat	 st;

	if (fd != -1 && fstat(fd, &st) == 0 && st.st_size >= plan->suite->log_max_size &&
	    rename(plan->log_path, plan->old_log_path) == 0 && (fresh = fd_open_log(plan->log_path)) != -1)
		fd = fresh;
	return fd != -1 && dup2(fd, STDOUT_FILENO) != -1 && dup2(fd, STDERR_FILENO) != -1;
}

/*
 * Put the inherited descriptors where they belong, the exec pipe behind them,
 * and close the rest.  By way of numbers above all targets, since a source may
 * sit where another has to go.
 */
static bool
arrange_descriptors(const struct spawn_plan *plan, int *exec_fd)
{
	int	 count = (int)plan->socket_count + 2, last = LISTEN_FIRST + count, null, up;

	if ((null = open("/dev/null", O_RDONLY | O_CLOEXEC)) == -1 || dup2(null, STDIN_FILENO) == -1)
		return false;
	if ((up = fcntl(*exec_fd, F_DUPFD_CLOEXEC, last + 1)) == -1)
		return false;
	*exec_fd = up;
	for (int i = 0; i < count; i++)
		if ((plan->inherited[i] = fcntl(plan->inherited[i], F_DUPFD_CLOEXEC, last + 1)) == -1)
			return false;
	for (int i = 0; i < count; i++)
		if (dup2(plan->inherited[i], LISTEN_FIRST + i) == -1)
			return false;
	if (dup3(up, last, O_CLOEXEC) == -1)
		return false;
	*exec_fd = last;
	/* All of them are CLOEXEC; this is for those that a library may have forgotten. */
	return close_range((unsigned)last + 1, ~0U, 0) == 0 || errno == ENOSYS;
}

static void
complete_listen_pid(char *variable_text)
{
	char	*digit = variable_text + strlen(variable_text);
	char	*first = variable_text + sizeof("LISTEN_PID=") - 1, *from;

	for (pid_t pid = getpid(); pid > 0 && digit > first; pid /= 10)
		*--digit = (char)('0' + pid % 10);
	for (from = digit; *from != '\0';)
		*first++ = *from++;
	*first = '\0';
}

static enum spawn_stage
become(struct spawn_plan *plan, pid_t watchdog, bool may_dump, int *exec_fd)
{
	if (!spawn_reset_signals())
		return SPAWN_SESSION;
	spawn_be_mortal();
	set_limits(plan->conf, may_dump);
	if (!spawn_change_user(&plan->conf->identity))
		return SPAWN_USER;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return SPAWN_PRIVILEGES;
	if (!die_with_watchdog(watchdog))
		return SPAWN_DEATH_SIGNAL;
	/*
	 * Changing the user made this one undumpable, and the exec makes the program
	 * dumpable again (prctl(2)).  Never set it here: until the exec the user could
	 * look into a copy of root's memory and take every descriptor of it.
	 */
	if (!open_log(plan))
		return SPAWN_LOG;
	if (!arrange_descriptors(plan, exec_fd))
		return SPAWN_DESCRIPTORS;
	if (chdir(plan->folder) == -1 && chdir("/") == -1)
		return SPAWN_DESCRIPTORS;
	if (plan->listen_pid != NULL)
		complete_listen_pid(plan->listen_pid);
	execve(plan->argv[0], plan->argv, plan->envp);
	return SPAWN_EXEC;
}

static void __attribute__((noreturn))
child(struct spawn_plan *plan, pid_t watchdog, bool may_dump, int exec_fd)
{
	struct spawn_failure	 why;
	ssize_t			 n;

	why.stage = become(plan, watchdog, may_dump, &exec_fd);
	why.error = errno;
	n = write(exec_fd, &why, sizeof(why));
	(void)n;	/* unread, it is an exit 111 with no reason given */
	_exit(EXIT_TEMPORARY);
}

int
spawn(struct spawn_plan *plan, int lock_fd, bool may_dump, struct spawned *out)
{
	int		 beat[2] = { -1, -1 }, result[2] = { -1, -1 }, saved;
	pid_t		 self = getpid(), pid = -1;
	sigset_t	 all, old;

	if (pipe2(beat, O_CLOEXEC) == -1 || fd_nonblock(beat[0]) == -1)
		goto failed;
	if (pipe2(result, O_CLOEXEC) == -1 || fd_nonblock(result[0]) == -1)
		goto failed;
	plan->inherited[plan->socket_count] = beat[1];
	plan->inherited[plan->socket_count + 1] = lock_fd;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	if ((pid = fork()) == 0)
		child(plan, self, may_dump, result[1]);
	saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	if (pid == -1)
		goto failed;
	fd_close(&beat[1]);
	fd_close(&result[1]);
	*out = (struct spawned){ .pid = pid, .beat_fd = beat[0], .exec_fd = result[0] };
	return 0;
failed:
	fd_close(&beat[0]);
	fd_close(&beat[1]);
	fd_close(&result[0]);
	fd_close(&result[1]);
	return -1;
}

enum spawn_outcome
spawn_outcome(int exec_fd, struct spawn_failure *why)
{
	struct spawn_failure	 got;
	ssize_t			 n = read(exec_fd, &got, sizeof(got));

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return SPAWN_PENDING;
	/* A good exec closes the other end without a word. */
	if (n != sizeof(got))
		return SPAWN_RUNNING;
	*why = got;
	return SPAWN_FAILED;
}

const char *
spawn_stage_name(int stage)
{
	static const char *const names[] = {
		[SPAWN_SESSION] = "session", [SPAWN_USER] = "user", [SPAWN_PRIVILEGES] = "privileges",
		[SPAWN_DEATH_SIGNAL] = "death signal", [SPAWN_LOG] = "log", [SPAWN_DESCRIPTORS] = "descriptors",
		[SPAWN_EXEC] = "exec", [SPAWN_LOCK] = "lock", [SPAWN_FORK] = "fork"
	};

	return stage >= 0 && (size_t)stage < sizeof(names) / sizeof(names[0]) ? names[stage] : "unknown";
}
