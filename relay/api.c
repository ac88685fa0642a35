#include "relay/api.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/json.h"
#include "common/log.h"
#include "common/pg.h"
#include "common/symbol.h"
#include "relay/access.h"
#include "relay/cursor.h"
#include "relay/filter.h"
#include "relay/params.h"
#include "relay/questions.h"
#include "relay/request.h"

#define EVENTS_MAX	"1000"	/* of one signal */

/* A comma list that is not there lets everything through. */
#define ONE_OF(column, number)	"($" number "::text IS NULL OR " column " = ANY (string_to_array($" number ", ',')))"

/* Everything from one snapshot; one row more than asked for tells whether there is a next page. */
#define SIGNALS_SQL	"WITH page AS (SELECT * FROM signals " \
			"WHERE " ONE_OF("status", "1") " AND " ONE_OF("symbol", "2") " AND " ONE_OF("strategy", "3") \
			" AND " ONE_OF("side", "4") " AND " ONE_OF("symbol", "7") " " \
			"AND ($5::bigint IS NULL OR id < $5::bigint) ORDER BY id DESC LIMIT $6::int + 1), " \
			"shown AS (SELECT * FROM page ORDER BY id DESC LIMIT $6::int) " \
			"SELECT json_build_object(" \
			"'signals', coalesce((SELECT json_agg(row_to_json(shown) ORDER BY id DESC) FROM shown), '[]'), " \
			"'cursor', " EPOCH_SQL " || '-' || coalesce((SELECT max(seq) FROM signal_events), 0), " \
			"'next', CASE WHEN (SELECT count(*) FROM page) > $6::int THEN (SELECT min(id) FROM shown) END)"

#define SIGNAL_SQL	"WITH s AS (SELECT row_to_json(x) AS record FROM signals x WHERE id = $1::bigint AND " ONE_OF("symbol", "2") "), " \
			"e AS (SELECT json_agg(json_build_object('seq', seq, 'op', op, 'kind', kind, 'at', at, 'record', record) ORDER BY seq) AS list " \
			"FROM (SELECT * FROM signal_events WHERE signal_id = $1::bigint AND " ONE_OF("coalesce(record, old) ->> 'symbol'", "2") \
			" ORDER BY seq DESC LIMIT " EVENTS_MAX ") AS newest) " \
			"SELECT CASE WHEN EXISTS (SELECT FROM s) OR e.list IS NOT NULL THEN json_build_object(" \
			"'signal', (SELECT record FROM s), 'events', coalesce(e.list, '[]')) END FROM e"

#define CANDLES_SQL	"WITH page AS (SELECT * FROM candles WHERE exchange = $1 AND symbol = $2 AND timeframe = $3 " \
			"AND ($4::timestamptz IS NULL OR open_time < $4::timestamptz) AND " ONE_OF("symbol", "6") \
			" ORDER BY open_time DESC LIMIT $5::int + 1), " \
			"shown AS (SELECT * FROM page ORDER BY open_time DESC LIMIT $5::int) " \
			"SELECT json_build_object(" \
			"'candles', coalesce((SELECT json_agg(json_build_object('open_time', open_time, 'open', open, 'high', high, " \
			"'low', low, 'close', close, 'volume', volume, 'trades', trades, 'source', source) ORDER BY open_time) FROM shown), '[]'), " \
			"'next', CASE WHEN (SELECT count(*) FROM page) > $5::int THEN " \
			"(SELECT to_char(min(open_time) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM shown) END)"

/* Void ones were judged by nobody: a win ratio and an R are of those that ended by their own levels or time. */
#define STATS_SQL	"SELECT json_build_object('strategies', coalesce(json_agg(json_build_object(" \
			"'strategy', strategy, 'active', active, 'closed', closed, 'wins', wins, 'losses', losses, 'breakevens', breakevens, " \
			"'voids', voids, 'judged', judged, 'win_ratio', CASE WHEN judged > 0 THEN wins::double precision / judged END, " \
			"'mean_r', mean_r) ORDER BY strategy), '[]')) FROM (SELECT strategy, " \
			"count(*) FILTER (WHERE status = 'active') AS active, count(*) FILTER (WHERE status <> 'active') AS closed, " \
			"count(*) FILTER (WHERE outcome = 'win') AS wins, count(*) FILTER (WHERE outcome = 'loss') AS losses, " \
			"count(*) FILTER (WHERE outcome = 'breakeven') AS breakevens, count(*) FILTER (WHERE outcome = 'void') AS voids, " \
			"count(*) FILTER (WHERE outcome <> 'void') AS judged, avg(r_multiple) FILTER (WHERE outcome <> 'void') AS mean_r " \
			"FROM signals WHERE " ONE_OF("strategy", "1") " AND " ONE_OF("symbol", "2") " AND " ONE_OF("timeframe", "3") \
			" AND " ONE_OF("mode", "4") " AND " ONE_OF("symbol", "5") " GROUP BY strategy) AS s"

#define ACK_SQL		"SELECT verdict, record FROM tocsin_ack($1::bigint, string_to_array($2, ','))"
#define CANCEL_SQL	"SELECT verdict, record FROM tocsin_cancel($1::bigint, string_to_array($2, ','))"

static bool
status_ok(const char *text, size_t len)
{
	static const char *const words[] = { "active", "target_hit", "stopped", "expired", "cancelled", NULL };

	return params_word_ok(text, len, words);
}

static bool
side_ok(const char *text, size_t len)
{
	static const char *const words[] = { "long", "short", NULL };

	return params_word_ok(text, len, words);
}

static bool
mode_ok(const char *text, size_t len)
{
	static const char *const words[] = { "live", "dry_run", "replay", NULL };

	return params_word_ok(text, len, words);
}

static bool
timeframe_item_ok(const char *text, size_t len)
{
	char	 word[8];

	snprintf(word, sizeof(word), "%.*s", (int)len, text);
	return len < sizeof(word) && params_timeframe_ok(word);
}

static bool
limit_ok(const char *text)
{
	return params_number_ok(text, 1, 500);
}

static bool
candles_limit_ok(const char *text)
{
	return params_number_ok(text, 1, 1000);
}

static const char symbols_hint[] = "a list of BASE/QUOTE in capitals, like BTC/USDT,ETH/USDT";
static const char strategies_hint[] = "a list of strategies' names (a-z, 0-9, _)";
static const char timeframe_hint[] = "1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 12h or 1d";

/* Read the query by the table, whose values are followed by the symbols of who asks, and ask. */
static void
ask(struct questions *q, struct request *req, const struct param *table, int count, const char *sql)
{
	const char		*values[PARAMS_MAX];
	struct evkeyvalq	 query;

	if (!params_read(req, table, values, &query))
		return;
	values[count] = access_symbols(request_access(req));
	questions_ask(q, req, sql, count + 1, values, question_json);
	evhttp_clear_headers(&query);
}

void
api_signals(struct questions *q, struct request *req)
{
	static const struct param	 table[] = {
		{ .name = "status", .item_ok = status_ok, .allowed = "a list of active, target_hit, stopped, expired, cancelled" },
		{ .name = "symbol", .item_ok = symbol_ok, .allowed = symbols_hint },
		{ .name = "strategy", .item_ok = filter_strategy_ok, .allowed = strategies_hint },
		{ .name = "side", .item_ok = side_ok, .allowed = "long, short or both" },
		{ .name = "before", .ok = params_id_ok, .allowed = "a signal's id" },
		{ .name = "limit", .ok = limit_ok, .allowed = "a number from 1 to 500", .def = "100" },
		{ .name = NULL }
	};

	ask(q, req, table, 6, SIGNALS_SQL);
}

void
api_candles(struct questions *q, struct request *req)
{
	static const struct param	 table[] = {
		{ .name = "exchange", .ok = params_exchange_ok, .allowed = "the name of an exchange (a-z, 0-9, _)", .required = true },
		{ .name = "symbol", .ok = params_symbol_ok, .allowed = "BASE/QUOTE in capitals, like BTC/USDT", .required = true },
		{ .name = "timeframe", .ok = params_timeframe_ok, .allowed = timeframe_hint, .required = true },
		{ .name = "before", .ok = params_time_ok, .allowed = "a time in UTC, like 2026-11-23T10:57:00Z" },
		{ .name = "limit", .ok = candles_limit_ok, .allowed = "a number from 1 to 1000", .def = "500" },
		{ .name = NULL }
	};

	ask(q, req, table, 5, CANDLES_SQL);
}

void
api_stats(struct questions *q, struct request *req)
{
	static const struct param	 table[] = {
		{ .name = "strategy", .item_ok = filter_strategy_ok, .allowed = strategies_hint },
		{ .name = "symbol", .item_ok = symbol_ok, .allowed = symbols_hint },
		{ .name = "timeframe", .item_ok = timeframe_item_ok, .allowed = timeframe_hint },
		{ .name = "mode", .item_ok = mode_ok, .allowed = "a list of live, dry_run, replay", .def = "live" },
		{ .name = NULL }
	};

	ask(q, req, table, 4, STATS_SQL);
}

/* One signal */

static void
operated_cb(struct request *req, const struct pg_result *res)
{
	const char	*verdict = pg_text(res, 0, 0), *record = pg_text(res, 0, 1);
	struct jsonw	 w;

	if (verdict == NULL || record == NULL) {
		question_missing(req);
		return;
	}
	if (strcmp(verdict, "closed") == 0) {
		request_error(req, 409, "the signal is closed already", "a closed signal is final: GET it to see how it ended");
		return;
	}
	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "changed", strcmp(verdict, "done") == 0);
	jsonw_raw(&w, "signal", record, strlen(record));
	jsonw_end_object(&w);
	request_reply(req, 200, REQUEST_JSON, w.buf, w.len);
	jsonw_release(&w);
}

/* What is done to a signal, by the last part of the path. */
struct operation {
	const char	*name, *sql, *hint;
	unsigned	 scope;
};

static void
operate(struct questions *q, struct request *req, const char *id, const struct operation *o)
{
	struct access	*access = request_access(req);
	const char	*values[] = { id, access_symbols(access) };

	if (request_method(req) != REQUEST_POST) {
		request_set_header(req, "Allow", "POST");
		request_error(req, 405, "this method is not allowed here", "POST it");
		return;
	}
	if (!access_may(access, o->scope)) {
		request_error(req, 403, "the token's scopes do not allow this", o->hint);
		return;
	}
	log_info("api", "asked to %s a signal id=%s by=%s peer=%s", o->name, id, access_name(access), request_peer(req));
	questions_ask(q, req, o->sql, 2, values, operated_cb);
}

void
api_signal(struct questions *q, struct request *req)
{
	static const struct operation	 operations[] = {
		{ .name = "ack", .sql = ACK_SQL, .scope = ACCESS_ACK, .hint = "it takes the scope ack" },
		{ .name = "cancel", .sql = CANCEL_SQL, .scope = ACCESS_ADMIN, .hint = "it takes the scope admin" },
	};
	static const struct param	 none[] = { { .name = NULL } };
	const char			*rest = request_rest(req), *slash = strchr(rest, '/');
	const char			*values[2], *unused[1];
	char				 id[24];
	struct evkeyvalq		 query;

	snprintf(id, sizeof(id), "%.*s", (int)strcspn(rest, "/"), rest);
	if (strcspn(rest, "/") >= sizeof(id) || !params_id_ok(id)) {
		request_error(req, 404, "there is no such signal", "/v1/signals/ID, with the number of a signal");
		return;
	}
	for (size_t i = 0; slash != NULL && i < sizeof(operations) / sizeof(operations[0]); i++)
		if (strcmp(slash + 1, operations[i].name) == 0) {
			operate(q, req, id, &operations[i]);
			return;
		}
	if (slash != NULL || request_method(req) == REQUEST_POST) {
		request_error(req, slash != NULL ? 404 : 405, "there is nothing of that kind to do with a signal", "GET /v1/signals/ID, POST /v1/signals/ID/ack or /v1/signals/ID/cancel");
		return;
	}
	if (!params_read(req, none, unused, &query))
		return;
	values[0] = id;
	values[1] = access_symbols(request_access(req));
	questions_ask(q, req, SIGNAL_SQL, 2, values, question_json);
	evhttp_clear_headers(&query);
}
