#include "relay/realtime_admit.h"

#include <stdlib.h>

#include "common/clock.h"
#include "relay/access.h"
#include "relay/auth.h"

static bool
lacks_read(char why[REALTIME_WHY_MAX])
{
	return realtime_refuse(why, "Unauthorized: the token lacks the scope read");
}

bool
realtime_is_open(const struct auth *auth)
{
	return auth == NULL || auth_is_open(auth);
}

static bool
may_read(const struct access *a)
{
	return access_may(a, ACCESS_READ) && !access_has_expired(a, clock_wall_us());
}

bool
realtime_guest_may_read(const struct realtime_guest *g)
{
	return g->access != NULL && may_read(g->access);
}

void
realtime_guest_release(struct realtime_guest *g)
{
	access_unref(g->access);
	free(g->refusal);
	*g = (struct realtime_guest){ 0 };
}

static bool
admit_by_request(const struct realtime_guest *g, struct access **out, char why[REALTIME_WHY_MAX])
{
	if (realtime_guest_may_read(g)) {
		*out = access_ref(g->access);
		return true;
	}
	if (g->refusal != NULL)
		return realtime_refuse(why, "%s", g->refusal);
	if (g->access != NULL && access_has_expired(g->access, clock_wall_us()))
		return realtime_refuse(why, "%s", REALTIME_EXPIRED);
	return lacks_read(why);
}

bool
realtime_admit(const struct auth *auth, const struct realtime_guest *guest, const char *token, struct access **out,
    char why[REALTIME_WHY_MAX])
{
	const char	*code = "Unauthorized", *reason = "";

	*out = NULL;
	if (realtime_is_open(auth) && guest->access == NULL)
		return true;
	/* Whoever asks for nothing gives everybody the same: what came with the request holds that. */
	if (realtime_is_open(auth) && !access_may(guest->access, ACCESS_READ))
		return realtime_refuse(why, "Unauthorized: anonymous clients may not read here");
	if (realtime_is_open(auth) || token == NULL)
		return admit_by_request(guest, out, why);
	if ((*out = auth_check(auth, token, clock_wall_us(), &code, &reason)) == NULL)
		return realtime_refuse(why, "%s: %s", code, reason);
	if (access_may(*out, ACCESS_READ))
		return true;
	access_unref(*out);
	*out = NULL;
	return lacks_read(why);
}
