#include "generator/backtest_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"

#define MINUTE_US	INT64_C(60000000)

/* One that has closed, for the runs of losses. */
struct closing {
	int64_t			 closed_us;
	size_t			 strategy, number;	/* in the order of coming */
	enum signal_outcome	 outcome;
	double			 r_multiple;
};

struct summary {
	uint64_t	 signals, closed, wins, losses, breakeven, voids;
	double		 sum_r, void_r;
	uint64_t	 losses_in_a_row, most_losses_in_a_row;
};

/* What was covered of one recording; none: from_us is beyond to_us. */
struct feed_line {
	char		*name;
	int64_t		 from_us, to_us;
	uint64_t	 candles, filled;
};

struct strategy_line {
	char		*name;
	struct summary	 summary;
};

struct report {
	FILE			*out;
	bool			 json, headed;
	/* From the oldest open signal on: those after it wait, so that lines come in order. */
	struct signal		*waiting;
	size_t			 first, end, capacity;
	struct closing		*closings;
	size_t			 closing_count, closing_capacity;
	struct strategy_line	*strategies;
	size_t			 strategy_count;
	struct feed_line	*feeds;
	size_t			 feed_count;
	struct feed_line	 all;		/* without a name */
	uint64_t		 signals;
};

struct report *
report_new(FILE *out, bool json)
{
	struct report	*r = xcalloc(1, sizeof(*r));

	r->out = out;
	r->json = json;
	r->all = (struct feed_line){ .from_us = INT64_MAX, .to_us = INT64_MIN };
	return r;
}

void
report_free(struct report *r)
{
	for (size_t i = 0; i < r->strategy_count; i++)
		free(r->strategies[i].name);
	free(r->strategies);
	for (size_t i = 0; i < r->feed_count; i++)
		free(r->feeds[i].name);
	free(r->feeds);
	free(r->closings);
	free(r->waiting);
	free(r);
}

static size_t
strategy_of(struct report *r, const char *name)
{
	for (size_t i = 0; i < r->strategy_count; i++)
		if (strcmp(r->strategies[i].name, name) == 0)
			return i;
	r->strategies = xrealloc(r->strategies, (r->strategy_count + 1) * sizeof(*r->strategies));
	r->strategies[r->strategy_count] = (struct strategy_line){ .name = xstrdup(name) };
	return r->strategy_count++;
}

void
report_strategy(struct report *r, const char *name)
{
	(void)strategy_of(r, name);	/* its place is all that is wanted */
}

static void
cover(struct feed_line *f, int64_t open_us, int64_t end_us, bool filled)
{
	f->candles++;
	f->filled += filled;
	if (open_us < f->from_us)
		f->from_us = open_us;
	if (end_us > f->to_us)
		f->to_us = end_us;
}

void
report_candle(struct report *r, int64_t open_us, int64_t end_us, bool filled)
{
	cover(&r->feeds[r->feed_count - 1], open_us, end_us, filled);
	cover(&r->all, open_us, end_us, filled);
}

uint64_t
report_candles(const struct report *r)
{
	return r->all.candles;
}

uint64_t
report_signals(const struct report *r)
{
	return r->signals;
}

int64_t
report_market_us(const struct report *r)
{
	return r->feeds[r->feed_count - 1].to_us;
}

/* Signals */

/* "2026-11-23 10:05", in UTC; "-" for INT64_MIN or INT64_MAX. */
static const char *
minute_text(int64_t us, char buf[CLOCK_TEXT_MAX])
{
	if (us == INT64_MIN || us == INT64_MAX)
		return "-";
	clock_iso_ms(us, buf);
	buf[10] = ' ';
	buf[16] = '\0';
	return buf;
}

static void
print_head(struct report *r)
{
	if (r->headed)
		return;
	r->headed = true;
	fprintf(r->out, "%-16s  %-12s %-3s  %-20s %-5s  %12s %12s  %10s  %-16s %12s  %-9s %-13s %7s  %s\n", "opened (UTC)", "symbol",
	    "tf", "strategy", "side", "entry", "stop", "confidence", "closed (UTC)", "exit", "outcome", "by", "R", "targets");
}

static void
print_signal(struct report *r, const struct signal *s)
{
	char	 opened[CLOCK_TEXT_MAX], closed[CLOCK_TEXT_MAX], entry[DECIMAL_TEXT_MAX], stop[DECIMAL_TEXT_MAX];
	char	 exit_price[DECIMAL_TEXT_MAX], target[DECIMAL_TEXT_MAX], multiple[32];
	bool	 active = s->status == STATUS_ACTIVE;

	print_head(r);
	snprintf(multiple, sizeof(multiple), "%+.2f", s->r_multiple);
	fprintf(r->out, "%-16s  %-12s %-3s  %-20s %-5s  %12s %12s  %10.4f  %-16s %12s  %-9s %-13s %7s  ",
	    minute_text(s->candle_close_us, opened), s->symbol, timeframe_names[s->timeframe], s->strategy, signal_side_names[s->side],
	    decimal_text(s->entry, entry), decimal_text(s->initial_stop, stop), s->confidence,
	    active ? "-" : minute_text(s->closed_us, closed), active ? "-" : decimal_text(s->exit_price, exit_price),
	    active ? "open" : signal_outcome_names[s->outcome], active ? "-" : signal_exit_names[s->exit_reason],
	    active ? "-" : multiple);
	for (int i = 0; i < s->target_count; i++)
		fprintf(r->out, "%s%s", i == 0 ? "" : ", ", decimal_text(s->targets[i], target));
	fputc('\n', r->out);
}

static void
put_time(struct jsonw *w, const char *key, int64_t us)
{
	char	 text[CLOCK_TEXT_MAX];

	jsonw_str(w, key, us == INT64_MIN || us == INT64_MAX ? NULL : clock_iso_ms(us, text));
}

static void
put_decimal(struct jsonw *w, const char *key, struct decimal d)
{
	char	 text[DECIMAL_TEXT_MAX];

	decimal_text(d, text);
	jsonw_raw(w, key, text, strlen(text));
}

static void
put_outcome(struct jsonw *w, const struct signal *s)
{
	if (s->status == STATUS_ACTIVE)
		return;
	put_decimal(w, "exit_price", s->exit_price);
	jsonw_str(w, "exit_reason", signal_exit_names[s->exit_reason]);
	jsonw_str(w, "outcome", signal_outcome_names[s->outcome]);
	jsonw_double(w, "pnl_ratio", s->pnl_ratio, 17);
	jsonw_double(w, "r_multiple", s->r_multiple, 17);
	put_time(w, "closed_at", s->closed_us);
}

static void
write_line(struct report *r, struct jsonw *w)
{
	jsonw_end_object(w);
	if (w->failed)
		fatalx("backtest", "out of memory");
	fprintf(r->out, "%s\n", w->buf);
	jsonw_release(w);
}

/* The names are those of the columns of table signals. */
static void
write_signal(struct report *r, const struct signal *s)
{
	struct jsonw	 w;

	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "kind", "signal");
	jsonw_str(&w, "exchange", s->exchange);
	jsonw_str(&w, "symbol", s->symbol);
	jsonw_str(&w, "timeframe", timeframe_names[s->timeframe]);
	jsonw_str(&w, "strategy", s->strategy);
	jsonw_int(&w, "strategy_version", s->strategy_version);
	jsonw_str(&w, "params_hash", s->params_hash);
	jsonw_str(&w, "mode", signal_mode_names[s->mode]);
	put_time(&w, "candle_open_time", s->candle_open_us);
	put_time(&w, "candle_close_time", s->candle_close_us);
	put_time(&w, "expires_at", s->expires_us);
	jsonw_str(&w, "side", signal_side_names[s->side]);
	put_decimal(&w, "entry", s->entry);
	put_decimal(&w, "initial_stop", s->initial_stop);
	jsonw_array(&w, "targets");
	for (int i = 0; i < s->target_count; i++)
		put_decimal(&w, NULL, s->targets[i]);
	jsonw_end_array(&w);
	jsonw_double(&w, "confidence", s->confidence, 9);
	jsonw_str(&w, "reason", s->reason);
	jsonw_raw(&w, "indicators", s->indicators, strlen(s->indicators));
	jsonw_str(&w, "status", signal_status_names[s->status]);
	jsonw_int(&w, "targets_hit", s->targets_hit);
	put_decimal(&w, "stop_loss", s->stop_loss);
	put_decimal(&w, "last_price", s->last_price);
	put_decimal(&w, "max_favorable", s->max_favorable);
	put_decimal(&w, "max_adverse", s->max_adverse);
	put_outcome(&w, s);
	write_line(r, &w);
}

static void
tell(struct report *r, const struct signal *s)
{
	if (r->json)
		write_signal(r, s);
	else
		print_signal(r, s);
}

static void
tell_waiting(struct report *r)
{
	while (r->first < r->end)
		tell(r, &r->waiting[r->first++]);
}

void
report_feed(struct report *r, const char *name)
{
	/* What is still open of the last one stays so. */
	tell_waiting(r);
	r->feeds = xrealloc(r->feeds, (r->feed_count + 1) * sizeof(*r->feeds));
	r->feeds[r->feed_count++] = (struct feed_line){ .name = xstrdup(name), .from_us = INT64_MAX, .to_us = INT64_MIN };
}

void
report_opened(struct report *r, const struct signal *s)
{
	size_t	 strategy = strategy_of(r, s->strategy);	/* may move them */

	r->signals++;
	r->strategies[strategy].summary.signals++;
	if (r->first > 0 && r->end == r->capacity) {
		memmove(r->waiting, r->waiting + r->first, (r->end - r->first) * sizeof(*r->waiting));
		r->end -= r->first;
		r->first = 0;
	}
	if (r->end == r->capacity) {
		r->capacity = r->capacity == 0 ? 64 : 2 * r->capacity;
		r->waiting = xrealloc(r->waiting, r->capacity * sizeof(*r->waiting));
	}
	r->waiting[r->end++] = *s;
}

static bool
same_identity(const struct signal *a, const struct signal *b)
{
	return a->candle_open_us == b->candle_open_us && a->timeframe == b->timeframe && strcmp(a->strategy, b->strategy) == 0 &&
	    strcmp(a->symbol, b->symbol) == 0 && strcmp(a->exchange, b->exchange) == 0;
}

static void
note_closing(struct report *r, const struct signal *s)
{
	if (r->closing_count == r->closing_capacity) {
		r->closing_capacity = r->closing_capacity == 0 ? 64 : 2 * r->closing_capacity;
		r->closings = xrealloc(r->closings, r->closing_capacity * sizeof(*r->closings));
	}
	r->closings[r->closing_count] = (struct closing){
		.closed_us = s->closed_us, .strategy = strategy_of(r, s->strategy), .number = r->closing_count,
		.outcome = s->outcome, .r_multiple = s->r_multiple
	};
	r->closing_count++;
}

void
report_changed(struct report *r, const struct signal *s)
{
	size_t	 at = r->end;

	while (at > r->first && !same_identity(&r->waiting[at - 1], s))
		at--;
	if (at == r->first)
		fatalx("backtest", "a signal changed that never opened strategy=%s symbol=%s", s->strategy, s->symbol);
	r->waiting[at - 1] = *s;
	if (s->status != STATUS_ACTIVE)
		note_closing(r, s);
	while (r->first < r->end && r->waiting[r->first].status != STATUS_ACTIVE)
		tell(r, &r->waiting[r->first++]);
}

/* The summary */

static void
add_closing(struct summary *s, const struct closing *c)
{
	s->closed++;
	s->wins += c->outcome == OUTCOME_WIN;
	s->losses += c->outcome == OUTCOME_LOSS;
	s->breakeven += c->outcome == OUTCOME_BREAKEVEN;
	if (c->outcome == OUTCOME_VOID) {
		s->voids++;
		s->void_r += c->r_multiple;
		return;
	}
	s->sum_r += c->r_multiple;
	s->losses_in_a_row = c->outcome == OUTCOME_LOSS ? s->losses_in_a_row + 1 : 0;
	if (s->losses_in_a_row > s->most_losses_in_a_row)
		s->most_losses_in_a_row = s->losses_in_a_row;
}

static int
by_time(const void *a, const void *b)
{
	const struct closing	*x = a, *y = b;

	if (x->closed_us != y->closed_us)
		return x->closed_us < y->closed_us ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* value / count with its sign and `digits` after the point, or "-". */
static const char *
mean_text(double value, uint64_t count, int digits, char buf[32])
{
	if (count == 0)
		return "-";
	snprintf(buf, 32, "%+.*f", digits, value / (double)count);
	return buf;
}

static void
print_summary(struct report *r, const char *name, const struct summary *s)
{
	uint64_t	 decided = s->wins + s->losses, counted = decided + s->breakeven;
	char		 win[32] = "-", mean[32], sum[32], void_r[32];

	if (decided > 0)
		snprintf(win, sizeof(win), "%.1f %%", 100 * (double)s->wins / (double)decided);
	fprintf(r->out, "%-20s %8" PRIu64 " %8" PRIu64 " %6" PRIu64 " %6" PRIu64 " %9" PRIu64 " %6" PRIu64 " %6" PRIu64
	    "  %9s %8s %9s %9s  %14" PRIu64 "\n", name, s->signals, s->closed, s->wins, s->losses, s->breakeven, s->voids,
	    s->signals - s->closed, win, mean_text(s->sum_r, counted, 3, mean), mean_text(s->sum_r, counted > 0, 2, sum),
	    mean_text(s->void_r, s->voids > 0, 2, void_r), s->most_losses_in_a_row);
}

static void
put_ratio(struct jsonw *w, const char *key, double value, uint64_t count)
{
	if (count == 0)
		jsonw_null(w, key);
	else
		jsonw_double(w, key, value / (double)count, 17);
}

static void
put_coverage(struct jsonw *w, const struct feed_line *f)
{
	jsonw_int(w, "candles", (int64_t)f->candles);
	jsonw_int(w, "filled_candles", (int64_t)f->filled);
	put_time(w, "market_from", f->from_us);
	put_time(w, "market_to", f->to_us);
}

static void
write_summary(struct report *r, const char *name, const struct summary *s)
{
	uint64_t	 decided = s->wins + s->losses;
	struct jsonw	 w;

	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "kind", name != NULL ? "strategy" : "total");
	if (name != NULL)
		jsonw_str(&w, "strategy", name);
	jsonw_int(&w, "signals", (int64_t)s->signals);
	jsonw_int(&w, "closed", (int64_t)s->closed);
	jsonw_int(&w, "wins", (int64_t)s->wins);
	jsonw_int(&w, "losses", (int64_t)s->losses);
	jsonw_int(&w, "breakeven", (int64_t)s->breakeven);
	jsonw_int(&w, "void", (int64_t)s->voids);
	jsonw_int(&w, "open", (int64_t)(s->signals - s->closed));
	put_ratio(&w, "win_ratio", (double)s->wins, decided);
	put_ratio(&w, "mean_r", s->sum_r, decided + s->breakeven);
	jsonw_double(&w, "sum_r", s->sum_r, 17);
	jsonw_double(&w, "void_sum_r", s->void_r, 17);
	jsonw_int(&w, "max_consecutive_losses", (int64_t)s->most_losses_in_a_row);
	if (name == NULL)
		put_coverage(&w, &r->all);
	write_line(r, &w);
}

static void
print_feed(struct report *r, const struct feed_line *f)
{
	char	 from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
	int64_t	 minutes = f->candles > 0 ? (f->to_us - f->from_us) / MINUTE_US : 0;

	fprintf(r->out, "feed %s: market time %s to %s UTC (%" PRId64 " d %" PRId64 " h %" PRId64 " min), %" PRIu64 " candles, %" PRIu64
	    " of them filled in\n", f->name, minute_text(f->from_us, from), minute_text(f->to_us, to), minutes / 1440, minutes / 60 % 24,
	    minutes % 60, f->candles, f->filled);
}

static void
print_summary_head(struct report *r)
{
	if (r->signals > 0)
		fputc('\n', r->out);
	for (size_t i = 0; i < r->feed_count; i++)
		print_feed(r, &r->feeds[i]);
	fprintf(r->out, "%-20s %8s %8s %6s %6s %9s %6s %6s  %9s %8s %9s %9s  %s\n", "strategy", "signals", "closed", "wins", "losses",
	    "breakeven", "void", "open", "win ratio", "mean R", "sum R", "void R", "losses in a row");
}

static void
write_feed(struct report *r, const struct feed_line *f)
{
	struct jsonw	 w;

	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "kind", "feed");
	jsonw_str(&w, "feed", f->name);
	put_coverage(&w, f);
	write_line(r, &w);
}

static void
tell_summary(struct report *r, const char *name, const struct summary *s)
{
	if (r->json)
		write_summary(r, name, s);
	else
		print_summary(r, name != NULL ? name : "total", s);
}

void
report_end(struct report *r)
{
	struct summary	 total = { .signals = r->signals };

	tell_waiting(r);
	/* Several recordings come one after the other; runs of losses are runs in market time. */
	if (r->closing_count > 0)
		qsort(r->closings, r->closing_count, sizeof(*r->closings), by_time);
	for (size_t i = 0; i < r->closing_count; i++) {
		add_closing(&r->strategies[r->closings[i].strategy].summary, &r->closings[i]);
		add_closing(&total, &r->closings[i]);
	}
	if (!r->json)
		print_summary_head(r);
	for (size_t i = 0; i < r->feed_count && r->json; i++)
		write_feed(r, &r->feeds[i]);
	for (size_t i = 0; i < r->strategy_count; i++)
		tell_summary(r, r->strategies[i].name, &r->strategies[i].summary);
	tell_summary(r, NULL, &total);
}
