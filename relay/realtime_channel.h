/*
 * realtime_channel: one channel of a Realtime socket, from phx_join until it is
 * left: what it asked for, what it may see, and its place in the log.
 *
 * A join is answered when the log is being followed, so that nothing is lost
 * behind SUBSCRIBED; one that cannot be for 8 s is refused with the reason.
 * Trouble is a `system` message with the reason and phx_error, upon which
 * clients join again; phx_close, upon which they do not, is for what they
 * asked for themselves.
 */
#ifndef TOCSIN_RELAY_REALTIME_CHANNEL_H
#define TOCSIN_RELAY_REALTIME_CHANNEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/reader.h"
#include "relay/realtime_join.h"
#include "relay/realtime_message.h"

struct access;
struct auth;
struct realtime_channel;
struct ws;

/* What all channels share; borrowed. */
struct realtime_context {
	struct reader_context	 reader;
	const struct auth	*auth;		/* NULL: nobody is asked for anything */
	uint64_t		 client_buffer;	/* bytes that a socket may lag */
	void			(*dead)(void *socket, void *arg);	/* once a socket; free it later */
	void			(*joining)(void *arg);	/* somebody waits for the log */
	void			*arg;
};

struct realtime_channel {
	struct realtime_channel	*next;			/* of the socket */
	const struct realtime_context *context;
	struct ws		*ws;
	enum realtime_version	 version;
	struct realtime_text	 topic, join_ref;	/* owned */
	struct realtime_join	 join;
	struct access		*access;		/* a reference; NULL: sees all */
	struct reader		*reader;		/* NULL: not yet, or there is nothing to read */
	char			*reply;			/* the ok that waits for the log; NULL: it has been said */
	size_t			 reply_len;
	int64_t			 asked_us;		/* monotonic: when it was asked for */
	/* The beginning of a message for these matches, up to its data. */
	struct realtime_matches	 head_matches;
	char			*head;
	size_t			 head_len;
	uint64_t		 sent;			/* events */
};

/*
 * Join.  `join` and `access` (NULL: sees all) are taken over; `m` is the
 * phx_join.  The answer follows, at once or later.
 */
struct realtime_channel *realtime_channel_new(const struct realtime_context *context, struct ws *ws,
		    enum realtime_version version, const struct realtime_message *m, struct realtime_join *join, struct access *access);
void		 realtime_channel_free(struct realtime_channel *c);	/* says nothing; never from a reader's callback */

/* It still waits for the log: true when it need not any more; also when it was refused, then `*gone`. */
bool		 realtime_channel_try(struct realtime_channel *c, int64_t now_us, bool *gone);

/* Another right to see, taken over; false with a reason when it has to join again for that. */
bool		 realtime_channel_set_access(struct realtime_channel *c, struct access *access, char why[REALTIME_WHY_MAX]);

/* Send what there is, as far as the socket takes it. */
void		 realtime_channel_pump(struct realtime_channel *c);
void		 realtime_channel_reset(struct realtime_channel *c, const char *reason);

/* Say phx_close, or (with the reason before it) phx_error; the caller frees it. */
void		 realtime_channel_close(struct realtime_channel *c);
void		 realtime_channel_error(struct realtime_channel *c, const char *reason);

/* A reply to a message of its own, or of no channel; reason NULL: ok. */
void		 realtime_reply(struct ws *ws, enum realtime_version version, const struct realtime_message *m, const char *reason);
#endif
