#include "generator/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/log.h"
#include "common/pg.h"

#define EPOCH_US(column)	"(extract(epoch FROM " column ") * 1000000)::bigint"

struct loader {
	struct pg		*pg;
	struct engine		*engine;
	enum signal_mode	 mode;
	struct loader_stream	*streams;
	size_t			 count, at;
	size_t			 candles, signals;	/* loaded, for the log */
	void			(*done)(void *arg);
	void			*arg;
};

static void	 load_next(struct loader *l);

/* What the tables hold was written by us or checked by them: anything else is no database of ours. */
static struct decimal
decimal_at(const struct pg_result *res, int row, int column)
{
	struct decimal	 d = { 0 };
	const char	*text = pg_text(res, row, column);

	if (text != NULL && !decimal_parse(text, strlen(text), &d))
		fatalx("loader", "a number in the database is out of range text=\"%s\"", text);
	return d;
}

static int
word_at(const struct pg_result *res, int row, int column, const char *const *words, int count)
{
	const char	*text = pg_text(res, row, column);

	for (int i = 0; i < count; i++)
		if (text == NULL ? words[i] == NULL : words[i] != NULL && strcmp(words[i], text) == 0)
			return i;
	fatalx("loader", "an unknown word in the database text=\"%s\"", text == NULL ? "" : text);
}

static void
copy_text(char *out, size_t size, const struct pg_result *res, int row, int column)
{
	const char	*text = pg_text(res, row, column);

	snprintf(out, size, "%s", text == NULL ? "" : text);
}

static void
failed(struct loader *l, const struct pg_result *res)
{
	(void)l;
	if (pg_lost(res))
		fatalx("loader", "the connection was lost while loading: starting over");
	fatalx("loader", "cannot load sqlstate=%s why=\"%s\"", pg_sqlstate(res), pg_error(res));
}

/* "{1.5,2.25}", the text of a numeric[] without NULLs. */
static int
read_targets(const char *text, struct decimal *targets)
{
	int	 count = 0;
	size_t	 len;

	for (text++; *text != '}' && *text != '\0' && count < SIGNAL_TARGETS_MAX; text += len + (text[len] == ',')) {
		len = strcspn(text, ",}");
		if (!decimal_parse(text, len, &targets[count++]))
			fatalx("loader", "a target in the database is out of range text=\"%s\"", text);
	}
	return count;
}

static void
restore_signal(struct loader *l, const struct pg_result *res, int row)
{
	struct signal	 s = { 0 };
	int		 c = 0;

	copy_text(s.exchange, sizeof(s.exchange), res, row, c++);
	copy_text(s.symbol, sizeof(s.symbol), res, row, c++);
	s.timeframe = (enum timeframe)word_at(res, row, c++, timeframe_names, TIMEFRAMES);
	copy_text(s.strategy, sizeof(s.strategy), res, row, c++);
	s.strategy_version = (int)pg_int(res, row, c++);
	copy_text(s.params_hash, sizeof(s.params_hash), res, row, c++);
	s.mode = l->mode;
	s.side = (enum signal_side)word_at(res, row, c++, signal_side_names, 2);
	s.candle_open_us = pg_int(res, row, c++);
	s.candle_close_us = pg_int(res, row, c++);
	s.expires_us = pg_int(res, row, c++);
	s.generated_us = pg_int(res, row, c++);
	s.entry = decimal_at(res, row, c++);
	s.initial_stop = decimal_at(res, row, c++);
	s.stop_loss = decimal_at(res, row, c++);
	s.target_count = read_targets(pg_text(res, row, c++), s.targets);
	s.confidence = strtod(pg_text(res, row, c++), NULL);
	copy_text(s.reason, sizeof(s.reason), res, row, c++);
	copy_text(s.indicators, sizeof(s.indicators), res, row, c++);
	s.status = (enum signal_status)word_at(res, row, c++, signal_status_names, STATUS_CANCELLED + 1);
	s.targets_hit = (int)pg_int(res, row, c++);
	s.last_price = decimal_at(res, row, c++);
	s.max_favorable = decimal_at(res, row, c++);
	s.max_adverse = decimal_at(res, row, c++);
	s.exit_price = decimal_at(res, row, c++);
	s.exit_reason = (enum signal_exit)word_at(res, row, c++, signal_exit_names, EXIT_OPERATOR + 1);
	s.outcome = (enum signal_outcome)word_at(res, row, c++, signal_outcome_names, OUTCOME_VOID + 1);
	s.closed_us = pg_int(res, row, c++);
	engine_restore(l->engine, &s);
}

static void
signals_cb(const struct pg_result *res, void *arg)
{
	struct loader	*l = arg;

	if (!pg_ok(res))
		failed(l, res);
	for (int row = 0; row < pg_rows(res); row++)
		restore_signal(l, res, row);
	l->signals += (size_t)pg_rows(res);
	l->at++;
	load_next(l);
}

static void
load_signals(struct loader *l)
{
	const struct loader_stream	*s = &l->streams[l->at];
	char				 since[32];
	/* Without candles nothing else that is closed can matter: NULL is never reached. */
	const char			*values[] = { s->exchange, s->symbol, signal_mode_names[l->mode],
					    s->resume_us == INT64_MIN ? NULL : since };

	snprintf(since, sizeof(since), "%lld", (long long)(s->resume_us - (s->resume_us == INT64_MIN ? 0 : stream_memory_us(s->stream))));
	if (pg_query(l->pg, "SELECT exchange, symbol, timeframe, strategy, strategy_version, params_hash, side, "
	    EPOCH_US("candle_open_time") ", " EPOCH_US("candle_close_time") ", " EPOCH_US("expires_at") ", " EPOCH_US("generated_at")
	    ", entry, initial_stop, stop_loss, targets, confidence, reason, indicators, status, targets_hit, last_price,"
	    " max_favorable, max_adverse, exit_price, exit_reason, outcome, " EPOCH_US("closed_at")
	    " FROM signals WHERE exchange = $1 AND symbol = $2 AND mode = $3"
	    " AND (status = 'active' OR closed_at >= to_timestamp($4::bigint / 1000000.0)"
	    " OR (timeframe, strategy, candle_open_time) IN (SELECT timeframe, strategy, max(candle_open_time) FROM signals"
	    " WHERE exchange = $1 AND symbol = $2 AND mode = $3 GROUP BY timeframe, strategy))"
	    " ORDER BY candle_open_time, id", 4, values, signals_cb, l) == -1)
		fatalx("loader", "the connection was lost while loading: starting over");
}

static void
candles_cb(const struct pg_result *res, void *arg)
{
	struct loader		*l = arg;
	struct loader_stream	*s = &l->streams[l->at];
	struct candle		 c;

	if (!pg_ok(res))
		failed(l, res);
	s->resume_us = INT64_MIN;
	/* Newest first in the result, oldest first into the engine. */
	for (int row = pg_rows(res) - 1; row >= 0; row--) {
		c = (struct candle){
			.open_us = pg_int(res, row, 0), .open = decimal_at(res, row, 1), .high = decimal_at(res, row, 2),
			.low = decimal_at(res, row, 3), .close = decimal_at(res, row, 4), .volume = decimal_at(res, row, 5),
			.trades = pg_text(res, row, 6) == NULL ? -1 : pg_int(res, row, 6),
			.source = (enum candle_source)word_at(res, row, 7, candle_source_names, SOURCE_FILLED + 1),
		};
		stream_warm(s->stream, &c);
		s->resume_us = c.open_us + timeframe_us(s->base);
	}
	l->candles += (size_t)pg_rows(res);
	load_signals(l);
}

static void
finish(struct loader *l)
{
	log_info("loader", "continuing after the last commit streams=%zu candles=%zu signals=%zu", l->count, l->candles, l->signals);
	l->done(l->arg);
}

static void
expired_cb(const struct pg_result *res, void *arg)
{
	struct loader	*l = arg;

	if (!pg_ok(res))
		failed(l, res);
	if (pg_affected(res) > 0)
		log_warnx("loader", "expired active signals of markets that no feed has any more signals=%d", pg_affected(res));
	finish(l);
}

/* Signals of markets that are configured no more: nobody will see their outcome, so once their time is over they are void. */
static void
expire_forsaken(struct loader *l)
{
	struct jsonw	 list;
	const char	*values[2] = { signal_mode_names[l->mode], NULL };
	int		 sent;

	jsonw_init(&list);
	jsonw_array(&list, NULL);
	for (size_t i = 0; i < l->count; i++) {
		jsonw_object(&list, NULL);
		jsonw_str(&list, "e", l->streams[i].exchange);
		jsonw_str(&list, "s", l->streams[i].symbol);
		jsonw_end_object(&list);
	}
	jsonw_end_array(&list);
	values[1] = list.buf;
	sent = pg_query(l->pg, "UPDATE signals SET status = 'expired', exit_reason = 'expired', outcome = 'void', closed_at = expires_at"
	    " WHERE status = 'active' AND mode = $1 AND expires_at < clock_timestamp() AND NOT EXISTS"
	    " (SELECT FROM json_to_recordset($2::json) AS r(e text, s text) WHERE r.e = exchange AND r.s = symbol)",
	    2, values, expired_cb, l);
	jsonw_release(&list);
	if (sent == -1)
		fatalx("loader", "the connection was lost while loading: starting over");
}

static void
load_next(struct loader *l)
{
	const struct loader_stream	*s = &l->streams[l->at];
	char				 limit[32];
	const char			*values[4];

	if (l->at == l->count) {
		expire_forsaken(l);
		return;
	}
	values[0] = s->exchange;
	values[1] = s->symbol;
	values[2] = timeframe_names[s->base];
	values[3] = limit;
	snprintf(limit, sizeof(limit), "%zu", stream_history_wanted(s->stream));
	if (pg_query(l->pg, "SELECT " EPOCH_US("open_time") ", open, high, low, close, volume, trades, source FROM candles"
	    " WHERE exchange = $1 AND symbol = $2 AND timeframe = $3 ORDER BY open_time DESC LIMIT greatest($4::bigint, 1)",
	    4, values, candles_cb, l) == -1)
		fatalx("loader", "the connection was lost while loading: starting over");
}

struct loader *
loader_start(struct pg *pg, struct engine *e, enum signal_mode mode, struct loader_stream *streams, size_t count,
    void (*done)(void *arg), void *arg)
{
	struct loader	*l = xcalloc(1, sizeof(*l));

	*l = (struct loader){ .pg = pg, .engine = e, .mode = mode, .streams = streams, .count = count, .done = done, .arg = arg };
	load_next(l);
	return l;
}

void
loader_free(struct loader *l)
{
	free(l);
}
