#include "unit.h"

#include "generator/sequence.h"

#define RUN	3000
#define ROUNDS	300

static unsigned random_state = 1;

static unsigned
dice(unsigned sides)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % sides;
}

/* Its quantity tells the id again. */
static struct trade
trade(int64_t id)
{
	return (struct trade){ .id = id, .time_us = id < 10000 ? id * 1000 : 0, .price = { 100, 0 }, .quantity = { id, 0 } };
}

static enum sequence_put
put(struct sequence *s, int64_t id)
{
	struct trade	 t = trade(id);

	return sequence_put(s, &t);
}

static void
assert_takes(struct sequence *s, int64_t from, int64_t to)
{
	struct trade	 t;

	for (int64_t id = from; id <= to; id++) {
		assert_true(sequence_take(s, &t));
		assert_int_equal(t.id, id);
		assert_int_equal(t.quantity.units, id);
	}
	assert_false(sequence_take(s, &t));
}

static void
assert_missing(const struct sequence *s, int64_t from, int64_t to)
{
	int64_t	 a, b;

	assert_true(sequence_missing(s, &a, &b));
	assert_int_equal(a, from);
	assert_int_equal(b, to);
}

static void
assert_whole(const struct sequence *s)
{
	int64_t	 a, b;

	assert_false(sequence_missing(s, &a, &b));
}

static void
trades_in_order_pass_through(void **state)
{
	struct sequence	*s = sequence_new();

	(void)state;
	sequence_start(s, 7);
	for (int64_t id = 7; id < 5000; id++) {
		assert_int_equal(put(s, id), SEQUENCE_TAKEN);
		assert_whole(s);
		assert_takes(s, id, id);
	}
	assert_int_equal(sequence_next_id(s), 5000);
	assert_int_equal(sequence_held(s), 0);
	assert_int_equal(put(s, 4999), SEQUENCE_DUPLICATE);
	sequence_free(s);
}

static void
a_hole_holds_back_until_it_is_filled(void **state)
{
	struct sequence	*s = sequence_new();

	(void)state;
	sequence_start(s, 1);
	put(s, 1);
	put(s, 5);
	put(s, 6);
	assert_int_equal(put(s, 6), SEQUENCE_DUPLICATE);
	assert_takes(s, 1, 1);
	assert_missing(s, 2, 4);
	put(s, 4);
	assert_missing(s, 2, 3);
	put(s, 2);
	assert_takes(s, 2, 2);
	assert_missing(s, 3, 3);
	put(s, 3);
	assert_whole(s);
	assert_takes(s, 3, 6);
	sequence_free(s);
}

static void
nothing_is_taken_before_the_next_is_known(void **state)
{
	struct sequence	*s = sequence_new();
	struct trade	 t;

	(void)state;
	assert_whole(s);
	put(s, 900);
	put(s, 899);
	assert_false(sequence_take(s, &t));
	assert_missing(s, 0, 898);
	sequence_start(s, 900);
	assert_int_equal(sequence_held(s), 1);
	assert_takes(s, 900, 900);
	put(s, 902);
	sequence_forget(s);
	assert_missing(s, 0, 901);
	sequence_free(s);
}

/* Any order, any repeats, pages that overlap what came live: each once, by rising id, and never one too early. */
static void
shuffles_come_out_in_order(void **state)
{
	struct sequence	*s;
	int64_t		 next, id, last, low;
	int		 in;
	struct trade	 t;
	static bool	 given[RUN + 1];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		s = sequence_new();
		next = 1;
		last = 1;
		for (id = 1; id <= RUN; id++)
			given[id] = false;
		sequence_start(s, 1);
		for (in = 0; in < 3 * RUN; in++) {
			/* Mostly near the front, now and then a page from behind. */
			if (dice(100) == 0)
				for (low = 1 + dice(RUN), id = low; id < low + 200 && id <= RUN; id++) {
					assert_int_equal(put(s, id), given[id] ? SEQUENCE_DUPLICATE : SEQUENCE_TAKEN);
					given[id] = true;
				}
			id = last + dice(20) - 4;
			id = id < 1 ? 1 : id > RUN ? RUN : id;
			last = last < RUN ? last + dice(2) : RUN;
			assert_int_equal(put(s, id), given[id] ? SEQUENCE_DUPLICATE : SEQUENCE_TAKEN);
			given[id] = true;
			if (dice(3) == 0)
				while (sequence_take(s, &t)) {
					assert_int_equal(t.id, next++);
					assert_true(given[t.id]);
				}
		}
		for (id = 1; id <= RUN; id++)
			put(s, id);
		assert_whole(s);
		assert_takes(s, next, RUN);
		assert_int_equal(sequence_held(s), 0);
		sequence_free(s);
	}
}

/* Without a known next id pages may come from new to old. */
static void
pages_downwards_are_held(void **state)
{
	struct sequence	*s = sequence_new();

	(void)state;
	for (int64_t high = 10000; high > 5000; high -= 1000)
		for (int64_t id = high; id > high - 1000; id--)
			assert_int_equal(put(s, id), SEQUENCE_TAKEN);
	assert_int_equal(sequence_first(s), 5001);
	assert_int_equal(sequence_last(s), 10000);
	sequence_start(s, 5500);
	assert_int_equal(sequence_held(s), 4501);
	assert_takes(s, 5500, 10000);
	sequence_free(s);
}

static void
what_is_held_shows_where_to_begin(void **state)
{
	struct sequence	*s = sequence_new();

	(void)state;
	assert_false(sequence_join(s, 5000));	/* nothing does */
	put(s, 7);
	assert_false(sequence_join(s, 5000));	/* 5 and 6 may be wanted, too */
	put(s, 6);
	put(s, 5);
	assert_false(sequence_join(s, 5000));
	put(s, 4);
	assert_true(sequence_join(s, 5000));
	assert_int_equal(sequence_next_id(s), 5);
	assert_takes(s, 5, 7);
	sequence_free(s);

	s = sequence_new();
	put(s, 4);
	put(s, 6);
	assert_false(sequence_join(s, 5000));	/* a hole just there */
	assert_true(sequence_join(s, 9000));	/* all are before it */
	assert_int_equal(sequence_next_id(s), 7);
	assert_int_equal(sequence_held(s), 0);
	assert_int_equal(put(s, 6), SEQUENCE_DUPLICATE);
	sequence_free(s);

	s = sequence_new();
	put(s, 1);
	put(s, 3);
	put(s, 4);
	assert_true(sequence_join(s, 4000));	/* the hole lies before */
	assert_int_equal(sequence_next_id(s), 4);
	sequence_free(s);
}

static void
it_is_bounded_and_keeps_the_newest(void **state)
{
	struct sequence	*s = sequence_new();
	int64_t		 id, overflows = 0;

	(void)state;
	sequence_start(s, 1);
	for (id = 2; id < 4 * SEQUENCE_WINDOW; id++) {		/* 1 never comes */
		if (put(s, id) == SEQUENCE_OVERFLOW) {
			overflows++;
			assert_int_equal(sequence_next_id(s), 0);
		}
		assert_true(sequence_held(s) <= SEQUENCE_WINDOW);
		assert_int_equal(sequence_last(s), id);
	}
	assert_true(overflows >= 1 && overflows < 10);
	assert_true(sequence_held(s) >= SEQUENCE_WINDOW / 2);
	/* What is held is whole. */
	id = sequence_first(s);
	sequence_start(s, id);
	assert_takes(s, id, 4 * SEQUENCE_WINDOW - 1);
	sequence_free(s);
}

/* One wrong id, near or far, up or down, does not stop the market for good. */
static void
a_wild_id_is_survived(void **state)
{
	static const int64_t	 wild[] = { 1, 900000000, SEQUENCE_ID_MAX, 1000000 + SEQUENCE_WINDOW, 1000000 - SEQUENCE_WINDOW - 1 };
	struct sequence		*s;
	int64_t			 id;

	(void)state;
	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		s = sequence_new();
		sequence_start(s, 999990);
		for (id = 999990; id < 1000000; id++)
			put(s, id);
		assert_takes(s, 999990, 999999);
		assert_int_equal(put(s, wild[i]), SEQUENCE_OVERFLOW);
		for (id = 1000000; id < 1000100; id++)
			put(s, id);
		sequence_start(s, 1000000);
		assert_takes(s, 1000000, 1000099);
		sequence_free(s);
	}
}

/* A start far below what is held cannot keep it. */
static void
a_start_far_away_drops_what_is_held(void **state)
{
	struct sequence	*s = sequence_new();

	(void)state;
	put(s, 1000000);
	sequence_start(s, 10);
	assert_int_equal(sequence_held(s), 0);
	put(s, 10);
	assert_takes(s, 10, 10);
	sequence_start(s, 50);
	assert_int_equal(put(s, 49), SEQUENCE_DUPLICATE);
	sequence_free(s);
	sequence_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(trades_in_order_pass_through),
		cmocka_unit_test(a_hole_holds_back_until_it_is_filled),
		cmocka_unit_test(nothing_is_taken_before_the_next_is_known),
		cmocka_unit_test(shuffles_come_out_in_order),
		cmocka_unit_test(pages_downwards_are_held),
		cmocka_unit_test(what_is_held_shows_where_to_begin),
		cmocka_unit_test(it_is_bounded_and_keeps_the_newest),
		cmocka_unit_test(a_wild_id_is_survived),
		cmocka_unit_test(a_start_far_away_drops_what_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
