#include "generator/feed_exchange_market.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "generator/net.h"
#include "generator/rest.h"
#include "generator/sequence.h"

#define JOIN_US		INT64_C(500000)		/* for a new connection's first trades to show an overlap */
#define REORDER_US	INT64_C(250000)		/* for a missing id to come late */
#define AGAIN_US	INT64_C(1000000)	/* REST may be a little behind the stream */
#define LATE_STEP_US	INT64_C(4000000)	/* between two looks for a late candle */
#define CORRECT_US	INT64_C(10000000)	/* least time between two corrections of a market, and before one */
#define BEAT_FRESH_US	INT64_C(5000000)	/* a heartbeat is the market's clock for so long */
#define LATE_US		INT64_C(1000000)	/* the clock is so far beyond a candle: it may have closed it */
#define CLOCK_PAST_US	INT64_C(61000000)	/* key `grace` is no longer, so the candle is closed */
#define SKEW_TELL_US	INT64_C(3000000)
#define LAG_MAX_US	INT64_C(10000000)
#define DELIVER_MAX	2000			/* trades at once; the others follow */
#define TRADES_TRIES	5			/* answers in a row that do not help */
#define CANDLES_TRIES	10
#define RETRY_BASE_MS	1000
#define RETRY_MAX_MS	30000

struct market {
	struct market_env	*env;
	size_t			 symbol;
	struct sequence		*sequence;
	int64_t			 deadline_us;	/* monotonic: do the state's next thing; 0: none */
	/* The engine has all before done_us, the open time of the newest candle begun; INT64_MIN: cold. */
	int64_t			 done_us;
	int64_t			 clock_us;	/* told */
	int64_t			 last_trade_us;
	int64_t			 at_us;		/* time of the trade before the sequence's next; INT64_MIN: unknown */
	int64_t			 edge_us, to_us;	/* candles are wanted up to; asked for up to */
	/* Of trades: what is known of what there is; the page asked for. */
	int64_t			 first_live, newest, below_id;
	int64_t			 beat_us, beat_at_us;	/* the exchange's clock by heartbeat, and when (monotonic) */
	int64_t			 correct_us, correct_at_us;	/* candle to fetch anew, INT64_MIN: none; when (monotonic) */
	struct candle		 official;	/* the exchange's own, to be compared */
	struct backoff		 backoff;
	enum market_state	 state;
	int			 pages, tries;
	char			 why[EXCHANGE_WHY_MAX];	/* REST's last trouble, or the refusal */
	bool			 started;	/* something has been handed out, ever */
	bool			 traded;	/* trades of the candle at done_us have been */
	bool			 complete;	/* REST's trades have been read to their end */
	bool			 deferred;	/* to be asked (again) after the pause */
	bool			 in_hole;	/* found while it was live, and not yet over */
	bool			 told;		/* that trades cannot be had, since it was live */
	bool			 failing;	/* its last request failed */
	bool			 has_official, correcting;
};

static void	step(struct market *m, enum market_event e);
static void	candles_cb(const struct rest_answer *answer, void *arg);
static void	trades_cb(const struct rest_answer *answer, void *arg);
static void	correct_cb(const struct rest_answer *answer, void *arg);

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
		.clock_us = INT64_MIN, .last_trade_us = INT64_MIN, .at_us = INT64_MIN, .correct_us = INT64_MIN,
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

static const char *
name_of(const struct market *m)
{
	return m->env->common->symbols.items[m->symbol];
}

static int64_t
length_us(const struct market *m)
{
	return timeframe_us(m->env->tf);
}

int64_t
market_wall_us(const struct market_env *env)
{
	return skew_wall_us(&env->skew, clock_wall_us());
}

/* REST */

static void
ask(struct market *m, const char *path, rest_cb cb)
{
	m->deadline_us = 0;
	if (rest_get(m->env->rest, path, cb, m) == -1)
		m->deadline_us = clock_mono_us() + AGAIN_US;	/* a full queue */
}

/* The request failed.  True: for good, after as many tries as allowed; false: it will be tried again. */
static bool
rest_failed(struct market *m, const struct rest_answer *answer, const char *why, int tries_max)
{
	bool	 down = answer->status == 0 || answer->status == 418 || answer->status == 429 || answer->status >= 500;

	snprintf(m->why, sizeof(m->why), "%s", why);
	/* Once while it lasts; but what is this market's alone is said although others wait, too. */
	if (!m->failing && (!down || m->env->failing == 0))
		log_warnx("feed", "a REST request failed, it is repeated for as long as that may help name=%s symbol=%s why=\"%s\"",
		    m->env->common->name, name_of(m), why);
	m->env->failing += !m->failing;
	m->failing = true;
	if (!down && ++m->tries >= tries_max)
		return true;
	m->deadline_us = clock_mono_us() + backoff_next_ms(&m->backoff, backoff_random()) * INT64_C(1000);
	return false;
}

/* What the Date of an answer says about our clock. */
static void
compare_clocks(struct market_env *env, const struct rest_answer *answer)
{
	const char	*date = answer->status == 0 ? NULL : rest_header(answer, "Date");
	int64_t		 server_ms = date == NULL ? -1 : net_retry_after_ms(date, 0, INT64_MAX / 1000);

	if (server_ms < 0 || strspn(date, "0123456789") > 0)
		return;
	skew_sample(&env->skew, clock_wall_us(), server_ms * 1000);
	if (llabs(env->skew.ahead_us) < SKEW_TELL_US) {
		env->skew_told = false;
		return;
	}
	if (!env->skew_told)
		log_warnx("feed", "this machine's clock differs from the exchange's: set it by NTP, candles are late until then"
		    " name=%s ahead_ms=%lld", env->common->name, (long long)(env->skew.ahead_us / 1000));
	env->skew_told = true;
}

static void
rest_worked(struct market *m)
{
	if (m->failing && --m->env->failing == 0)
		log_info("feed", "REST answers again name=%s", m->env->common->name);
	m->failing = false;
	backoff_reset(&m->backoff);
	m->why[0] = '\0';
}

/* Candles */

/* Nothing can be had from done_us up to from_us. */
static void
give_up(struct market *m, int64_t from_us, const char *why)
{
	char	 from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];

	if (m->started) {
		log_warnx("feed", "a part of the market cannot be had any more name=%s symbol=%s from=%s to=%s why=\"%s\"",
		    m->env->common->name, name_of(m), clock_iso_ms(m->done_us, from), clock_iso_ms(from_us, to), why);
		m->env->counts.gaps++;
		market_turn_begin(m->env);
		m->env->handler->gap(m->symbol, from_us, m->env->arg);
		market_turn_end(m->env);
	}
	m->done_us = from_us;
	m->traded = false;
}

static void
ask_candles(struct market *m)
{
	struct market_env	*env = m->env;
	char			 path[EXCHANGE_PATH_MAX];

	if (m->done_us >= m->edge_us)	/* time has gone on meanwhile */
		m->edge_us = recovery_edge_us(env->tf, market_wall_us(env));
	if (m->done_us >= m->edge_us) {
		/* What was handed out by id is behind us. */
		sequence_forget(m->sequence);
		m->at_us = INT64_MIN;
		step(m, ON_DONE);
		return;
	}
	m->to_us = m->done_us + (int64_t)env->x->candles_max * length_us(m);
	if (m->to_us > m->edge_us)
		m->to_us = m->edge_us;
	env->x->candles_path(env->markets, m->symbol, env->tf, m->done_us, m->to_us, path);
	ask(m, path, candles_cb);
}

static void
begin_candles(struct market *m)
{
	struct market_env	*env = m->env;
	struct recovery_span	 span;
	bool			 cold = m->done_us == INT64_MIN;

	if ((m->deferred = env->paused))
		return;
	m->tries = 0;
	m->edge_us = recovery_edge_us(env->tf, market_wall_us(env));
	if (!cold && m->done_us >= m->edge_us) {
		step(m, ON_DONE);
		return;
	}
	span = recovery_span(env->tf, m->done_us, m->edge_us, env->history, env->x->candles_reach);
	if (span.lost && !cold)
		give_up(m, span.from_us, "the exchange's history does not reach back so far");
	if (span.lost || cold) {
		market_turn_begin(env);
		env->handler->live_from(m->symbol, m->edge_us, env->arg);
		market_turn_end(env);
		m->done_us = span.from_us;
	}
	ask_candles(m);
}

static void
hand_out_candles(struct market *m, const struct candle *c, int count)
{
	market_turn_begin(m->env);
	for (int i = 0; i < count; i++)
		m->env->handler->candle(m->symbol, &c[i], m->env->arg);
	market_turn_end(m->env);
	m->env->counts.backfilled_candles += (uint64_t)count;
	m->started = true;
	m->traded = false;
	m->done_us = c[count - 1].open_us + length_us(m);
}

/* Those of [done_us, to_us), moved to the front; returns how many. */
static int
wanted_candles(const struct market *m, struct candle *c, int count)
{
	int	 wanted = 0;

	for (int i = 0; i < count; i++)
		if (c[i].open_us >= m->done_us && c[i].open_us < m->to_us)
			c[wanted++] = c[i];
	return wanted;
}

static void
candles_failed(struct market *m, const struct rest_answer *answer, const char *why)
{
	if (!rest_failed(m, answer, why, CANDLES_TRIES))
		return;
	give_up(m, m->edge_us, why);
	ask_candles(m);
}

/* Wait a little for the newest closed candle, which may be late. */
static void
wait_for_late(struct market *m, int64_t wall_us)
{
	int64_t	 left_us = m->edge_us + RECOVERY_ABSENT_US - wall_us;

	m->deadline_us = clock_mono_us() + (left_us < LATE_STEP_US ? left_us : LATE_STEP_US);
}

static void
use_candles(struct market *m, struct candle *c, int count)
{
	int64_t	 wall_us = market_wall_us(m->env);
	int	 wanted = wanted_candles(m, c, count);

	/* We have seen trades of the first: an answer without it is not up to date. */
	if (m->traded && (wanted == 0 || c[0].open_us != m->done_us)) {
		if (++m->tries < CANDLES_TRIES) {
			m->deadline_us = clock_mono_us() + AGAIN_US * m->tries;
			return;
		}
		give_up(m, wanted > 0 ? c[0].open_us : m->edge_us, "REST has no candle where there were trades");
	}
	if (wanted > 0)
		hand_out_candles(m, c, wanted);
	if (m->to_us == m->edge_us && recovery_too_soon(m->env->tf, m->done_us - length_us(m), m->edge_us, wall_us)) {
		wait_for_late(m, wall_us);
		return;
	}
	if (m->done_us < m->to_us) {
		m->done_us = m->to_us;
		m->traded = false;
	}
	m->tries = 0;
	ask_candles(m);
}

/* Our clock has turned out to be ahead: what we took for closed may not be. */
static void
believe_less(struct market *m)
{
	int64_t	 edge_us = recovery_edge_us(m->env->tf, market_wall_us(m->env));

	if (edge_us < m->edge_us)
		m->edge_us = edge_us;
	if (m->to_us > m->edge_us)
		m->to_us = m->edge_us;
}

static void
candles_cb(const struct rest_answer *answer, void *arg)
{
	struct market	*m = arg;
	struct candle	*c;
	size_t		 max = m->env->x->candles_max;
	char		 why[EXCHANGE_WHY_MAX];
	int		 count;

	if ((m->deferred = m->env->paused))
		return;
	if (answer->why != NULL) {
		candles_failed(m, answer, answer->why);
		return;
	}
	compare_clocks(m->env, answer);
	believe_less(m);
	c = xcalloc(max, sizeof(*c));
	count = m->env->x->candles_answer(&m->env->json, answer->body, answer->len, m->env->tf, m->edge_us, c, max, why);
	if (count == -1)
		candles_failed(m, answer, why);
	else {
		rest_worked(m);
		use_candles(m, c, count);
	}
	free(c);
}

/* Trades */

static struct recovery_trades
facts_of(const struct market *m)
{
	return (struct recovery_trades){
		.next_id = sequence_next_id(m->sequence), .first_held = sequence_first(m->sequence), .first_live = m->first_live,
		.newest = m->newest, .complete = m->complete, .descends = m->env->x->trades_descend, .pages = m->pages,
	};
}

static bool
is_joined(const struct market *m)
{
	struct recovery_trades	 facts = facts_of(m);

	return recovery_need(&facts) == NEED_NOTHING;
}

static void
ask_trades(struct market *m)
{
	struct market_env	*env = m->env;
	struct recovery_trades	 facts = facts_of(m);
	int64_t			 from_id = 0, from_us = 0;
	char			 path[EXCHANGE_PATH_MAX];

	m->below_id = 0;
	switch (recovery_need(&facts)) {
	case NEED_NOTHING:
		step(m, ON_JOINED);
		return;
	case NEED_TOO_MUCH:
		snprintf(m->why, sizeof(m->why), "more than %d pages of trades are missing", RECOVERY_PAGES_MAX);
		step(m, ON_FAILED);
		return;
	case NEED_FROM_ID:
		from_id = facts.next_id;
		from_us = m->at_us != INT64_MIN ? m->at_us : m->done_us;
		break;
	case NEED_FROM_TIME:
		from_us = m->done_us;
		break;
	case NEED_BELOW_ID:
		m->below_id = facts.first_held == facts.next_id ? 0 : facts.first_held;
		break;
	}
	env->x->trades_path(env->markets, m->symbol, from_id, from_us, m->below_id, path);
	ask(m, path, trades_cb);
}

/* Find the first trade wanted, when it is not known: REST has been read from done_us on, or down to what came before. */
static void
find_start(struct market *m, const struct trade *page, int count)
{
	int	 i = 0;

	if (sequence_next_id(m->sequence) != 0)
		return;
	if (!m->env->x->trades_descend) {
		while (i < count && page[i].time_us < m->done_us)
			i++;
		if (count > 0)
			sequence_start(m->sequence, i < count ? page[i].id : page[count - 1].id + 1);
	} else if (count > 0)
		sequence_join(m->sequence, m->done_us);
	else if (sequence_held(m->sequence) > 0)	/* there are no older ones at all */
		sequence_start(m->sequence, sequence_first(m->sequence));
}

static bool
hold_page(struct market *m, const struct trade *page, int count, int *fresh)
{
	*fresh = 0;
	for (int i = 0; i < count; i++) {
		if (page[i].id < 1 || page[i].id > SEQUENCE_ID_MAX)
			continue;
		switch (sequence_put(m->sequence, &page[i])) {
		case SEQUENCE_TAKEN:
			++*fresh;
			break;
		case SEQUENCE_DUPLICATE:
			break;
		case SEQUENCE_OVERFLOW:
			return false;
		}
	}
	m->env->counts.backfilled_trades += (uint64_t)*fresh;
	return true;
}

/* An answer that did not bring us on. */
static void
no_progress(struct market *m)
{
	if (++m->tries < TRADES_TRIES) {
		m->deadline_us = clock_mono_us() + AGAIN_US;
		return;
	}
	if (sequence_held(m->sequence) == 0 && m->newest >= sequence_next_id(m->sequence)) {
		/* Only a heartbeat speaks of a newer trade, and REST knows better. */
		m->newest = 0;
		ask_trades(m);
		return;
	}
	snprintf(m->why, sizeof(m->why), "REST does not have the missing trades");
	step(m, ON_FAILED);
}

static void
use_trades(struct market *m, const struct trade *page, int count)
{
	int64_t	 next = sequence_next_id(m->sequence);
	int	 fresh;

	m->pages++;
	if (!hold_page(m, page, count, &fresh)) {
		m->at_us = INT64_MIN;
		step(m, ON_OVERFLOW);
		return;
	}
	find_start(m, page, count);
	if (m->env->x->trades_descend ? m->below_id == 0 : count < EXCHANGE_TRADES_MAX)
		m->complete = true;
	market_turn_begin(m->env);
	market_deliver(m, DELIVER_MAX);
	market_turn_end(m->env);
	if (fresh == 0 && next == sequence_next_id(m->sequence) && !is_joined(m)) {
		no_progress(m);
		return;
	}
	m->tries = 0;
	ask_trades(m);
}

static void
trades_cb(const struct rest_answer *answer, void *arg)
{
	struct market	*m = arg;
	struct trade	*page;
	char		 why[EXCHANGE_WHY_MAX];
	int		 count = -1;

	if ((m->deferred = m->env->paused))
		return;
	compare_clocks(m->env, answer);
	page = xcalloc(EXCHANGE_TRADES_MAX, sizeof(*page));
	if (answer->why != NULL)
		snprintf(why, sizeof(why), "%s", answer->why);
	else
		count = m->env->x->trades_answer(&m->env->json, answer->body, answer->len, page, EXCHANGE_TRADES_MAX, why);
	if (count >= 0) {
		rest_worked(m);
		use_trades(m, page, count);
	} else if (rest_failed(m, answer, why, TRADES_TRIES))
		step(m, ON_FAILED);
	free(page);
}

/* Corrections */

/* A trade of a candle that may be closed already: REST has the whole one. */
static void
want_correction(struct market *m, int64_t open_us)
{
	int64_t	 now_us = clock_mono_us();

	if (m->correct_us == INT64_MIN && m->correct_at_us < now_us + CORRECT_US)
		m->correct_at_us = now_us + CORRECT_US;
	if (m->correct_us == INT64_MIN || open_us < m->correct_us)
		m->correct_us = open_us;
}

static void
ask_correction(struct market *m)
{
	struct market_env	*env = m->env;
	char			 path[EXCHANGE_PATH_MAX];

	m->correct_at_us = clock_mono_us() + CORRECT_US;
	env->x->candles_path(env->markets, m->symbol, env->tf, m->correct_us, m->correct_us + length_us(m), path);
	m->correcting = rest_get(env->rest, path, correct_cb, m) == 0;
}

static void
correct_cb(const struct rest_answer *answer, void *arg)
{
	struct market		*m = arg;
	struct market_env	*env = m->env;
	int64_t			 open_us = m->correct_us;
	struct candle		*c;
	char			 why[EXCHANGE_WHY_MAX];
	int			 count = -1;

	m->correcting = false;
	if (env->paused || answer->why != NULL)
		return;			/* again in CORRECT_US */
	m->correct_us = INT64_MIN;
	c = xcalloc(env->x->candles_max, sizeof(*c));
	count = env->x->candles_answer(&env->json, answer->body, answer->len, env->tf, market_wall_us(env), c, env->x->candles_max, why);
	market_turn_begin(env);
	for (int i = 0; i < count; i++)
		if (c[i].open_us == open_us) {
			env->handler->correct(m->symbol, &c[i], env->arg);
			env->counts.corrections++;
		}
	market_turn_end(env);
	free(c);
}

/* States */

static void
leave_connection(struct market *m)
{
	m->first_live = m->newest = m->beat_us = 0;
	m->complete = false;
}

static void
step(struct market *m, enum market_event e)
{
	enum market_state	 from = m->state, to = market_next(from, e);
	int64_t			 now_us = clock_mono_us();

	if (to == from)
		return;
	log_debug("feed", "market name=%s symbol=%s from=%s to=%s", m->env->common->name, name_of(m), market_state_names[from],
	    market_state_names[to]);
	m->state = to;
	m->deadline_us = 0;
	m->deferred = m->correcting = false;
	rest_cancel(m->env->rest, m);
	switch (to) {
	case MARKET_OFFLINE:
	case MARKET_REFUSED:
		leave_connection(m);
		break;
	case MARKET_JOINING:
		if (sequence_next_id(m->sequence) == 0)
			step(m, ON_DUE);
		else
			m->deadline_us = now_us + JOIN_US;
		break;
	case MARKET_CANDLES:
		begin_candles(m);
		break;
	case MARKET_TRADES:
		m->pages = m->tries = 0;
		sequence_join(m->sequence, m->done_us);
		ask_trades(m);
		break;
	case MARKET_LIVE:
		m->env->counts.holes_filled += m->in_hole;
		m->in_hole = m->told = false;
		m->why[0] = '\0';
		m->env->ready(m->symbol, m->env->ready_arg);
		break;
	case MARKET_HOLE:
		/* Without a next id it is only the first trade ever: REST shows whether it is. */
		m->in_hole = sequence_next_id(m->sequence) != 0;
		m->env->counts.holes += m->in_hole;
		m->deadline_us = now_us + REORDER_US;
		break;
	case MARKET_WAITING:
		m->env->counts.waits++;
		m->in_hole = false;
		if (m->told)
			break;
		m->told = true;
		log_warnx("feed", "missing trades cannot be had, so the candle that runs is fetched when it has ended"
		    " name=%s symbol=%s why=\"%s\"", m->env->common->name, name_of(m), m->why);
		break;
	case MARKET_STATES:
		break;
	}
}

void
market_covered(struct market *m, bool covered)
{
	step(m, covered ? ON_COVERED : ON_UNCOVERED);
}

void
market_refused(struct market *m, const char *why)
{
	step(m, ON_REFUSED);
	snprintf(m->why, sizeof(m->why), "%s", why);
}

void
market_resume(struct market *m)
{
	bool	 deferred = m->deferred;

	m->deferred = false;
	if (deferred && m->state == MARKET_CANDLES)
		begin_candles(m);
	else if (deferred && m->state == MARKET_TRADES)
		ask_trades(m);
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
		step(m, ON_OVERFLOW);
		return;
	case SEQUENCE_TAKEN:
		break;
	}
	switch (m->state) {
	case MARKET_JOINING:
		step(m, is_joined(m) ? ON_JOINED : ON_BEHIND);
		break;
	case MARKET_HOLE:
	case MARKET_WAITING:
		if (is_joined(m))
			step(m, ON_JOINED);
		break;
	case MARKET_LIVE:
		if (put == SEQUENCE_TAKEN && t->id == next) {
			m->env->lag_us = market_wall_us(m->env) - t->time_us;
			if (m->env->lag_us < 0 || m->env->lag_us > LAG_MAX_US)
				m->env->lag_us = m->env->lag_us < 0 ? 0 : LAG_MAX_US;
		}
		break;
	case MARKET_OFFLINE:
	case MARKET_REFUSED:
	case MARKET_CANDLES:
	case MARKET_TRADES:
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
	if (open_us < m->done_us || (m->clock_us != INT64_MIN && m->clock_us - LATE_US >= open_us + length_us(m)))
		want_correction(m, open_us);
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
	    (sequence_missing(m->sequence, &from, &to) || !is_joined(m)))
		step(m, ON_BEHIND);
	return count;
}

/* Up to where the market's time is known to have gone; only while nothing is missing. */
static void
tell_clock(struct market *m, int64_t mono_us, int64_t heard_us)
{
	int64_t	 end_us = m->done_us + length_us(m), now_us;

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

static void
due(struct market *m)
{
	m->deadline_us = 0;
	switch (m->state) {
	case MARKET_CANDLES:
		ask_candles(m);
		break;
	case MARKET_TRADES:
		ask_trades(m);
		break;
	case MARKET_OFFLINE:
	case MARKET_REFUSED:
	case MARKET_JOINING:
	case MARKET_LIVE:
	case MARKET_HOLE:
	case MARKET_WAITING:
	case MARKET_STATES:
		step(m, ON_DUE);
	}
}

void
market_tick(struct market *m, int64_t mono_us, int64_t wall_us, int64_t heard_us)
{
	if (m->deadline_us != 0 && mono_us >= m->deadline_us)
		due(m);
	if (m->state == MARKET_WAITING && recovery_edge_us(m->env->tf, wall_us) > m->done_us)
		step(m, ON_DUE);
	if (m->state == MARKET_LIVE && m->correct_us != INT64_MIN && !m->correcting && mono_us >= m->correct_at_us)
		ask_correction(m);
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
