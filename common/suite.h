/* suite: what all programs of tocsin share: the [tocsin] section, exit codes, the command line. */
#ifndef TOCSIN_COMMON_SUITE_H
#define TOCSIN_COMMON_SUITE_H
#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"

#define TOCSIN_CONF_DEFAULT	"/etc/tocsin/tocsin.conf"

/* Exit codes are contract (the convention of daemontools and s6). */
#define EXIT_DONE		0
#define EXIT_USAGE		100	/* misconfigured: starting again will not help */
#define EXIT_TEMPORARY		111	/* may work later */

struct suite_conf {
	char	*database;		/* libpq conninfo */
	char	*runtime_dir, *log_dir, *state_dir;
	int	 log_level;		/* enum log_level */
	int64_t	 log_max_size;		/* bytes */
	int64_t	 heartbeat_interval_ms;
};

extern const struct conf_key suite_keys[];

/* Tell the file which sections belong to the other programs; `own` lists this one's, NULL at the end. */
void	 suite_ignore_others(struct conf *c, const char *const *own);

/* A strategy's, feed's or process's NAME: a letter, then up to 31 of a-z 0-9 _ -. */
bool	 suite_name_ok(const char *name);

/* The check of a configuration key: an absolute path. */
bool	 suite_path_ok(const char *value, char *why, size_t why_size);

/* The command line that every program of the suite understands. */
struct suite_options {
	const char	*conf_path;
	bool		 check_only;	/* -n */
	bool		 print_conf;	/* -T */
	char		**rest;		/* words after the options, NULL at the end */
};

/*
 * Parse it.  -V and -h print and exit 0; anything not understood prints
 * `usage` (one line) and exits 100.
 */
void	 suite_options(struct suite_options *o, int argc, char **argv, const char *usage);

/* Set level and size of the log from the values. */
void	 suite_apply_log(const struct suite_conf *s);
#endif
