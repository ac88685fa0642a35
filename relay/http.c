#include "relay/http.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/json.h"
#include "common/log.h"

#define HEADERS_MAX_BYTES	16384
#define BODY_MAX_BYTES		65536
#define IDLE_S			30
#define ACCEPT_PAUSE_S		1
#define CSP			"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
				"img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
#define ALL_METHODS		(EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | \
				EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH)

struct http {
	struct evhttp			*server;
	struct evconnlistener		**listeners;	/* owned by the server */
	size_t				 count;
	const struct http_route		*routes;
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

static void
request_cb(struct evhttp_request *req, void *arg)
{
	struct http		*h = arg;
	const struct http_route	*route;
	const char		*path = http_path(req);

	if (evhttp_request_get_command(req) != EVHTTP_REQ_GET && evhttp_request_get_command(req) != EVHTTP_REQ_HEAD) {
		http_header(req, "Allow", "GET, HEAD");
		http_error(req, HTTP_BADMETHOD, "this method is not allowed here", "GET or HEAD");
		return;
	}
	for (route = h->routes; route->path != NULL && strcmp(route->path, path) != 0; route++)
		;
	route->handle(req, h->arg);
}

static void
accept_again_cb(evutil_socket_t fd, short what, void *listener)
{
	(void)fd, (void)what;
	evconnlistener_enable(listener);
}

/*
 * No descriptor left for a connection: let it wait in the backlog instead of
 * spinning on it.  (The argument is evhttp's own, so this knows the listener only.)
 */
static void
accept_error_cb(struct evconnlistener *listener, void *arg)
{
	struct timeval	 pause = { .tv_sec = ACCEPT_PAUSE_S };

	(void)arg;
	log_warn("http", "cannot accept, pausing pause_s=%d", ACCEPT_PAUSE_S);
	evconnlistener_disable(listener);
	event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, accept_again_cb, listener, &pause);
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
http_new(struct event_base *base, const int *fds, size_t count, const struct http_route *routes, void *arg)
{
	struct http	*h = xcalloc(1, sizeof(*h));

	h->routes = routes;
	h->arg = arg;
	h->listeners = xcalloc(count, sizeof(struct evconnlistener *));
	if ((h->server = evhttp_new(base)) == NULL)
		fatalx("http", "cannot make a server");
	evhttp_set_max_headers_size(h->server, HEADERS_MAX_BYTES);
	evhttp_set_max_body_size(h->server, BODY_MAX_BYTES);
	evhttp_set_timeout(h->server, IDLE_S);
	evhttp_set_allowed_methods(h->server, ALL_METHODS);
	evhttp_set_gencb(h->server, request_cb, h);
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
