#include "generator/table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* Entries in order of arrival, and an open-addressed index of them (0: free, else number + 1). */
struct entry {
	char	*key, *value;		/* value NULL: removed */
};

struct table {
	struct entry	*entries;
	size_t		 used, capacity, count;
	size_t		*slots, slot_count;	/* a power of two, at most half full */
};

/* FNV-1a, 64 bits. */
static uint64_t
hash(const char *key)
{
	uint64_t	 h = UINT64_C(0xcbf29ce484222325);

	for (; *key != '\0'; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
	return h;
}

struct table *
table_new(void)
{
	struct table	*t = xcalloc(1, sizeof(*t));

	t->slot_count = 16;
	t->slots = xcalloc(t->slot_count, sizeof(*t->slots));
	return t;
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->used; i++) {
		free(t->entries[i].key);
		free(t->entries[i].value);
	}
	free(t->entries);
	free(t->slots);
	free(t);
}

/* The slot that holds the key, or the free one where it would go. */
static size_t *
find_slot(const struct table *t, const char *key)
{
	size_t	 at = hash(key) & (t->slot_count - 1);

	while (t->slots[at] != 0 && strcmp(t->entries[t->slots[at] - 1].key, key) != 0)
		at = (at + 1) & (t->slot_count - 1);
	return &t->slots[at];
}

static void
grow(struct table *t)
{
	t->capacity = t->capacity == 0 ? 8 : t->capacity * 2;
	t->entries = xrealloc(t->entries, t->capacity * sizeof(*t->entries));
	free(t->slots);
	t->slot_count = t->capacity * 2;
	t->slots = xcalloc(t->slot_count, sizeof(*t->slots));
	for (size_t i = 0; i < t->used; i++)
		*find_slot(t, t->entries[i].key) = i + 1;
}

void
table_put(struct table *t, const char *key, const char *value)
{
	size_t		*slot = find_slot(t, key);
	struct entry	*e;

	if (*slot == 0) {
		if (t->used == t->capacity) {
			grow(t);
			slot = find_slot(t, key);
		}
		t->entries[t->used] = (struct entry){ .key = xstrdup(key) };
		*slot = ++t->used;
	}
	e = &t->entries[*slot - 1];
	if (e->value == NULL)
		t->count++;
	free(e->value);
	e->value = xstrdup(value);
}

void
table_remove(struct table *t, const char *key)
{
	size_t		*slot = find_slot(t, key);
	struct entry	*e;

	if (*slot == 0)
		return;
	e = &t->entries[*slot - 1];
	if (e->value != NULL)
		t->count--;
	free(e->value);
	e->value = NULL;
}

size_t
table_count(const struct table *t)
{
	return t->count;
}

bool
table_next(const struct table *t, size_t *at, const char **value)
{
	while (*at < t->used)
		if ((*value = t->entries[(*at)++].value) != NULL)
			return true;
	return false;
}
