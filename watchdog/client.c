#include "watchdog/client.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"

#define CONNECT_LIMIT_S	2
#define LINE_MAX_BYTES	4096		/* of the answer */
#define BODY_MAX_BYTES	(16 << 20)

struct client {
	int	 fd;
	char	*buf;			/* what came, never NULL, with room for a NUL */
	size_t	 len, cap;
	size_t	 body;			/* where it begins; 0: no answer yet */
	char	 text[LINE_MAX_BYTES];
};

static int
path_in(char path[PATH_MAX], const char *dir, const char *name)
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

/* Does it run? */

/* For those who may not open the lock: a socket that nobody listens on refuses. */
static enum client_state
state_by_socket(const char *runtime_dir)
{
	struct client	*c = client_open(runtime_dir);
	bool		 full = c == NULL && errno == EAGAIN;

	client_close(c);
	if (c != NULL || full)
		return CLIENT_RUNNING;
	if (errno == ECONNREFUSED)
		return CLIENT_DEAD;
	errno = EACCES;
	return CLIENT_UNKNOWN;
}

enum client_state
client_state(const char *runtime_dir)
{
	char		 path[PATH_MAX];
	struct stat	 st;
	int		 fd, rc;
	bool		 removed;

	if (path_in(path, runtime_dir, CLIENT_LOCK) == -1)
		return CLIENT_UNKNOWN;
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) == -1) {
		if (errno == ENOENT)
			return CLIENT_STOPPED;
		return errno == EACCES ? state_by_socket(runtime_dir) : CLIENT_UNKNOWN;
	}
	rc = flock(fd, LOCK_SH | LOCK_NB);
	/* Its holder removes it at a clean end, also between our open and our question. */
	removed = fstat(fd, &st) == 0 && st.st_nlink == 0;
	fd_close(&fd);
	if (rc == 0)
		return removed ? CLIENT_STOPPED : CLIENT_DEAD;
	return errno == EWOULDBLOCK ? CLIENT_RUNNING : CLIENT_UNKNOWN;
}

bool
client_process_runs(const char *runtime_dir, const char *name)
{
	char	 file[NAME_MAX], path[PATH_MAX];
	int	 fd;
	bool	 held;

	snprintf(file, sizeof(file), "%s.lock", name);
	if (path_in(path, runtime_dir, file) == -1 || (fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return false;
	held = flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK;
	fd_close(&fd);
	return held;
}

int
client_bury(const char *runtime_dir)
{
	char	 path[PATH_MAX];
	int	 fd, rc;

	if (path_in(path, runtime_dir, CLIENT_LOCK) == -1)
		return -1;
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return errno == ENOENT ? 0 : -1;
	/* While it is ours it is nobody's; who waits for it makes it anew. */
	if ((rc = flock(fd, LOCK_EX | LOCK_NB)) == 0 && lock_is_at(fd, path))
		rc = unlink(path);
	fd_close(&fd);
	return rc;
}

/* Asking */

struct client *
client_open(const char *runtime_dir)
{
	const struct timeval	 limit = { .tv_sec = CONNECT_LIMIT_S };
	struct sockaddr_un	 where = { .sun_family = AF_UNIX };
	struct client		*c;
	int			 fd;

	if (snprintf(where.sun_path, sizeof(where.sun_path), "%s/%s", runtime_dir, CLIENT_SOCKET) >= (int)sizeof(where.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return NULL;
	/* A frozen watchdog's queue may be full: then connect(2) would wait for ever. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == -1 ||
	    connect(fd, (struct sockaddr *)&where, sizeof(where)) == -1) {
		fd_close(&fd);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->fd = fd;
	c->cap = LINE_MAX_BYTES;
	c->buf = xcalloc(1, c->cap);
	return c;
}

void
client_close(struct client *c)
{
	if (c == NULL)
		return;
	fd_close(&c->fd);
	free(c->buf);
	free(c);
}

pid_t
client_pid(const struct client *c)
{
	struct ucred	 peer;
	socklen_t	 size = sizeof(peer);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1 || peer.pid <= 0)
		return -1;
	return peer.pid;
}

int
client_send(struct client *c, const char *word, const char *name)
{
	char	 line[256];
	int	 len = snprintf(line, sizeof(line), "%s%s%s\n", word, name == NULL ? "" : " ", name == NULL ? "" : name);

	if (len >= (int)sizeof(line)) {
		errno = EMSGSIZE;
		return -1;
	}
	/* So few bytes go into an empty socket as a whole.  One that was closed already holds the reason: "too many". */
	return send(c->fd, line, (size_t)len, MSG_NOSIGNAL) == len || errno == EPIPE ? 0 : -1;
}

/* Read once, up to the deadline (monotonic).  Bytes, 0 at the end, -1 with errno. */
static ssize_t
read_more(struct client *c, int64_t deadline_us)
{
	struct pollfd	 p = { .fd = c->fd, .events = POLLIN };
	int64_t		 left_us;
	ssize_t		 n;
	int		 rc;

	do {
		left_us = deadline_us - clock_mono_us();
		if (left_us < 0)
			left_us = 0;
		rc = poll(&p, 1, (int)((left_us + 999) / 1000));
	} while (rc == -1 && errno == EINTR);
	if (rc == 0)
		errno = ETIMEDOUT;
	if (rc <= 0)
		return -1;
	if (c->len + 1 >= c->cap)
		c->buf = xrealloc(c->buf, c->cap *= 2);
	if ((n = recv(c->fd, c->buf + c->len, c->cap - c->len - 1, 0)) > 0)
		c->len += (size_t)n;
	return n;
}

static int64_t
deadline_of(int timeout_ms)
{
	return clock_mono_us() + (int64_t)timeout_ms * 1000;
}

/* The line without its newline: "ok", "ok text", "error text". */
static enum client_answer
judge(struct client *c, const char *line)
{
	bool	 ok = strncmp(line, "ok", 2) == 0 && (line[2] == '\0' || line[2] == ' ');

	if (!ok && strncmp(line, "error ", 6) != 0) {
		errno = EPROTO;
		return CLIENT_SILENT;
	}
	line += ok ? 2 : 6;
	snprintf(c->text, sizeof(c->text), "%s", line + strspn(line, " "));
	if (ok)
		return CLIENT_OK;
	return strncmp(c->text, "not allowed", 11) == 0 ? CLIENT_DENIED : CLIENT_ERROR;
}

enum client_answer
client_answer(struct client *c, int timeout_ms)
{
	int64_t	 deadline_us = deadline_of(timeout_ms);
	char	*newline;
	ssize_t	 n;

	while ((newline = memchr(c->buf, '\n', c->len)) == NULL) {
		if (c->len >= LINE_MAX_BYTES) {
			errno = EPROTO;
			return CLIENT_SILENT;
		}
		if ((n = read_more(c, deadline_us)) > 0)
			continue;
		if (n == 0)
			errno = ECONNRESET;
		return CLIENT_SILENT;
	}
	*newline = '\0';
	c->body = (size_t)(newline + 1 - c->buf);
	return judge(c, c->buf);
}

const char *
client_text(const struct client *c)
{
	return c->text;
}

char *
client_body(struct client *c, int timeout_ms)
{
	int64_t	 deadline_us = deadline_of(timeout_ms);
	ssize_t	 n;

	while ((n = read_more(c, deadline_us)) > 0)
		if (c->len > BODY_MAX_BYTES) {
			errno = EMSGSIZE;
			return NULL;
		}
	if (n == -1)
		return NULL;
	c->buf[c->len] = '\0';
	return xstrdup(c->buf + c->body);
}
