/*
 * startup: what must be there before the first fork: folders, the lock of the
 * one copy, the log, the listening sockets.  This is the only time at which the
 * watchdog gives up, and every reason goes to the terminal as well as the log.
 */
#ifndef TOCSIN_WATCHDOG_STARTUP_H
#define TOCSIN_WATCHDOG_STARTUP_H
#include "watchdog/config.h"

struct startup {
	int	 terminal_fd;	/* a copy of the first stderr; -1: closed or taken */
	char	*lock_path;	/* owned */
	int	 lock_fd;	/* held as long as the watchdog lives; CLOEXEC */
	int	**sockets;	/* per process an array of its listen.count; entries may be taken (NULL) */
	size_t	 count;		/* of processes */
	bool	 logging;	/* the log is open */
	bool	 lost;		/* at the last startup_check() somebody else held a new lock */
};

/* 0, or the program's exit code after one line on stderr.  Call startup_release() in any case. */
int	 startup_prepare(struct startup *s, const struct watchdog_conf *c);

/* The group of the processes: what of the watchdog's they may read has it.  (gid_t)-1: no process changes its user. */
gid_t	 startup_group(const struct watchdog_conf *c);

/*
 * Is the lock still there?  Somebody who cleans up the runtime folder would let
 * a second watchdog start: make the folder and the lock again.  False when that
 * second one is there already, at two calls in a row (`tocsin status` and a
 * start that fails hold it for a moment): this one has to go.  Call it now and then.
 */
bool	 startup_check(struct startup *s, const struct watchdog_conf *c);

/* Close what was not taken.  The lock's file goes too when we hold it: the end was a clean one. */
void	 startup_release(struct startup *s, const struct watchdog_conf *c);
#endif
