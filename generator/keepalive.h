/* keepalive: when to ping a silent connection and when to give it up.  Pure: time is a parameter. */
#ifndef TOCSIN_GENERATOR_KEEPALIVE_H
#define TOCSIN_GENERATOR_KEEPALIVE_H
#include <stdint.h>

enum keepalive_verdict { KEEPALIVE_WAIT, KEEPALIVE_PING, KEEPALIVE_DEAD };

struct keepalive {
	int64_t	 silence_us;	/* nothing heard for so long: ping; 0: never */
	int64_t	 answer_us;	/* nothing heard for so long after a ping: dead */
	int64_t	 heard_us;	/* monotonic: the last bytes received, whatever they were */
	int64_t	 ping_us;	/* of the ping that nothing has followed; 0: none */
};

/* Something was heard. */
void	 keepalive_heard(struct keepalive *k, int64_t now_us);

/*
 * What is to be done now.  KEEPALIVE_PING is said once and counts as sent.
 * `*wait_us` is in how long to ask again; -1: there is nothing to ask for.
 */
enum keepalive_verdict keepalive_check(struct keepalive *k, int64_t now_us, int64_t *wait_us);
#endif
