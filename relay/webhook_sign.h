/*
 * webhook_sign: signatures of Standard Webhooks (standardwebhooks.com): HMAC-SHA256
 * with a shared secret over `ID.TIMESTAMP.BODY`.  Pure but for OpenSSL, whose
 * types stay in webhook_sign.c.
 */
#ifndef TOCSIN_RELAY_WEBHOOK_SIGN_H
#define TOCSIN_RELAY_WEBHOOK_SIGN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBHOOK_KEY_MAX		64	/* bytes of a secret */
#define WEBHOOK_KEY_MIN		16
#define WEBHOOK_KEYS_MAX	4
#define WEBHOOK_SIGNATURE_MAX	(WEBHOOK_KEYS_MAX * 48 + 1)

/* Several while one is being replaced by another: the receiver accepts any. */
struct webhook_keys {
	size_t		 count;
	struct webhook_key {
		size_t		 len;
		unsigned char	 bytes[WEBHOOK_KEY_MAX];
	}		 items[WEBHOOK_KEYS_MAX];
};

/*
 * Read secrets, one a line: base64 (RFC 4648, with padding) of 16 to 64 bytes,
 * `whsec_` before it or not.  False, with a line of `why` that does not show
 * the secret.
 */
bool	 webhook_keys_parse(const char *text, struct webhook_keys *out, char *why, size_t why_size);

/* The header webhook-signature: `v1,BASE64` for each key, with blanks between.  Returns `out`. */
char	*webhook_sign(const struct webhook_keys *keys, const char *id, int64_t wall_s, const char *body, size_t len,
	    char out[WEBHOOK_SIGNATURE_MAX]);
#endif
