#include "tests/unit/unit.h"

#include <event2/buffer.h>
#include <string.h>

#include "common/clock.h"
#include "generator/keepalive.h"
#include "common/net.h"
#include "generator/upgrade.h"
#include "generator/websocket.h"
#include "tests/unit/tls_peer.h"

#define GOOD_NAMES	"IP:127.0.0.1,DNS:good.test"
#define SECOND_US	INT64_C(1000000)
#define FRAMES_MAX	64

/* A frame that the peer got from the client. */
struct frame {
	unsigned char	 opcode, payload[256];
	size_t		 len;		/* the payload may have been longer than what is kept */
	bool		 fin;
};

enum moment { NEVER, AT_OPEN, AT_MESSAGE, AT_CLOSED };

struct fixture {
	struct event_base	*base;
	struct net		*net;
	struct authority	 ca;
	char			 hosts[64];
	SSL_CTX			*ctx;
	struct evconnlistener	*listener;
	unsigned		 port;

	struct bufferevent	*peer;
	const char		*reply;		/* to the upgrade; NULL: a good one */
	struct evbuffer		*along;		/* sent right behind the reply */
	bool			 reply_twice;	/* the accept header */
	bool			 hangs_up;	/* after the reply */
	bool			 is_deaf;	/* reads nothing more after the reply */
	bool			 upgraded;
	char			 request[2048], server_name[64];	/* SNI */
	struct frame		 frames[FRAMES_MAX];
	size_t			 frame_count;
	bool			 got_frame, peer_gone;

	struct websocket_params	 params;
	char			 url[128];
	struct websocket	*ws;
	enum moment		 free_at, close_at;
	unsigned		 opens, messages, binaries, closes;
	bool			 open, message, closed;
	char			*text;
	size_t			 text_len;
	char			 why[NET_WHY_MAX];
	int			 status;
	int64_t			 retry_ms;
	unsigned		 code;
};

/* The peer */

static void
peer_send(struct fixture *f, const void *data, size_t len)
{
	bufferevent_write(f->peer, data, len);
}

/* A frame as a server sends it; `first` is its first byte: FIN 0x80 and the opcode. */
static void
add_frame(struct evbuffer *out, unsigned char first, const void *payload, size_t len)
{
	unsigned char	 head[10] = { first };
	size_t		 n = 2;

	if (len < 126)
		head[1] = (unsigned char)len;
	else if (len < 65536) {
		head[1] = 126;
		head[2] = (unsigned char)(len >> 8);
		head[3] = (unsigned char)len;
		n = 4;
	} else {
		head[1] = 127;
		for (int i = 0; i < 8; i++)
			head[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
		n = 10;
	}
	evbuffer_add(out, head, n);
	evbuffer_add(out, payload, len);
}

static void
peer_frame(struct fixture *f, unsigned char first, const void *payload, size_t len)
{
	add_frame(bufferevent_get_output(f->peer), first, payload, len);
}

static void
peer_drop(struct fixture *f)
{
	if (f->peer != NULL)
		bufferevent_free(f->peer);
	f->peer = NULL;
}

static void
answer_upgrade(struct fixture *f)
{
	struct evbuffer	*input = bufferevent_get_input(f->peer);
	char		 key[HANDSHAKE_KEY_MAX] = "", accept[HANDSHAKE_KEY_MAX], text[1024], *at;
	size_t		 len = evbuffer_get_length(input);

	assert_true(len < sizeof(f->request));
	evbuffer_copyout(input, f->request, len);
	f->request[len] = '\0';
	if (strstr(f->request, "\r\n\r\n") == NULL)
		return;
	evbuffer_drain(input, len);
	f->upgraded = true;
	/* In one write, so that it is one record of TLS and comes at once. */
	if (f->reply != NULL)
		evbuffer_prepend(f->along, f->reply, strlen(f->reply));
	else {
		at = strstr(f->request, "Sec-WebSocket-Key: ");
		assert_non_null(at);
		assert_int_equal(sscanf(at, "Sec-WebSocket-Key: %31s", key), 1);
		handshake_accept(key, accept);
		snprintf(text, sizeof(text), "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n"
		    "connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s%s\r\n", accept,
		    f->reply_twice ? "Sec-WebSocket-Accept: " : "", f->reply_twice ? accept : "", f->reply_twice ? "\r\n" : "");
		evbuffer_prepend(f->along, text, strlen(text));
	}
	if ((len = evbuffer_get_length(f->along)) > 0)
		peer_send(f, evbuffer_pullup(f->along, -1), len);
	evbuffer_drain(f->along, len);
	if (f->is_deaf)
		bufferevent_disable(f->peer, EV_READ);
}

/* All of it is sent. */
static void
peer_write_cb(struct bufferevent *bev, void *arg)
{
	struct fixture	*f = arg;

	if (!f->hangs_up || !f->upgraded)
		return;
	SSL_shutdown(bufferevent_openssl_get_ssl(bev));
	peer_drop(f);
}

/* Take one whole frame of the client's; false when there is none. */
static bool
take_frame(struct fixture *f, struct evbuffer *input)
{
	unsigned char	 head[14];
	size_t		 have = evbuffer_get_length(input), n = 2, len;
	ev_ssize_t	 copied = evbuffer_copyout(input, head, sizeof(head));
	struct frame	*frame = &f->frames[f->frame_count];

	if (have < 6)
		return false;
	(void)copied;
	assert_true((head[1] & 0x80) != 0);	/* masked, as a client must */
	len = head[1] & 0x7f;
	if (len == 126) {
		len = (size_t)head[2] << 8 | head[3];
		n = 4;
	} else
		assert_true(len < 126);
	if (have < n + 4 + len)
		return false;
	assert_true(f->frame_count < FRAMES_MAX);
	evbuffer_drain(input, n + 4);
	frame->fin = (head[0] & 0x80) != 0;
	frame->opcode = head[0] & 0x0f;
	frame->len = len;
	evbuffer_copyout(input, frame->payload, len < sizeof(frame->payload) ? len : sizeof(frame->payload));
	evbuffer_drain(input, len);
	for (size_t i = 0; i < len && i < sizeof(frame->payload); i++)
		frame->payload[i] ^= head[n + i % 4];
	f->frame_count++;
	f->got_frame = true;
	return true;
}

static void
peer_read_cb(struct bufferevent *bev, void *arg)
{
	struct fixture	*f = arg;

	if (!f->upgraded)
		answer_upgrade(f);
	if (f->peer != NULL)
		while (f->upgraded && take_frame(f, bufferevent_get_input(bev)))
			;
}

static void
peer_event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct fixture	*f = arg;

	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) == 0) {
		peer_drop(f);
		f->peer_gone = true;
	}
}

static void
accept_cb(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int len, void *arg)
{
	struct fixture	*f = arg;

	(void)listener, (void)address, (void)len;
	peer_drop(f);
	f->peer = bufferevent_openssl_socket_new(f->base, fd, SSL_new(f->ctx), BUFFEREVENT_SSL_ACCEPTING,
	    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	bufferevent_setcb(f->peer, peer_read_cb, peer_write_cb, peer_event_cb, f);
	bufferevent_enable(f->peer, EV_READ | EV_WRITE);
}

static int
server_name_cb(SSL *ssl, int *alert, void *arg)
{
	struct fixture	*f = arg;
	const char	*name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	snprintf(f->server_name, sizeof(f->server_name), "%s", name == NULL ? "" : name);
	return SSL_TLSEXT_ERR_OK;
}

/* The client's callbacks */

static void
reach(struct fixture *f, enum moment moment)
{
	if (f->close_at == moment)
		websocket_close(f->ws, WEBSOCKET_NORMAL);
	if (f->free_at == moment) {
		websocket_free(f->ws);
		f->ws = NULL;
	}
}

static void
open_cb(void *arg)
{
	struct fixture	*f = arg;

	assert_true(websocket_is_open(f->ws));
	f->opens++;
	f->open = true;
	reach(f, AT_OPEN);
}

static void
keep(struct fixture *f, const void *data, size_t len)
{
	free(f->text);
	f->text = malloc(len + 1);
	memcpy(f->text, data, len + 1);
	f->text_len = len;
	f->message = true;
}

static void
message_cb(const char *text, size_t len, void *arg)
{
	struct fixture	*f = arg;

	assert_int_equal(text[len], '\0');
	f->messages++;
	keep(f, text, len);
	reach(f, AT_MESSAGE);
}

static void
binary_cb(const void *data, size_t len, void *arg)
{
	struct fixture	*f = arg;

	f->binaries++;
	keep(f, data, len);
}

static void
closed_cb(const char *why, void *arg)
{
	struct fixture	*f = arg;

	assert_false(websocket_is_open(f->ws));
	f->closes++;
	f->closed = true;
	snprintf(f->why, sizeof(f->why), "%s", why);
	f->status = websocket_http_status(f->ws);
	f->retry_ms = websocket_retry_after_ms(f->ws);
	f->code = websocket_close_code(f->ws);
	reach(f, AT_CLOSED);
}

static const struct websocket_handler handler = { open_cb, message_cb, binary_cb, closed_cb };

/* Steps */

static void
use_server(struct fixture *f, SSL_CTX *ctx)
{
	SSL_CTX_free(f->ctx);
	f->ctx = ctx;
}

static void
begin_at(struct fixture *f, const char *host, unsigned port)
{
	snprintf(f->url, sizeof(f->url), "wss://%s:%u/ws?streams=a/b", host, port);
	f->params.url = f->url;
	f->ws = websocket_new(f->net, &f->params, &handler, f);
	assert_int_equal(f->opens + f->closes, 0);
}

static void
await(struct fixture *f, const bool *done)
{
	if (!turn_until(f->base, done))
		fail_msg("waited in vain; closed=%d why=%s frames=%zu messages=%u", f->closed, f->why, f->frame_count, f->messages);
}

static void
begin(struct fixture *f)
{
	begin_at(f, "127.0.0.1", f->port);
}

static void
open_it(struct fixture *f)
{
	begin(f);
	await(f, &f->open);
}

static void
await_frame(struct fixture *f, unsigned opcode)
{
	while (f->frame_count == 0 || f->frames[f->frame_count - 1].opcode != opcode) {
		f->got_frame = false;
		await(f, &f->got_frame);
	}
}

static void
await_message(struct fixture *f)
{
	f->message = false;
	await(f, &f->message);
}

/* It fails, before it is open or after, in exactly one call. */
static void
await_end(struct fixture *f, const char *why)
{
	await(f, &f->closed);
	if (strstr(f->why, why) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", f->why, why);
	turn_for(f->base, 30);
	assert_int_equal(f->closes, 1);
	if (f->ws != NULL)
		assert_int_equal(websocket_send(f->ws, "x", 1), -1);
}

/* The peer got a goodbye with this code. */
static void
expect_goodbye(struct fixture *f, unsigned code)
{
	const struct frame	*frame;

	await_frame(f, 8);
	frame = &f->frames[f->frame_count - 1];
	assert_true(frame->len >= 2);
	assert_int_equal(frame->payload[0] << 8 | frame->payload[1], code);
}

static int
setup(void **state)
{
	struct fixture	*f = calloc(1, sizeof(*f));
	char		 why[NET_WHY_MAX];
	static const char hosts[] = "127.0.0.2 good.test\n127.0.0.1 good.test other.test\n";
	int		 fd;

	signal(SIGPIPE, SIG_IGN);
	f->base = event_base_new();
	authority_init(&f->ca, "CA of the test");
	f->net = net_new(f->base, f->ca.path, why, sizeof(why));
	assert_non_null(f->net);
	strcpy(f->hosts, "/tmp/tocsin-hosts-XXXXXX");
	fd = mkstemp(f->hosts);
	assert_int_equal(write(fd, hosts, strlen(hosts)), strlen(hosts));
	close(fd);
	net_set_files(f->net, "/nonexistent/resolv.conf", f->hosts);
	f->ctx = server_context(&f->ca, GOOD_NAMES, 3600);
	SSL_CTX_set_tlsext_servername_callback(f->ctx, server_name_cb);
	SSL_CTX_set_tlsext_servername_arg(f->ctx, f);
	f->listener = listen_on_loopback(f->base, accept_cb, f, &f->port);
	f->along = evbuffer_new();
	f->params.close_timeout_ms = 5000;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture	*f = *state;

	websocket_free(f->ws);
	peer_drop(f);
	evconnlistener_free(f->listener);
	net_free(f->net);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	evbuffer_free(f->along);
	event_base_free(f->base);
	SSL_CTX_free(f->ctx);
	authority_release(&f->ca);
	unlink(f->hosts);
	free(f->text);
	free(f);
	return 0;
}

/* Good days */

static void
messages_go_both_ways_and_goodbye_is_said(void **state)
{
	struct fixture	*f = *state;
	int64_t		 heard_us;

	f->params.user_agent = "agent/7";
	begin(f);
	assert_int_equal(websocket_send(f->ws, "x", 1), -1);
	await(f, &f->open);
	assert_string_equal(f->server_name, "");	/* none for an address */
	assert_non_null(strstr(f->request, "GET /ws?streams=a/b HTTP/1.1\r\n"));
	assert_non_null(strstr(f->request, "\r\nUser-Agent: agent/7\r\n"));
	assert_null(strstr(f->request, "Extensions"));
	assert_int_equal(websocket_send(f->ws, "{\"method\":1}", 12), 0);
	await_frame(f, 1);
	assert_int_equal(f->frames[0].len, 12);
	assert_memory_equal(f->frames[0].payload, "{\"method\":1}", 12);
	heard_us = websocket_heard_us(f->ws);
	peer_frame(f, 0x81, "hello", 5);
	await_message(f);
	assert_string_equal(f->text, "hello");
	assert_true(websocket_heard_us(f->ws) > heard_us);
	assert_true(websocket_heard_us(f->ws) <= clock_mono_us());
	websocket_close(f->ws, WEBSOCKET_GOING_AWAY);
	assert_false(f->closed);
	expect_goodbye(f, 1001);
	/* Too late to be heard. */
	peer_frame(f, 0x81, "late", 4);
	peer_frame(f, 0x88, "\x03\xe9", 2);
	await_end(f, "closed code=1001");
	assert_int_equal(f->code, 1001);
	assert_int_equal(f->messages, 1);
	assert_int_equal(f->status, 101);
}

static void
addresses_of_a_name_are_tried_in_turn(void **state)
{
	struct fixture	*f = *state;

	begin_at(f, "good.test", f->port);
	await(f, &f->open);
	assert_non_null(strstr(f->request, "\r\nHost: good.test:"));
	assert_string_equal(f->server_name, "good.test");
}

static void
a_message_may_come_with_the_answer(void **state)
{
	struct fixture	*f = *state;

	add_frame(f->along, 0x81, "first", 5);
	add_frame(f->along, 0x81, "second", 6);
	begin(f);
	await_message(f);
	while (f->messages < 2)
		await_message(f);
	assert_string_equal(f->text, "second");
	assert_int_equal(f->opens, 1);
}

static void
fragments_are_put_together_and_pings_answered_between(void **state)
{
	struct fixture	*f = *state;

	open_it(f);
	peer_frame(f, 0x01, "one \xc3", 5);
	peer_frame(f, 0x89, "p1\0p2", 5);
	peer_frame(f, 0x00, "\xa4 ", 2);
	peer_frame(f, 0x00, "", 0);
	peer_frame(f, 0x80, "three", 5);
	await_message(f);
	assert_string_equal(f->text, "one \xc3\xa4 three");
	await_frame(f, 10);
	assert_int_equal(f->frames[0].len, 5);
	assert_memory_equal(f->frames[0].payload, "p1\0p2", 5);
	peer_frame(f, 0x81, "", 0);
	await_message(f);
	assert_int_equal(f->text_len, 0);
	peer_frame(f, 0x82, "\0\xff", 2);
	await_message(f);
	assert_int_equal(f->binaries, 1);
	assert_int_equal(f->messages, 2);
	assert_memory_equal(f->text, "\0\xff", 2);
}

static void
big_messages_arrive_whole(void **state)
{
	struct fixture	*f = *state;
	size_t		 len = 600000;
	char		*big = malloc(len);

	for (size_t i = 0; i < len; i++)
		big[i] = (char)('a' + i % 23);
	open_it(f);
	peer_frame(f, 0x81, big, len);
	await_message(f);
	assert_int_equal(f->text_len, len);
	assert_memory_equal(f->text, big, len);
	for (size_t i = 0; i < len; i += 20000)
		peer_frame(f, (unsigned char)((i == 0 ? 0x01 : 0x00) | (i + 20000 == len ? 0x80 : 0x00)), big + i, 20000);
	await_message(f);
	assert_int_equal(f->text_len, len);
	assert_memory_equal(f->text, big, len);
	free(big);
}

static void
the_other_side_may_say_goodbye(void **state)
{
	struct fixture	*f = *state;

	open_it(f);
	peer_frame(f, 0x88, "\x03\xf0" "too many requests", 19);
	await_end(f, "closed by the other side code=1008 reason=\"too many requests\"");
	assert_int_equal(f->code, 1008);
	expect_goodbye(f, 1008);
}

static void
a_goodbye_may_say_nothing(void **state)
{
	struct fixture	*f = *state;

	open_it(f);
	peer_frame(f, 0x88, "", 0);
	await_end(f, "closed by the other side code=1005 reason=\"\"");
	await_frame(f, 8);
	assert_int_equal(f->frames[0].len, 0);
}

/* Who is not let in, and whom we do not trust */

static void
another_authority_is_not_believed(void **state)
{
	struct fixture		*f = *state;
	struct authority	 other;

	authority_init(&other, "Somebody else's CA");
	use_server(f, server_context(&other, GOOD_NAMES, 3600));
	authority_release(&other);
	begin(f);
	await_end(f, "TLS: unable to get local issuer certificate");
	assert_int_equal(f->code, 1006);
	assert_int_equal(f->status, 0);
}

static void
an_expired_certificate_is_not_believed(void **state)
{
	struct fixture	*f = *state;

	use_server(f, server_context(&f->ca, GOOD_NAMES, -60));
	begin(f);
	await_end(f, "TLS: certificate has expired");
}

static void
a_certificate_of_another_host_is_not_believed(void **state)
{
	struct fixture	*f = *state;

	begin_at(f, "other.test", f->port);
	await_end(f, "TLS: hostname mismatch");
}

/* RFC 9525: names stand in subjectAltName, and only there. */
static void
a_common_name_is_no_name(void **state)
{
	struct fixture	*f = *state;
	SSL_CTX		*ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY	*key = EVP_EC_gen("P-256");
	X509		*cert = make_certificate(key, "other.test", "email:someone@other.test", 3600, &f->ca);

	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	use_server(f, ctx);
	begin_at(f, "other.test", f->port);
	await_end(f, "TLS: hostname mismatch");
}

static void
a_certificate_of_another_address_is_not_believed(void **state)
{
	struct fixture	*f = *state;

	use_server(f, server_context(&f->ca, "IP:127.0.0.9,DNS:good.test", 3600));
	begin(f);
	await_end(f, "TLS: IP address mismatch");
}

static int
old_tls_only(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, 0);
	return SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
}

static void
old_tls_is_not_spoken(void **state)
{
	struct fixture	*f = *state;

	assert_int_equal(old_tls_only(f->ctx), 1);
	begin(f);
	await_end(f, "TLS: ");
	assert_int_equal(f->opens, 0);
}

static void
refused(struct fixture *f, const char *reply, const char *why)
{
	f->reply = reply;
	begin(f);
	await_end(f, why);
	assert_int_equal(f->opens, 0);
}

static void
status_403_is_told_with_its_body(void **state)
{
	refused(*state, "HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\nnot from heremore",
	    "refused with HTTP status 403: not from her");
	assert_int_equal(((struct fixture *)*state)->status, 403);
}

static void
status_429_hands_its_retry_after_on(void **state)
{
	struct fixture	*f = *state;

	refused(f, "HTTP/1.1 429 Slow down\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n", "refused with HTTP status 429");
	assert_int_equal(f->retry_ms, 17000);
}

static void
status_200_without_an_end_is_refused(void **state)
{
	struct fixture	*f = *state;

	f->hangs_up = true;
	refused(f, "HTTP/1.1 200 OK\r\n\r\n<html>", "refused with HTTP status 200: <html>");
}

static void
status_500_with_a_slow_body_is_refused(void **state)
{
	struct fixture	*f = *state;

	f->params.connect_timeout_ms = 300;
	refused(f, "HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nsome", "refused with HTTP status 500: some");
}

static void
a_wrong_accept_is_refused(void **state)
{
	refused(*state, "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "protocol: answer 101 with a wrong Sec-WebSocket-Accept");
}

static void
two_accepts_are_refused(void **state)
{
	struct fixture	*f = *state;

	f->reply_twice = true;
	refused(f, NULL, "protocol: answer 101 with more than one Sec-WebSocket-Accept");
}

static void
garbage_is_refused(void **state)
{
	refused(*state, "SSH-2.0-OpenSSH_9.2p1\r\n", "protocol: the answer is not HTTP/1.1: SSH-2.0-OpenSSH");
}

static void
half_a_head_is_refused(void **state)
{
	struct fixture	*f = *state;

	f->hangs_up = true;
	refused(f, "HTTP/1.1 101 Swi", "protocol: the connection was closed within the answer's head");
}

static void
a_huge_head_is_refused(void **state)
{
	char	*reply = calloc(1, 70000);

	memset(reply, 'x', 69000);
	memcpy(reply, "HTTP/1.1 101 OK\r\nX: ", 20);
	refused(*state, reply, "protocol: the answer's head is longer than 16384 bytes");
	free(reply);
}

static void
silence_after_the_request_is_a_timeout(void **state)
{
	struct fixture	*f = *state;

	f->params.connect_timeout_ms = 300;
	refused(f, "", "upgrade: timeout after 0.3 s");
}

static void
a_server_without_tls_is_told(void **state)
{
	static const char	 hello[] = "220 mail.test ESMTP\r\n";
	struct fixture		*f = *state;
	struct sockaddr_in	 address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t		 len = sizeof(address);
	int			 fd = socket(AF_INET, SOCK_STREAM, 0), client;

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	getsockname(fd, (struct sockaddr *)&address, &len);
	begin_at(f, "127.0.0.1", ntohs(address.sin_port));
	event_base_loop(f->base, EVLOOP_ONCE);
	assert_true((client = accept(fd, NULL, NULL)) >= 0);
	assert_int_equal(send(client, hello, strlen(hello), 0), strlen(hello));
	await_end(f, "TLS: wrong version number");
	close(client);
	close(fd);
}

/* Nobody there */

static unsigned
unused_port(bool listening, int *fd)
{
	struct sockaddr_in	 address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t		 len = sizeof(address);

	*fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (listening)
		assert_int_equal(listen(*fd, 1), 0);
	getsockname(*fd, (struct sockaddr *)&address, &len);
	return ntohs(address.sin_port);
}

static void
a_closed_port_is_told(void **state)
{
	struct fixture	*f = *state;
	int		 fd;

	begin_at(f, "127.0.0.1", unused_port(false, &fd));
	await_end(f, "connect: Connection refused");
	close(fd);
}

static void
a_listener_that_never_answers_is_a_timeout(void **state)
{
	struct fixture	*f = *state;
	int		 fd;

	f->params.connect_timeout_ms = 200;
	begin_at(f, "127.0.0.1", unused_port(true, &fd));
	await_end(f, "connect: timeout after 0.2 s");
	close(fd);
}

static void
a_deaf_address_leaves_time_for_the_next(void **state)
{
	struct fixture	*f = *state;
	int		 fd = listen_and_ignore("127.0.0.2", f->port);

	f->params.connect_timeout_ms = 2000;
	begin_at(f, "good.test", f->port);
	await(f, &f->open);
	close(fd);
}

static void
a_mute_name_server_is_a_timeout(void **state)
{
	struct fixture	*f = *state;
	char		 path[64];
	int		 fd = name_mute_server(path);

	net_set_files(f->net, path, NULL);
	f->params.connect_timeout_ms = 150;
	begin_at(f, "nobody.test", 443);
	await_end(f, "dns: timeout after 0.15 s");
	websocket_free(f->ws);
	f->closes = 0;
	f->closed = false;
	/* Freed while it is asked, and asked of servers that are replaced meanwhile. */
	begin_at(f, "nobody.test", 443);
	websocket_free(f->ws);
	f->params.connect_timeout_ms = 10000;
	begin_at(f, "nobody.test", 443);
	unlink(path);
	websocket_free(websocket_new(f->net, &f->params, &handler, f));
	await_end(f, "dns: the name servers failed or do not answer");
	close(fd);
}

static void
an_unknown_name_is_told(void **state)
{
	struct fixture	*f = *state;

	begin_at(f, "nobody.test", 443);
	await_end(f, "dns: no name server in /nonexistent/resolv.conf");
}

static void
closed_before_it_is_open(void **state)
{
	struct fixture	*f = *state;

	begin(f);
	websocket_close(f->ws, WEBSOCKET_NORMAL);
	assert_int_equal(f->closes, 0);
	await_end(f, "closed code=1000");
	assert_int_equal(f->opens, 0);
}

static void
closed_while_the_upgrade_is_under_way(void **state)
{
	struct fixture	*f = *state;

	f->reply = "";
	begin(f);
	await(f, &f->upgraded);
	websocket_close(f->ws, WEBSOCKET_NORMAL);
	peer_send(f, "HTTP/1.1 200 OK\r\n\r\n", 19);
	await_end(f, "closed code=1000");
}

/* Bad frames */

static void
broken(struct fixture *f, const void *bytes, size_t len, unsigned code, const char *why)
{
	open_it(f);
	peer_send(f, bytes, len);
	expect_goodbye(f, code);
	peer_drop(f);
	await_end(f, why);
	assert_int_equal(f->messages, 0);
	assert_int_equal(f->code, 1006);
}

static void
text_that_is_not_utf8_ends_it(void **state)
{
	broken(*state, "\x81\x03" "a\xff" "b", 5, 1007, "protocol: a text is not UTF-8");
}

static void
text_that_stops_within_a_letter_ends_it(void **state)
{
	broken(*state, "\x81\x02" "a\xc3", 4, 1007, "protocol: a text is not UTF-8");
}

static void
a_masked_frame_of_the_server_ends_it(void **state)
{
	broken(*state, "\x81\x81\0\0\0\0x", 7, 1002, "protocol: the other side sent a frame that is not allowed");
}

static void
a_reserved_bit_ends_it(void **state)
{
	broken(*state, "\xc1\x01x", 3, 1002, "protocol: ");
}

static void
a_reserved_opcode_ends_it(void **state)
{
	broken(*state, "\x83\x01x", 3, 1002, "protocol: ");
}

static void
a_continuation_of_nothing_ends_it(void **state)
{
	broken(*state, "\x80\x01x", 3, 1002, "protocol: ");
}

static void
a_ping_in_pieces_ends_it(void **state)
{
	broken(*state, "\x09\x01x", 3, 1002, "protocol: ");
}

static void
a_long_ping_ends_it(void **state)
{
	char	 frame[204] = "\x89\x7e\0\xc8";

	broken(*state, frame, sizeof(frame), 1002, "protocol: ");
}

static void
a_length_that_is_not_the_shortest_ends_it(void **state)
{
	broken(*state, "\x81\x7e\0\x01x", 5, 1002, "protocol: ");
}

static void
a_bad_frame_is_answered_however_much_follows(void **state)
{
	struct fixture	*f = *state;
	size_t		 len = 3000000;
	char		*bytes = calloc(1, len);

	bytes[0] = (char)0x83;
	broken(f, bytes, len, 1002, "protocol: ");
	free(bytes);
}

static void
a_message_too_big_ends_it_before_it_has_come(void **state)
{
	struct fixture	*f = *state;

	f->params.message_max = 1000;
	broken(f, "\x81\x7e\x03\xe9xx", 6, 1009, "protocol: a message is bigger than 1000 bytes");
}

static void
fragments_too_big_together_end_it(void **state)
{
	struct fixture	*f = *state;
	char		 half[600];

	memset(half, 'x', sizeof(half));
	f->params.message_max = 1000;
	open_it(f);
	peer_frame(f, 0x01, half, sizeof(half));
	peer_frame(f, 0x80, half, sizeof(half));
	expect_goodbye(f, 1009);
	/* Nobody closes: it does not wait for ever. */
	websocket_free(f->ws);
	f->ws = NULL;
	assert_int_equal(f->messages, 0);
}

static void
a_full_message_is_not_too_big(void **state)
{
	struct fixture	*f = *state;
	char		 full[1000];

	memset(full, 'x', sizeof(full));
	f->params.message_max = 1000;
	open_it(f);
	peer_frame(f, 0x81, full, sizeof(full));
	await_message(f);
	assert_int_equal(f->text_len, 1000);
}

static void
the_goodbye_for_a_bad_frame_has_its_limit(void **state)
{
	struct fixture	*f = *state;

	f->params.close_timeout_ms = 100;
	open_it(f);
	peer_frame(f, 0xff, "x", 1);
	await_end(f, "protocol: ");
	assert_false(f->peer_gone && f->frame_count == 0);
}

/* Bad lines */

static void
a_connection_that_is_reset_is_told(void **state)
{
	struct fixture	*f = *state;
	struct linger	 hard = { .l_onoff = 1 };

	open_it(f);
	setsockopt(bufferevent_getfd(f->peer), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	peer_drop(f);
	await_end(f, "connection reset by the other side");
	assert_int_equal(f->code, 1006);
}

static void
a_connection_that_just_ends_is_told(void **state)
{
	struct fixture	*f = *state;

	open_it(f);
	peer_frame(f, 0x01, "half", 4);
	peer_drop(f);
	await_end(f, "connection closed by the other side");
}

static void
a_connection_that_ends_with_the_goodbye_of_tls_only_is_told(void **state)
{
	struct fixture	*f = *state;

	open_it(f);
	SSL_shutdown(bufferevent_openssl_get_ssl(f->peer));
	peer_drop(f);
	await_end(f, "connection closed by the other side");
}

static void
silence_is_asked_and_then_ended(void **state)
{
	struct fixture	*f = *state;

	f->params.silence_ms = 100;
	f->params.answer_ms = 150;
	open_it(f);
	await_frame(f, 9);
	/* An answer, and silence again. */
	peer_frame(f, 0x8a, f->frames[0].payload, f->frames[0].len);
	f->got_frame = false;
	await(f, &f->got_frame);
	assert_false(f->closed);
	assert_int_equal(f->frames[1].opcode, 9);
	await_end(f, "no answer to a ping for 0.15 s");
}

static void
a_reader_that_stops_does_not_fill_our_memory(void **state)
{
	struct fixture	*f = *state;
	char		 text[10000];
	unsigned	 sent = 0;

	memset(text, 'x', sizeof(text));
	f->is_deaf = true;
	f->params.output_max = 100000;
	open_it(f);
	while (sent < 10000 && websocket_send(f->ws, text, sizeof(text)) == 0) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		sent++;
	}
	assert_true(sent > 5 && sent < 10000);
	assert_true(websocket_is_open(f->ws));
	for (sent = 0; sent < 1000 && websocket_ping(f->ws, text, 125) == 0; sent++)
		;
	assert_true(sent < 100);
	/* Its goodbye finds no way either. */
	f->params.close_timeout_ms = 100;
	websocket_close(f->ws, WEBSOCKET_NORMAL);
	websocket_free(f->ws);
	f->ws = NULL;
}

static void
pings_of_a_deaf_peer_end_it(void **state)
{
	struct fixture	*f = *state;
	char		 payload[125] = "p";

	f->is_deaf = true;
	f->params.output_max = 1000;
	open_it(f);
	while (!f->closed) {
		for (int i = 0; i < 1000 && f->peer != NULL; i++)
			peer_frame(f, 0x89, payload, sizeof(payload));
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
	await_end(f, "the other side sends pings and does not take the answers");
}

/* Its owner's freedom */

static void
freed_when_open(void **state)
{
	struct fixture	*f = *state;

	add_frame(f->along, 0x81, "x", 1);
	f->free_at = AT_OPEN;
	begin(f);
	await(f, &f->open);
	turn_for(f->base, 50);
	assert_int_equal(f->messages + f->closes, 0);
}

static void
freed_at_a_message(void **state)
{
	struct fixture	*f = *state;

	f->free_at = AT_MESSAGE;
	open_it(f);
	for (int i = 0; i < 5; i++)
		peer_frame(f, 0x81, "x", 1);
	await_message(f);
	turn_for(f->base, 50);
	assert_int_equal(f->messages, 1);
	assert_int_equal(f->closes, 0);
	assert_true(f->peer_gone);
}

static void
freed_when_closed(void **state)
{
	struct fixture	*f = *state;

	f->free_at = AT_CLOSED;
	open_it(f);
	peer_frame(f, 0x88, "\x03\xe8", 2);
	await_end(f, "closed by the other side code=1000");
}

static void
freed_when_refused(void **state)
{
	struct fixture	*f = *state;

	f->free_at = AT_CLOSED;
	refused(f, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "403");
}

static void
closed_at_a_message(void **state)
{
	struct fixture	*f = *state;

	f->close_at = AT_MESSAGE;
	open_it(f);
	for (int i = 0; i < 5; i++)
		peer_frame(f, 0x81, "x", 1);
	await_message(f);
	expect_goodbye(f, 1000);
	peer_frame(f, 0x88, "\x03\xe8", 2);
	await_end(f, "closed code=1000");
	assert_int_equal(f->messages, 1);
}

static void
closed_without_an_answer_has_its_limit(void **state)
{
	struct fixture	*f = *state;

	f->params.close_timeout_ms = 100;
	open_it(f);
	websocket_close(f->ws, WEBSOCKET_NORMAL);
	websocket_close(f->ws, WEBSOCKET_NORMAL);
	assert_int_equal(websocket_send(f->ws, "x", 1), -1);
	assert_int_equal(websocket_ping(f->ws, "x", 1), -1);
	await_end(f, "closed code=1000");
	assert_int_equal(f->frame_count, 1);
}

static void
freed_at_any_time(void **state)
{
	struct fixture	*f = *state;

	begin(f);
	websocket_free(f->ws);
	for (int turns = 0; turns < 40; turns++) {
		f->upgraded = false;
		begin(f);
		for (int i = 0; i < turns; i++)
			event_base_loop(f->base, EVLOOP_NONBLOCK);
		websocket_free(f->ws);
		f->ws = NULL;
		f->opens = 0;
		turn_for(f->base, 5);
	}
	assert_int_equal(f->closes, 0);
}

/* Pure */

static void
keepalive_decides_by_the_clock(void **state)
{
	struct keepalive	 k = { .silence_us = 20 * SECOND_US, .answer_us = 10 * SECOND_US };
	int64_t			 wait_us;

	(void)state;
	keepalive_heard(&k, 100 * SECOND_US);
	assert_int_equal(keepalive_check(&k, 100 * SECOND_US, &wait_us), KEEPALIVE_WAIT);
	assert_int_equal(wait_us, 20 * SECOND_US);
	assert_int_equal(keepalive_check(&k, 119 * SECOND_US, &wait_us), KEEPALIVE_WAIT);
	assert_int_equal(wait_us, SECOND_US);
	assert_int_equal(keepalive_check(&k, 120 * SECOND_US, &wait_us), KEEPALIVE_PING);
	assert_int_equal(wait_us, 10 * SECOND_US);
	assert_int_equal(keepalive_check(&k, 125 * SECOND_US, &wait_us), KEEPALIVE_WAIT);
	assert_int_equal(wait_us, 5 * SECOND_US);
	keepalive_heard(&k, 126 * SECOND_US);
	assert_int_equal(keepalive_check(&k, 131 * SECOND_US, &wait_us), KEEPALIVE_WAIT);
	assert_int_equal(wait_us, 15 * SECOND_US);
	/* A long pause of ours asks first, and ends nothing. */
	assert_int_equal(keepalive_check(&k, 500 * SECOND_US, &wait_us), KEEPALIVE_PING);
	assert_int_equal(keepalive_check(&k, 510 * SECOND_US, &wait_us), KEEPALIVE_DEAD);
	k.silence_us = 0;
	assert_int_equal(keepalive_check(&k, 900 * SECOND_US, &wait_us), KEEPALIVE_WAIT);
	assert_int_equal(wait_us, -1);
}

static void
the_accept_is_that_of_the_rfc(void **state)
{
	char	 accept[HANDSHAKE_KEY_MAX];

	(void)state;
	assert_string_equal(handshake_accept("dGhlIHNhbXBsZSBub25jZQ==", accept), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void
an_answer_is_judged_the_same_in_pieces(void **state)
{
	static const char	 good[] = "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
				    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x01x";
	static const char *const bad[] = {
		"HTTP/1.1 101\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 1x1 \r\n\r\n", "HTTP/1.1 101\r\n: x\r\n\r\n",
		"HTTP/1.1 101\r\nA b: x\r\n\r\n", "HTTP/1.1 101\r\nA: x\r\n folded\r\n\r\n", "HTTP/1.1 101\r\nA: x\ny: z\r\n\r\n",
		"HTTP/2 101\r\n\r\n", "HTTP/1.1  101\r\n\r\n", "HTTP/1.1 1010\r\n\r\n",
		"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
		    "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		"HTTP/1.0 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
		"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
	};
	struct upgrade_answer	 a;
	size_t			 len = sizeof(good) - 1;

	(void)state;
	for (size_t i = 0; i <= len; i++)
		assert_int_equal(upgrade_parse(good, i, false, "dGhlIHNhbXBsZSBub25jZQ==", 0, &a),
		    i < len - 3 ? UPGRADE_MORE : UPGRADE_OPEN);
	assert_int_equal(a.head_len, len - 3);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (upgrade_parse(bad[i], strlen(bad[i]), false, "dGhlIHNhbXBsZSBub25jZQ==", 0, &a) != UPGRADE_BAD || *a.why == '\0')
			fail_msg("%s", bad[i]);
}

#define with_peer(test)	cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keepalive_decides_by_the_clock),
		cmocka_unit_test(the_accept_is_that_of_the_rfc),
		cmocka_unit_test(an_answer_is_judged_the_same_in_pieces),
		with_peer(messages_go_both_ways_and_goodbye_is_said),
		with_peer(addresses_of_a_name_are_tried_in_turn),
		with_peer(a_message_may_come_with_the_answer),
		with_peer(fragments_are_put_together_and_pings_answered_between),
		with_peer(big_messages_arrive_whole),
		with_peer(the_other_side_may_say_goodbye),
		with_peer(a_goodbye_may_say_nothing),
		with_peer(another_authority_is_not_believed),
		with_peer(an_expired_certificate_is_not_believed),
		with_peer(a_certificate_of_another_host_is_not_believed),
		with_peer(a_common_name_is_no_name),
		with_peer(a_certificate_of_another_address_is_not_believed),
		with_peer(old_tls_is_not_spoken),
		with_peer(status_403_is_told_with_its_body),
		with_peer(status_429_hands_its_retry_after_on),
		with_peer(status_200_without_an_end_is_refused),
		with_peer(status_500_with_a_slow_body_is_refused),
		with_peer(a_wrong_accept_is_refused),
		with_peer(two_accepts_are_refused),
		with_peer(garbage_is_refused),
		with_peer(half_a_head_is_refused),
		with_peer(a_huge_head_is_refused),
		with_peer(silence_after_the_request_is_a_timeout),
		with_peer(a_server_without_tls_is_told),
		with_peer(a_closed_port_is_told),
		with_peer(a_listener_that_never_answers_is_a_timeout),
		with_peer(a_deaf_address_leaves_time_for_the_next),
		with_peer(a_mute_name_server_is_a_timeout),
		with_peer(an_unknown_name_is_told),
		with_peer(closed_before_it_is_open),
		with_peer(closed_while_the_upgrade_is_under_way),
		with_peer(text_that_is_not_utf8_ends_it),
		with_peer(text_that_stops_within_a_letter_ends_it),
		with_peer(a_masked_frame_of_the_server_ends_it),
		with_peer(a_reserved_bit_ends_it),
		with_peer(a_reserved_opcode_ends_it),
		with_peer(a_continuation_of_nothing_ends_it),
		with_peer(a_ping_in_pieces_ends_it),
		with_peer(a_long_ping_ends_it),
		with_peer(a_length_that_is_not_the_shortest_ends_it),
		with_peer(a_bad_frame_is_answered_however_much_follows),
		with_peer(a_message_too_big_ends_it_before_it_has_come),
		with_peer(fragments_too_big_together_end_it),
		with_peer(a_full_message_is_not_too_big),
		with_peer(the_goodbye_for_a_bad_frame_has_its_limit),
		with_peer(a_connection_that_is_reset_is_told),
		with_peer(a_connection_that_just_ends_is_told),
		with_peer(a_connection_that_ends_with_the_goodbye_of_tls_only_is_told),
		with_peer(silence_is_asked_and_then_ended),
		with_peer(a_reader_that_stops_does_not_fill_our_memory),
		with_peer(pings_of_a_deaf_peer_end_it),
		with_peer(freed_when_open),
		with_peer(freed_at_a_message),
		with_peer(freed_when_closed),
		with_peer(freed_when_refused),
		with_peer(closed_at_a_message),
		with_peer(closed_without_an_answer_has_its_limit),
		with_peer(freed_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
