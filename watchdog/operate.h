/*
 * operate: status, start, stop, restart, reload: what an operator asks of the
 * running watchdog.  Each returns the command's exit code, after a line that
 * says what happened: on stdout when it is what was asked for, else on stderr.
 */
#ifndef TOCSIN_WATCHDOG_OPERATE_H
#define TOCSIN_WATCHDOG_OPERATE_H
#include <stdbool.h>

#include "watchdog/site.h"

/* Beside those of common/suite.h; as LSB has them for init scripts. */
#define EXIT_NOT_DONE		1
#define EXIT_NOT_ALLOWED	4
#define EXIT_NOT_RUNNING	7

/* Of `tocsin status`; LSB again. */
#define STATUS_RUNNING		0
#define STATUS_DEAD		1	/* its lock file is there, its lock is not held */
#define STATUS_STOPPED		3
#define STATUS_UNKNOWN		4

/* A watchdog that does not answer is told of by its status.json, with a word on how old that is. */
int	 operate_status(const struct site *s, bool json);

/* The whole suite.  Stopping waits for its end. */
int	 operate_start(const struct site *s);
int	 operate_stop(const struct site *s);
int	 operate_restart(const struct site *s);
int	 operate_reload(const struct site *s);

/* `word` start, stop or restart for one process: waits until the watchdog knows how it went. */
int	 operate_process(const struct site *s, const char *word, const char *name);
#endif
