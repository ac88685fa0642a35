#include "watchdog/ending.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char *
cause_name(const struct ending *e, enum sup_cause cause)
{
	if (e->not_started.error != 0)
		return "not-started";
	switch (cause) {
	case SUP_NO_BEAT:
		return "no-beat";
	case SUP_NEVER_READY:
		return "never-ready";
	case SUP_ASKED:
		return "stopped";
	case SUP_BY_ITSELF:
		break;
	}
	return e->signal != 0 ? "signal" : "exit";
}

struct ending
ending_of(int wait_status, enum sup_cause cause, const struct spawn_failure *not_started)
{
	struct ending	 e = { .pid = -1, .code = -1, .not_started = *not_started };

	if (WIFSIGNALED(wait_status)) {
		e.signal = WTERMSIG(wait_status);
		e.core = WCOREDUMP(wait_status) != 0;
	} else if (e.not_started.error == 0)
		e.code = WEXITSTATUS(wait_status);
	e.cause = cause_name(&e, cause);
	return e;
}

void
endings_add(struct endings *l, const struct ending *e)
{
	l->ring[l->total++ % ENDINGS_KEPT] = *e;
}

const struct ending *
endings_get(const struct endings *l, size_t number)
{
	if (number >= l->total || number >= ENDINGS_KEPT)
		return NULL;
	return &l->ring[(l->total - 1 - number) % ENDINGS_KEPT];
}

char *
ending_text(const struct ending *e, char buf[ENDING_TEXT_MAX])
{
	if (e->not_started.error != 0)
		snprintf(buf, ENDING_TEXT_MAX, "not started: %s: %s", spawn_stage_name(e->not_started.stage),
		    strerror(e->not_started.error));
	else if (e->signal != 0)
		snprintf(buf, ENDING_TEXT_MAX, "signal %d (%s)%s", e->signal, strsignal(e->signal),
		    e->core ? ", core left" : "");
	else
		snprintf(buf, ENDING_TEXT_MAX, "exit code %d", e->code);
	return buf;
}
