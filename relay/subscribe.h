/* subscribe: GET /v1/stream, from the request to a stream or a refusal. */
#ifndef TOCSIN_RELAY_SUBSCRIBE_H
#define TOCSIN_RELAY_SUBSCRIBE_H
#include <stddef.h>

struct request;
struct stats;
struct streams;

/*
 * Filters come from the query, the place to resume from out of Last-Event-ID
 * or, for a first connection, `after`.  What is not understood is refused by name.
 * `others`: clients of other kinds, who count too.
 */
void	 subscribe(struct streams *set, size_t others, struct stats *stats, struct request *req);
#endif
