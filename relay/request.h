/*
 * request: one HTTP request, read whole (head and body), and its answer.
 *
 * A handler answers a request exactly once, at once or later from the loop
 * (request_reply(), request_error()), or takes its connection over (wire_take()).
 * When the client goes away first the request stays valid, and the answer is
 * thrown away: request_is_gone() tells whoever wants to spare the work.  After
 * the answer it is not to be touched.
 */
#ifndef TOCSIN_RELAY_REQUEST_H
#define TOCSIN_RELAY_REQUEST_H
#include <stdbool.h>
#include <stddef.h>

struct access;
struct evkeyvalq;
struct request;

#define REQUEST_JSON	"application/json"

enum request_method { REQUEST_GET = 1, REQUEST_HEAD = 2, REQUEST_POST = 4, REQUEST_OPTIONS = 8 };

enum request_method request_method(const struct request *r);
const char	*request_path(const struct request *r);		/* as sent, without the query; begins with / */
const char	*request_peer(const struct request *r);		/* ADDRESS:PORT, for the log; until the next call */

/* What follows the route's path when that ends with / ("42/ack" below /v1/signals/); else "". */
const char	*request_rest(const struct request *r);

/* A header's value, by any case; NULL when it has none.  Borrowed. */
const char	*request_header(const struct request *r, const char *name);

/* The body; a NUL stands behind it, and `*len` (may be NULL) does not count it. */
const char	*request_body(const struct request *r, size_t *len);

/*
 * The query, decoded, without the secret (apikey, token) in it: true, then
 * evhttp_clear_headers() it.  False when it cannot be read, and the error has
 * been sent.
 */
bool		 request_query(struct request *r, struct evkeyvalq *out);

/* Who asks, and what he may; never NULL in a handler. */
struct access	*request_access(const struct request *r);

/* Why the secret that came with it lets nobody in, `CODE: text` as auth_check() has them; NULL: it does.  Borrowed. */
const char	*request_refusal(const struct request *r);

bool		 request_is_gone(const struct request *r);

/* Add a header to the answer; copied. */
void		 request_set_header(struct request *r, const char *name, const char *value);

/*
 * The headers added so far (those of CORS are there already), each ended by
 * CRLF: for one who takes the connection over and writes the head by himself.
 * Borrowed, so copy them before wire_take().
 */
const char	*request_lines(const struct request *r);

/* Answer; `data` is copied.  A HEAD request gets the head only. */
void		 request_reply(struct request *r, int status, const char *type, const void *data, size_t len);

/* Answer with {"error":…,"hint":…}; `hint` (NULL: none) says how to mend it. */
void		 request_error(struct request *r, int status, const char *error, const char *hint);
#endif
