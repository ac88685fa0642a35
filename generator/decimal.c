#include "generator/decimal.h"

#include <math.h>
#include <string.h>

#define DIGITS_MAX	18
#define EXPONENT_MAX	100000	/* beyond it only zero fits, whatever the digits */
#define LEVEL_DIGITS	8

/* Holds any units times any power of ten of the table. */
__extension__ typedef __int128 wide;

static const int64_t pow10_units[] = {
	1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
	100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
	10000000000000000, 100000000000000000, 1000000000000000000
};

/* Exactly representable up to 1e22, so one division rounds once. */
static const double pow10_double[] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18
};

/*
 * The number being read: units * 10^(zeros - after_point).  Zeros wait until a
 * digit follows them, so trailing ones cost no significant digit and the
 * result needs no normalising.
 */
struct reading {
	int64_t		 units;
	int		 digits;	/* significant ones in units */
	int64_t		 zeros, after_point;
};

/* A run of at least one digit; false when there is none or they are too many. */
static bool
read_digits(const char **at, const char *end, struct reading *r)
{
	const char	*p = *at;
	int		 digit;

	for (; p < end && (digit = *p - '0') >= 0 && digit <= 9; p++) {
		if (digit == 0) {
			r->zeros += r->units != 0;
			continue;
		}
		if (r->zeros >= DIGITS_MAX || (r->digits += (int)r->zeros + 1) > DIGITS_MAX)
			return false;
		r->units = r->units * pow10_units[r->zeros + 1] + digit;
		r->zeros = 0;
	}
	if (p == *at)
		return false;
	*at = p;
	return true;
}

static bool
read_exponent(const char **at, const char *end, int64_t *exponent)
{
	const char	*p = *at, *first;
	bool		 negative = false;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	for (first = p; p < end && *p >= '0' && *p <= '9'; p++)
		if (*exponent < EXPONENT_MAX)
			*exponent = *exponent * 10 + (*p - '0');
	if (negative)
		*exponent = -*exponent;
	*at = p;
	return p > first;
}

/*
 * What nearly all numbers are: digits with or without a point, few enough to
 * need no look at which of them count.  False: for the whole grammar.
 */
static bool
parse_plain(const char *text, const char *end, struct decimal *out)
{
	const char	*p = text, *point;
	int64_t		 units = 0;
	unsigned	 digit;
	int		 scale = 0;

	if (end - text > DIGITS_MAX)
		return false;
	for (; p < end && (digit = (unsigned)(*p - '0')) <= 9; p++)
		units = units * 10 + digit;
	if (p == text)
		return false;
	if (p < end && *p == '.') {
		point = ++p;
		for (; p < end && (digit = (unsigned)(*p - '0')) <= 9; p++)
			units = units * 10 + digit;
		scale = (int)(p - point);
		if (scale == 0)
			return false;
	}
	if (p != end)
		return false;
	for (; scale > 0 && units % 10 == 0; scale--)
		units /= 10;
	*out = (struct decimal){ units, scale };
	return true;
}

bool
decimal_parse(const char *text, size_t len, struct decimal *out)
{
	const char	*p = text, *end = text + len, *point;
	struct reading	 r = { 0 };
	int64_t		 power = 0;
	bool		 negative = false;

	if (parse_plain(text, end, out))
		return true;
	if (p < end && (*p == '-' || *p == '+'))
		negative = *p++ == '-';
	if (!read_digits(&p, end, &r))
		return false;
	if (p < end && *p == '.') {
		point = ++p;
		if (!read_digits(&p, end, &r))
			return false;
		r.after_point = p - point;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (!read_exponent(&p, end, &power))
			return false;
	}
	if (p != end)
		return false;
	power += r.zeros - r.after_point;
	if (r.units == 0)
		power = 0;
	if (power < -DECIMAL_SCALE_MAX || power > DIGITS_MAX)
		return false;
	if (power > 0 && __builtin_mul_overflow(r.units, pow10_units[power], &r.units))
		return false;
	out->units = negative ? -r.units : r.units;
	out->scale = power < 0 ? (int)-power : 0;
	return true;
}

char *
decimal_text(struct decimal d, char buf[DECIMAL_TEXT_MAX])
{
	uint64_t	 rest = d.units < 0 ? -(uint64_t)d.units : (uint64_t)d.units;
	char		 digits[DECIMAL_TEXT_MAX], *p = digits + sizeof(digits);

	*--p = '\0';
	for (int i = 0; i <= d.scale || rest != 0; i++) {
		if (i == d.scale && i > 0)
			*--p = '.';
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	}
	if (d.units < 0)
		*--p = '-';
	return memcpy(buf, p, (size_t)(digits + sizeof(digits) - p));
}

double
decimal_double(struct decimal d)
{
	if (d.units < INT64_C(1) << 53 && d.units > -(INT64_C(1) << 53))
		return (double)d.units / pow10_double[d.scale];
	/* Rounding units to a double first would round twice. */
	return (double)((long double)d.units / (long double)pow10_units[d.scale]);
}

int
decimal_compare(struct decimal a, struct decimal b)
{
	wide	 x = a.units, y = b.units;

	if (a.scale == b.scale)
		return a.units < b.units ? -1 : a.units > b.units;
	if (a.scale < b.scale)
		x *= pow10_units[b.scale - a.scale];
	else
		y *= pow10_units[a.scale - b.scale];
	return x < y ? -1 : x > y;
}

/* `units` / 10^`scale` without trailing zeros, in as many digits as fit. */
static struct decimal
normal(wide units, int scale)
{
	const wide	 most = pow10_units[DIGITS_MAX] - 1;	/* with any scale; decimal_parse() takes it back */
	const wide	 limit = INT64_MAX / 10 * 10;		/* and this without, its last digit being no significant one */

	while (scale > 0 && (units > most || units < -most)) {
		units /= 10;
		scale--;
	}
	if (units > most || units < -most) {
		units = units > limit ? limit : units < -limit ? -limit : units;
		return (struct decimal){ (int64_t)(units - units % 10), 0 };
	}
	for (int64_t u = (int64_t)units; scale > 0 && u % 10 == 0; scale--)
		units = u /= 10;
	return (struct decimal){ (int64_t)units, scale };
}

struct decimal
decimal_add(struct decimal a, struct decimal b)
{
	wide	 x = a.units, y = b.units;
	int	 scale = a.scale;

	if (a.scale < b.scale) {
		x *= pow10_units[b.scale - a.scale];
		scale = b.scale;
	} else
		y *= pow10_units[a.scale - b.scale];
	return normal(x + y, scale);
}

/* Digits before the point; of 0.00162 it is -2. */
static int
magnitude(struct decimal d)
{
	uint64_t	 rest = d.units < 0 ? -(uint64_t)d.units : (uint64_t)d.units;
	int		 digits = 0;

	for (; rest != 0; rest /= 10)
		digits++;
	return digits - d.scale;
}

struct decimal
decimal_level(double value, struct decimal like)
{
	int	 decimals = LEVEL_DIGITS - magnitude(like);
	double	 units;

	if (decimals < like.scale)
		decimals = like.scale;
	if (decimals < 0)
		decimals = 0;
	if (decimals > DECIMAL_SCALE_MAX)
		decimals = DECIMAL_SCALE_MAX;
	while (decimals > 0 && value * pow10_double[decimals] >= (double)pow10_units[DIGITS_MAX])
		decimals--;
	units = round(value * pow10_double[decimals]);
	if (units >= (double)pow10_units[DIGITS_MAX])
		return (struct decimal){ pow10_units[DIGITS_MAX], 0 };
	return normal((wide)units, decimals);
}
