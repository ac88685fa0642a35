/*
 * session: the generator's connection to the database.  Up means: connected to
 * a primary, the schema is this program's, and the writer's lock is ours, so
 * nobody else writes.  A second generator on the same database waits here for
 * the lock (standby).
 */
#ifndef TOCSIN_GENERATOR_SESSION_H
#define TOCSIN_GENERATOR_SESSION_H
#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct jsonw;
struct pg;
struct session;

struct session_handler {
	void	(*up)(void *arg);
	void	(*down)(void *arg);		/* only after an up */
};

/*
 * Connect, and stay connected.  A schema that is not ours ends the process with
 * code 100.  So does (with 111) another generator that was the writer between
 * two connections of this one: what is in memory here is then out of date.
 */
struct session	*session_new(struct event_base *base, const char *conninfo, const struct session_handler *handler, void *arg);
void		 session_free(struct session *s);
struct pg	*session_pg(struct session *s);	/* borrowed */
bool		 session_is_up(const struct session *s);

/* How far the database's clock is ahead of ours (wall); 0 before the first connection. */
int64_t		 session_clock_ahead_us(const struct session *s);
const char	*session_state(const struct session *s);	/* for STATUS: "writing", "standby", … */
#endif
