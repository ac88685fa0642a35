/*
 * rsi_reversion: a dip within a rising trend is over (short: a peak within a
 * falling one).
 *
 * Fires long on the bar on which RSI comes back above `oversold`, having been
 * at or below it on the bar before, with the close above the EMA; short on the
 * mirror image with `overbought` and the close below the EMA.  Never on a flat
 * RSI, which knows nothing.
 *
 * confidence = 0.5 + 0.5 * clamp((oversold - deepest) / oversold) for a long, with
 * the lowest RSI of the dip, and 0.5 + 0.5 * clamp((highest - overbought) /
 * (100 - overbought)) for a short: 0.5 for a dip that just touched the level, 1
 * for one to the end of the scale.  It orders signals by the depth of the dip;
 * it is no probability.
 */
#include "generator/indicator_range.h"
#include "generator/strategy.h"

struct params {
	int64_t	 rsi_period, ema_period;
	double	 oversold, overbought;
};

struct state {
	struct rsi	 rsi;
	struct ema	 ema;
	/* The extreme RSI of the stay beyond the level that lasts now; none: the level itself. */
	bool		 below, above;
	double		 lowest, highest;
};

static const struct conf_key keys[] = {
	{ .name = "rsi_period", .type = CONF_INT, .offset = offsetof(struct params, rsi_period), .def = "14",
	  .min = 2, .max = 1000, .help = "period of RSI" },
	{ .name = "oversold", .type = CONF_DOUBLE, .offset = offsetof(struct params, oversold), .def = "30",
	  .min = 1, .max = 50, .help = "RSI coming back above this: long" },
	{ .name = "overbought", .type = CONF_DOUBLE, .offset = offsetof(struct params, overbought), .def = "70",
	  .min = 50, .max = 99, .help = "RSI coming back below this: short" },
	{ .name = "ema_period", .type = CONF_INT, .offset = offsetof(struct params, ema_period), .def = "200",
	  .min = 2, .max = 1000, .help = "period of the EMA that tells the trend" },
	{ .name = NULL }
};

static void
check(struct conf *file, const struct conf_section *section, const void *params)
{
	const struct params	*p = params;

	if (p->oversold >= p->overbought)
		conf_error(file, section, "oversold", "%g is not below overbought (%g)", p->oversold, p->overbought);
}

static size_t
warmup(const void *params)
{
	const struct params	*p = params;
	size_t			 rsi = rsi_warmup((size_t)p->rsi_period), ema = ema_warmup((size_t)p->ema_period);

	return rsi > ema ? rsi : ema;
}

static void
init(void *state, const void *params)
{
	const struct params	*p = params;
	struct state		*s = state;

	rsi_init(&s->rsi, (size_t)p->rsi_period);
	ema_init(&s->ema, (size_t)p->ema_period);
}

static void
release(void *state)
{
	(void)state;		/* nothing of it is on the heap */
}

/* Follow the stays beyond the levels. */
static void
note_extremes(struct state *s, const struct params *p)
{
	double	 rsi = s->rsi.value;
	bool	 below = rsi <= p->oversold, above = rsi >= p->overbought;

	if (below && (!s->below || rsi < s->lowest))
		s->lowest = rsi;
	if (above && (!s->above || rsi > s->highest))
		s->highest = rsi;
	s->below = below;
	s->above = above;
}

static bool
step(void *state, const void *params, const struct bar *b, struct decision *d)
{
	const struct params	*p = params;
	struct state		*s = state;
	bool			 was_below = s->below, was_above = s->above;
	double			 extreme, level;

	rsi_update(&s->rsi, b->close);
	ema_update(&s->ema, b->close);
	if (!s->rsi.ready)
		return false;
	note_extremes(s, p);
	if (!s->ema.ready || s->rsi.flat)
		return false;
	if (was_below && !s->below && b->close > s->ema.value) {
		d->side = SIDE_LONG;
		extreme = s->lowest;
		level = p->oversold;
		d->confidence = 0.5 + 0.5 * strategy_clamp((level - extreme) / level);
	} else if (was_above && !s->above && b->close < s->ema.value) {
		d->side = SIDE_SHORT;
		extreme = s->highest;
		level = p->overbought;
		d->confidence = 0.5 + 0.5 * strategy_clamp((extreme - level) / (100 - level));
	} else
		return false;
	return true;
}

static void
explain(const void *state, const void *params, const struct bar *b, enum signal_side side, struct explanation *e)
{
	const struct params	*p = params;
	const struct state	*s = state;
	double			 extreme = side == SIDE_LONG ? s->lowest : s->highest;

	(void)b;
	snprintf(e->reason, sizeof(e->reason), "RSI %d came back %s %g (now %.1f, extreme %.1f) with the close %s EMA %d (%.6g).",
	    (int)p->rsi_period, side == SIDE_LONG ? "above" : "below", side == SIDE_LONG ? p->oversold : p->overbought, s->rsi.value,
	    extreme, side == SIDE_LONG ? "above" : "below", (int)p->ema_period, s->ema.value);
	jsonw_double(e->indicators, "rsi", s->rsi.value, INDICATOR_DIGITS);
	jsonw_double(e->indicators, "rsi_extreme", extreme, INDICATOR_DIGITS);
	jsonw_double(e->indicators, "ema", s->ema.value, INDICATOR_DIGITS);
}

const struct strategy_type strategy_rsi_reversion = {
	.name = "rsi_reversion", .version = 1, .keys = keys,
	.params_size = sizeof(struct params), .state_size = sizeof(struct state),
	.check = check, .warmup = warmup, .init = init, .release = release, .step = step,
	.explain = explain,
};
