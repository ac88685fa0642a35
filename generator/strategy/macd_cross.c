/*
 * macd_cross: a move has gone far and turns.
 *
 * Fires on the bar on which the MACD line comes to lie above (long) or below
 * (short) its signal line, not having done so on the bar before, and lies on the
 * far side of zero: below it for a long, above it for a short.
 *
 * confidence = 0.5 + 0.5 * clamp(|line| / ATR), the ATR that of the stop: 0.5 for a
 * cross at zero, 1 for one a whole ATR or more away from it.  It orders signals
 * by how far the move had gone; it is no probability.
 */
#include <math.h>

#include "generator/indicator_average.h"
#include "generator/strategy.h"

struct params {
	int64_t	 fast, slow, signal;
};

struct state {
	struct macd	 macd;
	bool		 has_previous;
	double		 previous_gap;		/* line - signal line */
};

static const struct conf_key keys[] = {
	{ .name = "fast", .type = CONF_INT, .offset = offsetof(struct params, fast), .def = "12",
	  .min = 2, .max = 1000, .help = "period of the fast EMA" },
	{ .name = "slow", .type = CONF_INT, .offset = offsetof(struct params, slow), .def = "26",
	  .min = 3, .max = 1000, .help = "period of the slow EMA; MACD is fast - slow" },
	{ .name = "signal", .type = CONF_INT, .offset = offsetof(struct params, signal), .def = "9",
	  .min = 2, .max = 1000, .help = "period of the signal line, an EMA of MACD" },
	{ .name = NULL }
};

static void
check(struct conf *file, const struct conf_section *section, const void *params)
{
	const struct params	*p = params;

	if (p->fast >= p->slow)
		conf_error(file, section, "fast", "%d is not below slow (%d): the fast EMA is the shorter one",
		    (int)p->fast, (int)p->slow);
}

static size_t
warmup(const void *params)
{
	const struct params	*p = params;

	return macd_warmup((size_t)p->fast, (size_t)p->slow, (size_t)p->signal);
}

static void
init(void *state, const void *params)
{
	const struct params	*p = params;

	macd_init(&((struct state *)state)->macd, (size_t)p->fast, (size_t)p->slow, (size_t)p->signal);
}

static void
release(void *state)
{
	(void)state;		/* nothing of it is on the heap */
}

static bool
step(void *state, const void *params, const struct bar *b, struct decision *d)
{
	struct state		*s = state;
	double			 gap, previous_gap = s->previous_gap;
	bool			 had_previous = s->has_previous;

	(void)params;		/* the lines have their periods */
	macd_update(&s->macd, b->close);
	if (!s->macd.ready)
		return false;
	gap = s->macd.histogram;
	s->previous_gap = gap;
	s->has_previous = true;
	if (!had_previous || !(d->atr > 0))
		return false;
	if (previous_gap <= 0 && gap > 0 && s->macd.value < 0)
		d->side = SIDE_LONG;
	else if (previous_gap >= 0 && gap < 0 && s->macd.value > 0)
		d->side = SIDE_SHORT;
	else
		return false;
	d->confidence = 0.5 + 0.5 * strategy_clamp(fabs(s->macd.value) / d->atr);
	return true;
}

static void
explain(const void *state, const void *params, const struct bar *b, enum signal_side side, struct explanation *e)
{
	const struct params	*p = params;
	const struct macd	*m = &((const struct state *)state)->macd;

	(void)b;
	snprintf(e->reason, sizeof(e->reason), "MACD %d/%d (%.6g) crossed %s its signal line %d (%.6g) %s zero.",
	    (int)p->fast, (int)p->slow, m->value, side == SIDE_LONG ? "above" : "below", (int)p->signal, m->signal,
	    side == SIDE_LONG ? "below" : "above");
	jsonw_double(e->indicators, "macd", m->value, INDICATOR_DIGITS);
	jsonw_double(e->indicators, "macd_signal", m->signal, INDICATOR_DIGITS);
}

const struct strategy_type strategy_macd_cross = {
	.name = "macd_cross", .version = 1, .keys = keys,
	.params_size = sizeof(struct params), .state_size = sizeof(struct state),
	.check = check, .warmup = warmup, .init = init, .release = release, .step = step,
	.explain = explain,
};
