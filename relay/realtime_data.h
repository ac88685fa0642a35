/*
 * realtime_data: an event as the `data` of a postgres_changes message, made once
 * and shared by all channels.  The record in it is the one in the event's frame:
 * only what stands around it is written anew.  Of projections an event keeps the
 * newest few.
 */
#ifndef TOCSIN_RELAY_REALTIME_DATA_H
#define TOCSIN_RELAY_REALTIME_DATA_H
#include <stddef.h>

#include "relay/columns.h"

struct change;

/* head, body and REALTIME_DATA_TAIL, one after the other, are the JSON object. */
struct realtime_data {
	const char	*head, *body;
	size_t		 head_len, body_len;	/* body_len may be 0 */
};

#define REALTIME_DATA_TAIL	"}"

/*
 * `select`: the record's columns; COLUMNS_ALL: as it is.  Borrowed from the
 * change: the body is valid as long as it is, the head until it is asked for
 * other columns.
 */
struct realtime_data realtime_data_of(struct change *c, column_set select);
#endif
