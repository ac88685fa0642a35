#include "common/pg_check.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/finding.h"
#include "common/log.h"
#include "common/net.h"
#include "common/pg.h"
#include "common/schema.h"
#include "common/suite.h"

#define LIMIT_MS	10000
#define HOST_MS		4000
#define LOOK_MS		10

/* Who and where we are, and how old the server is, in one row. */
#define WHO_SQL	"SELECT current_user, current_database(), coalesce(host(inet_server_addr()), 'its local socket'), " \
		"current_setting('server_version')"

struct check {
	const char		*program;
	struct event_base	*base;
	struct event		*look;
	struct pg		*pg;
	int64_t			 started_us;
	bool			 connected, failed;
};

static void
decide(struct check *c, bool ok)
{
	c->failed = !ok;
	event_base_loopbreak(c->base);
}

static void
schema_cb(const struct pg_result *res, void *arg)
{
	struct check	*c = arg;
	char		 why[512];

	if (schema_is_known(res) && schema_check(res, why, sizeof(why)) != NULL)
		finding_print(FINDING_FAIL, "%s: %s", c->program, why);
	else if (!pg_ok(res))
		finding_print(FINDING_FAIL, "%s: the schema's number cannot be read now: %s: try again", c->program, pg_error(res));
	else
		finding_print(FINDING_OK, "%s: the database's schema is number %d, as needed", c->program, TOCSIN_SCHEMA);
	decide(c, pg_ok(res) && schema_check(res, why, sizeof(why)) == NULL);
}

static void
who_cb(const struct pg_result *res, void *arg)
{
	struct check	*c = arg;

	if (!pg_ok(res) || pg_rows(res) != 1)
		return;		/* the schema's answer says why */
	finding_print(FINDING_OK, "%s: connected to database %s at %s as %s in %lld ms, PostgreSQL %s", c->program, pg_text(res, 0, 1),
	    pg_text(res, 0, 2), pg_text(res, 0, 0), (long long)((clock_mono_us() - c->started_us) / 1000), pg_text(res, 0, 3));
}

static void
up_cb(void *arg)
{
	struct check	*c = arg;

	c->connected = true;
	if (pg_query(c->pg, WHO_SQL, 0, NULL, who_cb, c) == 0)
		(void)pg_query(c->pg, SCHEMA_QUERY, 0, NULL, schema_cb, c);	/* failing: look_cb() sees to it */
}

/* One attempt is the answer: pg itself would try for ever. */
static void
look_cb(evutil_socket_t fd, short what, void *arg)
{
	struct check	*c = arg;
	bool		 late = clock_mono_us() - c->started_us > LIMIT_MS * INT64_C(1000);
	const char	*error = pg_last_error(c->pg);

	(void)fd, (void)what;
	if (!late && *error == '\0')
		return;
	if (c->connected)
		finding_print(FINDING_FAIL, "%s: the database does not answer: %s", c->program,
		    *error == '\0' ? "not within 10 s: look at its load and its locks" : error);
	else
		finding_print(FINDING_FAIL, "%s: cannot connect to the database: %s: see database in [%s] or [tocsin], "
		    "the server's log, and its pg_hba.conf and pg_ident.conf", c->program, *error == '\0' ? "no answer within 10 s" : error, c->program);
	decide(c, false);
}

int
pg_check(const char *program, const char *conninfo)
{
	const struct pg_params	 params = {
		.name = "check", .conninfo = conninfo, .connect_timeout_ms = HOST_MS, .backoff_base_ms = LIMIT_MS, .backoff_max_ms = LIMIT_MS,
		.needs_session = true,
	};
	const struct pg_handler	 handler = { .up = up_cb };
	const struct timeval	 every = clock_timeval_ms(LOOK_MS);
	struct check		 c = { .program = program, .started_us = clock_mono_us(), .failed = true };
	char			 why[512];

	if (!pg_conninfo_ok(conninfo, why, sizeof(why))) {
		finding_print(FINDING_FAIL, "%s: database is no conninfo: %s", program, why);
		return 1;
	}
	log_set_level(LOG_LEVEL_ERROR);	/* what matters is told as findings */
	if ((c.base = event_base_new()) == NULL || (c.look = event_new(c.base, -1, EV_PERSIST, look_cb, &c)) == NULL)
		fatalx("check", "cannot make an event loop");
	c.pg = pg_new(c.base, &params, &handler, &c);
	pg_start(c.pg);
	event_add(c.look, &every);
	event_base_dispatch(c.base);
	pg_free(c.pg);
	event_free(c.look);
	net_end(c.base);
	event_base_free(c.base);
	return c.failed ? 1 : EXIT_DONE;
}
