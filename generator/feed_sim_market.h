/*
 * feed_sim_market: the made-up market of one symbol.  Time is cut into slots of
 * equal length since 1970, one trade each.  A trade is a pure function of seed,
 * symbol and slot: no state, so it can be had in any order, and a restart
 * anywhere continues the very same market.
 */
#ifndef TOCSIN_GENERATOR_FEED_SIM_MARKET_H
#define TOCSIN_GENERATOR_FEED_SIM_MARKET_H
#include <stdint.h>

#include "generator/candle.h"

struct sim_market {
	uint64_t	 key;		/* of all its random numbers */
	int64_t		 slot_us;	/* length of a slot */
	double		 volatility;	/* typical change of the price in one minute, as a ratio */
	double		 log_base;	/* log price = log_base + noise(t) */
	int		 price_scale, quantity_scale;
	double		 quantity_mean;
};

/* The price at `start_us` will be about `price`. */
void	 sim_market_init(struct sim_market *m, uint64_t seed, const char *symbol, double price, double volatility,
	    int64_t start_us, int64_t slot_us);

/* A start price for one of several symbols: `price` / 10000 to `price`, by the symbol's name. */
double	 sim_market_price_of(uint64_t seed, const char *symbol, double price);

/* The first slot whose trade is not before time_us (>= 0). */
int64_t	 sim_market_slot(const struct sim_market *m, int64_t time_us);
int64_t	 sim_market_time_us(const struct sim_market *m, int64_t slot);

/* The trade of a slot; its id is slot + 1. */
void	 sim_market_trade(const struct sim_market *m, int64_t slot, struct trade *t);
#endif
