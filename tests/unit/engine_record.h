/*
 * engine_record: everything an engine gives rise to, kept for comparison; a
 * synthetic market; and what every signal must satisfy (etc/sql).
 */
#ifndef TOCSIN_TESTS_UNIT_ENGINE_RECORD_H
#define TOCSIN_TESTS_UNIT_ENGINE_RECORD_H
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "generator/engine.h"
#include "tests/unit/conf_text.h"

enum kind { ON_CANDLE, ON_CORRECTED, ON_JUDGED, ON_OPENED, ON_CHANGED, ON_REFRESHED };

struct happening {
	enum kind	 kind;
	size_t		 input;		/* number of the input that gave rise to it */
	enum timeframe	 tf;
	struct candle	 candle;	/* ON_CANDLE, ON_CORRECTED */
	char		 strategy[49];	/* ON_JUDGED */
	int64_t		 open_us;
	struct signal	*signal;	/* the others; owned */
};

struct record {
	struct happening	*list;
	size_t			 count, cap;
	size_t			 input;
};

static struct happening *
record_add(struct record *r, enum kind kind)
{
	if (r->count == r->cap) {
		r->cap = r->cap == 0 ? 1024 : 2 * r->cap;
		r->list = xrealloc(r->list, r->cap * sizeof(*r->list));
	}
	r->list[r->count] = (struct happening){ .kind = kind, .input = r->input };
	return &r->list[r->count++];
}

static inline void
record_release(struct record *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->list[i].signal);
	free(r->list);
	*r = (struct record){ 0 };
}

static inline void
record_candle_cb(const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c, void *arg)
{
	struct happening	*h = record_add(arg, ON_CANDLE);

	assert_string_equal(exchange, "test");
	assert_string_equal(symbol, "BTC/USDT");
	h->tf = tf;
	h->candle = *c;
}

static inline void
record_corrected_cb(const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c, void *arg)
{
	struct happening	*h = record_add(arg, ON_CORRECTED);

	(void)exchange, (void)symbol;
	h->tf = tf;
	h->candle = *c;
}

static inline void
record_judged_cb(const char *exchange, const char *symbol, enum timeframe tf, const char *strategy, int64_t open_us, void *arg)
{
	struct happening	*h = record_add(arg, ON_JUDGED);

	(void)exchange, (void)symbol;
	h->tf = tf;
	snprintf(h->strategy, sizeof(h->strategy), "%s", strategy);
	h->open_us = open_us;
}

static inline void
record_signal(struct record *r, enum kind kind, const struct signal *s)
{
	struct happening	*h = record_add(r, kind);

	h->signal = xcalloc(1, sizeof(*h->signal));
	*h->signal = *s;
}

static inline void
record_opened_cb(const struct signal *s, void *arg)
{
	record_signal(arg, ON_OPENED, s);
}

static inline void
record_changed_cb(const struct signal *s, void *arg)
{
	record_signal(arg, ON_CHANGED, s);
}

static inline void
record_refreshed_cb(const struct signal *s, void *arg)
{
	record_signal(arg, ON_REFRESHED, s);
}

static struct engine *
engine_of(const char *text, enum signal_mode mode, int fill_max, struct record *r)
{
	const struct engine_handler	 handler = {
		.candle = record_candle_cb, .corrected = record_corrected_cb, .judged = record_judged_cb, .opened = record_opened_cb,
		.changed = record_changed_cb, .refreshed = record_refreshed_cb,
	};
	const struct engine_conf	 conf = { .mode = mode, .grace_us = 2000000, .fill_max = fill_max };
	struct conf			*file = conf_of(text);
	struct engine			*e = engine_new(file, &conf, &handler, r);
	char				*errors = conf_verdict(file);

	assert_string_equal(errors, "");
	free(errors);
	conf_free(file);
	return e;
}

/* Comparing: exact, but for generated_us. */

static bool
same_decimal(struct decimal a, struct decimal b)
{
	return a.units == b.units && a.scale == b.scale;
}

static bool
same_signal(const struct signal *a, const struct signal *b)
{
	for (int i = 0; i < SIGNAL_TARGETS_MAX; i++)
		if (!same_decimal(a->targets[i], b->targets[i]))
			return false;
	return strcmp(a->exchange, b->exchange) == 0 && strcmp(a->symbol, b->symbol) == 0 && a->timeframe == b->timeframe &&
	    strcmp(a->strategy, b->strategy) == 0 && a->strategy_version == b->strategy_version &&
	    strcmp(a->params_hash, b->params_hash) == 0 && a->candle_open_us == b->candle_open_us && a->mode == b->mode &&
	    a->side == b->side && a->candle_close_us == b->candle_close_us && a->expires_us == b->expires_us &&
	    same_decimal(a->entry, b->entry) && same_decimal(a->initial_stop, b->initial_stop) &&
	    a->target_count == b->target_count && a->confidence == b->confidence && strcmp(a->reason, b->reason) == 0 &&
	    strcmp(a->indicators, b->indicators) == 0 && a->status == b->status && a->targets_hit == b->targets_hit &&
	    same_decimal(a->stop_loss, b->stop_loss) && same_decimal(a->last_price, b->last_price) &&
	    same_decimal(a->max_favorable, b->max_favorable) && same_decimal(a->max_adverse, b->max_adverse) &&
	    a->exit_reason == b->exit_reason && a->outcome == b->outcome && same_decimal(a->exit_price, b->exit_price) &&
	    a->closed_us == b->closed_us && a->pnl_ratio == b->pnl_ratio && a->r_multiple == b->r_multiple;
}

static bool
same_happening(const struct happening *a, const struct happening *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case ON_CANDLE:
	case ON_CORRECTED:
		return a->tf == b->tf && a->candle.open_us == b->candle.open_us && same_decimal(a->candle.open, b->candle.open) &&
		    same_decimal(a->candle.high, b->candle.high) && same_decimal(a->candle.low, b->candle.low) &&
		    same_decimal(a->candle.close, b->candle.close) && same_decimal(a->candle.volume, b->candle.volume) &&
		    a->candle.trades == b->candle.trades && a->candle.source == b->candle.source;
	case ON_JUDGED:
		return a->tf == b->tf && strcmp(a->strategy, b->strategy) == 0 && a->open_us == b->open_us;
	case ON_OPENED:
	case ON_CHANGED:
	case ON_REFRESHED:
		return same_signal(a->signal, b->signal);
	}
	return false;
}

/* `part` is what `whole` has from `from` on; all of it, or a prefix. */
static inline void
assert_continues(const struct record *whole, size_t from, const struct record *part, bool all, size_t split)
{
	if (from + part->count > whole->count || (all && from + part->count != whole->count))
		fail_msg("split %zu: %zu happenings instead of %zu", split, part->count, whole->count - from);
	for (size_t i = 0; i < part->count; i++)
		if (!same_happening(&whole->list[from + i], &part->list[i]))
			fail_msg("split %zu: happening %zu of %zu (kind %d) differs", split, i, part->count, (int)part->list[i].kind);
}

/* What the table and its triggers demand */

static int
side_compare(const struct signal *s, struct decimal a, struct decimal b)
{
	return s->side == SIDE_LONG ? decimal_compare(a, b) : decimal_compare(b, a);
}

static inline void
check_signal(const struct signal *s)
{
	bool	 active = s->status == STATUS_ACTIVE;

	assert_true(strlen(s->exchange) >= 1 && strspn(s->exchange, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s->exchange));
	assert_true(strlen(s->strategy) >= 1 && strspn(s->strategy, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s->strategy));
	assert_int_equal(strlen(s->params_hash), 16);
	assert_true(s->strategy_version > 0);
	assert_true(s->candle_close_us == s->candle_open_us + timeframe_us(s->timeframe));
	assert_true(s->expires_us > s->candle_close_us);
	assert_true(s->entry.units > 0 && s->stop_loss.units > 0 && s->initial_stop.units > 0);
	assert_true(s->target_count >= 1 && s->target_count <= SIGNAL_TARGETS_MAX);
	assert_true(side_compare(s, s->initial_stop, s->entry) < 0);
	assert_true(side_compare(s, s->targets[0], s->entry) > 0);
	for (int i = 0; i < s->target_count; i++) {
		assert_true(s->targets[i].units > 0);
		assert_true(i == 0 || side_compare(s, s->targets[i], s->targets[i - 1]) > 0);
	}
	assert_true(s->confidence >= 0 && s->confidence <= 1);
	assert_true(strlen(s->reason) > 0 && strlen(s->reason) <= 500);
	assert_true(s->indicators[0] == '{' && json_valid(s->indicators, strlen(s->indicators)));
	assert_true(s->targets_hit >= 0 && s->targets_hit <= s->target_count);
	assert_true(active == (s->exit_reason == EXIT_NONE) && active == (s->outcome == OUTCOME_NONE) && active == (s->closed_us == 0));
	assert_true(s->status != STATUS_TARGET_HIT || s->targets_hit == s->target_count);
	assert_true(side_compare(s, s->max_favorable, s->entry) >= 0 && side_compare(s, s->max_adverse, s->entry) <= 0);
	if (active)
		return;
	assert_true(s->closed_us > s->candle_open_us && s->exit_price.units > 0);
	assert_true(isfinite(s->pnl_ratio) && isfinite(s->r_multiple));
	assert_true((s->status == STATUS_CANCELLED) == (s->outcome == OUTCOME_VOID));
	if (s->outcome != OUTCOME_VOID)
		assert_true(s->outcome == (s->r_multiple > 0 ? OUTCOME_WIN : s->r_multiple < 0 ? OUTCOME_LOSS : OUTCOME_BREAKEVEN));
}

static inline void
check_update(const struct signal *old, const struct signal *new)
{
	assert_int_equal(old->status, STATUS_ACTIVE);
	assert_true(old->candle_open_us == new->candle_open_us && old->side == new->side);
	assert_true(same_decimal(old->entry, new->entry) && same_decimal(old->initial_stop, new->initial_stop));
	assert_true(memcmp(old->targets, new->targets, sizeof(old->targets)) == 0);
	assert_true(new->targets_hit >= old->targets_hit);
	assert_true(side_compare(new, new->stop_loss, old->stop_loss) >= 0);
}

/* Base candles as they go in. */
struct span {
	const struct candle	*candles;
	size_t			 count;
	enum timeframe		 base;
};

/* An independent judge: from the raw candles and the rules as SIGNALS.md has them. */
static inline void
check_outcome(const struct signal *s, const struct span *in)
{
	double	 sign = s->side == SIDE_LONG ? 1 : -1, entry = decimal_double(s->entry), stop = decimal_double(s->initial_stop);
	double	 open, best, worst, exit_price = 0;
	int64_t	 end_us;
	int	 hit = 0;
	bool	 closed = false;

	for (size_t i = 0; i < in->count && !closed; i++) {
		const struct candle	*c = &in->candles[i];

		end_us = c->open_us + timeframe_us(in->base);
		if (c->open_us < s->candle_close_us)
			continue;
		/* Filled candles are not among the raw ones: an expiry in a hole shows at the candle after it. */
		if (c->open_us >= s->expires_us || end_us > s->closed_us)
			break;
		open = sign * decimal_double(c->open);
		best = sign * decimal_double(s->side == SIDE_LONG ? c->high : c->low);
		worst = sign * decimal_double(s->side == SIDE_LONG ? c->low : c->high);
		if (worst <= sign * stop) {
			exit_price = open < sign * stop ? sign * open : stop;
			assert_int_equal(s->status, STATUS_STOPPED);
			closed = true;
		} else {
			while (hit < s->target_count && best >= sign * decimal_double(s->targets[hit]))
				hit++;
			stop = hit > 0 ? entry : stop;
			if (hit == s->target_count) {
				exit_price = decimal_double(s->targets[hit - 1]);
				assert_int_equal(s->status, STATUS_TARGET_HIT);
				closed = true;
			}
		}
		if (closed)
			assert_int_equal(s->closed_us, end_us);
	}
	if (!closed) {
		assert_true(s->status == STATUS_CANCELLED || (s->status == STATUS_EXPIRED && s->closed_us >= s->expires_us));
		return;
	}
	assert_int_equal(s->targets_hit, hit);
	assert_true(decimal_double(s->exit_price) == exit_price);
}

static const struct signal *
last_of(const struct record *r, size_t before, const char *strategy)
{
	while (before-- > 0)
		if (r->list[before].signal != NULL && strcmp(r->list[before].signal->strategy, strategy) == 0)
			return r->list[before].signal;
	return NULL;
}

/* Every demand of the tables, on all that happened; and that enough of each kind did. */
static inline void
check_life(const struct record *r, const struct span *in, size_t opened_min)
{
	size_t			 opened = 0, statuses[STATUS_CANCELLED + 1] = { 0 };
	const struct signal	*s, *old;

	for (size_t i = 0; i < r->count; i++) {
		if ((s = r->list[i].signal) == NULL)
			continue;
		check_signal(s);
		old = last_of(r, i, s->strategy);
		if (r->list[i].kind == ON_OPENED) {
			opened++;
			assert_true(s->status == STATUS_ACTIVE && (old == NULL || old->status != STATUS_ACTIVE));
			/* The old one was reversed at once, or rests. */
			assert_true(old == NULL || old->exit_reason == EXIT_REVERSED || old->closed_us < s->candle_close_us ||
			    strcmp(s->strategy, "break_fast") == 0);
		} else {
			assert_non_null(old);
			check_update(old, s);
		}
		if (s->status != STATUS_ACTIVE) {
			statuses[s->status]++;
			check_outcome(s, in);
		}
	}
	print_message("    %zu opened: %zu at target, %zu stopped, %zu expired, %zu reversed\n", opened, statuses[STATUS_TARGET_HIT],
	    statuses[STATUS_STOPPED], statuses[STATUS_EXPIRED], statuses[STATUS_CANCELLED]);
	assert_true(opened >= opened_min);
}

/* A market */

struct market {
	struct trade	*trades;
	size_t		 trade_count;
	struct candle	*candles;	/* one-minute ones, straight from the trades */
	size_t		 candle_count;
};

static uint64_t
market_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/*
 * `minutes` of a random walk with drifts that last for hours, quiet minutes, and
 * now and then a hole: shorter or longer than what is filled.
 */
static inline void
market_make(struct market *m, size_t minutes, uint64_t seed)
{
	int64_t		 start_us = INT64_C(1700000040) * 1000000, cents = 5000000, drift = 0, id = 1, hole = 0;
	struct trade	*t;
	struct candle	*c;
	char		 text[32];

	*m = (struct market){ .trades = xcalloc(minutes * 5, sizeof(*t)), .candles = xcalloc(minutes, sizeof(*c)) };
	for (size_t i = 0; i < minutes; i++) {
		if (i % 180 == 0)
			drift = (int64_t)(market_random(&seed) % 1600) - 800;
		if (market_random(&seed) % 800 == 0)
			hole = (int64_t)(market_random(&seed) % 40);
		if (hole > 0) {
			hole--;
			continue;
		}
		c = &m->candles[m->candle_count];
		for (uint64_t n = market_random(&seed) % 6, k = 0; k < n; k++) {
			t = &m->trades[m->trade_count++];
			cents += drift + (int64_t)(market_random(&seed) % 8001) - 4000;
			if (cents < 1000000)
				cents += 20000;
			t->id = id++;
			t->time_us = start_us + (int64_t)i * 60000000 + (int64_t)(k * 12000000 + market_random(&seed) % 12000000);
			snprintf(text, sizeof(text), "%.2f", (double)cents / 100);
			assert_true(decimal_parse(text, strlen(text), &t->price));
			t->quantity = (struct decimal){ .units = (int64_t)(1 + market_random(&seed) % 9), .scale = 1 };
			if (k == 0)
				*c = (struct candle){
					.open_us = start_us + (int64_t)i * 60000000, .open = t->price, .high = t->price, .low = t->price,
					.source = SOURCE_TRADES
				};
			if (decimal_compare(t->price, c->high) > 0)
				c->high = t->price;
			if (decimal_compare(t->price, c->low) < 0)
				c->low = t->price;
			c->close = t->price;
			c->volume = decimal_add(c->volume, t->quantity);
			c->trades++;
		}
		m->candle_count += c->trades > 0;
	}
}

static inline void
market_release(struct market *m)
{
	free(m->trades);
	free(m->candles);
}
#endif
