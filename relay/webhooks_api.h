/* webhooks_api: the routes below /v1/webhooks. */
#ifndef TOCSIN_RELAY_WEBHOOKS_API_H
#define TOCSIN_RELAY_WEBHOOKS_API_H
#include <stdint.h>

struct request;
struct webhooks;
struct webhooks_api;

/* `set` (NULL: there are none) is borrowed.  Free it before the server: who still waits is told. */
struct webhooks_api *webhooks_api_new(struct webhooks *set);
void	 webhooks_api_free(struct webhooks_api *api);	/* NULL is fine */

/* GET /v1/webhooks: all of them, as in /v1/status. */
void	 webhooks_api_list(const struct webhooks_api *api, struct request *req, int64_t newest);

/*
 * POST /v1/webhooks/NAME/resume: a parked one goes on where it stopped, or with
 * what comes from now on (?from=now), whichever relay sends it.
 */
void	 webhooks_api_resume(struct webhooks_api *api, struct request *req);
#endif
