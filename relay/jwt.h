/*
 * jwt: JSON Web Tokens (RFC 7519) signed with HMAC-SHA256, checked.  Pure: key
 * and time are given.  No other algorithm is known, so none can be chosen by
 * whoever wrote the token.
 *
 * Claims: exp is required (to the second: whoever issues a token says how long);
 * nbf may lie JWT_LEEWAY_S ahead, since clocks differ; `scopes` is an array or a
 * text of words apart by blanks or commas, default read, and words that are none
 * of ours are for somebody else; `symbols` is an array of BASE/QUOTE, default
 * all; sub names the bearer in the log.  Others, also role, mean nothing here.
 */
#ifndef TOCSIN_RELAY_JWT_H
#define TOCSIN_RELAY_JWT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JWT_MAX		8192	/* bytes of the whole text */
#define JWT_LEEWAY_S	30
#define JWT_KEY_MIN	32	/* bytes, RFC 7518 section 3.2 */
#define JWT_SYMBOLS_MAX	256
#define JWT_WHY_MAX	96

struct jwt {
	unsigned	 scopes;		/* access.h */
	size_t		 symbol_count;		/* 0: all */
	char		**symbols;
	int64_t		 wall_expires_us;
	char		 subject[64];		/* "": none, or longer than that */
};

struct jwt_error {
	const char	*code;			/* static: MalformedJWT, JwtSignatureError, InvalidJWTToken */
	char		 why[JWT_WHY_MAX];	/* for people; nothing of the token in it */
};

/* True, then jwt_release() it; else `error` is filled and there is nothing to release. */
bool	 jwt_check(const char *text, const void *key, size_t key_len, int64_t wall_now_us, struct jwt *out, struct jwt_error *error);
void	 jwt_release(struct jwt *j);
#endif
