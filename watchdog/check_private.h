/* check_private: what the parts of check share. */
#ifndef TOCSIN_WATCHDOG_CHECK_PRIVATE_H
#define TOCSIN_WATCHDOG_CHECK_PRIVATE_H
#include <stdbool.h>

#include "common/finding.h"
#include "watchdog/program.h"
#include "watchdog/site.h"

struct check {
	struct site	 site;
	unsigned	 counts[FINDING_KINDS];
	/* We have the watchdog's rights: we are root, or no process has a user of its own. */
	bool		 as_watchdog;
};

/* Print a finding and count it. */
void	 check_found(struct check *c, enum finding kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* check_files.c: the configuration's own file, and the folders. */
void	 check_conf_file(struct check *c);
void	 check_folders(struct check *c);

/*
 * check_programs.c: each process's program and user, what the programs say of
 * the configuration, and what they say of their database.
 */
void	 check_programs(struct check *c);

/*
 * Whom `p` runs as: `*u` filled (clear it), or left empty when that is who we
 * are.  False when there is no such user, or we may not become it.
 */
bool	 check_user_of(const struct site_process *p, struct program_user *u);
#endif
