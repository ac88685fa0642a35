#include "tests/bench/superv/site.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/superv/proc.h"

#define START_MS	40000	/* longer than any wait of a healthy supervisor */
#define END_MS		15000

struct site_tools site_tools;

struct site_conf
site_default(void)
{
	return (struct site_conf){ .heartbeat_interval_ms = 1000, .heartbeat_timeout_ms = 10000, .check_interval_ms = 5000,
	    .stable_after_ms = 1000, .kill_grace_ms = 5000 };
}

/* The floor */

static pid_t
floor_start(char **argv)
{
	pid_t	 pid;

	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0)
		exit(2);
	return pid;
}

int
site_floor_main(char **argv)
{
	char	*child[SITE_CHILDREN][4];
	pid_t	 pids[SITE_CHILDREN], pid;

	for (int i = 0; i < SITE_CHILDREN; i++) {
		memcpy(child[i], (char *[]){ argv[0], argv[1 + i], argv[1 + SITE_CHILDREN], NULL }, sizeof(child[i]));
		pids[i] = floor_start(child[i]);
	}
	while ((pid = waitpid(-1, NULL, 0)) > 0)
		for (int i = 0; i < SITE_CHILDREN; i++)
			if (pids[i] == pid)
				pids[i] = floor_start(child[i]);
	return 1;
}

/* Start */

static char *
path_in(const struct site *s, const char *name, char path[PATH_MAX])
{
	if (snprintf(path, PATH_MAX, "%s/%s", s->folder, name) >= PATH_MAX)
		proc_die(s->folder, "path too long");
	return path;
}

static char *
stamps_path(const struct site *s, int i, char path[PATH_MAX])
{
	return path_in(s, i == 0 ? "a.stamps" : "b.stamps", path);
}

/* Read and write: with a writer of its own it never comes to an end of file. */
static void
open_stamps(struct site *s, int i)
{
	char	 path[PATH_MAX];

	if (mkfifo(stamps_path(s, i, path), 0600) == -1 ||
	    (s->child[i].stamps_fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC)) == -1)
		proc_die(path, strerror(errno));
}

static void
write_conf(const struct site *s, const struct site_conf *conf)
{
	char	 path[PATH_MAX], stamps[PATH_MAX];
	FILE	*f;

	if ((f = fopen(path_in(s, "tocsin.conf", path), "we")) == NULL)
		proc_die(path, strerror(errno));
	fprintf(f, "[tocsin]\nruntime_dir = %s\nlog_dir = %s\nstate_dir = %s\nheartbeat_interval = %lldms\n"
	    "[watchdog]\ncheck_interval = %lldms\n", s->folder, s->folder, s->folder, (long long)conf->heartbeat_interval_ms,
	    (long long)conf->check_interval_ms);
	for (int i = 0; i < SITE_CHILDREN; i++) {
		fprintf(f, "[process %c]\ncommand = \"%s\" \"%s\" %lld\nheartbeat_timeout = %lldms\nstable_after = %lldms\n"
		    "kill_grace = %lldms\n", 'a' + i, site_tools.beater, stamps_path(s, i, stamps), (long long)conf->heartbeat_interval_ms,
		    (long long)conf->heartbeat_timeout_ms, (long long)conf->stable_after_ms, (long long)conf->kill_grace_ms);
	}
	if (fclose(f) != 0)
		proc_die(path, strerror(errno));
}

static void __attribute__((noreturn))
exec_watchdog(const struct site *s, const struct site_conf *conf)
{
	char	 path[PATH_MAX];
	int	 null = open("/dev/null", O_RDWR), terminal;

	if (conf->clock_path != NULL && (setenv("TOCSIN_BENCH_CLOCK", conf->clock_path, 1) == -1 ||
	    setenv("LD_PRELOAD", site_tools.wallclock, 1) == -1))
		_exit(2);
	terminal = open(path_in(s, "terminal", path), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (dup2(null, STDIN_FILENO) == -1 || dup2(terminal, STDOUT_FILENO) == -1 || dup2(terminal, STDERR_FILENO) == -1)
		_exit(2);
	execl(site_tools.watchdog, site_tools.watchdog, "-c", path_in(s, "tocsin.conf", path), (char *)NULL);
	_exit(127);
}

static void __attribute__((noreturn))
exec_floor(const struct site *s, const struct site_conf *conf)
{
	char	 stamps[SITE_CHILDREN][PATH_MAX], interval_ms[24];

	for (int i = 0; i < SITE_CHILDREN; i++)
		stamps_path(s, i, stamps[i]);
	snprintf(interval_ms, sizeof(interval_ms), "%lld", (long long)conf->heartbeat_interval_ms);
	execl(site_tools.self, site_tools.self, "floor", site_tools.beater, stamps[0], stamps[1], interval_ms, (char *)NULL);
	_exit(127);
}

static void
start_supervisor(struct site *s, const struct site_conf *conf)
{
	if (!conf->floor)
		write_conf(s, conf);
	fflush(NULL);
	if ((s->pid = fork()) == -1)
		proc_die("fork", strerror(errno));
	if (s->pid > 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);		/* main() ends it in any case; this is only sooner */
	if (conf->floor)
		exec_floor(s, conf);
	exec_watchdog(s, conf);
}

static void
open_log(struct site *s)
{
	char	 path[PATH_MAX];

	if ((s->log_fd = open(path_in(s, "watchdog.log", path), O_RDONLY | O_CLOEXEC)) == -1)
		proc_die(path, strerror(errno));
}

struct site *
site_new(const struct site_conf *conf)
{
	static unsigned	 count;
	struct site	*s = calloc(1, sizeof(*s));

	if (s == NULL || snprintf(s->folder, sizeof(s->folder), "%s/%u", site_tools.folder, count++) >= PATH_MAX ||
	    mkdir(s->folder, 0755) == -1)
		proc_die("folder", strerror(errno));
	for (int i = 0; i < SITE_CHILDREN; i++)
		open_stamps(s, i);
	start_supervisor(s, conf);
	for (int i = 0; i < SITE_CHILDREN; i++)
		site_wait(s, i, 0);
	s->log_fd = -1;
	if (!conf->floor)
		open_log(s);
	return s;
}

void
site_end(struct site *s)
{
	int64_t	 deadline_ns = proc_now_ns() + INT64_C(1000000) * END_MS;

	kill(s->pid, SIGTERM);
	while (waitpid(s->pid, NULL, WNOHANG) == 0) {
		if (proc_now_ns() > deadline_ns)
			proc_die(s->folder, "its supervisor does not end");
		proc_sleep_ms(5);
	}
	for (int i = 0; i < SITE_CHILDREN; i++)
		close(s->child[i].stamps_fd);
	if (s->log_fd != -1)
		close(s->log_fd);
	free(s);
}

/* What happens in it */

static void
read_child(struct site_child *c)
{
	char		 text[4096], *line = text, *end;
	ssize_t		 n = read(c->stamps_fd, text, sizeof(text) - 1);
	long long	 born_ns;
	int		 pid;

	/* Whole lines only: each was one write of less than PIPE_BUF. */
	text[n > 0 ? n : 0] = '\0';
	for (; (end = strchr(line, '\n')) != NULL; line = end + 1)
		if (sscanf(line, "%d %lld", &pid, &born_ns) == 2) {
			c->pid = pid;
			c->born_ns = born_ns;
			c->starts++;
		}
}

void
site_read(struct site *s)
{
	for (int i = 0; i < SITE_CHILDREN; i++)
		read_child(&s->child[i]);
}

/* What the watchdog told its terminal: the folder will be gone when somebody wants to know. */
static void __attribute__((noreturn))
die_without_start(const struct site *s)
{
	char	 path[PATH_MAX], text[2048];
	int	 fd = open(path_in(s, "terminal", path), O_RDONLY | O_CLOEXEC);
	ssize_t	 n = fd == -1 ? -1 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	fputs(text, stderr);
	proc_die(s->folder, "a child was not started");
}

void
site_wait(struct site *s, int i, unsigned starts)
{
	struct site_child	*c = &s->child[i];
	struct pollfd		 p = { .fd = c->stamps_fd, .events = POLLIN };

	while (read_child(c), c->starts <= starts)
		if (poll(&p, 1, START_MS) == 0 || waitpid(s->pid, NULL, WNOHANG) == s->pid)
			die_without_start(s);
}

const char *
site_log_line(struct site *s)
{
	static char	 line[sizeof(s->log)];
	char		*end;
	ssize_t		 n;
	size_t		 len;

	if ((end = memchr(s->log, '\n', s->log_len)) == NULL) {
		if ((n = read(s->log_fd, s->log + s->log_len, sizeof(s->log) - s->log_len)) > 0)
			s->log_len += (size_t)n;
		if ((end = memchr(s->log, '\n', s->log_len)) == NULL)
			return NULL;
	}
	len = (size_t)(end - s->log);
	memcpy(line, s->log, len);
	line[len] = '\0';
	s->log_len -= len + 1;
	memmove(s->log, end + 1, s->log_len);
	return line;
}

unsigned
site_restarts(struct site *s)
{
	unsigned	 restarts = 0;

	site_read(s);
	for (int i = 0; i < SITE_CHILDREN; i++)
		restarts += s->child[i].starts - 1;
	return restarts;
}
