/*
 * process: one supervised process: the side effects of supervise.h, and the
 * facts about it for status and logs.
 */
#ifndef TOCSIN_WATCHDOG_PROCESS_H
#define TOCSIN_WATCHDOG_PROCESS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "watchdog/config.h"
#include "watchdog/ending.h"

struct event_base;
struct process;

struct process_handler {
	/* Something that status.json shows has changed.  May come many times in a row. */
	void	(*changed)(void *arg);
	/* Its deadline has come: look for own gaps, then call process_look(). */
	void	(*due)(struct process *p, void *arg);
	/* Somebody is to be told: it is "hung", "crash-looping", "recovered". */
	void	(*alert)(const struct process *p, const char *what, void *arg);
};

/* A snapshot; what it points to is borrowed and good until the loop goes on. */
struct process_report {
	const char	*name, *state;
	bool		 is_up, is_stopped;
	pid_t		 pid;			/* -1: none */
	unsigned	 starts, restarts, failures, cores;
	int64_t		 uptime_us;		/* of this run; 0 when not running */
	int64_t		 beat_age_us;		/* -1: no beat in this run */
	int64_t		 next_start_us;		/* from now; -1: none due */
	int64_t		 up_us;			/* in state up, in all runs together */
	int64_t		 rss_kb, cpu_ms;	/* as of the last look; -1: unknown */
	const char	*status;		/* its own STATUS, one JSON object */
	size_t		 status_len;		/* 0: none in this run */
	const struct endings *endings;
};

/*
 * `conf` and `suite` are borrowed, must outlive the process and are read anew
 * by process_reconfigured() only.  The listening sockets become its own and
 * are closed by process_free(), which does not signal anything.  Never NULL.
 */
struct process	*process_new(struct event_base *base, const struct process_conf *conf, const struct suite_conf *suite,
		    int *listen_fds_take, size_t listen_count, const struct process_handler *handler, void *arg);
void		 process_free(struct process *p);	/* NULL is fine */

void		 process_start(struct process *p);	/* at once, also when it waits for its next start */
void		 process_stop(struct process *p);	/* SIGTERM, kill_grace, SIGKILL; does not wait */
void		 process_restart(struct process *p);	/* both; starts as soon as it has ended */
void		 process_last(struct process *p);	/* never start it again */

/* The configuration behind `conf` was replaced: command, user and limits count from the next start, times at once. */
void		 process_reconfigured(struct process *p);

/* SIGHUP to the process (once it is up), or the next start at once if it waits for one. */
void		 process_reload(struct process *p);

/* It was reaped with this wait status. */
void		 process_exited(struct process *p, int wait_status);

/* Take the beats that have gathered; call it several times in every heartbeat_timeout. */
void		 process_listen(struct process *p);

/* Drain its pipe and act on its deadline; process_measure() asks the kernel for its memory and processor time. */
void		 process_look(struct process *p);
void		 process_measure(struct process *p);

/* The watchdog did not run for so long. */
void		 process_credit(struct process *p, int64_t gap_us);

int64_t		 process_deadline_us(const struct process *p);	/* monotonic, 0: none */
pid_t		 process_pid(const struct process *p);		/* -1: none */
bool		 process_is_stopped(const struct process *p);
/* It came up once, or one start has failed, or it is not to start any more: its first start is decided. */
bool		 process_is_settled(const struct process *p);
void		 process_report(const struct process *p, struct process_report *r);
#endif
