#include "generator/keepalive.h"

void
keepalive_heard(struct keepalive *k, int64_t now_us)
{
	k->heard_us = now_us;
	k->ping_us = 0;
}

enum keepalive_verdict
keepalive_check(struct keepalive *k, int64_t now_us, int64_t *wait_us)
{
	if (k->silence_us == 0) {
		*wait_us = -1;
		return KEEPALIVE_WAIT;
	}
	if (k->ping_us == 0 && now_us - k->heard_us >= k->silence_us) {
		k->ping_us = now_us;
		*wait_us = k->answer_us;
		return KEEPALIVE_PING;
	}
	*wait_us = k->ping_us == 0 ? k->heard_us + k->silence_us - now_us : k->ping_us + k->answer_us - now_us;
	if (k->ping_us == 0 || *wait_us > 0)
		return KEEPALIVE_WAIT;
	*wait_us = -1;
	return KEEPALIVE_DEAD;
}
