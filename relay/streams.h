/* streams: the set of all subscribers: who is woken, kept alive, hung up on and freed, and when. */
#ifndef TOCSIN_RELAY_STREAMS_H
#define TOCSIN_RELAY_STREAMS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor;
struct event_base;
struct request;
struct filter;
struct history;
struct listener;
struct ring;
struct stats;
struct streams;

struct streams_params {		/* all borrowed */
	struct ring	*ring;
	struct history	*history;
	struct listener	*listener;
	struct stats	*stats;
	size_t		 max;
	uint64_t	 client_buffer;	/* bytes */
	int64_t		 keepalive_ms;
};

struct streams	*streams_new(struct event_base *base, const struct streams_params *params);
void		 streams_free(struct streams *set);	/* hangs up on all; NULL is fine */
bool		 streams_is_full(const struct streams *set, size_t others);	/* clients of other kinds, who count too */
size_t		 streams_count(const struct streams *set);

/* Take the request over as a new stream (see stream_new()). */
void		 streams_add(struct streams *set, struct request *req, struct filter *filter, const struct cursor *cursor);

/*
 * The ring has grown: send when the events at hand have all been pushed, still
 * in this turn of the loop, so that a burst becomes one write a stream.
 */
void		 streams_wake(struct streams *set);

void		 streams_begin(struct streams *set);	/* the log is known: held streams begin */
void		 streams_reset(struct streams *set, const char *reason);	/* a constant */
#endif
