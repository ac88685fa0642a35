/*
 * engine: how fast the generator's inner half is, without a database, on one
 * core: (a) trades of a CSV file in memory, read by the feed and built into
 * candles of 1m, 5m and 15m, no strategies; (b) candles of one minute that all
 * six strategies judge, with their defaults.  Medians of several rounds, with
 * the slowest and the fastest.
 *
 *	engine [ROUNDS]
 */
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "generator/builder.h"
#include "generator/engine.h"
#include "generator/feed.h"
#include "tests/unit/conf_text.h"

#define ROUNDS_MAX	99
#define TRADES		2000000
#define CANDLES		300000
#define START_US	(INT64_C(1700000100) * 1000000)

/* Measuring */

static int	 rounds = 9;

static int
by_seconds(const void *a, const void *b)
{
	double	 x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
measure(const char *what, const char *unit, double items, void (*once)(void))
{
	double	 seconds[ROUNDS_MAX], median;
	int64_t	 began_us;

	once();		/* pages and caches are there */
	for (int i = 0; i < rounds; i++) {
		began_us = clock_mono_us();
		once();
		seconds[i] = (double)(clock_mono_us() - began_us) / 1e6;
	}
	qsort(seconds, (size_t)rounds, sizeof(*seconds), by_seconds);
	median = seconds[rounds / 2];
	printf("%s: %.3f million %s/s (%.3f to %.3f), %.1f ns each\n", what, items / median / 1e6, unit,
	    items / seconds[rounds - 1] / 1e6, items / seconds[0] / 1e6, median / items * 1e9);
}

/* The engine of a text, and the feeds if they are wanted. */
static struct engine *
engine_of(const char *text, const struct engine_handler *handler, struct feed ***feeds)
{
	const struct engine_conf	 conf = { .mode = MODE_REPLAY, .grace_us = 2000000, .fill_max = 60 };
	struct conf			*file = conf_of(text);
	struct engine			*e = engine_new(file, &conf, handler, NULL);
	char				*errors;

	if (feeds != NULL)
		*feeds = feed_read_all(file);
	errors = conf_verdict(file);
	if (*errors != '\0')
		fatalx("bench", "%s", errors);
	free(errors);
	conf_free(file);
	return e;
}

/* A market */

static uint64_t
random_next(void)
{
	static uint64_t	 seed = 88172645463325252u;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* (a) */

static char		 trades_path[64];
static struct aggregator five, fifteen;
static uint64_t		 closed[3];
static struct stream	*stream;
static struct event_base *base;

/* 37 bytes a line, as in "1700000100123,1234567,61234.56,0.0123". */
static void
write_trades(void)
{
	int64_t	 cents = 6000000, time_ms = START_US / 1000;
	int	 fd = memfd_create("trades", 0);
	FILE	*out = fd == -1 ? NULL : fdopen(fd, "w");

	if (out == NULL)
		fatal("bench", "cannot make a file in memory");
	fprintf(out, "timestamp,id,price,amount\n");
	for (int i = 0; i < TRADES; i++) {
		cents += (int64_t)(random_next() % 401) - 200;
		time_ms += (int64_t)(random_next() % 600);	/* 200 a minute */
		fprintf(out, "%lld,%d,%lld.%02lld,%llu.%04llu\n", (long long)time_ms, i + 1, (long long)(cents / 100), (long long)(cents % 100),
		    (unsigned long long)(random_next() % 3), (unsigned long long)(1 + random_next() % 9999));
	}
	fflush(out);
	snprintf(trades_path, sizeof(trades_path), "/proc/%d/fd/%d", (int)getpid(), fd);
}

static void
base_candle_cb(const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c, void *arg)
{
	struct candle	 higher[2];

	(void)exchange, (void)symbol, (void)tf, (void)arg;
	closed[0]++;
	closed[1] += (uint64_t)aggregator_add(&five, c, higher);
	closed[2] += (uint64_t)aggregator_add(&fifteen, c, higher);
}

static void
trade_cb(size_t symbol, const struct trade *t, void *arg)
{
	(void)symbol, (void)arg;
	stream_trade(stream, t);
}

static void
feed_candle_cb(size_t symbol, const struct candle *c, void *arg)
{
	(void)symbol, (void)c, (void)arg;
}

static void
turn_cb(void *arg)
{
	(void)arg;
}

static void
ended_cb(bool ok, void *arg)
{
	(void)arg;
	if (!ok)
		fatalx("bench", "the feed gave up");
	event_base_loopbreak(base);
}

static void
build_trades(void)
{
	const struct engine_handler	 engine_handler = { .candle = base_candle_cb };
	const struct feed_handler	 handler = {
		.trade = trade_cb, .candle = feed_candle_cb, .turn_begin = turn_cb, .turn_end = turn_cb, .ended = ended_cb
	};
	const int64_t			 resume_us = INT64_MIN;
	char				 text[200];
	struct engine			*e;
	struct feed			**feeds;

	snprintf(text, sizeof(text), "[feed f]\ntype = file\npath = %s\nsymbols = BTC/USDT\n", trades_path);
	e = engine_of(text, &engine_handler, &feeds);
	base = event_base_new();
	stream = engine_stream(e, "test", "BTC/USDT", TF_1M);
	aggregator_init(&five, TF_1M, TF_5M);
	aggregator_init(&fifteen, TF_1M, TF_15M);
	memset(closed, 0, sizeof(closed));
	feed_open(feeds[0], base, &resume_us, 0, &handler, NULL);
	event_base_dispatch(base);
	feed_free_all(feeds);
	engine_free(e);
	event_base_free(base);
}

/* (b) */

static struct candle	*candles;
static uint64_t		 judged, opened;

static void
make_candles(void)
{
	int64_t		 cents = 6000000, drift = 0, at;
	struct candle	*c;

	candles = xcalloc(CANDLES, sizeof(*candles));
	for (int i = 0; i < CANDLES; i++) {
		c = &candles[i];
		if (i % 180 == 0)
			drift = (int64_t)(random_next() % 1600) - 800;
		*c = (struct candle){ .open_us = START_US / 60000000 * 60000000 + i * INT64_C(60000000), .trades = 6, .source = SOURCE_FILE };
		c->open = c->high = c->low = (struct decimal){ cents, 2 };
		c->volume = (struct decimal){ 12345, 4 };
		for (int k = 0; k < 6; k++) {
			at = cents + drift / 6 + (int64_t)(random_next() % 8001) - 4000;
			cents = at < 1000000 ? cents + 20000 : at;
			if (cents > c->high.units)
				c->high.units = cents;
			if (cents < c->low.units)
				c->low.units = cents;
		}
		c->close = (struct decimal){ cents, 2 };
	}
}

static void
candle_cb(const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c, void *arg)
{
	(void)exchange, (void)symbol, (void)tf, (void)c, (void)arg;
}

static void
judged_cb(const char *exchange, const char *symbol, enum timeframe tf, const char *strategy, int64_t open_us, void *arg)
{
	(void)exchange, (void)symbol, (void)tf, (void)strategy, (void)open_us, (void)arg;
	judged++;
}

static void
opened_cb(const struct signal *s, void *arg)
{
	(void)s, (void)arg;
	opened++;
}

static void
signal_cb(const struct signal *s, void *arg)
{
	(void)s, (void)arg;
}

static void
judge_candles(void)
{
	static const char *const	 types[] = {
		"ema_cross", "rsi_reversion", "donchian_breakout", "macd_cross", "supertrend_flip", "bollinger_squeeze"
	};
	const struct engine_handler	 handler = {
		.candle = candle_cb, .judged = judged_cb, .opened = opened_cb, .changed = signal_cb, .refreshed = signal_cb
	};
	char				 text[1000];
	size_t				 len = 0;
	struct engine			*e;
	struct stream			*s;

	for (int i = 0; i < 6; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "[strategy %s]\ntype = %s\ntimeframe = 1m\n", types[i], types[i]);
	e = engine_of(text, &handler, NULL);
	s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	judged = opened = 0;
	for (int i = 0; i < CANDLES; i++)
		stream_candle(s, &candles[i]);
	engine_free(e);
}

int
main(int argc, char **argv)
{
	if (argc > 1 && ((rounds = atoi(argv[1])) < 1 || rounds > ROUNDS_MAX)) {
		fprintf(stderr, "usage: engine [ROUNDS]\n");
		return 1;
	}
	log_set_level(LOG_LEVEL_WARN);
	write_trades();
	measure("(a) CSV trades -> candles of 1m, 5m, 15m", "trades", TRADES, build_trades);
	printf("    %d trades gave %llu, %llu and %llu candles\n", TRADES, (unsigned long long)closed[0], (unsigned long long)closed[1],
	    (unsigned long long)closed[2]);
	make_candles();
	measure("(b) candles of 1m judged by six strategies", "candles", CANDLES, judge_candles);
	printf("    %d candles were judged %llu times and gave %llu signals\n", CANDLES, (unsigned long long)judged,
	    (unsigned long long)opened);
	free(candles);
	return 0;
}
