#include "generator/feed_sim_market.h"

#include <math.h>

#define SECOND_US	INT64_C(1000000)
/*
 * Noise in octaves of 4 s to 194 days.  An octave's height grows with the root
 * of its length, as the way of a random walk does, so the market looks alike on
 * every timeframe; the ceiling keeps the sum, and so the price, within bounds.
 */
#define OCTAVES		23
#define OCTAVE_FIRST_US	(4 * SECOND_US)
#define OCTAVE_HEIGHT_MAX 0.2
/* Measured: makes the standard deviation of one-minute changes the configured volatility. */
#define OCTAVE_HEIGHT	0.62
/* Quiet and wild hours: the height of octaves up to an hour swings by these. */
#define SWING_SLOW_US	(5 * 3600 * SECOND_US)
#define SWING_FAST_US	(35 * 60 * SECOND_US)
#define SWING_OCTAVES	11
#define PRICE_DIGITS	6
#define TRADE_VALUE	1000.0	/* mean, in quote currency */

/* What a random number is for; the octaves take the numbers from 0. */
enum purpose { FOR_SWING_SLOW = 100, FOR_SWING_FAST, FOR_JITTER, FOR_QUANTITY, FOR_SIDE };

/* The finishing steps of splitmix64: every bit of the input moves every bit of the output. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t
random_bits(uint64_t key, unsigned purpose, int64_t index)
{
	return mix(mix(key + purpose * UINT64_C(0x9e3779b97f4a7c15)) + (uint64_t)index);
}

/* Uniform in [0, 1). */
static double
random_unit(uint64_t key, unsigned purpose, int64_t index)
{
	return (double)(random_bits(key, purpose, index) >> 11) * 0x1p-53;
}

/* Random values in [-1, 1) at multiples of period_us, a smooth way between them. */
static double
value_noise(uint64_t key, unsigned purpose, int64_t period_us, int64_t time_us)
{
	/* Shifted, so that no moment is a knot of all octaves. */
	int64_t	 at_us = time_us + (int64_t)(random_bits(key, purpose, -1) % (uint64_t)period_us);
	int64_t	 index = at_us / period_us;
	double	 x = (double)(at_us % period_us) / (double)period_us;
	double	 from = random_unit(key, purpose, index), to = random_unit(key, purpose, index + 1);

	return 2 * (from + (to - from) * x * x * (3 - 2 * x)) - 1;
}

static double
swing(const struct sim_market *m, int64_t time_us)
{
	return exp(0.9 * value_noise(m->key, FOR_SWING_SLOW, SWING_SLOW_US, time_us) +
	    0.7 * value_noise(m->key, FOR_SWING_FAST, SWING_FAST_US, time_us));
}

static double
noise(const struct sim_market *m, int64_t time_us, double swing_now)
{
	int64_t	 period_us = OCTAVE_FIRST_US;
	double	 sum = 0, height;

	for (unsigned i = 0; i < OCTAVES; i++, period_us *= 2) {
		height = OCTAVE_HEIGHT * m->volatility * sqrt((double)period_us / (60.0 * SECOND_US));
		if (i < SWING_OCTAVES)
			height *= swing_now;
		if (height > OCTAVE_HEIGHT_MAX)
			height = OCTAVE_HEIGHT_MAX;
		sum += height * value_noise(m->key, i, period_us, time_us);
	}
	return sum;
}

static uint64_t
hash_text(uint64_t seed, const char *text)
{
	uint64_t	 h = mix(seed + UINT64_C(0x9e3779b97f4a7c15));

	for (; *text != '\0'; text++)
		h = mix(h ^ (unsigned char)*text);
	return h;
}

static int
clamp_scale(int scale)
{
	return scale < 0 ? 0 : scale > 12 ? 12 : scale;
}

void
sim_market_init(struct sim_market *m, uint64_t seed, const char *symbol, double price, double volatility,
    int64_t start_us, int64_t slot_us)
{
	int	 digits = (int)floor(log10(price)) + 1;

	*m = (struct sim_market){
		.key = hash_text(seed, symbol), .slot_us = slot_us, .volatility = volatility,
		.price_scale = clamp_scale(PRICE_DIGITS - digits), .quantity_scale = clamp_scale(digits),
		.quantity_mean = TRADE_VALUE / price
	};
	m->log_base = log(price) - noise(m, start_us, swing(m, start_us));
}

double
sim_market_price_of(uint64_t seed, const char *symbol, double price)
{
	return price * pow(10, -4 * ((double)(hash_text(seed, symbol) >> 11) * 0x1p-53));
}

int64_t
sim_market_time_us(const struct sim_market *m, int64_t slot)
{
	return slot * m->slot_us + (int64_t)(random_bits(m->key, FOR_JITTER, slot) % (uint64_t)m->slot_us);
}

int64_t
sim_market_slot(const struct sim_market *m, int64_t time_us)
{
	int64_t	 slot = time_us / m->slot_us;

	return sim_market_time_us(m, slot) < time_us ? slot + 1 : slot;
}

/* `value` on the grid of 10^-scale, one step of it at least. */
static struct decimal
on_grid(double value, int scale)
{
	int64_t	 units = (int64_t)llround(value * pow(10, scale));

	if (units < 1)
		units = 1;
	for (; scale > 0 && units % 10 == 0; scale--)
		units /= 10;
	return (struct decimal){ units, scale };
}

void
sim_market_trade(const struct sim_market *m, int64_t slot, struct trade *t)
{
	int64_t	 time_us = sim_market_time_us(m, slot);
	double	 swing_now = swing(m, time_us);
	double	 price = exp(m->log_base + noise(m, time_us, swing_now));
	/* A buyer pays the ask, a seller gets the bid. */
	double	 half_spread = (random_bits(m->key, FOR_SIDE, slot) & 1) != 0 ? 2e-5 : -2e-5;

	*t = (struct trade){ .time_us = time_us, .id = slot + 1 };
	t->price = on_grid(price * (1 + half_spread), m->price_scale);
	/* Many small, few large, and more in wild hours. */
	t->quantity = on_grid(-log(1 - random_unit(m->key, FOR_QUANTITY, slot)) * m->quantity_mean * swing_now,
	    m->quantity_scale);
}
