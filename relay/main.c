/* tocsin-relay: PostgreSQL -> browsers and other subscribers. */
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/crash.h"
#include "common/log.h"
#include "common/pg_check.h"
#include "common/suite.h"
#include "relay/auth.h"
#include "relay/inherit.h"
#include "relay/relay.h"
#include "relay/settings.h"
#include "relay/tls.h"
#include "relay/token.h"

#define USAGE		"tocsin-relay [-c FILE] [-n] [-T] [-V] [check | token NAME | listen=ADDRESS:PORT ...]"
#define OTHER_FDS	64	/* beside the streams: sessions, log, requests */

/* Every stream is a descriptor: take all that the limits allow. */
static void
raise_fd_limit(int64_t streams)
{
	struct rlimit	 limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		log_warn("relay", "cannot raise the limit of open files");
	else if (limit.rlim_cur < (rlim_t)(streams + OTHER_FDS))
		log_warnx("relay", "the limit of open files is below max_clients limit=%llu max_clients=%" PRId64,
		    (unsigned long long)limit.rlim_cur, streams);
}

/* That the files which the settings name can be used. */
static int
check_files(const struct settings *s)
{
	struct auth	*auth = auth_new(s);
	struct tls	*tls = s->tls_cert == NULL ? NULL : tls_new(s->tls_cert, s->tls_key);
	bool		 ok = auth != NULL && (s->tls_cert == NULL || tls != NULL);

	auth_free(auth);
	tls_free(tls);
	return ok ? EXIT_DONE : EXIT_USAGE;
}

int
main(int argc, char **argv)
{
	struct suite_options	 options;
	struct settings		 settings;
	struct auth		*auth = NULL;
	int			*fds = NULL, code = EXIT_DONE;
	size_t			 count = 0;

	suite_options(&options, argc, argv, USAGE);
	if (options.rest[0] != NULL && strcmp(options.rest[0], "token") == 0)
		return token_command(options.rest + 1);	/* before there is a configuration that would do */
	if (!settings_read(&settings, options.conf_path)) {
		code = EXIT_USAGE;
		goto out;
	}
	if (options.print_conf)
		settings_print(&settings);
	if (options.print_conf)
		goto out;
	if (options.check_only) {
		code = check_files(&settings);
		goto out;
	}
	if (options.rest[0] != NULL && strcmp(options.rest[0], "check") == 0) {
		code = pg_check("relay", settings_database(&settings));
		goto out;
	}
	if (log_open("relay", getenv(LOG_PATH_ENV)) == -1)
		log_warn("relay", "cannot open the log path=%s", getenv(LOG_PATH_ENV));
	crash_init("relay");
	suite_apply_log(&settings.suite);
	signal(SIGPIPE, SIG_IGN);
	raise_fd_limit(settings.max_clients);
	if ((auth = auth_new(&settings)) == NULL) {
		code = EXIT_USAGE;
		goto out;
	}
	if ((code = inherit_sockets(options.rest, !auth_is_open(auth), &fds, &count)) != EXIT_DONE)
		goto out;
	log_info("relay", "starting version=%s sockets=%zu", TOCSIN_VERSION, count);
	code = relay_run(&settings, auth, fds, count);
	auth = NULL;
	log_info("relay", "stopped exit_code=%d", code);
out:
	auth_free(auth);
	free(fds);
	settings_release(&settings);
	libevent_global_shutdown();
	return code;
}
