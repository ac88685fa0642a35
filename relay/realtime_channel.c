#include "relay/realtime_channel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/hist.h"
#include "common/json.h"
#include "common/log.h"
#include "relay/access.h"
#include "relay/auth.h"
#include "relay/change.h"
#include "relay/filter.h"
#include "relay/listener.h"
#include "relay/realtime_data.h"
#include "relay/stats.h"
#include "relay/wire.h"
#include "relay/ws.h"

#define PATIENCE_US	INT64_C(8000000)	/* for the log; clients give up after 10 s */
#define ONE_EVENT	4			/* pieces: heads of frame and message, head of data, its body, tails */
#define TAIL_LEN	3			/* bytes behind the body, in either version */
#define SMALL_MAX	4096			/* bytes of an event that is copied */
#define TEXT_MAX	131072			/* bytes of what is copied for one sending; the kernel takes about as much */

/* A message is written into one of these, sent, and given back. */
static struct jsonw *
begin(struct jsonw *w)
{
	jsonw_init(w);
	return w;
}

/* Send it, and give it back. */
static void
send_message(struct ws *ws, struct jsonw *w, enum realtime_version version)
{
	realtime_message_end(w, version);
	ws_send(ws, w->buf, w->len);
	jsonw_release(w);
}

void
realtime_reply(struct ws *ws, enum realtime_version version, const struct realtime_message *m, const char *reason)
{
	struct jsonw	 writer, *w = begin(&writer);

	jsonw_object(w, realtime_message_begin(w, version, &m->join_ref, &m->ref, m->topic, "phx_reply"));
	jsonw_str(w, "status", reason == NULL ? "ok" : "error");
	jsonw_object(w, "response");
	if (reason != NULL)
		jsonw_str(w, "reason", reason);
	jsonw_end_object(w);
	jsonw_end_object(w);
	send_message(ws, w, version);
}

/* Messages of a channel */

/* A message about the channel itself: phx_close, phx_error, presence_state. */
static void
say(struct realtime_channel *c, const char *event, const char *reason, bool with_ref)
{
	const struct realtime_text	*ref = with_ref ? &c->join_ref : NULL;
	struct jsonw			 writer, *w = begin(&writer);

	jsonw_object(w, realtime_message_begin(w, c->version, ref, ref, c->topic, event));
	if (reason != NULL)
		jsonw_str(w, "reason", reason);
	jsonw_end_object(w);
	send_message(c->ws, w, c->version);
}

/* A `system` message.  `seq` is the place in the log (-1: none), `why` what became of the one asked for (NULL: nothing). */
static void
say_system(struct realtime_channel *c, const char *extension, const char *status, const char *message, int64_t seq,
    const char *why)
{
	struct jsonw	 writer, *w = begin(&writer);
	char		 cursor[CURSOR_MAX];
	size_t		 prefix = strlen("\"" REALTIME_PREFIX);

	jsonw_object(w, realtime_message_begin(w, c->version, NULL, NULL, c->topic, "system"));
	jsonw_str(w, "extension", extension);
	jsonw_str(w, "status", status);
	jsonw_str(w, "message", message);
	/* The topic without its prefix: a quote, and what is left of the JSON text. */
	jsonw_raw(w, "channel", "\"", 1);
	w->comma = false;
	jsonw_raw(w, NULL, c->topic.at + prefix, c->topic.len - prefix);
	if (seq >= 0 || why != NULL) {
		jsonw_object(w, "tocsin");
		if (seq >= 0)
			jsonw_str(w, "cursor", cursor_format(listener_epoch(c->context->reader.listener), seq, cursor));
		if (why != NULL)
			jsonw_str(w, "reset", why);
		jsonw_end_object(w);
	}
	jsonw_end_object(w);
	send_message(c->ws, w, c->version);
}

void
realtime_channel_close(struct realtime_channel *c)
{
	say(c, "phx_close", NULL, true);
}

void
realtime_channel_error(struct realtime_channel *c, const char *reason)
{
	say_system(c, "system", "error", reason, -1, NULL);
	say(c, "phx_error", reason, true);
}

/* Events */

static void
make_head(struct realtime_channel *c, const struct realtime_matches *matches)
{
	struct jsonw	 writer, *w = begin(&writer);

	jsonw_object(w, realtime_message_begin(w, c->version, NULL, NULL, c->topic, "postgres_changes"));
	jsonw_array(w, "ids");
	for (size_t i = 0; i < c->join.count; i++)
		if ((matches->bits[i / 64] & UINT64_C(1) << i % 64) != 0)
			jsonw_int(w, NULL, (int64_t)i + 1);
	jsonw_end_array(w);
	jsonw_raw(w, "data", "", 0);
	c->head = xrealloc(c->head, w->len);
	memcpy(c->head, w->buf, w->len);
	c->head_len = w->len;
	jsonw_release(w);
	c->head_matches = *matches;
}

/*
 * What is sent at once.  Each event is four pieces; those of a small one are
 * copied into one text, as a call with one piece costs the kernel less than
 * our copying, those of a large one are sent from where they are.
 */
struct sending {
	struct iovec	 events[READER_GATHER_MAX][ONE_EVENT];
	struct iovec	 pieces[READER_GATHER_MAX * ONE_EVENT];
	char		 text[TEXT_MAX];
	size_t		 text_len, count;	/* count: events */
	int		 pieces_count;
};

/* Append to the text; returns where. */
static char *
copy_in(struct sending *s, const void *data, size_t len)
{
	char	*to = s->text + s->text_len;

	if (len > 0)
		memcpy(to, data, len);
	s->text_len += len;
	return to;
}

static void
add_piece(struct sending *s, const void *data, size_t len)
{
	struct iovec	*last = s->pieces_count == 0 ? NULL : &s->pieces[s->pieces_count - 1];

	if (last != NULL && (const char *)last->iov_base + last->iov_len == data)
		last->iov_len += len;
	else if (len > 0)
		s->pieces[s->pieces_count++] = (struct iovec){ .iov_base = (void *)data, .iov_len = len };
}

/* False when there is no room for it any more. */
static bool
add_event(struct realtime_channel *c, struct sending *s, struct change *change)
{
	static const char *const	 tails[] = { [REALTIME_V1] = REALTIME_DATA_TAIL "}}", [REALTIME_V2] = REALTIME_DATA_TAIL "}]" };
	struct iovec			*event = s->events[s->count];
	struct realtime_matches		 matches;
	struct realtime_data		 data;
	column_set			 select;
	char				 frame[WS_HEAD_MAX];
	size_t				 frame_len, len;
	bool				 is_small;

	(void)realtime_join_match(&c->join, change, &matches, &select);
	if (c->head == NULL || memcmp(&matches, &c->head_matches, sizeof(matches)) != 0)
		make_head(c, &matches);
	data = realtime_data_of(change, select);
	len = c->head_len + data.head_len + data.body_len + TAIL_LEN;
	is_small = len <= SMALL_MAX;
	if (s->text_len + WS_HEAD_MAX + (is_small ? len : c->head_len) > sizeof(s->text))
		return false;
	frame_len = ws_head(frame, WS_TEXT, len);
	event[0] = (struct iovec){ .iov_base = copy_in(s, frame, frame_len), .iov_len = frame_len + c->head_len };
	(void)copy_in(s, c->head, c->head_len);
	event[1] = (struct iovec){ .iov_base = (void *)data.head, .iov_len = data.head_len };
	event[2] = (struct iovec){ .iov_base = (void *)data.body, .iov_len = data.body_len };
	event[3] = (struct iovec){ .iov_base = (void *)tails[c->version], .iov_len = TAIL_LEN };
	add_piece(s, event[0].iov_base, event[0].iov_len);
	for (int i = 1; i < ONE_EVENT; i++)
		add_piece(s, is_small ? copy_in(s, event[i].iov_base, event[i].iov_len) : event[i].iov_base, event[i].iov_len);
	s->count++;
	return true;
}

static void
no_release(void *arg)
{
	(void)arg;
}

/* Keep the rest of an event that was cut `taken` bytes into it: heads by copy, the body with the change that it belongs to. */
static void
keep_rest(struct realtime_channel *c, const struct iovec *pieces, size_t taken, struct change *change)
{
	struct wire	*wire = ws_wire(c->ws);
	const char	*from;
	size_t		 left;

	for (int i = 0; i < ONE_EVENT; i++) {
		if (taken >= pieces[i].iov_len) {
			taken -= pieces[i].iov_len;
			continue;
		}
		from = (const char *)pieces[i].iov_base + taken;
		left = pieces[i].iov_len - taken;
		taken = 0;
		if (i <= 1) {
			char	*copy = xcalloc(1, left);

			memcpy(copy, from, left);
			wire_keep(wire, copy, left, free, copy);
		} else if (i < ONE_EVENT - 1)
			wire_keep(wire, from, left, change_unref_cb, change_ref(change));
		else
			wire_keep(wire, from, left, no_release, NULL);
	}
}

static void
count_sent(struct realtime_channel *c, const struct change *change, int64_t now_us)
{
	struct stats	*stats = c->context->reader.stats;

	c->sent++;
	stats->deliveries++;
	if (change->arrived_us != 0 && change->arrived_us >= reader_live_us(c->reader))
		hist_add(&stats->relay_to_socket, now_us - change->arrived_us);
}

static size_t
event_len(const struct iovec *pieces)
{
	size_t	 len = 0;

	for (int i = 0; i < ONE_EVENT; i++)
		len += pieces[i].iov_len;
	return len;
}

/* Offer events to the socket; false when it takes no more. */
static bool
offer(struct realtime_channel *c, struct change *const *changes, size_t count)
{
	static struct sending	 s;
	ssize_t			 taken;
	size_t			 left, len, i;
	int64_t			 now_us;

	s.text_len = s.count = 0;
	s.pieces_count = 0;
	while (s.count < count && add_event(c, &s, changes[s.count]))
		;
	if ((taken = wire_send(ws_wire(c->ws), s.pieces, s.pieces_count)) == -1) {
		ws_fail(c->ws, strerror(errno));
		return false;
	}
	now_us = clock_mono_us();
	left = (size_t)taken;
	for (i = 0; i < s.count; i++) {
		len = event_len(s.events[i]);
		count_sent(c, changes[i], now_us);
		if (left < len) {
			keep_rest(c, s.events[i], left, changes[i]);
			i++;
			break;
		}
		left -= len;
	}
	reader_passed(c->reader, i);
	return !wire_is_blocked(ws_wire(c->ws));
}

static bool
can_send(const struct realtime_channel *c)
{
	return ws_is_open(c->ws) && !wire_is_blocked(ws_wire(c->ws));
}

void
realtime_channel_pump(struct realtime_channel *c)
{
	struct change	*changes[READER_GATHER_MAX];
	size_t		 count;

	while (c->reader != NULL && c->reply == NULL && can_send(c)) {
		count = reader_gather(c->reader, changes, READER_GATHER_MAX);
		/* What the gathering led to may have been said meanwhile, and have filled the socket. */
		if (count == 0 || !can_send(c) || !offer(c, changes, count))
			return;
	}
}

/* From the reader */

static void
say_joined(struct realtime_channel *c)
{
	ws_send(c->ws, c->reply, c->reply_len);
	free(c->reply);
	c->reply = NULL;
	/* Nobody is ever present here, and a client that asked waits to be told. */
	if (c->join.shows_presence)
		say(c, "presence_state", NULL, false);
}

static void
begun_cb(void *arg)
{
	struct realtime_channel	*c = arg;
	int64_t			 seq = reader_is_reset(c->reader) ? -1 : reader_seq(c->reader);

	say_joined(c);
	say_system(c, "postgres_changes", "ok", "Subscribed to PostgreSQL", seq, NULL);
	if (c->join.tells_replication)
		say_system(c, "system", "ok", "Replication connection established", -1, NULL);
}

static void
ready_cb(void *arg)
{
	realtime_channel_pump(arg);
}

static void
reset_cb(const char *reason, int64_t seq, void *arg)
{
	static const struct { const char *reason, *text; } reasons[] = {
		{ "epoch", "the place belongs to another database or timeline (epoch)" },
		{ "retention", "the place is older than the log that is kept (retention)" },
		{ "unknown", "the log never came to that place (unknown)" },
		{ "log", "the log has begun anew (log)" },
	};
	struct realtime_channel	*c = arg;
	const char		*text = reason;
	char			 message[200];

	(void)seq;	/* not yet a place to resume from */
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(reasons[i].reason, reason) == 0)
			text = reasons[i].text;
	snprintf(message, sizeof(message), "UnableToReplayMessages: %s; forget what you have: the active signals follow as INSERT",
	    text);
	say_system(c, "postgres_changes", "error", message, -1, reason);
}

/* Only now: one that is cut off within the snapshot must get it again. */
static void
snapshot_done_cb(int64_t seq, void *arg)
{
	say_system(arg, "postgres_changes", "ok", "The active signals have been sent", seq, NULL);
}

static bool
wants_cb(const struct change *change, void *arg)
{
	const struct realtime_channel	*c = arg;
	struct realtime_matches		 matches;
	column_set			 select;

	return filter_may_see(c->access, change) && realtime_join_match(&c->join, change, &matches, &select);
}

static const struct reader_handler takes_all = {
	.begun = begun_cb, .ready = ready_cb, .reset = reset_cb, .snapshot_done = snapshot_done_cb
};
static const struct reader_handler takes_some = {
	.begun = begun_cb, .ready = ready_cb, .reset = reset_cb, .snapshot_done = snapshot_done_cb, .wants = wants_cb
};

/* Life */

static void
make_reply(struct realtime_channel *c, const struct realtime_message *m)
{
	struct jsonw	 writer, *w = begin(&writer);

	jsonw_object(w, realtime_message_begin(w, c->version, &m->join_ref, &m->ref, c->topic, "phx_reply"));
	jsonw_str(w, "status", "ok");
	realtime_join_echo(w, "response", m->payload);
	jsonw_end_object(w);
	realtime_message_end(w, c->version);
	c->reply = xcalloc(1, w->len);
	memcpy(c->reply, w->buf, w->len);
	c->reply_len = w->len;
	jsonw_release(w);
}

static bool
sees_all(const struct access *a)
{
	return a == NULL || access_sees_all(a);
}

/* Begin to read: begun_cb() answers the join. */
static void
start(struct realtime_channel *c)
{
	bool	 everything = sees_all(c->access) && realtime_join_takes_all(&c->join);

	c->reader = reader_new(&c->context->reader, everything ? &takes_all : &takes_some, c,
	    c->join.has_after ? &c->join.after : NULL);
	reader_begin(c->reader);
}

static bool
is_followed(const struct realtime_channel *c, const char **why)
{
	return listener_is_ready(c->context->reader.listener, why) && listener_has_begun(c->context->reader.listener);
}

bool
realtime_channel_try(struct realtime_channel *c, int64_t now_us, bool *gone)
{
	const char		*why = "catching up with the event log";
	char			 reason[300];
	struct realtime_message	 m = { .join_ref = c->join_ref, .ref = c->join_ref, .topic = c->topic };

	*gone = false;
	if (c->reply == NULL)
		return true;
	if (is_followed(c, &why)) {
		start(c);
		return true;
	}
	if (now_us - c->asked_us < PATIENCE_US)
		return false;
	snprintf(reason, sizeof(reason), "UnableToConnectToProject: the database's log cannot be followed: %s", why);
	realtime_reply(c->ws, c->version, &m, reason);
	*gone = true;
	return true;
}

static struct realtime_text
copy(struct realtime_text t)
{
	char	*text = xcalloc(1, t.len);

	memcpy(text, t.at, t.len);
	return (struct realtime_text){ text, t.len };
}

struct realtime_channel *
realtime_channel_new(const struct realtime_context *context, struct ws *ws, enum realtime_version version,
    const struct realtime_message *m, struct realtime_join *join, struct access *access)
{
	struct realtime_channel	*c = xcalloc(1, sizeof(*c));
	const char		*why;

	c->context = context;
	c->ws = ws;
	c->version = version;
	c->topic = copy(m->topic);
	c->join_ref = copy(realtime_is_null(m->ref) ? m->join_ref : m->ref);
	c->join = *join;
	*join = (struct realtime_join){ 0 };
	c->access = access;
	c->asked_us = clock_mono_us();
	make_reply(c, m);
	if (c->join.count == 0)
		say_joined(c);
	else if (is_followed(c, &why))
		start(c);
	else
		context->joining(context->arg);
	return c;
}

void
realtime_channel_free(struct realtime_channel *c)
{
	reader_free(c->reader);
	access_unref(c->access);
	realtime_join_release(&c->join);
	free((void *)c->topic.at);
	free((void *)c->join_ref.at);
	free(c->reply);
	free(c->head);
	free(c);
}

bool
realtime_channel_set_access(struct realtime_channel *c, struct access *access, char why[REALTIME_WHY_MAX])
{
	/* A reader that was told to take everything is not asked any more. */
	if (sees_all(c->access) && !sees_all(access)) {
		access_unref(access);
		snprintf(why, REALTIME_WHY_MAX, "Unauthorized: this token sees fewer symbols; join again with it");
		return false;
	}
	access_unref(c->access);
	c->access = access;
	return true;
}

void
realtime_channel_reset(struct realtime_channel *c, const char *reason)
{
	if (c->reader != NULL)
		reader_reset(c->reader, reason);
}
