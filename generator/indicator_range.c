#include "generator/indicator_range.h"

#include <math.h>

/* ATR */

static double
true_range(const struct bar *b, double previous_close)
{
	double	 range = b->high - b->low, up = fabs(b->high - previous_close), down = fabs(b->low - previous_close);

	if (up > range)
		range = up;
	return down > range ? down : range;
}

void
atr_init(struct atr *a, size_t n)
{
	*a = (struct atr){ 0 };
	rma_init(&a->rma, n);
}

void
atr_update(struct atr *a, const struct bar *b)
{
	if (a->has_previous) {
		a->true_range = true_range(b, a->previous_close);
		a->has_range = true;
		rma_update(&a->rma, a->true_range);
		a->ready = a->rma.ready;
		a->value = a->rma.value;
	}
	a->previous_close = b->close;
	a->has_previous = true;
}

size_t
atr_warmup(size_t n)
{
	return rma_warmup(n);
}

/* ADX */

void
adx_init(struct adx *a, size_t n)
{
	*a = (struct adx){ .n = n };
}

/* The DI from the sums, and the index from both; false when there is none. */
static bool
adx_index(struct adx *a, double *index)
{
	double	 total;

	a->di_ready = true;
	a->plus_di = a->range_sum == 0 ? 0 : 100 * (a->plus_sum / a->range_sum);
	a->minus_di = a->range_sum == 0 ? 0 : 100 * (a->minus_sum / a->range_sum);
	total = a->plus_di + a->minus_di;
	*index = total == 0 ? 0 : 100 * (fabs(a->plus_di - a->minus_di) / total);
	return total != 0;
}

void
adx_update(struct adx *a, const struct bar *b)
{
	double	 up = b->high - a->previous.high, down = a->previous.low - b->low;
	double	 plus = up > down && up > 0 ? up : 0, minus = down > up && down > 0 ? down : 0;
	double	 range = true_range(b, a->previous.close), n = (double)a->n, index;
	size_t	 i = a->fed;		/* this bar's number; 2n stands for all later ones */
	bool	 defined;

	if (a->fed < 2 * a->n)
		a->fed++;
	a->previous = *b;
	if (i == 0)
		return;
	if (i < a->n) {
		a->plus_sum += plus;
		a->minus_sum += minus;
		a->range_sum += range;
		return;
	}
	a->plus_sum = a->plus_sum - a->plus_sum / n + plus;
	a->minus_sum = a->minus_sum - a->minus_sum / n + minus;
	a->range_sum = a->range_sum - a->range_sum / n + range;
	defined = adx_index(a, &index);
	if (i < 2 * a->n) {
		a->seed += index;
		if (i == 2 * a->n - 1) {
			a->value = a->seed / n;
			a->ready = true;
		}
	} else if (defined)
		a->value = (a->value * (n - 1) + index) / n;
}

size_t
adx_warmup(size_t n)
{
	return 30 * n;
}

/* Stochastic */

void
stochastic_init(struct stochastic *s, size_t k, size_t slowing, size_t d, bool ta_compat)
{
	*s = (struct stochastic){ .ta_compat = ta_compat };
	window_init(&s->highs, k);
	window_init(&s->lows, k);
	sma_init(&s->slowing, slowing);
	sma_init(&s->smooth, d);
}

void
stochastic_release(struct stochastic *s)
{
	window_release(&s->highs);
	window_release(&s->lows);
	sma_release(&s->slowing);
	sma_release(&s->smooth);
}

void
stochastic_update(struct stochastic *s, const struct bar *b)
{
	double	 high, low, raw;

	window_push(&s->highs, b->high);
	window_push(&s->lows, b->low);
	if (!window_full(&s->highs))
		return;
	high = window_max(&s->highs);
	low = window_min(&s->lows);
	if (high > low)
		raw = 100 * ((b->close - low) / (high - low));
	else
		raw = s->ta_compat ? 0 : 50;
	sma_update(&s->slowing, raw);
	if (!s->slowing.ready)
		return;
	sma_update(&s->smooth, s->slowing.value);
	s->ready = s->smooth.ready;
	s->k = s->slowing.value;
	s->d = s->smooth.value;
}

size_t
stochastic_warmup(size_t k, size_t slowing, size_t d)
{
	return k + slowing + d - 2;
}

/* Donchian */

void
donchian_init(struct donchian *d, size_t n)
{
	*d = (struct donchian){ 0 };
	window_init(&d->highs, n);
	window_init(&d->lows, n);
}

void
donchian_release(struct donchian *d)
{
	window_release(&d->highs);
	window_release(&d->lows);
}

void
donchian_update(struct donchian *d, const struct bar *b)
{
	d->previous_ready = d->ready;
	d->previous_upper = d->upper;
	d->previous_lower = d->lower;
	window_push(&d->highs, b->high);
	window_push(&d->lows, b->low);
	d->ready = window_full(&d->highs);
	if (!d->ready)
		return;
	d->upper = window_max(&d->highs);
	d->lower = window_min(&d->lows);
	d->middle = (d->upper + d->lower) / 2;
}

size_t
donchian_warmup(size_t n)
{
	return n + 1;
}

/* Supertrend */

void
supertrend_init(struct supertrend *s, size_t n, double multiplier)
{
	*s = (struct supertrend){ .multiplier = multiplier };
	atr_init(&s->atr, n);
}

void
supertrend_update(struct supertrend *s, const struct bar *b)
{
	double	 middle = (b->high + b->low) / 2, upper, lower;
	bool	 was_up = s->up;

	atr_update(&s->atr, b);
	if (!s->atr.ready) {
		s->previous_close = b->close;
		return;
	}
	upper = middle + s->multiplier * s->atr.value;
	lower = middle - s->multiplier * s->atr.value;
	if (!s->ready) {
		s->upper = upper;
		s->lower = lower;
		s->up = was_up = true;
		s->ready = true;
	} else {
		/* A band only tightens, until the close before this bar was beyond it. */
		if (upper < s->upper || s->previous_close > s->upper)
			s->upper = upper;
		if (lower > s->lower || s->previous_close < s->lower)
			s->lower = lower;
		s->up = was_up ? !(b->close < s->lower) : b->close > s->upper;
	}
	s->flipped = s->up != was_up;
	s->flips += s->flipped;
	s->value = s->up ? s->lower : s->upper;
	s->previous_close = b->close;
}

size_t
supertrend_warmup(size_t n)
{
	return atr_warmup(n);
}
