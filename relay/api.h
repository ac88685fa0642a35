/* api: questions answered from the database: GET /v1/signals. */
#ifndef TOCSIN_RELAY_API_H
#define TOCSIN_RELAY_API_H
#include <stddef.h>

struct request;
struct pg;
struct api;

/* `pg` is borrowed; api_free() before pg_free(), and no callback comes between. */
struct api	*api_new(struct pg *pg);
void		 api_free(struct api *r);	/* NULL is fine */
size_t		 api_pending(const struct api *r);

/*
 * {"signals":[record…],"cursor":"EPOCH-SEQ","next":ID or null}, newest first.
 * `cursor` is the place in the log that the list is current to, so a stream
 * after it misses nothing; `next` continues the list with before=ID.
 */
void		 api_signals(struct api *r, struct request *req);
#endif
