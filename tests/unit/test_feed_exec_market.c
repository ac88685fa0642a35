#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "generator/feed_exec_market.h"
#include "generator/quota.h"

#define MINUTE	INT64_C(60000000)
#define SECOND	INT64_C(1000000)
#define T0	INT64_C(1767225600000000)	/* 2026-01-01 */

/* What was delivered, as text: one word each. */
static char	 told[4000];

static void
tell(const char *what, size_t symbol, int64_t us)
{
	size_t	 len = strlen(told);

	snprintf(told + len, sizeof(told) - len, "%s%zu@%g ", what, symbol, (double)(us - T0) / 1e6);
}

static void
trade_cb(size_t symbol, const struct trade *t, void *arg)
{
	char	 what[32];

	(void)arg;
	snprintf(what, sizeof(what), "#%d-", (int)t->id);
	tell(what, symbol, t->time_us);
}

static void
candle_cb(size_t symbol, const struct candle *c, void *arg)
{
	(void)arg;
	tell("candle", symbol, c->open_us);
}

static void
clock_cb(size_t symbol, int64_t now_us, void *arg)
{
	(void)arg;
	tell("clock", symbol, now_us);
}

static void
gap_cb(size_t symbol, int64_t from_us, void *arg)
{
	(void)arg;
	tell("gap", symbol, from_us);
}

static void
live_from_cb(size_t symbol, int64_t market_us, void *arg)
{
	(void)arg;
	tell("live", symbol, market_us);
}

static const struct feed_handler handler = {
	.trade = trade_cb, .candle = candle_cb, .clock = clock_cb, .gap = gap_cb, .live_from = live_from_cb
};

static char			 ab[] = "A/B", cd[] = "C/D", *items[] = { ab, cd };
static const struct feed_conf	 common = { .symbols = { 2, items }, .timeframe = TF_1M };
static struct exec_market	 market;

static void
begin(bool backfills, int64_t resume_us)
{
	const int64_t	 resumes[] = { resume_us, INT64_MIN };

	told[0] = '\0';
	exec_market_init(&market, &common, backfills, 0, resumes, T0 + 600 * SECOND, &handler, NULL);
	exec_market_begin(&market);
}

static void
assert_told(const char *want)
{
	assert_string_equal(told, want);
	told[0] = '\0';
}

/* A trade of A/B so many seconds after T0, the wall clock standing at `wall_s`; id -1: without one. */
static void
trade(double s, int64_t id, double wall_s)
{
	struct line	 l = { .kind = LINE_TRADE, .has_id = id != -1 };

	l.trade = (struct trade){ .time_us = T0 + (int64_t)(s * 1e6), .id = id == -1 ? 0 : id };
	assert_null(exec_market_line(&market, &l, T0 + (int64_t)(wall_s * 1e6)));
}

static void
candle(int minute)
{
	struct line	 l = { .kind = LINE_CANDLE, .candle = { .open_us = T0 + minute * MINUTE } };

	assert_null(exec_market_line(&market, &l, T0 + 600 * SECOND));
}

static void
what_is_known_is_delivered_once(void **state)
{
	(void)state;
	begin(true, T0 + 2 * MINUTE);
	assert_told("live1@600 ");
	trade(119, 1, 600);
	trade(120, 2, 600);
	candle(1);
	candle(3);
	candle(3);
	trade(190, 3, 600);
	trade(240, 4, 600);
	assert_told("#2-0@120 candle0@180 #4-0@240 ");
	assert_int_equal(market.counts.dropped, 4);
	assert_int_equal(exec_market_resume_us(&market, 0), T0 + 4 * MINUTE);
	assert_true(exec_market_resume_us(&market, 1) == INT64_MIN);
	exec_market_release(&market);
}

static void
trades_without_ids_are_numbered_and_not_taken_twice(void **state)
{
	(void)state;
	begin(true, INT64_MIN);
	assert_told("live0@600 live1@600 ");
	trade(30, -1, 600);
	trade(20, -1, 600);	/* in any order within one run */
	trade(80, -1, 600);
	assert_told("#1-0@30 #2-0@20 #3-0@80 ");
	assert_int_equal(exec_market_resume_us(&market, 0), T0 + MINUTE);
	/* The next run prints the candle at hand again. */
	exec_market_begin(&market);
	trade(70, -1, 600);
	trade(80, -1, 600);
	trade(80, 7, 600);	/* one with an id is the builder's to know */
	trade(81, -1, 600);
	assert_told("#7-0@80 #4-0@81 ");
	exec_market_release(&market);
}

static void
without_backfill_a_run_begins_with_the_next_whole_candle(void **state)
{
	(void)state;
	begin(false, T0);
	assert_told("live1@600 ");
	trade(130, 1, 130);
	trade(140, 2, 140);
	trade(180, 3, 180);
	trade(190, 4, 190);
	assert_told("gap0@180 #3-0@180 #4-0@190 ");
	exec_market_begin(&market);
	trade(200, 5, 200);
	trade(240, 6, 240);
	assert_told("gap0@240 #6-0@240 ");
	exec_market_release(&market);
	/* Where nothing is known nothing is lost, but a part of a candle is none. */
	begin(false, INT64_MIN);
	trade(60, 1, 60);
	trade(120, 2, 120);
	assert_told("live0@600 live1@600 #2-0@120 ");
	assert_int_equal(market.counts.dropped, 1);
	exec_market_release(&market);
}

static void
without_backfill_candles_in_order_are_no_gap(void **state)
{
	(void)state;
	begin(false, T0 + MINUTE);
	candle(0);
	candle(1);
	candle(4);	/* within a run an empty interval is an empty interval */
	exec_market_begin(&market);
	candle(5);
	exec_market_begin(&market);
	candle(7);
	assert_told("live1@600 candle0@60 candle0@240 candle0@300 gap0@420 candle0@420 ");
	exec_market_release(&market);
}

static void
the_clock_goes_only_behind_trades_of_now(void **state)
{
	(void)state;
	begin(true, INT64_MIN);
	told[0] = '\0';
	/* Markets that never had a price: their clock closes nothing but signals. */
	exec_market_clock(&market, false, T0);
	assert_told("clock0@0 clock1@0 ");
	/* A backfill: no clock, or what is still to come would be late. */
	trade(60, 1, 600);
	exec_market_clock(&market, true, T0 + 600 * SECOND);
	assert_told("#1-0@60 clock1@600 ");
	trade(590, 2, 600);
	exec_market_clock(&market, true, T0 + 601 * SECOND);
	assert_told("#2-0@590 clock0@601 clock1@601 ");
	/* Not while the program is down, after a pause, and in the next run. */
	exec_market_clock(&market, false, T0 + 602 * SECOND);
	assert_told("clock1@602 ");
	exec_market_hold(&market);
	exec_market_clock(&market, true, T0 + 603 * SECOND);
	assert_told("clock1@603 ");
	trade(604, 3, 604);
	exec_market_begin(&market);
	exec_market_clock(&market, true, T0 + 604 * SECOND);
	assert_told("#3-0@604 clock1@604 ");
	exec_market_release(&market);
	/* A market with a history, and no trade yet. */
	begin(true, T0);
	told[0] = '\0';
	exec_market_clock(&market, true, T0 + 600 * SECOND);
	assert_told("clock1@600 ");
	exec_market_release(&market);
}

static void
a_quota_lets_some_through_and_counts_the_others(void **state)
{
	struct quota	 q = { .limit = 2, .window_us = 60 };

	(void)state;
	assert_true(quota_due(&q, 5) == 0);
	assert_true(quota_take(&q, 10));
	assert_true(quota_take(&q, 20));
	assert_false(quota_take(&q, 30));
	assert_false(quota_take(&q, 40));
	assert_true(quota_due(&q, 69) == 0);
	assert_true(quota_due(&q, 70) == 2);
	assert_true(quota_due(&q, 71) == 0);
	/* As long as it goes on only the count is told. */
	assert_false(quota_take(&q, 100));
	assert_true(quota_due(&q, 130) == 1);
	/* A quiet window: all is well again. */
	assert_true(quota_due(&q, 190) == 0);
	assert_true(quota_take(&q, 191));
	assert_true(quota_take(&q, 191));
	assert_false(quota_take(&q, 191));
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(what_is_known_is_delivered_once),
		cmocka_unit_test(trades_without_ids_are_numbered_and_not_taken_twice),
		cmocka_unit_test(without_backfill_a_run_begins_with_the_next_whole_candle),
		cmocka_unit_test(without_backfill_candles_in_order_are_no_gap),
		cmocka_unit_test(the_clock_goes_only_behind_trades_of_now),
		cmocka_unit_test(a_quota_lets_some_through_and_counts_the_others),
	};

	return cmocka_run_group_tests_name("feed_exec_market", tests, NULL, NULL);
}
