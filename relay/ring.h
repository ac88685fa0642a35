/*
 * ring: the last events of the log, shared by all subscribers.  A subscriber
 * is a position in it, so one that lags costs nothing but its place.
 *
 * Positions only ever rise: ring_tail() is the oldest event held, ring_head()
 * the place of the next one.  Bounded by count and by bytes.
 */
#ifndef TOCSIN_RELAY_RING_H
#define TOCSIN_RELAY_RING_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct change;
struct ring;

struct ring	*ring_new(size_t events_max, uint64_t bytes_max);
void		 ring_free(struct ring *r);		/* NULL is fine */

/* Forget everything; the log is known after `floor_seq` from now on. */
void		 ring_clear(struct ring *r, int64_t floor_seq);

/* Append an event (seq above all before); the ring takes a reference. */
void		 ring_push(struct ring *r, struct change *c);

uint64_t	 ring_head(const struct ring *r);
uint64_t	 ring_tail(const struct ring *r);

/* The event at a position from tail to head - 1; borrowed. */
struct change	*ring_at(const struct ring *r, uint64_t position);

/* True when every event of the log after `seq` is here or still to come. */
bool		 ring_covers(const struct ring *r, int64_t seq);

/* Position of the first event after `seq`, the head when there is none. */
uint64_t	 ring_find(const struct ring *r, int64_t seq);

/* Seq of the newest event, or the floor's when there is none. */
int64_t		 ring_newest(const struct ring *r);
int64_t		 ring_floor(const struct ring *r);

/* Bytes ever pushed before a position (not before the tail's), and held now. */
uint64_t	 ring_bytes_before(const struct ring *r, uint64_t position);
uint64_t	 ring_bytes_held(const struct ring *r);
#endif
