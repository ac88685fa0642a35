/* check: `tocsin check`: what an operator runs after installing, and when something is odd. */
#ifndef TOCSIN_WATCHDOG_CHECK_H
#define TOCSIN_WATCHDOG_CHECK_H

/*
 * Look at everything, print a finding a line (see common/finding.h) and a
 * summary on stdout.  Changes nothing.  0 when nothing failed, else 1.
 */
int	 check_run(const char *conf_path);
#endif
