/* listen: the sockets that the watchdog binds and hands down to a child. */
#ifndef TOCSIN_WATCHDOG_LISTEN_H
#define TOCSIN_WATCHDOG_LISTEN_H
#include <stdbool.h>
#include <stddef.h>

/* The check of a configuration key: 127.0.0.1:8787, 0.0.0.0:80 or [::1]:8787. */
bool	 listen_ok(const char *address, char *why, size_t why_size);

/*
 * Bind and listen: SO_REUSEADDR, an IPv6 address for IPv6 alone, CLOEXEC.
 * Returns the descriptor, or -1 with errno and the errno's meaning for the
 * operator in `why` (no newline).
 */
int	 listen_open(const char *address, char *why, size_t why_size);
#endif
