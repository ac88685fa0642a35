#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/parser.h"

#define HEAD	"GET / HTTP/1.1\r\nHost: a\r\n"
#define POST	"POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED	POST "Transfer-Encoding: chunked\r\n\r\n"

struct outcome {
	struct message	 m;
	int		 status;	/* 0: a request; -1: it waits for more */
	size_t		 taken;
};

/* Feed the text in pieces of `step` bytes. */
static struct outcome
parse_bytes(const char *text, size_t len, size_t step)
{
	struct outcome		*o = calloc(1, sizeof(*o)), out;
	struct parser		*p = parser_new(&o->m);
	enum parser_verdict	 verdict = PARSER_MORE;

	while (verdict == PARSER_MORE && o->taken < len)
		o->taken += parser_feed(p, text + o->taken, len - o->taken < step ? len - o->taken : step, &verdict);
	o->status = verdict == PARSER_DONE ? 0 : verdict == PARSER_MORE ? -1 : parser_error(p)->status;
	parser_free(p);
	out = *o;
	free(o);
	return out;
}

static int
status_of(const char *text)
{
	struct outcome	 whole = parse_bytes(text, strlen(text), SIZE_MAX), single = parse_bytes(text, strlen(text), 1);

	/* However it is cut, it means the same. */
	assert_int_equal(whole.status, single.status);
	if (whole.status == 0)
		assert_int_equal(whole.taken, single.taken);
	message_release(&whole.m);
	message_release(&single.m);
	return whole.status;
}

static void
a_request_is_read_into_its_parts(void **state)
{
	static const char	 text[] = "POST /v1/signals/42/ack?a=b%20c HTTP/1.1\r\nHost: localhost:8787\r\n"
	    "Origin: http://x\r\ncontent-LENGTH: 5\r\nX-Empty:\r\nX-Space: \t a b \t\r\n\r\nhelloGET";
	struct outcome		 o = parse_bytes(text, strlen(text), SIZE_MAX);

	(void)state;
	assert_int_equal(o.status, 0);
	assert_int_equal(o.taken, strlen(text) - 3);
	assert_int_equal(o.m.method, REQUEST_POST);
	assert_string_equal(o.m.path, "/v1/signals/42/ack");
	assert_string_equal(o.m.query, "a=b%20c");
	assert_string_equal(o.m.host, "localhost:8787");
	assert_string_equal(o.m.origin, "http://x");
	assert_true(o.m.keep_alive);
	assert_int_equal(o.m.body_len, 5);
	assert_string_equal(o.m.body, "hello");
	assert_string_equal(o.m.headers[3].value, "");
	assert_string_equal(o.m.headers[4].value, "a b");
	message_release(&o.m);
}

static void
who_keeps_the_connection_is_told_by_version_and_header(void **state)
{
	static const struct { const char *text; bool keeps, upgrades; } table[] = {
		{ HEAD "\r\n", true, false },
		{ HEAD "Connection: close\r\n\r\n", false, false },
		{ HEAD "Connection: foo, Close\r\n\r\n", false, false },
		{ HEAD "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", true, true },
		{ HEAD "Connection: a\r\nConnection: upgrade\r\n\r\n", true, true },
		{ "GET / HTTP/1.0\r\n\r\n", false, false },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct outcome	 o = parse_bytes(table[i].text, strlen(table[i].text), 7);

		assert_int_equal(o.status, 0);
		assert_int_equal(o.m.keep_alive, table[i].keeps);
		assert_int_equal(o.m.has_upgrade, table[i].upgrades);
		message_release(&o.m);
	}
}

static void
chunks_are_put_together(void **state)
{
	static const char	 text[] = CHUNKED "5\r\nhello\r\nA;x=\"y\"\r\n, you all!\r\n0\r\nTrailer: t\r\n\r\nGET";
	struct outcome		 o;

	(void)state;
	for (size_t step = 1; step < sizeof(text); step++) {
		o = parse_bytes(text, strlen(text), step);
		assert_int_equal(o.status, 0);
		assert_int_equal(o.taken, strlen(text) - 3);
		assert_string_equal(o.m.body, "hello, you all!");
		message_release(&o.m);
	}
}

static void
what_could_be_understood_in_two_ways_is_refused(void **state)
{
	static const struct { const char *text; int status; } table[] = {
		{ HEAD "\r\n", 0 }, { "\r\n" HEAD "\r\n", 0 }, { HEAD, -1 },
		/* Line ends */
		{ "GET / HTTP/1.1\nHost: a\n\n", 400 }, { HEAD "A: b\n\r\n", 400 }, { HEAD "A: b\rc\r\n\r\n", 400 },
		{ "\n" HEAD "\r\n", 400 }, { "\r\n\r\n" HEAD "\r\n", 400 },
		/* The first line */
		{ "GET /\r\n", 400 }, { "GET\r\n", 400 }, { "GET  / HTTP/1.1\r\n", 400 }, { "GET / HTTP/1.1 \r\n", 400 },
		{ "GET / HTTP/2.0\r\n", 505 }, { "GET / HTTP/0.9\r\n", 505 }, { "GET / HTP/1.1\r\n", 400 }, { "get / HTTP/1.1\r\n", 501 },
		{ "PRI * HTTP/2.0\r\n", 501 }, { "CONNECT a:1 HTTP/1.1\r\n", 501 }, { "TRACE / HTTP/1.1\r\n", 501 },
		{ "GET * HTTP/1.1\r\n", 400 }, { "GET a HTTP/1.1\r\n", 400 }, { "GET /\x80 HTTP/1.1\r\n", 400 }, { "GET /#a HTTP/1.1\r\n", 400 },
		{ "GET /a\tb HTTP/1.1\r\n", 400 }, { "\x16\x03\x01\x02", 400 },
		/* Absolute targets */
		{ "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", 0 }, { "GET http://a/b HTTP/1.1\r\nHost: b\r\n\r\n", 400 },
		{ "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", 400 }, { "GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", 0 }, { "GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		/* Host */
		{ "GET / HTTP/1.1\r\n\r\n", 400 }, { HEAD "Host: a\r\n\r\n", 400 }, { "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400 }, { "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0 },
		/* Headers */
		{ HEAD "A : b\r\n\r\n", 400 }, { HEAD "A\r\n\r\n", 400 }, { HEAD ": b\r\n\r\n", 400 }, { HEAD "A: b\r\n c\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400 }, { HEAD "A: b\x01\r\n\r\n", 400 }, { HEAD "A: \x80\r\n\r\n", 0 }, { HEAD "A(: b\r\n\r\n", 400 },
		{ HEAD "Expect: 100-continue\r\n\r\n", 0 }, { HEAD "Expect: 200-ok\r\n\r\n", 417 },
		/* The body's length */
		{ POST "Content-Length: 0\r\n\r\n", 0 }, { POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400 },
		{ POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\na", 400 }, { POST "Content-Length: 1, 1\r\n\r\na", 400 },
		{ POST "Content-Length: +1\r\n\r\na", 400 }, { POST "Content-Length: -1\r\n\r\na", 400 }, { POST "Content-Length:\r\n\r\na", 400 },
		{ POST "Content-Length: 0x1\r\n\r\na", 400 }, { POST "Content-Length: 65537\r\n\r\n", 413 },
		{ POST "Content-Length: 18446744073709551617\r\n\r\na", 413 }, { POST "Content-Length: 99999999999999999999999999\r\n\r\na", 413 },
		{ POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		{ POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		{ POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501 }, { POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501 },
		{ POST "Transfer-Encoding: chunked, identity\r\n\r\n", 501 }, { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		/* Chunks */
		{ CHUNKED "0\r\n\r\n", 0 }, { CHUNKED "5\rXhello\r\n", 400 }, { CHUNKED "5\r\nhelloXX0\r\n\r\n", 400 }, { CHUNKED "5\nhello\r\n", 400 },
		{ CHUNKED "\r\n", 400 }, { CHUNKED "x\r\n", 400 }, { CHUNKED "-1\r\n", 400 }, { CHUNKED "5 \r\nhello\r\n", 400 },
		{ CHUNKED "0x5\r\nhello\r\n", 400 }, { CHUNKED "100000000\r\n", 400 }, { CHUNKED "ffffffff\r\n", 413 }, { CHUNKED "10001\r\n", 413 },
		{ CHUNKED "0\r\nA: b\r\n\r\n", 0 }, { CHUNKED "0\r\nA: b\n\r\n", 400 }, { CHUNKED "1;a\nb\r\nx\r\n", 400 }, { CHUNKED "00000000\r\n\r\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (status_of(table[i].text) != table[i].status)
			fail_msg("%d, not %d: %s", status_of(table[i].text), table[i].status, table[i].text);
}

static void
a_nul_is_refused_anywhere_in_a_head(void **state)
{
	static const char	 texts[][40] = { "GET /\0 HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: \0a\r\n\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct outcome	 o = parse_bytes(texts[i], sizeof(texts[i]), 3);

		assert_int_equal(o.status, 400);
		message_release(&o.m);
	}
}

/* `count` times `unit` behind `begin`, then `end`. */
static int
status_of_many(const char *begin, const char *unit, size_t count, const char *end)
{
	size_t		 len = strlen(begin) + strlen(unit) * count + strlen(end);
	char		*text = calloc(1, len + 1), *at = text + strlen(begin);
	struct outcome	 o;

	memcpy(text, begin, strlen(begin));
	for (size_t i = 0; i < count; i++, at += strlen(unit))
		memcpy(at, unit, strlen(unit));
	memcpy(at, end, strlen(end));
	o = parse_bytes(text, len, 1000);
	message_release(&o.m);
	free(text);
	return o.status;
}

static void
heads_and_bodies_have_their_limits(void **state)
{
	(void)state;
	assert_int_equal(status_of_many("GET /", "a", 20000, " HTTP/1.1\r\n"), 414);
	assert_int_equal(status_of_many(HEAD "A: ", "a", 20000, "\r\n\r\n"), 431);
	assert_int_equal(status_of_many(HEAD, "A: b\r\n", PARSER_HEADERS_MAX - 1, "\r\n"), 0);
	assert_int_equal(status_of_many(HEAD, "A: b\r\n", PARSER_HEADERS_MAX, "\r\n"), 431);
	assert_int_equal(status_of_many(POST "Content-Length: 65536\r\n\r\n", "a", PARSER_BODY_MAX, ""), 0);
	assert_int_equal(status_of_many(CHUNKED, "1\r\na\r\n", PARSER_BODY_MAX, "0\r\n\r\n"), 0);
	assert_int_equal(status_of_many(CHUNKED, "1\r\na\r\n", PARSER_BODY_MAX + 1, "0\r\n\r\n"), 413);
	assert_int_equal(status_of_many(CHUNKED "1;", "a", 5000, "\r\na\r\n"), 400);
	assert_int_equal(status_of_many(CHUNKED "0\r\n", "A: b\r\n", 2000, "\r\n"), 400);
}

static void
a_body_that_waits_is_asked_for_once(void **state)
{
	static const char	 head[] = POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n";
	struct message		 m = { .head = NULL };
	struct parser		*p = parser_new(&m);
	enum parser_verdict	 verdict;

	(void)state;
	parser_feed(p, head, strlen(head), &verdict);
	assert_int_equal(verdict, PARSER_MORE);
	assert_true(parser_wants_continue(p));
	assert_false(parser_wants_continue(p));
	parser_feed(p, "ab", 2, &verdict);
	assert_int_equal(verdict, PARSER_DONE);
	parser_free(p);
	message_release(&m);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_request_is_read_into_its_parts),
		cmocka_unit_test(who_keeps_the_connection_is_told_by_version_and_header),
		cmocka_unit_test(chunks_are_put_together),
		cmocka_unit_test(what_could_be_understood_in_two_ways_is_refused),
		cmocka_unit_test(a_nul_is_refused_anywhere_in_a_head),
		cmocka_unit_test(heads_and_bodies_have_their_limits),
		cmocka_unit_test(a_body_that_waits_is_asked_for_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
