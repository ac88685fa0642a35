#include "generator/session.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/pg.h"
#include "common/schema.h"
#include "common/suite.h"
#include "generator/batch.h"

/* The session lock that makes one generator the writer. */
#define TAKE_LOCK	"SELECT pg_advisory_lock(hashtext('tocsin.generator'))"
#define LOCK_TIMEOUT	"55P03"

struct session {
	struct event_base	*base;
	struct pg		*pg;
	struct session_handler	 handler;
	void			*arg;
	bool			 up, was_up, standby;
};

static void	 take_lock(struct session *s);

static void
prepared_cb(const struct pg_result *res, void *arg)
{
	struct session	*s = arg;

	if (pg_lost(res))
		return;
	if (!pg_ok(res))
		fatalx("session", "cannot prepare the statements sqlstate=%s why=\"%s\"", pg_sqlstate(res), pg_error(res));
	s->up = s->was_up = true;
	s->handler.up(s->arg);
}

static void
locked_cb(const struct pg_result *res, void *arg)
{
	struct session	*s = arg;

	if (pg_lost(res))
		return;
	if (strcmp(pg_sqlstate(res), LOCK_TIMEOUT) == 0) {
		if (s->was_up)
			fatalx("session", "another generator has become the writer: starting over as its standby");
		if (!s->standby)
			log_info("session", "another generator writes to this database: standing by");
		s->standby = true;
		take_lock(s);
		return;
	}
	if (!pg_ok(res)) {
		log_errorx("session", "cannot take the writer's lock sqlstate=%s why=\"%s\"", pg_sqlstate(res), pg_error(res));
		pg_reset(s->pg, "no writer's lock");
		return;
	}
	log_info("session", "this generator is the writer");
	s->standby = false;
	for (int kind = 0; kind < BATCH_KINDS; kind++)
		if (pg_prepare(s->pg, batch_names[kind], batch_sql[kind], NULL, NULL) == -1)
			return;
	pg_sync(s->pg, prepared_cb, s);
}

/* Waits in the server for two seconds at a time, so a lock that becomes free is ours at once. */
static void
take_lock(struct session *s)
{
	if (pg_send(s->pg, "SET lock_timeout = '2s'", 0, NULL, NULL, NULL) == 0 &&
	    pg_send(s->pg, TAKE_LOCK, 0, NULL, NULL, NULL) == 0)
		pg_sync(s->pg, locked_cb, s);
}

static void
schema_cb(const struct pg_result *res, void *arg)
{
	struct session	*s = arg;
	char		 why[256];
	const char	*wrong;

	if (pg_lost(res))
		return;
	wrong = schema_check(res, why, sizeof(why));
	if (wrong != NULL) {
		log_errorx("session", "%s", wrong);
		exit(EXIT_USAGE);
	}
	take_lock(s);
}

static void
up_cb(void *arg)
{
	struct session	*s = arg;

	pg_query(s->pg, SCHEMA_QUERY, 0, NULL, schema_cb, s);
}

static void
down_cb(void *arg)
{
	struct session	*s = arg;
	bool		 was_up = s->up;

	s->up = false;
	if (was_up)
		s->handler.down(s->arg);
}

struct session *
session_new(struct event_base *base, const char *conninfo, const struct session_handler *handler, void *arg)
{
	struct session			*s = xcalloc(1, sizeof(*s));
	const struct pg_params		 params = {
		.name = "writer", .conninfo = conninfo, .connect_timeout_ms = 10000, .answer_timeout_ms = 40000,
		.backoff_base_ms = 1000, .backoff_max_ms = 30000,
	};
	const struct pg_handler		 pg_handler = { .up = up_cb, .down = down_cb };

	s->base = base;
	s->handler = *handler;
	s->arg = arg;
	s->pg = pg_new(base, &params, &pg_handler, s);
	pg_start(s->pg);
	return s;
}

void
session_free(struct session *s)
{
	if (s == NULL)
		return;
	pg_free(s->pg);
	free(s);
}

struct pg *
session_pg(struct session *s)
{
	return s->pg;
}

bool
session_is_up(const struct session *s)
{
	return s->up;
}

const char *
session_state(const struct session *s)
{
	return s->up ? "writing" : s->standby ? "standby" : "waiting for the database";
}
