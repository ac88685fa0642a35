#include "tests/bench/crowd/tally.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/superv/proc.h"

#define SEQ_MAX	(INT64_C(1) << 21)

/* Room for all of them costs nothing until it is written to. */
void
tally_init(struct tally *t)
{
	*t = (struct tally){ .seen = calloc(1, SEQ_MAX / 8) };
	if (t->seen == NULL)
		proc_die("memory", strerror(errno));
}

void
tally_release(struct tally *t)
{
	free(t->seen);
}

static bool
is_seen(const struct tally *t, int64_t seq)
{
	return (t->seen[seq / 8] >> seq % 8 & 1) != 0;
}

void
tally_take(struct tally *t, int64_t seq, int64_t sent_ns, int64_t now_ns)
{
	if (seq < 0 || seq >= SEQ_MAX)
		proc_die("seq", "none, or beyond all that are counted here");
	if (is_seen(t, seq)) {
		t->repeated++;
		return;
	}
	t->seen[seq / 8] |= (unsigned char)(1 << seq % 8);
	t->distinct++;
	if (seq < t->highest)
		t->disordered++;
	else
		t->highest = seq;
	if (sent_ns != -1 && now_ns - sent_ns > t->late_ns)
		t->late_ns = now_ns - sent_ns;
}

size_t
tally_missed(const struct tally *t, const int64_t *seqs, size_t count)
{
	size_t	 missed = 0;

	for (size_t i = 0; i < count; i++)
		missed += !is_seen(t, seqs[i]);
	return missed;
}
