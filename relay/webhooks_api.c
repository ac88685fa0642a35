#include "relay/webhooks_api.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/json.h"
#include "common/log.h"
#include "common/pg.h"
#include "relay/request.h"
#include "relay/webhook.h"
#include "relay/webhooks.h"

/* The relay that sends looks once a second whether its row is still parked. */
#define RESUME_SQL	"UPDATE webhooks SET parked_at = NULL, parked_why = NULL, failing_since = NULL, updated_at = clock_timestamp(), " \
			"seq = CASE WHEN $2::boolean THEN greatest(seq, (SELECT max(seq) FROM signal_events)) ELSE seq END " \
			"WHERE name = $1 AND parked_at IS NOT NULL RETURNING name, seq"

/* A request whose answer is on its way from the database. */
struct question {
	TAILQ_ENTRY(question)	 entry;
	struct webhooks_api	*api;
	struct request		*req;
};

struct webhooks_api {
	struct webhooks		*set;
	TAILQ_HEAD(, question)	 questions;
};

void
webhooks_api_list(const struct webhooks_api *api, struct request *req, int64_t newest)
{
	struct jsonw	 w;

	jsonw_init(&w);
	jsonw_object(&w, NULL);
	webhooks_status_json(api->set, &w, "webhooks", newest);
	jsonw_end_object(&w);
	request_reply(req, 200, REQUEST_JSON, w.buf, w.len);
	jsonw_release(&w);
}

static struct request *
drop_question(struct question *q)
{
	struct request	*req = q->req;

	TAILQ_REMOVE(&q->api->questions, q, entry);
	free(q);
	return req;
}

static void
resume_cb(const struct pg_result *res, void *arg)
{
	struct request	*req = drop_question(arg);
	struct jsonw	 w;

	if (!pg_ok(res)) {
		if (!pg_lost(res))
			log_warnx("webhook", "cannot be resumed sqlstate=%s why=\"%s\"", pg_sqlstate(res), pg_error(res));
		request_error(req, 503, "the database did not take it", "try again");
		return;
	}
	if (pg_rows(res) == 0) {
		request_error(req, 409, "this webhook is not parked", "one that fails is tried again by itself; see GET /v1/webhooks");
		return;
	}
	log_info("webhook", "is to be resumed name=%s seq=%s peer=%s", pg_text(res, 0, 0), pg_text(res, 0, 1), request_peer(req));
	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "name", pg_text(res, 0, 0));
	jsonw_int(&w, "seq", pg_int(res, 0, 1));
	jsonw_end_object(&w);
	request_reply(req, 200, REQUEST_JSON, w.buf, w.len);
	jsonw_release(&w);
}

/* from=now or nothing; false when it has been answered. */
static bool
read_from(struct request *req, bool *now)
{
	struct evkeyvalq	 query;
	struct evkeyval		*kv;
	bool			 ok = true;

	*now = false;
	if (!request_query(req, &query))
		return false;
	TAILQ_FOREACH(kv, &query, next)
		if (strcmp(kv->key, "from") == 0 && strcmp(kv->value, "now") == 0)
			*now = true;
		else
			ok = false;
	evhttp_clear_headers(&query);
	if (!ok)
		request_error(req, 400, "bad parameter", "known is from=now");
	return ok;
}

static void
ask(struct webhooks_api *api, struct request *req, const char *name, bool now)
{
	const char	*values[] = { name, now ? "true" : "false" };
	struct question	*q = xcalloc(1, sizeof(*q));

	q->api = api;
	q->req = req;
	TAILQ_INSERT_TAIL(&api->questions, q, entry);
	if (pg_send(webhooks_session(api->set), RESUME_SQL, 2, values, resume_cb, q) == 0) {
		(void)pg_sync(webhooks_session(api->set), NULL, NULL);	/* a failure fails the command too */
		return;
	}
	drop_question(q);
	request_set_header(req, "Retry-After", "1");
	request_error(req, 503, "the database is away", "try again; the relay keeps reconnecting");
}

void
webhooks_api_resume(struct webhooks_api *api, struct request *req)
{
	const char		*rest = request_rest(req);
	size_t			 len = strcspn(rest, "/");
	const struct webhook	*w = webhooks_find(api->set, rest, len);
	bool			 now;

	if (strcmp(rest + len, "/resume") != 0 || w == NULL) {
		request_error(req, 404, "no such webhook", "POST /v1/webhooks/NAME/resume; GET /v1/webhooks has their names");
		return;
	}
	if (read_from(req, &now))
		ask(api, req, webhook_name(w), now);
}

struct webhooks_api *
webhooks_api_new(struct webhooks *set)
{
	struct webhooks_api	*api = xcalloc(1, sizeof(*api));

	api->set = set;
	TAILQ_INIT(&api->questions);
	return api;
}

void
webhooks_api_free(struct webhooks_api *api)
{
	struct question	*q, *next;

	if (api == NULL)
		return;
	for (q = TAILQ_FIRST(&api->questions); q != NULL; q = next) {
		next = TAILQ_NEXT(q, entry);
		request_error(drop_question(q), 503, "the relay is stopping", "try again");
	}
	free(api);
}
