/*
 * spool: batches on their way to the database, oldest first: in the journal, and
 * in memory for as long as the journal cannot be written.  What does not fit is
 * dropped, loudly and with counts: candles and refreshed prices from three
 * quarters of the room on, signals only when there is none left.
 */
#ifndef TOCSIN_GENERATOR_SPOOL_H
#define TOCSIN_GENERATOR_SPOOL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generator/batch.h"

struct jsonw;
struct spool;

/* The journal lies at `path`; its folder is made when only that is missing.  Limits in bytes.  Nothing is opened yet. */
struct spool	*spool_new(const char *path, uint64_t journal_max, size_t memory_max);
void		 spool_free(struct spool *s);

/*
 * Open the journal: 0 with what an earlier run left in it before everything
 * else; -1 with errno and a line in the log, and then the spool works in memory
 * and tries again now and then.  EWOULDBLOCK: another generator uses it.
 */
int		 spool_open(struct spool *s);

/* Behind all that waits.  Takes the sealed batch over.  `durable`: on disk when this returns, if there is a journal. */
void		 spool_put_take(struct spool *s, struct batch *b, bool durable);

/* While nothing waits: note a sealed batch that the caller is about to send, as if it came from spool_next(). */
void		 spool_note(struct spool *s, const struct batch *b);

/* What comes next, some `bytes` of it in one sealed batch, owned by the caller until spool_done(); NULL: nothing waits. */
struct batch	*spool_next(struct spool *s, size_t bytes);

/* All that was handed out or noted has been committed. */
void		 spool_done(struct spool *s);

bool		 spool_is_empty(const struct spool *s);		/* nothing waits to be handed out */
bool		 spool_is_short_of_room(const struct spool *s);	/* more than half of it is taken */
uint64_t	 spool_bytes(const struct spool *s);		/* waiting to be handed out */
bool		 spool_is_on_disk(const struct spool *s);	/* and none of it in memory alone */

/* {"journal":…,"waiting_bytes":…,…} under key `journal`. */
void		 spool_status_json(const struct spool *s, struct jsonw *w);
#endif
