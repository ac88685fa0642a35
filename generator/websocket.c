#include "generator/websocket.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "common/clock.h"
#include "common/log.h"
#include "generator/keepalive.h"
#include "common/net.h"
#include "generator/upgrade.h"

#define CONNECT_TIMEOUT_MS	10000
#define ANSWER_MS		10000
#define CLOSE_TIMEOUT_MS	2000
#define MESSAGE_MAX		(4 << 20)
#define OUTPUT_MAX		(1 << 20)
#define MESSAGE_KEEP		(256 << 10)	/* of a buffer that was needed once */
#define CONTROL_MAX		126		/* bytes of a control frame (RFC 6455, section 5.5), and a NUL */
#define MASK_BYTES		4

enum websocket_state {
	WS_LOOKUP,	/* its name is being looked up */
	WS_CONNECT,	/* connection and TLS */
	WS_UPGRADE,	/* the request is sent */
	WS_ABANDONED,	/* its owner closed it before it was open */
	WS_OPEN,
	WS_GOODBYE,	/* we have said it, and wait for the other side's */
	WS_DRAIN,	/* the last frame is on its way; what comes is not looked at */
	WS_CLOSED,
};

struct websocket {
	struct net			*net;
	struct websocket_params		 params;	/* url and user_agent: own copies below */
	struct websocket_handler	 handler;
	void				*arg;
	char				*url_text, *user_agent;
	struct net_url			 url;
	enum websocket_state		 state;
	struct event			*timer;		/* of the state */
	int64_t				 deadline_us;	/* of everything before WS_OPEN */
	struct net_lookup		*lookup;
	struct net_addresses		 addresses;
	size_t				 next_address;
	struct bufferevent		*bev;
	wslay_event_context_ptr		 frames;
	char				 key[HANDSHAKE_KEY_MAX];
	struct upgrade_answer		 answer;
	struct keepalive		 keepalive;
	char				*message;	/* what has come of one */
	size_t				 message_len, message_size;
	bool				 in_control;	/* the frame that is coming belongs to no message */
	bool				 too_big;
	uint16_t			 close_code;
	char				 reason[CONTROL_MAX];	/* that the other side gave for closing */
	char				 why[NET_WHY_MAX];	/* of WS_ABANDONED, WS_GOODBYE, WS_DRAIN and after */
	unsigned			 busy;		/* calls from the loop under way: free later */
	bool				 freed;
};

static void	 try_next_address(struct websocket *ws);

/* Life */

static void
release(struct websocket *ws)
{
	net_lookup_cancel(ws->lookup);
	ws->lookup = NULL;
	net_tls_free(ws->bev);
	ws->bev = NULL;
	if (ws->frames != NULL)
		wslay_event_context_free(ws->frames);
	ws->frames = NULL;
	event_del(ws->timer);
}

static void
destroy(struct websocket *ws)
{
	release(ws);
	event_free(ws->timer);
	free(ws->message);
	free(ws->url_text);
	free(ws->user_agent);
	free(ws);
}

/* Every call from the loop stands between these two, so that the object outlives what its owner does in a callback. */
static void
enter(struct websocket *ws)
{
	ws->busy++;
}

static void
leave(struct websocket *ws)
{
	if (--ws->busy > 0)
		return;
	if (ws->freed)
		destroy(ws);
	else if (ws->state == WS_CLOSED)
		release(ws);
}

static void
set_timer_us(struct websocket *ws, int64_t us)
{
	struct timeval	 tv = { .tv_sec = us / 1000000, .tv_usec = us % 1000000 };

	event_add(ws->timer, &tv);
}

static void
finish(struct websocket *ws, const char *why)
{
	if (ws->state == WS_CLOSED || ws->freed)
		return;
	ws->state = WS_CLOSED;
	event_del(ws->timer);
	if (why != ws->why)
		snprintf(ws->why, sizeof(ws->why), "%s", why);
	if (ws->frames != NULL)
		ws->close_code = wslay_event_get_status_code_received(ws->frames);
	ws->handler.closed(ws->why, ws->arg);
}

/* Frames */

static ssize_t
frame_recv_cb(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *arg)
{
	struct websocket	*ws = arg;
	int			 n = evbuffer_remove(bufferevent_get_input(ws->bev), buf, len);

	(void)flags;
	if (n > 0)
		return n;
	wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
	return -1;
}

static ssize_t
frame_send_cb(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *arg)
{
	struct websocket	*ws = arg;

	(void)ctx, (void)flags;
	if (bufferevent_write(ws->bev, data, len) == -1)
		fatalx("websocket", "no memory");
	return (ssize_t)len;
}

static int
frame_mask_cb(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, void *arg)
{
	(void)ctx, (void)arg;
	net_random(buf, len);
	return 0;
}

/* Room for `more` bytes of a message and a NUL: it grows with what has come, not with what a header promises. */
static void
reserve(struct websocket *ws, size_t more)
{
	size_t	 need = ws->message_len + more + 1;

	if (need <= ws->message_size)
		return;
	ws->message_size = need < 4096 ? 4096 : need + need / 2;
	ws->message = xrealloc(ws->message, ws->message_size);
}

static void
frame_start_cb(wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
	struct websocket	*ws = arg;

	ws->in_control = wslay_is_ctrl_frame(frame->opcode);
	if (ws->in_control)
		return;
	if (frame->opcode != WSLAY_CONTINUATION_FRAME)
		ws->message_len = 0;
	reserve(ws, 0);
	/* wslay itself looks at each frame's length only. */
	if (frame->payload_length > ws->params.message_max - ws->message_len) {
		ws->too_big = true;
		wslay_event_shutdown_read(ctx);
		(void)wslay_event_queue_close(ctx, WSLAY_CODE_MESSAGE_TOO_BIG, NULL, 0);
	}
}

static void
frame_chunk_cb(wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
	struct websocket	*ws = arg;

	(void)ctx;
	if (ws->in_control || ws->too_big || chunk->data_length == 0)
		return;
	reserve(ws, chunk->data_length);
	memcpy(ws->message + ws->message_len, chunk->data, chunk->data_length);
	ws->message_len += chunk->data_length;
}

static void
message_cb(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *msg, void *arg)
{
	struct websocket	*ws = arg;

	(void)ctx;
	if (msg->opcode == WSLAY_CONNECTION_CLOSE) {
		if (msg->msg_length > 2)
			snprintf(ws->reason, sizeof(ws->reason), "%.*s", (int)(msg->msg_length - 2), (const char *)msg->msg + 2);
		return;
	}
	if (wslay_is_ctrl_frame(msg->opcode) || ws->state != WS_OPEN || ws->too_big)
		return;
	ws->message[ws->message_len] = '\0';
	if (msg->opcode == WSLAY_TEXT_FRAME)
		ws->handler.message(ws->message, ws->message_len, ws->arg);
	else if (ws->handler.binary != NULL)
		ws->handler.binary(ws->message, ws->message_len, ws->arg);
	ws->message_len = 0;
	if (ws->message_size > MESSAGE_KEEP) {
		free(ws->message);
		ws->message = NULL;
		ws->message_size = 0;
	}
}

static void
open_frames(struct websocket *ws)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = frame_recv_cb,
		.send_callback = frame_send_cb,
		.genmask_callback = frame_mask_cb,
		.on_frame_recv_start_callback = frame_start_cb,
		.on_frame_recv_chunk_callback = frame_chunk_cb,
		.on_msg_recv_callback = message_cb,
	};

	if (wslay_event_context_client_init(&ws->frames, &callbacks, ws) != 0)
		fatalx("websocket", "no memory");
	wslay_event_config_set_no_buffering(ws->frames, 1);
	wslay_event_config_set_max_recv_msg_length(ws->frames, ws->params.message_max);
}

/* The last frame is queued: wait until it is gone, or also until the other side has closed (`till_closed`). */
static void
drain(struct websocket *ws, bool till_closed)
{
	ws->state = WS_DRAIN;
	set_timer_us(ws, ws->params.close_timeout_ms * INT64_C(1000));
	if (!till_closed && evbuffer_get_length(bufferevent_get_output(ws->bev)) == 0)
		finish(ws, ws->why);
}

/* What ended the reading of frames, when the other side has not said goodbye. */
static void
say_failure(struct websocket *ws)
{
	switch (wslay_event_get_status_code_sent(ws->frames)) {
	case WSLAY_CODE_MESSAGE_TOO_BIG:
		snprintf(ws->why, sizeof(ws->why), "protocol: a message is bigger than %zu bytes", ws->params.message_max);
		break;
	case WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA:
		snprintf(ws->why, sizeof(ws->why), "protocol: a text is not UTF-8");
		break;
	default:
		snprintf(ws->why, sizeof(ws->why), "protocol: the other side sent a frame that is not allowed");
		break;
	}
}

/* Hand what wslay has queued to the connection.  False when it had to be given up. */
static bool
flush(struct websocket *ws)
{
	if (wslay_event_send(ws->frames) != 0)
		fatalx("websocket", "no memory");
	/* What the caller sends is bounded before; this is pongs for somebody who does not read them. */
	if (evbuffer_get_length(bufferevent_get_output(ws->bev)) <= ws->params.output_max + 8 * CONTROL_MAX)
		return true;
	finish(ws, "the other side sends pings and does not take the answers");
	return false;
}

/* A frame that wslay's lower half refuses: its upper half would say goodbye without a code. */
static void
refuse_frame(struct websocket *ws)
{
	unsigned char	 frame[2 + MASK_BYTES + 2] = { 0x80 | WSLAY_CONNECTION_CLOSE, 0x80 | 2 };
	unsigned char	*mask = frame + 2;

	net_random(mask, MASK_BYTES);
	mask[MASK_BYTES] = (WSLAY_CODE_PROTOCOL_ERROR >> 8) ^ mask[0];
	mask[MASK_BYTES + 1] = (WSLAY_CODE_PROTOCOL_ERROR & 0xff) ^ mask[1];
	wslay_event_shutdown_write(ws->frames);
	if (ws->state == WS_OPEN && bufferevent_write(ws->bev, frame, sizeof(frame)) == -1)
		fatalx("websocket", "no memory");
}

static void
read_frames(struct websocket *ws)
{
	int	 rc = wslay_event_recv(ws->frames);

	if (ws->freed || ws->state == WS_CLOSED)
		return;
	if (rc != 0)
		refuse_frame(ws);
	if (!flush(ws))
		return;
	if (wslay_event_get_read_enabled(ws->frames))
		return;
	if (ws->state == WS_GOODBYE && wslay_event_get_close_received(ws->frames)) {
		finish(ws, ws->why);
		return;
	}
	if (wslay_event_get_close_received(ws->frames))
		snprintf(ws->why, sizeof(ws->why), "closed by the other side code=%u reason=\"%s\"",
		    wslay_event_get_status_code_received(ws->frames), ws->reason);
	else if (ws->state == WS_OPEN)
		say_failure(ws);
	/* Closing with bytes unread would reset the connection, and the code with the reason would be lost. */
	drain(ws, !wslay_event_get_close_received(ws->frames));
}

/* The way up */

static void
opened(struct websocket *ws)
{
	int64_t	 wait_us;

	ws->state = WS_OPEN;
	open_frames(ws);
	event_del(ws->timer);
	if (keepalive_check(&ws->keepalive, ws->keepalive.heard_us, &wait_us) == KEEPALIVE_WAIT && wait_us >= 0)
		set_timer_us(ws, wait_us);
	ws->handler.open(ws->arg);
	/* Its first frames may have come with the answer. */
	if (!ws->freed && ws->state != WS_CLOSED)
		read_frames(ws);
}

static void
read_answer(struct websocket *ws, bool ended)
{
	struct evbuffer	*input = bufferevent_get_input(ws->bev);
	size_t		 len = evbuffer_get_length(input);
	const char	*bytes = len == 0 ? "" : (const char *)evbuffer_pullup(input, (ev_ssize_t)len);

	switch (upgrade_parse(bytes, len, ended, ws->key, clock_wall_us(), &ws->answer)) {
	case UPGRADE_MORE:
		break;
	case UPGRADE_OPEN:
		evbuffer_drain(input, ws->answer.head_len);
		if (ended)
			finish(ws, "connection closed by the other side");
		else
			opened(ws);
		break;
	case UPGRADE_REFUSED:
	case UPGRADE_BAD:
		finish(ws, ws->answer.why);
		break;
	}
}

static void
connected(struct websocket *ws)
{
	unsigned char	 nonce[HANDSHAKE_NONCE_BYTES];
	char		*request;
	int64_t		 left_us = ws->deadline_us - clock_mono_us();

	ws->state = WS_UPGRADE;
	net_tls_connected(ws->bev);
	set_timer_us(ws, left_us > 0 ? left_us : 0);
	net_random(nonce, sizeof(nonce));
	request = upgrade_request(&ws->url, ws->user_agent, upgrade_key(nonce, ws->key));
	if (bufferevent_write(ws->bev, request, strlen(request)) == -1)
		fatalx("websocket", "no memory");
	free(request);
	bufferevent_enable(ws->bev, EV_READ);
}

/* An attempt has failed; there may be another address. */
static void
connect_failed(struct websocket *ws, const char *why)
{
	if (ws->next_address < ws->addresses.count) {
		log_debug("websocket", "trying the next address host=%s address=%s why=\"%s\"", ws->url.host,
		    ws->addresses.text[ws->next_address - 1], why);
		try_next_address(ws);
	} else
		finish(ws, why);
}

/* The connection's callbacks */

static void
read_cb(struct bufferevent *bev, void *arg)
{
	struct websocket	*ws = arg;

	enter(ws);
	keepalive_heard(&ws->keepalive, clock_mono_us());
	switch (ws->state) {
	case WS_UPGRADE:
		read_answer(ws, false);
		break;
	case WS_OPEN:
	case WS_GOODBYE:
		read_frames(ws);
		break;
	case WS_DRAIN:
		evbuffer_drain(bufferevent_get_input(bev), evbuffer_get_length(bufferevent_get_input(bev)));
		break;
	case WS_LOOKUP:
	case WS_CONNECT:
	case WS_ABANDONED:
	case WS_CLOSED:
		break;
	}
	leave(ws);
}

static void
write_cb(struct bufferevent *bev, void *arg)
{
	struct websocket	*ws = arg;

	(void)bev;
	enter(ws);
	if (ws->state == WS_DRAIN && wslay_event_get_close_received(ws->frames))
		finish(ws, ws->why);
	leave(ws);
}

static void
event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct websocket	*ws = arg;
	char			 why[NET_WHY_MAX] = "";

	if ((what & BEV_EVENT_CONNECTED) == 0)
		net_why(bev, what, why);
	enter(ws);
	switch (ws->state) {
	case WS_CONNECT:
		if ((what & BEV_EVENT_CONNECTED) != 0)
			connected(ws);
		else
			connect_failed(ws, why);
		break;
	case WS_UPGRADE:
		if (evbuffer_get_length(bufferevent_get_input(bev)) > 0)
			read_answer(ws, true);
		finish(ws, why);
		break;
	case WS_OPEN:
		finish(ws, why);
		break;
	case WS_GOODBYE:
	case WS_DRAIN:
		finish(ws, ws->why);
		break;
	case WS_LOOKUP:
	case WS_ABANDONED:
	case WS_CLOSED:
		break;
	}
	leave(ws);
}

/* Each address gets its share of the time that is left. */
static void
try_next_address(struct websocket *ws)
{
	int64_t	 left_us = ws->deadline_us - clock_mono_us();
	size_t	 i = ws->next_address++;

	if (left_us < 0)
		left_us = 0;
	ws->state = WS_CONNECT;
	set_timer_us(ws, left_us / (int64_t)(ws->addresses.count - i));
	net_tls_free(ws->bev);
	ws->bev = net_tls_new(ws->net, &ws->url);
	bufferevent_setcb(ws->bev, read_cb, write_cb, event_cb, ws);
	net_tls_connect(ws->bev, ws->addresses.text[i], ws->url.port);
}

static void
lookup_cb(const struct net_addresses *addresses, const char *why, void *arg)
{
	struct websocket	*ws = arg;

	enter(ws);
	ws->lookup = NULL;
	if (addresses == NULL)
		finish(ws, why);
	else {
		ws->addresses = *addresses;
		try_next_address(ws);
	}
	leave(ws);
}

/* Time */

static void
connect_timeout(struct websocket *ws)
{
	static const char *const	 doing[] = {
		[WS_LOOKUP] = "dns", [WS_CONNECT] = "connect", [WS_UPGRADE] = "upgrade"
	};
	char				 why[NET_WHY_MAX];

	/* A refusal whose body is slow. */
	if (ws->state == WS_UPGRADE && ws->answer.status != 0) {
		read_answer(ws, true);
		return;
	}
	snprintf(why, sizeof(why), "%s: timeout after %g s", doing[ws->state], ws->params.connect_timeout_ms / 1000.0);
	if (ws->state == WS_CONNECT)
		connect_failed(ws, why);
	else
		finish(ws, why);
}

static void
look_at_silence(struct websocket *ws)
{
	char	 why[NET_WHY_MAX];
	int64_t	 now_us = clock_mono_us(), wait_us;

	/* After a pause of ours the answer may be here already, its callback not yet. */
	if (evbuffer_get_length(bufferevent_get_input(ws->bev)) > 0)
		keepalive_heard(&ws->keepalive, now_us);
	switch (keepalive_check(&ws->keepalive, now_us, &wait_us)) {
	case KEEPALIVE_PING:
		(void)websocket_ping(ws, NULL, 0);
		break;
	case KEEPALIVE_DEAD:
		snprintf(why, sizeof(why), "no answer to a ping for %g s", ws->params.answer_ms / 1000.0);
		finish(ws, why);
		return;
	case KEEPALIVE_WAIT:
		break;
	}
	if (wait_us >= 0)
		set_timer_us(ws, wait_us);
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct websocket	*ws = arg;

	(void)fd, (void)what;
	enter(ws);
	switch (ws->state) {
	case WS_LOOKUP:
	case WS_CONNECT:
	case WS_UPGRADE:
		connect_timeout(ws);
		break;
	case WS_OPEN:
		look_at_silence(ws);
		break;
	case WS_ABANDONED:
	case WS_GOODBYE:
	case WS_DRAIN:
		finish(ws, ws->why);
		break;
	case WS_CLOSED:
		break;
	}
	leave(ws);
}

/* What the owner calls */

struct websocket *
websocket_new(struct net *net, const struct websocket_params *params, const struct websocket_handler *handler, void *arg)
{
	struct websocket	*ws = xcalloc(1, sizeof(*ws));
	struct websocket_params	*p = &ws->params;
	char			 why[NET_WHY_MAX];

	ws->net = net;
	ws->handler = *handler;
	ws->arg = arg;
	*p = *params;
	ws->url_text = xstrdup(p->url);
	ws->user_agent = xstrdup(p->user_agent != NULL ? p->user_agent : "tocsin/" TOCSIN_VERSION);
	p->connect_timeout_ms = p->connect_timeout_ms != 0 ? p->connect_timeout_ms : CONNECT_TIMEOUT_MS;
	p->answer_ms = p->answer_ms != 0 ? p->answer_ms : ANSWER_MS;
	p->close_timeout_ms = p->close_timeout_ms != 0 ? p->close_timeout_ms : CLOSE_TIMEOUT_MS;
	p->message_max = p->message_max != 0 ? p->message_max : MESSAGE_MAX;
	p->output_max = p->output_max != 0 ? p->output_max : OUTPUT_MAX;
	if (!net_url_parse(&ws->url, "wss", ws->url_text, why, sizeof(why)))
		fatalx("websocket", "bad url url=\"%.200s\" why=\"%s\"", ws->url_text, why);
	if ((ws->timer = evtimer_new(net_base(net), timer_cb, ws)) == NULL)
		fatalx("websocket", "no memory");
	ws->close_code = WSLAY_CODE_ABNORMAL_CLOSURE;
	ws->answer.retry_after_ms = -1;
	ws->keepalive.silence_us = p->silence_ms * INT64_C(1000);
	ws->keepalive.answer_us = p->answer_ms * INT64_C(1000);
	keepalive_heard(&ws->keepalive, clock_mono_us());
	ws->deadline_us = ws->keepalive.heard_us + p->connect_timeout_ms * INT64_C(1000);
	set_timer_us(ws, p->connect_timeout_ms * INT64_C(1000));
	ws->lookup = net_lookup(net, ws->url.host, lookup_cb, ws);
	return ws;
}

void
websocket_free(struct websocket *ws)
{
	if (ws == NULL)
		return;
	ws->freed = true;
	ws->state = WS_CLOSED;
	if (ws->busy == 0)
		destroy(ws);
	else if (ws->frames != NULL)
		wslay_event_shutdown_read(ws->frames);
}

bool
websocket_is_open(const struct websocket *ws)
{
	return ws->state == WS_OPEN;
}

static int
send_frame(struct websocket *ws, uint8_t opcode, const void *data, size_t len)
{
	struct wslay_event_msg	 msg = { .opcode = opcode, .msg = data, .msg_length = len };

	if (ws->state != WS_OPEN || evbuffer_get_length(bufferevent_get_output(ws->bev)) + len > ws->params.output_max ||
	    wslay_event_queue_msg(ws->frames, &msg) != 0)
		return -1;
	if (wslay_event_send(ws->frames) != 0)
		fatalx("websocket", "no memory");
	return 0;
}

int
websocket_send(struct websocket *ws, const char *text, size_t len)
{
	return send_frame(ws, WSLAY_TEXT_FRAME, text, len);
}

int
websocket_ping(struct websocket *ws, const void *payload, size_t len)
{
	return send_frame(ws, WSLAY_PING, payload, len);
}

void
websocket_close(struct websocket *ws, uint16_t code)
{
	if (ws->state > WS_OPEN || ws->state == WS_ABANDONED)
		return;
	snprintf(ws->why, sizeof(ws->why), "closed code=%u", code);
	if (ws->state == WS_OPEN) {
		(void)wslay_event_queue_close(ws->frames, code, NULL, 0);
		if (wslay_event_send(ws->frames) != 0)
			fatalx("websocket", "no memory");
		set_timer_us(ws, ws->params.close_timeout_ms * INT64_C(1000));
		ws->state = WS_GOODBYE;
	} else {
		net_lookup_cancel(ws->lookup);
		ws->lookup = NULL;
		set_timer_us(ws, 0);
		ws->state = WS_ABANDONED;
	}
}

int64_t
websocket_heard_us(const struct websocket *ws)
{
	return ws->keepalive.heard_us;
}

int
websocket_http_status(const struct websocket *ws)
{
	return ws->answer.status;
}

int64_t
websocket_retry_after_ms(const struct websocket *ws)
{
	return ws->answer.retry_after_ms;
}

uint16_t
websocket_close_code(const struct websocket *ws)
{
	return ws->close_code;
}
