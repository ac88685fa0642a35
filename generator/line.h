/*
 * line: one line of JSON, as programs print it, into a trade, a candle or a
 * finished signal.  docs/exec.md is its manual for people who write them.
 * Pure: no clock, no file.
 */
#ifndef TOCSIN_GENERATOR_LINE_H
#define TOCSIN_GENERATOR_LINE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/jsonr.h"
#include "generator/candle.h"
#include "generator/signal.h"

#define LINE_WHY_MAX	200
#define LINE_NO_CLOCK	INT64_MAX	/* for `now_us` */

enum line_kind { LINE_TRADE, LINE_CANDLE, LINE_SIGNAL };

enum line_result {
	LINE_TAKEN,
	LINE_OTHER,		/* sound, but of a symbol that is none of ours */
	LINE_UNFINISHED,	/* a sound candle that is not over */
	LINE_BAD		/* `why` tells */
};

/* Whose lines these are. */
struct line_market {
	char		*const *symbols;	/* BASE/QUOTE; lines need none when it is one */
	size_t		 count;
	enum timeframe	 timeframe;		/* of candles; that of a signal is a multiple */
};

struct line {
	enum line_kind	 kind;
	size_t		 symbol;	/* index into the market's */
	struct trade	 trade;
	bool		 has_id;	/* of a trade; else its id is 0 */
	struct candle	 candle;	/* candle_ok(), SOURCE_FILE */
	/* Complete but for exchange, symbol, mode and generated_us. */
	struct signal	 signal;
};

/*
 * Read one line (without its end).  `r` is scratch, its memory is kept for the
 * next.  now_us is the wall clock: what lies ahead of it is refused, a candle
 * that ends after it is unfinished, and a signal without a time is of now.
 * LINE_NO_CLOCK, for recordings: nothing is ahead, and a signal needs a time.
 * `out` is complete with LINE_TAKEN only.
 */
enum line_result line_parse(struct jsonr *r, const struct line_market *market, int64_t now_us, const char *text, size_t len,
		    struct line *out, char why[LINE_WHY_MAX]);

/* Market time of what was taken: a trade's, a candle's open, the end of a signal's candle. */
int64_t		 line_time_us(const struct line *l);
#endif
