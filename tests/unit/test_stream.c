#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "relay/access.h"
#include "relay/change.h"
#include "relay/connection.h"
#include "relay/cursor.h"
#include "relay/filter.h"
#include "relay/history.h"
#include "relay/listener.h"
#include "relay/request.h"
#include "relay/ring.h"
#include "relay/server.h"
#include "relay/stats.h"
#include "relay/stream.h"

#define EPOCH		"e.1"
#define KEEPALIVE_US	INT64_C(15000000)
#define SECOND_US	INT64_C(1000000)
#define RING_EVENTS	4

/* In place of listener.c and history.c: a log that is known, and questions that the tests answer. */

struct batch {
	unsigned	 refs;
	size_t		 count;
	struct change	*items[HISTORY_PAGE_ROWS];
};

static struct {
	bool		 waiting;
	int64_t		 seq;
	history_cb	 cb;
	void		*arg;
} asked;
static unsigned	 asks;

const char *
listener_epoch(const struct listener *l)
{
	(void)l;
	return EPOCH;
}

bool
listener_continues(const struct listener *l, const struct cursor *c)
{
	(void)l;
	return c->epoch[0] == '\0' || strcmp(c->epoch, EPOCH) == 0;
}

int64_t
listener_cursor(const struct listener *l)
{
	(void)l;
	return 0;
}

bool
listener_has_begun(const struct listener *l)
{
	(void)l;
	return true;
}

struct history_ask *
history_page(struct history *h, int64_t seq, history_cb cb, void *arg)
{
	(void)h;
	asks++;
	asked.waiting = true;
	asked.seq = seq;
	asked.cb = cb;
	asked.arg = arg;
	return (struct history_ask *)(void *)&asked;
}

struct history_ask *
history_snapshot(struct history *h, history_cb cb, void *arg)
{
	return history_page(h, -1, cb, arg);
}

void
history_cancel(struct history_ask *a)
{
	(void)a;
	asked.waiting = false;
}

bool
history_is_short(const struct history *h)
{
	(void)h;
	return false;
}

struct batch *
batch_ref(struct batch *b)
{
	b->refs++;
	return b;
}

void
batch_unref(struct batch *b)
{
	if (b == NULL || --b->refs > 0)
		return;
	for (size_t i = 0; i < b->count; i++)
		change_unref(b->items[i]);
	b->count = 0;
}

size_t
batch_count(const struct batch *b)
{
	return b->count;
}

struct change *
batch_at(const struct batch *b, size_t i)
{
	return b->items[i];
}

/* One stream between a real server and a real client. */
struct fixture {
	struct event_base	*base;
	struct server		*server;
	struct ring		*ring;
	struct stats		 stats;
	struct stream_context	 context;
	struct filter		*filter;
	struct cursor		 after;
	bool			 has_after, dead;
	struct access		*access;	/* of the request to come; owned */
	struct stream		*stream;
	int			 client;
	char			*text;		/* what it got */
	size_t			 len;
};

static void
dead_cb(struct stream *s, void *arg)
{
	struct fixture	*f = arg;

	(void)s;
	f->dead = true;
}

static void
handle(struct request *req, void *arg)
{
	struct fixture	*f = arg;

	/* As the server does with who has asked. */
	if (f->access != NULL) {
		access_unref(req->access);
		req->access = f->access;
		f->access = NULL;
	}
	f->stream = stream_new(&f->context, req, f->filter, f->has_after ? &f->after : NULL);
	stream_start(f->stream);
}

static struct fixture *
begin(const char *symbol, int64_t after)
{
	struct fixture		*f = calloc(1, sizeof(*f));
	struct sockaddr_in	 address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t		 len = sizeof(address);
	static const struct server_route routes[] = { { NULL, REQUEST_GET, 0, false, handle } };
	const struct conf_list	 none = { 0 };
	struct server_params	 params = {
		.names = &none, .origins = &none, .max_connections = 10, .max_per_address = 10, .request_ms = 10000, .idle_ms = 10000
	};
	int			 listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char			 why[160];
	int			 small = 4096;
	static const char	 request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

	f->base = event_base_new();
	f->ring = ring_new(RING_EVENTS, 1 << 30);
	f->context = (struct stream_context){
		.reader = { .ring = f->ring, .stats = &f->stats }, .client_buffer = 1 << 20, .keepalive_us = KEEPALIVE_US,
		.dead = dead_cb, .arg = f,
	};
	f->has_after = after >= 0;
	f->after = (struct cursor){ .epoch = EPOCH, .seq = after };
	if (symbol != NULL) {
		f->filter = filter_new();
		assert_int_equal(filter_set(f->filter, "symbol", symbol, why, sizeof(why)), FILTER_SET_OK);
	}
	params.routes = routes;
	params.stats = &f->stats;
	assert_int_equal(bind(listening, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &len), 0);
	f->server = server_new(f->base, &listening, 1, &params, f);
	f->client = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(f->client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(connect(f->client, (struct sockaddr *)&address, len), 0);
	assert_int_equal(send(f->client, request, strlen(request), 0), strlen(request));
	asks = 0;
	asked.waiting = false;
	return f;
}

static void
open_stream(struct fixture *f)
{
	while (f->stream == NULL)
		event_base_loop(f->base, EVLOOP_ONCE);
	/* A new connection reports once that it can be written to, and is pumped then. */
	event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void
end(struct fixture *f)
{
	stream_free(f->stream);
	server_free(f->server);
	ring_free(f->ring);
	event_base_free(f->base);
	close(f->client);
	free(f->text);
	free(f);
}

static struct change *
change(int64_t seq, const char *symbol, size_t padding)
{
	const char	*why = NULL;
	size_t		 size = padding + 200;
	char		*text = malloc(size), *pad = calloc(1, padding + 1);
	struct change	*c;

	memset(pad, 'x', padding);
	snprintf(text, size, "{\"seq\":%" PRId64 ",\"kind\":\"opened\",\"record\":{\"symbol\":\"%s\",\"reason\":\"%s\"}}",
	    seq, symbol, pad);
	c = change_parse(text, EPOCH, &why);
	assert_non_null(c);
	free(text);
	free(pad);
	return c;
}

static void
push(struct fixture *f, int64_t seq, const char *symbol)
{
	struct change	*c = change(seq, symbol, 0);

	ring_push(f->ring, c);
	change_unref(c);
}

/* Take what has come so far; true when there was something. */
static bool
receive(struct fixture *f)
{
	char	 buf[65536];
	ssize_t	 n;
	size_t	 before = f->len;

	while ((n = recv(f->client, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		f->text = realloc(f->text, f->len + (size_t)n + 1);
		memcpy(f->text + f->len, buf, (size_t)n);
		f->len += (size_t)n;
		f->text[f->len] = '\0';
	}
	return f->len > before;
}

/* Turn the loop until the text comes. */
static void
expect(struct fixture *f, const char *text)
{
	while (f->text == NULL || strstr(f->text, text) == NULL) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		receive(f);
	}
}

static void
answer(struct batch *b, int64_t last_seq)
{
	const struct history_answer	 a = { .batch = b, .verdict = CURSOR_GOOD, .last_seq = last_seq };

	assert_true(asked.waiting);
	asked.waiting = false;
	b->refs = 1;
	asked.cb(&a, asked.arg);
	batch_unref(b);
}

static void
a_keepalive_never_names_an_event_that_was_not_sent(void **state)
{
	struct fixture	*f = begin(NULL, -1);
	int64_t		 late_us = clock_mono_us() + 2 * KEEPALIVE_US;

	(void)state;
	ring_clear(f->ring, 10);
	open_stream(f);
	push(f, 11, "A/B");
	/* libevent runs timers before what the push has activated. */
	assert_true(stream_tick(f->stream, late_us, true));
	expect(f, ": keepalive\n");
	assert_null(strstr(f->text, "id: " EPOCH "-11"));
	stream_pump(f->stream);
	assert_true(stream_tick(f->stream, late_us, true));
	expect(f, ": keepalive\nid: " EPOCH "-11\n\n");
	end(f);
}

static void
an_empty_page_leads_no_further_than_the_log_it_was_read_from(void **state)
{
	struct fixture	*f = begin(NULL, 5);
	struct batch	 empty = { 0 };

	(void)state;
	ring_clear(f->ring, 10);
	open_stream(f);
	assert_int_equal(asked.seq, 5);
	/* Behind the query's back the ring moves on, and forgets 11 to 16. */
	for (int64_t seq = 11; seq <= 20; seq++)
		push(f, seq, "A/B");
	answer(&empty, 0);
	assert_true(asked.waiting);
	assert_int_equal(asked.seq, 10);
	end(f);
}

static void
a_page_whose_rows_are_all_left_out_is_stepped_over(void **state)
{
	struct fixture	*f = begin(NULL, 5);
	struct batch	 unreadable = { 0 };

	(void)state;
	ring_clear(f->ring, 1000);
	open_stream(f);
	answer(&unreadable, 505);
	assert_true(asked.waiting);
	assert_int_equal(asked.seq, 505);
	end(f);
}

static void
a_filtered_stream_moves_over_what_it_does_not_want(void **state)
{
	struct fixture	*f = begin("A/B", -1);

	(void)state;
	ring_clear(f->ring, 10);
	open_stream(f);
	for (int64_t seq = 11; seq <= 15; seq++) {
		push(f, seq, "C/D");
		stream_pump(f->stream);
	}
	/* Now it falls off the ring. */
	for (int64_t seq = 16; seq <= 30; seq++)
		push(f, seq, "C/D");
	stream_pump(f->stream);
	assert_true(asked.waiting);
	assert_int_equal(asked.seq, 15);
	end(f);
}

static void
a_page_that_is_not_taken_is_given_back_and_continued_later(void **state)
{
	struct fixture	*f = begin(NULL, 0);
	struct batch	 page = { 0 }, rest = { 0 };
	int64_t		 now_us;

	(void)state;
	ring_clear(f->ring, 1000);
	open_stream(f);
	while (page.count < 300) {
		page.items[page.count] = change((int64_t)page.count + 1, "A/B", 65536);
		page.count++;
	}
	answer(&page, 300);
	assert_int_equal(page.refs, 1);
	now_us = clock_mono_us();
	/* As long as it reads, it keeps the page. */
	while (receive(f))
		;
	stream_tick(f->stream, now_us += SECOND_US, false);
	stream_tick(f->stream, now_us += SECOND_US, false);
	stream_tick(f->stream, now_us += SECOND_US, false);
	assert_int_equal(page.refs, 0);
	assert_false(f->dead);
	assert_int_equal(asks, 1);
	/* It reads again: the next page begins where the last one was left. */
	while (asks == 1) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		receive(f);
	}
	assert_in_range(asked.seq, 1, 299);
	for (int64_t seq = asked.seq + 1; seq <= 300; seq++)
		rest.items[rest.count++] = change(seq, "A/B", 0);
	answer(&rest, 300);
	expect(f, "id: " EPOCH "-300\n");
	for (int seq = 1; seq <= 300; seq++) {
		char		 id[32];
		const char	*first;

		snprintf(id, sizeof(id), "id: " EPOCH "-%d\ndata", seq);
		first = strstr(f->text, id);
		assert_non_null(first);
		assert_null(strstr(first + 1, id));
	}
	end(f);
}

static void
a_stalled_reader_of_history_costs_nothing_and_is_not_hung_up_on(void **state)
{
	struct fixture	*f = begin(NULL, 0);
	struct batch	 page = { 0 };

	(void)state;
	ring_clear(f->ring, 1000);
	open_stream(f);
	while (page.count < 300) {
		page.items[page.count] = change((int64_t)page.count + 1, "A/B", 65536);
		page.count++;
	}
	answer(&page, 300);
	for (int64_t s = 1; s <= 100; s++)
		assert_false(stream_tick(f->stream, clock_mono_us() + s * SECOND_US, false));
	assert_false(f->dead);
	assert_int_equal(f->stats.streams_slow, 0);
	end(f);
}

static void
a_snapshot_that_is_not_read_is_given_up(void **state)
{
	struct fixture	*f = begin(NULL, 0);
	struct batch	 snapshot = { 0 };

	(void)state;
	ring_clear(f->ring, 1000);
	open_stream(f);
	stream_reset(f->stream, "epoch");
	while (snapshot.count < 300) {
		snapshot.items[snapshot.count] = change((int64_t)snapshot.count + 1, "A/B", 65536);
		snapshot.count++;
	}
	answer(&snapshot, 300);
	for (int64_t s = 1; s <= 5; s++)
		stream_tick(f->stream, clock_mono_us() + s * SECOND_US, false);
	assert_false(f->dead);
	for (int64_t s = 6; s <= 15; s++)
		stream_tick(f->stream, clock_mono_us() + s * SECOND_US, false);
	assert_true(f->dead);
	assert_int_equal(f->stats.streams_slow, 1);
	end(f);
	batch_unref(&snapshot);
}

static void
a_token_for_some_symbols_shows_those_and_deletions_only(void **state)
{
	struct fixture	*f = begin(NULL, -1);
	char		*symbols[] = { (char[]){ "A/B" } };
	const char	*why = NULL;
	struct change	*c;

	(void)state;
	f->access = access_new("some", ACCESS_READ, symbols, 1, 0);
	ring_clear(f->ring, 10);
	open_stream(f);
	push(f, 11, "A/B");
	push(f, 12, "C/D");
	/* Whose it is is not known. */
	c = change_parse("{\"seq\":13,\"kind\":\"acked\",\"record\":{\"strategy\":\"x\"}}", EPOCH, &why);
	ring_push(f->ring, c);
	change_unref(c);
	c = change_parse("{\"seq\":14,\"kind\":\"deleted\",\"id\":3,\"record\":null}", EPOCH, &why);
	ring_push(f->ring, c);
	change_unref(c);
	stream_pump(f->stream);
	expect(f, "id: " EPOCH "-14\ndata");
	assert_non_null(strstr(f->text, "id: " EPOCH "-11\ndata"));
	assert_null(strstr(f->text, "id: " EPOCH "-12\n"));
	assert_null(strstr(f->text, "id: " EPOCH "-13\n"));
	end(f);
}

static void
a_stream_ends_with_its_token(void **state)
{
	struct fixture	*f = begin(NULL, -1);
	int64_t		 now_us = clock_mono_us();

	(void)state;
	f->access = access_new("soon", ACCESS_READ, NULL, 0, 1000 * SECOND_US);
	ring_clear(f->ring, 10);
	open_stream(f);
	f->context.wall_now_us = 999 * SECOND_US;
	stream_tick(f->stream, now_us, true);
	assert_false(f->dead);
	f->context.wall_now_us = 1001 * SECOND_US;
	stream_tick(f->stream, now_us, true);
	assert_true(f->dead);
	expect(f, "\n\n: the token has expired\n\n");
	/* What comes until it is freed is not for it. */
	push(f, 11, "A/B");
	stream_pump(f->stream);
	end(f);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_keepalive_never_names_an_event_that_was_not_sent),
		cmocka_unit_test(an_empty_page_leads_no_further_than_the_log_it_was_read_from),
		cmocka_unit_test(a_page_whose_rows_are_all_left_out_is_stepped_over),
		cmocka_unit_test(a_filtered_stream_moves_over_what_it_does_not_want),
		cmocka_unit_test(a_page_that_is_not_taken_is_given_back_and_continued_later),
		cmocka_unit_test(a_stalled_reader_of_history_costs_nothing_and_is_not_hung_up_on),
		cmocka_unit_test(a_snapshot_that_is_not_read_is_given_up),
		cmocka_unit_test(a_token_for_some_symbols_shows_those_and_deletions_only),
		cmocka_unit_test(a_stream_ends_with_its_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
