#include "watchdog/process.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"
#include "watchdog/folder.h"
#include "watchdog/holders.h"
#include "watchdog/lock.h"
#include "watchdog/process_private.h"

#define WAIT_MIN_US	100000	/* less without a processor is ordinary scheduling */

static void	 feed(struct process *p, struct sup_event ev);

static void
feed_kind(struct process *p, enum sup_event_kind kind)
{
	feed(p, (struct sup_event){ .kind = kind });
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
		log_info("process", "stops by its own word name=%s pid=%d", process_name(p), (int)p->pid);
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
	p->usage = (struct procfs_usage){ .state = '?', .rss_kb = -1, .cpu_ms = -1 };
	p->turns = (struct procfs_turns){ 0 };
}

static void
begin_run(struct process *p, const struct spawned *s)
{
	p->pid = s->pid;
	p->turns_us = clock_mono_us();
	p->exec_fd = s->exec_fd;
	p->not_started = (struct spawn_failure){ 0 };
	if (pulse_open(&p->pulse, p->base, s->beat_fd) == -1 ||
	    event_assign(&p->exec_event, p->base, p->exec_fd, EV_READ | EV_PERSIST, exec_cb, p) == -1 ||
	    event_add(&p->exec_event, NULL) == -1)
		log_warnx("process", "cannot watch its pipes, looking at every check name=%s pid=%d", process_name(p), (int)p->pid);
	p->starts++;
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
	} else if (spawn(p->plan, lock, p->cores.count < (unsigned)p->conf->max_cores, &s) == -1)
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
		log_warn("process", "signal name=%s pid=%d signal=%d", process_name(p), (int)p->pid, sig);
}

static void
told_cb(pid_t pid, const char *comm, void *arg)
{
	const struct process	*p = arg;

	log_warnx("process", "an earlier copy holds its lock name=%s pid=%d program=%s", process_name(p), (int)pid, comm);
}

/* Found by the lock that they hold, never by a number from a file. */
static void
evict(struct process *p, int sig)
{
	uid_t	 user = p->conf->identity.change ? p->conf->identity.uid : (uid_t)-1;
	int	 count = holders_signal(p->lock_path, user, sig, told_cb, p);

	log_warnx("process", "%s whoever holds its lock name=%s lock=%s signalled=%d", sig == SIGKILL ? "killing" : "asking to end",
	    process_name(p), p->lock_path, count);
}

/* About a run that goes on. */
static void
do_looks(struct process *p, unsigned actions, int64_t now_us)
{
	if (actions & SUP_DO_LATE)
		process_say_late(p, now_us);
	if (actions & SUP_DO_SUSPECT)
		process_say_suspect(p);
	if (actions & SUP_DO_SPARE)
		process_say_spared(p);
	if (actions & SUP_DO_CONTINUE) {
		log_warnx("process", "stopped by somebody (state T), continuing it name=%s pid=%d", process_name(p), (int)p->pid);
		send_signal(p, p->pid, SIGCONT);
	}
	if (actions & SUP_DO_ALERT) {
		process_say_crash_looping(p, now_us);
		p->handler.alert(p, "crash-looping", p->arg);
	}
	if (actions & SUP_DO_STABLE) {
		log_info("process", "crash-looping no longer name=%s pid=%d", process_name(p), (int)p->pid);
		p->handler.alert(p, "recovered", p->arg);
	}
}

/* To bring one to its end. */
static void
do_endings(struct process *p, unsigned actions)
{
	long long	 grace_ms = p->conf->times.kill_grace_ms;

	if (actions & SUP_DO_TERM) {
		log_info("process", "stopping name=%s pid=%d grace_ms=%lld", process_name(p), (int)p->pid, grace_ms);
		send_signal(p, p->pid, SIGTERM);
		send_signal(p, p->pid, SIGCONT);	/* a stopped one hears it only when it goes on */
	}
	if (actions & SUP_DO_ABORT) {
		log_warnx("process", "hung, aborting name=%s pid=%d cause=%s grace_ms=%lld", process_name(p), (int)p->pid,
		    p->sup.cause == SUP_NO_BEAT ? "no-beat" : "never-ready", grace_ms);
		send_signal(p, p->pid, SIGABRT);
		send_signal(p, p->pid, SIGCONT);
		p->handler.alert(p, "hung", p->arg);
	}
	if (actions & SUP_DO_KILL) {
		log_warnx("process", "killing name=%s pid=%d", process_name(p), (int)p->pid);
		send_signal(p, -p->pid, SIGKILL);
		send_signal(p, p->pid, SIGKILL);	/* it may not lead its group yet */
	}
	if (actions & (SUP_DO_EVICT | SUP_DO_EVICT_NOW))
		evict(p, actions & SUP_DO_EVICT ? SIGTERM : SIGKILL);
}

/* A reload ends nobody: a program that does not know the signal goes on as it is. */
static void
hang_up(const struct process *p)
{
	if (procfs_handles(p->pid, SIGHUP))
		send_signal(p, p->pid, SIGHUP);
	else
		log_info("process", "takes no SIGHUP, goes on as it is name=%s pid=%d", process_name(p), (int)p->pid);
}

static void
entered(struct process *p, enum sup_state from, int64_t now_us)
{
	if (from == SUP_UP) {
		p->up_us += now_us - p->up_since_us;
		p->up_since_us = 0;
	}
	if (p->sup.state == SUP_STARTING)
		log_info("process", "started name=%s pid=%d starts=%u", process_name(p), (int)p->pid, p->starts);
	else if (p->sup.state == SUP_UP) {
		pulse_batch(&p->pulse);
		p->up_since_us = now_us;
		log_info("process", "up name=%s pid=%d after_ms=%lld", process_name(p), (int)p->pid, process_ms(now_us - p->sup.started_us));
		if (p->hup_owed)
			hang_up(p);
		p->hup_owed = false;
	} else if (p->sup.state == SUP_STOPPED && from < SUP_STARTING)
		log_info("process", "not running, and not to be started name=%s", process_name(p));
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
		log_warnx("process", "cannot arm its timer, looking at every check name=%s", process_name(p));
}

/* One step, with all that it asks for.  A start comes first, lines in the log can wait.  False: nothing answers it. */
static bool
take_step(struct process *p, struct sup_event *ev)
{
	int64_t			 now_us = clock_mono_us();
	struct sup_step		 n = sup_step(p->sup, ev, now_us, &p->conf->times);
	enum sup_state		 from = p->sup.state;
	bool			 ended = ev->kind == SUP_ON_EXIT;
	struct sup_event	 answer = { .kind = SUP_ON_TIMER };
	struct ending		 last;

	p->sup = n.next;
	if (ended)
		last = *endings_get(&p->endings, 0);
	if (n.actions & SUP_DO_SPAWN)
		answer = spawn_now(p);
	if (ended)
		process_say_ending(p, &last, now_us);
	do_looks(p, n.actions, now_us);
	do_endings(p, n.actions);
	if (p->sup.state != from)
		entered(p, from, now_us);
	*ev = answer;
	return (n.actions & SUP_DO_SPAWN) != 0;
}

/* The only writer of p->sup: one step after the other until nothing answers any more. */
static void
feed(struct process *p, struct sup_event ev)
{
	bool	 beat = ev.kind == SUP_ON_BEAT;

	while (take_step(p, &ev))
		beat = false;
	/* Most beats only move the deadline away: the timer then comes early once, and is set anew. */
	if (!beat)
		arm_timer(p);
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct process	*p = arg;

	(void)fd, (void)what;
	p->handler.due(p, p->arg);
}

/* What the kernel knows */

/*
 * The time that it waited for a processor since the last look is not its own
 * silence.  What it waits just now the kernel counts only when it gets its
 * turn: one that wants to run and neither ran nor waited has waited all along.
 */
static void
credit_waiting(struct process *p, int64_t now_us)
{
	struct procfs_turns	 t;
	int64_t			 waited_us;

	if (!procfs_turns(p->pid, &t))
		return;
	waited_us = t.waited_us - p->turns.waited_us;
	if (p->usage.state == 'R' && t.ran_us == p->turns.ran_us && waited_us == 0)
		waited_us = now_us - p->turns_us;
	p->turns = t;
	p->turns_us = now_us;
	if (waited_us < WAIT_MIN_US)
		return;
	log_warnx("process", "waited for a processor, not judged for it name=%s pid=%d waited_ms=%lld", process_name(p), (int)p->pid, process_ms(waited_us));
	feed(p, (struct sup_event){ .kind = SUP_ON_GAP, .gap_us = waited_us });
}

static enum sup_seen
see(const struct process *p)
{
	switch (p->usage.state) {
	case 'T':
		return SUP_SEEN_STOPPED;
	case 't':
		return SUP_SEEN_TRACED;
	case 'D':
		return SUP_SEEN_STUCK;
	default:
		return SUP_SEEN_ALIVE;
	}
}

/* For the watchdog */

struct process *
process_new(struct event_base *base, const struct process_conf *conf, const struct suite_conf *suite,
    int *listen_fds_take, size_t listen_count, const struct process_handler *handler, void *arg)
{
	struct process	*p = xcalloc(1, sizeof(*p));

	p->base = base;
	p->conf = conf;
	p->judged_by = conf->times;
	p->suite = suite;
	p->handler = *handler;
	p->arg = arg;
	p->listen_fds = listen_fds_take;
	p->listen_count = listen_count;
	p->plan = spawn_plan_new(conf, suite, p->listen_fds, listen_count);
	pulse_init(&p->pulse, conf->name, heard_cb, p);
	p->exec_fd = -1;
	cores_init(&p->cores, suite->state_dir, conf->name);
	forget_run(p);
	p->lock_path = folder_path(suite->runtime_dir, conf->name, ".lock");
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
	cores_release(&p->cores);
	free(p->lock_path);
	free(p);
}

void
process_start(struct process *p)
{
	feed_kind(p, SUP_ON_START);
	feed_kind(p, SUP_ON_RETRY);
}

void
process_restart(struct process *p)
{
	feed_kind(p, SUP_ON_STOP);
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
	cores_recount(&p->cores);	/* somebody may have looked at them */
	if (memcmp(&p->judged_by, &p->conf->times, sizeof(p->judged_by)) == 0)
		return;			/* or reloads in a row would hide a hang */
	p->judged_by = p->conf->times;
	feed_kind(p, SUP_ON_BEAT);	/* patience by new rules begins now */
	if (p->pid != -1 && p->exec_fd == -1)
		feed_kind(p, SUP_ON_EXEC);	/* its program runs, which may be all that is asked of it now */
	arm_timer(p);
}

void
process_reload(struct process *p)
{
	if (p->sup.state == SUP_UP)
		hang_up(p);
	else if (p->sup.state == SUP_STARTING)
		p->hup_owed = true;	/* now it would die of it, having no handler yet */
	else
		feed_kind(p, SUP_ON_RETRY);
}

void
process_exited(struct process *p, int wait_status)
{
	struct ending	 e;

	p->hup_owed = false;	/* its number may be another's by now: READY among its last words calls for no signal */
	/* Its last words, before the pipes go. */
	pulse_read(&p->pulse);
	read_exec_outcome(p);
	e = ending_of(wait_status, p->sup.cause, &p->not_started);
	e.pid = p->pid;
	e.wall_us = clock_wall_us();
	e.run_us = clock_mono_us() - p->sup.started_us;
	endings_add(&p->endings, &e);
	if (e.core)
		cores_add(&p->cores);
	forget_run(p);
	feed(p, (struct sup_event){ .kind = SUP_ON_EXIT, .exit_code = e.code, .random = backoff_random() });
}

void
process_listen(struct process *p)
{
	pulse_read(&p->pulse);
}

void
process_look(struct process *p)
{
	struct sup_event	 ev = { .kind = SUP_ON_TIMER };
	int64_t			 now_us = clock_mono_us();

	pulse_read(&p->pulse);
	read_exec_outcome(p);
	if (sup_needs_look(&p->sup, now_us, &p->conf->times)) {
		(void)procfs_usage(p->pid, &p->usage);
		ev.seen = see(p);
		credit_waiting(p, now_us);
	}
	feed(p, ev);
}

void
process_measure(struct process *p)
{
	if (p->pid == -1)
		return;
	(void)procfs_usage(p->pid, &p->usage);
	/* A beat is not worth asking at: what it waited shortly before its last one is credited too. */
	if (p->sup.doubt == SUP_SURE && procfs_turns(p->pid, &p->turns))
		p->turns_us = clock_mono_us();
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
	return p->sup.state == SUP_UP || p->sup.state == SUP_STOPPED || p->endings.total > 0;
}

void
process_report(const struct process *p, struct process_report *r)
{
	int64_t	 now_us = clock_mono_us();
	bool	 waits = p->sup.state == SUP_BACKOFF || p->sup.state == SUP_BLOCKED;

	*r = (struct process_report){
		.name = process_name(p), .state = sup_state_name(&p->sup), .pid = p->pid,
		.is_up = p->sup.state == SUP_UP, .is_stopped = p->sup.state == SUP_STOPPED,
		.starts = p->starts, .restarts = p->starts > 0 ? p->starts - 1 : 0, .failures = p->sup.failures, .cores = p->cores.count,
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
