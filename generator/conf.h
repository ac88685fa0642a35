/* conf: the generator's configuration: [tocsin], [generator], feeds and strategies. */
#ifndef TOCSIN_GENERATOR_CONF_H
#define TOCSIN_GENERATOR_CONF_H
#include "common/suite.h"
#include "generator/engine.h"
#include "generator/feed.h"

enum at_end { AT_END_STAY, AT_END_EXIT };

struct generator_conf {
	struct suite_conf	 suite;
	char			*database;	/* of [generator]; NULL: suite.database */
	int			 mode;		/* enum signal_mode */
	int64_t			 grace_ms;
	int64_t			 fill_max;	/* candles */
	int64_t			 backlog_max;	/* bytes that wait before feeds that can wait have to */
	int64_t			 journal_max;	/* bytes */
	int64_t			 retention_ms;	/* 0: for ever */
	int			 at_end;	/* enum at_end */
	struct engine		*engine;
	struct feed		**feeds;	/* NULL at the end */
};

/*
 * Read the file, report every error on stderr, and build engine and feeds.
 * Returns the number of errors; then `c` must only be released.
 */
int	 generator_conf_load(struct generator_conf *c, const char *path, const struct engine_handler *handler, void *arg);
void	 generator_conf_release(struct generator_conf *c);
void	 generator_conf_print(const struct generator_conf *c);	/* -T, to stdout */

/* The conninfo that the generator's session uses. */
const char *generator_conf_database(const struct generator_conf *c);
#endif
