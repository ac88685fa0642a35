#include "generator/sequence.h"

#include <stdlib.h>

#include "common/log.h"

#define CAPACITY_MIN	256		/* a power of two, as SEQUENCE_WINDOW is */

/* Every id held has the slot of its remainder; a slot with another id, or 0, is free. */
struct sequence {
	struct trade	*slots;
	int64_t		 capacity;
	int64_t		 next;		/* 0: unknown */
	int64_t		 first, last;	/* held; 0 when none is */
	size_t		 held;
};

struct sequence *
sequence_new(void)
{
	struct sequence	*s = xcalloc(1, sizeof(*s));

	s->capacity = CAPACITY_MIN;
	s->slots = xcalloc(CAPACITY_MIN, sizeof(*s->slots));
	return s;
}

void
sequence_free(struct sequence *s)
{
	if (s == NULL)
		return;
	free(s->slots);
	free(s);
}

static struct trade *
slot_of(const struct sequence *s, int64_t id)
{
	return &s->slots[id & (s->capacity - 1)];
}

static bool
is_held(const struct sequence *s, int64_t id)
{
	return slot_of(s, id)->id == id;
}

static void
set_capacity(struct sequence *s, int64_t capacity)
{
	struct trade	*old = s->slots;
	int64_t		 old_capacity = s->capacity;

	s->slots = xcalloc((size_t)capacity, sizeof(*s->slots));
	s->capacity = capacity;
	for (int64_t i = 0; i < old_capacity; i++)
		if (old[i].id != 0)
			*slot_of(s, old[i].id) = old[i];
	free(old);
}

/* Make room for `span` ids in a row. */
static void
make_room(struct sequence *s, int64_t span)
{
	int64_t	 capacity = s->capacity;

	while (capacity < span)
		capacity *= 2;
	if (capacity != s->capacity)
		set_capacity(s, capacity);
}

static void
drop_all(struct sequence *s)
{
	for (int64_t i = 0; i < s->capacity; i++)
		s->slots[i].id = 0;
	s->held = 0;
	s->first = s->last = 0;
}

static void
drop(struct sequence *s, int64_t id)
{
	slot_of(s, id)->id = 0;
	if (--s->held == 0) {
		s->first = s->last = 0;
		/* What a flood needed is given back. */
		if (s->capacity > CAPACITY_MIN) {
			free(s->slots);
			s->slots = xcalloc(CAPACITY_MIN, sizeof(*s->slots));
			s->capacity = CAPACITY_MIN;
		}
		return;
	}
	if (id == s->first)
		while (!is_held(s, s->first))
			s->first++;
}

static void
drop_below(struct sequence *s, int64_t id)
{
	if (s->last < id)
		drop_all(s);
	while (s->held > 0 && s->first < id)
		drop(s, s->first);
}

static void
hold(struct sequence *s, const struct trade *t)
{
	int64_t	 lowest = s->next != 0 ? s->next : s->held == 0 || t->id < s->first ? t->id : s->first;
	int64_t	 highest = s->last > t->id ? s->last : t->id;

	make_room(s, highest - lowest + 1);
	*slot_of(s, t->id) = *t;
	s->last = highest;
	if (s->held++ == 0 || t->id < s->first)
		s->first = t->id;
}

/* Far from where we stand.  Newer: keep the newer half of the window. */
static enum sequence_put
overflow(struct sequence *s, const struct trade *t)
{
	s->next = 0;
	if (s->held > 0 && t->id < s->first)
		drop_all(s);
	else
		drop_below(s, t->id - SEQUENCE_WINDOW / 2);
	hold(s, t);
	return SEQUENCE_OVERFLOW;
}

enum sequence_put
sequence_put(struct sequence *s, const struct trade *t)
{
	int64_t	 lowest = s->next != 0 ? s->next : s->held > 0 ? s->first : t->id;

	if (t->id < lowest && s->next != 0)
		return lowest - t->id < SEQUENCE_WINDOW ? SEQUENCE_DUPLICATE : overflow(s, t);
	if (t->id < lowest ? s->last - t->id >= SEQUENCE_WINDOW : t->id - lowest >= SEQUENCE_WINDOW)
		return overflow(s, t);
	if (s->held > 0 && t->id >= s->first && is_held(s, t->id))
		return SEQUENCE_DUPLICATE;
	hold(s, t);
	return SEQUENCE_TAKEN;
}

bool
sequence_take(struct sequence *s, struct trade *t)
{
	if (s->next == 0 || s->held == 0 || s->first != s->next)
		return false;
	*t = *slot_of(s, s->next);
	drop(s, s->next);
	s->next++;
	return true;
}

int64_t
sequence_next_id(const struct sequence *s)
{
	return s->next;
}

void
sequence_start(struct sequence *s, int64_t id)
{
	drop_below(s, id);
	/* A hole wider than the window cannot be held beside what is behind it. */
	if (s->held > 0 && s->last - id >= SEQUENCE_WINDOW)
		drop_all(s);
	s->next = id;
	if (s->held > 0)
		make_room(s, s->last - id + 1);
}

void
sequence_forget(struct sequence *s)
{
	s->next = 0;
}

bool
sequence_join(struct sequence *s, int64_t from_us)
{
	bool	 before = false;	/* the id just below is held, and earlier */

	if (s->next != 0 || s->held == 0)
		return false;
	for (int64_t id = s->first; id <= s->last; id++) {
		if (!is_held(s, id))
			before = false;
		else if (slot_of(s, id)->time_us < from_us)
			before = true;
		else if (before) {
			sequence_start(s, id);
			return true;
		} else
			return false;
	}
	sequence_start(s, s->last + 1);
	return true;
}

bool
sequence_missing(const struct sequence *s, int64_t *from, int64_t *to)
{
	if (s->held == 0 || s->first == s->next)
		return false;
	*from = s->next;
	*to = s->first - 1;
	return true;
}

int64_t
sequence_first(const struct sequence *s)
{
	return s->first;
}

int64_t
sequence_last(const struct sequence *s)
{
	return s->last;
}

size_t
sequence_held(const struct sequence *s)
{
	return s->held;
}
