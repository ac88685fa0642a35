#include "relay/streams.h"

#include <event2/event.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "relay/stream.h"

#define TICK_S		1
#define AHEAD		4	/* streams: a write takes longer than memory does */

struct streams {
	struct stream_context	 context;
	struct stream		**items;
	size_t			 count, room, max;
	struct stream		**dead;		/* to be freed; at most all */
	size_t			 dead_count;
	size_t			 next_keepalive;	/* index that the next tick begins at */
	struct event		*wake, *sweep, *tick;
};

static void
dead_cb(struct stream *s, void *arg)
{
	struct streams	*set = arg;

	set->dead[set->dead_count++] = s;
	event_active(set->sweep, EV_TIMEOUT, 0);
}

static void
sweep_cb(evutil_socket_t fd, short what, void *arg)
{
	struct streams	*set = arg;
	struct stream	*s, *last;

	(void)fd, (void)what;
	while (set->dead_count > 0) {
		s = set->dead[--set->dead_count];
		last = set->items[--set->count];
		set->items[stream_index(s)] = last;
		stream_set_index(last, stream_index(s));
		stream_free(s);
	}
}

static void
wake_cb(evutil_socket_t fd, short what, void *arg)
{
	struct streams	*set = arg;

	(void)fd, (void)what;
	for (size_t i = 0; i < set->count; i++) {
		if (i + 2 * AHEAD < set->count)
			stream_prefetch(set->items[i + 2 * AHEAD]);
		if (i + AHEAD < set->count)
			stream_prefetch_parts(set->items[i + AHEAD]);
		stream_pump(set->items[i]);
	}
}

/* Each tick visits all, but keeps only so many alive that they do not all fall due at once for ever. */
static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct streams	*set = arg;
	int64_t		 now_us = clock_mono_us();
	size_t		 share = set->count * TICK_S * 1500000 / (size_t)set->context.keepalive_us + 16;
	size_t		 first = set->next_keepalive, i;

	(void)fd, (void)what;
	set->context.wall_now_us = clock_wall_us();
	for (size_t n = 0; n < set->count; n++) {
		i = (first + n) % set->count;
		if (stream_tick(set->items[i], now_us, share > 0) && --share == 0)
			set->next_keepalive = i + 1;
	}
}

static struct event *
add_event(struct event_base *base, short what, event_callback_fn cb, struct streams *set)
{
	struct event	*ev = event_new(base, -1, what, cb, set);

	if (ev == NULL)
		fatalx("stream", "cannot make an event");
	return ev;
}

struct streams *
streams_new(struct event_base *base, const struct streams_params *params)
{
	struct streams	*set = xcalloc(1, sizeof(*set));
	struct timeval	 every = { .tv_sec = TICK_S };

	set->context = (struct stream_context){
		.reader = {
			.ring = params->ring, .history = params->history, .listener = params->listener, .stats = params->stats,
		},
		.client_buffer = params->client_buffer, .keepalive_us = params->keepalive_ms * 1000,
		.dead = dead_cb, .arg = set,
	};
	set->max = params->max;
	set->wake = add_event(base, 0, wake_cb, set);
	set->sweep = add_event(base, 0, sweep_cb, set);
	set->tick = add_event(base, EV_PERSIST, tick_cb, set);
	event_add(set->tick, &every);
	return set;
}

void
streams_free(struct streams *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		stream_free(set->items[i]);
	event_free(set->wake);
	event_free(set->sweep);
	event_free(set->tick);
	free(set->items);
	free(set->dead);
	free(set);
}

bool
streams_is_full(const struct streams *set, size_t others)
{
	return set->count + others >= set->max;
}

size_t
streams_count(const struct streams *set)
{
	return set->count - set->dead_count;
}

void
streams_add(struct streams *set, struct request *req, struct filter *filter, const struct cursor *cursor)
{
	struct stream	*s = stream_new(&set->context, req, filter, cursor);

	if (s == NULL)
		return;
	if (set->count == set->room) {
		set->room = set->room == 0 ? 64 : set->room * 2;
		set->items = xrealloc(set->items, set->room * sizeof(struct stream *));
		set->dead = xrealloc(set->dead, set->room * sizeof(struct stream *));
	}
	stream_set_index(s, set->count);
	set->items[set->count++] = s;
	stream_start(s);
}

void
streams_wake(struct streams *set)
{
	event_active(set->wake, EV_TIMEOUT, 0);
}

void
streams_begin(struct streams *set)
{
	for (size_t i = 0; i < set->count; i++)
		stream_begin(set->items[i]);
}

void
streams_reset(struct streams *set, const char *reason)
{
	for (size_t i = 0; i < set->count; i++)
		stream_reset(set->items[i], reason);
}
