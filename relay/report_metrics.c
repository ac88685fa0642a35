/* What /metrics shows, see report.h. */
#include "common/clock.h"
#include "common/pg.h"
#include "relay/listener.h"
#include "relay/metrics.h"
#include "relay/questions.h"
#include "relay/realtime.h"
#include "relay/relay.h"
#include "relay/report.h"
#include "relay/request.h"
#include "relay/ring.h"
#include "relay/settings.h"
#include "relay/streams.h"
#include "relay/webhook.h"
#include "relay/webhooks.h"

static void
put_way(struct metrics *m, const struct stats *s)
{
	metrics_one(m, "events_total", "counter", "events handed out, live or caught up", (double)s->events);
	metrics_one(m, "deliveries_total", "counter", "events times the streams that took them", (double)s->deliveries);
	metrics_one(m, "read_backs_total", "counter", "gaps, and notifications without their record, read back from the log", (double)s->read_backs);
	metrics_one(m, "missed_total", "counter", "events that only the probe found", (double)s->missed);
	metrics_one(m, "listen_lost_total", "counter", "probes that found us not listening", (double)s->listen_lost);
	metrics_one(m, "forged_total", "counter", "notifications that the log has not sent", (double)s->forged);
	metrics_one(m, "bad_texts_total", "counter", "notifications or rows that are no event", (double)s->bad_texts);
	metrics_hist(m, "generation_to_event_seconds", "from the strategy's decision to the row in the log", &s->generation_to_event);
	metrics_hist(m, "event_to_relay_seconds", "from the row in the log to the relay", &s->event_to_relay);
	metrics_hist(m, "relay_to_socket_seconds", "from the relay to a subscriber's socket", &s->relay_to_socket);
	metrics_hist(m, "notify_round_trip_seconds", "of the probe's NOTIFY", &s->notify_round_trip);
}

static void
put_clients(struct metrics *m, const struct relay *r)
{
	const struct stats	*s = &r->stats;

	metrics_one(m, "streams", "gauge", "streams that are open", (double)streams_count(r->streams));
	metrics_one(m, "streams_max", "gauge", "max_clients", (double)r->settings->max_clients);
	metrics_one(m, "streams_opened_total", "counter", "streams opened", (double)s->streams_opened);
	metrics_one(m, "streams_refused_total", "counter", "streams refused, being too many", (double)s->streams_refused);
	metrics_one(m, "streams_dropped_slow_total", "counter", "streams dropped, lagging too far", (double)s->streams_slow);
	metrics_one(m, "realtime_sockets", "gauge", "sockets of Realtime that are open", (double)realtime_count(r->realtime));
	metrics_one(m, "realtime_channels", "gauge", "their channels", (double)realtime_channels(r->realtime));
	metrics_one(m, "realtime_sockets_opened_total", "counter", "sockets of Realtime opened", (double)s->sockets_opened);
	metrics_one(m, "realtime_joins_total", "counter", "channels joined", (double)s->joins);
	metrics_one(m, "realtime_joins_refused_total", "counter", "joins refused", (double)s->joins_refused);
	metrics_one(m, "realtime_messages_bad_total", "counter", "messages that were none", (double)s->messages_bad);
	metrics_one(m, "resets_total", "counter", "streams that had to begin anew", (double)s->resets);
	metrics_one(m, "history_pages_total", "counter", "pages of the log read for those who resume", (double)s->history_pages);
	metrics_one(m, "history_shared_total", "counter", "readers that were served with another one's page", (double)s->history_shared);
	metrics_one(m, "requests_total", "counter", "requests that reached a route", (double)s->requests);
	metrics_one(m, "requests_bad_total", "counter", "requests that were none, or that their sender may not ask", (double)s->requests_bad);
	metrics_one(m, "connections_total", "counter", "connections accepted", (double)s->connections);
	metrics_one(m, "connections_refused_total", "counter", "connections closed, being too many from one address", (double)s->connections_refused);
	metrics_one(m, "connections_shed_total", "counter", "idle connections closed to make room", (double)s->connections_shed);
	metrics_one(m, "questions_pending", "gauge", "requests that wait for the database", (double)questions_pending(r->questions));
}

static void
put_health(struct metrics *m, const struct relay *r)
{
	const char	*why = NULL;

	metrics_family(m, "info", "gauge", "the version that runs");
	metrics_sample(m, "version", TOCSIN_VERSION, 1);
	metrics_one(m, "uptime_seconds", "gauge", "since the start", (double)(clock_mono_us() - r->started_us) / 1e6);
	metrics_one(m, "ready", "gauge", "1 while /readyz says so", report_is_ready(r, &why) ? 1 : 0);
	metrics_family(m, "session_up", "gauge", "1 while this session with the database is up");
	metrics_sample(m, "session", "listener", listener_is_ready(r->listener, &why) ? 1 : 0);
	metrics_sample(m, "session", "query", pg_is_up(r->query) ? 1 : 0);
	metrics_sample(m, "session", "api", pg_is_up(r->api_session) ? 1 : 0);
	metrics_one(m, "cursor", "gauge", "seq of the newest event that is known", (double)listener_cursor(r->listener));
	metrics_one(m, "ring_events", "gauge", "events in memory", (double)(ring_head(r->ring) - ring_tail(r->ring)));
	metrics_one(m, "ring_bytes", "gauge", "memory that they take", (double)ring_bytes_held(r->ring));
}

/* What of a webhook's figures a family shows. */
struct webhook_figure {
	const char	*name, *type, *help;
	double		(*of)(const struct webhook *w);
};

static double
is_running(const struct webhook *w)
{
	return webhook_state(w) == WEBHOOK_RUNNING ? 1 : 0;
}

static double
is_failing(const struct webhook *w)
{
	return webhook_is_failing(w) ? 1 : 0;
}

static double
is_parked(const struct webhook *w)
{
	return webhook_state(w) == WEBHOOK_PARKED ? 1 : 0;
}

static double
delivered(const struct webhook *w)
{
	return (double)webhook_counters(w)->delivered;
}

static double
attempts(const struct webhook *w)
{
	return (double)webhook_counters(w)->attempts;
}

static double
failures(const struct webhook *w)
{
	return (double)webhook_counters(w)->failures;
}

static double
skipped(const struct webhook *w)
{
	return (double)webhook_counters(w)->skipped;
}

static double
gaps(const struct webhook *w)
{
	return (double)webhook_counters(w)->gaps;
}

static void
put_webhooks(struct metrics *m, const struct webhooks *set)
{
	static const struct webhook_figure	 figures[] = {
		{ "webhook_running", "gauge", "1 while this relay delivers to it", is_running },
		{ "webhook_failing", "gauge", "1 while it waits to try again", is_failing },
		{ "webhook_parked", "gauge", "1 while it is given up, until somebody resumes it", is_parked },
		{ "webhook_delivered_total", "counter", "events that its receiver took", delivered },
		{ "webhook_attempts_total", "counter", "requests sent to it", attempts },
		{ "webhook_failures_total", "counter", "of these, not taken", failures },
		{ "webhook_skipped_total", "counter", "events left out, its receiver having refused them for good", skipped },
		{ "webhook_gaps_total", "counter", "times that the log began behind its place", gaps },
	};

	if (set == NULL || webhooks_count(set) == 0)
		return;
	for (size_t f = 0; f < sizeof(figures) / sizeof(figures[0]); f++) {
		metrics_family(m, figures[f].name, figures[f].type, figures[f].help);
		for (size_t i = 0; i < webhooks_count(set); i++)
			metrics_sample(m, "webhook", webhook_name(webhooks_at(set, i)), figures[f].of(webhooks_at(set, i)));
	}
}

void
report_metrics(const struct relay *r, struct request *req)
{
	struct metrics	*m = metrics_new();
	const char	*text;
	size_t		 len;

	put_health(m, r);
	put_way(m, &r->stats);
	put_clients(m, r);
	put_webhooks(m, r->webhooks);
	text = metrics_text(m, &len);
	request_reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", text, len);
	metrics_free(m);
}
