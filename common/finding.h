/*
 * finding: a line of `tocsin check`, whichever program found it:
 *
 *	ok   what is in order
 *	warn what may be wrong: how to mend it
 *	FAIL what is wrong: how to mend it
 */
#ifndef TOCSIN_COMMON_FINDING_H
#define TOCSIN_COMMON_FINDING_H
#include <stddef.h>

enum finding { FINDING_OK, FINDING_WARN, FINDING_FAIL };
#define FINDING_KINDS	3

/* Print it on stdout as one line, at once; control bytes become '?'. */
void	 finding_print(enum finding kind, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Which one a line is; -1: none. */
int	 finding_of(const char *line);
#define FINDING_PREFIX_LEN	5	/* then comes the text */
#endif
