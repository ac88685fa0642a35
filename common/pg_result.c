#include "common/pg_result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
pg_copy_error(char *out, const char *message)
{
	size_t	 len = strcspn(message, "\n");

	if (len >= PG_ERROR_MAX)
		len = PG_ERROR_MAX - 1;
	memcpy(out, message, len);
	out[len] = '\0';
}

void
pg_result_fill(struct pg_result *out, PGresult *res)
{
	ExecStatusType	 status = PQresultStatus(res);
	const char	*sqlstate;

	*out = (struct pg_result){ .res = res };
	out->ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY ||
	    status == PGRES_PIPELINE_SYNC;
	if (out->ok)
		return;
	out->skipped = status == PGRES_PIPELINE_ABORTED;
	if (out->skipped) {
		snprintf(out->error, sizeof(out->error), "not run: an earlier command of the group failed");
		return;
	}
	pg_copy_error(out->error, PQresultErrorMessage(res));
	if ((sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE)) != NULL)
		snprintf(out->sqlstate, sizeof(out->sqlstate), "%s", sqlstate);
}

bool
pg_ok(const struct pg_result *res)
{
	return res->ok;
}

bool
pg_lost(const struct pg_result *res)
{
	return res->lost;
}

bool
pg_skipped(const struct pg_result *res)
{
	return res->skipped;
}

const char *
pg_error(const struct pg_result *res)
{
	return res->error;
}

const char *
pg_sqlstate(const struct pg_result *res)
{
	return res->sqlstate;
}

int
pg_rows(const struct pg_result *res)
{
	return res->res == NULL ? 0 : PQntuples(res->res);
}

const char *
pg_tag(const struct pg_result *res)
{
	return res->ok && res->res != NULL ? PQcmdStatus(res->res) : "";
}

int
pg_affected(const struct pg_result *res)
{
	return res->res == NULL ? 0 : atoi(PQcmdTuples(res->res));
}

const char *
pg_text(const struct pg_result *res, int row, int column)
{
	return PQgetisnull(res->res, row, column) ? NULL : PQgetvalue(res->res, row, column);
}

int64_t
pg_int(const struct pg_result *res, int row, int column)
{
	const char	*text = pg_text(res, row, column);

	return text == NULL ? 0 : strtoll(text, NULL, 10);
}

bool
pg_conninfo_ok(const char *conninfo, char *why, size_t why_size)
{
	PQconninfoOption	*options;
	char			*error = NULL, line[PG_ERROR_MAX];

	if ((options = PQconninfoParse(conninfo, &error)) != NULL) {
		PQconninfoFree(options);
		return true;
	}
	pg_copy_error(line, error == NULL ? "out of memory" : error);
	/* libpq quotes what it does not understand, and that may be a part of a password. */
	line[strcspn(line, "\"")] = '\0';
	snprintf(why, why_size, "libpq says: %s… (keyword=value pairs, or a postgresql:// URI)", line);
	PQfreemem(error);
	return false;
}
