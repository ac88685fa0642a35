#include "generator/service.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/heartbeat.h"
#include "common/json.h"
#include "common/log.h"
#include "common/net.h"
#include "common/pg.h"
#include "common/suite.h"
#include "generator/batch.h"
#include "generator/conf.h"
#include "generator/loader.h"
#include "generator/retention.h"
#include "generator/session.h"
#include "generator/spool.h"
#include "generator/writer.h"

#define STOP_LIMIT_S	3	/* for the commit in hand; the watchdog's kill_grace is longer */
#define TURN_ROOM	(INT64_C(1) << 20)	/* for the rows of one turn of a feed */

/* One feed and where its symbols go. */
struct source {
	struct service		*service;
	struct feed		*feed;
	struct loader_stream	*streams;	/* one a symbol, within service.streams */
	bool			 ended, held_back;
};

struct service {
	struct generator_conf	 conf;
	struct event_base	*base;
	struct event		*on_term, *on_int, *on_hup, *stop_limit;
	struct heartbeat	*heartbeat;
	struct session		*session;
	struct spool		*spool;		/* the writer's */
	struct writer		*writer;
	struct retention	*retention;	/* NULL: nothing is deleted */
	struct source		*sources;
	size_t			 source_count;
	struct loader_stream	*streams;
	size_t			 stream_count;
	struct loader		*loader;	/* NULL: it has not begun */
	bool			 loaded, held_back, stopping;
	bool			 has_opened;	/* the input at hand has: its rows are to go at once */
	int			 exit_code;
	uint64_t		 trades, candles;	/* work done, as the heartbeat's proof of life */
};

/* Engine -> writer */

static void
engine_candle_cb(const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c, void *arg)
{
	struct service	*s = arg;

	batch_candle(writer_batch(s->writer), exchange, symbol, tf, c);
}

static void
engine_corrected_cb(const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c, void *arg)
{
	struct service	*s = arg;

	batch_correct(writer_batch(s->writer), exchange, symbol, tf, c);
}

static void
engine_judged_cb(const char *exchange, const char *symbol, enum timeframe tf, const char *strategy, int64_t open_us, void *arg)
{
	struct service	*s = arg;

	batch_judged(writer_batch(s->writer), exchange, symbol, tf, strategy, open_us);
}

static void
engine_opened_cb(const struct signal *signal, void *arg)
{
	struct service	*s = arg;
	struct signal	 opened = *signal;

	/* The table judges its age by the database's clock. */
	if (opened.fresh_until_us > 1)
		opened.fresh_until_us += session_clock_ahead_us(s->session);
	batch_open(writer_batch(s->writer), &opened);
	s->has_opened = true;
}

static void
engine_changed_cb(const struct signal *signal, void *arg)
{
	struct service	*s = arg;

	batch_change(writer_batch(s->writer), signal);
}

static void
engine_refreshed_cb(const struct signal *signal, void *arg)
{
	struct service	*s = arg;

	batch_refresh(writer_batch(s->writer), signal);
}

static const struct engine_handler engine_handler = {
	.candle = engine_candle_cb, .corrected = engine_corrected_cb, .judged = engine_judged_cb, .opened = engine_opened_cb,
	.changed = engine_changed_cb, .refreshed = engine_refreshed_cb,
};

/* Feed -> engine */

/* An input is done with.  What else the feed brings in this turn must not keep a signal waiting. */
static void
input_end(struct service *s)
{
	if (s->has_opened)
		writer_flush(s->writer);
	s->has_opened = false;
}

static void
feed_trade_cb(size_t symbol, const struct trade *t, void *arg)
{
	struct source	*src = arg;

	src->service->trades++;
	stream_trade(src->streams[symbol].stream, t);
	input_end(src->service);
}

static void
feed_candle_cb(size_t symbol, const struct candle *c, void *arg)
{
	struct source	*src = arg;

	src->service->candles++;
	stream_candle(src->streams[symbol].stream, c);
	input_end(src->service);
}

/* The streams of one symbol or of all: *first to the one behind the last. */
static void
range_of(const struct source *src, size_t symbol, size_t *first, size_t *end)
{
	*first = symbol == FEED_ALL ? 0 : symbol;
	*end = symbol == FEED_ALL ? feed_common(src->feed)->symbols.count : symbol + 1;
}

static void
feed_clock_cb(size_t symbol, int64_t now_us, void *arg)
{
	struct source	*src = arg;
	size_t		 i, end;

	for (range_of(src, symbol, &i, &end); i < end; i++) {
		stream_clock(src->streams[i].stream, now_us);
		input_end(src->service);
	}
}

static void
feed_correct_cb(size_t symbol, const struct candle *c, void *arg)
{
	struct source	*src = arg;

	stream_correct(src->streams[symbol].stream, c);
}

static void
feed_gap_cb(size_t symbol, int64_t from_us, void *arg)
{
	struct source	*src = arg;

	stream_gap(src->streams[symbol].stream, from_us);
}

static enum signal_verdict
feed_signal_cb(size_t symbol, const struct signal *signal, void *arg)
{
	struct source	*src = arg;

	return stream_signal(src->streams[symbol].stream, signal);
}

static void
feed_turn_begin_cb(void *arg)
{
	struct source	*src = arg;

	engine_set_wall_us(src->service->conf.engine, clock_wall_us());
}

/*
 * Feeds that can wait do so while rows pile up.  One that is live waits only
 * when the room for them runs short: what it says may exist nowhere else.
 */
static void
hold_back(struct service *s)
{
	bool	 full = writer_is_full(s->writer), short_of_room = writer_is_short_of_room(s->writer), hold;

	s->held_back = false;
	for (size_t i = 0; i < s->source_count; i++) {
		hold = feed_can_wait(s->sources[i].feed) && (feed_is_real_time(s->sources[i].feed) ? short_of_room : full);
		if (hold && !s->sources[i].held_back)
			feed_pause(s->sources[i].feed);
		else if (!hold && s->sources[i].held_back)
			feed_resume(s->sources[i].feed);
		s->sources[i].held_back = hold;
		s->held_back = s->held_back || hold;
	}
}

static void
feed_turn_end_cb(void *arg)
{
	struct source	*src = arg;

	writer_flush(src->service->writer);
	hold_back(src->service);
}

static void
finish_if_done(struct service *s)
{
	bool	 ended = s->loaded && s->conf.at_end == AT_END_EXIT;

	for (size_t i = 0; i < s->source_count; i++)
		ended = ended && s->sources[i].ended;
	if ((ended || s->stopping) && writer_is_idle(s->writer))
		event_base_loopbreak(s->base);
}

static void
feed_live_from_cb(size_t symbol, int64_t market_us, void *arg)
{
	struct source	*src = arg;
	size_t		 i, end;

	for (range_of(src, symbol, &i, &end); i < end; i++)
		stream_live_from(src->streams[i].stream, market_us);
}

static void
feed_ended_cb(bool ok, void *arg)
{
	struct source	*src = arg;

	src->ended = true;
	if (!ok)
		src->service->exit_code = EXIT_TEMPORARY;
	finish_if_done(src->service);
}

static const struct feed_handler feed_handler = {
	.trade = feed_trade_cb, .candle = feed_candle_cb, .clock = feed_clock_cb, .correct = feed_correct_cb,
	.gap = feed_gap_cb, .signal = feed_signal_cb, .turn_begin = feed_turn_begin_cb,
	.turn_end = feed_turn_end_cb, .live_from = feed_live_from_cb, .ended = feed_ended_cb,
};

/* Writer and session */

static void	 load_if_ready(struct service *s);

static void
writer_committed_cb(void *arg)
{
	struct service	*s = arg;

	load_if_ready(s);
	if (!s->stopping)
		hold_back(s);
	finish_if_done(s);
}

static void
writer_between_cb(void *arg)
{
	struct service	*s = arg;

	if (s->retention != NULL)
		retention_between(s->retention);
}

static void
writer_closed_cb(const char *exchange, const char *symbol, const char *timeframe, const char *strategy, int64_t candle_open_us,
    int64_t closed_us, void *arg)
{
	struct service	*s = arg;

	engine_closed(s->conf.engine, exchange, symbol, timeframe, strategy, candle_open_us, closed_us);
}

static void
open_feed(struct service *s, struct source *src)
{
	const struct feed_conf	*conf = feed_common(src->feed);
	int64_t			*resume_us = xcalloc(conf->symbols.count, sizeof(*resume_us));
	size_t			 history = 0, wanted;

	for (size_t i = 0; i < conf->symbols.count; i++) {
		resume_us[i] = src->streams[i].resume_us;
		wanted = stream_warmup(src->streams[i].stream);
		if (wanted > history)
			history = wanted;
	}
	feed_open(src->feed, s->base, resume_us, history, &feed_handler, src);
	free(resume_us);
}

static void
loaded_cb(void *arg)
{
	struct service	*s = arg;

	s->loaded = true;
	for (size_t i = 0; i < s->source_count; i++)
		open_feed(s, &s->sources[i]);
}

/* Once all that an earlier run left in the journal is committed. */
static void
load_if_ready(struct service *s)
{
	if (s->loader != NULL || s->stopping || !session_is_up(s->session) || !writer_is_idle(s->writer))
		return;
	s->loader = loader_start(session_pg(s->session), s->conf.engine, (enum signal_mode)s->conf.mode, s->streams,
	    s->stream_count, loaded_cb, s);
}

static void
session_up_cb(void *arg)
{
	struct service	*s = arg;

	/* Whoever holds it will put rows into it that nobody would send before its end. */
	if (spool_open(s->spool) == -1 && errno == EWOULDBLOCK)
		fatalx("generator", "cannot write without its journal: starting over");
	writer_session_up(s->writer);
	load_if_ready(s);
}

/* With what is not committed saved for the next run. */
static void
leave(struct service *s)
{
	bool	 idle = writer_is_idle(s->writer), saved = writer_save(s->writer);

	if (!idle && saved)
		log_info("generator", "what is not committed is in the journal: the next start commits it");
	else if (!idle)
		log_warnx("generator", "stopping with rows that are neither committed nor in the journal");
	event_base_loopbreak(s->base);
}

static void
session_down_cb(void *arg)
{
	struct service	*s = arg;

	writer_session_down(s->writer);
	if (s->stopping)
		leave(s);
}

/* The end */

static void
stop_limit_cb(evutil_socket_t fd, short what, void *arg)
{
	struct service	*s = arg;

	(void)fd, (void)what;
	leave(s);
}

/* Take no more input and let the commit in hand finish. */
static void
stop(struct service *s)
{
	const struct timeval	 limit = { .tv_sec = STOP_LIMIT_S };

	if (s->stopping)
		return;
	s->stopping = true;
	heartbeat_stopping(s->heartbeat);
	if (s->loaded)
		for (size_t i = 0; i < s->source_count; i++)
			feed_pause(s->sources[i].feed);
	if (!session_is_up(s->session) || writer_is_idle(s->writer))
		leave(s);
	else
		event_add(s->stop_limit, &limit);
}

static void
stop_cb(evutil_socket_t sig, short what, void *arg)
{
	(void)what;
	log_info("generator", "stopping signal=%s", sig == SIGTERM ? "TERM" : "INT");
	stop(arg);
}

static void
orphaned_cb(void *arg)
{
	stop(arg);
}

static void
hup_cb(evutil_socket_t sig, short what, void *arg)
{
	(void)sig, (void)what, (void)arg;
	log_reopen();
	log_info("generator", "log reopened");
}

static bool
is_degraded(const struct service *s)
{
	for (size_t i = 0; i < s->source_count; i++)
		if (feed_is_degraded(s->sources[i].feed))
			return true;
	return !session_is_up(s->session);
}

static void
status_cb(struct jsonw *w, void *arg)
{
	struct service	*s = arg;

	jsonw_str(w, "state", is_degraded(s) ? "degraded" : s->held_back ? "held back" : s->loaded ? "ready" : "loading");
	jsonw_str(w, "session", session_state(s->session));
	jsonw_int(w, "work", (int64_t)(s->trades + s->candles));
	pg_status_json(session_pg(s->session), w, "database");
	writer_status_json(s->writer, w);
	if (s->retention != NULL)
		retention_status_json(s->retention, w);
	jsonw_object(w, "feeds");
	for (size_t i = 0; i < s->source_count; i++) {
		jsonw_object(w, feed_common(s->sources[i].feed)->name);
		feed_status_json(s->sources[i].feed, w);
		jsonw_end_object(w);
	}
	jsonw_end_object(w);
	jsonw_object(w, "engine");
	engine_status_json(s->conf.engine, w);
	jsonw_end_object(w);
}

/* Setting up and tearing down */

static void
make_sources(struct service *s)
{
	const struct feed_conf	*conf;
	struct loader_stream	*next;
	struct stream		*stream;

	for (struct feed **f = s->conf.feeds; *f != NULL; f++) {
		s->source_count++;
		s->stream_count += feed_common(*f)->symbols.count;
	}
	s->sources = xcalloc(s->source_count, sizeof(*s->sources));
	next = s->streams = xcalloc(s->stream_count, sizeof(*s->streams));
	for (size_t i = 0; i < s->source_count; i++) {
		s->sources[i] = (struct source){ .service = s, .feed = s->conf.feeds[i], .streams = next };
		conf = feed_common(s->conf.feeds[i]);
		for (size_t k = 0; k < conf->symbols.count; k++, next++) {
			stream = engine_stream(s->conf.engine, conf->exchange, conf->symbols.items[k], (enum timeframe)conf->timeframe);
			stream_set_source(stream, feed_source(s->conf.feeds[i]));
			stream_set_real_time(stream, feed_is_real_time(s->conf.feeds[i]));
			*next = (struct loader_stream){
				.stream = stream, .exchange = conf->exchange, .symbol = conf->symbols.items[k],
				.base = (enum timeframe)conf->timeframe, .resume_us = INT64_MIN,
			};
		}
	}
}

static struct event *
signal_event(struct service *s, int sig, event_callback_fn cb)
{
	struct event	*ev = evsignal_new(s->base, sig, cb, s);

	if (ev == NULL || event_add(ev, NULL) == -1)
		fatalx("generator", "cannot watch signal %d", sig);
	return ev;
}

/* The longest history that a restart asks for. */
static int64_t
history_us(const struct service *s)
{
	int64_t	 longest = 0, one;

	for (size_t i = 0; i < s->stream_count; i++) {
		one = (int64_t)stream_history_wanted(s->streams[i].stream) * timeframe_us(s->streams[i].base);
		if (one > longest)
			longest = one;
	}
	return longest;
}

static char *
journal_path(const struct service *s)
{
	const char	*name = getenv("TOCSIN_PROCESS");
	char		*path;

	if (asprintf(&path, "%s/%s/journal", s->conf.suite.state_dir, name != NULL && suite_name_ok(name) ? name : "generator") == -1)
		fatalx("generator", "out of memory");
	return path;
}

static void
set_up(struct service *s)
{
	const struct heartbeat_handler	 heartbeat = { .status = status_cb, .orphaned = orphaned_cb };
	const struct session_handler	 session = { .up = session_up_cb, .down = session_down_cb };
	const struct writer_handler	 writer = { .committed = writer_committed_cb, .between = writer_between_cb, .closed = writer_closed_cb };
	char				*path = journal_path(s);
	int64_t				 backlog;

	if ((s->base = event_base_new()) == NULL)
		fatalx("generator", "cannot make an event loop");
	s->on_term = signal_event(s, SIGTERM, stop_cb);
	s->on_int = signal_event(s, SIGINT, stop_cb);
	s->on_hup = signal_event(s, SIGHUP, hup_cb);
	signal(SIGPIPE, SIG_IGN);
	if ((s->stop_limit = event_new(s->base, -1, 0, stop_limit_cb, s)) == NULL)
		fatalx("generator", "out of memory");
	make_sources(s);
	s->session = session_new(s->base, generator_conf_database(&s->conf), &session, s);
	/* What comes in the turn that reaches the backlog's limit must still fit, candles and all. */
	backlog = s->conf.backlog_max < s->conf.journal_max / 4 ? s->conf.backlog_max : s->conf.journal_max / 4;
	s->spool = spool_new(path, (uint64_t)s->conf.journal_max, (size_t)(2 * backlog + TURN_ROOM));
	free(path);
	s->writer = writer_new(s->base, session_pg(s->session), s->spool, (size_t)backlog, &writer, s);
	if (s->conf.retention_ms > 0)
		s->retention = retention_new(s->base, s->session, s->writer, s->conf.retention_ms * 1000, history_us(s));
	s->heartbeat = heartbeat_new(s->base, (unsigned)s->conf.suite.heartbeat_interval_ms, &heartbeat, s);
	/* A database that is away is no reason to be restarted: ready means that the loop turns. */
	heartbeat_ready(s->heartbeat);
}

static void
tear_down(struct service *s)
{
	heartbeat_free(s->heartbeat);
	retention_free(s->retention);
	session_free(s->session);
	loader_free(s->loader);
	writer_free(s->writer);
	generator_conf_release(&s->conf);
	free(s->sources);
	free(s->streams);
	event_free(s->on_term);
	event_free(s->on_int);
	event_free(s->on_hup);
	event_free(s->stop_limit);
	net_end(s->base);
	event_base_free(s->base);
	libevent_global_shutdown();
}

int
service_run(const char *path)
{
	struct service	 s;

	memset(&s, 0, sizeof(s));
	if (generator_conf_load(&s.conf, path, &engine_handler, &s) > 0) {
		generator_conf_release(&s.conf);
		return EXIT_USAGE;
	}
	suite_apply_log(&s.conf.suite);
	log_info("generator", "starting version=%s feeds_and_strategies_from=%s", TOCSIN_VERSION, path);
	set_up(&s);
	event_base_dispatch(s.base);
	log_info("generator", "stopped trades=%llu candles=%llu", (unsigned long long)s.trades, (unsigned long long)s.candles);
	tear_down(&s);
	return s.stopping ? EXIT_DONE : s.exit_code;
}
