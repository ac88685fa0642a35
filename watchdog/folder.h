/* folder: the folders that the watchdog needs, made when missing, and paths in them. */
#ifndef TOCSIN_WATCHDOG_FOLDER_H
#define TOCSIN_WATCHDOG_FOLDER_H
#include <sys/types.h>

/*
 * Make the folder at the absolute `path` with exactly this mode, owner and
 * group (-1: leave it), and what is missing above it with 0755.  One that
 * exists is left as it is.  0, or -1 with errno.
 */
int	 folder_make(const char *path, mode_t mode, uid_t owner, gid_t group);

/* "FOLDER/NAME SUFFIX" without the blank; owned, never NULL. */
char	*folder_path(const char *folder, const char *name, const char *suffix);
#endif
