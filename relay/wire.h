/*
 * wire: a connection taken over from the web server once its request is parsed,
 * for bytes that flow until somebody hangs up (Server-Sent Events, WebSocket).
 *
 * Without TLS bytes go to send(2) at once; only what the socket does not take
 * goes through the connection's bufferevent, which watches for room just as
 * long as it holds something.  With TLS all goes through it, and the wire is
 * blocked until it is empty again.
 */
#ifndef TOCSIN_RELAY_WIRE_H
#define TOCSIN_RELAY_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct request;
struct wire;

struct wire_handler {
	/* The socket took all that was kept: wire_is_blocked() is false again. */
	void	(*drained)(void *arg);
	/* Bytes came, in order (NULL: what comes is forgotten).  Not to be called back from within any function here. */
	void	(*input)(const void *data, size_t len, void *arg);
	/* The other end is gone (`why` is for the log).  Called once; free the wire later, not from here. */
	void	(*closed)(const char *why, void *arg);
};

/*
 * Take the request's connection, without having answered; the request is not to
 * be touched again.  What the client sent behind it comes as input.  `handler`
 * must outlive the wire.  NULL when the connection is gone already.
 */
struct wire	*wire_take(struct request *req, const struct wire_handler *handler, void *arg);

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
const char	*wire_peer(const struct wire *w);	/* ADDRESS:PORT, for the log; until the next call */
#endif
