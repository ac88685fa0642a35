/* tokens: the sections [token NAME] of the configuration file. */
#ifndef TOCSIN_RELAY_TOKENS_H
#define TOCSIN_RELAY_TOKENS_H
#include <stdbool.h>
#include <stddef.h>

#include "common/conf.h"

struct token_conf {
	char			*name, *sha256;
	struct conf_list	 scopes, symbols;
};

struct tokens {
	size_t			 count;
	struct token_conf	*items;
};

/* Read all of them; what is wrong becomes an error of `c`.  Release in any case. */
void	 tokens_read(struct tokens *t, struct conf *c);
void	 tokens_release(struct tokens *t);
void	 tokens_print(const struct tokens *t);	/* to stdout */

/* The check of a key: a word of read, ack, admin. */
bool	 tokens_scope_ok(const char *value, char *why, size_t why_size);

/* The bits (access.h) of words that tokens_scope_ok() let pass. */
unsigned tokens_scopes(const struct conf_list *words);
#endif
