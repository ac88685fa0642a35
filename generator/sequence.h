/*
 * sequence: one market's trades put in order by id.  Takes them live and from
 * REST, in any order and repeatedly, and hands each out once, in the order of
 * ids without a hole: ids rise by exactly one a trade, so what is missing is
 * known.  Pure and bounded: no more than SEQUENCE_WINDOW ids are spanned.
 */
#ifndef TOCSIN_GENERATOR_SEQUENCE_H
#define TOCSIN_GENERATOR_SEQUENCE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generator/candle.h"

#define SEQUENCE_WINDOW	131072		/* 7 MB when all of it is held */
#define SEQUENCE_ID_MAX	(INT64_MAX / 2)	/* ids are 1 to this */

struct sequence;

enum sequence_put {
	SEQUENCE_TAKEN,
	SEQUENCE_DUPLICATE,	/* handed out or held already: dropped */
	/*
	 * Taken, but the id lies a window or more from what was expected: the
	 * next id is unknown again, and the oldest (all, when it lies that far)
	 * of what was held is dropped.
	 */
	SEQUENCE_OVERFLOW,
};

/* Empty, the next id unknown.  Never NULL; free with sequence_free() (NULL is fine). */
struct sequence	*sequence_new(void);
void		 sequence_free(struct sequence *s);

enum sequence_put sequence_put(struct sequence *s, const struct trade *t);

/* Take the next trade in line; false when it is not here, or the next id is unknown. */
bool		 sequence_take(struct sequence *s, struct trade *t);

/* The id that sequence_take() waits for; 0: unknown.  Ids to hold are counted from the lowest then. */
int64_t		 sequence_next_id(const struct sequence *s);

/* From now on `id` is the next: what is held below it is dropped. */
void		 sequence_start(struct sequence *s, int64_t id);

/* The next id is unknown again; what is held stays. */
void		 sequence_forget(struct sequence *s);

/*
 * Find the next id by what is held, for somebody who has everything up to the
 * market time from_us: a trade before it and its direct successor at or after
 * it show that the latter is the first wanted; when all are before it, the next
 * one to come is.  False, nothing changed, when what is held does not show it.
 * Only while the next id is unknown.
 */
bool		 sequence_join(struct sequence *s, int64_t from_us);

/*
 * True when trades are held that cannot be taken, for those in [*from, *to] are
 * missing.  *from is 0 when the next id is unknown.
 */
bool		 sequence_missing(const struct sequence *s, int64_t *from, int64_t *to);

/* Lowest and highest id held, 0: none; how many are. */
int64_t		 sequence_first(const struct sequence *s);
int64_t		 sequence_last(const struct sequence *s);
size_t		 sequence_held(const struct sequence *s);
#endif
