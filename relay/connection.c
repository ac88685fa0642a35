#include "relay/connection.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/log.h"
#include "relay/tls.h"

/* So much of what follows a request is read while that is answered. */
#define INPUT_MAX_BYTES		16384
#define LINGER_US		INT64_C(2000000)
/* An answer has the idle time, and a second more for so many bytes: who takes less a second is cut off. */
#define SLOWEST_BYTES_S		16384

static void
set_state(struct connection *c, int state, int64_t wait_us)
{
	c->state = state;
	c->deadline_us = wait_us == 0 ? 0 : clock_mono_us() + wait_us;
}

/* All was said.  A close with bytes unread would make the kernel take the answer back, so wait for the client to close. */
static void
linger(struct connection *c)
{
	struct evbuffer	*input = bufferevent_get_input(c->bev);

	evbuffer_drain(input, evbuffer_get_length(input));
	if (c->is_tls)
		tls_finish(c->bev);
	(void)shutdown(bufferevent_getfd(c->bev), SHUT_WR);
	set_state(c, CONNECTION_LINGERING, LINGER_US);
}

static void
begin_request(struct connection *c)
{
	struct request	*r = xcalloc(1, sizeof(*r));

	r->connection = c;
	r->peer = c->peer;
	r->rest = "";
	c->request = r;
	c->parser = parser_new(&r->message);
	/* The first request's time runs since the connection was accepted. */
	c->state = CONNECTION_READING;
	if (c->has_answered)
		set_state(c, CONNECTION_READING, c->context->request_us);
}

static void
say_continue(struct connection *c)
{
	static const char	 text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (bufferevent_write(c->bev, text, strlen(text)) == -1)
		fatalx("http", "out of memory");
}

static void
request_came(struct connection *c, enum parser_verdict verdict)
{
	struct request			*r = c->request;
	struct parser			*p = c->parser;
	const struct parser_error	*why;

	c->parser = NULL;
	set_state(c, CONNECTION_HANDLING, 0);
	if (verdict == PARSER_DONE) {
		c->last = c->last || !r->message.keep_alive;
		c->context->handle(r, c->context->arg);
	} else {
		c->last = true;
		why = parser_error(p);
		c->context->bad(r, why, c->context->arg);
	}
	parser_free(p);
}

/* Give the parser what is there. */
static void
read_on(struct connection *c)
{
	struct evbuffer		*input = bufferevent_get_input(c->bev);
	enum parser_verdict	 verdict = PARSER_MORE;
	struct evbuffer_iovec	 piece;

	while (verdict == PARSER_MORE && evbuffer_peek(input, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0)
		evbuffer_drain(input, parser_feed(c->parser, piece.iov_base, piece.iov_len, &verdict));
	if (parser_wants_continue(c->parser) && verdict == PARSER_MORE)
		say_continue(c);
	if (verdict != PARSER_MORE)
		request_came(c, verdict);
}

/* Do what can be done; a connection that was taken over meanwhile is freed. */
static void
advance(struct connection *c)
{
	c->busy = true;
	while (c->bev != NULL && evbuffer_get_length(bufferevent_get_input(c->bev)) > 0 &&
	    (c->state == CONNECTION_IDLE || c->state == CONNECTION_READING)) {
		if (c->state == CONNECTION_IDLE)
			begin_request(c);
		read_on(c);
	}
	c->busy = false;
	if (c->bev == NULL)
		free(c);
	else if (c->has_ended && (c->state == CONNECTION_IDLE || c->state == CONNECTION_READING))
		connection_free(c);	/* what would follow never comes */
}

static void
read_cb(struct bufferevent *bev, void *arg)
{
	struct connection	*c = arg;
	struct evbuffer		*input = bufferevent_get_input(bev);

	if (c->state == CONNECTION_LINGERING)
		evbuffer_drain(input, evbuffer_get_length(input));
	else
		advance(c);
}

/* The socket has taken all. */
static void
write_cb(struct bufferevent *bev, void *arg)
{
	struct connection	*c = arg;

	(void)bev;
	if (c->state != CONNECTION_ANSWERING)
		return;
	if (c->last && c->has_ended) {
		connection_free(c);
		return;
	}
	if (c->last) {
		linger(c);
		return;
	}
	c->has_answered = true;
	set_state(c, CONNECTION_IDLE, c->context->idle_us);
	advance(c);
}

static void
event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct connection	*c = arg;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED)		/* the TLS handshake is done */
		return;
	/* It says that it will send no more, and still wants its answers: also to what it has sent behind this request. */
	if ((what & BEV_EVENT_EOF) && (what & BEV_EVENT_READING) && !(what & BEV_EVENT_ERROR) &&
	    (c->state == CONNECTION_HANDLING || c->state == CONNECTION_ANSWERING)) {
		c->has_ended = true;
		c->last = c->last || evbuffer_get_length(bufferevent_get_input(c->bev)) == 0;
		/* With TLS libevent writes no more, and a reset looks like this too: then writing fails. */
		if (c->is_tls)
			bufferevent_enable(c->bev, EV_WRITE);
		return;
	}
	connection_free(c);
}

struct connection *
connection_new(const struct connection_context *context, struct bufferevent *bev, bool is_tls, const struct peer *peer)
{
	struct connection	*c = xcalloc(1, sizeof(*c));

	c->context = context;
	c->bev = bev;
	c->is_tls = is_tls;
	c->peer = *peer;
	set_state(c, CONNECTION_IDLE, context->request_us);
	bufferevent_setcb(bev, read_cb, write_cb, event_cb, c);
	bufferevent_setwatermark(bev, EV_READ, 0, INPUT_MAX_BYTES);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	return c;
}

/* The request's handler keeps it, and answers to nobody. */
static void
part_from_request(struct connection *c)
{
	if (c->request == NULL)
		return;
	c->request->connection = NULL;
	if (c->state == CONNECTION_READING)
		request_free(c->request);
	c->request = NULL;
}

void
connection_free(struct connection *c)
{
	part_from_request(c);
	parser_free(c->parser);
	c->context->gone(c, c->context->arg);
	c->context->left(&c->peer, c->context->arg);
	bufferevent_free(c->bev);
	free(c);
}

void
connection_tick(struct connection *c, int64_t now_us)
{
	if (c->deadline_us == 0 || now_us < c->deadline_us)
		return;
	if (c->state == CONNECTION_READING) {
		static const struct parser_error	 late = { 408, "the request took too long", NULL };

		parser_free(c->parser);
		c->parser = NULL;
		set_state(c, CONNECTION_HANDLING, 0);
		c->last = true;
		c->context->bad(c->request, &late, c->context->arg);
		return;
	}
	connection_free(c);
}

void
connection_answer(struct request *r, struct evbuffer *answer)
{
	struct connection	*c = r->connection;
	size_t			 len = evbuffer_get_length(answer);

	if (c != NULL) {
		c->request = NULL;
		set_state(c, CONNECTION_ANSWERING, c->context->idle_us + (int64_t)(len / SLOWEST_BYTES_S) * 1000000);
		if (bufferevent_write_buffer(c->bev, answer) == -1)
			fatalx("http", "out of memory");
	}
	request_free(r);
}

struct bufferevent *
connection_take(struct request *r)
{
	struct connection	*c = r->connection;
	struct bufferevent	*bev = NULL;

	if (c != NULL) {
		bev = c->bev;
		c->bev = NULL;
		c->context->gone(c, c->context->arg);
		if (!c->busy)
			free(c);
	}
	request_free(r);
	return bev;
}
