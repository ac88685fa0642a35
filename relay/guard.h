/* guard: who asks, and whether he may: the last that a request passes before its route. */
#ifndef TOCSIN_RELAY_GUARD_H
#define TOCSIN_RELAY_GUARD_H
#include <stdbool.h>

struct auth;
struct request;

/*
 * Find out whose secret the request carries (Authorization: Bearer, the headers
 * apikey or x-api-key, or in the query apikey or token, since a browser's
 * EventSource and WebSocket set no headers) and note it as request_access().
 * False when it lacks `scope` (access.h): 401 or 403 has been answered.  With
 * scope 0 all pass; one who is nobody has no scopes.
 */
bool	 guard_passes(const struct auth *auth, struct request *r, unsigned scope);

/*
 * False, and 403 answered, when the request would change something on behalf of
 * another web site's page: a visitor's browser may reach us where that site cannot.
 */
bool	 guard_is_no_forgery(struct request *r);
#endif
