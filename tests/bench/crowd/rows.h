/* rows: signals written into the real table as fast or as steadily as a measurement wants them, by a process of its own. */
#ifndef TOCSIN_BENCH_ROWS_H
#define TOCSIN_BENCH_ROWS_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct rows_params {
	const char	*conninfo;
	double		 rate;		/* rows a second; 0: as fast as they go */
	size_t		 count;		/* rows in all; 0: until SIGTERM */
	size_t		 batch;		/* rows a statement, which is a transaction; all of a batch are due together */
	size_t		 symbols;	/* S0/USDT, S1/USDT … by turns */
	bool		 retry;		/* a failed statement is repeated for ever; else it ends the program */
};

/* Before the clock (CLOCK_MONOTONIC, ns) of the moment before a row's INSERT was sent first, in its record. */
#define ROWS_CLOCK	"\"strategy\":\"t"

/* The process, stopped until SIGCONT; it exits 0 when all is confirmed. */
pid_t	 rows_fork(const struct rows_params *params);
#endif
