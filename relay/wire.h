/*
 * wire: a connection taken over from evhttp once its request is parsed, for
 * bytes that flow until somebody hangs up (Server-Sent Events, later WebSocket).
 *
 * evhttp has no call for that, but it leaves the connection alone between the
 * request's callback and the reply: reading is off, no timer runs and it waits
 * for us.  So the callbacks of its bufferevent become ours, and the
 * evhttp_connection is kept only to be freed in the end.  Bytes go to send(2) at
 * once; only what the socket does not take goes through the bufferevent, which
 * watches for room just as long as it holds something.
 */
#ifndef TOCSIN_RELAY_WIRE_H
#define TOCSIN_RELAY_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct evhttp_request;
struct wire;

struct wire_handler {
	/* The socket took all that was kept: wire_is_blocked() is false again. */
	void	(*drained)(void *arg);
	/* The other end is gone (`why` is for the log).  Called once; free the wire later, not from here. */
	void	(*closed)(const char *why, void *arg);
};

/*
 * Take the request's connection; the request is not to be touched again.
 * `handler` must outlive the wire.  NULL when the connection is gone already.
 */
struct wire	*wire_take(struct evhttp_request *req, const struct wire_handler *handler, void *arg);

/* Hang up; what the kernel has taken still goes out.  Never from a handler.  NULL is fine. */
void		 wire_free(struct wire *w);

/*
 * Offer bytes to the socket, in one call.  Returns how many it took; less than
 * all means that it is full, and the caller gives the rest of the piece that
 * was cut to wire_keep().  -1 with errno: the connection is dead.  Not while
 * wire_is_blocked().
 */
ssize_t		 wire_send(struct wire *w, const struct iovec *pieces, int count);

/* Keep bytes to be sent when there is room, in front of all that follows; `release(arg)` when done with them. */
void		 wire_keep(struct wire *w, const void *data, size_t len, void (*release)(void *arg), void *arg);

/* Send or keep a copy of a short text. */
int		 wire_write(struct wire *w, const void *data, size_t len);

bool		 wire_is_blocked(const struct wire *w);
size_t		 wire_kept_bytes(const struct wire *w);	/* not taken by the socket */
size_t		 wire_unsent_bytes(const struct wire *w);	/* these, and what the peer has not acknowledged */
const char	*wire_peer(const struct wire *w);	/* ADDRESS:PORT, for the log */
#endif
