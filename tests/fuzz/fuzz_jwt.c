/* A token as anybody may send it; and, signed as it should be, header and claims of anybody who has the key. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "relay/access.h"
#include "relay/jwt.h"

#define NOW_US	(INT64_C(1300000000) * 1000000)

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char	 key[] = "0123456789abcdef0123456789abcdef";

static void
check(const char *text)
{
	struct jwt_error	 error = { .code = NULL };
	struct jwt		 j;

	if (!jwt_check(text, key, sizeof(key) - 1, NOW_US, &j, &error)) {
		if (error.code == NULL || error.why[0] == '\0')
			abort();
		return;
	}
	if (j.wall_expires_us <= NOW_US || (j.scopes & ~ACCESS_ALL) != 0 || j.symbol_count > JWT_SYMBOLS_MAX)
		abort();
	jwt_release(&j);
}

static void
append(char *out, const void *data, size_t len)
{
	char	*at = out + strlen(out);

	EVP_EncodeBlock((unsigned char *)at, data, (int)len);
	for (; *at != '\0'; at++)
		*at = *at == '+' ? '-' : *at == '/' ? '_' : *at == '=' ? '\0' : *at;
}

/* The bytes as header NUL claims. */
static void
check_signed(const char *data, size_t size)
{
	size_t		 head = strnlen(data, size);
	char		*text = calloc(1, 2 * size + 128);
	unsigned char	 mac[EVP_MAX_MD_SIZE];
	unsigned	 len = 0;

	if (text == NULL)
		abort();
	append(text, data, head);
	strcat(text, ".");
	if (head < size)
		append(text, data + head + 1, size - head - 1);
	HMAC(EVP_sha256(), key, sizeof(key) - 1, (unsigned char *)text, strlen(text), mac, &len);
	strcat(text, ".");
	append(text, mac, len);
	check(text);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	*text = malloc(size + 1);

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	check(text);
	check_signed(text, size);
	free(text);
	return 0;
}
