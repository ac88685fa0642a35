/* One market of a live feed against a REST of this file's own, with the market's time set by the test. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "generator/feed_exchange_market.h"
#include "common/rest.h"

#define MINUTE		INT64_C(60000000)
#define SECOND		INT64_C(1000000)
#define T0		INT64_C(1767225600000000)	/* 2026-01-01, a day's begin */
#define HISTORY		3
#define EVENTS_MAX	100000

/* What the engine is told, in order. */
enum kind { TRADE, CANDLE, CLOCK, CORRECT, GAP, LIVE_FROM };

struct happened {
	enum kind	 kind;
	int64_t		 value;		/* a trade's id; else a time */
};

static struct happened happened[EVENTS_MAX];
static int count;
static bool in_turn;

static void
tell(enum kind kind, int64_t value)
{
	assert_true(in_turn);
	assert_true(count < EVENTS_MAX);
	happened[count++] = (struct happened){ kind, value };
}

static void
trade_cb(size_t symbol, const struct trade *t, void *arg)
{
	(void)symbol, (void)arg;
	tell(TRADE, t->id);
}

static void
candle_cb(size_t symbol, const struct candle *c, void *arg)
{
	(void)symbol, (void)arg;
	tell(CANDLE, c->open_us);
}

static void
clock_cb(size_t symbol, int64_t now_us, void *arg)
{
	(void)symbol, (void)arg;
	tell(CLOCK, now_us);
}

static void
correct_cb(size_t symbol, const struct candle *c, void *arg)
{
	(void)symbol, (void)arg;
	tell(CORRECT, c->open_us);
}

static void
gap_cb(size_t symbol, int64_t from_us, void *arg)
{
	(void)symbol, (void)arg;
	tell(GAP, from_us);
}

static void
live_from_cb(size_t symbol, int64_t market_us, void *arg)
{
	(void)symbol, (void)arg;
	tell(LIVE_FROM, market_us);
}

static void
turn_begin_cb(void *arg)
{
	(void)arg;
	assert_false(in_turn);
	in_turn = true;
}

static void
turn_end_cb(void *arg)
{
	(void)arg;
	assert_true(in_turn);
	in_turn = false;
}

static const struct feed_handler handler = {
	.trade = trade_cb, .candle = candle_cb, .clock = clock_cb, .correct = correct_cb, .gap = gap_cb,
	.live_from = live_from_cb, .turn_begin = turn_begin_cb, .turn_end = turn_end_cb,
};

/* REST: the one request that waits, and what the next answer holds. */

static rest_cb asked;
static void *asked_arg;
static char path[EXCHANGE_PATH_MAX];
static struct candle candles[1000];
static struct trade trades[EXCHANGE_TRADES_MAX];
static int answer_count;

int
rest_get(struct rest *r, const char *request, rest_cb cb, void *arg)
{
	(void)r;
	assert_null(asked);		/* one at a time */
	asked = cb;
	asked_arg = arg;
	snprintf(path, sizeof(path), "%s", request);
	return 0;
}

void
rest_cancel(struct rest *r, const void *arg)
{
	(void)r;
	if (arg == asked_arg)
		asked = NULL;
}

const char *
rest_header(const struct rest_answer *answer, const char *name)
{
	(void)answer, (void)name;
	return NULL;
}

static void
answer(int status)
{
	struct rest_answer	 a = { .status = status, .body = "", .why = status == 200 ? NULL : "no" };
	rest_cb			 cb = asked;

	assert_non_null(cb);
	asked = NULL;
	cb(&a, asked_arg);
}

static void
candles_path(const struct exchange_markets *m, size_t symbol, enum timeframe tf, int64_t from_us, int64_t to_us,
    char out[EXCHANGE_PATH_MAX])
{
	(void)m, (void)symbol, (void)tf;
	snprintf(out, EXCHANGE_PATH_MAX, "candles %lld %lld", (long long)((from_us - T0) / MINUTE), (long long)((to_us - T0) / MINUTE));
}

static int
candles_answer(struct jsonr *r, const char *text, size_t len, enum timeframe tf, int64_t now_us, struct candle *out,
    size_t max, char why[EXCHANGE_WHY_MAX])
{
	(void)r, (void)text, (void)len, (void)tf, (void)now_us, (void)why;
	assert_true((size_t)answer_count <= max);
	memcpy(out, candles, (size_t)answer_count * sizeof(*out));
	return answer_count;
}

static void
trades_path(const struct exchange_markets *m, size_t symbol, int64_t from_id, int64_t from_us, int64_t below_id,
    char out[EXCHANGE_PATH_MAX])
{
	(void)m, (void)symbol;
	if (from_id != 0)
		snprintf(out, EXCHANGE_PATH_MAX, "from %lld", (long long)from_id);
	else if (from_us != 0)
		snprintf(out, EXCHANGE_PATH_MAX, "since %lld", (long long)((from_us - T0) / MINUTE));
	else
		snprintf(out, EXCHANGE_PATH_MAX, "below %lld", (long long)below_id);
}

static int
trades_answer(struct jsonr *r, const char *text, size_t len, struct trade *out, size_t max, char why[EXCHANGE_WHY_MAX])
{
	(void)r, (void)text, (void)len;
	if (answer_count == -1) {
		snprintf(why, EXCHANGE_WHY_MAX, "EService:Unavailable");
		return -1;
	}
	assert_true((size_t)answer_count <= max);
	memcpy(out, trades, (size_t)answer_count * sizeof(*out));
	return answer_count;
}

static struct exchange toy;
static struct market_env env;
static struct market *m;
static bool is_ready;

static void
ready_cb(size_t symbol, void *arg)
{
	(void)symbol, (void)arg;
	is_ready = true;
}

static int distrusted;

static void
distrust_cb(size_t symbol, void *arg)
{
	(void)symbol, (void)arg;
	distrusted++;
}

/* Each trade's time is its id in seconds since T0. */
static struct trade
trade(int64_t id)
{
	return (struct trade){ .id = id, .time_us = T0 + id * SECOND, .price = { 100, 0 }, .quantity = { 1, 0 } };
}

static void
market_time(int64_t us)
{
	env.skew.ahead_us = clock_wall_us() - us;
}

static void
turn(void)
{
	if (env.paused || !is_ready)
		return;
	is_ready = false;
	market_turn_begin(&env);
	market_deliver(m, EVENTS_MAX);
	market_turn_end(&env);
}

static void
live(int64_t from, int64_t to)
{
	struct trade	 t;

	for (int64_t id = from; id <= to; id++) {
		t = trade(id);
		market_trade(m, &t);
	}
	turn();
}

/* Time goes on until whatever waits is due; the market's stands. */
static void
tick_at(int64_t heard_us)
{
	market_tick(m, clock_mono_us() + 100 * SECOND, market_wall_us(&env), heard_us);
	turn();
}

static void
tick(void)
{
	tick_at(INT64_MIN);
}

static void
answer_trades(int64_t from, int64_t to)
{
	answer_count = 0;
	for (int64_t id = from; id <= to; id++)
		trades[answer_count++] = trade(id);
	answer(200);
	turn();
}

/* Of minutes. */
static void
answer_candles(int from, int to)
{
	answer_count = 0;
	for (int i = from; i < to; i++)
		candles[answer_count++] = (struct candle){ .open_us = T0 + i * MINUTE, .source = SOURCE_REST };
	answer(200);
	turn();
}

static void
assert_asked(const char *what)
{
	assert_non_null(asked);
	assert_string_equal(path, what);
}

static int seen;

static void
assert_next(enum kind kind, int64_t value)
{
	assert_true(seen < count);
	assert_int_equal(happened[seen].kind, kind);
	assert_int_equal(happened[seen].value, value);
	seen++;
}

static void
assert_trades(int64_t from, int64_t to)
{
	for (int64_t id = from; id <= to; id++)
		assert_next(TRADE, id);
}

static void
assert_nothing_more(void)
{
	assert_int_equal(seen, count);
}

static void
open_market(int64_t resume_us, bool descends)
{
	static struct feed_conf	 common;
	static char		 natives[1][EXCHANGE_NATIVE_MAX] = { "BTCUSD" };
	static struct exchange_markets markets = { .count = 1, .natives = natives };
	static char		 name[] = "test", symbol[] = "BTC/USD", *names[] = { symbol };

	common = (struct feed_conf){ .name = name, .symbols = { 1, names } };
	toy = (struct exchange){
		.name = "toy", .candles_max = 5, .candles_reach = 20, .trades_descend = descends, .candles_path = candles_path,
		.candles_answer = candles_answer, .trades_path = trades_path, .trades_answer = trades_answer,
	};
	env = (struct market_env){
		.x = &toy, .markets = &markets, .common = &common, .tf = TF_1M, .history = HISTORY, .handler = &handler, .ready = ready_cb,
		.distrust = distrust_cb,
		.skew = { .known = true },
	};
	asked = NULL;
	count = seen = distrusted = 0;
	is_ready = false;
	m = market_new(&env, 0, resume_us);
}

/* Live in minute 10, 20 s into it, everything up to trade 620 handed out. */
static void
open_live(void)
{
	open_market(T0 + 10 * MINUTE, false);
	market_time(T0 + 10 * MINUTE + 20 * SECOND);
	market_covered(m, true);
	assert_asked("since 10");
	answer_trades(600, 620);
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_trades(600, 620);
	assert_nothing_more();
}

static int
close_market(void **state)
{
	(void)state;
	market_free(m);
	m = NULL;
	assert_null(asked);
	return 0;
}

static void
a_cold_start_warms_up_and_joins(void **state)
{
	(void)state;
	open_market(INT64_MIN, false);
	market_time(T0 + 10 * MINUTE + 20 * SECOND);
	market_covered(m, true);
	assert_asked("candles 7 10");
	assert_next(LIVE_FROM, T0 + 10 * MINUTE);
	live(621, 625);
	answer_candles(7, 10);
	for (int i = 7; i < 10; i++)
		assert_next(CANDLE, T0 + i * MINUTE);
	assert_asked("since 10");
	assert_nothing_more();			/* nothing that came live before it is joined */
	answer_trades(598, 622);
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_trades(600, 625);
	live(624, 626);
	assert_trades(626, 626);
	assert_nothing_more();
}

static void
descending_pages_are_read_down_to_the_candle(void **state)
{
	(void)state;
	open_market(T0 + 10 * MINUTE, true);
	market_time(T0 + 10 * MINUTE + 50 * SECOND);
	market_covered(m, true);
	assert_asked("below 0");
	live(651, 652);
	answer_trades(630, 650);
	assert_asked("below 630");
	assert_nothing_more();
	answer_trades(595, 629);
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_trades(600, 652);
	assert_nothing_more();
}

static void
what_comes_live_may_show_the_join(void **state)
{
	(void)state;
	open_market(T0 + 10 * MINUTE, true);
	market_time(T0 + 10 * MINUTE + 20 * SECOND);
	live(590, 620);				/* a snapshot; its trades say that it is subscribed */
	market_covered(m, true);
	assert_null(asked);
	turn();
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_trades(600, 620);
	assert_nothing_more();
}

static void
a_hole_stops_trades_and_clock_until_it_is_filled(void **state)
{
	(void)state;
	open_live();
	live(624, 700);
	assert_int_equal(market_state(m), MARKET_HOLE);
	tick_at(T0 + 30 * MINUTE);
	assert_asked("from 621");
	assert_nothing_more();
	answer_trades(621, 622);
	assert_trades(621, 622);
	assert_asked("from 623");
	assert_nothing_more();
	answer_trades(623, 640);
	assert_trades(623, 700);
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_int_equal(env.counts.holes, 1);
	assert_int_equal(env.counts.holes_filled, 1);
	tick_at(T0 + 30 * MINUTE);
	assert_next(CLOCK, T0 + 30 * MINUTE);
	assert_nothing_more();
}

static void
a_late_trade_mends_a_hole_alone(void **state)
{
	(void)state;
	open_live();
	live(622, 623);
	assert_nothing_more();
	live(621, 621);
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_trades(621, 623);
	tick();
	assert_null(asked);
	assert_nothing_more();
}

static void
an_overlapping_reconnect_asks_nothing(void **state)
{
	(void)state;
	open_live();
	market_covered(m, false);
	assert_int_equal(market_state(m), MARKET_OFFLINE);
	tick_at(T0 + 30 * MINUTE);		/* no clock without a connection */
	assert_nothing_more();
	market_time(T0 + 15 * MINUTE);
	market_covered(m, true);
	live(615, 900);
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_null(asked);
	assert_trades(621, 900);
	assert_nothing_more();
}

static void
a_reconnect_in_the_same_candle_fetches_trades(void **state)
{
	(void)state;
	open_live();
	market_covered(m, false);
	market_time(T0 + 10 * MINUTE + 50 * SECOND);
	market_covered(m, true);
	live(645, 650);
	assert_asked("from 621");
	answer_trades(621, 647);
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_trades(621, 650);
	assert_nothing_more();
}

static void
a_later_reconnect_fetches_candles_first(void **state)
{
	(void)state;
	open_live();
	market_covered(m, false);
	market_time(T0 + 12 * MINUTE + 30 * SECOND);
	market_covered(m, true);
	tick();					/* no trade came, so it may be quiet: ask */
	assert_asked("candles 10 12");
	live(750, 755);
	answer_candles(11, 12);			/* there were trades in 10: this answer is old */
	assert_nothing_more();
	tick();
	assert_asked("candles 10 12");
	answer_candles(10, 12);
	assert_next(CANDLE, T0 + 10 * MINUTE);
	assert_next(CANDLE, T0 + 11 * MINUTE);
	assert_asked("since 12");
	answer_trades(720, 755);
	assert_trades(720, 755);
	assert_nothing_more();
}

/* REST may be so busy with other markets that a candle ends with every request. */
static void
a_slow_rest_is_caught_up_with(void **state)
{
	(void)state;
	open_market(T0 + 4 * MINUTE, false);
	market_time(T0 + 12 * MINUTE + 20 * SECOND);
	market_covered(m, true);
	live(741, 760);
	assert_asked("candles 4 9");
	market_time(T0 + 14 * MINUTE + 20 * SECOND);
	answer_candles(4, 9);
	seen += 5;
	assert_asked("candles 9 12");
	live(761, 870);
	market_time(T0 + 16 * MINUTE + 20 * SECOND);
	answer_candles(9, 12);
	seen += 3;
	assert_asked("since 12");
	live(871, 980);
	answer_trades(720, 980);
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_trades(720, 980);
	assert_nothing_more();
}

static void
a_candle_just_closed_may_be_late(void **state)
{
	(void)state;
	open_market(T0 + 8 * MINUTE, false);
	market_time(T0 + 10 * MINUTE + 3 * SECOND);
	market_covered(m, true);
	assert_asked("candles 8 10");
	answer_candles(8, 9);
	assert_next(CANDLE, T0 + 8 * MINUTE);
	assert_null(asked);
	tick();
	assert_asked("candles 9 10");
	answer_candles(9, 9);
	tick();
	market_time(T0 + 10 * MINUTE + 11 * SECOND);
	answer_candles(9, 9);			/* now it is believed: nobody traded */
	assert_asked("since 10");
	assert_nothing_more();
}

/* The trades are lost for REST too: the candle is fetched when it has ended, and the next one's trades are those that came live. */
static void
trades_that_cannot_be_had_cost_only_time(void **state)
{
	(void)state;
	open_live();
	live(623, 630);
	tick();
	for (int i = 0; i < 5; i++) {
		assert_asked("from 621");
		answer_trades(623, 630);
		tick();
	}
	assert_int_equal(market_state(m), MARKET_WAITING);
	assert_null(asked);
	live(631, 665);				/* minute 11 begins with 660 */
	market_time(T0 + 11 * MINUTE + 1 * SECOND);
	tick_at(T0 + 11 * MINUTE);
	assert_null(asked);
	assert_nothing_more();
	market_time(T0 + 11 * MINUTE + 5 * SECOND);
	tick();
	assert_asked("candles 10 11");
	answer_candles(10, 11);
	assert_next(CANDLE, T0 + 10 * MINUTE);
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_trades(660, 665);
	assert_nothing_more();
}

static void
too_many_trades_are_had_as_a_candle(void **state)
{
	(void)state;
	open_live();
	live(100000, 100001);
	tick();
	for (int64_t id = 621, i = 0; i < RECOVERY_PAGES_MAX; i++, id += 10)
		answer_trades(id, id + 9);
	assert_null(asked);
	assert_int_equal(market_state(m), MARKET_WAITING);
	assert_trades(621, 720);
}

static void
rest_that_is_down_is_asked_for_ever(void **state)
{
	(void)state;
	open_live();
	live(623, 630);
	tick();
	answer_count = -1;			/* an error with status 200 */
	for (int i = 0; i < 20; i++) {
		answer(200);
		tick();
	}
	for (int i = 0; i < 100; i++) {
		assert_asked("from 621");
		answer(i % 3 == 0 ? 0 : i % 3 == 1 ? 503 : 429);
		assert_null(asked);
		live(631 + i, 631 + i);
		tick_at(T0 + 60 * MINUTE);
	}
	assert_nothing_more();
	answer_trades(621, 622);
	assert_trades(621, 730);
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_nothing_more();
}

static void
candles_refused_for_good_are_a_gap(void **state)
{
	(void)state;
	open_live();
	market_covered(m, false);
	market_time(T0 + 12 * MINUTE + 30 * SECOND);
	market_covered(m, true);
	tick();
	while (strncmp(path, "candles", 7) == 0) {
		assert_nothing_more();
		answer(404);
		tick();
	}
	assert_next(GAP, T0 + 12 * MINUTE);
	assert_asked("since 12");
	answer_trades(720, 750);
	assert_trades(720, 750);
	assert_nothing_more();
}

static void
what_is_out_of_reach_is_a_gap_and_warms_up_anew(void **state)
{
	(void)state;
	open_market(T0, false);
	market_time(T0 + 60 * MINUTE + 20 * SECOND);
	market_covered(m, true);
	assert_next(GAP, T0 + 42 * MINUTE);
	assert_next(LIVE_FROM, T0 + 60 * MINUTE);
	for (int from = 42; from < 60; from += 5) {
		answer_candles(from, from + 5 < 60 ? from + 5 : 60);
		for (int i = from; i < from + 5 && i < 60; i++)
			assert_next(CANDLE, T0 + i * MINUTE);
	}
	assert_asked("since 60");
	assert_nothing_more();
}

/* More than the sequence holds: what is dropped comes as candles. */
static void
a_flood_behind_a_hole_is_bounded(void **state)
{
	(void)state;
	open_live();
	live(622, 622 + 200000);
	assert_true(market_held(m) <= 131072);
	assert_nothing_more();
	assert_true(market_state(m) == MARKET_CANDLES || market_state(m) == MARKET_TRADES);
	market_covered(m, false);
}

/* A trade that never was moves the stream's ids far away, and REST's show it. */
static void
a_wild_id_costs_a_candle_s_time(void **state)
{
	struct trade	 wild = trade(621);

	(void)state;
	open_live();
	wild.id += 1000000000;
	market_trade(m, &wild);
	turn();
	assert_asked("since 10");
	answer_trades(600, 625);
	assert_int_equal(market_state(m), MARKET_WAITING);
	assert_null(asked);
	live(626, 662);
	assert_nothing_more();
	market_time(T0 + 11 * MINUTE + 5 * SECOND);
	tick();
	answer_candles(10, 11);
	assert_next(CANDLE, T0 + 10 * MINUTE);
	assert_trades(660, 662);
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_nothing_more();
}

static void
a_quiet_market_without_trades_is_live(void **state)
{
	(void)state;
	open_market(T0 + 10 * MINUTE, false);
	market_time(T0 + 10 * MINUTE + 20 * SECOND);
	market_covered(m, true);
	answer_trades(1, 0);
	assert_int_equal(market_state(m), MARKET_LIVE);
	live(630, 631);				/* is it the first?  REST must say so */
	assert_nothing_more();
	tick();
	assert_asked("since 10");
	answer_trades(629, 631);
	assert_trades(629, 631);
	assert_int_equal(env.counts.holes, 0);
	assert_nothing_more();
}

static void
the_clock_goes_as_far_as_the_connection_was_heard(void **state)
{
	(void)state;
	open_live();
	tick_at(T0 + 10 * MINUTE + 59 * SECOND);	/* nothing can close yet */
	assert_nothing_more();
	tick_at(T0 + 11 * MINUTE + 1);
	assert_next(CLOCK, T0 + 11 * MINUTE + 1);
	tick_at(T0 + 11 * MINUTE + 1);			/* stalled */
	assert_nothing_more();
	tick_at(T0 + 11 * MINUTE + 3 * SECOND);
	assert_next(CLOCK, T0 + 11 * MINUTE + 3 * SECOND);
	env.lag_us = 2 * SECOND;			/* what comes is late, so the clock is */
	tick_at(T0 + 11 * MINUTE + 6 * SECOND);
	assert_next(CLOCK, T0 + 11 * MINUTE + 4 * SECOND);
	assert_nothing_more();
}

static void
a_heartbeat_is_the_clock_and_knows_of_lost_trades(void **state)
{
	(void)state;
	open_live();
	market_heartbeat(m, 620, T0 + 11 * MINUTE + 2 * SECOND);
	turn();
	market_tick(m, clock_mono_us(), market_wall_us(&env), T0 + 30 * MINUTE);
	assert_next(CLOCK, T0 + 11 * MINUTE + 2 * SECOND);
	market_heartbeat(m, 622, T0 + 11 * MINUTE + 3 * SECOND);
	turn();
	assert_int_equal(market_state(m), MARKET_HOLE);
	market_tick(m, clock_mono_us(), market_wall_us(&env), T0 + 30 * MINUTE);
	assert_nothing_more();
	tick();
	assert_asked("from 621");
	answer_trades(621, 622);
	assert_trades(621, 622);
	assert_int_equal(market_state(m), MARKET_LIVE);
	/* One that nobody else has ever heard of is not waited for. */
	market_heartbeat(m, 999999, T0 + 11 * MINUTE + 4 * SECOND);
	turn();
	tick();
	for (int i = 0; i < 5; i++) {
		assert_asked("from 623");
		answer_trades(1, 0);
		tick();
	}
	assert_int_equal(market_state(m), MARKET_LIVE);
	live(623, 623);
	assert_trades(623, 623);
}

static void
tick_after_silence(void)
{
	market_tick(m, clock_mono_us() + 299 * SECOND, market_wall_us(&env), INT64_MIN);
	assert_int_equal(market_state(m), MARKET_LIVE);
	market_tick(m, clock_mono_us() + 301 * SECOND, market_wall_us(&env), INT64_MIN);
	tick();
	assert_asked("from 621");
}

static void
a_long_silence_is_checked_by_rest(void **state)
{
	(void)state;
	open_live();
	tick_after_silence();
	answer_trades(1, 0);			/* it is quiet, indeed */
	assert_int_equal(market_state(m), MARKET_LIVE);
	tick_after_silence();
	live(621, 621);				/* it is not, before REST could say so */
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_null(asked);
	assert_trades(621, 621);
	assert_int_equal(distrusted, 0);
	assert_int_equal(env.counts.holes, 0);
	assert_nothing_more();
}

static void
a_stream_that_keeps_trades_from_us_is_replaced(void **state)
{
	(void)state;
	open_live();
	tick_after_silence();
	market_time(T0 + 10 * MINUTE + 40 * SECOND);
	answer_trades(621, 623);
	assert_int_equal(distrusted, 1);
	assert_int_equal(market_state(m), MARKET_LIVE);
	assert_trades(621, 623);
	assert_nothing_more();
}

static void
a_pause_holds_everything_back(void **state)
{
	(void)state;
	open_live();
	env.paused = true;
	live(621, 640);
	tick_at(T0 + 30 * MINUTE);
	assert_nothing_more();
	env.paused = false;
	market_resume(m);
	turn();
	assert_trades(621, 640);
	/* In the midst of candles, and of trades. */
	market_covered(m, false);
	market_time(T0 + 13 * MINUTE + 30 * SECOND);
	market_covered(m, true);
	tick();
	env.paused = true;
	answer_candles(10, 13);
	assert_nothing_more();
	assert_null(asked);
	env.paused = false;
	market_resume(m);
	assert_asked("candles 10 13");
	answer_candles(10, 13);
	seen += 3;
	assert_asked("since 13");
	env.paused = true;
	answer_trades(780, 790);
	assert_nothing_more();
	env.paused = false;
	market_resume(m);
	assert_asked("since 13");
	answer_trades(780, 790);
	assert_trades(780, 790);
	assert_nothing_more();
}

static void
a_trade_of_a_closed_candle_has_it_fetched_anew(void **state)
{
	struct trade	 t = trade(672);

	(void)state;
	open_live();
	live(621, 671);
	assert_trades(621, 671);
	t.time_us = T0 + 10 * MINUTE + 59 * SECOND;
	market_trade(m, &t);
	turn();
	assert_trades(672, 672);
	market_time(T0 + 11 * MINUTE + 30 * SECOND);
	tick();
	assert_asked("candles 10 11");
	answer(503);
	assert_nothing_more();
	tick();
	assert_asked("candles 10 11");
	t = trade(673);				/* another one while that is asked for, of another candle */
	t.time_us = T0 + 9 * MINUTE;
	market_trade(m, &t);
	turn();
	assert_trades(673, 673);
	answer_candles(10, 11);
	assert_next(CORRECT, T0 + 10 * MINUTE);
	tick();
	assert_asked("candles 9 10");
	answer_candles(9, 10);
	assert_next(CORRECT, T0 + 9 * MINUTE);
	tick();
	assert_null(asked);
	live(674, 674);
	assert_trades(674, 674);
	assert_nothing_more();
}

/* REST's newest candle was fetched seconds after its end. */
static void
a_young_candle_is_looked_at_again(void **state)
{
	(void)state;
	open_market(T0 + 8 * MINUTE, false);
	market_time(T0 + 10 * MINUTE + 4 * SECOND);
	market_covered(m, true);
	answer_candles(8, 10);
	seen += 2;
	answer_trades(600, 601);
	assert_trades(600, 601);
	tick();
	assert_asked("candles 9 10");
	answer_candles(9, 10);
	assert_next(CORRECT, T0 + 9 * MINUTE);
	assert_nothing_more();
}

static void
the_exchange_s_own_candle_corrects(void **state)
{
	struct candle	 c = { .open_us = T0 + 9 * MINUTE, .source = SOURCE_WS };

	(void)state;
	open_live();
	market_candle(m, &c);
	turn();
	assert_next(CORRECT, T0 + 9 * MINUTE);
	c.source = SOURCE_FILLED;		/* nothing to compare */
	market_candle(m, &c);
	turn();
	assert_nothing_more();
}

static void
a_refused_market_is_silent_until_it_is_had(void **state)
{
	(void)state;
	open_market(T0 + 10 * MINUTE, false);
	market_refused(m, "Failed to subscribe: BTC-USD is not a valid product");
	assert_int_equal(market_state(m), MARKET_REFUSED);
	assert_string_equal(market_why(m), "Failed to subscribe: BTC-USD is not a valid product");
	tick_at(T0 + 30 * MINUTE);
	assert_nothing_more();
	market_time(T0 + 10 * MINUTE + 20 * SECOND);
	market_covered(m, true);
	assert_asked("since 10");
}

#define TEST(f)	cmocka_unit_test_teardown(f, close_market)

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		TEST(a_cold_start_warms_up_and_joins), TEST(descending_pages_are_read_down_to_the_candle),
		TEST(what_comes_live_may_show_the_join), TEST(a_hole_stops_trades_and_clock_until_it_is_filled),
		TEST(a_late_trade_mends_a_hole_alone), TEST(an_overlapping_reconnect_asks_nothing),
		TEST(a_reconnect_in_the_same_candle_fetches_trades), TEST(a_later_reconnect_fetches_candles_first),
		TEST(a_slow_rest_is_caught_up_with), TEST(a_candle_just_closed_may_be_late),
		TEST(trades_that_cannot_be_had_cost_only_time),
		TEST(too_many_trades_are_had_as_a_candle), TEST(rest_that_is_down_is_asked_for_ever),
		TEST(candles_refused_for_good_are_a_gap), TEST(what_is_out_of_reach_is_a_gap_and_warms_up_anew),
		TEST(a_flood_behind_a_hole_is_bounded), TEST(a_wild_id_costs_a_candle_s_time),
		TEST(a_quiet_market_without_trades_is_live),
		TEST(the_clock_goes_as_far_as_the_connection_was_heard), TEST(a_heartbeat_is_the_clock_and_knows_of_lost_trades),
		TEST(a_long_silence_is_checked_by_rest), TEST(a_stream_that_keeps_trades_from_us_is_replaced),
		TEST(a_pause_holds_everything_back), TEST(a_trade_of_a_closed_candle_has_it_fetched_anew),
		TEST(a_young_candle_is_looked_at_again),
		TEST(the_exchange_s_own_candle_corrects), TEST(a_refused_market_is_silent_until_it_is_had),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
