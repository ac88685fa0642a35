/* pg_check: can this program work with its database?  The answer to its word `check`, asked by `tocsin check`. */
#ifndef TOCSIN_COMMON_PG_CHECK_H
#define TOCSIN_COMMON_PG_CHECK_H

/*
 * Connect once, ask for the schema's number and print findings, which begin
 * with `program` ("generator", also the section of its `database`), never with
 * a password in them.  Takes 10 s at most.  Returns the exit code: 0 in order,
 * 1 not.
 */
int	 pg_check(const char *program, const char *conninfo);
#endif
