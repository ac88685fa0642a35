/* What is done about a process, by events and a clock that is a number. */
#include <stdio.h>
#include <string.h>

#include "common/suite.h"
#include "tests/unit/unit.h"
#include "watchdog/supervise.h"

#define MS	INT64_C(1000)
#define SECOND	(1000 * MS)
#define START	(100 * SECOND)	/* no clock begins at 0 */

static const struct sup_conf conf = {
	.heartbeat_timeout_ms = 10000, .start_timeout_ms = 30000, .stable_after_ms = 10000, .kill_grace_ms = 5000
};

/* A process, its clock, and what was to be done last. */
struct bench {
	struct sup	 s;
	struct sup_conf	 conf;
	int64_t		 now_us;
	unsigned	 actions;
};

static unsigned
feed_event(struct bench *b, struct sup_event ev)
{
	struct sup_step	 n = sup_step(b->s, &ev, b->now_us, &b->conf);

	b->s = n.next;
	b->actions = n.actions;
	return n.actions;
}

static unsigned
feed(struct bench *b, enum sup_event_kind kind)
{
	return feed_event(b, (struct sup_event){ .kind = kind });
}

static unsigned
die(struct bench *b, int exit_code)
{
	return feed_event(b, (struct sup_event){ .kind = SUP_ON_EXIT, .exit_code = exit_code });
}

static unsigned
gap(struct bench *b, int64_t gap_us)
{
	return feed_event(b, (struct sup_event){ .kind = SUP_ON_GAP, .gap_us = gap_us });
}

static struct bench
stopped(void)
{
	return (struct bench){ .conf = conf, .now_us = START };
}

static struct bench
starting(void)
{
	struct bench	 b = stopped();

	assert_int_equal(feed(&b, SUP_ON_START), SUP_DO_SPAWN);
	assert_int_equal(feed(&b, SUP_ON_SPAWNED), SUP_DO_NOTHING);
	assert_int_equal(b.s.state, SUP_STARTING);
	return b;
}

static struct bench
up(void)
{
	struct bench	 b = starting();

	assert_int_equal(feed(&b, SUP_ON_EXEC), SUP_DO_NOTHING);
	assert_int_equal(b.s.state, SUP_STARTING);
	assert_int_equal(feed(&b, SUP_ON_READY), SUP_DO_NOTHING);
	assert_int_equal(b.s.state, SUP_UP);
	return b;
}

static int64_t
deadline(const struct bench *b)
{
	return sup_deadline(&b->s, &b->conf);
}

/* Sleep until the deadline, as the timer does. */
static unsigned
wait_for_it(struct bench *b)
{
	assert_true(deadline(b) != 0);
	assert_true(deadline(b) >= b->now_us);
	b->now_us = deadline(b);
	return feed(b, SUP_ON_TIMER);
}

/* A start and a quick death; the wait before the next start, in us. */
static int64_t
fail_once(struct bench *b, int exit_code)
{
	if ((b->actions & SUP_DO_SPAWN) == 0)
		wait_for_it(b);
	assert_true(b->actions & SUP_DO_SPAWN);
	feed(b, SUP_ON_SPAWNED);
	b->now_us += 10 * MS;
	die(b, exit_code);
	assert_int_equal(b->s.state, SUP_BACKOFF);
	return b->s.until_us - b->now_us;
}

static void
stopped_one_stays_so(void **state)
{
	struct bench	 b = stopped();

	(void)state;
	assert_int_equal(deadline(&b), 0);
	assert_int_equal(feed(&b, SUP_ON_TIMER), SUP_DO_NOTHING);
	assert_int_equal(feed(&b, SUP_ON_RETRY), SUP_DO_NOTHING);
	assert_int_equal(feed(&b, SUP_ON_STOP), SUP_DO_NOTHING);
	assert_int_equal(gap(&b, SECOND), SUP_DO_NOTHING);
	assert_int_equal(b.s.state, SUP_STOPPED);
	assert_string_equal(sup_state_name(&b.s), "stopped");
	assert_false(sup_is_running(&b.s));
}

static void
ready_makes_it_up(void **state)
{
	struct bench	 b = up();

	(void)state;
	assert_string_equal(sup_state_name(&b.s), "up");
	assert_true(sup_is_running(&b.s));
	assert_int_equal(deadline(&b), START + 10 * SECOND);
	assert_int_equal(feed(&b, SUP_ON_START), SUP_DO_NOTHING);
	assert_int_equal(feed(&b, SUP_ON_RETRY), SUP_DO_NOTHING);
}

static void
without_heartbeat_its_program_running_is_up(void **state)
{
	struct bench	 b = starting();

	(void)state;
	b.conf.heartbeat_timeout_ms = 0;
	feed(&b, SUP_ON_EXEC);
	assert_int_equal(b.s.state, SUP_UP);
	assert_int_equal(deadline(&b), 0);
	b.now_us += 3600 * SECOND;
	assert_int_equal(feed(&b, SUP_ON_TIMER), SUP_DO_NOTHING);
	assert_int_equal(b.s.state, SUP_UP);
}

static void
beats_move_the_deadline(void **state)
{
	struct bench	 b = up();

	(void)state;
	for (int i = 0; i < 100; i++) {
		b.now_us += SECOND;
		assert_int_equal(feed(&b, SUP_ON_BEAT), SUP_DO_NOTHING);
		assert_int_equal(deadline(&b), b.now_us + 10 * SECOND);
		assert_int_equal(feed(&b, SUP_ON_TIMER), SUP_DO_NOTHING);
	}
}

/* Late, suspect, and what the last look decides when the kernel says `seen`. */
static unsigned
stay_silent(struct bench *b, enum sup_seen seen)
{
	assert_int_equal(wait_for_it(b), SUP_DO_LATE);
	assert_int_equal(wait_for_it(b), SUP_DO_SUSPECT);
	b->now_us = deadline(b);
	return feed_event(b, (struct sup_event){ .kind = SUP_ON_TIMER, .seen = seen });
}

static void
silent_one_is_late_then_suspect_then_aborted_then_killed(void **state)
{
	struct bench	 b = up();

	(void)state;
	assert_int_equal(wait_for_it(&b), SUP_DO_LATE);
	assert_int_equal(b.now_us, START + 10 * SECOND);
	assert_int_equal(b.s.state, SUP_UP);
	assert_string_equal(sup_state_name(&b.s), "late");
	assert_int_equal(wait_for_it(&b), SUP_DO_SUSPECT);
	assert_string_equal(sup_state_name(&b.s), "suspect");
	assert_int_equal(wait_for_it(&b), SUP_DO_ABORT);
	assert_int_equal(b.now_us, START + 10 * SECOND + 2 * SUP_LOOK_MS * MS);
	assert_int_equal(b.s.state, SUP_HUNG);
	assert_int_equal(b.s.cause, SUP_NO_BEAT);
	/* Too late to beat now. */
	feed(&b, SUP_ON_BEAT);
	feed(&b, SUP_ON_READY);
	assert_int_equal(b.s.state, SUP_HUNG);
	assert_int_equal(wait_for_it(&b), SUP_DO_KILL);
	assert_int_equal(b.s.state, SUP_KILLING);
	assert_string_equal(sup_state_name(&b.s), "hung");
	/* In a stuck system call it outlives even that; we ask again. */
	assert_int_equal(wait_for_it(&b), SUP_DO_KILL);
	die(&b, -1);
	assert_int_equal(b.s.state, SUP_BACKOFF);
	assert_true(b.actions & SUP_DO_SPAWN);
}

static void
stopped_by_somebody_it_is_continued_once(void **state)
{
	struct bench	 b = up();

	(void)state;
	assert_int_equal(stay_silent(&b, SUP_SEEN_STOPPED), SUP_DO_CONTINUE);
	assert_int_equal(b.s.state, SUP_UP);
	assert_int_equal(deadline(&b), b.now_us + 10 * SECOND);
	/* It goes on: the next time it gets the same. */
	b.now_us += MS;
	feed(&b, SUP_ON_BEAT);
	assert_int_equal(stay_silent(&b, SUP_SEEN_STOPPED), SUP_DO_CONTINUE);
	/* Stopped again without a beat in between, it is no use. */
	assert_int_equal(stay_silent(&b, SUP_SEEN_STOPPED), SUP_DO_ABORT);
	assert_int_equal(b.s.cause, SUP_NO_BEAT);
}

static void
stuck_in_the_kernel_it_gets_its_time_again_once(void **state)
{
	struct bench	 b = up();

	(void)state;
	assert_int_equal(stay_silent(&b, SUP_SEEN_STUCK), SUP_DO_SPARE);
	assert_int_equal(b.s.state, SUP_UP);
	assert_int_equal(stay_silent(&b, SUP_SEEN_STUCK), SUP_DO_ABORT);
}

static void
with_a_debugger_at_work_it_is_left_alone_for_ever(void **state)
{
	struct bench	 b = up();

	(void)state;
	assert_int_equal(stay_silent(&b, SUP_SEEN_TRACED), SUP_DO_SPARE);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(stay_silent(&b, SUP_SEEN_TRACED), SUP_DO_NOTHING);	/* said once */
		assert_int_equal(b.s.state, SUP_UP);
	}
	/* Let go of, and silent still. */
	assert_int_equal(stay_silent(&b, SUP_SEEN_ALIVE), SUP_DO_ABORT);
}

static void
time_without_a_processor_is_credited_and_a_busy_loop_is_found_all_the_same(void **state)
{
	struct bench	 b = up();
	int64_t		 last_us = START;

	(void)state;
	/* It gets two ninths of a processor: the rest of the time since the last look it waited. */
	for (int looks = 0; b.s.state == SUP_UP && looks < 1000; looks++) {
		b.now_us = deadline(&b);
		if (b.now_us - last_us >= 100 * MS)
			gap(&b, (b.now_us - last_us) * 7 / 9);
		last_us = b.now_us;
		feed(&b, SUP_ON_TIMER);
	}
	assert_int_equal(b.s.state, SUP_HUNG);
	assert_in_range(b.now_us, START + 30 * SECOND, START + 70 * SECOND);
}

static void
one_beat_between_the_looks_saves_it(void **state)
{
	struct bench	 b = up();

	(void)state;
	assert_int_equal(wait_for_it(&b), SUP_DO_LATE);
	assert_int_equal(wait_for_it(&b), SUP_DO_SUSPECT);
	b.now_us += (SUP_LOOK_MS - 1) * MS;
	feed(&b, SUP_ON_BEAT);
	b.now_us += MS;
	assert_int_equal(feed(&b, SUP_ON_TIMER), SUP_DO_NOTHING);
	assert_int_equal(b.s.state, SUP_UP);
	assert_int_equal(wait_for_it(&b), SUP_DO_LATE);
}

static void
next_look_waits_its_time(void **state)
{
	struct bench	 b = up();

	(void)state;
	wait_for_it(&b);
	b.now_us += 100 * MS;
	assert_int_equal(feed(&b, SUP_ON_TIMER), SUP_DO_NOTHING);	/* a check comes in between */
	assert_int_equal(b.s.state, SUP_UP);
}

static void
never_ready_is_hung_though_it_beats(void **state)
{
	struct bench	 b = starting();

	(void)state;
	b.now_us += 29 * SECOND;
	feed(&b, SUP_ON_BEAT);
	assert_int_equal(deadline(&b), START + 30 * SECOND);
	assert_int_equal(stay_silent(&b, SUP_SEEN_ALIVE), SUP_DO_ABORT);
	assert_int_equal(b.s.cause, SUP_NEVER_READY);
	/* However long it took, it was no good run. */
	die(&b, -1);
	assert_int_equal(b.s.failures, 1);
}

static void
frozen_machine_kills_nobody(void **state)
{
	/* Freezes from short to long, at every phase of the silence. */
	for (int64_t freeze = 200 * MS; freeze < 1000 * SECOND; freeze *= 3)
		for (int64_t at = 0; at <= 9 * SECOND; at += SECOND / 2) {
			struct bench	 b = up();
			int64_t		 check_us = b.now_us + (at / (5 * SECOND) + 1) * 5 * SECOND, gap_us;

			(void)state;
			b.now_us += at + freeze;
			gap_us = b.now_us - (check_us < deadline(&b) ? check_us : deadline(&b));
			if (gap_us > 0)
				gap(&b, gap_us);
			feed(&b, SUP_ON_TIMER);
			assert_int_equal(b.s.state, SUP_UP);
			/* It needs some time to get its turn again: half of what it was away, and the other looks. */
			b.now_us += freeze < SECOND ? 200 * MS : 400 * MS;
			feed(&b, SUP_ON_TIMER);
			assert_int_equal(b.s.state, SUP_UP);
			feed(&b, SUP_ON_BEAT);
			assert_int_equal(deadline(&b), b.now_us + 10 * SECOND);
		}
}

static void
short_gap_moves_the_deadline_by_itself(void **state)
{
	struct bench	 b = up();

	(void)state;
	b.now_us += 6 * SECOND;
	gap(&b, 700 * MS);
	assert_int_equal(deadline(&b), START + 10 * SECOND + 700 * MS);
	assert_int_equal(wait_for_it(&b), SUP_DO_LATE);
	gap(&b, 700 * MS);
	assert_int_equal(deadline(&b), b.now_us + (700 + SUP_LOOK_MS) * MS);
}

static void
long_freeze_between_the_looks_begins_them_anew(void **state)
{
	struct bench	 b = up();

	(void)state;
	wait_for_it(&b);
	b.now_us += SUP_LOOK_MS * MS + 60 * SECOND;
	gap(&b, 60 * SECOND);
	assert_int_equal(feed(&b, SUP_ON_TIMER), SUP_DO_NOTHING);
	assert_int_equal(b.s.state, SUP_UP);
	assert_int_equal(deadline(&b), b.now_us + 10 * SECOND);
	/* Hung for real, it is found all the same. */
	assert_int_equal(stay_silent(&b, SUP_SEEN_ALIVE), SUP_DO_ABORT);
}

static void
watchdog_that_is_always_a_little_late_still_finds_a_hung_child(void **state)
{
	struct bench	 b = up();
	int		 wakes = 0;

	(void)state;
	while (b.s.state == SUP_UP && wakes++ < 100) {
		b.now_us = deadline(&b) + 300 * MS;
		gap(&b, 300 * MS);
		feed(&b, SUP_ON_TIMER);
	}
	assert_int_equal(b.s.state, SUP_HUNG);
	assert_true(b.now_us < START + 13 * SECOND);
}

static void
credit_never_reaches_into_the_future(void **state)
{
	struct bench	 b = up();

	(void)state;
	/* The beats of the thawed child were read first, then the gap was noticed. */
	b.now_us += 60 * SECOND;
	feed(&b, SUP_ON_BEAT);
	gap(&b, 55 * SECOND);
	assert_int_equal(b.s.alive_us, b.now_us);
}

static void
grace_is_credited_too(void **state)
{
	struct bench	 b = up();

	(void)state;
	assert_int_equal(feed(&b, SUP_ON_STOP), SUP_DO_TERM);
	b.now_us += 60 * SECOND;
	gap(&b, 57 * SECOND);
	assert_int_equal(feed(&b, SUP_ON_TIMER), SUP_DO_NOTHING);
	assert_int_equal(b.s.state, SUP_STOPPING);
	assert_int_equal(wait_for_it(&b), SUP_DO_KILL);
}

static void
good_run_restarts_at_once(void **state)
{
	struct bench	 b = up();

	(void)state;
	b.now_us += 10 * SECOND;
	assert_int_equal(die(&b, -1), SUP_DO_SPAWN);
	assert_int_equal(b.s.failures, 0);
}

static void
failures_back_off_up_to_30_s_for_ever(void **state)
{
	static const int64_t	 ceilings[] = { 0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000 };
	struct bench		 b = up();
	int64_t			 wait_us;
	unsigned		 alerts = 0;

	(void)state;
	b.now_us += SECOND;
	die(&b, 1);
	assert_int_equal(b.s.failures, 1);
	assert_int_equal(b.actions, SUP_DO_SPAWN);	/* the first one is free */
	for (size_t i = 1; i < 100; i++) {
		wait_us = fail_once(&b, 1);
		assert_int_equal(wait_us, ceilings[i < 12 ? i : 11] * MS);
		alerts += (b.actions & SUP_DO_ALERT) != 0;
		assert_int_equal((b.actions & SUP_DO_ALERT) != 0, b.s.failures == SUP_CRASH_LOOP);
		assert_string_equal(sup_state_name(&b.s), i + 1 >= SUP_CRASH_LOOP ? "crash-looping" : "backoff");
	}
	assert_int_equal(alerts, 1);
}

static void
jitter_takes_a_quarter_at_most(void **state)
{
	struct bench	 b = up();

	(void)state;
	b.now_us += SECOND;
	die(&b, 1);
	feed(&b, SUP_ON_SPAWNED);
	feed_event(&b, (struct sup_event){ .kind = SUP_ON_EXIT, .exit_code = 1, .random = UINT32_MAX });
	assert_in_range(b.s.until_us - b.now_us, 75 * MS, 76 * MS);
}

static void
misconfigured_one_waits_longest_or_for_a_reload(void **state)
{
	struct bench	 b = starting();

	(void)state;
	b.now_us += 10 * MS;
	assert_int_equal(die(&b, EXIT_USAGE), SUP_DO_NOTHING);
	assert_int_equal(b.s.until_us - b.now_us, 30 * SECOND);
	b.now_us += SECOND;
	assert_int_equal(feed(&b, SUP_ON_TIMER), SUP_DO_NOTHING);
	assert_int_equal(feed(&b, SUP_ON_RETRY), SUP_DO_SPAWN);
}

static void
temporary_failure_is_like_any_other(void **state)
{
	struct bench	 b = starting();

	(void)state;
	assert_int_equal(die(&b, EXIT_TEMPORARY), SUP_DO_SPAWN);
	assert_int_equal(fail_once(&b, EXIT_TEMPORARY), 100 * MS);
}

static void
crash_loop_ends_with_a_good_run(void **state)
{
	struct bench	 b = starting();

	(void)state;
	die(&b, 1);
	for (int i = 0; i < 6; i++)
		fail_once(&b, 1);
	wait_for_it(&b);
	feed(&b, SUP_ON_SPAWNED);
	assert_string_equal(sup_state_name(&b.s), "crash-looping");
	feed(&b, SUP_ON_READY);
	assert_string_equal(sup_state_name(&b.s), "up");
	b.now_us += 9 * SECOND;
	feed(&b, SUP_ON_BEAT);
	assert_int_equal(wait_for_it(&b), SUP_DO_STABLE);
	assert_int_equal(b.now_us, b.s.started_us + 10 * SECOND);
	assert_int_equal(b.s.failures, 0);
}

static void
few_failures_are_forgotten_in_silence(void **state)
{
	struct bench	 b = starting();

	(void)state;
	die(&b, 1);
	feed(&b, SUP_ON_SPAWNED);
	feed(&b, SUP_ON_READY);
	b.now_us += 5 * SECOND;
	feed(&b, SUP_ON_BEAT);
	assert_int_equal(wait_for_it(&b), SUP_DO_NOTHING);
	assert_int_equal(b.s.failures, 0);
}

static void
hang_right_after_each_start_is_a_crash_loop(void **state)
{
	struct bench	 b = starting();
	unsigned	 alerts = 0;

	(void)state;
	for (int i = 0; i < 5; i++) {
		feed(&b, SUP_ON_READY);
		while (b.s.state == SUP_UP)
			wait_for_it(&b);
		die(&b, -1);
		alerts += (b.actions & SUP_DO_ALERT) != 0;
		if ((b.actions & SUP_DO_SPAWN) == 0)
			wait_for_it(&b);
		feed(&b, SUP_ON_SPAWNED);
	}
	assert_int_equal(alerts, 1);
}

static void
failed_fork_counts_as_a_failure(void **state)
{
	struct bench	 b = up();

	(void)state;
	/* Also after a good run, whose length must not be counted again. */
	b.now_us += 100 * SECOND;
	assert_int_equal(die(&b, 1), SUP_DO_SPAWN);
	assert_int_equal(die(&b, -1), SUP_DO_SPAWN);
	assert_int_equal(b.s.failures, 1);
	assert_int_equal(die(&b, -1), SUP_DO_NOTHING);
	assert_int_equal(b.s.until_us - b.now_us, 100 * MS);
	assert_int_equal(b.s.failures, 2);
}

static void
held_lock_is_tried_again_and_is_no_failure(void **state)
{
	struct bench	 b = stopped();
	int64_t		 waited_ms[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000 };

	(void)state;
	feed(&b, SUP_ON_START);
	for (size_t i = 0; i < sizeof(waited_ms) / sizeof(waited_ms[0]); i++) {
		assert_true(b.actions & SUP_DO_SPAWN);
		/* In its 128th ms whoever holds it is asked to end, once. */
		assert_int_equal(feed(&b, SUP_ON_BLOCKED), i == 7 ? SUP_DO_EVICT : SUP_DO_NOTHING);
		assert_int_equal(b.s.state, SUP_BLOCKED);
		assert_int_equal(deadline(&b) - b.now_us, waited_ms[i] * MS);
		wait_for_it(&b);
	}
	feed(&b, SUP_ON_SPAWNED);
	assert_int_equal(b.s.state, SUP_STARTING);
	assert_int_equal(b.s.failures, 0);
	assert_int_equal(b.s.blocked, 0);
}

static void
holder_of_the_lock_that_does_not_end_is_killed(void **state)
{
	struct bench	 b = stopped();
	int		 asked = 0, killed = 0;

	(void)state;
	feed(&b, SUP_ON_START);
	for (int i = 0; i < 20; i++) {
		feed(&b, SUP_ON_BLOCKED);
		if (b.actions & SUP_DO_EVICT) {
			asked++;
			assert_in_range(b.now_us, START + 100 * MS, START + 200 * MS);
		}
		if (b.actions & SUP_DO_EVICT_NOW) {
			killed++;
			assert_true(b.now_us >= START + 5100 * MS);
		}
		wait_for_it(&b);
	}
	assert_int_equal(asked, 1);
	assert_true(killed >= 5);	/* again and again: it may be a grandchild that came later */
	feed(&b, SUP_ON_SPAWNED);
	die(&b, -1);
	/* The next time it is another one: it is asked first again. */
	if (b.s.state == SUP_BACKOFF && (b.actions & SUP_DO_SPAWN) == 0)
		wait_for_it(&b);
	feed(&b, SUP_ON_BLOCKED);
	assert_int_equal(b.actions, SUP_DO_NOTHING);
}

static void
stop_terms_then_kills_then_stays_stopped(void **state)
{
	struct bench	 b = up();

	(void)state;
	assert_int_equal(feed(&b, SUP_ON_STOP), SUP_DO_TERM);
	assert_string_equal(sup_state_name(&b.s), "stopping");
	assert_int_equal(feed(&b, SUP_ON_STOP), SUP_DO_NOTHING);
	assert_int_equal(deadline(&b), b.now_us + 5 * SECOND);
	assert_int_equal(wait_for_it(&b), SUP_DO_KILL);
	assert_string_equal(sup_state_name(&b.s), "stopping");
	assert_int_equal(die(&b, -1), SUP_DO_NOTHING);
	assert_int_equal(b.s.state, SUP_STOPPED);
	assert_int_equal(deadline(&b), 0);
}

static void
stop_while_it_waits_or_hangs(void **state)
{
	struct bench	 b = starting();

	(void)state;
	die(&b, 1);
	fail_once(&b, 1);
	assert_int_equal(feed(&b, SUP_ON_STOP), SUP_DO_NOTHING);
	assert_int_equal(b.s.state, SUP_STOPPED);
	/* A check that comes when its next start was due: it is due no more. */
	b.now_us += 60 * SECOND;
	assert_int_equal(feed(&b, SUP_ON_TIMER), SUP_DO_NOTHING);
	b = up();
	stay_silent(&b, SUP_SEEN_ALIVE);
	assert_int_equal(feed(&b, SUP_ON_STOP), SUP_DO_NOTHING);	/* it is being ended already */
	assert_int_equal(b.s.state, SUP_HUNG);
	die(&b, -1);
	assert_int_equal(b.s.state, SUP_STOPPED);
}

static void
start_while_it_stops_brings_it_back_without_blame(void **state)
{
	struct bench	 b = up();

	(void)state;
	feed(&b, SUP_ON_STOP);
	assert_int_equal(feed(&b, SUP_ON_START), SUP_DO_NOTHING);
	assert_int_equal(die(&b, 0), SUP_DO_SPAWN);
	assert_int_equal(b.s.failures, 0);
}

static void
last_run_is_left_alone_and_not_repeated(void **state)
{
	struct bench	 b = up();

	(void)state;
	assert_int_equal(feed(&b, SUP_ON_LAST), SUP_DO_NOTHING);
	assert_int_equal(b.s.state, SUP_UP);
	assert_int_equal(die(&b, 1), SUP_DO_NOTHING);
	assert_int_equal(b.s.state, SUP_STOPPED);
	b = starting();
	die(&b, 1);
	fail_once(&b, 1);
	feed(&b, SUP_ON_LAST);
	assert_int_equal(b.s.state, SUP_STOPPED);
}

/* No event in any state may leave a deadline that has passed and does nothing: a timer that spins. */
static void
no_timer_spins(void **state)
{
	static const enum sup_event_kind kinds[] = {
		SUP_ON_START, SUP_ON_STOP, SUP_ON_LAST, SUP_ON_RETRY, SUP_ON_SPAWNED, SUP_ON_BLOCKED, SUP_ON_EXEC,
		SUP_ON_READY, SUP_ON_BEAT, SUP_ON_EXIT, SUP_ON_TIMER, SUP_ON_GAP
	};
	struct bench	 b = stopped();
	uint32_t	 random = 1;
	bool		 spawning = false;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		enum sup_event_kind	 kind;
		struct sup_event	 ev;

		random = random * 1664525 + 1013904223;
		b.conf.heartbeat_timeout_ms = i / 1000 % 3 == 0 ? 0 : 10000;
		b.now_us += random % 4 == 0 ? random % 12000 * MS : random % 300 * MS;
		/* Only what can happen: an answer to a spawn at once, and news of runs while there is one. */
		kind = kinds[random / 16 % 12];
		if (spawning)
			kind = random % 3 == 0 ? SUP_ON_BLOCKED : random % 3 == 1 ? SUP_ON_SPAWNED : SUP_ON_EXIT;
		else if (kind == SUP_ON_SPAWNED || kind == SUP_ON_BLOCKED ||
		    (kind >= SUP_ON_EXEC && kind <= SUP_ON_EXIT && !sup_is_running(&b.s)))
			kind = SUP_ON_TIMER;
		ev = (struct sup_event){ .kind = kind, .exit_code = (int)(random >> 20) % 101, .random = random,
		    .gap_us = random % 5000 * MS, .seen = random >> 28 & 3 };
		spawning = (feed_event(&b, ev) & SUP_DO_SPAWN) != 0;
		if (spawning || deadline(&b) == 0 || deadline(&b) > b.now_us)
			continue;
		spawning = (feed(&b, SUP_ON_TIMER) & SUP_DO_SPAWN) != 0;
		if (!spawning && deadline(&b) != 0 && deadline(&b) <= b.now_us)
			fail_msg("spins: state %d after event %d", b.s.state, kind);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stopped_one_stays_so),
		cmocka_unit_test(ready_makes_it_up),
		cmocka_unit_test(without_heartbeat_its_program_running_is_up),
		cmocka_unit_test(beats_move_the_deadline),
		cmocka_unit_test(silent_one_is_late_then_suspect_then_aborted_then_killed),
		cmocka_unit_test(stopped_by_somebody_it_is_continued_once),
		cmocka_unit_test(stuck_in_the_kernel_it_gets_its_time_again_once),
		cmocka_unit_test(with_a_debugger_at_work_it_is_left_alone_for_ever),
		cmocka_unit_test(time_without_a_processor_is_credited_and_a_busy_loop_is_found_all_the_same),
		cmocka_unit_test(one_beat_between_the_looks_saves_it),
		cmocka_unit_test(next_look_waits_its_time),
		cmocka_unit_test(never_ready_is_hung_though_it_beats),
		cmocka_unit_test(frozen_machine_kills_nobody),
		cmocka_unit_test(short_gap_moves_the_deadline_by_itself),
		cmocka_unit_test(long_freeze_between_the_looks_begins_them_anew),
		cmocka_unit_test(watchdog_that_is_always_a_little_late_still_finds_a_hung_child),
		cmocka_unit_test(credit_never_reaches_into_the_future),
		cmocka_unit_test(grace_is_credited_too),
		cmocka_unit_test(good_run_restarts_at_once),
		cmocka_unit_test(failures_back_off_up_to_30_s_for_ever),
		cmocka_unit_test(jitter_takes_a_quarter_at_most),
		cmocka_unit_test(misconfigured_one_waits_longest_or_for_a_reload),
		cmocka_unit_test(temporary_failure_is_like_any_other),
		cmocka_unit_test(crash_loop_ends_with_a_good_run),
		cmocka_unit_test(few_failures_are_forgotten_in_silence),
		cmocka_unit_test(hang_right_after_each_start_is_a_crash_loop),
		cmocka_unit_test(failed_fork_counts_as_a_failure),
		cmocka_unit_test(held_lock_is_tried_again_and_is_no_failure),
		cmocka_unit_test(holder_of_the_lock_that_does_not_end_is_killed),
		cmocka_unit_test(stop_terms_then_kills_then_stays_stopped),
		cmocka_unit_test(stop_while_it_waits_or_hangs),
		cmocka_unit_test(start_while_it_stops_brings_it_back_without_blame),
		cmocka_unit_test(last_run_is_left_alone_and_not_repeated),
		cmocka_unit_test(no_timer_spins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
