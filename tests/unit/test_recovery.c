#include "unit.h"

#include "generator/recovery.h"

#define MINUTE	INT64_C(60000000)
#define SECOND	INT64_C(1000000)
#define T0	INT64_C(1767225600000000)	/* 2026-01-01 */

static enum market_state
after(enum market_state s, const enum market_event *events, size_t count)
{
	for (size_t i = 0; i < count; i++)
		s = market_next(s, events[i]);
	return s;
}
#define AFTER(s, ...) \
	after(s, (const enum market_event[]){ __VA_ARGS__ }, sizeof((const enum market_event[]){ __VA_ARGS__ }) / sizeof(enum market_event))

static void
a_cold_market_fetches_candles_then_trades(void **state)
{
	(void)state;
	assert_int_equal(AFTER(MARKET_OFFLINE, ON_COVERED), MARKET_JOINING);
	assert_int_equal(AFTER(MARKET_OFFLINE, ON_COVERED, ON_DUE), MARKET_CANDLES);
	assert_int_equal(AFTER(MARKET_OFFLINE, ON_COVERED, ON_DUE, ON_DONE), MARKET_TRADES);
	assert_int_equal(AFTER(MARKET_OFFLINE, ON_COVERED, ON_DUE, ON_DONE, ON_JOINED), MARKET_LIVE);
}

static void
an_overlap_needs_no_rest(void **state)
{
	(void)state;
	assert_int_equal(AFTER(MARKET_LIVE, ON_UNCOVERED, ON_COVERED, ON_JOINED), MARKET_LIVE);
	assert_int_equal(AFTER(MARKET_LIVE, ON_UNCOVERED, ON_COVERED, ON_BEHIND), MARKET_CANDLES);
}

static void
a_hole_waits_then_fetches_trades(void **state)
{
	(void)state;
	assert_int_equal(AFTER(MARKET_LIVE, ON_BEHIND), MARKET_HOLE);
	assert_int_equal(AFTER(MARKET_LIVE, ON_BEHIND, ON_JOINED), MARKET_LIVE);
	assert_int_equal(AFTER(MARKET_LIVE, ON_BEHIND, ON_DUE), MARKET_TRADES);
	assert_int_equal(AFTER(MARKET_LIVE, ON_BEHIND, ON_DUE, ON_FAILED), MARKET_WAITING);
	/* A late trade may still mend it; else the candle's end does. */
	assert_int_equal(AFTER(MARKET_WAITING, ON_JOINED), MARKET_LIVE);
	assert_int_equal(AFTER(MARKET_WAITING, ON_DUE), MARKET_CANDLES);
}

static void
what_was_dropped_is_fetched_as_candles(void **state)
{
	(void)state;
	for (enum market_state s = MARKET_JOINING; s < MARKET_WAITING; s++)
		assert_int_equal(market_next(s, ON_OVERFLOW), MARKET_CANDLES);
	assert_int_equal(market_next(MARKET_WAITING, ON_OVERFLOW), MARKET_WAITING);
}

static void
a_lost_connection_stops_everything_and_a_new_one_begins_again(void **state)
{
	(void)state;
	for (enum market_state s = MARKET_OFFLINE; s < MARKET_STATES; s++) {
		assert_int_equal(market_next(s, ON_UNCOVERED), MARKET_OFFLINE);
		assert_int_equal(market_next(s, ON_REFUSED), MARKET_REFUSED);
	}
	assert_int_equal(market_next(MARKET_REFUSED, ON_COVERED), MARKET_JOINING);
	for (enum market_event e = ON_JOINED; e < MARKET_EVENTS; e++) {
		assert_int_equal(market_next(MARKET_OFFLINE, e), MARKET_OFFLINE);
		assert_int_equal(market_next(MARKET_REFUSED, e), MARKET_REFUSED);
	}
}

/* Only what is joined is live. */
static void
nothing_but_a_join_makes_it_live(void **state)
{
	(void)state;
	for (enum market_state s = MARKET_OFFLINE; s < MARKET_STATES; s++)
		for (enum market_event e = ON_COVERED; e < MARKET_EVENTS; e++)
			if (s != MARKET_LIVE && market_next(s, e) == MARKET_LIVE)
				assert_int_equal(e, ON_JOINED);
}

static void
a_candle_is_closed_a_little_after_its_end(void **state)
{
	(void)state;
	assert_int_equal(recovery_edge_us(TF_1M, T0 + RECOVERY_SETTLE_US - 1), T0 - MINUTE);
	assert_int_equal(recovery_edge_us(TF_1M, T0 + RECOVERY_SETTLE_US), T0);
	assert_int_equal(recovery_edge_us(TF_1H, T0 + 59 * MINUTE), T0);
}

static void
candles_begin_where_we_stand_or_with_the_history(void **state)
{
	struct recovery_span	 span;

	(void)state;
	span = recovery_span(TF_1M, T0 - 10 * MINUTE, T0, 500, 0);
	assert_int_equal(span.from_us, T0 - 10 * MINUTE);
	assert_false(span.lost);
	span = recovery_span(TF_1M, INT64_MIN, T0, 500, 0);
	assert_int_equal(span.from_us, T0 - 500 * MINUTE);
	assert_false(span.lost);
	span = recovery_span(TF_1M, INT64_MIN, T0, 0, 720);
	assert_int_equal(span.from_us, T0);
	assert_false(span.lost);
	/* 720 with the running one, and one may end meanwhile. */
	span = recovery_span(TF_1M, INT64_MIN, T0, 5000, 720);
	assert_int_equal(span.from_us, T0 - 718 * MINUTE);
	assert_true(span.lost);
	span = recovery_span(TF_1M, T0 - 718 * MINUTE, T0, 5000, 720);
	assert_false(span.lost);
	span = recovery_span(TF_1M, T0 - 719 * MINUTE, T0, 5000, 720);
	assert_int_equal(span.from_us, T0 - 718 * MINUTE);
	assert_true(span.lost);
}

static void
the_newest_candle_may_be_late(void **state)
{
	(void)state;
	assert_false(recovery_too_soon(TF_1M, T0 - MINUTE, T0, T0 + 3 * SECOND));	/* it is there */
	assert_true(recovery_too_soon(TF_1M, T0 - 2 * MINUTE, T0, T0 + 3 * SECOND));
	assert_false(recovery_too_soon(TF_1M, T0 - 2 * MINUTE, T0, T0 + RECOVERY_ABSENT_US));
}

static enum recovery_need
need(struct recovery_trades t)
{
	return recovery_need(&t);
}

static void
trades_are_joined_when_live_ones_follow_without_a_hole(void **state)
{
	(void)state;
	assert_int_equal(need((struct recovery_trades){ .next_id = 10, .first_live = 8 }), NEED_NOTHING);
	assert_int_equal(need((struct recovery_trades){ .next_id = 10, .first_live = 10, .first_held = 10 }), NEED_NOTHING);
	/* The last one handed out, and nothing since: REST must say that there is none. */
	assert_int_equal(need((struct recovery_trades){ .next_id = 10 }), NEED_FROM_ID);
	assert_int_equal(need((struct recovery_trades){ .next_id = 10, .complete = true }), NEED_NOTHING);
	/* A hole. */
	assert_int_equal(need((struct recovery_trades){ .next_id = 10, .first_live = 12, .first_held = 12, .complete = true }),
	    NEED_FROM_ID);
	/* A heartbeat knows of more. */
	assert_int_equal(need((struct recovery_trades){ .next_id = 10, .first_live = 9, .newest = 9 }), NEED_NOTHING);
	assert_int_equal(need((struct recovery_trades){ .next_id = 10, .first_live = 9, .newest = 10, .complete = true }), NEED_FROM_ID);
}

static void
a_market_without_trades_is_joined_when_rest_knows_none(void **state)
{
	(void)state;
	assert_int_equal(need((struct recovery_trades){ .complete = true }), NEED_NOTHING);
	assert_int_equal(need((struct recovery_trades){ 0 }), NEED_FROM_TIME);
	assert_int_equal(need((struct recovery_trades){ .descends = true }), NEED_BELOW_ID);
	assert_int_equal(need((struct recovery_trades){ .complete = true, .first_held = 5, .first_live = 5 }), NEED_FROM_TIME);
}

static void
too_many_pages_are_given_up(void **state)
{
	struct recovery_trades	 t = { .next_id = 10, .first_held = 99, .first_live = 99, .pages = RECOVERY_PAGES_MAX - 1 };

	(void)state;
	assert_int_equal(recovery_need(&t), NEED_FROM_ID);
	t.descends = true;
	assert_int_equal(recovery_need(&t), NEED_BELOW_ID);
	t.pages++;
	assert_int_equal(recovery_need(&t), NEED_TOO_MUCH);
	t.next_id = 99;			/* but what is joined is joined */
	assert_int_equal(recovery_need(&t), NEED_NOTHING);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_cold_market_fetches_candles_then_trades),
		cmocka_unit_test(an_overlap_needs_no_rest),
		cmocka_unit_test(a_hole_waits_then_fetches_trades),
		cmocka_unit_test(what_was_dropped_is_fetched_as_candles),
		cmocka_unit_test(a_lost_connection_stops_everything_and_a_new_one_begins_again),
		cmocka_unit_test(nothing_but_a_join_makes_it_live),
		cmocka_unit_test(a_candle_is_closed_a_little_after_its_end),
		cmocka_unit_test(candles_begin_where_we_stand_or_with_the_history),
		cmocka_unit_test(the_newest_candle_may_be_late),
		cmocka_unit_test(trades_are_joined_when_live_ones_follow_without_a_hole),
		cmocka_unit_test(a_market_without_trades_is_joined_when_rest_knows_none),
		cmocka_unit_test(too_many_pages_are_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
