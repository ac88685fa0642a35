/*
 * host: which names a request may call this server by.
 *
 * A foreign web site can point a name of its own at our address, and its
 * pages then read from us as if we were that site (DNS rebinding).  Only a
 * name that we know is ours, or one that nobody can point elsewhere, is served.
 */
#ifndef TOCSIN_RELAY_HOST_H
#define TOCSIN_RELAY_HOST_H
#include <stdbool.h>
#include <stddef.h>

/*
 * `host` as in a URL, without the port: an address, localhost or one of
 * `names`.  None at all (NULL, empty) is fine too: no browser sends that.
 */
bool	 host_is_ours(const char *host, char *const *names, size_t count);
#endif
