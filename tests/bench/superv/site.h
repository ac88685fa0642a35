/*
 * site: a supervisor with two beating children, in a folder of its own.
 *
 * The supervisor is tocsin-watchdog, or the floor: this program's own bare loop of waitpid and posix_spawn.  The children
 * (beater.c) tell each start down a FIFO, so that nothing has to be polled.  All functions end the bench by proc_die() when
 * what they are asked for cannot be had.
 */
#ifndef TOCSIN_BENCH_SUPERV_SITE_H
#define TOCSIN_BENCH_SUPERV_SITE_H
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SITE_CHILDREN	2

/* Where the programs are and the folders go; set once by main(). */
struct site_tools {
	char		 self[PATH_MAX], beater[PATH_MAX], watchdog[PATH_MAX], wallclock[PATH_MAX];
	char		 folder[PATH_MAX];
};
extern struct site_tools site_tools;

struct site_conf {
	bool		 floor;			/* the rest but the interval means nothing to it */
	int64_t		 heartbeat_interval_ms, heartbeat_timeout_ms, check_interval_ms, stable_after_ms, kill_grace_ms;
	const char	*clock_path;		/* NULL: the machine's own wall clock; see wallclock.c */
};

struct site_child {
	int		 stamps_fd;
	pid_t		 pid;			/* of its latest start */
	int64_t		 born_ns;		/* that one's main(), CLOCK_MONOTONIC */
	unsigned	 starts;
};

struct site {
	pid_t			 pid;		/* the supervisor's */
	int			 log_fd;	/* -1 for the floor */
	struct site_child	 child[SITE_CHILDREN];
	size_t			 log_len;	/* bytes of `log` that wait for their newline */
	char			 folder[PATH_MAX], log[8192];
};

/* heartbeat_interval 1 s, stable_after 1 s, and the watchdog's own defaults. */
struct site_conf site_default(void);

/* Start it and wait for its children.  Returns a site to be ended with site_end(). */
struct site	*site_new(const struct site_conf *conf);
void		 site_end(struct site *s);

/* Take the starts that have been told; does not wait. */
void		 site_read(struct site *s);

/* Wait until child number `i` has started more than `starts` times. */
void		 site_wait(struct site *s, int i, unsigned starts);

/* The next whole line of the watchdog's log, borrowed until the next call; NULL when there is none yet. */
const char	*site_log_line(struct site *s);

/* Restarts of both children together since the site began: where nothing is to die, those are wrong. */
unsigned	 site_restarts(struct site *s);

/* The main function of the floor: BEATER, then the arguments of each child. */
int		 site_floor_main(char **argv);
#endif
