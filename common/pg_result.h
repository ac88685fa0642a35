/* pg_result: one answer of the server; for pg.c only, callers see pg.h. */
#ifndef TOCSIN_COMMON_PG_RESULT_H
#define TOCSIN_COMMON_PG_RESULT_H
#include <libpq-fe.h>
#include <stdbool.h>

#include "common/pg.h"

#define PG_ERROR_MAX	256

struct pg_result {
	PGresult	*res;			/* NULL: the connection was lost */
	bool		 ok, lost, skipped;
	char		 sqlstate[6];
	char		 error[PG_ERROR_MAX];	/* one line */
};

/* What `res` (borrowed by `out`) says. */
void	 pg_result_fill(struct pg_result *out, PGresult *res);

/* The first line of libpq's message, without the newline at its end, cut at PG_ERROR_MAX. */
void	 pg_copy_error(char *out, const char *message);
#endif
