/* tocsin-generator: market feed -> strategies -> signals in PostgreSQL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crash.h"
#include "common/log.h"
#include "common/pg_check.h"
#include "common/suite.h"
#include "generator/backtest.h"
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

/* backtest [--json]; a command line that is wrong says so. */
static int
backtest(const char *path, char **words)
{
	bool	 json = words[0] != NULL && strcmp(words[0], "--json") == 0;

	if (words[0] != NULL && (!json || words[1] != NULL)) {
		fprintf(stderr, "usage: tocsin-generator [-c FILE] backtest [--json]\n");
		return EXIT_USAGE;
	}
	return backtest_run(path, json);
}

/* A word of work that is done once, instead of the service. */
static int
run_word(const char *path, char **words)
{
	if (strcmp(words[0], "backtest") == 0)
		return backtest(path, words + 1);
	if (words[1] == NULL && strcmp(words[0], "migrate") == 0)
		return migrate(path);
	if (words[1] == NULL && strcmp(words[0], "check") == 0)
		return check_database(path);
	fprintf(stderr, "tocsin-generator: unknown word \"%s\": there are migrate, check and backtest [--json]\n",
	    words[1] == NULL ? words[0] : words[1]);
	return EXIT_USAGE;
}

int
main(int argc, char **argv)
{
	struct suite_options	 o;

	suite_options(&o, argc, argv, "tocsin-generator [-c FILE] [-n | -T | migrate | check | backtest [--json]]");
	if (o.check_only || o.print_conf)
		return check(o.conf_path, o.print_conf);
	if (o.rest[0] != NULL)
		return run_word(o.conf_path, o.rest);
	if (log_open("generator", getenv(LOG_PATH_ENV)) == -1)
		log_warn("generator", "cannot open the log, writing to stderr path=%s", getenv(LOG_PATH_ENV));
	crash_init("generator");
	return service_run(o.conf_path);
}
