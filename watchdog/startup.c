#include "watchdog/startup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"
#include "watchdog/folder.h"
#include "watchdog/holders.h"
#include "watchdog/listen.h"
#include "watchdog/lock.h"

#define LOCK_TRIES	5	/* `tocsin status` holds it for a moment when it finds it free */
#define LOCK_PAUSE_NS	20000000
#define ORPHAN_END_MS	2000	/* from SIGKILL to the end */

static void __attribute__((format(printf, 2, 3)))
complain(const struct startup *s, const char *fmt, ...)
{
	char	 text[1024];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dprintf(s->terminal_fd, "tocsin-watchdog: %s\n", text);
	if (s->logging)
		log_errorx("startup", "%s", text);
}

/* Will the same configuration work when it is tried again later? */
static int
exit_code_of(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
	case ENOTDIR:
	case EROFS:
	case ELOOP:
	case EINVAL:
	case ENAMETOOLONG:
		return EXIT_USAGE;
	default:
		return EXIT_TEMPORARY;
	}
}

gid_t
startup_group(const struct watchdog_conf *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->processes[i].identity.change)
			return c->processes[i].identity.gid;
	return (gid_t)-1;
}

static int
make_runtime_folder(const struct watchdog_conf *c)
{
	return folder_make(c->suite.runtime_dir, 0750, (uid_t)-1, startup_group(c));
}

/* One a process, its own: what it must keep, and its cores. */
static int
make_state_folder(const struct watchdog_conf *c, const struct process_conf *p, char path[PATH_MAX])
{
	const struct identity	*id = &p->identity;

	if (snprintf(path, PATH_MAX, "%s/%s", c->suite.state_dir, p->name) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return folder_make(path, 0750, id->change ? id->uid : (uid_t)-1, id->change ? id->gid : (gid_t)-1);
}

/*
 * Root's folders stay root's: a log folder that a service's user owns lets that
 * user lead root's next open astray (CVE-2016-1247).  The processes get in by
 * their group; sticky, so that each renames its own logs only.
 */
static int
make_folders(const struct startup *s, const struct watchdog_conf *c)
{
	const char	*at;
	char		 path[PATH_MAX];
	gid_t		 group = startup_group(c);

	at = c->suite.runtime_dir;
	if (make_runtime_folder(c) == -1)
		goto failed;
	at = c->suite.log_dir;
	if (folder_make(at, group == (gid_t)-1 ? 0750 : 01770, (uid_t)-1, group) == -1)
		goto failed;
	at = c->suite.state_dir;
	if (folder_make(at, 0750, (uid_t)-1, group) == -1)
		goto failed;
	at = path;
	for (size_t i = 0; i < c->count; i++)
		if (make_state_folder(c, &c->processes[i], path) == -1)
			goto failed;
	return 0;
failed:
	complain(s, "cannot make the folder %s: %s", at, strerror(errno));
	return exit_code_of(errno);
}

static int
take_lock(struct startup *s, const struct watchdog_conf *c)
{
	const struct timespec	 pause = { 0, LOCK_PAUSE_NS };

	s->lock_path = folder_path(c->suite.runtime_dir, LOCK_WATCHDOG, "");
	for (int i = 0; i < LOCK_TRIES; i++) {
		if ((s->lock_fd = lock_take(s->lock_path)) != -1)
			return 0;
		if (errno != EWOULDBLOCK)
			break;
		(void)nanosleep(&pause, NULL);
		errno = EWOULDBLOCK;
	}
	if (errno == EWOULDBLOCK)
		complain(s, "already running: another watchdog holds %s", s->lock_path);
	else
		complain(s, "cannot lock %s: %s", s->lock_path, strerror(errno));
	return exit_code_of(errno);
}

static int
open_log(struct startup *s, const struct watchdog_conf *c)
{
	char	 path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/watchdog.log", c->suite.log_dir) >= (int)sizeof(path))
		errno = ENAMETOOLONG;
	else if (log_open("watchdog", path) == 0) {
		suite_apply_log(&c->suite);
		s->logging = true;
		return 0;
	}
	complain(s, "cannot open the log %s: %s", path, strerror(errno));
	return exit_code_of(errno);
}

static void
asked_cb(pid_t pid, const char *comm, void *name)
{
	log_warnx("startup", "an earlier copy still has its address, ending it name=%s pid=%d program=%s", (const char *)name, (int)pid, comm);
}

static void
killed_cb(pid_t pid, const char *comm, void *name)
{
	log_warnx("startup", "an earlier copy does not end, killing it name=%s pid=%d program=%s", (const char *)name, (int)pid, comm);
}

/*
 * An earlier copy, whose watchdog has died, holds its sockets as it holds its
 * lock.  Mostly it is about to end by itself; it is asked to, then killed.
 */
static void
end_orphan(const struct watchdog_conf *c, const struct process_conf *p)
{
	const struct timespec	 pause = { 0, LOCK_PAUSE_NS };
	int64_t			 begun_us = clock_mono_us(), held_ms = 0, kill_ms = SUP_ORPHAN_MS + p->times.kill_grace_ms;
	const uid_t		 user = p->identity.change ? p->identity.uid : (uid_t)-1;
	char			 path[PATH_MAX];
	int			 fd = -1, sent = 0;

	if (snprintf(path, sizeof(path), "%s/%s.lock", c->suite.runtime_dir, p->name) >= (int)sizeof(path))
		return;
	while ((fd = lock_take(path)) == -1 && errno == EWOULDBLOCK && held_ms < kill_ms + ORPHAN_END_MS) {
		held_ms = (clock_mono_us() - begun_us) / 1000;
		if (held_ms >= kill_ms && sent != SIGKILL)
			sent = SIGKILL;
		else if (held_ms >= SUP_ORPHAN_MS && sent == 0)
			sent = SIGTERM;
		else {
			(void)nanosleep(&pause, NULL);
			continue;
		}
		(void)holders_signal(path, user, sent, sent == SIGTERM ? asked_cb : killed_cb, p->name);
	}
	fd_close(&fd);
}

static int
open_socket(const struct watchdog_conf *c, const struct process_conf *p, const char *address, char *why, size_t why_size)
{
	int	 fd = listen_open(address, why, why_size);

	if (fd != -1 || errno != EADDRINUSE)
		return fd;
	end_orphan(c, p);
	return listen_open(address, why, why_size);
}

static int
open_sockets(struct startup *s, const struct watchdog_conf *c)
{
	const struct process_conf	*p;
	char				 why[256];
	int				 code = 0;

	s->sockets = xcalloc(c->count, sizeof(*s->sockets));
	s->count = c->count;
	/* All of them, so that one run names every port that is taken. */
	for (size_t i = 0; i < c->count; i++) {
		p = &c->processes[i];
		s->sockets[i] = xcalloc(p->listen.count + 1, sizeof(int));
		for (size_t j = 0; j < p->listen.count; j++) {
			s->sockets[i][j] = open_socket(c, p, p->listen.items[j], why, sizeof(why));
			if (s->sockets[i][j] != -1)
				continue;
			if (code != EXIT_USAGE)
				code = exit_code_of(errno);
			complain(s, "process %s: listen: %s", p->name, why);
		}
	}
	return code;
}

int
startup_prepare(struct startup *s, const struct watchdog_conf *c)
{
	int	 code;

	*s = (struct startup){ .terminal_fd = -1, .lock_fd = -1 };
	/* The log takes descriptor 2 over. */
	if ((s->terminal_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) == -1)
		return EXIT_TEMPORARY;
	if ((code = make_folders(s, c)) != 0)
		return code;
	if ((code = take_lock(s, c)) != 0)
		return code;
	if ((code = open_log(s, c)) != 0)
		return code;
	return open_sockets(s, c);
}

bool
startup_check(struct startup *s, const struct watchdog_conf *c)
{
	bool	 lost = s->lost;
	int	 fd;

	s->lost = false;
	if (lock_is_at(s->lock_fd, s->lock_path))
		return true;
	if (make_runtime_folder(c) == -1 || (fd = lock_take(s->lock_path)) == -1) {
		if (errno == EWOULDBLOCK) {
			s->lost = true;
			return !lost;
		}
		log_warn("startup", "the lock was removed and cannot be made again, trying on path=%s", s->lock_path);
		return true;
	}
	log_warnx("startup", "the lock was removed by somebody and is made again path=%s", s->lock_path);
	fd_close(&s->lock_fd);
	s->lock_fd = fd;
	return true;
}

void
startup_release(struct startup *s, const struct watchdog_conf *c)
{
	for (size_t i = 0; i < s->count; i++) {
		for (size_t j = 0; s->sockets[i] != NULL && j < c->processes[i].listen.count; j++)
			fd_close(&s->sockets[i][j]);
		free(s->sockets[i]);
	}
	free(s->sockets);
	/* While it is still locked, so that it is certainly ours. */
	if (s->lock_fd != -1 && lock_is_at(s->lock_fd, s->lock_path))
		(void)unlink(s->lock_path);	/* left behind it says "dead", no more */
	fd_close(&s->lock_fd);
	free(s->lock_path);
	fd_close(&s->terminal_fd);
}
