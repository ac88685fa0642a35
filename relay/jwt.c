#include "relay/jwt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jsonr.h"
#include "common/log.h"
#include "common/symbol.h"
#include "relay/access.h"

#define MAC_BYTES	32
#define TIME_MAX_S	1e11	/* the year 5138: beyond, it is no date */
#define SECOND_US	INT64_C(1000000)

struct part {
	const char	*text;
	size_t		 len;
};

static bool __attribute__((format(printf, 3, 4)))
refuse(struct jwt_error *error, const char *code, const char *fmt, ...)
{
	va_list	 ap;

	error->code = code;
	va_start(ap, fmt);
	vsnprintf(error->why, sizeof(error->why), fmt, ap);
	va_end(ap);
	return false;
}

/* base64url (RFC 4648 section 5) */

static int
sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/*
 * Decode into `out` (room for 3/4 of it); returns the length, -1 when it is not
 * the one way to write these bytes: no padding, and no bits left over.
 */
static ssize_t
decode(struct part p, unsigned char *out)
{
	uint32_t	 bits = 0;
	unsigned	 held = 0;
	size_t		 len = 0;
	int		 value;

	if (p.len % 4 == 1)
		return -1;
	for (size_t i = 0; i < p.len; i++) {
		if ((value = sextet(p.text[i])) == -1)
			return -1;
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[len++] = (unsigned char)(bits >> held & 0xff);
		}
	}
	return (bits & ((1U << held) - 1)) == 0 ? (ssize_t)len : -1;
}

/* HEADER.PAYLOAD.SIGNATURE */
static bool
split(const char *text, struct part parts[3])
{
	for (int i = 0; i < 3; i++) {
		parts[i] = (struct part){ text, strcspn(text, ".") };
		text += parts[i].len;
		if (parts[i].len == 0 || *text != (i < 2 ? '.' : '\0'))
			return false;
		text++;
	}
	return true;
}

static bool
signature_ok(const char *text, const struct part parts[3], const void *key, size_t key_len)
{
	unsigned char	 mac[EVP_MAX_MD_SIZE], given[JWT_MAX];
	unsigned	 mac_len = 0;
	size_t		 signed_len = parts[0].len + 1 + parts[1].len;

	if (HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, signed_len, mac, &mac_len) == NULL || mac_len != MAC_BYTES)
		fatalx("jwt", "no HMAC-SHA256");
	return decode(parts[2], given) == MAC_BYTES && CRYPTO_memcmp(mac, given, MAC_BYTES) == 0;
}

/* Claims */

static bool
header_ok(struct jsonv header, struct jwt_error *error)
{
	if (!jsonv_is_object(header))
		return refuse(error, "MalformedJWT", "the header is no JSON object");
	if (!jsonv_equals(jsonv_get(header, "alg"), "HS256"))
		return refuse(error, "JwtSignatureError", "the algorithm is not HS256");
	/* RFC 7515 section 4.1.11: what must be understood is not understood here. */
	if (jsonv_get(header, "crit").at != -1)
		return refuse(error, "InvalidJWTToken", "the header has critical extensions");
	return true;
}

static bool
date(struct jsonv v, int64_t *out_us)
{
	double	 seconds;

	if (!jsonv_double(v, &seconds) || seconds < 0 || seconds > TIME_MAX_S)
		return false;
	*out_us = (int64_t)(seconds * (double)SECOND_US);
	return true;
}

static bool
times_ok(struct jsonv claims, int64_t wall_now_us, struct jwt *out, struct jwt_error *error)
{
	struct jsonv	 nbf = jsonv_get(claims, "nbf");
	int64_t		 begins_us;

	if (!date(jsonv_get(claims, "exp"), &out->wall_expires_us))
		return refuse(error, "InvalidJWTToken", "Token has no exp, a number of seconds since 1970");
	if (out->wall_expires_us <= wall_now_us)
		return refuse(error, "InvalidJWTToken", "Token has expired %" PRId64 " seconds ago", (wall_now_us - out->wall_expires_us) / SECOND_US);
	if (nbf.at == -1 || jsonv_is_null(nbf))
		return true;
	if (!date(nbf, &begins_us))
		return refuse(error, "InvalidJWTToken", "nbf is no number of seconds since 1970");
	if (begins_us > wall_now_us + JWT_LEEWAY_S * SECOND_US)
		return refuse(error, "InvalidJWTToken", "Token is not valid yet");
	return true;
}

static void
add_scopes(unsigned *scopes, struct jsonv v)
{
	static const char	 apart[] = " ,";
	size_t			 len, word;
	const char		*text = jsonv_raw(v, &len), *end = text + len;

	for (; text < end; text += word + 1) {
		for (word = 0; text + word < end && strchr(apart, text[word]) == NULL; word++)
			;
		(void)access_add_scope(scopes, text, word);	/* a word of somebody else's */
	}
}

static bool
scopes_ok(struct jsonv v, struct jwt *out, struct jwt_error *error)
{
	static const char	 wrong[] = "scopes is neither a text nor an array of texts";

	if (v.at == -1 || jsonv_is_null(v)) {
		out->scopes = ACCESS_READ;
		return true;
	}
	if (jsonv_is_string(v))
		add_scopes(&out->scopes, v);
	else if (!jsonv_is_array(v))
		return refuse(error, "InvalidJWTToken", wrong);
	else
		for (struct jsonv e = jsonv_first(v); e.at != -1; e = jsonv_next(e)) {
			if (!jsonv_is_string(e))
				return refuse(error, "InvalidJWTToken", wrong);
			add_scopes(&out->scopes, e);
		}
	return true;
}

/* What is not understood must not mean more than was meant: an empty array is refused, since none means all. */
static bool
symbols_ok(struct jsonv v, struct jwt *out, struct jwt_error *error)
{
	static const char	 wrong[] = "symbols is no array of 1 to 256 BASE/QUOTE in capitals";
	char			 symbol[2 * SYMBOL_PART_MAX + 2];

	if (v.at == -1 || jsonv_is_null(v))
		return true;
	if (!jsonv_is_array(v) || jsonv_count(v) < 1 || jsonv_count(v) > JWT_SYMBOLS_MAX)
		return refuse(error, "InvalidJWTToken", wrong);
	out->symbols = xcalloc(jsonv_count(v), sizeof(*out->symbols));
	for (struct jsonv e = jsonv_first(v); e.at != -1; e = jsonv_next(e)) {
		if (!jsonv_string(e, symbol, sizeof(symbol)) || !symbol_ok(symbol, strlen(symbol)))
			return refuse(error, "InvalidJWTToken", wrong);
		out->symbols[out->symbol_count++] = xstrdup(symbol);
	}
	return true;
}

static bool
claims_ok(struct jsonv claims, int64_t wall_now_us, struct jwt *out, struct jwt_error *error)
{
	if (!jsonv_is_object(claims))
		return refuse(error, "MalformedJWT", "the claims are no JSON object");
	if (!jsonv_string(jsonv_get(claims, "sub"), out->subject, sizeof(out->subject)))
		out->subject[0] = '\0';
	return times_ok(claims, wall_now_us, out, error) && scopes_ok(jsonv_get(claims, "scopes"), out, error) &&
	    symbols_ok(jsonv_get(claims, "symbols"), out, error);
}

static bool
read_part(struct jsonr *r, struct part p, unsigned char *buf)
{
	ssize_t	 len = decode(p, buf);

	return len != -1 && jsonr_parse(r, (const char *)buf, (size_t)len);
}

bool
jwt_check(const char *text, const void *key, size_t key_len, int64_t wall_now_us, struct jwt *out, struct jwt_error *error)
{
	unsigned char	 buf[JWT_MAX];
	struct part	 parts[3];
	struct jsonr	 r = { 0 };
	bool		 ok;

	*out = (struct jwt){ .scopes = 0 };
	if (strnlen(text, JWT_MAX) == JWT_MAX || !split(text, parts))
		return refuse(error, "MalformedJWT", "the token is no JSON Web Token");
	ok = read_part(&r, parts[0], buf) ? header_ok(jsonr_root(&r), error) :
	    refuse(error, "MalformedJWT", "the header is no JSON in base64url");
	/* Only what the key's holder wrote is looked at any further. */
	if (ok && !signature_ok(text, parts, key, key_len))
		ok = refuse(error, "JwtSignatureError", "the signature is not by this server's key");
	if (ok)
		ok = read_part(&r, parts[1], buf) ? claims_ok(jsonr_root(&r), wall_now_us, out, error) :
		    refuse(error, "MalformedJWT", "the claims are no JSON in base64url");
	jsonr_release(&r);
	if (!ok)
		jwt_release(out);
	return ok;
}

void
jwt_release(struct jwt *j)
{
	for (size_t i = 0; i < j->symbol_count; i++)
		free(j->symbols[i]);
	free(j->symbols);
	*j = (struct jwt){ .scopes = 0 };
}
