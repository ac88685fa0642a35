/*
 * strategy: rules that turn closed candles into signals.
 *
 * A type of strategy is one file in generator/strategy/ and one line in the
 * registry of strategy.c.  Each [strategy NAME] section makes one struct
 * strategy of a type; each stream that it watches gives it a state of its own.
 *
 * Everything is pure: the same candles give the same signals.  Signals have
 * their levels from here: entry at the candle's close, the stop stop_atr true
 * ranges (ATR) away, targets at the multiples targets_r of that distance.
 */
#ifndef TOCSIN_GENERATOR_STRATEGY_H
#define TOCSIN_GENERATOR_STRATEGY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/conf.h"
#include "common/json.h"
#include "generator/book.h"
#include "generator/indicator.h"
#include "generator/signal.h"

/* What a type of strategy says about a bar. */
struct decision {
	double			 atr;		/* given: the strategy's ATR at this bar; 0 until it is ready */
	enum signal_side	 side;
	double			 confidence;	/* 0 to 1, by the formula in its file's first comment */
};

/* And about one that opens a signal: most firings do not, and words cost more than rules. */
struct explanation {
	char		 reason[SIGNAL_REASON_MAX];	/* a sentence for people */
	struct jsonw	*indicators;		/* an open object: add the values that fired */
};

#define INDICATOR_DIGITS	8	/* significant: the last bits of a long recursion never show */

struct strategy_type {
	const char		*name;
	int			 version;	/* raised by every change that could change a signal */
	const struct conf_key	*keys;		/* of its own parameters */
	size_t			 params_size, state_size;
	/* Checks across keys; errors to conf_error(). */
	void	(*check)(struct conf *file, const struct conf_section *section, const void *params);
	/* Bars after which its indicators may be used. */
	size_t	(*warmup)(const void *params);
	void	(*init)(void *state, const void *params);	/* state is all zero */
	void	(*release)(void *state);
	/*
	 * Take the next closed bar into the state.  True when the rules fire, and
	 * then `d` is filled in; false leaves it alone.
	 */
	bool	(*step)(void *state, const void *params, const struct bar *b, struct decision *d);
	/* Why it fired on `b`, which was the last step. */
	void	(*explain)(const void *state, const void *params, const struct bar *b, enum signal_side side, struct explanation *e);
};

extern const struct strategy_type strategy_ema_cross, strategy_rsi_reversion, strategy_donchian_breakout, strategy_macd_cross,
    strategy_supertrend_flip, strategy_bollinger_squeeze;

/* value cut to 0 … 1, for the confidence formulas. */
double		 strategy_clamp(double value);

struct strategy;
struct strategy_state;

/*
 * Read a [strategy NAME] section; errors go to conf_error().  NULL when they
 * leave nothing to work with, else owned: strategy_free() (NULL is fine).
 */
struct strategy	*strategy_new(struct conf *file, const struct conf_section *section);
void		 strategy_free(struct strategy *s);
void		 strategy_print(const struct strategy *s, FILE *out);

const char	*strategy_name(const struct strategy *s);
enum timeframe	 strategy_timeframe(const struct strategy *s);
bool		 strategy_watches(const struct strategy *s, const char *symbol);
const struct book_rules *strategy_rules(const struct strategy *s);
const char	*strategy_params_hash(const struct strategy *s);	/* 16 hex digits */

/* Bars after which it may fire; and bars after which nothing is left of what came before them. */
size_t		 strategy_warmup(const struct strategy *s);
size_t		 strategy_memory(const struct strategy *s);

/* A signal that is stored later than this after its candle's end is void. */
int64_t		 strategy_max_age_us(const struct strategy *s);

struct strategy_state *strategy_state_new(const struct strategy *s);
void		 strategy_state_free(struct strategy_state *st);	/* NULL is fine */
size_t		 strategy_state_bars(const struct strategy_state *st);	/* fed so far */

/*
 * Take the next closed candle of its timeframe.  True when it is warm, the rules
 * fire and sound levels exist; `out` is then complete but for exchange, symbol,
 * mode, generated_us and what strategy_explain() adds.  No levels are sound when the ATR is 0 or so small that
 * they coincide on the price grid, or when one would not be above 0.
 */
bool		 strategy_step(const struct strategy *s, struct strategy_state *st, const struct candle *c, struct signal *out);

/* Add reason and indicators to the signal of the last step, if it shall open. */
void		 strategy_explain(const struct strategy *s, const struct strategy_state *st, struct signal *out);
#endif
