#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "generator/builder.h"

#define MINUTE		INT64_C(60000000)
#define SECOND		INT64_C(1000000)
#define T0		(INT64_C(1767225600) * SECOND)	/* 2026-01-01 */
#define GRACE		(2 * SECOND)
#define TRADES		6000
#define CANDLES_MAX	4000

static unsigned random_state = 1;

static unsigned
dice(unsigned sides)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % sides;
}

static struct trade
trade(int64_t id, int64_t time_us, int64_t price, int64_t quantity)
{
	return (struct trade){ .time_us = time_us, .id = id, .price = { price, 0 }, .quantity = { quantity, 0 } };
}

static void
assert_candle(const struct candle *c, int64_t open_us, int64_t open, int64_t high, int64_t low, int64_t close,
    int64_t volume, int64_t trades)
{
	assert_int_equal(c->open_us, open_us);
	assert_int_equal(c->open.units, open);
	assert_int_equal(c->high.units, high);
	assert_int_equal(c->low.units, low);
	assert_int_equal(c->close.units, close);
	assert_int_equal(c->volume.units, volume);
	assert_int_equal(c->trades, trades);
}

static void
assert_same_candles(const struct candle *a, int na, const struct candle *b, int nb)
{
	assert_int_equal(na, nb);
	for (int i = 0; i < na; i++) {
		assert_int_equal(a[i].open_us, b[i].open_us);
		assert_int_equal(decimal_compare(a[i].open, b[i].open), 0);
		assert_int_equal(decimal_compare(a[i].high, b[i].high), 0);
		assert_int_equal(decimal_compare(a[i].low, b[i].low), 0);
		assert_int_equal(decimal_compare(a[i].close, b[i].close), 0);
		assert_int_equal(decimal_compare(a[i].volume, b[i].volume), 0);
		assert_int_equal(a[i].trades, b[i].trades);
		assert_int_equal(a[i].source, b[i].source);
	}
}

/* Trades -> candles */

static void
a_trade_of_a_later_interval_closes_the_candle(void **state)
{
	struct builder	*b = builder_new(TF_1M, GRACE, SOURCE_TRADES);
	struct candle	 c;
	struct trade	 t[] = {
		trade(1, T0 + 1, 100, 1), trade(2, T0 + 2, 105, 2), trade(3, T0 + 2, 95, 3), trade(4, T0 + MINUTE - 1, 101, 4),
		/* On the boundary: it belongs to the new one. */
		trade(5, T0 + MINUTE, 110, 5), trade(6, T0 + 5 * MINUTE, 111, 6),
	};

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(builder_trade(b, &t[i], &c), 0);
	assert_int_equal(builder_trade(b, &t[4], &c), 1);
	assert_candle(&c, T0, 100, 105, 95, 101, 10, 4);
	assert_int_equal(c.source, SOURCE_TRADES);
	assert_int_equal(builder_trade(b, &t[5], &c), 1);
	assert_candle(&c, T0 + MINUTE, 110, 110, 110, 110, 5, 1);
	assert_int_equal(builder_counts(b)->trades, 6);
	builder_free(b);
}

static void
the_clock_closes_a_candle_after_its_grace(void **state)
{
	struct builder	*b = builder_new(TF_1M, GRACE, SOURCE_WS);
	struct candle	 c;
	struct trade	 t = trade(1, T0 + 10, 100, 1), in_grace = trade(2, T0 + 20, 102, 1), late = trade(3, T0 + 30, 200, 1);

	(void)state;
	assert_int_equal(builder_clock(b, T0 + 10 * MINUTE, &c), 0);
	assert_int_equal(builder_trade(b, &t, &c), 0);
	assert_int_equal(builder_clock(b, T0 + MINUTE + GRACE - 1, &c), 0);
	assert_int_equal(builder_trade(b, &in_grace, &c), 0);
	assert_int_equal(builder_clock(b, T0 + MINUTE + GRACE, &c), 1);
	assert_candle(&c, T0, 100, 102, 100, 102, 2, 2);
	assert_int_equal(builder_clock(b, T0 + 2 * MINUTE + GRACE, &c), 0);
	assert_int_equal(builder_trade(b, &late, &c), 0);
	assert_int_equal(builder_counts(b)->late, 1);
	assert_int_equal(builder_clock(b, T0 + 9 * MINUTE, &c), 0);
	builder_free(b);
}

static void
open_and_close_go_by_id_not_by_arrival(void **state)
{
	struct builder	*b = builder_new(TF_1M, GRACE, SOURCE_WS);
	struct candle	 c;
	struct trade	 t[] = {
		trade(12, T0 + 5, 102, 1), trade(10, T0 + 5, 100, 1), trade(14, T0 + 4, 104, 1), trade(11, T0 + 5, 101, 1),
		trade(10, T0 + 5, 999, 1), trade(14, T0 + 4, 999, 1), trade(13, T0 + 3, 103, 1), trade(15, T0 + MINUTE, 1, 1),
	};

	(void)state;
	for (int i = 0; i < 7; i++)
		assert_int_equal(builder_trade(b, &t[i], &c), 0);
	assert_int_equal(builder_trade(b, &t[7], &c), 1);
	assert_candle(&c, T0, 100, 104, 100, 104, 5, 5);
	assert_int_equal(builder_counts(b)->duplicates, 2);
	builder_free(b);
}

static void
ids_are_told_apart_within_the_window_only(void **state)
{
	struct builder	*b = builder_new(TF_1M, GRACE, SOURCE_WS);
	struct candle	 c;
	struct trade	 t;
	/* The third is the oldest that the window holds, the fourth lies one before it; 6 and 7 follow a jump. */
	const int64_t	 ids[] = { 5, 5000, 5000 - BUILDER_ID_WINDOW + 1, 5000 - BUILDER_ID_WINDOW, 5000, 1000000, 999999, 999999 };
	const unsigned	 duplicates[] = { 0, 0, 0, 1, 2, 2, 2, 3 };

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		t = trade(ids[i], T0, 100, 1);
		assert_int_equal(builder_trade(b, &t, &c), 0);
		assert_int_equal(builder_counts(b)->duplicates, duplicates[i]);
	}
	builder_free(b);
}

/* One id out of the far future must not make duplicates of all that follow. */
static void
one_wrong_id_does_not_stop_the_market(void **state)
{
	struct builder	*b = builder_new(TF_1M, GRACE, SOURCE_TRADES);
	struct candle	 c;
	struct trade	 t;

	(void)state;
	for (int i = 0; i < 10; i++) {
		t = trade(100 + i, T0 + i * SECOND, 10, 1);
		assert_int_equal(builder_trade(b, &t, &c), 0);
	}
	t = trade(INT64_MAX, T0 + 10 * SECOND, 11, 1);
	assert_int_equal(builder_trade(b, &t, &c), 0);
	t = trade(105, T0 + 5 * SECOND, 10, 1);		/* a repeat is one still */
	assert_int_equal(builder_trade(b, &t, &c), 0);
	assert_int_equal(builder_counts(b)->duplicates, 1);
	for (int i = 0; i < 10; i++) {
		t = trade(110 + i, T0 + (11 + i) * SECOND, 12, 1);
		assert_int_equal(builder_trade(b, &t, &c), 0);
	}
	assert_int_equal(builder_counts(b)->duplicates, 1);
	assert_int_equal(builder_counts(b)->trades, 21);
	assert_int_equal(builder_clock(b, T0 + MINUTE + GRACE, &c), 1);
	assert_int_equal(c.trades, 21);
	builder_free(b);
}

static void
nothing_before_the_restart_counts(void **state)
{
	struct builder	*b = builder_new(TF_1M, GRACE, SOURCE_WS);
	struct candle	 c;
	struct trade	 before = trade(1, T0 + MINUTE - 1, 1, 1), after = trade(2, T0 + MINUTE, 100, 1);

	(void)state;
	builder_start_at(b, T0 + MINUTE);
	assert_int_equal(builder_trade(b, &before, &c), 0);
	assert_int_equal(builder_counts(b)->late, 1);
	assert_int_equal(builder_trade(b, &after, &c), 0);
	assert_int_equal(builder_clock(b, T0 + 3 * MINUTE, &c), 1);
	assert_candle(&c, T0 + MINUTE, 100, 100, 100, 100, 1, 1);
	builder_free(b);
}

/* A market with quiet minutes: ids rise, times never fall. */
static void
make_market(struct trade *t)
{
	int64_t	 time_us = T0 + 7 * MINUTE, price = 100000;

	for (int i = 0; i < TRADES; i++) {
		time_us += dice(100) == 0 ? dice(8) * MINUTE + dice(60) * SECOND : dice(4) * SECOND + dice(2) * 1000;
		price += (int64_t)dice(201) - 100;
		t[i] = (struct trade){ .time_us = time_us, .id = 1000 + i, .price = { price, 2 }, .quantity = { 1 + dice(5000), 3 } };
	}
}

/* The candles of ordered trades, bucket by bucket, without the last one (nothing closes it). */
static int
brute_force(const struct trade *t, int count, enum timeframe tf, struct candle *out)
{
	int	 n = 0;

	for (int i = 0, j; i < count; i = j) {
		struct candle	*c = &out[n];
		int64_t		 volume = 0, high = 0, low = INT64_MAX;

		for (j = i; j < count && t[j].time_us / timeframe_us(tf) == t[i].time_us / timeframe_us(tf); j++) {
			volume += t[j].quantity.units;
			high = t[j].price.units > high ? t[j].price.units : high;
			low = t[j].price.units < low ? t[j].price.units : low;
		}
		*c = (struct candle){
			.open_us = t[i].time_us / timeframe_us(tf) * timeframe_us(tf), .open = t[i].price, .high = { high, 2 },
			.low = { low, 2 }, .close = t[j - 1].price, .volume = { volume, 3 }, .trades = j - i, .source = SOURCE_TRADES
		};
		if (j < count)
			n++;
	}
	return n;
}

static int
build(const struct trade *t, int count, struct candle *out, struct builder_counts *counts)
{
	struct builder	*b = builder_new(TF_1M, GRACE, SOURCE_TRADES);
	int		 n = 0;

	for (int i = 0; i < count; i++)
		n += builder_trade(b, &t[i], &out[n]);
	*counts = *builder_counts(b);
	builder_free(b);
	return n;
}

static void
disorder_within_a_candle_and_repeats_change_nothing(void **state)
{
	static struct trade	 t[TRADES], messy[3 * TRADES];
	static struct candle	 want[CANDLES_MAX], got[CANDLES_MAX];
	struct builder_counts	 counts;
	int			 n_want, messy_count, late, repeats;

	(void)state;
	for (int round = 0; round < 20; round++) {
		make_market(t);
		n_want = brute_force(t, TRADES, TF_1M, want);
		messy_count = late = repeats = 0;
		for (int i = 0, j; i < TRADES; i = j) {
			int	 first = messy_count, k;

			for (j = i; j < TRADES && t[j].time_us / MINUTE == t[i].time_us / MINUTE; j++)
				messy[messy_count++] = t[j];
			for (int m = messy_count - 1; m > first; m--) {
				struct trade	 swap = messy[m];

				k = first + (int)dice((unsigned)(m - first + 1));
				messy[m] = messy[k];
				messy[k] = swap;
			}
			/* Some of this minute again, and one that was missing in an earlier minute. */
			for (k = (int)dice(4); k > 0; k--, repeats++, messy_count++)
				messy[messy_count] = messy[first + (int)dice((unsigned)(messy_count - first))];
			if (i > 0 && dice(3) == 0 && late < 500) {
				messy[messy_count] = t[0];
				messy[messy_count++].id = 400 + late++;
			}
		}
		assert_same_candles(want, n_want, got, build(messy, messy_count, got, &counts));
		assert_int_equal(counts.trades, TRADES);
		/* A late id that has left the window counts as a duplicate. */
		assert_int_equal(counts.late + counts.duplicates, late + repeats);
	}
}

/* Holes */

static void
a_short_hole_is_filled_and_a_long_one_is_not(void **state)
{
	struct filler	 f;
	struct candle	 c = { .open_us = T0, .close = { 5, 1 }, .source = SOURCE_WS }, filled;

	(void)state;
	filler_init(&f, TF_1M, 3);
	assert_false(filler_next(&f, &c, &filled));
	filler_done(&f, &c);
	c.open_us = T0 + 4 * MINUTE;
	for (int i = 1; i <= 3; i++) {
		assert_true(filler_next(&f, &c, &filled));
		assert_int_equal(filled.open_us, T0 + i * MINUTE);
		assert_int_equal(decimal_compare(filled.open, (struct decimal){ 5, 1 }), 0);
		assert_int_equal(decimal_compare(filled.close, (struct decimal){ 5, 1 }), 0);
		assert_int_equal(filled.volume.units, 0);
		assert_int_equal(filled.trades, 0);
		assert_int_equal(filled.source, SOURCE_FILLED);
	}
	assert_false(filler_next(&f, &c, &filled));
	filler_done(&f, &c);
	c.open_us = T0 + 9 * MINUTE;
	assert_false(filler_next(&f, &c, &filled));
	filler_done(&f, &c);
	c.open_us = T0 + 10 * MINUTE;
	assert_false(filler_next(&f, &c, &filled));
	filler_done(&f, &c);
	c.open_us = T0;		/* backwards: the caller's mistake fills nothing */
	assert_false(filler_next(&f, &c, &filled));
}

/* Higher timeframes */

static struct candle
minute(int index, int64_t price)
{
	return (struct candle){
		.open_us = T0 + index * MINUTE, .open = { price, 0 }, .high = { price + 2, 0 }, .low = { price - 2, 0 },
		.close = { price + 1, 0 }, .volume = { 1, 0 }, .trades = 2, .source = SOURCE_FILE
	};
}

static void
a_higher_candle_closes_with_its_last_base_candle(void **state)
{
	struct aggregator	 a;
	struct candle		 c, closed[2];

	(void)state;
	aggregator_init(&a, TF_1M, TF_5M);
	for (int i = 0; i < 10; i++) {
		c = minute(i, 100 + i);
		assert_int_equal(aggregator_add(&a, &c, closed), i % 5 == 4);
		if (i % 5 == 4)
			assert_candle(&closed[0], T0 + (i - 4) * MINUTE, 96 + i, 102 + i, 94 + i, 101 + i, 5, 10);
	}
	assert_int_equal(closed[0].source, SOURCE_FILE);
	assert_int_equal(aggregator_add(&a, &c, closed), 0);	/* again */
}

static void
a_hole_closes_the_interval_before_it(void **state)
{
	struct aggregator	 a;
	struct candle		 c, closed[2];

	(void)state;
	aggregator_init(&a, TF_1M, TF_5M);
	c = minute(0, 100);
	assert_int_equal(aggregator_add(&a, &c, closed), 0);
	c = minute(3, 100);
	assert_int_equal(aggregator_add(&a, &c, closed), 0);
	/* Two at once: the first five minutes lack their end, the other five all but theirs. */
	c = minute(9, 200);
	assert_int_equal(aggregator_add(&a, &c, closed), 2);
	assert_candle(&closed[0], T0, 100, 102, 98, 101, 2, 4);
	assert_candle(&closed[1], T0 + 5 * MINUTE, 200, 202, 198, 201, 1, 2);
}

static void
a_beginning_never_seen_is_not_made_up(void **state)
{
	struct aggregator	 a;
	struct candle		 c, closed[2];
	int			 count = 0;

	(void)state;
	aggregator_init(&a, TF_1M, TF_5M);
	for (int i = 2; i < 10; i++) {
		c = minute(i, 100);
		count += aggregator_add(&a, &c, closed);
	}
	assert_int_equal(count, 1);
	assert_int_equal(closed[0].open_us, T0 + 5 * MINUTE);
	aggregator_init(&a, TF_1M, TF_5M);
	c = minute(4, 100);
	assert_int_equal(aggregator_add(&a, &c, closed), 0);
	c = minute(12, 100);
	assert_int_equal(aggregator_add(&a, &c, closed), 0);
	c = minute(15, 100);
	assert_int_equal(aggregator_add(&a, &c, closed), 1);
}

static void
filled_candles_only_keep_time(void **state)
{
	struct aggregator	 a;
	struct candle		 c, closed[2];

	(void)state;
	aggregator_init(&a, TF_1M, TF_5M);
	for (int i = 0; i < 10; i++) {
		c = minute(i, i == 2 ? 100 : 50);
		if (i != 2) {
			c.high = c.low = c.close = c.open;
			c.source = SOURCE_FILLED;
			c.volume.units = c.trades = 0;
		}
		if (aggregator_add(&a, &c, closed) == 0)
			continue;
		assert_int_equal(closed[0].source, i == 4 ? SOURCE_FILE : SOURCE_FILLED);
		if (i == 4)
			assert_candle(&closed[0], T0, 100, 102, 98, 101, 1, 2);
		else
			assert_candle(&closed[0], T0 + 5 * MINUTE, 50, 50, 50, 50, 0, 0);
	}
}

static void
unknown_trades_stay_unknown(void **state)
{
	struct aggregator	 a;
	struct candle		 c, closed[2] = { { 0 } };

	(void)state;
	aggregator_init(&a, TF_1M, TF_3M);
	for (int i = 0; i < 3; i++) {
		c = minute(i, 100);
		c.trades = i == 1 ? -1 : 5;
		aggregator_add(&a, &c, closed);
	}
	assert_int_equal(closed[0].trades, -1);
}

/* Trades -> filled base candles, and their higher candles from the `from`th base candle on. */
static int
aggregate(const struct candle *base, int count, int from, enum timeframe tf, struct candle *out)
{
	struct aggregator	 a;
	int			 n = 0;

	aggregator_init(&a, TF_1M, tf);
	for (int i = from; i < count; i++)
		n += aggregator_add(&a, &base[i], &out[n]);
	return n;
}

static void
higher_candles_are_those_of_the_trades_wherever_one_begins(void **state)
{
	static struct trade	 t[TRADES];
	static struct candle	 base[CANDLES_MAX], all[2 * CANDLES_MAX], want[CANDLES_MAX], got[CANDLES_MAX], again[CANDLES_MAX];
	struct builder_counts	 counts;
	struct filler		 f;
	struct candle		 filled;
	int			 n_base, n_all = 0, n_want, n_got, n_again, real = 0;

	(void)state;
	make_market(t);
	n_base = build(t, TRADES, base, &counts);
	filler_init(&f, TF_1M, 1000);
	for (int i = 0; i < n_base; i++) {
		while (filler_next(&f, &base[i], &filled))
			all[n_all++] = filled;
		all[n_all++] = base[i];
		filler_done(&f, &base[i]);
	}
	assert_true(n_all > n_base);
	for (enum timeframe tf = TF_3M; tf <= TF_30M; tf++) {
		n_want = brute_force(t, TRADES, tf, want);
		n_got = aggregate(all, n_all, 0, tf, got);
		/* The market begins at 00:07: the first one has no beginning, filled ones come extra. */
		assert_true(got[0].open_us == want[1].open_us);
		real = 1;
		for (int i = 0; i < n_got; i++)
			if (got[i].source != SOURCE_FILLED)
				assert_same_candles(&want[real++], 1, &got[i], 1);
		assert_in_range(real, n_want - 1, n_want);
		for (int i = 1; i < n_all; i += 7) {
			int64_t	 from_us = timeframe_open_us(tf, all[i].open_us);
			int	 skip = 0;

			n_again = aggregate(all, n_all, i, tf, again);
			if (all[i].open_us != from_us)
				from_us += timeframe_us(tf);
			while (skip < n_got && got[skip].open_us < from_us)
				skip++;
			assert_same_candles(got + skip, n_got - skip, again, n_again);
		}
	}
}

/* Recorded trades: price in 1/100, amount in 1/1000, as the file has them. */

static FILE *
open_data(const char *name)
{
	const char	*dir = getenv("TOCSIN_DATA");
	char		 path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : "../shared/data", name);
	return fopen(path, "re");
}

static int64_t
hundredths(const char *text, int digits)
{
	char	 buf[64];

	snprintf(buf, sizeof(buf), "%.*f", digits, strtod(text, NULL));
	memmove(strchr(buf, '.'), strchr(buf, '.') + 1, strlen(strchr(buf, '.')));
	return strtoll(buf, NULL, 10);
}

static void
recorded_trades_give_the_candles_of_a_plain_loop(void **state)
{
	static struct trade	 t[2000];
	static struct candle	 want[100], got[100];
	struct builder_counts	 counts;
	FILE			*file = open_data("ethusdt_trades_20230202.csv");
	char			 line[500], *field[9], *rest;
	int			 n = 0;

	(void)state;
	if (file == NULL)
		skip();
	assert_non_null(fgets(line, sizeof(line), file));
	while (fgets(line, sizeof(line), file) != NULL) {
		rest = line;
		for (int i = 0; i < 9; i++)
			field[i] = strsep(&rest, ",");
		t[n++] = (struct trade){
			.time_us = strtoll(field[1], NULL, 10) * 1000, .id = strtoll(field[2], NULL, 10),
			.price = { hundredths(field[5], 2), 2 }, .quantity = { hundredths(field[6], 3), 3 }
		};
	}
	fclose(file);
	assert_int_equal(n, 1000);
	assert_same_candles(want, brute_force(t, n, TF_1M, want), got, build(t, n, got, &counts));
	assert_int_equal(counts.duplicates + counts.late, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trade_of_a_later_interval_closes_the_candle),
		cmocka_unit_test(the_clock_closes_a_candle_after_its_grace),
		cmocka_unit_test(open_and_close_go_by_id_not_by_arrival),
		cmocka_unit_test(ids_are_told_apart_within_the_window_only),
		cmocka_unit_test(one_wrong_id_does_not_stop_the_market),
		cmocka_unit_test(nothing_before_the_restart_counts),
		cmocka_unit_test(disorder_within_a_candle_and_repeats_change_nothing),
		cmocka_unit_test(a_short_hole_is_filled_and_a_long_one_is_not),
		cmocka_unit_test(a_higher_candle_closes_with_its_last_base_candle),
		cmocka_unit_test(a_hole_closes_the_interval_before_it),
		cmocka_unit_test(a_beginning_never_seen_is_not_made_up),
		cmocka_unit_test(filled_candles_only_keep_time),
		cmocka_unit_test(unknown_trades_stay_unknown),
		cmocka_unit_test(higher_candles_are_those_of_the_trades_wherever_one_begins),
		cmocka_unit_test(recorded_trades_give_the_candles_of_a_plain_loop),
	};

	return cmocka_run_group_tests_name("builder", tests, NULL, NULL);
}
