#include "common/heartbeat.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/log.h"

struct heartbeat {
	int			 fd;		/* -1: nobody watches */
	struct event		*timer, *closed;
	struct heartbeat_handler handler;
	void			*arg;
	bool			 too_long;	/* told */
};

/* One write, so that the lines of one beat arrive together or not at all. */
static void
beat(struct heartbeat *h, const char *first_line)
{
	char		 lines[PIPE_BUF];
	struct jsonw	 w;
	size_t		 len, body;

	if (h->fd == -1)
		return;
	len = (size_t)snprintf(lines, sizeof(lines), "%sWATCHDOG=1\nSTATUS=", first_line);
	body = len - 7;			/* without STATUS= */
	if (h->handler.status != NULL) {
		jsonw_init_fixed(&w, lines + len, sizeof(lines) - len - 1);
		jsonw_object(&w, NULL);
		h->handler.status(&w, h->arg);
		jsonw_end_object(&w);
		if (w.failed && !h->too_long)
			log_warnx("heartbeat", "status too long: left out while it is limit_bytes=%d", PIPE_BUF);
		h->too_long = w.failed;
		if (!w.failed) {
			lines[len + w.len] = '\n';
			body = len + w.len + 1;
		}
	}
	/* A full pipe means the watchdog is behind; this beat is one of many. */
	if (write(h->fd, lines, body) == -1 && errno != EAGAIN && errno != EPIPE)
		log_warn("heartbeat", "write");
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	beat(arg, "");
}

/* The read end closed: epoll reports the error as readiness. */
static void
closed_cb(evutil_socket_t fd, short what, void *arg)
{
	struct heartbeat	*h = arg;

	(void)fd, (void)what;
	event_del(h->closed);
	event_del(h->timer);
	fd_close(&h->fd);
	log_warnx("heartbeat", "the watchdog is gone, finishing");
	if (h->handler.orphaned != NULL)
		h->handler.orphaned(h->arg);
}

static int
inherited_fd(void)
{
	const char	*text = getenv(HEARTBEAT_FD_ENV);
	char		*end;
	long		 fd;

	if (text == NULL)
		return -1;
	errno = 0;
	fd = strtol(text, &end, 10);
	if (errno != 0 || *text == '\0' || *end != '\0' || fd < 3 || fd > INT_MAX || fcntl((int)fd, F_GETFD) == -1)
		fatalx("heartbeat", "no such descriptor %s=\"%s\"", HEARTBEAT_FD_ENV, text);
	unsetenv(HEARTBEAT_FD_ENV);	/* not for programs that we start */
	return (int)fd;
}

struct heartbeat *
heartbeat_new(struct event_base *base, unsigned interval_ms, const struct heartbeat_handler *handler, void *arg)
{
	struct heartbeat	*h = xcalloc(1, sizeof(*h));
	struct timeval		 interval = clock_timeval_ms(interval_ms);

	h->handler = *handler;
	h->arg = arg;
	if ((h->fd = inherited_fd()) == -1)
		return h;
	if (fcntl(h->fd, F_SETFD, FD_CLOEXEC) == -1 || fd_nonblock(h->fd) == -1)
		fatal("heartbeat", "pipe");
	h->timer = event_new(base, -1, EV_PERSIST, timer_cb, h);
	h->closed = event_new(base, h->fd, EV_READ | EV_PERSIST, closed_cb, h);
	if (h->timer == NULL || h->closed == NULL || event_add(h->timer, &interval) == -1 || event_add(h->closed, NULL) == -1)
		fatalx("heartbeat", "cannot add events");
	beat(h, "");
	return h;
}

void
heartbeat_free(struct heartbeat *h)
{
	if (h == NULL)
		return;
	if (h->timer != NULL)
		event_free(h->timer);
	if (h->closed != NULL)
		event_free(h->closed);
	fd_close(&h->fd);
	free(h);
}

void
heartbeat_ready(struct heartbeat *h)
{
	beat(h, "READY=1\n");
}

void
heartbeat_stopping(struct heartbeat *h)
{
	beat(h, "STOPPING=1\n");
}
