/* upgrade: the HTTP exchange that opens a WebSocket (RFC 6455, section 4), as text.  Pure. */
#ifndef TOCSIN_GENERATOR_UPGRADE_H
#define TOCSIN_GENERATOR_UPGRADE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/handshake.h"
#include "common/net.h"

#define UPGRADE_HEAD_MAX	16384	/* bytes; a longer head is refused */
#define UPGRADE_BODY_MAX	200	/* bytes of a refusal's body that are looked at */
#define UPGRADE_RETRY_MAX_MS	(24 * 3600 * INT64_C(1000))

char	*upgrade_key(const unsigned char nonce[HANDSHAKE_NONCE_BYTES], char key[HANDSHAKE_KEY_MAX]);

/* The request; owned by the caller. */
char	*upgrade_request(const struct net_url *url, const char *user_agent, const char *key);

enum upgrade_verdict {
	UPGRADE_MORE,		/* not all of it is there yet */
	UPGRADE_OPEN,		/* frames follow behind `head_len` bytes */
	UPGRADE_REFUSED,	/* an HTTP answer other than 101 */
	UPGRADE_BAD,		/* no answer that the protocol allows */
};

struct upgrade_answer {
	int		 status;		/* 0: not known */
	size_t		 head_len;
	int64_t		 retry_after_ms;	/* -1: none; a longer one counts as UPGRADE_RETRY_MAX_MS */
	char		 why[NET_WHY_MAX];	/* REFUSED, BAD: a line of what is wrong */
};

/*
 * Look at what has come in answer to `key`, from its first byte on; `ended`
 * says that nothing more will come, then the verdict is not UPGRADE_MORE.
 * `wall_us` is for a Retry-After with a date.
 */
enum upgrade_verdict upgrade_parse(const char *bytes, size_t len, bool ended, const char *key, int64_t wall_us,
	    struct upgrade_answer *answer);
#endif
