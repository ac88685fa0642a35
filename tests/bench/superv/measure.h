/*
 * measure: what supervise.c measures.  Each prints its figures with units and targets, takes a minute or two, and returns
 * whether all targets were met.
 */
#ifndef TOCSIN_BENCH_SUPERV_MEASURE_H
#define TOCSIN_BENCH_SUPERV_MEASURE_H
#include <stdbool.h>

struct measure_options {
	long	 count;		/* kills or rounds; 0: the measure's own number */
	long	 seconds;	/* how long, or the longest of several; 0: likewise */
};

/* restart.c: from SIGKILL to the next copy's main() */
bool	 measure_kills(const struct measure_options *o);	/* beside the floor, after a long and a short run */
bool	 measure_storm(const struct measure_options *o);	/* a thousand of them leave no trace in the watchdog */

/* hang.c: from the last sign of life to its discovery */
bool	 measure_hang(const struct measure_options *o);

/* quiet.c: what nobody may be killed for, and what the watchdog needs when there is nothing to do */
bool	 measure_idle(const struct measure_options *o);
bool	 measure_starve(const struct measure_options *o);
bool	 measure_clock(const struct measure_options *o);

/* freeze.c: likewise, with all of them frozen for a while */
bool	 measure_freeze(const struct measure_options *o);
#endif
