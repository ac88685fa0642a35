#include "relay/history.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/log.h"
#include "common/pg.h"
#include "relay/change.h"
#include "relay/stats.h"

#define RETRY_S		1
#define TEXT_OF(x)	TEXT_OF_(x)
#define TEXT_OF_(x)	#x

/* One row at least, so that the bounds come with an empty page too; all from one snapshot. */
#define PAGE_SQL	"WITH page AS (SELECT seq, signal_event_text(e, true) AS text FROM signal_events e " \
			"WHERE seq > $1 ORDER BY seq LIMIT " TEXT_OF(HISTORY_PAGE_ROWS) ") " \
			"SELECT " EPOCH_SQL ", (SELECT min(seq) FROM signal_events), (SELECT max(seq) FROM signal_events), " \
			"page.text, page.seq FROM (VALUES (1)) AS one LEFT JOIN page ON true ORDER BY page.seq"
#define SNAPSHOT_SQL	"WITH page AS (SELECT id, row_to_json(s)::text AS text FROM signals s WHERE status = 'active') " \
			"SELECT " EPOCH_SQL ", (SELECT min(seq) FROM signal_events), (SELECT max(seq) FROM signal_events), " \
			"page.text FROM (VALUES (1)) AS one LEFT JOIN page ON true ORDER BY page.id"

struct batch {
	unsigned	 refs;
	struct history	*history;
	size_t		 count;
	struct change	*items[];
};

struct history_ask {
	TAILQ_ENTRY(history_ask) entry;
	struct history	*history;
	bool		 is_snapshot, under_way;
	int64_t		 seq;
	history_cb	 cb;		/* NULL: cancelled while under way */
	void		*arg;
};

struct history {
	struct pg		*pg;
	struct stats		*stats;
	const char		*(*epoch)(void *arg);
	void			*arg;
	struct event		*retry_timer;
	TAILQ_HEAD(, history_ask) queue;
	bool			 busy;		/* a question is under way: */
	bool			 asked_snapshot;
	int64_t			 asked_seq;	/* of a page */
	size_t			 batches;	/* alive */
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

/* Asks */

static void
retry_later(struct history *h)
{
	struct timeval	 after = { .tv_sec = RETRY_S };

	event_add(h->retry_timer, &after);
}

static void
drop_ask(struct history_ask *a)
{
	TAILQ_REMOVE(&a->history->queue, a, entry);
	free(a);
}

/* Answer every question that was under way. */
static void
answer_all(struct history *h, const struct history_answer *answer)
{
	struct history_ask	*a, *next, mine;

	for (a = TAILQ_FIRST(&h->queue); a != NULL; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (!a->under_way)
			continue;
		mine = *a;
		drop_ask(a);
		if (mine.cb != NULL)
			mine.cb(answer, mine.arg);
		/* The callback may have asked or cancelled; what is under way stays put, so begin again. */
		next = TAILQ_FIRST(&h->queue);
	}
}

static void
ask_again(struct history *h)
{
	struct history_ask	*a, *next;

	for (a = TAILQ_FIRST(&h->queue); a != NULL; a = next) {
		next = TAILQ_NEXT(a, entry);
		a->under_way = false;
		if (a->cb == NULL)
			drop_ask(a);
	}
}

static void
answer_cb(const struct pg_result *res, void *arg)
{
	struct history		*h = arg;
	struct history_answer	 answer = { .verdict = CURSOR_GOOD };
	const char		*epoch = h->epoch(h->arg);

	if (!pg_ok(res) || epoch == NULL || pg_text(res, 0, 0) == NULL || strcmp(pg_text(res, 0, 0), epoch) != 0) {
		h->busy = false;
		ask_again(h);
		if (pg_lost(res))
			return;		/* history_up() goes on */
		if (!pg_ok(res))
			log_warnx("history", "the query failed, again in a while sqlstate=%s why=\"%s\"",
			    pg_sqlstate(res), pg_error(res));
		retry_later(h);
		return;
	}
	h->stats->history_pages++;
	if (h->asked_snapshot)
		answer.last_seq = pg_int(res, 0, 2);
	else {
		answer.verdict = cursor_judge(h->asked_seq, pg_int(res, 0, 1), pg_int(res, 0, 2));
		answer.last_seq = pg_int(res, pg_rows(res) - 1, 4);
	}
	if (answer.verdict == CURSOR_GOOD)
		answer.batch = batch_of(h, res, h->asked_snapshot);
	answer_all(h, &answer);
	h->busy = false;	/* not before: a question that a callback adds must not mix with these */
	batch_unref(answer.batch);
	ask_next(h);
}

static void
ask_next(struct history *h)
{
	struct history_ask	*first = TAILQ_FIRST(&h->queue), *a;
	char			 text[24];
	const char		*values[] = { text };
	int			 sent;

	if (h->busy || first == NULL || h->batches >= HISTORY_BATCHES_MAX || !pg_is_up(h->pg) ||
	    event_pending(h->retry_timer, EV_TIMEOUT, NULL))
		return;
	if (first->is_snapshot) {
		sent = pg_query(h->pg, SNAPSHOT_SQL, 0, NULL, answer_cb, h);
		TAILQ_FOREACH(a, &h->queue, entry)
			a->under_way = a->is_snapshot && sent == 0;
	} else {
		snprintf(text, sizeof(text), "%" PRId64, first->seq);
		sent = pg_query(h->pg, PAGE_SQL, 1, values, answer_cb, h);
		first->under_way = sent == 0;
	}
	h->busy = sent == 0;
	h->asked_snapshot = first->is_snapshot;
	h->asked_seq = first->seq;
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

	*a = (struct history_ask){ .history = h, .is_snapshot = is_snapshot, .seq = seq, .cb = cb, .arg = arg };
	TAILQ_INSERT_TAIL(&h->queue, a, entry);
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
	if (a->under_way)
		a->cb = NULL;	/* its answer is on the way and must find it */
	else
		drop_ask(a);
}

void
history_up(struct history *h)
{
	ask_next(h);
}

struct history *
history_new(struct event_base *base, struct pg *pg, struct stats *stats, const char *(*epoch)(void *arg), void *arg)
{
	struct history	*h = xcalloc(1, sizeof(*h));

	*h = (struct history){ .pg = pg, .stats = stats, .epoch = epoch, .arg = arg };
	TAILQ_INIT(&h->queue);
	if ((h->retry_timer = event_new(base, -1, 0, retry_cb, h)) == NULL)
		fatalx("history", "cannot make a timer");
	return h;
}

void
history_free(struct history *h)
{
	struct history_ask	*a, *next;

	if (h == NULL)
		return;
	for (a = TAILQ_FIRST(&h->queue); a != NULL; a = next) {
		next = TAILQ_NEXT(a, entry);
		free(a);
	}
	event_free(h->retry_timer);
	free(h);
}
