#include "relay/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "relay/access.h"
#include "relay/jwt.h"
#include "relay/secret.h"
#include "relay/settings.h"
#include "relay/token.h"

struct known {
	unsigned char	 hash[TOKEN_HASH_BYTES];
	struct access	*access;
};

struct auth {
	size_t		 count;
	struct known	*tokens;
	char		*key;		/* of JWTs; NULL: none are taken */
	size_t		 key_len;
	struct access	*bearers;	/* the origin of all JWTs' access; NULL without a key */
	struct access	*anonymous;	/* everybody's, when there is nothing else; else NULL */
};

static bool
is_everything(const struct conf_list *symbols)
{
	for (size_t i = 0; i < symbols->count; i++)
		if (strcmp(symbols->items[i], "*") == 0)
			return true;
	return false;
}

static void
add_tokens(struct auth *a, const struct tokens *tokens)
{
	const struct token_conf	*t;

	a->tokens = xcalloc(tokens->count + 1, sizeof(*a->tokens));
	for (size_t i = 0; i < tokens->count; i++) {
		t = &tokens->items[i];
		if (!token_hash_parse(t->sha256, a->tokens[a->count].hash))
			continue;	/* the settings were refused for it */
		a->tokens[a->count++].access = access_new(t->name, tokens_scopes(&t->scopes), t->symbols.items,
		    is_everything(&t->symbols) ? 0 : t->symbols.count, 0);
	}
}

static bool
read_key(struct auth *a, const char *path)
{
	char	 why[512];

	if ((a->key = secret_read(path, &a->key_len, why, sizeof(why))) == NULL) {
		log_errorx("auth", "jwt_secret_file cannot be used why=\"%s\"", why);
		return false;
	}
	if (a->key_len < JWT_KEY_MIN) {
		log_errorx("auth", "jwt_secret_file holds too short a key: write at least %d bytes into it (openssl rand -hex 32) path=%s bytes=%zu",
		    JWT_KEY_MIN, path, a->key_len);
		return false;
	}
	a->bearers = access_new("jwt", 0, NULL, 0, 0);
	return true;
}

struct auth *
auth_new(const struct settings *settings)
{
	struct auth	*a = xcalloc(1, sizeof(*a));

	add_tokens(a, &settings->tokens);
	if (settings->jwt_secret_file != NULL && !read_key(a, settings->jwt_secret_file)) {
		auth_free(a);
		return NULL;
	}
	if (a->count == 0 && a->key == NULL)
		a->anonymous = access_new("anonymous", tokens_scopes(&settings->anonymous), NULL, 0, 0);
	return a;
}

void
auth_free(struct auth *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->count; i++)
		access_unref(a->tokens[i].access);
	free(a->tokens);
	secret_free(a->key, a->key_len);
	access_unref(a->bearers);
	access_unref(a->anonymous);
	free(a);
}

bool
auth_is_open(const struct auth *a)
{
	return a->anonymous != NULL;
}

/* Replacing */

static bool
is_same(const struct access *a, const struct access *b)
{
	const char	*left = access_symbols(a), *right = access_symbols(b);

	if (strcmp(access_name(a), access_name(b)) != 0)
		return false;
	for (unsigned scope = 1; scope <= ACCESS_ALL; scope <<= 1)
		if (access_may(a, scope) != access_may(b, scope))
			return false;
	return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

static void
carry_over(struct access **old, struct access **new)
{
	if (*old == NULL)
		return;
	if (*new != NULL && is_same(*old, *new)) {
		access_unref(*new);
		*new = access_ref(*old);
	} else
		access_revoke(*old);
}

void
auth_replace(struct auth *old, struct auth *a)
{
	struct known	*k;
	struct access	*none;
	bool		 same_key = old->key != NULL && a->key != NULL && old->key_len == a->key_len && memcmp(old->key, a->key, a->key_len) == 0;

	for (size_t i = 0; i < old->count; i++) {
		k = NULL;
		for (size_t n = 0; n < a->count && k == NULL; n++)
			if (token_hash_equals(old->tokens[i].hash, a->tokens[n].hash))
				k = &a->tokens[n];
		none = NULL;
		carry_over(&old->tokens[i].access, k == NULL ? &none : &k->access);
	}
	none = NULL;
	carry_over(&old->bearers, same_key ? &a->bearers : &none);
	carry_over(&old->anonymous, &a->anonymous);
	auth_free(old);
}

/* Checking */

static struct access *
refuse(const char **code, const char **why, const char *its_code, const char *its_why)
{
	*code = its_code;
	*why = its_why;
	return NULL;
}

/* All of them are compared, so that the time says nothing of which one it was. */
static struct access *
find_token(const struct auth *a, const char *secret)
{
	unsigned char	 hash[TOKEN_HASH_BYTES];
	struct access	*found = NULL;

	token_hash(secret, hash);
	for (size_t i = 0; i < a->count; i++)
		if (token_hash_equals(hash, a->tokens[i].hash))
			found = a->tokens[i].access;
	return found;
}

static bool
looks_like_jwt(const char *secret)
{
	const char	*dot = strchr(secret, '.');

	return dot != NULL && strchr(dot + 1, '.') != NULL;
}

static struct access *
check_jwt(const struct auth *a, const char *secret, int64_t wall_now_us, const char **code, const char **why)
{
	static struct jwt_error	 error;		/* one loop, one thread: borrowed until the next one */
	struct jwt		 j;
	struct access		*access;
	char			 name[sizeof(j.subject) + 8];

	if (!jwt_check(secret, a->key, a->key_len, wall_now_us, &j, &error))
		return refuse(code, why, error.code, error.why);
	snprintf(name, sizeof(name), "jwt%s%s", j.subject[0] == '\0' ? "" : ":", j.subject);
	access = access_new(name, j.scopes, j.symbols, j.symbol_count, j.wall_expires_us);
	access_set_origin(access, a->bearers);
	jwt_release(&j);
	return access;
}

struct access *
auth_check(const struct auth *a, const char *secret, int64_t wall_now_us, const char **code, const char **why)
{
	struct access	*found;

	if (a->anonymous != NULL)
		return access_ref(a->anonymous);
	if (secret == NULL || *secret == '\0')
		return refuse(code, why, "Unauthorized", "a token is needed");
	if ((found = find_token(a, secret)) != NULL)
		return access_ref(found);
	if (a->key != NULL && looks_like_jwt(secret))
		return check_jwt(a, secret, wall_now_us, code, why);
	return refuse(code, why, "Unauthorized", "the token is not known here");
}
