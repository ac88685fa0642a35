#include "relay/http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/log.h"
#include "relay/host.h"

#define HEADERS_MAX_BYTES	16384
#define BODY_MAX_BYTES		65536
#define IDLE_S			30
#define ACCEPT_PAUSE_S		1
#define OTHER_FDS		64	/* beside the connections: sockets, sessions, log, the loop's own */
#define FORBIDDEN		403
#define MISDIRECTED		421
#define CSP			"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
				"img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
#define ALL_METHODS		(EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | \
				EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH)

struct http {
	struct evhttp			*server;
	struct evconnlistener		**listeners;	/* owned by the server */
	size_t				 count;
	struct http_params		 params;
	int				 fd_max;	/* a connection with a higher one is too much */
	void				*arg;
};

void
http_header(struct evhttp_request *req, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(req), name, value);
}

const char *
http_request_header(struct evhttp_request *req, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(req), name);
}

const char *
http_path(struct evhttp_request *req)
{
	const char	*path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));

	return path == NULL || *path == '\0' ? "/" : path;
}

void
http_reply(struct evhttp_request *req, int code, const char *type, const void *data, size_t len)
{
	struct evbuffer	*body = evbuffer_new();
	char		 length[24];

	if (body == NULL)
		fatalx("http", "out of memory");
	if (type != NULL)
		http_header(req, "Content-Type", type);
	http_header(req, "X-Content-Type-Options", "nosniff");
	http_header(req, "Content-Security-Policy", CSP);
	if (evhttp_find_header(evhttp_request_get_output_headers(req), "Cache-Control") == NULL)
		http_header(req, "Cache-Control", "no-store");
	if (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD) {
		snprintf(length, sizeof(length), "%zu", len);
		http_header(req, "Content-Length", length);
	} else if (evbuffer_add(body, data, len) == -1)
		fatalx("http", "out of memory");
	evhttp_send_reply(req, code, NULL, body);
	evbuffer_free(body);
}

void
http_error(struct evhttp_request *req, int code, const char *error, const char *hint)
{
	struct jsonw	 w;

	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "error", error);
	if (hint != NULL)
		jsonw_str(&w, "hint", hint);
	jsonw_end_object(&w);
	http_reply(req, code, HTTP_JSON, w.buf, w.len);
	jsonw_release(&w);
}

int
http_query(struct evhttp_request *req, struct evkeyvalq *out)
{
	const char	*query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req));

	TAILQ_INIT(out);
	if (query == NULL || *query == '\0')
		return 0;
	if (evhttp_parse_query_str(query, out) == 0)
		return 0;
	evhttp_clear_headers(out);
	http_error(req, HTTP_BADREQUEST, "the query cannot be read", "NAME=VALUE, joined by &, percent-encoded");
	return -1;
}

/*
 * What a browser asks on behalf of another web site is not answered.  True when
 * the request was refused.
 */
static bool
refuse_foreign(const struct http *h, struct evhttp_request *req, const char *path)
{
	const char	*site = http_request_header(req, "Sec-Fetch-Site");

	if (!host_is_ours(evhttp_request_get_host(req), h->params.names->items, h->params.names->count)) {
		http_error(req, MISDIRECTED, "this server does not go by that name",
		    "ask by address, or put the name into public_hosts in [relay]");
		return true;
	}
	if (site != NULL && strcmp(site, "cross-site") == 0 && strncmp(path, "/v1/", 4) == 0) {
		http_error(req, FORBIDDEN, "another web site's page may not ask this", "open it from this server's own page");
		return true;
	}
	return false;
}

static void
request_cb(struct evhttp_request *req, void *arg)
{
	struct http		*h = arg;
	const struct http_route	*route;
	const char		*path = http_path(req);

	if (refuse_foreign(h, req, path))
		return;
	if (evhttp_request_get_command(req) != EVHTTP_REQ_GET && evhttp_request_get_command(req) != EVHTTP_REQ_HEAD) {
		http_header(req, "Allow", "GET, HEAD");
		http_error(req, HTTP_BADMETHOD, "this method is not allowed here", "GET or HEAD");
		return;
	}
	for (route = h->params.routes; route->path != NULL && strcmp(route->path, path) != 0; route++)
		;
	++*h->params.requests;
	route->handle(req, h->arg);
}

static void
accept_again_cb(evutil_socket_t fd, short what, void *listener)
{
	(void)fd, (void)what;
	evconnlistener_enable(listener);
}

static void
pause_accepting(struct evconnlistener *listener)
{
	struct timeval	 pause = { .tv_sec = ACCEPT_PAUSE_S };

	evconnlistener_disable(listener);
	event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, accept_again_cb, listener, &pause);
}

/*
 * No descriptor left for a connection: let it wait in the backlog instead of
 * spinning on it.  (The argument is evhttp's own, so this knows the listener only.)
 */
static void
accept_error_cb(struct evconnlistener *listener, void *arg)
{
	(void)arg;
	log_warn("http", "cannot accept, pausing pause_s=%d", ACCEPT_PAUSE_S);
	pause_accepting(listener);
}

/*
 * A connection was accepted.  evhttp counts none and tells no end of them, but
 * descriptors are given out from the lowest on, so the next one says how many
 * there are at least.
 */
static struct bufferevent *
accepted_cb(struct event_base *base, void *arg)
{
	struct http	*h = arg;
	int		 fd = dup(evconnlistener_get_fd(h->listeners[0]));

	/* When there is none left, the next accept fails and pauses. */
	if (fd > h->fd_max) {
		log_warnx("http", "too many connections, pausing max=%zu pause_s=%d", h->params.max_connections, ACCEPT_PAUSE_S);
		for (size_t i = 0; i < h->count; i++)
			pause_accepting(h->listeners[i]);
	}
	fd_close(&fd);
	return bufferevent_socket_new(base, -1, 0);	/* as evhttp would; it sets the descriptor */
}

/* The highest descriptor for a connection; some always stay free for the sessions with the database and the log. */
static int
highest_fd(size_t max_connections)
{
	struct rlimit	 limit;
	rlim_t		 wanted = max_connections + OTHER_FDS;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted + OTHER_FDS)
		wanted = limit.rlim_cur > 2 * OTHER_FDS ? limit.rlim_cur - OTHER_FDS : OTHER_FDS;
	return (int)wanted;
}

static void
add_socket(struct http *h, struct event_base *base, int fd)
{
	struct evconnlistener	*listener;

	/* The socket listens already, hence the 0. */
	listener = evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (listener == NULL || evhttp_bind_listener(h->server, listener) == NULL)
		fatalx("http", "cannot serve on a socket");
	evconnlistener_set_error_cb(listener, accept_error_cb);
	h->listeners[h->count++] = listener;
}

struct http *
http_new(struct event_base *base, const int *fds, size_t count, const struct http_params *params, void *arg)
{
	struct http	*h = xcalloc(1, sizeof(*h));

	h->params = *params;
	h->fd_max = highest_fd(params->max_connections);
	h->arg = arg;
	h->listeners = xcalloc(count, sizeof(struct evconnlistener *));
	if ((h->server = evhttp_new(base)) == NULL)
		fatalx("http", "cannot make a server");
	evhttp_set_max_headers_size(h->server, HEADERS_MAX_BYTES);
	evhttp_set_max_body_size(h->server, BODY_MAX_BYTES);
	evhttp_set_timeout(h->server, IDLE_S);
	evhttp_set_allowed_methods(h->server, ALL_METHODS);
	evhttp_set_gencb(h->server, request_cb, h);
	evhttp_set_bevcb(h->server, accepted_cb, h);
	for (size_t i = 0; i < count; i++)
		add_socket(h, base, fds[i]);
	return h;
}

void
http_stop_accepting(struct http *h)
{
	for (size_t i = 0; i < h->count; i++)
		evconnlistener_disable(h->listeners[i]);
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	evhttp_free(h->server);
	free(h->listeners);
	free(h);
}
