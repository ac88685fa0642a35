/* launch: start the watchdog as a daemon and see its start through. */
#ifndef TOCSIN_WATCHDOG_LAUNCH_H
#define TOCSIN_WATCHDOG_LAUNCH_H
#include <stdbool.h>
#include <stddef.h>

/*
 * Start tocsin-watchdog with the configuration at the absolute `conf_path`: a
 * session of its own, the folder /, nothing on stdin and stdout.  What it says
 * until all first starts are decided goes to our stderr.  Returns 0 when it
 * runs and every process is up, 1 when it runs and one is not (it goes on
 * trying), else the exit code that it ended with.
 */
int	 launch_watchdog(const char *conf_path);

/*
 * The line that ends its start, "tocsin-watchdog: running, 2 of 3 processes
 * up…": true, and whether that was all of them.
 */
bool	 launch_is_verdict(const char *line, bool *all_up);
#endif
