/* filter: which events a subscriber wants, from the query of its request, and may have. */
#ifndef TOCSIN_RELAY_FILTER_H
#define TOCSIN_RELAY_FILTER_H
#include <stdbool.h>
#include <stddef.h>

struct access;
struct change;
struct filter;

#define FILTER_WORDS_MAX	64	/* symbols, and strategies, of one filter */

enum filter_set { FILTER_SET_OK, FILTER_SET_UNKNOWN, FILTER_SET_BAD };

struct filter	*filter_new(void);	/* lets everything through */
void		 filter_free(struct filter *f);	/* NULL is fine */

/*
 * Set symbol, strategy, side, kind (comma lists) or min_confidence.
 * FILTER_SET_UNKNOWN: no such name; FILTER_SET_BAD: `why` says what is allowed.
 */
enum filter_set	 filter_set(struct filter *f, const char *name, const char *value, char *why, size_t why_size);

/* True when nothing was set: the owner may forget the filter. */
bool		 filter_is_empty(const struct filter *f);

/*
 * A deletion has no record to look at, so it passes every condition but
 * `kind`: better one message too many than a signal that never goes away.
 */
bool		 filter_passes(const struct filter *f, const struct change *c);

/*
 * Whether one with this access (NULL: sees all) may be sent it.  A deletion tells
 * no more than an id; anything else without a symbol is for those who see all.
 */
bool		 filter_may_see(const struct access *a, const struct change *c);

/* What may be a strategy, for other queries too. */
bool		 filter_strategy_ok(const char *text, size_t len);
#endif
