/* feed_exec_conf: the keys of a [feed NAME] of type exec. */
#ifndef TOCSIN_GENERATOR_FEED_EXEC_CONF_H
#define TOCSIN_GENERATOR_FEED_EXEC_CONF_H
#include <stdbool.h>
#include <stdint.h>

#include "generator/feed.h"

enum on_silent { ON_SILENT_TELL, ON_SILENT_RESTART };
enum restart { RESTART_ALWAYS, RESTART_FAILURE };

struct feed_exec_conf {
	char	*command;
	int	 restart, on_silent;
	int64_t	 silent_after_ms, max_age_ms;
	bool	 backfills;
};

extern const struct conf_key exec_keys[];

/* The check of struct feed_type: is there such a program? */
void	 exec_check(struct conf *file, const struct conf_section *section, const struct feed_conf *common, void *conf);
#endif
