/*
 * supervise: what to do about one process, as a pure function.
 *
 *	(state, event, now, configuration) -> (new state, actions)
 *
 * Nothing here forks, signals, reads a clock or logs: process.c feeds the
 * events, does the actions, and asks sup_deadline() when to come back with
 * SUP_ON_TIMER.
 *
 *	STOPPED --START--> (spawn) --SPAWNED--> STARTING --READY--> UP
 *	   ^                  |  ^                 |                 |
 *	   |                  |  | time over       | patience over, seen twice
 *	   |          BLOCKED |  |                 v                 v
 *	   |                  +--+-- BACKOFF <-- EXIT of any --- HUNG, KILLING
 *	   +-- EXIT, when no further start is wanted (STOPPING, KILLING)
 *
 * Patience with a child runs from its last sign of life.  Time in which the
 * watchdog did not run, or the child waited for a processor, is credited
 * (SUP_ON_GAP).  Then it is late, a look later suspect, a look later hung: and
 * even then one that a debugger holds is left alone, and one that was stopped
 * (SIGSTOP) or sits in the kernel gets as much time again, once.
 */
#ifndef TOCSIN_WATCHDOG_SUPERVISE_H
#define TOCSIN_WATCHDOG_SUPERVISE_H
#include <stdbool.h>
#include <stdint.h>

#define SUP_CRASH_LOOP		5	/* failures in a row that are an anomaly */
#define SUP_LOOK_MS		200	/* from late to suspect, and from suspect to hung */
#define SUP_BACKOFF_BASE_MS	100
#define SUP_BACKOFF_MAX_MS	30000
#define SUP_BLOCKED_BASE_MS	1	/* the lock of a group that is just being killed is free in no time */
#define SUP_BLOCKED_MAX_MS	1000
#define SUP_ORPHAN_MS		100	/* a lock held for longer is an earlier copy's: that one is to end */
#define SUP_LONG_GAP_MS		1000	/* delays from here on begin the looks anew */

enum sup_state {
	SUP_STOPPED,		/* not running, and not to be started */
	SUP_BACKOFF,		/* waits for its next start */
	SUP_BLOCKED,		/* another copy holds its lock; tries again */
	SUP_STARTING,		/* forked, not READY yet */
	SUP_UP,
	SUP_HUNG,		/* got SIGABRT, has kill_grace to leave a core */
	SUP_STOPPING,		/* got SIGTERM, has kill_grace */
	SUP_KILLING		/* got SIGKILL; its exit must follow */
};

/* How sure we are that a child works; each look without a beat is a step down. */
enum sup_doubt { SUP_SURE, SUP_LATE, SUP_SUSPECT };

/* What the kernel says of a child at a look (/proc/PID/stat). */
enum sup_seen {
	SUP_SEEN_ALIVE,		/* runs or sleeps; also: unknown */
	SUP_SEEN_STOPPED,
	SUP_SEEN_TRACED,
	SUP_SEEN_STUCK		/* in an uninterruptible system call */
};

/* Why we ended a run; SUP_BY_ITSELF: we did not. */
enum sup_cause {
	SUP_BY_ITSELF,
	SUP_NO_BEAT,
	SUP_NEVER_READY,
	SUP_ASKED
};

enum sup_event_kind {
	SUP_ON_START,		/* keep it running from now on */
	SUP_ON_STOP,		/* end it, and start it no more */
	SUP_ON_LAST,		/* start it no more, but leave a running one alone */
	SUP_ON_RETRY,		/* the configuration may be mended: do not wait any longer */
	SUP_ON_SPAWNED,		/* forked */
	SUP_ON_BLOCKED,		/* not forked: its lock is held */
	SUP_ON_EXEC,		/* its program runs */
	SUP_ON_READY,
	SUP_ON_BEAT,
	SUP_ON_EXIT,		/* reaped; also: could not be forked */
	SUP_ON_TIMER,		/* sup_deadline() has come, and its pipe was drained */
	SUP_ON_GAP		/* gap_us in which the watchdog did not run, or the child had no processor */
};

struct sup_event {
	enum sup_event_kind	 kind;
	int			 exit_code;	/* SUP_ON_EXIT; -1: a signal */
	uint32_t		 random;	/* SUP_ON_EXIT: any 32 bits, for the jitter */
	int64_t			 gap_us;	/* SUP_ON_GAP */
	enum sup_seen		 seen;		/* SUP_ON_TIMER */
};

struct sup_conf {
	int64_t	 heartbeat_timeout_ms;		/* 0: death alone counts, and it is up once its program runs */
	int64_t	 start_timeout_ms, stable_after_ms, kill_grace_ms;
};

/* An all-zero struct is a stopped process.  Times are monotonic. */
struct sup {
	enum sup_state	 state;
	bool		 wanted;	/* to be started again after an exit */
	bool		 ready;		/* this run was UP */
	enum sup_doubt	 doubt;
	bool		 spared;	/* it got its time again, since its last beat */
	bool		 evicting;	/* the holders of its lock were asked to end */
	enum sup_cause	 cause;		/* of the end of this run */
	unsigned	 failures;	/* runs in a row that were no stable ones */
	unsigned	 blocked;	/* tries in a row that found the lock held */
	int64_t		 started_us;	/* this run's fork */
	int64_t		 alive_us;	/* patience counts from here: start or last beat, plus what was credited */
	int64_t		 blocked_us;	/* its lock was found held since */
	int64_t		 until_us;	/* next look when in doubt; of states but STARTING and UP: when it is their turn */
};

/* What to do; any number of them at once. */
enum sup_action {
	SUP_DO_NOTHING	= 0,
	SUP_DO_LATE	= 1 << 0,	/* say that it is late */
	SUP_DO_ALERT	= 1 << 1,	/* say that it crash-loops, now and not again */
	SUP_DO_STABLE	= 1 << 2,	/* say that it crash-loops no longer */
	SUP_DO_SUSPECT	= 1 << 3,	/* say that it is suspect */
	SUP_DO_CONTINUE	= 1 << 4,	/* SIGCONT: somebody stopped it */
	SUP_DO_SPARE	= 1 << 5,	/* say why it is left alone: traced, or stuck in the kernel */
	SUP_DO_TERM	= 1 << 6,
	SUP_DO_ABORT	= 1 << 7,	/* SIGABRT and SIGCONT */
	SUP_DO_KILL	= 1 << 8,	/* SIGKILL to its process group */
	SUP_DO_EVICT	= 1 << 9,	/* SIGTERM and SIGCONT to whoever holds its lock */
	SUP_DO_EVICT_NOW = 1 << 10,	/* SIGKILL to them */
	SUP_DO_SPAWN	= 1 << 11	/* first of all, since a start waits for nothing; answer with SPAWNED, BLOCKED or EXIT */
};

struct sup_step {
	struct sup	 next;
	unsigned	 actions;
};

struct sup_step	 sup_step(struct sup now_state, const struct sup_event *ev, int64_t now_us, const struct sup_conf *conf);

/* When SUP_ON_TIMER is due, 0 for never. */
int64_t		 sup_deadline(const struct sup *s, const struct sup_conf *conf);

/* Its next SUP_ON_TIMER decides on a doubt: worth the price of asking the kernel. */
bool		 sup_needs_look(const struct sup *s, int64_t now_us, const struct sup_conf *conf);

/* There is a process to signal and to wait for. */
bool		 sup_is_running(const struct sup *s);

/* For people and status.json: up, late, backoff, crash-looping, … */
const char	*sup_state_name(const struct sup *s);
#endif
