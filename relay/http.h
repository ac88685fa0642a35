/*
 * http: the web server: requests in, answers out, errors as JSON
 * {"error":…,"hint":…}.  Only what is no request for evhttp (malformed, too
 * large, an unknown method: 400, 413, 501) it answers itself, as HTML, before
 * we see it.  What a path means is the routes' business.
 */
#ifndef TOCSIN_RELAY_HTTP_H
#define TOCSIN_RELAY_HTTP_H
#include <stddef.h>
#include <stdint.h>

struct conf_list;
struct event_base;
struct evhttp_request;
struct evkeyvalq;
struct http;

#define HTTP_JSON	"application/json"

struct http_route {
	const char	*path;	/* NULL ends the table; the last route's handler gets what no path matched */
	void		(*handle)(struct evhttp_request *req, void *arg);
};

struct http_params {		/* pointers are borrowed */
	const struct http_route	*routes;
	const struct conf_list	*names;			/* of ours, see host.h */
	uint64_t		*requests;		/* counts those that reach a route */
	size_t			 max_connections;	/* about; those beyond wait to be accepted */
};

/*
 * Serve on the listening sockets (owned from here on).  Handlers get GET and
 * HEAD only, and nothing that another web site has a browser ask.
 */
struct http	*http_new(struct event_base *base, const int *fds, size_t count, const struct http_params *params, void *arg);
void		 http_free(struct http *h);		/* NULL is fine */
void		 http_stop_accepting(struct http *h);

/* Answer; `data` is copied.  A HEAD request gets the head only. */
void		 http_reply(struct evhttp_request *req, int code, const char *type, const void *data, size_t len);

/* Answer with an error; `hint` may be NULL. */
void		 http_error(struct evhttp_request *req, int code, const char *error, const char *hint);

/* Add a header to the answer. */
void		 http_header(struct evhttp_request *req, const char *name, const char *value);

/* A header of the request; NULL when it has none. */
const char	*http_request_header(struct evhttp_request *req, const char *name);
const char	*http_path(struct evhttp_request *req);

/*
 * The request's query, decoded: 0, then evhttp_clear_headers() it; -1 when it
 * cannot be read, and the error has been sent.
 */
int		 http_query(struct evhttp_request *req, struct evkeyvalq *out);
#endif
