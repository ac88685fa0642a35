/*
 * feed_file_layout: which column of a CSV file is what, and a line's fields as
 * a trade or a candle.  Pure, apart from the configuration's struct.
 */
#ifndef TOCSIN_GENERATOR_FEED_FILE_LAYOUT_H
#define TOCSIN_GENERATOR_FEED_FILE_LAYOUT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generator/candle.h"
#include "generator/csv.h"
#include "generator/line.h"
#include "generator/timestamp.h"

#define LAYOUT_FIELDS_MAX	128	/* columns beyond are not looked at */

enum file_column {
	COLUMN_TIME, COLUMN_OPEN, COLUMN_HIGH, COLUMN_LOW, COLUMN_CLOSE, COLUMN_VOLUME,
	COLUMN_PRICE, COLUMN_QUANTITY, COLUMN_ID, COLUMN_SYMBOL,
	COLUMNS
};
extern const char *const file_column_keys[COLUMNS];	/* "time_column" … */

enum file_format { FORMAT_AUTO, FORMAT_CANDLES, FORMAT_TRADES, FORMAT_JSON };
enum file_header { HEADER_AUTO, HEADER_YES, HEADER_NO };

/* What the configuration says of it. */
struct layout_conf {
	char	*columns[COLUMNS];	/* a name or a number from 1; NULL: find it */
	int	 format, header, time_unit;
};

struct layout {
	enum file_format	 format;	/* not FORMAT_AUTO */
	enum time_unit		 time_unit;
	bool			 has_header;
	int			 at[COLUMNS];	/* index of the field, -1: none */
};

/* A problem with the key (NULL: with the file). */
typedef void (*layout_problem_cb)(const char *key, const char *text, void *arg);

/*
 * Find the columns from the first line's fields.  False when one is missing;
 * `problem` has been told of each.
 */
bool	 layout_find(struct layout *l, const struct layout_conf *conf, const struct csv_field *fields, int count,
	    layout_problem_cb problem, void *arg);

struct file_row {
	struct csv_field	 symbol;	/* of CSV with a column for it */
	struct line		 line;		/* of CSV, its `symbol` is left to the caller */
};

/* Read a line's fields (never FORMAT_JSON); false, with a line of why, when they are no good trade or candle. */
bool	 layout_row(const struct layout *l, enum timeframe tf, const struct csv_field *fields, int count,
	    struct file_row *row, char *why, size_t why_size);
#endif
