#include "common/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#ifndef TOCSIN_VERSION
#error "the Makefile defines TOCSIN_VERSION"
#endif

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

bool
suite_path_ok(const char *value, char *why, size_t why_size)
{
	snprintf(why, why_size, "an absolute path");
	return *value == '/';
}

const struct conf_key suite_keys[] = {
	{ .name = "database", .type = CONF_STR, .offset = offsetof(struct suite_conf, database),
	  .def = "host=/run/postgresql dbname=tocsin", .secret = true,
	  .help = "libpq conninfo of the database; several hosts allowed" },
	{ .name = "runtime_dir", .type = CONF_STR, .offset = offsetof(struct suite_conf, runtime_dir),
	  .def = "/run/tocsin", .check = suite_path_ok, .help = "folder of status.json and the locks" },
	{ .name = "log_dir", .type = CONF_STR, .offset = offsetof(struct suite_conf, log_dir),
	  .def = "/var/log/tocsin", .check = suite_path_ok, .help = "folder of one log per process" },
	{ .name = "state_dir", .type = CONF_STR, .offset = offsetof(struct suite_conf, state_dir),
	  .def = "/var/lib/tocsin", .check = suite_path_ok, .help = "folder of what must survive a reboot" },
	{ .name = "log_level", .type = CONF_ENUM, .offset = offsetof(struct suite_conf, log_level),
	  .def = "info", .choices = levels, .help = "least severe lines that are written" },
	{ .name = "log_max_size", .type = CONF_SIZE, .offset = offsetof(struct suite_conf, log_max_size),
	  .def = "64M", .min = 65536, .max = 1099511627776, .help = "a log beyond this is renamed to NAME.log.1 and begun anew" },
	{ .name = "heartbeat_interval", .type = CONF_DURATION, .offset = offsetof(struct suite_conf, heartbeat_interval_ms),
	  .def = "1s", .min = 50, .max = 60000, .help = "time between two beats of a process to the watchdog" },
	{ .name = NULL }
};

void
suite_ignore_others(struct conf *c, const char *const *own)
{
	static const char *const kinds[] = {
		"watchdog", "process", "generator", "feed", "strategy", "relay", "token", "webhook"
	};
	bool			 mine;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		mine = false;
		for (const char *const *o = own; *o != NULL; o++)
			mine = mine || strcmp(*o, kinds[i]) == 0;
		if (!mine)
			conf_ignore(c, kinds[i]);
	}
}

bool
suite_name_ok(const char *name)
{
	size_t	 len = strlen(name);

	return len >= 1 && len <= 32 && name[0] >= 'a' && name[0] <= 'z' &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

void
suite_options(struct suite_options *o, int argc, char **argv, const char *usage)
{
	int	 opt;

	*o = (struct suite_options){ .conf_path = TOCSIN_CONF_DEFAULT };
	while ((opt = getopt(argc, argv, "+c:nTVh")) != -1)
		switch (opt) {
		case 'c':
			o->conf_path = optarg;
			break;
		case 'n':
			o->check_only = true;
			break;
		case 'T':
			o->print_conf = true;
			break;
		case 'V':
			printf("tocsin %s\n", TOCSIN_VERSION);
			exit(EXIT_DONE);
		case 'h':
			printf("usage: %s\n", usage);
			exit(EXIT_DONE);
		default:
			fprintf(stderr, "usage: %s\n", usage);
			exit(EXIT_USAGE);
		}
	o->rest = argv + optind;
}

void
suite_apply_log(const struct suite_conf *s)
{
	log_set_level((enum log_level)s->log_level);
	log_set_max_size((uint64_t)s->log_max_size);
}
