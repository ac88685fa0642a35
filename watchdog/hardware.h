/*
 * hardware: feed a Linux hardware watchdog (/dev/watchdog), which resets the
 * machine when nobody has fed it for its timeout.
 *
 * The countdown begins when the device is opened and is not stopped by our own
 * death: that is its purpose.  Only hardware_release() stops it, by the magic
 * close (a 'V' before the close), so that a clean end of ours resets nothing.
 * Not when the driver has "nowayout"; one line in the log says so.
 *
 * Nothing here is fatal, allocates (but hardware_open) or waits longer than the driver does.  A
 * device that cannot be opened or fed is said once and tried again at each
 * hardware_feed().  A path that is no watchdog takes the same calls and is fed
 * by writing.  Sources: the kernel's Documentation/watchdog/watchdog-api.rst and
 * watchdog-kernel-api.rst, <linux/watchdog.h>.
 */
#ifndef TOCSIN_WATCHDOG_HARDWARE_H
#define TOCSIN_WATCHDOG_HARDWARE_H
enum hardware_trouble { HARDWARE_WELL, HARDWARE_CLOSED, HARDWARE_UNFED };

/* The caller's; hardware_open() fills all of it. */
struct hardware {
	char	*path;			/* owned; NULL: none is wanted, all calls do nothing */
	int	 fd;			/* -1: not open now */
	int	 wanted_s, timeout_s;	/* asked for; the driver's, 0 when it does not tell */
	enum hardware_trouble trouble;	/* the failure that lasts, said already */
};

/*
 * Open the device at `path` (copied; NULL or "" for none) and ask for a timeout
 * of `timeout_s` seconds.  The driver may choose another, found in
 * h->timeout_s: feed it several times in that.  Logs what came of it.
 */
void	 hardware_open(struct hardware *h, const char *path, int timeout_s);

/* Begin the countdown anew.  Opens the device when that has failed before. */
void	 hardware_feed(struct hardware *h);

/* Stop the countdown and close.  The struct then stands for no device. */
void	 hardware_release(struct hardware *h);
#endif
