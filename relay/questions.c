#include "relay/questions.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/log.h"
#include "common/pg.h"
#include "relay/request.h"

#define PENDING_MAX	64	/* they are answered one by one */

struct question {
	TAILQ_ENTRY(question)	 entry;
	struct questions	*set;
	struct request		*req;
	question_cb		 cb;
};

struct questions {
	struct pg	*pg;
	size_t		 pending;
	TAILQ_HEAD(, question) items;
};

static void
unavailable(struct request *r, const char *error, const char *hint)
{
	request_set_header(r, "Retry-After", "1");
	request_error(r, 503, error, hint);
}

static void
drop(struct question *q)
{
	TAILQ_REMOVE(&q->set->items, q, entry);
	q->set->pending--;
	free(q);
}

static void
fail(struct request *r, const struct pg_result *res)
{
	if (pg_lost(res))
		unavailable(r, "the connection to the database was lost", "try again");
	else if (strncmp(pg_sqlstate(res), "22", 2) == 0)	/* a value: well written, but no day of the calendar */
		request_error(r, 400, "a parameter's value is out of range", pg_error(res));
	else {
		log_warnx("api", "query failed sqlstate=%s why=\"%s\"", pg_sqlstate(res), pg_error(res));
		unavailable(r, "the database refused the query", "the relay's log says why");
	}
}

static void
answer_cb(const struct pg_result *res, void *arg)
{
	struct question		*q = arg;
	struct request		*req = q->req;
	const question_cb	 cb = q->cb;

	drop(q);
	if (pg_ok(res) && pg_rows(res) == 1)
		cb(req, res);
	else
		fail(req, res);
}

void
questions_ask(struct questions *set, struct request *r, const char *sql, int count, const char *const *values, question_cb cb)
{
	struct question	*q;

	if (!pg_is_up(set->pg) || set->pending >= PENDING_MAX) {
		unavailable(r, pg_is_up(set->pg) ? "too many requests wait for the database" : "the database is away",
		    "try again; the relay keeps reconnecting");
		return;
	}
	q = xcalloc(1, sizeof(*q));
	*q = (struct question){ .set = set, .req = r, .cb = cb };
	TAILQ_INSERT_TAIL(&set->items, q, entry);
	set->pending++;
	/* Fails only when the session is going down; then the callback was not taken. */
	if (pg_send(set->pg, sql, count, values, answer_cb, q) == -1) {
		drop(q);
		unavailable(r, "the database is away", "try again; the relay keeps reconnecting");
		return;
	}
	(void)pg_sync(set->pg, NULL, NULL);	/* a failure fails the command too */
}

void
question_missing(struct request *r)
{
	request_error(r, 404, "there is no such signal", "GET /v1/signals lists them; retention removes old ones");
}

void
question_json(struct request *r, const struct pg_result *res)
{
	const char	*text = pg_text(res, 0, 0);

	if (text != NULL)
		request_reply(r, 200, REQUEST_JSON, text, strlen(text));
	else
		question_missing(r);
}

size_t
questions_pending(const struct questions *set)
{
	return set->pending;
}

struct questions *
questions_new(struct pg *pg)
{
	struct questions	*set = xcalloc(1, sizeof(*set));

	set->pg = pg;
	TAILQ_INIT(&set->items);
	return set;
}

void
questions_free(struct questions *set)
{
	struct question	*q, *next;

	if (set == NULL)
		return;
	for (q = TAILQ_FIRST(&set->items); q != NULL; q = next) {
		next = TAILQ_NEXT(q, entry);
		request_error(q->req, 503, "the relay is stopping", "try again");
		drop(q);
	}
	free(set);
}
