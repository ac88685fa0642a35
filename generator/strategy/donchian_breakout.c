/*
 * donchian_breakout: the price leaves the range of the last bars.
 *
 * Fires when the close lies above (long) or below (short) the channel of the
 * `period` bars BEFORE this one; the channel with this bar in it can never be
 * left.
 *
 * confidence = 0.5 + 0.5 * clamp(4 * beyond / width), beyond being the distance of
 * the close from the channel and width the channel's: 0.5 at the edge, 1 at a
 * quarter of the width or more beyond it (or out of a channel without any
 * width).  It orders signals by the force of the move; it is no probability.
 */
#include "generator/indicator_range.h"
#include "generator/strategy.h"

struct params {
	int64_t	 period;
};

struct state {
	struct donchian	 channel;
};

static const struct conf_key keys[] = {
	{ .name = "period", .type = CONF_INT, .offset = offsetof(struct params, period), .def = "20",
	  .min = 2, .max = 1000, .help = "bars of the channel" },
	{ .name = NULL }
};

static void
check(struct conf *file, const struct conf_section *section, const void *params)
{
	(void)file, (void)section, (void)params;	/* one key, checked by its range */
}

static size_t
warmup(const void *params)
{
	return donchian_warmup((size_t)((const struct params *)params)->period);
}

static void
init(void *state, const void *params)
{
	donchian_init(&((struct state *)state)->channel, (size_t)((const struct params *)params)->period);
}

static void
release(void *state)
{
	donchian_release(&((struct state *)state)->channel);
}

static bool
step(void *state, const void *params, const struct bar *b, struct decision *d)
{
	struct donchian		*c = &((struct state *)state)->channel;
	double			 edge, beyond, width;

	(void)params;		/* the channel has its period */
	donchian_update(c, b);
	if (!c->previous_ready)
		return false;
	if (b->close > c->previous_upper) {
		d->side = SIDE_LONG;
		edge = c->previous_upper;
		beyond = b->close - edge;
	} else if (b->close < c->previous_lower) {
		d->side = SIDE_SHORT;
		edge = c->previous_lower;
		beyond = edge - b->close;
	} else
		return false;
	width = c->previous_upper - c->previous_lower;
	d->confidence = 0.5 + 0.5 * (width > 0 ? strategy_clamp(4 * beyond / width) : 1);
	return true;
}

static void
explain(const void *state, const void *params, const struct bar *b, enum signal_side side, struct explanation *e)
{
	const struct params	*p = params;
	const struct donchian	*c = &((const struct state *)state)->channel;

	snprintf(e->reason, sizeof(e->reason), "The close (%.8g) is %s %.8g, the %s of the %d bars before.",
	    b->close, side == SIDE_LONG ? "above" : "below", side == SIDE_LONG ? c->previous_upper : c->previous_lower,
	    side == SIDE_LONG ? "highest price" : "lowest price", (int)p->period);
	jsonw_double(e->indicators, "upper", c->previous_upper, INDICATOR_DIGITS);
	jsonw_double(e->indicators, "lower", c->previous_lower, INDICATOR_DIGITS);
}

const struct strategy_type strategy_donchian_breakout = {
	.name = "donchian_breakout", .version = 1, .keys = keys,
	.params_size = sizeof(struct params), .state_size = sizeof(struct state),
	.check = check, .warmup = warmup, .init = init, .release = release, .step = step,
	.explain = explain,
};
