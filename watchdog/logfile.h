/*
 * logfile: the lines of one log, from somewhere near its end on, while others
 * write and rotate it.
 *
 * PATH.1 is the part before PATH.  A rotated file is read to its end, and that
 * has come when the new one has its first bytes: until then its writer may
 * still hold the old one.  A file that was cut begins anew.  One that is not
 * there is waited for.  Only regular files are read, links are not followed.
 */
#ifndef TOCSIN_WATCHDOG_LOGFILE_H
#define TOCSIN_WATCHDOG_LOGFILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watchdog/logmerge.h"

#define LOGFILE_ALL	INT64_MAX	/* lines */

struct logfile;

struct logfile_line {
	const char		*text;	/* without its newline; no NUL at its end */
	size_t			 len;
	bool			 ends;	/* false: a piece of a line too long for one, the rest follows */
	struct logmerge_head	 head;
};

/* Nothing is opened yet; `path` is copied.  Never NULL. */
struct logfile	*logfile_new(const char *path);
void		 logfile_free(struct logfile *f);	/* NULL is fine */
const char	*logfile_path(const struct logfile *f);

/*
 * Open it and go to the last `lines` lines; call it first, and once.  Reads
 * backwards: never more than these lines (and a little more when the first of
 * them has no time).  `follow`: it will be followed.  `*count` is how many
 * lines there are, 0 for LOGFILE_ALL.  0, or -1 with errno: ENOENT is no
 * trouble when it is followed.
 */
int		 logfile_tail(struct logfile *f, int64_t lines, bool follow, int64_t *count);

/*
 * The next line, false when there is none now.  Valid until the next call.  A
 * last line without newline is complete, unless the log is followed.
 */
bool		 logfile_peek(struct logfile *f, struct logfile_line *line);
void		 logfile_drop(struct logfile *f);	/* on to the line after it */

/*
 * For a log that is followed, before each round of reading: what was there at
 * the call before is due now.  Looks for a new, another or a cut file.  0, or
 * -1 with errno when one is there that cannot be opened; call it again.
 */
int		 logfile_follow(struct logfile *f);
#endif
