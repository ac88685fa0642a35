/* logs: `tocsin logs`: the watchdog's log and those of its processes, merged by time. */
#ifndef TOCSIN_WATCHDOG_LOGS_H
#define TOCSIN_WATCHDOG_LOGS_H
#include <stdbool.h>
#include <stdint.h>

#include "watchdog/site.h"

#define LOGS_LINES_DEFAULT	20

struct logs_options {
	bool	 follow;
	int64_t	 lines;		/* how many of the merge; LOGFILE_ALL */
	char	**names;	/* NULL at the end; none: all */
};

/* Read the number of lines: 0 and up, or "all".  False when it is something else. */
bool	 logs_lines(const char *text, int64_t *lines);

/*
 * Print them on stdout; following ends with SIGINT or SIGTERM.  On a terminal
 * control bytes are shown as \xNN.  Returns the exit code, after a line on
 * stderr for each log that cannot be read.
 */
int	 logs_show(const struct site *s, const struct logs_options *o);
#endif
