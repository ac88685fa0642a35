/*
 * writer: everything the engine gives rise to, into the database, in order.
 *
 * What comes while one transaction is in flight is the next one: no timer, no
 * waiting, and the batch grows with the load.  Signals, candles and strategy
 * states of one input commit together, so a restart goes on exactly after the
 * last commit.  While the database is away the batch is kept (its statements
 * can run twice without harm), and writer_is_full() tells the feeds to wait.
 */
#ifndef TOCSIN_GENERATOR_WRITER_H
#define TOCSIN_GENERATOR_WRITER_H
#include <stdbool.h>
#include <stddef.h>

struct batch;
struct event_base;
struct jsonw;
struct pg;
struct writer;

struct writer_handler {
	/* A transaction has committed: look at writer_is_full() and writer_is_idle() again. */
	void	(*committed)(void *arg);
};

/* `pg` (borrowed) is the writing session, up or not.  `backlog_max` in bytes. */
struct writer	*writer_new(struct event_base *base, struct pg *pg, size_t backlog_max,
		    const struct writer_handler *handler, void *arg);
void		 writer_free(struct writer *w);

/* Where rows of the next transaction go.  Good until writer_flush(). */
struct batch	*writer_batch(struct writer *w);

/* One input's rows are complete: send them now, or as soon as the one in flight has committed. */
void		 writer_flush(struct writer *w);

/* The session is ready: send what is waiting.  The session is gone: nothing until ready again. */
void		 writer_session_up(struct writer *w);
void		 writer_session_down(struct writer *w);

bool		 writer_is_full(const struct writer *w);
bool		 writer_is_idle(const struct writer *w);	/* nothing gathered, nothing in flight */
void		 writer_status_json(const struct writer *w, struct jsonw *json);
#endif
