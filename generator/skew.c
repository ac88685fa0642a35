#include "generator/skew.h"

#define SECOND_US	INT64_C(1000000)

void
skew_sample(struct skew *s, int64_t wall_us, int64_t server_us)
{
	/* The Date is up to a second old when it is written; the way to us only adds. */
	int64_t	 ahead_us = wall_us - server_us - SECOND_US;

	if (!s->known || ahead_us <= s->ahead_us) {
		*s = (struct skew){ .known = true, .ahead_us = ahead_us };
		return;
	}
	if (s->more == 0 || ahead_us < s->least_us)
		s->least_us = ahead_us;
	if (++s->more == SKEW_TRUSTED) {
		s->ahead_us = s->least_us;
		s->more = 0;
	}
}

int64_t
skew_wall_us(const struct skew *s, int64_t wall_us)
{
	return s->ahead_us > 0 ? wall_us - s->ahead_us : wall_us;
}
