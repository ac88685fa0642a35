#include "tests/unit/unit.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pg.h"
#include "relay/change.h"
#include "relay/history.h"
#include "relay/stats.h"

#define EPOCH	"e.1"

static const char	*epoch;

/* In place of pg.c: a session whose questions the tests answer. */

struct pg_result {
	bool		 ok, lost;
	const char	*epoch;
	int64_t		 lowest, highest, first, last;	/* of the log, and of the page's rows (first 0: none) */
};

static struct {
	bool	 up, waiting, is_page;
	unsigned count;		/* questions ever */
	int64_t	 seq;
	pg_cb	 cb;
	void	*arg;
} session;

bool
pg_is_up(const struct pg *pg)
{
	(void)pg;
	return session.up;
}

int
pg_query(struct pg *pg, const char *sql, int count, const char *const *values, pg_cb cb, void *arg)
{
	(void)pg, (void)sql;
	assert_false(session.waiting);
	session.waiting = true;
	session.is_page = count == 1;
	session.seq = count == 1 ? strtoll(values[0], NULL, 10) : 0;
	session.cb = cb;
	session.arg = arg;
	session.count++;
	return 0;
}

bool
pg_ok(const struct pg_result *res)
{
	return res->ok;
}

bool
pg_lost(const struct pg_result *res)
{
	return res->lost;
}

const char *
pg_error(const struct pg_result *res)
{
	(void)res;
	return "";
}

const char *
pg_sqlstate(const struct pg_result *res)
{
	(void)res;
	return "";
}

int
pg_rows(const struct pg_result *res)
{
	return res->first == 0 ? 1 : (int)(res->last - res->first + 1);
}

const char *
pg_text(const struct pg_result *res, int row, int column)
{
	static char	 text[64];

	if (column == 0)
		return res->epoch;
	if (res->first == 0)
		return NULL;
	snprintf(text, sizeof(text), "{\"seq\":%" PRId64 ",\"kind\":\"opened\"}", res->first + row);
	return text;
}

int64_t
pg_int(const struct pg_result *res, int row, int column)
{
	switch (column) {
	case 1:
		return res->lowest;
	case 2:
		return res->highest;
	default:
		return res->first == 0 ? 0 : res->first + row;
	}
}

/* The fixture */

static struct event_base	*base;
static struct stats		 stats;
static struct history		*history;

struct asker {
	struct history_ask	*ask;
	unsigned		 answers;
	enum cursor_verdict	 verdict;
	struct batch		*batch;		/* held until let_go() */
	int64_t			 last_seq;
};

static const char *
epoch_cb(void *arg)
{
	(void)arg;
	return epoch;
}

static int
begin(void **state)
{
	(void)state;
	memset(&session, 0, sizeof(session));
	memset(&stats, 0, sizeof(stats));
	session.up = true;
	epoch = EPOCH;
	base = event_base_new();
	history = history_new(base, NULL, &stats, epoch_cb, NULL);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	history_free(history);
	event_base_free(base);
	return 0;
}

static void
answer_cb(const struct history_answer *a, void *arg)
{
	struct asker	*asker = arg;

	asker->answers++;
	asker->verdict = a->verdict;
	asker->last_seq = a->last_seq;
	asker->batch = a->batch == NULL ? NULL : batch_ref(a->batch);
}

static void
ask(struct asker *a, int64_t seq)
{
	*a = (struct asker){ 0 };
	a->ask = history_page(history, seq, answer_cb, a);
	assert_int_equal(a->answers, 0);	/* from the loop only */
}

static void
turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
reply(struct pg_result res)
{
	assert_true(session.waiting);
	session.waiting = false;
	session.cb(&res, session.arg);
	turn();
}

/* The log has 1 to `highest`: the answer to the question at hand. */
static void
reply_page(int64_t highest)
{
	struct pg_result	 res = { .ok = true, .epoch = EPOCH, .lowest = 1, .highest = highest };

	assert_true(session.is_page);
	if (session.seq < highest) {
		res.first = session.seq + 1;
		res.last = session.seq + HISTORY_PAGE_ROWS < highest ? session.seq + HISTORY_PAGE_ROWS : highest;
	}
	reply(res);
}

static void
let_go(struct asker *a)
{
	batch_unref(a->batch);
	a->batch = NULL;
}

/* The tests */

static void
a_page_serves_all_whose_place_lies_within_it(void **state)
{
	struct asker	 a, b, c, d;

	(void)state;
	ask(&a, 100);
	ask(&b, 350);
	ask(&c, 599);
	ask(&d, 600);
	reply_page(5000);
	assert_int_equal(a.answers, 1);
	assert_int_equal(a.last_seq, 600);
	assert_ptr_equal(b.batch, a.batch);
	assert_ptr_equal(c.batch, a.batch);
	assert_int_equal(batch_count(a.batch), 500);
	assert_int_equal(batch_at(a.batch, 0)->seq, 101);
	assert_int_equal(d.answers, 0);
	assert_int_equal(session.seq, 600);
	assert_int_equal(stats.history_shared, 2);
	reply_page(5000);
	assert_int_equal(d.last_seq, 1100);
	assert_int_equal(stats.history_pages, 2);
	let_go(&a), let_go(&b), let_go(&c), let_go(&d);
}

static void
a_page_that_somebody_holds_serves_those_who_come_later(void **state)
{
	struct asker	 a, b, c;

	(void)state;
	ask(&a, 100);
	reply_page(5000);
	ask(&b, 599);
	assert_false(session.waiting);
	turn();
	assert_ptr_equal(b.batch, a.batch);
	assert_int_equal(b.last_seq, 600);
	let_go(&a), let_go(&b);
	/* Nobody does any more. */
	ask(&c, 200);
	assert_true(session.waiting);
	reply_page(5000);
	let_go(&c);
}

static void
thousands_from_anywhere_read_each_page_about_twice_at_most(void **state)
{
	enum { ASKERS = 3000, EVENTS = 20000 };
	struct asker	*a = calloc(ASKERS, sizeof(*a));
	size_t		 done = 0;

	(void)state;
	for (int i = 0; i < ASKERS; i++)
		ask(&a[i], (int64_t)i * 7919 % EVENTS);
	while (done < ASKERS) {
		reply_page(EVENTS);
		/* Each goes on from where its page ends, as readers do. */
		done = 0;
		for (int i = 0; i < ASKERS; i++)
			if (a[i].batch != NULL) {
				int64_t	 next = a[i].last_seq;

				let_go(&a[i]);
				if (next < EVENTS)
					ask(&a[i], next);
				else
					a[i].answers = 2;
			}
		for (int i = 0; i < ASKERS; i++)
			done += a[i].answers == 2;
	}
	assert_in_range(session.count, EVENTS / HISTORY_PAGE_ROWS, 3 * EVENTS / HISTORY_PAGE_ROWS);
	free(a);
}

static void
the_one_furthest_behind_and_the_one_who_waited_longest_take_turns(void **state)
{
	struct asker	 a, b, c, d, e;

	(void)state;
	ask(&a, 9000);
	ask(&b, 8000);
	ask(&c, 7000);
	ask(&d, 2000);
	ask(&e, 1000);
	assert_int_equal(session.seq, 9000);
	reply_page(10000);
	assert_int_equal(session.seq, 1000);
	reply_page(10000);
	assert_int_equal(session.seq, 8000);
	reply_page(10000);
	assert_int_equal(session.seq, 2000);
	reply_page(10000);
	assert_int_equal(session.seq, 7000);
	reply_page(10000);
	let_go(&a), let_go(&b), let_go(&c), let_go(&d), let_go(&e);
}

static void
that_there_is_nothing_more_is_told_only_to_those_who_asked_before(void **state)
{
	struct asker	 a, b, c;

	(void)state;
	ask(&a, 10);
	ask(&b, 50);
	reply_page(50);			/* 11 to 50 */
	assert_int_equal(session.seq, 50);
	ask(&c, 50);
	reply_page(50);
	assert_int_equal(b.answers, 1);
	assert_int_equal(b.last_seq, 0);
	/* An event may have come between that answer's making and the question. */
	assert_int_equal(c.answers, 0);
	assert_int_equal(session.seq, 50);
	reply_page(51);
	assert_int_equal(c.last_seq, 51);
	let_go(&a), let_go(&b), let_go(&c);
}

static void
a_bad_cursor_is_the_business_of_its_owners_alone(void **state)
{
	struct asker	 a, b, c;

	(void)state;
	session.up = false;
	ask(&a, 100);
	ask(&b, 100);
	ask(&c, 70);
	session.up = true;
	history_up(history);
	reply_page(80);
	assert_int_equal(a.verdict, CURSOR_UNKNOWN);
	assert_int_equal(b.answers, 1);
	assert_int_equal(b.verdict, CURSOR_UNKNOWN);
	assert_int_equal(c.answers, 0);
	reply_page(80);
	assert_int_equal(c.verdict, CURSOR_GOOD);
	let_go(&c);
}

static void
whose_place_retention_has_overtaken_learns_it_from_any_answer(void **state)
{
	struct asker	 late[100], a, b, nothing;

	(void)state;
	session.up = false;
	for (int i = 0; i < 100; i++)
		ask(&late[i], i + 1);
	ask(&a, 999);
	ask(&b, 1200);
	ask(&nothing, 0);
	session.up = true;
	history_up(history);
	assert_int_equal(session.seq, 1);
	reply((struct pg_result){ .ok = true, .epoch = EPOCH, .lowest = 1000, .highest = 1500, .first = 1000, .last = 1499 });
	for (int i = 0; i < 100; i++) {
		assert_int_equal(late[i].answers, 1);
		assert_int_equal(late[i].verdict, CURSOR_EXPIRED);
	}
	assert_int_equal(a.answers + b.answers + nothing.answers, 0);
	/* Nothing is there: of those who ask later nobody can say. */
	assert_int_equal(session.seq, 0);
	reply((struct pg_result){ .ok = true, .epoch = EPOCH });
	assert_int_equal(nothing.verdict, CURSOR_GOOD);
	assert_int_equal(a.answers + b.answers, 0);
	reply((struct pg_result){ .ok = true, .epoch = EPOCH, .lowest = 1000, .highest = 1500, .first = 1000, .last = 1499 });
	assert_int_equal(a.verdict, CURSOR_GOOD);
	let_go(&a), let_go(&b), let_go(&nothing);
}

static void
it_is_short_of_room_while_somebody_waits_for_it(void **state)
{
	struct asker	 a[HISTORY_BATCHES_MAX + 1];

	(void)state;
	for (int i = 0; i < HISTORY_BATCHES_MAX; i++) {
		ask(&a[i], (int64_t)i * HISTORY_PAGE_ROWS);
		reply_page(100000);
	}
	assert_false(history_is_short(history));
	ask(&a[HISTORY_BATCHES_MAX], 90000);
	assert_false(session.waiting);
	assert_true(history_is_short(history));
	let_go(&a[7]);
	assert_false(history_is_short(history));
	reply_page(100000);
	for (int i = 0; i <= HISTORY_BATCHES_MAX; i++)
		let_go(&a[i]);
}

static void
what_was_read_of_another_log_serves_nobody(void **state)
{
	struct asker	 a, b, c, d;

	(void)state;
	ask(&a, 100);
	reply_page(5000);
	assert_int_equal(history_highest(history), a.last_seq);
	ask(&b, 3000);
	history_forget(history);
	assert_int_equal(history_highest(history), 0);
	reply_page(5000);		/* was under way */
	assert_int_equal(b.answers, 0);
	assert_int_equal(session.seq, 3000);
	reply_page(4000);
	assert_int_equal(b.last_seq, 3500);
	ask(&c, 100);
	assert_int_equal(session.seq, 100);
	reply_page(4000);
	assert_true(c.batch != a.batch);
	/* Nor what was read before a standby took over, which may know less. */
	epoch = "e.2";
	ask(&d, 100);
	assert_true(session.waiting);
	reply((struct pg_result){ .ok = true, .epoch = "e.2", .lowest = 1, .highest = 101, .first = 101, .last = 101 });
	assert_int_equal(d.last_seq, 101);
	assert_int_equal(history_highest(history), 3500);
	let_go(&a), let_go(&b), let_go(&c), let_go(&d);
}

static void
one_who_goes_away_gets_nothing_at_any_stage(void **state)
{
	struct asker	 a, b, c;

	(void)state;
	ask(&a, 100);
	ask(&b, 200);
	ask(&c, 300);
	history_cancel(a.ask);		/* under way */
	session.waiting = false;
	session.cb(&(struct pg_result){ .ok = true, .epoch = EPOCH, .lowest = 1, .highest = 900, .first = 101, .last = 600 }, session.arg);
	history_cancel(b.ask);		/* answered, not told yet */
	turn();
	assert_int_equal(a.answers + b.answers, 0);
	assert_int_equal(c.answers, 1);
	let_go(&c);
	assert_false(session.waiting);
}

static void
a_question_lost_with_the_session_is_asked_again(void **state)
{
	struct asker	 a, b;

	(void)state;
	ask(&a, 100);
	session.up = false;
	reply((struct pg_result){ .lost = true });
	assert_false(session.waiting);
	ask(&b, 200);
	session.up = true;
	history_up(history);
	reply_page(900);
	assert_int_equal(a.answers, 1);
	assert_int_equal(b.answers, 1);
	let_go(&a), let_go(&b);
}

static void
snapshots_share_what_is_asked_after_them_only(void **state)
{
	struct asker		 a = { 0 }, b = { 0 }, c = { 0 }, d;
	struct pg_result	 res = { .ok = true, .epoch = EPOCH, .lowest = 1, .highest = 80, .first = 3, .last = 5 };

	(void)state;
	session.up = false;
	history_snapshot(history, answer_cb, &a);
	history_snapshot(history, answer_cb, &b);
	ask(&d, 0);
	session.up = true;
	history_up(history);
	assert_false(session.is_page);
	history_snapshot(history, answer_cb, &c);
	reply(res);
	assert_int_equal(a.last_seq, 80);
	assert_ptr_equal(a.batch, b.batch);
	assert_int_equal(batch_count(a.batch), 3);
	assert_int_equal(c.answers + d.answers, 0);
	/* A snapshot is no page. */
	reply_page(80);
	assert_int_equal(d.answers, 1);
	reply(res);
	assert_int_equal(c.answers, 1);
	let_go(&a), let_go(&b), let_go(&c), let_go(&d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		TEST(a_page_serves_all_whose_place_lies_within_it),
		TEST(a_page_that_somebody_holds_serves_those_who_come_later),
		TEST(thousands_from_anywhere_read_each_page_about_twice_at_most),
		TEST(the_one_furthest_behind_and_the_one_who_waited_longest_take_turns),
		TEST(that_there_is_nothing_more_is_told_only_to_those_who_asked_before),
		TEST(a_bad_cursor_is_the_business_of_its_owners_alone),
		TEST(whose_place_retention_has_overtaken_learns_it_from_any_answer),
		TEST(it_is_short_of_room_while_somebody_waits_for_it),
		TEST(what_was_read_of_another_log_serves_nobody),
		TEST(one_who_goes_away_gets_nothing_at_any_stage),
		TEST(a_question_lost_with_the_session_is_asked_again),
		TEST(snapshots_share_what_is_asked_after_them_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
