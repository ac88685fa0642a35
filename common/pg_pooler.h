/*
 * pg_pooler: is a session that goes through a pooler one of our own?  LISTEN,
 * session locks and prepared statements need that; a pooler in transaction mode
 * takes them all and forgets them.  The proof: a notification that another
 * session sends, while this one is silent, arrives.  For pg.c only.
 */
#ifndef TOCSIN_COMMON_PG_POOLER_H
#define TOCSIN_COMMON_PG_POOLER_H

struct event_base;
struct pg_pooler;

/* The proof has failed: a line of why, with the mend.  Called once at most, from the loop; may free it. */
typedef void (*pg_pooler_cb)(const char *why, void *arg);

/*
 * Have another session by the same conninfo notify `channel`, on which the
 * session in question listens.  When that notification has come it is to be
 * freed; else `cb` is called.
 */
struct pg_pooler *pg_pooler_new(struct event_base *base, const char *conninfo, const char *channel, pg_pooler_cb cb, void *arg);
void		 pg_pooler_free(struct pg_pooler *p);	/* NULL is fine */
#endif
