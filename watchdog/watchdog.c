#include "watchdog/watchdog.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"
#include "watchdog/alert.h"
#include "watchdog/desk.h"
#include "watchdog/machine.h"
#include "watchdog/process.h"
#include "watchdog/status.h"

#define CHANGE_DELAY_US	10000
#define GAP_MIN_US	100000	/* lateness below this is ordinary scheduling */
#define REAP_MAX	100	/* deaths in one go: some 2 ms */

static const int handled_signals[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
#define SIGNAL_COUNT	(sizeof(handled_signals) / sizeof(handled_signals[0]))

struct watchdog {
	const char		*conf_path;
	struct watchdog_conf	*conf;
	struct event_base	*base;
	struct process		**processes;		/* as many as conf->count */
	struct process_report	*reports;
	struct status		*status;
	struct desk		*desk;
	struct alert		*alert;
	struct machine		*machine;
	struct startup		*startup;
	struct event		 check, listen, changed, more_dead, signals[SIGNAL_COUNT];
	bool			 stopping;
	bool			 started;		/* all first starts are decided */
	int			 terminal_fd;		/* until then */
	int64_t			 wall_started_us, started_us;
	int64_t			 next_check_us, next_listen_us;	/* 0: checks listen */
	int64_t			 listen_us;		/* between two times of listening */
	int64_t			 credited_us;		/* own gaps up to here are settled */
	uint64_t		 health_mark;		/* of the last health line, for health_log = change */
};

/* Status */

static struct status_facts
gather_facts(void *arg)
{
	struct watchdog	*w = arg;

	for (size_t i = 0; i < w->conf->count; i++) {
		process_measure(w->processes[i]);
		process_report(w->processes[i], &w->reports[i]);
	}
	return (struct status_facts){
		.pid = getpid(), .wall_started_us = w->wall_started_us, .uptime_us = clock_mono_us() - w->started_us,
		.check_interval_ms = w->conf->check_interval_ms, .stopping = w->stopping, .count = w->conf->count, .reports = w->reports
	};
}

static void
log_health(struct watchdog *w, const struct status_facts *f)
{
	uint64_t	 mark = status_mark(f);

	if (w->conf->health_log == HEALTH_LOG_CHECK ||
	    (w->conf->health_log == HEALTH_LOG_CHANGE && mark != w->health_mark))
		status_log_health(f);
	w->health_mark = mark;
}

/* Stopping */

/* The last one first: the relay still delivers what the generator writes. */
static void
stop_next(struct watchdog *w)
{
	for (size_t i = w->conf->count; i-- > 0;)
		if (!process_is_stopped(w->processes[i])) {
			process_stop(w->processes[i]);
			return;
		}
	event_base_loopbreak(w->base);
}

static void
stop_all(struct watchdog *w)
{
	if (w->stopping)
		return;
	w->stopping = true;
	machine_stopping(w->machine);
	/* None comes back while it waits for its turn. */
	for (size_t i = 0; i < w->conf->count; i++)
		process_last(w->processes[i]);
	stop_next(w);
}

/* Own gaps and checks */

/*
 * The first timer that was due tells how long we did not run: a stopped or
 * starved watchdog, a frozen machine.  Nobody is judged for that time.
 */
static void
credit_own_gap(struct watchdog *w)
{
	int64_t	 now_us = clock_mono_us(), due_us = w->next_check_us, deadline_us, gap_us;

	if (w->next_listen_us != 0 && w->next_listen_us < due_us)
		due_us = w->next_listen_us;
	for (size_t i = 0; i < w->conf->count; i++) {
		deadline_us = process_deadline_us(w->processes[i]);
		if (deadline_us != 0 && deadline_us < due_us)
			due_us = deadline_us;
	}
	if (due_us < w->credited_us)
		due_us = w->credited_us;
	w->credited_us = now_us;
	if ((gap_us = now_us - due_us) < GAP_MIN_US)
		return;
	log_warnx("watchdog", "was late itself, no process is judged for it gap_ms=%lld", (long long)(gap_us / 1000));
	for (size_t i = 0; i < w->conf->count; i++)
		process_credit(w->processes[i], gap_us);
}

static void
due_cb(struct process *p, void *arg)
{
	credit_own_gap(arg);
	process_look(p);
}

/*
 * Twice between two checks, so that what is read late makes a hang found later
 * by less than check_interval, the looks included; and four times in the
 * shortest patience.
 */
static void
schedule_listening(struct watchdog *w)
{
	int64_t		 check_ms = w->conf->check_interval_ms, interval_ms = (check_ms - 2 * SUP_LOOK_MS) / 2, quarter_ms;
	struct timeval	 tv;
	bool		 anybody = false;

	if (interval_ms < check_ms / 4)
		interval_ms = check_ms / 4;
	for (size_t i = 0; i < w->conf->count; i++) {
		quarter_ms = w->conf->processes[i].times.heartbeat_timeout_ms / 4;
		anybody = anybody || quarter_ms > 0;
		if (quarter_ms > 0 && quarter_ms < interval_ms)
			interval_ms = quarter_ms;
	}
	event_del(&w->listen);
	w->next_listen_us = 0;
	if (!anybody)
		return;
	tv = clock_timeval_ms((unsigned)interval_ms);
	w->listen_us = interval_ms * 1000;
	w->next_listen_us = clock_mono_us() + w->listen_us;
	if (event_add(&w->listen, &tv) == -1) {
		log_errorx("watchdog", "cannot arm a timer, hearing beats at checks only");
		w->next_listen_us = 0;
	}
}

static void
listen_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watchdog	*w = arg;

	(void)fd, (void)what;
	credit_own_gap(w);
	w->next_listen_us = clock_mono_us() + w->listen_us;
	for (size_t i = 0; i < w->conf->count; i++)
		process_listen(w->processes[i]);
}

static void
schedule_check(struct watchdog *w)
{
	int64_t		 now_us = clock_mono_us(), interval_us = w->conf->check_interval_ms * 1000;
	struct timeval	 tv;

	/* From its own due time, so that checks do not drift; but none is made up for. */
	w->next_check_us += interval_us;
	if (w->next_check_us <= now_us || w->next_check_us > now_us + interval_us)
		w->next_check_us = now_us + interval_us;
	tv.tv_sec = (w->next_check_us - now_us) / 1000000;
	tv.tv_usec = (w->next_check_us - now_us) % 1000000;
	if (event_add(&w->check, &tv) == -1)
		log_errorx("watchdog", "cannot arm the check timer");
}

static void
check_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watchdog		*w = arg;
	struct status_facts	 f;

	(void)fd, (void)what;
	credit_own_gap(w);
	for (size_t i = 0; i < w->conf->count; i++)
		process_look(w->processes[i]);
	machine_check(w->machine);
	alert_check(w->alert);
	desk_check(w->desk);
	if (!startup_check(w->startup, w->conf)) {
		log_errorx("watchdog", "ANOMALY another watchdog runs in this folder, leaving it to that one runtime_dir=%s", w->conf->suite.runtime_dir);
		stop_all(w);
	}
	f = gather_facts(w);
	status_write(w->status, &f);
	log_health(w, &f);
	schedule_check(w);
}

/* Changes: seen to once for all that come together */

static bool
all_settled(const struct watchdog *w)
{
	for (size_t i = 0; i < w->conf->count; i++)
		if (!process_is_settled(w->processes[i]))
			return false;
	return true;
}

static size_t
count_up(const struct watchdog *w)
{
	size_t	 up = 0;

	for (size_t i = 0; i < w->conf->count; i++)
		up += w->reports[i].is_up;
	return up;
}

/* One that takes no more (Ctrl-S, a pipe that nobody reads) must not hold us up. */
static void __attribute__((format(printf, 2, 3)))
tell_terminal(const struct watchdog *w, const char *fmt, ...)
{
	struct pollfd	 p = { .fd = w->terminal_fd, .events = POLLOUT };
	va_list		 ap;

	if (poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0)
		return;
	va_start(ap, fmt);
	(void)vdprintf(w->terminal_fd, fmt, ap);	/* it is in the log, too */
	va_end(ap);
}

/* The last word on the terminal. */
static void
announce_start(struct watchdog *w)
{
	const struct process_report	*r;
	const struct ending		*e;
	char				 text[ENDING_TEXT_MAX];

	for (size_t i = 0; i < w->conf->count; i++) {
		r = &w->reports[i];
		e = endings_get(r->endings, 0);
		if (!r->is_up && e != NULL)
			tell_terminal(w, "tocsin-watchdog: process %s: %s%s\n", r->name, ending_text(e, text),
			    r->is_stopped ? "" : ": trying again");
	}
	tell_terminal(w, "tocsin-watchdog: running, %zu of %zu processes up; see %s/watchdog.log\n", count_up(w), w->conf->count,
	    w->conf->suite.log_dir);
	fd_close(&w->terminal_fd);
}

/* `systemctl status` shows it. */
static void
tell_upward(struct watchdog *w)
{
	char	 text[80];

	snprintf(text, sizeof(text), "%zu of %zu processes up", count_up(w), w->conf->count);
	machine_status(w->machine, text);
}

static void
changed_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watchdog		*w = arg;
	struct status_facts	 f;

	(void)fd, (void)what;
	if (w->stopping)
		stop_next(w);
	f = gather_facts(w);
	status_write(w->status, &f);
	desk_changed(w->desk, &f);
	tell_upward(w);
	if (!w->started && all_settled(w)) {
		w->started = true;
		announce_start(w);
		machine_ready(w->machine);
	}
}

/*
 * Files can wait for a moment: a process just forked needs the machine more, and
 * its "starting" and "up" make one write.  The next stop cannot.
 */
static void
process_changed_cb(void *arg)
{
	static const struct timeval	 moment = { 0, CHANGE_DELAY_US };
	struct watchdog			*w = arg;

	if (w->stopping)
		event_active(&w->changed, EV_TIMEOUT, 0);
	else if (!event_pending(&w->changed, EV_TIMEOUT, NULL))
		(void)event_add(&w->changed, &moment);	/* failing that, the next check writes them */
}

static void
alert_cb(const struct process *p, const char *what, void *arg)
{
	struct watchdog		*w = arg;
	struct process_report	 r;

	process_report(p, &r);
	for (size_t i = 0; i < w->conf->count; i++)
		if (w->processes[i] == p)
			alert_run(w->alert, w->conf, &w->conf->processes[i], what, &r);
}

/* Operators */

/* The logs in any case: a rotation waits for nobody's configuration. */
static bool
reload(struct watchdog *w, FILE *errors)
{
	int64_t			 interval_ms = w->conf->check_interval_ms;
	struct watchdog_conf	*stale;
	bool			 ok;

	machine_reloading(w->machine);
	log_reopen();
	if ((ok = config_reread(w->conf, w->conf_path, errors, &stale))) {
		suite_apply_log(&w->conf->suite);
		for (size_t i = 0; i < w->conf->count; i++)
			process_reconfigured(w->processes[i]);
		config_free(stale);
		if (w->conf->check_interval_ms != interval_ms)
			schedule_check(w);	/* else reloads in a row would put it off */
		schedule_listening(w);
		log_info("config", "reloaded path=%s", w->conf_path);
	} else
		log_errorx("config", "is not valid, going on with the one before path=%s", w->conf_path);
	for (size_t i = 0; i < w->conf->count; i++)
		process_reload(w->processes[i]);
	if (w->started)
		machine_ready(w->machine);	/* else it follows anyway */
	process_changed_cb(w);
	return ok;
}

static struct process *
desk_process_cb(size_t i, void *arg)
{
	struct watchdog	*w = arg;

	return w->processes[i];
}

static bool
desk_stop_cb(void *arg)
{
	struct watchdog	*w = arg;

	if (w->stopping)
		return false;
	log_info("watchdog", "stopping by an operator's order");
	stop_all(w);
	return true;
}

static bool
desk_reload_cb(FILE *errors, void *arg)
{
	return reload(arg, errors);
}

/* Signals */

static struct process *
find_process(const struct watchdog *w, pid_t pid)
{
	for (size_t i = 0; i < w->conf->count; i++)
		if (process_pid(w->processes[i]) == pid)
			return w->processes[i];
	return NULL;
}

/*
 * One SIGCHLD may stand for many deaths.  Each is looked at before it is
 * reaped: as long as it is a zombie its number is nobody else's, so what is
 * left of its process group can be killed without hitting a stranger.  Not more
 * than some in one go: one that makes orphans as fast as it can would keep us
 * from all else.
 */
static void
reap(struct watchdog *w)
{
	static const struct timeval	 at_once = { 0, 0 };
	struct process			*p;
	siginfo_t			 info;
	int				 status = 0;

	for (int i = 0; i < REAP_MAX; i++) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 || info.si_pid == 0)
			return;
		p = find_process(w, info.si_pid);
		if (p != NULL)
			(void)kill(-info.si_pid, SIGKILL);	/* ESRCH: it left nobody */
		if (waitpid(info.si_pid, &status, WNOHANG) != info.si_pid)
			return;
		if (p != NULL)
			process_exited(p, status);
		else if (!alert_exited(w->alert, info.si_pid, status))
			log_debug("watchdog", "reaped a grandchild pid=%d", (int)info.si_pid);
	}
	(void)event_add(&w->more_dead, &at_once);	/* failing that, the next SIGCHLD sees to them */
}

static void
more_dead_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	reap(arg);
}

static void
log_lines(char *text)
{
	for (char *end; *text != '\0'; text = end) {
		end = text + strcspn(text, "\n");
		if (*end != '\0')
			*end++ = '\0';
		log_errorx("config", "%s", text);
	}
}

static void
reload_by_signal(struct watchdog *w)
{
	char	*errors = NULL;
	size_t	 size;
	FILE	*stream = open_memstream(&errors, &size);

	if (stream == NULL) {
		log_warn("config", "cannot be read again");
		return;
	}
	(void)reload(w, stream);	/* it is in the log */
	fclose(stream);
	log_lines(errors);
	free(errors);
}

static void
signal_cb(evutil_socket_t sig, short what, void *arg)
{
	(void)what;
	switch (sig) {
	case SIGCHLD:
		reap(arg);
		break;
	case SIGHUP:
		reload_by_signal(arg);
		break;
	default:
		log_info("watchdog", "stopping signal=%d", (int)sig);
		stop_all(arg);
	}
}

/* From start to end */

static struct event_base *
make_base(void)
{
	struct event_config	*config = event_config_new();
	struct event_base	*base = NULL;

	if (config == NULL)
		return NULL;
	/* Nothing in the environment decides how the watchdog works. */
	if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static int
add_events(struct watchdog *w)
{
	if (evtimer_assign(&w->check, w->base, check_cb, w) == -1 ||
	    event_assign(&w->listen, w->base, -1, EV_PERSIST, listen_cb, w) == -1 || evtimer_assign(&w->changed, w->base, changed_cb, w) == -1 ||
	    evtimer_assign(&w->more_dead, w->base, more_dead_cb, w) == -1)
		return -1;
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		if (evsignal_assign(&w->signals[i], w->base, handled_signals[i], signal_cb, w) == -1 ||
		    event_add(&w->signals[i], NULL) == -1)
			return -1;
	return 0;
}

struct watchdog *
watchdog_new(const char *conf_path, struct watchdog_conf *conf, struct startup *s)
{
	const struct process_handler	 handler = { process_changed_cb, due_cb, alert_cb };
	const struct desk_handler	 operators = { gather_facts, desk_process_cb, desk_stop_cb, desk_reload_cb };
	struct watchdog			*w = xcalloc(1, sizeof(*w));

	w->conf_path = conf_path;
	w->conf = conf;
	w->terminal_fd = -1;
	if ((w->base = make_base()) == NULL || add_events(w) == -1) {
		log_errorx("watchdog", "no event loop");
		watchdog_free(w);
		return NULL;
	}
	w->terminal_fd = s->terminal_fd;
	s->terminal_fd = -1;
	w->startup = s;
	w->alert = alert_new(conf);
	w->machine = machine_new(w->base, conf);
	w->status = status_new(conf->suite.runtime_dir, conf->count);
	w->reports = xcalloc(conf->count, sizeof(*w->reports));
	w->processes = xcalloc(conf->count, sizeof(struct process *));
	for (size_t i = 0; i < conf->count; i++) {
		w->processes[i] = process_new(w->base, &conf->processes[i], &conf->suite, s->sockets[i],
		    conf->processes[i].listen.count, &handler, w);
		s->sockets[i] = NULL;
	}
	if ((w->desk = desk_new(w->base, conf->suite.runtime_dir, startup_group(conf), w->status, &operators, w)) != NULL)
		return w;
	log_error("watchdog", "no control socket runtime_dir=%s", conf->suite.runtime_dir);
	watchdog_free(w);
	return NULL;
}

void
watchdog_run(struct watchdog *w)
{
	w->wall_started_us = clock_wall_us();
	w->started_us = w->next_check_us = clock_mono_us();
	log_info("watchdog", "running version=%s processes=%zu check_interval_ms=%lld", TOCSIN_VERSION, w->conf->count,
	    (long long)w->conf->check_interval_ms);
	schedule_check(w);
	schedule_listening(w);
	for (size_t i = 0; i < w->conf->count; i++)
		process_start(w->processes[i]);
	while (event_base_dispatch(w->base) == -1) {
		log_error("watchdog", "event loop, trying again");
		sleep(1);
	}
	status_remove(w->status);
	log_info("watchdog", "stopped");
}

void
watchdog_free(struct watchdog *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; w->processes != NULL && i < w->conf->count; i++)
		process_free(w->processes[i]);
	desk_free(w->desk);
	free(w->processes);
	free(w->reports);
	alert_free(w->alert);
	machine_free(w->machine);
	status_free(w->status);
	if (w->base != NULL) {
		for (size_t i = 0; i < SIGNAL_COUNT; i++)
			if (event_initialized(&w->signals[i]))
				event_del(&w->signals[i]);
		event_base_free(w->base);
	}
	fd_close(&w->terminal_fd);
	free(w);
}
