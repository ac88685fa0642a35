/*
 * gate: what a request passes before its route: the Host is one of ours, the
 * page that asks is one of ours or of cors_origins, the method is one of the
 * route's, and who asks has its scope.  Preflights (CORS) are answered here.
 * For the server's own files.
 */
#ifndef TOCSIN_RELAY_GATE_H
#define TOCSIN_RELAY_GATE_H
#include <stdbool.h>

struct access;
struct auth;
struct conf_list;
struct request;
struct server_route;

struct gate {			/* borrowed */
	const struct conf_list	*names, *origins;
	const struct auth	*auth;		/* NULL: everybody may do everything */
	struct access		*all, *none;	/* stand for that, and for somebody unknown */
};

/* True: go on, with the request's access set.  False: it has been answered. */
bool	 gate_passes(const struct gate *g, struct request *r, const struct server_route *route);
#endif
