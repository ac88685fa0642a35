/*
 * realtime_join: what a phx_join asks for: the entries of postgres_changes, and
 * the reply that echoes them.  Pure.
 */
#ifndef TOCSIN_RELAY_REALTIME_JOIN_H
#define TOCSIN_RELAY_REALTIME_JOIN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json.h"
#include "common/jsonr.h"
#include "relay/columns.h"
#include "relay/cursor.h"

#define REALTIME_ENTRIES_MAX	128	/* of a channel */
#define REALTIME_WHY_MAX	1024
#define REALTIME_TOKEN_MAX	8192

struct change;
struct realtime_filter;

/* One entry of postgres_changes. */
struct realtime_entry {
	unsigned		 ops;		/* bits of enum change_op; 0: it was null, and matches nothing */
	column_set		 select;	/* COLUMNS_ALL, or those asked for and the primary key */
	struct realtime_filter	*filter;	/* NULL: everything */
};

struct realtime_join {
	size_t			 count;
	struct realtime_entry	*entries;	/* owned; entry i has the id i + 1 */
	size_t			 filter_bytes;	/* of their filters' texts: memory and time go by it */
	bool			 acks_broadcasts, shows_presence, tells_replication;
	bool			 has_after;
	struct cursor		 after;		/* tocsin.after */
	char			*token;		/* access_token or user_token; NULL: none */
};

/* Sets of entries, bit i for entries[i]. */
struct realtime_matches {
	uint64_t	 bits[REALTIME_ENTRIES_MAX / 64];
};

/* Write the reason for a refusal; always false, for its caller to return. */
bool	 realtime_refuse(char why[REALTIME_WHY_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Read a payload.  False with a reason (`Code: text`) that names what is
 * wrong.  Release in any case.
 */
bool	 realtime_join_read(struct jsonv payload, struct realtime_join *out, char why[REALTIME_WHY_MAX]);
void	 realtime_join_release(struct realtime_join *j);

/* The reply's response: {"postgres_changes":[each entry as it came, and its id]}. */
void	 realtime_join_echo(struct jsonw *w, const char *key, struct jsonv payload);

/*
 * The entries that an event matches; false when there is none.  `*select` is
 * what they want to see of it together.
 */
bool	 realtime_join_match(const struct realtime_join *j, const struct change *c, struct realtime_matches *out,
	    column_set *select);

/* True when every event matches every entry, whatever it holds. */
bool	 realtime_join_takes_all(const struct realtime_join *j);

/* A token of a message {"access_token":…}; owned by the caller, NULL: none to be looked at. */
char	*realtime_join_token(struct jsonv payload);
#endif
