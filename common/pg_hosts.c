#include "common/pg_hosts.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

static const char *
option(const PQconninfoOption *options, const char *keyword)
{
	for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o->val != NULL && *o->val != '\0' ? o->val : NULL;
	return NULL;
}

static size_t
items_of(const char *list)
{
	size_t	 count = 1;

	if (list == NULL)
		return 0;
	for (; (list = strchr(list, ',')) != NULL; list++)
		count++;
	return count;
}

/* Item `i` of a comma list, owned; the last one for all beyond it; NULL when it is empty. */
static char *
item_at(const char *list, size_t i)
{
	size_t	 len;
	char	*item;

	if (list == NULL)
		return NULL;
	for (const char *comma; i > 0 && (comma = strchr(list, ',')) != NULL; i--)
		list = comma + 1;
	if ((len = strcspn(list, ",")) == 0)
		return NULL;
	item = xcalloc(1, len + 1);
	return memcpy(item, list, len);
}

/* A folder, or (@) a socket without one. */
static bool
is_socket(const char *host)
{
	return host[0] == '/' || host[0] == '@';
}

static bool
is_address(const char *host)
{
	struct in6_addr	 any;

	return inet_pton(AF_INET, host, &any) == 1 || strchr(host, ':') != NULL;
}

/* False: it cannot be said apart from the others. */
static bool
read_host(struct pg_host *h, const char *host, const char *address, const char *port, size_t i)
{
	h->host = item_at(host, i);
	h->address = item_at(address, i);
	h->port = item_at(port, i);
	if (h->host == NULL && h->address == NULL)
		return false;
	/* The conninfo's own list would be in force. */
	if (h->port == NULL && port != NULL)
		h->port = xstrdup("5432");
	if (h->address == NULL && is_socket(h->host))
		return address == NULL;
	h->is_name = h->address == NULL && !is_address(h->host);
	if (h->address == NULL && !h->is_name)
		h->address = xstrdup(h->host);
	return true;
}

static bool
read_all(struct pg_hosts *hosts, const char *host, const char *address, const char *port)
{
	size_t	 count = items_of(address != NULL ? address : host), ports = items_of(port);

	if (count == 0 || (address != NULL && host != NULL && items_of(host) != count) || (ports > 1 && ports != count))
		return false;
	hosts->items = xcalloc(count, sizeof(*hosts->items));
	for (hosts->count = 0; hosts->count < count; hosts->count++)
		if (!read_host(&hosts->items[hosts->count], host, address, port, hosts->count)) {
			hosts->count++;
			return false;
		}
	return true;
}

static void
release_items(struct pg_hosts *hosts)
{
	for (size_t i = 0; i < hosts->count; i++) {
		free(hosts->items[i].host);
		free(hosts->items[i].address);
		free(hosts->items[i].port);
	}
	free(hosts->items);
	hosts->items = NULL;
	hosts->count = 0;
}

void
pg_hosts_read(struct pg_hosts *hosts, const char *conninfo)
{
	PQconninfoOption	*said = PQconninfoParse(conninfo, NULL), *defaults = PQconndefaults();
	const char		*host = option(said, "host"), *address = option(said, "hostaddr"), *port = option(said, "port");
	const char		*limit = option(said, "connect_timeout");
	bool			 ok;

	*hosts = (struct pg_hosts){ .items = NULL };
	if (host == NULL && address == NULL) {
		host = option(defaults, "host");
		address = option(defaults, "hostaddr");
	}
	if (port == NULL)
		port = option(defaults, "port");
	ok = said != NULL && option(said, "service") == NULL && read_all(hosts, host, address, port);
	if (!ok) {
		release_items(hosts);
		hosts->items = xcalloc(1, sizeof(*hosts->items));
		hosts->count = 1;
	}
	if (limit != NULL && atoi(limit) > 0 && atoi(limit) < 1000)
		hosts->connect_timeout_ms = (unsigned)atoi(limit) * 1000;
	PQconninfoFree(said);
	PQconninfoFree(defaults);
}

void
pg_hosts_release(struct pg_hosts *hosts)
{
	release_items(hosts);
}

const char *
pg_host_name(const struct pg_host *host)
{
	return host->host != NULL ? host->host : host->address != NULL ? host->address : "its local socket";
}
