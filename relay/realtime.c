#include "relay/realtime.h"

#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/log.h"
#include "relay/realtime_channel.h"
#include "relay/realtime_socket.h"
#include "relay/realtime_value.h"
#include "relay/request.h"
#include "relay/stats.h"
#include "relay/ws.h"

#define TICK_S		1
#define AHEAD		4	/* sockets: a write takes longer than memory does */
#define TRY_MS		100	/* between two looks whether joins that wait can be answered */

struct realtime {
	struct realtime_context	 context;
	size_t			 max;
	struct realtime_socket	**items;
	size_t			 count, room;
	struct realtime_socket	**dead;		/* to be freed; at most all */
	size_t			 dead_count;
	struct event		*wake, *sweep, *tick, *try;
};

static void
dead_cb(void *socket, void *arg)
{
	struct realtime	*set = arg;

	set->dead[set->dead_count++] = socket;
	event_active(set->sweep, EV_TIMEOUT, 0);
}

static void
sweep_cb(evutil_socket_t fd, short what, void *arg)
{
	struct realtime		*set = arg;
	struct realtime_socket	*s, *last;

	(void)fd, (void)what;
	while (set->dead_count > 0) {
		s = set->dead[--set->dead_count];
		last = set->items[--set->count];
		set->items[realtime_socket_index(s)] = last;
		realtime_socket_set_index(last, realtime_socket_index(s));
		realtime_socket_free(s);
	}
}

static void
wake_cb(evutil_socket_t fd, short what, void *arg)
{
	struct realtime	*set = arg;

	(void)fd, (void)what;
	for (size_t i = 0; i < set->count; i++) {
		if (i + 3 * AHEAD < set->count)
			realtime_socket_prefetch(set->items[i + 3 * AHEAD]);
		if (i + 2 * AHEAD < set->count)
			realtime_socket_prefetch_channel(set->items[i + 2 * AHEAD]);
		if (i + AHEAD < set->count)
			realtime_socket_prefetch_parts(set->items[i + AHEAD]);
		realtime_socket_pump(set->items[i]);
	}
}

static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct realtime	*set = arg;
	int64_t		 now_us = clock_mono_us();

	(void)fd, (void)what;
	for (size_t i = 0; i < set->count; i++)
		realtime_socket_tick(set->items[i], now_us);
}

/* Joins wait for the log */

static void
try_cb(evutil_socket_t fd, short what, void *arg)
{
	struct realtime	*set = arg;
	struct timeval	 later = clock_timeval_ms(TRY_MS);
	int64_t		 now_us = clock_mono_us();
	size_t		 waiting = 0;

	(void)fd, (void)what;
	for (size_t i = 0; i < set->count; i++)
		waiting += realtime_socket_try(set->items[i], now_us);
	if (waiting > 0)
		event_add(set->try, &later);
}

static void
joining_cb(void *arg)
{
	struct realtime	*set = arg;
	struct timeval	 later = clock_timeval_ms(TRY_MS);

	if (!event_pending(set->try, EV_TIMEOUT, NULL))
		event_add(set->try, &later);
}

/* Life */

static struct event *
add_event(struct event_base *base, short what, event_callback_fn cb, struct realtime *set)
{
	struct event	*ev = event_new(base, -1, what, cb, set);

	if (ev == NULL)
		fatalx("realtime", "cannot make an event");
	return ev;
}

struct realtime *
realtime_new(struct event_base *base, const struct realtime_params *params)
{
	struct realtime	*set = xcalloc(1, sizeof(*set));
	struct timeval	 every = { .tv_sec = TICK_S };

	set->context = (struct realtime_context){
		.reader = params->reader, .auth = params->auth, .client_buffer = params->client_buffer,
		.dead = dead_cb, .joining = joining_cb, .arg = set,
	};
	set->max = params->max;
	set->wake = add_event(base, 0, wake_cb, set);
	set->sweep = add_event(base, 0, sweep_cb, set);
	set->tick = add_event(base, EV_PERSIST, tick_cb, set);
	set->try = add_event(base, 0, try_cb, set);
	event_add(set->tick, &every);
	return set;
}

void
realtime_free(struct realtime *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		realtime_socket_free(set->items[i]);
	event_free(set->wake);
	event_free(set->sweep);
	event_free(set->tick);
	event_free(set->try);
	free(set->items);
	free(set->dead);
	free(set);
	realtime_value_end();
}

size_t
realtime_count(const struct realtime *set)
{
	return set->count - set->dead_count;
}

size_t
realtime_channels(const struct realtime *set)
{
	size_t	 count = 0;

	for (size_t i = 0; i < set->count; i++)
		count += realtime_socket_channels(set->items[i]);
	return count;
}

void
realtime_set_auth(struct realtime *set, const struct auth *auth)
{
	set->context.auth = auth;
}

/* New sockets */

/* The serializer that the query asks for; false when the request was refused.  What else is in it is not for us. */
static bool
read_version(struct request *req, enum realtime_version *out)
{
	struct evkeyvalq	 query;
	const char		*vsn;
	bool			 ok = true;

	if (!request_query(req, &query))
		return false;
	vsn = evhttp_find_header(&query, "vsn");
	*out = vsn != NULL && strcmp(vsn, "2.0.0") == 0 ? REALTIME_V2 : REALTIME_V1;
	if (vsn != NULL && *out == REALTIME_V1 && strcmp(vsn, "1.0.0") != 0) {
		request_error(req, 400, "bad parameter: vsn", "1.0.0 and 2.0.0 are served");
		ok = false;
	}
	evhttp_clear_headers(&query);
	return ok;
}

static void
add(struct realtime *set, struct realtime_socket *s)
{
	if (set->count == set->room) {
		set->room = set->room == 0 ? 64 : set->room * 2;
		set->items = xrealloc(set->items, set->room * sizeof(struct realtime_socket *));
		set->dead = xrealloc(set->dead, set->room * sizeof(struct realtime_socket *));
	}
	realtime_socket_set_index(s, set->count);
	set->items[set->count++] = s;
}

void
realtime_accept(struct realtime *set, struct request *req, size_t others)
{
	enum realtime_version	 version;
	struct realtime_socket	*s;

	if (!read_version(req, &version))
		return;
	if (set->count + others >= set->max) {
		set->context.reader.stats->streams_refused++;
		request_set_header(req, "Retry-After", "5");
		request_error(req, 503, "too many clients", "max_clients in [relay] is the limit");
		return;
	}
	if ((s = realtime_socket_new(&set->context, req, version)) != NULL)
		add(set, s);
}

/* From the relay */

void
realtime_wake(struct realtime *set)
{
	event_active(set->wake, EV_TIMEOUT, 0);
}

void
realtime_begin(struct realtime *set)
{
	try_cb(-1, 0, set);
}

void
realtime_reset(struct realtime *set, const char *reason)
{
	for (size_t i = 0; i < set->count; i++)
		realtime_socket_reset(set->items[i], reason);
}

void
realtime_stop(struct realtime *set)
{
	for (size_t i = 0; i < set->count; i++)
		realtime_socket_close(set->items[i], WS_CODE_AWAY, "the relay is restarting");
}
