#include "generator/indicator_average.h"

#include <math.h>

/* SMA */

void
sma_init(struct sma *s, size_t n)
{
	*s = (struct sma){ 0 };
	window_init(&s->window, n);
}

void
sma_release(struct sma *s)
{
	window_release(&s->window);
}

void
sma_update(struct sma *s, double x)
{
	window_push(&s->window, x);
	s->ready = window_full(&s->window);
	if (s->ready)
		s->value = window_sum(&s->window) / (double)s->window.size;
}

size_t
sma_warmup(size_t n)
{
	return n;
}

/* EMA */

void
ema_init(struct ema *e, size_t n)
{
	*e = (struct ema){ .n = n };
}

void
ema_update(struct ema *e, double x)
{
	if (e->ready) {
		/* Not k * x + (1 - k) * value: that differs in the last bits. */
		e->value += 2.0 / (double)(e->n + 1) * (x - e->value);
		return;
	}
	e->sum += x;
	if (++e->fed == e->n) {
		e->value = e->sum / (double)e->n;
		e->ready = true;
	}
}

size_t
ema_warmup(size_t n)
{
	return 10 * n;
}

/* RMA */

void
rma_init(struct rma *r, size_t n)
{
	*r = (struct rma){ .n = n };
}

void
rma_update(struct rma *r, double x)
{
	if (r->ready) {
		r->value = (r->value * (double)(r->n - 1) + x) / (double)r->n;
		return;
	}
	r->sum += x;
	if (++r->fed == r->n) {
		r->value = r->sum / (double)r->n;
		r->ready = true;
	}
}

size_t
rma_warmup(size_t n)
{
	return 25 * n;
}

/* RSI */

void
rsi_init(struct rsi *r, size_t n)
{
	*r = (struct rsi){ 0 };
	rma_init(&r->up, n);
	rma_init(&r->down, n);
}

void
rsi_update(struct rsi *r, double x)
{
	double	 move = x - r->previous, total;

	r->previous = x;
	if (!r->has_previous) {
		r->has_previous = true;
		return;
	}
	rma_update(&r->up, move > 0 ? move : 0);
	rma_update(&r->down, move < 0 ? -move : 0);
	r->ready = r->up.ready;
	if (!r->ready)
		return;
	total = r->up.value + r->down.value;
	r->flat = total == 0;
	r->value = r->flat ? 50 : 100 * (r->up.value / total);
}

size_t
rsi_warmup(size_t n)
{
	return rma_warmup(n);
}

/* Bollinger */

void
bollinger_init(struct bollinger *b, size_t n, double k)
{
	*b = (struct bollinger){ .k = k };
	window_init(&b->window, n);
}

void
bollinger_release(struct bollinger *b)
{
	window_release(&b->window);
}

void
bollinger_update(struct bollinger *b, double x)
{
	double	 n = (double)b->window.size, deviation;

	window_push(&b->window, x);
	b->ready = window_full(&b->window);
	if (!b->ready)
		return;
	b->middle = window_sum(&b->window) / n;
	deviation = sqrt(window_squares(&b->window, b->middle) / n);
	b->upper = b->middle + b->k * deviation;
	b->lower = b->middle - b->k * deviation;
	b->width = (b->upper - b->lower) / b->middle;
	b->position = b->upper > b->lower ? (x - b->lower) / (b->upper - b->lower) : 0.5;
}

size_t
bollinger_warmup(size_t n)
{
	return n;
}

/* MACD */

void
macd_init(struct macd *m, size_t fast, size_t slow, size_t signal)
{
	size_t	 shorter = fast < slow ? fast : slow, longer = fast < slow ? slow : fast;

	*m = (struct macd){ .skip = longer - shorter };
	ema_init(&m->fast, shorter);
	ema_init(&m->slow, longer);
	ema_init(&m->smooth, signal);
}

void
macd_update(struct macd *m, double x)
{
	ema_update(&m->slow, x);
	if (m->skip > 0)
		m->skip--;
	else
		ema_update(&m->fast, x);
	if (!m->slow.ready)
		return;
	m->value = m->fast.value - m->slow.value;
	ema_update(&m->smooth, m->value);
	m->ready = m->smooth.ready;
	m->signal = m->smooth.value;
	m->histogram = m->value - m->signal;
}

/* The signal line remembers its own seed, and begins when the slow EMA does. */
size_t
macd_warmup(size_t fast, size_t slow, size_t signal)
{
	return ema_warmup(fast < slow ? slow : fast) + ema_warmup(signal);
}
