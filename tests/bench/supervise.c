/*
 * supervise: what tocsin-watchdog promises about restarts, hung children and its own needs, measured.
 *
 *	supervise [-n COUNT] [-s SECONDS] [kills|idle|storm|hang|freeze|starve|clock|all] [WATCHDOG]
 *
 * WATCHDOG is the program to measure, by default ../bin/tocsin-watchdog as seen from this one.  COUNT is how many kills or
 * rounds, SECONDS how long (freeze: the longest freeze).  Prints figures with their targets beside them; exits with 0
 * when all were met, with 1 when not, with 2 when it could not measure.
 *
 * The measures run in a child.  Whatever becomes of that one (also Ctrl-C), this process ends everything that descends
 * from it, and nothing else, and removes the temporary folder (in TMPDIR, or /var/tmp).
 */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/superv/measure.h"
#include "tests/bench/superv/proc.h"
#include "tests/bench/superv/site.h"

struct command {
	const char	*name, *title;
	bool		(*run)(const struct measure_options *o);
};

static const struct command commands[] = {
	{ "kills", "SIGKILL of a child to the main() of its next copy", measure_kills },
	{ "idle", "needs of the watchdog while two children beat", measure_idle },
	{ "storm", "what a thousand restarts leave behind", measure_storm },
	{ "hang", "a child that hangs to its discovery", measure_hang },
	{ "freeze", "watchdog and children frozen, resumed one after the other", measure_freeze },
	{ "starve", "processors taken by others", measure_starve },
	{ "clock", "the wall clock set forth and back by an hour", measure_clock },
};
#define COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static void __attribute__((noreturn))
usage(void)
{
	fprintf(stderr, "usage: supervise [-n COUNT] [-s SECONDS] [kills|idle|storm|hang|freeze|starve|clock|all] [WATCHDOG]\n");
	exit(2);
}

/* The programs beside this one, wherever it was called from. */
static void
find_tools(const char *watchdog)
{
	struct site_tools	*t = &site_tools;
	char			 folder[PATH_MAX - 64], fallback[PATH_MAX];
	ssize_t			 n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	char			*slash;

	folder[n > 0 ? n : 0] = '\0';
	if ((slash = strrchr(folder, '/')) == NULL)
		proc_die("/proc/self/exe", "cannot be read");
	strcpy(t->self, folder);
	*slash = '\0';
	snprintf(t->beater, sizeof(t->beater), "%s/beater", folder);
	snprintf(t->wallclock, sizeof(t->wallclock), "%s/wallclock.so", folder);
	snprintf(fallback, sizeof(fallback), "%s/../bin/tocsin-watchdog", folder);
	if (realpath(watchdog == NULL ? fallback : watchdog, t->watchdog) == NULL || access(t->watchdog, X_OK) == -1)
		proc_die(watchdog == NULL ? fallback : watchdog, strerror(errno));
	if (access(t->beater, X_OK) == -1)
		proc_die(t->beater, strerror(errno));
}

static void
make_folder(void)
{
	const char	*parent = getenv("TMPDIR");

	if (snprintf(site_tools.folder, sizeof(site_tools.folder), "%s/tocsin-supervise.XXXXXX",
	    parent == NULL || *parent != '/' ? "/var/tmp" : parent) >= PATH_MAX || mkdtemp(site_tools.folder) == NULL)
		proc_die("temporary folder", strerror(errno));
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

static bool
run_command(const struct command *c, const struct measure_options *o)
{
	bool	 ok;

	printf("%s: %s\n", c->name, c->title);
	fflush(stdout);
	ok = c->run(o);
	printf("%s: %s\n", c->name, ok ? "ok" : "NOT MET");
	fflush(stdout);
	return ok;
}

static int
run_commands(const char *name, const struct measure_options *o)
{
	bool	 ok = true;

	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(name, "all") == 0 || strcmp(name, commands[i].name) == 0)
			ok &= run_command(&commands[i], o);
	return ok ? 0 : 1;
}

static bool
is_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
			return true;
	return strcmp(name, "all") == 0;
}

/* Until the measuring child has ended by itself, or we are asked to end.  Others who end here are orphans of its work. */
static int
wait_for(pid_t worker, const sigset_t *signals)
{
	pid_t	 pid;
	int	 sig, status;

	while (sigwait(signals, &sig) == 0 && sig == SIGCHLD)
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == worker)
				return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
	return 2;
}

static int
measure(const char *name, const struct measure_options *o)
{
	const struct rlimit	 no_core = { 0, 0 };
	sigset_t		 signals, before;
	pid_t			 worker;
	int			 code;

	sigemptyset(&signals);
	for (int i = 0; i < 4; i++)
		sigaddset(&signals, (const int[]){ SIGCHLD, SIGINT, SIGTERM, SIGHUP }[i]);
	sigprocmask(SIG_BLOCK, &signals, &before);
	(void)setrlimit(RLIMIT_CORE, &no_core);		/* hung children are aborted */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
		proc_die("subreaper", strerror(errno));
	make_folder();
	if ((worker = fork()) == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		exit(run_commands(name, o));
	}
	code = worker == -1 ? 2 : wait_for(worker, &signals);
	proc_kill_children();
	(void)nftw(site_tools.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return code;
}

int
main(int argc, char **argv)
{
	struct measure_options	 o = { 0 };
	const char		*name;
	int			 opt;

	if (argc == 6 && strcmp(argv[1], "floor") == 0)
		return site_floor_main(argv + 2);
	while ((opt = getopt(argc, argv, "n:s:")) != -1)
		switch (opt) {
		case 'n': o.count = strtol(optarg, NULL, 10); break;
		case 's': o.seconds = strtol(optarg, NULL, 10); break;
		default: usage();
		}
	name = optind < argc ? argv[optind] : "all";
	if (argc - optind > 2 || !is_command(name))
		usage();
	find_tools(optind + 1 < argc ? argv[optind + 1] : NULL);
	return measure(name, &o);
}
