/*
 * history: pages of the event log and snapshots of the active signals, for
 * streams that the ring cannot serve.
 *
 * One question is under way at a time, on the query session; the others wait
 * in order, through a loss of the database too.  Bounded in memory: only
 * HISTORY_BATCHES_MAX answers exist at once, so readers that stall can hold up
 * others that also need history until they give theirs back, never a live stream.
 */
#ifndef TOCSIN_RELAY_HISTORY_H
#define TOCSIN_RELAY_HISTORY_H
#include <stddef.h>
#include <stdint.h>

#include "relay/cursor.h"

#define HISTORY_PAGE_ROWS	500
#define HISTORY_BATCHES_MAX	64

struct batch;
struct change;
struct event_base;
struct history;
struct history_ask;
struct pg;
struct stats;

struct history_answer {
	struct batch		*batch;		/* borrowed: batch_ref() to keep; NULL when the cursor is not good */
	enum cursor_verdict	 verdict;	/* CURSOR_GOOD for a snapshot */
	int64_t			 last_seq;	/* of the page's last event (0: none); the snapshot's place in the log */
};
typedef void (*history_cb)(const struct history_answer *a, void *arg);

/*
 * `pg` is borrowed, its up handler must call history_up().  `epoch` tells the
 * epoch being followed; answers from another one are asked again, as the
 * sessions may reach a new primary one after the other.
 */
struct history	*history_new(struct event_base *base, struct pg *pg, struct stats *stats,
		    const char *(*epoch)(void *arg), void *arg);
void		 history_free(struct history *h);	/* no callbacks any more; NULL is fine */
void		 history_up(struct history *h);

/*
 * Ask for the events after `seq`, or for the active signals (all who ask at
 * once share one answer).  `cb` is called once, from the loop, unless
 * history_cancel() comes first; then the ask is gone.
 */
struct history_ask *history_page(struct history *h, int64_t seq, history_cb cb, void *arg);
struct history_ask *history_snapshot(struct history *h, history_cb cb, void *arg);
void		 history_cancel(struct history_ask *a);

struct batch	*batch_ref(struct batch *b);
void		 batch_unref(struct batch *b);		/* NULL is fine */
size_t		 batch_count(const struct batch *b);
struct change	*batch_at(const struct batch *b, size_t i);	/* borrowed */
#endif
