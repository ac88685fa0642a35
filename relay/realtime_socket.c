#include "relay/realtime_socket.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "relay/access.h"
#include "relay/realtime_admit.h"
#include "relay/realtime_channel.h"
#include "relay/realtime_join.h"
#include "relay/request.h"
#include "relay/stats.h"
#include "relay/wire.h"
#include "relay/ws.h"

#define CHANNELS_MAX		100	/* of a socket, as upstream */
#define ENTRIES_MAX		1000	/* of all its channels */
#define FILTER_BYTES_MAX	32768	/* of their filters: each event is held against all of it */
#define JOINS_AT_ONCE		100
#define JOINS_A_SECOND		10
#define SILENCE_US		INT64_C(60000000)	/* clients send a heartbeat every 25 s */
#define UNKNOWN_US		INT64_C(30000000)	/* for somebody who shows no valid secret */

struct realtime_socket {
	const struct realtime_context *context;
	struct ws		*ws;
	enum realtime_version	 version;
	struct realtime_guest	 guest;
	struct realtime_channel	*channels;
	size_t			 channels_count, entries_count, filter_bytes;
	int64_t			 opened_us;
	double			 joins;		/* that it may still ask for now */
	int64_t			 joins_at_us;
	size_t			 unsent_before;	/* at the last tick that looked */
	bool			 was_behind, is_dead, told_malformed;
	size_t			 index;
};

static const char phoenix[] = "\"phoenix\"", prefix[] = "\"" REALTIME_PREFIX;

/* Channels */

static struct realtime_channel **
find(struct realtime_socket *s, struct realtime_text topic)
{
	struct realtime_channel	**at = &s->channels;

	while (*at != NULL && !realtime_same((*at)->topic, topic))
		at = &(*at)->next;
	return at;
}

static void
drop(struct realtime_socket *s, struct realtime_channel **at)
{
	struct realtime_channel	*c = *at;

	*at = c->next;
	s->channels_count--;
	s->entries_count -= c->join.count;
	s->filter_bytes -= c->join.filter_bytes;
	realtime_channel_free(c);
}

static void
drop_all(struct realtime_socket *s)
{
	while (s->channels != NULL)
		drop(s, &s->channels);
}

/* Joining */

static bool
may_join(struct realtime_socket *s)
{
	int64_t	 now_us = clock_mono_us();

	s->joins += (double)(now_us - s->joins_at_us) / 1e6 * JOINS_A_SECOND;
	if (s->joins > JOINS_AT_ONCE)
		s->joins = JOINS_AT_ONCE;
	s->joins_at_us = now_us;
	if (s->joins < 1)
		return false;
	s->joins--;
	return true;
}

static bool
may_add(const struct realtime_socket *s, const struct realtime_join *join, char why[REALTIME_WHY_MAX])
{
	if (s->channels_count >= CHANNELS_MAX)
		snprintf(why, REALTIME_WHY_MAX, "ChannelRateLimitReached: a socket may have %d channels", CHANNELS_MAX);
	else if (s->entries_count + join->count > ENTRIES_MAX)
		snprintf(why, REALTIME_WHY_MAX, "ChannelRateLimitReached: a socket may have %d entries of postgres_changes", ENTRIES_MAX);
	else if (s->filter_bytes + join->filter_bytes > FILTER_BYTES_MAX)
		snprintf(why, REALTIME_WHY_MAX, "ChannelRateLimitReached: the filters of a socket may have %d bytes", FILTER_BYTES_MAX);
	else
		return true;
	return false;
}

/* Judge a join; false with the reason for which it is refused.  `join` is to be released in any case. */
static bool
judge_join(struct realtime_socket *s, const struct realtime_message *m, struct realtime_join *join, struct access **access,
    char why[REALTIME_WHY_MAX])
{
	if (!may_join(s)) {
		snprintf(why, REALTIME_WHY_MAX, "ClientJoinRateLimitReached: more than %d joins a second on one socket", JOINS_A_SECOND);
		return false;
	}
	if (m->topic.len == strlen(prefix) + 1) {
		snprintf(why, REALTIME_WHY_MAX, "TopicNameRequired: the channel needs a name");
		return false;
	}
	return realtime_join_read(m->payload, join, why) && may_add(s, join, why) &&
	    realtime_admit(s->context->auth, &s->guest, join->token, access, why);
}

static void
join_channel(struct realtime_socket *s, const struct realtime_message *m)
{
	struct realtime_channel	**old = find(s, m->topic), *c;
	struct realtime_join	 join = { 0 };
	struct access		*access = NULL;
	char			 why[REALTIME_WHY_MAX];

	if (*old != NULL) {
		realtime_channel_close(*old);
		drop(s, old);
	}
	if (!judge_join(s, m, &join, &access, why)) {
		s->context->reader.stats->joins_refused++;
		log_debug("realtime", "join refused peer=%s topic=%.*s why=\"%s\"", ws_peer(s->ws), (int)m->topic.len,
		    m->topic.at, why);
		realtime_reply(s->ws, s->version, m, why);
		realtime_join_release(&join);
		return;
	}
	s->context->reader.stats->joins++;
	free(join.token);
	join.token = NULL;
	c = realtime_channel_new(s->context, s->ws, s->version, m, &join, access);
	c->next = s->channels;
	s->channels = c;
	s->channels_count++;
	s->entries_count += c->join.count;
	s->filter_bytes += c->join.filter_bytes;
	log_debug("realtime", "joined peer=%s topic=%.*s entries=%zu after=%s/%" PRId64, ws_peer(s->ws), (int)m->topic.len,
	    m->topic.at, c->join.count, c->join.has_after ? c->join.after.epoch : "now", c->join.after.seq);
}

/* Messages */

static void
leave(struct realtime_socket *s, const struct realtime_message *m, struct realtime_channel **at)
{
	/* Also for a topic that is not joined: a client that has given up waits for the answer. */
	realtime_reply(s->ws, s->version, m, NULL);
	if (*at == NULL)
		return;
	realtime_channel_close(*at);
	drop(s, at);
}

/* A token in place of the one it has joined with.  No reply. */
static void
refresh(struct realtime_socket *s, const struct realtime_message *m, struct realtime_channel **at)
{
	char		*token = realtime_join_token(m->payload), why[REALTIME_WHY_MAX];
	struct access	*access;

	if (token == NULL || realtime_is_open(s->context->auth)) {
		free(token);
		return;
	}
	if (!realtime_admit(s->context->auth, &s->guest, token, &access, why) || !realtime_channel_set_access(*at, access, why)) {
		realtime_channel_error(*at, why);
		drop(s, at);
	}
	free(token);
}

static void
decline(struct realtime_socket *s, const struct realtime_message *m, const char *reason)
{
	if (!realtime_is_null(m->ref))
		realtime_reply(s->ws, s->version, m, reason);
}

static void
to_channel(struct realtime_socket *s, const struct realtime_message *m)
{
	struct realtime_channel	**at = find(s, m->topic);

	if (*at != NULL && !realtime_is_null(m->join_ref) && !realtime_same(m->join_ref, (*at)->join_ref))
		return;		/* said to an earlier channel of that topic */
	if (strcmp(m->event, "phx_leave") == 0)
		leave(s, m, at);
	else if (strcmp(m->event, "access_token") == 0) {
		if (*at != NULL)
			refresh(s, m, at);
	} else if (*at == NULL)
		decline(s, m, "unmatched topic");
	else if (strcmp(m->event, "broadcast") == 0) {
		if ((*at)->join.acks_broadcasts)
			decline(s, m, "broadcast is not offered here, only postgres_changes");
	} else if (strcmp(m->event, "presence") == 0)
		decline(s, m, "presence is not offered here, only postgres_changes");
}

static bool
begins(struct realtime_text t, const char *with)
{
	return t.len >= strlen(with) && memcmp(t.at, with, strlen(with)) == 0;
}

static void
dispatch(struct realtime_socket *s, const struct realtime_message *m)
{
	bool	 is_phoenix = m->topic.len == strlen(phoenix) && begins(m->topic, phoenix);

	if (is_phoenix && strcmp(m->event, "heartbeat") == 0)
		realtime_reply(s->ws, s->version, m, NULL);
	else if (!begins(m->topic, prefix) && strcmp(m->event, "phx_leave") != 0)
		decline(s, m, "unmatched topic");
	else if (strcmp(m->event, "phx_join") == 0)
		join_channel(s, m);
	else
		to_channel(s, m);
}

/* One that sends and takes no answers must not fill our memory with them. */
static void
check_room(struct realtime_socket *s)
{
	if (ws_is_open(s->ws) && wire_kept_bytes(ws_wire(s->ws)) > s->context->client_buffer + WS_MESSAGE_MAX)
		ws_fail(s->ws, "it does not take its answers");
}

static void
malformed(struct realtime_socket *s, const char *why, size_t len)
{
	s->context->reader.stats->messages_bad++;
	if (s->told_malformed)
		return;
	s->told_malformed = true;
	/* Not what it holds: a token may be in it. */
	log_info("realtime", "not a message, ignored (and others of this socket) peer=%s why=\"%s\" len_bytes=%zu",
	    ws_peer(s->ws), why, len);
}

static void
text_cb(const char *text, size_t len, void *arg)
{
	struct realtime_socket	*s = arg;
	struct jsonr		 r = { 0 };
	struct realtime_message	 m;
	const char		*why = "";

	if (realtime_message_read(&r, s->version, text, len, &m, &why))
		dispatch(s, &m);
	else
		malformed(s, why, len);
	jsonr_release(&r);
	check_room(s);
}

static void
binary_cb(const void *data, size_t len, void *arg)
{
	struct realtime_socket	*s = arg;
	struct realtime_message	 m;
	const char		*why = "";

	if (realtime_message_read_binary(data, len, &m, &why))
		dispatch(s, &m);
	else
		malformed(s, why, len);
	check_room(s);
}

static void
drained_cb(void *arg)
{
	realtime_socket_pump(arg);
}

static void
closed_cb(const char *why, void *arg)
{
	struct realtime_socket	*s = arg;
	uint64_t		 sent = 0;

	s->is_dead = true;
	for (const struct realtime_channel *c = s->channels; c != NULL; c = c->next)
		sent += c->sent;
	log_debug("realtime", "closed peer=%s why=\"%s\" channels=%zu sent=%" PRIu64, ws_peer(s->ws), why, s->channels_count, sent);
	s->context->dead(s, s->context->arg);
}

/* Life */

struct realtime_socket *
realtime_socket_new(const struct realtime_context *context, struct request *req, enum realtime_version version)
{
	static const struct ws_handler	 handler = { .text = text_cb, .binary = binary_cb, .drained = drained_cb, .closed = closed_cb };
	struct realtime_socket		*s = xcalloc(1, sizeof(*s));
	struct access			*access = request_access(req);

	s->context = context;
	s->version = version;
	s->opened_us = s->joins_at_us = clock_mono_us();
	s->joins = JOINS_AT_ONCE;
	if (access != NULL)
		s->guest.access = access_ref(access);
	if (request_refusal(req) != NULL)
		s->guest.refusal = xstrdup(request_refusal(req));
	if ((s->ws = ws_accept(req, &handler, s)) == NULL) {
		realtime_guest_release(&s->guest);
		free(s);
		return NULL;
	}
	context->reader.stats->sockets_opened++;
	return s;
}

void
realtime_socket_free(struct realtime_socket *s)
{
	drop_all(s);
	ws_free(s->ws);
	realtime_guest_release(&s->guest);
	free(s);
}

void
realtime_socket_pump(struct realtime_socket *s)
{
	for (struct realtime_channel *c = s->channels; c != NULL && !s->is_dead; c = c->next)
		realtime_channel_pump(c);
}

void
realtime_socket_prefetch(const struct realtime_socket *s)
{
	__builtin_prefetch(s, 1);
	__builtin_prefetch((const char *)s + 64, 1);
}

void
realtime_socket_prefetch_channel(const struct realtime_socket *s)
{
	__builtin_prefetch(s->ws);
	if (s->channels == NULL)
		return;
	__builtin_prefetch(s->channels, 1);
	__builtin_prefetch((const char *)s->channels + 64, 1);
	__builtin_prefetch((const char *)s->channels + 128, 1);
}

void
realtime_socket_prefetch_parts(const struct realtime_socket *s)
{
	__builtin_prefetch(ws_wire(s->ws));
	if (s->channels == NULL || s->channels->reader == NULL)
		return;
	reader_prefetch(s->channels->reader);
	__builtin_prefetch(s->channels->head);
	__builtin_prefetch(s->channels->join.entries);
}

void
realtime_socket_reset(struct realtime_socket *s, const char *reason)
{
	for (struct realtime_channel *c = s->channels; c != NULL; c = c->next)
		realtime_channel_reset(c, reason);
}

size_t
realtime_socket_try(struct realtime_socket *s, int64_t now_us)
{
	struct realtime_channel	**at = &s->channels;
	size_t			 waiting = 0;
	bool			 gone;

	while (*at != NULL && ws_is_open(s->ws)) {
		waiting += !realtime_channel_try(*at, now_us, &gone);
		if (gone)
			drop(s, at);
		else
			at = &(*at)->next;
	}
	return waiting;
}

void
realtime_socket_close(struct realtime_socket *s, unsigned code, const char *reason)
{
	ws_close(s->ws, code, reason);
}

/* Time */

static void
end_expired(struct realtime_socket *s)
{
	struct realtime_channel	**at = &s->channels;
	int64_t			 wall_us = clock_wall_us();

	while (*at != NULL) {
		if ((*at)->access == NULL || !access_has_expired((*at)->access, wall_us)) {
			at = &(*at)->next;
			continue;
		}
		realtime_channel_error(*at, REALTIME_EXPIRED);
		drop(s, at);
	}
}

static void
drop_slow(struct realtime_socket *s, const char *why, uint64_t lag_bytes)
{
	s->context->reader.stats->streams_slow++;
	log_warnx("realtime", "slow client dropped, it may resume peer=%s why=\"%s\" lag_bytes=%" PRIu64 " client_buffer=%" PRIu64,
	    ws_peer(s->ws), why, lag_bytes, s->context->client_buffer);
	ws_close(s->ws, WS_CODE_POLICY, why);
}

/* True when the peer took bytes since this was last asked; only asked of those that need it, as it costs a system call. */
static bool
has_moved(struct realtime_socket *s)
{
	size_t	 unsent = wire_unsent_bytes(ws_wire(s->ws));
	bool	 moved = unsent != s->unsent_before;

	s->unsent_before = unsent;
	return moved;
}

/* One that has been too far behind for a whole second is hung up on: it resumes from its own place. */
static void
check_pace(struct realtime_socket *s, int64_t now_us)
{
	size_t		 kept = wire_is_blocked(ws_wire(s->ws)) ? wire_kept_bytes(ws_wire(s->ws)) : 0;
	uint64_t	 lag = 0, most = 0;
	bool		 is_behind, is_stalled = false, asked = false, moved = false;

	for (struct realtime_channel *c = s->channels; c != NULL; c = c->next) {
		if (c->reader == NULL)
			continue;
		if ((lag = reader_lag_bytes(c->reader)) > most)
			most = lag;
		if (!reader_is_live(c->reader) && !asked) {
			moved = has_moved(s);
			asked = true;
		}
		is_stalled = !reader_tick(c->reader, moved, now_us) || is_stalled;
	}
	is_behind = kept > 0 && kept + most > s->context->client_buffer;
	if (is_behind && s->was_behind)
		drop_slow(s, "slow consumer: too far behind", kept + most);
	else if (is_stalled)
		drop_slow(s, "slow consumer: does not read its snapshot", s->unsent_before);
	s->was_behind = is_behind;
}

void
realtime_socket_tick(struct realtime_socket *s, int64_t now_us)
{
	if (s->is_dead)
		return;
	if (!ws_is_open(s->ws)) {
		/* Nothing is sent any more; what it held up others need. */
		drop_all(s);
		ws_tick(s->ws, now_us);
		return;
	}
	end_expired(s);
	if (now_us - ws_heard_us(s->ws) > SILENCE_US)
		ws_close(s->ws, WS_CODE_NORMAL, "nothing was heard for 60 s");
	else if (s->channels == NULL && now_us - s->opened_us > UNKNOWN_US && !realtime_is_open(s->context->auth) &&
	    !realtime_guest_may_read(&s->guest))
		ws_close(s->ws, WS_CODE_POLICY, "Unauthorized: no valid apikey or access_token");
	else
		check_pace(s, now_us);
}

/* The set */

size_t
realtime_socket_channels(const struct realtime_socket *s)
{
	return s->channels_count;
}

size_t
realtime_socket_index(const struct realtime_socket *s)
{
	return s->index;
}

void
realtime_socket_set_index(struct realtime_socket *s, size_t index)
{
	s->index = index;
}
