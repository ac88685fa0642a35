#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/bench/superv/figure.h"
#include "tests/bench/superv/measure.h"
#include "tests/bench/superv/proc.h"
#include "tests/bench/superv/site.h"

#define SETTLE_MS		3000
#define IDLE_S			60
#define FLOOR_IDLE_S		5	/* it does nothing at all, however long one looks */
#define CPU_MOST_MS_A_MINUTE	10.0
#define PSS_MOST_KB		512
#define PRIVATE_DIRTY_MOST_KB	300

#define STARVE_S		60
#define SPINNERS		8

#define CLOCK_S			20
#define CLOCK_STEP_S		2
#define CLOCK_CHECK_MS		500	/* each check logs a line, whose time shows what the watchdog takes for it */
#define CLOCK_OFF_MOST_US	INT64_C(3000000)

/* Idle */

/* A file just linked is not on the disk yet, and its pages would count as the process's own dirty ones. */
static void
write_back(const char *path)
{
	int	 fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1 || fsync(fd) == -1)
		proc_die(path, strerror(errno));
	close(fd);
}

/* /run is a tmpfs; elsewhere each replaced file also costs what the file system does about it. */
static void
tell_file_system(void)
{
	struct statfs	 fs;

	if (statfs(site_tools.folder, &fs) == 0)
		printf("  runtime_dir and logs in %s, %s\n", site_tools.folder, fs.f_type == TMPFS_MAGIC ?
		    "a tmpfs" : "on a disk (TMPDIR=/dev/shm for a tmpfs)");
}

static struct proc_usage
usage_over(const struct site *s, long seconds)
{
	struct proc_usage	 before, after;

	proc_sleep_ms(SETTLE_MS);
	before = proc_usage(s->pid);
	proc_sleep_ms(seconds * 1000);
	after = proc_usage(s->pid);
	after.cpu_ns -= before.cpu_ns;
	after.wakeups -= before.wakeups;
	return after;
}

static void
idle_floor(void)
{
	struct site_conf	 conf = site_default();
	struct proc_usage	 u;
	struct site		*s;

	conf.floor = true;
	s = site_new(&conf);
	u = usage_over(s, FLOOR_IDLE_S);
	printf("  floor: CPU %.2f ms in %d s, wakeups %ld, RSS %ld kB, PSS %ld kB, private dirty %ld kB\n",
	    (double)u.cpu_ns / 1e6, FLOOR_IDLE_S, u.wakeups, u.rss_kb, u.pss_kb, u.private_dirty_kb);
	site_end(s);
}

bool
measure_idle(const struct measure_options *o)
{
	const struct site_conf	 conf = site_default();
	long			 seconds = o->seconds > 0 ? o->seconds : IDLE_S;
	struct site		*s;
	struct proc_usage	 u;
	bool			 ok;

	write_back(site_tools.watchdog);
	write_back(site_tools.self);
	s = site_new(&conf);
	tell_file_system();
	fprintf(stderr, "idle: %ld s\n", seconds);
	u = usage_over(s, seconds);
	figure_tell("wakeups a second", (double)u.wakeups / (double)seconds, "");
	figure_tell("RSS", (double)u.rss_kb, "kB");
	ok = figure_judge("CPU a minute", (double)u.cpu_ns / 1e6 * 60 / (double)seconds, "ms", CPU_MOST_MS_A_MINUTE);
	ok &= figure_judge("PSS", (double)u.pss_kb, "kB", PSS_MOST_KB);
	ok &= figure_judge("private dirty", (double)u.private_dirty_kb, "kB", PRIVATE_DIRTY_MOST_KB);
	site_end(s);
	idle_floor();
	return ok;
}

/* Starve */

static void
spin(pid_t spinners[SPINNERS])
{
	for (int i = 0; i < SPINNERS; i++) {
		if ((spinners[i] = fork()) == -1)
			proc_die("fork", strerror(errno));
		if (spinners[i] == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (volatile unsigned turns = 0;; turns++)
				;
		}
	}
}

static void
end_spinners(const pid_t spinners[SPINNERS])
{
	for (int i = 0; i < SPINNERS; i++) {
		kill(spinners[i], SIGKILL);
		waitpid(spinners[i], NULL, 0);
	}
}

/* Lines of the log since the last look that have `word` in them. */
static unsigned
count_lines(struct site *s, const char *word)
{
	unsigned	 count = 0;
	const char	*line;

	while ((line = site_log_line(s)) != NULL)
		count += strstr(line, word) != NULL;
	return count;
}

bool
measure_starve(const struct measure_options *o)
{
	const struct site_conf	 conf = site_default();
	long			 seconds = o->seconds > 0 ? o->seconds : STARVE_S;
	struct site		*s = site_new(&conf);
	pid_t			 spinners[SPINNERS];
	unsigned		 kills;

	fprintf(stderr, "starve: %ld s with %d spinners\n", seconds, SPINNERS);
	spin(spinners);
	proc_sleep_ms(seconds * 1000);
	kills = site_restarts(s);
	end_spinners(spinners);
	figure_tell("lines in the log about lateness", count_lines(s, "late"), "");
	site_end(s);
	return figure_judge("healthy children killed", kills, "", 0);
}

/* Clock */

static int
open_offset(char path[PATH_MAX])
{
	const int64_t	 none = 0;
	int		 fd;

	if (snprintf(path, PATH_MAX, "%s/clock", site_tools.folder) >= PATH_MAX ||
	    (fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) == -1 ||
	    pwrite(fd, &none, sizeof(none), 0) != sizeof(none))
		proc_die("clock", strerror(errno));
	return fd;
}

/* Set it, wait, and see in the time of the log's last line that the watchdog believes it. */
static bool
step_clock(struct site *s, int fd, int64_t offset_s)
{
	int64_t		 offset_ns = offset_s * INT64_C(1000000000), told_us = 0, expected_us;
	const char	*line;

	if (pwrite(fd, &offset_ns, sizeof(offset_ns), 0) != sizeof(offset_ns))
		proc_die("clock", strerror(errno));
	proc_sleep_ms(CLOCK_STEP_S * 1000);
	while ((line = site_log_line(s)) != NULL)
		(void)clock_parse_iso(line, strcspn(line, " "), &told_us);
	expected_us = clock_wall_us() + offset_s * 1000000;
	return llabs(told_us - expected_us) < CLOCK_OFF_MOST_US;
}

bool
measure_clock(const struct measure_options *o)
{
	static const int64_t	 offsets_s[] = { 3600, -3600, 0, -3600, 3600, 0 };
	struct site_conf	 conf = site_default();
	long			 steps = (o->seconds > 0 ? o->seconds : CLOCK_S) / CLOCK_STEP_S, believed = 0;
	struct site		*s;
	char			 path[PATH_MAX];
	int			 fd = open_offset(path);
	unsigned		 kills;

	conf.clock_path = path;
	conf.check_interval_ms = CLOCK_CHECK_MS;
	s = site_new(&conf);
	for (long i = 0; i < steps; i++) {
		fprintf(stderr, "\rclock: step %ld of %ld ", i + 1, steps);
		believed += step_clock(s, fd, offsets_s[(size_t)i % (sizeof(offsets_s) / sizeof(offsets_s[0]))]);
	}
	fprintf(stderr, "\n");
	kills = site_restarts(s);
	site_end(s);
	close(fd);
	printf("  clock set %ld times, seen by the watchdog %ld times\n", steps, believed);
	return figure_judge("healthy children killed", kills, "", 0) && believed == steps;
}
