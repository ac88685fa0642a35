#include <errno.h>
#include <signal.h>
#include <stdio.h>
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

/* What makes this process fit to be the one that never dies. */
static void
prepare_process(void)
{
	static const int	 harmless[] = { SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM };
	struct sigaction	 ignore = { .sa_handler = SIG_IGN };
	sigset_t		 none;

	(void)close_range(STDERR_FILENO + 1, ~0U, 0);	/* what a starter left open is not ours to hold for months */
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		(void)sigaction(harmless[i], &ignore, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);	/* a starter may have left some blocked */
	(void)umask(022);
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
	int			 code = EXIT_DONE;

	if (fd_fill_standard() == -1)
		return EXIT_TEMPORARY;
	suite_options(&options, argc, argv, USAGE);
	if (*options.rest != NULL) {
		fprintf(stderr, "usage: %s\n", USAGE);
		return EXIT_USAGE;
	}
	if ((conf = config_load(options.conf_path, stderr)) == NULL)
		return EXIT_USAGE;
	if (options.print_conf)
		config_print(conf, stdout);
	else if (!options.check_only)
		code = supervise(options.conf_path, conf);
	config_free(conf);
	libevent_global_shutdown();
	return code;
}
