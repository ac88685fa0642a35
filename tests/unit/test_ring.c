#include "tests/unit/unit.h"

#include <stdio.h>

#include "relay/change.h"
#include "relay/ring.h"

static size_t
push(struct ring *r, int64_t seq)
{
	char		 text[80];
	const char	*why = NULL;
	struct change	*c;
	size_t		 len;

	snprintf(text, sizeof(text), "{\"seq\":%lld,\"kind\":\"opened\",\"record\":{}}", (long long)seq);
	c = change_parse(text, "e.1", &why);
	assert_non_null(c);
	len = c->frame_len;
	ring_push(r, c);
	change_unref(c);
	return len;
}

static void
a_seq_is_found_across_gaps(void **state)
{
	struct ring	*r = ring_new(8, 1 << 20);

	(void)state;
	ring_clear(r, 10);
	push(r, 11);
	push(r, 14);
	push(r, 20);
	assert_int_equal(ring_at(r, ring_find(r, 10))->seq, 11);
	assert_int_equal(ring_at(r, ring_find(r, 11))->seq, 14);
	assert_int_equal(ring_at(r, ring_find(r, 12))->seq, 14);
	assert_int_equal(ring_at(r, ring_find(r, 19))->seq, 20);
	assert_int_equal(ring_find(r, 20), ring_head(r));
	assert_int_equal(ring_find(r, 99), ring_head(r));
	assert_int_equal(ring_newest(r), 20);
	ring_free(r);
}

static void
it_says_honestly_what_it_covers(void **state)
{
	struct ring	*r = ring_new(3, 1 << 20);

	(void)state;
	ring_clear(r, 10);
	assert_true(ring_covers(r, 10));
	assert_false(ring_covers(r, 9));
	for (int64_t seq = 11; seq <= 15; seq++)
		push(r, seq);
	assert_int_equal(ring_head(r) - ring_tail(r), 3);
	assert_int_equal(ring_floor(r), 12);
	assert_true(ring_covers(r, 12));
	assert_false(ring_covers(r, 11));
	assert_int_equal(ring_at(r, ring_find(r, 12))->seq, 13);
	ring_free(r);
}

static void
bytes_bound_it_too_but_the_newest_stays(void **state)
{
	struct ring	*r = ring_new(100, 200);
	size_t		 len = push(r, 100), fit = 200 / len;

	(void)state;
	for (int64_t seq = 101; seq < 150; seq++)
		push(r, seq);
	assert_int_equal(ring_head(r) - ring_tail(r), fit);
	assert_int_equal(ring_bytes_held(r), fit * len);
	assert_int_equal(ring_bytes_before(r, ring_head(r)), 50 * len);
	assert_int_equal(ring_bytes_before(r, ring_head(r) - 1), 49 * len);
	ring_free(r);

	r = ring_new(100, 1);
	push(r, 1);
	push(r, 2);
	assert_int_equal(ring_head(r) - ring_tail(r), 1);
	assert_int_equal(ring_at(r, ring_tail(r))->seq, 2);
	ring_free(r);
}

static void
positions_go_on_after_it_is_cleared(void **state)
{
	struct ring	*r = ring_new(4, 1 << 20);
	uint64_t	 head;

	(void)state;
	push(r, 1);
	push(r, 2);
	head = ring_head(r);
	ring_clear(r, 500);
	assert_int_equal(ring_head(r), head);
	assert_int_equal(ring_tail(r), head);
	assert_int_equal(ring_newest(r), 500);
	assert_int_equal(ring_bytes_held(r), 0);
	push(r, 501);
	assert_int_equal(ring_at(r, head)->seq, 501);
	ring_free(r);
}

static void
an_evicted_event_lives_on_while_somebody_holds_it(void **state)
{
	struct ring	*r = ring_new(1, 1 << 20);
	struct change	*held;

	(void)state;
	push(r, 1);
	held = change_ref(ring_at(r, ring_tail(r)));
	push(r, 2);
	assert_int_equal(held->seq, 1);
	assert_int_equal(held->refs, 1);
	change_unref(held);
	ring_free(r);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_seq_is_found_across_gaps),
		cmocka_unit_test(it_says_honestly_what_it_covers),
		cmocka_unit_test(bytes_bound_it_too_but_the_newest_stays),
		cmocka_unit_test(positions_go_on_after_it_is_cleared),
		cmocka_unit_test(an_evicted_event_lives_on_while_somebody_holds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
