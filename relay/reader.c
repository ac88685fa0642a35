#include "relay/reader.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "relay/change.h"
#include "relay/cursor.h"
#include "relay/history.h"
#include "relay/listener.h"
#include "relay/ring.h"
#include "relay/stats.h"

/*
 * A batch is memory that others may wait for, so one that nobody takes is given
 * back, counted from the last progress; while others do wait, from the beginning:
 * a byte now and then is progress too.
 */
#define PARK_US		INT64_C(900000)		/* a page: it can be read again (one tick, less its jitter) */
#define STALL_US	INT64_C(10000000)	/* a snapshot: it cannot be continued */

enum reader_state { READER_HELD, READER_WAITING, READER_BATCH, READER_PARKED, READER_LIVE };

struct reader {
	/* What each event touches, together. */
	const struct reader_context *context;
	const struct reader_handler *handler;
	uint64_t		 position;	/* READER_LIVE: of the next event in the ring */
	uint64_t		 bytes_at;	/* of the ring, at `position` */
	uint64_t		 gathered_end;	/* `position` or `batch_next` behind the last of those gathered */
	int64_t			 seq;		/* the last event that it is past */
	int64_t			 live_us;	/* monotonic: since when it follows the ring */
	uint16_t		 gathered;	/* events, not passed yet */
	bool			 has_passed;	/* something, since the last tick */
	enum reader_state	 state;

	void			*arg;
	struct batch		*batch;		/* READER_BATCH */
	size_t			 batch_next;
	int64_t			 batch_last;	/* seq that the batch leads to */
	struct history_ask	*ask;		/* READER_WAITING */
	int64_t			 asked_newest;	/* of the ring when a page was asked for */
	const char		*reset_reason;	/* what was asked for is a snapshot, and why */
	struct cursor		*start;		/* READER_HELD; NULL: from now on */
	int64_t			 taken_us;	/* READER_BATCH: since when it has it */
	int64_t			 moved_us;	/* and when it was last seen to make progress */
};

/* Finding the next source */

static void	 page_cb(const struct history_answer *answer, void *arg);
static void	 snapshot_cb(const struct history_answer *answer, void *arg);

static void
set_state(struct reader *r, enum reader_state state)
{
	r->state = state;
	r->gathered = 0;
}

static void
go_live(struct reader *r, uint64_t position)
{
	set_state(r, READER_LIVE);
	r->position = position;
	r->bytes_at = ring_bytes_before(r->context->ring, position);
	r->live_us = clock_mono_us();
}

static void
ask_page(struct reader *r, int64_t seq)
{
	r->seq = seq;
	r->asked_newest = ring_newest(r->context->ring);
	set_state(r, READER_WAITING);
	r->ask = history_page(r->context->history, seq, page_cb, r);
}

/* All up to `seq` has passed or is not wanted: go on from the ring, or from the database when the ring begins later. */
static void
continue_from(struct reader *r, int64_t seq)
{
	if (!ring_covers(r->context->ring, seq)) {
		ask_page(r, seq);
		return;
	}
	r->seq = seq;
	go_live(r, ring_find(r->context->ring, seq));
}

static void
take_batch(struct reader *r, const struct history_answer *answer)
{
	set_state(r, READER_BATCH);
	r->batch = batch_ref(answer->batch);
	r->batch_next = 0;
	r->batch_last = answer->last_seq;
	r->taken_us = r->moved_us = clock_mono_us();
	r->handler->ready(r->arg);
}

static void
page_cb(const struct history_answer *answer, void *arg)
{
	struct reader	*r = arg;

	r->ask = NULL;
	if (answer->verdict != CURSOR_GOOD)
		reader_reset(r, answer->verdict == CURSOR_EXPIRED ? "retention" : "unknown");
	else if (answer->last_seq == 0) {
		/* The log, read after we asked, has nothing for us up to there; the ring may have gone further since. */
		continue_from(r, r->asked_newest > r->seq ? r->asked_newest : r->seq);
		r->handler->ready(r->arg);
	} else
		take_batch(r, answer);
}

static void
snapshot_cb(const struct history_answer *answer, void *arg)
{
	struct reader	*r = arg;

	r->ask = NULL;
	r->handler->reset(r->reset_reason, answer->last_seq, r->arg);
	take_batch(r, answer);
}

static void
batch_done(struct reader *r)
{
	struct batch	*b = r->batch;
	int64_t		 last = r->batch_last;
	bool		 was_snapshot = r->reset_reason != NULL;

	r->batch = NULL;
	r->reset_reason = NULL;
	continue_from(r, last);
	/* After asking for the next page: whoever waited longer goes first when there is room for a batch again. */
	batch_unref(b);
	if (was_snapshot)
		r->handler->snapshot_done(last, r->arg);
}

static void
drop_sources(struct reader *r)
{
	if (r->ask != NULL)
		history_cancel(r->ask);
	r->ask = NULL;
	batch_unref(r->batch);
	r->batch = NULL;
}

void
reader_reset(struct reader *r, const char *reason)
{
	if (r->state == READER_HELD)
		return;
	drop_sources(r);
	r->context->stats->resets++;
	r->reset_reason = reason;
	set_state(r, READER_WAITING);
	r->ask = history_snapshot(r->context->history, snapshot_cb, r);
}

static void
begin_at(struct reader *r, const struct cursor *start)
{
	if (!listener_continues(r->context->listener, start))
		reader_reset(r, "epoch");
	else if (start->seq > ring_newest(r->context->ring)) {
		/* Ahead of us: another relay may be faster, so the database judges. */
		ask_page(r, start->seq);
	} else
		continue_from(r, start->seq);
}

void
reader_begin(struct reader *r)
{
	struct cursor	*start = r->start;

	if (r->state != READER_HELD || !listener_has_begun(r->context->listener))
		return;
	r->start = NULL;
	r->seq = ring_newest(r->context->ring);
	go_live(r, ring_head(r->context->ring));
	if (start != NULL)
		begin_at(r, start);
	free(start);
	r->handler->begun(r->arg);
	r->handler->ready(r->arg);
}

/* Gathering */

static bool
wants(const struct reader *r, const struct change *c)
{
	return r->handler->wants == NULL || r->handler->wants(c, r->arg);
}

/* A page may be shared with others who are not as far: what the reader is past is not for it.  All of a snapshot is. */
static size_t
gather_batch(struct reader *r, struct change **out, size_t max)
{
	size_t		 next = r->batch_next, count = 0, all = batch_count(r->batch);
	struct change	*c;

	while (count < max && next < all) {
		c = batch_at(r->batch, next++);
		if ((r->reset_reason == NULL && c->seq <= r->seq) || !wants(r, c))
			continue;
		out[count++] = c;
		r->gathered_end = next;
	}
	if (count == 0)
		r->batch_next = next;
	return count;
}

/* Past what it does not want, too: that is its place when it falls off the ring. */
static void
skip_to(struct reader *r, uint64_t position)
{
	const struct change	*last = ring_at(r->context->ring, position - 1);

	r->position = position;
	r->bytes_at = ring_bytes_before(r->context->ring, position);
	if (last->seq > r->seq)
		r->seq = last->seq;
}

static size_t
gather_ring(struct reader *r, struct change **out, size_t max)
{
	const struct ring	*ring = r->context->ring;
	uint64_t		 position = r->position, head = ring_head(ring);
	struct change		*c;
	size_t			 count = 0;

	while (count < max && position < head) {
		c = ring_at(ring, position++);
		/* A reader that came from the database may be ahead of the ring. */
		if (c->seq <= r->seq || !wants(r, c))
			continue;
		out[count++] = c;
		r->gathered_end = position;
	}
	if (count == 0 && position > r->position)
		skip_to(r, position);
	return count;
}

size_t
reader_gather(struct reader *r, struct change **out, size_t max)
{
	if (max > READER_GATHER_MAX)
		max = READER_GATHER_MAX;
	r->gathered = 0;
	for (;;) {
		switch (r->state) {
		case READER_HELD:
		case READER_WAITING:
			return 0;
		case READER_PARKED:
			continue_from(r, r->seq);
			break;
		case READER_BATCH:
			if ((r->gathered = (uint16_t)gather_batch(r, out, max)) > 0)
				return r->gathered;
			batch_done(r);
			break;
		case READER_LIVE:
			if (r->position >= ring_tail(r->context->ring))
				return r->gathered = (uint16_t)gather_ring(r, out, max);
			continue_from(r, r->seq);	/* it fell off the ring */
			break;
		}
	}
}

/* Where the first `count` of those gathered end, by gathering them again. */
static uint64_t
end_of(struct reader *r, size_t count)
{
	struct change	*again[READER_GATHER_MAX];
	uint64_t	 whole = r->gathered_end, end;

	if (r->state == READER_BATCH)
		(void)gather_batch(r, again, count);
	else
		(void)gather_ring(r, again, count);
	end = r->gathered_end;
	r->gathered_end = whole;
	return end;
}

void
reader_passed(struct reader *r, size_t count)
{
	uint64_t		 end;
	const struct change	*last;

	/* Given back meanwhile, or fallen off the ring: it will be gathered again. */
	if (r->gathered < count || (r->state == READER_LIVE && r->position < ring_tail(r->context->ring)))
		return;
	end = count < r->gathered ? end_of(r, count) : r->gathered_end;
	last = r->state == READER_BATCH ? batch_at(r->batch, end - 1) : ring_at(r->context->ring, end - 1);
	r->gathered -= (uint16_t)count;
	r->has_passed = true;
	/* What a snapshot holds is not the place in the log that it leads to. */
	if (r->reset_reason == NULL)
		r->seq = last->seq;
	if (r->state == READER_BATCH)
		r->batch_next = end;
	else {
		r->position = end;
		r->bytes_at = ring_bytes_before(r->context->ring, end);
	}
}

/* Time */

bool
reader_tick(struct reader *r, bool moved, int64_t now_us)
{
	int64_t	 held_us;

	moved = moved || r->has_passed;
	r->has_passed = false;
	if (r->state != READER_BATCH)
		return true;
	if (moved)
		r->moved_us = now_us;
	held_us = now_us - (history_is_short(r->context->history) ? r->taken_us : r->moved_us);
	if (r->reset_reason != NULL)
		return held_us <= STALL_US;
	if (held_us > PARK_US) {
		/* Before the unref: room for a batch lets history ask for the next one. */
		set_state(r, READER_PARKED);
		batch_unref(r->batch);
		r->batch = NULL;
	}
	return true;
}

/* Questions */

void
reader_prefetch(const struct reader *r)
{
	__builtin_prefetch(r, 1);
	__builtin_prefetch((const char *)r + 64, 1);
}

bool
reader_is_live(const struct reader *r)
{
	return r->state == READER_LIVE;
}

bool
reader_is_at_head(const struct reader *r)
{
	return r->state == READER_LIVE && r->position == ring_head(r->context->ring);
}

bool
reader_in_snapshot(const struct reader *r)
{
	return r->state == READER_BATCH && r->reset_reason != NULL;
}

bool
reader_is_reset(const struct reader *r)
{
	return r->reset_reason != NULL;
}

int64_t
reader_seq(const struct reader *r)
{
	return r->seq;
}

uint64_t
reader_lag_bytes(const struct reader *r)
{
	const struct ring	*ring = r->context->ring;

	return r->state == READER_LIVE ? ring_bytes_before(ring, ring_head(ring)) - r->bytes_at : 0;
}

int64_t
reader_live_us(const struct reader *r)
{
	return r->live_us;
}

/* Life */

struct reader *
reader_new(const struct reader_context *context, const struct reader_handler *handler, void *arg, const struct cursor *start)
{
	struct reader	*r = xcalloc(1, sizeof(*r));

	*r = (struct reader){ .context = context, .handler = handler, .arg = arg };
	if (start != NULL) {
		r->start = xcalloc(1, sizeof(*r->start));
		*r->start = *start;
	}
	return r;
}

void
reader_free(struct reader *r)
{
	if (r == NULL)
		return;
	drop_sources(r);
	free(r->start);
	free(r);
}
