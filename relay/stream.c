#include "relay/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "common/clock.h"
#include "common/hist.h"
#include "common/log.h"
#include "relay/change.h"
#include "relay/cursor.h"
#include "relay/filter.h"
#include "relay/history.h"
#include "relay/listener.h"
#include "relay/ring.h"
#include "relay/stats.h"
#include "relay/wire.h"

#define PIECES_MAX	64	/* events joined into one write */
/* A batch is memory that others wait for, so one that nobody takes is given back, counted from the last progress. */
#define PARK_US		INT64_C(900000)		/* a page: it can be read again (one tick, less its jitter) */
#define STALL_US	INT64_C(10000000)	/* a snapshot: it cannot be continued */

enum stream_state { STREAM_HELD, STREAM_WAITING, STREAM_BATCH, STREAM_PARKED, STREAM_LIVE, STREAM_DEAD };

struct stream {
	const struct stream_context *context;
	struct wire		*wire;
	struct filter		*filter;	/* NULL: everything */
	enum stream_state	 state;
	uint64_t		 position;	/* STREAM_LIVE: of the next event in the ring */
	int64_t			 seq;		/* the last event that it is past */
	struct batch		*batch;		/* STREAM_BATCH */
	size_t			 batch_next;
	int64_t			 batch_last;	/* seq that the batch leads to */
	struct history_ask	*ask;		/* STREAM_WAITING */
	int64_t			 asked_newest;	/* of the ring when a page was asked for */
	const char		*reset_reason;	/* what was asked for is a snapshot, and why */
	struct cursor		 start;
	bool			 has_start;
	int64_t			 live_us;	/* monotonic: since when it follows the ring */
	int64_t			 wrote_us;	/* last bytes offered */
	int64_t			 moved_us;	/* STREAM_BATCH: last seen to make progress */
	size_t			 unsent_before;	/* at the last tick */
	uint64_t		 bytes_at;	/* of the ring, at `position` */
	bool			 was_behind;	/* over the limit at the last tick */
	uint64_t		 sent;		/* events */
	size_t			 index;
};

static const char head[] =
	"HTTP/1.1 200 OK\r\n"
	"Content-Type: text/event-stream\r\n"
	"Cache-Control: no-cache, no-transform\r\n"
	"X-Accel-Buffering: no\r\n"
	"X-Content-Type-Options: nosniff\r\n"
	"Connection: close\r\n"
	"\r\n"
	"retry: 1000\n\n";

static void
die(struct stream *s, const char *why)
{
	if (s->state == STREAM_DEAD)
		return;
	s->state = STREAM_DEAD;
	if (s->ask != NULL)
		history_cancel(s->ask);
	s->ask = NULL;
	log_debug("stream", "closed peer=%s why=\"%s\" sent=%" PRIu64 " seq=%" PRId64, wire_peer(s->wire), why, s->sent, s->seq);
	s->context->dead(s, s->context->arg);
}

static void
say(struct stream *s, const char *text)
{
	s->wrote_us = clock_mono_us();
	if (s->state != STREAM_DEAD && wire_write(s->wire, text, strlen(text)) == -1)
		die(s, strerror(errno));
}

/*
 * Tell the client its place without an event (an `id` alone changes what it
 * resumes from): so one that has seen nothing yet, or filters much, loses
 * nothing either when it comes back.
 */
static void
say_place(struct stream *s, const char *comment, int64_t seq)
{
	char	 text[CURSOR_MAX + 32], place[CURSOR_MAX];

	snprintf(text, sizeof(text), "%sid: %s\n\n", comment, cursor_format(listener_epoch(s->context->listener), seq, place));
	say(s, text);
}

/* Finding the next source */

static void	 page_cb(const struct history_answer *answer, void *arg);
static void	 snapshot_cb(const struct history_answer *answer, void *arg);

static void
go_live(struct stream *s, uint64_t position)
{
	s->state = STREAM_LIVE;
	s->position = position;
	s->bytes_at = ring_bytes_before(s->context->ring, position);
	s->live_us = clock_mono_us();
}

static void
ask_page(struct stream *s, int64_t seq)
{
	s->seq = seq;
	s->asked_newest = ring_newest(s->context->ring);
	s->state = STREAM_WAITING;
	s->ask = history_page(s->context->history, seq, page_cb, s);
}

/* All up to `seq` is sent or not wanted: go on from the ring, or from the database when the ring begins later. */
static void
continue_from(struct stream *s, int64_t seq)
{
	if (!ring_covers(s->context->ring, seq)) {
		ask_page(s, seq);
		return;
	}
	s->seq = seq;
	go_live(s, ring_find(s->context->ring, seq));
}

static void
take_batch(struct stream *s, const struct history_answer *answer)
{
	s->state = STREAM_BATCH;
	s->batch = batch_ref(answer->batch);
	s->batch_next = 0;
	s->batch_last = answer->last_seq;
	s->moved_us = clock_mono_us();
	stream_pump(s);
}

static void
page_cb(const struct history_answer *answer, void *arg)
{
	struct stream	*s = arg;

	s->ask = NULL;
	if (answer->verdict != CURSOR_GOOD)
		stream_reset(s, answer->verdict == CURSOR_EXPIRED ? "retention" : "unknown");
	else if (answer->last_seq == 0) {
		/* The log, read after we asked, has nothing for us up to there; the ring may have gone further since. */
		continue_from(s, s->asked_newest > s->seq ? s->asked_newest : s->seq);
		stream_pump(s);
	} else
		take_batch(s, answer);
}

static void
snapshot_cb(const struct history_answer *answer, void *arg)
{
	struct stream	*s = arg;
	char		 text[CURSOR_MAX + 96], place[CURSOR_MAX];

	s->ask = NULL;
	snprintf(text, sizeof(text), "event: reset\ndata: {\"reason\":\"%s\",\"cursor\":\"%s\"}\n\n", s->reset_reason,
	    cursor_format(listener_epoch(s->context->listener), answer->last_seq, place));
	say(s, text);
	if (s->state != STREAM_DEAD)
		take_batch(s, answer);
}

static void
batch_done(struct stream *s)
{
	struct batch	*b = s->batch;
	bool		 was_snapshot = s->reset_reason != NULL;

	s->batch = NULL;
	s->reset_reason = NULL;
	/* Only now: one that is cut off within the snapshot must get it again. */
	if (was_snapshot)
		say_place(s, "", s->batch_last);
	if (s->state != STREAM_DEAD)
		continue_from(s, s->batch_last);
	batch_unref(b);
}

void
stream_reset(struct stream *s, const char *reason)
{
	if (s->state == STREAM_DEAD || s->state == STREAM_HELD)
		return;
	if (s->ask != NULL)
		history_cancel(s->ask);
	batch_unref(s->batch);
	s->batch = NULL;
	s->context->stats->resets++;
	s->reset_reason = reason;
	s->state = STREAM_WAITING;
	s->ask = history_snapshot(s->context->history, snapshot_cb, s);
}

void
stream_start(struct stream *s)
{
	say(s, head);
	stream_begin(s);
}

void
stream_begin(struct stream *s)
{
	const struct ring	*ring = s->context->ring;

	if (s->state != STREAM_HELD || !listener_has_begun(s->context->listener))
		return;
	s->state = STREAM_WAITING;
	if (!s->has_start) {
		s->seq = ring_newest(ring);
		go_live(s, ring_head(ring));
		say_place(s, "", s->seq);
	} else if (!listener_continues(s->context->listener, &s->start))
		stream_reset(s, "epoch");
	else if (s->start.seq > ring_newest(ring)) {
		/* Ahead of us: another relay may be faster, so the database judges. */
		ask_page(s, s->start.seq);
	} else
		continue_from(s, s->start.seq);
	stream_pump(s);
}

/* Sending */

struct gathered {
	struct change	*change;
	uint64_t	 position_after;
	size_t		 batch_after;
};

static bool
wants(const struct stream *s, const struct change *c)
{
	return s->filter == NULL || filter_passes(s->filter, c);
}

/* Collect the next events to send, stepping over those not wanted. */
static int
gather(struct stream *s, struct gathered *out)
{
	const struct ring	*ring = s->context->ring;
	uint64_t		 position = s->position;
	size_t			 next = s->batch_next;
	struct change		*c;
	int			 count = 0;

	if (s->state == STREAM_BATCH) {
		while (count < PIECES_MAX && next < batch_count(s->batch))
			if (wants(s, c = batch_at(s->batch, next++)))
				out[count++] = (struct gathered){ .change = c, .batch_after = next };
		if (count == 0)
			s->batch_next = next;
	} else if (position >= ring_tail(ring)) {
		/* A stream that came from the database may be ahead of the ring: what it is past is not for it. */
		for (; count < PIECES_MAX && position < ring_head(ring);)
			if ((c = ring_at(ring, position++))->seq > s->seq && wants(s, c))
				out[count++] = (struct gathered){ .change = c, .position_after = position };
		if (count == 0 && position > s->position) {
			s->position = position;
			s->bytes_at = ring_bytes_before(ring, position);
			/* Past what it does not want, too: that is its place when it falls off the ring. */
			if (ring_at(ring, position - 1)->seq > s->seq)
				s->seq = ring_at(ring, position - 1)->seq;
		}
	}
	return count;
}

static void
unref_cb(void *change)
{
	change_unref(change);
}

/* Note that an event has left for the socket (or for the little that is kept in front of it). */
static void
passed(struct stream *s, const struct gathered *g, int64_t now_us)
{
	s->sent++;
	s->context->stats->deliveries++;
	if (s->state == STREAM_BATCH) {
		s->batch_next = g->batch_after;
		/* A snapshot is in order of id, and not the place in the log that it leads to. */
		if (s->reset_reason == NULL)
			s->seq = g->change->seq;
		return;
	}
	s->position = g->position_after;
	s->seq = g->change->seq;
	/* What a late comer catches up with says nothing about our speed. */
	if (g->change->arrived_us >= s->live_us)
		hist_add(&s->context->stats->relay_to_socket, now_us - g->change->arrived_us);
}

/* Offer `count` events to the socket; false when it takes no more. */
static bool
offer(struct stream *s, const struct gathered *g, int count)
{
	struct iovec	 pieces[PIECES_MAX];
	int64_t		 now_us;
	ssize_t		 taken;
	size_t		 left;

	for (int i = 0; i < count; i++)
		pieces[i] = (struct iovec){ .iov_base = g[i].change->frame, .iov_len = g[i].change->frame_len };
	if ((taken = wire_send(s->wire, pieces, count)) == -1) {
		die(s, strerror(errno));
		return false;
	}
	now_us = clock_mono_us();
	s->wrote_us = now_us;
	left = (size_t)taken;
	for (int i = 0; i < count; i++) {
		passed(s, &g[i], now_us);
		if (left < pieces[i].iov_len) {
			wire_keep(s->wire, g[i].change->frame + left, g[i].change->frame_len - left, unref_cb,
			    change_ref(g[i].change));
			break;
		}
		left -= pieces[i].iov_len;
	}
	if (s->state == STREAM_LIVE)
		s->bytes_at = ring_bytes_before(s->context->ring, s->position);
	return !wire_is_blocked(s->wire);
}

void
stream_pump(struct stream *s)
{
	struct gathered	 g[PIECES_MAX];
	int		 count;

	while ((s->state == STREAM_LIVE || s->state == STREAM_BATCH) && !wire_is_blocked(s->wire)) {
		if ((count = gather(s, g)) > 0) {
			if (!offer(s, g, count))
				return;
		} else if (s->state == STREAM_BATCH)
			batch_done(s);
		else if (s->position < ring_tail(s->context->ring))
			continue_from(s, s->seq);	/* it fell off the ring */
		else
			return;
	}
}

static void
drained_cb(void *arg)
{
	struct stream	*s = arg;

	if (s->state == STREAM_PARKED)
		continue_from(s, s->seq);
	stream_pump(s);
}

static void
closed_cb(const char *why, void *arg)
{
	die(arg, why);
}

/* Time */

static void
drop_slow(struct stream *s, const char *why, uint64_t lag_bytes)
{
	s->context->stats->streams_slow++;
	log_warnx("stream", "slow client dropped, it may resume peer=%s why=\"%s\" lag_bytes=%" PRIu64 " client_buffer=%" PRIu64,
	    wire_peer(s->wire), why, lag_bytes, s->context->client_buffer);
	die(s, why);
}

static void
check_batch(struct stream *s, int64_t now_us)
{
	size_t	 unsent = wire_unsent_bytes(s->wire);

	if (unsent != s->unsent_before)
		s->moved_us = now_us;
	s->unsent_before = unsent;
	if (s->reset_reason != NULL && now_us - s->moved_us > STALL_US)
		drop_slow(s, "does not read its snapshot", unsent);
	else if (s->reset_reason == NULL && now_us - s->moved_us > PARK_US) {
		/* Before the unref: room for a batch lets history ask for the next one. */
		s->state = STREAM_PARKED;
		batch_unref(s->batch);
		s->batch = NULL;
	}
}

/* One that has been too far behind for a whole second is hung up on: it resumes from its own place. */
static void
check_pace(struct stream *s, int64_t now_us)
{
	size_t		 kept = wire_kept_bytes(s->wire);
	uint64_t	 lag = kept;
	bool		 behind;

	if (s->state == STREAM_LIVE)
		lag += ring_bytes_before(s->context->ring, ring_head(s->context->ring)) - s->bytes_at;
	behind = kept > 0 && lag > s->context->client_buffer;
	if (behind && s->was_behind) {
		drop_slow(s, "too far behind", lag);
		return;
	}
	s->was_behind = behind;
	if (s->state == STREAM_BATCH)
		check_batch(s, now_us);
}

bool
stream_tick(struct stream *s, int64_t now_us, bool may_keep_alive)
{
	const struct ring	*ring = s->context->ring;

	if (s->state == STREAM_DEAD)
		return false;
	check_pace(s, now_us);
	if (s->state == STREAM_DEAD || !may_keep_alive || wire_is_blocked(s->wire) ||
	    now_us - s->wrote_us < s->context->keepalive_us)
		return false;
	/* The ring's newest is its place only at the head: this may run between an event's coming and the pump. */
	if (s->state == STREAM_LIVE && s->position == ring_head(ring) && ring_newest(ring) >= s->seq)
		say_place(s, ": keepalive\n", ring_newest(ring));
	else
		say(s, ": keepalive\n\n");
	return true;
}

/* For the set */

struct stream *
stream_new(const struct stream_context *context, struct evhttp_request *req, struct filter *filter,
    const struct cursor *cursor)
{
	static const struct wire_handler	 handler = { .drained = drained_cb, .closed = closed_cb };
	struct stream				*s = xcalloc(1, sizeof(*s));

	s->context = context;
	s->filter = filter;
	if ((s->wire = wire_take(req, &handler, s)) == NULL) {
		stream_free(s);
		return NULL;
	}
	if (cursor != NULL) {
		s->start = *cursor;
		s->has_start = true;
	}
	context->stats->streams_opened++;
	log_debug("stream", "opened peer=%s after=%s%s%" PRId64, wire_peer(s->wire), cursor == NULL ? "now" : s->start.epoch,
	    cursor == NULL ? "/" : "-", cursor == NULL ? listener_cursor(context->listener) : s->start.seq);
	return s;
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	if (s->ask != NULL)
		history_cancel(s->ask);
	batch_unref(s->batch);
	wire_free(s->wire);
	filter_free(s->filter);
	free(s);
}

size_t
stream_index(const struct stream *s)
{
	return s->index;
}

void
stream_set_index(struct stream *s, size_t index)
{
	s->index = index;
}
