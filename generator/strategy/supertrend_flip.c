/*
 * supertrend_flip: the trend turns, as Supertrend sees it.
 *
 * Fires on the bar whose close goes through the Supertrend line, so that the
 * trend turns up (long) or down (short).
 *
 * Which trend Supertrend begins with is a convention, so the first flip of all
 * may be an artefact and is no signal.  A restart, which begins anew on part of
 * the history, must not make another flip the first one.  So, exactly: a flip
 * fires when one came before it, or when FORGOTTEN warm-ups of bars have gone
 * by, no more than a restart looks back, and in them a close lay beyond either
 * band; from such a close on both conventions agree on the trend.
 *
 * confidence = 0.5 + 0.5 * clamp(beyond / ATR), beyond being the distance of the
 * close from the line that it went through and ATR Supertrend's own: 0.5 at the
 * line, 1 when the close is an ATR or more beyond it.  It orders signals by the
 * force of the turn; it is no probability.
 */
#include <math.h>

#include "generator/indicator_range.h"
#include "generator/strategy.h"

#define FORGOTTEN	4
#define BARS_ACROSS	5	/* times multiplier^2: a random walk has left bands that wide */

struct params {
	int64_t	 period;
	double	 multiplier;
};

struct state {
	struct supertrend	 trend;
	size_t			 bars;		/* stops where the start is forgotten */
	bool			 known;		/* a close has been beyond a band */
};

static const struct conf_key keys[] = {
	{ .name = "period", .type = CONF_INT, .offset = offsetof(struct params, period), .def = "10",
	  .min = 2, .max = 1000, .help = "period of Supertrend's ATR" },
	{ .name = "multiplier", .type = CONF_DOUBLE, .offset = offsetof(struct params, multiplier), .def = "3",
	  .min = 0.1, .max = 20, .help = "distance of the bands from the middle of the bar, in ATR" },
	{ .name = NULL }
};

static void
check(struct conf *file, const struct conf_section *section, const void *params)
{
	(void)file, (void)section, (void)params;	/* the two keys do not depend on each other */
}

/* What a restart sees has to begin with bands that the history before it no longer moves: they do once a close was beyond them. */
static size_t
warmup(const void *params)
{
	const struct params	*p = params;
	size_t			 atr = supertrend_warmup((size_t)p->period), bands = (size_t)(BARS_ACROSS * p->multiplier * p->multiplier);

	return atr > bands ? atr : bands;
}

static void
init(void *state, const void *params)
{
	const struct params	*p = params;

	supertrend_init(&((struct state *)state)->trend, (size_t)p->period, p->multiplier);
}

static void
release(void *state)
{
	(void)state;		/* nothing of it is on the heap */
}

/* Whether the trend that a flip on this bar ends was more than a convention. */
static bool
trend_was_known(struct state *s, const struct params *p, const struct bar *b)
{
	const struct supertrend	*t = &s->trend;
	bool			 known = s->known, forgotten = s->bars >= FORGOTTEN * warmup(p);

	s->known = known || (t->ready && (b->close > t->upper || b->close < t->lower));
	s->bars += !forgotten;
	return t->flips > 1 || (known && forgotten);
}

/* The band that the close of a flip went through. */
static double
line_crossed(const struct supertrend *t)
{
	return t->up ? t->upper : t->lower;
}

static bool
step(void *state, const void *params, const struct bar *b, struct decision *d)
{
	const struct params	*p = params;
	struct state		*s = state;
	const struct supertrend	*t = &s->trend;

	supertrend_update(&s->trend, b);
	if (!trend_was_known(s, p, b) || !t->flipped || !(t->atr.value > 0))
		return false;
	d->side = t->up ? SIDE_LONG : SIDE_SHORT;
	d->confidence = 0.5 + 0.5 * strategy_clamp(fabs(b->close - line_crossed(t)) / t->atr.value);
	return true;
}

static void
explain(const void *state, const void *params, const struct bar *b, enum signal_side side, struct explanation *e)
{
	const struct params	*p = params;
	const struct supertrend	*t = &((const struct state *)state)->trend;
	double			 crossed = line_crossed(t);

	snprintf(e->reason, sizeof(e->reason), "The close (%.8g) went %s Supertrend %d/%g (%.8g): the trend turned %s.",
	    b->close, side == SIDE_LONG ? "above" : "below", (int)p->period, p->multiplier, crossed, side == SIDE_LONG ? "up" : "down");
	jsonw_double(e->indicators, "supertrend", t->value, INDICATOR_DIGITS);
	jsonw_double(e->indicators, "crossed", crossed, INDICATOR_DIGITS);
	jsonw_double(e->indicators, "supertrend_atr", t->atr.value, INDICATOR_DIGITS);
}

const struct strategy_type strategy_supertrend_flip = {
	.name = "supertrend_flip", .version = 1, .keys = keys,
	.params_size = sizeof(struct params), .state_size = sizeof(struct state),
	.check = check, .warmup = warmup, .init = init, .release = release, .step = step,
	.explain = explain,
};
