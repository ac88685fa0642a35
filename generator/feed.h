/*
 * feed: where a market comes from.  Each type is one file with one struct
 * feed_type; the registry is feed.c.  A feed never blocks and does a bounded
 * amount of work per turn of the event loop.
 */
#ifndef TOCSIN_GENERATOR_FEED_H
#define TOCSIN_GENERATOR_FEED_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf.h"
#include "generator/candle.h"
#include "generator/signal.h"

struct event_base;
struct jsonw;

/* The keys common to all types, from [feed NAME]. */
struct feed_conf {
	char			*name;		/* the section's label */
	int			 type;		/* index in feed_type_names */
	char			*exchange;	/* column exchange of the tables; default: the name */
	struct conf_list	 symbols;	/* BASE/QUOTE */
	int			 timeframe;	/* enum timeframe of the base candles */
};

#define FEED_ALL	SIZE_MAX	/* instead of a symbol */

struct feed_handler {
	/* `symbol` indexes conf->symbols. */
	void	(*trade)(size_t symbol, const struct trade *t, void *arg);
	void	(*candle)(size_t symbol, const struct candle *c, void *arg);
	/* The market's clock, for candles of a quiet market: of one symbol, or FEED_ALL. */
	void	(*clock)(size_t symbol, int64_t now_us, void *arg);
	/*
	 * The exchange's own version of a candle that may be closed already: if it
	 * differs it is stored in its place, and nothing is judged again.
	 */
	void	(*correct)(size_t symbol, const struct candle *c, void *arg);
	/*
	 * What happened from the last candle delivered up to from_us is lost for
	 * good: signals of that market are cancelled (feed_gap), the strategies
	 * begin anew.  Candles and trades go on at from_us.
	 */
	void	(*gap)(size_t symbol, int64_t from_us, void *arg);
	/*
	 * A finished signal, complete but for exchange, symbol, mode and
	 * generated_us.  From there on it is the engine's.
	 */
	enum signal_verdict	(*signal)(size_t symbol, const struct signal *s, void *arg);
	/* Before a run of the above in one turn of the loop, and after it. */
	void	(*turn_begin)(void *arg);
	void	(*turn_end)(void *arg);
	/*
	 * What ends at or before this market time is for warming up, no signals:
	 * said by a feed that begins with history, before it delivers it.  Of one
	 * symbol, or FEED_ALL.
	 */
	void	(*live_from)(size_t symbol, int64_t market_us, void *arg);
	/* Nothing more will come: the end of a recording, or `ok` false, it had to be given up before. */
	void	(*ended)(bool ok, void *arg);
};

struct feed;

struct feed_type {
	const char		*name;
	enum candle_source	 source;	/* of candles built from its trades */
	/*
	 * Its market's time is the wall's: signals are judged by their age, and
	 * what waits for the database goes to the journal first.
	 */
	bool			 real_time;
	bool			 can_wait;	/* nothing is lost while it is paused */
	bool			 signals;	/* it may bring finished ones, so it needs no strategy */
	const struct conf_key	*keys;		/* further keys of this type */
	size_t			 conf_size;	/* of the struct they fill */
	/* Checks across keys; errors to conf_error().  May be NULL. */
	void	(*check)(struct conf *file, const struct conf_section *section, const struct feed_conf *common, void *conf);
	/* A recording, which has an end: read it as fast as it goes, whatever its pace.  NULL: no recording. */
	void	(*flat_out)(void *conf);
	/*
	 * Both confs are borrowed.  `resume_us` has one entry a symbol: nothing
	 * before that market time may be delivered (INT64_MIN: from the start).
	 * `history` is the number of base candles that strategies need before
	 * the live part; a recording has none, all of it is judged.
	 */
	void	*(*open)(struct event_base *base, const struct feed_conf *common, const void *conf,
		    const int64_t *resume_us, size_t history, const struct feed_handler *handler, void *arg);
	void	(*stop)(void *state);		/* begin what close would have to wait for; may be NULL */
	void	(*close)(void *state);		/* may wait, a second at most */
	void	(*pause)(void *state);		/* deliver nothing until resume: the writer is behind */
	void	(*resume)(void *state);
	void	(*status)(const void *state, struct jsonw *w);	/* members of the feed's STATUS object */
	bool	(*degraded)(const void *state);	/* it brings nothing and should; NULL: never */
};

extern const struct feed_type feed_exec, feed_file, feed_sim, feed_binance, feed_coinbase, feed_kraken;

/* Read every [feed NAME]; errors to conf_error().  NULL-terminated array, owned: feed_free_all(). */
struct feed	**feed_read_all(struct conf *file);
void		 feed_free_all(struct feed **feeds);
void		 feed_print_conf(const struct feed *f, void *out_file);
const struct feed_conf *feed_common(const struct feed *f);
enum candle_source feed_source(const struct feed *f);
bool		 feed_brings_signals(const struct feed *f);
bool		 feed_is_real_time(const struct feed *f);
bool		 feed_can_wait(const struct feed *f);

/* Before feed_open(): as fast as it goes.  False, and nothing done, for a feed that is no recording. */
bool		 feed_flat_out(struct feed *f);

/* Begin to deliver.  See struct feed_type for the parameters. */
void		 feed_open(struct feed *f, struct event_base *base, const int64_t *resume_us, size_t history,
		    const struct feed_handler *handler, void *arg);
void		 feed_pause(struct feed *f);
void		 feed_resume(struct feed *f);
bool		 feed_is_degraded(const struct feed *f);
void		 feed_status_json(const struct feed *f, struct jsonw *w);
#endif
