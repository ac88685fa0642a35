#include "common/pg_pooler.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pg.h"

#define SESSION_MS	8000	/* for the other session and its notification to be sent */
#define ARRIVAL_MS	3000	/* from there on */

struct pg_pooler {
	struct pg	*other;
	struct event	*limit;
	char		*channel;
	bool		 is_sent;
	pg_pooler_cb	 cb;
	void		*arg;
};

static void
arm(struct pg_pooler *p, unsigned ms)
{
	struct timeval	 after = clock_timeval_ms(ms);

	event_add(p->limit, &after);
}

static void
limit_cb(evutil_socket_t fd, short what, void *arg)
{
	struct pg_pooler	*p = arg;

	(void)fd, (void)what;
	p->cb(p->is_sent ? "a pooler in transaction mode stands between, and LISTEN and locks do not work through it: "
	    "connect to the server itself, or set pool_mode = session there for this database"
	    : "a pooler stands between, and gave no second connection to test it with: raise its pool_size, or connect to the server itself",
	    p->arg);
}

static void
sent_cb(const struct pg_result *res, void *arg)
{
	struct pg_pooler	*p = arg;

	if (!pg_ok(res))
		return;		/* limit_cb() tells */
	p->is_sent = true;
	arm(p, ARRIVAL_MS);
}

static void
up_cb(void *arg)
{
	struct pg_pooler	*p = arg;
	const char		*values[] = { p->channel };

	(void)pg_query(p->other, "SELECT pg_notify($1, '')", 1, values, sent_cb, p);	/* fails with the session only */
}

struct pg_pooler *
pg_pooler_new(struct event_base *base, const char *conninfo, const char *channel, pg_pooler_cb cb, void *arg)
{
	struct pg_pooler		*p = xcalloc(1, sizeof(*p));
	const struct pg_handler		 handler = { .up = up_cb };
	const struct pg_params		 params = {
		.name = "pooler", .conninfo = conninfo, .connect_timeout_ms = SESSION_MS, .answer_timeout_ms = SESSION_MS,
		.backoff_base_ms = SESSION_MS, .backoff_max_ms = SESSION_MS,
	};

	p->channel = xstrdup(channel);
	p->cb = cb;
	p->arg = arg;
	if ((p->limit = event_new(base, -1, 0, limit_cb, p)) == NULL)
		fatalx("pooler", "out of memory");
	p->other = pg_new(base, &params, &handler, p);
	pg_start(p->other);
	arm(p, SESSION_MS);
	return p;
}

void
pg_pooler_free(struct pg_pooler *p)
{
	if (p == NULL)
		return;
	pg_free(p->other);
	event_free(p->limit);
	free(p->channel);
	free(p);
}
