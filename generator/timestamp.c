#include "generator/timestamp.h"

#include "common/clock.h"
#include "generator/decimal.h"

#define TIME_MAX_US	INT64_C(253402300800000000)	/* the year 10000 */

/* `d` in units of 10^-power seconds as microseconds; false out of the calendar. */
static bool
scale_time(struct decimal d, int power, int64_t *time_us)
{
	int64_t	 us = d.units;
	int	 shift = 6 - power - d.scale;

	for (; shift > 0; shift--)
		if (__builtin_mul_overflow(us, 10, &us))
			return false;
	for (; shift < 0; shift++)
		us /= 10;
	*time_us = us;
	return us >= 0 && us < TIME_MAX_US;
}

/*
 * Which unit a number must be in: seconds have 9 to 11 digits between 1973 and
 * 5138, milliseconds and microseconds three and six more.
 */
static enum time_unit
guess_unit(struct decimal d)
{
	double	 value = decimal_double(d);

	return value < 1e8 ? UNIT_AUTO : value < 1e11 ? UNIT_S : value < 1e14 ? UNIT_MS : value < 1e17 ? UNIT_US : UNIT_AUTO;
}

bool
timestamp_parse(enum time_unit unit, const char *text, size_t len, int64_t *time_us)
{
	static const int	 powers[] = { [UNIT_S] = 0, [UNIT_MS] = 3, [UNIT_US] = 6 };
	struct decimal		 d;

	if (unit != UNIT_ISO && decimal_parse(text, len, &d)) {
		if (unit == UNIT_AUTO && (unit = guess_unit(d)) == UNIT_AUTO)
			return false;
		return scale_time(d, powers[unit], time_us);
	}
	return (unit == UNIT_ISO || unit == UNIT_AUTO) && clock_parse_iso(text, len, time_us) &&
	    *time_us > -TIME_MAX_US && *time_us < TIME_MAX_US;
}
