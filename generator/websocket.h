/*
 * websocket: one client connection, RFC 6455 over TLS: looked up, connected,
 * upgraded, and then messages until it is closed.  It does not reconnect; make
 * a new one.
 *
 * Callbacks run from the event loop, never inside a call of the caller's.  In
 * each of them everything here may be called, websocket_free() too.
 */
#ifndef TOCSIN_GENERATOR_WEBSOCKET_H
#define TOCSIN_GENERATOR_WEBSOCKET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net;
struct websocket;

/* Close codes of RFC 6455, section 7.4.1, for websocket_close(). */
#define WEBSOCKET_NORMAL	1000
#define WEBSOCKET_GOING_AWAY	1001
#define WEBSOCKET_PROTOCOL	1002
#define WEBSOCKET_UNSUPPORTED	1003
#define WEBSOCKET_BAD_DATA	1007
#define WEBSOCKET_POLICY	1008
#define WEBSOCKET_TOO_BIG	1009

struct websocket_params {
	const char	*url;			/* wss://…; must have passed net_wss_ok() */
	const char	*user_agent;		/* NULL: "tocsin/VERSION" */
	unsigned	 connect_timeout_ms;	/* name, connection, TLS and upgrade together; 0: 10 s */
	unsigned	 silence_ms;		/* nothing heard for so long: a ping is sent; 0: never */
	unsigned	 answer_ms;		/* nothing heard for so long after a ping: closed; 0: 10 s */
	unsigned	 close_timeout_ms;	/* for the other side's goodbye; 0: 2 s */
	size_t		 message_max;		/* bytes; 0: 4 MB */
	size_t		 output_max;		/* bytes waiting to be sent; 0: 1 MB */
};

struct websocket_handler {
	void	(*open)(void *arg);
	/* A whole text message, valid UTF-8, a NUL behind it; borrowed. */
	void	(*message)(const char *text, size_t len, void *arg);
	/* A whole binary message; borrowed.  NULL: dropped. */
	void	(*binary)(const void *data, size_t len, void *arg);
	/*
	 * Exactly once, and the last one: it could not be opened, or is closed.
	 * `why` (borrowed) is a line that says what, as in "dns: …",
	 * "connect: …", "TLS: certificate has expired", "refused with HTTP
	 * status 403: …", "protocol: …", "no answer to a ping for 10 s",
	 * "closed by the other side code=1001 reason=…", "closed code=1000".
	 */
	void	(*closed)(const char *why, void *arg);
};

/*
 * Begin to connect.  Params and handler are copied.  Never NULL: what goes
 * wrong is told by closed().  `net` must outlive it.
 */
struct websocket *websocket_new(struct net *net, const struct websocket_params *params,
		    const struct websocket_handler *handler, void *arg);

/* Drop it at once, without a goodbye and without callbacks.  NULL is fine. */
void		 websocket_free(struct websocket *ws);

bool		 websocket_is_open(const struct websocket *ws);

/*
 * Queue a text message (UTF-8) or a ping with up to 125 bytes of payload.
 * 0, or -1 when it is not open (not yet, or not any more) or more than
 * output_max bytes would wait: nothing is queued then.
 */
int		 websocket_send(struct websocket *ws, const char *text, size_t len);
int		 websocket_ping(struct websocket *ws, const void *payload, size_t len);

/*
 * Say goodbye; closed() follows when the other side has answered, at the
 * latest after close_timeout_ms.  No message() comes any more.  Before it is
 * open, it is given up.  Nothing happens when it is closing or closed already.
 */
void		 websocket_close(struct websocket *ws, uint16_t code);

/* Monotonic time in us of the last bytes received, pongs too; of websocket_new() when none have come yet. */
int64_t		 websocket_heard_us(const struct websocket *ws);

/* What is known of the end, for closed() to ask. */
int		 websocket_http_status(const struct websocket *ws);	/* of the answer to the upgrade; 0: none came */
int64_t		 websocket_retry_after_ms(const struct websocket *ws);	/* that a refusal asked for; -1: it did not */
uint16_t	 websocket_close_code(const struct websocket *ws);	/* of the other side's goodbye; 1005: none in it, 1006: no goodbye */
#endif
