#include "generator/feed_exchange_market.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "generator/feed_exchange_market_private.h"
#include "common/rest.h"

#define JOIN_US		INT64_C(500000)		/* for a new connection's first trades to show an overlap */
#define REORDER_US	INT64_C(250000)		/* for a missing id to come late */
#define BEAT_FRESH_US	INT64_C(5000000)	/* a heartbeat is the market's clock for so long */
#define LATE_US		INT64_C(1000000)	/* the clock is so far beyond a candle: it may have closed it */
#define CLOCK_PAST_US	INT64_C(61000000)	/* key `grace` is no longer, so the candle is closed */
#define DOUBT_US	INT64_C(300000000)	/* a market without a trade for so long: does the stream still have it? */
#define LAG_MAX_US	INT64_C(10000000)
#define RETRY_BASE_MS	1000
#define RETRY_MAX_MS	30000

void
market_turn_begin(struct market_env *env)
{
	if (env->turns++ == 0)
		env->handler->turn_begin(env->arg);
}

void
market_turn_end(struct market_env *env)
{
	if (--env->turns == 0)
		env->handler->turn_end(env->arg);
}

struct market *
market_new(struct market_env *env, size_t symbol, int64_t resume_us)
{
	struct market	*m = xcalloc(1, sizeof(*m));

	*m = (struct market){
		.env = env, .symbol = symbol, .sequence = sequence_new(), .done_us = resume_us, .started = resume_us != INT64_MIN,
		.clock_us = INT64_MIN, .last_trade_us = INT64_MIN, .at_us = INT64_MIN,
		.correct.from_us = INT64_MIN, .correcting.from_us = INT64_MIN,
		.backoff = { .base_ms = RETRY_BASE_MS, .max_ms = RETRY_MAX_MS },
	};
	return m;
}

void
market_free(struct market *m)
{
	if (m == NULL)
		return;
	rest_cancel(m->env->rest, m);
	sequence_free(m->sequence);
	free(m);
}

const char *
market_name(const struct market *m)
{
	return m->env->common->symbols.items[m->symbol];
}

int64_t
market_length_us(const struct market *m)
{
	return timeframe_us(m->env->tf);
}

int64_t
market_wall_us(const struct market_env *env)
{
	return skew_wall_us(&env->skew, clock_wall_us());
}

/* States */

static void
leave_connection(struct market *m)
{
	m->first_live = m->newest = m->beat_us = 0;
	m->complete = false;
}

void
market_step(struct market *m, enum market_event e)
{
	enum market_state	 from = m->state, to = market_next(from, e);
	int64_t			 now_us = clock_mono_us();

	if (to == from)
		return;
	log_debug("feed", "market name=%s symbol=%s from=%s to=%s", m->env->common->name, market_name(m), market_state_names[from],
	    market_state_names[to]);
	m->state = to;
	m->deadline_us = 0;
	m->deferred = false;
	rest_cancel(m->env->rest, m);
	backfill_correct_later(m);
	switch (to) {
	case MARKET_OFFLINE:
	case MARKET_REFUSED:
		leave_connection(m);
		break;
	case MARKET_JOINING:
		if (sequence_next_id(m->sequence) == 0)
			market_step(m, ON_DUE);
		else
			m->deadline_us = now_us + JOIN_US;
		break;
	case MARKET_CANDLES:
		backfill_candles(m);
		break;
	case MARKET_TRADES:
		m->pages = m->tries = 0;
		sequence_join(m->sequence, m->done_us);
		backfill_trades(m);
		break;
	case MARKET_LIVE:
		m->env->counts.holes_filled += m->in_hole;
		m->in_hole = m->doubted = m->told = m->refusal_told = false;
		m->quiet_us = now_us;
		m->why[0] = '\0';
		m->env->ready(m->symbol, m->env->ready_arg);
		break;
	case MARKET_HOLE:
		/* Without a next id it is only the first trade ever: REST shows whether it is. */
		m->in_hole = sequence_next_id(m->sequence) != 0 && !m->doubted;
		m->env->counts.holes += m->in_hole;
		m->deadline_us = now_us + REORDER_US;
		break;
	case MARKET_WAITING:
		m->env->counts.waits++;
		m->in_hole = false;
		if (m->told || m->refusal_told)
			break;
		m->told = true;
		log_warnx("feed", "missing trades cannot be had, so the candle that runs is fetched when it has ended"
		    " name=%s symbol=%s why=\"%s\"", m->env->common->name, market_name(m), m->why);
		break;
	case MARKET_STATES:
		break;
	}
}

void
market_covered(struct market *m, bool covered)
{
	market_step(m, covered ? ON_COVERED : ON_UNCOVERED);
}

void
market_refused(struct market *m, const char *why)
{
	market_step(m, ON_REFUSED);
	snprintf(m->why, sizeof(m->why), "%s", why);
}

void
market_resume(struct market *m)
{
	bool	 deferred = m->deferred;

	m->deferred = false;
	if (deferred && m->state == MARKET_CANDLES)
		backfill_candles(m);
	else if (deferred && m->state == MARKET_TRADES)
		backfill_trades(m);
	m->env->ready(m->symbol, m->env->ready_arg);
}

/* From a connection */

void
market_trade(struct market *m, const struct trade *t)
{
	enum sequence_put	 put;
	int64_t			 next = sequence_next_id(m->sequence);

	if (t->id < 1 || t->id > SEQUENCE_ID_MAX)
		return;
	put = sequence_put(m->sequence, t);
	if (m->first_live == 0 || t->id < m->first_live || put == SEQUENCE_OVERFLOW)
		m->first_live = t->id;
	switch (put) {
	case SEQUENCE_DUPLICATE:
		m->env->counts.duplicates++;
		break;
	case SEQUENCE_OVERFLOW:
		m->at_us = INT64_MIN;
		market_step(m, ON_OVERFLOW);
		return;
	case SEQUENCE_TAKEN:
		break;
	}
	switch (m->state) {
	case MARKET_JOINING:
		market_step(m, market_is_joined(m) ? ON_JOINED : ON_BEHIND);
		break;
	case MARKET_TRADES:
	case MARKET_HOLE:
	case MARKET_WAITING:
		if (market_is_joined(m))
			market_step(m, ON_JOINED);
		break;
	case MARKET_LIVE:
		m->quiet_us = clock_mono_us();
		if (put == SEQUENCE_TAKEN && t->id == next) {
			m->env->lag_us = market_wall_us(m->env) - t->time_us;
			if (m->env->lag_us < 0 || m->env->lag_us > LAG_MAX_US)
				m->env->lag_us = m->env->lag_us < 0 ? 0 : LAG_MAX_US;
		}
		break;
	case MARKET_OFFLINE:
	case MARKET_REFUSED:
	case MARKET_CANDLES:
	case MARKET_STATES:
		break;
	}
	m->env->ready(m->symbol, m->env->ready_arg);
}

void
market_candle(struct market *m, const struct candle *c)
{
	if (c->source == SOURCE_FILLED)		/* nobody traded: there is nothing to compare */
		return;
	m->official = *c;
	m->has_official = true;
	m->env->ready(m->symbol, m->env->ready_arg);
}

void
market_heartbeat(struct market *m, int64_t last_trade_id, int64_t exchange_us)
{
	if (last_trade_id > m->newest && last_trade_id <= SEQUENCE_ID_MAX)
		m->newest = last_trade_id;
	if (last_trade_id > 0)
		m->quiet_us = clock_mono_us();
	if (exchange_us != INT64_MIN) {
		m->beat_us = exchange_us;
		m->beat_at_us = clock_mono_us();
	}
	m->env->ready(m->symbol, m->env->ready_arg);
}

/* To the engine */

static void
hand_out_trade(struct market *m, const struct trade *t)
{
	int64_t	 open_us = timeframe_open_us(m->env->tf, t->time_us);

	m->env->handler->trade(m->symbol, t, m->env->arg);
	m->env->counts.trades++;
	m->at_us = t->time_us;
	if (t->time_us > m->last_trade_us)
		m->last_trade_us = t->time_us;
	if (open_us > m->done_us)
		m->done_us = open_us;
	if (open_us == m->done_us)
		m->started = m->traded = true;
	if (open_us < m->done_us || (m->clock_us != INT64_MIN && m->clock_us - LATE_US >= open_us + market_length_us(m)))
		backfill_want_correction(m, open_us);
}

size_t
market_deliver(struct market *m, size_t max)
{
	struct trade	 t;
	int64_t		 from, to;
	size_t		 count = 0;

	if (m->has_official) {
		m->has_official = false;
		m->env->handler->correct(m->symbol, &m->official, m->env->arg);
	}
	if (m->state != MARKET_LIVE && m->state != MARKET_HOLE && m->state != MARKET_TRADES)
		return 0;
	while (count < max && sequence_take(m->sequence, &t)) {
		hand_out_trade(m, &t);
		count++;
	}
	if (count < max && m->state == MARKET_LIVE &&
	    (sequence_missing(m->sequence, &from, &to) || !market_is_joined(m)))
		market_step(m, ON_BEHIND);
	return count;
}

/* Up to where the market's time is known to have gone; only while nothing is missing. */
static void
tell_clock(struct market *m, int64_t mono_us, int64_t heard_us)
{
	int64_t	 end_us = m->done_us + market_length_us(m), now_us;

	if (m->state != MARKET_LIVE || sequence_held(m->sequence) != 0 || m->env->paused)
		return;
	if (m->beat_us != 0 && mono_us - m->beat_at_us < BEAT_FRESH_US)
		now_us = m->beat_us;
	else if (heard_us != INT64_MIN)
		now_us = heard_us - m->env->lag_us;
	else
		return;
	/* Nothing closes before the candle's end, nor any more when it has long been closed. */
	if (now_us <= m->clock_us || now_us < end_us || m->clock_us >= end_us + CLOCK_PAST_US)
		return;
	m->clock_us = now_us;
	market_turn_begin(m->env);
	m->env->handler->clock(m->symbol, now_us, m->env->arg);
	market_turn_end(m->env);
}

/* A connection can be alive and a market's subscription dead: REST knows. */
static void
doubt(struct market *m)
{
	m->first_live = 0;
	m->complete = false;
	m->doubted = true;
	market_step(m, ON_BEHIND);
}

static void
due(struct market *m)
{
	m->deadline_us = 0;
	switch (m->state) {
	case MARKET_CANDLES:
		backfill_more_candles(m);
		break;
	case MARKET_TRADES:
		backfill_trades(m);
		break;
	case MARKET_OFFLINE:
	case MARKET_REFUSED:
	case MARKET_JOINING:
	case MARKET_LIVE:
	case MARKET_HOLE:
	case MARKET_WAITING:
	case MARKET_STATES:
		market_step(m, ON_DUE);
	}
}

void
market_tick(struct market *m, int64_t mono_us, int64_t wall_us, int64_t heard_us)
{
	if (m->deadline_us != 0 && mono_us >= m->deadline_us)
		due(m);
	if (m->state == MARKET_WAITING && recovery_edge_us(m->env->tf, wall_us) > m->done_us)
		market_step(m, ON_DUE);
	if (m->state == MARKET_LIVE && m->correct.from_us != INT64_MIN && m->correcting.from_us == INT64_MIN &&
	    mono_us >= m->correct_at_us)
		backfill_correction(m);
	if (m->state == MARKET_LIVE && mono_us - m->quiet_us >= DOUBT_US)
		doubt(m);
	tell_clock(m, mono_us, heard_us);
}

/* For STATUS */

enum market_state
market_state(const struct market *m)
{
	return m->state;
}

const char *
market_why(const struct market *m)
{
	static const char *const	 texts[] = {
		[MARKET_OFFLINE] = "no connection", [MARKET_REFUSED] = "refused by the exchange",
		[MARKET_JOINING] = "waiting for the first trades of the connection", [MARKET_CANDLES] = "fetching candles",
		[MARKET_TRADES] = "fetching trades", [MARKET_LIVE] = "live", [MARKET_HOLE] = "a trade is missing, it may be late",
		[MARKET_WAITING] = "trades are missing: waiting for the end of the candle",
	};

	return m->why[0] != '\0' ? m->why : texts[m->state];
}

int64_t
market_last_trade_us(const struct market *m)
{
	return m->last_trade_us;
}

size_t
market_held(const struct market *m)
{
	return sequence_held(m->sequence);
}
