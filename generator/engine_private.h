/* engine_private: what engine.c and engine_status.c share. */
#ifndef TOCSIN_GENERATOR_ENGINE_PRIVATE_H
#define TOCSIN_GENERATOR_ENGINE_PRIVATE_H
#include "generator/book.h"
#include "generator/builder.h"
#include "generator/engine.h"
#include "generator/strategy.h"

/* One strategy on one stream. */
struct pair {
	const struct strategy	*strategy;
	struct strategy_state	*state;
	struct book		 book;
	int64_t			 judged_us;	/* open time of the last candle judged */
	int64_t			 opened_us;	/* and of the last that opened a signal */
};

struct stream {
	struct engine		*engine;
	char			*exchange, *symbol;
	enum timeframe		 base;
	struct builder		*builder;
	struct filler		 filler;
	struct aggregator	 aggregators[TIMEFRAMES];
	int			 aggregator_count;
	struct pair		*pairs;
	size_t			 pair_count;
	/* Signals of strategies that are not configured for this stream: the last one of each and timeframe. */
	struct book		*orphans;
	size_t			 orphan_count;
	bool			 real_time;
	bool			 warming;	/* nothing reaches the handler */
	int64_t			 live_from_us;	/* what ends up to here gives no signals */
	int64_t			 next_open_us;	/* earlier base candles have been seen */
	struct candle		 last;		/* base candle, once `candles` is not 0 */
	struct candle		 official;	/* the exchange's version of one that is not closed yet */
	bool			 has_official;
	uint64_t		 candles, filled, late, future, corrected, gaps;
	struct stream		*next;
};

struct engine {
	struct engine_conf	 conf;
	struct engine_handler	 handler;
	void			*arg;
	struct strategy		**strategies;
	size_t			 strategy_count;
	struct stream		*streams, **last_stream;
	int64_t			 wall_us;
	uint64_t		 opened;
};

/* engine_signal.c: a signal read back whose strategy is not configured; the clock for those of a stream without candles. */
/*
 * Open a signal that is complete but for exchange, symbol, mode and generated_us
 * in its book, reversing the active one.  Beyond fresh_until_us (not in a replay)
 * it is void from the start and leaves the book again.
 */
void	 book_take_signal(struct stream *s, struct book *b, struct signal *fresh, int64_t fresh_until_us);

void	 orphan_restore(struct stream *s, const struct signal *signal);
void	 orphans_clock(struct stream *s, int64_t now_us);
#endif
