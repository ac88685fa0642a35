#include "generator/feed_exec_market.h"

#include <stdlib.h>

#include "common/log.h"

void
exec_market_init(struct exec_market *m, const struct feed_conf *common, bool backfills, int64_t max_age_us, const int64_t *resume_us,
    int64_t wall_us, const struct feed_handler *handler, void *arg)
{
	*m = (struct exec_market){ .common = common, .handler = handler, .arg = arg, .backfills = backfills,
		.max_age_us = max_age_us };
	m->symbols = xcalloc(common->symbols.count, sizeof(*m->symbols));
	for (size_t i = 0; i < common->symbols.count; i++) {
		m->symbols[i] = (struct exec_symbol){ .resume_us = resume_us[i], .next_id = 1, .last_trade_us = INT64_MIN };
		if (resume_us[i] == INT64_MIN)
			handler->live_from(i, wall_us, arg);
	}
}

void
exec_market_release(struct exec_market *m)
{
	free(m->symbols);
	m->symbols = NULL;
}

void
exec_market_begin(struct exec_market *m)
{
	struct exec_symbol	*s;

	for (size_t i = 0; i < m->common->symbols.count; i++) {
		s = &m->symbols[i];
		s->known_us = s->last_trade_us;
		s->trades = s->candles = s->live = false;
	}
}

static enum timeframe
timeframe(const struct exec_market *m)
{
	return (enum timeframe)m->common->timeframe;
}

int64_t
exec_market_resume_us(const struct exec_market *m, size_t symbol)
{
	const struct exec_symbol	*s = &m->symbols[symbol];
	int64_t				 open_us;

	if (s->last_trade_us == INT64_MIN)
		return s->resume_us;
	open_us = timeframe_open_us(timeframe(m), s->last_trade_us);
	return open_us > s->resume_us ? open_us : s->resume_us;
}

static bool
has_market(const struct exec_symbol *s)
{
	return s->resume_us != INT64_MIN || s->last_trade_us != INT64_MIN;
}

/* What lies before from_us is lost; with a history behind it that is a gap. */
static void
lose_until(struct exec_market *m, size_t symbol, int64_t from_us)
{
	struct exec_symbol	*s = &m->symbols[symbol];

	if (has_market(s))
		m->handler->gap(symbol, from_us, m->arg);
	s->resume_us = from_us;
}

static void
take_trade(struct exec_market *m, struct line *l, int64_t wall_us)
{
	struct exec_symbol	*s = &m->symbols[l->symbol];
	struct trade		*t = &l->trade;

	if (t->time_us < s->resume_us || (!l->has_id && t->time_us <= s->known_us)) {
		m->counts.dropped++;
		return;
	}
	/* It began in the middle of a candle, and of that one only the rest is known. */
	if (!s->trades && !m->backfills) {
		s->trades = true;
		lose_until(m, l->symbol, timeframe_open_us(timeframe(m), t->time_us) + timeframe_us(timeframe(m)));
		m->counts.dropped++;
		return;
	}
	s->trades = true;
	if (!l->has_id)
		t->id = s->next_id++;
	if (t->time_us > s->last_trade_us)
		s->last_trade_us = t->time_us;
	s->live = wall_us - t->time_us <= EXEC_LIVE_US;
	m->counts.trades++;
	m->handler->trade(l->symbol, t, m->arg);
}

static void
take_candle(struct exec_market *m, const struct line *l)
{
	struct exec_symbol	*s = &m->symbols[l->symbol];
	const struct candle	*c = &l->candle;

	if (c->open_us < s->resume_us) {
		m->counts.dropped++;
		return;
	}
	if (!s->candles && !m->backfills && s->resume_us != INT64_MIN && c->open_us > s->resume_us)
		lose_until(m, l->symbol, c->open_us);
	s->candles = true;
	s->resume_us = c->open_us + timeframe_us(timeframe(m));
	m->counts.candles++;
	m->handler->candle(l->symbol, c, m->arg);
}

static const char *
take_signal(struct exec_market *m, struct line *l)
{
	struct signal		*s = &l->signal;
	enum signal_verdict	 verdict;

	s->fresh_until_us = s->candle_close_us + (m->max_age_us > 0 ? m->max_age_us : timeframe_us(s->timeframe));
	verdict = m->handler->signal(l->symbol, s, m->arg);

	m->counts.signals += verdict == VERDICT_OPENED;
	m->counts.repeated_signals += verdict == VERDICT_REPEATED;
	return verdict == VERDICT_REPEATED ? NULL : signal_verdict_words[verdict];
}

const char *
exec_market_line(struct exec_market *m, struct line *l, int64_t wall_us)
{
	switch (l->kind) {
	case LINE_TRADE:
		take_trade(m, l, wall_us);
		return NULL;
	case LINE_CANDLE:
		take_candle(m, l);
		return NULL;
	case LINE_SIGNAL:
		break;
	}
	return take_signal(m, l);
}

void
exec_market_hold(struct exec_market *m)
{
	for (size_t i = 0; i < m->common->symbols.count; i++)
		m->symbols[i].live = false;
}

void
exec_market_clock(const struct exec_market *m, bool running, int64_t wall_us)
{
	for (size_t i = 0; i < m->common->symbols.count; i++)
		if ((running && m->symbols[i].live) || !has_market(&m->symbols[i]))
			m->handler->clock(i, wall_us, m->arg);
}
