#include "common/rest.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/net.h"
#include "common/pace.h"

#define TIMEOUT_MS	10000
#define BODY_MAX	(4 << 20)
#define QUEUE_MAX	1000
#define WAIT_BASE_MS	5000
#define WAIT_MAX_MS	600000
#define HEAD_MAX	65536
#define IDLE_S		50	/* an unused connection is closed after that */

struct request {
	char		*path;
	bool		 is_post;
	struct evkeyvalq fields;	/* of a POST */
	char		*body;
	size_t		 len;
	rest_cb		 cb;
	void		*arg;
	struct request	*next;
};

struct rest {
	struct net		*net;
	struct rest_params	 params;	/* name, weight_header: own copies */
	char			*origin, *user_agent;
	struct net_url		 url;
	struct request		*first, **last;	/* waiting */
	size_t			 waiting;
	struct pace		 pace;
	struct event		*start;		/* the next one may start */
	struct event		*finish;	/* the answer, or that there is none, can be told */

	struct request		*current;
	struct event		*deadline;	/* of the current one, or of one address's attempt */
	int64_t			 deadline_us;
	struct net_lookup	*lookup;
	struct net_addresses	 addresses;
	size_t			 next_address;
	struct evhttp_request	*answer;	/* whole, ours; NULL: see error */
	char			 error[NET_WHY_MAX];
	bool			 is_lost;	/* the connection went away, which a new one may mend */

	struct evhttp_connection *connection;
	bufferevent_event_cb	 connection_cb;	/* evhttp's own, while it connects */
	void			*connection_arg;
	bool			 is_connecting;
	bool			 is_dead;	/* the connection was closed: evhttp would connect the same SSL again, to the same address */
	bool			 is_reused;	/* it has answered before the current request */

	uint64_t		 requests, errors, waits;
	char			 last_error[NET_WHY_MAX];
	unsigned		 busy;		/* calls of callbacks under way: free later */
	bool			 freed;
};

static void	 try_next_address(struct rest *r);

/* Connection */

static void
drop_connection(struct rest *r)
{
	net_lookup_cancel(r->lookup);
	r->lookup = NULL;
	if (r->connection != NULL) {
		evhttp_connection_set_closecb(r->connection, NULL, NULL);
		evhttp_connection_free(r->connection);
	}
	r->connection = NULL;
	r->is_connecting = false;
	r->is_dead = false;
	r->is_reused = false;
}

static void
closed_cb(struct evhttp_connection *connection, void *arg)
{
	struct rest	*r = arg;

	(void)connection;
	r->is_dead = true;
}

/*
 * The event callback while evhttp connects: only here can be told why it
 * failed.  evhttp puts its own back as soon as the connection stands.
 */
static void
connecting_cb(struct bufferevent *bev, short what, void *arg)
{
	struct rest	*r = arg;
	int		 err = errno;

	r->is_connecting = false;
	if ((what & BEV_EVENT_CONNECTED) == 0) {
		net_why(bev, what, r->error);
		if (r->next_address < r->addresses.count) {
			try_next_address(r);
			return;
		}
	} else
		net_tls_connected(bev);
	errno = err;
	r->connection_cb(bev, what, r->connection_arg);
}

/* Requests */

static void
request_free(struct request *q)
{
	if (q == NULL)
		return;
	evhttp_clear_headers(&q->fields);
	free(q->body);
	free(q->path);
	free(q);
}

/* The outcome stands: tell it in a turn of the loop of its own. */
static void
settle(struct rest *r)
{
	event_del(r->deadline);
	event_active(r->finish, EV_TIMEOUT, 0);
}

static void
fail(struct rest *r, const char *why)
{
	snprintf(r->error, sizeof(r->error), "%s", why);
	drop_connection(r);
	settle(r);
}

static void
error_cb(enum evhttp_request_error error, void *arg)
{
	struct rest	*r = arg;

	r->is_lost = error == EVREQ_HTTP_EOF || error == EVREQ_HTTP_BUFFER_ERROR;
	if (*r->error != '\0')
		return;
	switch (error) {
	case EVREQ_HTTP_DATA_TOO_LONG:
		snprintf(r->error, sizeof(r->error), "the answer is bigger than %zu bytes, or its chunks are broken",
		    r->params.body_max);
		break;
	case EVREQ_HTTP_INVALID_HEADER:
		snprintf(r->error, sizeof(r->error), "protocol: the answer is no HTTP");
		break;
	case EVREQ_HTTP_TIMEOUT:
		snprintf(r->error, sizeof(r->error), "timeout");
		break;
	case EVREQ_HTTP_EOF:
	case EVREQ_HTTP_BUFFER_ERROR:
	case EVREQ_HTTP_REQUEST_CANCEL:
		snprintf(r->error, sizeof(r->error), "connection closed before the answer's end");
		break;
	}
}

/* evhttp is done with the request: `req` NULL or without a status when it failed, error_cb() was called before. */
static void
answered_cb(struct evhttp_request *req, void *arg)
{
	struct rest	*r = arg;

	if (req != NULL && evhttp_request_get_response_code(req) != 0) {
		evhttp_request_own(req);
		r->answer = req;
		*r->error = '\0';
	} else if (*r->error == '\0')
		snprintf(r->error, sizeof(r->error), "connection closed before the answer");
	settle(r);
}

/* What makes it a POST. */
static void
add_post(const struct request *q, struct evhttp_request *req, struct evkeyvalq *headers)
{
	struct evkeyval	*field;

	TAILQ_FOREACH(field, &q->fields, next)
		evhttp_add_header(headers, field->key, field->value);
	/* evhttp adds the length. */
	if (evbuffer_add(evhttp_request_get_output_buffer(req), q->body, q->len) == -1)
		fatalx("rest", "no memory");
}

/* On the connection as it is, or connecting it. */
static void
make_request(struct rest *r)
{
	struct evhttp_request	*req = evhttp_request_new(answered_cb, r);
	struct evkeyvalq	*headers;
	char			 authority[NET_AUTHORITY_MAX];

	if (req == NULL)
		fatalx("rest", "no memory");
	evhttp_request_set_error_cb(req, error_cb);
	headers = evhttp_request_get_output_headers(req);
	evhttp_add_header(headers, "Host", net_authority(&r->url, authority));
	evhttp_add_header(headers, "User-Agent", r->user_agent);
	evhttp_add_header(headers, "Accept", "application/json");
	evhttp_add_header(headers, "Connection", "keep-alive");
	if (r->current->is_post)
		add_post(r->current, req, headers);
	*r->error = '\0';
	r->is_lost = false;
	if (evhttp_make_request(r->connection, req, r->current->is_post ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, r->current->path) == -1)
		fail(r, "connect: failed");
}

/* Each address gets its share of the time that is left. */
static void
try_next_address(struct rest *r)
{
	struct timeval		 patience = { .tv_sec = IDLE_S + r->params.timeout_ms / 1000 }, share;
	struct bufferevent	*bev;
	bufferevent_data_cb	 read_cb, write_cb;
	int64_t			 left_us = r->deadline_us - clock_mono_us();
	size_t			 i = r->next_address++;

	left_us = left_us < 0 ? 0 : left_us / (int64_t)(r->addresses.count - i);
	share = (struct timeval){ .tv_sec = left_us / 1000000, .tv_usec = left_us % 1000000 };
	event_add(r->deadline, &share);
	drop_connection(r);
	bev = r->params.plain ? net_plain_new(r->net) : net_tls_new(r->net, &r->url);
	/* An address needs no evdns_base. */
	r->connection = evhttp_connection_base_bufferevent_new(net_base(r->net), NULL, bev, r->addresses.text[i], r->url.port);
	if (r->connection == NULL)
		fatalx("rest", "no memory");
	evhttp_connection_set_timeout_tv(r->connection, &patience);
	evhttp_connection_set_max_headers_size(r->connection, HEAD_MAX);
	evhttp_connection_set_max_body_size(r->connection, (ev_ssize_t)r->params.body_max);
	evhttp_connection_set_closecb(r->connection, closed_cb, r);
	r->is_connecting = true;
	make_request(r);
	/* Gone already: it has failed at once. */
	if (r->connection == NULL)
		return;
	bufferevent_getcb(bev, &read_cb, &write_cb, &r->connection_cb, &r->connection_arg);
	if (r->connection_cb != NULL)
		bufferevent_setcb(bev, read_cb, write_cb, connecting_cb, r);
}

/* Of the addresses those that may be connected to; `why` is about the last that may not. */
static void
take_addresses(struct rest *r, const struct net_addresses *addresses, char why[NET_WHY_MAX])
{
	const char	*address;

	r->addresses.count = 0;
	r->next_address = 0;
	for (size_t i = 0; i < addresses->count; i++) {
		address = addresses->text[i];
		if (r->params.address_ok == NULL || r->params.address_ok(address, why, NET_WHY_MAX))
			memcpy(r->addresses.text[r->addresses.count++], address, NET_ADDRESS_MAX);
	}
}

static void
lookup_cb(const struct net_addresses *addresses, const char *why, void *arg)
{
	struct rest	*r = arg;
	char		 refused[NET_WHY_MAX] = "";

	r->lookup = NULL;
	if (addresses == NULL) {
		fail(r, why);
		return;
	}
	take_addresses(r, addresses, refused);
	if (r->addresses.count == 0) {
		fail(r, refused);
		return;
	}
	try_next_address(r);
}

static void
deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	struct rest	*r = arg;
	char		 why[NET_WHY_MAX];

	(void)fd, (void)what;
	if (r->is_connecting && r->next_address < r->addresses.count) {
		try_next_address(r);
		return;
	}
	snprintf(why, sizeof(why), "%s: timeout after %g s",
	    r->lookup != NULL ? "dns" : r->is_connecting ? "connect" : "answer", r->params.timeout_ms / 1000.0);
	fail(r, why);
}

/* Bytes behind the last answer: evhttp would take them for the next one's. */
static bool
has_surplus(const struct rest *r)
{
	return evbuffer_get_length(bufferevent_get_input(evhttp_connection_get_bufferevent(r->connection))) > 0;
}

/* The current request, on the connection that there is or on a new one. */
static void
begin(struct rest *r)
{
	int64_t		 left_us = r->deadline_us - clock_mono_us();
	struct timeval	 left = { .tv_sec = left_us > 0 ? left_us / 1000000 : 0, .tv_usec = left_us > 0 ? left_us % 1000000 : 0 };

	event_add(r->deadline, &left);
	if (r->connection != NULL && !r->is_dead && !has_surplus(r)) {
		make_request(r);
		return;
	}
	drop_connection(r);
	*r->error = '\0';
	r->lookup = net_lookup(r->net, r->url.host, lookup_cb, r);
}

/* Queue */

static void
schedule(struct rest *r)
{
	int64_t		 delay_us = pace_delay_us(&r->pace, clock_mono_us());
	struct timeval	 delay = { .tv_sec = delay_us / 1000000, .tv_usec = delay_us % 1000000 };

	if (r->current == NULL && r->first != NULL)
		event_add(r->start, &delay);
}

static void
start_cb(evutil_socket_t fd, short what, void *arg)
{
	struct rest	*r = arg;
	int64_t		 now_us = clock_mono_us();

	(void)fd, (void)what;
	if (r->current != NULL || r->first == NULL)
		return;
	if (pace_delay_us(&r->pace, now_us) > 0) {
		schedule(r);
		return;
	}
	r->current = r->first;
	if ((r->first = r->current->next) == NULL)
		r->last = &r->first;
	r->waiting--;
	r->requests++;
	pace_started(&r->pace, now_us);
	r->deadline_us = now_us + r->params.timeout_ms * INT64_C(1000);
	begin(r);
}

static void
destroy(struct rest *r)
{
	struct request	*q;

	drop_connection(r);
	if (r->answer != NULL)
		evhttp_request_free(r->answer);
	request_free(r->current);
	while ((q = r->first) != NULL) {
		r->first = q->next;
		request_free(q);
	}
	event_free(r->start);
	event_free(r->finish);
	event_free(r->deadline);
	free((char *)r->params.name);
	free((char *)r->params.weight_header);
	free(r->origin);
	free(r->user_agent);
	free(r);
}

/* What the server said about the pace. */
static void
heed(struct rest *r, const struct rest_answer *a)
{
	const char	*weight = r->params.weight_header == NULL ? NULL : rest_header(a, r->params.weight_header);
	int64_t		 wait_ms = r->params.unpaced ? 0 : pace_answered(&r->pace, a->status, rest_header(a, "Retry-After"), weight, clock_mono_us(),
			    clock_wall_us());

	if (wait_ms == 0)
		return;
	r->waits++;
	log_warnx("rest", "the server wants us to wait name=%s host=%s status=%d wait_ms=%" PRId64 " weight=%s path=%.200s",
	    r->params.name, r->url.host, a->status, wait_ms, weight == NULL ? "-" : weight, r->current->path);
}

static bool
is_good(const struct rest *r, int status)
{
	return status == 200 || (r->current->is_post && status / 100 == 2);
}

/* What evhttp has kept of the answer, until the request is freed. */
static void
fill_answer(struct rest *r, struct rest_answer *a)
{
	struct evbuffer	*body = evhttp_request_get_input_buffer(r->answer);

	a->status = evhttp_request_get_response_code(r->answer);
	a->headers = evhttp_request_get_input_headers(r->answer);
	a->len = evbuffer_get_length(body);
	if (evbuffer_add(body, "", 1) == -1 || (a->body = (const char *)evbuffer_pullup(body, -1)) == NULL)
		fatalx("rest", "no memory");
	if (!is_good(r, a->status))
		snprintf(r->error, sizeof(r->error), "HTTP status %d: %.200s", a->status, a->body);
}

static void
finish_cb(evutil_socket_t fd, short what, void *arg)
{
	struct rest		*r = arg;
	struct rest_answer	 a = { .body = "" };
	struct evhttp_request	*answer = r->answer;
	struct request		*q = r->current;
	char			 why[NET_WHY_MAX];

	(void)fd, (void)what;
	/* The server may close a kept connection just when we ask; it can be said again. */
	if (answer == NULL && r->is_lost && r->is_reused) {
		drop_connection(r);
		begin(r);
		return;
	}
	if (answer == NULL)
		drop_connection(r);
	else {
		r->is_reused = true;
		fill_answer(r, &a);
		heed(r, &a);
	}
	if (!is_good(r, a.status)) {
		r->errors++;
		memcpy(r->last_error, r->error, sizeof(r->last_error));
		memcpy(why, r->error, sizeof(why));
		a.why = why;
	}
	r->current = NULL;
	r->answer = NULL;
	r->busy++;
	q->cb(&a, q->arg);
	r->busy--;
	request_free(q);
	if (answer != NULL)
		evhttp_request_free(answer);
	if (r->freed && r->busy == 0)
		destroy(r);
	else
		schedule(r);
}

/* What the owner calls */

struct rest *
rest_new(struct net *net, const struct rest_params *params)
{
	struct rest		*r = xcalloc(1, sizeof(*r));
	struct rest_params	*p = &r->params;
	char			 why[NET_WHY_MAX];

	r->net = net;
	*p = *params;
	p->name = xstrdup(p->name);
	p->weight_header = p->weight_header == NULL ? NULL : xstrdup(p->weight_header);
	r->origin = xstrdup(p->origin);
	r->user_agent = xstrdup(p->user_agent != NULL ? p->user_agent : "tocsin/" TOCSIN_VERSION);
	p->timeout_ms = p->timeout_ms != 0 ? p->timeout_ms : TIMEOUT_MS;
	p->body_max = p->body_max != 0 ? p->body_max : BODY_MAX;
	p->queue_max = p->queue_max != 0 ? p->queue_max : QUEUE_MAX;
	r->pace = (struct pace){
		.gap_ms = p->gap_ms, .weight_max = p->weight_max,
		.wait_base_ms = p->wait_base_ms != 0 ? p->wait_base_ms : WAIT_BASE_MS,
		.wait_max_ms = p->wait_max_ms != 0 ? p->wait_max_ms : WAIT_MAX_MS,
	};
	if (!net_url_parse(&r->url, p->plain ? "http" : "https", r->origin, why, sizeof(why)))
		fatalx("rest", "bad origin url=\"%.200s\" why=\"%s\"", r->origin, why);
	r->last = &r->first;
	r->start = evtimer_new(net_base(net), start_cb, r);
	r->finish = evtimer_new(net_base(net), finish_cb, r);
	r->deadline = evtimer_new(net_base(net), deadline_cb, r);
	if (r->start == NULL || r->finish == NULL || r->deadline == NULL)
		fatalx("rest", "no memory");
	return r;
}

void
rest_free(struct rest *r)
{
	if (r == NULL)
		return;
	r->freed = true;
	if (r->busy == 0)
		destroy(r);
}

static struct request *
request_new(const struct rest *r, const char *path, rest_cb cb, void *arg)
{
	struct request	*q;

	if (r->waiting >= r->params.queue_max || *path != '/' || strpbrk(path, " \r\n") != NULL)
		return NULL;
	q = xcalloc(1, sizeof(*q));
	q->path = xstrdup(path);
	q->cb = cb;
	q->arg = arg;
	TAILQ_INIT(&q->fields);
	return q;
}

static int
enqueue(struct rest *r, struct request *q)
{
	*r->last = q;
	r->last = &q->next;
	r->waiting++;
	schedule(r);
	return 0;
}

int
rest_get(struct rest *r, const char *path, rest_cb cb, void *arg)
{
	struct request	*q = request_new(r, path, cb, arg);

	return q == NULL ? -1 : enqueue(r, q);
}

int
rest_post(struct rest *r, const struct rest_post *post, rest_cb cb, void *arg)
{
	struct request	*q = request_new(r, post->path, cb, arg);

	if (q == NULL)
		return -1;
	q->is_post = true;
	q->body = xcalloc(1, post->len + 1);
	memcpy(q->body, post->body, post->len);
	q->len = post->len;
	for (size_t i = 0; i < post->field_count; i++)
		/* It refuses what holds a line's end. */
		if (evhttp_add_header(&q->fields, post->fields[i].name, post->fields[i].value) == -1) {
			request_free(q);
			return -1;
		}
	return enqueue(r, q);
}

void
rest_cancel(struct rest *r, const void *arg)
{
	struct request	*q, **at = &r->first;

	while ((q = *at) != NULL) {
		if (q->arg != arg) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		request_free(q);
		r->waiting--;
	}
	r->last = at;
	if (r->current == NULL || r->current->arg != arg)
		return;
	event_del(r->finish);
	event_del(r->deadline);
	/* An answer that has come leaves the connection as it was; one under way would come in between. */
	if (r->answer != NULL) {
		evhttp_request_free(r->answer);
		r->is_reused = true;
	} else
		drop_connection(r);
	r->answer = NULL;
	request_free(r->current);
	r->current = NULL;
	schedule(r);
}

const char *
rest_header(const struct rest_answer *answer, const char *name)
{
	return answer->headers == NULL ? NULL : evhttp_find_header(answer->headers, name);
}

size_t
rest_pending(const struct rest *r)
{
	return r->waiting + (r->current != NULL);
}

int64_t
rest_wait_ms(const struct rest *r)
{
	int64_t	 left_us = r->pace.wait_until_us - clock_mono_us();

	return left_us > 0 ? (left_us + 999) / 1000 : 0;
}

void
rest_status_json(const struct rest *r, struct jsonw *w, const char *key)
{
	jsonw_object(w, key);
	jsonw_int(w, "requests", (int64_t)r->requests);
	jsonw_int(w, "errors", (int64_t)r->errors);
	jsonw_int(w, "waits", (int64_t)r->waits);
	jsonw_int(w, "queued", (int64_t)rest_pending(r));
	jsonw_int(w, "waiting_s", (rest_wait_ms(r) + 999) / 1000);
	jsonw_str(w, "error", r->last_error);
	jsonw_end_object(w);
}
