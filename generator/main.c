/* tocsin-generator: market feed -> strategies -> signals in PostgreSQL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crash.h"
#include "common/log.h"
#include "common/pg_check.h"
#include "common/suite.h"
#include "generator/conf.h"
#include "generator/migrate.h"
#include "generator/service.h"

static int
check(const char *path, bool print)
{
	static const struct engine_handler	 nobody = { 0 };
	struct generator_conf			 conf;
	int					 errors = generator_conf_load(&conf, path, &nobody, NULL);

	if (errors == 0 && print)
		generator_conf_print(&conf);
	generator_conf_release(&conf);
	return errors == 0 ? EXIT_DONE : EXIT_USAGE;
}

/* For `tocsin check`: findings on stdout. */
static int
check_database(const char *path)
{
	static const struct engine_handler	 nobody = { 0 };
	struct generator_conf			 conf;
	int					 code = EXIT_USAGE;

	if (generator_conf_load(&conf, path, &nobody, NULL) == 0)
		code = pg_check("generator", generator_conf_database(&conf));
	generator_conf_release(&conf);
	return code;
}

/* Migrating needs [tocsin] only: feeds and strategies may not be there yet. */
static int
migrate(const char *path)
{
	static const char *const	 own[] = { NULL };
	struct suite_conf		 suite = { 0 };
	struct conf			*file = conf_read(path);
	int				 code = EXIT_USAGE;

	conf_fill(file, conf_section(file, "tocsin", NULL), suite_keys, &suite);
	suite_ignore_others(file, own);
	if (conf_finish(file, stderr) == 0)
		code = migrate_run(suite.database != NULL ? suite.database : "");
	conf_free(file);
	conf_clear(suite_keys, &suite);
	return code;
}

int
main(int argc, char **argv)
{
	struct suite_options	 o;

	suite_options(&o, argc, argv, "tocsin-generator [-c FILE] [-n | -T | migrate | check]");
	if (o.rest[0] != NULL && ((strcmp(o.rest[0], "migrate") != 0 && strcmp(o.rest[0], "check") != 0) || o.rest[1] != NULL)) {
		fprintf(stderr, "tocsin-generator: unknown word \"%s\": there are migrate and check\n", o.rest[0]);
		return EXIT_USAGE;
	}
	if (o.check_only || o.print_conf)
		return check(o.conf_path, o.print_conf);
	if (o.rest[0] != NULL)
		return strcmp(o.rest[0], "check") == 0 ? check_database(o.conf_path) : migrate(o.conf_path);
	if (log_open("generator", getenv(LOG_PATH_ENV)) == -1)
		log_warn("generator", "cannot open the log, writing to stderr path=%s", getenv(LOG_PATH_ENV));
	crash_init("generator");
	return service_run(o.conf_path);
}
