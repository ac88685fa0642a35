/* clock: the two clocks and the one text form of time used everywhere. */
#ifndef TOCSIN_COMMON_CLOCK_H
#define TOCSIN_COMMON_CLOCK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#define CLOCK_TEXT_MAX 80	/* room for any clock_iso_*() text and its NUL */

/* Microseconds that never jump (CLOCK_MONOTONIC): deadlines and ages. */
int64_t	 clock_mono_us(void);

/* Microseconds since 1970-01-01 UTC (CLOCK_REALTIME): stamps, never deadlines. */
int64_t	 clock_wall_us(void);

/* A wait of `ms` as libevent's timers take it. */
struct timeval clock_timeval_ms(unsigned ms);

/*
 * RFC 3339 text in UTC of `wall_us`, with three or six fractional digits:
 * 2026-11-23T10:57:25.123Z.  Years 1 to 9999.  Returns `buf`.
 * Async-signal-safe (signal-safety(7)), as are the two clocks.
 */
char	*clock_iso_ms(int64_t wall_us, char buf[CLOCK_TEXT_MAX]);
char	*clock_iso_us(int64_t wall_us, char buf[CLOCK_TEXT_MAX]);

/*
 * Read `len` bytes of RFC 3339 or ISO 8601 text: a date, optionally a time
 * ('T' or a blank between, seconds and any number of fractional digits
 * optional) and a zone (Z, +hh, +hhmm or +hh:mm).  No zone means UTC; digits
 * beyond microseconds are cut off.  false, and `*wall_us` untouched, when the
 * text is anything else.
 */
bool	 clock_parse_iso(const char *text, size_t len, int64_t *wall_us);
#endif
