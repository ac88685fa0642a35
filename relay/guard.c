#include "relay/guard.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/log.h"
#include "relay/access.h"
#include "relay/auth.h"
#include "relay/connection.h"
#include "relay/request.h"

static const char *
of_header(const struct request *r)
{
	static const char	 scheme[] = "Bearer ";
	const char		*value = request_header(r, "Authorization");

	if (value != NULL && strncasecmp(value, scheme, sizeof(scheme) - 1) == 0) {
		value += sizeof(scheme) - 1;
		return value + strspn(value, " ");
	}
	value = request_header(r, "apikey");
	return value != NULL ? value : request_header(r, "x-api-key");
}

/* The secret, owned; NULL: none. */
static char *
secret_of(const struct request *r)
{
	const char		*text = of_header(r);
	struct evkeyvalq	 query;
	char			*secret = NULL;

	if (text != NULL)
		return xstrdup(text);
	if (r->message.query == NULL || (strstr(r->message.query, "apikey=") == NULL && strstr(r->message.query, "token=") == NULL))
		return NULL;
	TAILQ_INIT(&query);
	if (evhttp_parse_query_str(r->message.query, &query) == 0 && ((text = evhttp_find_header(&query, "apikey")) != NULL ||
	    (text = evhttp_find_header(&query, "token")) != NULL))
		secret = xstrdup(text);
	evhttp_clear_headers(&query);
	return secret;
}

static void
refuse(struct request *r, const char *code, const char *why)
{
	char	 error[160];

	snprintf(error, sizeof(error), "%s: %s", code, why);
	log_debug("http", "refused peer=%s why=\"%s\"", request_peer(r), error);
	request_set_header(r, "WWW-Authenticate", "Bearer");
	request_error(r, 401, error, "send Authorization: Bearer TOKEN, or a header or query parameter apikey; see [token NAME] in tocsin.conf(5)");
}

bool
guard_passes(const struct auth *auth, struct request *r, unsigned scope)
{
	char		*secret = secret_of(r);
	const char	*code = "Unauthorized", *why = "a token is needed";

	r->access = auth_check(auth, secret, clock_wall_us(), &code, &why);
	free(secret);
	if (r->access == NULL) {
		if (scope != 0) {
			refuse(r, code, why);
			return false;
		}
		r->access = access_new("nobody", 0, NULL, 0, 0);
	}
	if (access_may(r->access, scope))
		return true;
	request_error(r, 403, "the token's scopes do not allow this", scope == ACCESS_ACK ? "it takes the scope ack" :
	    scope == ACCESS_ADMIN ? "it takes the scope admin" : "it takes the scope read");
	return false;
}

/* SCHEME://HOST[:PORT] of our own page, as the request names us. */
static bool
is_own(const struct request *r, const char *origin)
{
	const char	*authority = strstr(origin, "://"), *host = r->message.host;

	return authority != NULL && host != NULL && strcasecmp(authority + 3, host) == 0;
}

bool
guard_is_no_forgery(struct request *r)
{
	const char	*origin = request_header(r, "Origin"), *site = request_header(r, "Sec-Fetch-Site");

	if (request_method(r) != REQUEST_POST || of_header(r) != NULL)	/* what a header says, no browser adds by itself */
		return true;
	if ((origin == NULL || is_own(r, origin)) && (site == NULL || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0))
		return true;
	request_error(r, 403, "another web site's page may not do this", "do it from this server's own page");
	return false;
}
