/*
 * Candles or trades from a file, flat out or at a pace: CSV (which column is
 * what: feed_file_layout.h) or JSON lines (line.h).  The file is read once, from
 * the first line.
 */
#include <errno.h>
#include <event2/event.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "generator/feed.h"
#include "generator/feed_file_conf.h"
#include "generator/feed_file_layout.h"
#include "generator/lines.h"

#define TURN_LINES	512		/* at most, and at most */
#define TURN_US		2000
#define TURN_CHECK	32		/* lines between two looks at the clock */
#define WAIT_MAX_US	250000.0	/* the market's clock moves on in quiet times too */
#define WAIT_MIN_US	1000.0
#define BAD_LINES_LOGGED 20
#define NEVER_US	(INT64_MAX / 2)
#define GONE_MAX_US	2e18		/* fits when a market time is added */

enum file_state { FILE_FLAT, FILE_PACED, FILE_ENDED, FILE_FAILED };

struct file_symbol {
	int64_t	 resume_us;
	int64_t	 last_open_us;	/* of its last candle in the file */
	int64_t	 next_id;	/* for trades without */
};

struct feed_file {
	const struct feed_conf	*common;
	const struct feed_file_conf *conf;
	struct feed_handler	 handler;
	void			*arg;
	struct event		*turn;
	struct lines		 lines;
	struct layout		 layout;
	struct line_market	 market;
	struct jsonr		 json;
	char			 separator;
	struct file_symbol	*symbols;
	enum file_state		 state;
	bool			 paused, finished;
	bool			 trades;	/* there were some, so the market's clock closes candles */
	/* The record that is read and not yet due. */
	bool			 pending;
	struct file_row		 row;
	/* Pace: market time runs by the wall from the first record on. */
	int64_t			 market_from_us, wall_from_us;
	int64_t			 market_us;	/* time of the last record or clock */
	uint64_t		 delivered, before_resume, other_symbols, bad_lines;
};

/* Reading */

/* Count and log a line that is no good; it ends the feed when it must be so. */
static void
bad_line(struct feed_file *f, const char *why)
{
	unsigned long long	 number = f->lines.number;

	f->bad_lines++;
	if (f->conf->on_error == ON_ERROR_STOP) {
		log_errorx("feed", "bad line, and on_error = stop name=%s file=%s line=%llu reason=\"%s\"", f->common->name,
		    f->conf->path, number, why);
		f->state = FILE_FAILED;
	} else if (f->bad_lines <= BAD_LINES_LOGGED)
		log_warnx("feed", "bad line skipped%s name=%s file=%s line=%llu reason=\"%s\"",
		    f->bad_lines == BAD_LINES_LOGGED ? " (further ones are only counted)" : "", f->common->name, f->conf->path,
		    number, why);
}

/* Whose line it is; false when nobody's. */
static bool
find_symbol(const struct feed_file *f, size_t *symbol)
{
	const struct csv_field	*field = &f->row.symbol;
	const struct conf_list	*list = &f->common->symbols;

	for (*symbol = 0; *symbol < list->count; ++*symbol)
		if (f->layout.at[COLUMN_SYMBOL] == -1 ||
		    (strlen(list->items[*symbol]) == field->len && memcmp(list->items[*symbol], field->text, field->len) == 0))
			return true;
	return false;
}

static int64_t
row_us(const struct feed_file *f)
{
	return line_time_us(&f->row.line);
}

static enum line_result
parse_csv(struct feed_file *f, char *line, size_t len, char *why)
{
	struct csv_field	 fields[LAYOUT_FIELDS_MAX];
	const char		*split_why;
	int			 count;

	if ((count = csv_split(line, len, f->separator, fields, LAYOUT_FIELDS_MAX, &split_why)) == -1) {
		snprintf(why, LINE_WHY_MAX, "%s", split_why);
		return LINE_BAD;
	}
	if (!layout_row(&f->layout, (enum timeframe)f->common->timeframe, fields, count, &f->row, why, LINE_WHY_MAX))
		return LINE_BAD;
	return find_symbol(f, &f->row.line.symbol) ? LINE_TAKEN : LINE_OTHER;
}

/* One line into f->row; f->pending when it is to be delivered. */
static void
read_line(struct feed_file *f, char *line, size_t len)
{
	struct line		*l = &f->row.line;
	struct file_symbol	*s;
	char			 why[LINE_WHY_MAX];
	enum line_result	 result;

	if (len == 0 || (len == 1 && *line == '\r'))
		return;
	result = f->layout.format == FORMAT_JSON ? line_parse(&f->json, &f->market, LINE_NO_CLOCK, line, len, l, why) :
	    parse_csv(f, line, len, why);
	if (result == LINE_BAD)
		bad_line(f, why);
	f->other_symbols += result == LINE_OTHER;
	if (result != LINE_TAKEN)
		return;
	s = &f->symbols[l->symbol];
	if (l->kind == LINE_CANDLE) {
		if (l->candle.open_us <= s->last_open_us) {
			bad_line(f, l->candle.open_us == s->last_open_us ? "a second candle of this time" :
			    "a candle older than the one before it");
			return;
		}
		s->last_open_us = l->candle.open_us;
	} else if (l->kind == LINE_TRADE && !l->has_id)
		l->trade.id = s->next_id++;
	if (row_us(f) < s->resume_us)
		f->before_resume++;
	else
		f->pending = true;
}

static void
next_line(struct feed_file *f)
{
	char	*line;
	size_t	 len;

	switch (lines_next(&f->lines, &line, &len)) {
	case LINES_LINE:
		read_line(f, line, len);
		break;
	case LINES_TOO_LONG:
		bad_line(f, "the line is too long");
		break;
	case LINES_AGAIN:	/* never of a file */
	case LINES_END:
		f->state = FILE_ENDED;
		break;
	case LINES_ERROR:
		log_error("feed", "cannot read on name=%s file=%s line=%llu", f->common->name, f->conf->path,
		    (unsigned long long)f->lines.number);
		f->state = FILE_FAILED;
		break;
	}
}

/* Delivering */

/* Where market time stands; beyond what has been delivered when the loop is behind. */
static int64_t
market_now(const struct feed_file *f)
{
	double	 gone_us;

	if (f->state == FILE_FLAT)
		return NEVER_US;
	gone_us = (double)(clock_mono_us() - f->wall_from_us) * f->conf->pace;
	return f->market_from_us + (int64_t)fmin(gone_us, GONE_MAX_US);
}

/* The market's time runs from the first record on. */
static void
begin_pace(struct feed_file *f)
{
	f->state = FILE_PACED;
	f->market_from_us = row_us(f);
	f->wall_from_us = clock_mono_us();
}

static void
deliver_signal(struct feed_file *f)
{
	const struct line	*l = &f->row.line;
	enum signal_verdict	 verdict = f->handler.signal(l->symbol, &l->signal, f->arg);

	if (verdict != VERDICT_OPENED && verdict != VERDICT_REPEATED)
		bad_line(f, signal_verdict_words[verdict]);
}

static void
deliver(struct feed_file *f)
{
	const struct line	*l = &f->row.line;

	f->pending = false;
	f->market_us = row_us(f);
	f->delivered++;
	switch (l->kind) {
	case LINE_TRADE:
		f->trades = true;
		f->handler.trade(l->symbol, &l->trade, f->arg);
		break;
	case LINE_CANDLE:
		f->handler.candle(l->symbol, &l->candle, f->arg);
		break;
	case LINE_SIGNAL:
		deliver_signal(f);
		break;
	}
}

static bool
is_over(const struct feed_file *f)
{
	return f->state == FILE_ENDED || f->state == FILE_FAILED;
}

/* Read and deliver what is due; true when there may be more at once. */
static bool
deliver_due(struct feed_file *f)
{
	int64_t	 limit_us = clock_mono_us() + TURN_US, now_us = market_now(f);

	for (int i = 1; i <= TURN_LINES && !f->paused && !is_over(f); i++) {
		if (!f->pending)
			next_line(f);
		if (f->pending && f->state == FILE_FLAT && f->conf->pace > 0) {
			begin_pace(f);
			now_us = market_now(f);
		}
		if (f->pending && row_us(f) > now_us)
			return false;
		if (f->pending)
			deliver(f);
		if (i % TURN_CHECK == 0 && clock_mono_us() >= limit_us)
			break;
	}
	return true;
}

/* Never ahead of a trade that is still to come. */
static void
tell_clock(struct feed_file *f)
{
	int64_t	 now_us = market_now(f);

	if (!f->pending)
		return;
	if (now_us > row_us(f))
		now_us = row_us(f);
	if (now_us < f->market_us)
		return;
	f->market_us = now_us;
	f->handler.clock(FEED_ALL, now_us, f->arg);
}

static void
arm(struct feed_file *f, bool at_once)
{
	struct timeval	 wait = { 0 };
	double		 wait_us;

	if (!at_once) {
		wait_us = (double)(row_us(f) - market_now(f)) / f->conf->pace;
		wait.tv_usec = (suseconds_t)fmax(WAIT_MIN_US, fmin(WAIT_MAX_US, wait_us));
	}
	if (event_add(f->turn, &wait) == -1)
		fatalx("feed", "cannot set a timer");
}

static void
finish(struct feed_file *f)
{
	f->finished = true;
	event_del(f->turn);
	log_info("feed", "file %s name=%s file=%s lines=%llu delivered=%llu before_resume=%llu other_symbols=%llu bad_lines=%llu",
	    f->state == FILE_ENDED ? "ended" : "given up", f->common->name, f->conf->path,
	    (unsigned long long)f->lines.number, (unsigned long long)f->delivered, (unsigned long long)f->before_resume,
	    (unsigned long long)f->other_symbols, (unsigned long long)f->bad_lines);
	f->handler.ended(f->state == FILE_ENDED, f->arg);
}

static void
turn_cb(evutil_socket_t fd, short what, void *arg)
{
	struct feed_file	*f = arg;
	bool			 more;

	(void)fd, (void)what;
	f->handler.turn_begin(f->arg);
	more = deliver_due(f);
	if (f->state == FILE_PACED && f->trades && !f->paused)
		tell_clock(f);
	f->handler.turn_end(f->arg);
	if (is_over(f))
		finish(f);
	else if (!f->paused)
		arm(f, more);
}

/* Opening and closing */

static void
open_problem(const char *key, const char *text, void *arg)
{
	struct feed_file	*f = arg;

	log_errorx("feed", "cannot open name=%s file=%s key=%s reason=\"%s\"", f->common->name, f->conf->path, key, text);
}

/* `columns` of the log: time=1 price=6 … as numbers from 1. */
static void
log_opened(const struct feed_file *f)
{
	char	 text[300];
	size_t	 len = 0;

	for (int i = 0; i < COLUMNS; i++)
		if (f->layout.at[i] != -1 && len < sizeof(text))
			len += (size_t)snprintf(text + len, sizeof(text) - len, " %s=%d", file_column_keys[i], f->layout.at[i] + 1);
	log_info("feed", "reading a file name=%s file=%s format=%s header=%s pace=%g%s", f->common->name, f->conf->path,
	    file_format_names[f->layout.format], f->layout.has_header ? "yes" : "no", f->conf->pace, text);
}

static void
file_flat_out(void *conf)
{
	((struct feed_file_conf *)conf)->pace = 0;
}

static void *
file_open(struct event_base *base, const struct feed_conf *common, const void *conf, const int64_t *resume_us,
    size_t history, const struct feed_handler *handler, void *arg)
{
	struct feed_file	*f = xcalloc(1, sizeof(*f));

	(void)history;			/* a recording has none */
	f->common = common;
	f->conf = conf;
	f->separator = file_separator(f->conf);
	f->handler = *handler;
	f->arg = arg;
	f->symbols = xcalloc(common->symbols.count, sizeof(*f->symbols));
	for (size_t i = 0; i < common->symbols.count; i++)
		f->symbols[i] = (struct file_symbol){ .resume_us = resume_us[i], .last_open_us = INT64_MIN, .next_id = 1 };
	if ((f->turn = evtimer_new(base, turn_cb, f)) == NULL)
		fatalx("feed", "cannot make a timer");
	f->lines.fd = -1;
	f->market = file_market(common);
	if (file_find_data(&f->lines, &f->layout, f->conf, common, open_problem, f))
		log_opened(f);
	else
		f->state = FILE_FAILED;
	arm(f, true);
	return f;
}

static void
file_close(void *state)
{
	struct feed_file	*f = state;

	event_free(f->turn);
	lines_close(&f->lines);
	jsonr_release(&f->json);
	free(f->symbols);
	free(f);
}

static void
file_pause(void *state)
{
	struct feed_file	*f = state;

	f->paused = true;
	event_del(f->turn);
}

static void
file_resume(void *state)
{
	struct feed_file	*f = state;

	if (!f->paused)
		return;
	f->paused = false;
	if (!f->finished)
		arm(f, true);
}

static void
file_status(const void *state, struct jsonw *w)
{
	static const char *const names[] = {
		[FILE_FLAT] = "flat out", [FILE_PACED] = "paced", [FILE_ENDED] = "ended", [FILE_FAILED] = "failed"
	};
	const struct feed_file	*f = state;
	char			 time[CLOCK_TEXT_MAX];

	jsonw_str(w, "state", f->paused && !is_over(f) ? "paused" : names[f->state]);
	jsonw_str(w, "file", f->conf->path);
	jsonw_str(w, "market_time", f->delivered > 0 ? clock_iso_ms(f->market_us, time) : NULL);
	jsonw_int(w, "lines", (int64_t)f->lines.number);
	jsonw_int(w, "delivered", (int64_t)f->delivered);
	jsonw_int(w, "before_resume", (int64_t)f->before_resume);
	jsonw_int(w, "other_symbols", (int64_t)f->other_symbols);
	jsonw_int(w, "bad_lines", (int64_t)f->bad_lines);
}

const struct feed_type feed_file = {
	.name = "file", .source = SOURCE_TRADES, .can_wait = true, .keys = file_keys, .conf_size = sizeof(struct feed_file_conf), .check = file_check,
	.flat_out = file_flat_out, .open = file_open, .close = file_close, .pause = file_pause, .resume = file_resume, .status = file_status,
};
