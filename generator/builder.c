#include "generator/builder.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define WORD_BITS	64

struct builder {
	enum timeframe		 tf;
	enum candle_source	 source;
	int64_t			 length_us, grace_us;
	struct builder_counts	 counts;
	/* The ids seen in (last_id - BUILDER_ID_WINDOW, last_id], each at its remainder. */
	bool			 any_id;
	int64_t			 last_id;
	int64_t			 last_id_us;	/* time of its trade */
	uint64_t		 seen[BUILDER_ID_WINDOW / WORD_BITS];
	/* The candle at hand. */
	bool			 open;
	struct candle		 candle;
	int64_t			 first_trade_id, last_trade_id;
	int64_t			 floor_us;	/* trades before it are late */
};

struct builder *
builder_new(enum timeframe base, int64_t grace_us, enum candle_source source)
{
	struct builder	*b = xcalloc(1, sizeof(*b));

	b->tf = base;
	b->length_us = timeframe_us(base);
	b->grace_us = grace_us;
	b->source = source;
	b->floor_us = INT64_MIN;
	return b;
}

void
builder_free(struct builder *b)
{
	free(b);
}

const struct builder_counts *
builder_counts(const struct builder *b)
{
	return &b->counts;
}

void
builder_start_at(struct builder *b, int64_t open_us)
{
	if (b->floor_us >= open_us)
		return;
	b->floor_us = open_us;
	/* The candle at hand lies before it. */
	if (b->open && b->candle.open_us < open_us)
		b->open = false;
}

static void
move_window(struct builder *b, int64_t id)
{
	uint64_t	 step = (uint64_t)id - (uint64_t)b->last_id, slot;

	if (!b->any_id || step >= BUILDER_ID_WINDOW)
		memset(b->seen, 0, sizeof(b->seen));
	else
		for (uint64_t i = 1; i <= step; i++) {
			slot = ((uint64_t)b->last_id + i) % BUILDER_ID_WINDOW;
			b->seen[slot / WORD_BITS] &= ~(UINT64_C(1) << slot % WORD_BITS);
		}
	b->any_id = true;
	b->last_id = id;
}

/* Remember the id; false when it was seen, or is too old to tell. */
static bool
id_is_new(struct builder *b, const struct trade *t)
{
	uint64_t	 slot = (uint64_t)t->id % BUILDER_ID_WINDOW, bit = UINT64_C(1) << slot % WORD_BITS;
	bool		 is_old = b->any_id && t->id <= b->last_id && (uint64_t)b->last_id - (uint64_t)t->id >= BUILDER_ID_WINDOW;

	/* An id far behind of a trade that came later: it was the highest one that was none. */
	if (is_old && t->time_us > b->last_id_us)
		b->any_id = is_old = false;
	if (is_old)
		return false;
	if (!b->any_id || t->id > b->last_id) {
		move_window(b, t->id);
		b->last_id_us = t->time_us;
	} else if ((b->seen[slot / WORD_BITS] & bit) != 0)
		return false;
	b->seen[slot / WORD_BITS] |= bit;
	return true;
}

static int
close_candle(struct builder *b, struct candle *closed)
{
	*closed = b->candle;
	b->open = false;
	builder_start_at(b, b->candle.open_us + b->length_us);
	return 1;
}

static void
begin_candle(struct builder *b, const struct trade *t, int64_t open_us)
{
	b->candle = (struct candle){
		.open_us = open_us, .open = t->price, .high = t->price, .low = t->price, .close = t->price,
		.volume = t->quantity, .trades = 1 + t->folded, .source = b->source
	};
	b->first_trade_id = b->last_trade_id = t->id;
	b->open = true;
	builder_start_at(b, open_us);
}

static void
add_trade(struct builder *b, const struct trade *t)
{
	struct candle	*c = &b->candle;

	if (decimal_compare(t->price, c->high) > 0)
		c->high = t->price;
	if (decimal_compare(t->price, c->low) < 0)
		c->low = t->price;
	if (t->id < b->first_trade_id) {
		b->first_trade_id = t->id;
		c->open = t->price;
	}
	if (t->id > b->last_trade_id) {
		b->last_trade_id = t->id;
		c->close = t->price;
	}
	c->volume = decimal_add(c->volume, t->quantity);
	c->trades += 1 + t->folded;
}

int
builder_trade(struct builder *b, const struct trade *t, struct candle *closed)
{
	int	 count = 0;

	if (!id_is_new(b, t)) {
		b->counts.duplicates++;
		return 0;
	}
	if (t->time_us < b->floor_us) {
		b->counts.late++;
		return 0;
	}
	if (b->open && t->time_us - b->candle.open_us >= b->length_us)
		count = close_candle(b, closed);
	if (b->open)
		add_trade(b, t);
	else
		begin_candle(b, t, timeframe_open_us(b->tf, t->time_us));
	b->counts.trades++;
	return count;
}

int
builder_clock(struct builder *b, int64_t now_us, struct candle *closed)
{
	if (!b->open || now_us - b->grace_us < b->candle.open_us + b->length_us)
		return 0;
	return close_candle(b, closed);
}

/* Filler */

void
filler_init(struct filler *f, enum timeframe tf, int fill_max)
{
	*f = (struct filler){ .tf = tf, .fill_max = fill_max };
}

bool
filler_next(struct filler *f, const struct candle *next, struct candle *filled)
{
	int64_t	 length_us = timeframe_us(f->tf), missing;

	if (!f->begun)
		return false;
	missing = (next->open_us - f->last_open_us) / length_us - 1;
	if (missing < 1 || missing > f->fill_max)
		return false;
	f->last_open_us += length_us;
	*filled = (struct candle){
		.open_us = f->last_open_us, .open = f->last_close, .high = f->last_close, .low = f->last_close,
		.close = f->last_close, .source = SOURCE_FILLED
	};
	return true;
}

void
filler_done(struct filler *f, const struct candle *c)
{
	f->begun = true;
	f->last_open_us = c->open_us;
	f->last_close = c->close;
}

/* Aggregator */

void
aggregator_init(struct aggregator *a, enum timeframe base, enum timeframe tf)
{
	*a = (struct aggregator){ .base = base, .tf = tf };
}

static int
finish_candle(struct aggregator *a, struct candle *closed)
{
	a->building = false;
	if (a->incomplete)
		return 0;
	*closed = a->candle;
	return 1;
}

static void
merge_candle(struct candle *into, const struct candle *c)
{
	into->volume = decimal_add(into->volume, c->volume);
	into->trades = into->trades == -1 || c->trades == -1 ? -1 : into->trades + c->trades;
	if (c->source == SOURCE_FILLED)
		return;
	if (into->source == SOURCE_FILLED) {
		into->open = c->open;
		into->high = c->high;
		into->low = c->low;
	}
	if (decimal_compare(c->high, into->high) > 0)
		into->high = c->high;
	if (decimal_compare(c->low, into->low) < 0)
		into->low = c->low;
	into->close = c->close;
	into->source = c->source;
}

int
aggregator_add(struct aggregator *a, const struct candle *base_candle, struct candle closed[2])
{
	int64_t	 open_us = timeframe_open_us(a->tf, base_candle->open_us);
	int	 count = 0;

	if (a->begun && base_candle->open_us <= a->last_open_us)
		return 0;
	if (a->building && a->candle.open_us != open_us)
		count = finish_candle(a, &closed[0]);
	if (a->building)
		merge_candle(&a->candle, base_candle);
	else {
		a->candle = *base_candle;
		a->candle.open_us = open_us;
		a->building = true;
		a->incomplete = !a->begun && base_candle->open_us != open_us;
	}
	a->begun = true;
	a->last_open_us = base_candle->open_us;
	if (base_candle->open_us + timeframe_us(a->base) == open_us + timeframe_us(a->tf))
		count += finish_candle(a, &closed[count]);
	return count;
}
