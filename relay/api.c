#include "relay/api.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/log.h"
#include "common/pg.h"
#include "common/symbol.h"
#include "relay/cursor.h"
#include "relay/filter.h"
#include "relay/request.h"

#define PENDING_MAX	64	/* questions that wait for the database, answered one by one */

/* Everything from one snapshot; one row more than asked for tells whether there is a next page. */
#define SIGNALS_SQL	"WITH page AS (SELECT * FROM signals " \
			"WHERE ($1::text IS NULL OR status = ANY (string_to_array($1, ','))) " \
			"AND ($2::text IS NULL OR symbol = ANY (string_to_array($2, ','))) " \
			"AND ($3::text IS NULL OR strategy = ANY (string_to_array($3, ','))) " \
			"AND ($4::text IS NULL OR side = ANY (string_to_array($4, ','))) " \
			"AND ($5::bigint IS NULL OR id < $5::bigint) ORDER BY id DESC LIMIT $6::int + 1), " \
			"shown AS (SELECT * FROM page ORDER BY id DESC LIMIT $6::int) " \
			"SELECT json_build_object(" \
			"'signals', coalesce((SELECT json_agg(row_to_json(shown) ORDER BY id DESC) FROM shown), '[]'), " \
			"'cursor', " EPOCH_SQL " || '-' || coalesce((SELECT max(seq) FROM signal_events), 0), " \
			"'next', CASE WHEN (SELECT count(*) FROM page) > $6::int THEN (SELECT min(id) FROM shown) END)"

enum { P_STATUS, P_SYMBOL, P_STRATEGY, P_SIDE, P_BEFORE, P_LIMIT, P_COUNT };

/* A request whose answer is on its way from the database. */
struct question {
	TAILQ_ENTRY(question)	 entry;
	struct api		*api;
	struct request		*req;
};

struct api {
	struct pg	*pg;
	size_t		 pending;
	TAILQ_HEAD(, question) questions;
};

static void
answer(struct request *req, const struct pg_result *res)
{
	const char	*text;

	if (pg_ok(res) && pg_rows(res) == 1 && (text = pg_text(res, 0, 0)) != NULL) {
		request_reply(req, 200, REQUEST_JSON, text, strlen(text));
		return;
	}
	request_set_header(req, "Retry-After", "1");
	if (pg_lost(res))
		request_error(req, 503, "the connection to the database was lost", "try again");
	else {
		log_warnx("api", "query failed sqlstate=%s why=\"%s\"", pg_sqlstate(res), pg_error(res));
		request_error(req, 503, "the database refused the query", "the relay's log says why");
	}
}

static void
drop_question(struct question *q)
{
	TAILQ_REMOVE(&q->api->questions, q, entry);
	q->api->pending--;
	free(q);
}

static void
answer_cb(const struct pg_result *res, void *arg)
{
	struct question		*q = arg;
	struct request		*req = q->req;

	drop_question(q);
	answer(req, res);
}

static bool
all_items(const char *text, bool (*ok)(const char *text, size_t len))
{
	size_t	 len;

	for (;; text += len + 1) {
		len = strcspn(text, ",");
		if (!ok(text, len))
			return false;
		if (text[len] == '\0')
			return true;
	}
}

static bool
one_of(const char *text, size_t len, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strlen(*words) == len && memcmp(*words, text, len) == 0)
			return true;
	return false;
}

static bool
status_ok(const char *text, size_t len)
{
	static const char *const words[] = { "active", "target_hit", "stopped", "expired", "cancelled", NULL };

	return one_of(text, len, words);
}

static bool
side_ok(const char *text, size_t len)
{
	static const char *const words[] = { "long", "short", NULL };

	return one_of(text, len, words);
}

static bool
id_ok(const char *text)
{
	size_t	 len = strlen(text);

	return len >= 1 && len <= 18 && strspn(text, "0123456789") == len;
}

static bool
limit_ok(const char *text)
{
	return id_ok(text) && strlen(text) <= 3 && atoi(text) >= 1 && atoi(text) <= 500;
}

/* Put one NAME=VALUE in its place; false with what is allowed in `hint`. */
static bool
set_parameter(const char *name, const char *value, const char **values, const char **hint)
{
	static const struct {
		const char	*name;
		bool		(*item_ok)(const char *text, size_t len);
		bool		(*ok)(const char *text);
		const char	*allowed;
	} table[P_COUNT] = {
		[P_STATUS] = { "status", status_ok, NULL, "a list of active, target_hit, stopped, expired, cancelled" },
		[P_SYMBOL] = { "symbol", symbol_ok, NULL, "a list of BASE/QUOTE in capitals, like BTC/USDT,ETH/USDT" },
		[P_STRATEGY] = { "strategy", filter_strategy_ok, NULL, "a list of strategies' names (a-z, 0-9, _)" },
		[P_SIDE] = { "side", side_ok, NULL, "long, short or both" },
		[P_BEFORE] = { "before", NULL, id_ok, "a signal's id" },
		[P_LIMIT] = { "limit", NULL, limit_ok, "a number from 1 to 500" },
	};

	*hint = "known are status, symbol, strategy, side, before, limit";
	for (int i = 0; i < P_COUNT; i++) {
		if (strcmp(name, table[i].name) != 0)
			continue;
		*hint = table[i].allowed;
		values[i] = value;
		return table[i].ok != NULL ? table[i].ok(value) : all_items(value, table[i].item_ok);
	}
	return false;
}

static void
ask(struct api *r, struct request *req, const char *const *values)
{
	struct question	*q;

	if (!pg_is_up(r->pg) || r->pending >= PENDING_MAX) {
		request_set_header(req, "Retry-After", "1");
		request_error(req, 503, pg_is_up(r->pg) ? "too many requests wait for the database" :
		    "the database is away", "try again; the relay keeps reconnecting");
		return;
	}
	q = xcalloc(1, sizeof(*q));
	*q = (struct question){ .api = r, .req = req };
	TAILQ_INSERT_TAIL(&r->questions, q, entry);
	r->pending++;
	/* Fails only when the session is going down; then the callback was not taken. */
	if (pg_send(r->pg, SIGNALS_SQL, P_COUNT, values, answer_cb, q) == -1) {
		drop_question(q);
		request_error(req, 503, "the database is away", "try again; the relay keeps reconnecting");
		return;
	}
	(void)pg_sync(r->pg, NULL, NULL);	/* a failure fails the command too */
}

void
api_signals(struct api *r, struct request *req)
{
	const char		*values[P_COUNT] = { [P_LIMIT] = "100" }, *hint = NULL;
	char			 error[160];
	struct evkeyvalq	 query;
	struct evkeyval		*kv;

	if (!request_query(req, &query))
		return;
	TAILQ_FOREACH(kv, &query, next)
		if (!set_parameter(kv->key, kv->value, values, &hint)) {
			snprintf(error, sizeof(error), "bad parameter: %s", kv->key);
			request_error(req, 400, error, hint);
			goto out;
		}
	ask(r, req, values);
out:
	evhttp_clear_headers(&query);
}

size_t
api_pending(const struct api *r)
{
	return r->pending;
}

struct api *
api_new(struct pg *pg)
{
	struct api	*r = xcalloc(1, sizeof(*r));

	r->pg = pg;
	TAILQ_INIT(&r->questions);
	return r;
}

void
api_free(struct api *r)
{
	struct question	*q, *next;

	if (r == NULL)
		return;
	for (q = TAILQ_FIRST(&r->questions); q != NULL; q = next) {
		next = TAILQ_NEXT(q, entry);
		request_error(q->req, 503, "the relay is stopping", "try again");
		drop_question(q);
	}
	free(r);
}
