/* strategy_run: one strategy over hand-made bars of an hour. */
#ifndef TOCSIN_TESTS_UNIT_STRATEGY_RUN_H
#define TOCSIN_TESTS_UNIT_STRATEGY_RUN_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "generator/indicator_range.h"
#include "generator/strategy.h"
#include "tests/unit/conf_text.h"

#define HOUR_US		INT64_C(3600000000)
#define START_US	(INT64_C(1700000000) / 3600 * HOUR_US)

static struct decimal
dec(const char *text)
{
	struct decimal	 d;

	assert_true(decimal_parse(text, strlen(text), &d));
	return d;
}

static struct decimal
dec_of(double value, int digits)
{
	char	 text[64];

	snprintf(text, sizeof(text), "%.*f", digits, value);
	return dec(text);
}

/* The one strategy of the text, without errors. */
static struct strategy *
strategy_of(const char *text)
{
	struct conf	*c = conf_of(text);
	struct strategy	*s = strategy_new(c, conf_next(c, "strategy", NULL));
	char		*errors = conf_verdict(c);

	assert_string_equal(errors, "");
	assert_non_null(s);
	free(errors);
	conf_free(c);
	return s;
}

struct run {
	struct strategy		*strategy;
	struct strategy_state	*state;
	int64_t			 bars;
	int			 digits;	/* after the point */
	struct bar		 last;
	struct signal		 signal;	/* of the last step that fired */
};

static void
run_begin(struct run *r, const char *text, int digits)
{
	*r = (struct run){ .strategy = strategy_of(text), .digits = digits };
	r->state = strategy_state_new(r->strategy);
}

static void
run_end(struct run *r)
{
	strategy_state_free(r->state);
	strategy_free(r->strategy);
}

static bool
run_bar(struct run *r, double high, double low, double close)
{
	struct candle	 c = {
		.open_us = START_US + r->bars++ * HOUR_US, .open = dec_of(close, r->digits), .high = dec_of(high, r->digits),
		.low = dec_of(low, r->digits), .close = dec_of(close, r->digits), .trades = 1
	};

	r->last = (struct bar){ decimal_double(c.high), decimal_double(c.low), decimal_double(c.close) };
	if (!strategy_step(r->strategy, r->state, &c, &r->signal))
		return false;
	strategy_explain(r->strategy, r->state, &r->signal);
	return true;
}

static void
check_text(const struct signal *s)
{
	assert_true(json_valid(s->indicators, strlen(s->indicators)));
	assert_true(strlen(s->reason) > 20 && strlen(s->reason) < 500);
	assert_true(s->confidence >= 0 && s->confidence <= 1);
}

/* A wave around 100, of 40 bars and with a slowly changing height. */
static double
wave(int i)
{
	return 100 + (5 + 3 * sin(i / 97.0)) * sin(i * 2 * M_PI / 40);
}
#endif
