/* site: what the operators' command needs to know of the configuration, read without judging the rest of it. */
#ifndef TOCSIN_WATCHDOG_SITE_H
#define TOCSIN_WATCHDOG_SITE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/suite.h"

/* A [process NAME] as it is written. */
struct site_process {
	char	*name;		/* fit for a file's name, see suite_name_ok() */
	char	*command;	/* NULL: not given */
	char	*user;		/* NULL: the watchdog's own */
};

struct site {
	char			*conf_path;	/* absolute: it is handed to programs that work elsewhere */
	struct suite_conf	 suite;
	struct site_process	*processes;	/* in file order; names that none may have are left out */
	size_t			 count;
	bool			 holds_password;	/* a conninfo has one */
};

/*
 * Read the file.  0, or -1 after a line for each error in [tocsin] on `errors`;
 * what is wrong elsewhere is for the programs to say (`tocsin check`).  Call
 * site_release() in any case.
 */
int	 site_read(struct site *s, const char *conf_path, FILE *errors);
void	 site_release(struct site *s);
#endif
