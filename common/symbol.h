/* symbol: BASE/QUOTE, the name of a market in every program and table. */
#ifndef TOCSIN_COMMON_SYMBOL_H
#define TOCSIN_COMMON_SYMBOL_H
#include <stdbool.h>
#include <stddef.h>

#define SYMBOL_PART_MAX	20

/* Exactly `len` bytes of BASE/QUOTE, each 1 to SYMBOL_PART_MAX of A-Z 0-9 and point; as the table signals checks it. */
bool	 symbol_ok(const char *text, size_t len);
#endif
