#include "relay/subscribe.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "relay/cursor.h"
#include "relay/filter.h"
#include "relay/request.h"
#include "relay/stats.h"
#include "relay/streams.h"

static const char cursor_hint[] = "EPOCH-SEQ as in an event's id, or a seq";

static void
refuse(struct request *req, const char *what, const char *name, const char *hint)
{
	char	 error[160];

	snprintf(error, sizeof(error), "%s: %s", what, name);
	request_error(req, 400, error, hint);
}

/* Fill filter and cursor from the query; false when the request was refused. */
static bool
read_query(struct request *req, const struct evkeyvalq *query, struct filter *filter, struct cursor *cursor,
    bool *has_cursor)
{
	const struct evkeyval	*kv;
	char			 why[160];

	TAILQ_FOREACH(kv, query, next) {
		if (strcmp(kv->key, "after") == 0) {
			if (!cursor_parse(kv->value, cursor)) {
				refuse(req, "bad parameter", "after", cursor_hint);
				return false;
			}
			*has_cursor = true;
			continue;
		}
		switch (filter_set(filter, kv->key, kv->value, why, sizeof(why))) {
		case FILTER_SET_OK:
			break;
		case FILTER_SET_UNKNOWN:
			refuse(req, "unknown parameter", kv->key,
			    "known are after, symbol, strategy, side, kind, min_confidence");
			return false;
		case FILTER_SET_BAD:
			refuse(req, "bad parameter", kv->key, why);
			return false;
		}
	}
	return true;
}

static bool
read_request(struct request *req, struct filter *filter, struct cursor *cursor, bool *has_cursor)
{
	struct evkeyvalq	 query;
	const char		*last = request_header(req, "Last-Event-ID");
	bool			 ok;

	if (!request_query(req, &query))
		return false;
	ok = read_query(req, &query, filter, cursor, has_cursor);
	evhttp_clear_headers(&query);
	/* A browser reconnects with the URL it began with, so the header is the newer of the two. */
	if (ok && last != NULL && *last != '\0') {
		if (!cursor_parse(last, cursor)) {
			refuse(req, "bad header", "Last-Event-ID", cursor_hint);
			return false;
		}
		*has_cursor = true;
	}
	return ok;
}

void
subscribe(struct streams *set, size_t others, struct stats *stats, struct request *req)
{
	struct filter	*filter = filter_new();
	struct cursor	 cursor = { .seq = 0 };
	bool		 has_cursor = false;

	if (!read_request(req, filter, &cursor, &has_cursor))
		goto out;
	if (streams_is_full(set, others)) {
		stats->streams_refused++;
		request_set_header(req, "Retry-After", "5");
		request_error(req, 503, "too many streams are open", "max_clients in [relay] is the limit");
		goto out;
	}
	if (request_method(req) == REQUEST_HEAD) {
		request_reply(req, 200, "text/event-stream", "", 0);
		goto out;
	}
	if (filter_is_empty(filter)) {
		filter_free(filter);
		filter = NULL;
	}
	streams_add(set, req, filter, has_cursor ? &cursor : NULL);
	return;
out:
	filter_free(filter);
}
