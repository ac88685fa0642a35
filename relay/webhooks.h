/*
 * webhooks: the set of all webhooks and its session: who sends, and what is
 * remembered.
 *
 * For each webhook one relay holds a session advisory lock, and sends; others
 * ask for it once a second.  Once a second the session also has to answer: a
 * relay that has not heard from the database for 3 s pauses, since after 4 s the
 * server may have given its locks to another one.  Places are saved twice a
 * second while they move, all in one statement.
 */
#ifndef TOCSIN_RELAY_WEBHOOKS_H
#define TOCSIN_RELAY_WEBHOOKS_H
#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct jsonw;
struct pg;
struct reader_context;
struct webhook;
struct webhook_confs;
struct webhooks;

/* All borrowed.  NULL when there are no webhooks, which is fine for every function here. */
struct webhooks	*webhooks_new(struct event_base *base, const struct webhook_confs *confs, const char *conninfo,
		    const struct reader_context *readers);
void		 webhooks_start(struct webhooks *set);
void		 webhooks_free(struct webhooks *set);	/* then net_end(), as behind net_free() */

void		 webhooks_wake(struct webhooks *set);		/* the ring has grown */
void		 webhooks_begin(struct webhooks *set);		/* the log is known */
void		 webhooks_rebased(struct webhooks *set);	/* it is another one */

/*
 * Send nothing new and save the places.  `stopped` is called once, from the
 * loop, when every answer has come and all is saved; it may never come, so the
 * caller bounds it.  False when there is nothing to wait for: no callback.
 */
bool		 webhooks_stop(struct webhooks *set, void (*stopped)(void *arg), void *arg);

size_t		 webhooks_count(const struct webhooks *set);
const struct webhook *webhooks_at(const struct webhooks *set, size_t i);
const struct webhook *webhooks_find(const struct webhooks *set, const char *name, size_t len);	/* NULL: none of that name */
struct pg	*webhooks_session(const struct webhooks *set);	/* NULL without webhooks */

/* [{…},…] and the session under `key`; `newest` is the log's end. */
void		 webhooks_status_json(const struct webhooks *set, struct jsonw *w, const char *key, long long newest);

/* {"running":n,"failing":n,"parked":n,"standby":n} under `key`; nothing without webhooks. */
void		 webhooks_heartbeat_json(const struct webhooks *set, struct jsonw *w, const char *key);
#endif
