#include "generator/migrate.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/embed.h"
#include "common/log.h"
#include "common/net.h"
#include "common/pg.h"
#include "common/schema.h"
#include "common/suite.h"

#define PATIENCE_S	10	/* for a server that is just starting */

struct migration {
	struct event_base	*base;
	struct pg		*pg;
	const struct embedded	*next;
	int			 exit_code;
	int			 applied;
};

static void	 apply_next(struct migration *m);

static void
finish(struct migration *m, int exit_code)
{
	m->exit_code = exit_code;
	event_base_loopbreak(m->base);
}

static void
failed(struct migration *m, const char *what, const struct pg_result *res)
{
	fprintf(stderr, "tocsin migrate: %s: %s%s\n", what, pg_error(res),
	    pg_lost(res) ? "" : ": nothing of it was kept; the role in [tocsin] database has to be the owner of the database");
	finish(m, pg_lost(res) ? EXIT_TEMPORARY : EXIT_USAGE);
}

/* Files are called NUMBER_name.sql. */
static int
number_of(const struct embedded *file)
{
	return atoi(file->name);
}

static void
recorded_cb(const struct pg_result *res, void *arg)
{
	struct migration	*m = arg;

	if (!pg_ok(res)) {
		failed(m, m->next->name, res);
		return;
	}
	printf("tocsin migrate: %s applied\n", m->next->name);
	m->applied++;
	m->next++;
	apply_next(m);
}

static void
applied_cb(const struct pg_result *res, void *arg)
{
	struct migration	*m = arg;
	char			 number[16];
	const char		*values[] = { number, m->next->name };

	if (!pg_ok(res)) {
		failed(m, m->next->name, res);
		return;
	}
	snprintf(number, sizeof(number), "%d", number_of(m->next));
	if (pg_send(m->pg, "INSERT INTO tocsin_migrations (number, name) VALUES ($1, $2)", 2, values, NULL, NULL) == 0 &&
	    pg_send(m->pg, "COMMIT", 0, NULL, NULL, NULL) == 0)
		pg_sync(m->pg, recorded_cb, m);
}

static void
begun_cb(const struct pg_result *res, void *arg)
{
	struct migration	*m = arg;

	if (!pg_ok(res))
		failed(m, "BEGIN", res);
	else if (pg_script(m->pg, (const char *)m->next->bytes, applied_cb, m) == -1)
		finish(m, EXIT_TEMPORARY);
}

static void
apply_next(struct migration *m)
{
	if (m->next->name == NULL) {
		printf("tocsin migrate: the schema is number %d%s\n", TOCSIN_SCHEMA, m->applied == 0 ? ", nothing to do" : "");
		finish(m, EXIT_DONE);
	} else if (pg_send(m->pg, "BEGIN", 0, NULL, NULL, NULL) == 0)
		pg_sync(m->pg, begun_cb, m);
}

static void
found_cb(const struct pg_result *res, void *arg)
{
	struct migration	*m = arg;
	int			 found;
	char			 why[256];

	if (!pg_ok(res)) {
		failed(m, "tocsin_migrations", res);
		return;
	}
	found = (int)pg_int(res, 0, 0);
	if (found > TOCSIN_SCHEMA) {
		fprintf(stderr, "tocsin migrate: %s\n", schema_verdict(found, why, sizeof(why)));
		finish(m, EXIT_USAGE);
		return;
	}
	while (m->next->name != NULL && number_of(m->next) <= found)
		m->next++;
	apply_next(m);
}

static void
prepared_cb(const struct pg_result *res, void *arg)
{
	struct migration	*m = arg;

	if (!pg_ok(res))
		failed(m, "tocsin_migrations", res);
	else
		pg_query(m->pg, SCHEMA_QUERY, 0, NULL, found_cb, m);
}

/* The lock lasts as long as the session: a second migration waits for this one, then finds nothing to do. */
static void
up_cb(void *arg)
{
	struct migration	*m = arg;

	pg_script(m->pg, "SET client_min_messages = warning; SET search_path = public; SET lock_timeout = 0; SET statement_timeout = 0;"
	    "SELECT pg_advisory_lock(hashtext('tocsin.migrate'));"
	    "CREATE TABLE IF NOT EXISTS tocsin_migrations (number integer PRIMARY KEY, name text NOT NULL,"
	    " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())", prepared_cb, m);
}

static void
patience_cb(evutil_socket_t fd, short what, void *arg)
{
	struct migration	*m = arg;

	(void)fd, (void)what;
	if (pg_is_up(m->pg))
		return;
	fprintf(stderr, "tocsin migrate: cannot reach the database: %s: see [tocsin] database\n", pg_last_error(m->pg));
	finish(m, EXIT_TEMPORARY);
}

int
migrate_run(const char *conninfo)
{
	static const struct timeval	 patience = { .tv_sec = PATIENCE_S };
	const struct pg_params		 params = {
		.name = "migrate", .conninfo = conninfo, .connect_timeout_ms = 5000, .backoff_base_ms = 200, .backoff_max_ms = 1000, .needs_session = true,
	};
	const struct pg_handler		 handler = { .up = up_cb };
	struct migration		 m = { .next = migrations, .exit_code = EXIT_TEMPORARY };
	struct event			*limit;

	if ((m.base = event_base_new()) == NULL || (limit = evtimer_new(m.base, patience_cb, &m)) == NULL)
		fatalx("migrate", "cannot make an event loop");
	log_set_level(LOG_LEVEL_ERROR);	/* what matters goes to stdout and stderr in plain words */
	m.pg = pg_new(m.base, &params, &handler, &m);
	pg_start(m.pg);
	event_add(limit, &patience);
	event_base_dispatch(m.base);
	pg_free(m.pg);
	event_free(limit);
	net_end(m.base);
	event_base_free(m.base);
	libevent_global_shutdown();
	return m.exit_code;
}
