/*
 * realtime_filter: the `filter` of a postgres_changes entry:
 *
 *	column=[not.]op.value[,…]	all must hold
 *
 * op is eq, neq, lt, lte, gt, gte, in, is, isdistinct, like or ilike.  Values
 * are cast to the column's type when it is read, and compared as SQL does: a
 * null matches nothing but `is` and `isdistinct`; text is compared by bytes.
 * match and imatch are refused: no regular expression from outside is run.
 * Pure.
 */
#ifndef TOCSIN_RELAY_REALTIME_FILTER_H
#define TOCSIN_RELAY_REALTIME_FILTER_H
#include <stdbool.h>
#include <stddef.h>

#define REALTIME_FILTER_MAX	4096	/* bytes */

struct change;
struct realtime_filter;

/*
 * Read it.  True with `*out` owned by the caller (NULL: it is blank, and lets
 * everything through); false with a reason that names what is wrong.
 */
bool	 realtime_filter_read(const char *text, struct realtime_filter **out, char *why, size_t why_size);
void	 realtime_filter_free(struct realtime_filter *f);	/* NULL is fine */

/* Judged by the record, of a deletion by the id alone: a column that is not there matches nothing. */
bool	 realtime_filter_passes(const struct realtime_filter *f, const struct change *c);
#endif
