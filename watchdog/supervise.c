#include "watchdog/supervise.h"

#include "common/backoff.h"
#include "common/suite.h"

#define US_PER_MS	1000

static int64_t
patience_us(const struct sup *s, const struct sup_conf *conf)
{
	return (s->state == SUP_STARTING ? conf->start_timeout_ms : conf->heartbeat_timeout_ms) * US_PER_MS;
}

/* When it is judged: patience over, or time for the second look. */
static int64_t
judgement_us(const struct sup *s, const struct sup_conf *conf)
{
	if (s->state == SUP_UP && conf->heartbeat_timeout_ms == 0)
		return 0;
	return s->doubt != SUP_SURE ? s->until_us : s->alive_us + patience_us(s, conf);
}

/* When a run after failures counts as a good one; 0: it does already, or is in doubt. */
static int64_t
stable_us(const struct sup *s, const struct sup_conf *conf)
{
	if (s->state != SUP_UP || s->failures == 0 || s->doubt != SUP_SURE)
		return 0;
	return s->started_us + conf->stable_after_ms * US_PER_MS;
}

int64_t
sup_deadline(const struct sup *s, const struct sup_conf *conf)
{
	int64_t	 judgement, stable;

	switch (s->state) {
	case SUP_STOPPED:
		return 0;
	case SUP_BACKOFF:
	case SUP_BLOCKED:
	case SUP_HUNG:
	case SUP_STOPPING:
	case SUP_KILLING:
		return s->until_us;
	case SUP_STARTING:
	case SUP_UP:
		break;
	}
	judgement = judgement_us(s, conf);
	stable = stable_us(s, conf);
	if (judgement == 0 || stable == 0)
		return judgement + stable;
	return judgement < stable ? judgement : stable;
}

bool
sup_needs_look(const struct sup *s, int64_t now_us, const struct sup_conf *conf)
{
	int64_t	 judgement = s->state == SUP_STARTING || s->state == SUP_UP ? judgement_us(s, conf) : 0;

	return judgement != 0 && now_us >= judgement;
}

bool
sup_is_running(const struct sup *s)
{
	return s->state >= SUP_STARTING;
}

const char *
sup_state_name(const struct sup *s)
{
	switch (s->state) {
	case SUP_STOPPED:
		return "stopped";
	case SUP_BACKOFF:
		return s->failures >= SUP_CRASH_LOOP ? "crash-looping" : "backoff";
	case SUP_BLOCKED:
		return "blocked";
	case SUP_STARTING:
		return s->failures >= SUP_CRASH_LOOP ? "crash-looping" : "starting";
	case SUP_UP:
		return s->doubt == SUP_SURE ? "up" : s->doubt == SUP_LATE ? "late" : "suspect";
	case SUP_HUNG:
		return "hung";
	case SUP_STOPPING:
	case SUP_KILLING:
		return s->cause == SUP_ASKED ? "stopping" : "hung";
	}
	return "unknown";
}

static void
end_run(struct sup_step *n, enum sup_state state, enum sup_cause cause, int64_t until_us)
{
	n->next.state = state;
	n->next.cause = cause;
	n->next.until_us = until_us;
	n->actions |= state == SUP_HUNG ? SUP_DO_ABORT : state == SUP_STOPPING ? SUP_DO_TERM : SUP_DO_KILL;
}

static void
become_up(struct sup_step *n, int64_t now_us)
{
	n->next.state = SUP_UP;
	n->next.ready = true;
	n->next.doubt = SUP_SURE;
	n->next.spared = false;
	n->next.alive_us = now_us;
}

/*
 * How long to wait after the failures so far.  The first is free: a crash that
 * comes once should cost nothing.  The jitter takes a quarter at most, since
 * "full" jitter would let a crash loop spin now and then.
 */
static int64_t
backoff_us(const struct sup *s, const struct sup_event *ev)
{
	struct backoff	 b = { .base_ms = SUP_BACKOFF_BASE_MS, .max_ms = SUP_BACKOFF_MAX_MS };
	int64_t		 ceiling_us;

	if (ev->exit_code == EXIT_USAGE)
		return (int64_t)SUP_BACKOFF_MAX_MS * US_PER_MS;
	if (s->failures < 2)
		return 0;
	b.failures = s->failures - 2;
	ceiling_us = (int64_t)backoff_ceiling_ms(&b) * US_PER_MS;
	return ceiling_us - (ceiling_us / 4 * ev->random >> 32);
}

/* A hung run was good until its last beat only, and one that never was READY not at all. */
static bool
run_was_stable(const struct sup *s, int64_t now_us, const struct sup_conf *conf)
{
	int64_t	 end_us = s->cause == SUP_NO_BEAT ? s->alive_us : now_us;

	return s->ready && end_us - s->started_us >= conf->stable_after_ms * US_PER_MS;
}

static void
on_exit_of_run(struct sup_step *n, const struct sup_event *ev, int64_t now_us, const struct sup_conf *conf)
{
	struct sup	*s = &n->next;
	bool		 stable = run_was_stable(s, now_us, conf), asked = s->cause == SUP_ASKED;

	s->state = s->wanted ? SUP_BACKOFF : SUP_STOPPED;
	s->ready = false;	/* or a fork that fails would pass for another long run */
	s->cause = SUP_BY_ITSELF;
	s->until_us = 0;
	if (stable)
		s->failures = 0;
	if (!s->wanted)
		return;
	if (!asked && (!stable || ev->exit_code == EXIT_USAGE) && ++s->failures == SUP_CRASH_LOOP)
		n->actions |= SUP_DO_ALERT;
	s->until_us = asked ? now_us : now_us + backoff_us(s, ev);
	s->blocked = 0;
	if (s->until_us == now_us)
		n->actions |= SUP_DO_SPAWN;
}

static void
on_spawned(struct sup *s, int64_t now_us)
{
	s->state = SUP_STARTING;
	s->ready = s->spared = false;
	s->doubt = SUP_SURE;
	s->cause = SUP_BY_ITSELF;
	s->blocked = 0;
	s->started_us = s->alive_us = now_us;
	s->until_us = 0;
}

/*
 * At first it is the last moments of a killed group.  Later it is the child of
 * a watchdog that died: that one sees its pipe broken and ends by itself, if
 * it can.  It is asked to, and after the grace every other process is.
 */
static void
on_blocked(struct sup_step *n, int64_t now_us, const struct sup_conf *conf)
{
	struct sup	*s = &n->next;
	struct backoff	 b = { .base_ms = SUP_BLOCKED_BASE_MS, .max_ms = SUP_BLOCKED_MAX_MS, .failures = s->blocked };
	int64_t		 held_us;

	if (s->blocked++ == 0) {
		s->blocked_us = now_us;
		s->evicting = false;
	}
	held_us = now_us - s->blocked_us;
	if (!s->evicting && held_us >= (int64_t)SUP_ORPHAN_MS * US_PER_MS) {
		s->evicting = true;
		n->actions |= SUP_DO_EVICT;
	} else if (s->evicting && held_us >= (SUP_ORPHAN_MS + conf->kill_grace_ms) * US_PER_MS)
		n->actions |= SUP_DO_EVICT_NOW;
	s->state = SUP_BLOCKED;
	s->until_us = now_us + (int64_t)backoff_ceiling_ms(&b) * US_PER_MS;
}

/* Not running, and nothing is due. */
static void
rest(struct sup *s)
{
	s->state = SUP_STOPPED;
	s->until_us = 0;
}

static void
on_stop(struct sup_step *n, int64_t now_us, const struct sup_conf *conf)
{
	struct sup	*s = &n->next;

	s->wanted = false;
	if (s->state == SUP_STARTING || s->state == SUP_UP)
		end_run(n, SUP_STOPPING, SUP_ASKED, now_us + conf->kill_grace_ms * US_PER_MS);
	else if (!sup_is_running(s))
		rest(s);
}

/* Silent at every look: whose fault is it? */
static void
decide_on_silent(struct sup_step *n, enum sup_seen seen, int64_t now_us, const struct sup_conf *conf)
{
	struct sup	*s = &n->next;
	bool		 again = seen == SUP_SEEN_TRACED || (seen != SUP_SEEN_ALIVE && !s->spared);

	if (!again) {
		end_run(n, SUP_HUNG, s->ready ? SUP_NO_BEAT : SUP_NEVER_READY, now_us + conf->kill_grace_ms * US_PER_MS);
		return;
	}
	if (seen == SUP_SEEN_STOPPED)
		n->actions |= SUP_DO_CONTINUE;
	else if (!s->spared)
		n->actions |= SUP_DO_SPARE;
	s->spared = true;
	s->doubt = SUP_SURE;
	s->alive_us = now_us;
}

/* STARTING or UP: is it alive, and has it been for long enough? */
static void
judge(struct sup_step *n, const struct sup_event *ev, int64_t now_us, const struct sup_conf *conf)
{
	struct sup	*s = &n->next;
	int64_t		 stable = stable_us(s, conf);

	if (sup_needs_look(s, now_us, conf)) {
		if (s->doubt == SUP_SUSPECT) {
			decide_on_silent(n, ev->seen, now_us, conf);
			return;
		}
		n->actions |= s->doubt == SUP_SURE ? SUP_DO_LATE : SUP_DO_SUSPECT;
		s->doubt++;
		s->until_us = now_us + (int64_t)SUP_LOOK_MS * US_PER_MS;
	} else if (stable != 0 && now_us >= stable) {
		if (s->failures >= SUP_CRASH_LOOP)
			n->actions |= SUP_DO_STABLE;
		s->failures = 0;
	}
}

static void
on_timer(struct sup_step *n, const struct sup_event *ev, int64_t now_us, const struct sup_conf *conf)
{
	struct sup	*s = &n->next;

	if (s->state == SUP_STARTING || s->state == SUP_UP) {
		judge(n, ev, now_us, conf);
		return;
	}
	if (s->until_us == 0 || now_us < s->until_us)
		return;
	if (sup_is_running(s))
		/* Also what was killed already: a child in a stuck system call dies when it returns. */
		end_run(n, SUP_KILLING, s->cause, now_us + (conf->kill_grace_ms + SUP_BLOCKED_MAX_MS) * US_PER_MS);
	else
		n->actions |= SUP_DO_SPAWN;
}

/*
 * While the watchdog did not run, its children may not have run either; while
 * a child waits for a processor it cannot beat: that time is nobody's fault.
 * After a long one all looks begin anew, with some time for the child to get
 * its turn on a machine that just woke up.  Short ones only shift, or a machine
 * that is always a little late would never find a hung child.
 */
static void
on_gap(struct sup *s, int64_t gap_us, int64_t now_us, const struct sup_conf *conf)
{
	int64_t	 patience = patience_us(s, conf), breath_us;

	if (!sup_is_running(s))
		return;
	if (s->state != SUP_STARTING && s->state != SUP_UP) {
		s->until_us += gap_us;
		return;
	}
	s->alive_us += gap_us;
	if (s->doubt != SUP_SURE)
		s->until_us += gap_us;
	if (gap_us >= (int64_t)SUP_LONG_GAP_MS * US_PER_MS) {
		s->doubt = SUP_SURE;
		breath_us = gap_us < patience ? gap_us : patience;
		if (s->alive_us < now_us + breath_us - patience)
			s->alive_us = now_us + breath_us - patience;
	}
	/* A beat may have been read before the gap was noticed. */
	if (s->alive_us > now_us)
		s->alive_us = now_us;
}

static void
on_beat(struct sup *s, int64_t now_us)
{
	if (s->state != SUP_UP)
		return;		/* patience with a start counts from the start */
	s->alive_us = now_us;
	s->doubt = SUP_SURE;
	s->spared = false;
}

struct sup_step
sup_step(struct sup now_state, const struct sup_event *ev, int64_t now_us, const struct sup_conf *conf)
{
	struct sup_step	 n = { now_state, SUP_DO_NOTHING };
	struct sup	*s = &n.next;

	switch (ev->kind) {
	case SUP_ON_START:
		s->wanted = true;
		if (s->state == SUP_STOPPED)
			n.actions |= SUP_DO_SPAWN;
		break;
	case SUP_ON_STOP:
		on_stop(&n, now_us, conf);
		break;
	case SUP_ON_LAST:
		s->wanted = false;
		if (!sup_is_running(s))
			rest(s);
		break;
	case SUP_ON_RETRY:
		if (s->state == SUP_BACKOFF)
			n.actions |= SUP_DO_SPAWN;
		break;
	case SUP_ON_SPAWNED:
		on_spawned(s, now_us);
		break;
	case SUP_ON_BLOCKED:
		on_blocked(&n, now_us, conf);
		break;
	case SUP_ON_EXEC:
		if (s->state == SUP_STARTING && conf->heartbeat_timeout_ms == 0)
			become_up(&n, now_us);
		break;
	case SUP_ON_READY:
		if (s->state == SUP_STARTING)
			become_up(&n, now_us);
		else
			on_beat(s, now_us);
		break;
	case SUP_ON_BEAT:
		on_beat(s, now_us);
		break;
	case SUP_ON_EXIT:
		on_exit_of_run(&n, ev, now_us, conf);
		break;
	case SUP_ON_TIMER:
		on_timer(&n, ev, now_us, conf);
		break;
	case SUP_ON_GAP:
		on_gap(s, ev->gap_us, now_us, conf);
		break;
	}
	return n;
}
