#include "watchdog/control.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"

#define BACKLOG		128
#define DRAIN_READS	8	/* of one who goes on writing the answer is lost */
#define SEND_BUFFER	(1 << 20)	/* bytes; far beyond any answer */

struct control_client {
	struct control	*control;
	int		 fd;		/* -1: free */
	struct event	 event;
	bool		 allowed;	/* to change things */
	bool		 asked;		/* waits for its answer */
	int64_t		 limit_us;	/* for its line; each byte of it starts the event's timeout anew */
	size_t		 len;
	char		 line[CONTROL_LINE_MAX];
};

struct control {
	struct event_base	*base;
	struct sockaddr_un	 address;
	gid_t			 group;
	int			 fd;
	struct event		 event;
	struct control_handler	 handler;
	void			*arg;
	struct control_client	 clients[CONTROL_CLIENTS];
};

/* The request */

static const struct {
	const char		*text;
	enum control_word	 word;
	bool			 changes;
	bool			 may_name, must_name;
} words[] = {
	{ "status", CONTROL_STATUS, false, false, false },
	{ "status-json", CONTROL_STATUS_JSON, false, false, false },
	{ "start", CONTROL_START, true, true, true },
	{ "stop", CONTROL_STOP, true, true, false },
	{ "restart", CONTROL_RESTART, true, true, true },
	{ "reload", CONTROL_RELOAD, true, false, false },
};
#define WORDS	(sizeof(words) / sizeof(words[0]))

bool
control_parse(const char *line, size_t len, struct control_request *q, char *why, size_t why_size)
{
	const char	*blank = memchr(line, ' ', len);
	size_t		 word_len = blank == NULL ? len : (size_t)(blank - line), name_len = blank == NULL ? 0 : len - word_len - 1;

	for (size_t i = 0; i < WORDS; i++) {
		if (strlen(words[i].text) != word_len || memcmp(words[i].text, line, word_len) != 0)
			continue;
		if (name_len >= sizeof(q->name) || (name_len == 0 && (blank != NULL || words[i].must_name)) ||
		    (name_len > 0 && !words[i].may_name)) {
			snprintf(why, why_size, "%s takes %s name of a process", words[i].text,
			    words[i].must_name ? "the" : words[i].may_name ? "at most one" : "no");
			return false;
		}
		q->word = words[i].word;
		if (blank != NULL)
			memcpy(q->name, blank + 1, name_len);
		q->name[name_len] = '\0';
		return true;
	}
	snprintf(why, why_size, "unknown request: is this `tocsin` of another version than the watchdog?");
	return false;
}

bool
control_changes(const struct control_request *q)
{
	for (size_t i = 0; i < WORDS; i++)
		if (words[i].word == q->word)
			return words[i].changes;
	return true;
}

/* The clients */

static void
drop(struct control_client *c)
{
	if (c->fd == -1)
		return;
	if (c->asked)
		c->control->handler.left(c, c->control->arg);
	c->asked = false;
	event_del(&c->event);
	fd_close(&c->fd);
}

/* All or nothing, and no signal when it is gone. */
static void
send_text(struct control_client *c, const char *text, size_t len)
{
	if (len > 0 && send(c->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		log_debug("control", "a client did not take its answer bytes=%zu", len);
}

static void
send_first_line(struct control_client *c, const char *first_line)
{
	char	 line[512];
	int	 len = snprintf(line, sizeof(line), "%s\n", first_line);

	send_text(c, line, len < (int)sizeof(line) ? (size_t)len : sizeof(line) - 1);
}

/* Closed with something unread, a socket resets its peer, who may lose the answer with that. */
static void
drain(const struct control_client *c)
{
	char	 rest[512];

	for (int i = 0; i < DRAIN_READS && recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0; i++)
		continue;
}

void
control_answer(struct control_client *c, const char *first_line, const char *body, size_t body_len)
{
	c->asked = false;
	send_first_line(c, first_line);
	send_text(c, body, body_len);
	drain(c);
	drop(c);
}

void
control_promise(struct control_client *c, const char *first_line)
{
	c->asked = false;
	send_first_line(c, first_line);
}

static void
take_request(struct control_client *c, size_t len)
{
	struct control_request	 q;
	char			 why[160], answer[200];

	if (!control_parse(c->line, len, &q, why, sizeof(why))) {
		snprintf(answer, sizeof(answer), "error %s", why);
		control_answer(c, answer, NULL, 0);
		return;
	}
	if (!c->allowed && control_changes(&q)) {
		control_answer(c, "error not allowed: only root and the user that the watchdog runs as give orders", NULL, 0);
		return;
	}
	c->asked = true;
	c->control->handler.asked(c, &q, c->control->arg);
}

static void
client_cb(evutil_socket_t fd, short what, void *arg)
{
	struct control_client	*c = arg;
	char			*end, rest[64];
	ssize_t			 n;

	/* Behind its line it has nothing to say: but its end is seen this way. */
	if (c->len == sizeof(c->line))
		n = recv((int)fd, rest, sizeof(rest), MSG_DONTWAIT);
	else
		n = recv((int)fd, c->line + c->len, sizeof(c->line) - c->len, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR) && (what & EV_TIMEOUT) == 0)
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	if (c->len == sizeof(c->line))
		return;
	c->len += (size_t)n;
	if ((end = memchr(c->line, '\n', c->len)) != NULL) {
		c->len = sizeof(c->line);
		event_del(&c->event);	/* from here on it may take what it takes */
		if (event_add(&c->event, NULL) == -1)
			log_warnx("control", "cannot watch a client");
		take_request(c, (size_t)(end - c->line));
	} else if (c->len == sizeof(c->line))
		control_answer(c, "error the request is too long", NULL, 0);
	else if (clock_mono_us() >= c->limit_us)
		drop(c);
}

/* Those who may only look get half of the places: they cannot keep an operator out. */
static struct control_client *
free_client(struct control *c, bool allowed)
{
	struct control_client	*found = NULL;
	size_t			 lookers = 0;

	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		if (c->clients[i].fd == -1)
			found = &c->clients[i];
		else
			lookers += !c->clients[i].allowed;
	return allowed || lookers < CONTROL_CLIENTS / 2 ? found : NULL;
}

static bool
is_allowed(int fd)
{
	struct ucred	 peer;
	socklen_t	 len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

static void
accept_cb(evutil_socket_t fd, short what, void *arg)
{
	static const char	 busy[] = "error too many are asking: try again\n";
	const struct timeval	 patience = { CONTROL_PATIENCE_S, 0 };
	const int		 size = SEND_BUFFER;
	struct control		*control = arg;
	struct control_client	*c;
	int			 peer = accept4((int)fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	bool			 allowed;

	(void)what;
	if (peer == -1) {
		/* Out of descriptors it would stay readable and spin: control_check() listens again. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_warn("control", "cannot accept, pausing until the next check");
			event_del(&control->event);
		}
		return;
	}
	allowed = is_allowed(peer);
	if ((c = free_client(control, allowed)) == NULL) {
		(void)send(peer, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);	/* it sees the end anyway */
		fd_close(&peer);
		return;
	}
	(void)setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));	/* the default mostly does, too */
	c->control = control;
	c->fd = peer;
	c->len = 0;
	c->asked = false;
	c->allowed = allowed;
	c->limit_us = clock_mono_us() + CONTROL_PATIENCE_S * INT64_C(1000000);
	if (event_assign(&c->event, control->base, peer, EV_READ | EV_PERSIST, client_cb, c) == -1 || event_add(&c->event, &patience) == -1)
		fd_close(&c->fd);
}

/* The socket */

static int
open_socket(const struct sockaddr_un *address, gid_t group)
{
	int	 fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t	 mask;
	int	 rc;

	if (fd == -1)
		return -1;
	(void)unlink(address->sun_path);	/* an earlier watchdog's: we hold the lock */
	mask = umask(0117);			/* never open to others, not for a moment */
	rc = bind(fd, (const struct sockaddr *)address, sizeof(*address));
	(void)umask(mask);
	if (rc == 0 && (group == (gid_t)-1 || chown(address->sun_path, (uid_t)-1, group) == 0) && listen(fd, BACKLOG) == 0)
		return fd;
	fd_close(&fd);
	return -1;
}

static int
listen_again(struct control *c)
{
	if ((c->fd = open_socket(&c->address, c->group)) == -1)
		return -1;
	if (event_assign(&c->event, c->base, c->fd, EV_READ | EV_PERSIST, accept_cb, c) == 0 && event_add(&c->event, NULL) == 0)
		return 0;
	fd_close(&c->fd);
	errno = ENOMEM;
	return -1;
}

struct control *
control_new(struct event_base *base, const char *runtime_dir, gid_t group, const struct control_handler *handler, void *arg)
{
	struct control	*c = xcalloc(1, sizeof(*c));

	c->base = base;
	c->group = group;
	c->handler = *handler;
	c->arg = arg;
	c->fd = -1;
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		c->clients[i].fd = -1;
	c->address.sun_family = AF_UNIX;
	errno = ENAMETOOLONG;
	if (snprintf(c->address.sun_path, sizeof(c->address.sun_path), "%s/%s", runtime_dir, CONTROL_SOCKET) < (int)sizeof(c->address.sun_path) &&
	    listen_again(c) == 0)
		return c;
	free(c);
	return NULL;
}

static void
stop_listening(struct control *c)
{
	if (c->fd != -1)
		event_del(&c->event);
	fd_close(&c->fd);
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS; i++)
		drop(&c->clients[i]);
	stop_listening(c);
	(void)unlink(c->address.sun_path);	/* left behind, nobody answers there */
	free(c);
}

void
control_check(struct control *c)
{
	struct stat	 st;

	if (c->fd != -1 && lstat(c->address.sun_path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		if (!event_pending(&c->event, EV_READ, NULL))
			(void)event_add(&c->event, NULL);	/* failing that, at the next check */
		return;
	}
	stop_listening(c);
	if (listen_again(c) == 0)
		log_warnx("control", "its socket was gone and is made again path=%s", c->address.sun_path);
}
