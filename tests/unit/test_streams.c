#include "tests/unit/unit.h"

#include <event2/event.h>
#include <stdlib.h>

#include "relay/stream.h"
#include "relay/streams.h"

#define STREAMS		100
#define SHARE		26	/* of a tick, with so many streams and a keepalive of 15 s */

/* In place of stream.c: streams that count the ticks. */
struct stream {
	size_t		 index;
	unsigned	 ticks, keepalives;
};

static struct stream	*all[STREAMS];
static size_t		 made;
static unsigned		 calls;
static struct event_base *loop;

struct stream *
stream_new(const struct stream_context *context, struct request *req, struct filter *filter,
    const struct cursor *cursor)
{
	(void)context, (void)req, (void)filter, (void)cursor;
	return all[made++] = calloc(1, sizeof(struct stream));
}

void
stream_free(struct stream *s)
{
	free(s);
}

void
stream_start(struct stream *s)
{
	(void)s;
}

void
stream_begin(struct stream *s)
{
	(void)s;
}

void
stream_pump(struct stream *s)
{
	(void)s;
}

void
stream_prefetch(const struct stream *s)
{
	(void)s;
}

void
stream_prefetch_parts(const struct stream *s)
{
	(void)s;
}

void
stream_reset(struct stream *s, const char *reason)
{
	(void)s, (void)reason;
}

bool
stream_tick(struct stream *s, int64_t now_us, bool may_keep_alive)
{
	(void)now_us;
	s->ticks++;
	s->keepalives += may_keep_alive;
	if (++calls % STREAMS == 0)
		event_base_loopbreak(loop);
	return may_keep_alive;
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

static void
a_tick_visits_each_once_and_the_next_one_goes_on_with_the_keepalives(void **state)
{
	const struct streams_params	 params = { .max = STREAMS, .keepalive_ms = 15000 };
	struct streams			*set;

	(void)state;
	loop = event_base_new();
	set = streams_new(loop, &params);
	for (size_t i = 0; i < STREAMS; i++)
		streams_add(set, NULL, NULL, NULL);
	for (unsigned tick = 1; tick <= 2; tick++) {
		event_base_dispatch(loop);
		for (size_t i = 0; i < STREAMS; i++) {
			assert_int_equal(all[i]->ticks, tick);
			assert_int_equal(all[i]->keepalives, i < tick * SHARE);
		}
	}
	streams_free(set);
	event_base_free(loop);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_tick_visits_each_once_and_the_next_one_goes_on_with_the_keepalives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
