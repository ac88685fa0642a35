#include "generator/conf.h"

#include <stddef.h>
#include <string.h>

#include "common/pg.h"

#define DAY_MS	(INT64_C(24) * 3600 * 1000)

static const char *const at_end_names[] = { "stay", "exit", NULL };

static const struct conf_key generator_keys[] = {
	{ .name = "database", .type = CONF_STR, .offset = offsetof(struct generator_conf, database), .def = "",
	  .secret = true, .check = pg_conninfo_ok, .help = "libpq conninfo of the generator's own session; empty: that of [tocsin]" },
	{ .name = "mode", .type = CONF_ENUM, .offset = offsetof(struct generator_conf, mode), .def = "live",
	  .choices = signal_mode_names, .help = "column mode of its signals" },
	{ .name = "grace", .type = CONF_DURATION, .offset = offsetof(struct generator_conf, grace_ms), .def = "2s",
	  .min = 0, .max = 60000, .help = "a candle without later trades closes this long after its end" },
	{ .name = "fill_max", .type = CONF_INT, .offset = offsetof(struct generator_conf, fill_max), .def = "60",
	  .min = 0, .max = 100000, .help = "longest run of intervals without trades that is filled with flat candles; a longer one stays empty" },
	{ .name = "backlog_max", .type = CONF_SIZE, .offset = offsetof(struct generator_conf, backlog_max), .def = "8M",
	  .min = 65536, .max = 67108864, .help = "rows waiting for the database beyond this hold back feeds that can wait (sim, file); also the limit of what waits in memory while the journal cannot be written" },
	{ .name = "journal_max", .type = CONF_SIZE, .offset = offsetof(struct generator_conf, journal_max), .def = "256M",
	  .min = 1048576, .max = 1099511627776, .help = "size of the journal in state_dir that keeps what the database has not taken; from three quarters on candles are left out, beyond it signals are lost" },
	{ .name = "retention", .type = CONF_DURATION, .offset = offsetof(struct generator_conf, retention_ms), .def = "90d",
	  .max = 315360000000, .help = "closed signals, their events and candles older than this are deleted; at least 1d, or 0ms: never" },
	{ .name = "at_end", .type = CONF_ENUM, .offset = offsetof(struct generator_conf, at_end), .def = "stay",
	  .choices = at_end_names, .help = "when every recording has ended and is committed: stay, or exit with code 0 (111: a recording had to be given up)" },
	{ .name = NULL }
};

/* A strategy finer than its feed would wait for ever, in silence. */
static void
check_timeframes(const struct generator_conf *c, struct conf *file)
{
	const struct feed_conf	*feed;
	const char		*name;

	for (struct feed **f = c->feeds; *f != NULL; f++) {
		feed = feed_common(*f);
		for (size_t i = 0; i < feed->symbols.count; i++)
			if ((name = engine_misfit(c->engine, feed->symbols.items[i], (enum timeframe)feed->timeframe)) != NULL) {
				conf_error(file, conf_section(file, "strategy", name), "timeframe",
				    "is no multiple of the candles of [feed %s], %s: name only symbols that fit, or another timeframe",
				    feed->name, timeframe_names[feed->timeframe]);
				break;
			}
	}
}

int
generator_conf_load(struct generator_conf *c, const char *path, const struct engine_handler *handler, void *arg)
{
	static const char *const	 own[] = { "generator", "feed", "strategy", NULL };
	struct conf			*file = conf_read(path);
	struct engine_conf		 engine;
	char				 why[256];
	int				 errors;
	bool				 signals = false;

	memset(c, 0, sizeof(*c));
	conf_fill(file, conf_section(file, "tocsin", NULL), suite_keys, &c->suite);
	conf_fill(file, conf_section(file, "generator", NULL), generator_keys, c);
	if (c->suite.database != NULL && !pg_conninfo_ok(c->suite.database, why, sizeof(why)))
		conf_error(file, conf_section(file, "tocsin", NULL), "database", "%s", why);
	if (c->retention_ms != 0 && c->retention_ms < DAY_MS)
		conf_error(file, conf_section(file, "generator", NULL), "retention", "is less than a day: 1d and more, or 0ms for ever");
	engine = (struct engine_conf){
		.mode = (enum signal_mode)c->mode, .grace_us = c->grace_ms * 1000, .fill_max = (int)c->fill_max
	};
	c->engine = engine_new(file, &engine, handler, arg);
	c->feeds = feed_read_all(file);
	if (c->feeds[0] == NULL)
		conf_error(file, NULL, NULL, "no [feed NAME]: the generator has nothing to read");
	for (struct feed **f = c->feeds; *f != NULL; f++)
		signals = signals || feed_brings_signals(*f);
	if (engine_strategy_count(c->engine) == 0 && !signals)
		conf_error(file, NULL, NULL, "no [strategy NAME]: the generator has nothing to judge by");
	check_timeframes(c, file);
	suite_ignore_others(file, own);
	errors = conf_finish(file, stderr);
	conf_free(file);
	return errors;
}

void
generator_conf_release(struct generator_conf *c)
{
	feed_free_all(c->feeds);
	engine_free(c->engine);
	conf_clear(generator_keys, c);
	conf_clear(suite_keys, &c->suite);
}

void
generator_conf_print(const struct generator_conf *c)
{
	conf_print(stdout, "tocsin", NULL, suite_keys, &c->suite);
	conf_print(stdout, "generator", NULL, generator_keys, c);
	for (struct feed **f = c->feeds; *f != NULL; f++)
		feed_print_conf(*f, stdout);
	engine_print_conf(c->engine, stdout);
}

const char *
generator_conf_database(const struct generator_conf *c)
{
	return c->database != NULL ? c->database : c->suite.database;
}
