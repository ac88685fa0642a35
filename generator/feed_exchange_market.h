/*
 * feed_exchange_market: one market of an exchange's feed: its trades by
 * sequence, its recovery by REST as recovery.h decides, and what the engine is
 * told of it.  The side effects of one market, all of them.
 */
#ifndef TOCSIN_GENERATOR_FEED_EXCHANGE_MARKET_H
#define TOCSIN_GENERATOR_FEED_EXCHANGE_MARKET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/jsonr.h"
#include "generator/exchange.h"
#include "generator/feed.h"
#include "generator/recovery.h"
#include "generator/skew.h"

struct market;
struct rest;

struct market_counts {
	uint64_t	 trades, duplicates, backfilled_trades, backfilled_candles;
	uint64_t	 holes, holes_filled, gaps, corrections, waits;
};

/* What the markets of one feed share; the feed's. */
struct market_env {
	const struct exchange	*x;
	struct exchange_markets	*markets;
	const struct feed_conf	*common;
	enum timeframe		 tf;
	size_t			 history;	/* base candles before the live part, when there are none yet */
	struct rest		*rest;
	const struct feed_handler *handler;
	void			*arg;		/* of the handler */
	/* Trades can be handed out: call market_deliver() soon, in a turn. */
	void			(*ready)(size_t symbol, void *ready_arg);
	/* The stream keeps the market's trades from us although it says that it is subscribed: it should be replaced. */
	void			(*distrust)(size_t symbol, void *ready_arg);
	void			*ready_arg;	/* of these two */
	bool			 paused;	/* hand out nothing */
	bool			 rest_failing;	/* told, and not again before it works */
	int			 turns;		/* how deep */
	int64_t			 lag_us;	/* how long after its time the newest live trade came; never below 0 */
	struct skew		 skew;
	bool			 skew_told;
	struct jsonr		 json;
	struct market_counts	 counts;
};

/* The wall's time by the exchange's clock, as far as it is known. */
int64_t		 market_wall_us(const struct market_env *env);

/* A run of the handler's calls; runs within runs are one. */
void		 market_turn_begin(struct market_env *env);
void		 market_turn_end(struct market_env *env);

/* Everything before resume_us has been handed out before; INT64_MIN: nothing has. */
struct market	*market_new(struct market_env *env, size_t symbol, int64_t resume_us);
void		 market_free(struct market *m);

/* A connection delivers the market now, or none does any more. */
void		 market_covered(struct market *m, bool covered);
void		 market_refused(struct market *m, const char *why);

/* From a connection. */
void		 market_trade(struct market *m, const struct trade *t);
void		 market_candle(struct market *m, const struct candle *c);
void		 market_heartbeat(struct market *m, int64_t last_trade_id, int64_t exchange_us);

/*
 * Some ten times a second.  heard_us: market_wall_us() up to which a connection that
 * covers it has proven alive; INT64_MIN: none has.
 */
void		 market_tick(struct market *m, int64_t mono_us, int64_t wall_us, int64_t heard_us);

/* Hand out at most `max` trades, within a turn; returns how many.  Fewer than max: there are no more. */
size_t		 market_deliver(struct market *m, size_t max);

/* env.paused has ended: go on. */
void		 market_resume(struct market *m);

enum market_state market_state(const struct market *m);

/* Why it is not live, in words; its last trade's time, INT64_MIN: none yet. */
const char	*market_why(const struct market *m);
int64_t		 market_last_trade_us(const struct market *m);
size_t		 market_held(const struct market *m);
#endif
