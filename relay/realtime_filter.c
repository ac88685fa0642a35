#include "relay/realtime_filter.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/log.h"
#include "relay/change.h"
#include "relay/columns.h"
#include "relay/realtime_value.h"

#define CONDITIONS_MAX	32
#define IN_MAX		100
#define BLANKS		" \t\r\n"

enum op { OP_EQ, OP_NEQ, OP_LT, OP_LTE, OP_GT, OP_GTE, OP_IN, OP_IS, OP_ISDISTINCT, OP_LIKE, OP_ILIKE, OP_MATCH, OP_IMATCH };

static const char *const op_names[] = {
	"eq", "neq", "lt", "lte", "gt", "gte", "in", "is", "isdistinct", "like", "ilike", "match", "imatch", NULL
};

struct condition {
	int			 column;
	bool			 negated;
	enum op			 op;
	size_t			 count;		/* of `values`: 1 but for OP_IN; 0: OP_IS, patterns */
	struct realtime_value	*values;
	struct realtime_pattern	*pattern;
};

struct realtime_filter {
	size_t			 count;
	struct condition	 conditions[CONDITIONS_MAX];
};

/* What is being read, and where errors go. */
struct input {
	char	*why;
	size_t	 why_size;
};

static bool __attribute__((format(printf, 2, 3)))
fail(const struct input *in, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(in->why, in->why_size, fmt, ap);
	va_end(ap);
	return false;
}

static char *
copy(const char *text, size_t len)
{
	char	*out = xcalloc(1, len + 1);

	memcpy(out, text, len);
	return out;
}

static void
trim(const char **text, size_t *len)
{
	while (*len > 0 && strchr(BLANKS, **text) != NULL) {
		++*text;
		--*len;
	}
	while (*len > 0 && strchr(BLANKS, (*text)[*len - 1]) != NULL)
		--*len;
}

/* Splitting */

/* Bytes up to the next comma outside of quotes and parentheses.  A quote opens only behind one of `.(,` or at the start. */
static size_t
part_length(const char *text, size_t len)
{
	unsigned	 depth = 0;
	bool		 quoted = false;
	size_t		 i;

	for (i = 0; i < len; i++) {
		if (quoted) {
			if (text[i] == '\\' && i + 1 < len)
				i++;
			else if (text[i] == '"')
				quoted = false;
		} else if (text[i] == '"')
			quoted = i == 0 || strchr(".(,", text[i - 1]) != NULL;
		else if (text[i] == '(')
			depth++;
		else if (text[i] == ')')
			depth -= depth > 0;
		else if (text[i] == ',' && depth == 0)
			break;
	}
	return i;
}

/* A value as it is meant: raw, or between quotes with backslashes resolved.  Owned; NULL when the quotes are wrong. */
static char *
value_text(const char *text, size_t len)
{
	char	*out = copy(text, len);
	size_t	 used = 0, i;

	if (len == 0 || *text != '"')
		return out;
	for (i = 1; i < len && text[i] != '"'; i++) {
		if (text[i] == '\\' && i + 1 < len)
			i++;
		out[used++] = text[i];
	}
	out[used] = '\0';
	if (i + 1 == len)
		return out;
	free(out);
	return NULL;
}

/* Reading */

static bool
add_value(const struct input *in, struct condition *c, const char *text, size_t len)
{
	const struct column	*column = &columns[c->column];
	char			*value = value_text(text, len);

	if (value == NULL)
		return fail(in, "column %s: the value's quotes do not end where it ends", column->name);
	c->values = xrealloc(c->values, (c->count + 1) * sizeof(c->values[0]));
	if (!realtime_value_cast(column->type, value, &c->values[c->count]))
		return fail(in, "column %s: not a value of type %s: %.*s", column->name, realtime_type_name(column->type),
		    (int)(len > 100 ? 100 : len), text);
	c->count++;
	return true;
}

static bool
read_list(const struct input *in, struct condition *c, const char *text, size_t len)
{
	const char	*item;
	size_t		 n, item_len;

	if (len < 2 || text[0] != '(' || text[len - 1] != ')')
		return fail(in, "`in` filter value must be wrapped by parentheses");
	text++;
	len -= 2;
	for (;; text += n + 1, len -= n + 1) {
		/* A blank behind the comma is no part of the value, nor does it hide a quote. */
		for (; len > 0 && strchr(BLANKS, *text) != NULL; len--)
			text++;
		item = text;
		item_len = n = part_length(text, len);
		trim(&item, &item_len);
		if (c->count == IN_MAX)
			return fail(in, "too many values for `in` filter. Maximum %d", IN_MAX);
		if (!add_value(in, c, item, item_len))
			return false;
		if (n == len)
			return true;
	}
}

static bool
read_pattern(const struct input *in, struct condition *c, const char *text, size_t len)
{
	const struct column	*column = &columns[c->column];
	char			*value;

	if (column->type != COLUMN_TEXT)
		return fail(in, "column %s: %s needs a text, this is %s", column->name, op_names[c->op],
		    realtime_type_name(column->type));
	if ((value = value_text(text, len)) == NULL)
		return fail(in, "column %s: the value's quotes do not end where it ends", column->name);
	c->pattern = realtime_pattern_new(value, c->op == OP_ILIKE);
	free(value);
	return c->pattern != NULL || fail(in, "column %s: the pattern ends with its escape character", column->name);
}

static bool
read_value(const struct input *in, struct condition *c, const char *text, size_t len)
{
	switch (c->op) {
	case OP_MATCH:
	case OP_IMATCH:
		return fail(in, "column %s: %s is not offered (no regular expressions); use like or ilike", columns[c->column].name,
		    op_names[c->op]);
	case OP_IS:
		if (len == 4 && strncasecmp(text, "null", 4) == 0)
			return true;
		return fail(in, "column %s: only is.null, as it is no boolean", columns[c->column].name);
	case OP_IN:
		return read_list(in, c, text, len);
	case OP_LIKE:
	case OP_ILIKE:
		return read_pattern(in, c, text, len);
	default:
		return add_value(in, c, text, len);
	}
}

static int
find_op(const char *text, size_t len)
{
	for (int i = 0; op_names[i] != NULL; i++)
		if (strlen(op_names[i]) == len && memcmp(op_names[i], text, len) == 0)
			return i;
	return -1;
}

static bool
unknown_column(const struct input *in, const char *name, size_t len)
{
	size_t	 used;

	fail(in, "unknown column %.*s; known are", (int)(len > 60 ? 60 : len), name);
	for (int i = 0; i < COLUMNS; i++) {
		used = strlen(in->why);
		snprintf(in->why + used, in->why_size - used, "%s %s", i == 0 ? "" : ",", columns[i].name);
	}
	return false;
}

static bool
read_condition(const struct input *in, struct condition *c, const char *text, size_t len)
{
	const char	*equals, *dot;
	size_t		 n;
	int		 op;

	trim(&text, &len);
	if (len == 0)
		return fail(in, "a condition is empty");
	if ((equals = memchr(text, '=', len)) == NULL)
		return fail(in, "Error parsing `filter` params: no `=` in: %.*s", (int)(len > 100 ? 100 : len), text);
	if ((c->column = column_find(text, (size_t)(equals - text))) == -1)
		return unknown_column(in, text, (size_t)(equals - text));
	len -= (size_t)(equals + 1 - text);
	text = equals + 1;
	if (len >= 4 && memcmp(text, "not.", 4) == 0) {
		c->negated = true;
		text += 4;
		len -= 4;
	}
	if ((dot = memchr(text, '.', len)) == NULL)
		return fail(in, "column %s: no `.` behind the operator in: %.*s", columns[c->column].name,
		    (int)(len > 100 ? 100 : len), text);
	n = (size_t)(dot - text);
	if ((op = find_op(text, n)) == -1)
		return fail(in, "column %s: unknown operator %.*s; known are eq, neq, lt, lte, gt, gte, in, is, isdistinct, like, ilike",
		    columns[c->column].name, (int)(n > 60 ? 60 : n), text);
	c->op = (enum op)op;
	return read_value(in, c, dot + 1, len - n - 1);
}

bool
realtime_filter_read(const char *text, struct realtime_filter **out, char *why, size_t why_size)
{
	const struct input	 in = { why, why_size };
	size_t			 len = strlen(text), n;
	struct realtime_filter	*f;

	*out = NULL;
	if (strspn(text, BLANKS) == len)
		return true;
	if (len > REALTIME_FILTER_MAX)
		return fail(&in, "longer than %d bytes", REALTIME_FILTER_MAX);
	f = xcalloc(1, sizeof(*f));
	for (;; text += n + 1, len -= n + 1) {
		n = part_length(text, len);
		if (f->count == CONDITIONS_MAX) {
			fail(&in, "more than %d conditions", CONDITIONS_MAX);
			break;
		}
		if (!read_condition(&in, &f->conditions[f->count++], text, n))
			break;
		if (n == len) {
			*out = xrealloc(f, offsetof(struct realtime_filter, conditions) + f->count * sizeof(f->conditions[0]));
			return true;
		}
	}
	realtime_filter_free(f);
	return false;
}

void
realtime_filter_free(struct realtime_filter *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->count; i++) {
		struct condition	*c = &f->conditions[i];

		for (size_t k = 0; k < c->count; k++)
			realtime_value_release(&c->values[k]);
		free(c->values);
		realtime_pattern_free(c->pattern);
	}
	free(f);
}

/* Judging */

enum truth { NO, YES, UNKNOWN };

static enum truth
truth_of(bool is_true)
{
	return is_true ? YES : NO;
}

static enum truth
compare(const struct condition *c, const char *json, size_t len)
{
	int	 order;

	if (!realtime_value_compare(columns[c->column].type, json, len, &c->values[0], &order))
		return UNKNOWN;
	switch (c->op) {
	case OP_EQ:
		return truth_of(order == 0);
	case OP_NEQ:
	case OP_ISDISTINCT:
		return truth_of(order != 0);
	case OP_LT:
		return truth_of(order < 0);
	case OP_LTE:
		return truth_of(order <= 0);
	case OP_GT:
		return truth_of(order > 0);
	default:
		return truth_of(order >= 0);
	}
}

static enum truth
is_among(const struct condition *c, const char *json, size_t len)
{
	int	 order;

	for (size_t i = 0; i < c->count; i++) {
		if (!realtime_value_compare(columns[c->column].type, json, len, &c->values[i], &order))
			return UNKNOWN;
		if (order == 0)
			return YES;
	}
	return NO;
}

static enum truth
is_like(const struct condition *c, const char *json, size_t len)
{
	size_t		 text_len;
	const char	*text = realtime_value_text(json, len, &text_len);

	return text == NULL ? UNKNOWN : truth_of(realtime_pattern_matches(c->pattern, text, text_len));
}

static enum truth
judge(const struct condition *c, const char *json, size_t len)
{
	bool	 is_null = len == 4 && memcmp(json, "null", 4) == 0;

	if (c->op == OP_IS)
		return truth_of(is_null);
	if (is_null)
		return c->op == OP_ISDISTINCT ? YES : UNKNOWN;
	switch (c->op) {
	case OP_IN:
		return is_among(c, json, len);
	case OP_LIKE:
	case OP_ILIKE:
		return is_like(c, json, len);
	default:
		return compare(c, json, len);
	}
}

static bool
holds(const struct condition *c, const struct change *change)
{
	char		 id[24];
	const char	*json;
	size_t		 len;
	enum truth	 t;

	if (change->op == CHANGE_DELETE) {
		if (c->column != COLUMN_ID)
			return false;
		len = (size_t)snprintf(id, sizeof(id), "%" PRId64, change->id);
		json = id;
	} else if ((json = change_field(change, columns[c->column].name, &len)) == NULL)
		return false;
	t = judge(c, json, len);
	/* A negation of what is not known is not known either. */
	return c->negated ? t == NO : t == YES;
}

bool
realtime_filter_passes(const struct realtime_filter *f, const struct change *c)
{
	for (size_t i = 0; i < f->count; i++)
		if (!holds(&f->conditions[i], c))
			return false;
	return true;
}
