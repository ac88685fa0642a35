/* schema: is the database's schema the one that this program was built for? */
#ifndef TOCSIN_COMMON_SCHEMA_H
#define TOCSIN_COMMON_SCHEMA_H
#include <stddef.h>

struct pg_result;

#define TOCSIN_SCHEMA	1	/* number of the newest file in etc/sql */

/* Ask with this; it fails with "undefined table" on a database that was never migrated. */
#define SCHEMA_QUERY	"SELECT coalesce(max(number), 0) FROM tocsin_migrations"

/*
 * NULL when a schema with the number `found` (0: none) is right; else `why`,
 * filled with one line of what is wrong and how to mend it.
 */
const char	*schema_verdict(int found, char *why, size_t why_size);

/* The same for the result of SCHEMA_QUERY. */
const char	*schema_check(const struct pg_result *res, char *why, size_t why_size);
#endif
