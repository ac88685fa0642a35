/*
 * exchange: the public market data protocol of one exchange, as pure functions
 * over one text: what to send, what a message says, what to ask REST for and
 * what its answer says.  No socket, no clock, no state: feed_exchange has
 * those.  One file a protocol: exchange_binance.c, exchange_coinbase.c,
 * exchange_kraken.c.  Sources: see each file's first comment.
 *
 * Trades carry the exchange's own time and id; ids rise by exactly one a trade
 * and symbol, so a jump is a loss.
 */
#ifndef TOCSIN_GENERATOR_EXCHANGE_H
#define TOCSIN_GENERATOR_EXCHANGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/jsonr.h"
#include "common/json.h"
#include "generator/candle.h"

#define EXCHANGE_NATIVE_MAX	48	/* a market's name with the exchange, and its NUL */
#define EXCHANGE_PATH_MAX	512	/* of a REST request, and its NUL */
#define EXCHANGE_WHY_MAX	200	/* a text of why, and its NUL */
#define EXCHANGE_ALL		SIZE_MAX /* instead of a symbol: not about one of them */

/* The symbols of one feed under their names with the exchange.  Pure data, made once. */
struct exchange_markets {
	size_t	 count;
	char	(*symbols)[EXCHANGE_NATIVE_MAX];	/* ours, BASE/QUOTE */
	char	(*natives)[EXCHANGE_NATIVE_MAX];	/* by the same index */
	size_t	*sorted;				/* indexes in the order of natives, for look-ups */
};

struct exchange;

/* Symbols must be symbol_ok().  Owned: exchange_markets_free() (NULL is fine). */
struct exchange_markets	*exchange_markets_new(const struct exchange *x, const char *const *symbols, size_t count);
void			 exchange_markets_free(struct exchange_markets *m);

/*
 * The index of a native name, not NUL-terminated; EXCHANGE_ALL when it is none
 * of ours.  Where two symbols have one native name (A/BC and AB/C with
 * Binance) only one of the two is ever found.
 */
size_t			 exchange_markets_find(const struct exchange_markets *m, const char *native, size_t len);

/* What a message can say, all of it to be there; a message may say several things, in this order of calls.  `symbol` indexes the markets. */
struct exchange_handler {
	/*
	 * Of one message and symbol by rising id.  The first ones after a
	 * subscription may be older than it, and known: Coinbase's last_match,
	 * Kraken's snapshot.
	 */
	void	(*trade)(size_t symbol, const struct trade *t, void *arg);
	/* The exchange's own candle of `tf`, closed and final (Binance's kline with x true); SOURCE_FILLED when nobody traded in it. */
	void	(*candle)(size_t symbol, enum timeframe tf, const struct candle *c, void *arg);
	/*
	 * The market is alive up to exchange_us (INT64_MIN: no time given);
	 * last_trade_id is the newest trade there is (0: not known).
	 */
	void	(*heartbeat)(size_t symbol, int64_t last_trade_id, int64_t exchange_us, void *arg);
	/* A subscription is confirmed, for one symbol or EXCHANGE_ALL; may come again. */
	void	(*subscribed)(size_t symbol, void *arg);
	/* A subscription is refused for good, in the exchange's words. */
	void	(*refused)(size_t symbol, const char *why, void *arg);
	/* Matching stands (maintenance, cancel_only …), so silence is legitimate; or is online again. */
	void	(*online)(bool online, const char *word, void *arg);
	/* The server will close soon: open another connection first. */
	void	(*closing)(void *arg);
};

struct exchange {
	const char	*name;			/* the feed's type */
	const char	*stream_url;		/* wss://host[:port], without path; the default of key `url` */
	const char	*rest_url;		/* https://host; the default of key `rest_url` */
	unsigned	 silence_ms;		/* nothing heard for so long: ping */
	unsigned	 answer_ms;		/* and no answer for so long: the connection is dead */
	unsigned	 session_max_s;		/* the server cuts a connection at this age; 0: it does not */
	size_t		 symbols_max;		/* that one connection carries; 0: no limit */
	unsigned	 send_gap_ms;		/* least time between two of our messages */
	unsigned	 request_gap_ms;	/* least time between two REST requests */
	const char	*weight_header;		/* of REST answers: budget used, per minute; NULL: none */
	int64_t		 weight_max;		/* stop for this minute beyond */
	size_t		 candles_max;		/* that a REST answer holds */
	size_t		 candles_reach;		/* how many candles back REST goes at all; 0: no limit */
	bool		 trades_descend;	/* pages of trades go from new to old */
	unsigned	 timeframes;		/* bit per enum timeframe: REST has its candles */

	/* The native name of BASE/QUOTE. */
	void	(*native)(const char *symbol, char native[EXCHANGE_NATIVE_MAX]);

	/* Path and query of the stream. */
	void	(*stream_path)(char path[EXCHANGE_PATH_MAX]);

	/*
	 * The message number `index` (from 0) to send once connected, into an
	 * empty writer, for the trades of all markets and whatever heartbeats there are (and, where
	 * the exchange pushes closed candles, those of `tf`).  False: no more.
	 */
	bool	(*subscribe)(const struct exchange_markets *m, enum timeframe tf, size_t index, struct jsonw *message);

	/*
	 * One text message.  `r` is scratch.  False, with why, when it is broken:
	 * no JSON, or something known without what it must have; what came before
	 * the broken part has been told.  Unknown kinds, fields and markets are
	 * fine and silent.
	 */
	bool	(*message)(const struct exchange_markets *m, struct jsonr *r, const char *text, size_t len,
		    const struct exchange_handler *h, void *arg, char why[EXCHANGE_WHY_MAX]);

	/*
	 * The REST path for candles of [from_us, to_us), boundaries of `tf`, at
	 * most candles_max of them.  The answer may hold others as well (Kraken:
	 * all up to now).
	 */
	void	(*candles_path)(const struct exchange_markets *m, size_t symbol, enum timeframe tf, int64_t from_us, int64_t to_us,
		    char path[EXCHANGE_PATH_MAX]);

	/*
	 * Its answer: up to `max` candles into `out`, the oldest, by rising
	 * time, those that are closed (close time <= now_us, which should rather
	 * lag behind the exchange's clock than lead it), all candle_ok();
	 * SOURCE_REST, or SOURCE_FILLED when it is known that nobody traded.
	 * Returns how many, 0: there are none; -1, with why, for anything else
	 * (the exchange's own error text when it gives one).
	 */
	int	(*candles_answer)(struct jsonr *r, const char *text, size_t len, enum timeframe tf, int64_t now_us,
		    struct candle *out, size_t max, char why[EXCHANGE_WHY_MAX]);

	/*
	 * The REST path for one page of trades.  Ascending exchanges: from the id
	 * from_id on when that is not 0, else from the time from_us on; Kraken
	 * knows no ids there, so give from_us too, and of the answer skip what
	 * is below from_id.  Descending ones: those below the id below_id (0: the
	 * newest).
	 */
	void	(*trades_path)(const struct exchange_markets *m, size_t symbol, int64_t from_id, int64_t from_us, int64_t below_id,
		    char path[EXCHANGE_PATH_MAX]);

	/* Its answer: up to `max` trades, the oldest, by rising id.  Returns how many, 0: there are none; -1 with why. */
	int	(*trades_answer)(struct jsonr *r, const char *text, size_t len, struct trade *out, size_t max,
		    char why[EXCHANGE_WHY_MAX]);
};

#define EXCHANGE_TRADES_MAX	1000	/* more than this no page of any of them holds */

extern const struct exchange	 exchange_binance, exchange_coinbase, exchange_kraken;
#endif
