/* What a market has to have by REST: candles, trades, corrections. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "generator/feed_exchange_market_private.h"
#include "common/net.h"
#include "common/rest.h"

#define AGAIN_US	INT64_C(1000000)	/* REST may be a little behind the stream */
#define LATE_STEP_US	INT64_C(4000000)	/* between two looks for a late candle */
#define CORRECT_US	INT64_C(10000000)	/* least time between two corrections of a market, and before one */
#define OVERDUE_US	INT64_C(5000000)	/* the stream is no slower than that */
#define SKEW_TELL_US	INT64_C(3000000)
#define DELIVER_MAX	2000			/* trades at once; the others follow */
#define TRADES_TRIES	5			/* answers in a row that do not help */
#define CANDLES_TRIES	10

static void	candles_cb(const struct rest_answer *answer, void *arg);
static void	trades_cb(const struct rest_answer *answer, void *arg);
static void	correct_cb(const struct rest_answer *answer, void *arg);

/* REST */

static void
ask(struct market *m, const char *path, rest_cb cb)
{
	m->deadline_us = 0;
	if (rest_get(m->env->rest, path, cb, m) == -1)
		m->deadline_us = clock_mono_us() + AGAIN_US;	/* a full queue */
}

/* It may work later, without our doing: no answer, or one that says so (Kraken's with status 200). */
static bool
is_temporary(int status, const char *why)
{
	static const char *const	 words[] = { "EService:", "Too many requests", "Rate limit", "rate limit" };

	if (status == 0 || status == 418 || status == 429 || status >= 500)
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(why, words[i]) != NULL)
			return true;
	return false;
}

/* The request failed.  True: for good, after as many tries as allowed; false: it will be tried again. */
static bool
rest_failed(struct market *m, const struct rest_answer *answer, const char *why, int tries_max)
{
	bool	 temporary = is_temporary(answer->status, why);

	snprintf(m->why, sizeof(m->why), "%s", why);
	if (temporary && !m->env->rest_failing)
		log_warnx("feed", "REST does not answer as it should, it is asked again for ever name=%s symbol=%s why=\"%s\"",
		    m->env->common->name, market_name(m), why);
	m->env->rest_failing |= temporary;
	if (!temporary && !m->refusal_told) {
		m->refusal_told = true;
		log_warnx("feed", "REST refuses a request: is the market's name right? name=%s symbol=%s asked_as=%s why=\"%s\"",
		    m->env->common->name, market_name(m), m->env->markets->natives[m->symbol], why);
	}
	if (!temporary && ++m->tries >= tries_max)
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
	if (m->env->rest_failing)
		log_info("feed", "REST answers again name=%s", m->env->common->name);
	m->env->rest_failing = false;
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
		    m->env->common->name, market_name(m), clock_iso_ms(m->done_us, from), clock_iso_ms(from_us, to), why);
		m->env->counts.gaps++;
		market_turn_begin(m->env);
		m->env->handler->gap(m->symbol, from_us, m->env->arg);
		market_turn_end(m->env);
	}
	m->done_us = from_us;
	m->traded = false;
}

void
backfill_more_candles(struct market *m)
{
	struct market_env	*env = m->env;
	char			 path[EXCHANGE_PATH_MAX];

	/*
	 * Not to where the edge has moved meanwhile: what came live since reaches
	 * back further, and where many markets share a slow REST we would never
	 * catch up with it.
	 */
	if (m->done_us >= m->edge_us) {
		/* What was handed out by id is behind us. */
		sequence_forget(m->sequence);
		m->at_us = INT64_MIN;
		market_step(m, ON_DONE);
		return;
	}
	m->to_us = m->done_us + (int64_t)env->x->candles_max * market_length_us(m);
	if (m->to_us > m->edge_us)
		m->to_us = m->edge_us;
	env->x->candles_path(env->markets, m->symbol, env->tf, m->done_us, m->to_us, path);
	ask(m, path, candles_cb);
}

void
backfill_candles(struct market *m)
{
	struct market_env	*env = m->env;
	struct recovery_span	 span;
	bool			 cold = m->done_us == INT64_MIN;

	if ((m->deferred = env->paused))
		return;
	m->tries = 0;
	m->edge_us = recovery_edge_us(env->tf, market_wall_us(env));
	if (!cold && m->done_us >= m->edge_us) {
		market_step(m, ON_DONE);
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
	backfill_more_candles(m);
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
	m->done_us = c[count - 1].open_us + market_length_us(m);
	/* So soon after its end REST may not have all of it: look again. */
	if (market_wall_us(m->env) < m->done_us + RECOVERY_ABSENT_US)
		backfill_want_correction(m, c[count - 1].open_us);
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
	backfill_more_candles(m);
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
	if (m->to_us == m->edge_us && recovery_too_soon(m->env->tf, m->done_us - market_length_us(m), m->edge_us, wall_us)) {
		wait_for_late(m, wall_us);
		return;
	}
	if (m->done_us < m->to_us) {
		m->done_us = m->to_us;
		m->traded = false;
	}
	m->tries = 0;
	backfill_more_candles(m);
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

bool
market_is_joined(const struct market *m)
{
	struct recovery_trades	 facts = facts_of(m);

	return recovery_need(&facts) == NEED_NOTHING;
}

void
backfill_trades(struct market *m)
{
	struct market_env	*env = m->env;
	struct recovery_trades	 facts = facts_of(m);
	int64_t			 from_id = 0, from_us = 0;
	char			 path[EXCHANGE_PATH_MAX];

	m->below_id = 0;
	switch (recovery_need(&facts)) {
	case NEED_NOTHING:
		market_step(m, ON_JOINED);
		return;
	case NEED_TOO_MUCH:
		snprintf(m->why, sizeof(m->why), "more than %d pages of trades are missing", RECOVERY_PAGES_MAX);
		market_step(m, ON_FAILED);
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
		backfill_trades(m);
		return;
	}
	snprintf(m->why, sizeof(m->why), "REST does not have the missing trades");
	market_step(m, ON_FAILED);
}

/* The stream should have brought these long ago. */
static void
compare_with_stream(struct market *m, const struct trade *page, int count, int64_t next)
{
	int64_t	 old_us = market_wall_us(m->env) - OVERDUE_US;
	int	 missed = 0;

	if (!m->doubted || next == 0)
		return;
	for (int i = 0; i < count; i++)
		missed += page[i].id >= next && page[i].time_us < old_us;
	if (missed == 0)
		return;
	m->doubted = false;
	log_warnx("feed", "the stream has kept trades from us, another connection is opened name=%s symbol=%s trades=%d",
	    m->env->common->name, market_name(m), missed);
	m->env->distrust(m->symbol, m->env->ready_arg);
}

static void
use_trades(struct market *m, const struct trade *page, int count)
{
	int64_t	 next = sequence_next_id(m->sequence);
	int	 fresh;

	m->pages++;
	compare_with_stream(m, page, count, next);
	if (!hold_page(m, page, count, &fresh)) {
		/* One of the two is wrong, and asking again at once would not show which. */
		m->at_us = INT64_MIN;
		snprintf(m->why, sizeof(m->why), "the ids of REST and of the stream are far apart");
		market_step(m, ON_FAILED);
		return;
	}
	find_start(m, page, count);
	if (m->env->x->trades_descend ? m->below_id == 0 : count < EXCHANGE_TRADES_MAX)
		m->complete = true;
	market_turn_begin(m->env);
	market_deliver(m, DELIVER_MAX);
	market_turn_end(m->env);
	if (fresh == 0 && next == sequence_next_id(m->sequence) && !market_is_joined(m)) {
		no_progress(m);
		return;
	}
	m->tries = 0;
	backfill_trades(m);
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
		market_step(m, ON_FAILED);
	free(page);
}

/* Corrections */

void
backfill_want_correction(struct market *m, int64_t open_us)
{
	int64_t	 soonest_us = clock_mono_us() + CORRECT_US;

	if (m->correct.from_us == INT64_MIN) {
		if (m->correct_at_us < soonest_us)
			m->correct_at_us = soonest_us;
		m->correct = (struct open_times){ open_us, open_us };
	} else if (open_us < m->correct.from_us)
		m->correct.from_us = open_us;
	else if (open_us > m->correct.to_us)
		m->correct.to_us = open_us;
}

void
backfill_correction(struct market *m)
{
	struct market_env	*env = m->env;
	char			 path[EXCHANGE_PATH_MAX];
	int64_t			 length = market_length_us(m), end_us = m->correct.from_us + (int64_t)env->x->candles_max * length;

	m->correct_at_us = clock_mono_us() + CORRECT_US;
	if (end_us > m->correct.to_us + length)
		end_us = m->correct.to_us + length;
	env->x->candles_path(env->markets, m->symbol, env->tf, m->correct.from_us, end_us, path);
	if (rest_get(env->rest, path, correct_cb, m) == -1)
		return;
	m->correcting = m->correct;
	m->correct.from_us = INT64_MIN;
}

void
backfill_correct_later(struct market *m)
{
	if (m->correcting.from_us == INT64_MIN)
		return;
	backfill_want_correction(m, m->correcting.from_us);
	backfill_want_correction(m, m->correcting.to_us);
	m->correcting.from_us = INT64_MIN;
}

static void
correct_cb(const struct rest_answer *answer, void *arg)
{
	struct market		*m = arg;
	struct market_env	*env = m->env;
	struct open_times	 wanted = m->correcting;
	struct candle		*c;
	char			 why[EXCHANGE_WHY_MAX];
	int			 count;

	if (env->paused || answer->why != NULL) {
		backfill_correct_later(m);
		return;
	}
	m->correcting.from_us = INT64_MIN;
	c = xcalloc(env->x->candles_max, sizeof(*c));
	count = env->x->candles_answer(&env->json, answer->body, answer->len, env->tf, market_wall_us(env), c, env->x->candles_max, why);
	market_turn_begin(env);
	for (int i = 0; i < count; i++)
		if (c[i].open_us >= wanted.from_us && c[i].open_us <= wanted.to_us) {
			env->handler->correct(m->symbol, &c[i], env->arg);
			env->counts.corrections++;
		}
	market_turn_end(env);
	free(c);
}
