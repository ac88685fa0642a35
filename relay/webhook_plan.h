/*
 * webhook_plan: what to do after an attempt to deliver.  Pure: clocks and
 * randomness are parameters.
 *
 *	taken (2xx)			the next event
 *	gone (410)			parked at once: the receiver wants no more
 *	this event is not taken		(400, 413, 415, 422, three times) left out; but after 10 left out in a row it
 *					is the receiver that is wrong, see below
 *	all else			again: after 1 s, doubled up to 5 min, half of it at random; never before what
 *					Retry-After says.  After `give_up` (and three attempts) without one taken: parked
 */
#ifndef TOCSIN_RELAY_WEBHOOK_PLAN_H
#define TOCSIN_RELAY_WEBHOOK_PLAN_H
#include <stdint.h>

#define WEBHOOK_RETRY_BASE_MS	1000
#define WEBHOOK_RETRY_MAX_MS	INT64_C(300000)
#define WEBHOOK_RETRY_AFTER_MAX_MS INT64_C(86400000)	/* the longest Retry-After that is believed: a day */
#define WEBHOOK_SKIP_TRIES	3
#define WEBHOOK_SKIPS_MAX	10	/* in a row */
#define WEBHOOK_PARK_TRIES	3	/* at least: the time may have passed while nobody tried */

/* What is remembered from attempt to attempt.  All zero: all is well. */
struct webhook_trouble {
	int64_t		 wall_since_us;	/* the first failure since one was taken; 0: none */
	unsigned	 tries;		/* failed ones of the event at hand, */
	unsigned	 refusals;	/* and of these such as are about the event */
	unsigned	 skipped;	/* events left out since one was taken */
};

enum webhook_step { WEBHOOK_NEXT, WEBHOOK_AGAIN, WEBHOOK_SKIP, WEBHOOK_PARK };

struct webhook_attempt {
	int		 status;		/* HTTP; 0: no answer */
	int64_t		 retry_after_ms;	/* -1: not said */
	int64_t		 wall_us;
	int64_t		 give_up_ms;
	uint32_t	 random;
};

/* Count the attempt in `t`; `*wait_ms` is how long to wait when it is WEBHOOK_AGAIN. */
enum webhook_step webhook_plan(struct webhook_trouble *t, const struct webhook_attempt *a, int64_t *wait_ms);
#endif
