/*
 * book: the life of signals once they are open.
 *
 * A candle is judged against a signal in this order:
 *   1. Only candles that open at or after candle_close_us count.
 *   2. A candle that opens at or after expires_us (the market was closed when it
 *      came): expired at the first traded price, the candle's open.
 *   3. The stop.  Opening at or beyond it exits at the open, else at the stop.
 *      When stop and target lie within one candle, the stop counts.
 *   4. The targets, each at its price, several in one candle if it reaches them.
 *      With the first one the stop moves to entry; the moved stop holds from the
 *      NEXT candle on, since the order of prices within this one is unknown.
 *   5. The candle ends at or after expires_us: expired at its close.
 * Filled candles hold no trades: they can only expire a signal.
 *
 * Excursions start at entry and follow high and low.  In the candle that closes
 * the signal they reach no further than what surely came before the exit: at the
 * stop the exit price alone, at a target the adverse side in full and the
 * favorable one up to the target.
 *
 * pnl_ratio and r_multiple take the whole position out at exit_price; nothing is
 * booked at the targets before the last.
 */
#ifndef TOCSIN_GENERATOR_BOOK_H
#define TOCSIN_GENERATOR_BOOK_H
#include <stdbool.h>
#include <stdint.h>

#include "generator/signal.h"

enum book_change {
	BOOK_SAME,		/* nothing to tell */
	BOOK_REFRESHED,		/* last_price or an excursion moved */
	BOOK_CHANGED		/* status, targets_hit or stop_loss */
};

/* Judge a candle that ends at end_us (market time).  Pure; a closed signal stays as it is. */
enum book_change signal_step(struct signal *s, const struct candle *c, int64_t end_us);

/* Close it as cancelled, without an outcome, for EXIT_REVERSED, EXIT_FEED_GAP or EXIT_OPERATOR. */
void	 signal_cancel(struct signal *s, enum signal_exit why, struct decimal price, int64_t at_us);

/* When a strategy may open its next signal. */
struct book_rules {
	int64_t	 cooldown_us;		/* pause after a close */
	int64_t	 guard_us;		/* guard_stops losses at the stop within this: pause until fewer are */
	int	 guard_stops;		/* 0: no guard */
};

/*
 * The signals of one strategy on one stream: at most one that is active, and of
 * the closed ones only their times, as many as the rules ask about.
 */
struct book {
	struct book_rules	 rules;
	struct signal		 signal;	/* active, or the last one of this run */
	bool			 active;
	bool			 has_closed;
	int64_t			 last_closed_us;
	int64_t			*losses_us;	/* the last guard_stops ones, a ring */
	int			 losses, next_loss;
};

void	 book_init(struct book *b, const struct book_rules *rules);
void	 book_release(struct book *b);

/* signal_step() for the active one. */
enum book_change book_judge(struct book *b, const struct candle *c, int64_t end_us);

/*
 * May a signal open on a candle that ends at at_us?  For when none is active: a
 * reversal does not wait.  With cooldown_us > 0 the candles that end within it
 * after a close stay silent, also the one that ends with the close.
 */
bool	 book_may_open(const struct book *b, int64_t at_us);
void	 book_open(struct book *b, const struct signal *s);
void	 book_cancel(struct book *b, enum signal_exit why, struct decimal price, int64_t at_us);

/* Its time is over and no price was ever seen: expired at entry, without an outcome. */
void	 book_expire_unseen(struct book *b);

/* The active one has been closed by somebody else, at closed_us. */
void	 book_forget(struct book *b, int64_t closed_us);

/* A signal read back after a restart, active or closed; in the order in which they were opened. */
void	 book_restore(struct book *b, const struct signal *s);
#endif
