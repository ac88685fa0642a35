/* pace: when the next request to a server may start.  Pure: both clocks are parameters, in us. */
#ifndef TOCSIN_COMMON_PACE_H
#define TOCSIN_COMMON_PACE_H
#include <stdint.h>

#define PACE_RETRY_MAX_MS	(3 * 24 * 3600 * INT64_C(1000))	/* the longest Retry-After that is believed: Binance's longest ban */

struct pace {
	int64_t		 gap_ms;			/* between two starts */
	int64_t		 wait_base_ms, wait_max_ms;	/* after a refusal that names no time: base, doubled with each in a row; 503: 30 s at most */
	int64_t		 weight_max;			/* of a minute's budget */
	int64_t		 gap_until_us, wait_until_us;	/* monotonic */
	unsigned	 refusals;			/* in a row */
};

/* How long to wait before the next start; 0: not at all. */
int64_t	 pace_delay_us(const struct pace *p, int64_t mono_us);
void	 pace_started(struct pace *p, int64_t mono_us);

/*
 * An answer has come: `status`, and the texts of its Retry-After and of the
 * header with the weight used up (NULL: it has none).  Returns how long, in
 * ms, it makes everybody wait; 0: not at all.
 */
int64_t	 pace_answered(struct pace *p, int status, const char *retry_after, const char *weight, int64_t mono_us, int64_t wall_us);
#endif
