#include "common/backoff.h"

#include <event2/util.h>

unsigned
backoff_ceiling_ms(const struct backoff *b)
{
	uint64_t	 ceiling = b->base_ms;

	for (unsigned i = 0; i < b->failures && ceiling < b->max_ms; i++)
		ceiling *= 2;
	return ceiling < b->max_ms ? (unsigned)ceiling : b->max_ms;
}

unsigned
backoff_next_ms(struct backoff *b, uint32_t random)
{
	uint64_t	 choices = (uint64_t)backoff_ceiling_ms(b) + 1;

	if (b->failures < UINT32_MAX)
		b->failures++;
	return (unsigned)(random * choices >> 32);
}

void
backoff_reset(struct backoff *b)
{
	b->failures = 0;
}

uint32_t
backoff_random(void)
{
	uint32_t	 bits;

	evutil_secure_rng_get_bytes(&bits, sizeof(bits));
	return bits;
}
