#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/superv/figure.h"
#include "tests/bench/superv/measure.h"
#include "tests/bench/superv/proc.h"
#include "tests/bench/superv/site.h"

#define ROUNDS			20	/* of each kind */
#define HEARTBEAT_INTERVAL_MS	500
#define HEARTBEAT_TIMEOUT_MS	2000
#define CHECK_INTERVAL_MS	1000
#define KILL_GRACE_MS		1000
#define STABLE_MS		100
#define FOUND_MOST_MS		(HEARTBEAT_TIMEOUT_MS + CHECK_INTERVAL_MS)
#define GIVE_UP_MS		(3 * FOUND_MOST_MS)
#define HEALTHY_MS		700	/* up, stable and with a beat heard before it is struck */
#define STOPPED_ENDING_MS	1000	/* for a copy that was aborted rather than continued */
#define STEP_MS			2

struct hang_kind {
	const char	*name;
	int		 signal;
};

static const struct hang_kind hang_kinds[] = {
	{ "SIGSTOP", SIGSTOP },
	{ "busy loop", SIGUSR1 },
	{ "deadlock", SIGUSR2 },
};

struct victim {
	pid_t		 pid;
	unsigned	 starts;
	int64_t		 struck_ns, found_ns;	/* found: 0, not yet */
};

/* A line that says that this process was found hung or stopped. */
static bool
line_tells(const char *line, pid_t pid)
{
	const char	*at = strstr(line, " pid=");

	return at != NULL && strtol(at + sizeof(" pid=") - 1, NULL, 10) == pid &&
	    (strstr(line, "hung") != NULL || strstr(line, "stopped") != NULL);
}

/* All that is told since the last look; the last beat it could have sent was at struck_ns. */
static void
look(struct site *s, struct victim *victims, int signal_sent)
{
	int64_t		 now_ns;
	const char	*line;

	while ((line = site_log_line(s)) != NULL)
		for (int i = 0; i < SITE_CHILDREN; i++)
			if (victims[i].found_ns == 0 && line_tells(line, victims[i].pid))
				victims[i].found_ns = proc_now_ns();
	site_read(s);
	now_ns = proc_now_ns();
	for (int i = 0; i < SITE_CHILDREN; i++)
		if (victims[i].found_ns == 0 && (s->child[i].starts > victims[i].starts ||
		    (signal_sent == SIGSTOP && proc_state(victims[i].pid) != 'T')))
			victims[i].found_ns = now_ns;
}

static void
strike(const struct site_child *c, struct victim *v, int sig)
{
	*v = (struct victim){ .pid = c->pid, .starts = c->starts, .struck_ns = proc_now_ns() };
	kill(c->pid, sig);
	/* It is stopped when it next comes by the kernel's door, not at once. */
	while (sig == SIGSTOP && proc_state(v->pid) != 'T')
		proc_sleep_ms(1);
}

static bool
all_found(const struct victim *victims)
{
	for (int i = 0; i < SITE_CHILDREN; i++)
		if (victims[i].found_ns == 0)
			return false;
	return true;
}

/* Until both are at work again, as a new copy or continued. */
static void
recover(struct site *s, const struct victim *victims, int signal_sent)
{
	if (signal_sent == SIGSTOP) {
		proc_sleep_ms(STOPPED_ENDING_MS);
		site_read(s);
		for (int i = 0; i < SITE_CHILDREN; i++)
			kill(s->child[i].pid, SIGCONT);
	} else
		for (int i = 0; i < SITE_CHILDREN; i++)
			site_wait(s, i, victims[i].starts);
}

/* Strikes both children at once; each `ms` is how long it took, GIVE_UP_MS when nothing was found. */
static void
hang_round(struct site *s, int sig, long round, double ms[SITE_CHILDREN])
{
	struct victim	 victims[SITE_CHILDREN];
	int64_t		 deadline_ns;

	/* At another moment between two beats each time. */
	proc_sleep_ms(HEALTHY_MS + round * 137 % HEARTBEAT_INTERVAL_MS);
	for (int i = 0; i < SITE_CHILDREN; i++)
		strike(&s->child[i], &victims[i], sig);
	deadline_ns = proc_now_ns() + INT64_C(1000000) * GIVE_UP_MS;
	while (!all_found(victims) && proc_now_ns() < deadline_ns) {
		proc_sleep_ms(STEP_MS);
		look(s, victims, sig);
	}
	for (int i = 0; i < SITE_CHILDREN; i++)
		ms[i] = victims[i].found_ns == 0 ? GIVE_UP_MS : (double)(victims[i].found_ns - victims[i].struck_ns) / 1e6;
	recover(s, victims, sig);
}

static bool
hang_rounds(struct site *s, const struct hang_kind *kind, long count)
{
	double	*ms = figure_list((size_t)count + SITE_CHILDREN);
	long	 in_time = 0;
	char	 what[64];
	bool	 ok;

	for (long i = 0; i < count; i += SITE_CHILDREN) {
		hang_round(s, kind->signal, i / SITE_CHILDREN, &ms[i]);
		fprintf(stderr, "\rhang: %s %ld of %ld ", kind->name, i + SITE_CHILDREN, count);
	}
	fprintf(stderr, "\n");
	for (long i = 0; i < count; i++)
		in_time += ms[i] <= FOUND_MOST_MS;
	printf("  %-10s %ld of %ld found in time\n", kind->name, in_time, count);
	snprintf(what, sizeof(what), "%s -> found, median", kind->name);
	figure_tell(what, figure_percentile(ms, (size_t)count, 50), "ms");
	snprintf(what, sizeof(what), "%s -> found, max", kind->name);
	ok = figure_judge(what, figure_percentile(ms, (size_t)count, 100), "ms", FOUND_MOST_MS);
	free(ms);
	return ok;
}

bool
measure_hang(const struct measure_options *o)
{
	struct site_conf	 conf = site_default();
	struct site		*s;
	long			 count = o->count > 0 ? o->count : ROUNDS;
	bool			 ok = true;

	conf.heartbeat_interval_ms = HEARTBEAT_INTERVAL_MS;
	conf.heartbeat_timeout_ms = HEARTBEAT_TIMEOUT_MS;
	conf.check_interval_ms = CHECK_INTERVAL_MS;
	conf.kill_grace_ms = KILL_GRACE_MS;
	conf.stable_after_ms = STABLE_MS;
	s = site_new(&conf);
	for (size_t i = 0; i < sizeof(hang_kinds) / sizeof(hang_kinds[0]); i++)
		ok &= hang_rounds(s, &hang_kinds[i], count);
	site_end(s);
	return ok;
}
