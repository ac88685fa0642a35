#include "tests/bench/crowd/crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/crowd/frames.h"
#include "tests/bench/superv/proc.h"

#define INPUT_BYTES	(256 << 10)
#define EVENTS_MAX	512
#define ADDRESSES	50
#define OPEN_TIMEOUT_NS	INT64_C(120000000000)
#define HEARTBEAT_NS	INT64_C(25000000000)
#define SCAN_NS		INT64_C(5000000)
#define MS_NS		INT64_C(1000000)

struct crowd {
	struct crowd_params	 params;
	struct sockaddr_in	 address;
	char			 path[256];
	int			 ep;
	struct subscriber	*subscribers;
	struct crowd_counts	 counts;
	size_t			 unanswered;	/* connecting, or waiting to be live */
	size_t			 closed;	/* and to be opened again */
	int64_t			 scanned_ns, beat_ns;
	bool			 complained;
};

/* One read of any of them; what is left over of a message is copied to its front. */
static char	 input[INPUT_BYTES * 2];

static void	 closed(struct subscriber *s, const char *why);

int64_t
crowd_number(const char *text, size_t len, const char *key)
{
	const char	*p = memmem(text, len, key, strlen(key));
	int64_t		 n = 0;

	if (p == NULL)
		return -1;
	for (p += strlen(key); p < text + len && *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (*p - '0');
	return n;
}

static bool
holds(const char *text, size_t len, const char *part)
{
	return memmem(text, len, part, strlen(part)) != NULL;
}

static void
complain(struct crowd *c, const char *what, const char *text, size_t len)
{
	c->counts.resets++;
	if (!c->complained)
		fprintf(stderr, "crowd: %s: %.*s\n", what, (int)(len > 400 ? 400 : len), text);
	c->complained = true;
}

/* Sending: small things on an idle connection, so what does not fit is an error. */

static void
send_all(struct subscriber *s, const char *bytes, size_t len)
{
	if (s->state != SUBSCRIBER_CLOSED && send(s->fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		closed(s, strerror(errno));
}

static void
send_frame(struct subscriber *s, int opcode, const char *payload, size_t len)
{
	char	 frame[2048];

	send_all(s, frame, frames_client(frame, opcode, payload, len));
}

static void
send_request(struct subscriber *s)
{
	static const char	 upgrade[] = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dG9jc2luIGJlbmNoIGtleQ==\r\n";
	struct crowd		*c = s->crowd;
	char			 request[1024];
	int			 len;

	len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost:%d\r\n%s", c->path,
	    ntohs(c->address.sin_port), c->params.kind == CROWD_SSE ? "Accept: text/event-stream\r\n" : upgrade);
	if (c->params.kind == CROWD_SSE && s->place[0] != '\0')
		len += snprintf(request + len, sizeof(request) - (size_t)len, "Last-Event-ID: %s\r\n", s->place);
	len += snprintf(request + len, sizeof(request) - (size_t)len, "\r\n");
	s->state = SUBSCRIBER_HEAD;
	send_all(s, request, (size_t)len);
}

static void
send_join(struct subscriber *s)
{
	char	 join[1024], after[128] = "";
	int	 len;

	if (s->place[0] != '\0')
		snprintf(after, sizeof(after), ",\"tocsin\":{\"after\":\"%s\"}", s->place);
	len = snprintf(join, sizeof(join), "[\"1\",\"1\",\"realtime:bench\",\"phx_join\",{\"config\":{\"postgres_changes\":"
	    "[{\"event\":\"*\",\"schema\":\"public\",\"table\":\"signals\"}],\"private\":false}%s}]", after);
	s->state = SUBSCRIBER_JOINING;
	send_frame(s, FRAME_TEXT, join, (size_t)len);
}

/* Connections */

static void
watch(struct subscriber *s, uint32_t events, int op)
{
	epoll_ctl(s->crowd->ep, op, s->fd, &(struct epoll_event){ .events = events, .data.ptr = s });
}

static void
live(struct subscriber *s)
{
	s->state = SUBSCRIBER_LIVE;
	s->crowd->unanswered--;
	s->crowd->counts.live++;
}

static void
hang_up(struct subscriber *s)
{
	struct crowd	*c = s->crowd;

	if (s->state == SUBSCRIBER_LIVE)
		c->counts.live--;
	else
		c->unanswered--;
	close(s->fd);
	s->fd = -1;
	s->state = SUBSCRIBER_CLOSED;
	s->rest_len = 0;
	s->due_ns = proc_now_ns() + c->params.retry_ms * MS_NS;
	c->closed++;
}

static void
closed(struct subscriber *s, const char *why)
{
	if (s->state == SUBSCRIBER_CLOSED)
		return;
	if (s->crowd->params.retry_ms == -1)
		proc_die(s->crowd->params.url, why);
	s->crowd->counts.closed++;
	hang_up(s);
}

static void
bind_elsewhere(const struct subscriber *s)
{
	struct sockaddr_in	 from = { .sin_family = AF_INET };
	int			 one = 1;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(s->index % ADDRESSES));
	setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(s->fd, (struct sockaddr *)&from, sizeof(from)) == -1)
		proc_die("bind", strerror(errno));
}

static void
dial(struct subscriber *s)
{
	struct crowd	*c = s->crowd;
	int		 one = 1;

	if ((s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
		proc_die("socket", strerror(errno));
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (c->params.spread)
		bind_elsewhere(s);
	s->state = SUBSCRIBER_CONNECTING;
	c->closed--;
	c->unanswered++;
	if (connect(s->fd, (const struct sockaddr *)&c->address, sizeof(c->address)) == -1 && errno != EINPROGRESS) {
		c->counts.refused++;
		closed(s, strerror(errno));
	} else
		watch(s, EPOLLOUT, EPOLL_CTL_ADD);
}

static void
connected(struct subscriber *s)
{
	socklen_t	 size = sizeof(int);
	int		 error = 0;

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error != 0) {
		s->crowd->counts.refused++;
		closed(s, strerror(error));
		return;
	}
	watch(s, EPOLLIN, EPOLL_CTL_MOD);
	send_request(s);
}

/* Receiving */

static size_t
take_head(struct subscriber *s, const char *bytes, size_t len)
{
	const char	*end = memmem(bytes, len, "\r\n\r\n", 4);
	bool		 sse = s->crowd->params.kind == CROWD_SSE;

	if (end == NULL)
		return 0;
	if (memcmp(bytes, sse ? "HTTP/1.1 200" : "HTTP/1.1 101", 12) != 0) {
		/* With a retry it comes again: what fails once may succeed later. */
		complain(s->crowd, "the answer was", bytes, len);
		closed(s, "an answer that is none");
		return len;
	}
	s->crowd->counts.connects++;
	if (s->crowd->params.kind == CROWD_REALTIME)
		send_join(s);
	else
		live(s);
	return (size_t)(end + 4 - bytes);
}

static void
keep_place(struct subscriber *s, const char *place, size_t len)
{
	if (len >= sizeof(s->place))
		proc_die("place", "too long to be kept");
	memcpy(s->place, place, len);
	s->place[len] = '\0';
}

static size_t
take_event(struct subscriber *s, const char *bytes, size_t len, int64_t now)
{
	const struct crowd_params	*params = &s->crowd->params;
	struct frames_event		 event;
	size_t				 taken = frames_event(bytes, len, &event);

	if (taken == 0)
		return 0;
	if (event.id != NULL && params->retry_ms >= 0)
		keep_place(s, event.id, event.id_len);
	if (event.reset)
		complain(s->crowd, "reset", bytes, taken);
	else if (event.data != NULL)
		params->message(s, event.data, event.data_len, now, params->arg);
	return taken;
}

/* A channel's system message: it is live at the place it tells, or something is wrong. */
static void
take_system(struct subscriber *s, const char *text, size_t len)
{
	static const char	 key[] = "\"cursor\":\"";
	const char		*cursor = memmem(text, len, key, sizeof(key) - 1), *end;

	if (!holds(text, len, "\"status\":\"ok\"")) {
		complain(s->crowd, "system", text, len);
		return;
	}
	if (s->state == SUBSCRIBER_JOINING)
		live(s);
	if (cursor != NULL && s->place[0] == '\0') {
		cursor += sizeof(key) - 1;
		if ((end = memchr(cursor, '"', len - (size_t)(cursor - text))) != NULL)
			keep_place(s, cursor, (size_t)(end - cursor));
	}
}

/* EPOCH-SEQ with the seq of the record in hand. */
static void
move_place(struct subscriber *s, const char *text, size_t len)
{
	char	*dash = strrchr(s->place, '-');
	int64_t	 seq = crowd_number(text, len, "\"seq\":");

	if (dash != NULL && seq > 0)
		snprintf(dash + 1, sizeof(s->place) - (size_t)(dash + 1 - s->place), "%lld", (long long)seq);
}

static void
take_realtime(struct subscriber *s, const char *text, size_t len, int64_t now)
{
	const struct crowd_params	*params = &s->crowd->params;
	size_t				 head = len < 100 ? len : 100;

	if (holds(text, head, "\"postgres_changes\",{\"ids\"")) {
		if (params->retry_ms >= 0)
			move_place(s, text, len);
		params->message(s, text, len, now, params->arg);
	} else if (holds(text, head, "\"system\","))
		take_system(s, text, len);
	else if (holds(text, head, "\"phx_error\"") || holds(text, head, "\"phx_close\"") ||
	    (holds(text, head, "\"phx_reply\"") && !holds(text, head, "\"status\":\"ok\""))) {
		complain(s->crowd, "channel", text, len);
		closed(s, "the channel ended");
	}
}

static size_t
take_frame(struct subscriber *s, const char *bytes, size_t len, int64_t now)
{
	const struct crowd_params	*params = &s->crowd->params;
	const char			*payload;
	size_t				 payload_len, taken;
	int				 opcode;

	if ((taken = frames_next(bytes, len, &opcode, &payload, &payload_len)) == 0)
		return 0;
	if (opcode == FRAME_PING)
		send_frame(s, FRAME_PONG, payload, payload_len);
	else if (opcode == FRAME_CLOSE)
		closed(s, "a close frame");
	else if (opcode == FRAME_TEXT && params->kind == CROWD_REALTIME)
		take_realtime(s, payload, payload_len, now);
	else if (opcode == FRAME_TEXT)
		params->message(s, payload, payload_len, now, params->arg);
	return taken;
}

static size_t
take_one(struct subscriber *s, const char *bytes, size_t len, int64_t now)
{
	if (s->state == SUBSCRIBER_HEAD)
		return take_head(s, bytes, len);
	return s->crowd->params.kind == CROWD_SSE ? take_event(s, bytes, len, now) : take_frame(s, bytes, len, now);
}

static void
keep_rest(struct subscriber *s, const char *bytes, size_t len)
{
	if (len > INPUT_BYTES)
		proc_die("message", "too long");
	if (len > s->rest_size) {
		s->rest_size = len < 2048 ? 2048 : len;
		if ((s->rest = realloc(s->rest, s->rest_size)) == NULL)
			proc_die("memory", strerror(errno));
	}
	if (len > 0)
		memcpy(s->rest, bytes, len);
	s->rest_len = len;
}

static void
readable(struct subscriber *s)
{
	ssize_t	 n;
	size_t	 len, at = 0, taken;
	int64_t	 now;

	if (s->rest_len > 0)
		memcpy(input, s->rest, s->rest_len);
	n = read(s->fd, input + s->rest_len, INPUT_BYTES);
	now = proc_now_ns();
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		closed(s, n == 0 ? "closed by the server" : strerror(errno));
		return;
	}
	s->crowd->counts.bytes += (uint64_t)n;
	len = s->rest_len + (size_t)n;
	s->rest_len = 0;
	while (at < len && s->state != SUBSCRIBER_CLOSED && (taken = take_one(s, input + at, len - at, now)) > 0)
		at += taken;
	if (s->state != SUBSCRIBER_CLOSED)
		keep_rest(s, input + at, len - at);
}

/* Turns */

static void
dial_due(struct crowd *c, int64_t now)
{
	if (c->closed == 0 || now - c->scanned_ns < SCAN_NS)
		return;
	c->scanned_ns = now;
	for (size_t i = 0; i < c->params.count; i++)
		if (c->subscribers[i].state == SUBSCRIBER_CLOSED && now >= c->subscribers[i].due_ns)
			dial(&c->subscribers[i]);
}

static void
heartbeat(struct crowd *c, int64_t now)
{
	static const char	 beat[] = "[null,\"9\",\"phoenix\",\"heartbeat\",{}]";

	if (c->params.kind != CROWD_REALTIME || now - c->beat_ns < HEARTBEAT_NS)
		return;
	c->beat_ns = now;
	for (size_t i = 0; i < c->params.count; i++)
		if (c->subscribers[i].state == SUBSCRIBER_LIVE)
			send_frame(&c->subscribers[i], FRAME_TEXT, beat, sizeof(beat) - 1);
}

static void
take_events(struct crowd *c, int wait_ms)
{
	struct epoll_event	 events[EVENTS_MAX];
	struct subscriber	*s;
	int			 n = epoll_wait(c->ep, events, EVENTS_MAX, wait_ms);

	for (int i = 0; i < n; i++) {
		s = events[i].data.ptr;
		if (s->state == SUBSCRIBER_CONNECTING)
			connected(s);
		else if (s->state != SUBSCRIBER_CLOSED)
			readable(s);
	}
}

void
crowd_turn(struct crowd *c, int wait_ms)
{
	int64_t	 now = proc_now_ns();

	if (c->closed > 0 && wait_ms > 5)
		wait_ms = 5;
	dial_due(c, now);
	heartbeat(c, now);
	take_events(c, wait_ms);
}

void
crowd_open(struct crowd *c, size_t at_once)
{
	int64_t	 end = proc_now_ns() + OPEN_TIMEOUT_NS;
	size_t	 next = 0;

	while (c->counts.live < c->params.count) {
		for (; next < c->params.count && c->unanswered < at_once; next++)
			if (c->subscribers[next].state == SUBSCRIBER_CLOSED)
				dial(&c->subscribers[next]);
		if (next == c->params.count)
			dial_due(c, proc_now_ns());
		take_events(c, 100);
		if (proc_now_ns() > end)
			proc_die(c->params.url, "not all connections became live within 120 s");
	}
	c->beat_ns = proc_now_ns();
}

void
crowd_hang_up(struct crowd *c)
{
	struct linger	 reset = { .l_onoff = 1, .l_linger = 0 };

	for (size_t i = 0; i < c->params.count; i++) {
		if (c->subscribers[i].state == SUBSCRIBER_CLOSED)
			continue;
		if (i % 2 == 1)
			setsockopt(c->subscribers[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		hang_up(&c->subscribers[i]);
	}
}

/* Life */

static void
parse_url(struct crowd *c)
{
	char	 host[64];
	int	 port;

	if (sscanf(c->params.url, "http://%63[^:]:%d%250s", host, &port, c->path) != 3 ||
	    inet_pton(AF_INET, host, &c->address.sin_addr) != 1)
		proc_die(c->params.url, "not http://ADDRESS:PORT/PATH");
	c->address.sin_family = AF_INET;
	c->address.sin_port = htons((uint16_t)port);
}

struct crowd *
crowd_new(const struct crowd_params *params)
{
	struct crowd	*c = calloc(1, sizeof(*c));

	if (c == NULL || (c->subscribers = calloc(params->count, sizeof(*c->subscribers))) == NULL)
		proc_die("memory", strerror(errno));
	c->params = *params;
	c->closed = params->count;
	parse_url(c);
	if ((c->ep = epoll_create1(EPOLL_CLOEXEC)) == -1)
		proc_die("epoll", strerror(errno));
	for (size_t i = 0; i < params->count; i++)
		c->subscribers[i] = (struct subscriber){ .crowd = c, .index = i, .fd = -1 };
	return c;
}

void
crowd_free(struct crowd *c)
{
	for (size_t i = 0; i < c->params.count; i++) {
		if (c->subscribers[i].fd != -1)
			close(c->subscribers[i].fd);
		free(c->subscribers[i].rest);
	}
	close(c->ep);
	free(c->subscribers);
	free(c);
}

int
crowd_fd(const struct crowd *c)
{
	return c->ep;
}

const struct crowd_counts *
crowd_counts(const struct crowd *c)
{
	return &c->counts;
}

struct subscriber *
crowd_subscriber(struct crowd *c, size_t index)
{
	return &c->subscribers[index];
}
