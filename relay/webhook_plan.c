#include "relay/webhook_plan.h"

#include <stdbool.h>

/* The receiver has understood the request, and will not take this very one. */
static bool
is_about_the_event(int status)
{
	return status == 400 || status == 413 || status == 415 || status == 422;
}

static int64_t
wait_for(const struct webhook_trouble *t, const struct webhook_attempt *a)
{
	int64_t	 wait_ms = WEBHOOK_RETRY_BASE_MS, asked_ms = a->retry_after_ms;

	for (unsigned i = 1; i < t->tries && wait_ms < WEBHOOK_RETRY_MAX_MS; i++)
		wait_ms *= 2;
	if (wait_ms > WEBHOOK_RETRY_MAX_MS)
		wait_ms = WEBHOOK_RETRY_MAX_MS;
	/* Half of it at random, so that many do not come back in step. */
	wait_ms = wait_ms / 2 + (int64_t)((uint64_t)a->random * (uint64_t)(wait_ms / 2 + 1) >> 32);
	if (asked_ms > WEBHOOK_RETRY_AFTER_MAX_MS)
		asked_ms = WEBHOOK_RETRY_AFTER_MAX_MS;
	return asked_ms > wait_ms ? asked_ms : wait_ms;
}

enum webhook_step
webhook_plan(struct webhook_trouble *t, const struct webhook_attempt *a, int64_t *wait_ms)
{
	*wait_ms = 0;
	if (a->status >= 200 && a->status <= 299) {
		*t = (struct webhook_trouble){ 0 };
		return WEBHOOK_NEXT;
	}
	if (t->wall_since_us == 0)
		t->wall_since_us = a->wall_us;
	t->tries++;
	if (a->status == 410)
		return WEBHOOK_PARK;
	if (is_about_the_event(a->status) && ++t->refusals >= WEBHOOK_SKIP_TRIES && t->skipped < WEBHOOK_SKIPS_MAX) {
		t->tries = t->refusals = 0;
		t->skipped++;
		return WEBHOOK_SKIP;
	}
	/* A clock set back begins anew. */
	if (a->wall_us < t->wall_since_us)
		t->wall_since_us = a->wall_us;
	if (a->wall_us - t->wall_since_us >= a->give_up_ms * 1000 && t->tries >= WEBHOOK_PARK_TRIES)
		return WEBHOOK_PARK;
	*wait_ms = wait_for(t, a);
	return WEBHOOK_AGAIN;
}
