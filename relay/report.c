#include "relay/report.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/log.h"
#include "common/pg.h"
#include "relay/cursor.h"
#include "relay/listener.h"
#include "relay/realtime.h"
#include "relay/relay.h"
#include "relay/request.h"
#include "relay/ring.h"
#include "relay/settings.h"
#include "relay/streams.h"
#include "relay/webhooks.h"

#define WATCHDOG_STATUS_MAX	262144	/* bytes */

static void
send_json(struct request *req, int code, struct jsonw *w)
{
	request_reply(req, code, REQUEST_JSON, w->buf, w->len);
	jsonw_release(w);
}

void
report_health(struct request *req)
{
	request_reply(req, 200, "text/plain; charset=utf-8", "ok\n", 3);
}

bool
report_is_ready(const struct relay *r, const char **why)
{
	if (!listener_is_ready(r->listener, why))
		return false;
	if (!pg_is_up(r->query))
		*why = "no connection to the database for history";
	else if (!pg_is_up(r->api_session))
		*why = "no connection to the database for /v1/signals";
	else
		return true;
	return false;
}

static void
put_state(const struct relay *r, struct jsonw *w)
{
	const char	*why = NULL;

	if (report_is_ready(r, &why))
		jsonw_str(w, "state", "ready");
	else {
		jsonw_str(w, "state", "degraded");
		jsonw_str(w, "why", why);
	}
}

void
report_ready(const struct relay *r, struct request *req)
{
	const char	*why = NULL;
	bool		 ready = report_is_ready(r, &why);
	struct jsonw	 w;

	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "ready", ready);
	if (!ready) {
		jsonw_str(&w, "error", why);
		jsonw_str(&w, "hint", "the relay keeps trying; /v1/status tells more");
	}
	jsonw_end_object(&w);
	send_json(req, ready ? 200 : 503, &w);
}

void
report_heartbeat(const struct relay *r, struct jsonw *w)
{
	put_state(r, w);
	jsonw_int(w, "cursor", listener_cursor(r->listener));
	jsonw_int(w, "clients", (int64_t)(streams_count(r->streams) + realtime_count(r->realtime)));
	jsonw_int(w, "events_total", (int64_t)r->stats.events);
	jsonw_int(w, "deliveries_total", (int64_t)r->stats.deliveries);
	hist_json(w, "event_to_relay", &r->stats.event_to_relay);
	hist_json(w, "relay_to_socket", &r->stats.relay_to_socket);
	listener_status_json(r->listener, w, "database");
	pg_status_json(r->query, w, "query");
	pg_status_json(r->api_session, w, "api");
	webhooks_heartbeat_json(r->webhooks, w, "webhooks");
}

static void
put_counters(const struct relay *r, struct jsonw *w)
{
	const struct stats	*s = &r->stats;

	jsonw_object(w, "events");
	jsonw_int(w, "total", (int64_t)s->events);
	jsonw_int(w, "deliveries_total", (int64_t)s->deliveries);
	jsonw_int(w, "read_backs_total", (int64_t)s->read_backs);
	jsonw_int(w, "missed_total", (int64_t)s->missed);
	jsonw_int(w, "listen_lost_total", (int64_t)s->listen_lost);
	jsonw_int(w, "forged_total", (int64_t)s->forged);
	jsonw_int(w, "bad_texts_total", (int64_t)s->bad_texts);
	jsonw_end_object(w);
	jsonw_object(w, "streams");
	jsonw_int(w, "open", (int64_t)streams_count(r->streams));
	jsonw_int(w, "max", r->settings->max_clients);
	jsonw_int(w, "opened_total", (int64_t)s->streams_opened);
	jsonw_int(w, "refused_total", (int64_t)s->streams_refused);
	jsonw_int(w, "dropped_slow_total", (int64_t)s->streams_slow);
	jsonw_int(w, "resets_total", (int64_t)s->resets);
	jsonw_int(w, "history_pages_total", (int64_t)s->history_pages);
	jsonw_int(w, "history_shared_total", (int64_t)s->history_shared);
	jsonw_end_object(w);
	jsonw_object(w, "realtime");
	jsonw_int(w, "sockets", (int64_t)realtime_count(r->realtime));
	jsonw_int(w, "channels", (int64_t)realtime_channels(r->realtime));
	jsonw_int(w, "sockets_opened_total", (int64_t)s->sockets_opened);
	jsonw_int(w, "joins_total", (int64_t)s->joins);
	jsonw_int(w, "joins_refused_total", (int64_t)s->joins_refused);
	jsonw_int(w, "messages_bad_total", (int64_t)s->messages_bad);
	jsonw_end_object(w);
	jsonw_object(w, "ring");
	jsonw_int(w, "events", (int64_t)(ring_head(r->ring) - ring_tail(r->ring)));
	jsonw_int(w, "bytes", (int64_t)ring_bytes_held(r->ring));
	jsonw_int(w, "covers_after", ring_floor(r->ring));
	jsonw_end_object(w);
	jsonw_object(w, "latency");
	hist_json(w, "generation_to_event", &s->generation_to_event);
	hist_json(w, "event_to_relay", &s->event_to_relay);
	hist_json(w, "relay_to_socket", &s->relay_to_socket);
	hist_json(w, "notify_round_trip", &s->notify_round_trip);
	jsonw_end_object(w);
}

/* The watchdog's own file, as it is; left out when there is none. */
static void
put_watchdog(const struct relay *r, struct jsonw *w)
{
	char	*text = xcalloc(1, WATCHDOG_STATUS_MAX), path[4096];
	ssize_t	 len = -1;
	int	 fd;

	snprintf(path, sizeof(path), "%s/status.json", r->settings->suite.runtime_dir);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) != -1)
		len = read(fd, text, WATCHDOG_STATUS_MAX - 1);
	fd_close(&fd);
	if (len > 0 && json_valid(text, (size_t)len))
		jsonw_raw(w, "watchdog", text, (size_t)len);
	free(text);
}

void
report_status(const struct relay *r, struct request *req)
{
	const char	*epoch = listener_epoch(r->listener);
	char		 text[CURSOR_MAX];
	struct jsonw	 w;

	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "version", TOCSIN_VERSION);
	jsonw_int(&w, "pid", (int64_t)getpid());
	jsonw_int(&w, "uptime_s", (clock_mono_us() - r->started_us) / 1000000);
	jsonw_str(&w, "time", clock_iso_ms(clock_wall_us(), text));
	put_state(r, &w);
	jsonw_str(&w, "epoch", epoch);
	jsonw_str(&w, "cursor", epoch == NULL ? NULL : cursor_format(epoch, listener_cursor(r->listener), text));
	jsonw_int(&w, "requests_total", (int64_t)r->stats.requests);
	put_counters(r, &w);
	jsonw_object(&w, "database");
	listener_status_json(r->listener, &w, "listener");
	pg_status_json(r->query, &w, "query");
	pg_status_json(r->api_session, &w, "api");
	if (webhooks_session(r->webhooks) != NULL)
		pg_status_json(webhooks_session(r->webhooks), &w, "webhooks");
	jsonw_end_object(&w);
	webhooks_status_json(r->webhooks, &w, "webhooks", listener_cursor(r->listener));
	put_watchdog(r, &w);
	jsonw_end_object(&w);
	send_json(req, 200, &w);
}
