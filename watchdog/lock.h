/*
 * lock: whoever holds the file's flock(2) is the one copy.
 *
 * The kernel frees it with the last descriptor, however its holder ends, so
 * nothing has to trust a process number in a file.
 */
#ifndef TOCSIN_WATCHDOG_LOCK_H
#define TOCSIN_WATCHDOG_LOCK_H
#include <stdbool.h>

#define LOCK_WATCHDOG	"watchdog.lock"		/* the watchdog's own, in the runtime folder */

/*
 * Create the file when needed and lock it, without waiting.  Returns the
 * descriptor (CLOEXEC; it is the lock), or -1 with errno: EWOULDBLOCK when
 * somebody else holds it.
 */
int	 lock_take(const char *path);

/* Is the descriptor's file the one at `path`?  A lock on a removed one protects nothing. */
bool	 lock_is_at(int fd, const char *path);
#endif
