#include "generator/engine_private.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/json.h"

#define STATUS_PAIRS_MAX	2048	/* bytes of STATUS for single strategies; else totals alone */

static void
time_json(struct jsonw *w, const char *key, int64_t us)
{
	char	 text[CLOCK_TEXT_MAX];

	if (us != INT64_MIN)
		jsonw_str(w, key, clock_iso_ms(us, text));
}

static bool
pair_is_warm(const struct pair *p)
{
	return strategy_state_bars(p->state) >= strategy_warmup(p->strategy);
}

/* Each strategy on each stream, as an array; false when that is too long for STATUS. */
static bool
pairs_json(const struct engine *e, struct jsonw *w)
{
	const struct pair	*p;

	jsonw_array(w, NULL);
	for (const struct stream *s = e->streams; s != NULL; s = s->next)
		for (size_t i = 0; i < s->pair_count; i++) {
			p = &s->pairs[i];
			jsonw_object(w, NULL);
			jsonw_str(w, "strategy", strategy_name(p->strategy));
			jsonw_str(w, "symbol", s->symbol);
			jsonw_str(w, "timeframe", timeframe_names[strategy_timeframe(p->strategy)]);
			jsonw_bool(w, "warm", pair_is_warm(p));
			if (!pair_is_warm(p)) {
				jsonw_int(w, "bars", (int64_t)strategy_state_bars(p->state));
				jsonw_int(w, "warmup", (int64_t)strategy_warmup(p->strategy));
			}
			time_json(w, "judged", p->judged_us);
			time_json(w, "fired", p->opened_us);
			if (p->book.active)
				jsonw_str(w, "active", signal_side_names[p->book.signal.side]);
			jsonw_end_object(w);
		}
	jsonw_end_array(w);
	return !w->failed;
}

void
engine_status_json(const struct engine *e, struct jsonw *w)
{
	uint64_t	 trades = 0, late = 0, duplicates = 0, candles = 0, filled = 0, late_candles = 0, corrected = 0, gaps = 0, future = 0;
	int64_t		 active = 0, pairs = 0, warm = 0;
	char		 text[STATUS_PAIRS_MAX];
	struct jsonw	 list;

	for (const struct stream *s = e->streams; s != NULL; s = s->next) {
		trades += builder_counts(s->builder)->trades;
		late += builder_counts(s->builder)->late;
		duplicates += builder_counts(s->builder)->duplicates;
		candles += s->candles;
		filled += s->filled;
		late_candles += s->late;
		corrected += s->corrected;
		gaps += s->gaps;
		future += s->future;
		for (size_t i = 0; i < s->pair_count; i++) {
			pairs++;
			warm += pair_is_warm(&s->pairs[i]);
			active += s->pairs[i].book.active;
		}
		for (size_t i = 0; i < s->orphan_count; i++)
			active += s->orphans[i].active;
	}
	jsonw_int(w, "trades", (int64_t)trades);
	jsonw_int(w, "late_trades", (int64_t)late);
	jsonw_int(w, "duplicate_trades", (int64_t)duplicates);
	jsonw_int(w, "candles", (int64_t)candles);
	jsonw_int(w, "filled_candles", (int64_t)filled);
	jsonw_int(w, "late_candles", (int64_t)late_candles);
	jsonw_int(w, "corrected_candles", (int64_t)corrected);
	jsonw_int(w, "gaps", (int64_t)gaps);
	jsonw_int(w, "from_the_future", (int64_t)future);
	jsonw_int(w, "signals_opened", (int64_t)e->opened);
	jsonw_int(w, "signals_active", active);
	jsonw_int(w, "strategies_running", pairs);
	jsonw_int(w, "strategies_warm", warm);
	jsonw_init_fixed(&list, text, sizeof(text));
	if (pairs_json(e, &list))
		jsonw_raw(w, "strategies", list.buf, list.len);
}
