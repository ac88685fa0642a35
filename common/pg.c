#include "common/pg.h"

#include <event2/event.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/pg_dial.h"
#include "common/pg_pooler.h"
#include "common/pg_result.h"

#define READS_MAX	64	/* of libpq in one turn of the loop */

/* A command or a sync that the server has not answered. */
struct command {
	pg_cb		 cb;
	void		*arg;
	bool		 is_sync;
	bool		 is_script;	/* simple protocol: any number of results, then the verdict */
	PGresult	*res;		/* its result, until its end (NULL) has come too; owned */
	int64_t		 turn_us;	/* monotonic: when it was sent, or the one before it was answered */
	struct command	*next;
};

enum pg_state { PG_WAITING, PG_CONNECTING, PG_PROVING, PG_UP };

struct pg {
	struct event_base	*base;
	struct event		*io, *timer, *answer_timer;
	struct pg_dial		*dial;
	PGconn			*conn;		/* from PG_PROVING on */
	enum pg_state		 state;
	char			*name, *conninfo;
	unsigned		 answer_timeout_ms;
	bool			 needs_session;
	/* While it is proven that a pooler leaves us a session of our own. */
	struct pg_pooler	*pooler;
	char			 proof[40];	/* the channel */
	bool			 met_pooler;	/* that did not, at the last attempt */
	bool			 is_direct;
	struct backoff		 backoff;
	struct pg_handler	 handler;
	void			*arg;
	struct command		*queue, **queue_end;
	size_t			 pending;
	struct pg_result	 group;		/* the first error of the group at hand */
	bool			 in_callback, broken;
	char			 last_error[PG_ERROR_MAX];	/* of an attempt or a loss */
	int64_t			 last_logged_us;
	uint64_t		 attempts, connects;
	int64_t			 connected_us, up_since_us;
};

static void	 connection_lost(struct pg *pg);
static void	 flush(struct pg *pg);
static void	 io_cb(evutil_socket_t fd, short what, void *arg);
static int	 query(struct pg *pg, const char *sql, pg_cb cb, pg_cb end);

/* Events */

static void
watch(struct pg *pg, short what)
{
	if (pg->io != NULL)
		event_free(pg->io);
	if ((pg->io = event_new(pg->base, PQsocket(pg->conn), (short)(what | EV_PERSIST), io_cb, pg)) == NULL ||
	    event_add(pg->io, NULL) == -1)
		fatalx(pg->name, "cannot watch the socket");
}

static void
unwatch(struct pg *pg)
{
	if (pg->io != NULL)
		event_free(pg->io);
	pg->io = NULL;
}

static void
arm(struct event *timer, unsigned ms)
{
	struct timeval	 after = clock_timeval_ms(ms);

	event_add(timer, &after);
}

/* The queue of what was sent */

static void
push(struct pg *pg, bool is_sync, pg_cb cb, void *arg)
{
	struct command	*c = xcalloc(1, sizeof(*c));

	*c = (struct command){ .cb = cb, .arg = arg, .is_sync = is_sync, .turn_us = clock_mono_us() };
	*pg->queue_end = c;
	pg->queue_end = &c->next;
	if (pg->pending++ == 0 && pg->answer_timeout_ms > 0)
		arm(pg->answer_timer, pg->answer_timeout_ms);
}

static void
pop(struct pg *pg)
{
	struct command	*c = pg->queue;

	if ((pg->queue = c->next) == NULL)
		pg->queue_end = &pg->queue;
	else
		pg->queue->turn_us = clock_mono_us();	/* it has not kept us waiting so far */
	pg->pending--;
	free(c);
}

/* The first command is over: tell whose it was, with what the server said, or else `otherwise`. */
static void
done(struct pg *pg, const struct pg_result *otherwise)
{
	struct command		 c = *pg->queue;
	struct pg_result	 result = *otherwise;

	pop(pg);
	if (c.res != NULL)
		pg_result_fill(&result, c.res);
	if (c.cb != NULL)
		c.cb(&result, c.arg);
	PQclear(c.res);
}

static void
fail_all(struct pg *pg)
{
	struct pg_result	 lost = { .lost = true, .sqlstate = "08006" };

	snprintf(lost.error, sizeof(lost.error), "%s", pg->last_error);
	while (pg->queue != NULL)
		done(pg, &lost);
	pg->group = (struct pg_result){ .ok = true };
}

/* Losing and regaining the connection */

static void
log_trouble(struct pg *pg, const char *message, const char *error, unsigned retry_ms)
{
	int64_t	 now = clock_mono_us();

	/* The same trouble is told once a minute, a new one at once. */
	if (strcmp(error, pg->last_error) == 0 && now - pg->last_logged_us < 60 * INT64_C(1000000))
		return;
	pg->last_logged_us = now;
	snprintf(pg->last_error, sizeof(pg->last_error), "%s", error);
	log_warnx(pg->name, "%s why=\"%s\" retry_ms=%u attempts=%llu", message, error, retry_ms,
	    (unsigned long long)pg->attempts);
}

static void
drop(struct pg *pg)
{
	unwatch(pg);
	event_del(pg->timer);
	event_del(pg->answer_timer);
	pg_dial_stop(pg->dial);
	pg_pooler_free(pg->pooler);
	pg->pooler = NULL;
	PQfinish(pg->conn);
	pg->conn = NULL;
	pg->state = PG_WAITING;
	pg->broken = false;
}

static void
retry_later(struct pg *pg, const char *message, const char *error)
{
	unsigned	 wait_ms = backoff_next_ms(&pg->backoff, backoff_random());

	log_trouble(pg, message, error, wait_ms);
	drop(pg);
	arm(pg->timer, wait_ms);
}

static void
attempt_failed(struct pg *pg, const char *why)
{
	char	 error[PG_ERROR_MAX];

	pg_copy_error(error, why);
	retry_later(pg, "cannot connect to the database", error);
	fail_all(pg);
}

static void
connection_lost(struct pg *pg)
{
	char	 error[PG_ERROR_MAX];

	pg_copy_error(error, PQerrorMessage(pg->conn));
	if (error[0] == '\0')
		snprintf(error, sizeof(error), "the server closed the connection");
	if (pg->state == PG_PROVING) {
		attempt_failed(pg, error);
		return;
	}
	pg->connected_us += clock_mono_us() - pg->up_since_us;
	pg->last_logged_us = 0;
	retry_later(pg, "connection lost", error);
	fail_all(pg);
	if (pg->handler.down != NULL)
		pg->handler.down(pg->arg);
}

void
pg_reset(struct pg *pg, const char *why)
{
	if (pg->conn == NULL)
		return;
	log_warnx(pg->name, "dropping the connection why=\"%s\"", why);
	pg->broken = true;
	event_active(pg->io, EV_READ, 0);	/* lost from the loop, not from under the caller */
}

/* Connecting */

static void
session_is_ours(struct pg *pg)
{
	pg->met_pooler = false;
	backoff_reset(&pg->backoff);
	pg->state = PG_UP;
	pg->connects++;
	pg->up_since_us = clock_mono_us();
	pg->last_error[0] = '\0';
	log_info(pg->name, "connected host=%s port=%s database=%s user=%s backend_pid=%d server=%s attempts=%llu",
	    PQhost(pg->conn), PQport(pg->conn), PQdb(pg->conn), PQuser(pg->conn), PQbackendPID(pg->conn),
	    PQparameterStatus(pg->conn, "server_version"), (unsigned long long)pg->attempts);
	if (pg->handler.up != NULL)
		pg->handler.up(pg->arg);
}

static void
pooler_cb(const char *why, void *arg)
{
	struct pg	*pg = arg;
	char		 line[PG_ERROR_MAX];

	pg->met_pooler = true;
	snprintf(line, sizeof(line), "%.60s port %.8s: %s", PQhost(pg->conn), PQport(pg->conn), why);
	attempt_failed(pg, line);
}

static void
listening_cb(const struct pg_result *res, void *arg)
{
	struct pg	*pg = arg;

	if (pg_lost(res))
		return;
	pg->pooler = pg_pooler_new(pg->base, pg->conninfo, pg->proof, pooler_cb, pg);
}

/* A pooler knows the number of none of its servers' processes, or tells one of its own. */
static void
backend_cb(const struct pg_result *res, void *arg)
{
	struct pg	*pg = arg;

	pg->is_direct = pg_ok(res) && pg_int(res, 0, 0) == PQbackendPID(pg->conn);
}

/* Nothing is pending any more: whoever is told that the session is up may begin as he likes. */
static void
judge_cb(const struct pg_result *res, void *arg)
{
	struct pg	*pg = arg;
	char		 sql[64];

	if (pg_lost(res))
		return;
	if (pg->is_direct) {
		session_is_ours(pg);
		return;
	}
	snprintf(pg->proof, sizeof(pg->proof), "tocsin_proof_%08x%08x", backoff_random(), backoff_random());
	snprintf(sql, sizeof(sql), "LISTEN %s", pg->proof);
	(void)query(pg, sql, NULL, listening_cb);
}

static void
unlistened_cb(const struct pg_result *res, void *arg)
{
	if (!pg_lost(res))
		session_is_ours(arg);
}

static void
proven(struct pg *pg)
{
	if (pg->pooler == NULL)
		return;
	pg_pooler_free(pg->pooler);
	pg->pooler = NULL;
	log_info(pg->name, "a pooler in session mode stands between");
	(void)query(pg, "UNLISTEN *", NULL, unlistened_cb);
}

static void
dialled_cb(PGconn *conn, const char *why, void *arg)
{
	struct pg	*pg = arg;

	if (conn == NULL) {
		pg->met_pooler = false;
		attempt_failed(pg, why);
		return;
	}
	pg->conn = conn;
	if (PQsetnonblocking(pg->conn, 1) == -1 || PQenterPipelineMode(pg->conn) == 0) {
		attempt_failed(pg, PQerrorMessage(pg->conn));
		return;
	}
	pg->group = (struct pg_result){ .ok = true };
	pg->is_direct = !pg->needs_session;
	pg->state = PG_PROVING;
	watch(pg, EV_READ);
	if (pg->needs_session)
		(void)query(pg, "SELECT pg_backend_pid()", backend_cb, judge_cb);
	else
		session_is_ours(pg);
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct pg	*pg = arg;

	(void)fd, (void)what;
	if (pg->state != PG_WAITING)
		return;
	pg->attempts++;
	pg->state = PG_CONNECTING;
	pg_dial_start(pg->dial);
}

static void
answer_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct pg	*pg = arg;
	int64_t		 left_us;

	(void)fd, (void)what;
	if (pg->conn == NULL || pg->queue == NULL)
		return;
	left_us = pg->queue->turn_us + (int64_t)pg->answer_timeout_ms * 1000 - clock_mono_us();
	if (left_us > 0)
		arm(pg->answer_timer, (unsigned)(left_us / 1000) + 1);
	else
		pg_reset(pg, "a command was not answered in time");
}

/* Answers */

/*
 * The end of a group.  A transaction that it opened and that failed must not
 * swallow the next group.  While anything is queued behind it libpq does not say
 * how the transaction stands: then whoever queued that ends it.
 */
static void
answer_sync(struct pg *pg)
{
	struct pg_result	 verdict = pg->group;

	pg->group = (struct pg_result){ .ok = true };
	if (PQtransactionStatus(pg->conn) == PQTRANS_INERROR)
		pg_query(pg, "ROLLBACK", 0, NULL, NULL, NULL);
	done(pg, &verdict);
}

/* Take `res` over. */
static void
answer(struct pg *pg, PGresult *res)
{
	struct pg_result	 result;
	struct command		*c = pg->queue;

	pg_result_fill(&result, res);
	if (!result.ok && pg->group.ok) {
		pg->group = result;
		pg->group.res = NULL;
	}
	/*
	 * Its callback waits for the NULL behind it: a command sent between an
	 * error and its NULL makes libpq give the error twice.
	 */
	if (!c->is_sync && !c->is_script && c->res == NULL) {
		c->res = res;
		return;
	}
	/* An error while the server works at the sync itself belongs to the group only. */
	if (PQresultStatus(res) == PGRES_PIPELINE_SYNC)
		answer_sync(pg);
	PQclear(res);
}

static void
answer_script(struct pg *pg)
{
	struct pg_result	 verdict = pg->group;

	pg->group = (struct pg_result){ .ok = true };
	if (PQenterPipelineMode(pg->conn) == 0)
		pg->broken = true;
	done(pg, &verdict);
}

static void
take_results(struct pg *pg)
{
	PGresult	*res;

	while (pg->queue != NULL && !pg->broken && !PQisBusy(pg->conn)) {
		if ((res = PQgetResult(pg->conn)) == NULL) {
			if (pg->queue->is_script) {
				answer_script(pg);
				continue;
			}
			/* The end of one command; a second NULL in a row means there is no more. */
			if (pg->queue->res == NULL)
				break;
			done(pg, &pg->group);
			continue;
		}
		answer(pg, res);
	}
}

static void
take_notifications(struct pg *pg)
{
	PGnotify	*n;

	while (!pg->broken && (n = PQnotifies(pg->conn)) != NULL) {
		if (pg->state == PG_PROVING && strcmp(n->relname, pg->proof) == 0)
			proven(pg);
		else if (pg->handler.notify != NULL)
			pg->handler.notify(n->relname, n->extra, pg->arg);
		PQfreemem(n);
	}
}

static void
flush(struct pg *pg)
{
	int	 left = PQflush(pg->conn);

	if (left == -1)
		pg->broken = true;
	else if ((left == 1) != ((event_get_events(pg->io) & EV_WRITE) != 0))
		watch(pg, (short)(EV_READ | (left == 1 ? EV_WRITE : 0)));
}

/*
 * libpq reads some 16 kB at a time.  What more has come belongs to the same
 * turn of the loop: a burst of notifications reaches their readers as one.
 */
static void
read_all(struct pg *pg, evutil_socket_t fd)
{
	int	 waiting = 1;

	for (int rounds = 0; waiting > 0 && rounds < READS_MAX; rounds++) {
		if (PQconsumeInput(pg->conn) == 0) {
			pg->broken = true;
			return;
		}
		take_notifications(pg);
		if (pg->broken || ioctl(fd, FIONREAD, &waiting) == -1)
			return;
	}
}

static void
io_cb(evutil_socket_t fd, short what, void *arg)
{
	struct pg	*pg = arg;

	pg->in_callback = true;
	if (what & EV_READ)
		read_all(pg, fd);
	/* What arrived before a loss is still good. */
	take_notifications(pg);
	take_results(pg);
	take_notifications(pg);
	if (!pg->broken)
		flush(pg);
	pg->in_callback = false;
	if (pg->broken || PQstatus(pg->conn) == CONNECTION_BAD)
		connection_lost(pg);
	else if (pg->queue == NULL)
		event_del(pg->answer_timer);
}

/* For callers */

struct pg *
pg_new(struct event_base *base, const struct pg_params *params, const struct pg_handler *handler, void *arg)
{
	struct pg	*pg = xcalloc(1, sizeof(*pg));

	pg->base = base;
	pg->name = xstrdup(params->name);
	pg->conninfo = xstrdup(params->conninfo);
	pg->answer_timeout_ms = params->answer_timeout_ms;
	pg->needs_session = params->needs_session;
	pg->dial = pg_dial_new(base, params->name, params->conninfo, params->connect_timeout_ms, dialled_cb, pg);
	pg->backoff = (struct backoff){ .base_ms = params->backoff_base_ms, .max_ms = params->backoff_max_ms };
	pg->handler = *handler;
	pg->arg = arg;
	pg->queue_end = &pg->queue;
	pg->group.ok = true;
	pg->timer = event_new(base, -1, 0, timer_cb, pg);
	pg->answer_timer = event_new(base, -1, 0, answer_timer_cb, pg);
	if (pg->timer == NULL || pg->answer_timer == NULL)
		fatalx(pg->name, "out of memory");
	return pg;
}

void
pg_start(struct pg *pg)
{
	if (pg->state == PG_WAITING)
		arm(pg->timer, 0);
}

void
pg_free(struct pg *pg)
{
	if (pg == NULL)
		return;
	unwatch(pg);
	event_free(pg->timer);
	event_free(pg->answer_timer);
	while (pg->queue != NULL) {
		PQclear(pg->queue->res);
		pop(pg);
	}
	pg_pooler_free(pg->pooler);
	PQfinish(pg->conn);
	pg_dial_free(pg->dial);		/* after the connection: libpq's notices use its name */
	free(pg->name);
	free(pg->conninfo);
	free(pg);
}

bool
pg_is_up(const struct pg *pg)
{
	return pg->state == PG_UP && !pg->broken;
}

/* Note what libpq took, or have the loop drop a connection that took it not. */
static int
sent(struct pg *pg, int ok, bool is_sync, pg_cb cb, void *arg)
{
	if (!ok) {
		pg->broken = true;
		event_active(pg->io, EV_READ, 0);
		return -1;
	}
	push(pg, is_sync, cb, arg);
	return 0;
}

static int
send_text(struct pg *pg, const char *sql, int count, const char *const *values, pg_cb cb, void *arg)
{
	return sent(pg, PQsendQueryParams(pg->conn, sql, count, NULL, values, NULL, NULL, 0), false, cb, arg);
}

/* A group of its own, also before the session is anybody else's. */
static int
query(struct pg *pg, const char *sql, pg_cb cb, pg_cb end)
{
	if (send_text(pg, sql, 0, NULL, cb, pg) == -1 || sent(pg, PQpipelineSync(pg->conn), true, end, pg) == -1)
		return -1;
	if (!pg->in_callback)
		flush(pg);
	if (pg->broken)
		event_active(pg->io, EV_READ, 0);
	return 0;
}

int
pg_send(struct pg *pg, const char *sql, int count, const char *const *values, pg_cb cb, void *arg)
{
	return pg_is_up(pg) ? send_text(pg, sql, count, values, cb, arg) : -1;
}

int
pg_prepare(struct pg *pg, const char *statement, const char *sql, pg_cb cb, void *arg)
{
	if (!pg_is_up(pg))
		return -1;
	return sent(pg, PQsendPrepare(pg->conn, statement, sql, 0, NULL), false, cb, arg);
}

int
pg_send_prepared(struct pg *pg, const char *statement, int count, const char *const *values, pg_cb cb, void *arg)
{
	if (!pg_is_up(pg))
		return -1;
	return sent(pg, PQsendQueryPrepared(pg->conn, statement, count, values, NULL, NULL, 0), false, cb, arg);
}

int
pg_sync(struct pg *pg, pg_cb cb, void *arg)
{
	if (!pg_is_up(pg) || sent(pg, PQpipelineSync(pg->conn), true, cb, arg) == -1)
		return -1;
	pg_flush(pg);
	return 0;
}

void
pg_flush(struct pg *pg)
{
	if (pg->in_callback || !pg_is_up(pg))
		return;			/* io_cb() flushes at its end */
	flush(pg);
	if (pg->broken)
		event_active(pg->io, EV_READ, 0);
}

int
pg_query(struct pg *pg, const char *sql, int count, const char *const *values, pg_cb cb, void *arg)
{
	if (pg_send(pg, sql, count, values, cb, arg) == -1)
		return -1;
	return pg_sync(pg, NULL, NULL);
}

int
pg_script(struct pg *pg, const char *sql, pg_cb cb, void *arg)
{
	if (!pg_is_up(pg) || pg->pending > 0 || PQexitPipelineMode(pg->conn) == 0)
		return -1;
	if (sent(pg, PQsendQuery(pg->conn, sql), false, cb, arg) == -1)
		return -1;
	pg->queue->is_script = true;
	if (!pg->in_callback)
		flush(pg);
	return 0;
}

bool
pg_met_pooler(const struct pg *pg)
{
	return pg->met_pooler && pg->state != PG_UP;
}

const char *
pg_last_error(const struct pg *pg)
{
	return pg->last_error;
}

void
pg_status_json(const struct pg *pg, struct jsonw *w, const char *key)
{
	static const char *const states[] = {
		[PG_WAITING] = "waiting", [PG_CONNECTING] = "connecting", [PG_PROVING] = "connecting", [PG_UP] = "connected"
	};
	int64_t			 up_us = pg->state == PG_UP ? clock_mono_us() - pg->up_since_us : 0;

	jsonw_object(w, key);
	jsonw_str(w, "state", states[pg->state]);
	jsonw_int(w, "attempts", (int64_t)pg->attempts);
	jsonw_int(w, "connects", (int64_t)pg->connects);
	jsonw_int(w, "connected_s", (pg->connected_us + up_us) / 1000000);
	if (pg->state != PG_UP)
		jsonw_str(w, "error", pg->last_error);
	jsonw_end_object(w);
}
