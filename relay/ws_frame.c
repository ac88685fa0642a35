#include "relay/ws_frame.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"

enum opcode { OP_CONTINUATION = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

#define MASK_BYTES	4
#define FIRST_ROOM	512	/* bytes; a heartbeat, and most joins */

static enum ws_event
bad(struct ws_reader *r, struct ws_message *out, unsigned code, const char *why)
{
	r->done = true;
	*out = (struct ws_message){ .code = code, .why = why };
	return WS_BAD;
}

/* Bytes of the head in all, as far as it is known. */
static size_t
head_need(const struct ws_reader *r)
{
	unsigned	 len7;

	if (r->head_len < 2)
		return 2;
	len7 = r->head[1] & 0x7f;
	return 2 + (len7 == 127 ? 8u : len7 == 126 ? 2u : 0u) + MASK_BYTES;
}

static uint64_t
payload_length(const struct ws_reader *r)
{
	unsigned	 len7 = r->head[1] & 0x7f, bytes = len7 == 127 ? 8 : len7 == 126 ? 2 : 0;
	uint64_t	 len = 0;

	if (bytes == 0)
		return len7;
	for (unsigned i = 0; i < bytes; i++)
		len = len << 8 | r->head[2 + i];
	return len;
}

/* What is wrong with the first two bytes of a frame; NULL: nothing. */
static const char *
judge_start(const struct ws_reader *r)
{
	unsigned	 opcode = r->head[0] & 0x0f, len7 = r->head[1] & 0x7f;
	bool		 is_final = (r->head[0] & 0x80) != 0;

	if ((r->head[0] & 0x70) != 0)
		return "a reserved bit is set";
	if (opcode > OP_BINARY && (opcode < OP_CLOSE || opcode > OP_PONG))
		return "an unknown opcode";
	if ((r->head[1] & 0x80) == 0)
		return "a frame is not masked";
	if (opcode >= OP_CLOSE)
		return !is_final ? "a control frame in fragments" : len7 > WS_CONTROL_MAX ? "a control frame is too long" : NULL;
	if (opcode == OP_CONTINUATION && r->opcode == 0)
		return "a continuation of nothing";
	if (opcode != OP_CONTINUATION && r->opcode != 0)
		return "a message within another";
	return NULL;
}

static const char *
judge_length(const struct ws_reader *r, uint64_t len)
{
	unsigned	 len7 = r->head[1] & 0x7f;

	if (len7 == 127 && len >> 63 != 0)
		return "a length with its highest bit set";
	/* Section 5.2: the shortest form must be used. */
	if ((len7 == 126 && len < 126) || (len7 == 127 && len < 65536))
		return "a length is not in its shortest form";
	return NULL;
}

/* The head is whole: begin with the payload. */
static enum ws_event
begin_frame(struct ws_reader *r, struct ws_message *out)
{
	unsigned	 opcode = r->head[0] & 0x0f;
	uint64_t	 len = payload_length(r);
	const char	*why = judge_length(r, len);

	if (why != NULL)
		return bad(r, out, WS_CODE_PROTOCOL, why);
	r->is_control = opcode >= OP_CLOSE;
	r->is_final = (r->head[0] & 0x80) != 0;
	if (!r->is_control && len > r->message_max - r->message_len)
		return bad(r, out, WS_CODE_TOO_BIG, "a message is too big");
	if (!r->is_control && opcode != OP_CONTINUATION)
		r->opcode = (uint8_t)opcode;
	r->in_payload = true;
	r->left = len;
	r->at = 0;
	r->control_len = 0;
	return WS_NOTHING;
}

static enum ws_event
take_head(struct ws_reader *r, const unsigned char **data, size_t *len, struct ws_message *out)
{
	const char	*why;

	while (r->head_len < head_need(r)) {
		if (*len == 0)
			return WS_NOTHING;
		r->head[r->head_len++] = *(*data)++;
		--*len;
		if (r->head_len == 2 && (why = judge_start(r)) != NULL)
			return bad(r, out, WS_CODE_PROTOCOL, why);
	}
	return begin_frame(r, out);
}

/* Room for `more` bytes and a NUL: it grows with what has come, not with what a head promises. */
static void
reserve(struct ws_reader *r, size_t more)
{
	size_t	 need = r->message_len + more + 1;

	if (need <= r->message_size)
		return;
	r->message_size = need < FIRST_ROOM ? FIRST_ROOM : need + need / 2;
	r->message = xrealloc(r->message, r->message_size);
}

static void
unmask(const struct ws_reader *r, char *to, const unsigned char *from, size_t len)
{
	const unsigned char	*mask = r->head + r->head_len - MASK_BYTES;

	for (size_t i = 0; i < len; i++)
		to[i] = (char)(from[i] ^ mask[(r->at + i) % MASK_BYTES]);
}

static void
take_payload(struct ws_reader *r, const unsigned char **data, size_t *len)
{
	size_t	 n = r->left < *len ? (size_t)r->left : *len;

	if (r->is_control) {
		if (r->control == NULL)
			r->control = xcalloc(1, WS_CONTROL_MAX + 1);
		unmask(r, r->control + r->control_len, *data, n);
		r->control_len = (uint8_t)(r->control_len + n);
	} else {
		reserve(r, n);
		unmask(r, r->message + r->message_len, *data, n);
		r->message_len += n;
	}
	r->at += n;
	r->left -= n;
	*data += n;
	*len -= n;
}

static bool
is_utf8(const char *text, size_t len)
{
	size_t	 n;

	for (; len > 0; text += n, len -= n)
		if ((n = utf8_length(text, len)) == 0)
			return false;
	return true;
}

/* Section 7.4: codes that may stand in a close frame. */
static bool
close_code_ok(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static enum ws_event
close_frame(struct ws_reader *r, struct ws_message *out)
{
	const unsigned char	*bytes = (const unsigned char *)r->control;

	out->code = WS_CODE_NONE;
	if (out->len == 1)
		return bad(r, out, WS_CODE_PROTOCOL, "a close frame of one byte");
	if (out->len >= 2) {
		out->code = (unsigned)bytes[0] << 8 | bytes[1];
		out->data += 2;
		out->len -= 2;
		if (!close_code_ok(out->code))
			return bad(r, out, WS_CODE_PROTOCOL, "a close code that may not be sent");
	}
	if (!is_utf8(out->data, out->len))
		return bad(r, out, WS_CODE_DATA, "the reason for closing is not UTF-8");
	r->done = true;
	return WS_CLOSE;
}

static enum ws_event
control_frame(struct ws_reader *r, struct ws_message *out)
{
	*out = (struct ws_message){ .data = r->control, .len = r->control_len };
	switch (r->head[0] & 0x0f) {
	case OP_CLOSE:
		return close_frame(r, out);
	case OP_PING:
		return WS_PING;
	default:
		return WS_PONG;
	}
}

static enum ws_event
end_frame(struct ws_reader *r, struct ws_message *out)
{
	enum ws_event	 event = r->opcode == OP_TEXT ? WS_TEXT : WS_BINARY;

	r->in_payload = false;
	if (r->is_control) {
		event = control_frame(r, out);
		r->head_len = 0;
		return event;
	}
	r->head_len = 0;
	if (!r->is_final)
		return WS_NOTHING;
	reserve(r, 0);
	r->message[r->message_len] = '\0';
	r->opcode = 0;
	*out = (struct ws_message){ .data = r->message, .len = r->message_len };
	if (event == WS_TEXT && !is_utf8(out->data, out->len))
		return bad(r, out, WS_CODE_DATA, "a text is not UTF-8");
	return event;
}

/* What was handed out by the last call is not needed any more. */
static void
forget_message(struct ws_reader *r)
{
	if (r->opcode == 0 && !r->in_payload && r->message != NULL) {
		free(r->message);
		r->message = NULL;
		r->message_len = r->message_size = 0;
	}
	if (r->control != NULL && !(r->in_payload && r->is_control)) {
		free(r->control);
		r->control = NULL;
	}
}

enum ws_event
ws_read(struct ws_reader *r, const void **data, size_t *len, struct ws_message *out)
{
	const unsigned char	*bytes = *data;
	enum ws_event		 event = WS_NOTHING;

	forget_message(r);
	*out = (struct ws_message){ 0 };
	while (event == WS_NOTHING && !r->done) {
		if (!r->in_payload) {
			event = take_head(r, &bytes, len, out);
			if (event == WS_NOTHING && !r->in_payload)
				break;
			continue;
		}
		take_payload(r, &bytes, len);
		if (r->left > 0)
			break;
		event = end_frame(r, out);
	}
	if (r->done && event == WS_NOTHING) {
		bytes += *len;
		*len = 0;
	}
	*data = bytes;
	return event;
}

void
ws_reader_release(struct ws_reader *r)
{
	free(r->message);
	free(r->control);
	*r = (struct ws_reader){ .message_max = r->message_max };
}

size_t
ws_head(char head[WS_HEAD_MAX], enum ws_event event, uint64_t len)
{
	unsigned	 opcode = event == WS_TEXT ? OP_TEXT : event == WS_PONG ? OP_PONG : OP_CLOSE;
	unsigned	 bytes = len < 126 ? 0 : len < 65536 ? 2 : 8;

	head[0] = (char)(0x80 | opcode);
	head[1] = (char)(bytes == 0 ? len : bytes == 2 ? 126 : 127);
	for (unsigned i = 0; i < bytes; i++)
		head[2 + i] = (char)(len >> 8 * (bytes - 1 - i) & 0xff);
	return 2 + bytes;
}
