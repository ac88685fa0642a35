/*
 * feed_exec_market: what a program's lines mean for the markets of its feed:
 * which are delivered, which are known already, what was lost while it did not
 * run, and when the wall clock may close a quiet market's candles.
 */
#ifndef TOCSIN_GENERATOR_FEED_EXEC_MARKET_H
#define TOCSIN_GENERATOR_FEED_EXEC_MARKET_H
#include <stdbool.h>
#include <stdint.h>

#include "generator/feed.h"
#include "generator/line.h"

/* A trade is of now when it is not older: then the clock may go on behind it. */
#define EXEC_LIVE_US	INT64_C(10000000)

struct exec_symbol {
	int64_t	 resume_us;	/* nothing earlier is delivered; INT64_MIN: nothing is known */
	int64_t	 next_id;	/* of a trade without one */
	int64_t	 last_trade_us;	/* the newest; INT64_MIN: none */
	/* Of this run of the program. */
	int64_t	 known_us;	/* trades without id up to here were delivered by a run before */
	bool	 trades, candles;	/* it has brought some */
	bool	 live;		/* its last trade was of now */
};

struct exec_counts {
	uint64_t	 trades, candles, signals;	/* delivered */
	uint64_t	 dropped;	/* known already, or of a candle whose beginning was missed */
	uint64_t	 repeated_signals;
};

struct exec_market {
	const struct feed_conf	*common;
	const struct feed_handler *handler;
	void			*arg;
	bool			 backfills;	/* the program prints what it missed */
	int64_t			 max_age_us;	/* of a signal, from the end of its candle; 0: the length of its timeframe */
	struct exec_symbol	*symbols;
	struct exec_counts	 counts;
};

/* Everything is borrowed.  Says live_from: what a market without history gets from the past is for warming up. */
void	 exec_market_init(struct exec_market *m, const struct feed_conf *common, bool backfills, int64_t max_age_us, const int64_t *resume_us,
	    int64_t wall_us, const struct feed_handler *handler, void *arg);
void	 exec_market_release(struct exec_market *m);

/* A run of the program begins. */
void	 exec_market_begin(struct exec_market *m);

/* From when on it should print: the beginning of the candle at hand; INT64_MIN: nothing is known. */
int64_t	 exec_market_resume_us(const struct exec_market *m, size_t symbol);

/* A line of the program; NULL, or why it is refused. */
const char *exec_market_line(struct exec_market *m, struct line *l, int64_t wall_us);

/* What was read is not all there is: until a trade of now comes again, the clock stands. */
void	 exec_market_hold(struct exec_market *m);

/* The wall clock: for markets whose trades are of now (`running`), and for those that never had any. */
void	 exec_market_clock(const struct exec_market *m, bool running, int64_t wall_us);
#endif
