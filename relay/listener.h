/*
 * listener: the one session that LISTENs and follows the event log.
 *
 * On every connect: check the schema, LISTEN, learn the epoch, catch up from
 * the cursor, then follow (see follow.h).  The server may be another one by
 * then, a standby that was promoted: the log goes on when nothing that was
 * handed out is missing there (timelines.h), else another one begins.  Every 5 s a probe compares the
 * newest seq with the cursor, checks that the server still has us listening,
 * and sends a NOTIFY to itself whose arrival proves the whole way.
 */
#ifndef TOCSIN_RELAY_LISTENER_H
#define TOCSIN_RELAY_LISTENER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct change;
struct cursor;
struct event_base;
struct jsonw;
struct listener;
struct stats;

struct listener_handler {
	/*
	 * Events from here on belong to a log that was not followed before: the
	 * first time (`reason` NULL), or since the database is another one.
	 * Those after `floor_seq` follow.
	 */
	void	(*rebased)(int64_t floor_seq, const char *reason, void *arg);
	/* The next event, in order of seq; borrowed. */
	void	(*change)(struct change *c, void *arg);
	/* All of the log up to now has been handed out. */
	void	(*caught_up)(void *arg);
	/* The highest seq that anybody was given, also past the listener's own cursor.  May be NULL: none was. */
	int64_t	(*highest)(void *arg);
	/* The database is not one for this program, and trying again will not help. */
	void	(*unusable)(const char *why, void *arg);
};

/*
 * Make it; `history` is how many of the newest events to begin with.
 * `handler` is copied, `stats` borrowed.  Never NULL.
 */
struct listener	*listener_new(struct event_base *base, const char *conninfo, int64_t history, struct stats *stats,
		    const struct listener_handler *handler, void *arg);
void		 listener_start(struct listener *l);
void		 listener_free(struct listener *l);	/* NULL is fine */

/* The epoch of the log being followed; NULL until the first connect. */
const char	*listener_epoch(const struct listener *l);

/* True when what follows this cursor can be had: it is of that epoch, or of one that it goes on from (see timelines.h). */
bool		 listener_continues(const struct listener *l, const struct cursor *c);
int64_t		 listener_cursor(const struct listener *l);

/* True once the log at hand was caught up with; also while the database is away since. */
bool		 listener_has_begun(const struct listener *l);

/*
 * True when a signal committed now would arrive: connected, caught up, and a
 * NOTIFY made the round trip less than 12 s ago.  Else `why`.
 */
bool		 listener_is_ready(const struct listener *l, const char **why);
void		 listener_status_json(const struct listener *l, struct jsonw *w, const char *key);
#endif
