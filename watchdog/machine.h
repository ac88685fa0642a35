/*
 * machine: what the watchdog owes to the machine below and the supervisor above
 * it, and what it hears of them: beats to systemd, food to a hardware watchdog,
 * suspends and steps of the clock for the log.
 */
#ifndef TOCSIN_WATCHDOG_MACHINE_H
#define TOCSIN_WATCHDOG_MACHINE_H
#include "watchdog/config.h"

struct event_base;
struct machine;

/*
 * Reads (and unsets) NOTIFY_SOCKET and its like, opens the hardware watchdog.
 * Never NULL.  Beats and food leave from the event loop, so a loop that is stuck
 * sends none.
 */
struct machine	*machine_new(struct event_base *base, const struct watchdog_conf *conf);
void		 machine_free(struct machine *m);	/* a clean end: resets nothing; NULL is fine */

/* At every check of the watchdog. */
void		 machine_check(struct machine *m);

/* Upward: ready, once all first starts are decided, or done with reloading; a line for people. */
void		 machine_ready(struct machine *m);
void		 machine_reloading(struct machine *m);
void		 machine_stopping(struct machine *m);
void		 machine_status(struct machine *m, const char *text);
#endif
