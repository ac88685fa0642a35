/*
 * webhook: one endpoint: its place in the log, one POST in flight, in order.
 *
 *	STANDBY	another relay sends, or the database is away
 *	LOADING	it is ours; its place is being asked for
 *	RUNNING	delivers, or waits to try again
 *	PARKED	given up, until somebody resumes it
 *
 * The place is what the database says (webhooks in etc/sql), and nothing is
 * past that was not taken by the receiver, left out by webhook_plan(), or not
 * wanted.  What was sent after the place was saved last is sent again by who
 * comes next, under the same id.
 */
#ifndef TOCSIN_RELAY_WEBHOOK_H
#define TOCSIN_RELAY_WEBHOOK_H
#include <stdbool.h>
#include <stdint.h>

#include "relay/reader.h"

struct event_base;
struct jsonw;
struct net;
struct webhook;
struct webhook_conf;

enum webhook_state { WEBHOOK_STANDBY, WEBHOOK_LOADING, WEBHOOK_RUNNING, WEBHOOK_PARKED };

/* What all webhooks share; borrowed. */
struct webhook_context {
	struct event_base	*base;
	struct reader_context	 readers;
	/* Whether the lock is surely still ours: asked before each POST; webhook_wake() when it is again. */
	bool			(*may_send)(void *arg);
	/* There is something to save, soon. */
	void			(*changed)(void *arg);
	void			*arg;
};

/* What the database keeps of it. */
struct webhook_record {
	int64_t		 seq;
	int64_t		 wall_failing_us;	/* 0: not failing */
	const char	*parked_why;		/* NULL: not parked; borrowed */
};

struct webhook_counters {
	uint64_t	 delivered, attempts, failures;	/* failures: of attempts */
	uint64_t	 skipped, gaps, parked;
};

/* `conf` and `net` are borrowed.  In WEBHOOK_STANDBY. */
struct webhook	*webhook_new(const struct webhook_context *context, const struct webhook_conf *conf, struct net *net);
void		 webhook_free(struct webhook *w);	/* NULL is fine */

void		 webhook_hold(struct webhook *w);	/* the lock is ours: LOADING */
void		 webhook_release(struct webhook *w);	/* it is not, any more: STANDBY */
void		 webhook_reload(struct webhook *w);	/* the log is another one: the place has to be asked for again */
/* The record that was asked for: RUNNING, or PARKED; a parked one whose record is not is resumed. */
void		 webhook_load(struct webhook *w, const struct webhook_record *record);

/* From the relay */
void		 webhook_begin(struct webhook *w);	/* the log is known */
void		 webhook_wake(struct webhook *w);	/* there may be something to send */
void		 webhook_tick(struct webhook *w, int64_t now_us);	/* once a second */
void		 webhook_stop(struct webhook *w);	/* nothing new is sent any more */

/* Questions */
const char	*webhook_name(const struct webhook *w);
enum webhook_state webhook_state(const struct webhook *w);
bool		 webhook_is_sending(const struct webhook *w);	/* an answer is outstanding */
bool		 webhook_is_failing(const struct webhook *w);	/* waits to try again */
const struct webhook_counters *webhook_counters(const struct webhook *w);

/* True, and its record, when that differs from what was saved; `urgent`: by more than a place that only moved past what is not wanted. */
bool		 webhook_unsaved(const struct webhook *w, struct webhook_record *record, bool *urgent);
void		 webhook_saved(struct webhook *w, const struct webhook_record *record);
/* True when the record is known to be as it is here, that is: parked in the database too. */
bool		 webhook_is_saved(const struct webhook *w);

/* An object, into an array; `newest` is the log's end. */
void		 webhook_status_json(const struct webhook *w, struct jsonw *j, int64_t newest);
#endif
