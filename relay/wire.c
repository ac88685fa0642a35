#include "relay/wire.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/log.h"
#include "relay/connection.h"
#include "relay/request.h"

/* Read at most so much at a time. */
#define INPUT_MAX_BYTES		16384
/* The kernel queues this much for a client that does not read; the rest stays in the ring, once for all. */
#define UNSENT_MAX_BYTES	131072
/* A client that is gone without a word is noticed by what it does not acknowledge. */
#define GONE_AFTER_MS		60000

struct wire {
	struct bufferevent		*bev;
	int				 fd;		/* bev's */
	bool				 is_tls;
	bool				 blocked;	/* bev holds something; asked for at every send, so kept here */
	bool				 closed;
	struct peer			 peer;
	const struct wire_handler	*handler;
	void				*arg;
	const struct connection_context	*context;
};

static void
closed(struct wire *w, const char *why)
{
	if (w->closed)
		return;
	w->closed = true;
	bufferevent_disable(w->bev, EV_READ | EV_WRITE);
	w->handler->closed(why, w->arg);
}

static void
read_cb(struct bufferevent *bev, void *arg)
{
	struct wire		*w = arg;
	struct evbuffer		*input = bufferevent_get_input(bev);
	struct evbuffer_iovec	 piece;

	while (!w->closed && w->handler->input != NULL &&
	    evbuffer_peek(input, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
		w->handler->input(piece.iov_base, piece.iov_len, w->arg);
		evbuffer_drain(input, piece.iov_len);
	}
	if (w->handler->input == NULL)
		evbuffer_drain(input, evbuffer_get_length(input));
}

static void
write_cb(struct bufferevent *bev, void *arg)
{
	struct wire	*w = arg;

	(void)bev;
	if (w->closed)
		return;
	w->blocked = false;
	w->handler->drained(w->arg);
}

static void
event_cb(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		closed(arg, what & BEV_EVENT_EOF ? "the client hung up" : strerror(errno));
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
wire_take(struct request *req, const struct wire_handler *handler, void *arg)
{
	struct wire	*w;

	if (request_is_gone(req)) {
		request_free(req);
		return NULL;
	}
	w = xcalloc(1, sizeof(*w));
	w->context = req->connection->context;
	w->is_tls = req->connection->is_tls;
	w->peer = req->peer;
	w->handler = handler;
	w->arg = arg;
	w->bev = connection_take(req);
	w->fd = bufferevent_getfd(w->bev);
	/* Something said before ("100 Continue", to one who does not read) may still be on its way. */
	w->blocked = evbuffer_get_length(bufferevent_get_output(w->bev)) > 0;
	set_socket_options(w->fd);
	bufferevent_setcb(w->bev, read_cb, write_cb, event_cb, w);
	bufferevent_setwatermark(w->bev, EV_READ, 0, INPUT_MAX_BYTES);
	bufferevent_enable(w->bev, EV_READ | EV_WRITE);
	/* What came behind the request is input too, but nobody is to be called back from here. */
	if (evbuffer_get_length(bufferevent_get_input(w->bev)) > 0)
		bufferevent_trigger(w->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
	return w;
}

void
wire_free(struct wire *w)
{
	if (w == NULL)
		return;
	w->context->left(&w->peer, w->context->arg);
	bufferevent_free(w->bev);
	free(w);
}

static ssize_t
send_tls(struct wire *w, const struct iovec *pieces, int count)
{
	ssize_t	 sum = 0;

	for (int i = 0; i < count; i++) {
		if (bufferevent_write(w->bev, pieces[i].iov_base, pieces[i].iov_len) == -1)
			fatalx("wire", "out of memory");
		sum += (ssize_t)pieces[i].iov_len;
	}
	w->blocked = sum > 0;
	return sum;
}

ssize_t
wire_send(struct wire *w, const struct iovec *pieces, int count)
{
	struct msghdr	 message = { .msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count };
	ssize_t		 n;

	if (w->is_tls)
		return send_tls(w, pieces, count);
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
	static char	 text[PEER_TEXT_MAX];

	return peer_text(&w->peer, text);
}
