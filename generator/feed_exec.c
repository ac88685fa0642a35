/*
 * Any program that prints JSON lines (line.h): started, read, started again.
 * What its lines mean for the markets is in feed_exec_market.c.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/command.h"
#include "common/json.h"
#include "common/log.h"
#include "generator/feed.h"
#include "generator/feed_exec_conf.h"
#include "generator/feed_exec_env.h"
#include "generator/feed_exec_market.h"
#include "generator/line.h"
#include "generator/lines.h"
#include "generator/program.h"
#include "generator/quota.h"

#define LINE_MAX_BYTES	65536
#define TURN_LINES	512		/* at most, and at most */
#define TURN_US		2000
#define TURN_CHECK	32		/* lines between two looks at the clock */
#define SAYS_MAX_BYTES	8191		/* of a line on its standard error */
#define SAYS_SHOWN	500
#define SAYS_TURN	64		/* such lines a turn */
#define SAYS_LAST_TURNS	1024
#define TICK_MS		250
#define LOGGED		20		/* bad lines, and lines of its standard error, in … */
#define LOGGED_US	INT64_C(60000000)
#define RETRY_MIN_MS	1000
#define RETRY_MAX_MS	30000
#define WELL_US		INT64_C(60000000)	/* good lines for so long: the next failure is a first one */

enum exec_state { EXEC_WAITING, EXEC_RUNNING, EXEC_SILENT, EXEC_ENDED };

struct feed_exec {
	const struct feed_conf	*common;
	const struct feed_exec_conf *conf;
	struct event_base	*base;
	struct feed_handler	 handler;
	void			*arg;
	size_t			 history;
	char			**argv;
	struct exec_market	 market;
	struct line_market	 lines_of;
	struct jsonr		 json;
	struct event		*tick, *again;	/* `again`: the next start */
	struct backoff		 backoff;
	enum exec_state		 state;
	bool			 paused;
	/* The run at hand; in EXEC_WAITING and EXEC_ENDED there is none. */
	struct program		*program;
	struct lines		 out, err;
	struct event		*read_out, *read_err;
	bool			 drained;	/* all that it has printed is read */
	bool			 over;		/* it has ended, with: */
	int			 status, exec_error;
	int64_t			 started_us, heard_us, well_from_us;	/* monotonic; well_from_us 0: no good line */
	struct quota		 bad_quota, says_quota;
	/* Of all runs. */
	uint64_t		 starts, lines, bad_lines, other_symbols, unfinished;
};

/* Lines */

static void
bad_line(struct feed_exec *f, const char *why)
{
	f->bad_lines++;
	if (quota_take(&f->bad_quota, clock_mono_us()))
		log_warnx("feed", "bad line skipped%s name=%s line=%llu reason=\"%s\"",
		    f->bad_quota.used == LOGGED ? " (further ones are only counted, once a minute)" : "", f->common->name,
		    (unsigned long long)f->out.number, why);
}

static void
read_line(struct feed_exec *f, const char *text, size_t len, int64_t wall_us)
{
	struct line	 l;
	char		 why[LINE_WHY_MAX];
	const char	*refused = why;

	if (len == 0 || (len == 1 && *text == '\r'))
		return;
	switch (line_parse(&f->json, &f->lines_of, wall_us, text, len, &l, why)) {
	case LINE_TAKEN:
		refused = exec_market_line(&f->market, &l, wall_us);
		break;
	case LINE_OTHER:
		if (f->other_symbols++ == 0)
			log_info("feed", "a line of a symbol that is not the feed's: such lines are skipped name=%s line=%llu",
			    f->common->name, (unsigned long long)f->out.number);
		refused = NULL;
		break;
	case LINE_UNFINISHED:
		f->unfinished++;
		refused = NULL;
		break;
	case LINE_BAD:
		break;
	}
	if (refused != NULL)
		bad_line(f, refused);
	else if (f->well_from_us == 0)
		f->well_from_us = clock_mono_us();
}

/* Read and deliver; LINES_LINE when there may be more at once. */
static enum lines_result
read_some(struct feed_exec *f)
{
	int64_t			 wall_us = clock_wall_us(), limit_us = clock_mono_us() + TURN_US;
	enum lines_result	 result = LINES_LINE;
	char			*text;
	size_t			 len;

	for (int i = 1; i <= TURN_LINES && !f->paused; i++) {
		result = lines_next(&f->out, &text, &len);
		if (result != LINES_LINE && result != LINES_TOO_LONG)
			return result;
		f->lines++;
		if (result == LINES_LINE)
			read_line(f, text, len, wall_us);
		else
			bad_line(f, "it is longer than 65536 bytes");
		if (i % TURN_CHECK == 0 && clock_mono_us() >= limit_us)
			break;
	}
	return LINES_LINE;
}

/* Its standard error: for people. */
static enum lines_result
read_says(struct feed_exec *f)
{
	enum lines_result	 result = LINES_LINE;
	char			*text;
	size_t			 len;

	for (int i = 0; i < SAYS_TURN; i++) {
		result = lines_next(&f->err, &text, &len);
		if (result != LINES_LINE && result != LINES_TOO_LONG)
			return result;
		if (quota_take(&f->says_quota, clock_mono_us()))
			log_info("feed", "the program says%s name=%s text=\"%.*s\"",
			    f->says_quota.used == LOGGED ? " (further lines are only counted, once a minute)" : "", f->common->name,
			    len > SAYS_SHOWN ? SAYS_SHOWN : (int)len, text);
	}
	return LINES_LINE;
}

static void
log_held_back(struct feed_exec *f, int64_t now_us)
{
	uint64_t	 bad = quota_due(&f->bad_quota, now_us), said = quota_due(&f->says_quota, now_us);

	if (bad > 0)
		log_warnx("feed", "further bad lines skipped name=%s count=%llu line=%llu", f->common->name, (unsigned long long)bad,
		    (unsigned long long)f->out.number);
	if (said > 0)
		log_info("feed", "the program said more name=%s lines=%llu", f->common->name, (unsigned long long)said);
}

/* Runs of the program */

static void
arm(struct event *ev, bool at_once)
{
	const struct timeval	 none = { 0 };

	if (event_add(ev, at_once ? &none : NULL) == -1)
		fatalx("feed", "cannot watch a pipe");
}

static void
wait_and_start(struct feed_exec *f, const char *what, const char *how, int number)
{
	unsigned	 wait_ms = backoff_next_ms(&f->backoff, backoff_random());
	struct timeval	 wait = clock_timeval_ms(wait_ms);

	f->state = EXEC_WAITING;
	log_warnx("feed", "%s name=%s program=%s %s=%d lines=%llu ran_ms=%lld next_start_in_ms=%u", what, f->common->name,
	    f->argv[0], how, number, (unsigned long long)f->out.number,
	    (long long)(clock_mono_us() - f->started_us) / 1000, wait_ms);
	event_add(f->again, &wait);
}

static void
release_run(struct feed_exec *f)
{
	if (f->read_out != NULL)
		event_free(f->read_out);
	if (f->read_err != NULL)
		event_free(f->read_err);
	f->read_out = f->read_err = NULL;
	program_free(f->program);
	f->program = NULL;
	lines_close(&f->out);
	lines_close(&f->err);
}

/* It has ended and all that it printed is read. */
static void
end_run(struct feed_exec *f)
{
	int	 status = f->status, error = f->exec_error;

	/* All that fits into the pipe; somebody who left the group could write for ever. */
	for (int i = 0; i < SAYS_LAST_TURNS && read_says(f) == LINES_LINE; i++)
		;
	log_held_back(f, INT64_MAX);
	release_run(f);
	if (error != 0) {
		errno = error;
		log_error("feed", "the program cannot be run name=%s program=%s", f->common->name, f->argv[0]);
		wait_and_start(f, "trying again", "errno", error);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && f->conf->restart == RESTART_FAILURE) {
		f->state = EXEC_ENDED;
		log_info("feed", "the program has ended, and so has the feed name=%s lines=%llu", f->common->name,
		    (unsigned long long)f->out.number);
		f->handler.ended(true, f->arg);
	} else
		wait_and_start(f, "the program has ended", WIFEXITED(status) ? "exit_code" : "signal",
		    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static void
heard(struct feed_exec *f)
{
	f->heard_us = clock_mono_us();
	if (f->state == EXEC_SILENT) {
		f->state = EXEC_RUNNING;
		log_info("feed", "the program prints again name=%s", f->common->name);
	}
	if (f->well_from_us != 0 && f->heard_us - f->well_from_us >= WELL_US)
		backoff_reset(&f->backoff);
}

static void
out_cb(evutil_socket_t fd, short what, void *arg)
{
	struct feed_exec	*f = arg;
	uint64_t		 before = f->lines;
	enum lines_result	 result;

	(void)fd, (void)what;
	f->handler.turn_begin(f->arg);
	result = read_some(f);
	f->handler.turn_end(f->arg);
	f->drained = result == LINES_AGAIN;
	if (f->lines != before)
		heard(f);
	if (f->paused)
		return;
	if (result == LINES_LINE)
		arm(f->read_out, true);
	else if (f->over)
		end_run(f);
	else if (result == LINES_AGAIN)
		arm(f->read_out, false);
	else {
		if (result == LINES_ERROR)
			log_error("feed", "cannot read from the program name=%s", f->common->name);
		log_warnx("feed", "the program has closed its standard output, ending it name=%s", f->common->name);
		program_stop(f->program);
	}
}

static void
err_cb(evutil_socket_t fd, short what, void *arg)
{
	struct feed_exec	*f = arg;
	enum lines_result	 result = read_says(f);

	(void)fd, (void)what;
	if (result == LINES_LINE || result == LINES_AGAIN)
		arm(f->read_err, result == LINES_LINE);
}

static void
program_ended(int status, int exec_error, void *arg)
{
	struct feed_exec	*f = arg;

	f->over = true;
	f->status = status;
	f->exec_error = exec_error;
	/* What it printed last may still be in the pipe. */
	if (!f->paused)
		arm(f->read_out, true);
}

static struct event *
reader(struct feed_exec *f, int fd, event_callback_fn cb)
{
	struct event	*ev = event_new(f->base, fd, EV_READ, cb, f);

	if (ev == NULL)
		fatalx("feed", "cannot watch a pipe");
	return ev;
}

static char **
environment(const struct feed_exec *f)
{
	size_t	  count = f->common->symbols.count;
	int64_t	 *resume_us = xcalloc(count, sizeof(*resume_us));
	char	**env;

	for (size_t i = 0; i < count; i++)
		resume_us[i] = exec_market_resume_us(&f->market, i);
	env = exec_env_new(f->common, resume_us, f->history);
	free(resume_us);
	return env;
}

static void
begin_run(struct feed_exec *f)
{
	char	**env = environment(f);
	int	  out, err, saved;

	f->started_us = f->heard_us = clock_mono_us();
	f->well_from_us = 0;
	f->over = f->drained = false;
	f->out.number = 0;
	f->bad_quota = f->says_quota = (struct quota){ .limit = LOGGED, .window_us = LOGGED_US };
	f->program = program_start(f->base, f->argv, env, &out, &err, program_ended, f);
	saved = errno;
	exec_env_free(env);
	f->starts++;
	if (f->program == NULL) {
		errno = saved;
		log_error("feed", "cannot make a process name=%s program=%s", f->common->name, f->argv[0]);
		wait_and_start(f, "trying again", "errno", saved);
		return;
	}
	exec_market_begin(&f->market);
	lines_take(&f->out, out, LINE_MAX_BYTES);
	lines_take(&f->err, err, SAYS_MAX_BYTES);
	f->read_out = reader(f, out, out_cb);
	f->read_err = reader(f, err, err_cb);
	arm(f->read_err, false);
	if (!f->paused)
		arm(f->read_out, false);
	f->state = EXEC_RUNNING;
	log_info("feed", "the program is started name=%s program=%s pid=%d", f->common->name, f->argv[0],
	    (int)program_pid(f->program));
}

static void
again_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	begin_run(arg);
}

static void
check_silence(struct feed_exec *f, int64_t now_us)
{
	int64_t	 silent_ms = (now_us - f->heard_us) / 1000;

	if (f->state != EXEC_RUNNING || f->paused || f->conf->silent_after_ms == 0 || silent_ms < f->conf->silent_after_ms)
		return;
	f->state = EXEC_SILENT;
	log_warnx("feed", "the program prints nothing%s name=%s silent_ms=%lld", f->conf->on_silent == ON_SILENT_RESTART ?
	    ", ending it" : "", f->common->name, (long long)silent_ms);
	if (f->conf->on_silent == ON_SILENT_RESTART)
		program_stop(f->program);
}

static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct feed_exec	*f = arg;
	int64_t			 now_us = clock_mono_us();

	(void)fd, (void)what;
	log_held_back(f, now_us);
	check_silence(f, now_us);
	if (f->paused)
		return;
	f->handler.turn_begin(f->arg);
	exec_market_clock(&f->market, f->state == EXEC_RUNNING && f->drained, clock_wall_us());
	f->handler.turn_end(f->arg);
}

/* Opening and closing */

static void *
exec_open(struct event_base *base, const struct feed_conf *common, const void *conf, const int64_t *resume_us,
    size_t history, const struct feed_handler *handler, void *arg)
{
	struct feed_exec	*f = xcalloc(1, sizeof(*f));
	struct timeval		 tick = clock_timeval_ms(TICK_MS);

	f->common = common;
	f->conf = conf;
	f->base = base;
	f->handler = *handler;
	f->arg = arg;
	f->history = history;
	f->out.fd = f->err.fd = -1;
	f->backoff = (struct backoff){ .base_ms = RETRY_MIN_MS, .max_ms = RETRY_MAX_MS };
	f->lines_of = (struct line_market){
		.symbols = common->symbols.items, .count = common->symbols.count, .timeframe = (enum timeframe)common->timeframe
	};
	if ((f->argv = command_split(f->conf->command)) == NULL)
		fatalx("feed", "no memory");
	exec_market_init(&f->market, common, f->conf->backfills, f->conf->max_age_ms * 1000, resume_us, clock_wall_us(), &f->handler, arg);
	if ((f->tick = event_new(base, -1, EV_PERSIST, tick_cb, f)) == NULL || (f->again = evtimer_new(base, again_cb, f)) == NULL ||
	    event_add(f->tick, &tick) == -1)
		fatalx("feed", "cannot make a timer");
	begin_run(f);
	return f;
}

static void
exec_stop(void *state)
{
	struct feed_exec	*f = state;

	if (f->program != NULL)
		program_stop(f->program);
}

static void
exec_close(void *state)
{
	struct feed_exec	*f = state;

	release_run(f);
	event_free(f->tick);
	event_free(f->again);
	exec_market_release(&f->market);
	jsonr_release(&f->json);
	free(f->argv);
	free(f);
}

static void
exec_pause(void *state)
{
	struct feed_exec	*f = state;

	f->paused = true;
	f->drained = false;
	/* What waits in the pipe meanwhile is older than the clock. */
	exec_market_hold(&f->market);
	if (f->read_out != NULL)
		event_del(f->read_out);
}

static void
exec_resume(void *state)
{
	struct feed_exec	*f = state;

	if (!f->paused)
		return;
	f->paused = false;
	f->heard_us = clock_mono_us();	/* its silence was ours */
	if (f->read_out != NULL)
		arm(f->read_out, true);
}

static void
exec_status(const void *state, struct jsonw *w)
{
	static const char *const names[] = {
		[EXEC_WAITING] = "waiting", [EXEC_RUNNING] = "running", [EXEC_SILENT] = "silent", [EXEC_ENDED] = "ended"
	};
	const struct feed_exec		*f = state;
	const struct exec_counts	*c = &f->market.counts;

	jsonw_str(w, "state", f->paused && f->program != NULL ? "paused" : names[f->state]);
	if (f->program != NULL && !f->over)
		jsonw_int(w, "pid", program_pid(f->program));
	jsonw_int(w, "starts", (int64_t)f->starts);
	jsonw_int(w, "lines", (int64_t)f->lines);
	jsonw_int(w, "bad_lines", (int64_t)f->bad_lines);
	jsonw_int(w, "trades", (int64_t)c->trades);
	jsonw_int(w, "candles", (int64_t)c->candles);
	jsonw_int(w, "signals", (int64_t)c->signals);
	jsonw_int(w, "repeated_signals", (int64_t)c->repeated_signals);
	jsonw_int(w, "dropped", (int64_t)c->dropped);
	jsonw_int(w, "unfinished_candles", (int64_t)f->unfinished);
	jsonw_int(w, "other_symbols", (int64_t)f->other_symbols);
}

static bool
exec_degraded(const void *state)
{
	const struct feed_exec	*f = state;

	return f->state == EXEC_WAITING || f->state == EXEC_SILENT;
}

const struct feed_type feed_exec = {
	.name = "exec", .source = SOURCE_TRADES, .real_time = true, .can_wait = true, .signals = true, .keys = exec_keys,
	.conf_size = sizeof(struct feed_exec_conf), .check = exec_check, .open = exec_open, .stop = exec_stop, .close = exec_close,
	.pause = exec_pause, .resume = exec_resume, .status = exec_status, .degraded = exec_degraded,
};
