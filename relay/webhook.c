#include "relay/webhook.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/net.h"
#include "relay/change.h"
#include "relay/cursor.h"
#include "relay/filter.h"
#include "relay/listener.h"
#include "relay/webhook_conf.h"
#include "relay/webhook_plan.h"
#include "relay/webhook_post.h"

#define QUEUE_MAX	READER_GATHER_MAX

static const char *const state_names[] = {
	[WEBHOOK_STANDBY] = "standby", [WEBHOOK_LOADING] = "loading", [WEBHOOK_RUNNING] = "running", [WEBHOOK_PARKED] = "parked"
};

struct webhook {
	const struct webhook_context *context;
	const struct webhook_conf *conf;
	struct webhook_post	*post;		/* the event at hand, until it was taken */
	char			 post_epoch[EPOCH_MAX];	/* that its seq is of */
	struct event		*pump;		/* in a turn of the loop of its own, never from within a reader */
	struct event		*retry;
	enum webhook_state	 state;
	struct reader		*reader;	/* RUNNING */
	struct change		*queue[QUEUE_MAX];
	size_t			 queue_at, queue_count;
	bool			 is_stale;	/* it was sent before the place was asked for again */
	bool			 stopping;
	int64_t			 retry_us;	/* monotonic: when it is tried again */
	int64_t			 done;		/* seq: all up to here is over */
	int64_t			 wanted;	/* the last of these that was wanted */
	char			 epoch[EPOCH_MAX];	/* that `done` is of */
	struct webhook_trouble	 trouble;
	char			 parked_why[NET_WHY_MAX];
	const char		*gap;		/* reason why the place is to be begun anew, from the reader; NULL: none */
	struct webhook_record	 saved;		/* parked_why: as a flag only */
	bool			 has_saved;
	struct webhook_counters	 counters;
	int			 last_status;
	int64_t			 last_ms;	/* that the last answer took */
	int64_t			 wall_delivered_us;
	char			 last_error[NET_WHY_MAX];
};

/* The queue */

static void
clear_queue(struct webhook *w)
{
	while (w->queue_at < w->queue_count)
		change_unref(w->queue[w->queue_at++]);
	w->queue_at = w->queue_count = 0;
}

static void
schedule(struct webhook *w)
{
	event_active(w->pump, EV_TIMEOUT, 0);
}

/* Back to nothing, but what is on its way to the receiver, and the time before which it is not to be asked again. */
static void
drop_place(struct webhook *w)
{
	reader_free(w->reader);
	w->reader = NULL;
	clear_queue(w);
	w->gap = NULL;
	if (webhook_post_is_sending(w->post))
		w->is_stale = true;
	else
		webhook_post_clear(w->post);
}

/* From the reader */

static void
ready_cb(void *arg)
{
	schedule(arg);
}

static void
reset_cb(const char *reason, int64_t seq, void *arg)
{
	struct webhook	*w = arg;

	(void)seq;
	w->gap = reason;
	schedule(w);
}

static void
nothing_cb(void *arg)
{
	(void)arg;
}

static void
snapshot_done_cb(int64_t seq, void *arg)
{
	(void)seq, (void)arg;
}

static bool
wants_cb(const struct change *c, void *arg)
{
	const struct webhook	*w = arg;

	return w->conf->filter == NULL || filter_passes(w->conf->filter, c);
}

static void
start_reader(struct webhook *w, int64_t seq)
{
	static const struct reader_handler	 handler = {
		.begun = nothing_cb, .ready = ready_cb, .reset = reset_cb, .snapshot_done = snapshot_done_cb, .wants = wants_cb
	};
	/* No epoch: the place is from the database itself, so it is one in the log that this database holds. */
	const struct cursor			 start = { .seq = seq };

	reader_free(w->reader);
	w->reader = reader_new(&w->context->readers, &handler, w, &start);
	reader_begin(w->reader);
	schedule(w);
}

/* The log does not go on from its place: from the oldest event there is, and say so. */
static void
start_over(struct webhook *w)
{
	const char	*reason = w->gap;

	w->counters.gaps++;
	log_warnx("webhook", "the log does not go on from its place: from the oldest event there is name=%s place=%" PRId64
	    " reason=%s", w->conf->name, w->done, reason);
	drop_place(w);
	w->done = w->wanted = 0;
	start_reader(w, 0);
}

/* Sending */

static void
move_to(struct webhook *w, int64_t seq, bool wanted)
{
	if (seq > w->done)
		w->done = seq;
	if (wanted && seq > w->wanted)
		w->wanted = seq;
}

/* Fill the queue; false when there is nothing now. */
static bool
fill_queue(struct webhook *w)
{
	size_t	 count = w->gap != NULL ? 0 : reader_gather(w->reader, w->queue, QUEUE_MAX);

	/* What was asked for is a snapshot: not what we want. */
	if (w->gap != NULL || reader_in_snapshot(w->reader))
		return false;
	w->queue_at = 0;
	w->queue_count = count;
	if (count == 0) {
		move_to(w, reader_seq(w->reader), false);
		return false;
	}
	for (size_t i = 0; i < count; i++)
		change_ref(w->queue[i]);
	reader_passed(w->reader, count);
	return true;
}

static bool
make_delivery(struct webhook *w, struct change *c)
{
	const char	*epoch = listener_epoch(w->context->readers.listener);

	if (webhook_post_make(w->post, c, epoch == NULL ? "" : epoch)) {
		memcpy(w->post_epoch, w->epoch, sizeof(w->epoch));
		return true;
	}
	w->counters.skipped++;
	log_errorx("webhook", "cannot be told, left out name=%s seq=%" PRId64, w->conf->name, c->seq);
	return false;
}

/* Make the next delivery; false when there is none now. */
static bool
next_delivery(struct webhook *w)
{
	struct change	*c;
	bool		 made = false;

	while (!made) {
		if (w->queue_at == w->queue_count && !fill_queue(w))
			return false;
		c = w->queue[w->queue_at++];
		/* All in between was not wanted. */
		move_to(w, c->seq - 1, false);
		if (c->seq > w->done) {
			made = make_delivery(w, c);
			if (!made)
				move_to(w, c->seq, true);
		}
		change_unref(c);
	}
	return true;
}

static void
pump(struct webhook *w)
{
	int64_t	 done = w->done;

	if (w->state != WEBHOOK_RUNNING || webhook_post_is_sending(w->post) || w->stopping ||
	    event_pending(w->retry, EV_TIMEOUT, NULL))
		return;
	/* What was read before is still to be delivered. */
	if (w->gap != NULL && webhook_post_seq(w->post) == 0 && w->queue_at == w->queue_count) {
		start_over(w);
		return;
	}
	if (!w->context->may_send(w->context->arg))
		return;
	if (webhook_post_seq(w->post) != 0 || next_delivery(w)) {
		w->counters.attempts++;
		webhook_post_send(w->post);
	}
	if (w->done != done)
		w->context->changed(w->context->arg);
}

static void
pump_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	pump(arg);
}

/* Answers */

static void
park(struct webhook *w)
{
	w->counters.parked++;
	snprintf(w->parked_why, sizeof(w->parked_why), "%s", w->last_error);
	log_errorx("webhook", "given up: parked, until it is resumed (POST /v1/webhooks/%s/resume) name=%s seq=%" PRId64
	    " attempts=%u why=\"%s\"", w->conf->name, w->conf->name, webhook_post_seq(w->post), w->trouble.tries, w->last_error);
	drop_place(w);
	webhook_post_clear(w->post);
	w->trouble = (struct webhook_trouble){ 0 };
	w->state = WEBHOOK_PARKED;
}

static void
delivered(struct webhook *w)
{
	if (w->trouble.wall_since_us != 0)
		log_info("webhook", "delivers again name=%s seq=%" PRId64, w->conf->name, webhook_post_seq(w->post));
	w->counters.delivered++;
	w->wall_delivered_us = clock_wall_us();
	w->last_error[0] = '\0';
	/* A place in another log is none in this one. */
	if (strcmp(w->post_epoch, w->epoch) == 0)
		move_to(w, webhook_post_seq(w->post), true);
	webhook_post_clear(w->post);
}

/* Left out, and kept here instead: whole, since nobody else will say it. */
static void
skip(struct webhook *w)
{
	size_t		 len;
	const char	*event = webhook_post_event(w->post, &len);

	w->counters.skipped++;
	log_errorx("webhook", "not taken by the receiver: left out name=%s seq=%" PRId64 " id=%s why=\"%s\" event=%.*s", w->conf->name,
	    webhook_post_seq(w->post), webhook_post_id(w->post), w->last_error, (int)len, event);
	move_to(w, webhook_post_seq(w->post), true);
	webhook_post_clear(w->post);
}

static void
again(struct webhook *w, int64_t wait_ms)
{
	struct timeval	 after = clock_timeval_ms((unsigned)wait_ms);

	/* The first one, and then ever more seldom: 2, 4, 8, ... */
	if ((w->trouble.tries & (w->trouble.tries - 1)) == 0)
		log_warnx("webhook", "not delivered, again later name=%s host=%s seq=%" PRId64 " attempts=%u retry_ms=%" PRId64
		    " why=\"%s\"", w->conf->name, w->conf->origin, webhook_post_seq(w->post), w->trouble.tries, wait_ms, w->last_error);
	w->retry_us = clock_mono_us() + wait_ms * 1000;
	event_add(w->retry, &after);
}

static void
judge(struct webhook *w, const struct webhook_outcome *o)
{
	struct webhook_attempt	 attempt = {
		.status = o->status, .retry_after_ms = o->retry_after_ms, .wall_us = clock_wall_us(),
		.give_up_ms = w->conf->give_up_ms, .random = backoff_random(),
	};
	struct webhook_trouble	 before = w->trouble;
	int64_t			 wait_ms;

	switch (webhook_plan(&w->trouble, &attempt, &wait_ms)) {
	case WEBHOOK_NEXT:
		/* It is told by what was before. */
		w->trouble = before;
		delivered(w);
		w->trouble = (struct webhook_trouble){ 0 };
		break;
	case WEBHOOK_SKIP:
		skip(w);
		break;
	case WEBHOOK_PARK:
		park(w);
		break;
	case WEBHOOK_AGAIN:
		again(w, wait_ms);
		break;
	}
}

static void
outcome_cb(const struct webhook_outcome *o, void *arg)
{
	struct webhook	*w = arg;
	bool		 good = o->status / 100 == 2, stale = w->is_stale;

	w->is_stale = false;
	w->last_status = o->status;
	w->last_ms = o->took_ms;
	if (!good) {
		w->counters.failures++;
		memcpy(w->last_error, o->why, sizeof(w->last_error));
	}
	if (!stale)
		judge(w, o);
	else if (good)
		delivered(w);
	else
		webhook_post_clear(w->post);	/* it is in the log, behind the place that was asked for */
	w->context->changed(w->context->arg);
	pump(w);
}

/* What the set calls */

struct webhook *
webhook_new(const struct webhook_context *context, const struct webhook_conf *conf, struct net *net)
{
	struct webhook	*w = xcalloc(1, sizeof(*w));

	w->context = context;
	w->conf = conf;
	w->post = webhook_post_new(net, conf, outcome_cb, w);
	if ((w->pump = event_new(context->base, -1, 0, pump_cb, w)) == NULL ||
	    (w->retry = event_new(context->base, -1, 0, pump_cb, w)) == NULL)
		fatalx("webhook", "cannot make an event");
	return w;
}

void
webhook_free(struct webhook *w)
{
	if (w == NULL)
		return;
	webhook_post_free(w->post);
	reader_free(w->reader);
	clear_queue(w);
	event_free(w->pump);
	event_free(w->retry);
	free(w);
}

void
webhook_hold(struct webhook *w)
{
	w->state = WEBHOOK_LOADING;
}

void
webhook_release(struct webhook *w)
{
	drop_place(w);
	w->state = WEBHOOK_STANDBY;
	w->has_saved = false;
}

void
webhook_reload(struct webhook *w)
{
	/* A place that is remembered, or on its way, is none in that one. */
	w->epoch[0] = w->post_epoch[0] = '\0';
	if (w->state == WEBHOOK_STANDBY)
		return;
	drop_place(w);
	w->state = WEBHOOK_LOADING;
	w->has_saved = false;
}

/* Where to go on: what we know to be delivered may be further than what was saved, as long as the log is the same. */
static int64_t
place_of(struct webhook *w, const struct webhook_record *record)
{
	const char	*epoch = listener_epoch(w->context->readers.listener);
	struct cursor	 here = { .seq = w->done };
	bool		 same;

	memcpy(here.epoch, w->epoch, sizeof(here.epoch));
	same = *w->epoch != '\0' && listener_continues(w->context->readers.listener, &here);
	snprintf(w->epoch, sizeof(w->epoch), "%s", epoch == NULL ? "" : epoch);
	return same && w->state == WEBHOOK_LOADING && w->done > record->seq ? w->done : record->seq;
}

void
webhook_load(struct webhook *w, const struct webhook_record *record)
{
	if (w->state != WEBHOOK_LOADING && (w->state != WEBHOOK_PARKED || record->parked_why != NULL))
		return;
	w->saved = *record;
	w->has_saved = true;
	if (record->parked_why != NULL) {
		snprintf(w->parked_why, sizeof(w->parked_why), "%s", record->parked_why);
		w->done = w->wanted = record->seq;
		w->state = WEBHOOK_PARKED;
		log_warnx("webhook", "is parked, until it is resumed (POST /v1/webhooks/%s/resume) name=%s why=\"%s\"", w->conf->name,
		    w->conf->name, w->parked_why);
		return;
	}
	if (w->state == WEBHOOK_PARKED) {
		event_del(w->retry);
		log_info("webhook", "resumed name=%s seq=%" PRId64, w->conf->name, record->seq);
	}
	w->done = w->wanted = place_of(w, record);
	w->trouble = (struct webhook_trouble){ .wall_since_us = record->wall_failing_us };
	w->parked_why[0] = '\0';
	w->state = WEBHOOK_RUNNING;
	start_reader(w, w->done);
}

void
webhook_begin(struct webhook *w)
{
	if (w->reader != NULL)
		reader_begin(w->reader);
}

void
webhook_wake(struct webhook *w)
{
	if (w->state == WEBHOOK_RUNNING && !webhook_post_is_sending(w->post))
		schedule(w);
}

void
webhook_tick(struct webhook *w, int64_t now_us)
{
	/* Its snapshot, which we do not want, is not to be held for as long as the receiver is away. */
	if (w->gap != NULL) {
		reader_free(w->reader);
		w->reader = NULL;
	}
	if (w->reader != NULL)
		(void)reader_tick(w->reader, false, now_us);
}

void
webhook_stop(struct webhook *w)
{
	w->stopping = true;
}

/* Questions */

const char *
webhook_name(const struct webhook *w)
{
	return w->conf->name;
}

enum webhook_state
webhook_state(const struct webhook *w)
{
	return w->state;
}

bool
webhook_is_sending(const struct webhook *w)
{
	return webhook_post_is_sending(w->post);
}

bool
webhook_is_failing(const struct webhook *w)
{
	return w->state == WEBHOOK_RUNNING && w->trouble.wall_since_us != 0;
}

const struct webhook_counters *
webhook_counters(const struct webhook *w)
{
	return &w->counters;
}

bool
webhook_unsaved(const struct webhook *w, struct webhook_record *record, bool *urgent)
{
	*record = (struct webhook_record){
		.seq = w->done, .wall_failing_us = w->trouble.wall_since_us, .parked_why = w->state == WEBHOOK_PARKED ? w->parked_why : NULL
	};
	if (!w->has_saved || (w->state != WEBHOOK_RUNNING && w->state != WEBHOOK_PARKED))
		return false;
	*urgent = w->wanted > w->saved.seq || (record->wall_failing_us != 0) != (w->saved.wall_failing_us != 0) ||
	    (record->parked_why != NULL) != (w->saved.parked_why != NULL);
	return *urgent || record->seq != w->saved.seq;
}

void
webhook_saved(struct webhook *w, const struct webhook_record *record)
{
	w->saved = *record;
}

bool
webhook_is_saved(const struct webhook *w)
{
	return w->has_saved && (w->saved.parked_why != NULL) == (w->state == WEBHOOK_PARKED);
}

static void
put_time(struct jsonw *j, const char *key, int64_t wall_us)
{
	char	 text[CLOCK_TEXT_MAX];

	jsonw_str(j, key, wall_us == 0 ? NULL : clock_iso_ms(wall_us, text));
}

void
webhook_status_json(const struct webhook *w, struct jsonw *j, int64_t newest)
{
	int64_t	 left_us = event_pending(w->retry, EV_TIMEOUT, NULL) ? w->retry_us - clock_mono_us() : -1;

	jsonw_object(j, NULL);
	jsonw_str(j, "name", w->conf->name);
	jsonw_str(j, "format", webhook_format_names[w->conf->format]);
	jsonw_str(j, "to", w->conf->origin);
	jsonw_str(j, "state", webhook_is_failing(w) ? "failing" : state_names[w->state]);
	if (w->state == WEBHOOK_RUNNING || w->state == WEBHOOK_PARKED) {
		jsonw_int(j, "seq", w->done);
		jsonw_int(j, "behind", newest > w->done ? newest - w->done : 0);
	}
	jsonw_int(j, "delivered_total", (int64_t)w->counters.delivered);
	jsonw_int(j, "attempts_total", (int64_t)w->counters.attempts);
	jsonw_int(j, "failures_total", (int64_t)w->counters.failures);
	jsonw_int(j, "left_out_total", (int64_t)w->counters.skipped);
	jsonw_int(j, "gaps_total", (int64_t)w->counters.gaps);
	put_time(j, "delivered_at", w->wall_delivered_us);
	jsonw_int(j, "last_status", w->last_status);
	jsonw_int(j, "last_ms", w->last_ms);
	put_time(j, "failing_since", w->trouble.wall_since_us);
	if (left_us >= 0)
		jsonw_int(j, "retry_s", left_us / 1000000);
	if (w->state == WEBHOOK_PARKED)
		jsonw_str(j, "why", w->parked_why);
	else if (*w->last_error != '\0')
		jsonw_str(j, "why", w->last_error);
	jsonw_end_object(j);
}
