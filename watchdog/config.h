/* config: the watchdog's part of the configuration: [tocsin], [watchdog], [process NAME]. */
#ifndef TOCSIN_WATCHDOG_CONFIG_H
#define TOCSIN_WATCHDOG_CONFIG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/conf.h"
#include "common/suite.h"
#include "watchdog/supervise.h"

/* Who a process runs as. */
struct identity {
	bool	 change;	/* false: as the watchdog, the rest means nothing */
	uid_t	 uid;
	gid_t	 gid;
	gid_t	*groups;	/* owned */
	int	 group_count;
	char	*home;		/* owned */
};

struct process_conf {
	char		*name;
	char		*command, *user;	/* as configured */
	struct conf_list listen;
	struct sup_conf	 times;
	char		**argv;			/* owned, see command_split() */
	struct identity	 identity;
};

enum health_log { HEALTH_LOG_CHECK, HEALTH_LOG_CHANGE, HEALTH_LOG_OFF };

struct watchdog_conf {
	struct suite_conf	 suite;
	int64_t			 check_interval_ms;
	int			 health_log;
	struct process_conf	*processes;	/* in file order: the order of starts */
	size_t			 count;
};

/*
 * Read and check the file.  NULL when anything is wrong, after a line for each
 * error on `errors`; otherwise owned, free with config_free().
 */
struct watchdog_conf	*config_load(const char *path, FILE *errors);
void			 config_free(struct watchdog_conf *c);		/* NULL is fine */
void			 config_print(const struct watchdog_conf *c, FILE *out);

/*
 * Take over from `fresh` what may change while running: times, commands,
 * users, log settings; what they replace goes the other way.  False when
 * `fresh` differs in more than that (processes, sockets, folders), which waits
 * for a new start of the watchdog.
 */
bool			 config_adopt(struct watchdog_conf *c, struct watchdog_conf *fresh);
#endif
