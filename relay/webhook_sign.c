#include "relay/webhook_sign.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define PREFIX		"whsec_"
#define BASE64		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define BASE64_MAX	((WEBHOOK_KEY_MAX + 2) / 3 * 4)
#define DIGEST_SIZE	32

static bool
refuse(char *why, size_t why_size, const char *what)
{
	snprintf(why, why_size, "%s: a line as whsec_BASE64 of %d to %d bytes is expected", what, WEBHOOK_KEY_MIN, WEBHOOK_KEY_MAX);
	return false;
}

static bool
parse_key(const char *text, size_t len, struct webhook_key *key, char *why, size_t why_size)
{
	unsigned char	 bytes[BASE64_MAX];
	size_t		 digits, padding;

	if (len > strlen(PREFIX) && memcmp(text, PREFIX, strlen(PREFIX)) == 0) {
		text += strlen(PREFIX);
		len -= strlen(PREFIX);
	}
	digits = strspn(text, BASE64);
	if (digits > len)
		digits = len;
	padding = len - digits;
	if (len % 4 != 0 || padding > 2 || (padding > 0 && memcmp(text + digits, "==", padding) != 0))
		return refuse(why, why_size, "no base64");
	if (len == 0 || len > BASE64_MAX || len / 4 * 3 - padding < WEBHOOK_KEY_MIN || len / 4 * 3 - padding > WEBHOOK_KEY_MAX)
		return refuse(why, why_size, "too short or too long");
	if (EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len) == -1)
		return refuse(why, why_size, "no base64");
	key->len = len / 4 * 3 - padding;
	memcpy(key->bytes, bytes, key->len);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return true;
}

bool
webhook_keys_parse(const char *text, struct webhook_keys *out, char *why, size_t why_size)
{
	size_t	 len;

	memset(out, 0, sizeof(*out));
	for (;;) {
		text += strspn(text, " \t\r\n");
		if (*text == '\0')
			break;
		len = strcspn(text, " \t\r\n");
		if (out->count == WEBHOOK_KEYS_MAX) {
			snprintf(why, why_size, "more than %d secrets", WEBHOOK_KEYS_MAX);
			return false;
		}
		if (!parse_key(text, len, &out->items[out->count++], why, why_size))
			return false;
		text += len;
	}
	return out->count > 0 || refuse(why, why_size, "no secret");
}

char *
webhook_sign(const struct webhook_keys *keys, const char *id, int64_t wall_s, const char *body, size_t len,
    char out[WEBHOOK_SIGNATURE_MAX])
{
	unsigned char	 digest[EVP_MAX_MD_SIZE];
	char		*text, *at = out;
	int		 head;

	if ((head = asprintf(&text, "%s.%" PRId64 ".%.*s", id, wall_s, (int)len, body)) == -1)
		fatalx("webhook", "no memory");
	for (size_t i = 0; i < keys->count; i++) {
		if (HMAC(EVP_sha256(), keys->items[i].bytes, (int)keys->items[i].len, (const unsigned char *)text, (size_t)head,
		    digest, NULL) == NULL)
			fatalx("webhook", "openssl cannot be used");
		at += sprintf(at, "%sv1,", i == 0 ? "" : " ");
		at += EVP_EncodeBlock((unsigned char *)at, digest, DIGEST_SIZE);
	}
	*at = '\0';
	free(text);
	return out;
}
