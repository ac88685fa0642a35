/*
 * rest: requests (GET and POST) to one origin, HTTPS unless it is told to be
 * plain, one after the other, politely: a queue with a gap between two starts,
 * that waits when the server says so.  Redirects are answers like any other.
 * Connections are kept and reused; one that the server has closed meanwhile is
 * replaced without anybody noticing.
 *
 * After an answer 429, 418 or 503 nothing is asked for as long as Retry-After
 * says, three days at most (without one, or when it says now: 5 s, doubled with
 * each such answer in a row, 10 minutes at most).  The answer itself goes to its
 * caller, who may ask again at once: the request waits in the queue.
 *
 * A request whose connection went away before its answer, on a connection that
 * was used before, is sent once more by itself: a POST too, so give it something
 * by which its receiver knows it again.
 */
#ifndef TOCSIN_COMMON_REST_H
#define TOCSIN_COMMON_REST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jsonw;
struct net;
struct rest;

struct rest_params {
	const char	*name;		/* in its log lines: the feed's */
	const char	*origin;	/* https://HOST[:PORT]; must have passed net_https_ok() */
	bool		 plain;		/* the origin is http://HOST[:PORT] instead: no TLS */
	const char	*user_agent;	/* NULL: "tocsin/VERSION" */
	unsigned	 gap_ms;	/* at least so long between the starts of two requests */
	unsigned	 timeout_ms;	/* of a request: name, connection, TLS, whole answer; 0: 10 s */
	size_t		 body_max;	/* bytes of an answer; 0: 4 MB */
	size_t		 queue_max;	/* requests waiting; 0: 1000 */
	unsigned	 wait_base_ms;	/* the wait when Retry-After is missing; 0: 5 s */
	unsigned	 wait_max_ms;	/* the longest of these; 0: 10 min */
	/*
	 * An answer with this header (NULL: none) above `weight_max` makes the
	 * queue wait for the next full minute of the wall clock.
	 */
	const char	*weight_header;
	int64_t		 weight_max;
	bool		 unpaced;	/* the caller heeds 429, 503 and Retry-After himself */
	/*
	 * Which of the host's addresses may be connected to (NULL: all), judged
	 * each time they were looked up.  False with a line of `why`.
	 */
	bool		(*address_ok)(const char *address, char *why, size_t why_size);
};

struct rest_field {
	const char	*name, *value;
};

struct rest_post {			/* all copied */
	const char		*path;	/* as of rest_get() */
	const struct rest_field	*fields;	/* more lines of the head; neither may hold a line's end */
	size_t			 field_count;
	const char		*body;
	size_t			 len;
};

struct rest_answer {
	int		 status;	/* HTTP; 0: no (whole) answer, see `why` */
	const char	*body;		/* a NUL behind it; "" without an answer; borrowed */
	size_t		 len;
	/*
	 * NULL when the status is 200 (to a POST: 200 to 299); else a line of what went wrong: "HTTP
	 * status 404: …", "timeout after 10 s", "dns: …", "connect: …",
	 * "TLS: …", "the answer is bigger than 4194304 bytes",
	 * "connection closed before the answer's end".
	 */
	const char	*why;
	const void	*headers;	/* for rest_header() */
};

/* Called once a request, from the loop, in order; may call everything here, rest_free() too. */
typedef void (*rest_cb)(const struct rest_answer *answer, void *arg);

/* Nothing is connected yet.  Params are copied; `net` must outlive it.  Never NULL. */
struct rest	*rest_new(struct net *net, const struct rest_params *params);
void		 rest_free(struct rest *r);	/* no callbacks any more; NULL is fine */

/*
 * Queue a request; `path` begins with / and carries the query, all of it
 * encoded already (copied).  0, or -1 when the queue is full or the path is
 * none: no callback then.
 */
int		 rest_get(struct rest *r, const char *path, rest_cb cb, void *arg);

/* The same for a POST. */
int		 rest_post(struct rest *r, const struct rest_post *post, rest_cb cb, void *arg);

/* Drop all requests with this `arg`, also the one under way; no callbacks for them. */
void		 rest_cancel(struct rest *r, const void *arg);

/* A header of the answer (borrowed, valid as long as that), NULL when it has none.  Case does not matter. */
const char	*rest_header(const struct rest_answer *answer, const char *name);

size_t		 rest_pending(const struct rest *r);	/* requests that have no answer yet */
int64_t		 rest_wait_ms(const struct rest *r);	/* how long the queue still waits at the server's wish; 0: not */

/* {"requests":…,"errors":…,"waits":…,"queued":…,"waiting_s":…,"error":…} under `key`. */
void		 rest_status_json(const struct rest *r, struct jsonw *w, const char *key);
#endif
