#include "relay/origin.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/conf.h"

/* The length of HOST[:PORT] without a port that goes without saying. */
static size_t
host_length(const char *host, bool *has_port)
{
	size_t		 len = strlen(host), name = *host == '[' ? strcspn(host, "]") : 0;
	const char	*colon = strchr(host + name, ':');

	*has_port = colon != NULL && strcmp(colon, ":80") != 0 && strcmp(colon, ":443") != 0;
	return *has_port || colon == NULL ? len : (size_t)(colon - host);
}

static bool
is_same_host(const char *a, const char *b)
{
	bool	 a_port, b_port;
	size_t	 len = host_length(a, &a_port);

	return len == host_length(b, &b_port) && strncasecmp(a, b, len) == 0;
}

/* A proxy's port is its own business, so a name of ours counts with any. */
static bool
is_named(const char *host, const struct conf_list *names)
{
	size_t	 len = strcspn(host, ":");

	for (size_t i = 0; i < names->count; i++)
		if (strlen(names->items[i]) == len && strncasecmp(names->items[i], host, len) == 0)
			return true;
	return false;
}

enum origin
origin_judge(const char *origin, const char *host, const struct conf_list *names, const struct conf_list *listed)
{
	const char	*own;
	bool		 any = false;

	if (origin == NULL || *origin == '\0')
		return ORIGIN_NONE;
	own = strstr(origin, "://");
	if (own != NULL && (strncasecmp(origin, "http", 4) == 0) &&
	    ((host != NULL && is_same_host(own + 3, host)) || is_named(own + 3, names)))
		return ORIGIN_OWN;
	for (size_t i = 0; i < listed->count; i++) {
		if (strcasecmp(listed->items[i], origin) == 0)
			return ORIGIN_LISTED;
		any = any || strcmp(listed->items[i], "*") == 0;
	}
	return any ? ORIGIN_ANY : ORIGIN_FOREIGN;
}

bool
origin_ok(const char *value, char *why, size_t why_size)
{
	const char	*host = strstr(value, "://");

	if (strcmp(value, "*") == 0)
		return true;
	if (host != NULL && host > value && host[3] != '\0' && host[3 + strcspn(host + 3, "/?#@* ")] == '\0')
		return true;
	snprintf(why, why_size, "https://hub.example.org as a browser says it (scheme, name and port, no path), or *");
	return false;
}
