#include <signal.h>
#include <stdio.h>

#include "tests/bench/superv/figure.h"
#include "tests/bench/superv/measure.h"
#include "tests/bench/superv/proc.h"
#include "tests/bench/superv/site.h"

#define SETTLE_MS	3000
#define JUDGED_MS	13000	/* heartbeat_timeout, the second look, and some more */
#define STEP_MS		5
#define MS		INT64_C(1000000)	/* ns */

static const int64_t frozen_s[] = { 3, 10, 30, 60 };
static const int64_t between_ms[] = { 0, 500, 2000 };

#define DURATIONS	(sizeof(frozen_s) / sizeof(frozen_s[0]))
#define GAPS		(sizeof(between_ms) / sizeof(between_ms[0]))
#define SITES		(DURATIONS * GAPS * 2)

struct freeze {
	struct site	*site;
	int64_t		 frozen_s, between_ms, frozen_ns;
	pid_t		 before[SITE_CHILDREN];
	bool		 watchdog_first, first_done, second_done;
};

static void
signal_children(const struct freeze *f, int sig)
{
	for (int i = 0; i < SITE_CHILDREN; i++)
		kill(f->before[i], sig);
}

static void
freeze_begin(struct freeze *f)
{
	site_read(f->site);
	for (int i = 0; i < SITE_CHILDREN; i++)
		f->before[i] = f->site->child[i].pid;
	f->frozen_ns = proc_now_ns();
	kill(f->site->pid, SIGSTOP);
	signal_children(f, SIGSTOP);
}

static void
resume(const struct freeze *f, bool watchdog)
{
	if (watchdog)
		kill(f->site->pid, SIGCONT);
	else
		signal_children(f, SIGCONT);
}

/* What is due now; true once all that is due before the verdict has been done. */
static bool
freeze_step(struct freeze *f, int64_t now_ns)
{
	int64_t	 first_ns = f->frozen_ns + f->frozen_s * 1000 * MS, second_ns = first_ns + f->between_ms * MS;

	if (!f->first_done && now_ns >= first_ns) {
		f->first_done = true;
		resume(f, f->watchdog_first);
	}
	if (!f->second_done && now_ns >= second_ns) {
		f->second_done = true;
		resume(f, !f->watchdog_first);
	}
	return now_ns >= second_ns + JUDGED_MS * MS;
}

static unsigned
freeze_verdict(struct freeze *f)
{
	unsigned	 kills = site_restarts(f->site);

	for (int i = 0; i < SITE_CHILDREN; i++)
		if (kills == 0 && (f->site->child[i].pid != f->before[i] || proc_state(f->before[i]) != 'S'))
			kills = 1;	/* dead or dying, and not started again yet */
	printf("  frozen %2lld s, %s first, %4lld ms between: %u kills\n", (long long)f->frozen_s,
	    f->watchdog_first ? "watchdog" : "children", (long long)f->between_ms, kills);
	return kills;
}

/* One site for each way to freeze and resume, up to the longest that was asked for.  Returns how many. */
static size_t
freeze_sites(struct freeze freezes[SITES], int64_t longest_s)
{
	const struct site_conf	 conf = site_default();
	size_t			 count = 0;

	for (size_t d = 0; d < DURATIONS && frozen_s[d] <= longest_s; d++)
		for (size_t g = 0; g < GAPS; g++)
			for (int order = 0; order < 2; order++)
				freezes[count++] = (struct freeze){ .site = site_new(&conf), .frozen_s = frozen_s[d],
				    .between_ms = between_ms[g], .watchdog_first = order == 1 };
	return count;
}

bool
measure_freeze(const struct measure_options *o)
{
	struct freeze	 freezes[SITES];
	size_t		 count = freeze_sites(freezes, o->seconds > 0 ? o->seconds : frozen_s[DURATIONS - 1]), done;
	unsigned	 kills = 0;

	proc_sleep_ms(SETTLE_MS);
	for (size_t i = 0; i < count; i++)
		freeze_begin(&freezes[i]);
	fprintf(stderr, "freeze: %zu watchdogs and their children are frozen\n", count);
	do {
		proc_sleep_ms(STEP_MS);
		done = 0;
		for (size_t i = 0; i < count; i++)
			done += freeze_step(&freezes[i], proc_now_ns());
	} while (done < count);
	for (size_t i = 0; i < count; i++) {
		kills += freeze_verdict(&freezes[i]);
		site_end(freezes[i].site);
	}
	return figure_judge("healthy children killed", kills, "", 0);
}
