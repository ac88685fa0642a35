/*
 * decimal: exact decimal numbers, as exchanges send them.  A price or quantity
 * is `units` / 10^`scale`; what was read is what is stored, never a double
 * printed back.
 */
#ifndef TOCSIN_GENERATOR_DECIMAL_H
#define TOCSIN_GENERATOR_DECIMAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECIMAL_SCALE_MAX	18
#define DECIMAL_TEXT_MAX	48	/* room for any decimal_text() and its NUL */

struct decimal {
	int64_t	 units;
	int	 scale;			/* 0 to DECIMAL_SCALE_MAX; no trailing zero digits: 1.50 is 15 / 10 */
};

/*
 * Read `len` bytes: sign, digits, point, digits, exponent (1e-05).  false when
 * it is anything else, has more than 18 significant digits, or does not fit.
 */
bool		 decimal_parse(const char *text, size_t len, struct decimal *out);

/* Plain digits without exponent and without trailing zeros: 0.00162008.  Returns buf. */
char		*decimal_text(struct decimal d, char buf[DECIMAL_TEXT_MAX]);

/* The nearest double; equal to strtod() of the text as long as units is below 2^53. */
double		 decimal_double(struct decimal d);

/* -1, 0, 1 as a is below, equal to, above b; exact. */
int		 decimal_compare(struct decimal a, struct decimal b);

/*
 * a + b, exact while it fits.  At the limit the last of more than 18 significant
 * digits are given up; what is too large is the largest number.
 */
struct decimal	 decimal_add(struct decimal a, struct decimal b);

/*
 * `value` (finite, >= 0) rounded to the price grid of `like`: 8 significant
 * digits of like's size, or as many decimals as `like` itself has if that is
 * more.  Depends on these two alone, so a level computed before and after a
 * restart is the same.
 */
struct decimal	 decimal_level(double value, struct decimal like);
#endif
