#include "relay/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/suite.h"
#include "common/symbol.h"
#include "relay/access.h"
#include "relay/token.h"

static bool
sha256_ok(const char *value, char *why, size_t why_size)
{
	unsigned char	 hash[TOKEN_HASH_BYTES];

	snprintf(why, why_size, "64 hexadecimal digits, the SHA-256 of the token: `tocsin-relay token NAME` makes both");
	return token_hash_parse(value, hash);
}

bool
tokens_scope_ok(const char *value, char *why, size_t why_size)
{
	unsigned	 scopes = 0;

	snprintf(why, why_size, "a list of read, ack, admin");
	return access_add_scope(&scopes, value, strlen(value));
}

static bool
symbol_item_ok(const char *value, char *why, size_t why_size)
{
	snprintf(why, why_size, "a list of BASE/QUOTE in capitals, or *");
	return strcmp(value, "*") == 0 || symbol_ok(value, strlen(value));
}

/* The hash says nothing of a token, but whoever writes the token itself here shall not find it in a log. */
static const struct conf_key token_keys[] = {
	{ .name = "sha256", .type = CONF_STR, .offset = offsetof(struct token_conf, sha256), .secret = true, .check = sha256_ok,
	  .help = "SHA-256 of the token, hexadecimal: tocsin-relay token NAME makes both" },
	{ .name = "scopes", .type = CONF_LIST, .offset = offsetof(struct token_conf, scopes), .def = "read", .check = tokens_scope_ok,
	  .help = "what it is good for: read; ack, to acknowledge signals; admin, to cancel them and to resume webhooks" },
	{ .name = "symbols", .type = CONF_LIST, .offset = offsetof(struct token_conf, symbols), .def = "*", .check = symbol_item_ok,
	  .help = "whose signals and candles it shows, and no others; * for all" },
	{ .name = NULL }
};

static void
check_twins(struct conf *c, const struct conf_section *s, const struct tokens *t, const struct token_conf *of)
{
	for (size_t i = 0; i < t->count; i++)
		if (of->sha256 != NULL && t->items[i].sha256 != NULL && strcasecmp(of->sha256, t->items[i].sha256) == 0)
			conf_error(c, s, "sha256", "is that of [token %s] already", t->items[i].name);
}

void
tokens_read(struct tokens *t, struct conf *c)
{
	const struct conf_section	*s = NULL;
	struct token_conf		*k;

	*t = (struct tokens){ 0 };
	while ((s = conf_next(c, "token", s)) != NULL) {
		t->items = xrealloc(t->items, (t->count + 1) * sizeof(*t->items));
		k = &t->items[t->count];
		*k = (struct token_conf){ .name = xstrdup(conf_label(s) == NULL ? "" : conf_label(s)) };
		if (!suite_name_ok(k->name))
			conf_error(c, s, NULL, "[token NAME]: NAME begins with a letter, then a-z, 0-9, _ and -, up to 32 in all");
		conf_fill(c, s, token_keys, k);
		if (k->symbols.count == 0)
			conf_error(c, s, "symbols", "is empty: * is for all");
		if (k->scopes.count == 0)
			conf_error(c, s, "scopes", "is empty: a list of read, ack, admin");
		check_twins(c, s, t, k);
		t->count++;
	}
}

void
tokens_release(struct tokens *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->items[i].name);
		conf_clear(token_keys, &t->items[i]);
	}
	free(t->items);
	*t = (struct tokens){ 0 };
}

void
tokens_print(const struct tokens *t)
{
	for (size_t i = 0; i < t->count; i++)
		conf_print(stdout, "token", t->items[i].name, token_keys, &t->items[i]);
}

unsigned
tokens_scopes(const struct conf_list *words)
{
	unsigned	 scopes = 0;

	for (size_t i = 0; i < words->count; i++)
		(void)access_add_scope(&scopes, words->items[i], strlen(words->items[i]));
	return scopes;
}
