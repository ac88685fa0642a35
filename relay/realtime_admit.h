/* realtime_admit: who joins a channel, by what came with the socket's request or with the join, and what he may see. */
#ifndef TOCSIN_RELAY_REALTIME_ADMIT_H
#define TOCSIN_RELAY_REALTIME_ADMIT_H
#include <stdbool.h>

#include "relay/realtime_join.h"

struct access;
struct auth;

#define REALTIME_EXPIRED	"InvalidJWTToken: the token has expired, or was taken back"

/* What came with the request. */
struct realtime_guest {
	struct access	*access;	/* a reference; NULL: nobody is asked for anything */
	char		*refusal;	/* owned: why it lets nobody in; NULL: it does */
};

/* Nobody is asked for anything (`auth` may be NULL). */
bool	 realtime_is_open(const struct auth *auth);

/* What came with the request lets him read. */
bool	 realtime_guest_may_read(const struct realtime_guest *g);
void	 realtime_guest_release(struct realtime_guest *g);

/*
 * Who it is that presents `token` (NULL: only what came with the request).
 * `*out` is a reference, NULL: sees all; false with the reason (`Code: text`).
 */
bool	 realtime_admit(const struct auth *auth, const struct realtime_guest *guest, const char *token, struct access **out,
	    char why[REALTIME_WHY_MAX]);
#endif
