#include "relay/realtime_value.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/jsonr.h"
#include "common/log.h"

#define EXPONENT_DIGITS	4
#define DIGITS		"0123456789"

/* Exact decimals, as text: any precision, no rounding */

struct decimal {
	const char	*digits, *end;	/* from the first that is not 0, a point among them */
	bool		 negative, zero;
	int64_t		 point;		/* digits before the decimal point; also below 0 */
};

/* Digits with perhaps a point among them; false when there is no digit. */
static bool
take_mantissa(const char **at, const char *end, struct decimal *out)
{
	bool	 has_point = false, any = false;

	*out = (struct decimal){ .zero = true, .negative = out->negative };
	for (; *at < end; ++*at) {
		if (**at == '.') {
			if (has_point)
				return false;
			has_point = true;
			continue;
		}
		if (**at < '0' || **at > '9')
			break;
		any = true;
		if (out->zero && **at != '0') {
			out->zero = false;
			out->digits = *at;
		}
		if (!out->zero && !has_point)
			out->point++;
		else if (out->zero && has_point)
			out->point--;
	}
	out->end = *at;
	return any;
}

static bool
take_exponent(const char **at, const char *end, int64_t *out)
{
	bool	 negative = false;
	int	 count = 0;

	*out = 0;
	if (*at < end && (**at == '+' || **at == '-'))
		negative = *(*at)++ == '-';
	for (; *at < end && **at >= '0' && **at <= '9'; ++*at, count++)
		*out = *out * 10 + (**at - '0');
	if (negative)
		*out = -*out;
	return count > 0 && count <= EXPONENT_DIGITS;
}

static bool
decimal_read(const char *text, size_t len, struct decimal *out)
{
	const char	*at = text, *end = text + len;
	int64_t		 exponent = 0;

	out->negative = false;
	if (at < end && (*at == '-' || *at == '+'))
		out->negative = *at++ == '-';
	if (!take_mantissa(&at, end, out))
		return false;
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (!take_exponent(&at, end, &exponent))
			return false;
	}
	out->point += exponent;
	return at == end;
}

static char
next_digit(struct decimal *d)
{
	if (d->digits < d->end && *d->digits == '.')
		d->digits++;
	return d->digits < d->end ? *d->digits++ : '\0';
}

static int
compare_magnitudes(struct decimal a, struct decimal b)
{
	char	 x, y;

	if (a.zero || b.zero)
		return b.zero - a.zero;
	if (a.point != b.point)
		return a.point < b.point ? -1 : 1;
	do {
		x = next_digit(&a);
		y = next_digit(&b);
		if ((x == '\0' ? '0' : x) != (y == '\0' ? '0' : y))
			return (x == '\0' ? '0' : x) < (y == '\0' ? '0' : y) ? -1 : 1;
	} while (x != '\0' || y != '\0');
	return 0;
}

static int
decimal_compare(const struct decimal *a, const struct decimal *b)
{
	bool	 a_below = a->negative && !a->zero, b_below = b->negative && !b->zero;

	if (a_below != b_below)
		return a_below ? -1 : 1;
	return a_below ? compare_magnitudes(*b, *a) : compare_magnitudes(*a, *b);
}

/* Casting */

static bool
cast_whole(enum column_type type, const char *text, int64_t *out)
{
	static const int64_t	 limits[] = { [COLUMN_INT2] = INT16_MAX, [COLUMN_INT4] = INT32_MAX, [COLUMN_INT8] = INT64_MAX };
	const char		*digits = text + (*text == '-' || *text == '+');
	int64_t			 value = 0;

	if (*digits == '\0' || digits[strspn(digits, DIGITS)] != '\0')
		return false;
	/* Counted downwards: there is one more below 0 than above. */
	for (; *digits != '\0'; digits++)
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, *digits - '0', &value))
			return false;
	if (*text != '-') {
		if (value == INT64_MIN)
			return false;
		value = -value;
	}
	*out = value;
	return value <= limits[type] && value >= -limits[type] - 1;
}

static bool
cast(enum column_type type, struct realtime_value *v)
{
	struct decimal	 d;

	switch (type) {
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
		return cast_whole(type, v->text, &v->number);
	case COLUMN_NUMERIC:
		return decimal_read(v->text, strlen(v->text), &d);
	case COLUMN_FLOAT4:
	case COLUMN_FLOAT8:
		if (!decimal_read(v->text, strlen(v->text), &d))
			return false;
		v->real = type == COLUMN_FLOAT4 ? (double)strtof(v->text, NULL) : strtod(v->text, NULL);
		return isfinite(v->real);
	case COLUMN_TEXT:
		return true;
	case COLUMN_TIME:
		return clock_parse_iso(v->text, strlen(v->text), &v->number);
	case COLUMN_OTHER:
		return false;
	}
	return false;
}

bool
realtime_value_cast(enum column_type type, char *text, struct realtime_value *out)
{
	*out = (struct realtime_value){ .text = text };
	if (cast(type, out))
		return true;
	realtime_value_release(out);
	return false;
}

void
realtime_value_release(struct realtime_value *v)
{
	free(v->text);
	*v = (struct realtime_value){ 0 };
}

const char *
realtime_type_name(enum column_type type)
{
	static const char *const	 names[] = {
		[COLUMN_INT2] = "smallint", [COLUMN_INT4] = "integer", [COLUMN_INT8] = "bigint", [COLUMN_NUMERIC] = "numeric",
		[COLUMN_FLOAT4] = "real", [COLUMN_FLOAT8] = "double precision", [COLUMN_TEXT] = "text",
		[COLUMN_TIME] = "timestamp (RFC 3339)", [COLUMN_OTHER] = "compound"
	};

	return names[type];
}

/* Comparing */

/* For strings with escapes: kept from one to the next. */
static struct jsonr	 decoder;
static char		*decoded;
static size_t		 decoded_size;

void
realtime_value_end(void)
{
	jsonr_release(&decoder);
	free(decoded);
	decoded = NULL;
	decoded_size = 0;
}

const char *
realtime_value_text(const char *json, size_t len, size_t *text_len)
{
	if (len < 2 || json[0] != '"')
		return NULL;
	*text_len = len - 2;
	if (memchr(json + 1, '\\', len - 2) == NULL)
		return json + 1;
	if (decoded_size < len) {
		decoded_size = len;
		decoded = xrealloc(decoded, decoded_size);
	}
	if (!jsonr_parse(&decoder, json, len) || !jsonv_string(jsonr_root(&decoder), decoded, decoded_size))
		return NULL;
	*text_len = strlen(decoded);
	return decoded;
}

static int
order_of(bool below, bool above)
{
	return above - below;
}

static bool
compare_reals(enum column_type type, const char *json, size_t len, double with, int *order)
{
	struct decimal	 d;
	char		 text[64];
	double		 real;

	if (len >= sizeof(text) || !decimal_read(json, len, &d))
		return false;
	memcpy(text, json, len);
	text[len] = '\0';
	real = type == COLUMN_FLOAT4 ? (double)strtof(text, NULL) : strtod(text, NULL);
	*order = order_of(real < with, real > with);
	return true;
}

static bool
compare_texts(enum column_type type, const char *json, size_t len, const struct realtime_value *v, int *order)
{
	size_t		 text_len, with_len = strlen(v->text);
	const char	*text = realtime_value_text(json, len, &text_len);
	int64_t		 wall_us;

	if (text == NULL)
		return false;
	if (type == COLUMN_TIME) {
		if (!clock_parse_iso(text, text_len, &wall_us))
			return false;
		*order = order_of(wall_us < v->number, wall_us > v->number);
		return true;
	}
	*order = memcmp(text, v->text, text_len < with_len ? text_len : with_len);
	if (*order == 0)
		*order = order_of(text_len < with_len, text_len > with_len);
	return true;
}

bool
realtime_value_compare(enum column_type type, const char *json, size_t len, const struct realtime_value *v, int *order)
{
	struct decimal	 a, b;

	switch (type) {
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_NUMERIC:
		if (!decimal_read(json, len, &a) || !decimal_read(v->text, strlen(v->text), &b))
			return false;
		*order = decimal_compare(&a, &b);
		return true;
	case COLUMN_FLOAT4:
	case COLUMN_FLOAT8:
		return compare_reals(type, json, len, v->real, order);
	case COLUMN_TEXT:
	case COLUMN_TIME:
		return compare_texts(type, json, len, v, order);
	case COLUMN_OTHER:
		return false;
	}
	return false;
}

/* Patterns */

#define ANY_ONE		UINT32_MAX		/* _ */
#define ANY_MANY	(UINT32_MAX - 1)	/* % */

struct realtime_pattern {
	bool		 any_case;
	size_t		 count;
	uint32_t	 items[];	/* characters, ANY_ONE, ANY_MANY */
};

/* The character at `s`; a byte that is no UTF-8 stands for itself.  `*n`: its bytes. */
static uint32_t
character(const char *s, size_t left, size_t *n)
{
	const unsigned char	*u = (const unsigned char *)s;

	switch (*n = utf8_length(s, left)) {
	case 2:
		return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
	case 3:
		return (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
	case 4:
		return (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
	default:
		*n = 1;
		return u[0];
	}
}

static uint32_t
fold(uint32_t c)
{
	static locale_t	 utf8;
	static bool	 tried;

	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? c + 32 : c;
	if (!tried)
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	tried = true;
	return utf8 == NULL ? c : (uint32_t)towlower_l((wint_t)c, utf8);
}

struct realtime_pattern *
realtime_pattern_new(const char *text, bool any_case)
{
	size_t			 len = strlen(text), n;
	struct realtime_pattern	*p = xcalloc(1, sizeof(*p) + (len + 1) * sizeof(p->items[0]));
	uint32_t		 c;

	p->any_case = any_case;
	for (; *text != '\0'; text += n, len -= n) {
		n = 1;
		if (*text == '%') {
			/* Two of them say no more than one. */
			if (p->count == 0 || p->items[p->count - 1] != ANY_MANY)
				p->items[p->count++] = ANY_MANY;
			continue;
		}
		if (*text == '_') {
			p->items[p->count++] = ANY_ONE;
			continue;
		}
		if (*text == '\\') {
			text++;
			len--;
			if (*text == '\0') {
				free(p);
				return NULL;
			}
		}
		c = character(text, len, &n);
		p->items[p->count++] = any_case ? fold(c) : c;
	}
	return p;
}

void
realtime_pattern_free(struct realtime_pattern *p)
{
	free(p);
}

bool
realtime_pattern_matches(const struct realtime_pattern *p, const char *text, size_t len)
{
	size_t		 at = 0, item = 0, n;
	size_t		 many = SIZE_MAX, many_at = 0;	/* the last %, and where what it takes ends */
	uint32_t	 c;

	while (at < len) {
		c = character(text + at, len - at, &n);
		if (p->any_case)
			c = fold(c);
		if (item < p->count && p->items[item] == ANY_MANY) {
			many = item++;
			many_at = at;
		} else if (item < p->count && (p->items[item] == ANY_ONE || p->items[item] == c)) {
			item++;
			at += n;
		} else if (many != SIZE_MAX) {
			/* Let the last % take one more; those before it need not be tried again. */
			(void)character(text + many_at, len - many_at, &n);
			many_at += n;
			at = many_at;
			item = many + 1;
		} else
			return false;
	}
	while (item < p->count && p->items[item] == ANY_MANY)
		item++;
	return item == p->count;
}
