#include "relay/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/suite.h"

#define PREFIX	"tocsin_"	/* so that a scanner for leaked secrets, and a person, knows what it is */

void
token_hash(const char *secret, unsigned char out[TOKEN_HASH_BYTES])
{
	unsigned char	 digest[EVP_MAX_MD_SIZE];

	if (EVP_Digest(secret, strlen(secret), digest, NULL, EVP_sha256(), NULL) != 1)
		fatalx("token", "no SHA-256");
	memcpy(out, digest, TOKEN_HASH_BYTES);
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
token_hash_parse(const char *text, unsigned char out[TOKEN_HASH_BYTES])
{
	int	 high, low;

	if (strlen(text) != TOKEN_HEX_MAX - 1)
		return false;
	for (size_t i = 0; i < TOKEN_HASH_BYTES; i++) {
		high = digit(text[2 * i]);
		low = digit(text[2 * i + 1]);
		if (high == -1 || low == -1)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

void
token_hash_format(const unsigned char hash[TOKEN_HASH_BYTES], char out[TOKEN_HEX_MAX])
{
	for (size_t i = 0; i < TOKEN_HASH_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

bool
token_hash_equals(const unsigned char a[TOKEN_HASH_BYTES], const unsigned char b[TOKEN_HASH_BYTES])
{
	return CRYPTO_memcmp(a, b, TOKEN_HASH_BYTES) == 0;
}

void
token_secret(const unsigned char random[TOKEN_HASH_BYTES], char out[TOKEN_SECRET_MAX])
{
	unsigned char	 text[4 * (TOKEN_HASH_BYTES + 2) / 3 + 1];

	EVP_EncodeBlock(text, random, TOKEN_HASH_BYTES);
	for (unsigned char *p = text; *p != '\0'; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
	snprintf(out, TOKEN_SECRET_MAX, PREFIX "%s", (const char *)text);
}

int
token_command(char *const *words)
{
	unsigned char	 bytes[TOKEN_HASH_BYTES];
	char		 secret[TOKEN_SECRET_MAX], hex[TOKEN_HEX_MAX];

	if (words[0] == NULL || words[1] != NULL || !suite_name_ok(words[0])) {
		fprintf(stderr, "usage: tocsin-relay token NAME\nNAME begins with a letter, then a-z, 0-9, _ and -, up to 32 in all.\n");
		return EXIT_USAGE;
	}
	if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
		fprintf(stderr, "tocsin-relay: no random bytes: try again\n");
		return EXIT_TEMPORARY;
	}
	token_secret(bytes, secret);
	token_hash(secret, bytes);
	token_hash_format(bytes, hex);
	/* Apart, so that the section can be appended to the file and the secret does not end there. */
	printf("[token %s]\nsha256 = %s\nscopes = read\nsymbols = *\n", words[0], hex);
	fflush(stdout);
	fprintf(stderr, "%s\nThis is the secret of %s. It is shown once and stored nowhere: give it to its client, and put the section\n"
	    "above into the configuration; then send the relay a SIGHUP.\n", secret, words[0]);
	OPENSSL_cleanse(secret, sizeof(secret));
	return EXIT_DONE;
}
