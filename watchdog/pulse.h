/*
 * pulse: the watchdog's end of one child's heartbeat pipe, for one run of it.
 *
 * Until the child is up every line is heard at once.  From then on they gather
 * in the pipe and are taken now and then (pulse_batch): that a beat came is all
 * there is to know, and a wake-up for each would cost more than the rest of the
 * watchdog together.
 */
#ifndef TOCSIN_WATCHDOG_PULSE_H
#define TOCSIN_WATCHDOG_PULSE_H
#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watchdog/beat.h"

/* Owned by its process and zero-initialised; see pulse_init(). */
struct pulse {
	int			 fd;		/* -1: closed */
	struct event		 event;		/* embedded, so that a restart allocates nothing */
	bool			 batched;	/* heard by pulse_read() only */
	bool			 flooded;	/* the last read found a full pipe: once is news */
	struct beat_parser	 parser;
	beat_line_fn		*heard;
	void			*arg;
	const char		*name;		/* of the process, borrowed, for the log */
	int64_t			 beat_us;	/* the last READY or WATCHDOG, monotonic; 0: none in this run */
	size_t			 status_len;	/* of the latest STATUS; 0: none in this run */
	char			 status[PIPE_BUF];
};

/* Before the first run.  `heard` is called for every line but STATUS, which is kept here. */
void	 pulse_init(struct pulse *p, const char *name, beat_line_fn *heard, void *arg);

/* A new run: the descriptor becomes the pulse's.  0, or -1 when only pulse_read() will hear it. */
int	 pulse_open(struct pulse *p, struct event_base *base, int fd_take);

/* No longer at once: pulse_read() has to be called now and then. */
void	 pulse_batch(struct pulse *p);

/* The run is over.  The last STATUS stays to be read. */
void	 pulse_close(struct pulse *p);

/*
 * Take what is in the pipe now, at most as much as a pipe holds.  A child that
 * writes more than that is batched from then on, and blocks in between, or it
 * would cost a processor.
 */
void	 pulse_read(struct pulse *p);
#endif
