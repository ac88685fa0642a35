/* table: a hash table from text to text, for the last value of each key. */
#ifndef TOCSIN_GENERATOR_TABLE_H
#define TOCSIN_GENERATOR_TABLE_H
#include <stdbool.h>
#include <stddef.h>

struct table;

struct table	*table_new(void);		/* never NULL */
void		 table_free(struct table *t);
void		 table_put(struct table *t, const char *key, const char *value);	/* both copied; replaces */
void		 table_remove(struct table *t, const char *key);
size_t		 table_count(const struct table *t);

/*
 * Walk the values, in the order in which their keys came first:
 * for (size_t i = 0; table_next(t, &i, &value); ) …
 */
bool		 table_next(const struct table *t, size_t *at, const char **value);
#endif
