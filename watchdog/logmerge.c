#include "watchdog/logmerge.h"

size_t
logmerge_next(const struct logmerge_head *heads, size_t count, size_t last)
{
	size_t	 next = LOGMERGE_NONE;
	bool	 due = false;

	if (last < count && heads[last].there && heads[last].continues)
		return last;
	for (size_t i = 0; i < count; i++) {
		if (!heads[i].there)
			continue;
		due = due || heads[i].due;
		if (next == LOGMERGE_NONE || heads[i].wall_us < heads[next].wall_us)
			next = i;
	}
	return due ? next : LOGMERGE_NONE;
}
