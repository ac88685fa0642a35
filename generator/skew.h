/*
 * skew: how far this machine's clock is ahead of a server's, by the Date of its
 * answers.  Pure.  A clock that is ahead would take candles for closed that are
 * not; one that is behind only makes us late.
 */
#ifndef TOCSIN_GENERATOR_SKEW_H
#define TOCSIN_GENERATOR_SKEW_H
#include <stdbool.h>
#include <stdint.h>

#define SKEW_TRUSTED	3	/* answers in a row it takes to believe in more: one may only be slow */

/* An all-zero struct is ready for use. */
struct skew {
	bool	 known;
	int64_t	 ahead_us;	/* of the server's; below 0: behind */
	int64_t	 least_us;	/* of the answers in a row that say more */
	int	 more;
};

/* An answer came at wall_us with the Date server_us, whole seconds. */
void	 skew_sample(struct skew *s, int64_t wall_us, int64_t server_us);

/* Our wall's time as the server would have it, or a little before; never later than wall_us. */
int64_t	 skew_wall_us(const struct skew *s, int64_t wall_us);
#endif
