/*
 * webhook_post: one event on its way to a receiver: its body and id, made once,
 * and its attempts, each signed anew.
 */
#ifndef TOCSIN_RELAY_WEBHOOK_POST_H
#define TOCSIN_RELAY_WEBHOOK_POST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net.h"

struct change;
struct webhook_conf;
struct webhook_post;

struct webhook_outcome {
	int		 status;		/* HTTP; 0: no answer */
	int64_t		 retry_after_ms;	/* -1: not said */
	int64_t		 took_ms;
	char		 why[NET_WHY_MAX];	/* "" when it was taken; without the URL's path or topic, which may be a token */
};
typedef void (*webhook_post_cb)(const struct webhook_outcome *outcome, void *arg);

/* Empty.  `net` and `conf` are borrowed; `cb` gets the outcome of each attempt, from the loop. */
struct webhook_post *webhook_post_new(struct net *net, const struct webhook_conf *conf, webhook_post_cb cb, void *arg);
void		 webhook_post_free(struct webhook_post *p);	/* no callback any more; NULL is fine */

/*
 * Fill it with an event of the log of `epoch`.  False, and empty, when it cannot
 * be told.  The id is the same for the same event, whoever sends it and
 * whenever, also after a promotion (which begins a new epoch); and another one
 * for another event, also when a promotion has lost some and their seq was given
 * again.
 */
bool		 webhook_post_make(struct webhook_post *p, struct change *c, const char *epoch);
void		 webhook_post_clear(struct webhook_post *p);	/* empty; not while it is on its way */

void		 webhook_post_send(struct webhook_post *p);
bool		 webhook_post_is_sending(const struct webhook_post *p);

int64_t		 webhook_post_seq(const struct webhook_post *p);	/* 0: empty */
const char	*webhook_post_id(const struct webhook_post *p);
const char	*webhook_post_event(const struct webhook_post *p, size_t *len);	/* as the log has it; not while it is empty */
#endif
