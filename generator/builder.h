/*
 * builder: from trades to base candles, from base candles to higher ones.
 * Pure: no clock, no file, no event loop.  Three parts, in the order in which
 * an input passes through them:
 *	builder		trades -> closed base candles of one stream
 *	filler		filled candles for empty intervals between base candles
 *	aggregator	base candles, filled ones too -> one higher timeframe
 */
#ifndef TOCSIN_GENERATOR_BUILDER_H
#define TOCSIN_GENERATOR_BUILDER_H
#include <stdbool.h>
#include <stdint.h>

#include "generator/candle.h"

/*
 * How far an id may lie behind the highest one and still be told from a
 * duplicate; older ones count as duplicates, unless their trade is later than
 * that of the highest id: then that one was wrong.
 */
#define BUILDER_ID_WINDOW	1024

struct builder;

struct builder_counts {
	uint64_t	 trades;	/* that became part of a candle */
	uint64_t	 late;		/* of a candle that was closed already: dropped */
	uint64_t	 duplicates;	/* of an id that was seen already: dropped */
};

/*
 * Make a builder; every candle carries `source`.  A candle closes when a trade
 * of a later interval arrives, or by the clock `grace_us` after its end.  A
 * closed candle is final.  Never NULL; free with builder_free() (NULL is fine).
 */
struct builder	*builder_new(enum timeframe base, int64_t grace_us, enum candle_source source);
void		 builder_free(struct builder *b);

/*
 * Put a trade in.  Inside the open candle trades may come in any order: open
 * and close are those of the lowest and highest id.  Returns the number of
 * candles (0 or 1) that this closed, in `*closed`.
 */
int		 builder_trade(struct builder *b, const struct trade *t, struct candle *closed);

/* The market's clock has reached now_us.  Returns 0 or 1 candles like builder_trade(). */
int		 builder_clock(struct builder *b, int64_t now_us, struct candle *closed);

/*
 * Nothing that opens before `open_us` is wanted (any more): earlier trades count
 * as late, and a candle at hand that opens before it is dropped.
 */
void		 builder_start_at(struct builder *b, int64_t open_us);
const struct builder_counts *builder_counts(const struct builder *b);

/*
 * A hole of up to `fill_max` empty intervals between two base candles is filled
 * with candles of the previous close, no volume, no trades, SOURCE_FILLED; a
 * longer one stays empty.  For each closed base candle c:
 *
 *	while (filler_next(f, c, &filled))
 *		use(&filled);
 *	use(c);
 *	filler_done(f, c);
 */
struct filler {
	enum timeframe	 tf;
	int		 fill_max;
	bool		 begun;		/* a candle has been used: the next two are its */
	int64_t		 last_open_us;
	struct decimal	 last_close;
};

void		 filler_init(struct filler *f, enum timeframe tf, int fill_max);
bool		 filler_next(struct filler *f, const struct candle *next, struct candle *filled);
void		 filler_done(struct filler *f, const struct candle *c);

/*
 * Closed base candles, oldest first, become candles of `tf` (>= base, a multiple
 * of it).  A candle closes with its last base candle, or, when that one is
 * missing, as soon as a later base candle shows it.  Filled base candles only
 * keep time: prices are those of the others, so the candle is the one that its
 * trades alone would give, with the source of the last other; SOURCE_FILLED and
 * the one price when all are filled.  Trades are -1 (unknown) when they are for
 * any of its base candles.
 *
 * The very first candle is dropped when the first base candle fed is not the
 * first of its interval: what came before is unknown.  So, fed the same base
 * candles from the boundary of any interval whose first one exists, it closes
 * the same candles from there on.
 */
struct aggregator {
	enum timeframe	 base, tf;
	bool		 begun;		/* a base candle has been fed */
	bool		 building;	/* `candle` holds an interval that is not closed */
	bool		 incomplete;	/* and its beginning was never seen */
	int64_t		 last_open_us;	/* of the base candle fed last */
	struct candle	 candle;
};

void		 aggregator_init(struct aggregator *a, enum timeframe base, enum timeframe tf);

/*
 * Put a closed base candle in; one that is not later than the last is ignored.
 * Returns how many candles closed: 0, 1, or 2 when it both shows that the
 * interval before is over and completes its own.
 */
int		 aggregator_add(struct aggregator *a, const struct candle *base_candle, struct candle closed[2]);
#endif
