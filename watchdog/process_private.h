/* process_private: what process.c and process_say.c share, and nobody else sees. */
#ifndef TOCSIN_WATCHDOG_PROCESS_PRIVATE_H
#define TOCSIN_WATCHDOG_PROCESS_PRIVATE_H
#include <event2/event_struct.h>

#include "watchdog/cores.h"
#include "watchdog/process.h"
#include "watchdog/procfs.h"
#include "watchdog/pulse.h"
#include "watchdog/spawn.h"

struct process {
	const struct process_conf *conf;
	const struct suite_conf	*suite;
	struct process_handler	 handler;
	void			*arg;
	struct event_base	*base;
	char			*lock_path;
	int			*listen_fds;
	size_t			 listen_count;
	struct spawn_plan	*plan;

	struct sup_conf		 judged_by;		/* conf->times, until the next reload */
	struct sup		 sup;
	struct event		 timer;
	pid_t			 pid;
	struct pulse		 pulse;
	int			 exec_fd;
	struct event		 exec_event;
	bool			 hup_owed;		/* reload when it comes up */
	bool			 said_stopping;		/* once is news */
	struct spawn_failure	 not_started;		/* error 0: it was */

	unsigned		 starts;
	int64_t			 up_since_us, up_us;	/* since: 0 when not up */
	struct procfs_usage	 usage;
	struct procfs_turns	 turns;			/* as of turns_us */
	int64_t			 turns_us;
	struct cores		 cores;
	struct endings		 endings;
};

static inline const char *
process_name(const struct process *p)
{
	return p->conf->name;
}

/* For the log; -1 stays "unknown". */
static inline long long
process_ms(int64_t us)
{
	return us < 0 ? -1 : us / 1000;
}

/* process_say.c: the lines of the log about one process. */
void	 process_say_late(const struct process *p, int64_t now_us);
void	 process_say_suspect(const struct process *p);
void	 process_say_spared(const struct process *p);
void	 process_say_ending(const struct process *p, const struct ending *e, int64_t now_us);
void	 process_say_crash_looping(const struct process *p, int64_t now_us);
#endif
