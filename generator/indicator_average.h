/* indicator_average: indicators over one price a bar.  See generator/indicator.h for the rules. */
#ifndef TOCSIN_GENERATOR_INDICATOR_AVERAGE_H
#define TOCSIN_GENERATOR_INDICATOR_AVERAGE_H
#include "generator/indicator.h"

/* SMA(n), n >= 1.  First: n - 1. */
struct sma {
	struct window	 window;
	bool		 ready;
	double		 value;
};

void	 sma_init(struct sma *s, size_t n);
void	 sma_release(struct sma *s);
void	 sma_update(struct sma *s, double x);
size_t	 sma_warmup(size_t n);

/* EMA(n), n >= 2, k = 2 / (n + 1), seeded with the SMA of the first n.  First: n - 1. */
struct ema {
	size_t	 n, fed;		/* fed stops at n */
	double	 sum;			/* of the seed */
	bool	 ready;
	double	 value;
};

void	 ema_init(struct ema *e, size_t n);
void	 ema_update(struct ema *e, double x);
size_t	 ema_warmup(size_t n);

/* RMA(n), n >= 2: Wilder's smoothing, k = 1 / n, seeded with the mean of the first n.  First: n - 1. */
struct rma {
	size_t	 n, fed;		/* fed stops at n */
	double	 sum;			/* of the seed */
	bool	 ready;
	double	 value;
};

void	 rma_init(struct rma *r, size_t n);
void	 rma_update(struct rma *r, double x);
size_t	 rma_warmup(size_t n);

/*
 * RSI(n), n >= 2.  First: n.  Without any move it is 50 and `flat` is true (TA-Lib
 * says 0, TradingView 100): no information, so no strategy may fire on it.
 */
struct rsi {
	struct rma	 up, down;
	bool		 has_previous;
	double		 previous;
	bool		 ready, flat;
	double		 value;
};

void	 rsi_init(struct rsi *r, size_t n);
void	 rsi_update(struct rsi *r, double x);
size_t	 rsi_warmup(size_t n);

/*
 * Bollinger(n, k), n >= 2.  First: n - 1.  Population deviation, in two passes:
 * TA-Lib's E[x^2] - E[x]^2 collapses to zero at small or narrow prices.
 */
struct bollinger {
	struct window	 window;
	double		 k;
	bool		 ready;
	double		 upper, middle, lower;
	double		 width;			/* (upper - lower) / middle */
	double		 position;		/* %b: 0 at lower, 1 at upper; 0.5 when the width is 0 */
};

void	 bollinger_init(struct bollinger *b, size_t n, double k);
void	 bollinger_release(struct bollinger *b);
void	 bollinger_update(struct bollinger *b, double x);
size_t	 bollinger_warmup(size_t n);

/*
 * MACD(fast, slow, signal), each >= 2; fast and slow are swapped when slow is
 * the shorter.  All three values first: slow + signal - 2.  The fast EMA is
 * seeded with the mean of the `fast` prices before the slow one's seed ends.
 */
struct macd {
	struct ema	 fast, slow, smooth;
	size_t		 skip;			/* prices the fast EMA has still to ignore */
	bool		 ready;
	double		 value, signal, histogram;
};

void	 macd_init(struct macd *m, size_t fast, size_t slow, size_t signal);
void	 macd_update(struct macd *m, double x);
size_t	 macd_warmup(size_t fast, size_t slow, size_t signal);
#endif
