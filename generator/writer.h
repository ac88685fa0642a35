/*
 * writer: everything the engine gives rise to, into the database, in order.
 *
 * What comes while one transaction is in flight is the next one: no timer, no
 * waiting, and the batch grows with the load.  Signals, candles and strategy
 * states of one input commit together, so a restart goes on exactly after the
 * last commit.  Its statements can run twice without harm.
 *
 * A batch is in the journal before it is sent (see generator/spool.h).  What
 * cannot be sent within SPILL_MS, because the database is away or slow, goes
 * there too, and to the disk; it is committed in order once that can be, by this
 * run or the next.  writer_is_full() tells feeds that can wait to do so.
 */
#ifndef TOCSIN_GENERATOR_WRITER_H
#define TOCSIN_GENERATOR_WRITER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct event_base;
struct jsonw;
struct pg;
struct spool;
struct writer;

struct writer_handler {
	/* A transaction has committed: look at writer_is_full() and writer_is_idle() again. */
	void	(*committed)(void *arg);
	/* Between two transactions: whoever has a query for the session sends it now.  May be NULL. */
	void	(*between)(void *arg);
	/* This signal is closed in the table, by somebody else or because it came too late. */
	void	(*closed)(const char *exchange, const char *symbol, const char *timeframe, const char *strategy,
		    int64_t candle_open_us, int64_t closed_us, void *arg);
};

/*
 * `pg` (borrowed) is the writing session, up or not; the spool becomes the
 * writer's.  `backlog_max` in bytes.
 */
struct writer	*writer_new(struct event_base *base, struct pg *pg, struct spool *spool, size_t backlog_max,
		    const struct writer_handler *handler, void *arg);
void		 writer_free(struct writer *w);

/* Where rows of the next transaction go.  Good until writer_flush(). */
struct batch	*writer_batch(struct writer *w);

/* One input's rows are complete: send them now, or as soon as the one in flight has committed. */
void		 writer_flush(struct writer *w);

/* The session is ready: send what is waiting.  The session is gone: nothing until ready again. */
void		 writer_session_up(struct writer *w);
void		 writer_session_down(struct writer *w);

/* The end is near: all that is not in flight goes to the journal.  False when something is in memory alone. */
bool		 writer_save(struct writer *w);

/* A transaction is under way on its session: somebody else's query would become part of it, or of its failure. */
bool		 writer_has_begun(const struct writer *w);

bool		 writer_is_full(const struct writer *w);
bool		 writer_is_short_of_room(const struct writer *w);	/* soon rows will have to be dropped */
bool		 writer_is_idle(const struct writer *w);	/* nothing gathered, waiting or in flight */
void		 writer_status_json(const struct writer *w, struct jsonw *json);
#endif
