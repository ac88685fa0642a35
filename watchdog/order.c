#include "watchdog/order.h"

#include <stdio.h>

struct order
order_of(enum control_word word, const struct process_report *r)
{
	/* A run that goes on now may end, and must for a restart. */
	return (struct order){ .word = word, .starts = r->starts, .endings = r->endings->total + (r->pid != -1 ? 1 : 0) };
}

static bool
is_done(const struct order *o, const struct process_report *r)
{
	if (o->word == CONTROL_STOP)
		return r->is_stopped;
	return r->is_up && (o->word == CONTROL_START || r->starts > o->starts);
}

enum order_verdict
order_verdict(const struct order *o, const struct process_report *r, char text[ORDER_TEXT_MAX])
{
	char	 how[ENDING_TEXT_MAX];

	if (is_done(o, r)) {
		if (o->word == CONTROL_STOP)
			snprintf(text, ORDER_TEXT_MAX, "ok %s is stopped", r->name);
		else
			snprintf(text, ORDER_TEXT_MAX, "ok %s is up pid=%d uptime_ms=%lld", r->name, (int)r->pid, (long long)(r->uptime_us / 1000));
		return ORDER_DONE;
	}
	if (o->word == CONTROL_STOP) {
		if (r->starts == o->starts && r->endings->total <= o->endings)
			return ORDER_PENDING;
		snprintf(text, ORDER_TEXT_MAX, "error %s was started meanwhile", r->name);
	} else if (r->is_stopped)
		snprintf(text, ORDER_TEXT_MAX, "error %s was stopped meanwhile", r->name);
	else if (r->endings->total > o->endings)
		snprintf(text, ORDER_TEXT_MAX, "error %s: %s: it is tried again; see its log", r->name, ending_text(endings_get(r->endings, 0), how));
	else
		return ORDER_PENDING;
	return ORDER_FAILED;
}
