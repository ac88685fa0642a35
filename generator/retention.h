/*
 * retention: deletes what is older than the configuration keeps, in small
 * batches through the writing session: one a minute, one a second while there
 * is more.  What is deleted: tocsin_retain() in etc/sql.
 */
#ifndef TOCSIN_GENERATOR_RETENTION_H
#define TOCSIN_GENERATOR_RETENTION_H
#include <stdint.h>

struct event_base;
struct jsonw;
struct retention;
struct session;
struct writer;

/* Session and writer are borrowed.  Candles are kept for keep_candles_us at least: restarts need them. */
struct retention	*retention_new(struct event_base *base, struct session *session, struct writer *writer, int64_t keep_us,
			    int64_t keep_candles_us);
void			 retention_free(struct retention *r);		/* NULL is fine; before theirs */

/* The writer is between two transactions: delete, if it is time to. */
void			 retention_between(struct retention *r);

/* {"deleted_rows":…} under key `retention`. */
void			 retention_status_json(const struct retention *r, struct jsonw *w);
#endif
