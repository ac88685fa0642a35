#include "relay/access.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define LONG_AGO_US	1	/* since the epoch */

struct access {
	unsigned	 refs, scopes;
	char		*name;
	size_t		 count;
	char		**symbols;
	char		*joined;	/* the symbols, with commas; NULL: all */
	int64_t		 wall_expires_us;
	struct access	*origin;
};

bool
access_add_scope(unsigned *scopes, const char *name, size_t len)
{
	static const struct { const char *name; unsigned scope; } table[] = {
		{ "read", ACCESS_READ }, { "ack", ACCESS_ACK }, { "admin", ACCESS_ADMIN },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) {
			*scopes |= table[i].scope;
			return true;
		}
	return false;
}

static char *
join(char *const *words, size_t count)
{
	size_t	 size = 1;
	char	*text, *at;

	for (size_t i = 0; i < count; i++)
		size += strlen(words[i]) + 1;
	at = text = xcalloc(1, size);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			*at++ = ',';
		at = stpcpy(at, words[i]);
	}
	return text;
}

struct access *
access_new(const char *name, unsigned scopes, char *const *symbols, size_t count, int64_t wall_expires_us)
{
	struct access	*a = xcalloc(1, sizeof(*a));

	*a = (struct access){ .refs = 1, .scopes = scopes, .count = count, .wall_expires_us = wall_expires_us };
	a->name = xstrdup(name);
	if (count == 0)
		return a;
	a->symbols = xcalloc(count, sizeof(*a->symbols));
	for (size_t i = 0; i < count; i++)
		a->symbols[i] = xstrdup(symbols[i]);
	a->joined = join(symbols, count);
	return a;
}

struct access *
access_ref(struct access *a)
{
	a->refs++;
	return a;
}

void
access_unref(struct access *a)
{
	if (a == NULL || --a->refs > 0)
		return;
	for (size_t i = 0; i < a->count; i++)
		free(a->symbols[i]);
	free(a->symbols);
	free(a->joined);
	free(a->name);
	access_unref(a->origin);
	free(a);
}

const char *
access_name(const struct access *a)
{
	return a->name;
}

bool
access_may(const struct access *a, unsigned scope)
{
	return (a->scopes & scope) == scope;
}

int64_t
access_wall_expires_us(const struct access *a)
{
	int64_t	 origin_us = a->origin == NULL ? 0 : access_wall_expires_us(a->origin);

	return origin_us != 0 && (a->wall_expires_us == 0 || origin_us < a->wall_expires_us) ? origin_us : a->wall_expires_us;
}

bool
access_has_expired(const struct access *a, int64_t wall_now_us)
{
	int64_t	 end_us = access_wall_expires_us(a);

	return end_us != 0 && end_us <= wall_now_us;
}

void
access_revoke(struct access *a)
{
	a->wall_expires_us = LONG_AGO_US;
}

void
access_set_origin(struct access *a, struct access *origin)
{
	access_ref(origin);
	access_unref(a->origin);
	a->origin = origin;
}

bool
access_sees_all(const struct access *a)
{
	return a->count == 0;
}

bool
access_sees(const struct access *a, const char *symbol)
{
	if (a->count == 0 || symbol == NULL)
		return true;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->symbols[i], symbol) == 0)
			return true;
	return false;
}

const char *
access_symbols(const struct access *a)
{
	return a->joined;
}
