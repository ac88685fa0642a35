/*
 * server: the web server: connections in, requests to their routes, errors as
 * JSON {"error":…,"hint":…}.  What could be understood in two ways (two
 * lengths, a length and chunks, a bare line feed in a head, …) is refused, see
 * parser.h.  What a request passes before its route: gate.h.
 */
#ifndef TOCSIN_RELAY_SERVER_H
#define TOCSIN_RELAY_SERVER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct auth;
struct conf_list;
struct event_base;
struct request;
struct server;
struct stats;
struct tls;

struct server_route {
	const char	*path;		/* exact, or (ending with /) a beginning; NULL ends the table: what no path matched */
	unsigned	 methods;	/* enum request_method, or-ed; HEAD comes with GET (unless it upgrades), OPTIONS is answered by the server */
	unsigned	 scope;		/* access.h; 0: for everybody */
	bool		 upgrades;	/* a WebSocket: refusals that its client should see are the handler's own, so `scope` is 0 */
	void		(*handle)(struct request *req, void *arg);
};

struct server_params {			/* pointers are borrowed */
	const struct server_route	*routes;
	const struct conf_list		*names;		/* of ours, see host.h */
	const struct conf_list		*origins;	/* cors_origins: SCHEME://HOST[:PORT], or * */
	const struct auth		*auth;
	struct tls			*tls;		/* NULL: plain */
	struct stats			*stats;
	size_t				 max_connections;	/* beyond, those that take longest make room, or the new ones wait */
	size_t				 max_per_address;	/* more from one address are closed (loopback is not counted) */
	int64_t				 request_ms;		/* from a request's first byte (or accept) to its last */
	int64_t				 idle_ms;		/* between two requests, and for the client to take an answer */
};

/* Serve on the listening sockets (owned from here on). */
struct server	*server_new(struct event_base *base, const int *fds, size_t count, const struct server_params *params, void *arg);
void		 server_free(struct server *s);		/* NULL is fine */
void		 server_stop_accepting(struct server *s);

/* After SIGHUP: others from now on; connections that are open stay. */
void		 server_set_auth(struct server *s, const struct auth *auth);
#endif
