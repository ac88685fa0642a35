#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "generator/book.h"

#define MINUTE_US	INT64_C(60000000)
#define OPEN_US		(INT64_C(1700000000) / 300 * 300 * 1000000)	/* of the 5m candle that fired */
#define CLOSE_US	(OPEN_US + 5 * MINUTE_US)

static struct decimal
dec(const char *text)
{
	struct decimal	 d;

	assert_true(decimal_parse(text, strlen(text), &d));
	return d;
}

static bool
is(struct decimal d, const char *text)
{
	return decimal_compare(d, dec(text)) == 0;
}

/* Long from 100, stop 90, targets 115 and 130; short the mirror image: stop 110, targets 85 and 70.  Stands an hour. */
static struct signal
signal_of(enum signal_side side)
{
	struct signal	 s = {
		.timeframe = TF_5M, .side = side, .candle_open_us = OPEN_US, .candle_close_us = CLOSE_US,
		.expires_us = CLOSE_US + 60 * MINUTE_US, .entry = dec("100"), .target_count = 2
	};

	s.initial_stop = s.stop_loss = dec(side == SIDE_LONG ? "90" : "110");
	s.targets[0] = dec(side == SIDE_LONG ? "115" : "85");
	s.targets[1] = dec(side == SIDE_LONG ? "130" : "70");
	s.last_price = s.max_favorable = s.max_adverse = s.entry;
	return s;
}

/* Judge the one-minute candle that opens `minute` minutes after the signal. */
static enum book_change
judge(struct signal *s, int minute, const char *open, const char *high, const char *low, const char *close)
{
	struct candle	 c = {
		.open_us = CLOSE_US + minute * MINUTE_US, .open = dec(open), .high = dec(high), .low = dec(low), .close = dec(close),
		.source = SOURCE_TRADES
	};

	return signal_step(s, &c, c.open_us + MINUTE_US);
}

static bool
near(double a, double b)
{
	return fabs(a - b) <= 1e-12;
}

static void
prices_before_the_candle_closed_do_not_count(void **state)
{
	struct signal	 s = signal_of(SIDE_LONG);

	(void)state;
	assert_int_equal(judge(&s, -1, "100", "200", "1", "100"), BOOK_SAME);
	assert_int_equal(s.status, STATUS_ACTIVE);
	assert_true(is(s.max_favorable, "100") && is(s.max_adverse, "100"));
}

static void
a_quiet_candle_refreshes(void **state)
{
	struct signal	 s = signal_of(SIDE_LONG);

	(void)state;
	assert_int_equal(judge(&s, 0, "100", "104", "97", "103"), BOOK_REFRESHED);
	assert_true(is(s.last_price, "103") && is(s.max_favorable, "104") && is(s.max_adverse, "97"));
	assert_int_equal(judge(&s, 1, "103", "104", "98", "103"), BOOK_SAME);
	assert_int_equal(judge(&s, 2, "103", "103.5", "98", "99"), BOOK_REFRESHED);
	assert_true(is(s.max_favorable, "104") && is(s.max_adverse, "97"));
}

static void
a_stop_is_a_loss_at_its_price(void **state)
{
	struct signal	 s = signal_of(SIDE_LONG);

	(void)state;
	assert_int_equal(judge(&s, 3, "95", "96", "90", "94"), BOOK_CHANGED);
	assert_int_equal(s.status, STATUS_STOPPED);
	assert_int_equal(s.exit_reason, EXIT_STOP_LOSS);
	assert_int_equal(s.outcome, OUTCOME_LOSS);
	assert_true(is(s.exit_price, "90") && is(s.last_price, "94"));
	assert_true(is(s.max_adverse, "90") && is(s.max_favorable, "100"));
	assert_int_equal(s.closed_us, CLOSE_US + 4 * MINUTE_US);
	assert_true(near(s.pnl_ratio, -0.1) && near(s.r_multiple, -1));
	/* Final. */
	assert_int_equal(judge(&s, 4, "95", "200", "1", "94"), BOOK_SAME);
	assert_true(is(s.last_price, "94"));
}

static void
a_gap_through_the_stop_exits_at_the_open(void **state)
{
	struct signal	 l = signal_of(SIDE_LONG), s = signal_of(SIDE_SHORT);

	(void)state;
	assert_int_equal(judge(&l, 0, "85", "120", "80", "99"), BOOK_CHANGED);
	assert_true(is(l.exit_price, "85") && is(l.max_adverse, "85") && is(l.max_favorable, "100"));
	assert_true(near(l.r_multiple, -1.5));
	assert_int_equal(judge(&s, 0, "112", "113", "60", "70"), BOOK_CHANGED);
	assert_true(is(s.exit_price, "112") && is(s.max_adverse, "112"));
	assert_true(near(s.pnl_ratio, -0.12) && near(s.r_multiple, -1.2));
}

static void
stop_and_target_in_one_candle_is_the_stop(void **state)
{
	struct signal	 l = signal_of(SIDE_LONG), s = signal_of(SIDE_SHORT);

	(void)state;
	assert_int_equal(judge(&l, 0, "100", "140", "90", "135"), BOOK_CHANGED);
	assert_int_equal(l.status, STATUS_STOPPED);
	assert_int_equal(l.targets_hit, 0);
	assert_true(is(l.exit_price, "90") && is(l.max_favorable, "100"));
	assert_int_equal(judge(&s, 0, "100", "110", "60", "65"), BOOK_CHANGED);
	assert_int_equal(s.status, STATUS_STOPPED);
	assert_true(is(s.exit_price, "110"));
}

static void
the_first_target_moves_the_stop_to_entry_from_the_next_candle_on(void **state)
{
	struct signal	 s = signal_of(SIDE_LONG);

	(void)state;
	/* The low of 99 lies below the moved stop, but when in the candle nobody knows. */
	assert_int_equal(judge(&s, 0, "101", "116", "99", "105"), BOOK_CHANGED);
	assert_int_equal(s.status, STATUS_ACTIVE);
	assert_int_equal(s.targets_hit, 1);
	assert_true(is(s.stop_loss, "100") && is(s.initial_stop, "90"));
	assert_true(is(s.max_favorable, "116") && is(s.max_adverse, "99"));
	assert_int_equal(judge(&s, 1, "105", "106", "100", "104"), BOOK_CHANGED);
	assert_int_equal(s.status, STATUS_STOPPED);
	assert_int_equal(s.exit_reason, EXIT_TRAILING_STOP);
	assert_int_equal(s.outcome, OUTCOME_BREAKEVEN);
	assert_int_equal(s.targets_hit, 1);
	assert_true(is(s.exit_price, "100") && s.pnl_ratio == 0 && s.r_multiple == 0 && !signbit(s.r_multiple));
}

static void
a_gap_through_the_moved_stop_is_a_loss_all_the_same(void **state)
{
	struct signal	 s = signal_of(SIDE_SHORT);

	(void)state;
	assert_int_equal(judge(&s, 0, "99", "99", "84", "86"), BOOK_CHANGED);
	assert_true(is(s.stop_loss, "100"));
	assert_int_equal(judge(&s, 1, "103", "104", "102", "103"), BOOK_CHANGED);
	assert_int_equal(s.exit_reason, EXIT_TRAILING_STOP);
	assert_int_equal(s.outcome, OUTCOME_LOSS);
	assert_true(near(s.r_multiple, -0.3));
}

static void
a_short_at_breakeven_has_no_negative_zero(void **state)
{
	struct signal	 s = signal_of(SIDE_SHORT);

	(void)state;
	judge(&s, 0, "99", "99", "84", "86");
	judge(&s, 1, "90", "100", "90", "95");
	assert_int_equal(s.outcome, OUTCOME_BREAKEVEN);
	assert_true(s.pnl_ratio == 0 && !signbit(s.pnl_ratio) && !signbit(s.r_multiple));
}

static void
the_last_target_closes_with_a_win(void **state)
{
	struct signal	 s = signal_of(SIDE_LONG);

	(void)state;
	judge(&s, 0, "101", "115", "101", "114");
	assert_int_equal(judge(&s, 1, "114", "150", "110", "149"), BOOK_CHANGED);
	assert_int_equal(s.status, STATUS_TARGET_HIT);
	assert_int_equal(s.exit_reason, EXIT_TARGET);
	assert_int_equal(s.outcome, OUTCOME_WIN);
	assert_int_equal(s.targets_hit, 2);
	assert_true(is(s.exit_price, "130") && is(s.max_favorable, "130") && is(s.last_price, "149"));
	assert_true(near(s.pnl_ratio, 0.3) && near(s.r_multiple, 3));
}

static void
several_targets_in_one_candle_are_one_change(void **state)
{
	struct signal	 s = signal_of(SIDE_SHORT);

	(void)state;
	assert_int_equal(judge(&s, 0, "99", "101", "65", "66"), BOOK_CHANGED);
	assert_int_equal(s.status, STATUS_TARGET_HIT);
	assert_int_equal(s.targets_hit, 2);
	assert_true(is(s.exit_price, "70") && is(s.max_favorable, "70") && is(s.max_adverse, "101"));
	assert_true(near(s.pnl_ratio, 0.3) && near(s.r_multiple, 3));
}

static void
it_expires_at_the_close_of_its_last_candle(void **state)
{
	struct signal	 s = signal_of(SIDE_LONG), stopped = signal_of(SIDE_LONG);

	(void)state;
	assert_int_equal(judge(&s, 58, "100", "104", "99", "103"), BOOK_REFRESHED);
	assert_int_equal(judge(&s, 59, "103", "106", "95", "105"), BOOK_CHANGED);
	assert_int_equal(s.status, STATUS_EXPIRED);
	assert_int_equal(s.exit_reason, EXIT_EXPIRED);
	assert_int_equal(s.outcome, OUTCOME_WIN);
	assert_int_equal(s.closed_us, s.expires_us);
	assert_true(is(s.exit_price, "105") && near(s.r_multiple, 0.5));
	assert_true(is(s.max_favorable, "106") && is(s.max_adverse, "95"));
	/* The stop in that candle comes first. */
	judge(&stopped, 59, "103", "106", "89", "105");
	assert_int_equal(stopped.status, STATUS_STOPPED);
}

static void
after_a_closed_market_it_expires_at_the_first_price(void **state)
{
	struct signal	 s = signal_of(SIDE_LONG);

	(void)state;
	judge(&s, 10, "100", "104", "99", "103");
	/* Below the stop, but it stood no longer. */
	assert_int_equal(judge(&s, 300, "80", "140", "70", "75"), BOOK_CHANGED);
	assert_int_equal(s.status, STATUS_EXPIRED);
	assert_int_equal(s.outcome, OUTCOME_LOSS);
	assert_true(is(s.exit_price, "80") && is(s.max_adverse, "80") && is(s.max_favorable, "104"));
	assert_int_equal(s.closed_us, CLOSE_US + 301 * MINUTE_US);
}

static void
a_filled_candle_can_only_expire(void **state)
{
	struct signal	 s = signal_of(SIDE_LONG);
	struct candle	 c = { .open = dec("100"), .high = dec("100"), .low = dec("100"), .close = dec("100"), .source = SOURCE_FILLED };

	(void)state;
	/* The stop has moved to 100 in a candle that closed there. */
	judge(&s, 0, "100", "116", "99", "100");
	assert_true(is(s.stop_loss, "100"));
	c.open_us = CLOSE_US + MINUTE_US;
	assert_int_equal(signal_step(&s, &c, c.open_us + MINUTE_US), BOOK_SAME);
	assert_int_equal(s.status, STATUS_ACTIVE);
	c.open_us = CLOSE_US + 59 * MINUTE_US;
	assert_int_equal(signal_step(&s, &c, c.open_us + MINUTE_US), BOOK_CHANGED);
	assert_int_equal(s.status, STATUS_EXPIRED);
	assert_int_equal(s.outcome, OUTCOME_BREAKEVEN);
}

static void
a_cancelled_one_is_void_but_has_its_figures(void **state)
{
	struct signal	 s = signal_of(SIDE_SHORT);

	(void)state;
	signal_cancel(&s, EXIT_REVERSED, dec("95"), CLOSE_US + 5 * MINUTE_US);
	assert_int_equal(s.status, STATUS_CANCELLED);
	assert_int_equal(s.exit_reason, EXIT_REVERSED);
	assert_int_equal(s.outcome, OUTCOME_VOID);
	assert_true(is(s.exit_price, "95") && is(s.last_price, "95") && is(s.max_favorable, "95"));
	assert_true(near(s.pnl_ratio, 0.05) && near(s.r_multiple, 0.5));
	assert_int_equal(s.closed_us, CLOSE_US + 5 * MINUTE_US);
}

static const struct book_rules	 rules = { .cooldown_us = 15 * MINUTE_US, .guard_us = 120 * MINUTE_US, .guard_stops = 2 };

/* Open at minute `at` and let it be stopped within the candle of minute `at` + 1. */
static void
lose(struct book *b, int at)
{
	struct signal	 s = signal_of(SIDE_LONG);
	struct candle	 c = {
		.open_us = CLOSE_US + (at + 1) * MINUTE_US, .open = dec("95"), .high = dec("95"), .low = dec("90"), .close = dec("91"),
		.source = SOURCE_TRADES
	};

	s.candle_close_us = CLOSE_US + at * MINUTE_US;
	s.expires_us = s.candle_close_us + 60 * MINUTE_US;
	book_open(b, &s);
	assert_int_equal(book_judge(b, &c, c.open_us + MINUTE_US), BOOK_CHANGED);
	assert_false(b->active);
}

static bool
may_open(const struct book *b, int minute)
{
	return book_may_open(b, CLOSE_US + minute * MINUTE_US);
}

static void
after_a_close_comes_the_cooldown(void **state)
{
	struct book	 b;

	(void)state;
	book_init(&b, &rules);
	assert_true(may_open(&b, 0));
	lose(&b, 0);			/* closed at 2 */
	assert_false(may_open(&b, 2));
	assert_false(may_open(&b, 17));
	assert_true(may_open(&b, 18));
	book_release(&b);
}

static void
without_cooldown_the_same_candle_may_open_again(void **state)
{
	const struct book_rules	 none = { 0 };
	struct book		 b;

	(void)state;
	book_init(&b, &none);
	lose(&b, 0);
	assert_true(may_open(&b, 2));
	book_release(&b);
}

static void
losses_in_a_row_pause_until_the_window_has_passed(void **state)
{
	struct book	 b;

	(void)state;
	book_init(&b, &rules);
	lose(&b, 0);			/* closed at 2 */
	assert_true(may_open(&b, 30));
	lose(&b, 30);			/* closed at 32 */
	assert_false(may_open(&b, 60));
	assert_false(may_open(&b, 121));
	assert_true(may_open(&b, 122));	/* the first one is out of the window of 120 */
	lose(&b, 122);			/* closed at 124: with the one at 32 that is two again */
	assert_false(may_open(&b, 151));
	assert_true(may_open(&b, 152));
	book_release(&b);
}

static void
only_losses_at_the_stop_count_for_the_guard(void **state)
{
	struct book	 b;
	struct signal	 s = signal_of(SIDE_LONG);

	(void)state;
	book_init(&b, &rules);
	for (int i = 0; i < 5; i++) {
		book_open(&b, &s);
		book_cancel(&b, EXIT_REVERSED, dec("80"), CLOSE_US + MINUTE_US);
	}
	assert_true(may_open(&b, 17));
	book_release(&b);
}

static void
what_was_read_back_counts_like_what_was_seen(void **state)
{
	struct book	 seen, read;
	struct signal	 first, second, open = signal_of(SIDE_SHORT);

	(void)state;
	book_init(&seen, &rules);
	book_init(&read, &rules);
	lose(&seen, 0);
	first = seen.signal;
	lose(&seen, 30);
	second = seen.signal;
	book_restore(&read, &first);
	book_restore(&read, &second);
	for (int minute = 30; minute < 200; minute++)
		assert_int_equal(may_open(&read, minute), may_open(&seen, minute));
	book_restore(&read, &open);
	assert_true(read.active && read.signal.side == SIDE_SHORT);
	book_release(&seen);
	book_release(&read);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(prices_before_the_candle_closed_do_not_count),
		cmocka_unit_test(a_quiet_candle_refreshes),
		cmocka_unit_test(a_stop_is_a_loss_at_its_price),
		cmocka_unit_test(a_gap_through_the_stop_exits_at_the_open),
		cmocka_unit_test(stop_and_target_in_one_candle_is_the_stop),
		cmocka_unit_test(the_first_target_moves_the_stop_to_entry_from_the_next_candle_on),
		cmocka_unit_test(a_gap_through_the_moved_stop_is_a_loss_all_the_same),
		cmocka_unit_test(a_short_at_breakeven_has_no_negative_zero),
		cmocka_unit_test(the_last_target_closes_with_a_win),
		cmocka_unit_test(several_targets_in_one_candle_are_one_change),
		cmocka_unit_test(it_expires_at_the_close_of_its_last_candle),
		cmocka_unit_test(after_a_closed_market_it_expires_at_the_first_price),
		cmocka_unit_test(a_filled_candle_can_only_expire),
		cmocka_unit_test(a_cancelled_one_is_void_but_has_its_figures),
		cmocka_unit_test(after_a_close_comes_the_cooldown),
		cmocka_unit_test(without_cooldown_the_same_candle_may_open_again),
		cmocka_unit_test(losses_in_a_row_pause_until_the_window_has_passed),
		cmocka_unit_test(only_losses_at_the_stop_count_for_the_guard),
		cmocka_unit_test(what_was_read_back_counts_like_what_was_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
