/* logline: one line of a log, ours or not: its time, and how it is shown. */
#ifndef TOCSIN_WATCHDOG_LOGLINE_H
#define TOCSIN_WATCHDOG_LOGLINE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LOGLINE_TIME_LEN	24	/* 2026-11-23T10:57:25.123Z, then a blank */

/* The time that a line of ours begins with.  False when it begins otherwise: it belongs to the line before. */
bool	 logline_time(const char *line, size_t len, int64_t *wall_us);

/*
 * Write the line (without its newline) and a newline.  `safe`: control bytes,
 * except tabs, and bytes that are not UTF-8 as \xNN, so that no program's
 * output can take a terminal over.
 */
void	 logline_print(FILE *out, const char *line, size_t len, bool safe);
#endif
