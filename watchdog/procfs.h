/* procfs: what the kernel tells about a process, see proc(5). */
#ifndef TOCSIN_WATCHDOG_PROCFS_H
#define TOCSIN_WATCHDOG_PROCFS_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct procfs_usage {
	char	 state;		/* R runs or wants to, S sleeps, D in the kernel, T stopped, t traced, Z dead; '?' unknown */
	int64_t	 rss_kb;	/* -1: unknown */
	int64_t	 cpu_ms;	/* user and system time, all threads, no children; -1: unknown */
};

/* Of its main thread, since it was forked. */
struct procfs_turns {
	int64_t	 ran_us;	/* on a processor */
	int64_t	 waited_us;	/* in line for one; what it waits just now counts once it got its turn */
};

/* Read /proc/PID/stat; everything unknown, and false, when there is no such process or no /proc. */
bool	 procfs_usage(pid_t pid, struct procfs_usage *u);

/* Does it catch or ignore this signal?  True when nobody can tell. */
bool	 procfs_handles(pid_t pid, int sig);

/* Read /proc/PID/schedstat; false, and zeros, where the kernel keeps none. */
bool	 procfs_turns(pid_t pid, struct procfs_turns *t);
#endif
