#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/suite.h"
#include "watchdog/config.h"
#include "watchdog/startup.h"
#include "watchdog/watchdog.h"

#define USAGE	"tocsin-watchdog [-c FILE] [-n] [-T] [-V]"

/* The last one that the OOM killer should take; its children say for themselves that they are not (spawn.c). */
static void
be_spared(void)
{
	static const char	 score[] = "-900";
	int			 fd = geteuid() == 0 ? open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC) : -1;
	ssize_t			 n;

	if (fd == -1)
		return;
	n = write(fd, score, sizeof(score) - 1);
	(void)n;	/* refused in a container: then its host decides */
	close(fd);
}

/* The folder that it was started in is not ours to hold; reloads need the file all the same. */
static char *
absolute_path(const char *path)
{
	char	*text, cwd[PATH_MAX];
	size_t	 size;

	if (*path == '/' || getcwd(cwd, sizeof(cwd)) == NULL)
		return xstrdup(path);
	size = strlen(cwd) + strlen(path) + 2;
	text = xcalloc(1, size);
	snprintf(text, size, "%s/%s", cwd, path);
	return text;
}

/* What makes this process fit to be the one that never dies. */
static void
prepare_process(void)
{
	static const int	 harmless[] = { SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGXFSZ, SIGTTOU };
	struct sigaction	 ignore = { .sa_handler = SIG_IGN };
	sigset_t		 none;

	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		(void)sigaction(harmless[i], &ignore, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);	/* a starter may have left some blocked */
	(void)umask(022);
	be_spared();
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
		log_warn("main", "orphans of children will be left to init");
}

static int
supervise(const char *conf_path, struct watchdog_conf *conf)
{
	struct startup	 s;
	struct watchdog	*w;
	int		 code;

	prepare_process();
	if ((code = startup_prepare(&s, conf)) == 0) {
		code = EXIT_TEMPORARY;
		if ((w = watchdog_new(conf_path, conf, &s)) != NULL) {
			watchdog_run(w);
			code = EXIT_DONE;
		}
		watchdog_free(w);
	}
	startup_release(&s, conf);
	return code;
}

int
main(int argc, char **argv)
{
	struct suite_options	 options;
	struct watchdog_conf	*conf;
	char			*conf_path;
	int			 code = EXIT_DONE;

	if (fd_fill_standard() == -1)
		return EXIT_TEMPORARY;
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);	/* what a starter left open is not ours to hold for months */
	suite_options(&options, argc, argv, USAGE);
	if (*options.rest != NULL) {
		fprintf(stderr, "usage: %s\n", USAGE);
		return EXIT_USAGE;
	}
	if ((conf = config_load(options.conf_path, stderr)) == NULL)
		return EXIT_USAGE;
	if (options.print_conf)
		config_print(conf, stdout);
	else if (!options.check_only) {
		conf_path = absolute_path(options.conf_path);
		if (chdir("/") == -1)
			fprintf(stderr, "tocsin-watchdog: cannot change to /: %s\n", strerror(errno));
		code = supervise(conf_path, conf);
		free(conf_path);
	}
	config_free(conf);
	libevent_global_shutdown();
	return code;
}
