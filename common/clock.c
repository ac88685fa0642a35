#include "common/clock.h"

#include <time.h>

#define US_PER_SECOND	INT64_C(1000000)
#define SECONDS_PER_DAY	INT64_C(86400)
#define DAYS_IN_400_YEARS INT64_C(146097)

static int64_t
read_clock(clockid_t id)
{
	struct timespec	 now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

int64_t
clock_mono_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t
clock_wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

struct timeval
clock_timeval_ms(unsigned ms)
{
	return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };
}

/*
 * Days from 1970-01-01 to the given date of the proleptic Gregorian calendar.
 * The year is counted from March, so that the leap day is its last one.
 */
static int64_t
days_from_date(int year, int month, int day)
{
	int64_t	 years = month <= 2 ? year - 1 : year;
	int64_t	 day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return years * 365 + years / 4 - years / 100 + years / 400 + day_of_year - 719468;
}

static int
days_in_month(int year, int month)
{
	static const int	 days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool			 leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Write `value` with `digits` digits, zeros first.  Returns what follows. */
static char *
put_digits(char *at, int digits, int64_t value)
{
	for (int i = digits; i-- > 0; value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + digits;
}

/* The inverse of days_from_date(). */
static char *
put_date(char *at, int64_t days)
{
	int	 year = 1970 + (int)(days * 400 / DAYS_IN_400_YEARS), month = 1;

	/* The average year comes within one of the true one. */
	while (days_from_date(year, 1, 1) > days)
		year--;
	while (days_from_date(year + 1, 1, 1) <= days)
		year++;
	for (days -= days_from_date(year, 1, 1); month < 12 && days >= days_in_month(year, month); month++)
		days -= days_in_month(year, month);
	at = put_digits(at, 4, ((year % 10000) + 10000) % 10000);
	*at++ = '-';
	at = put_digits(at, 2, month);
	*at++ = '-';
	return put_digits(at, 2, days + 1);
}

/* Neither printf nor gmtime_r: the crash handler uses this too. */
static char *
iso_text(int64_t wall_us, int digits, char buf[CLOCK_TEXT_MAX])
{
	int64_t	 us_per_day = SECONDS_PER_DAY * US_PER_SECOND, days = wall_us / us_per_day, us = wall_us % us_per_day;
	int64_t	 second;
	char	*at;

	if (us < 0) {
		us += us_per_day;
		days--;
	}
	second = us / US_PER_SECOND;
	us %= US_PER_SECOND;
	at = put_date(buf, days);
	*at++ = 'T';
	at = put_digits(at, 2, second / 3600);
	*at++ = ':';
	at = put_digits(at, 2, second / 60 % 60);
	*at++ = ':';
	at = put_digits(at, 2, second % 60);
	*at++ = '.';
	at = put_digits(at, digits, digits == 3 ? us / 1000 : us);
	*at++ = 'Z';
	*at = '\0';
	return buf;
}

char *
clock_iso_ms(int64_t wall_us, char buf[CLOCK_TEXT_MAX])
{
	return iso_text(wall_us, 3, buf);
}

char *
clock_iso_us(int64_t wall_us, char buf[CLOCK_TEXT_MAX])
{
	return iso_text(wall_us, 6, buf);
}

/* What is left of the text being read. */
struct rest {
	const char	*at, *end;
};

static bool
take_char(struct rest *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* Exactly `digits` decimal digits with a value of min to max. */
static bool
take_number(struct rest *r, int digits, int min, int max, int *out)
{
	int	 value = 0;

	for (int i = 0; i < digits; i++, r->at++) {
		if (r->at == r->end || *r->at < '0' || *r->at > '9')
			return false;
		value = value * 10 + (*r->at - '0');
	}
	*out = value;
	return value >= min && value <= max;
}

static bool
take_fraction(struct rest *r, int64_t *us)
{
	int64_t	 unit = US_PER_SECOND / 10;
	bool	 any = false;

	for (*us = 0; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++, unit /= 10) {
		*us += (*r->at - '0') * unit;
		any = true;
	}
	return any;
}

static bool
take_zone(struct rest *r, int *offset_minutes)
{
	int	 sign, hours, minutes = 0;

	*offset_minutes = 0;
	if (r->at == r->end)
		return true;
	if (take_char(r, 'Z') || take_char(r, 'z'))
		return true;
	if (take_char(r, '+'))
		sign = 1;
	else if (take_char(r, '-'))
		sign = -1;
	else
		return false;
	if (!take_number(r, 2, 0, 23, &hours))
		return false;
	if (r->at < r->end) {
		(void)take_char(r, ':');	/* optional */
		if (!take_number(r, 2, 0, 59, &minutes))
			return false;
	}
	*offset_minutes = sign * (hours * 60 + minutes);
	return true;
}

bool
clock_parse_iso(const char *text, size_t len, int64_t *wall_us)
{
	struct rest	 r = { text, text + len };
	int		 year, month, day, hour = 0, minute = 0, second = 0, offset_minutes = 0;
	int64_t		 us = 0;

	if (!take_number(&r, 4, 1, 9999, &year) || !take_char(&r, '-') ||
	    !take_number(&r, 2, 1, 12, &month) || !take_char(&r, '-') ||
	    !take_number(&r, 2, 1, days_in_month(year, month), &day))
		return false;
	if (r.at < r.end) {
		if (!take_char(&r, 'T') && !take_char(&r, 't') && !take_char(&r, ' '))
			return false;
		if (!take_number(&r, 2, 0, 23, &hour) || !take_char(&r, ':') || !take_number(&r, 2, 0, 59, &minute))
			return false;
		/* A leap second (60) reads as the first of the next minute. */
		if (take_char(&r, ':') && !take_number(&r, 2, 0, 60, &second))
			return false;
		if (take_char(&r, '.') && !take_fraction(&r, &us))
			return false;
		if (!take_zone(&r, &offset_minutes) || r.at != r.end)
			return false;
	}
	*wall_us = (days_from_date(year, month, day) * SECONDS_PER_DAY + hour * 3600 +
	    (minute - offset_minutes) * 60 + second) * US_PER_SECOND + us;
	return true;
}
