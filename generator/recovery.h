/*
 * recovery: what one market of an exchange's feed does to have everything,
 * exactly once and in order: which state follows which, and what has to be
 * asked of REST.  Pure: no socket, no clock; feed_market.c does what is
 * decided here.
 *
 * A market that has a connection goes through these:
 *	joining		does the new connection overlap what we have?  Then nothing is lost.
 *	candles		closed candles by REST, up to the one that runs
 *	trades		trades by REST, until they join those that came live
 *	live		every trade is handed out as it comes, the clock runs
 *	hole		an id is missing; it may only be late
 *	waiting		the missing trades cannot be had, so the candle that runs is fetched when it has ended
 */
#ifndef TOCSIN_GENERATOR_RECOVERY_H
#define TOCSIN_GENERATOR_RECOVERY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generator/candle.h"

enum market_state {
	MARKET_OFFLINE,		/* no connection has it */
	MARKET_REFUSED,		/* no connection will have it; a new one is asked again */
	MARKET_JOINING, MARKET_CANDLES, MARKET_TRADES, MARKET_LIVE, MARKET_HOLE, MARKET_WAITING,
	MARKET_STATES
};
extern const char *const market_state_names[];

enum market_event {
	ON_COVERED,		/* a connection delivers its trades now */
	ON_UNCOVERED,		/* none does any more */
	ON_REFUSED,		/* the exchange does not know it */
	ON_JOINED,		/* nothing is missing between what was handed out and what comes */
	ON_BEHIND,		/* something is */
	ON_DUE,			/* the state's time is over: see market_wait_ms() */
	ON_DONE,		/* candles: all that are closed have been handed out */
	ON_FAILED,		/* trades: they cannot be had */
	ON_OVERFLOW,		/* what was held had to be dropped */
	MARKET_EVENTS
};

enum market_state market_next(enum market_state s, enum market_event e);

/*
 * Candles.  A candle counts as closed RECOVERY_SETTLE_US after its end by the
 * wall clock: its last trades may take that long to be in it.  One that is not
 * in the answer had no trades; but so soon after its end (RECOVERY_ABSENT_US)
 * it may only be late.
 */
#define RECOVERY_SETTLE_US	INT64_C(2000000)
#define RECOVERY_ABSENT_US	INT64_C(10000000)

/* Open time of the candle that runs: the closed ones end there. */
int64_t	 recovery_edge_us(enum timeframe tf, int64_t wall_us);

struct recovery_span {
	int64_t	 from_us;	/* open time of the first candle wanted */
	bool	 lost;		/* there are older ones that are wanted and out of reach */
};

/*
 * From where candles are wanted, up to `edge_us`: from done_us, up to where
 * everything has been handed out, or, when that is INT64_MIN, `history` candles.
 * REST goes `reach` candles back, the running one included (0: no limit).
 */
struct recovery_span recovery_span(enum timeframe tf, int64_t done_us, int64_t edge_us, size_t history, size_t reach);

/* True when the candle before edge_us is absent from an answer too soon to believe it. */
bool	 recovery_too_soon(enum timeframe tf, int64_t last_open_us, int64_t edge_us, int64_t wall_us);

/* Trades.  What is known of them: */
struct recovery_trades {
	int64_t	 next_id;	/* that is to be handed out; 0: unknown */
	int64_t	 first_held;	/* lowest id held behind it; 0: none */
	int64_t	 first_live;	/* lowest id that came live since the market was covered; 0: none has */
	int64_t	 newest;	/* that the exchange told of; 0: unknown */
	bool	 complete;	/* REST has been read to its end since the market was covered */
	bool	 descends;	/* REST's pages go from new to old */
	int	 pages;		/* of REST read so far */
};

#define RECOVERY_PAGES_MAX	10

enum recovery_need {
	NEED_NOTHING,		/* all is joined */
	NEED_FROM_ID,		/* a page of trades from next_id on */
	NEED_FROM_TIME,		/* a page from where the candles ended */
	NEED_BELOW_ID,		/* a page below first_held, or of the newest when that is 0 */
	NEED_TOO_MUCH,		/* more than RECOVERY_PAGES_MAX */
};

enum recovery_need recovery_need(const struct recovery_trades *t);
#endif
