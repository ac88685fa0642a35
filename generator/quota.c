#include "generator/quota.h"

bool
quota_take(struct quota *q, int64_t now_us)
{
	if (q->used == 0)
		q->from_us = now_us;
	if (q->used < q->limit) {
		q->used++;
		return true;
	}
	q->held_back++;
	return false;
}

uint64_t
quota_due(struct quota *q, int64_t now_us)
{
	uint64_t	 count = q->held_back;

	if (q->used == 0 || now_us - q->from_us < q->window_us)
		return 0;
	q->from_us = now_us;
	q->held_back = 0;
	if (count == 0)
		q->used = 0;
	return count;
}
