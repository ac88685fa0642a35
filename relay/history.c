#include "relay/history.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pg.h"
#include "relay/change.h"
#include "relay/stats.h"

#define RETRY_S		1
#define DELIVER_US	5000	/* of answers at a time */
#define TEXT_OF(x)	TEXT_OF_(x)
#define TEXT_OF_(x)	#x

/* One row at least, so that the bounds come with an empty page too; all from one snapshot. */
#define PAGE_SQL	"WITH page AS (SELECT seq, signal_event_text(e, true) AS text FROM signal_events e " \
			"WHERE seq > $1 ORDER BY seq LIMIT " TEXT_OF(HISTORY_PAGE_ROWS) ") " \
			"SELECT " EPOCH_SQL ", (SELECT min(seq) FROM signal_events), (SELECT max(seq) FROM signal_events), " \
			"page.text, page.seq FROM (VALUES (1)) AS one LEFT JOIN page ON true ORDER BY page.seq"
/* In order of seq, so that whoever is cut off within it may resume behind the last one that he has seen. */
#define SNAPSHOT_SQL	"WITH page AS (SELECT seq, row_to_json(s)::text AS text FROM signals s WHERE status = 'active') " \
			"SELECT " EPOCH_SQL ", (SELECT min(seq) FROM signal_events), (SELECT max(seq) FROM signal_events), " \
			"page.text FROM (VALUES (1)) AS one LEFT JOIN page ON true ORDER BY page.seq"

struct batch {
	LIST_ENTRY(batch) entry;
	unsigned	 refs;
	struct history	*history;
	bool		 is_shareable;	/* a page of the log at hand, in the epoch that it was read in: */
	char		 epoch[EPOCH_MAX];
	int64_t		 after, last;	/* all events between them, and that of `last` */
	size_t		 count;
	struct change	*items[];
};

struct history_ask {
	TAILQ_ENTRY(history_ask) entry;		/* of those who wait for an answer */
	STAILQ_ENTRY(history_ask) next;		/* of those who have one */
	struct history	*history;
	bool		 is_snapshot;
	bool		 under_way;	/* the question under way is this one's */
	bool		 is_answered;	/* it waits for its turn with: */
	struct history_answer answer;	/* holds a reference */
	int64_t		 seq;
	history_cb	 cb;		/* NULL: cancelled with its answer at hand */
	void		*arg;
};

struct history {
	struct pg		*pg;
	struct stats		*stats;
	const char		*(*epoch)(void *arg);
	void			*arg;
	struct event		*retry_timer, *deliver_timer;
	TAILQ_HEAD(, history_ask) queue;
	STAILQ_HEAD(, history_ask) answered;
	bool			 busy;		/* a question is under way: */
	bool			 asked_snapshot, forgotten;
	int64_t			 asked_seq;	/* of a page */
	bool			 furthest_next;	/* the next question is that of the one furthest behind, not of the first */
	int64_t			 highest;	/* place that an answer has led to, since the log was another one */
	size_t			 batches;	/* alive */
	LIST_HEAD(, batch)	 alive;
};

static void	 ask_next(struct history *h);

/* Batches */

struct batch *
batch_ref(struct batch *b)
{
	b->refs++;
	return b;
}

void
batch_unref(struct batch *b)
{
	struct history	*h;

	if (b == NULL || --b->refs > 0)
		return;
	h = b->history;
	LIST_REMOVE(b, entry);
	for (size_t i = 0; i < b->count; i++)
		change_unref(b->items[i]);
	free(b);
	h->batches--;
	ask_next(h);
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

static struct batch *
batch_of(struct history *h, const struct pg_result *res, bool is_snapshot)
{
	struct batch	*b = xcalloc(1, sizeof(*b) + (size_t)pg_rows(res) * sizeof(struct change *));
	const char	*why = NULL, *text;

	b->refs = 1;
	b->history = h;
	LIST_INSERT_HEAD(&h->alive, b, entry);
	h->batches++;
	for (int i = 0; i < pg_rows(res); i++) {
		if ((text = pg_text(res, i, 3)) == NULL)
			continue;
		b->items[b->count] = is_snapshot ? change_snapshot(text, &why) : change_parse(text, h->epoch(h->arg), &why);
		if (b->items[b->count] != NULL)
			b->count++;
		else {
			h->stats->bad_texts++;
			log_warnx("history", "not an event, left out why=\"%s\"", why);
		}
	}
	return b;
}

/* The page at hand that leads furthest from `seq` without leaving anything out; NULL when there is none. */
static struct batch *
page_around(const struct history *h, int64_t seq)
{
	struct batch	*b, *best = NULL;
	const char	*epoch = h->epoch(h->arg);

	LIST_FOREACH(b, &h->alive, entry)
		if (b->is_shareable && b->after <= seq && seq < b->last && (best == NULL || b->last > best->last) &&
		    epoch != NULL && strcmp(b->epoch, epoch) == 0)
			best = b;
	return best;
}

/* Handing out answers */

static void
run_soon(struct event *timer)
{
	struct timeval	 now = { 0 };

	event_add(timer, &now);
}

/* It gets its answer in its turn, from the loop. */
static void
give(struct history_ask *a, const struct history_answer *answer)
{
	struct history	*h = a->history;

	TAILQ_REMOVE(&h->queue, a, entry);
	STAILQ_INSERT_TAIL(&h->answered, a, next);
	a->answer = *answer;
	if (a->answer.batch != NULL)
		batch_ref(a->answer.batch);
	a->is_answered = true;
	run_soon(h->deliver_timer);
}

/* The first of them gets its answer; false when there is none. */
static bool
deliver(struct history *h)
{
	struct history_ask	*a = STAILQ_FIRST(&h->answered);

	if (a == NULL)
		return false;
	STAILQ_REMOVE_HEAD(&h->answered, next);
	if (a->cb != NULL)
		a->cb(&a->answer, a->arg);
	batch_unref(a->answer.batch);
	free(a);
	return true;
}

/* Those who get an answer send much at once: when many do, the loop sees to the others in between. */
static void
deliver_cb(evutil_socket_t fd, short what, void *arg)
{
	struct history	*h = arg;
	int64_t		 until_us = clock_mono_us() + DELIVER_US;

	(void)fd, (void)what;
	while (deliver(h) && clock_mono_us() < until_us)
		;
	if (!STAILQ_EMPTY(&h->answered))
		run_soon(h->deliver_timer);
}

/* Asking */

static void
retry_later(struct history *h)
{
	struct timeval	 after = { .tv_sec = RETRY_S };

	event_add(h->retry_timer, &after);
}

/* Whom this answer serves: those it was asked for, and those whose place lies within the page. */
static bool
serves(const struct history *h, const struct history_ask *a, const struct history_answer *answer)
{
	if (a->under_way)
		return true;
	return !h->asked_snapshot && !a->is_snapshot && answer->verdict == CURSOR_GOOD && h->asked_seq <= a->seq &&
	    a->seq < answer->last_seq;
}

/* `lowest`: seq that the log begins with (0: it is empty); a place that it does not reach back to never comes back either. */
static void
answer_all(struct history *h, const struct history_answer *answer, int64_t lowest)
{
	static const struct history_answer	 expired = { .verdict = CURSOR_EXPIRED };
	struct history_ask			*a, *next;
	uint64_t				 served = 0;

	for (a = TAILQ_FIRST(&h->queue); a != NULL; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (serves(h, a, answer))
			give(a, answer);
		else if (lowest != 0 && !a->is_snapshot && cursor_judge(a->seq, lowest, INT64_MAX) == CURSOR_EXPIRED)
			give(a, &expired);
		else
			continue;
		served++;
	}
	h->stats->history_shared += served > 0 ? served - 1 : 0;
}

static void
ask_again(struct history *h)
{
	struct history_ask	*a;

	TAILQ_FOREACH(a, &h->queue, entry)
		a->under_way = false;
}

static void
read_page(struct history *h, const struct pg_result *res, struct history_answer *answer)
{
	answer->verdict = cursor_judge(h->asked_seq, pg_int(res, 0, 1), pg_int(res, 0, 2));
	if (answer->verdict != CURSOR_GOOD)
		return;
	answer->last_seq = pg_int(res, pg_rows(res) - 1, 4);
	answer->batch = batch_of(h, res, false);
	answer->batch->is_shareable = true;
	snprintf(answer->batch->epoch, EPOCH_MAX, "%s", h->epoch(h->arg));
	answer->batch->after = h->asked_seq;
	answer->batch->last = answer->last_seq;
}

static void
answer_cb(const struct pg_result *res, void *arg)
{
	struct history		*h = arg;
	struct history_answer	 answer = { .verdict = CURSOR_GOOD };
	const char		*epoch = h->epoch(h->arg);

	h->busy = false;
	if (!pg_ok(res) || h->forgotten || epoch == NULL || pg_text(res, 0, 0) == NULL ||
	    strcmp(pg_text(res, 0, 0), epoch) != 0) {
		ask_again(h);
		if (pg_lost(res))
			return;		/* history_up() goes on */
		if (!pg_ok(res))
			log_warnx("history", "the query failed, again in a while sqlstate=%s why=\"%s\"",
			    pg_sqlstate(res), pg_error(res));
		if (h->forgotten)
			ask_next(h);
		else
			retry_later(h);
		return;
	}
	h->stats->history_pages++;
	if (h->asked_snapshot) {
		answer.last_seq = pg_int(res, 0, 2);
		answer.batch = batch_of(h, res, true);
	} else
		read_page(h, res, &answer);
	if (answer.last_seq > h->highest)
		h->highest = answer.last_seq;
	answer_all(h, &answer, pg_int(res, 0, 1));
	batch_unref(answer.batch);
	ask_next(h);
}

/* Whose question is next: in turns the first one's, so that nobody waits for ever, and that of the one furthest behind. */
static const struct history_ask *
choose(struct history *h)
{
	const struct history_ask	*chosen = TAILQ_FIRST(&h->queue), *a;

	h->furthest_next = !h->furthest_next;
	if (h->furthest_next || chosen->is_snapshot)
		return chosen;
	TAILQ_FOREACH(a, &h->queue, entry)
		if (!a->is_snapshot && a->seq < chosen->seq)
			chosen = a;
	return chosen;
}

static void
ask_next(struct history *h)
{
	const struct history_ask	*chosen;
	struct history_ask		*a;
	char				 text[24];
	const char			*values[] = { text };
	int				 sent;

	if (h->busy || TAILQ_EMPTY(&h->queue) || h->batches >= HISTORY_BATCHES_MAX || !pg_is_up(h->pg) ||
	    event_pending(h->retry_timer, EV_TIMEOUT, NULL))
		return;
	chosen = choose(h);
	snprintf(text, sizeof(text), "%" PRId64, chosen->seq);
	if (chosen->is_snapshot)
		sent = pg_query(h->pg, SNAPSHOT_SQL, 0, NULL, answer_cb, h);
	else
		sent = pg_query(h->pg, PAGE_SQL, 1, values, answer_cb, h);
	if (sent == -1)
		return;
	h->busy = true;
	h->forgotten = false;
	h->asked_snapshot = chosen->is_snapshot;
	h->asked_seq = chosen->seq;
	TAILQ_FOREACH(a, &h->queue, entry)
		a->under_way = a->is_snapshot == h->asked_snapshot && a->seq == h->asked_seq;
}

static void
retry_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	ask_next(arg);
}

static struct history_ask *
ask(struct history *h, bool is_snapshot, int64_t seq, history_cb cb, void *arg)
{
	struct history_ask	*a = xcalloc(1, sizeof(*a));
	struct history_answer	 answer = { .verdict = CURSOR_GOOD };

	*a = (struct history_ask){ .history = h, .is_snapshot = is_snapshot, .seq = seq, .cb = cb, .arg = arg };
	TAILQ_INSERT_TAIL(&h->queue, a, entry);
	if (!is_snapshot && (answer.batch = page_around(h, seq)) != NULL) {
		answer.last_seq = answer.batch->last;
		h->stats->history_shared++;
		give(a, &answer);
	} else
		ask_next(h);
	return a;
}

struct history_ask *
history_page(struct history *h, int64_t seq, history_cb cb, void *arg)
{
	return ask(h, false, seq, cb, arg);
}

struct history_ask *
history_snapshot(struct history *h, history_cb cb, void *arg)
{
	return ask(h, true, 0, cb, arg);
}

void
history_cancel(struct history_ask *a)
{
	if (!a->is_answered) {
		TAILQ_REMOVE(&a->history->queue, a, entry);
		free(a);
		return;
	}
	a->cb = NULL;
	batch_unref(a->answer.batch);
	a->answer.batch = NULL;
}

void
history_up(struct history *h)
{
	ask_next(h);
}

void
history_forget(struct history *h)
{
	struct batch	*b;

	h->forgotten = true;
	h->highest = 0;
	LIST_FOREACH(b, &h->alive, entry)
		b->is_shareable = false;
}

int64_t
history_highest(const struct history *h)
{
	return h->highest;
}

bool
history_is_short(const struct history *h)
{
	return h->batches >= HISTORY_BATCHES_MAX && !TAILQ_EMPTY(&h->queue);
}

static struct event *
new_timer(struct event_base *base, event_callback_fn cb, struct history *h)
{
	struct event	*timer = event_new(base, -1, 0, cb, h);

	if (timer == NULL)
		fatalx("history", "cannot make a timer");
	return timer;
}

struct history *
history_new(struct event_base *base, struct pg *pg, struct stats *stats, const char *(*epoch)(void *arg), void *arg)
{
	struct history	*h = xcalloc(1, sizeof(*h));

	*h = (struct history){ .pg = pg, .stats = stats, .epoch = epoch, .arg = arg };
	TAILQ_INIT(&h->queue);
	STAILQ_INIT(&h->answered);
	LIST_INIT(&h->alive);
	h->retry_timer = new_timer(base, retry_cb, h);
	h->deliver_timer = new_timer(base, deliver_cb, h);
	return h;
}

void
history_free(struct history *h)
{
	struct history_ask	*a, *next;

	if (h == NULL)
		return;
	h->busy = true;		/* no question any more, however much room there is */
	for (a = TAILQ_FIRST(&h->queue); a != NULL; a = next) {
		next = TAILQ_NEXT(a, entry);
		free(a);
	}
	for (a = STAILQ_FIRST(&h->answered); a != NULL; a = next) {
		next = STAILQ_NEXT(a, next);
		batch_unref(a->answer.batch);
		free(a);
	}
	event_free(h->retry_timer);
	event_free(h->deliver_timer);
	free(h);
}
