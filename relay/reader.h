/*
 * reader: a subscriber's place in the event log: from the database until its
 * place is in the ring, then from the ring; never an event twice, never one
 * left out.  It knows nothing of sockets: whoever owns it gathers what comes
 * next and says how much of it has left.  An SSE stream has one, a Realtime
 * channel has one, a webhook has one.
 *
 *	HELD     nothing is known of the log yet: waits for the first catching up
 *	WAITING  a page of history or a snapshot was asked for
 *	BATCH    that page or snapshot
 *	PARKED   did not take its page in time and gave it back: reader_gather() asks again
 *	LIVE     follows the ring
 */
#ifndef TOCSIN_RELAY_READER_H
#define TOCSIN_RELAY_READER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct change;
struct cursor;
struct history;
struct listener;
struct reader;
struct ring;
struct stats;

#define READER_GATHER_MAX	64	/* events that reader_gather() returns at once */

/* What all readers share; borrowed. */
struct reader_context {
	struct ring	*ring;
	struct history	*history;
	struct listener	*listener;
	struct stats	*stats;
};

/* Callbacks come from the loop or from within reader_begin(), reader_reset() and reader_gather(); they may gather, not free. */
struct reader_handler {
	/* Once, before all others: the log is known.  Without a start, reader_seq() is the place that it begins at. */
	void	(*begun)(void *arg);
	/* There may be something to gather: it has begun, or a page or a snapshot came. */
	void	(*ready)(void *arg);
	/*
	 * Its place means nothing any more, for `reason` (epoch, retention,
	 * unknown, log).  What is gathered next is a snapshot, the active signals
	 * (reader_in_snapshot()); it leads to the place `seq`.
	 */
	void	(*reset)(const char *reason, int64_t seq, void *arg);
	/* All of the snapshot has passed: the place is `seq` now. */
	void	(*snapshot_done)(int64_t seq, void *arg);
	/* Whether it wants an event, always the same answer for the same event; NULL: all. */
	bool	(*wants)(const struct change *c, void *arg);
};

/* `start` (copied; NULL: from now on).  `context` and `handler` must outlive it.  Call reader_begin() next. */
struct reader	*reader_new(const struct reader_context *context, const struct reader_handler *handler, void *arg,
		    const struct cursor *start);
void		 reader_free(struct reader *r);		/* NULL is fine */

/* Find the place to begin at, if the log is known; to be called again when it is (only a held reader cares). */
void		 reader_begin(struct reader *r);

/* Its place means nothing any more (`reason` is a constant). */
void		 reader_reset(struct reader *r, const char *reason);

/*
 * The next events that it wants, at most `max` (or READER_GATHER_MAX); borrowed,
 * valid until the loop turns: take a reference to keep one.  0: nothing now;
 * `ready` or the ring's growth tells of more.
 */
size_t		 reader_gather(struct reader *r, struct change **out, size_t max);

/*
 * The first `count` (at least 1) of those gathered have left; to be told before
 * the loop turns (else what was gathered may have been given back: it has not
 * passed then, and comes again).  The others stay gathered.
 */
void		 reader_passed(struct reader *r, size_t count);

/*
 * Once a second: a page that nobody takes is given back.  `moved`: the owner
 * has got rid of bytes since the last tick, which counts as taking it, as
 * reader_passed() does.  False: a snapshot has not moved for 10 s, or has
 * taken so long while others wait for room (history_is_short()).
 */
bool		 reader_tick(struct reader *r, bool moved, int64_t now_us);

/* It is about to be asked: have it in the cache by then.  With thousands, most of the time goes into fetching them. */
void		 reader_prefetch(const struct reader *r);

bool		 reader_is_live(const struct reader *r);	/* follows the ring */
bool		 reader_is_at_head(const struct reader *r);	/* and has passed all of it */
bool		 reader_in_snapshot(const struct reader *r);
bool		 reader_is_reset(const struct reader *r);	/* the same, and before it comes: reader_seq() is no place to resume from */
int64_t		 reader_seq(const struct reader *r);		/* all up to here has passed or was not wanted */
uint64_t	 reader_lag_bytes(const struct reader *r);	/* of the ring, not passed yet; 0 while not live */
int64_t		 reader_live_us(const struct reader *r);	/* monotonic: since when it follows the ring */
#endif
