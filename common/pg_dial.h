/*
 * pg_dial: one round over the servers of a conninfo, until one of them takes
 * us.  Nothing of it blocks: names are looked up by net, and each address has a
 * limit of its own, so that one that is silent (a machine that is gone, a
 * firewall) does not keep us from the next.  For pg.c only.
 */
#ifndef TOCSIN_COMMON_PG_DIAL_H
#define TOCSIN_COMMON_PG_DIAL_H
#include <libpq-fe.h>

struct event_base;
struct pg_dial;

/* A connection that is ready for commands, owned by the callee; or NULL and a line of why, of every server. */
typedef void (*pg_dial_cb)(PGconn *conn, const char *why, void *arg);

/*
 * `conninfo` has passed pg_conninfo_ok(); texts are copied.  `limit_ms`: for
 * each address (and for each name), unless the conninfo has a connect_timeout.
 */
struct pg_dial	*pg_dial_new(struct event_base *base, const char *name, const char *conninfo, unsigned limit_ms,
		    pg_dial_cb cb, void *arg);
void		 pg_dial_free(struct pg_dial *d);	/* no callback any more; NULL is fine */

/* Begin a round; `cb` is called once, from the loop. */
void		 pg_dial_start(struct pg_dial *d);

/* An end to the round under way, if there is one: no callback. */
void		 pg_dial_stop(struct pg_dial *d);
#endif
