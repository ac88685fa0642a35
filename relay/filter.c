#include "relay/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/symbol.h"
#include "relay/access.h"
#include "relay/change.h"

#define STRATEGY_CHARS	"abcdefghijklmnopqrstuvwxyz0123456789_"

struct words {
	size_t	 count;
	char	*items[FILTER_WORDS_MAX];
};

struct filter {
	struct words	 symbols, strategies;
	unsigned	 sides, kinds;		/* bits; 0: all */
	double		 min_confidence;
};

struct filter *
filter_new(void)
{
	return xcalloc(1, sizeof(struct filter));
}

static void
free_words(struct words *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->items[i]);
}

void
filter_free(struct filter *f)
{
	if (f == NULL)
		return;
	free_words(&f->symbols);
	free_words(&f->strategies);
	free(f);
}

/* The number of leading bytes of `text` that are all in `allowed`, at most `len`. */
static size_t
span(const char *text, size_t len, const char *allowed)
{
	size_t	 n = 0;

	while (n < len && text[n] != '\0' && strchr(allowed, text[n]) != NULL)
		n++;
	return n;
}

bool
filter_strategy_ok(const char *text, size_t len)
{
	return len >= 1 && len <= 48 && span(text, len, STRATEGY_CHARS) == len;
}

static bool
add_word(struct words *w, const char *text, size_t len)
{
	if (w->count == FILTER_WORDS_MAX)
		return false;
	w->items[w->count] = xcalloc(1, len + 1);
	memcpy(w->items[w->count++], text, len);
	return true;
}

static bool
add_bit(unsigned *bits, const char *const *names, const char *text, size_t len)
{
	for (unsigned i = 0; names[i] != NULL; i++)
		if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) {
			*bits |= 1U << i;
			return true;
		}
	return false;
}

static bool
add_item(struct filter *f, const char *name, const char *text, size_t len)
{
	if (strcmp(name, "symbol") == 0)
		return symbol_ok(text, len) && add_word(&f->symbols, text, len);
	if (strcmp(name, "strategy") == 0)
		return filter_strategy_ok(text, len) && add_word(&f->strategies, text, len);
	if (strcmp(name, "side") == 0)
		return add_bit(&f->sides, change_side_names, text, len);
	return add_bit(&f->kinds, change_kind_names, text, len);
}

static bool
parse_confidence(const char *text, double *out)
{
	char	*end;
	double	 value;

	if (strlen(text) > 20 || text[strspn(text, "0123456789.")] != '\0')
		return false;
	value = strtod(text, &end);
	if (end == text || *end != '\0' || value < 0 || value > 1)
		return false;
	*out = value;
	return true;
}

enum filter_set
filter_set(struct filter *f, const char *name, const char *value, char *why, size_t why_size)
{
	static const struct { const char *name, *allowed; } lists[] = {
		{ "symbol", "a list of BASE/QUOTE in capitals, like BTC/USDT,ETH/USDT, at most 64" },
		{ "strategy", "a list of strategies' names (a-z, 0-9, _), at most 64" },
		{ "side", "long, short or both" },
		{ "kind", "a list of opened, target_hit, stop_moved, closed, acked, deleted" },
	};
	const char	*allowed = NULL;
	size_t		 len;

	if (strcmp(name, "min_confidence") == 0) {
		if (parse_confidence(value, &f->min_confidence))
			return FILTER_SET_OK;
		snprintf(why, why_size, "a number from 0 to 1");
		return FILTER_SET_BAD;
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (strcmp(name, lists[i].name) == 0)
			allowed = lists[i].allowed;
	if (allowed == NULL)
		return FILTER_SET_UNKNOWN;
	for (;; value += len + 1) {
		len = strcspn(value, ",");
		if (!add_item(f, name, value, len)) {
			snprintf(why, why_size, "%s", allowed);
			return FILTER_SET_BAD;
		}
		if (value[len] == '\0')
			return FILTER_SET_OK;
	}
}

bool
filter_is_empty(const struct filter *f)
{
	return f->symbols.count == 0 && f->strategies.count == 0 && f->sides == 0 && f->kinds == 0 &&
	    f->min_confidence == 0;
}

static bool
has_word(const struct words *w, const char *word)
{
	if (w->count == 0)
		return true;
	for (size_t i = 0; word != NULL && i < w->count; i++)
		if (strcmp(w->items[i], word) == 0)
			return true;
	return false;
}

bool
filter_passes(const struct filter *f, const struct change *c)
{
	if (f->kinds != 0 && (f->kinds & 1U << c->kind) == 0)
		return false;
	if (c->kind == CHANGE_DELETED)
		return true;
	return (f->sides == 0 || (f->sides & 1U << c->side) != 0) && c->confidence >= f->min_confidence &&
	    has_word(&f->symbols, c->symbol) && has_word(&f->strategies, c->strategy);
}

bool
filter_may_see(const struct access *a, const struct change *c)
{
	if (a == NULL || access_sees_all(a) || c->kind == CHANGE_DELETED)
		return true;
	return c->symbol != NULL && access_sees(a, c->symbol);
}
