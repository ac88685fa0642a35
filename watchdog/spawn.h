/*
 * spawn: fork and exec one process with exactly the descriptors, the user and
 * the environment it is meant to have.
 *
 *	0	/dev/null
 *	1, 2	its log, LOG_DIR/NAME.log, opened as its own user
 *	3 …	its listening sockets (LISTEN_FDS, LISTEN_PID)
 *	then	the write end of the heartbeat pipe (TOCSIN_HEARTBEAT_FD)
 *	last	its lock, which it has no need to know: it ends with the process
 *
 * Its working folder is STATE_DIR/NAME (or / when that is gone): what it leaves
 * behind without saying where, a core above all, is its own and found there.
 */
#ifndef TOCSIN_WATCHDOG_SPAWN_H
#define TOCSIN_WATCHDOG_SPAWN_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "watchdog/config.h"

enum spawn_stage {
	SPAWN_SESSION,
	SPAWN_USER,
	SPAWN_PRIVILEGES,
	SPAWN_DEATH_SIGNAL,
	SPAWN_LOG,
	SPAWN_DESCRIPTORS,
	SPAWN_EXEC,
	SPAWN_LOCK,		/* in the watchdog itself: the lock's file */
	SPAWN_FORK		/* in the watchdog itself: the pipes, or the fork */
};

/* Where it failed, and the errno. */
struct spawn_failure {
	int	 stage, error;
};

struct spawned {
	pid_t	 pid;
	int	 beat_fd;	/* read end of the heartbeat pipe, not blocking */
	int	 exec_fd;	/* for spawn_outcome(), not blocking */
};

enum spawn_outcome { SPAWN_PENDING, SPAWN_RUNNING, SPAWN_FAILED };

struct spawn_plan;

/*
 * Prepare all that may not be done between fork and exec.  `conf` and `suite`
 * are borrowed and must outlive the plan; the sockets' numbers are copied, the
 * sockets stay the caller's.  Never NULL; free with spawn_plan_free().
 */
struct spawn_plan	*spawn_plan_new(const struct process_conf *conf, const struct suite_conf *suite,
			    const int *listen_fds, size_t listen_count);
void			 spawn_plan_free(struct spawn_plan *plan);	/* NULL is fine */

/*
 * Start it.  Does not wait for the exec: `exec_fd` becomes readable when that
 * is decided.  `lock_fd` is handed down and stays open here; `may_dump`: a
 * crash may leave a core.  0 and `out` filled, its descriptors the caller's; or
 * -1 with errno and nothing started.
 */
int			 spawn(struct spawn_plan *plan, int lock_fd, bool may_dump, struct spawned *out);

/* Read `exec_fd`: how far it came.  SPAWN_FAILED fills `why`; its exit follows. */
enum spawn_outcome	 spawn_outcome(int exec_fd, struct spawn_failure *why);

const char		*spawn_stage_name(int stage);

/* An environment entry that is the watchdog's own; with another user, also HOME and the like. */
bool			 spawn_is_private(const char *entry, bool change_user);

/* Steps of a fresh child, for others who fork: async-signal-safe, false with errno. */
bool			 spawn_reset_signals(void);	/* and a session of its own */
void			 spawn_be_mortal(void);			/* for the OOM killer; before the user is changed */
bool			 spawn_change_user(const struct identity *id);
#endif
