/* ending: how the runs of a process ended, the last ten of them. */
#ifndef TOCSIN_WATCHDOG_ENDING_H
#define TOCSIN_WATCHDOG_ENDING_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "watchdog/spawn.h"
#include "watchdog/supervise.h"

#define ENDINGS_KEPT	10
#define ENDING_TEXT_MAX	160	/* room for any ending_text() */

struct ending {
	int64_t		 wall_us, run_us;
	pid_t		 pid;		/* -1: there never was one */
	const char	*cause;		/* static: exit, signal, no-beat, never-ready, stopped, not-started */
	int		 code;		/* -1: no exit code */
	int		 signal;	/* 0: none */
	bool		 core;
	struct spawn_failure not_started;	/* error 0: its program ran */
};

/* An all-zero struct is an empty list. */
struct endings {
	size_t		 total;		/* ever; the next goes to total % ENDINGS_KEPT */
	struct ending	 ring[ENDINGS_KEPT];
};

/* From a wait status, why we ended it, and whether its program ran at all. */
struct ending	 ending_of(int wait_status, enum sup_cause cause, const struct spawn_failure *not_started);

void		 endings_add(struct endings *l, const struct ending *e);

/* The latest is number 0; NULL beyond the last one kept. */
const struct ending *endings_get(const struct endings *l, size_t number);

/* "exit code 1", "signal 9 (Killed)", "not started: exec: No such file or directory"; returns `buf`. */
char		*ending_text(const struct ending *e, char buf[ENDING_TEXT_MAX]);
#endif
