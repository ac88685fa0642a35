/* line_private: what line.c and line_signal.c share. */
#ifndef TOCSIN_GENERATOR_LINE_PRIVATE_H
#define TOCSIN_GENERATOR_LINE_PRIVATE_H
#include "generator/line.h"

#define LINE_AHEAD_MAX_US	INT64_C(60000000)	/* clocks differ, but not by more */

/* The member, or none when it is missing or null. */
struct jsonv	 line_member(struct jsonv object, const char *key);

/* A time; false, with why, when it is missing or none. */
bool		 line_time(struct jsonv object, const char *key, int64_t *time_us, char *why);

/* A number, also one in quotes; false, with why, when it is missing or none.  `name` is for people. */
bool		 line_number(struct jsonv value, const char *name, struct decimal *out, char *why);

/* Fill in a finished signal; its symbol is known. */
enum line_result line_signal(struct jsonv object, const struct line_market *market, int64_t now_us, struct signal *out, char *why);
#endif
