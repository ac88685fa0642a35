#include "generator/retention.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/pg.h"
#include "generator/session.h"
#include "generator/writer.h"

#define PAUSE_MS	60000
#define MORE_MS		1000		/* a batch was full, or the session was not free */
#define BATCH_ROWS	"500"		/* of each kind: the lock of signals is held that long */

struct retention {
	struct session	*session;
	struct writer	*writer;
	struct event	*timer;
	char		 keep[48], keep_candles[48];	/* intervals */
	bool		 due, failing;
	uint64_t	 deleted;
};

static void
arm(struct retention *r, unsigned ms)
{
	const struct timeval	 wait = clock_timeval_ms(ms);

	event_add(r->timer, &wait);
}

static void
deleted_cb(const struct pg_result *res, void *arg)
{
	struct retention	*r = arg;
	int64_t			 rows = 0;

	if (pg_ok(res) && pg_rows(res) == 1)
		rows = pg_int(res, 0, 0);
	else if (!pg_lost(res) && !r->failing)
		log_warnx("retention", "cannot delete what is old, trying again every minute sqlstate=%s why=\"%s\"", pg_sqlstate(res), pg_error(res));
	r->failing = !pg_ok(res);
	r->deleted += (uint64_t)rows;
	arm(r, rows > 0 ? MORE_MS : PAUSE_MS);
}

void
retention_between(struct retention *r)
{
	const char	*values[] = { r->keep, r->keep_candles, BATCH_ROWS };

	if (!r->due || !session_is_up(r->session) ||
	    pg_query(session_pg(r->session), "SELECT tocsin_retain($1::interval, $2::interval, $3::integer)", 3, values, deleted_cb, r) == -1)
		return;
	r->due = false;
}

/* At once, or as soon as the writer is between two transactions. */
static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct retention	*r = arg;

	(void)fd, (void)what;
	r->due = true;
	if (!writer_has_begun(r->writer))
		retention_between(r);
	if (r->due)
		arm(r, MORE_MS);
}

struct retention *
retention_new(struct event_base *base, struct session *session, struct writer *writer, int64_t keep_us, int64_t keep_candles_us)
{
	struct retention	*r = xcalloc(1, sizeof(*r));

	r->session = session;
	r->writer = writer;
	snprintf(r->keep, sizeof(r->keep), "%lld microseconds", (long long)keep_us);
	snprintf(r->keep_candles, sizeof(r->keep_candles), "%lld microseconds", (long long)keep_candles_us);
	if ((r->timer = event_new(base, -1, 0, timer_cb, r)) == NULL)
		fatalx("retention", "out of memory");
	arm(r, MORE_MS);
	return r;
}

void
retention_free(struct retention *r)
{
	if (r == NULL)
		return;
	event_free(r->timer);
	free(r);
}

void
retention_status_json(const struct retention *r, struct jsonw *w)
{
	jsonw_object(w, "retention");
	jsonw_bool(w, "failing", r->failing);
	jsonw_int(w, "deleted_rows", (int64_t)r->deleted);
	jsonw_end_object(w);
}
