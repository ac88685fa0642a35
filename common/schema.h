/* schema: is the database's schema the one that this program was built for? */
#ifndef TOCSIN_COMMON_SCHEMA_H
#define TOCSIN_COMMON_SCHEMA_H
#include <stdbool.h>
#include <stddef.h>

struct pg_result;

#define TOCSIN_SCHEMA	5	/* number of the newest file in etc/sql */

/* Ask with this; it fails with "undefined table" on a database that was never migrated. */
#define SCHEMA_QUERY	"SELECT coalesce(max(number), 0) FROM tocsin_migrations"

/*
 * NULL when a schema with the number `found` (0: none) is right; else `why`,
 * filled with one line of what is wrong and how to mend it.
 */
const char	*schema_verdict(int found, char *why, size_t why_size);

/*
 * The same for the result of SCHEMA_QUERY.  An error that can pass (a lock, a
 * shutdown, a lost connection) is no verdict: see schema_is_known() first.
 */
bool		 schema_is_known(const struct pg_result *res);
const char	*schema_check(const struct pg_result *res, char *why, size_t why_size);
#endif
