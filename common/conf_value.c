#include "common/conf_value.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

struct unit {
	const char	*name;
	double		 factor;
};

static const struct unit duration_units[] = {
	{ "ms", 1 }, { "s", 1e3 }, { "m", 6e4 }, { "h", 3.6e6 }, { "d", 8.64e7 }, { NULL, 0 }
};
static const struct unit size_units[] = {
	{ "", 1 }, { "K", 1024 }, { "M", 1048576 }, { "G", 1073741824 }, { NULL, 0 }
};
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };

static const struct unit *
units_of(enum conf_type type)
{
	return type == CONF_DURATION ? duration_units : type == CONF_SIZE ? size_units : no_units;
}

/* "90s" by the units given; false when the number or the unit is none. */
static bool
parse_number(const char *text, const struct unit *units, double *out)
{
	char	*end;
	double	 value;

	/* strtod() would also take hex, "inf" and "nan". */
	if (text[strspn(text, "+-.")] < '0' || text[strspn(text, "+-.")] > '9' || strpbrk(text, "xX") != NULL)
		return false;
	errno = 0;
	value = strtod(text, &end);
	if (errno != 0 || end == text || !isfinite(value))
		return false;
	end += strspn(end, " \t");
	for (; units->name != NULL; units++)
		if (strcmp(end, units->name) == 0 || (value == 0 && *end == '\0')) {	/* nothing is nothing in any unit */
			*out = value * units->factor;
			return true;
		}
	return false;
}

/* For what fits an int64_t.  Without libm, which the watchdog does not link. */
static bool
is_whole(double value)
{
	return (double)(int64_t)value == value;
}

/* `value` in the largest unit that leaves no fraction. */
static void
print_number(char *buf, size_t size, enum conf_type type, double value)
{
	const struct unit	*units = units_of(type), *best = units;

	for (const struct unit *u = units; u->name != NULL; u++)
		if (value != 0 && is_whole(value / u->factor))
			best = u;
	snprintf(buf, size, "%.15g%s", value / best->factor, best->name);
}

static void
free_list(struct conf_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct conf_list){ 0 };
}

static void
parse_list(const char *text, struct conf_list *list)
{
	size_t	 len;

	*list = (struct conf_list){ 0 };
	while (*(text += strspn(text, ", \t")) != '\0') {
		len = strcspn(text, ",");
		while (len > 0 && isspace((unsigned char)text[len - 1]))
			len--;
		list->items = xrealloc(list->items, (list->count + 1) * sizeof(*list->items));
		list->items[list->count] = xcalloc(1, len + 1);
		memcpy(list->items[list->count++], text, len);
		text += strcspn(text, ",");
	}
}

static int
find_choice(const char *const *choices, const char *word)
{
	for (int i = 0; choices[i] != NULL; i++)
		if (strcmp(choices[i], word) == 0)
			return i;
	return -1;
}

/* What a key's value may be, in words. */
static void
describe(const struct conf_key *k, char *buf, size_t size)
{
	char	 low[40], high[40];
	size_t	 len = 0;

	switch (k->type) {
	case CONF_INT:
	case CONF_DOUBLE:
	case CONF_DURATION:
	case CONF_SIZE:
		len = (size_t)snprintf(buf, size, "%s", k->type == CONF_INT ? "a whole number" : k->type == CONF_DOUBLE ? "a number" :
		    k->type == CONF_DURATION ? "a duration with its unit (ms, s, m, h, d)" : "a size in bytes, or with K, M, G");
		if (k->min != 0 || k->max != 0) {
			print_number(low, sizeof(low), k->type, k->min);
			print_number(high, sizeof(high), k->type, k->max);
			snprintf(buf + len, size - len, " from %s to %s", low, high);
		}
		break;
	case CONF_BOOL:
		snprintf(buf, size, "yes or no");
		break;
	case CONF_ENUM:
		len = (size_t)snprintf(buf, size, "one of");
		for (int i = 0; k->choices[i] != NULL && len < size; i++)
			len += (size_t)snprintf(buf + len, size - len, "%s %s", i > 0 ? "," : "", k->choices[i]);
		break;
	case CONF_STR:
	case CONF_LIST:
		snprintf(buf, size, "%s", k->help);
	}
}

bool
conf_value_set(const struct conf_key *k, const char *text, void *out, char *why, size_t why_size)
{
	static const char *const words[] = { "no", "yes", "off", "on", "false", "true", "0", "1", NULL };
	double			 number = 0;
	int			 choice;

	describe(k, why, why_size);
	switch (k->type) {
	case CONF_INT:
	case CONF_DOUBLE:
	case CONF_DURATION:
	case CONF_SIZE:
		if (!parse_number(text, units_of(k->type), &number) ||
		    ((k->min != 0 || k->max != 0) && (number < k->min || number > k->max)) || fabs(number) > 9e15 ||
		    (k->type != CONF_DOUBLE && !is_whole(number)))
			return false;
		if (k->type == CONF_DOUBLE)
			*(double *)out = number;
		else
			*(int64_t *)out = (int64_t)number;
		return true;
	case CONF_BOOL:
		if ((choice = find_choice(words, text)) == -1)
			return false;
		*(bool *)out = choice % 2 == 1;
		return true;
	case CONF_ENUM:
		if ((choice = find_choice(k->choices, text)) == -1)
			return false;
		*(int *)out = choice;
		return true;
	case CONF_STR:
		if (*text != '\0' && k->check != NULL && !k->check(text, why, why_size))
			return false;
		free(*(char **)out);
		*(char **)out = *text == '\0' ? NULL : xstrdup(text);
		return true;
	case CONF_LIST:
		free_list(out);
		parse_list(text, out);
		for (size_t i = 0; k->check != NULL && i < ((struct conf_list *)out)->count; i++)
			if (!k->check(((struct conf_list *)out)->items[i], why, why_size))
				return false;
		return true;
	}
	return false;
}

void
conf_value_clear(const struct conf_key *k, void *out)
{
	if (k->type == CONF_STR) {
		free(*(char **)out);
		*(char **)out = NULL;
	} else if (k->type == CONF_LIST)
		free_list(out);
}

void
conf_value_print(FILE *out, const struct conf_key *k, const void *value)
{
	const struct conf_list	*list;
	const char		*text;
	char			 number[64];

	switch (k->type) {
	case CONF_STR:
		text = *(char *const *)value == NULL ? "" : *(char *const *)value;
		fprintf(out, "%s", k->secret && (strstr(text, "password") != NULL || strchr(text, '@') != NULL ||
		    strstr(text, "://") != NULL) ? "(not shown: it may hold a password)" : text);
		break;
	case CONF_DOUBLE:
		fprintf(out, "%.15g", *(const double *)value);
		break;
	case CONF_INT:
	case CONF_DURATION:
	case CONF_SIZE:
		print_number(number, sizeof(number), k->type, (double)*(const int64_t *)value);
		fprintf(out, "%s", number);
		break;
	case CONF_BOOL:
		fprintf(out, "%s", *(const bool *)value ? "yes" : "no");
		break;
	case CONF_ENUM:
		fprintf(out, "%s", k->choices[*(const int *)value]);
		break;
	case CONF_LIST:
		list = value;
		for (size_t i = 0; i < list->count; i++)
			fprintf(out, "%s%s", i > 0 ? ", " : "", list->items[i]);
	}
}
