/* conf_value: one configuration value, from its text and back; for conf.c only. */
#ifndef TOCSIN_COMMON_CONF_VALUE_H
#define TOCSIN_COMMON_CONF_VALUE_H
#include "common/conf.h"

/*
 * Store what `text` means for the key at `out` (see enum conf_type), freeing
 * the old value.  False, with what is allowed in `why`, when it is not allowed.
 */
bool	 conf_value_set(const struct conf_key *k, const char *text, void *out, char *why, size_t why_size);
void	 conf_value_clear(const struct conf_key *k, void *out);
void	 conf_value_print(FILE *out, const struct conf_key *k, const void *value);
#endif
