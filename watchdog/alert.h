/*
 * alert: run the operator's program (`on_alert`) when something is worth
 * telling somebody: to send a mail, a message, a page.
 *
 * The facts are in its environment:
 *
 *	TOCSIN_ALERT		hung, crash-looping or recovered
 *	TOCSIN_PROCESS		the process's name
 *	TOCSIN_PID		its number; empty when it does not run
 *	TOCSIN_FAILURES		failures in a row
 *	TOCSIN_LAST_EXIT	how the latest run ended, for people; may be empty
 *	TOCSIN_NEXT_START_MS	from now; empty when none is due
 *	TOCSIN_LOG		the path of its log
 *
 * It runs as the user of the process it is about, in / and a session of its
 * own, with nothing on its input and that process's log as its output.  Unlike
 * the process it may gain privileges, or no mailer would work (setgid).  It may
 * take a minute; then it is killed.  At most ALERT_RUNS of them run at a time.
 */
#ifndef TOCSIN_WATCHDOG_ALERT_H
#define TOCSIN_WATCHDOG_ALERT_H
#include <stdbool.h>
#include <sys/types.h>

#include "watchdog/config.h"
#include "watchdog/process.h"

#define ALERT_RUNS	4
#define ALERT_MAX_S	60

struct alert;

/* Of `conf` only what no reload changes is looked at now.  Never NULL. */
struct alert	*alert_new(const struct watchdog_conf *conf);
void		 alert_free(struct alert *a);	/* kills what still runs; NULL is fine */

/* Tell of `what`, if anybody is to be told; what goes wrong is a line in the log.  Allocates nothing. */
void		 alert_run(struct alert *a, const struct watchdog_conf *conf, const struct process_conf *about, const char *what,
		    const struct process_report *r);

/* End the ones that take too long; call it now and then. */
void		 alert_check(struct alert *a);

/* Was the reaped `pid` one of them?  Its failure is logged. */
bool		 alert_exited(struct alert *a, pid_t pid, int wait_status);
#endif
