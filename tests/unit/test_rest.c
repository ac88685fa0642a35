#include "tests/unit/unit.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/net.h"
#include "common/rest.h"
#include "tests/unit/tls_peer.h"

#define ANSWERS_MAX	16
#define REQUESTS_MAX	32

/* What the raw peer does with each request, one after the other. */
struct step {
	const char	*reply;
	enum { THEN_KEEP, THEN_END, THEN_CUT } then;	/* the connection: goodbye of TLS and close, or close only */
};

struct got {
	int	 status;
	char	*body;
	size_t	 len;
	char	 why[NET_WHY_MAX], header[64];
	void	*arg;
};

struct fixture {
	struct event_base	*base;
	struct net		*net;
	struct authority	 ca;
	SSL_CTX			*ctx;
	struct evhttp		*http;
	struct evhttp_request	*held;		/* of /slow */
	struct evconnlistener	*listener;	/* raw */
	struct bufferevent	*peer;
	const struct step	*steps;
	bool			 end_when_sent, cut_when_sent;
	unsigned		 port, connections, requests;
	int64_t			 times[REQUESTS_MAX];	/* of the requests' arrival, monotonic us */
	char			 heads[1024];
	char			 posted[256];	/* of the last POST: two lines of its head, its length and its body */
	struct rest_params	 params;
	char			 origin[80];
	struct rest		*rest;
	struct got		 got[ANSWERS_MAX];
	size_t			 count;
	bool			 answered, free_in_answer, ask_in_answer, posting;
};

static struct fixture	*the;	/* arg of the answers is free for the tests */

/* The evhttp peer */

static struct bufferevent *
tls_cb(struct event_base *base, void *arg)
{
	struct fixture	*f = arg;

	f->connections++;
	return bufferevent_openssl_socket_new(base, -1, SSL_new(f->ctx), BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
}

static void
send_chunks(struct evhttp_request *req, struct evbuffer *out)
{
	evhttp_send_reply_start(req, 200, "OK");
	for (int i = 0; i < 50; i++) {
		evbuffer_add_printf(out, "[%04d:%0990d]", i, 0);
		evhttp_send_reply_chunk(req, out);
	}
	evhttp_send_reply_end(req);
}

static void
http_cb(struct evhttp_request *req, void *arg)
{
	struct fixture	*f = arg;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req), *in = evhttp_request_get_input_headers(req);
	const char	*path = evhttp_request_get_uri(req);
	struct evbuffer	*out = evbuffer_new();

	assert_true(f->requests < REQUESTS_MAX);
	f->times[f->requests++] = clock_mono_us();
	snprintf(f->heads, sizeof(f->heads), "%s|%s|%s|%s", evhttp_find_header(in, "Host"), evhttp_find_header(in, "User-Agent"),
	    evhttp_find_header(in, "Accept"), evhttp_find_header(in, "Connection"));
	if (evhttp_request_get_command(req) == EVHTTP_REQ_POST) {
		struct evbuffer	*body = evhttp_request_get_input_buffer(req);

		snprintf(f->posted, sizeof(f->posted), "%s|%s|%s|%.*s", evhttp_find_header(in, "Content-Type"),
		    evhttp_find_header(in, "X-Id"), evhttp_find_header(in, "Content-Length"), (int)evbuffer_get_length(body),
		    (char *)evbuffer_pullup(body, -1));
	}
	if (strcmp(path, "/slow") == 0) {
		f->held = req;
	} else if (strcmp(path, "/chunked") == 0) {
		send_chunks(req, out);
	} else if (strcmp(path, "/missing") == 0) {
		evbuffer_add_printf(out, "no such symbol");
		evhttp_send_reply(req, 404, "Not Found", out);
	} else if (strncmp(path, "/status?", 8) == 0) {
		evhttp_send_reply(req, atoi(path + 8), "So", out);
	} else if (strncmp(path, "/busy", 5) == 0) {
		if (path[5] == '?')
			evhttp_add_header(headers, "Retry-After", path + 6);
		evhttp_send_reply(req, 429, "Slow down", out);
	} else if (strncmp(path, "/size?", 6) == 0) {
		evbuffer_expand(out, strtoul(path + 6, NULL, 10));
		for (unsigned long i = strtoul(path + 6, NULL, 10); i > 0; i--)
			evbuffer_add(out, "x", 1);
		evhttp_send_reply(req, 200, "OK", out);
	} else {
		evhttp_add_header(headers, "X-Weight", strncmp(path, "/weight?", 8) == 0 ? path + 8 : "1");
		if (strcmp(path, "/last") == 0)
			evhttp_add_header(headers, "Connection", "close");
		evbuffer_add_printf(out, "{\"path\":\"%s\"}", path);
		evhttp_send_reply(req, 200, "OK", out);
	}
	evbuffer_free(out);
}

/* The raw peer */

static void
peer_drop(struct fixture *f)
{
	if (f->peer != NULL)
		bufferevent_free(f->peer);
	f->peer = NULL;
}

static void
peer_write_cb(struct bufferevent *bev, void *arg)
{
	struct fixture	*f = arg;

	if (f->end_when_sent)
		SSL_shutdown(bufferevent_openssl_get_ssl(bev));
	if (f->end_when_sent || f->cut_when_sent)
		peer_drop(f);
}

static void
peer_read_cb(struct bufferevent *bev, void *arg)
{
	struct fixture	*f = arg;
	struct evbuffer	*input = bufferevent_get_input(bev);
	char		*text = (char *)evbuffer_pullup(input, -1);

	if (memmem(text, evbuffer_get_length(input), "\r\n\r\n", 4) == NULL)
		return;
	evbuffer_drain(input, evbuffer_get_length(input));
	f->requests++;
	f->end_when_sent = f->steps->then == THEN_END;
	f->cut_when_sent = f->steps->then == THEN_CUT;
	if (*f->steps->reply != '\0')
		bufferevent_write(bev, f->steps->reply, strlen(f->steps->reply));
	else if (f->steps->then != THEN_KEEP)
		peer_write_cb(bev, f);
	f->steps++;
}

static void
peer_event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct fixture	*f = arg;

	if ((what & BEV_EVENT_CONNECTED) == 0 && bev == f->peer)
		peer_drop(f);
}

static void
accept_cb(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int len, void *arg)
{
	struct fixture	*f = arg;

	(void)listener, (void)address, (void)len;
	f->connections++;
	peer_drop(f);
	f->end_when_sent = f->cut_when_sent = false;
	f->peer = bufferevent_openssl_socket_new(f->base, fd, SSL_new(f->ctx), BUFFEREVENT_SSL_ACCEPTING,
	    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	bufferevent_setcb(f->peer, peer_read_cb, peer_write_cb, peer_event_cb, f);
	bufferevent_enable(f->peer, EV_READ | EV_WRITE);
}

/* Steps */

static void
answer_cb(const struct rest_answer *a, void *arg)
{
	struct fixture	*f = the;
	struct got	*g = &f->got[f->count];
	const char	*header = rest_header(a, "x-WEIGHT");

	assert_true(f->count < ANSWERS_MAX);
	f->count++;
	f->answered = true;
	g->status = a->status;
	g->arg = arg;
	g->len = a->len;
	assert_int_equal(a->body[a->len], '\0');
	g->body = strdup(a->body);
	if (!f->posting)
		assert_true((a->why == NULL) == (a->status == 200));
	snprintf(g->why, sizeof(g->why), "%s", a->why == NULL ? "" : a->why);
	snprintf(g->header, sizeof(g->header), "%s", header == NULL ? "" : header);
	if (f->ask_in_answer) {
		f->ask_in_answer = false;
		assert_int_equal(rest_get(f->rest, "/again", answer_cb, arg), 0);
	}
	if (f->free_in_answer) {
		rest_free(f->rest);
		f->rest = NULL;
	}
}

static void
open_rest(struct fixture *f)
{
	snprintf(f->origin, sizeof(f->origin), "http%s://127.0.0.1:%u", f->params.plain ? "" : "s", f->port);
	f->params.origin = f->origin;
	f->rest = rest_new(f->net, &f->params);
}

static void
await_count(struct fixture *f, size_t count)
{
	while (f->count < count) {
		f->answered = false;
		if (!turn_until(f->base, &f->answered))
			fail_msg("%zu answers instead of %zu, requests=%u", f->count, count, f->requests);
	}
}

static const struct got *
ask(struct fixture *f, const char *path)
{
	size_t	 count = f->count;

	if (f->rest == NULL)
		open_rest(f);
	assert_int_equal(rest_get(f->rest, path, answer_cb, f), 0);
	assert_int_equal(f->count, count);
	await_count(f, count + 1);
	assert_int_equal(f->count, count + 1);
	return &f->got[count];
}

static const struct got *
post(struct fixture *f, const char *path)
{
	static const struct rest_field	 fields[] = { { "Content-Type", "application/json" }, { "X-Id", "7" } };
	const struct rest_post		 p = { .path = path, .fields = fields, .field_count = 2, .body = "{\"a\":1}", .len = 7 };
	size_t				 count = f->count;

	if (f->rest == NULL)
		open_rest(f);
	f->posting = true;
	assert_int_equal(rest_post(f->rest, &p, answer_cb, f), 0);
	await_count(f, count + 1);
	return &f->got[count];
}

static const struct got *
ask_raw(struct fixture *f, const struct step *steps)
{
	f->steps = steps;
	return ask(f, "/x");
}

static void
expect(const struct got *g, int status, const char *why)
{
	if (g->status != status || strstr(g->why, why) == NULL)
		fail_msg("status %d why \"%s\" instead of %d \"%s\"", g->status, g->why, status, why);
}

static int
setup_common(void **state)
{
	struct fixture	*f = calloc(1, sizeof(*f));
	char		 why[NET_WHY_MAX];

	signal(SIGPIPE, SIG_IGN);
	the = f;
	f->base = event_base_new();
	authority_init(&f->ca, "CA of the test");
	f->net = net_new(f->base, f->ca.path, why, sizeof(why));
	assert_non_null(f->net);
	f->ctx = server_context(&f->ca, "IP:127.0.0.1", 3600);
	f->params.name = "test";
	f->params.timeout_ms = 10000;
	*state = f;
	return 0;
}

static int
setup_server(void **state, bool plain)
{
	struct fixture			*f;
	struct evhttp_bound_socket	*bound;
	struct sockaddr_in		 address;
	socklen_t			 len = sizeof(address);

	setup_common(state);
	f = *state;
	f->http = evhttp_new(f->base);
	f->params.plain = plain;
	if (!plain)
		evhttp_set_bevcb(f->http, tls_cb, f);
	evhttp_set_gencb(f->http, http_cb, f);
	bound = evhttp_bind_socket_with_handle(f->http, "127.0.0.1", 0);
	assert_int_equal(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &len), 0);
	f->port = ntohs(address.sin_port);
	return 0;
}

static int
setup_plain(void **state)
{
	return setup_server(state, true);
}

static int
setup_http(void **state)
{
	return setup_server(state, false);
}

static int
setup_raw(void **state)
{
	struct fixture	*f;

	setup_common(state);
	f = *state;
	f->listener = listen_on_loopback(f->base, accept_cb, f, &f->port);
	return 0;
}

static int
teardown(void **state)
{
	struct fixture	*f = *state;

	rest_free(f->rest);
	peer_drop(f);
	if (f->listener != NULL)
		evconnlistener_free(f->listener);
	if (f->http != NULL)
		evhttp_free(f->http);
	net_free(f->net);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	event_base_free(f->base);
	SSL_CTX_free(f->ctx);
	authority_release(&f->ca);
	for (size_t i = 0; i < f->count; i++)
		free(f->got[i].body);
	free(f);
	return 0;
}

/* Answers */

static void
answers_come_in_order_over_one_connection(void **state)
{
	struct fixture	*f = *state;
	char		 args[3], want[80];

	f->params.user_agent = "agent/7";
	open_rest(f);
	assert_int_equal(rest_get(f->rest, "/a?x=1&y=2", answer_cb, &args[0]), 0);
	assert_int_equal(rest_get(f->rest, "/b", answer_cb, &args[1]), 0);
	assert_int_equal(rest_get(f->rest, "/c", answer_cb, &args[2]), 0);
	assert_int_equal(rest_pending(f->rest), 3);
	await_count(f, 3);
	for (size_t i = 0; i < 3; i++) {
		expect(&f->got[i], 200, "");
		assert_ptr_equal(f->got[i].arg, &args[i]);
	}
	assert_string_equal(f->got[0].body, "{\"path\":\"/a?x=1&y=2\"}");
	assert_string_equal(f->got[2].body, "{\"path\":\"/c\"}");
	assert_string_equal(f->got[2].header, "1");
	assert_int_equal(f->connections, 1);
	assert_int_equal(rest_pending(f->rest), 0);
	snprintf(want, sizeof(want), "127.0.0.1:%u|agent/7|application/json|keep-alive", f->port);
	assert_string_equal(f->heads, want);
	assert_int_equal(rest_get(f->rest, "no path", answer_cb, f), -1);
	assert_int_equal(rest_get(f->rest, "/a b", answer_cb, f), -1);
	assert_int_equal(rest_get(f->rest, "/a\r\nX: y", answer_cb, f), -1);
}

static void
another_status_is_told_with_its_body(void **state)
{
	struct fixture	*f = *state;
	const struct got *g = ask(f, "/missing");

	expect(g, 404, "HTTP status 404: no such symbol");
	assert_string_equal(g->body, "no such symbol");
}

static void
chunks_are_put_together(void **state)
{
	struct fixture	*f = *state;
	const struct got *g = ask(f, "/chunked");

	expect(g, 200, "");
	assert_int_equal(g->len, 50 * 997);
	assert_memory_equal(g->body + 49 * 997, "[0049:000", 9);
}

static void
an_answer_of_600_kb_comes_whole_and_no_bigger_one_than_allowed(void **state)
{
	struct fixture	*f = *state;

	f->params.body_max = 600000;
	assert_int_equal(ask(f, "/size?600000")->len, 600000);
	expect(ask(f, "/size?600001"), 0, "the answer is bigger than 600000 bytes");
	expect(ask(f, "/after"), 200, "");
}

static void
chunks_too_big_together_are_refused(void **state)
{
	struct fixture	*f = *state;

	f->params.body_max = 40000;
	expect(ask(f, "/chunked"), 0, "the answer is bigger than 40000 bytes");
	expect(ask(f, "/after"), 200, "");
}

static void
the_server_may_close_after_an_answer(void **state)
{
	struct fixture	*f = *state;

	expect(ask(f, "/last"), 200, "");
	expect(ask(f, "/after"), 200, "");
	assert_int_equal(f->connections, 2);
}

static void
no_answer_is_a_timeout_and_the_next_is_asked(void **state)
{
	struct fixture	*f = *state;

	f->params.timeout_ms = 200;
	expect(ask(f, "/slow"), 0, "answer: timeout after 0.2 s");
	expect(ask(f, "/after"), 200, "");
	assert_int_equal(f->connections, 2);
}

static void
starts_keep_their_distance(void **state)
{
	struct fixture	*f = *state;

	f->params.gap_ms = 200;
	open_rest(f);
	for (int i = 0; i < 4; i++)
		assert_int_equal(rest_get(f->rest, "/x", answer_cb, f), 0);
	await_count(f, 4);
	/* The first one's arrival is late by the time that connecting took, so the distance to it says nothing. */
	for (int i = 2; i < 4; i++)
		assert_true(f->times[i] - f->times[i - 1] > 120000);
}

static void
a_refusal_holds_the_queue(void **state)
{
	struct fixture	*f = *state;
	int64_t		 before_us;
	struct jsonw	 w;
	char		 text[300];

	expect(ask(f, "/busy?1"), 429, "HTTP status 429");
	before_us = f->times[0];
	assert_true(rest_wait_ms(f->rest) > 500);
	expect(ask(f, "/x"), 200, "");
	assert_true(f->times[1] - before_us >= 990000);
	assert_int_equal(rest_wait_ms(f->rest), 0);
	jsonw_init_fixed(&w, text, sizeof(text));
	jsonw_object(&w, NULL);
	rest_status_json(f->rest, &w, "rest");
	jsonw_end_object(&w);
	assert_string_equal(text, "{\"rest\":{\"requests\":2,\"errors\":1,\"waits\":1,\"queued\":0,\"waiting_s\":0,"
	    "\"error\":\"HTTP status 429: \"}}");
}

static void
a_refusal_without_a_time_waits_longer_each_time(void **state)
{
	struct fixture	*f = *state;

	f->params.wait_base_ms = 100;
	for (int i = 0; i < 3; i++)
		expect(ask(f, "/busy"), 429, "HTTP status 429");
	assert_true(f->times[1] - f->times[0] >= 95000);
	assert_true(f->times[2] - f->times[1] >= 195000);
	assert_true(rest_wait_ms(f->rest) > 200);
}

static void
a_spent_budget_holds_the_queue(void **state)
{
	struct fixture	*f = *state;

	f->params.weight_header = "X-Weight";
	f->params.weight_max = 100;
	expect(ask(f, "/weight?100"), 200, "");
	assert_int_equal(rest_wait_ms(f->rest), 0);
	expect(ask(f, "/weight?101"), 200, "");
	assert_true(rest_wait_ms(f->rest) > 0);
	assert_int_equal(rest_get(f->rest, "/x", answer_cb, f), 0);
}

static void
a_full_queue_takes_no_more(void **state)
{
	struct fixture	*f = *state;

	f->params.queue_max = 2;
	open_rest(f);
	assert_int_equal(rest_get(f->rest, "/a", answer_cb, f), 0);
	assert_int_equal(rest_get(f->rest, "/b", answer_cb, f), 0);
	assert_int_equal(rest_get(f->rest, "/c", answer_cb, f), -1);
	await_count(f, 2);
	turn_for(f->base, 30);
	assert_int_equal(f->count, 2);
}

static void
what_is_cancelled_is_silent(void **state)
{
	struct fixture	*f = *state;
	char		 mine, theirs;

	open_rest(f);
	assert_int_equal(rest_get(f->rest, "/slow", answer_cb, &mine), 0);
	assert_int_equal(rest_get(f->rest, "/a", answer_cb, &theirs), 0);
	assert_int_equal(rest_get(f->rest, "/b", answer_cb, &mine), 0);
	while (f->held == NULL)
		event_base_loop(f->base, EVLOOP_ONCE);
	rest_cancel(f->rest, &mine);
	assert_int_equal(rest_pending(f->rest), 1);
	assert_int_equal(rest_get(f->rest, "/c", answer_cb, &theirs), 0);
	await_count(f, 2);
	turn_for(f->base, 50);
	assert_int_equal(f->count, 2);
	assert_string_equal(f->got[0].body, "{\"path\":\"/a\"}");
	assert_string_equal(f->got[1].body, "{\"path\":\"/c\"}");
	assert_int_equal(rest_pending(f->rest), 0);
}

static void
cancelled_at_any_time(void **state)
{
	struct fixture	*f = *state;
	char		 mine;

	open_rest(f);
	for (int turns = 0; turns < 30; turns++) {
		assert_int_equal(rest_get(f->rest, "/a", answer_cb, &mine), 0);
		f->count = 0;
		for (int i = 0; i < turns && f->count == 0; i++)
			event_base_loop(f->base, EVLOOP_NONBLOCK);
		rest_cancel(f->rest, &mine);
		if (f->count > 0)
			free(f->got[0].body);
		f->requests = 0;
	}
	f->count = 0;
	expect(ask(f, "/after"), 200, "");
}

static void
freed_at_any_time(void **state)
{
	struct fixture	*f = *state;

	for (int turns = 0; turns < 30; turns++) {
		open_rest(f);
		assert_int_equal(rest_get(f->rest, "/slow", answer_cb, f), 0);
		assert_int_equal(rest_get(f->rest, "/a", answer_cb, f), 0);
		for (int i = 0; i < turns; i++)
			event_base_loop(f->base, EVLOOP_NONBLOCK);
		rest_free(f->rest);
		turn_for(f->base, 5);
		f->requests = 0;
	}
	f->rest = NULL;
	assert_int_equal(f->count, 0);
}

static void
freed_in_an_answer(void **state)
{
	struct fixture	*f = *state;

	open_rest(f);
	f->free_in_answer = true;
	assert_int_equal(rest_get(f->rest, "/a", answer_cb, f), 0);
	assert_int_equal(rest_get(f->rest, "/b", answer_cb, f), 0);
	await_count(f, 1);
	turn_for(f->base, 30);
	assert_int_equal(f->count, 1);
}

static void
asked_in_an_answer(void **state)
{
	struct fixture	*f = *state;

	open_rest(f);
	f->ask_in_answer = true;
	assert_int_equal(rest_get(f->rest, "/a", answer_cb, f), 0);
	await_count(f, 2);
	assert_string_equal(f->got[1].body, "{\"path\":\"/again\"}");
}

/* Trouble */

static void
a_wrong_certificate_is_told(void **state)
{
	struct fixture		*f = *state;
	struct authority	 other;

	authority_init(&other, "Somebody else's CA");
	SSL_CTX_free(f->ctx);
	f->ctx = server_context(&other, "IP:127.0.0.1", 3600);
	expect(ask(f, "/a"), 0, "TLS: unable to get local issuer certificate");
	SSL_CTX_free(f->ctx);
	f->ctx = server_context(&f->ca, "IP:127.0.0.1", -60);
	expect(ask(f, "/a"), 0, "TLS: certificate has expired");
	SSL_CTX_free(f->ctx);
	f->ctx = server_context(&f->ca, "DNS:localhost", 3600);
	expect(ask(f, "/a"), 0, "TLS: IP address mismatch");
	assert_int_equal(f->requests, 0);
	authority_release(&other);
}

static void
nobody_there_is_told(void **state)
{
	struct fixture	*f = *state;

	evconnlistener_free(f->listener);
	f->listener = NULL;
	expect(ask(f, "/a"), 0, "connect: Connection refused");
	rest_free(f->rest);
	f->params.origin = "https://nobody.test";
	net_set_files(f->net, "/nonexistent/resolv.conf", NULL);
	f->rest = rest_new(f->net, &f->params);
	expect(ask(f, "/a"), 0, "dns: no name server");
}

static void
addresses_of_a_name_are_tried_in_turn(void **state)
{
	struct fixture	*f = *state;
	char		 hosts[] = "/tmp/tocsin-hosts-XXXXXX";
	int		 fd;
	FILE		*file = fdopen(mkstemp(hosts), "w");

	fputs("127.0.0.2 good.test\n127.0.0.1 good.test\n", file);
	fclose(file);
	net_set_files(f->net, NULL, hosts);
	SSL_CTX_free(f->ctx);
	f->ctx = server_context(&f->ca, "DNS:good.test", 3600);
	snprintf(f->origin, sizeof(f->origin), "https://good.test:%u", f->port);
	f->params.origin = f->origin;
	f->params.timeout_ms = 2000;
	f->rest = rest_new(f->net, &f->params);
	expect(ask(f, "/last"), 200, "");	/* refused at the first one */
	fd = listen_and_ignore("127.0.0.2", f->port);
	expect(ask(f, "/b"), 200, "");		/* no answer there */
	assert_int_equal(f->requests, 2);
	close(fd);
	unlink(hosts);
}

static void
a_listener_that_never_answers_is_a_timeout(void **state)
{
	struct fixture	*f = *state;

	evconnlistener_disable(f->listener);
	f->params.timeout_ms = 150;
	expect(ask(f, "/a"), 0, "connect: timeout after 0.15 s");
}

#define OK_HEAD	"HTTP/1.1 200 OK\r\n"

static void
a_body_that_is_cut_is_no_answer(void **state)
{
	static const struct step	 steps[] = { { OK_HEAD "Content-Length: 100\r\n\r\nonly this", THEN_CUT } };

	expect(ask_raw(*state, steps), 0, "connection closed before the answer's end");
}

static void
a_body_that_ends_early_is_no_answer(void **state)
{
	static const struct step	 steps[] = { { OK_HEAD "Content-Length: 100\r\n\r\nonly this", THEN_END } };

	expect(ask_raw(*state, steps), 0, "connection closed before the answer's end");
}

static void
chunks_that_are_cut_are_no_answer(void **state)
{
	static const struct step	 steps[] = { { OK_HEAD "Transfer-Encoding: chunked\r\n\r\n4\r\nonly\r\n", THEN_CUT } };

	expect(ask_raw(*state, steps), 0, "connection closed before the answer's end");
}

static void
a_body_without_length_ends_with_the_goodbye_of_tls(void **state)
{
	static const struct step	 steps[] = { { OK_HEAD "\r\nall of it", THEN_END } };
	const struct got		*g = ask_raw(*state, steps);

	expect(g, 200, "");
	assert_string_equal(g->body, "all of it");
}

static void
a_body_without_length_and_without_goodbye_is_no_answer(void **state)
{
	static const struct step	 steps[] = { { OK_HEAD "\r\nwho knows", THEN_CUT } };

	expect(ask_raw(*state, steps), 0, "connection closed before the answer's end");
}

static void
an_answer_that_is_no_http_is_told(void **state)
{
	static const struct step	 steps[] = { { "hello\r\n\r\n", THEN_KEEP } };

	expect(ask_raw(*state, steps), 0, "protocol: the answer is no HTTP");
}

static void
a_kept_connection_that_was_closed_is_replaced(void **state)
{
	static const struct step	 steps[] = {
		{ OK_HEAD "Content-Length: 3\r\n\r\none", THEN_END }, { OK_HEAD "Content-Length: 3\r\n\r\ntwo", THEN_CUT },
		{ OK_HEAD "Content-Length: 5\r\n\r\nthree", THEN_KEEP },
	};
	struct fixture	*f = *state;

	expect(ask_raw(f, steps), 200, "");
	turn_for(f->base, 30);
	expect(ask(f, "/y"), 200, "");
	turn_for(f->base, 30);
	assert_string_equal(ask(f, "/z")->body, "three");
	assert_int_equal(f->connections, 3);
	assert_int_equal(f->requests, 3);
}

static void
a_kept_connection_that_closes_at_our_request_is_replaced_once(void **state)
{
	static const struct step	 steps[] = {
		{ OK_HEAD "Content-Length: 3\r\n\r\none", THEN_KEEP }, { "", THEN_CUT },
		{ OK_HEAD "Content-Length: 3\r\n\r\ntwo", THEN_KEEP }, { "", THEN_END }, { "", THEN_CUT },
	};
	struct fixture	*f = *state;

	expect(ask_raw(f, steps), 200, "");
	assert_string_equal(ask(f, "/y")->body, "two");
	assert_int_equal(f->connections, 2);
	assert_int_equal(f->requests, 3);
	/* The new one does the same: that is an error. */
	expect(ask(f, "/z"), 0, "connection closed before the answer's end");
	assert_int_equal(f->requests, 5);
}

/* What nobody asked for must not pass for the answer to the next request, which is about another market. */
static void
what_follows_an_answer_is_no_answer(void **state)
{
	static const struct step	 steps[] = {
		{ OK_HEAD "Content-Length: 3\r\n\r\none" OK_HEAD "Content-Length: 5\r\n\r\nstale", THEN_KEEP },
		{ OK_HEAD "Content-Length: 3\r\n\r\ntwo", THEN_KEEP },
	};
	struct fixture	*f = *state;

	assert_string_equal(ask_raw(f, steps)->body, "one");
	assert_string_equal(ask(f, "/y")->body, "two");
	assert_int_equal(f->connections, 2);
}

/* POST, plain origins, addresses */

static void
a_post_brings_its_head_and_body(void **state)
{
	struct fixture	*f = *state;

	expect(post(f, "/hook?x=1"), 200, "");
	assert_string_equal(f->got[0].body, "{\"path\":\"/hook?x=1\"}");
	assert_string_equal(f->posted, "application/json|7|7|{\"a\":1}");
	/* And GET follows on the same connection. */
	expect(ask(f, "/x"), 200, "");
	assert_int_equal(f->connections, f->params.plain ? 0 : 1);
}

static void
all_of_the_200s_take_a_post(void **state)
{
	struct fixture	*f = *state;

	assert_null(strstr(post(f, "/status?201")->why, "HTTP"));
	expect(post(f, "/status?204"), 204, "");
	assert_string_equal(f->got[1].why, "");
	expect(post(f, "/status?301"), 301, "HTTP status 301");
	expect(post(f, "/status?410"), 410, "HTTP status 410");
}

static void
who_heeds_refusals_himself_is_not_held(void **state)
{
	struct fixture	*f = *state;

	f->params.unpaced = true;
	f->params.timeout_ms = 3000;
	expect(post(f, "/busy?100"), 429, "");
	assert_int_equal(rest_wait_ms(f->rest), 0);
	expect(post(f, "/x"), 200, "");
}

static void
a_post_on_a_connection_that_was_closed_is_sent_once_more(void **state)
{
	static const struct step	 steps[] = {
		{ OK_HEAD "Content-Length: 3\r\n\r\none", THEN_KEEP },
		{ "", THEN_END },
		{ OK_HEAD "Content-Length: 3\r\n\r\ntwo", THEN_KEEP },
	};
	struct fixture	*f = *state;

	f->steps = steps;
	assert_string_equal(post(f, "/x")->body, "one");
	assert_string_equal(post(f, "/y")->body, "two");
	assert_int_equal(f->requests, 3);
}

static bool
no_loopback(const char *address, char *why, size_t why_size)
{
	snprintf(why, why_size, "not %s", address);
	return strcmp(address, "127.0.0.1") != 0;
}

static void
an_address_that_is_not_allowed_is_not_connected_to(void **state)
{
	struct fixture	*f = *state;

	f->params.address_ok = no_loopback;
	expect(post(f, "/x"), 0, "not 127.0.0.1");
	assert_int_equal(f->requests, 0);
	assert_int_equal(f->connections, 0);
}

static void
a_head_cannot_be_broken_out_of(void **state)
{
	static const struct rest_field	 bad = { "X-Id", "7\r\nX-More: 8" };
	struct rest_post		 p = { .path = "/x", .fields = &bad, .field_count = 1, .body = "", .len = 0 };
	struct fixture			*f = *state;

	open_rest(f);
	assert_int_equal(rest_post(f->rest, &p, answer_cb, f), -1);
	p.field_count = 0;
	p.path = "/x y";
	assert_int_equal(rest_post(f->rest, &p, answer_cb, f), -1);
	assert_int_equal(rest_pending(f->rest), 0);
}

#define with_plain(test)	cmocka_unit_test_setup_teardown(test, setup_plain, teardown)
#define with_http(test)	cmocka_unit_test_setup_teardown(test, setup_http, teardown)
#define with_raw(test)	cmocka_unit_test_setup_teardown(test, setup_raw, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_http(answers_come_in_order_over_one_connection),
		with_http(another_status_is_told_with_its_body),
		with_http(chunks_are_put_together),
		with_http(an_answer_of_600_kb_comes_whole_and_no_bigger_one_than_allowed),
		with_http(chunks_too_big_together_are_refused),
		with_http(the_server_may_close_after_an_answer),
		with_http(no_answer_is_a_timeout_and_the_next_is_asked),
		with_http(starts_keep_their_distance),
		with_http(a_refusal_holds_the_queue),
		with_http(a_refusal_without_a_time_waits_longer_each_time),
		with_http(a_spent_budget_holds_the_queue),
		with_http(a_full_queue_takes_no_more),
		with_http(what_is_cancelled_is_silent),
		with_http(cancelled_at_any_time),
		with_http(freed_at_any_time),
		with_http(freed_in_an_answer),
		with_http(asked_in_an_answer),
		with_http(a_wrong_certificate_is_told),
		with_http(addresses_of_a_name_are_tried_in_turn),
		with_raw(nobody_there_is_told),
		with_raw(a_listener_that_never_answers_is_a_timeout),
		with_raw(a_body_that_is_cut_is_no_answer),
		with_raw(a_body_that_ends_early_is_no_answer),
		with_raw(chunks_that_are_cut_are_no_answer),
		with_raw(a_body_without_length_ends_with_the_goodbye_of_tls),
		with_raw(a_body_without_length_and_without_goodbye_is_no_answer),
		with_raw(an_answer_that_is_no_http_is_told),
		with_raw(a_kept_connection_that_was_closed_is_replaced),
		with_raw(a_kept_connection_that_closes_at_our_request_is_replaced_once),
		with_raw(what_follows_an_answer_is_no_answer),
		with_http(a_post_brings_its_head_and_body),
		with_plain(a_post_brings_its_head_and_body),
		with_plain(all_of_the_200s_take_a_post),
		with_http(who_heeds_refusals_himself_is_not_held),
		with_raw(a_post_on_a_connection_that_was_closed_is_sent_once_more),
		with_plain(an_address_that_is_not_allowed_is_not_connected_to),
		with_http(a_head_cannot_be_broken_out_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
