/* rest: questions answered from the database: GET /v1/signals. */
#ifndef TOCSIN_RELAY_REST_H
#define TOCSIN_RELAY_REST_H
#include <stddef.h>

struct evhttp_request;
struct pg;
struct rest;

/* `pg` is borrowed; rest_free() before pg_free(), and no callback comes between. */
struct rest	*rest_new(struct pg *pg);
void		 rest_free(struct rest *r);	/* NULL is fine */
size_t		 rest_pending(const struct rest *r);

/*
 * {"signals":[record…],"cursor":"EPOCH-SEQ","next":ID or null}, newest first.
 * `cursor` is the place in the log that the list is current to, so a stream
 * after it misses nothing; `next` continues the list with before=ID.
 */
void		 rest_signals(struct rest *r, struct evhttp_request *req);
#endif
