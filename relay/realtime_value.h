/* realtime_value: a value of a filter, cast to a column's type, and compared with what a record holds there.  Pure. */
#ifndef TOCSIN_RELAY_REALTIME_VALUE_H
#define TOCSIN_RELAY_REALTIME_VALUE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/columns.h"

struct realtime_value {
	char	*text;		/* owned */
	int64_t	 number;	/* whole numbers; microseconds of a time */
	double	 real;		/* COLUMN_FLOAT4, COLUMN_FLOAT8 */
};

/* Cast `text` (taken over, also on failure); false when it is no value of that type. */
bool	 realtime_value_cast(enum column_type type, char *text, struct realtime_value *out);
void	 realtime_value_release(struct realtime_value *v);

const char *realtime_type_name(enum column_type type);	/* as SQL has it */

/*
 * Compare a record's JSON value with one that was cast to the column's type: below, equal to or
 * above 0 in `*order`.  False when it cannot be compared (null, NaN).
 */
bool	 realtime_value_compare(enum column_type type, const char *json, size_t len, const struct realtime_value *v, int *order);

/* The text of a JSON string; borrowed until the next call.  NULL when it is none. */
const char *realtime_value_text(const char *json, size_t len, size_t *text_len);
void	 realtime_value_end(void);	/* give back what that keeps, at the program's end */

/* A pattern of LIKE. */
struct realtime_pattern;

/* NULL when the pattern ends with its escape character. */
struct realtime_pattern	*realtime_pattern_new(const char *text, bool any_case);
void	 realtime_pattern_free(struct realtime_pattern *p);	/* NULL is fine */

/* In time of at most length times length, and without recursion: never exponential. */
bool	 realtime_pattern_matches(const struct realtime_pattern *p, const char *text, size_t len);
#endif
