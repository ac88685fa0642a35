#include "generator/csv.h"

/* Take the quotes off a field that begins at `p` with one; NULL when it never ends. */
static char *
unquote(char *p, const char *end, struct csv_field *field)
{
	char	*out = ++p;

	field->text = out;
	for (; p < end; p++) {
		if (*p == '"' && (++p == end || *p != '"')) {
			field->len = (size_t)(out - field->text);
			return p;
		}
		*out++ = *p;
	}
	return NULL;
}

int
csv_split(char *line, size_t len, char separator, struct csv_field *fields, int max, const char **why)
{
	struct csv_field	 field;
	char			*p = line, *end;
	int			 count = 0;

	if (len > 0 && line[len - 1] == '\n')
		len--;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	end = line + len;
	for (;; p++) {
		if (p < end && *p == '"') {
			if ((p = unquote(p, end, &field)) == NULL) {
				*why = "a quote is never closed";
				return -1;
			}
			if (p < end && *p != separator) {
				*why = "there is text behind a closing quote";
				return -1;
			}
		} else {
			field.text = p;
			while (p < end && *p != separator)
				p++;
			field.len = (size_t)(p - field.text);
		}
		if (count < max)
			fields[count] = field;
		count++;
		if (p == end)
			return count;
	}
}
