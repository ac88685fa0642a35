/* jwt_make: JSON Web Tokens of any header and claims, signed with HS256. */
#ifndef TOCSIN_TESTS_UNIT_JWT_MAKE_H
#define TOCSIN_TESTS_UNIT_JWT_MAKE_H
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Append base64url of the bytes, and `end`. */
static void
append_base64url(char *out, const void *data, size_t len, const char *end)
{
	char	*at = out + strlen(out);

	EVP_EncodeBlock((unsigned char *)at, data, (int)len);
	for (; *at != '\0'; at++)
		*at = *at == '+' ? '-' : *at == '/' ? '_' : *at == '=' ? '\0' : *at;
	strcat(out, end);
}

/* The caller frees it. */
static char *
make_jwt(const char *header, const char *claims, const char *key)
{
	char		*text = calloc(1, 2 * (strlen(header) + strlen(claims)) + 256);
	unsigned char	 mac[EVP_MAX_MD_SIZE];
	unsigned	 len = 0;

	if (text == NULL)
		abort();
	append_base64url(text, header, strlen(header), ".");
	append_base64url(text, claims, strlen(claims), "");
	HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)text, strlen(text), mac, &len);
	strcat(text, ".");
	append_base64url(text, mac, len, "");
	return text;
}
#endif
