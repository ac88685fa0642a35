#include "relay/ring.h"

#include <stdlib.h>

#include "common/log.h"
#include "relay/change.h"

struct slot {
	struct change	*change;
	uint64_t	 bytes_before;
};

struct ring {
	struct slot	*slots;
	size_t		 size;
	uint64_t	 head, tail;
	uint64_t	 bytes_pushed, bytes_max;
	int64_t		 floor_seq;	/* every event after it is here, or was never logged */
	int64_t		 newest_seq;
};

static struct slot *
slot_at(const struct ring *r, uint64_t position)
{
	return &r->slots[position % r->size];
}

struct ring *
ring_new(size_t events_max, uint64_t bytes_max)
{
	struct ring	*r = xcalloc(1, sizeof(*r));

	r->slots = xcalloc(events_max, sizeof(*r->slots));
	r->size = events_max;
	r->bytes_max = bytes_max;
	return r;
}

static void
evict(struct ring *r)
{
	struct slot	*s = slot_at(r, r->tail++);

	r->floor_seq = s->change->seq;
	change_unref(s->change);
	s->change = NULL;
}

void
ring_clear(struct ring *r, int64_t floor_seq)
{
	while (r->tail < r->head)
		evict(r);
	r->floor_seq = r->newest_seq = floor_seq;
}

void
ring_free(struct ring *r)
{
	if (r == NULL)
		return;
	ring_clear(r, 0);
	free(r->slots);
	free(r);
}

void
ring_push(struct ring *r, struct change *c)
{
	if (r->head - r->tail == r->size)
		evict(r);
	*slot_at(r, r->head++) = (struct slot){ .change = change_ref(c), .bytes_before = r->bytes_pushed };
	r->bytes_pushed += c->frame_len;
	r->newest_seq = c->seq;
	/* The newest stays, however large: its subscribers are about to be served. */
	while (ring_bytes_held(r) > r->bytes_max && r->head - r->tail > 1)
		evict(r);
}

uint64_t
ring_head(const struct ring *r)
{
	return r->head;
}

uint64_t
ring_tail(const struct ring *r)
{
	return r->tail;
}

struct change *
ring_at(const struct ring *r, uint64_t position)
{
	return slot_at(r, position)->change;
}

bool
ring_covers(const struct ring *r, int64_t seq)
{
	return r->floor_seq <= seq;
}

uint64_t
ring_find(const struct ring *r, int64_t seq)
{
	uint64_t	 low = r->tail, high = r->head, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (ring_at(r, middle)->seq > seq)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int64_t
ring_newest(const struct ring *r)
{
	return r->newest_seq;
}

int64_t
ring_floor(const struct ring *r)
{
	return r->floor_seq;
}

uint64_t
ring_bytes_before(const struct ring *r, uint64_t position)
{
	if (position >= r->head)
		return r->bytes_pushed;
	return slot_at(r, position < r->tail ? r->tail : position)->bytes_before;
}

uint64_t
ring_bytes_held(const struct ring *r)
{
	return r->bytes_pushed - ring_bytes_before(r, r->tail);
}
