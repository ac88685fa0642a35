#include "generator/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/log.h"
#include "generator/engine_private.h"

/*
 * Beyond this, history for the last bits of old seeds is not asked for; what
 * the warm-ups need is.
 */
#define HISTORY_MAX	200000

/*
 * Where time is real nothing comes from further ahead: one such trade would
 * close the market's candles until then.
 */
#define FUTURE_MAX_US	(5 * INT64_C(60000000))
#define FILL_MAX_LIVE	10080		/* candles; what is not filled there is a gap */

struct engine *
engine_new(struct conf *file, const struct engine_conf *conf, const struct engine_handler *handler, void *arg)
{
	struct engine			*e = xcalloc(1, sizeof(*e));
	const struct conf_section	*section = NULL;
	struct strategy			*s;

	e->conf = *conf;
	e->handler = *handler;
	e->arg = arg;
	e->last_stream = &e->streams;
	while ((section = conf_next(file, "strategy", section)) != NULL) {
		if ((s = strategy_new(file, section)) == NULL)
			continue;
		e->strategies = xrealloc(e->strategies, (e->strategy_count + 1) * sizeof(void *));
		e->strategies[e->strategy_count++] = s;
	}
	return e;
}

static void
stream_free(struct stream *s)
{
	for (size_t i = 0; i < s->pair_count; i++) {
		strategy_state_free(s->pairs[i].state);
		book_release(&s->pairs[i].book);
	}
	for (size_t i = 0; i < s->orphan_count; i++)
		book_release(&s->orphans[i]);
	free(s->pairs);
	free(s->orphans);
	builder_free(s->builder);
	free(s->exchange);
	free(s->symbol);
	free(s);
}

void
engine_free(struct engine *e)
{
	struct stream	*s;

	if (e == NULL)
		return;
	while ((s = e->streams) != NULL) {
		e->streams = s->next;
		stream_free(s);
	}
	for (size_t i = 0; i < e->strategy_count; i++)
		strategy_free(e->strategies[i]);
	free(e->strategies);
	free(e);
}

size_t
engine_strategy_count(const struct engine *e)
{
	return e->strategy_count;
}

const char *
engine_strategy_name(const struct engine *e, size_t i)
{
	return strategy_name(e->strategies[i]);
}

void
engine_print_conf(const struct engine *e, void *out_file)
{
	for (size_t i = 0; i < e->strategy_count; i++)
		strategy_print(e->strategies[i], out_file);
}

void
engine_set_wall_us(struct engine *e, int64_t wall_us)
{
	e->wall_us = wall_us;
}

/* Streams */

/*
 * A live feed says when something is missing, so what it does not bring did not
 * happen, however long; a recording may leave out a weekend.
 */
static int
fill_max(const struct stream *s)
{
	return s->real_time && s->engine->conf.fill_max < FILL_MAX_LIVE ? FILL_MAX_LIVE : s->engine->conf.fill_max;
}

static void
need_timeframe(struct stream *s, enum timeframe tf)
{
	if (tf == s->base)
		return;
	for (int i = 0; i < s->aggregator_count; i++)
		if (s->aggregators[i].tf == tf)
			return;
	aggregator_init(&s->aggregators[s->aggregator_count++], s->base, tf);
}

static void
add_pair(struct stream *s, const struct strategy *strategy)
{
	struct pair	*p;

	s->pairs = xrealloc(s->pairs, (s->pair_count + 1) * sizeof(*s->pairs));
	p = &s->pairs[s->pair_count++];
	*p = (struct pair){ .strategy = strategy, .state = strategy_state_new(strategy), .judged_us = INT64_MIN, .opened_us = INT64_MIN };
	book_init(&p->book, strategy_rules(strategy));
}

struct stream *
engine_stream(struct engine *e, const char *exchange, const char *symbol, enum timeframe base)
{
	struct stream	*s = xcalloc(1, sizeof(*s));
	enum timeframe	 tf;

	s->engine = e;
	s->exchange = xstrdup(exchange);
	s->symbol = xstrdup(symbol);
	s->base = base;
	s->next_open_us = s->live_from_us = INT64_MIN;
	s->builder = builder_new(base, e->conf.grace_us, SOURCE_TRADES);
	filler_init(&s->filler, base, e->conf.fill_max);
	for (size_t i = 0; i < e->strategy_count; i++) {
		tf = strategy_timeframe(e->strategies[i]);
		if (!strategy_watches(e->strategies[i], symbol))
			continue;
		if (timeframe_us(tf) % timeframe_us(base) != 0) {
			log_warnx("engine", "a strategy cannot watch a stream: its timeframe is no multiple of the feed's"
			    " strategy=%s timeframe=%s exchange=%s symbol=%s feed=%s", strategy_name(e->strategies[i]),
			    timeframe_names[tf], exchange, symbol, timeframe_names[base]);
			continue;
		}
		need_timeframe(s, tf);
		add_pair(s, e->strategies[i]);
	}
	*e->last_stream = s;
	e->last_stream = &s->next;
	return s;
}

void
stream_set_source(struct stream *s, enum candle_source source)
{
	builder_free(s->builder);
	s->builder = builder_new(s->base, s->engine->conf.grace_us, source);
}

void
stream_set_real_time(struct stream *s, bool real_time)
{
	s->real_time = real_time;
	filler_init(&s->filler, s->base, fill_max(s));
}

const char *
engine_misfit(const struct engine *e, const char *symbol, enum timeframe base)
{
	for (size_t i = 0; i < e->strategy_count; i++)
		if (strategy_watches(e->strategies[i], symbol) &&
		    timeframe_us(strategy_timeframe(e->strategies[i])) % timeframe_us(base) != 0)
			return strategy_name(e->strategies[i]);
	return NULL;
}

/* Base candles that make one of the timeframe. */
static size_t
ratio(const struct stream *s, enum timeframe tf)
{
	return (size_t)(timeframe_us(tf) / timeframe_us(s->base));
}

size_t
stream_warmup(const struct stream *s)
{
	size_t	 most = 0, needed, per;

	for (size_t i = 0; i < s->pair_count; i++) {
		per = ratio(s, strategy_timeframe(s->pairs[i].strategy));
		needed = (strategy_warmup(s->pairs[i].strategy) + 1) * per;
		if (needed > most)
			most = needed;
	}
	return most;
}

void
stream_live_from(struct stream *s, int64_t market_us)
{
	s->live_from_us = market_us;
}

size_t
stream_history_wanted(const struct stream *s)
{
	size_t	 most = 0, wanted, needed, per;

	for (size_t i = 0; i < s->pair_count; i++) {
		per = ratio(s, strategy_timeframe(s->pairs[i].strategy));
		needed = strategy_warmup(s->pairs[i].strategy) * per;
		wanted = strategy_memory(s->pairs[i].strategy) * per;
		if (wanted > HISTORY_MAX)
			wanted = needed > HISTORY_MAX ? needed : HISTORY_MAX;
		/* The history may begin within a candle of the timeframe, and that one is lost. */
		wanted += per;
		if (wanted > most)
			most = wanted;
	}
	return most;
}

int64_t
stream_memory_us(const struct stream *s)
{
	const struct book_rules	*rules;
	int64_t			 most = 0, memory;

	for (size_t i = 0; i < s->pair_count; i++) {
		rules = strategy_rules(s->pairs[i].strategy);
		memory = rules->cooldown_us > rules->guard_us ? rules->cooldown_us : rules->guard_us;
		if (memory > most)
			most = memory;
	}
	return most;
}

/* Judging */

void
book_take_signal(struct stream *s, struct book *b, struct signal *fresh, int64_t fresh_until_us)
{
	struct engine	*e = s->engine;
	bool		 stale;

	/* The old one goes first: the table holds one active signal of a kind. */
	if (b->active) {
		book_cancel(b, EXIT_REVERSED, fresh->entry, fresh->candle_close_us);
		e->handler.changed(&b->signal, e->arg);
	}
	snprintf(fresh->exchange, sizeof(fresh->exchange), "%s", s->exchange);
	snprintf(fresh->symbol, sizeof(fresh->symbol), "%s", s->symbol);
	fresh->mode = e->conf.mode;
	fresh->generated_us = e->wall_us;
	fresh->fresh_until_us = e->conf.mode == MODE_REPLAY ? 0 : fresh_until_us;
	stale = fresh->fresh_until_us != 0 && e->wall_us > fresh_until_us;
	book_open(b, fresh);
	e->opened++;
	e->handler.opened(fresh, e->arg);
	if (stale)
		book_forget(b, fresh->candle_close_us);
}

static void
open_signal(struct stream *s, struct pair *p, struct signal *fresh)
{
	int64_t	 until_us;

	if (p->book.active && p->book.signal.side == fresh->side)
		return;
	if (!p->book.active && !book_may_open(&p->book, fresh->candle_close_us))
		return;
	strategy_explain(p->strategy, p->state, fresh);
	p->opened_us = fresh->candle_open_us;
	until_us = (s->real_time ? fresh->candle_close_us : s->engine->wall_us) + strategy_max_age_us(p->strategy);
	/* Too old already: whatever the database's clock says, it is void there and gone here. */
	book_take_signal(s, &p->book, fresh, s->engine->wall_us > until_us ? 1 : until_us);
}

static void
pair_judge(struct stream *s, struct pair *p, const struct candle *c)
{
	struct engine	*e = s->engine;
	struct signal	 fresh;
	bool		 fires = strategy_step(p->strategy, p->state, c, &fresh);

	/* A filled candle has moved the indicators on; nobody traded in it. */
	if (s->warming || c->source == SOURCE_FILLED)
		return;
	if (fires && fresh.candle_close_us > s->live_from_us)
		open_signal(s, p, &fresh);
	p->judged_us = c->open_us;
	e->handler.judged(s->exchange, s->symbol, strategy_timeframe(p->strategy), strategy_name(p->strategy), c->open_us, e->arg);
}

static void
book_step(struct stream *s, struct book *b, const struct candle *c)
{
	struct engine	*e = s->engine;

	switch (book_judge(b, c, c->open_us + timeframe_us(s->base))) {
	case BOOK_SAME:
		break;
	case BOOK_REFRESHED:
		e->handler.refreshed(&b->signal, e->arg);
		break;
	case BOOK_CHANGED:
		e->handler.changed(&b->signal, e->arg);
	}
}

/* A candle of any timeframe is final: out with it, then the strategies that read it. */
static void
candle_closed(struct stream *s, enum timeframe tf, const struct candle *c)
{
	if (!s->warming)
		s->engine->handler.candle(s->exchange, s->symbol, tf, c, s->engine->arg);
	for (size_t i = 0; i < s->pair_count; i++)
		if (strategy_timeframe(s->pairs[i].strategy) == tf)
			pair_judge(s, &s->pairs[i], c);
}

static bool
same_values(const struct candle *a, const struct candle *b)
{
	return decimal_compare(a->open, b->open) == 0 && decimal_compare(a->high, b->high) == 0 &&
	    decimal_compare(a->low, b->low) == 0 && decimal_compare(a->close, b->close) == 0 &&
	    decimal_compare(a->volume, b->volume) == 0 && (a->trades == b->trades || a->trades == -1 || b->trades == -1);
}

void
stream_correct(struct stream *s, const struct candle *c)
{
	if (c->open_us >= s->next_open_us) {
		s->official = *c;
		s->has_official = true;
	} else if (s->candles == 0 || c->open_us != s->last.open_us || !same_values(c, &s->last)) {
		s->corrected++;
		s->engine->handler.corrected(s->exchange, s->symbol, s->base, c, s->engine->arg);
	}
}

/* The one that closed last has been handed out: compare it with what the exchange said before. */
static void
compare_official(struct stream *s)
{
	if (!s->has_official || s->official.open_us > s->last.open_us)
		return;
	s->has_official = false;
	stream_correct(s, &s->official);
}

/*
 * In the order of market time: a higher candle that this base candle only shows
 * to be over ended before it, so what is opened there has this candle's prices
 * ahead; one that this base candle completes ends with it.
 */
static void
base_closed(struct stream *s, const struct candle *c)
{
	struct candle	 closed[TIMEFRAMES][2];
	int		 count[TIMEFRAMES] = { 0 }, done[TIMEFRAMES] = { 0 };

	for (int i = 0; i < s->aggregator_count; i++) {
		count[i] = aggregator_add(&s->aggregators[i], c, closed[i]);
		while (done[i] < count[i] && closed[i][done[i]].open_us + timeframe_us(s->aggregators[i].tf) <= c->open_us)
			candle_closed(s, s->aggregators[i].tf, &closed[i][done[i]++]);
	}
	for (size_t i = 0; i < s->pair_count; i++)
		book_step(s, &s->pairs[i].book, c);
	for (size_t i = 0; i < s->orphan_count; i++)
		book_step(s, &s->orphans[i], c);
	candle_closed(s, s->base, c);
	for (int i = 0; i < s->aggregator_count; i++)
		while (done[i] < count[i])
			candle_closed(s, s->aggregators[i].tf, &closed[i][done[i]++]);
	s->filled += c->source == SOURCE_FILLED;
	s->candles++;
	s->last = *c;
	compare_official(s);
}

/* The strategies begin anew: bars from before a gap say nothing about those after it. */
static void
forget_bars(struct stream *s)
{
	for (size_t i = 0; i < s->pair_count; i++) {
		strategy_state_free(s->pairs[i].state);
		s->pairs[i].state = strategy_state_new(s->pairs[i].strategy);
	}
	for (int i = 0; i < s->aggregator_count; i++)
		aggregator_init(&s->aggregators[i], s->base, s->aggregators[i].tf);
	filler_init(&s->filler, s->base, fill_max(s));
}

static void
cancel_for_gap(struct stream *s, struct book *b)
{
	if (!b->active)
		return;
	/* The last price known, at the time when it was. */
	book_cancel(b, EXIT_FEED_GAP, b->signal.last_price,
	    s->next_open_us > b->signal.candle_close_us ? s->next_open_us : b->signal.candle_close_us);
	s->engine->handler.changed(&b->signal, s->engine->arg);
}

void
stream_gap(struct stream *s, int64_t from_us)
{
	s->gaps++;
	log_warnx("engine", "a gap in the market that nothing fills: signals cancelled, strategies begin anew"
	    " exchange=%s symbol=%s", s->exchange, s->symbol);
	for (size_t i = 0; i < s->pair_count; i++)
		cancel_for_gap(s, &s->pairs[i].book);
	for (size_t i = 0; i < s->orphan_count; i++)
		cancel_for_gap(s, &s->orphans[i]);
	forget_bars(s);
	s->has_official = false;
	if (s->next_open_us < from_us)
		s->next_open_us = from_us;
	builder_start_at(s->builder, from_us);
}

/* Input */

/* Base candles missing between the last one and `next`. */
static int64_t
missing_before(const struct stream *s, const struct candle *next)
{
	return s->filler.begun ? (next->open_us - s->filler.last_open_us) / timeframe_us(s->base) - 1 : 0;
}

static bool
is_from_the_future(struct stream *s, int64_t time_us)
{
	if (!s->real_time || s->warming || time_us <= s->engine->wall_us + FUTURE_MAX_US)
		return false;
	if (s->future++ == 0)
		log_warnx("engine", "a time in the future is not taken: the feed is wrong, or this machine's clock is (NTP)"
		    " exchange=%s symbol=%s ahead_s=%lld", s->exchange, s->symbol, (long long)((time_us - s->engine->wall_us) / 1000000));
	return true;
}

void
stream_candle(struct stream *s, const struct candle *c)
{
	struct candle	 filled;

	if (is_from_the_future(s, c->open_us))
		return;
	if (c->open_us < s->next_open_us) {
		s->late++;
		return;
	}
	if (s->real_time && missing_before(s, c) > fill_max(s))
		stream_gap(s, c->open_us);
	s->next_open_us = c->open_us + timeframe_us(s->base);
	/* Trades of it that the builder may hold are part of it. */
	builder_start_at(s->builder, s->next_open_us);
	while (filler_next(&s->filler, c, &filled))
		base_closed(s, &filled);
	base_closed(s, c);
	filler_done(&s->filler, c);
}

/* What was filled is stored as well, so a hole that would have been filled is a gap. */
static bool
is_gap(const struct stream *s, const struct candle *next)
{
	int64_t	 missing = missing_before(s, next);

	return missing >= 1 && (s->real_time || missing <= s->engine->conf.fill_max);
}

void
stream_warm(struct stream *s, const struct candle *c)
{
	if (is_gap(s, c))
		forget_bars(s);
	s->warming = true;
	stream_candle(s, c);
	s->warming = false;
}

void
stream_trade(struct stream *s, const struct trade *t)
{
	struct candle	 closed;

	if (is_from_the_future(s, t->time_us))
		return;
	if (builder_trade(s->builder, t, &closed) == 1)
		stream_candle(s, &closed);
}

void
stream_clock(struct stream *s, int64_t now_us)
{
	struct candle	 closed;

	if (builder_clock(s->builder, now_us, &closed) == 1)
		stream_candle(s, &closed);
	orphans_clock(s, now_us);
}

static struct stream *
find_stream(const struct engine *e, const char *exchange, const char *symbol)
{
	struct stream	*s = e->streams;

	while (s != NULL && (strcmp(s->exchange, exchange) != 0 || strcmp(s->symbol, symbol) != 0))
		s = s->next;
	return s;
}

/* An operator's clock may be ahead of the market's, by years in a replay: cooldown and guard begin now at the latest. */
static int64_t
closed_at(const struct stream *s, int64_t closed_us)
{
	return closed_us < s->next_open_us ? closed_us : s->next_open_us;
}

static void
book_closed(struct book *b, const char *timeframe, const char *strategy, int64_t candle_open_us, int64_t closed_us)
{
	const struct signal	*signal = &b->signal;

	if (!b->active || signal->candle_open_us != candle_open_us || strcmp(signal->strategy, strategy) != 0 ||
	    strcmp(timeframe_names[signal->timeframe], timeframe) != 0)
		return;
	log_info("engine", "a signal was closed in the database symbol=%s timeframe=%s strategy=%s", signal->symbol, timeframe, strategy);
	book_forget(b, closed_us);
}

void
engine_closed(struct engine *e, const char *exchange, const char *symbol, const char *timeframe, const char *strategy,
    int64_t candle_open_us, int64_t closed_us)
{
	struct stream	*s = find_stream(e, exchange, symbol);

	if (s == NULL)
		return;
	closed_us = closed_at(s, closed_us);
	for (size_t i = 0; i < s->pair_count; i++)
		book_closed(&s->pairs[i].book, timeframe, strategy, candle_open_us, closed_us);
	for (size_t i = 0; i < s->orphan_count; i++)
		book_closed(&s->orphans[i], timeframe, strategy, candle_open_us, closed_us);
}

void
engine_restore(struct engine *e, const struct signal *signal)
{
	struct signal	 restored = *signal;
	struct stream	*s;

	if (signal->mode != e->conf.mode)
		return;
	if ((s = find_stream(e, signal->exchange, signal->symbol)) == NULL) {
		if (signal->status == STATUS_ACTIVE)
			log_warnx("engine", "an active signal has no stream any more exchange=%s symbol=%s strategy=%s",
			    signal->exchange, signal->symbol, signal->strategy);
		return;
	}
	restored.closed_us = closed_at(s, signal->closed_us);
	for (size_t i = 0; i < s->pair_count; i++)
		if (strcmp(strategy_name(s->pairs[i].strategy), signal->strategy) == 0 &&
		    strategy_timeframe(s->pairs[i].strategy) == signal->timeframe) {
			book_restore(&s->pairs[i].book, &restored);
			return;
		}
	orphan_restore(s, signal);
}
