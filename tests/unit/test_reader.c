#include "tests/unit/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "relay/change.h"
#include "relay/cursor.h"
#include "relay/history.h"
#include "relay/listener.h"
#include "relay/reader.h"
#include "relay/ring.h"
#include "relay/stats.h"

#define EPOCH		"e.1"
#define SECOND_US	INT64_C(1000000)
#define RING_EVENTS	8

/* In place of listener.c and history.c: a log that may be known, and questions that the tests answer. */

struct batch {
	unsigned	 refs;
	size_t		 count;
	struct change	*items[16];
};

static bool	 log_is_known, others_wait;	/* for room in history */
static struct {
	bool		 waiting;
	int64_t		 seq;		/* -1: a snapshot */
	history_cb	 cb;
	void		*arg;
} asked;

const char *
listener_epoch(const struct listener *l)
{
	(void)l;
	return EPOCH;
}

bool
listener_continues(const struct listener *l, const struct cursor *c)
{
	(void)l;
	return c->epoch[0] == '\0' || strcmp(c->epoch, EPOCH) == 0;
}

bool
listener_has_begun(const struct listener *l)
{
	(void)l;
	return log_is_known;
}

struct history_ask *
history_page(struct history *h, int64_t seq, history_cb cb, void *arg)
{
	(void)h;
	assert_false(asked.waiting);
	asked.waiting = true;
	asked.seq = seq;
	asked.cb = cb;
	asked.arg = arg;
	return (struct history_ask *)(void *)&asked;
}

struct history_ask *
history_snapshot(struct history *h, history_cb cb, void *arg)
{
	return history_page(h, -1, cb, arg);
}

void
history_cancel(struct history_ask *a)
{
	(void)a;
	asked.waiting = false;
}

bool
history_is_short(const struct history *h)
{
	(void)h;
	return others_wait;
}

struct batch *
batch_ref(struct batch *b)
{
	b->refs++;
	return b;
}

void
batch_unref(struct batch *b)
{
	if (b == NULL || --b->refs > 0)
		return;
	for (size_t i = 0; i < b->count; i++)
		change_unref(b->items[i]);
	free(b);
}

size_t
batch_count(const struct batch *b)
{
	return b->count;
}

struct change *
batch_at(const struct batch *b, size_t i)
{
	return b->items[i];
}

/* The fixture: a reader whose callbacks are written down. */

static struct stats		 stats;
static struct reader_context	 context;
static struct reader		*reader;
static char			 calls[256];
static bool			 only_even;

static void
note(const char *format, ...)
{
	va_list	 args;
	size_t	 len = strlen(calls);

	va_start(args, format);
	vsnprintf(calls + len, sizeof(calls) - len, format, args);
	va_end(args);
}

static void
begun_cb(void *arg)
{
	(void)arg;
	note("begun %" PRId64 ";", reader_seq(reader));
}

static void
ready_cb(void *arg)
{
	(void)arg;
	note("ready;");
}

static void
reset_cb(const char *reason, int64_t seq, void *arg)
{
	(void)arg;
	note("reset %s %" PRId64 ";", reason, seq);
}

static void
snapshot_done_cb(int64_t seq, void *arg)
{
	(void)arg;
	note("done %" PRId64 ";", seq);
}

static bool
wants_cb(const struct change *c, void *arg)
{
	(void)arg;
	return !only_even || c->seq % 2 == 0;
}

static const struct reader_handler handler = { begun_cb, ready_cb, reset_cb, snapshot_done_cb, wants_cb };

static void
assert_calls(const char *expected)
{
	assert_string_equal(calls, expected);
	calls[0] = '\0';
}

static int
begin(void **state)
{
	(void)state;
	log_is_known = true;
	only_even = others_wait = false;
	asked.waiting = false;
	calls[0] = '\0';
	context = (struct reader_context){ .ring = ring_new(RING_EVENTS, 1 << 20), .stats = &stats };
	ring_clear(context.ring, 100);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	reader_free(reader);
	ring_free(context.ring);
	return 0;
}

static void
start(const char *epoch, int64_t seq)
{
	struct cursor	 cursor = { .seq = seq };

	snprintf(cursor.epoch, sizeof(cursor.epoch), "%s", epoch);
	reader = reader_new(&context, &handler, NULL, seq < 0 ? NULL : &cursor);
	reader_begin(reader);
}

static struct change *
change(int64_t seq)
{
	char		 text[64];
	const char	*why = NULL;
	struct change	*c;

	snprintf(text, sizeof(text), "{\"seq\":%" PRId64 ",\"kind\":\"opened\"}", seq);
	c = change_parse(text, EPOCH, &why);
	assert_non_null(c);
	return c;
}

static void
push(int64_t first, int64_t last)
{
	for (int64_t seq = first; seq <= last; seq++) {
		struct change	*c = change(seq);

		ring_push(context.ring, c);
		change_unref(c);
	}
}

static void
answer(int64_t first, int64_t last, int64_t leads_to)
{
	struct history_answer	 a = { .batch = calloc(1, sizeof(struct batch)), .last_seq = leads_to };

	a.batch->refs = 1;
	for (int64_t seq = first; seq <= last; seq++)
		a.batch->items[a.batch->count++] = change(seq);
	assert_true(asked.waiting);
	asked.waiting = false;
	asked.cb(&a, asked.arg);
	batch_unref(a.batch);
}

/* What is gathered now, as text; none of it has passed yet. */
static const char *
gathered(size_t max)
{
	static char	 text[256];
	struct change	*changes[READER_GATHER_MAX];
	size_t		 count = reader_gather(reader, changes, max);

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%" PRId64, i == 0 ? "" : " ", changes[i]->seq);
	return text;
}

/* The tests */

static void
it_is_held_until_the_log_is_known_and_then_begins_where_that_ends(void **state)
{
	(void)state;
	log_is_known = false;
	start("", -1);
	assert_string_equal(gathered(8), "");
	reader_reset(reader, "log");
	assert_calls("");
	log_is_known = true;
	reader_begin(reader);
	reader_begin(reader);
	assert_calls("begun 100;ready;");
	push(101, 102);
	assert_false(reader_is_at_head(reader));
	assert_string_equal(gathered(8), "101 102");
}

static void
what_has_not_passed_is_gathered_again(void **state)
{
	(void)state;
	start(EPOCH, 100);
	push(101, 106);
	only_even = true;
	assert_string_equal(gathered(8), "102 104 106");
	assert_string_equal(gathered(2), "102 104");
	reader_passed(reader, 1);
	assert_int_equal(reader_seq(reader), 102);
	/* The other one is still gathered. */
	reader_passed(reader, 1);
	assert_int_equal(reader_seq(reader), 104);
	assert_true(reader_lag_bytes(reader) > 0);
	assert_string_equal(gathered(8), "106");
	reader_passed(reader, 1);
	assert_string_equal(gathered(8), "");
	assert_true(reader_is_at_head(reader));
	assert_int_equal(reader_lag_bytes(reader), 0);
}

static void
what_it_does_not_want_moves_it_on_too(void **state)
{
	(void)state;
	start(EPOCH, 100);
	only_even = true;
	push(101, 101);
	assert_string_equal(gathered(8), "");
	assert_int_equal(reader_seq(reader), 101);
	assert_true(reader_is_at_head(reader));
}

static void
a_page_is_stepped_into_where_the_reader_is_and_leads_to_the_ring(void **state)
{
	(void)state;
	start(EPOCH, 93);
	assert_calls("begun 93;ready;");
	assert_int_equal(asked.seq, 93);
	/* Somebody else's, who is not as far. */
	answer(90, 100, 100);
	assert_calls("ready;");
	assert_string_equal(gathered(3), "94 95 96");
	reader_passed(reader, 2);
	assert_string_equal(gathered(16), "96 97 98 99 100");
	reader_passed(reader, 5);
	push(101, 101);
	assert_false(reader_is_live(reader));
	assert_string_equal(gathered(16), "101");
	assert_true(reader_is_live(reader));
	assert_calls("");
}

static void
one_that_falls_off_the_ring_reads_on_from_its_place(void **state)
{
	(void)state;
	start(EPOCH, 100);
	push(101, 103);
	assert_string_equal(gathered(2), "101 102");
	reader_passed(reader, 2);
	assert_string_equal(gathered(2), "103");
	push(104, 120);
	/* Too late to say so. */
	reader_passed(reader, 1);
	assert_int_equal(reader_seq(reader), 102);
	assert_string_equal(gathered(2), "");
	assert_int_equal(asked.seq, 102);
	answer(103, 118, 118);
	assert_string_equal(gathered(16), "103 104 105 106 107 108 109 110 111 112 113 114 115 116 117 118");
	reader_passed(reader, 16);
	assert_string_equal(gathered(16), "119 120");
}

static void
a_page_that_nobody_takes_is_given_back_and_what_was_gathered_of_it_has_not_passed(void **state)
{
	int64_t	 now_us = clock_mono_us();

	(void)state;
	start(EPOCH, 90);
	answer(91, 100, 100);
	assert_string_equal(gathered(4), "91 92 93 94");
	reader_passed(reader, 1);
	assert_string_equal(gathered(1), "92");
	/* To pass is to take. */
	assert_true(reader_tick(reader, false, now_us += SECOND_US));
	assert_string_equal(gathered(1), "92");
	assert_true(reader_tick(reader, true, now_us += SECOND_US));
	assert_string_equal(gathered(1), "92");
	assert_true(reader_tick(reader, false, now_us += SECOND_US));
	reader_passed(reader, 1);
	assert_int_equal(reader_seq(reader), 91);
	assert_false(asked.waiting);
	assert_string_equal(gathered(1), "");
	assert_int_equal(asked.seq, 91);
}

static void
one_that_takes_a_little_now_and_then_does_not_hold_up_those_who_wait(void **state)
{
	int64_t	 now_us = clock_mono_us();

	(void)state;
	start(EPOCH, 90);
	answer(91, 100, 100);
	for (int i = 0; i < 20; i++)
		assert_true(reader_tick(reader, true, now_us += SECOND_US));
	assert_string_equal(gathered(2), "91 92");
	others_wait = true;
	assert_true(reader_tick(reader, true, now_us += SECOND_US));
	reader_passed(reader, 1);
	assert_int_equal(reader_seq(reader), 90);
	assert_string_equal(gathered(2), "");
	assert_int_equal(asked.seq, 90);
	reader_reset(reader, "log");
	answer(1, 2, 3);
	now_us = clock_mono_us();
	for (int i = 0; i < 9; i++)
		assert_true(reader_tick(reader, true, now_us += SECOND_US));
	assert_false(reader_tick(reader, true, now_us += 2 * SECOND_US));
	others_wait = false;
	assert_true(reader_tick(reader, true, now_us));
}

static void
a_reset_is_told_with_the_snapshot_and_its_end_with_the_place(void **state)
{
	(void)state;
	start("other.1", 7);
	assert_calls("begun 100;ready;");
	assert_int_equal(asked.seq, -1);
	answer(40, 42, 105);
	assert_calls("reset epoch 105;ready;");
	assert_true(reader_in_snapshot(reader));
	assert_string_equal(gathered(8), "40 41 42");
	reader_passed(reader, 3);
	/* It is no place in the log. */
	assert_int_equal(reader_seq(reader), 100);
	push(101, 106);
	assert_string_equal(gathered(8), "106");
	assert_calls("done 105;");
	assert_false(reader_in_snapshot(reader));
}

static void
a_reset_in_the_middle_begins_anew_and_a_snapshot_that_stalls_is_told(void **state)
{
	int64_t	 now_us = clock_mono_us();

	(void)state;
	start(EPOCH, 90);
	answer(91, 100, 100);
	calls[0] = '\0';
	assert_string_equal(gathered(2), "91 92");
	reader_reset(reader, "log");
	reader_passed(reader, 2);
	assert_int_equal(reader_seq(reader), 90);
	answer(1, 2, 3);
	assert_calls("reset log 3;ready;");
	assert_string_equal(gathered(1), "1");
	for (int i = 0; i < 10; i++)
		assert_true(reader_tick(reader, false, now_us + i * SECOND_US));
	assert_false(reader_tick(reader, false, now_us + 12 * SECOND_US));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		TEST(it_is_held_until_the_log_is_known_and_then_begins_where_that_ends),
		TEST(what_has_not_passed_is_gathered_again),
		TEST(what_it_does_not_want_moves_it_on_too),
		TEST(a_page_is_stepped_into_where_the_reader_is_and_leads_to_the_ring),
		TEST(one_that_falls_off_the_ring_reads_on_from_its_place),
		TEST(a_page_that_nobody_takes_is_given_back_and_what_was_gathered_of_it_has_not_passed),
		TEST(one_that_takes_a_little_now_and_then_does_not_hold_up_those_who_wait),
		TEST(a_reset_is_told_with_the_snapshot_and_its_end_with_the_place),
		TEST(a_reset_in_the_middle_begins_anew_and_a_snapshot_that_stalls_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
