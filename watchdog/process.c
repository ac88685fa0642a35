#include "watchdog/process.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"
#include "watchdog/lock.h"
#include "watchdog/procfs.h"
#include "watchdog/pulse.h"
#include "watchdog/spawn.h"

#define BLOCKED_SAID	8	/* tries, 0.1 s; earlier ones are the last moments of a killed group */

struct process {
	const struct process_conf *conf;
	const struct suite_conf	*suite;
	struct process_handler	 handler;
	void			*arg;
	struct event_base	*base;
	char			 lock_path[PATH_MAX];
	int			*listen_fds;
	size_t			 listen_count;
	struct spawn_plan	*plan;

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
	struct endings		 endings;
};

static void	 feed(struct process *p, struct sup_event ev);

static void
feed_kind(struct process *p, enum sup_event_kind kind)
{
	feed(p, (struct sup_event){ .kind = kind });
}

static const char *
name_of(const struct process *p)
{
	return p->conf->name;
}

static long long
ms(int64_t us)
{
	return us < 0 ? -1 : us / 1000;
}

static void
heard_cb(enum beat_kind kind, const char *value, size_t len, void *arg)
{
	struct process	*p = arg;

	(void)value, (void)len;
	if (kind != BEAT_STOPPING)
		feed_kind(p, kind == BEAT_READY ? SUP_ON_READY : SUP_ON_BEAT);
	else if (!p->said_stopping) {
		p->said_stopping = true;
		log_info("process", "stops by its own word name=%s pid=%d", name_of(p), (int)p->pid);
	}
}

/* How the exec went */

static void
read_exec_outcome(struct process *p)
{
	if (p->exec_fd == -1)
		return;
	switch (spawn_outcome(p->exec_fd, &p->not_started)) {
	case SPAWN_PENDING:
		return;
	case SPAWN_RUNNING:
		feed_kind(p, SUP_ON_EXEC);
		break;
	case SPAWN_FAILED:
		break;		/* its exit tells the rest */
	}
	event_del(&p->exec_event);
	fd_close(&p->exec_fd);
}

static void
exec_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	read_exec_outcome(arg);
}

/* Actions */

static void
forget_run(struct process *p)
{
	pulse_close(&p->pulse);
	if (p->exec_fd != -1)
		event_del(&p->exec_event);
	fd_close(&p->exec_fd);
	p->pid = -1;
	p->hup_owed = p->said_stopping = false;
	p->usage = (struct procfs_usage){ .rss_kb = -1, .cpu_ms = -1 };
}

static void
begin_run(struct process *p, const struct spawned *s)
{
	p->pid = s->pid;
	p->exec_fd = s->exec_fd;
	p->not_started = (struct spawn_failure){ 0 };
	if (pulse_open(&p->pulse, p->base, s->beat_fd) == -1 ||
	    event_assign(&p->exec_event, p->base, p->exec_fd, EV_READ | EV_PERSIST, exec_cb, p) == -1 ||
	    event_add(&p->exec_event, NULL) == -1)
		log_warnx("process", "cannot watch its pipes, looking at every check name=%s pid=%d", name_of(p), (int)p->pid);
	p->starts++;
	log_info("process", "started name=%s pid=%d starts=%u", name_of(p), (int)p->pid, p->starts);
}

/* Fork, and the event that answers SUP_DO_SPAWN. */
static struct sup_event
spawn_now(struct process *p)
{
	struct ending	 e = { .pid = -1, .cause = "not-started", .code = -1, .wall_us = clock_wall_us() };
	struct spawned	 s = { -1, -1, -1 };
	int		 lock;

	if ((lock = lock_take(p->lock_path)) == -1) {
		if (errno == EWOULDBLOCK)
			return (struct sup_event){ .kind = SUP_ON_BLOCKED };
		e.not_started = (struct spawn_failure){ SPAWN_LOCK, errno };
	} else if (spawn(p->plan, lock, &s) == -1)
		e.not_started = (struct spawn_failure){ SPAWN_FORK, errno };
	fd_close(&lock);
	if (e.not_started.error != 0) {
		endings_add(&p->endings, &e);
		return (struct sup_event){ .kind = SUP_ON_EXIT, .exit_code = -1, .random = backoff_random() };
	}
	begin_run(p, &s);
	return (struct sup_event){ .kind = SUP_ON_SPAWNED };
}

static void
send_signal(const struct process *p, pid_t to, int sig)
{
	/* ESRCH: its exit is on the way to us already. */
	if (kill(to, sig) == -1 && errno != ESRCH)
		log_warn("process", "signal name=%s pid=%d signal=%d", name_of(p), (int)p->pid, sig);
}

static void
say_late(const struct process *p, int64_t now_us)
{
	if (p->sup.state == SUP_STARTING)
		log_warnx("process", "late: not ready name=%s pid=%d since_start_ms=%lld start_timeout_ms=%lld", name_of(p),
		    (int)p->pid, ms(now_us - p->sup.started_us), (long long)p->conf->times.start_timeout_ms);
	else
		log_warnx("process", "late: no beat name=%s pid=%d beat_age_ms=%lld heartbeat_timeout_ms=%lld", name_of(p),
		    (int)p->pid, ms(p->pulse.beat_us == 0 ? -1 : now_us - p->pulse.beat_us), (long long)p->conf->times.heartbeat_timeout_ms);
}

static void
say_ending(const struct process *p, int64_t now_us)
{
	const struct ending	*e = endings_get(&p->endings, 0);
	char			 text[ENDING_TEXT_MAX];

	ending_text(e, text);
	if (p->sup.state == SUP_STOPPED)
		log_info("process", "ended name=%s pid=%d cause=%s how=\"%s\" run_ms=%lld", name_of(p), (int)e->pid,
		    e->cause, text, ms(e->run_us));
	else
		log_warnx("process", "%s name=%s pid=%d cause=%s how=\"%s\" run_ms=%lld failures_in_a_row=%u "
		    "next_start_in_ms=%lld", e->not_started.error != 0 ? "failed to start" : "died", name_of(p), (int)e->pid,
		    e->cause, text, ms(e->run_us), p->sup.failures, ms(p->sup.until_us - now_us));
}

static void
say_alert(const struct process *p, int64_t now_us)
{
	char	 text[ENDING_TEXT_MAX];

	log_errorx("process", "ANOMALY crash-looping name=%s failures_in_a_row=%u last=\"%s\" next_start_in_ms=%lld",
	    name_of(p), p->sup.failures, ending_text(endings_get(&p->endings, 0), text), ms(p->sup.until_us - now_us));
}

static void
do_actions(struct process *p, unsigned actions, int64_t now_us)
{
	long long	 grace_ms = p->conf->times.kill_grace_ms;

	if (actions & SUP_DO_LATE)
		say_late(p, now_us);
	if (actions & SUP_DO_ALERT)
		say_alert(p, now_us);
	if (actions & SUP_DO_STABLE)
		log_info("process", "crash-looping no longer name=%s pid=%d", name_of(p), (int)p->pid);
	if (actions & SUP_DO_TERM) {
		log_info("process", "stopping name=%s pid=%d grace_ms=%lld", name_of(p), (int)p->pid, grace_ms);
		send_signal(p, p->pid, SIGTERM);
	}
	if (actions & SUP_DO_ABORT) {
		log_warnx("process", "hung, aborting name=%s pid=%d cause=%s grace_ms=%lld", name_of(p), (int)p->pid,
		    p->sup.cause == SUP_NO_BEAT ? "no-beat" : "never-ready", grace_ms);
		send_signal(p, p->pid, SIGABRT);
		send_signal(p, p->pid, SIGCONT);	/* a stopped one sees it only when it goes on */
	}
	if (actions & SUP_DO_KILL) {
		log_warnx("process", "killing name=%s pid=%d", name_of(p), (int)p->pid);
		send_signal(p, -p->pid, SIGKILL);
		send_signal(p, p->pid, SIGKILL);	/* it may not lead its group yet */
	}
}

static void
entered(struct process *p, enum sup_state from, int64_t now_us)
{
	if (from == SUP_UP) {
		p->up_us += now_us - p->up_since_us;
		p->up_since_us = 0;
	}
	if (p->sup.state == SUP_UP) {
		p->up_since_us = now_us;
		log_info("process", "up name=%s pid=%d after_ms=%lld", name_of(p), (int)p->pid, ms(now_us - p->sup.started_us));
		if (p->hup_owed)
			send_signal(p, p->pid, SIGHUP);
		p->hup_owed = false;
	} else if (p->sup.state == SUP_STOPPED && from < SUP_STARTING)
		log_info("process", "will not be started again name=%s", name_of(p));
	p->handler.changed(p->arg);
}

static void
arm_timer(struct process *p)
{
	int64_t		 deadline_us = sup_deadline(&p->sup, &p->conf->times), left_us;
	struct timeval	 tv;

	if (deadline_us == 0) {
		event_del(&p->timer);
		return;
	}
	left_us = deadline_us - clock_mono_us();
	if (left_us < 0)
		left_us = 0;
	tv = (struct timeval){ left_us / 1000000, left_us % 1000000 };
	if (event_add(&p->timer, &tv) == -1)
		log_warnx("process", "cannot arm its timer, looking at every check name=%s", name_of(p));
}

/* The only writer of p->sup: one step after the other until nothing answers any more. */
static void
feed(struct process *p, struct sup_event ev)
{
	struct sup_step	 n;
	enum sup_state	 from;
	int64_t		 now_us;

	for (;;) {
		now_us = clock_mono_us();
		n = sup_step(p->sup, &ev, now_us, &p->conf->times);
		from = p->sup.state;
		p->sup = n.next;
		if (ev.kind == SUP_ON_EXIT)
			say_ending(p, now_us);
		do_actions(p, n.actions, now_us);
		if (p->sup.state != from)
			entered(p, from, now_us);
		if ((n.actions & SUP_DO_SPAWN) == 0)
			break;
		ev = spawn_now(p);
		if (ev.kind == SUP_ON_BLOCKED && p->sup.blocked + 1 == BLOCKED_SAID)
			log_warnx("process", "another copy still runs, waiting for its end name=%s lock=%s", name_of(p), p->lock_path);
	}
	/* Most beats only move the deadline away: the timer then comes early once, and is set anew. */
	if (ev.kind != SUP_ON_BEAT)
		arm_timer(p);
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct process	*p = arg;

	(void)fd, (void)what;
	p->handler.due(p, p->arg);
}

/* For the watchdog */

struct process *
process_new(struct event_base *base, const struct process_conf *conf, const struct suite_conf *suite,
    int *listen_fds_take, size_t listen_count, const struct process_handler *handler, void *arg)
{
	struct process	*p = xcalloc(1, sizeof(*p));

	p->base = base;
	p->conf = conf;
	p->suite = suite;
	p->handler = *handler;
	p->arg = arg;
	p->listen_fds = listen_fds_take;
	p->listen_count = listen_count;
	p->plan = spawn_plan_new(conf, suite, p->listen_fds, listen_count);
	pulse_init(&p->pulse, conf->name, heard_cb, p);
	p->exec_fd = -1;
	forget_run(p);
	if (snprintf(p->lock_path, sizeof(p->lock_path), "%s/%s.lock", suite->runtime_dir, conf->name) >= PATH_MAX)
		fatalx("process", "path too long runtime_dir=%s", suite->runtime_dir);
	if (evtimer_assign(&p->timer, base, timer_cb, p) == -1)
		fatalx("process", "cannot make a timer");
	return p;
}

void
process_free(struct process *p)
{
	if (p == NULL)
		return;
	event_del(&p->timer);
	forget_run(p);
	for (size_t i = 0; i < p->listen_count; i++)
		fd_close(&p->listen_fds[i]);
	free(p->listen_fds);
	spawn_plan_free(p->plan);
	free(p);
}

void
process_start(struct process *p)
{
	feed_kind(p, SUP_ON_START);
}

void
process_stop(struct process *p)
{
	feed_kind(p, SUP_ON_STOP);
}

void
process_last(struct process *p)
{
	feed_kind(p, SUP_ON_LAST);
}

void
process_reconfigured(struct process *p)
{
	spawn_plan_free(p->plan);
	p->plan = spawn_plan_new(p->conf, p->suite, p->listen_fds, p->listen_count);
	feed_kind(p, SUP_ON_BEAT);	/* patience by new rules begins now */
	arm_timer(p);
}

void
process_reload(struct process *p)
{
	if (p->sup.state == SUP_UP)
		send_signal(p, p->pid, SIGHUP);
	else if (p->sup.state == SUP_STARTING)
		p->hup_owed = true;	/* now it would die of it, having no handler yet */
	else
		feed_kind(p, SUP_ON_RETRY);
}

void
process_exited(struct process *p, int wait_status)
{
	struct ending	 e;

	/* Its last words, before the pipes go. */
	pulse_read(&p->pulse);
	read_exec_outcome(p);
	e = ending_of(wait_status, p->sup.cause, &p->not_started);
	e.pid = p->pid;
	e.wall_us = clock_wall_us();
	e.run_us = clock_mono_us() - p->sup.started_us;
	endings_add(&p->endings, &e);
	forget_run(p);
	feed(p, (struct sup_event){ .kind = SUP_ON_EXIT, .exit_code = e.code, .random = backoff_random() });
}

void
process_look(struct process *p)
{
	pulse_read(&p->pulse);
	read_exec_outcome(p);
	feed_kind(p, SUP_ON_TIMER);
}

void
process_measure(struct process *p)
{
	if (p->pid != -1 && !procfs_usage(p->pid, &p->usage))
		p->usage = (struct procfs_usage){ .rss_kb = -1, .cpu_ms = -1 };
}

void
process_credit(struct process *p, int64_t gap_us)
{
	feed(p, (struct sup_event){ .kind = SUP_ON_GAP, .gap_us = gap_us });
}

int64_t
process_deadline_us(const struct process *p)
{
	return sup_deadline(&p->sup, &p->conf->times);
}

pid_t
process_pid(const struct process *p)
{
	return p->pid;
}

bool
process_is_stopped(const struct process *p)
{
	return p->sup.state == SUP_STOPPED;
}

bool
process_is_settled(const struct process *p)
{
	return p->sup.state == SUP_UP || p->endings.total > 0;
}

void
process_report(const struct process *p, struct process_report *r)
{
	int64_t	 now_us = clock_mono_us();
	bool	 waits = p->sup.state == SUP_BACKOFF || p->sup.state == SUP_BLOCKED;

	*r = (struct process_report){
		.name = name_of(p), .state = sup_state_name(&p->sup), .pid = p->pid,
		.restarts = p->starts > 0 ? p->starts - 1 : 0, .failures = p->sup.failures,
		.uptime_us = p->pid == -1 ? 0 : now_us - p->sup.started_us,
		.beat_age_us = p->pulse.beat_us == 0 ? -1 : now_us - p->pulse.beat_us,
		.next_start_us = waits ? p->sup.until_us - now_us : -1,
		.up_us = p->up_us + (p->sup.state == SUP_UP ? now_us - p->up_since_us : 0),
		.rss_kb = p->usage.rss_kb, .cpu_ms = p->usage.cpu_ms,
		.status = p->pulse.status, .status_len = p->pulse.status_len, .endings = &p->endings
	};
	if (waits && r->next_start_us < 0)
		r->next_start_us = 0;
}
