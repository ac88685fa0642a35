#include "generator/session.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pg.h"
#include "common/schema.h"
#include "common/suite.h"
#include "generator/batch.h"

/*
 * The session lock that makes one generator the writer.  The first attempt
 * waits in the server's queue: after a crash our own old session may need a
 * moment to end.  A standby then asks once a second, which leaves no errors in
 * the server's log.
 */
#define WAIT_FOR_LOCK	"SELECT true FROM pg_advisory_lock(hashtext('tocsin.generator'))"
#define ASK_FOR_LOCK	"SELECT pg_try_advisory_lock(hashtext('tocsin.generator'))"
/* Who has it; any role may take an advisory lock. */
#define HOLDER	"SELECT a.pid, coalesce(a.usename, ''), coalesce(host(a.client_addr), 'local'), a.usename IS NOT DISTINCT FROM current_user " \
		"FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 " \
		"AND l.classid = ((hashtext('tocsin.generator')::bigint >> 32) & 4294967295)::oid " \
		"AND l.objid = (hashtext('tocsin.generator')::bigint & 4294967295)::oid AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
#define LOCK_TIMEOUT	"55P03"
#define ASK_AGAIN_S	1
#define CLOCK_TOLD_US	2000000

struct session {
	struct event		*ask_again;
	struct pg		*pg;
	struct session_handler	 handler;
	void			*arg;
	bool			 up, was_up, standby;
	/* Who we were when we became the writer: our mark in the database, our session there. */
	char			*mark, *backend_pid, *backend_start;
	bool			 evicting;	/* our own lost session, which may hold the lock still */
	/* The database's wall clock minus our monotonic one: holds when our wall clock is set. */
	int64_t			 clock_us;
	bool			 has_clock;
};

/* A COMMIT that is confirmed is done in the journal: it must outlive a crash of the server.  Stricter settings stay. */
#define CONFIRM_FOR_GOOD	"SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"

/* Become the writer, or (a second time) see whether somebody else has been it meanwhile. */
#define CLAIM	"UPDATE tocsin_instance SET writer = gen_random_uuid() RETURNING writer"
#define LOOK	"SELECT writer FROM tocsin_instance"
#define WHO_AM_I "SELECT pid, backend_start, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM pg_stat_activity WHERE pid = pg_backend_pid()"
#define EVICT	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1::int AND backend_start = $2::timestamptz"

static void	 locked_cb(const struct pg_result *res, void *arg);

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
replace(char **text, const char *fresh)
{
	free(*text);
	*text = fresh == NULL ? NULL : xstrdup(fresh);
}

static void
out_of_date(void)
{
	fatalx("session", "another generator has become the writer: starting over");
}

static void
who_cb(const struct pg_result *res, void *arg)
{
	struct session	*s = arg;

	if (!pg_ok(res) || pg_rows(res) != 1)
		return;
	replace(&s->backend_pid, pg_text(res, 0, 0));
	replace(&s->backend_start, pg_text(res, 0, 1));
	s->clock_us = pg_int(res, 0, 2) - clock_mono_us();
	s->has_clock = true;
	if (llabs(session_clock_ahead_us(s)) > CLOCK_TOLD_US)
		log_warnx("session", "the database's clock and ours differ: have both set by the network ahead_ms=%lld",
		    (long long)session_clock_ahead_us(s) / 1000);
}

static void
claimed_cb(const struct pg_result *res, void *arg)
{
	struct session	*s = arg;

	if (pg_lost(res))
		return;
	if (!pg_ok(res) || pg_rows(res) != 1) {
		log_errorx("session", "cannot read or set the writer's mark sqlstate=%s why=\"%s\"", pg_sqlstate(res), pg_error(res));
		pg_reset(s->pg, "no writer's mark");
		return;
	}
	/* What is in memory here, the batch in hand and the book, knows nothing of what another one wrote. */
	if (s->was_up && (pg_text(res, 0, 0) == NULL || strcmp(pg_text(res, 0, 0), s->mark) != 0))
		out_of_date();
	replace(&s->mark, pg_text(res, 0, 0));
	log_info("session", "this generator is the writer");
	s->standby = false;
	pg_query(s->pg, WHO_AM_I, 0, NULL, who_cb, s);
	for (int kind = 0; kind < BATCH_KINDS; kind++)
		if (pg_prepare(s->pg, batch_names[kind], batch_sql[kind], NULL, NULL) == -1)
			return;
	pg_sync(s->pg, prepared_cb, s);
}

static void
evicted_cb(const struct pg_result *res, void *arg)
{
	struct session	*s = arg;

	if (pg_lost(res))
		return;
	if (!pg_ok(res) || pg_rows(res) == 0)
		out_of_date();
	log_warnx("session", "ended our own lost session, which held the writer's lock backend_pid=%s", s->backend_pid);
	s->evicting = true;
	pg_query(s->pg, WAIT_FOR_LOCK, 0, NULL, locked_cb, s);
}

static void
holder_cb(const struct pg_result *res, void *arg)
{
	(void)arg;
	if (!pg_ok(res) || pg_rows(res) == 0)
		return;
	log_info("session", "who writes: backend_pid=%s user=%s client=%s", pg_text(res, 0, 0), pg_text(res, 0, 1), pg_text(res, 0, 2));
	if (strcmp(pg_text(res, 0, 3), "t") != 0)
		log_warnx("session", "the writer's lock is held by another role than ours: unless that is a generator, end its session "
		    "backend_pid=%s user=%s", pg_text(res, 0, 0), pg_text(res, 0, 1));
}

static void
stand_by(struct session *s)
{
	static const struct timeval	 pause = { .tv_sec = ASK_AGAIN_S };
	const char			*ours[] = { s->backend_pid, s->backend_start };

	if (s->was_up) {
		if (s->evicting || s->backend_pid == NULL)
			out_of_date();
		pg_query(s->pg, EVICT, 2, ours, evicted_cb, s);
		return;
	}
	if (!s->standby) {
		log_info("session", "another generator writes to this database: standing by");
		pg_query(s->pg, HOLDER, 0, NULL, holder_cb, s);
	}
	s->standby = true;
	event_add(s->ask_again, &pause);
}

static void
locked_cb(const struct pg_result *res, void *arg)
{
	struct session	*s = arg;

	if (pg_lost(res))
		return;
	if (strcmp(pg_sqlstate(res), LOCK_TIMEOUT) == 0 || (pg_ok(res) && strcmp(pg_text(res, 0, 0), "t") != 0)) {
		stand_by(s);
		return;
	}
	if (!pg_ok(res)) {
		log_errorx("session", "cannot take the writer's lock sqlstate=%s why=\"%s\"", pg_sqlstate(res), pg_error(res));
		pg_reset(s->pg, "no writer's lock");
		return;
	}
	s->evicting = false;
	pg_query(s->pg, s->was_up ? LOOK : CLAIM, 0, NULL, claimed_cb, s);
}

static void
ask_again_cb(evutil_socket_t fd, short what, void *arg)
{
	struct session	*s = arg;

	(void)fd, (void)what;
	pg_query(s->pg, ASK_FOR_LOCK, 0, NULL, locked_cb, s);
}

static void
schema_cb(const struct pg_result *res, void *arg)
{
	struct session	*s = arg;
	char		 why[256];
	const char	*wrong;

	if (pg_lost(res))
		return;
	if (!schema_is_known(res)) {
		pg_reset(s->pg, pg_error(res));
		return;
	}
	wrong = schema_check(res, why, sizeof(why));
	if (wrong != NULL) {
		log_errorx("session", "%s", wrong);
		exit(EXIT_USAGE);
	}
	/* The role's own setting may be another one. */
	pg_query(s->pg, "SET lock_timeout = '2s'", 0, NULL, NULL, NULL);
	pg_query(s->pg, CONFIRM_FOR_GOOD, 0, NULL, NULL, NULL);
	pg_query(s->pg, s->standby ? ASK_FOR_LOCK : WAIT_FOR_LOCK, 0, NULL, locked_cb, s);
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
	event_del(s->ask_again);
	if (was_up)
		s->handler.down(s->arg);
}

struct session *
session_new(struct event_base *base, const char *conninfo, const struct session_handler *handler, void *arg)
{
	struct session			*s = xcalloc(1, sizeof(*s));
	const struct pg_params		 params = {
		.name = "writer", .conninfo = conninfo, .connect_timeout_ms = 5000, .answer_timeout_ms = 40000,
		.backoff_base_ms = 1000, .backoff_max_ms = 30000, .needs_session = true,
	};
	const struct pg_handler		 pg_handler = { .up = up_cb, .down = down_cb };

	if ((s->ask_again = event_new(base, -1, 0, ask_again_cb, s)) == NULL)
		fatalx("session", "out of memory");
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
	event_free(s->ask_again);
	free(s->mark);
	free(s->backend_pid);
	free(s->backend_start);
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

int64_t
session_clock_ahead_us(const struct session *s)
{
	return s->has_clock ? s->clock_us + clock_mono_us() - clock_wall_us() : 0;
}

const char *
session_state(const struct session *s)
{
	return s->up ? "writing" : s->standby ? "standby" : "waiting for the database";
}
