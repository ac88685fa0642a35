/* proc: what the kernel tells about a process that is being measured. */
#ifndef TOCSIN_BENCH_SUPERV_PROC_H
#define TOCSIN_BENCH_SUPERV_PROC_H
#include <stdint.h>
#include <sys/types.h>

struct proc_usage {
	int64_t	 cpu_ns;		/* all threads; no children */
	long	 wakeups;		/* voluntary context switches, all threads */
	long	 rss_kb, pss_kb, private_dirty_kb;
	long	 descriptors;
};

int64_t	 proc_now_ns(void);		/* CLOCK_MONOTONIC */
void	 proc_sleep_ms(int64_t ms);

/* Exits the bench when there is no such process: it has died and nothing is left to measure. */
struct proc_usage proc_usage(pid_t pid);

/* R, S, T …; 0 when there is no such process. */
char	 proc_state(pid_t pid);

/* Kill and reap all children, and those that become ours by that, until there are none. */
void	 proc_kill_children(void);

/* One line on stderr, then exit(2). */
void	 proc_die(const char *what, const char *why) __attribute__((noreturn));
#endif
