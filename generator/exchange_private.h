/*
 * exchange_private: what the protocols of exchange_*.c share.  A function with
 * `why` returns false (or -1) once it has written there what is wrong; `name`
 * is the field's, for that text.
 */
#ifndef TOCSIN_GENERATOR_EXCHANGE_PRIVATE_H
#define TOCSIN_GENERATOR_EXCHANGE_PRIVATE_H
#include "generator/exchange.h"

/* False, with the text in `why`. */
bool	 exchange_wrong(char why[EXCHANGE_WHY_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* False, with "what of whom: " in front of what `why` says already. */
bool	 exchange_wrong_in(char why[EXCHANGE_WHY_MAX], const char *what, const char *whom);

bool	 exchange_parse(struct jsonr *r, const char *text, size_t len, char why[EXCHANGE_WHY_MAX]);

/* Fields, as numbers or as strings. */
bool	 exchange_decimal(struct jsonv v, const char *name, struct decimal *out, char why[EXCHANGE_WHY_MAX]);
bool	 exchange_positive(struct jsonv v, const char *name, struct decimal *out, char why[EXCHANGE_WHY_MAX]);

/*
 * The volume of a candle: as it stands there or, when it has more digits than a
 * decimal (sums of doubles, cheap coins), without the last ones behind the point.
 */
bool	 exchange_volume(struct jsonv v, struct decimal *out, char why[EXCHANGE_WHY_MAX]);
bool	 exchange_int(struct jsonv v, const char *name, int64_t least, int64_t *out, char why[EXCHANGE_WHY_MAX]);

/* Times, in a market's lifetime: RFC 3339; a number of ms or, beyond 10^15, of us; a number of seconds, also with a fraction. */
bool	 exchange_time_iso(struct jsonv v, const char *name, int64_t *us, char why[EXCHANGE_WHY_MAX]);
bool	 exchange_time_ms(struct jsonv v, const char *name, int64_t *us, char why[EXCHANGE_WHY_MAX]);
bool	 exchange_time_s(struct jsonv v, const char *name, int64_t *us, char why[EXCHANGE_WHY_MAX]);

/* The first `count` elements of an array; false, without why, when it is none or shorter. */
bool	 exchange_cells(struct jsonv array, struct jsonv *cells, size_t count);

/* The exchange's words, cut where `buf` ends; "" for what is no string. */
char	*exchange_words(struct jsonv v, char *buf, size_t size);

/* The market of a native name in a JSON string, or EXCHANGE_ALL. */
size_t	 exchange_market(const struct exchange_markets *m, struct jsonv native);
bool	 exchange_whose(const struct exchange_markets *m, struct jsonv native, const char *name, size_t *symbol,
	    char why[EXCHANGE_WHY_MAX]);		/* false when it is no string */

/* The market that a text speaks of, in capitals or not: the first by the order of configuration, or EXCHANGE_ALL. */
size_t	 exchange_named(const struct exchange_markets *m, const char *text);

/*
 * The rows of a REST answer, by the exchange's own way to read one (without
 * its source): see candles_answer and trades_answer.  `descend`: newest first.
 */
typedef bool	 exchange_candle_row(struct jsonv row, struct candle *c, char why[EXCHANGE_WHY_MAX]);
typedef bool	 exchange_trade_row(struct jsonv row, struct trade *t, char why[EXCHANGE_WHY_MAX]);
int	 exchange_candles(struct jsonv rows, exchange_candle_row *read_row, bool descend, enum timeframe tf, int64_t now_us,
	    struct candle *out, size_t max, char why[EXCHANGE_WHY_MAX]);
int	 exchange_trades(struct jsonv rows, exchange_trade_row *read_row, bool descend, struct trade *out, size_t max,
	    char why[EXCHANGE_WHY_MAX]);
#endif
