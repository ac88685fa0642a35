/*
 * feed_exchange_market_private: one market, shared by feed_exchange_market.c
 * (states, what comes live, what goes to the engine) and feed_exchange_backfill.c
 * (what comes by REST).
 */
#ifndef TOCSIN_GENERATOR_FEED_EXCHANGE_MARKET_PRIVATE_H
#define TOCSIN_GENERATOR_FEED_EXCHANGE_MARKET_PRIVATE_H
#include "common/backoff.h"
#include "generator/feed_exchange_market.h"
#include "generator/sequence.h"

/* Of candles, the first to the last; from_us INT64_MIN: none. */
struct open_times {
	int64_t	 from_us, to_us;
};

struct market {
	struct market_env	*env;
	size_t			 symbol;
	struct sequence		*sequence;
	int64_t			 deadline_us;	/* monotonic: do the state's next thing; 0: none */
	/* The engine has all before done_us, the open time of the newest candle begun; INT64_MIN: cold. */
	int64_t			 done_us;
	int64_t			 clock_us;	/* told */
	int64_t			 last_trade_us;
	int64_t			 at_us;		/* time of the trade before the sequence's next; INT64_MIN: unknown */
	int64_t			 edge_us, to_us;	/* candles are wanted up to; asked for up to */
	/* Of trades: what is known of what there is; the page asked for. */
	int64_t			 first_live, newest, below_id;
	int64_t			 quiet_us;	/* monotonic: since then nothing shows that the stream still has this market */
	int64_t			 beat_us, beat_at_us;	/* the exchange's clock by heartbeat, and when (monotonic) */
	struct open_times	 correct, correcting;	/* candles to fetch anew, and those that are asked for */
	int64_t			 correct_at_us;	/* when (monotonic) */
	struct candle		 official;	/* the exchange's own, to be compared */
	struct backoff		 backoff;
	enum market_state	 state;
	int			 pages, tries;
	char			 why[EXCHANGE_WHY_MAX];	/* REST's last trouble, or the refusal */
	bool			 started;	/* something has been handed out, ever */
	bool			 traded;	/* trades of the candle at done_us have been */
	bool			 complete;	/* REST's trades have been read to their end */
	bool			 deferred;	/* to be asked (again) after the pause */
	bool			 doubted;	/* REST is asked whether the stream keeps trades from us */
	bool			 in_hole;	/* found while it was live, and not yet over */
	bool			 told, refusal_told;	/* that trades cannot be had, or REST refuses, since it was live */
	bool			 has_official;
};

/* The only writer of m->state: what follows from the event, and the new state's first action. */
void		 market_step(struct market *m, enum market_event e);

const char	*market_name(const struct market *m);
int64_t		 market_length_us(const struct market *m);	/* of a candle */

/* Nothing is missing between what was handed out and what comes. */
bool		 market_is_joined(const struct market *m);

/* MARKET_CANDLES and MARKET_TRADES: begin, or begin again after a pause; and go on when the deadline has come. */
void		 backfill_candles(struct market *m);
void		 backfill_more_candles(struct market *m);
void		 backfill_trades(struct market *m);

/* What was handed out for the candle at open_us may not be all of it, REST has that: remember; ask; the request is gone. */
void		 backfill_want_correction(struct market *m, int64_t open_us);
void		 backfill_correction(struct market *m);
void		 backfill_correct_later(struct market *m);
#endif
