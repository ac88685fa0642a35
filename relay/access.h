/*
 * access: what somebody who has asked may do.  Shared by reference by the
 * request and by whatever lives longer than it (streams, sockets).  It never
 * changes, but may end: at its time, or when its token is taken away.
 */
#ifndef TOCSIN_RELAY_ACCESS_H
#define TOCSIN_RELAY_ACCESS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access;

/* Scopes, a bit each. */
#define ACCESS_READ	1u	/* signals, candles, statistics, status, metrics */
#define ACCESS_ACK	2u	/* acknowledge a signal */
#define ACCESS_ADMIN	4u	/* cancel a signal, resume a webhook */
#define ACCESS_ALL	7u

/* Add the scope with the name of these bytes to `scopes`; false when there is none. */
bool		 access_add_scope(unsigned *scopes, const char *name, size_t len);

/*
 * `name` is for the log; `symbols` (copied) are those whose signals may be seen,
 * count 0: all.  `wall_expires_us` 0: never.
 */
struct access	*access_new(const char *name, unsigned scopes, char *const *symbols, size_t count, int64_t wall_expires_us);
struct access	*access_ref(struct access *a);
void		 access_unref(struct access *a);	/* NULL is fine */

const char	*access_name(const struct access *a);
bool		 access_may(const struct access *a, unsigned scope);	/* all of these bits */

/* Its time has come, or it (or the one that it stems from) was revoked: look now and then while it is in use. */
bool		 access_has_expired(const struct access *a, int64_t wall_now_us);
int64_t		 access_wall_expires_us(const struct access *a);	/* 0: never; what is revoked has ended long ago */
void		 access_revoke(struct access *a);

/* `a` ends with `origin` (referenced) too: all JSON Web Tokens of one key. */
void		 access_set_origin(struct access *a, struct access *origin);

/* True when signals of every symbol may be seen. */
bool		 access_sees_all(const struct access *a);
bool		 access_sees(const struct access *a, const char *symbol);	/* NULL (a deletion): yes */

/* The symbols as a comma list for a query's parameter; NULL: all.  Borrowed. */
const char	*access_symbols(const struct access *a);
#endif
