#include "generator/feed_exec_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/command.h"

static const char *const restart_names[] = { "always", "failure", NULL };
static const char *const on_silent_names[] = { "tell", "restart", NULL };

const struct conf_key exec_keys[] = {
	{ .name = "command", .type = CONF_STR, .offset = offsetof(struct feed_exec_conf, command), .check = command_ok,
	  .help = "program and arguments, split at blanks (\"…\" keeps them together), no shell; it prints JSON lines, "
	  "see docs/exec.md" },
	{ .name = "restart", .type = CONF_ENUM, .offset = offsetof(struct feed_exec_conf, restart), .def = "always",
	  .choices = restart_names, .help = "when it is started again: always, or after a failure, and exit code 0 ends the feed" },
	{ .name = "backfills", .type = CONF_BOOL, .offset = offsetof(struct feed_exec_conf, backfills), .def = "no",
	  .help = "it prints what it missed, from the times in TOCSIN_RESUME on; no: what happened while it did not run is a gap, "
	  "which cancels signals" },
	{ .name = "silent_after", .type = CONF_DURATION, .offset = offsetof(struct feed_exec_conf, silent_after_ms), .def = "0s",
	  .min = 0, .max = 7 * 86400000.0, .help = "nothing printed for so long is a failure to tell of; 0s: never" },
	{ .name = "on_silent", .type = CONF_ENUM, .offset = offsetof(struct feed_exec_conf, on_silent), .def = "tell",
	  .choices = on_silent_names, .help = "what is done about it: tell (log and STATUS), or restart it as well" },
	{ .name = "max_age", .type = CONF_DURATION, .offset = offsetof(struct feed_exec_conf, max_age_ms), .def = "0ms",
	  .min = 0, .max = 366 * 86400000.0, .help = "a finished signal older than this (from the end of its candle) is stored as "
	  "expired and void; 0ms: the length of its timeframe" },
	{ .name = NULL }
};

void
exec_check(struct conf *file, const struct conf_section *section, const struct feed_conf *common, void *conf)
{
	const struct feed_exec_conf	*c = conf;
	char				**argv;

	(void)common;
	if (c->command == NULL || (argv = command_split(c->command)) == NULL)
		return;
	if (access(argv[0], X_OK) == -1)
		conf_error(file, section, "command", "%s cannot be run (%s): name a program that the generator's user may run", argv[0],
		    strerror(errno));
	free(argv);
}
