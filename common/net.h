/*
 * net: what the network clients share: names to addresses without blocking,
 * TLS with verified certificates, and URLs taken apart.  TLS 1.2 or newer; the
 * certificate must lead to the system's store or to `ca_file`, and be made out
 * to the host (a name or an address among its subjectAltNames; a common name is
 * none).  OpenSSL's types stay in net.c; callers speak bufferevents.
 */
#ifndef TOCSIN_COMMON_NET_H
#define TOCSIN_COMMON_NET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bufferevent;
struct event_base;
struct net;
struct net_lookup;

#define NET_WHY_MAX		320	/* room for any line of why, and its NUL */
#define NET_HOST_MAX		254	/* of a name, and its NUL */
#define NET_ADDRESS_MAX		46	/* of an address as text, and its NUL */
#define NET_ADDRESSES_MAX	8

struct net_url {
	char		 host[NET_HOST_MAX];	/* lower case; an IPv6 address without its brackets */
	bool		 is_address;		/* the host is an IPv4 or IPv6 address */
	uint16_t	 port;			/* the scheme's own when none is given: */
	uint16_t	 default_port;		/* 443, of http 80 */
	const char	*path;			/* with the query: borrowed from the text; "/" when there is none */
};

/*
 * Take `text` apart: SCHEME://HOST[:PORT][/PATH][?QUERY].  `scheme` is "wss",
 * "https" or "http"; nothing else is accepted, nor a user, a fragment, or bytes that
 * do not belong into a URL.  Pure.  False, with what is wrong in `why`.
 */
bool	 net_url_parse(struct net_url *url, const char *scheme, const char *text, char *why, size_t why_size);

/* The check of a configuration key: a wss:// URL; an https:// origin, that is a URL without path. */
bool	 net_wss_ok(const char *value, char *why, size_t why_size);
bool	 net_https_ok(const char *value, char *why, size_t why_size);

/* HOST[:PORT] as a Host header has it: brackets around IPv6, no port when it is the scheme's own.  Returns `out`. */
#define NET_AUTHORITY_MAX	(NET_HOST_MAX + 8)
char	*net_authority(const struct net_url *url, char out[NET_AUTHORITY_MAX]);

/*
 * `base` is borrowed; `ca_file` (PEM; NULL: the system's store) is read at once.
 * NULL when it cannot be, with a line of why.  resolv.conf and hosts are read
 * anew whenever they have changed, so a machine that gets its name server
 * later needs no restart.  libevent's own messages go to our log from now on.
 * Free it after its users; when a name server has been asked, memory is given
 * back in the next turns of the loop: see net_end().
 */
struct net	*net_new(struct event_base *base, const char *ca_file, char *why, size_t why_size);
void		 net_free(struct net *net);	/* NULL is fine */

/* Those turns, when no event of the base is left but what net_free() has put off; the base may be freed then. */
void		 net_end(struct event_base *base);
struct event_base *net_base(const struct net *net);

/* Whether a ca_file can be used; else a line of why.  For a configuration's table. */
bool	 net_ca_file_ok(const char *path, char *why, size_t why_size);

/* Other files than /etc/resolv.conf and /etc/hosts; borrowed, NULL: leave that one.  For tests. */
void	 net_set_files(struct net *net, const char *resolv_conf, const char *hosts);

/* For websocket and rest. */

struct net_addresses {
	size_t	 count;
	char	 text[NET_ADDRESSES_MAX][NET_ADDRESS_MAX];
};

/* `addresses` (borrowed, at least one), or NULL and `why`. */
typedef void (*net_lookup_cb)(const struct net_addresses *addresses, const char *why, void *arg);

/*
 * The addresses of a name (or of an address: itself), from /etc/hosts or DNS.
 * `cb` is called once, from the loop.  Until then, and not later, the lookup
 * can be cancelled: then there is no callback.  It has no timeout of its own
 * but that of resolv.conf; callers bound it.
 */
struct net_lookup *net_lookup(struct net *net, const char *host, net_lookup_cb cb, void *arg);
void		 net_lookup_cancel(struct net_lookup *l);	/* NULL is fine */

/*
 * A TLS bufferevent that will verify the other side to be `host`, not yet
 * connected, callbacks deferred, owned by the caller.  One a connection.  An
 * end of the stream without TLS's own goodbye is an error, not an end.
 */
struct bufferevent *net_tls_new(struct net *net, const struct net_url *url);

/* The same without TLS, for a plain http:// origin; to be freed with bufferevent_free(). */
struct bufferevent *net_plain_new(struct net *net);
void		 net_tls_free(struct bufferevent *bev);		/* with TLS's goodbye; NULL is fine */

/* Begin to connect it to an address; its event callback tells the outcome, from the loop. */
void		 net_tls_connect(struct bufferevent *bev, const char *address, uint16_t port);

/* To be said once it is connected: what is written goes out at once, however little it is (no Nagle). */
void		 net_tls_connected(struct bufferevent *bev);

/*
 * What ended it, in words, from the event `what` of its event callback, to be
 * called there first: "connect: Connection refused", "TLS: certificate has
 * expired", "connection closed by the other side", ….  Returns `why`.
 */
char		*net_why(struct bufferevent *bev, short what, char why[NET_WHY_MAX]);

/* `len` random bytes, also good for keys. */
void		 net_random(void *bytes, size_t len);

/*
 * Retry-After's value, seconds or an HTTP date, as a wait in ms counted from
 * `wall_us`, not beyond `max_ms`; -1 when it is neither.  A time that is past: 0.
 */
int64_t		 net_retry_after_ms(const char *value, int64_t wall_us, int64_t max_ms);
#endif
