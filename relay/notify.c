#include "relay/notify.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/log.h"

#define MAC_BYTES	16
#define HEAD		",\"mac\":\""
#define TAIL		"\"}"
#define HEAD_LEN	(sizeof(HEAD) - 1)
#define MEMBER_LEN	(HEAD_LEN + 2 * MAC_BYTES + sizeof(TAIL) - 1)
#define DIGEST_BYTES	32

static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_hex(uint8_t *out, size_t count, const char *hex)
{
	int	 high, low;

	for (size_t i = 0; i < count; i++) {
		if ((high = digit_of(hex[2 * i])) == -1 || (low = digit_of(hex[2 * i + 1])) == -1)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool
notify_key_read(struct notify_key *key, const char *inner, const char *outer)
{
	key->is_known = inner != NULL && outer != NULL && strlen(inner) == 2 * NOTIFY_PAD && strlen(outer) == 2 * NOTIFY_PAD &&
	    read_hex(key->inner, NOTIFY_PAD, inner) && read_hex(key->outer, NOTIFY_PAD, outer);
	return key->is_known;
}

/* SHA-256 of `pad` and what follows it. */
static void
digest(EVP_MD_CTX *ctx, const EVP_MD *sha256, const uint8_t pad[NOTIFY_PAD], const void *bytes, size_t len, uint8_t out[DIGEST_BYTES])
{
	if (EVP_DigestInit_ex(ctx, sha256, NULL) != 1 || EVP_DigestUpdate(ctx, pad, NOTIFY_PAD) != 1 ||
	    EVP_DigestUpdate(ctx, bytes, len) != 1 || EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		fatalx("notify", "openssl has no SHA-256");
}

static void
mac_of(const struct notify_key *key, const char *text, size_t len, uint8_t out[DIGEST_BYTES])
{
	/* Kept, as looking the algorithm up takes OpenSSL longer than a text does. */
	static EVP_MD		*sha256;
	static EVP_MD_CTX	*ctx;
	uint8_t			 inner[DIGEST_BYTES];

	if (ctx == NULL && ((ctx = EVP_MD_CTX_new()) == NULL || (sha256 = EVP_MD_fetch(NULL, "SHA256", NULL)) == NULL))
		fatalx("notify", "openssl has no SHA-256");
	digest(ctx, sha256, key->inner, text, len, inner);
	digest(ctx, sha256, key->outer, inner, sizeof(inner), out);
}

bool
notify_open(const struct notify_key *key, const char *payload, char text[NOTIFY_MAX])
{
	size_t	 len = strlen(payload), body;
	uint8_t	 said[MAC_BYTES], right[DIGEST_BYTES];

	if (!key->is_known || len < MEMBER_LEN || len >= NOTIFY_MAX)
		return false;
	body = len - MEMBER_LEN;
	if (memcmp(payload + body, HEAD, HEAD_LEN) != 0 || strcmp(payload + body + HEAD_LEN + 2 * MAC_BYTES, TAIL) != 0 ||
	    !read_hex(said, MAC_BYTES, payload + body + HEAD_LEN))
		return false;
	memcpy(text, payload, body);
	text[body++] = '}';
	text[body] = '\0';
	mac_of(key, text, body, right);
	return CRYPTO_memcmp(said, right, MAC_BYTES) == 0;
}
