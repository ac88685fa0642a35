/*
 * order: what an operator asked for one process, until it is decided.
 *
 * `tocsin restart relay` is answered when the relay is up again or has failed
 * to come up, not when the signal was sent.  Pure: the watchdog asks for the
 * verdict whenever a process has changed.
 */
#ifndef TOCSIN_WATCHDOG_ORDER_H
#define TOCSIN_WATCHDOG_ORDER_H
#include "watchdog/control.h"
#include "watchdog/process.h"

#define ORDER_TEXT_MAX	(ENDING_TEXT_MAX + 160)

struct order {
	enum control_word	 word;		/* CONTROL_START, CONTROL_STOP or CONTROL_RESTART */
	unsigned		 starts;	/* at the time of the order */
	size_t			 endings;	/* those that do not speak against it */
};

enum order_verdict { ORDER_PENDING, ORDER_DONE, ORDER_FAILED };

/* Taken down before it is carried out: `r` is how things stand then. */
struct order		 order_of(enum control_word word, const struct process_report *r);

/* How far is it?  When decided, the first line of the answer is in `text`. */
enum order_verdict	 order_verdict(const struct order *o, const struct process_report *r, char text[ORDER_TEXT_MAX]);
#endif
