/*
 * token: opaque secrets of our own making: 256 random bits, of which the
 * configuration knows the SHA-256 only.  So many bits need no slow hash.
 */
#ifndef TOCSIN_RELAY_TOKEN_H
#define TOCSIN_RELAY_TOKEN_H
#include <stdbool.h>

#define TOKEN_HASH_BYTES	32
#define TOKEN_HEX_MAX		(2 * TOKEN_HASH_BYTES + 1)
#define TOKEN_SECRET_MAX	56	/* with the NUL */

void	 token_hash(const char *secret, unsigned char out[TOKEN_HASH_BYTES]);

/* Read and write 64 hexadecimal digits; false when the text is anything else. */
bool	 token_hash_parse(const char *text, unsigned char out[TOKEN_HASH_BYTES]);
void	 token_hash_format(const unsigned char hash[TOKEN_HASH_BYTES], char out[TOKEN_HEX_MAX]);

/* In constant time. */
bool	 token_hash_equals(const unsigned char a[TOKEN_HASH_BYTES], const unsigned char b[TOKEN_HASH_BYTES]);

/* The secret of these random bytes: tocsin_ and their base64url. */
void	 token_secret(const unsigned char random[TOKEN_HASH_BYTES], char out[TOKEN_SECRET_MAX]);

/*
 * The command `tocsin-relay token NAME`: makes one, prints the section for the
 * configuration to stdout and the secret, which is stored nowhere, to stderr.
 * Returns the exit code.
 */
int	 token_command(char *const *words);
#endif
