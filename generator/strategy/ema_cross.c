/*
 * ema_cross: the trend turns, and there is one.
 *
 * Fires on the bar on which the fast EMA comes to lie above (long) or below
 * (short) the slow one, not having done so on the bar before, while ADX is
 * above adx_min.
 *
 * confidence = 0.5 + 0.5 * clamp((ADX - adx_min) / 30): 0.5 at the filter's edge,
 * 1 when ADX is 30 above it.  It orders signals by the strength of the trend; it
 * is no probability.
 */
#include "generator/indicator_range.h"
#include "generator/strategy.h"

struct params {
	int64_t	 fast, slow, adx_period;
	double	 adx_min;
};

struct state {
	struct ema	 fast, slow;
	struct adx	 adx;
	bool		 has_previous;
	double		 previous_gap;		/* fast - slow */
};

static const struct conf_key keys[] = {
	{ .name = "fast", .type = CONF_INT, .offset = offsetof(struct params, fast), .def = "12",
	  .min = 2, .max = 1000, .help = "period of the fast EMA" },
	{ .name = "slow", .type = CONF_INT, .offset = offsetof(struct params, slow), .def = "26",
	  .min = 3, .max = 1000, .help = "period of the slow EMA" },
	{ .name = "adx_period", .type = CONF_INT, .offset = offsetof(struct params, adx_period), .def = "14",
	  .min = 2, .max = 1000, .help = "period of ADX, the strength of the trend" },
	{ .name = "adx_min", .type = CONF_DOUBLE, .offset = offsetof(struct params, adx_min), .def = "20",
	  .min = 0, .max = 100, .help = "no signal unless ADX is above this" },
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
	size_t			 ema = ema_warmup((size_t)p->slow), adx = adx_warmup((size_t)p->adx_period);

	return ema > adx ? ema : adx;
}

static void
init(void *state, const void *params)
{
	const struct params	*p = params;
	struct state		*s = state;

	ema_init(&s->fast, (size_t)p->fast);
	ema_init(&s->slow, (size_t)p->slow);
	adx_init(&s->adx, (size_t)p->adx_period);
}

static void
release(void *state)
{
	(void)state;		/* nothing of it is on the heap */
}

static bool
step(void *state, const void *params, const struct bar *b, struct decision *d)
{
	const struct params	*p = params;
	struct state		*s = state;
	double			 gap, previous_gap = s->previous_gap;
	bool			 had_previous = s->has_previous;

	ema_update(&s->fast, b->close);
	ema_update(&s->slow, b->close);
	adx_update(&s->adx, b);
	if (!s->fast.ready || !s->slow.ready)
		return false;
	gap = s->fast.value - s->slow.value;
	s->previous_gap = gap;
	s->has_previous = true;
	if (!had_previous || !s->adx.ready || !(s->adx.value > p->adx_min))
		return false;
	if (previous_gap <= 0 && gap > 0)
		d->side = SIDE_LONG;
	else if (previous_gap >= 0 && gap < 0)
		d->side = SIDE_SHORT;
	else
		return false;
	d->confidence = 0.5 + 0.5 * strategy_clamp((s->adx.value - p->adx_min) / 30);
	return true;
}

static void
explain(const void *state, const void *params, const struct bar *b, enum signal_side side, struct explanation *e)
{
	const struct params	*p = params;
	const struct state	*s = state;

	(void)b;
	snprintf(e->reason, sizeof(e->reason), "EMA %d (%.6g) crossed %s EMA %d (%.6g) while ADX %d, at %.1f, shows a trend (more than %g).",
	    (int)p->fast, s->fast.value, side == SIDE_LONG ? "above" : "below", (int)p->slow, s->slow.value,
	    (int)p->adx_period, s->adx.value, p->adx_min);
	jsonw_double(e->indicators, "ema_fast", s->fast.value, INDICATOR_DIGITS);
	jsonw_double(e->indicators, "ema_slow", s->slow.value, INDICATOR_DIGITS);
	jsonw_double(e->indicators, "adx", s->adx.value, INDICATOR_DIGITS);
	jsonw_double(e->indicators, "plus_di", s->adx.plus_di, INDICATOR_DIGITS);
	jsonw_double(e->indicators, "minus_di", s->adx.minus_di, INDICATOR_DIGITS);
}

const struct strategy_type strategy_ema_cross = {
	.name = "ema_cross", .version = 1, .keys = keys,
	.params_size = sizeof(struct params), .state_size = sizeof(struct state),
	.check = check, .warmup = warmup, .init = init, .release = release, .step = step,
	.explain = explain,
};
