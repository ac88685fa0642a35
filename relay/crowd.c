#include "relay/crowd.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/log.h"
#include "relay/peer.h"

#define SLOTS_MIN	64

struct member {
	struct member	*next;
	unsigned char	 address[16];
	size_t		 connections;
};

struct crowd {
	size_t		 max, count, slot_count;	/* a power of two */
	struct member	**slots;
	uint64_t	 seed;		/* nobody outside can choose addresses that share a slot */
};

/* What of an address counts. */
static void
key_of(const struct peer *p, unsigned char key[16])
{
	static const unsigned char	 mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(key, p->address, 16);
	if (memcmp(key, mapped, sizeof(mapped)) != 0)
		memset(key + 8, 0, 8);
}

static size_t
slot_of(const struct crowd *c, const unsigned char key[16])
{
	uint64_t	 hash = c->seed, word;

	for (size_t i = 0; i < 16; i += sizeof(word)) {
		memcpy(&word, key + i, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	/* Once more: the last bytes of an IPv4 address, the last of the word, have only come half way down to the low bits. */
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	hash ^= hash >> 32;
	return (size_t)hash & (c->slot_count - 1);
}

/* Where the member stands, or would. */
static struct member **
find(struct crowd *c, const unsigned char key[16])
{
	struct member	**m = &c->slots[slot_of(c, key)];

	while (*m != NULL && memcmp((*m)->address, key, 16) != 0)
		m = &(*m)->next;
	return m;
}

static void
grow(struct crowd *c)
{
	struct member	**old = c->slots, *m, *next;
	size_t		 old_count = c->slot_count;

	c->slot_count = old_count * 2;
	c->slots = xcalloc(c->slot_count, sizeof(struct member *));
	for (size_t i = 0; i < old_count; i++)
		for (m = old[i]; m != NULL; m = next) {
			next = m->next;
			m->next = NULL;
			*find(c, m->address) = m;
		}
	free(old);
}

bool
crowd_enter(struct crowd *c, const struct peer *p)
{
	unsigned char	  key[16];
	struct member	**m;

	if (peer_is_local(p))
		return true;
	key_of(p, key);
	m = find(c, key);
	if (*m == NULL) {
		if (++c->count > c->slot_count) {
			grow(c);
			m = find(c, key);
		}
		*m = xcalloc(1, sizeof(**m));
		memcpy((*m)->address, key, sizeof(key));
	}
	if ((*m)->connections >= c->max)
		return false;
	(*m)->connections++;
	return true;
}

void
crowd_leave(struct crowd *c, const struct peer *p)
{
	unsigned char	  key[16];
	struct member	**m, *gone;

	if (peer_is_local(p))
		return;
	key_of(p, key);
	m = find(c, key);
	if ((gone = *m) == NULL || --gone->connections > 0)
		return;
	*m = gone->next;
	free(gone);
	c->count--;
}

size_t
crowd_addresses(const struct crowd *c)
{
	return c->count;
}

size_t
crowd_longest(const struct crowd *c)
{
	size_t	 longest = 0, len;

	for (size_t i = 0; i < c->slot_count; i++) {
		len = 0;
		for (const struct member *m = c->slots[i]; m != NULL; m = m->next)
			len++;
		longest = len > longest ? len : longest;
	}
	return longest;
}

struct crowd *
crowd_new(size_t max)
{
	struct crowd	*c = xcalloc(1, sizeof(*c));

	c->max = max;
	c->slot_count = SLOTS_MIN;
	c->slots = xcalloc(c->slot_count, sizeof(struct member *));
	/* Without it the slots are merely foreseeable. */
	(void)!getrandom(&c->seed, sizeof(c->seed), GRND_NONBLOCK);
	return c;
}

void
crowd_free(struct crowd *c)
{
	struct member	*m, *next;

	if (c == NULL)
		return;
	for (size_t i = 0; i < c->slot_count; i++)
		for (m = c->slots[i]; m != NULL; m = next) {
			next = m->next;
			free(m);
		}
	free(c->slots);
	free(c);
}
