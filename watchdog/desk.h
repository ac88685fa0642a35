/*
 * desk: where operators are answered: the requests of the control socket, and
 * the orders that wait until a process is where it was told to be.
 */
#ifndef TOCSIN_WATCHDOG_DESK_H
#define TOCSIN_WATCHDOG_DESK_H
#include <stdio.h>
#include <sys/types.h>

#include "watchdog/process.h"
#include "watchdog/status.h"

struct event_base;
struct desk;

struct desk_handler {
	/* How things stand now. */
	struct status_facts	 (*facts)(void *arg);
	/* The process of facts.reports[i]. */
	struct process		*(*process)(size_t i, void *arg);
	/* End the whole suite; false: it is ending already. */
	bool			 (*stop)(void *arg);
	/* Read the configuration again; false after the errors, a line each. */
	bool			 (*reload)(FILE *errors, void *arg);
};

/* `status` is borrowed, its buffer is written in.  NULL with errno: no control socket is to be had. */
struct desk	*desk_new(struct event_base *base, const char *runtime_dir, gid_t group, struct status *status,
		    const struct desk_handler *handler, void *arg);
void		 desk_free(struct desk *d);	/* everybody who waits sees the end; NULL is fine */

/* A process has changed, and this is how things stand now: answer what is decided. */
void		 desk_changed(struct desk *d, const struct status_facts *f);

/* See to the socket; call it now and then. */
void		 desk_check(struct desk *d);
#endif
