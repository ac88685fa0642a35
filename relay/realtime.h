/*
 * realtime: GET /realtime/v1/websocket and /socket/websocket: an unmodified
 * client of Supabase Realtime subscribes to the changes of public.signals.
 * The set of all sockets: who is woken, told to wait, hung up on and freed.
 */
#ifndef TOCSIN_RELAY_REALTIME_H
#define TOCSIN_RELAY_REALTIME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/reader.h"

struct auth;
struct event_base;
struct realtime;
struct request;

struct realtime_params {		/* all borrowed */
	struct reader_context	 reader;
	const struct auth	*auth;		/* NULL: nobody is asked for anything */
	size_t			 max;		/* sockets */
	uint64_t		 client_buffer;	/* bytes */
};

struct realtime	*realtime_new(struct event_base *base, const struct realtime_params *params);
void		 realtime_free(struct realtime *set);	/* hangs up on all; NULL is fine */
size_t		 realtime_count(const struct realtime *set);
size_t		 realtime_channels(const struct realtime *set);

/* After SIGHUP: for joins from now on; what expired with the old one is ended by and by. */
void		 realtime_set_auth(struct realtime *set, const struct auth *auth);

/* Take the request over, or refuse it; `others`: clients of other kinds, who count too. */
void		 realtime_accept(struct realtime *set, struct request *req, size_t others);

void		 realtime_wake(struct realtime *set);	/* as streams_wake() */
void		 realtime_begin(struct realtime *set);	/* the log is known */
void		 realtime_reset(struct realtime *set, const char *reason);	/* a constant */

/* Say goodbye to all: the relay is about to end. */
void		 realtime_stop(struct realtime *set);
#endif
