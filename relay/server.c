#include "relay/server.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"
#include "relay/access.h"
#include "relay/connection.h"
#include "relay/crowd.h"
#include "relay/gate.h"
#include "relay/stats.h"
#include "relay/tls.h"

#define TICK_MS			500
#define ACCEPT_PAUSE_S		1
#define ACCEPT_TURN		256	/* connections accepted in one turn of the loop: those that are open want theirs too */
#define SHED_SAMPLE		64	/* looked at for each that is hung up on: a flood must not make us look at all */
#define SHED_TOLD_US		INT64_C(60000000)
#define OTHER_FDS		64	/* beside the connections: sockets, sessions, log, the loop's own */

struct server {
	struct event_base		*base;
	struct server_params		 params;
	void				*arg;
	struct connection_context	 context;
	struct gate			 gate;
	struct crowd			*crowd;
	struct event			**sockets;	/* listening */
	size_t				 socket_count;
	struct event			*tick, *resume;
	struct connection		**items;	/* those not taken over */
	size_t				 count, room;
	size_t				 open, max;	/* with those taken over */
	size_t				 shed_next;	/* where in the list the next sample begins */
	int64_t				 shed_told_us;	/* monotonic */
	bool				 paused, stopped;
};

/* Requests */

static const struct server_route *
find_route(const struct server *s, struct request *r)
{
	const struct server_route	*route;
	const char			*path = request_path(r);
	size_t				 len;

	for (route = s->params.routes; route->path != NULL; route++) {
		len = strlen(route->path);
		if (strcmp(route->path, path) == 0)
			break;
		if (route->path[len - 1] == '/' && strncmp(route->path, path, len) == 0) {
			r->rest = path + len;
			break;
		}
	}
	return route;
}

static void
handle_cb(struct request *r, void *arg)
{
	struct server			*s = arg;
	const struct server_route	*route = find_route(s, r);

	if (!gate_passes(&s->gate, r, route)) {
		s->params.stats->requests_bad++;
		return;
	}
	s->params.stats->requests++;
	route->handle(r, s->arg);
}

static void
bad_cb(struct request *r, const struct parser_error *why, void *arg)
{
	struct server	*s = arg;

	s->params.stats->requests_bad++;
	log_debug("http", "bad request peer=%s status=%d why=\"%s\"", request_peer(r), why->status, why->error);
	request_error(r, why->status, why->error, why->hint);
}

/* Connections */

static void
pause_accepting(struct server *s)
{
	struct timeval	 wait = { .tv_sec = ACCEPT_PAUSE_S };

	for (size_t i = 0; i < s->socket_count; i++)
		event_del(s->sockets[i]);
	s->paused = true;
	event_add(s->resume, &wait);
}

static void
resume_cb(evutil_socket_t fd, short what, void *arg)
{
	struct server	*s = arg;

	(void)fd, (void)what;
	if (!s->paused || s->stopped)
		return;
	s->paused = false;
	event_del(s->resume);
	for (size_t i = 0; i < s->socket_count; i++)
		event_add(s->sockets[i], NULL);
}

static void
gone_cb(struct connection *c, void *arg)
{
	struct server		*s = arg;
	struct connection	*last = s->items[--s->count];

	s->items[c->index] = last;
	last->index = c->index;
}

static void
left_cb(const struct peer *peer, void *arg)
{
	struct server	*s = arg;

	crowd_leave(s->crowd, peer);
	if (s->open-- == s->max)
		resume_cb(-1, 0, s);
}

/* Hang up on one whose time is nearest to its end, of a sample that moves on; false when none of them has an end. */
static bool
shed(struct server *s)
{
	struct connection	*oldest = NULL, *c;

	for (size_t i = 0; i < s->count && (i < SHED_SAMPLE || oldest == NULL); i++) {
		c = s->items[s->shed_next++ % s->count];
		if (c->deadline_us != 0 && (oldest == NULL || c->deadline_us < oldest->deadline_us))
			oldest = c;
	}
	if (oldest == NULL)
		return false;
	if (s->params.stats->connections_shed++ == 0 || clock_mono_us() - s->shed_told_us > SHED_TOLD_US) {
		s->shed_told_us = clock_mono_us();
		log_warnx("http", "too many connections, the slowest make room max=%zu", s->max);
	}
	connection_free(oldest);
	return true;
}

static void
add_connection(struct server *s, int fd, const struct peer *peer)
{
	struct bufferevent	*bev = s->params.tls == NULL ? bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE) :
	    tls_accept(s->params.tls, s->base, fd);
	struct connection	*c;

	if (bev == NULL)
		fatalx("http", "cannot make a connection");
	if (s->count == s->room) {
		s->room = s->room == 0 ? 64 : s->room * 2;
		s->items = xrealloc(s->items, s->room * sizeof(struct connection *));
	}
	c = connection_new(&s->context, bev, s->params.tls != NULL, peer);
	c->index = s->count;
	s->items[s->count++] = c;
	s->params.stats->connections++;
}

static void
take(struct server *s, int fd, const struct sockaddr *sa)
{
	struct peer	 peer = peer_of(sa);

	if (!crowd_enter(s->crowd, &peer)) {
		s->params.stats->connections_refused++;
		log_debug("http", "too many connections from one address peer_port=%u", (unsigned)peer.port);
		fd_close(&fd);
		return;
	}
	s->open++;
	add_connection(s, fd, &peer);
}

static void
accept_cb(evutil_socket_t listening, short what, void *arg)
{
	struct server		*s = arg;
	struct sockaddr_storage	 sa = { 0 };
	socklen_t		 len;
	int			 fd;

	(void)what;
	for (int i = 0; i < ACCEPT_TURN; i++) {
		if (s->open >= s->max && !shed(s)) {
			log_warnx("http", "too many connections, pausing max=%zu pause_s=%d", s->max, ACCEPT_PAUSE_S);
			pause_accepting(s);
			return;
		}
		len = sizeof(sa);
		if ((fd = accept4(listening, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC)) == -1) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			if (errno != EAGAIN && errno != EWOULDBLOCK) {
				/* No descriptor or memory left: let it wait in the backlog instead of spinning on it. */
				log_warn("http", "cannot accept, pausing pause_s=%d", ACCEPT_PAUSE_S);
				pause_accepting(s);
			}
			return;
		}
		take(s, fd, (struct sockaddr *)&sa);
	}
}

static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct server	*s = arg;
	int64_t		 now_us = clock_mono_us();

	(void)fd, (void)what;
	/* From the end: one that is freed is replaced by the last. */
	for (size_t i = s->count; i > 0; i--)
		connection_tick(s->items[i - 1], now_us);
}

/* Some descriptors always stay free for the sessions with the database and the log. */
static size_t
connections_max(size_t wanted)
{
	struct rlimit	 limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted + 2 * OTHER_FDS)
		wanted = limit.rlim_cur > 3 * OTHER_FDS ? limit.rlim_cur - 2 * OTHER_FDS : OTHER_FDS;
	return wanted;
}

static struct event *
new_event(struct server *s, int fd, short what, event_callback_fn cb)
{
	struct event	*ev = event_new(s->base, fd, what, cb, s);

	if (ev == NULL)
		fatalx("http", "cannot make an event");
	return ev;
}

struct server *
server_new(struct event_base *base, const int *fds, size_t count, const struct server_params *params, void *arg)
{
	struct server	*s = xcalloc(1, sizeof(*s));
	struct timeval	 every = { .tv_usec = TICK_MS * 1000 };

	s->base = base;
	s->params = *params;
	s->arg = arg;
	s->context = (struct connection_context){
		.request_us = params->request_ms * 1000, .idle_us = params->idle_ms * 1000,
		.handle = handle_cb, .bad = bad_cb, .gone = gone_cb, .left = left_cb, .arg = s,
	};
	s->gate = (struct gate){
		.names = params->names, .origins = params->origins, .auth = params->auth,
		.all = access_new("anybody", ACCESS_ALL, NULL, 0, 0), .none = access_new("nobody", 0, NULL, 0, 0),
	};
	s->crowd = crowd_new(params->max_per_address);
	s->max = connections_max(params->max_connections);
	s->tick = new_event(s, -1, EV_PERSIST, tick_cb);
	s->resume = new_event(s, -1, 0, resume_cb);
	event_add(s->tick, &every);
	s->sockets = xcalloc(count, sizeof(struct event *));
	for (s->socket_count = 0; s->socket_count < count; s->socket_count++) {
		s->sockets[s->socket_count] = new_event(s, fds[s->socket_count], EV_READ | EV_PERSIST, accept_cb);
		event_add(s->sockets[s->socket_count], NULL);
	}
	return s;
}

void
server_stop_accepting(struct server *s)
{
	s->stopped = true;
	for (size_t i = 0; i < s->socket_count; i++)
		event_del(s->sockets[i]);
	/*
	 * A connection kept open for another request would bring it to us, who end
	 * within milliseconds; a new one waits for our successor.  From the end:
	 * one that is freed is replaced by the last.
	 */
	for (size_t i = s->count; i > 0; i--)
		if (s->items[i - 1]->state == CONNECTION_IDLE && s->items[i - 1]->has_answered)
			connection_free(s->items[i - 1]);
}

void
server_set_auth(struct server *s, const struct auth *auth)
{
	s->gate.auth = auth;
}

void
server_free(struct server *s)
{
	int	 fd;

	if (s == NULL)
		return;
	s->stopped = true;
	while (s->count > 0)
		connection_free(s->items[s->count - 1]);
	for (size_t i = 0; i < s->socket_count; i++) {
		fd = event_get_fd(s->sockets[i]);
		event_free(s->sockets[i]);
		fd_close(&fd);
	}
	event_free(s->tick);
	event_free(s->resume);
	crowd_free(s->crowd);
	access_unref(s->gate.all);
	access_unref(s->gate.none);
	free(s->sockets);
	free(s->items);
	free(s);
}
