/* handshake: what both sides of a WebSocket's opening compute (RFC 6455, section 4). */
#ifndef TOCSIN_COMMON_HANDSHAKE_H
#define TOCSIN_COMMON_HANDSHAKE_H
#include <stdbool.h>

#define HANDSHAKE_NONCE_BYTES	16	/* random, of a key */
#define HANDSHAKE_KEY_MAX	32	/* room for Sec-WebSocket-Key or -Accept and its NUL */

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key of at most HANDSHAKE_KEY_MAX - 1 bytes.  Returns `accept`. */
char	*handshake_accept(const char *key, char accept[HANDSHAKE_KEY_MAX]);

/* True when it is the base64 of 16 bytes. */
bool	 handshake_key_ok(const char *key);
#endif
