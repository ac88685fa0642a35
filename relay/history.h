/*
 * history: pages of the event log and snapshots of the active signals, for
 * readers that the ring cannot serve.
 *
 * One question is under way at a time, on the query session; the others wait,
 * through a loss of the database too.  A page answers everybody whose place lies
 * within it, whoever asked for it, as long as somebody still holds it; what the
 * log begins with, all whose place it does not reach back to; and every
 * other question is that of the reader furthest behind, so that thousands who
 * come back from anywhere soon walk together and each page is read about once.
 *
 * Bounded in memory: only HISTORY_BATCHES_MAX answers exist at once, so readers
 * that stall can hold up others that also need history until they give theirs
 * back, never a live stream; while somebody waits for that, history_is_short().
 * Answers are handed out a few milliseconds at a time, so that what is live does
 * not wait for them.
 */
#ifndef TOCSIN_RELAY_HISTORY_H
#define TOCSIN_RELAY_HISTORY_H
#include <stdbool.h>
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
	/* A page may begin before the place asked for: what is not after it is to be stepped over. */
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

/* The log is another one: answers read before do not serve those who ask from now on. */
void		 history_forget(struct history *h);

/* The highest place that an answer has led to since then; 0: there was none.  It may be ahead of the listener's. */
int64_t		 history_highest(const struct history *h);

/*
 * Ask for the events after `seq`, or for the active signals.  `cb` is called once, from the loop, unless
 * history_cancel() comes first; then the ask is gone.
 */
struct history_ask *history_page(struct history *h, int64_t seq, history_cb cb, void *arg);
struct history_ask *history_snapshot(struct history *h, history_cb cb, void *arg);
void		 history_cancel(struct history_ask *a);

/* There is no room for another answer, and somebody waits for one: who has held his for long enough gives it back. */
bool		 history_is_short(const struct history *h);

struct batch	*batch_ref(struct batch *b);
void		 batch_unref(struct batch *b);		/* NULL is fine */
size_t		 batch_count(const struct batch *b);
struct change	*batch_at(const struct batch *b, size_t i);	/* borrowed */
#endif
