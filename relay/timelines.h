/*
 * timelines: which cursors of an earlier timeline are good in this one.  A
 * standby that is promoted begins a timeline with all of the log that had
 * reached it: a cursor that is not above its last event then names the same
 * place in both.  One above it has seen events that the promotion has lost.
 * Pure.
 */
#ifndef TOCSIN_RELAY_TIMELINES_H
#define TOCSIN_RELAY_TIMELINES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/cursor.h"

#define TIMELINES_MAX	64

/* SQL of tocsin_timelines as one text for timelines_read(), the newest first. */
#define TIMELINES_SQL	"(SELECT string_agg(timeline || ':' || after_seq, ',' ORDER BY timeline DESC) FROM tocsin_timelines)"

struct timelines {
	char	 epoch[EPOCH_MAX];	/* at hand; empty: none is known */
	size_t	 count;
	struct {
		int64_t	 number;
		int64_t	 after_seq;	/* the newest event of those before it */
	} items[TIMELINES_MAX];		/* the newest first */
};

/*
 * From the text of TIMELINES_SQL (NULL: there is none), the epoch and the newest
 * seq of the log, all of one moment.  What cannot be read is left out, which
 * makes cursors unknown, never wrong.
 */
void	 timelines_read(struct timelines *t, const char *epoch, const char *text, int64_t newest_seq);

/* True when a cursor of `epoch` at `seq` can be continued from; an empty epoch means the one at hand. */
bool	 timelines_continue(const struct timelines *t, const char *epoch, int64_t seq);
#endif
