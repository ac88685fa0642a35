#include "relay/gate.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "relay/access.h"
#include "relay/auth.h"
#include "relay/connection.h"
#include "relay/host.h"
#include "relay/jwt.h"
#include "relay/origin.h"
#include "relay/server.h"

#define HOST_MAX	256
#define REFUSAL_MAX	256

static bool
refuse(struct request *r, int status, const char *error, const char *hint)
{
	request_error(r, status, error, hint);
	return false;
}

/* Host */

static bool
names_us(const struct gate *g, const char *host)
{
	char	 name[HOST_MAX];
	size_t	 len;

	if (host == NULL)
		return true;
	len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	if (len >= sizeof(name) || len > strlen(host))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return host_is_ours(name, g->names->items, g->names->count);
}

/* The secret that came with it */

static bool
secret_in_query(const char *query, char *buf, size_t size)
{
	struct evkeyvalq	 list;
	struct evkeyval		*kv;
	bool			 found = false;

	TAILQ_INIT(&list);
	if (query == NULL || (strstr(query, "apikey=") == NULL && strstr(query, "token=") == NULL))
		return false;
	(void)evhttp_parse_query_str(query, &list);	/* what it holds is judged by the route */
	TAILQ_FOREACH(kv, &list, next)
		if (!found && (strcmp(kv->key, "apikey") == 0 || strcmp(kv->key, "token") == 0)) {
			snprintf(buf, size, "%s", kv->value);
			found = true;
		}
	evhttp_clear_headers(&list);
	return found;
}

/* `buf` is for one that has to be decoded. */
static const char *
secret_of(const struct request *r, char *buf, size_t size)
{
	const char	*value = request_header(r, "Authorization");

	if (value != NULL && strncasecmp(value, "Bearer ", 7) == 0)
		return value + 7 + strspn(value + 7, " ");
	if ((value = request_header(r, "apikey")) != NULL || (value = request_header(r, "x-api-key")) != NULL)
		return value;
	return secret_in_query(r->message.query, buf, size) ? buf : NULL;
}

/* Who asks.  False, with the reason, when he showed no secret that is known: then he is `none`. */
static bool
identify(const struct gate *g, struct request *r, const char **why)
{
	char		 buf[JWT_MAX], refusal[REFUSAL_MAX];
	const char	*code = NULL;

	if (g->auth == NULL)
		r->access = access_ref(g->all);
	else
		r->access = auth_check(g->auth, secret_of(r, buf, sizeof(buf)), clock_wall_us(), &code, why);
	if (r->access != NULL)
		return true;
	r->access = access_ref(g->none);
	snprintf(refusal, sizeof(refusal), "%s: %s", code, *why);
	r->refusal = xstrdup(refusal);
	return false;
}

static bool
is_open(const struct gate *g)
{
	return g->auth == NULL || auth_is_open(g->auth);
}

/* The page that asks */

static void
allow_origin(const struct gate *g, struct request *r, enum origin o)
{
	if (g->origins->count == 0)
		return;
	/* A cache must not give one site's answer to another. */
	request_set_header(r, "Vary", "Origin");
	if (o == ORIGIN_LISTED || o == ORIGIN_ANY) {
		request_set_header(r, "Access-Control-Allow-Origin", o == ORIGIN_ANY ? "*" : r->message.origin);
		request_set_header(r, "Access-Control-Expose-Headers", "Retry-After");
	}
}

/* A neighbour of the same site may read, as by its own hand; to change something it would have to be ours. */
static bool
is_elsewhere(const char *site, unsigned method)
{
	return site != NULL && (strcmp(site, "cross-site") == 0 || (strcmp(site, "same-site") == 0 && method == REQUEST_POST));
}

/*
 * A WebSocket knows no CORS: any page may open one, and reads what comes.  One
 * that shows a secret did not get it from the browser (there are no cookies
 * here), so it is no page's trick.
 */
static bool
judge_origin(const struct gate *g, struct request *r, const struct server_route *route, bool known)
{
	const char	*site = request_header(r, "Sec-Fetch-Site");
	enum origin	 o = origin_judge(r->message.origin, r->message.host, g->names, g->origins);

	allow_origin(g, r, o);
	if (route->scope == 0 && !route->upgrades)
		return true;
	if (o == ORIGIN_FOREIGN && route->upgrades && known && !is_open(g))
		return true;
	if (o == ORIGIN_FOREIGN || (o == ORIGIN_NONE && is_elsewhere(site, r->message.method)))
		return refuse(r, 403, "another web site's page may not ask this",
		    "open it from this server's own page, or put the site into cors_origins in [relay]");
	/* Whoever may read may not therefore act: without tokens nobody shows that he is meant to. */
	if (o == ORIGIN_ANY && r->message.method == REQUEST_POST && is_open(g))
		return refuse(r, 403, "any web site's page may read this, but not change it",
		    "name the site in cors_origins in [relay], or configure tokens");
	return true;
}

/* The method */

static void
list_methods(const struct server_route *route, char *buf, size_t size)
{
	snprintf(buf, size, "%s%sOPTIONS", (route->methods & REQUEST_GET) == 0 ? "" : route->upgrades ? "GET, " : "GET, HEAD, ",
	    route->methods & REQUEST_POST ? "POST, " : "");
}

static void
answer_options(struct request *r, const struct server_route *route)
{
	char	 methods[64];

	list_methods(route, methods, sizeof(methods));
	request_set_header(r, "Allow", methods);
	if (r->message.origin != NULL && request_header(r, "Access-Control-Request-Method") != NULL) {
		request_set_header(r, "Access-Control-Allow-Methods", methods);
		request_set_header(r, "Access-Control-Allow-Headers",
		    "Authorization, apikey, x-api-key, Content-Type, Last-Event-ID, x-client-info");
		request_set_header(r, "Access-Control-Max-Age", "600");
	}
	request_reply(r, 204, NULL, "", 0);
}

static bool
judge_method(struct request *r, const struct server_route *route)
{
	unsigned	 method = r->message.method;
	char		 methods[64];

	if (method == REQUEST_OPTIONS) {
		answer_options(r, route);
		return false;
	}
	/* A handshake is a GET (RFC 6455, 4.2.1). */
	if (method == REQUEST_HEAD && !route->upgrades)
		method = REQUEST_GET;
	if (method != 0 && (route->methods & method) != 0)
		return true;
	list_methods(route, methods, sizeof(methods));
	request_set_header(r, "Allow", methods);
	return refuse(r, 405, "this method is not allowed here", methods);
}

bool
gate_passes(const struct gate *g, struct request *r, const struct server_route *route)
{
	const char	*why = NULL;
	bool		 known;

	if (!names_us(g, r->message.host))
		return refuse(r, 421, "this server does not go by that name",
		    "ask by address, or put the name into public_hosts in [relay]");
	known = identify(g, r, &why);
	if (!judge_origin(g, r, route, known) || !judge_method(r, route))
		return false;
	if (route->scope == 0 || access_may(r->access, route->scope))
		return true;
	if (known)
		return refuse(r, 403, "this token does not reach so far", "scopes of its [token] in the configuration");
	request_set_header(r, "WWW-Authenticate", "Bearer realm=\"tocsin\"");
	return refuse(r, 401, why, "Authorization: Bearer TOKEN, or apikey=TOKEN in the query");
}
