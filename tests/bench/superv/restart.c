#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/superv/figure.h"
#include "tests/bench/superv/measure.h"
#include "tests/bench/superv/proc.h"
#include "tests/bench/superv/site.h"

#define KILLS		20
#define KILLS_A_TURN	5
#define LONG_RUN_MS	2000
#define SHORT_RUN_MS	50
#define RESTART_MOST_MS	2

#define STORM_KILLS	1000
#define STORM_WARM_UP	20
#define STABLE_MS	100	/* the least that the configuration allows */
#define STABLE_MARGIN_MS 10
#define STORM_STEP_MS	2
#define STUCK_MS	30000

static double
since_ms(int64_t from_ns, int64_t to_ns)
{
	return (double)(to_ns - from_ns) / 1e6;
}

/* Kills: ours and the floor in turns */

struct runs {
	const char	*name;
	struct site	*site;
	double		*after_long, *after_short;	/* ms */
	size_t		 count;
};

/* Once it has been up for so long; returns the time to the next main(). */
static double
kill_after(struct site *s, int64_t run_ms)
{
	struct site_child	*c = &s->child[0];
	int64_t			 killed_ns;

	proc_sleep_ms(run_ms - (proc_now_ns() - c->born_ns) / 1000000);
	killed_ns = proc_now_ns();
	kill(c->pid, SIGKILL);
	site_wait(s, 0, c->starts);
	return since_ms(killed_ns, c->born_ns);
}

/* The second kill of each pair is the first failure of what may become a crash loop: no reason to wait yet. */
static void
kills_turn(struct runs *r, size_t count)
{
	for (size_t i = 0; i < count; i++, r->count++) {
		r->after_long[r->count] = kill_after(r->site, LONG_RUN_MS);
		r->after_short[r->count] = kill_after(r->site, SHORT_RUN_MS);
	}
}

static void
runs_init(struct runs *r, const char *name, bool bare, size_t count)
{
	struct site_conf	 conf = site_default();

	conf.floor = bare;
	*r = (struct runs){ .name = name, .site = site_new(&conf), .after_long = figure_list(count),
	    .after_short = figure_list(count) };
}

static void
runs_release(struct runs *r)
{
	site_end(r->site);
	free(r->after_long);
	free(r->after_short);
}

static void
print_runs(const char *name, const char *run, double *ms, size_t count)
{
	double	 median = figure_percentile(ms, count, 50);	/* and they are sorted */

	printf("  %-10s up %-6s median %6.2f  min %6.2f  max %6.2f ms\n", name, run, median, ms[0], ms[count - 1]);
}

bool
measure_kills(const struct measure_options *o)
{
	size_t		 count = o->count > 0 ? (size_t)o->count : KILLS, part;
	struct runs	 runs[2];
	bool		 ok;

	runs_init(&runs[0], "watchdog", false, count);
	runs_init(&runs[1], "floor", true, count);
	for (size_t done = 0; done < count; done += part) {
		part = count - done < KILLS_A_TURN ? count - done : KILLS_A_TURN;
		kills_turn(&runs[0], part);
		kills_turn(&runs[1], part);
		fprintf(stderr, "kills: %zu of %zu\n", done + part, count);
	}
	for (int i = 0; i < 2; i++) {
		print_runs(runs[i].name, "2 s", runs[i].after_long, count);
		print_runs(runs[i].name, "50 ms", runs[i].after_short, count);
	}
	figure_tell("of the floor, up 2 s",
	    figure_percentile(runs[0].after_long, count, 50) / figure_percentile(runs[1].after_long, count, 50), "x");
	figure_tell("of the floor, up 50 ms",
	    figure_percentile(runs[0].after_short, count, 50) / figure_percentile(runs[1].after_short, count, 50), "x");
	ok = figure_judge("kill -> main, up 2 s, median", figure_percentile(runs[0].after_long, count, 50), "ms",
	    RESTART_MOST_MS);
	ok &= figure_judge("kill -> main, first failure, median", figure_percentile(runs[0].after_short, count, 50), "ms",
	    RESTART_MOST_MS);
	runs_release(&runs[0]);
	runs_release(&runs[1]);
	return ok;
}

/* Storm: both children at once, as fast as they become stable */

struct storm {
	struct site	*site;
	int64_t		 killed_ns[SITE_CHILDREN];	/* 0: its start was seen */
	unsigned	 starts[SITE_CHILDREN];		/* when it was killed */
	double		*ms;
	size_t		 kills, restarts;
};

static void
storm_step(struct storm *st, int i, size_t kills_most)
{
	struct site_child	*c = &st->site->child[i];
	int64_t			 now_ns = proc_now_ns();

	if (st->killed_ns[i] != 0) {
		if (c->starts > st->starts[i]) {
			st->ms[st->restarts++] = since_ms(st->killed_ns[i], c->born_ns);
			st->killed_ns[i] = 0;
		} else if (since_ms(st->killed_ns[i], now_ns) > STUCK_MS)
			proc_die("storm", "a child was not started again");
	} else if (st->kills < kills_most && since_ms(c->born_ns, now_ns) > STABLE_MS + STABLE_MARGIN_MS) {
		st->kills++;
		st->starts[i] = c->starts;
		st->killed_ns[i] = proc_now_ns();
		kill(c->pid, SIGKILL);
	}
}

static void
storm_run(struct storm *st, size_t kills)
{
	struct pollfd	 p[SITE_CHILDREN];

	st->kills = st->restarts = 0;
	for (int i = 0; i < SITE_CHILDREN; i++)
		p[i] = (struct pollfd){ .fd = st->site->child[i].stamps_fd, .events = POLLIN };
	while (st->restarts < kills) {
		if (poll(p, SITE_CHILDREN, STORM_STEP_MS) == -1)
			continue;
		site_read(st->site);
		for (int i = 0; i < SITE_CHILDREN; i++)
			storm_step(st, i, kills);
		fprintf(stderr, "\rstorm: %zu of %zu ", st->restarts, kills);
	}
	fprintf(stderr, "\n");
	proc_sleep_ms(1000);		/* its pipes and files for the last start have come and gone */
}

static void
print_memory(const char *when, const struct proc_usage *u)
{
	printf("  %-10s RSS %ld kB, PSS %ld kB, private dirty %ld kB, descriptors %ld\n", when, u->rss_kb, u->pss_kb,
	    u->private_dirty_kb, u->descriptors);
}

bool
measure_storm(const struct measure_options *o)
{
	size_t			 count = o->count > 0 ? (size_t)o->count : STORM_KILLS;
	struct site_conf	 conf = site_default();
	struct storm		 st = { .ms = figure_list(count > STORM_WARM_UP ? count : STORM_WARM_UP) };
	struct proc_usage	 before, after;
	bool			 ok;

	conf.stable_after_ms = STABLE_MS;
	st.site = site_new(&conf);
	storm_run(&st, STORM_WARM_UP);
	before = proc_usage(st.site->pid);
	storm_run(&st, count);
	after = proc_usage(st.site->pid);
	print_memory("before", &before);
	print_memory("after", &after);
	figure_tell("kill -> main, median", figure_percentile(st.ms, count, 50), "ms");
	figure_tell("kill -> main, p99", figure_percentile(st.ms, count, 99), "ms");
	/* The kernel may have taken pages back meanwhile: less is no leak. */
	ok = figure_judge("growth of RSS", (double)(after.rss_kb - before.rss_kb), "kB", 0);
	ok &= figure_judge("growth of descriptors", (double)(after.descriptors - before.descriptors), "", 0);
	site_end(st.site);
	free(st.ms);
	return ok;
}
