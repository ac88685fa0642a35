/* inherit: the listening sockets, handed down by the watchdog or opened for use by hand. */
#ifndef TOCSIN_RELAY_INHERIT_H
#define TOCSIN_RELAY_INHERIT_H
#include <stddef.h>

struct sockaddr;

/*
 * The listening sockets: those of LISTEN_FDS (systemd's convention), else one
 * for each word listen=ADDRESS:PORT of `words` (NULL at the end).  They are
 * non-blocking, close on exec, and all on loopback: there are no tokens yet
 * that could guard another address.
 *
 * Stores an owned array in `*fds`, its length in `*count`, and returns 0; or an
 * exit code (common/suite.h), the reason having been logged.
 */
int	 inherit_sockets(char *const *words, int **fds, size_t *count);

/* True for 127.0.0.0/8, ::1, the same mapped into IPv6, and Unix sockets. */
int	 inherit_is_loopback(const struct sockaddr *sa);
#endif
