/*
 * pg: one session with PostgreSQL that is never given up.
 *
 * Connects without blocking, reconnects for ever (exponential backoff, full
 * jitter), and runs commands in libpq's pipeline mode.  Commands are queued
 * with pg_send() and friends and belong together until pg_sync() ends their
 * group: the server runs a group in order, skips the rest after an error, and
 * (when the group does not say BEGIN itself) commits it as one transaction.
 *
 * The hosts of a conninfo are tried one by one, all addresses of each; nothing
 * blocks, names are looked up by net.  A standby is no connection
 * (target_session_attrs=read-write, unless the conninfo says otherwise): the
 * next host is tried.  A half-open connection is noticed within 10 s by TCP
 * keepalives and tcp_user_timeout (likewise; the sum is in pg_dial.c), and a
 * session that leaves a command unanswered for `answer_timeout_ms` is dropped.
 *
 * Callbacks run from the event loop, or from pg_send()/pg_sync() never.  They
 * may queue commands; they must not free the session.  libpq's types stay in
 * pg*.c.
 */
#ifndef TOCSIN_COMMON_PG_H
#define TOCSIN_COMMON_PG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct jsonw;
struct pg;
struct pg_result;	/* borrowed: valid inside the callback only */

struct pg_params {
	const char	*name;			/* log module and application_name suffix: "writer" */
	const char	*conninfo;		/* as in libpq; several hosts allowed */
	unsigned	 connect_timeout_ms;	/* one address; a connect_timeout of the conninfo goes before it */
	unsigned	 answer_timeout_ms;	/* 0: wait for ever */
	unsigned	 backoff_base_ms, backoff_max_ms;
	/*
	 * It will LISTEN, lock or prepare: a pooler in transaction mode is no
	 * connection then, and is told so.
	 */
	bool		 needs_session;
};

struct pg_handler {
	/* Connected, nothing queued: set the session up.  May be NULL. */
	void	(*up)(void *arg);
	/* The session that was up is gone; all queued commands have been failed.  May be NULL. */
	void	(*down)(void *arg);
	/* A notification; the texts are borrowed.  May be NULL. */
	void	(*notify)(const char *channel, const char *payload, void *arg);
};

typedef void (*pg_cb)(const struct pg_result *res, void *arg);

/* Make a session; nothing is connected yet.  Strings and handler are copied.  Never NULL. */
struct pg	*pg_new(struct event_base *base, const struct pg_params *params, const struct pg_handler *handler, void *arg);
void		 pg_start(struct pg *pg);	/* first attempt at once */
void		 pg_free(struct pg *pg);	/* no callbacks any more; NULL is fine; then net_end(), as behind net_free() */

bool		 pg_is_up(const struct pg *pg);

/* Drop the connection and connect anew, for a reason that will be logged. */
void		 pg_reset(struct pg *pg, const char *why);

/*
 * Queue a command with `count` text parameters (NULL: SQL NULL).  `cb` (NULL:
 * none) is called once, in order, with its result, also when it fails or the
 * connection is lost before.  0, or -1 when the session is not up (no callback
 * then).
 */
int		 pg_send(struct pg *pg, const char *sql, int count, const char *const *values, pg_cb cb, void *arg);
int		 pg_prepare(struct pg *pg, const char *statement, const char *sql, pg_cb cb, void *arg);
int		 pg_send_prepared(struct pg *pg, const char *statement, int count, const char *const *values,
		    pg_cb cb, void *arg);

/*
 * End the group and send it.  `cb` gets the group's verdict: ok when every
 * command was, else the first error.  A group that said BEGIN and failed is
 * rolled back by pg when nothing is queued behind it, so at most one such group
 * may be queued at a time.  Whoever queues the beginning of the next one, which
 * fails with it, ends that with a sync and sends ROLLBACK himself.
 */
int		 pg_sync(struct pg *pg, pg_cb cb, void *arg);

/* Send what is queued without ending the group: the server works at it, and answers once the group ends. */
void		 pg_flush(struct pg *pg);

/* One command that is a group of its own. */
int		 pg_query(struct pg *pg, const char *sql, int count, const char *const *values, pg_cb cb, void *arg);

/*
 * Several commands in one text (a migration), outside the pipeline: only while
 * nothing is pending, and nothing else until `cb` has the verdict.  -1 otherwise.
 */
int		 pg_script(struct pg *pg, const char *sql, pg_cb cb, void *arg);

/* True when it is not up since a pooler leaves it no session of its own, see needs_session. */
bool		 pg_met_pooler(const struct pg *pg);

/* Why the last attempt or connection failed; "" when it did not. */
const char	*pg_last_error(const struct pg *pg);

/* Results */
bool		 pg_ok(const struct pg_result *res);
bool		 pg_lost(const struct pg_result *res);		/* the connection went; whether it ran is unknown */
bool		 pg_skipped(const struct pg_result *res);	/* not run: an earlier command of the group failed */
const char	*pg_error(const struct pg_result *res);		/* one line, "" when ok */
const char	*pg_sqlstate(const struct pg_result *res);	/* five characters, "" when ok */
int		 pg_rows(const struct pg_result *res);
const char	*pg_tag(const struct pg_result *res);		/* "COMMIT", "INSERT 0 1", …; "" when not ok */
int		 pg_affected(const struct pg_result *res);	/* rows inserted, updated, deleted */
const char	*pg_text(const struct pg_result *res, int row, int column);	/* NULL: SQL NULL */
int64_t		 pg_int(const struct pg_result *res, int row, int column);	/* 0 for NULL */

/* {"state":…,"attempts":…,"connects":…,"connected_s":…,"error":…} under `key`. */
void		 pg_status_json(const struct pg *pg, struct jsonw *w, const char *key);

/* True when libpq can parse it; else a line of why.  For a configuration's table. */
bool		 pg_conninfo_ok(const char *conninfo, char *why, size_t why_size);
#endif
