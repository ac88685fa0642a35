/*
 * hist: a histogram of durations with a fixed size and a bounded error.
 * Values below 16 us are exact; above, every power of two is cut into 16
 * buckets, so a percentile is at most 6.25 % too high and never too low.
 */
#ifndef TOCSIN_COMMON_HIST_H
#define TOCSIN_COMMON_HIST_H
#include <stdint.h>

struct jsonw;

#define HIST_SUB	16	/* buckets per power of two */
#define HIST_POWERS	33	/* up to 2^36 us, 19 hours; longer ones count as that */

struct hist {
	uint64_t	 count;
	int64_t		 sum_us, max_us;
	uint64_t	 buckets[HIST_POWERS * HIST_SUB];
};

/* An all-zero struct is empty.  Negative durations (a clock set back) count as 0. */
void	 hist_add(struct hist *h, int64_t us);

/* The duration in us that `percent` (0 to 100) of the values do not exceed; 0 when empty. */
int64_t	 hist_percentile_us(const struct hist *h, double percent);

/* How many are at most `us`; exact where a bucket ends: 2^n - 1, and 1.5 * 2^n - 1. */
uint64_t hist_count_to(const struct hist *h, int64_t us);

/* {"count":n,"mean_ms":…,"p50_ms":…,"p99_ms":…,"max_ms":…} under `key`. */
void	 hist_json(struct jsonw *w, const char *key, const struct hist *h);
#endif
