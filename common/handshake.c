#include "common/handshake.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"

#define PROTOCOL_GUID	"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"	/* RFC 6455, section 1.3 */
#define KEY_LEN		24	/* base64 of the nonce, of which two characters are padding */

char *
handshake_accept(const char *key, char accept[HANDSHAKE_KEY_MAX])
{
	unsigned char	 digest[EVP_MAX_MD_SIZE];
	char		 text[HANDSHAKE_KEY_MAX + sizeof(PROTOCOL_GUID)];
	unsigned	 len = 0;

	snprintf(text, sizeof(text), "%s" PROTOCOL_GUID, key);
	if (EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL) != 1)
		fatalx("handshake", "openssl has no SHA-1, which WebSocket needs");
	EVP_EncodeBlock((unsigned char *)accept, digest, (int)len);
	return accept;
}

bool
handshake_key_ok(const char *key)
{
	static const char	 letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	return strlen(key) == KEY_LEN && strspn(key, letters) == KEY_LEN - 2 && strcmp(key + KEY_LEN - 2, "==") == 0;
}
