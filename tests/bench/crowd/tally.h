/* tally: what one faithful reader got of a numbered log, and what it did not. */
#ifndef TOCSIN_BENCH_TALLY_H
#define TOCSIN_BENCH_TALLY_H
#include <stddef.h>
#include <stdint.h>

struct tally {
	unsigned char	*seen;		/* a bit a seq */
	int64_t		 highest;
	size_t		 distinct;	/* seqs */
	size_t		 repeated;	/* deliveries of a seq that was there already: what a reader drops by its seq */
	size_t		 disordered;	/* first deliveries of a seq below one that was there */
	int64_t		 late_ns;	/* the longest that any took from its writing to its first delivery */
};

void	 tally_init(struct tally *t);
void	 tally_release(struct tally *t);

/* `sent_ns` as in rows.h; -1 when not known. */
void	 tally_take(struct tally *t, int64_t seq, int64_t sent_ns, int64_t now_ns);

/* How many of `count` seqs are not there. */
size_t	 tally_missed(const struct tally *t, const int64_t *seqs, size_t count);
#endif
