/*
 * engine: from trades and candles to signals.  Deterministic and free of side
 * effects: it knows no clock but the market's, no file, no database; whatever
 * happens goes to the handler.  The same input gives the same output, wherever
 * a restart (restore and warm-up, then on) splits it.
 *
 * One stream is one symbol of one exchange.  A trade or a candle of the base
 * timeframe goes in; candles of the base timeframe and of every higher one that
 * a strategy reads come out, each once, closed and final.  For every closed
 * candle, in this order:
 *	1. the book judges the active signals of the stream (base candles only);
 *	2. the candle goes to the handler;
 *	3. each strategy on its timeframe judges it (never a filled one).
 */
#ifndef TOCSIN_GENERATOR_ENGINE_H
#define TOCSIN_GENERATOR_ENGINE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generator/candle.h"
#include "generator/signal.h"

struct conf;
struct engine;
struct jsonw;
struct stream;

struct engine_handler {
	/* Closed and final. */
	void	(*candle)(const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c, void *arg);
	/* The exchange's version of a base candle that was handed out otherwise. */
	void	(*corrected)(const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c, void *arg);
	/* A strategy judged the candle that opened at open_us; comes after the signals it gave rise to. */
	void	(*judged)(const char *exchange, const char *symbol, enum timeframe tf, const char *strategy,
		    int64_t open_us, void *arg);
	void	(*opened)(const struct signal *s, void *arg);
	/* Status, targets_hit or stop changed: an event. */
	void	(*changed)(const struct signal *s, void *arg);
	/* Only last_price and excursions moved: no event. */
	void	(*refreshed)(const struct signal *s, void *arg);
};

struct engine_conf {
	enum signal_mode	 mode;
	int64_t			 grace_us;	/* a candle closes this long after its end by the clock */
	int			 fill_max;	/* longest run of empty intervals that is filled; a longer one stays empty */
};

/*
 * Make an engine with the strategies of the file's [strategy NAME] sections;
 * errors go to conf_error().  Handler and conf are copied.  Never NULL.
 */
struct engine	*engine_new(struct conf *file, const struct engine_conf *conf, const struct engine_handler *handler, void *arg);
void		 engine_free(struct engine *e);
size_t		 engine_strategy_count(const struct engine *e);
const char	*engine_strategy_name(const struct engine *e, size_t i);

/* The -T print of every strategy's effective values. */
void		 engine_print_conf(const struct engine *e, void *out_file);

/* Add a stream (before anything goes in).  Owned by the engine. */
struct stream	*engine_stream(struct engine *e, const char *exchange, const char *symbol, enum timeframe base);

/* Where its trades come from, for the candles built of them; SOURCE_TRADES unless said before the first. */
void		 stream_set_source(struct stream *s, enum candle_source source);

/*
 * The market's time is the wall's: a signal's age counts from the end of its
 * candle, else from when it was generated.  Older than its strategy's max_age it
 * is void from the start.  Not in mode replay.  What lies more than five minutes
 * ahead of the wall's clock is not taken.  However many intervals without trades
 * lie between two candles, up to a week of minutes, they are filled: what is
 * lost the feed says by stream_gap().
 */
void		 stream_set_real_time(struct stream *s, bool real_time);

/*
 * The name of a strategy that watches `symbol` but cannot: its timeframe is no
 * multiple of `base`.  NULL when there is none.
 */
const char	*engine_misfit(const struct engine *e, const char *symbol, enum timeframe base);

/*
 * Base candles that the stream's strategies need before they may fire, and how
 * many they want at a restart to be exactly, to the last bit, where they were.
 */
size_t		 stream_warmup(const struct stream *s);
size_t		 stream_history_wanted(const struct stream *s);

/* Candles that end at or before this market time warm up and are stored, but give no signals. */
void		 stream_live_from(struct stream *s, int64_t market_us);

/*
 * Restart, in this order: the history, oldest first (nothing is handed to the
 * handler), then the signals read back, oldest first: every active one, the
 * closed ones of the last stream_memory_us() of market time for cooldown and
 * guard, and the last one of each strategy and timeframe.
 */
void		 stream_warm(struct stream *s, const struct candle *c);
int64_t		 stream_memory_us(const struct stream *s);
void		 engine_restore(struct engine *e, const struct signal *s);

/* A signal is closed in the database, by an operator or for its age: the book follows.  One that it does not have is fine. */
void		 engine_closed(struct engine *e, const char *exchange, const char *symbol, const char *timeframe, const char *strategy,
		    int64_t candle_open_us, int64_t closed_us);

/* Input.  A stream takes trades or candles, not both.  Candles must be candle_ok(). */
void		 stream_trade(struct stream *s, const struct trade *t);
void		 stream_candle(struct stream *s, const struct candle *c);
/* The market's clock has reached now_us: closes candles of a quiet market (streams of trades only). */
void		 stream_clock(struct stream *s, int64_t now_us);

/*
 * The exchange's own version of a candle of the base timeframe.  It goes to
 * handler.corrected unless it is the newest one's and says the same; nothing is
 * judged again.  One that comes before its candle has closed is compared when it
 * does; there is room for one such.
 */
void		 stream_correct(struct stream *s, const struct candle *c);

/*
 * What happened between the last candle and from_us (a boundary) is lost for
 * good: active signals are cancelled (EXIT_FEED_GAP), the candle at hand is
 * dropped, and the strategies begin anew, to be warmed by what comes.
 */
void		 stream_gap(struct stream *s, int64_t from_us);

/*
 * A finished signal from outside, complete but for exchange, symbol, mode and
 * generated_us; fresh_until_us 0: it is for as long as a candle of its timeframe.  One of its strategy and timeframe is active at a time: another
 * of the same side is VERDICT_REPEATED, one of the other side ends it (reversed).
 * So is one that is not of a later candle than the last.  The book follows it
 * over the stream's candles; on a stream that never had one stream_clock() ends
 * it at its expiry, with outcome void.
 */
enum signal_verdict stream_signal(struct stream *s, const struct signal *given);

/* The generator's wall clock at the input at hand, for generated_at; set it before each input or batch. */
void		 engine_set_wall_us(struct engine *e, int64_t wall_us);

/* Members of STATUS: counts of trades, candles, late and duplicate trades, active signals; each strategy's warm-up and last decision. */
void		 engine_status_json(const struct engine *e, struct jsonw *w);
#endif
