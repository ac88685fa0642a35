/*
 * origin: whose page asks, by the Origin header (RFC 6454).  Browsers send it
 * with what one site's page asks of another, with every POST and with every
 * WebSocket; other programs send none.
 */
#ifndef TOCSIN_RELAY_ORIGIN_H
#define TOCSIN_RELAY_ORIGIN_H
#include <stdbool.h>
#include <stddef.h>

struct conf_list;

enum origin {
	ORIGIN_NONE,		/* no page, or it does not say */
	ORIGIN_OWN,		/* a page of this server */
	ORIGIN_LISTED,		/* named in cors_origins */
	ORIGIN_ANY,		/* let in by * in cors_origins */
	ORIGIN_FOREIGN,
};

/*
 * `host` is the request's Host (NULL: none).  A page is ours when it came from
 * there, or from one of `names` (public_hosts: a proxy may put its own name
 * into Host).
 */
enum origin	 origin_judge(const char *origin, const char *host, const struct conf_list *names, const struct conf_list *listed);

/* A check for settings: SCHEME://HOST[:PORT] without anything behind it, or *. */
bool		 origin_ok(const char *value, char *why, size_t why_size);
#endif
