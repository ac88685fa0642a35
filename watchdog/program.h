/* program: find the suite's programs, and run programs for what they say. */
#ifndef TOCSIN_WATCHDOG_PROGRAM_H
#define TOCSIN_WATCHDOG_PROGRAM_H
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * The path of one of the suite's programs ("tocsin-generator"): beside this
 * one, as in the build, or in ../sbin or ../lib/tocsin of it, as installed.
 * 0, or -1 after a line on stderr.
 */
int	 program_find(const char *name, char path[PATH_MAX]);

/* Become the program.  Returns only when that fails, the exit code after a line on stderr. */
int	 program_become(const char *path, const char *const *argv);

/* Whom to run a program as. */
struct program_user {
	char	*name, *home;
	uid_t	 uid;
	gid_t	 gid;
	gid_t	*groups;
	int	 group_count;
};

/* Ask the machine for the user.  False when there is none of this name; clear it in any case. */
bool	 program_user_find(struct program_user *u, const char *name);
void	 program_user_clear(struct program_user *u);

/*
 * Run the program to its end in the folder / with nothing on stdin, and gather
 * what it writes to stdout and stderr into `*output` (owned, never NULL).
 * `user` NULL: as we are; else only root can.  A program still at work after
 * `timeout_ms` is killed.  Returns its exit code, 128 and the signal's number
 * when one ended it, PROGRAM_LATE, or PROGRAM_FAILED after a line in
 * `*output`.  Blocks.
 */
#define PROGRAM_LATE	(-1)
#define PROGRAM_FAILED	(-2)
int	 program_run(const char *const *argv, const struct program_user *user, int timeout_ms, char **output);

/* May this user (NULL: who we are) execute the file, or write in the folder?  `mode` as for access(2).  0 or an errno. */
int	 program_access(const char *path, int mode, const struct program_user *user);
#endif
