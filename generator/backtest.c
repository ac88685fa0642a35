#include "generator/backtest.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "generator/backtest_report.h"
#include "generator/conf.h"

#define PROGRESS_AFTER_US	1000000
#define PROGRESS_MS		250

struct backtest {
	struct generator_conf	 conf;
	struct report		*report;
	struct event_base	*base;
	struct event		*progress;	/* NULL: nobody looks */
	bool			 progress_shown;
	int64_t			 started_us;
	const struct feed_conf	*feed;		/* the one at hand, and where its symbols go */
	struct stream		**streams;
	bool			 given_up;
};

/* Engine -> report */

static void
candle_cb(const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c, void *arg)
{
	struct backtest	*b = arg;

	(void)exchange, (void)symbol;
	if (tf == (enum timeframe)b->feed->timeframe)
		report_candle(b->report, c->open_us, c->open_us + timeframe_us(tf), c->source == SOURCE_FILLED);
}

static void
judged_cb(const char *exchange, const char *symbol, enum timeframe tf, const char *strategy, int64_t open_us, void *arg)
{
	(void)exchange, (void)symbol, (void)tf, (void)strategy, (void)open_us, (void)arg;
}

static void
opened_cb(const struct signal *s, void *arg)
{
	report_opened(((struct backtest *)arg)->report, s);
}

static void
changed_cb(const struct signal *s, void *arg)
{
	report_changed(((struct backtest *)arg)->report, s);
}

static const struct engine_handler engine_handler = {
	.candle = candle_cb, .judged = judged_cb, .opened = opened_cb, .changed = changed_cb, .refreshed = changed_cb,
};

/* Feed -> engine */

static void
trade_cb(size_t symbol, const struct trade *t, void *arg)
{
	stream_trade(((struct backtest *)arg)->streams[symbol], t);
}

static void
feed_candle_cb(size_t symbol, const struct candle *c, void *arg)
{
	stream_candle(((struct backtest *)arg)->streams[symbol], c);
}

static enum signal_verdict
signal_cb(size_t symbol, const struct signal *s, void *arg)
{
	return stream_signal(((struct backtest *)arg)->streams[symbol], s);
}

/* A recording has one clock for all its symbols, and neither corrections nor gaps. */
static void
clock_cb(size_t symbol, int64_t now_us, void *arg)
{
	struct backtest	*b = arg;

	(void)symbol;
	for (size_t i = 0; i < b->feed->symbols.count; i++)
		stream_clock(b->streams[i], now_us);
}

static void
turn_cb(void *arg)
{
	(void)arg;		/* nothing is gathered */
}

static void
live_from_cb(size_t symbol, int64_t market_us, void *arg)
{
	struct backtest	*b = arg;

	(void)symbol;
	for (size_t i = 0; i < b->feed->symbols.count; i++)
		stream_live_from(b->streams[i], market_us);
}

static void
ended_cb(bool ok, void *arg)
{
	struct backtest	*b = arg;

	if (!ok)
		b->given_up = true;
	event_base_loopbreak(b->base);
}

static const struct feed_handler feed_handler = {
	.trade = trade_cb, .candle = feed_candle_cb, .signal = signal_cb, .clock = clock_cb, .turn_begin = turn_cb, .turn_end = turn_cb,
	.live_from = live_from_cb, .ended = ended_cb,
};

/* Progress, for a person who waits */

static void
progress_cb(evutil_socket_t fd, short what, void *arg)
{
	struct backtest	*b = arg;
	char		 at[CLOCK_TEXT_MAX] = "-";

	(void)fd, (void)what;
	if (clock_mono_us() - b->started_us < PROGRESS_AFTER_US)
		return;
	if (report_market_us(b->report) != INT64_MIN)
		clock_iso_ms(report_market_us(b->report), at);
	b->progress_shown = true;
	/* Back at the line's start, where a longer line of the table may overwrite it. */
	fprintf(stderr, "%s: %.16s UTC, %llu candles, %llu signals\033[K\r", b->feed->name, at,
	    (unsigned long long)report_candles(b->report), (unsigned long long)report_signals(b->report));
}

static void
start_progress(struct backtest *b)
{
	const struct timeval	 every = clock_timeval_ms(PROGRESS_MS);

	b->started_us = clock_mono_us();
	if (!isatty(STDERR_FILENO))
		return;
	if ((b->progress = event_new(b->base, -1, EV_PERSIST, progress_cb, b)) == NULL || event_add(b->progress, &every) == -1)
		fatalx("backtest", "cannot set a timer");
}

static void
end_progress(struct backtest *b)
{
	if (b->progress != NULL)
		event_free(b->progress);
	if (b->progress_shown)
		fprintf(stderr, "\033[K");
}

/* The run */

/* Every feed has to have an end; says which has not. */
static bool
only_recordings(const struct backtest *b, const char *path)
{
	bool	 ok = true;

	for (struct feed **f = b->conf.feeds; *f != NULL; f++) {
		if (feed_flat_out(*f))
			continue;
		fprintf(stderr, "tocsin backtest: %s: [feed %s] is no recording: use a configuration whose feeds all have type = file and "
		    "path = a CSV file of candles or trades (-c FILE)\n", path, feed_common(*f)->name);
		ok = false;
	}
	return ok;
}

/* Streams of all feeds in their order, one a symbol; owned. */
static struct stream **
make_streams(const struct backtest *b)
{
	const struct feed_conf	*conf;
	struct stream		**streams = NULL;
	size_t			 count = 0;

	for (struct feed **f = b->conf.feeds; *f != NULL; f++) {
		conf = feed_common(*f);
		streams = xrealloc(streams, (count + conf->symbols.count) * sizeof(struct stream *));
		for (size_t i = 0; i < conf->symbols.count; i++, count++) {
			streams[count] = engine_stream(b->conf.engine, conf->exchange, conf->symbols.items[i], (enum timeframe)conf->timeframe);
			stream_set_source(streams[count], feed_source(*f));
		}
	}
	return streams;
}

static void
run_feed(struct backtest *b, struct feed *f)
{
	int64_t	*resume_us;

	b->feed = feed_common(f);
	report_feed(b->report, b->feed->name);
	resume_us = xcalloc(b->feed->symbols.count, sizeof(*resume_us));
	for (size_t i = 0; i < b->feed->symbols.count; i++)
		resume_us[i] = INT64_MIN;
	feed_open(f, b->base, resume_us, 0, &feed_handler, b);
	event_base_dispatch(b->base);
	free(resume_us);
}

static void
run_feeds(struct backtest *b)
{
	struct stream	**streams = make_streams(b);

	b->streams = streams;
	start_progress(b);
	for (struct feed **f = b->conf.feeds; *f != NULL; f++) {
		run_feed(b, *f);
		b->streams += b->feed->symbols.count;
	}
	end_progress(b);
	free(streams);
}

static int
run(struct backtest *b, const char *path, bool json)
{
	if (!only_recordings(b, path))
		return EXIT_USAGE;
	if (b->conf.suite.log_level != LOG_LEVEL_ERROR)
		log_set_level(LOG_LEVEL_WARN);
	if ((b->base = event_base_new()) == NULL)
		fatalx("backtest", "cannot make an event loop");
	b->report = report_new(stdout, json);
	for (size_t i = 0; i < engine_strategy_count(b->conf.engine); i++)
		report_strategy(b->report, engine_strategy_name(b->conf.engine, i));
	run_feeds(b);
	report_end(b->report);
	report_free(b->report);
	if (b->given_up)
		fprintf(stderr, "tocsin backtest: a recording was given up, see above: the figures are of what came before\n");
	return b->given_up ? EXIT_TEMPORARY : EXIT_DONE;
}

int
backtest_run(const char *path, bool json)
{
	struct backtest	 b;
	int		 code = EXIT_USAGE;

	memset(&b, 0, sizeof(b));
	if (generator_conf_load(&b.conf, path, &engine_handler, &b) == 0)
		code = run(&b, path, json);
	generator_conf_release(&b.conf);
	if (b.base != NULL)
		event_base_free(b.base);
	libevent_global_shutdown();
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "tocsin backtest: cannot write: %s\n", strerror(errno));
		return EXIT_TEMPORARY;
	}
	return code;
}
