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
	int64_t		 max_open_files, max_memory, max_cores;	/* count, bytes (0: no limit), count */
	char		**argv;			/* owned, see command_split() */
	struct identity	 identity;
};

enum health_log { HEALTH_LOG_CHECK, HEALTH_LOG_CHANGE, HEALTH_LOG_OFF };

struct watchdog_conf {
	struct suite_conf	 suite;
	int64_t			 check_interval_ms;
	int			 health_log;
	char			*on_alert;	/* as configured; NULL: nobody is told */
	char			**alert_argv;	/* owned, see command_split() */
	char			*hardware_watchdog;	/* path of the device, NULL: none */
	int64_t			 hardware_timeout_ms;
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
 * Read the file again, and take over what may change while running: times,
 * limits, commands, users, alerts, log settings.  What differs beyond that
 * (processes, sockets, folders, the hardware watchdog) waits for a new start of
 * the watchdog, and one line in the log says so.  A user whose name has not
 * changed is not looked up again, which may mean to ask another machine.  False, after the errors and
 * with nothing changed, when anything is wrong.  True: `stale` has what was
 * replaced, for config_free() once nobody looks at it any more.
 */
bool			 config_reread(struct watchdog_conf *c, const char *path, FILE *errors, struct watchdog_conf **stale);
#endif
