/* csv: one line of comma separated values (RFC 4180) into its fields.  Pure. */
#ifndef TOCSIN_GENERATOR_CSV_H
#define TOCSIN_GENERATOR_CSV_H
#include <stddef.h>

/* Points into the line; not NUL-terminated. */
struct csv_field {
	char	*text;
	size_t	 len;
};

/*
 * Cut `line` (with or without its line end, LF or CRLF) at `separator`.  A field
 * in double quotes may hold separators and doubled quotes, which become one in
 * place; it may not hold a line end.  A quote inside a field without quotes is
 * a character like any other.  Blanks are kept.
 *
 * Returns the number of fields, at least 1 (an empty line is one empty field),
 * of which the first `max` are stored; -1 when the quotes do not fit, with a
 * static text in `*why`.
 */
int	 csv_split(char *line, size_t len, char separator, struct csv_field *fields, int max, const char **why);
#endif
