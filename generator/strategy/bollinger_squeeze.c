/*
 * bollinger_squeeze: the market has gone quiet, and now breaks out.
 *
 * A squeeze is a bar whose Bollinger band is as narrow as any of the last
 * `lookback` bars (width relative to the middle).  It arms the rule for the
 * next `armed_bars` bars; each further squeeze arms it anew.  Fires on the first
 * armed bar whose close lies above the upper band (long) or below the lower one
 * (short), which uses the squeeze up.  A band without any width, where nobody
 * trades, is no squeeze.
 *
 * confidence = 0.5 + 0.5 * clamp(beyond / half), beyond being the distance of the
 * close from the band and half the distance from the middle to the band: 0.5 at
 * the band, 1 at twice its distance from the middle or more.  It orders signals
 * by the force of the breakout; it is no probability.
 */
#include <math.h>

#include "generator/indicator_average.h"
#include "generator/strategy.h"

#define ROUNDING	1e-9	/* what is left of equal prices is no width */

struct params {
	int64_t	 period, lookback, armed_bars;
	double	 deviations;
};

struct state {
	struct bollinger	 band;
	struct window		 widths;	/* the last `lookback` ones */
	int64_t			 armed;		/* bars for which it still is */
	int64_t			 since;		/* bars since the squeeze */
};

static const struct conf_key keys[] = {
	{ .name = "period", .type = CONF_INT, .offset = offsetof(struct params, period), .def = "20",
	  .min = 3, .max = 1000, .help = "bars of the Bollinger band" },
	{ .name = "deviations", .type = CONF_DOUBLE, .offset = offsetof(struct params, deviations), .def = "2",
	  .min = 0.1, .max = 30, .help = "distance of the band from its middle, in standard deviations" },
	{ .name = "lookback", .type = CONF_INT, .offset = offsetof(struct params, lookback), .def = "120",
	  .min = 2, .max = 10000, .help = "a squeeze is the narrowest band of this many bars" },
	{ .name = "armed_bars", .type = CONF_INT, .offset = offsetof(struct params, armed_bars), .def = "10",
	  .min = 1, .max = 1000, .help = "a close outside the band counts up to this many bars after a squeeze" },
	{ .name = NULL }
};

static void
check(struct conf *file, const struct conf_section *section, const void *params)
{
	const struct params	*p = params;
	double			 most = sqrt((double)p->period - 1);

	/* The close is one of the values that the band is made of. */
	if (p->deviations >= most)
		conf_error(file, section, "deviations", "%g is not below %.4g: of %d bars none lies as far from their mean",
		    p->deviations, most, (int)p->period);
}

static size_t
warmup(const void *params)
{
	const struct params	*p = params;

	return bollinger_warmup((size_t)p->period) + (size_t)p->lookback + (size_t)p->armed_bars;
}

static void
init(void *state, const void *params)
{
	const struct params	*p = params;
	struct state		*s = state;

	bollinger_init(&s->band, (size_t)p->period, p->deviations);
	window_init(&s->widths, (size_t)p->lookback);
}

static void
release(void *state)
{
	struct state	*s = state;

	bollinger_release(&s->band);
	window_release(&s->widths);
}

static bool
is_squeeze(const struct state *s)
{
	return window_full(&s->widths) && s->band.width > ROUNDING && window_is_lowest(&s->widths, s->band.width);
}

static bool
step(void *state, const void *params, const struct bar *b, struct decision *d)
{
	const struct params	*p = params;
	struct state		*s = state;
	const struct bollinger	*band = &s->band;
	double			 edge, half;
	bool			 outside, armed = s->armed > 0;

	bollinger_update(&s->band, b->close);
	if (!band->ready)
		return false;
	window_push(&s->widths, band->width);
	s->armed -= armed;
	s->since++;
	outside = b->close > band->upper || b->close < band->lower;
	if (armed && outside)
		s->armed = 0;
	if (is_squeeze(s)) {
		s->armed = p->armed_bars;
		s->since = 0;
	}
	half = band->upper - band->middle;
	if (!armed || !outside || !(half > ROUNDING * band->middle))
		return false;
	d->side = b->close > band->upper ? SIDE_LONG : SIDE_SHORT;
	edge = d->side == SIDE_LONG ? band->upper : band->lower;
	d->confidence = 0.5 + 0.5 * strategy_clamp(fabs(b->close - edge) / half);
	return true;
}

static void
explain(const void *state, const void *params, const struct bar *b, enum signal_side side, struct explanation *e)
{
	const struct params	*p = params;
	const struct state	*s = state;
	const struct bollinger	*band = &s->band;

	snprintf(e->reason, sizeof(e->reason), "The close (%.8g) is %s the Bollinger band %d/%g (%.8g) %d bar%s after the band was "
	    "the narrowest of %d bars.", b->close, side == SIDE_LONG ? "above" : "below", (int)p->period, p->deviations,
	    side == SIDE_LONG ? band->upper : band->lower, (int)s->since, s->since == 1 ? "" : "s", (int)p->lookback);
	jsonw_double(e->indicators, "upper", band->upper, INDICATOR_DIGITS);
	jsonw_double(e->indicators, "lower", band->lower, INDICATOR_DIGITS);
	jsonw_double(e->indicators, "width", band->width, INDICATOR_DIGITS);
}

const struct strategy_type strategy_bollinger_squeeze = {
	.name = "bollinger_squeeze", .version = 1, .keys = keys,
	.params_size = sizeof(struct params), .state_size = sizeof(struct state),
	.check = check, .warmup = warmup, .init = init, .release = release, .step = step,
	.explain = explain,
};
