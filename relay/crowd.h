/*
 * crowd: how many connections each address has.  Of IPv6 the first 64 bits
 * count: whoever has one such address has all that share them.
 */
#ifndef TOCSIN_RELAY_CROWD_H
#define TOCSIN_RELAY_CROWD_H
#include <stdbool.h>
#include <stddef.h>

struct crowd;
struct peer;

struct crowd	*crowd_new(size_t max);	/* connections from one address */
void		 crowd_free(struct crowd *c);	/* NULL is fine */

/* One more; false when the address has `max` already.  This very machine is not counted. */
bool		 crowd_enter(struct crowd *c, const struct peer *p);
void		 crowd_leave(struct crowd *c, const struct peer *p);	/* one that entered */

size_t		 crowd_addresses(const struct crowd *c);	/* that have a connection */
size_t		 crowd_longest(const struct crowd *c);	/* the most addresses that share a slot, for tests */
#endif
