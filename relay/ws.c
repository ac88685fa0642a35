#include "relay/ws.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/handshake.h"
#include "common/log.h"
#include "relay/request.h"
#include "relay/wire.h"

#define GOODBYE_US	INT64_C(2000000)
#define REASON_MAX	(WS_CONTROL_MAX - 2)

enum ws_state {
	WS_OPEN,
	WS_SAID,	/* our goodbye is on its way */
	WS_ANSWERED,	/* both have said it: closed once all is on its way */
	WS_CLOSED,
};

struct ws {
	struct wire			*wire;
	const struct ws_handler		*handler;
	void				*arg;
	struct ws_reader		 reader;
	enum ws_state			 state;
	int64_t				 heard_us;
	int64_t				 until_us;	/* WS_SAID, WS_ANSWERED: patience ends */
	const char			*why;		/* of the goodbye, for closed(); a constant */
};

static void
finish(struct ws *ws, const char *why)
{
	if (ws->state == WS_CLOSED)
		return;
	ws->state = WS_CLOSED;
	ws->handler->closed(why, ws->arg);
}

/* Sending */

/* A control frame. */
static void
write_frame(struct ws *ws, enum ws_event event, const char *data, size_t len)
{
	char	 frame[WS_HEAD_MAX + WS_CONTROL_MAX];
	size_t	 head_len = ws_head(frame, event, len);

	if (len > 0)
		memcpy(frame + head_len, data, len);
	if (wire_write(ws->wire, frame, head_len + len) == -1)
		finish(ws, strerror(errno));
}

void
ws_send(struct ws *ws, const char *text, size_t len)
{
	char	*frame;
	size_t	 head_len;

	if (ws->state != WS_OPEN)
		return;
	/* In one piece: one system call, and one segment. */
	frame = xcalloc(1, WS_HEAD_MAX + len);
	head_len = ws_head(frame, WS_TEXT, len);
	memcpy(frame + head_len, text, len);
	if (wire_write(ws->wire, frame, head_len + len) == -1)
		finish(ws, strerror(errno));
	free(frame);
}

static void
say_goodbye(struct ws *ws, unsigned code, const char *reason, size_t len, const char *why)
{
	char	 payload[WS_CONTROL_MAX] = { (char)(code >> 8), (char)(code & 0xff) };

	memcpy(payload + 2, reason, len);
	ws->why = why;
	ws->until_us = clock_mono_us() + GOODBYE_US;
	write_frame(ws, WS_CLOSE, payload, code == WS_CODE_NONE ? 0 : len + 2);
}

void
ws_close(struct ws *ws, unsigned code, const char *reason)
{
	size_t	 len = strnlen(reason, REASON_MAX);

	if (ws->state != WS_OPEN)
		return;
	/* Not in the middle of a character. */
	while (len > 0 && reason[len] != '\0' && ((unsigned char)reason[len] & 0xc0) == 0x80)
		len--;
	ws->state = WS_SAID;
	say_goodbye(ws, code, reason, len, "closed by us");
}

void
ws_fail(struct ws *ws, const char *why)
{
	finish(ws, why);
}

/* Receiving */

static void
answer_goodbye(struct ws *ws, const struct ws_message *m)
{
	bool	 was_first = ws->state == WS_OPEN;

	ws->state = WS_ANSWERED;
	if (was_first)
		say_goodbye(ws, m->code, "", 0, "closed by the client");
	if (!wire_is_blocked(ws->wire))
		finish(ws, ws->why);
}

static void
take(struct ws *ws, enum ws_event event, const struct ws_message *m)
{
	switch (event) {
	case WS_TEXT:
		if (ws->state == WS_OPEN)
			ws->handler->text(m->data, m->len, ws->arg);
		break;
	case WS_BINARY:
		if (ws->state == WS_OPEN)
			ws->handler->binary(m->data, m->len, ws->arg);
		break;
	case WS_PING:
		/* One that sends pings and takes nothing would fill our memory; the last one's answer is enough (section 5.5.3). */
		if (ws->state == WS_OPEN && !wire_is_blocked(ws->wire))
			write_frame(ws, WS_PONG, m->data, m->len);
		break;
	case WS_CLOSE:
		answer_goodbye(ws, m);
		break;
	case WS_BAD:
		/* What still comes is read and forgotten: closing with bytes unread would reset the connection, and the code be lost. */
		ws_close(ws, m->code, m->why);
		ws->why = m->why;
		break;
	case WS_PONG:
	case WS_NOTHING:
		break;
	}
}

static void
input_cb(const void *data, size_t len, void *arg)
{
	struct ws		*ws = arg;
	struct ws_message	 m;
	enum ws_event		 event;

	ws->heard_us = clock_mono_us();
	while (ws->state != WS_CLOSED && (event = ws_read(&ws->reader, &data, &len, &m)) != WS_NOTHING)
		take(ws, event, &m);
}

static void
drained_cb(void *arg)
{
	struct ws	*ws = arg;

	if (ws->state == WS_OPEN)
		ws->handler->drained(ws->arg);
	else if (ws->state == WS_ANSWERED)
		finish(ws, ws->why);
}

static void
closed_cb(const char *why, void *arg)
{
	struct ws	*ws = arg;

	finish(ws, ws->why == NULL ? why : ws->why);
}

/* The upgrade */

/* A comma list that has the token, by any case (RFC 9110, section 5.6.1). */
static bool
has_token(const char *list, const char *token)
{
	size_t	 len = strlen(token), n;

	for (; list != NULL && *list != '\0'; list += n + (list[n] == ',')) {
		list += strspn(list, " \t");
		n = strcspn(list, ",");
		if (n >= len && strncasecmp(list, token, len) == 0 && strspn(list + len, " \t") == n - len)
			return true;
	}
	return false;
}

/* Refuse what is no upgrade to a WebSocket; true when it was. */
static bool
refused(struct request *req)
{
	const char	*version = request_header(req, "Sec-WebSocket-Version"), *key = request_header(req, "Sec-WebSocket-Key");

	if (!has_token(request_header(req, "Upgrade"), "websocket") || !has_token(request_header(req, "Connection"), "upgrade")) {
		request_set_header(req, "Upgrade", "websocket");
		request_error(req, 426, "this is served over WebSocket only", "ask with Upgrade: websocket and Connection: Upgrade");
		return true;
	}
	if (version == NULL || strcmp(version, "13") != 0) {
		request_set_header(req, "Sec-WebSocket-Version", "13");
		request_error(req, 426, "unknown version of WebSocket", "Sec-WebSocket-Version: 13 is served");
		return true;
	}
	if (key == NULL || !handshake_key_ok(key)) {
		request_error(req, 400, "bad header: Sec-WebSocket-Key", "the base64 of 16 bytes");
		return true;
	}
	return false;
}

struct ws *
ws_accept(struct request *req, const struct ws_handler *handler, void *arg)
{
	static const struct wire_handler	 wire_handler = { .drained = drained_cb, .input = input_cb, .closed = closed_cb };
	struct ws				*ws;
	char					 accept[HANDSHAKE_KEY_MAX], answer[256];
	int					 len;

	if (refused(req))
		return NULL;
	handshake_accept(request_header(req, "Sec-WebSocket-Key"), accept);
	len = snprintf(answer, sizeof(answer), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
	ws = xcalloc(1, sizeof(*ws));
	*ws = (struct ws){
		.handler = handler, .arg = arg, .reader = { .message_max = WS_MESSAGE_MAX }, .heard_us = clock_mono_us()
	};
	if ((ws->wire = wire_take(req, &wire_handler, ws)) == NULL) {
		free(ws);
		return NULL;
	}
	/* A failure shows again at the next sending, and then somebody listens. */
	(void)wire_write(ws->wire, answer, (size_t)len);
	return ws;
}

void
ws_free(struct ws *ws)
{
	if (ws == NULL)
		return;
	wire_free(ws->wire);
	ws_reader_release(&ws->reader);
	free(ws);
}

void
ws_tick(struct ws *ws, int64_t now_us)
{
	if ((ws->state == WS_SAID || ws->state == WS_ANSWERED) && now_us >= ws->until_us)
		finish(ws, ws->why);
}

bool
ws_is_open(const struct ws *ws)
{
	return ws->state == WS_OPEN;
}

struct wire *
ws_wire(const struct ws *ws)
{
	return ws->wire;
}

int64_t
ws_heard_us(const struct ws *ws)
{
	return ws->heard_us;
}

const char *
ws_peer(const struct ws *ws)
{
	return wire_peer(ws->wire);
}
