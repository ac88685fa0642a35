/*
 * heartbeat: the child's end of the watchdog's pipe.
 *
 * Protocol (the words are sd_notify's, see sd_notify(3)): lines KEY=VALUE, at
 * most PIPE_BUF bytes a write, down the pipe whose number is in the environment
 * variable TOCSIN_HEARTBEAT_FD.  READY=1 once work can begin, WATCHDOG=1 as the
 * beat, STATUS={json} about the work, STOPPING=1 on the way out.  A beat leaves
 * from the event loop, so a wedged loop stops it.
 */
#ifndef TOCSIN_COMMON_HEARTBEAT_H
#define TOCSIN_COMMON_HEARTBEAT_H
#include <stdbool.h>

struct event_base;
struct heartbeat;
struct jsonw;

#define HEARTBEAT_FD_ENV	"TOCSIN_HEARTBEAT_FD"

struct heartbeat_handler {
	/* Add members to the STATUS object; called before each beat.  May be NULL. */
	void	(*status)(struct jsonw *w, void *arg);
	/* The watchdog is gone: finish what is in hand and exit.  Called once. */
	void	(*orphaned)(void *arg);
};

/*
 * Take the pipe over and beat every `interval_ms`, the first time at once.
 * Started by hand, without a watchdog, it does nothing at all.  `handler` is
 * copied, `arg` handed to its functions.  Never NULL; fatal() on a bad
 * descriptor number.
 */
struct heartbeat *heartbeat_new(struct event_base *base, unsigned interval_ms,
		    const struct heartbeat_handler *handler, void *arg);
void		 heartbeat_free(struct heartbeat *h);	/* closes the pipe; NULL is fine */

/* Say READY=1 or STOPPING=1, with the next STATUS. */
void		 heartbeat_ready(struct heartbeat *h);
void		 heartbeat_stopping(struct heartbeat *h);
#endif
