/*
 * indicator: what all streaming indicators have in common.
 *
 * x_init() with the period, then x_update() once for every closed bar, in
 * order.  Until `ready` is true the values mean nothing.  Memory is bounded by
 * the period; x_release() gives it back.  Conventions are those of TA-Lib with
 * the exceptions named at each one; bars are counted from 0, and "first" is the
 * bar with the first value.
 *
 * Inputs must be finite, with low <= close <= high and prices above zero
 * (candle_ok()): one NaN would poison a recursive indicator for ever.
 *
 * x_warmup() is the number of bars to feed before a value may be used.  A
 * windowed indicator is exact with its first value; a recursive one remembers
 * its seed, and the numbers make what is left of it smaller than 1e-8.
 */
#ifndef TOCSIN_GENERATOR_INDICATOR_H
#define TOCSIN_GENERATOR_INDICATOR_H
#include <stdbool.h>
#include <stddef.h>

struct bar {
	double	 high, low, close;
};

/* The last `size` values. */
struct window {
	size_t	 size, count;		/* count stops at size */
	size_t	 next;			/* where the next one goes: the oldest one's place once full */
	double	*values;
};

void	 window_init(struct window *w, size_t size);	/* size >= 1 */
void	 window_release(struct window *w);
void	 window_push(struct window *w, double x);
bool	 window_full(const struct window *w);

/*
 * Over what the window holds.  The sum goes from the oldest value to the newest
 * and starts anew each time: no residue of a huge value, and the same bits
 * whatever came before the window, so a restart changes nothing.
 */
double	 window_sum(const struct window *w);
double	 window_max(const struct window *w);
double	 window_min(const struct window *w);
bool	 window_is_lowest(const struct window *w, double x);	/* none in it is below x */

/* Sum of the squared distances from `mean`. */
double	 window_squares(const struct window *w, double mean);
#endif
