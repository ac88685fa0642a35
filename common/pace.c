#include "common/pace.h"

#include <stddef.h>
#include <stdlib.h>

#include "common/net.h"

#define MINUTE_MS	INT64_C(60000)
#define BUSY_MAX_MS	INT64_C(30000)	/* after a 503, which is no reproach */

int64_t
pace_delay_us(const struct pace *p, int64_t mono_us)
{
	int64_t	 until_us = p->wait_until_us > p->gap_until_us ? p->wait_until_us : p->gap_until_us;

	return until_us > mono_us ? until_us - mono_us : 0;
}

void
pace_started(struct pace *p, int64_t mono_us)
{
	p->gap_until_us = mono_us + p->gap_ms * 1000;
}

static int64_t
refusal_ms(struct pace *p, int status, const char *retry_after, int64_t wall_us)
{
	int64_t	 max_ms = status == 503 && p->wait_max_ms > BUSY_MAX_MS ? BUSY_MAX_MS : p->wait_max_ms;
	int64_t	 wait_ms = retry_after == NULL ? -1 : net_retry_after_ms(retry_after, wall_us, PACE_RETRY_MAX_MS);

	/* Refused and told to come at once is told nothing. */
	if (wait_ms <= 0) {
		wait_ms = p->wait_base_ms;
		for (unsigned i = 0; i < p->refusals && wait_ms < max_ms; i++)
			wait_ms *= 2;
		if (wait_ms > max_ms)
			wait_ms = max_ms;
	}
	p->refusals++;
	return wait_ms;
}

int64_t
pace_answered(struct pace *p, int status, const char *retry_after, const char *weight, int64_t mono_us, int64_t wall_us)
{
	int64_t	 wait_ms = 0;

	if (status == 429 || status == 418 || status == 503)
		wait_ms = refusal_ms(p, status, retry_after, wall_us);
	else if (status != 0)
		p->refusals = 0;
	/* One ms into it: a server's clock is not ours. */
	if (wait_ms == 0 && weight != NULL && strtoll(weight, NULL, 10) > p->weight_max)
		wait_ms = MINUTE_MS - wall_us / 1000 % MINUTE_MS + 1;
	if (mono_us + wait_ms * 1000 > p->wait_until_us && wait_ms > 0)
		p->wait_until_us = mono_us + wait_ms * 1000;
	return wait_ms;
}
