/*
 * backoff: how long to wait before the next attempt.  Pure: randomness is a
 * parameter, so a test needs no clock.
 */
#ifndef TOCSIN_COMMON_BACKOFF_H
#define TOCSIN_COMMON_BACKOFF_H
#include <stdint.h>

/* Doubles from base_ms up to max_ms with every failure; never gives up. */
struct backoff {
	unsigned	 base_ms, max_ms;
	unsigned	 failures;	/* in a row */
};

/* The longest wait allowed now, in milliseconds: min(max_ms, base_ms * 2^failures). */
unsigned backoff_ceiling_ms(const struct backoff *b);

/*
 * Count a failure and return the wait before the next attempt: full jitter,
 * uniform over 0 to backoff_ceiling_ms(), so that a thousand clients of one
 * dead server do not return in step.  `random` is any uniform 32 bits.
 */
unsigned backoff_next_ms(struct backoff *b, uint32_t random);

/* Forget the failures: the last attempt went well. */
void	 backoff_reset(struct backoff *b);

/* 32 uniform random bits from the system, for `random` above. */
uint32_t backoff_random(void);
#endif
