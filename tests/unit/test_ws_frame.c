#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "common/handshake.h"
#include "relay/ws_frame.h"

#define MAX	1000

/* A frame as a client sends it.  Returns its length. */
static size_t
frame(char *out, unsigned first, const void *data, size_t len)
{
	static const unsigned char	 mask[] = { 0x37, 0xfa, 0x21, 0x3d };
	size_t				 n = 0;

	out[n++] = (char)first;
	if (len < 126)
		out[n++] = (char)(0x80 | len);
	else {
		out[n++] = (char)(0x80 | 126);
		out[n++] = (char)(len >> 8);
		out[n++] = (char)(len & 0xff);
	}
	memcpy(out + n, mask, 4);
	n += 4;
	for (size_t i = 0; i < len; i++)
		out[n++] = (char)(((const unsigned char *)data)[i] ^ mask[i % 4]);
	return n;
}

static size_t
text_frame(char *out, unsigned first, const char *text)
{
	return frame(out, first, text, strlen(text));
}

static enum ws_event
next(struct ws_reader *r, const char **at, size_t *left, struct ws_message *m)
{
	const void	*data = *at;
	enum ws_event	 event = ws_read(r, &data, left, m);

	*at = data;
	return event;
}

/* What a piece of bytes is judged as: the code of WS_BAD, or of WS_CLOSE; 0: neither. */
static unsigned
code_of(const void *bytes, size_t len, enum ws_event expected)
{
	struct ws_reader	 r = { .message_max = MAX };
	struct ws_message	 m;
	const char		*at = bytes;
	unsigned		 code = 0;
	enum ws_event		 event;

	while ((event = next(&r, &at, &len, &m)) != WS_NOTHING)
		if (event == WS_BAD || event == WS_CLOSE) {
			assert_int_equal(event, expected);
			code = m.code;
		}
	assert_int_equal(len, 0);
	ws_reader_release(&r);
	return code;
}

static void
the_example_of_the_rfc_is_read(void **state)
{
	static const char	 hello[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
	struct ws_reader	 r = { .message_max = MAX };
	struct ws_message	 m;
	const char		*at = hello;
	size_t			 left = sizeof(hello) - 1;

	(void)state;
	assert_int_equal(next(&r, &at, &left, &m), WS_TEXT);
	assert_string_equal(m.data, "Hello");
	assert_int_equal(m.len, 5);
	assert_int_equal(next(&r, &at, &left, &m), WS_NOTHING);
	/* An idle socket holds nothing. */
	assert_null(r.message);
	ws_reader_release(&r);
}

static void
fragments_make_one_message_however_they_come(void **state)
{
	char			 bytes[400];
	size_t			 len = 0;
	struct ws_reader	 r = { .message_max = MAX };
	struct ws_message	 m;
	unsigned		 seen = 0;

	(void)state;
	/* A character is cut in two, a ping stands in between, and one fragment is empty. */
	len += text_frame(bytes + len, 0x01, "gr\xc3");
	len += text_frame(bytes + len, 0x89, "ping");
	len += text_frame(bytes + len, 0x00, "");
	len += text_frame(bytes + len, 0x80, "\xbc\xc3\x9f");
	len += text_frame(bytes + len, 0x82, "b");
	for (size_t step = 1; step <= len; step++) {
		ws_reader_release(&r);
		seen = 0;
		for (size_t from = 0; from < len; from += step) {
			const char	*at = bytes + from;
			size_t		 left = len - from < step ? len - from : step;
			enum ws_event	 event;

			while ((event = next(&r, &at, &left, &m)) != WS_NOTHING) {
				static const struct { enum ws_event event; const char *text; } expected[] = {
					{ WS_PING, "ping" }, { WS_TEXT, "gr\xc3\xbc\xc3\x9f" }, { WS_BINARY, "b" }
				};

				assert_true(seen < 3);
				assert_int_equal(event, expected[seen].event);
				assert_int_equal(m.len, strlen(expected[seen].text));
				assert_memory_equal(m.data, expected[seen].text, m.len);
				seen++;
			}
		}
		assert_int_equal(seen, 3);
	}
	ws_reader_release(&r);
}

static void
what_breaks_the_protocol_has_its_code(void **state)
{
	char	 bytes[4096], big[2000];
	size_t	 len;

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_int_equal(code_of("\x81\x05Hello", 7, WS_BAD), 1002);			/* not masked */
	len = text_frame(bytes, 0xc1, "x");
	assert_int_equal(code_of(bytes, len, WS_BAD), 1002);				/* a reserved bit: compression too */
	len = text_frame(bytes, 0x83, "x");
	assert_int_equal(code_of(bytes, len, WS_BAD), 1002);
	len = text_frame(bytes, 0x8b, "x");
	assert_int_equal(code_of(bytes, len, WS_BAD), 1002);
	len = text_frame(bytes, 0x80, "x");
	assert_int_equal(code_of(bytes, len, WS_BAD), 1002);				/* continues nothing */
	len = text_frame(bytes, 0x01, "x");
	len += text_frame(bytes + len, 0x81, "y");
	assert_int_equal(code_of(bytes, len, WS_BAD), 1002);
	len = text_frame(bytes, 0x09, "x");
	assert_int_equal(code_of(bytes, len, WS_BAD), 1002);				/* a ping in parts */
	len = frame(bytes, 0x89, big, 126);
	assert_int_equal(code_of(bytes, len, WS_BAD), 1002);
	assert_int_equal(code_of("\x81\xfe\x00\x05\0\0\0\0Hello", 13, WS_BAD), 1002);	/* not the shortest form */
	assert_int_equal(code_of("\x81\xff\x80\0\0\0\0\0\0\1\0\0\0\0", 14, WS_BAD), 1002);
	assert_int_equal(code_of("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14, WS_BAD), 1009);
	len = frame(bytes, 0x81, big, MAX + 1);
	assert_int_equal(code_of(bytes, len, WS_BAD), 1009);
	len = frame(bytes, 0x01, big, MAX - 100);
	len += frame(bytes + len, 0x80, big, 101);
	assert_int_equal(code_of(bytes, len, WS_BAD), 1009);				/* the sum counts */
	len = frame(bytes, 0x01, big, MAX - 100);
	len += frame(bytes + len, 0x80, big, 100);
	assert_int_equal(code_of(bytes, len, WS_BAD), 0);
	len = text_frame(bytes, 0x81, "\xff");
	assert_int_equal(code_of(bytes, len, WS_BAD), 1007);
	len = text_frame(bytes, 0x81, "\xf0\x9f");
	assert_int_equal(code_of(bytes, len, WS_BAD), 1007);
	len = text_frame(bytes, 0x82, "\xff");
	assert_int_equal(code_of(bytes, len, WS_BAD), 0);
}

static void
closes_are_judged(void **state)
{
	static const struct { unsigned code; bool ok; } codes[] = {
		{ 1000, true }, { 1003, true }, { 1004, false }, { 1005, false }, { 1006, false }, { 1007, true }, { 1014, true },
		{ 1015, false }, { 999, false }, { 2999, false }, { 3000, true }, { 4999, true }, { 5000, false }
	};
	char	 bytes[200], payload[8] = { 0 };
	size_t	 len;

	(void)state;
	len = frame(bytes, 0x88, "", 0);
	assert_int_equal(code_of(bytes, len, WS_CLOSE), WS_CODE_NONE);
	len = frame(bytes, 0x88, "\x03", 1);
	assert_int_equal(code_of(bytes, len, WS_BAD), 1002);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		payload[0] = (char)(codes[i].code >> 8);
		payload[1] = (char)(codes[i].code & 0xff);
		len = frame(bytes, 0x88, payload, 5);
		assert_int_equal(code_of(bytes, len, codes[i].ok ? WS_CLOSE : WS_BAD), codes[i].ok ? codes[i].code : 1002);
	}
	len = frame(bytes, 0x88, "\x03\xe8\xff", 3);
	assert_int_equal(code_of(bytes, len, WS_BAD), 1007);
}

static void
heads_are_written_in_the_shortest_form(void **state)
{
	char	 head[WS_HEAD_MAX];

	(void)state;
	assert_int_equal(ws_head(head, WS_TEXT, 125), 2);
	assert_memory_equal(head, "\x81\x7d", 2);
	assert_int_equal(ws_head(head, WS_CLOSE, 2), 2);
	assert_memory_equal(head, "\x88\x02", 2);
	assert_int_equal(ws_head(head, WS_PONG, 0), 2);
	assert_memory_equal(head, "\x8a\x00", 2);
	assert_int_equal(ws_head(head, WS_TEXT, 126), 4);
	assert_memory_equal(head, "\x81\x7e\x00\x7e", 4);
	assert_int_equal(ws_head(head, WS_TEXT, 65535), 4);
	assert_memory_equal(head, "\x81\x7e\xff\xff", 4);
	assert_int_equal(ws_head(head, WS_TEXT, 65536), 10);
	assert_memory_equal(head, "\x81\x7f\0\0\0\0\0\1\0\0", 10);
}

static void
a_key_is_sixteen_bytes(void **state)
{
	(void)state;
	assert_true(handshake_key_ok("dGhlIHNhbXBsZSBub25jZQ=="));
	assert_false(handshake_key_ok(""));
	assert_false(handshake_key_ok("dGhlIHNhbXBsZSBub25jZQ="));
	assert_false(handshake_key_ok("dGhlIHNhbXBsZSBub25jZQAA"));
	assert_false(handshake_key_ok("dGhlIHNhbXBsZSBub25j!Q=="));
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(the_example_of_the_rfc_is_read),
		cmocka_unit_test(fragments_make_one_message_however_they_come),
		cmocka_unit_test(what_breaks_the_protocol_has_its_code),
		cmocka_unit_test(closes_are_judged),
		cmocka_unit_test(heads_are_written_in_the_shortest_form),
		cmocka_unit_test(a_key_is_sixteen_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
