#include "relay/timelines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The timeline within an epoch, ID.TIMELINE with the number in hexadecimal; -1 when there is none. */
static int64_t
timeline_of(const char *epoch)
{
	const char	*dot = strrchr(epoch, '.');
	size_t		 len = dot == NULL ? 0 : strlen(dot + 1);

	if (len == 0 || len > 8 || strspn(dot + 1, "0123456789ABCDEF") != len)
		return -1;
	return strtoll(dot + 1, NULL, 16);
}

static bool
same_database(const char *a, const char *b)
{
	const char	*dot = strrchr(a, '.');

	return dot != NULL && strncmp(a, b, (size_t)(dot - a) + 1) == 0 && strchr(b + (dot - a) + 1, '.') == NULL;
}

static void
add(struct timelines *t, int64_t number, int64_t after_seq)
{
	if (t->count == TIMELINES_MAX)
		return;
	t->items[t->count].number = number;
	t->items[t->count++].after_seq = after_seq;
}

void
timelines_read(struct timelines *t, const char *epoch, const char *text, int64_t newest_seq)
{
	long long	 number, after_seq;
	int64_t		 here = timeline_of(epoch);

	*t = (struct timelines){ .count = 0 };
	snprintf(t->epoch, sizeof(t->epoch), "%s", epoch);
	for (; text != NULL && sscanf(text, "%lld:%lld", &number, &after_seq) == 2; text = strchr(text, ',') == NULL ? NULL : strchr(text, ',') + 1) {
		/* Nothing was logged in this one yet: all there is came before it. */
		if (t->count == 0 && number < here)
			add(t, here, newest_seq);
		add(t, number, after_seq);
	}
}

bool
timelines_continue(const struct timelines *t, const char *epoch, int64_t seq)
{
	int64_t	 number = timeline_of(epoch);

	if (epoch[0] == '\0' || strcmp(epoch, t->epoch) == 0)
		return true;
	if (number == -1 || !same_database(t->epoch, epoch))
		return false;
	/* Its own row: a timeline that is none of our past has none. */
	for (size_t i = 1; i < t->count; i++)
		if (t->items[i].number == number)
			return seq <= t->items[i - 1].after_seq;
	return false;
}
