#include "common/schema.h"

#include <stdio.h>
#include <string.h>

#include "common/pg.h"

#define UNDEFINED_TABLE		"42P01"

const char *
schema_verdict(int found, char *why, size_t why_size)
{
	if (found == TOCSIN_SCHEMA)
		return NULL;
	if (found == 0)
		snprintf(why, why_size, "the database has no tables of tocsin: run `tocsin migrate`");
	else if (found < TOCSIN_SCHEMA)
		snprintf(why, why_size, "the database's schema is number %d, this program needs %d: run `tocsin migrate`",
		    found, TOCSIN_SCHEMA);
	else
		snprintf(why, why_size, "the database's schema is number %d, newer than this program's %d: install the newer tocsin",
		    found, TOCSIN_SCHEMA);
	return why;
}

/* Of errors only class 42 (no such table, no right to it) stays what it is. */
bool
schema_is_known(const struct pg_result *res)
{
	return pg_ok(res) || strncmp(pg_sqlstate(res), "42", 2) == 0;
}

const char *
schema_check(const struct pg_result *res, char *why, size_t why_size)
{
	if (pg_ok(res))
		return schema_verdict((int)pg_int(res, 0, 0), why, why_size);
	if (strcmp(pg_sqlstate(res), UNDEFINED_TABLE) == 0)
		return schema_verdict(0, why, why_size);
	snprintf(why, why_size, "cannot read the schema's number sqlstate=%s: %s: grant the roles of etc/sql to this user",
	    pg_sqlstate(res), pg_error(res));
	return why;
}
