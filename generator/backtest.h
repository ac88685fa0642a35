/*
 * backtest: the configured strategies over the configuration's recordings, to
 * look before going live.  The same feeds, builder, engine and book as the
 * generator's; no database and no journal.
 */
#ifndef TOCSIN_GENERATOR_BACKTEST_H
#define TOCSIN_GENERATOR_BACKTEST_H
#include <stdbool.h>

/*
 * Run with the configuration at `path`: every [feed NAME] a recording, one after
 * the other, flat out.  Signals and their summary go to stdout, as a table or,
 * with `json`, as one object a line; trouble and progress to stderr.  Returns
 * the exit code: EXIT_USAGE for a wrong configuration, EXIT_TEMPORARY when a
 * recording had to be given up or stdout takes no more.
 */
int	 backtest_run(const char *path, bool json);
#endif
