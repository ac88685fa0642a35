#include "relay/listener.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/pg.h"
#include "common/schema.h"
#include "relay/change.h"
#include "relay/cursor.h"
#include "relay/follow.h"
#include "relay/notify.h"
#include "relay/stats.h"
#include "relay/timelines.h"

#define CHANNEL			"signals"
#define PAGE_ROWS		1000
#define PROBE_S			5
#define ROUND_TRIP_MAX_US	INT64_C(12000000)
/* Of notifications that are not the log's: one makes us look into the log so often, and one is told so often. */
#define HINT_US			INT64_C(100000)
#define FORGED_TOLD_US		(60 * INT64_C(1000000))
#define TEXT_OF(x)		TEXT_OF_(x)
#define TEXT_OF_(x)		#x

/* Where the log stands, and from where on the newest $1 events are.  NULL: it is empty. */
#define PLACE_SQL	"SELECT " EPOCH_SQL ", max(seq), coalesce((SELECT seq FROM signal_events " \
			"ORDER BY seq DESC OFFSET $1 LIMIT 1), min(seq) - 1), " TIMELINES_SQL " FROM signal_events"
#define KEY_SQL		"SELECT encode(inner_pad, 'hex'), encode(outer_pad, 'hex') FROM tocsin_notify_key"
#define PAGE_SQL	"SELECT seq, signal_event_text(e, true) FROM signal_events e " \
			"WHERE seq > $1 ORDER BY seq LIMIT " TEXT_OF(PAGE_ROWS)
#define PROBE_SQL	"SELECT (SELECT max(seq) FROM signal_events), " \
			"EXISTS (SELECT FROM pg_listening_channels() AS c WHERE c = '" CHANNEL "'), pg_notify($1, $2)"

enum reading { READ_CATCH_UP, READ_GAP, READ_PROBE };

struct listener {
	struct pg		*pg;
	struct event		*probe_timer;
	struct stats		*stats;
	struct listener_handler	 handler;
	void			*arg;
	int64_t			 history;
	struct follow		 follow;
	enum reading		 reading;	/* why the page under way was asked for */
	bool			 filling;	/* what comes is history, not news */
	bool			 begun, caught_up;
	bool			 probing;
	bool			 setup_failed;	/* the next probe drops the session */
	struct timelines	 timelines;
	struct notify_key	 key;
	int64_t			 hinted_us, forged_told_us;	/* monotonic; 0: not yet */
	char			 channel[40];	/* the probe's own */
	int64_t			 round_trip_at_us;	/* monotonic; 0: none on this connection */
};

static void	 ask_key(struct listener *l);
static void	 ask_page(struct listener *l);
static void	 ask_place(struct listener *l);
static void	 send_probe(struct listener *l);

/* Something in the way that a new connection may clear up, but not at once. */
static void
setup_failed(struct listener *l, const char *what, const struct pg_result *res)
{
	if (pg_lost(res) || pg_skipped(res) || l->setup_failed)
		return;
	l->setup_failed = true;
	follow_away(&l->follow);
	log_errorx("listener", "cannot %s sqlstate=%s why=\"%s\" retry_s=%d", what, pg_sqlstate(res), pg_error(res), PROBE_S);
}

/* Events */

static void
hand_out(struct listener *l, struct change *c)
{
	int64_t	 wall_now_us = clock_wall_us();

	if (!l->filling) {
		l->stats->events++;
		c->arrived_us = clock_mono_us();
		if (c->wall_at_us != 0)
			hist_add(&l->stats->event_to_relay, wall_now_us - c->wall_at_us);
		if (c->kind == CHANGE_OPENED && c->wall_generated_us != 0 && c->wall_at_us != 0)
			hist_add(&l->stats->generation_to_event, c->wall_at_us - c->wall_generated_us);
	}
	l->handler.change(c, l->arg);
}

static void
bad_text(struct listener *l, const char *where, const char *why)
{
	l->stats->bad_texts++;
	log_warnx("listener", "not an event, left out where=%s why=\"%s\"", where, why);
}

static void
read_gap(struct listener *l)
{
	l->stats->read_backs++;
	l->reading = READ_GAP;
	ask_page(l);
}

/*
 * Not the log's own words, so none of them is believed.  Should the key be
 * another one by now, they are the log's after all: look there, but not as often
 * as anybody may call.  What that leaves out the probe finds.
 */
static void
forged(struct listener *l)
{
	int64_t	 now_us = clock_mono_us();

	l->stats->forged++;
	if (l->forged_told_us == 0 || now_us - l->forged_told_us > FORGED_TOLD_US) {
		l->forged_told_us = now_us;
		log_warnx("listener", "a notification that the log has not sent, not passed on: who may log in to this database? total=%llu",
		    (unsigned long long)l->stats->forged);
	}
	if (l->follow.state != FOLLOW_LIVE || (l->hinted_us != 0 && now_us - l->hinted_us < HINT_US))
		return;
	l->hinted_us = now_us;
	ask_key(l);
	read_gap(l);
}

static void
notified(struct listener *l, const char *payload)
{
	const char	*why = NULL;
	struct change	*c;
	char		 text[NOTIFY_MAX];

	if (!notify_open(&l->key, payload, text)) {
		forged(l);
		return;
	}
	if ((c = change_parse(text, l->timelines.epoch, &why)) == NULL) {
		bad_text(l, "notification", why);
		return;
	}
	switch (follow_notified(&l->follow, c->seq, c->has_record)) {
	case FOLLOW_DELIVER:
		hand_out(l, c);
		break;
	case FOLLOW_READ_BACK:
		read_gap(l);
		break;
	case FOLLOW_IGNORE:
		break;
	}
	change_unref(c);
}

static void
notify_cb(const char *channel, const char *payload, void *arg)
{
	struct listener	*l = arg;
	int64_t		 now_us;

	if (strcmp(channel, CHANNEL) == 0) {
		/* Before the place is known nothing can be judged; catching up covers it. */
		if (l->follow.state != FOLLOW_AWAY)
			notified(l, payload);
	} else if (strcmp(channel, l->channel) == 0) {
		now_us = clock_mono_us();
		l->round_trip_at_us = now_us;
		hist_add(&l->stats->notify_round_trip, now_us - strtoll(payload, NULL, 10));
	}
}

/* Catching up and reading back */

static void
page_end(struct listener *l, bool full, int64_t before)
{
	int64_t	 found = l->follow.cursor - before;

	/* Had the notification only been slower than the probe, it would have come while the page was read. */
	if (l->reading == READ_PROBE && found > 0 && l->follow.highest < l->follow.cursor) {
		l->stats->missed += (uint64_t)found;
		log_warnx("listener", "events without a notification, read back from_seq=%" PRId64 " to_seq=%" PRId64,
		    before + 1, l->follow.cursor);
	}
	if (follow_page_done(&l->follow, full)) {
		ask_page(l);
		return;
	}
	if (l->caught_up)
		return;
	l->caught_up = l->begun = true;
	l->filling = false;
	log_info("listener", "caught up epoch=%s cursor=%" PRId64, l->timelines.epoch, l->follow.cursor);
	l->handler.caught_up(l->arg);
	send_probe(l);
}

static void
page_cb(const struct pg_result *res, void *arg)
{
	struct listener	*l = arg;
	int64_t		 before = l->follow.cursor;
	const char	*why = NULL;
	struct change	*c;

	if (!pg_ok(res)) {
		setup_failed(l, "read the event log", res);
		return;
	}
	for (int i = 0; i < pg_rows(res); i++) {
		if (!follow_row(&l->follow, pg_int(res, i, 0)))
			continue;
		if ((c = change_parse(pg_text(res, i, 1), l->timelines.epoch, &why)) == NULL) {
			bad_text(l, "log", why);
			continue;
		}
		hand_out(l, c);
		change_unref(c);
	}
	page_end(l, pg_rows(res) == PAGE_ROWS, before);
}

static void
ask_page(struct listener *l)
{
	char		 text[24];
	const char	*values[] = { text };

	snprintf(text, sizeof(text), "%" PRId64, l->follow.cursor);
	follow_page_asked(&l->follow);
	(void)pg_query(l->pg, PAGE_SQL, 1, values, page_cb, l);	/* fails only with the session: down_cb() follows */
}

/* Setting up */

/* Begin with the newest part of a log; reason NULL: for the first time. */
static void
rebase(struct listener *l, int64_t floor_seq, const char *reason)
{
	l->follow = (struct follow){ .cursor = floor_seq };
	l->filling = true;
	l->begun = l->caught_up = false;
	if (reason != NULL)
		log_warnx("listener", "starting over on another log reason=%s epoch=%s floor=%" PRId64, reason,
		    l->timelines.epoch, floor_seq);
	l->handler.rebased(floor_seq, reason, l->arg);
}

/* All that was handed out, by whomever, is in the log as it is now. */
static bool
goes_on(const struct listener *l, const char *before)
{
	int64_t	 highest = l->handler.highest == NULL ? 0 : l->handler.highest(l->arg);

	return timelines_continue(&l->timelines, before, highest > l->follow.cursor ? highest : l->follow.cursor);
}

static void
place_cb(const struct pg_result *res, void *arg)
{
	struct listener	*l = arg;
	char		 before[EPOCH_MAX];
	const char	*epoch;
	bool		 is_empty;

	if (!pg_ok(res) || pg_text(res, 0, 0) == NULL) {
		setup_failed(l, "read the epoch", res);
		return;
	}
	if (l->setup_failed)
		return;
	epoch = pg_text(res, 0, 0);
	is_empty = pg_text(res, 0, 1) == NULL;
	memcpy(before, l->timelines.epoch, sizeof(before));
	timelines_read(&l->timelines, epoch, pg_text(res, 0, 3), pg_int(res, 0, 1));
	if (before[0] == '\0')
		rebase(l, pg_int(res, 0, 2), NULL);
	else if (!goes_on(l, before))
		rebase(l, pg_int(res, 0, 2), "epoch");
	else if (!is_empty && pg_int(res, 0, 1) < l->follow.cursor)
		rebase(l, pg_int(res, 0, 2), "log");
	else if (strcmp(before, epoch) != 0)
		log_info("listener", "the log goes on in another timeline from=%s epoch=%s cursor=%" PRId64, before, epoch, l->follow.cursor);
	l->reading = READ_CATCH_UP;
	ask_page(l);
}

static void
ask_place(struct listener *l)
{
	char		 text[24];
	const char	*values[] = { text };

	snprintf(text, sizeof(text), "%" PRId64, l->history);
	(void)pg_query(l->pg, PLACE_SQL, 1, values, place_cb, l);
}

static void
key_cb(const struct pg_result *res, void *arg)
{
	struct listener	*l = arg;

	if (!pg_ok(res))
		setup_failed(l, "read the key of notifications", res);
	else if (pg_rows(res) != 1 || !notify_key_read(&l->key, pg_text(res, 0, 0), pg_text(res, 0, 1)))
		log_warnx("listener", "tocsin_notify_key holds no key: events come late, from the log");
}

static void
ask_key(struct listener *l)
{
	(void)pg_query(l->pg, KEY_SQL, 0, NULL, key_cb, l);
}

static void
listen_cb(const struct pg_result *res, void *arg)
{
	if (!pg_ok(res))
		setup_failed(arg, "LISTEN", res);
}

static void
schema_cb(const struct pg_result *res, void *arg)
{
	struct listener	*l = arg;
	char		 why[256];
	const char	*wrong;

	if (!schema_is_known(res)) {
		setup_failed(l, "read the schema's number", res);
		return;
	}
	if ((wrong = schema_check(res, why, sizeof(why))) != NULL) {
		l->setup_failed = true;
		l->handler.unusable(wrong, l->arg);
	}
}

static void
listen_to(struct listener *l, const char *channel)
{
	char	 sql[64];

	snprintf(sql, sizeof(sql), "LISTEN %s", channel);
	(void)pg_query(l->pg, sql, 0, NULL, listen_cb, l);
}

static void
up_cb(void *arg)
{
	struct listener	*l = arg;

	l->setup_failed = l->probing = l->caught_up = false;
	l->round_trip_at_us = 0;
	/* Each its own transaction, in this order: what commits after LISTEN is notified, what did before is read. */
	(void)pg_query(l->pg, SCHEMA_QUERY, 0, NULL, schema_cb, l);
	ask_key(l);
	listen_to(l, CHANNEL);
	listen_to(l, l->channel);
	ask_place(l);
}

static void
down_cb(void *arg)
{
	struct listener	*l = arg;

	follow_away(&l->follow);
	l->probing = l->caught_up = false;
	l->round_trip_at_us = 0;
}

/* The probe */

static void
probe_cb(const struct pg_result *res, void *arg)
{
	struct listener	*l = arg;

	l->probing = false;
	if (!pg_ok(res)) {
		setup_failed(l, "probe", res);
		return;
	}
	if (l->follow.state == FOLLOW_AWAY)
		return;
	if (strcmp(pg_text(res, 0, 1), "t") != 0) {
		l->stats->listen_lost++;
		log_warnx("listener", "the server has us not listening, again now: is a pooler in transaction mode between?");
		listen_to(l, CHANNEL);
		listen_to(l, l->channel);
	}
	if (pg_text(res, 0, 0) != NULL && pg_int(res, 0, 0) < l->follow.cursor) {
		follow_away(&l->follow);
		ask_place(l);
	} else if (l->follow.state == FOLLOW_LIVE &&
	    (pg_int(res, 0, 0) > l->follow.cursor || strcmp(pg_text(res, 0, 1), "t") != 0)) {
		l->reading = READ_PROBE;
		ask_page(l);
	}
}

static void
send_probe(struct listener *l)
{
	char		 now[24];
	const char	*values[] = { l->channel, now };

	snprintf(now, sizeof(now), "%" PRId64, clock_mono_us());
	l->probing = pg_query(l->pg, PROBE_SQL, 2, values, probe_cb, l) == 0;
}

static void
probe_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct listener	*l = arg;

	(void)fd, (void)what;
	if (!pg_is_up(l->pg))
		return;
	if (l->setup_failed)
		pg_reset(l->pg, "the session could not be used");
	else if (l->follow.state != FOLLOW_AWAY && !l->probing)
		send_probe(l);
}

/* For callers */

struct listener *
listener_new(struct event_base *base, const char *conninfo, int64_t history, struct stats *stats,
    const struct listener_handler *handler, void *arg)
{
	struct listener			*l = xcalloc(1, sizeof(*l));
	const struct pg_params		 params = {
		.name = "listener", .conninfo = conninfo, .connect_timeout_ms = 5000, .answer_timeout_ms = 10000,
		.backoff_base_ms = 1000, .backoff_max_ms = 30000, .needs_session = true,
	};
	const struct pg_handler		 pg_handler = { .up = up_cb, .down = down_cb, .notify = notify_cb };
	struct timeval			 every = { .tv_sec = PROBE_S };

	l->history = history;
	l->stats = stats;
	l->handler = *handler;
	l->arg = arg;
	/* Relays on other machines listen in the same database: a pid would not do. */
	snprintf(l->channel, sizeof(l->channel), "tocsin_probe_%08x%08x", backoff_random(), backoff_random());
	l->pg = pg_new(base, &params, &pg_handler, l);
	if ((l->probe_timer = event_new(base, -1, EV_PERSIST, probe_timer_cb, l)) == NULL ||
	    event_add(l->probe_timer, &every) == -1)
		fatalx("listener", "cannot add a timer");
	return l;
}

void
listener_start(struct listener *l)
{
	pg_start(l->pg);
}

void
listener_free(struct listener *l)
{
	if (l == NULL)
		return;
	event_free(l->probe_timer);
	pg_free(l->pg);
	free(l);
}

const char *
listener_epoch(const struct listener *l)
{
	return l->timelines.epoch[0] == '\0' ? NULL : l->timelines.epoch;
}

bool
listener_continues(const struct listener *l, const struct cursor *c)
{
	return timelines_continue(&l->timelines, c->epoch, c->seq);
}

int64_t
listener_cursor(const struct listener *l)
{
	return l->follow.cursor;
}

bool
listener_has_begun(const struct listener *l)
{
	return l->begun;
}

bool
listener_is_ready(const struct listener *l, const char **why)
{
	if (pg_met_pooler(l->pg))
		*why = "the database is behind a pooler in transaction mode, through which no notification comes, see the log";
	else if (!pg_is_up(l->pg))
		*why = "no connection to the database";
	else if (l->setup_failed)
		*why = "the database refuses what the relay needs, see the log";
	else if (!l->caught_up)
		*why = "catching up with the event log";
	else if (clock_mono_us() - l->round_trip_at_us > ROUND_TRIP_MAX_US)
		*why = "no notification came through lately";
	else
		return true;
	return false;
}

void
listener_status_json(const struct listener *l, struct jsonw *w, const char *key)
{
	pg_status_json(l->pg, w, key);
}
