/*
 * upward: what the watchdog tells its own supervisor (systemd and all that
 * speak like it), in the datagrams of sd_notify(3), without libsystemd.
 *
 * The supervisor names its socket in NOTIFY_SOCKET: a path, or an abstract name
 * written with a leading '@'.  It asks for beats by WATCHDOG_USEC, meant for the
 * process WATCHDOG_PID when that is set.  Started by hand there is neither, and
 * everything here does nothing.
 *
 * Nothing blocks, fails or allocates: a beat or status that a full or vanished
 * socket does not take is dropped, it is one of many.  A change of state (ready,
 * reloading, stopping) comes once only, so it is kept and goes before the next
 * datagram instead.  Sources: sd_notify(3), sd_watchdog_enabled(3), unix(7).
 */
#ifndef TOCSIN_WATCHDOG_UPWARD_H
#define TOCSIN_WATCHDOG_UPWARD_H
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The caller's; upward_open() fills all of it. */
struct upward {
	int			 fd;		/* -1: nobody to tell */
	int64_t			 beat_us;	/* tell upward_beat() this often; 0: no beats wanted */
	struct sockaddr_un	 to;
	socklen_t		 to_len;
	char			 owed[64];	/* the change of state not taken yet; empty: none */
};

/*
 * Read the variables and unset them, so that no child sees them, and make the
 * socket.  `beat_us` becomes half of WATCHDOG_USEC, in microseconds.  A value
 * that makes no sense is one warning and counts as not set.
 */
void	 upward_open(struct upward *u);
void	 upward_close(struct upward *u);	/* says nothing: see upward_stopping() */

void	 upward_ready(struct upward *u);	/* started, or done with reloading */
void	 upward_reloading(struct upward *u);	/* upward_ready() has to follow */
void	 upward_stopping(struct upward *u);
void	 upward_beat(struct upward *u);

/* One line for humans (systemctl status).  Control bytes become blanks; cut off at 500 bytes. */
void	 upward_status(struct upward *u, const char *text);
#endif
