/* inherit: the listening sockets, handed down by the watchdog or opened for use by hand. */
#ifndef TOCSIN_RELAY_INHERIT_H
#define TOCSIN_RELAY_INHERIT_H
#include <stdbool.h>
#include <stddef.h>

struct sockaddr;

/*
 * The listening sockets: those of LISTEN_FDS (systemd's convention), else one
 * for each word listen=ADDRESS:PORT of `words` (NULL at the end).  They are
 * non-blocking and close on exec.  Unless `guarded` (whoever asks has to present
 * a secret), all of them have to be on loopback.
 *
 * Stores an owned array in `*fds`, its length in `*count`, and returns 0; or an
 * exit code (common/suite.h), the reason having been logged.
 */
int	 inherit_sockets(char *const *words, bool guarded, int **fds, size_t *count);

/* True when all of the listening sockets are on loopback. */
bool	 inherit_all_loopback(const int *fds, size_t count);

/* True for 127.0.0.0/8, ::1, the same mapped into IPv6, and Unix sockets. */
int	 inherit_is_loopback(const struct sockaddr *sa);
#endif
