/* Signals of strategies that are none of ours: finished ones from outside, and those of sections that are gone. */
#include <string.h>

#include "common/log.h"
#include "generator/engine_private.h"

#define OUTSIDE_MAX	256	/* strategies a stream remembers: a program cannot make up names for ever */

static bool
is_configured(const struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->strategy_count; i++)
		if (strcmp(strategy_name(e->strategies[i]), name) == 0)
			return true;
	return false;
}

/* The book of its strategy and timeframe; NULL when there is none. */
static struct book *
find_book(struct stream *s, const struct signal *signal)
{
	for (size_t i = 0; i < s->orphan_count; i++)
		if (s->orphans[i].signal.timeframe == signal->timeframe && strcmp(s->orphans[i].signal.strategy, signal->strategy) == 0)
			return &s->orphans[i];
	return NULL;
}

static struct book *
add_book(struct stream *s)
{
	static const struct book_rules	 none = { 0 };

	s->orphans = xrealloc(s->orphans, (s->orphan_count + 1) * sizeof(*s->orphans));
	book_init(&s->orphans[s->orphan_count], &none);
	return &s->orphans[s->orphan_count++];
}

void
orphan_restore(struct stream *s, const struct signal *signal)
{
	struct book	*b = find_book(s, signal);

	if (b == NULL)
		b = add_book(s);
	else if (b->active)
		return;
	/* A closed one says which candles have had their signal. */
	book_open(b, signal);
	b->active = signal->status == STATUS_ACTIVE;
}

void
orphans_clock(struct stream *s, int64_t now_us)
{
	struct engine	*e = s->engine;
	struct book	*b;

	if (s->candles > 0)
		return;
	for (size_t i = 0; i < s->orphan_count; i++) {
		b = &s->orphans[i];
		if (!b->active || now_us < b->signal.expires_us + e->conf.grace_us)
			continue;
		book_expire_unseen(b);
		e->handler.changed(&b->signal, e->arg);
	}
}

static enum signal_verdict
judge(struct stream *s, const struct signal *given, struct book **b)
{
	*b = NULL;
	if (is_configured(s->engine, given->strategy))
		return VERDICT_RESERVED;
	*b = find_book(s, given);
	if (*b != NULL && (given->candle_open_us <= (*b)->signal.candle_open_us ||
	    ((*b)->active && (*b)->signal.side == given->side)))
		return VERDICT_REPEATED;
	/* The candles in between would never be judged, whatever they did to it. */
	if (s->next_open_us > given->candle_close_us)
		return VERDICT_LATE;
	if (*b == NULL && s->orphan_count >= OUTSIDE_MAX)
		return VERDICT_TOO_MANY;
	return VERDICT_OPENED;
}

enum signal_verdict
stream_signal(struct stream *s, const struct signal *given)
{
	struct book		*b;
	struct signal		 fresh = *given;
	enum signal_verdict	 verdict = judge(s, given, &b);

	if (verdict != VERDICT_OPENED)
		return verdict;
	if (b == NULL)
		b = add_book(s);
	book_take_signal(s, b, &fresh, fresh.fresh_until_us != 0 ? fresh.fresh_until_us :
	    s->engine->wall_us + timeframe_us(fresh.timeframe));
	return VERDICT_OPENED;
}
