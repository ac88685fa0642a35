/*
 * watchdog: the loop over all processes: its own clock and gaps, signals,
 * reaping, the order of stops, reload, status.
 */
#ifndef TOCSIN_WATCHDOG_WATCHDOG_H
#define TOCSIN_WATCHDOG_WATCHDOG_H
#include "watchdog/config.h"
#include "watchdog/startup.h"

struct watchdog;

/*
 * Make it; nothing is started yet.  `conf_path` and `conf` are borrowed, `conf`
 * is changed by reloads.  The sockets and the terminal of `s` are taken, its
 * lock is looked after.
 * NULL after a line in the log when there is no event loop to be had.
 */
struct watchdog	*watchdog_new(const char *conf_path, struct watchdog_conf *conf, struct startup *s);

/* Start all processes, and keep them running until SIGTERM or SIGINT has ended them all. */
void		 watchdog_run(struct watchdog *w);

void		 watchdog_free(struct watchdog *w);	/* NULL is fine */
#endif
