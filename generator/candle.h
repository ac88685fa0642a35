/* candle: timeframes, trades and candles. */
#ifndef TOCSIN_GENERATOR_CANDLE_H
#define TOCSIN_GENERATOR_CANDLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generator/decimal.h"

enum timeframe {
	TF_1M, TF_3M, TF_5M, TF_15M, TF_30M, TF_1H, TF_2H, TF_4H, TF_6H, TF_12H, TF_1D,
	TIMEFRAMES
};

extern const char *const timeframe_names[];	/* "1m" … "1d", NULL at the end */
int64_t	 timeframe_us(enum timeframe tf);

/* Open time of the candle that `time_us` (since 1970, UTC) belongs to: a boundary opens the new one. */
int64_t	 timeframe_open_us(enum timeframe tf, int64_t time_us);

struct trade {
	int64_t		 time_us;		/* the exchange's own time, UTC */
	int64_t		 id;			/* rises by one a trade and symbol; order is by id, not time */
	struct decimal	 price, quantity;	/* quote currency, base currency */
	int64_t		 folded;		/* further trades at the same price that this one stands for: 0 of a plain one */
};

enum candle_source { SOURCE_WS, SOURCE_REST, SOURCE_TRADES, SOURCE_FILE, SOURCE_SIM, SOURCE_FILLED };
extern const char *const candle_source_names[];

/* The interval [open_us, open_us + timeframe). */
struct candle {
	int64_t			 open_us;
	struct decimal		 open, high, low, close;
	struct decimal		 volume;		/* base currency */
	int64_t			 trades;		/* -1: unknown */
	enum candle_source	 source;
};

/*
 * True when prices are above zero, high and low bound open and close, volume is
 * not negative, and open_us lies on the timeframe's grid; else a line of why not.
 */
bool	 candle_ok(const struct candle *c, enum timeframe tf, char *why, size_t why_size);
#endif
