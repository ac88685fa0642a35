#include "relay/relay.h"

#include <event2/event.h>
#include <signal.h>

#include "common/clock.h"
#include "common/heartbeat.h"
#include "common/log.h"
#include "common/net.h"
#include "common/pg.h"
#include "common/suite.h"
#include "relay/access.h"
#include "relay/api.h"
#include "relay/auth.h"
#include "relay/change.h"
#include "relay/history.h"
#include "relay/inherit.h"
#include "relay/listener.h"
#include "relay/notify.h"
#include "relay/page.h"
#include "relay/questions.h"
#include "relay/realtime.h"
#include "relay/reader.h"
#include "relay/report.h"
#include "relay/request.h"
#include "relay/ring.h"
#include "relay/server.h"
#include "relay/settings.h"
#include "relay/streams.h"
#include "relay/subscribe.h"
#include "relay/tls.h"
#include "relay/webhooks.h"
#include "relay/webhooks_api.h"

/* Answers just written may still be on their way out; questions to the database get longer. */
#define FLUSH_MS	50
#define IDLE_MS		30000	/* of a connection between two requests */
#define FINISH_MS	1000
/* Beside the streams: requests, and those that keep a connection open for the next one. */
#define OTHER_CONNECTIONS	1000

/* Nothing is waited for any more but the last bytes. */
static void
flush_and_end(struct relay *r)
{
	struct timeval	 wait = clock_timeval_ms(FLUSH_MS);

	event_base_loopexit(r->base, &wait);
}

static void
webhooks_stopped_cb(void *arg)
{
	struct relay	*r = arg;

	if (questions_pending(r->questions) == 0)
		flush_and_end(r);
}

/* What has no answer by now gets none: those who asked are told. */
static void
patience_ends_cb(evutil_socket_t fd, short what, void *arg)
{
	struct relay	*r = arg;

	(void)fd, (void)what;
	if (questions_pending(r->questions) > 0)
		pg_reset(r->api_session, "the relay is stopping");
	flush_and_end(r);
}

static void
stop(struct relay *r, const char *why, int exit_code)
{
	struct timeval	 wait = clock_timeval_ms(FINISH_MS);
	bool		 sending;

	if (r->stopping)
		return;
	r->stopping = true;
	r->exit_code = exit_code;
	log_info("relay", "stopping why=\"%s\" streams=%zu sockets=%zu", why, streams_count(r->streams),
	    realtime_count(r->realtime));
	heartbeat_stopping(r->heartbeat);
	server_stop_accepting(r->server);
	realtime_stop(r->realtime);
	sending = webhooks_stop(r->webhooks, webhooks_stopped_cb, r);
	if (sending || questions_pending(r->questions) > 0) {
		if (event_base_once(r->base, -1, EV_TIMEOUT, patience_ends_cb, r, &wait) == -1)
			fatalx("relay", "cannot wait");
	} else
		flush_and_end(r);
}

/* From the listener */

static void
rebased_cb(int64_t floor_seq, const char *reason, void *arg)
{
	struct relay	*r = arg;

	ring_clear(r->ring, floor_seq);
	history_forget(r->history);
	if (reason != NULL) {
		streams_reset(r->streams, reason);
		realtime_reset(r->realtime, reason);
		webhooks_rebased(r->webhooks);
	}
}

static void
change_cb(struct change *c, void *arg)
{
	struct relay	*r = arg;

	ring_push(r->ring, c);
	streams_wake(r->streams);
	realtime_wake(r->realtime);
	webhooks_wake(r->webhooks);
}

static void
caught_up_cb(void *arg)
{
	struct relay	*r = arg;

	streams_begin(r->streams);
	realtime_begin(r->realtime);
	webhooks_begin(r->webhooks);
}

static int64_t
highest_cb(void *arg)
{
	const struct relay	*r = arg;

	return history_highest(r->history);
}

static void
unusable_cb(const char *why, void *arg)
{
	log_errorx("relay", "%s", why);
	stop(arg, "the database cannot be used", EXIT_USAGE);
}

/* From the sessions */

static void
query_up_cb(void *arg)
{
	struct relay	*r = arg;

	history_up(r->history);
}

static void
api_up_cb(void *arg)
{
	struct relay	*r = arg;

	/* Somebody waits for the answer.  Fails with the session only. */
	(void)pg_query(r->api_session, "SET statement_timeout = '5s'", 0, NULL, NULL, NULL);
}

static const char *
epoch_cb(void *arg)
{
	struct relay	*r = arg;

	return listener_epoch(r->listener);
}

/* From the watchdog */

static void
status_cb(struct jsonw *w, void *arg)
{
	report_heartbeat(arg, w);
}

static void
orphaned_cb(void *arg)
{
	stop(arg, "the watchdog is gone", EXIT_DONE);
}

/* The new auth of the settings as they are now; NULL when it is not to be used, the reason having been logged. */
static struct auth *
reread_auth(const struct relay *r)
{
	struct settings	 fresh;
	struct auth	*a = NULL;

	if (settings_read_again(&fresh, r->settings->path))
		a = auth_new(&fresh);
	settings_release(&fresh);
	if (a == NULL || r->all_loopback || !auth_is_open(a))
		return a;
	log_errorx("auth", "without a token nobody would guard the addresses that are not loopback");
	auth_free(a);
	return NULL;
}

static void
reload(struct relay *r)
{
	struct auth	*a = reread_auth(r);

	if (r->tls != NULL)
		(void)tls_reload(r->tls);	/* it has told; who is connected stays */
	if (a == NULL) {
		log_warnx("auth", "tokens and key stay as they were");
		return;
	}
	server_set_auth(r->server, a);
	realtime_set_auth(r->realtime, a);
	auth_replace(r->auth, a);
	r->auth = a;
	log_info("auth", "tokens and key read again open=%s", auth_is_open(a) ? "yes" : "no");
}

static void
signal_cb(evutil_socket_t sig, short what, void *arg)
{
	(void)what;
	if (sig == SIGHUP) {
		log_reopen();
		reload(arg);
	} else
		stop(arg, sig == SIGTERM ? "SIGTERM" : "SIGINT", EXIT_DONE);
}

/* Routes */

static void
stream_route(struct request *req, void *arg)
{
	struct relay	*r = arg;

	subscribe(r->streams, realtime_count(r->realtime), &r->stats, req);
}

static void
realtime_route(struct request *req, void *arg)
{
	struct relay	*r = arg;

	realtime_accept(r->realtime, req, streams_count(r->streams));
}

static void
signals_route(struct request *req, void *arg)
{
	struct relay	*r = arg;

	api_signals(r->questions, req);
}

static void
signal_route(struct request *req, void *arg)
{
	struct relay	*r = arg;

	api_signal(r->questions, req);
}

static void
candles_route(struct request *req, void *arg)
{
	struct relay	*r = arg;

	api_candles(r->questions, req);
}

static void
stats_route(struct request *req, void *arg)
{
	struct relay	*r = arg;

	api_stats(r->questions, req);
}

static void
metrics_route(struct request *req, void *arg)
{
	report_metrics(arg, req);
}

static void
webhooks_route(struct request *req, void *arg)
{
	struct relay	*r = arg;

	webhooks_api_list(r->webhooks_api, req, listener_cursor(r->listener));
}

static void
webhook_route(struct request *req, void *arg)
{
	struct relay	*r = arg;

	webhooks_api_resume(r->webhooks_api, req);
}

static void
status_route(struct request *req, void *arg)
{
	report_status(arg, req);
}

static void
ready_route(struct request *req, void *arg)
{
	report_ready(arg, req);
}

static void
health_route(struct request *req, void *arg)
{
	(void)arg;
	report_health(req);
}

static void
page_route(struct request *req, void *arg)
{
	(void)arg;
	page_serve(req);
}

static const struct server_route routes[] = {
	{ "/v1/stream", REQUEST_GET, ACCESS_READ, false, stream_route },
	{ "/realtime/v1/websocket", REQUEST_GET, 0, true, realtime_route },
	{ "/socket/websocket", REQUEST_GET, 0, true, realtime_route },
	{ "/v1/signals", REQUEST_GET, ACCESS_READ, false, signals_route },
	{ "/v1/signals/", REQUEST_GET | REQUEST_POST, ACCESS_READ, false, signal_route },
	{ "/v1/candles", REQUEST_GET, ACCESS_READ, false, candles_route },
	{ "/v1/stats", REQUEST_GET, ACCESS_READ, false, stats_route },
	{ "/metrics", REQUEST_GET, ACCESS_READ, false, metrics_route },
	{ "/v1/webhooks", REQUEST_GET, ACCESS_READ, false, webhooks_route },
	{ "/v1/webhooks/", REQUEST_POST, ACCESS_ADMIN, false, webhook_route },
	{ "/v1/status", REQUEST_GET, ACCESS_READ, false, status_route },
	{ "/healthz", REQUEST_GET, 0, false, health_route },
	{ "/readyz", REQUEST_GET, 0, false, ready_route },
	{ NULL, REQUEST_GET, 0, false, page_route }
};

static struct pg *
new_session(struct relay *r, const char *name, void (*up)(void *arg))
{
	const struct pg_handler	 handler = { .up = up };
	const struct pg_params	 params = {
		.name = name, .conninfo = settings_database(r->settings), .connect_timeout_ms = 5000,
		.answer_timeout_ms = 40000, .backoff_base_ms = 1000, .backoff_max_ms = 30000,
	};

	return pg_new(r->base, &params, &handler, r);
}

static void
build_database_side(struct relay *r)
{
	const struct listener_handler	 handler = {
		.rebased = rebased_cb, .change = change_cb, .caught_up = caught_up_cb, .highest = highest_cb,
		.unusable = unusable_cb
	};

	r->ring = ring_new((size_t)r->settings->ring_size, (uint64_t)r->settings->ring_bytes);
	r->listener = listener_new(r->base, settings_database(r->settings), r->settings->ring_size, &r->stats, &handler, r);
	r->query = new_session(r, "query", query_up_cb);
	r->api_session = new_session(r, "api", api_up_cb);
	r->history = history_new(r->base, r->query, &r->stats, epoch_cb, r);
	r->questions = questions_new(r->api_session);
}

static void
build_client_side(struct relay *r, const int *fds, size_t count)
{
	const struct streams_params	 params = {
		.ring = r->ring, .history = r->history, .listener = r->listener, .stats = &r->stats,
		.max = (size_t)r->settings->max_clients, .client_buffer = (uint64_t)r->settings->client_buffer,
		.keepalive_ms = r->settings->keepalive_ms,
	};
	const struct realtime_params	 realtime_params = {
		.reader = { .ring = r->ring, .history = r->history, .listener = r->listener, .stats = &r->stats },
		.auth = r->auth, .max = (size_t)r->settings->max_clients, .client_buffer = (uint64_t)r->settings->client_buffer,
	};
	const struct server_params	 server_params = {
		.routes = routes, .names = &r->settings->public_hosts, .auth = r->auth, .stats = &r->stats,
		.origins = &r->settings->cors_origins, .tls = r->tls,
		.max_connections = (size_t)r->settings->max_clients + OTHER_CONNECTIONS,
		.max_per_address = (size_t)r->settings->max_per_address, .request_ms = r->settings->request_ms, .idle_ms = IDLE_MS,
	};
	const struct reader_context	 readers = {
		.ring = r->ring, .history = r->history, .listener = r->listener, .stats = &r->stats
	};

	r->streams = streams_new(r->base, &params);
	r->realtime = realtime_new(r->base, &realtime_params);
	r->webhooks = webhooks_new(r->base, &r->settings->webhooks, settings_database(r->settings), &readers);
	r->webhooks_api = webhooks_api_new(r->webhooks);
	r->server = server_new(r->base, fds, count, &server_params, r);
}

static void
serve(struct relay *r)
{
	static const int		 numbers[] = { SIGTERM, SIGINT, SIGHUP };
	struct event			*signals[sizeof(numbers) / sizeof(numbers[0])];
	const size_t			 count = sizeof(numbers) / sizeof(numbers[0]);
	const struct heartbeat_handler	 handler = { .status = status_cb, .orphaned = orphaned_cb };

	for (size_t i = 0; i < count; i++)
		if ((signals[i] = evsignal_new(r->base, numbers[i], signal_cb, r)) == NULL ||
		    event_add(signals[i], NULL) == -1)
			fatalx("relay", "cannot watch signals");
	r->heartbeat = heartbeat_new(r->base, (unsigned)r->settings->suite.heartbeat_interval_ms, &handler, r);
	listener_start(r->listener);
	pg_start(r->query);
	pg_start(r->api_session);
	webhooks_start(r->webhooks);
	/* Clients are served from here on; a missing database is no reason to be started anew. */
	heartbeat_ready(r->heartbeat);
	event_base_dispatch(r->base);
	heartbeat_free(r->heartbeat);
	for (size_t i = 0; i < count; i++)
		event_free(signals[i]);
}

/* Streams and questions refer to connections, so they go before the server; batches to history. */
static void
release(struct relay *r)
{
	streams_free(r->streams);
	questions_free(r->questions);
	realtime_free(r->realtime);
	webhooks_api_free(r->webhooks_api);
	webhooks_free(r->webhooks);
	server_free(r->server);
	history_free(r->history);
	pg_free(r->query);
	pg_free(r->api_session);
	listener_free(r->listener);
	ring_free(r->ring);
	change_end();
	notify_end();
	auth_free(r->auth);
	tls_free(r->tls);
	net_end(r->base);
	event_base_free(r->base);
}

int
relay_run(const struct settings *settings, struct auth *auth, const int *fds, size_t count)
{
	struct relay	 r = { .settings = settings, .auth = auth, .all_loopback = inherit_all_loopback(fds, count), .exit_code = EXIT_DONE, .started_us = clock_mono_us() };

	if (settings->tls_cert != NULL && (r.tls = tls_new(settings->tls_cert, settings->tls_key)) == NULL) {
		auth_free(auth);
		return EXIT_USAGE;
	}
	if (r.tls == NULL && !r.all_loopback)
		log_warnx("http", "anybody between a client and here reads along, tokens too: set tls_cert and tls_key, "
		    "or listen on loopback only and put a proxy with TLS in front");

	if ((r.base = event_base_new()) == NULL)
		fatalx("relay", "cannot make an event loop");
	build_database_side(&r);
	build_client_side(&r, fds, count);
	serve(&r);
	release(&r);
	return r.exit_code;
}
