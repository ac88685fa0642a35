/*
 * writer: signals a second into the table `signals`, through all its triggers,
 * with the generator's writer (engine's rows -> JSON -> journal -> libpq) and
 * with bare libpq, the same rows in batches of the same size, by turns.
 *
 *	writer CONNINFO JOURNAL [SECONDS]	(see writer.sh)
 *
 * Two bare ones: one INSERT of many VALUES a transaction, its text made
 * beforehand; and one prepared INSERT a row in a pipeline.  The faster one at
 * each size is the floor.
 */
#include <event2/event.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pg.h"
#include "generator/batch.h"
#include "generator/spool.h"
#include "generator/writer.h"

#define ROWS_MAX	1000
#define ROUNDS		5
#define COLUMNS		22

static const int	 sizes[] = { 1, 10, 100, 1000 };
#define SIZES		((int)(sizeof(sizes) / sizeof(sizes[0])))

static PGconn		*floor_conn;
static double		 seconds = 0.7;
static int64_t		 next_open_us = INT64_C(1700000000000000);

/* Signals of one candle time, each of a strategy of its own: every one can be active. */
static void
make_signal(struct signal *s, int i, int64_t open_us)
{
	*s = (struct signal){
		.exchange = "bench", .symbol = "BTC/USDT", .timeframe = TF_1M, .strategy_version = 1, .params_hash = "0123456789abcdef",
		.candle_open_us = open_us, .mode = MODE_LIVE, .side = SIDE_LONG, .candle_close_us = open_us + 60000000,
		.expires_us = open_us + 1500000000, .entry = { 1005, 1 }, .initial_stop = { 99, 0 }, .stop_loss = { 99, 0 },
		.targets = { { 10275, 2 }, { 105, 0 } }, .target_count = 2, .confidence = 0.5655,
		.reason = "EMA 12 (29.937) crossed above EMA 26 (29.9362) while ADX 14, at 23.9, shows a trend (more than 20).",
		.indicators = "{\"ema_fast\":29.936966,\"ema_slow\":29.936186,\"adx\":23.929482,\"plus_di\":30.32755,\"atr\":0.046424301}",
		.last_price = { 1005, 1 }, .max_favorable = { 1005, 1 }, .max_adverse = { 1005, 1 }, .generated_us = clock_wall_us(),
	};
	snprintf(s->strategy, sizeof(s->strategy), "s%04d_%lld", i, (long long)(open_us / 60000000));
}

static void
run(const char *sql)
{
	PGresult	*res = PQexec(floor_conn, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK) {
		fprintf(stderr, "writer: %s", PQerrorMessage(floor_conn));
		exit(1);
	}
	PQclear(res);
}

#define INSERT	"INSERT INTO signals (exchange, symbol, timeframe, strategy, strategy_version, params_hash, candle_open_time, mode," \
		" side, candle_close_time, entry, stop_loss, initial_stop, targets, confidence, reason, indicators, last_price," \
		" max_favorable, max_adverse, generated_at, expires_at) VALUES "

/* The columns of a row as texts. */
static void
row_texts(const struct signal *s, char texts[COLUMNS][256])
{
	char	 time[CLOCK_TEXT_MAX];
	int	 c = 0;

#define TEXT(...)	snprintf(texts[c++], 256, __VA_ARGS__)
	TEXT("%s", s->exchange);
	TEXT("%s", s->symbol);
	TEXT("1m");
	TEXT("%s", s->strategy);
	TEXT("1");
	TEXT("%s", s->params_hash);
	TEXT("%s", clock_iso_us(s->candle_open_us, time));
	TEXT("live");
	TEXT("long");
	TEXT("%s", clock_iso_us(s->candle_close_us, time));
	TEXT("100.5");
	TEXT("99");
	TEXT("99");
	TEXT("{102.75,105}");
	TEXT("0.5655");
	TEXT("%.250s", s->reason);
	TEXT("%.250s", s->indicators);
	TEXT("100.5");
	TEXT("100.5");
	TEXT("100.5");
	TEXT("%s", clock_iso_us(s->generated_us, time));
	TEXT("%s", clock_iso_us(s->expires_us, time));
#undef TEXT
}

/* Transactions of `size` rows for a while: rows a second. */
static double
bare_values(int size)
{
	static char	 sql[ROWS_MAX * 1200 + 1000], texts[COLUMNS][256];
	struct signal	 s;
	int64_t		 spent_us = 0, began;
	long		 rows = 0;

	while ((double)spent_us < seconds * 1e6) {
		size_t	 len = (size_t)snprintf(sql, sizeof(sql), INSERT);

		next_open_us += 60000000;
		for (int i = 0; i < size; i++) {
			make_signal(&s, i, next_open_us);
			row_texts(&s, texts);
			for (int c = 0; c < COLUMNS; c++)
				len += (size_t)snprintf(sql + len, sizeof(sql) - len, "%s'%s'", c > 0 ? "," : i > 0 ? "),(" : "(", texts[c]);
		}
		snprintf(sql + len, sizeof(sql) - len, ") ON CONFLICT DO NOTHING");
		began = clock_mono_us();
		run(sql);
		spent_us += clock_mono_us() - began;
		rows += size;
	}
	return (double)rows / ((double)spent_us / 1e6);
}

static double
bare_pipeline(int size)
{
	static char	 (*texts)[COLUMNS][256];
	const char	*values[COLUMNS];
	struct signal	 s;
	PGresult	*res;
	int64_t		 spent_us = 0, began;
	long		 rows = 0;

	if (texts == NULL)
		texts = xcalloc(ROWS_MAX, sizeof(*texts));
	while ((double)spent_us < seconds * 1e6) {
		next_open_us += 60000000;
		for (int i = 0; i < size; i++) {
			make_signal(&s, i, next_open_us);
			row_texts(&s, texts[i]);
		}
		began = clock_mono_us();
		PQenterPipelineMode(floor_conn);
		PQsendQueryParams(floor_conn, "BEGIN", 0, NULL, NULL, NULL, NULL, 0);
		for (int i = 0; i < size; i++) {
			for (int c = 0; c < COLUMNS; c++)
				values[c] = texts[i][c];
			PQsendQueryPrepared(floor_conn, "bare", COLUMNS, values, NULL, NULL, 0);
		}
		PQsendQueryParams(floor_conn, "COMMIT", 0, NULL, NULL, NULL, NULL, 0);
		PQpipelineSync(floor_conn);
		for (int nulls = 0; nulls < size + 2; ) {
			if ((res = PQgetResult(floor_conn)) == NULL)
				nulls++;
			else if (PQresultStatus(res) != PGRES_COMMAND_OK) {
				fprintf(stderr, "writer: %s", PQerrorMessage(floor_conn));
				exit(1);
			}
			PQclear(res);
		}
		PQclear(PQgetResult(floor_conn));	/* the sync */
		PQexitPipelineMode(floor_conn);
		spent_us += clock_mono_us() - began;
		rows += size;
	}
	return (double)rows / ((double)spent_us / 1e6);
}

/* Ours */

struct ours {
	struct event_base	*base;
	struct writer		*writer;
	bool			 committed;
};

static void
committed_cb(void *arg)
{
	((struct ours *)arg)->committed = true;
}

static void
closed_cb(const char *exchange, const char *symbol, const char *timeframe, const char *strategy, int64_t candle_open_us, int64_t closed_us,
    void *arg)
{
	(void)exchange, (void)symbol, (void)timeframe, (void)strategy, (void)candle_open_us, (void)closed_us, (void)arg;
}

static void
up_cb(void *arg)
{
	event_base_loopbreak(((struct ours *)arg)->base);
}

static double
ours(struct ours *o, int size)
{
	struct signal	 s;
	int64_t		 spent_us = 0, began;
	long		 rows = 0;

	while ((double)spent_us < seconds * 1e6) {
		next_open_us += 60000000;
		began = clock_mono_us();
		for (int i = 0; i < size; i++) {
			make_signal(&s, i, next_open_us);
			batch_open(writer_batch(o->writer), &s);
		}
		o->committed = false;
		writer_flush(o->writer);
		while (!o->committed)
			event_base_loop(o->base, EVLOOP_ONCE);
		spent_us += clock_mono_us() - began;
		rows += size;
	}
	return (double)rows / ((double)spent_us / 1e6);
}

static int
by_size(const void *a, const void *b)
{
	double	 x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), by_size);
	return values[count / 2];
}

int
main(int argc, char **argv)
{
	struct ours			 o = { 0 };
	const struct writer_handler	 handler = { .committed = committed_cb, .closed = closed_cb };
	const struct pg_handler		 pg_handler = { .up = up_cb };
	struct pg_params		 params = { .name = "bench", .connect_timeout_ms = 5000, .backoff_base_ms = 100, .backoff_max_ms = 1000 };
	struct pg			*pg;
	struct spool			*spool;
	double				 values[ROUNDS], pipeline[ROUNDS], mine[ROUNDS], ratio[ROUNDS], bare;

	if (argc < 3) {
		fprintf(stderr, "usage: writer CONNINFO JOURNAL [SECONDS]\n");
		return 100;
	}
	if (argc > 3)
		seconds = atof(argv[3]);
	params.conninfo = argv[1];
	floor_conn = PQconnectdb(argv[1]);
	run("SET timezone = 'UTC'");
	PQclear(PQprepare(floor_conn, "bare", INSERT "($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22)"
	    " ON CONFLICT DO NOTHING", 0, NULL));
	o.base = event_base_new();
	pg = pg_new(o.base, &params, &pg_handler, &o);
	pg_start(pg);
	event_base_dispatch(o.base);
	for (int kind = 0; kind < BATCH_KINDS; kind++)
		pg_prepare(pg, batch_names[kind], batch_sql[kind], NULL, NULL);
	pg_sync(pg, NULL, NULL);
	spool = spool_new(argv[2], UINT64_C(1) << 28, 8 << 20);
	if (spool_open(spool) == -1)
		return 111;
	o.writer = writer_new(o.base, pg, spool, 8 << 20, &handler, &o);
	writer_session_up(o.writer);
	/* Its lines about each signal go to stderr, a file, as in service: their cost is part of it. */
	printf("signals/s, median of %d rounds of %.1f s\n%-16s %12s %12s %12s %18s\n", ROUNDS, seconds, "rows a batch", "VALUES", "pipeline",
	    "tocsin", "tocsin / faster");
	for (int k = 0; k < SIZES; k++) {
		for (int r = 0; r < ROUNDS; r++) {
			run("TRUNCATE signals, signal_events");
			values[r] = bare_values(sizes[k]);
			run("TRUNCATE signals, signal_events");
			mine[r] = ours(&o, sizes[k]);
			run("TRUNCATE signals, signal_events");
			pipeline[r] = bare_pipeline(sizes[k]);
			bare = values[r] > pipeline[r] ? values[r] : pipeline[r];
			ratio[r] = mine[r] / bare;
		}
		printf("%-16d %12.0f %12.0f %12.0f %18.2f\n", sizes[k], median(values, ROUNDS), median(pipeline, ROUNDS), median(mine, ROUNDS),
		    median(ratio, ROUNDS));
		fflush(stdout);
	}
	writer_free(o.writer);
	pg_free(pg);
	event_base_free(o.base);
	PQfinish(floor_conn);
	return 0;
}
