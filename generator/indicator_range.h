/* indicator_range: indicators over high, low and close.  See generator/indicator.h for the rules. */
#ifndef TOCSIN_GENERATOR_INDICATOR_RANGE_H
#define TOCSIN_GENERATOR_INDICATOR_RANGE_H
#include "generator/indicator_average.h"

/*
 * True range and ATR(n), n >= 2, smoothed by RMA.  The true range begins with
 * bar 1 (`has_range`), so the ATR's first is n.  0 in a flat market.
 */
struct atr {
	struct rma	 rma;
	bool		 has_previous, has_range;
	double		 previous_close, true_range;
	bool		 ready;
	double		 value;
};

void	 atr_init(struct atr *a, size_t n);
void	 atr_update(struct atr *a, const struct bar *b);
size_t	 atr_warmup(size_t n);

/*
 * +DI, -DI (first: n, `di_ready`) and ADX (first: 2n - 1) of Wilder, n >= 2.
 * Equal moves up and down count as neither.  Where the index is undefined (no
 * range, or both DI 0), the ADX stays as it is, and its seed counts a 0.
 */
struct adx {
	size_t		 n, fed;		/* fed stops at 2n */
	struct bar	 previous;
	double		 plus_sum, minus_sum, range_sum, seed;
	bool		 di_ready, ready;
	double		 plus_di, minus_di, value;
};

void	 adx_init(struct adx *a, size_t n);
void	 adx_update(struct adx *a, const struct bar *b);
size_t	 adx_warmup(size_t n);

/*
 * Slow stochastic (k, slowing, d), k >= 2, the others >= 1.  %K and %D first:
 * (k - 1) + (slowing - 1) + (d - 1).  Without any range the raw value is 50;
 * with `ta_compat` 0, as in TA-Lib.
 */
struct stochastic {
	struct window	 highs, lows;
	struct sma	 slowing, smooth;
	bool		 ta_compat;
	bool		 ready;
	double		 k, d;
};

void	 stochastic_init(struct stochastic *s, size_t k, size_t slowing, size_t d, bool ta_compat);
void	 stochastic_release(struct stochastic *s);
void	 stochastic_update(struct stochastic *s, const struct bar *b);
size_t	 stochastic_warmup(size_t k, size_t slowing, size_t d);

/*
 * Donchian(n), n >= 2.  First: n - 1.  upper and lower include the bar at hand,
 * so no close is ever beyond them: a breakout compares with the previous_ ones,
 * which are there one bar later (`previous_ready`).
 */
struct donchian {
	struct window	 highs, lows;
	bool		 ready, previous_ready;
	double		 upper, lower, middle;
	double		 previous_upper, previous_lower;
};

void	 donchian_init(struct donchian *d, size_t n);
void	 donchian_release(struct donchian *d);
void	 donchian_update(struct donchian *d, const struct bar *b);
size_t	 donchian_warmup(size_t n);		/* of the previous_ values */

/*
 * Supertrend(n, multiplier), n >= 2.  First: n, with the trend up (as TA-Lib
 * and ta4j).  That is a convention, so the first flip is no news: `flips`
 * counts them.  `flipped` is about the last bar.
 */
struct supertrend {
	struct atr	 atr;
	double		 multiplier;
	double		 previous_close, upper, lower;	/* the final bands */
	bool		 ready, up, flipped;
	unsigned long	 flips;
	double		 value;				/* lower when up, else upper */
};

void	 supertrend_init(struct supertrend *s, size_t n, double multiplier);
void	 supertrend_update(struct supertrend *s, const struct bar *b);
size_t	 supertrend_warmup(size_t n);
#endif
