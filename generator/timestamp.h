/* timestamp: a time as files and programs write it.  Pure. */
#ifndef TOCSIN_GENERATOR_TIMESTAMP_H
#define TOCSIN_GENERATOR_TIMESTAMP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of numbers, since 1970; UNIT_AUTO: by their size, or ISO 8601. */
enum time_unit { UNIT_AUTO, UNIT_S, UNIT_MS, UNIT_US, UNIT_ISO };

/*
 * Read `len` bytes as microseconds since 1970, UTC (ISO 8601 without a zone is
 * UTC).  Numbers may have fractions; digits beyond microseconds are cut off.
 * False when they are no time of the unit, or none before the year 10000.
 */
bool	 timestamp_parse(enum time_unit unit, const char *text, size_t len, int64_t *time_us);
#endif
