/*
 * ws: the server's end of a WebSocket (RFC 6455): the answer to the upgrade,
 * messages in, frames out, pings answered, and a proper goodbye.  No
 * extensions (so no compressed bombs) and no subprotocols.
 */
#ifndef TOCSIN_RELAY_WS_H
#define TOCSIN_RELAY_WS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/ws_frame.h"

#define WS_MESSAGE_MAX	(256 << 10)	/* bytes of a message from a client; a bigger one ends the connection with 1009 */

struct request;
struct wire;
struct ws;

/* Called from the loop; anything here may be called from within, but ws_free(). */
struct ws_handler {
	/* A whole message, a NUL behind it; borrowed. */
	void	(*text)(const char *text, size_t len, void *arg);
	void	(*binary)(const void *data, size_t len, void *arg);
	void	(*drained)(void *arg);		/* as in wire.h; only while it is open */
	void	(*closed)(const char *why, void *arg);	/* once, and the last: free it later */
};

/*
 * Take the request over and agree, or refuse it (400, 426).  `handler` must
 * outlive it.  NULL when it was refused or the client is gone.
 */
struct ws	*ws_accept(struct request *req, const struct ws_handler *handler, void *arg);
void		 ws_free(struct ws *ws);	/* NULL is fine */

/* False once either side has begun to say goodbye: nothing is sent any more. */
bool		 ws_is_open(const struct ws *ws);

/* Send a text message; copied.  Nothing happens when it is not open. */
void		 ws_send(struct ws *ws, const char *text, size_t len);

/* For whole frames of the caller's own making (ws_head()), while it is open. */
struct wire	*ws_wire(const struct ws *ws);

/* The connection failed under the caller's own sending: closed() follows. */
void		 ws_fail(struct ws *ws, const char *why);

/*
 * Say goodbye with a code and a reason (cut to 123 bytes); closed() follows
 * when the other side has answered, at the latest by ws_tick() 2 s later.
 */
void		 ws_close(struct ws *ws, unsigned code, const char *reason);

void		 ws_tick(struct ws *ws, int64_t now_us);	/* once a second */
int64_t		 ws_heard_us(const struct ws *ws);		/* monotonic: the last bytes received */
const char	*ws_peer(const struct ws *ws);
#endif
