/* procfs: what the kernel tells about a process. */
#ifndef TOCSIN_WATCHDOG_PROCFS_H
#define TOCSIN_WATCHDOG_PROCFS_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct procfs_usage {
	int64_t	 rss_kb;
	int64_t	 cpu_ms;	/* user and system time, all threads, no children */
};

/* Read /proc/PID/stat; false when there is no such process or no /proc. */
bool	 procfs_usage(pid_t pid, struct procfs_usage *u);
#endif
