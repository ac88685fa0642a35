/*
 * quota: how many log lines somebody outside may cause.  So many are let
 * through, the others only counted; the count is due once a window; after a
 * window in which nothing was held back all are let through again.  Pure.
 */
#ifndef TOCSIN_GENERATOR_QUOTA_H
#define TOCSIN_GENERATOR_QUOTA_H
#include <stdbool.h>
#include <stdint.h>

struct quota {
	unsigned	 limit;
	int64_t		 window_us;
	/* All zero at first. */
	int64_t		 from_us;	/* monotonic */
	unsigned	 used;
	uint64_t	 held_back;
};

/* May one more be logged at now_us? */
bool		 quota_take(struct quota *q, int64_t now_us);

/* How many were held back in a window that is over; 0: none, or it is not over.  Call it now and then. */
uint64_t	 quota_due(struct quota *q, int64_t now_us);
#endif
