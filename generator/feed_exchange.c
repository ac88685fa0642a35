/*
 * The live feeds of exchanges, all the same but for the protocol: connections
 * (feed_exchange_links) deliver to markets (feed_exchange_market), here is what
 * holds them together: configuration, turns, time and STATUS.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/suite.h"
#include "generator/feed.h"
#include "generator/feed_exchange_links.h"
#include "generator/feed_exchange_market.h"
#include "common/net.h"
#include "common/rest.h"

#define TICK_MS		100
#define TURN_TRADES	2000		/* handed out at most before the loop goes on */
#define NOT_LIVE_MAX	400		/* bytes of STATUS for markets that are not live, by name */
#define DEGRADED_US	INT64_C(30000000)
#define URL_MAX		1024
#define RECONNECT_MIN_MS 10000

struct feed_exchange_conf {
	char	*url, *rest_url, *ca_file;
	int64_t	 reconnect_after_ms;
};

struct feed_exchange {
	const struct exchange	*x;
	const struct feed_conf	*common;
	struct feed_handler	 handler;
	struct net		*net;
	struct links		*links;
	struct market_env	 env;
	struct market		**markets;
	size_t			 count;
	/* Markets that may have trades to hand out: a queue without repeats, from `queue_at` on. */
	size_t			*queue, queue_at, queue_len;
	bool			*queued, *refused;	/* by market; refused: told */
	struct event		*tick, *turn;
	bool			 all_live;	/* told */
	int64_t			 begun_us;	/* monotonic: open, or the last time a market was lost */
};

/* Configuration */

static const struct conf_key exchange_keys[] = {
	{ .name = "url", .type = CONF_STR, .offset = offsetof(struct feed_exchange_conf, url), .def = "", .check = net_wss_ok,
	  .help = "the stream, wss://HOST[:PORT] without the protocol's path; empty: the exchange's" },
	{ .name = "rest_url", .type = CONF_STR, .offset = offsetof(struct feed_exchange_conf, rest_url), .def = "", .check = net_https_ok,
	  .help = "candles and trades of the past, https://HOST[:PORT]; empty: the exchange's" },
	{ .name = "ca_file", .type = CONF_STR, .offset = offsetof(struct feed_exchange_conf, ca_file), .def = "", .check = suite_path_ok,
	  .help = "certificates (PEM) to trust instead of the system's" },
	{ .name = "reconnect_after", .type = CONF_DURATION, .offset = offsetof(struct feed_exchange_conf, reconnect_after_ms),
	  .def = "23h", .max = 30 * 86400e3,
	  .help = "age of a connection at which a second one takes over without a gap, up to 5 % before; 0: never" },
	{ .name = NULL }
};

static void
timeframe_list(unsigned bits, char *text, size_t size)
{
	size_t	 len = 0;

	text[0] = '\0';
	for (int tf = 0; tf < TIMEFRAMES && len < size; tf++)
		if ((bits & 1u << tf) != 0)
			len += (size_t)snprintf(text + len, size - len, "%s%s", len > 0 ? ", " : "", timeframe_names[tf]);
}

/* Two symbols with one native name could not be told apart: A/BC and AB/C. */
static void
check_natives(const struct exchange *x, struct conf *file, const struct conf_section *section, const struct conf_list *symbols)
{
	char	 a[EXCHANGE_NATIVE_MAX], b[EXCHANGE_NATIVE_MAX];

	for (size_t i = 0; i < symbols->count; i++)
		for (size_t j = 0; j < i; j++) {
			x->native(symbols->items[i], a);
			x->native(symbols->items[j], b);
			if (strcmp(a, b) == 0 && strcmp(symbols->items[i], symbols->items[j]) != 0)
				conf_error(file, section, "symbols", "%s and %s are both %s with %s: keep one of them",
				    symbols->items[j], symbols->items[i], a, x->name);
		}
}

static void
check(const struct exchange *x, struct conf *file, const struct conf_section *section, const struct feed_conf *common,
    const struct feed_exchange_conf *c)
{
	char	 allowed[128];

	if (c->reconnect_after_ms > 0 && c->reconnect_after_ms < RECONNECT_MIN_MS)
		conf_error(file, section, "reconnect_after", "is below %d s: connections would come too often",
		    RECONNECT_MIN_MS / 1000);
	if ((x->timeframes & 1u << common->timeframe) == 0) {
		timeframe_list(x->timeframes, allowed, sizeof(allowed));
		conf_error(file, section, "timeframe", "%s has no candles of %s: one of %s", x->name,
		    timeframe_names[common->timeframe], allowed);
	}
	if (x->symbols_max != 0 && common->symbols.count > x->symbols_max)
		conf_error(file, section, "symbols", "%zu are more than a connection to %s carries, %zu: make several feeds",
		    common->symbols.count, x->name, x->symbols_max);
	check_natives(x, file, section, &common->symbols);
}

/* Turns */

static void
arm_turn(struct feed_exchange *f)
{
	if (!f->env.paused)
		event_active(f->turn, EV_TIMEOUT, 0);
}

static void
ready_cb(size_t symbol, void *arg)
{
	struct feed_exchange	*f = arg;

	if (f->queued[symbol])
		return;
	f->queued[symbol] = true;
	f->queue[(f->queue_at + f->queue_len++) % f->count] = symbol;
	if (f->queue_len == 1)
		arm_turn(f);
}

static void
distrust_cb(size_t symbol, void *arg)
{
	struct feed_exchange	*f = arg;

	(void)symbol;
	links_renew(f->links);
}

static size_t
next_ready(struct feed_exchange *f)
{
	size_t	 symbol = f->queue[f->queue_at];

	f->queue_at = (f->queue_at + 1) % f->count;
	f->queue_len--;
	f->queued[symbol] = false;
	return symbol;
}

/* What one read brought is one run; a flood is cut into several. */
static void
turn_cb(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval	 at_once = { 0 };	/* but after what else is ready */
	struct feed_exchange	*f = arg;
	size_t			 left = TURN_TRADES, done, symbol;

	(void)fd, (void)what;
	if (f->env.paused || f->queue_len == 0)
		return;
	market_turn_begin(&f->env);
	while (f->queue_len > 0 && left > 0) {
		symbol = next_ready(f);
		done = market_deliver(f->markets[symbol], left);
		if (done == left)
			ready_cb(symbol, f);
		left -= done;
	}
	market_turn_end(&f->env);
	if (f->queue_len > 0 && event_add(f->turn, &at_once) == -1)
		fatalx("feed", "cannot set a timer");
}

/* From the connections */

static void
trade_cb(size_t symbol, const struct trade *t, void *arg)
{
	struct feed_exchange	*f = arg;

	market_trade(f->markets[symbol], t);
}

static void
candle_cb(size_t symbol, const struct candle *c, void *arg)
{
	struct feed_exchange	*f = arg;

	market_candle(f->markets[symbol], c);
}

static void
heartbeat_cb(size_t symbol, int64_t last_trade_id, int64_t exchange_us, void *arg)
{
	struct feed_exchange	*f = arg;

	market_heartbeat(f->markets[symbol], last_trade_id, exchange_us);
}

static void
covered_cb(size_t symbol, bool covered, void *arg)
{
	struct feed_exchange	*f = arg;

	if (covered)
		f->refused[symbol] = false;
	else if (f->all_live) {
		f->all_live = false;
		f->begun_us = clock_mono_us();
	}
	market_covered(f->markets[symbol], covered);
}

static void
refused_cb(size_t symbol, const char *why, void *arg)
{
	struct feed_exchange	*f = arg;

	market_refused(f->markets[symbol], why);
	if (f->refused[symbol])
		return;
	f->refused[symbol] = true;
	log_warnx("feed", "the exchange refuses a market: take it out of symbols, or correct it; the others go on"
	    " name=%s symbol=%s asked_as=%s why=\"%s\"", f->common->name, f->common->symbols.items[symbol],
	    f->env.markets->natives[symbol], why);
}

/* Time */

static void
count_states(const struct feed_exchange *f, size_t counts[MARKET_STATES])
{
	memset(counts, 0, MARKET_STATES * sizeof(counts[0]));
	for (size_t i = 0; i < f->count; i++)
		counts[market_state(f->markets[i])]++;
}

static void
tell_all_live(struct feed_exchange *f)
{
	size_t	 counts[MARKET_STATES];

	if (f->all_live)
		return;
	count_states(f, counts);
	if (counts[MARKET_LIVE] == 0 || counts[MARKET_LIVE] + counts[MARKET_REFUSED] < f->count)
		return;
	f->all_live = true;
	log_info("feed", "all markets are live name=%s markets=%zu refused=%zu after_ms=%lld", f->common->name,
	    counts[MARKET_LIVE], counts[MARKET_REFUSED], (long long)((clock_mono_us() - f->begun_us) / 1000));
}

static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct feed_exchange	*f = arg;
	int64_t			 mono_us = clock_mono_us(), wall_us = market_wall_us(&f->env), heard_us;

	(void)fd, (void)what;
	links_tick(f->links, mono_us);
	for (size_t i = 0; i < f->count; i++) {
		heard_us = links_heard_us(f->links, i);
		market_tick(f->markets[i], mono_us, wall_us, heard_us == INT64_MIN ? heard_us : wall_us - (mono_us - heard_us));
	}
	tell_all_live(f);
}

/* Opening and closing */

static struct links *
open_links(struct feed_exchange *f, const struct feed_exchange_conf *c)
{
	static const struct links_handler	 handler = {
		.trade = trade_cb, .candle = candle_cb, .heartbeat = heartbeat_cb, .covered = covered_cb, .refused = refused_cb,
	};
	char		 url[URL_MAX], path[EXCHANGE_PATH_MAX], why[NET_WHY_MAX];
	const char	*origin = c->url != NULL ? c->url : f->x->stream_url;
	size_t		 len = strlen(origin);

	while (len > 0 && origin[len - 1] == '/')
		len--;
	f->x->stream_path(path);
	if (snprintf(url, sizeof(url), "%.*s%s", (int)len, origin, path) >= (int)sizeof(url) || !net_wss_ok(url, why, sizeof(why)))
		fatalx("feed", "key url is no beginning of a stream's address name=%s url=%s", f->common->name, url);
	return links_new(f->net, &(struct links_params){
		.name = f->common->name, .x = f->x, .markets = f->env.markets, .tf = f->env.tf, .url = url,
		.reconnect_after_ms = c->reconnect_after_ms,
	}, &handler, f);
}

static struct rest *
open_rest(const struct feed_exchange *f, const struct feed_exchange_conf *c)
{
	const struct exchange	*x = f->x;

	return rest_new(f->net, &(struct rest_params){
		.name = f->common->name, .origin = c->rest_url != NULL ? c->rest_url : x->rest_url, .gap_ms = x->request_gap_ms,
		.weight_header = x->weight_header, .weight_max = x->weight_max,
	});
}

static void *
open_feed(const struct exchange *x, struct event_base *base, const struct feed_conf *common, const void *conf,
    const int64_t *resume_us, size_t history, const struct feed_handler *handler, void *arg)
{
	const struct feed_exchange_conf	*c = conf;
	struct feed_exchange		*f = xcalloc(1, sizeof(*f));
	const struct timeval		 tick = clock_timeval_ms(TICK_MS);
	char				 why[NET_WHY_MAX];

	f->x = x;
	f->common = common;
	f->handler = *handler;
	f->count = common->symbols.count;
	f->begun_us = clock_mono_us();
	if ((f->net = net_new(base, c->ca_file, why, sizeof(why))) == NULL)
		fatalx("feed", "no TLS without certificates to trust name=%s ca_file=%s why=\"%s\"", common->name,
		    c->ca_file == NULL ? "" : c->ca_file, why);
	f->env = (struct market_env){
		.x = x, .markets = exchange_markets_new(x, (const char *const *)common->symbols.items, f->count),
		.common = common, .tf = (enum timeframe)common->timeframe, .history = history, .rest = open_rest(f, c),
		.handler = &f->handler, .arg = arg, .ready = ready_cb, .distrust = distrust_cb,
		.ready_arg = f,
	};
	f->queue = xcalloc(f->count, sizeof(*f->queue));
	f->queued = xcalloc(f->count, sizeof(*f->queued));
	f->refused = xcalloc(f->count, sizeof(*f->refused));
	f->markets = xcalloc(f->count, sizeof(struct market *));
	for (size_t i = 0; i < f->count; i++)
		f->markets[i] = market_new(&f->env, i, resume_us[i]);
	f->links = open_links(f, c);
	f->tick = event_new(base, -1, EV_PERSIST, tick_cb, f);
	f->turn = event_new(base, -1, 0, turn_cb, f);
	if (f->tick == NULL || f->turn == NULL || event_add(f->tick, &tick) == -1)
		fatalx("feed", "cannot make a timer");
	log_info("feed", "opening name=%s type=%s markets=%zu history=%zu", common->name, x->name, f->count, history);
	return f;
}

static void
close_feed(void *state)
{
	struct feed_exchange	*f = state;

	links_free(f->links);
	for (size_t i = 0; i < f->count; i++)
		market_free(f->markets[i]);
	rest_free(f->env.rest);
	exchange_markets_free(f->env.markets);
	jsonr_release(&f->env.json);
	net_free(f->net);
	event_free(f->tick);
	event_free(f->turn);
	free(f->markets);
	free(f->queue);
	free(f->queued);
	free(f->refused);
	free(f);
}

/* The markets go on without us: what comes is held, within bounds, and nothing is handed out. */
static void
pause_feed(void *state)
{
	struct feed_exchange	*f = state;

	f->env.paused = true;
}

static void
resume_feed(void *state)
{
	struct feed_exchange	*f = state;

	if (!f->env.paused)
		return;
	f->env.paused = false;
	for (size_t i = 0; i < f->count; i++)
		market_resume(f->markets[i]);
	if (f->queue_len > 0)
		arm_turn(f);
}

/* STATUS */

static const char *
state_word(const struct feed_exchange *f, const size_t counts[MARKET_STATES])
{
	const char	*word;

	if (f->env.paused)
		return "paused";
	if (!links_is_open(f->links))
		return "connecting";
	if (counts[MARKET_LIVE] + counts[MARKET_REFUSED] < f->count)
		return "recovering";
	return counts[MARKET_REFUSED] > 0 || !links_is_online(f->links, &word) ? "degraded" : "live";
}

/* Nothing comes, and not only for a moment. */
static bool
is_degraded(const void *state)
{
	const struct feed_exchange	*f = state;
	size_t				 counts[MARKET_STATES];

	if (f->env.paused || f->all_live || clock_mono_us() - f->begun_us < DEGRADED_US)
		return false;
	count_states(f, counts);
	return !links_is_open(f->links) || counts[MARKET_LIVE] == 0;
}

static void
counts_json(const struct market_counts *c, struct jsonw *w)
{
	jsonw_int(w, "trades", (int64_t)c->trades);
	jsonw_int(w, "duplicates", (int64_t)c->duplicates);
	jsonw_int(w, "holes", (int64_t)c->holes);
	jsonw_int(w, "holes_filled", (int64_t)c->holes_filled);
	jsonw_int(w, "candles_awaited", (int64_t)c->waits);
	jsonw_int(w, "gaps", (int64_t)c->gaps);
	jsonw_int(w, "backfilled_trades", (int64_t)c->backfilled_trades);
	jsonw_int(w, "backfilled_candles", (int64_t)c->backfilled_candles);
	jsonw_int(w, "corrections", (int64_t)c->corrections);
}

/* Those that are not live, as many as NOT_LIVE_MAX bytes hold: STATUS is one short line for everything. */
static void
not_live_json(const struct feed_exchange *f, struct jsonw *w)
{
	char		 text[NOT_LIVE_MAX];
	struct jsonw	 one;
	size_t		 left = NOT_LIVE_MAX;

	jsonw_array(w, "not_live");
	for (size_t i = 0; i < f->count; i++) {
		if (market_state(f->markets[i]) == MARKET_LIVE)
			continue;
		jsonw_init_fixed(&one, text, left);
		jsonw_object(&one, NULL);
		jsonw_str(&one, "symbol", f->common->symbols.items[i]);
		jsonw_str(&one, "state", market_state_names[market_state(f->markets[i])]);
		jsonw_str(&one, "why", market_why(f->markets[i]));
		jsonw_int(&one, "held_trades", (int64_t)market_held(f->markets[i]));
		jsonw_end_object(&one);
		if (one.failed)
			break;
		jsonw_raw(w, NULL, one.buf, one.len);
		left -= one.len;
	}
	jsonw_end_array(w);
}

static void
status_feed(const void *state, struct jsonw *w)
{
	const struct feed_exchange	*f = state;
	size_t				 counts[MARKET_STATES];
	int64_t				 last_us = INT64_MIN;
	char				 text[CLOCK_TEXT_MAX];

	count_states(f, counts);
	jsonw_str(w, "state", state_word(f, counts));
	links_status_json(f->links, w);
	jsonw_int(w, "markets", (int64_t)f->count);
	jsonw_int(w, "markets_live", (int64_t)counts[MARKET_LIVE]);
	jsonw_int(w, "markets_refused", (int64_t)counts[MARKET_REFUSED]);
	if (counts[MARKET_LIVE] < f->count)
		not_live_json(f, w);
	for (size_t i = 0; i < f->count; i++)
		if (market_last_trade_us(f->markets[i]) > last_us)
			last_us = market_last_trade_us(f->markets[i]);
	if (last_us != INT64_MIN)
		jsonw_str(w, "last_trade", clock_iso_ms(last_us, text));
	jsonw_int(w, "lag_ms", f->env.lag_us / 1000);
	if (f->env.skew.known)
		jsonw_int(w, "clock_ahead_ms", f->env.skew.ahead_us / 1000);
	counts_json(&f->env.counts, w);
	rest_status_json(f->env.rest, w, "rest");
}

/* One type an exchange. */

#define EXCHANGE_FEED(id) \
	static void \
	id##_check(struct conf *file, const struct conf_section *section, const struct feed_conf *common, void *conf) \
	{ \
		check(&exchange_##id, file, section, common, conf); \
	} \
	static void * \
	id##_open(struct event_base *base, const struct feed_conf *common, const void *conf, const int64_t *resume_us, \
	    size_t history, const struct feed_handler *handler, void *arg) \
	{ \
		return open_feed(&exchange_##id, base, common, conf, resume_us, history, handler, arg); \
	} \
	const struct feed_type feed_##id = { \
		.name = #id, .source = SOURCE_TRADES, .real_time = true, .keys = exchange_keys, \
		.conf_size = sizeof(struct feed_exchange_conf), .check = id##_check, .open = id##_open, .close = close_feed, \
		.pause = pause_feed, .resume = resume_feed, .status = status_feed, .degraded = is_degraded, \
	};

EXCHANGE_FEED(binance)
EXCHANGE_FEED(coinbase)
EXCHANGE_FEED(kraken)
