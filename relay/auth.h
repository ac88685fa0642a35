/*
 * auth: who presents a secret, and what he may do.  Secrets are tokens, known
 * by their SHA-256 and compared in constant time, and, when there is a key for
 * them, JSON Web Tokens (RFC 7519) signed with HS256.
 *
 * When neither is configured, everybody is let in with the scopes of
 * `anonymous`; the relay then listens on loopback addresses only.
 */
#ifndef TOCSIN_RELAY_AUTH_H
#define TOCSIN_RELAY_AUTH_H
#include <stdbool.h>
#include <stdint.h>

struct access;
struct auth;
struct settings;

/* From [token NAME], jwt_secret_file and anonymous.  NULL when a file cannot be read: the reason has been logged. */
struct auth	*auth_new(const struct settings *settings);
void		 auth_free(struct auth *a);	/* NULL is fine */

/*
 * `a` takes the place of `old`, which is freed: tokens and the key that are the
 * same go on, and what was let in by one that is gone or means something else
 * now ends (access_has_expired()).
 */
void		 auth_replace(struct auth *old, struct auth *a);

/* True when there is neither a token nor a key for JWTs: nobody is asked for anything. */
bool		 auth_is_open(const struct auth *a);

/*
 * Who presents `secret` (NULL or empty: nobody).  A reference; or NULL with
 * `*code` (a word as Supabase has it: Unauthorized, InvalidJWTToken, …) and
 * `*why`, a line without the secret, valid until the next call.
 */
struct access	*auth_check(const struct auth *a, const char *secret, int64_t wall_now_us, const char **code, const char **why);
#endif
