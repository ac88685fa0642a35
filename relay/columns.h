/* columns: those of the table signals, as clients may name them; tests/system/columns.test.mjs compares them with the database. */
#ifndef TOCSIN_RELAY_COLUMNS_H
#define TOCSIN_RELAY_COLUMNS_H
#include <stddef.h>
#include <stdint.h>

enum column_type {
	COLUMN_INT2, COLUMN_INT4, COLUMN_INT8, COLUMN_NUMERIC, COLUMN_FLOAT4, COLUMN_FLOAT8, COLUMN_TEXT, COLUMN_TIME,
	COLUMN_OTHER	/* arrays, JSON: not compared here */
};

struct column {
	const char	*name;
	enum column_type type;
};

#define COLUMNS		35
#define COLUMN_ID	0	/* the primary key */

extern const struct column columns[COLUMNS];	/* in the table's order */

/* A set of columns: bit i for columns[i]. */
typedef uint64_t column_set;
#define COLUMNS_ALL	(UINT64_MAX >> (64 - COLUMNS))

/* -1: there is none of that name. */
int	 column_find(const char *name, size_t len);
#endif
