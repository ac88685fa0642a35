#include "relay/wire.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/log.h"

/* What a client sends after its request is not for us: read a little (else its hanging up stays unseen), forget it. */
#define INPUT_MAX_BYTES		4096
/* The kernel queues this much for a client that does not read; the rest stays in the ring, once for all. */
#define UNSENT_MAX_BYTES	131072
/* A client that is gone without a word is noticed by what it does not acknowledge. */
#define GONE_AFTER_MS		60000

struct wire {
	struct evhttp_connection	*evcon;
	struct bufferevent		*bev;
	int				 fd;	/* bev's */
	bool				 blocked;	/* bev holds something; asked for at every send, so kept here */
	const struct wire_handler	*handler;
	void				*arg;
	char				 peer[64];
};

static void
read_cb(struct bufferevent *bev, void *arg)
{
	struct evbuffer	*input = bufferevent_get_input(bev);

	(void)arg;
	evbuffer_drain(input, evbuffer_get_length(input));
}

static void
write_cb(struct bufferevent *bev, void *arg)
{
	struct wire	*w = arg;

	(void)bev;
	w->blocked = false;
	w->handler->drained(w->arg);
}

static void
event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct wire	*w = arg;

	bufferevent_disable(bev, EV_READ | EV_WRITE);
	w->handler->closed(what & BEV_EVENT_EOF ? "the client hung up" : strerror(errno), w->arg);
}

static void
set_socket_options(int fd)
{
	int	 one = 1, unsent = UNSENT_MAX_BYTES, gone = GONE_AFTER_MS;

	/* Each is a refinement that a Unix socket or an old kernel may refuse. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone, sizeof(gone));
}

struct wire *
wire_take(struct evhttp_request *req, const struct wire_handler *handler, void *arg)
{
	struct evhttp_connection	*evcon = evhttp_request_get_connection(req);
	struct wire			*w;
	char				*address = NULL;
	ev_uint16_t			 port = 0;

	if (evcon == NULL)
		return NULL;
	w = xcalloc(1, sizeof(*w));
	w->evcon = evcon;
	w->bev = evhttp_connection_get_bufferevent(evcon);
	w->fd = bufferevent_getfd(w->bev);
	w->handler = handler;
	w->arg = arg;
	evhttp_connection_get_peer(evcon, &address, &port);
	snprintf(w->peer, sizeof(w->peer), "%s:%u", address == NULL ? "?" : address, (unsigned)port);
	/* The request stays with its connection; its headers are most of its memory. */
	evhttp_clear_headers(evhttp_request_get_input_headers(req));
	evhttp_clear_headers(evhttp_request_get_output_headers(req));
	set_socket_options(w->fd);
	bufferevent_setcb(w->bev, read_cb, write_cb, event_cb, w);
	bufferevent_set_timeouts(w->bev, NULL, NULL);
	bufferevent_setwatermark(w->bev, EV_READ, 0, INPUT_MAX_BYTES);
	bufferevent_enable(w->bev, EV_READ | EV_WRITE);
	return w;
}

void
wire_free(struct wire *w)
{
	if (w == NULL)
		return;
	evhttp_connection_free(w->evcon);
	free(w);
}

ssize_t
wire_send(struct wire *w, const struct iovec *pieces, int count)
{
	struct msghdr	 message = { .msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count };
	ssize_t		 n;

	do
		n = count == 1 ? send(w->fd, pieces->iov_base, pieces->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL) :
		    sendmsg(w->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) ? 0 : n;
}

struct release {
	void	(*release)(void *arg);
	void	*arg;
};

static void
release_cb(const void *data, size_t len, void *arg)
{
	struct release	 r = *(struct release *)arg;

	(void)data, (void)len;
	free(arg);
	r.release(r.arg);
}

void
wire_keep(struct wire *w, const void *data, size_t len, void (*release)(void *arg), void *arg)
{
	struct release	*r = xcalloc(1, sizeof(*r));

	*r = (struct release){ release, arg };
	w->blocked = true;
	if (evbuffer_add_reference(bufferevent_get_output(w->bev), data, len, release_cb, r) == -1)
		fatalx("wire", "out of memory");
}

int
wire_write(struct wire *w, const void *data, size_t len)
{
	struct iovec	 piece = { .iov_base = (void *)data, .iov_len = len };
	ssize_t		 n = 0;

	if (!w->blocked && (n = wire_send(w, &piece, 1)) == -1)
		return -1;
	if ((size_t)n == len)
		return 0;
	w->blocked = true;
	if (bufferevent_write(w->bev, (const char *)data + n, len - (size_t)n) == -1)
		fatalx("wire", "out of memory");
	return 0;
}

bool
wire_is_blocked(const struct wire *w)
{
	return w->blocked;
}

size_t
wire_kept_bytes(const struct wire *w)
{
	return evbuffer_get_length(bufferevent_get_output(w->bev));
}

size_t
wire_unsent_bytes(const struct wire *w)
{
	int	 queued = 0;

	/* Without it (not TCP), progress shows in what is kept alone. */
	if (ioctl(w->fd, SIOCOUTQ, &queued) == -1)
		queued = 0;
	return wire_kept_bytes(w) + (size_t)queued;
}

const char *
wire_peer(const struct wire *w)
{
	return w->peer;
}
