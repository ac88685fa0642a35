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
#include "relay/access.h"
#include "relay/change.h"
#include "relay/cursor.h"
#include "relay/filter.h"
#include "relay/listener.h"
#include "relay/request.h"
#include "relay/stats.h"
#include "relay/wire.h"

struct stream {
	const struct stream_context *context;
	struct wire		*wire;
	struct filter		*filter;	/* NULL: everything */
	struct access		*access;	/* NULL: everything, for ever */
	struct reader		*reader;
	char			*lines;		/* of the head, until it is sent */
	bool			 is_dead, says_place;	/* where it begins: one without a place of its own */
	bool			 was_behind;	/* over the limit at the last tick */
	int64_t			 wrote_us;	/* last bytes offered */
	size_t			 unsent_before;	/* at the last tick that looked */
	uint64_t		 sent;		/* events */
	size_t			 index;
};

static const char head_begin[] =
	"HTTP/1.1 200 OK\r\n"
	"Content-Type: text/event-stream\r\n"
	"Cache-Control: no-cache, no-transform\r\n"
	"X-Accel-Buffering: no\r\n"
	"X-Content-Type-Options: nosniff\r\n"
	"Connection: close\r\n";
static const char head_end[] =
	"\r\n"
	"retry: 1000\n\n";

static void
die(struct stream *s, const char *why)
{
	if (s->is_dead)
		return;
	s->is_dead = true;
	log_debug("stream", "closed peer=%s why=\"%s\" sent=%" PRIu64 " seq=%" PRId64, wire_peer(s->wire), why, s->sent,
	    reader_seq(s->reader));
	s->context->dead(s, s->context->arg);
}

static void
say(struct stream *s, const char *text)
{
	s->wrote_us = clock_mono_us();
	if (!s->is_dead && wire_write(s->wire, text, strlen(text)) == -1)
		die(s, strerror(errno));
}

static const char *
place(const struct stream *s, int64_t seq, char buf[CURSOR_MAX])
{
	return cursor_format(listener_epoch(s->context->reader.listener), seq, buf);
}

/*
 * Tell the client its place without an event (an `id` alone changes what it
 * resumes from): so one that has seen nothing yet, or filters much, loses
 * nothing either when it comes back.
 */
static void
say_place(struct stream *s, const char *comment, int64_t seq)
{
	char	 text[CURSOR_MAX + 32], buf[CURSOR_MAX];

	snprintf(text, sizeof(text), "%sid: %s\n\n", comment, place(s, seq, buf));
	say(s, text);
}

/* Sending */

/* Note that an event has left for the socket (or for the little that is kept in front of it). */
static void
count_sent(struct stream *s, const struct change *c, int64_t now_us)
{
	s->sent++;
	s->context->reader.stats->deliveries++;
	/* What a late comer catches up with, from the ring or from history, says nothing about our speed. */
	if (c->arrived_us != 0 && c->arrived_us >= reader_live_us(s->reader))
		hist_add(&s->context->reader.stats->relay_to_socket, now_us - c->arrived_us);
}

/* Offer events to the socket; false when it takes no more. */
static bool
offer(struct stream *s, struct change *const *changes, size_t count)
{
	struct iovec	 pieces[READER_GATHER_MAX];
	ssize_t		 taken;
	size_t		 left, i;

	for (i = 0; i < count; i++)
		pieces[i] = (struct iovec){ .iov_base = changes[i]->frame, .iov_len = changes[i]->frame_len };
	if ((taken = wire_send(s->wire, pieces, (int)count)) == -1) {
		die(s, strerror(errno));
		return false;
	}
	s->wrote_us = clock_mono_us();
	left = (size_t)taken;
	for (i = 0; i < count; i++) {
		count_sent(s, changes[i], s->wrote_us);
		if (left < pieces[i].iov_len) {
			wire_keep(s->wire, changes[i]->frame + left, pieces[i].iov_len - left, change_unref_cb, change_ref(changes[i]));
			count = i + 1;
			break;
		}
		left -= pieces[i].iov_len;
	}
	reader_passed(s->reader, count);
	return !wire_is_blocked(s->wire);
}

void
stream_pump(struct stream *s)
{
	struct change	*changes[READER_GATHER_MAX];
	size_t		 count;

	while (!s->is_dead && !wire_is_blocked(s->wire)) {
		count = reader_gather(s->reader, changes, READER_GATHER_MAX);
		/* The end of a snapshot may have been said meanwhile, and have filled the socket. */
		if (count == 0 || s->is_dead || wire_is_blocked(s->wire) || !offer(s, changes, count))
			return;
	}
}

void
stream_prefetch(const struct stream *s)
{
	__builtin_prefetch(s, 1);
	__builtin_prefetch((const char *)s + 64, 1);
}

void
stream_prefetch_parts(const struct stream *s)
{
	__builtin_prefetch(s->wire);
	reader_prefetch(s->reader);
}

/* From the reader */

static void
begun_cb(void *arg)
{
	struct stream	*s = arg;

	if (s->says_place)
		say_place(s, "", reader_seq(s->reader));
}

static void
ready_cb(void *arg)
{
	stream_pump(arg);
}

static void
reset_cb(const char *reason, int64_t seq, void *arg)
{
	struct stream	*s = arg;
	char		 text[CURSOR_MAX + 96], buf[CURSOR_MAX];

	snprintf(text, sizeof(text), "event: reset\ndata: {\"reason\":\"%s\",\"cursor\":\"%s\"}\n\n", reason,
	    place(s, seq, buf));
	say(s, text);
}

/* Only now: one that is cut off within the snapshot must get it again. */
static void
snapshot_done_cb(int64_t seq, void *arg)
{
	say_place(arg, "", seq);
}

static bool
wants_cb(const struct change *c, void *arg)
{
	const struct stream	*s = arg;

	return (s->filter == NULL || filter_passes(s->filter, c)) && filter_may_see(s->access, c);
}

static const struct reader_handler takes_all = {
	.begun = begun_cb, .ready = ready_cb, .reset = reset_cb, .snapshot_done = snapshot_done_cb
};
static const struct reader_handler takes_some = {
	.begun = begun_cb, .ready = ready_cb, .reset = reset_cb, .snapshot_done = snapshot_done_cb, .wants = wants_cb
};

/* From the wire */

static void
drained_cb(void *arg)
{
	stream_pump(arg);
}

static void
closed_cb(const char *why, void *arg)
{
	die(arg, why);
}

/* From the set */

void
stream_start(struct stream *s)
{
	size_t	 size = sizeof(head_begin) + strlen(s->lines) + sizeof(head_end);
	char	*head = xcalloc(1, size);

	snprintf(head, size, "%s%s%s", head_begin, s->lines, head_end);
	say(s, head);
	free(head);
	free(s->lines);
	s->lines = NULL;
	stream_begin(s);
}

void
stream_begin(struct stream *s)
{
	if (!s->is_dead)
		reader_begin(s->reader);
}

void
stream_reset(struct stream *s, const char *reason)
{
	if (!s->is_dead)
		reader_reset(s->reader, reason);
}

/* Time */

static void
drop_slow(struct stream *s, const char *why, uint64_t lag_bytes)
{
	s->context->reader.stats->streams_slow++;
	log_warnx("stream", "slow client dropped, it may resume peer=%s why=\"%s\" lag_bytes=%" PRIu64 " client_buffer=%" PRIu64,
	    wire_peer(s->wire), why, lag_bytes, s->context->client_buffer);
	die(s, why);
}

/* True when the peer took bytes since this was last asked; only asked of those that need it, as it costs a system call. */
static bool
has_moved(struct stream *s)
{
	size_t	 unsent = wire_unsent_bytes(s->wire);
	bool	 moved = unsent != s->unsent_before;

	s->unsent_before = unsent;
	return moved;
}

/* One that has been too far behind for a whole second is hung up on: it resumes from its own place. */
static void
check_pace(struct stream *s, int64_t now_us)
{
	size_t		 kept = wire_is_blocked(s->wire) ? wire_kept_bytes(s->wire) : 0;
	uint64_t	 lag = kept + reader_lag_bytes(s->reader);
	bool		 is_behind = kept > 0 && lag > s->context->client_buffer;

	if (is_behind && s->was_behind)
		drop_slow(s, "too far behind", lag);
	else if (!reader_tick(s->reader, !reader_is_live(s->reader) && has_moved(s), now_us))
		drop_slow(s, "does not read its snapshot", s->unsent_before);
	s->was_behind = is_behind;
}

bool
stream_tick(struct stream *s, int64_t now_us, bool may_keep_alive)
{
	if (s->is_dead)
		return false;
	if (s->access != NULL && access_has_expired(s->access, s->context->wall_now_us)) {
		if (!wire_is_blocked(s->wire))
			say(s, ": the token has expired\n\n");
		die(s, "the token has expired");
		return false;
	}
	check_pace(s, now_us);
	if (s->is_dead || !may_keep_alive || wire_is_blocked(s->wire) || now_us - s->wrote_us < s->context->keepalive_us)
		return false;
	/* Its place is news only at the head: this may run between an event's coming and the pump. */
	if (reader_is_at_head(s->reader))
		say_place(s, ": keepalive\n", reader_seq(s->reader));
	else
		say(s, ": keepalive\n\n");
	return true;
}

/* Life */

static bool
takes_everything(const struct stream *s)
{
	return s->filter == NULL && (s->access == NULL || access_sees_all(s->access));
}

struct stream *
stream_new(const struct stream_context *context, struct request *req, struct filter *filter,
    const struct cursor *cursor)
{
	static const struct wire_handler	 handler = { .drained = drained_cb, .closed = closed_cb };
	struct stream				*s = xcalloc(1, sizeof(*s));

	s->context = context;
	s->filter = filter;
	s->says_place = cursor == NULL;
	if (request_access(req) != NULL)
		s->access = access_ref(request_access(req));
	s->lines = xstrdup(request_lines(req));
	if ((s->wire = wire_take(req, &handler, s)) == NULL) {
		stream_free(s);
		return NULL;
	}
	s->reader = reader_new(&context->reader, takes_everything(s) ? &takes_all : &takes_some, s, cursor);
	context->reader.stats->streams_opened++;
	log_debug("stream", "opened peer=%s after=%s%s%" PRId64, wire_peer(s->wire), cursor == NULL ? "now" : cursor->epoch,
	    cursor == NULL ? "/" : "-", cursor == NULL ? listener_cursor(context->reader.listener) : cursor->seq);
	return s;
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	reader_free(s->reader);
	wire_free(s->wire);
	filter_free(s->filter);
	access_unref(s->access);
	free(s->lines);
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
