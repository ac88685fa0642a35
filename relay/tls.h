/*
 * tls: the server's side of TLS 1.2 and 1.3: the certificate and its key, and
 * the connections that speak it.  The only file of the relay that knows OpenSSL's SSL.
 */
#ifndef TOCSIN_RELAY_TLS_H
#define TOCSIN_RELAY_TLS_H
#include <stdbool.h>

struct bufferevent;
struct event_base;
struct tls;

/* PEM files: the certificate with those between it and the authority, and its key.  NULL: the reason has been logged. */
struct tls	*tls_new(const char *cert, const char *key);
void		 tls_free(struct tls *t);	/* NULL is fine; connections that are open go on */

/* Read both files again.  False: they are no good (logged), and those known before stay. */
bool		 tls_reload(struct tls *t);

/* A connection that was accepted as `fd` (owned from here on); NULL when memory or randomness ran out. */
struct bufferevent *tls_accept(struct tls *t, struct event_base *base, int fd);

/* Say goodbye, so that the client knows that nothing was cut off. */
void		 tls_finish(struct bufferevent *bev);
#endif
