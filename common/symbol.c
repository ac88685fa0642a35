#include "common/symbol.h"

/* Length of the base or the quote that `text` begins with. */
static size_t
part(const char *text, size_t len)
{
	size_t	 n = 0;

	while (n < len && ((text[n] >= 'A' && text[n] <= 'Z') || (text[n] >= '0' && text[n] <= '9') || text[n] == '.'))
		n++;
	return n;
}

bool
symbol_ok(const char *text, size_t len)
{
	size_t	 base = part(text, len), quote;

	if (base < 1 || base > SYMBOL_PART_MAX || base == len || text[base] != '/')
		return false;
	quote = len - base - 1;
	return quote >= 1 && quote <= SYMBOL_PART_MAX && part(text + base + 1, quote) == quote;
}
