/*
 * logmerge: which of several logs has the next line.  Pure.
 *
 * A log's lines keep their order, whatever their times say (a clock may be set
 * back), so only the first line left of each competes.  A line without a time
 * of its own belongs to the line before it in its log and stays with it.
 *
 * A log that is being written is read a moment before another, and a line that
 * is missing yet may be older than one that is there.  So a new line waits:
 * only one that is `due` makes somebody's turn, but a line that is older than
 * that one goes first, due or not.  For logs at rest all lines are due.
 */
#ifndef TOCSIN_WATCHDOG_LOGMERGE_H
#define TOCSIN_WATCHDOG_LOGMERGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first line left of one log. */
struct logmerge_head {
	bool	 there;		/* false: there is none now, the rest means nothing */
	bool	 due;
	bool	 continues;	/* has no time of its own */
	int64_t	 wall_us;	/* its time, or that of the line it belongs to */
};

#define LOGMERGE_NONE	((size_t)-1)

/*
 * The index of the log whose line is the next one, LOGMERGE_NONE when none is
 * due.  `last` is whose line was the one before, or LOGMERGE_NONE.  Of lines of
 * the same time the first log's goes first.
 */
size_t	 logmerge_next(const struct logmerge_head *heads, size_t count, size_t last);
#endif
