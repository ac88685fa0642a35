/*
 * The simulated market: deterministic for a seed, of any length, at any pace.
 * See feed_sim_market.h for the market itself; here is when it is delivered.
 */
#include <event2/event.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "generator/feed.h"
#include "generator/feed_sim_market.h"

#define MINUTE_US	INT64_C(60000000)
#define TURN_TRADES	512		/* at most, and at most */
#define TURN_US		2000
#define TURN_CHECK	32		/* trades between two looks at the clock */
#define WAIT_MAX_US	250000.0	/* the market's clock moves on in quiet times too */
#define WAIT_MIN_US	1000.0
#define NEVER_US	(INT64_MAX / 2)
#define GONE_MAX_US	2e18		/* fits when a market time is added */

struct feed_sim_conf {
	int64_t	 seed, trades_per_minute;
	char	*start, *end;
	double	 pace, volatility, price;
};

enum sim_state { SIM_FLAT, SIM_PACED, SIM_ENDED };

struct sim_symbol {
	struct sim_market	 market;
	int64_t			 slot, time_us;		/* of its next trade */
};

struct feed_sim {
	const struct feed_conf	*common;
	const struct feed_sim_conf *conf;
	struct feed_handler	 handler;
	void			*arg;
	struct event		*turn;
	struct sim_symbol	*symbols;
	enum sim_state		 state;
	bool			 paused;
	int64_t			 paced_from_us, end_us;	/* market time */
	int64_t			 wall_from_us;		/* monotonic, when paced_from_us was reached */
	int64_t			 market_us;		/* time of the last trade or clock */
	uint64_t		 trades;
};

static bool
time_ok(const char *value, char *why, size_t why_size)
{
	int64_t	 us;

	snprintf(why, why_size, "a time in ISO form, 1971 or later, as in 2026-01-01T00:00:00Z");
	return clock_parse_iso(value, strlen(value), &us) && us >= 365 * 1440 * MINUTE_US;
}

static const struct conf_key sim_keys[] = {
	{ .name = "seed", .type = CONF_INT, .offset = offsetof(struct feed_sim_conf, seed),
	  .def = "1", .help = "another number is another market" },
	{ .name = "start", .type = CONF_STR, .offset = offsetof(struct feed_sim_conf, start),
	  .def = "2026-01-01T00:00:00Z", .check = time_ok,
	  .help = "market time at which the paced part begins; history comes before it" },
	{ .name = "end", .type = CONF_STR, .offset = offsetof(struct feed_sim_conf, end),
	  .def = "", .check = time_ok, .help = "market time at which the feed ends; empty: never" },
	{ .name = "pace", .type = CONF_DOUBLE, .offset = offsetof(struct feed_sim_conf, pace),
	  .def = "1", .min = 0, .max = 1e6, .help = "market seconds per second; 0: as fast as it goes, until end" },
	{ .name = "trades_per_minute", .type = CONF_INT, .offset = offsetof(struct feed_sim_conf, trades_per_minute),
	  .def = "30", .min = 1, .max = 60000, .help = "trades of each symbol in a minute of market time" },
	{ .name = "volatility", .type = CONF_DOUBLE, .offset = offsetof(struct feed_sim_conf, volatility),
	  .def = "0.0008", .min = 1e-6, .max = 0.05, .help = "typical change of a price in one minute, as a ratio" },
	{ .name = "price", .type = CONF_DOUBLE, .offset = offsetof(struct feed_sim_conf, price),
	  .def = "50000", .min = 1e-4, .max = 1e9,
	  .help = "price at start of the first symbol; others begin lower, by their names" },
	{ .name = NULL }
};

/* Empty or refused text: `otherwise`. */
static int64_t
time_of(const char *text, int64_t otherwise)
{
	int64_t	 us;

	return text != NULL && clock_parse_iso(text, strlen(text), &us) ? us : otherwise;
}

static void
sim_check(struct conf *file, const struct conf_section *section, const struct feed_conf *common, void *conf)
{
	struct feed_sim_conf	*c = conf;

	(void)common;
	if (c->start == NULL)
		conf_error(file, section, "start", "is empty: a time in ISO form, as in 2026-01-01T00:00:00Z");
	if (c->pace == 0 && c->end == NULL)
		conf_error(file, section, "pace", "0 goes as fast as it can: set end = to say how far");
	if (c->end != NULL && time_of(c->end, 0) <= time_of(c->start, 0))
		conf_error(file, section, "end", "is not after start");
}

/* Where market time stands; beyond what has been delivered when the loop is behind. */
static int64_t
market_now(const struct feed_sim *f)
{
	double	 gone_us;

	if (f->state != SIM_PACED)
		return NEVER_US;
	gone_us = (double)(clock_mono_us() - f->wall_from_us) * f->conf->pace;
	return f->paced_from_us + (int64_t)fmin(gone_us, GONE_MAX_US);
}

/* By time, then by symbol. */
static size_t
next_symbol(const struct feed_sim *f)
{
	size_t	 best = 0;

	for (size_t i = 1; i < f->common->symbols.count; i++)
		if (f->symbols[i].time_us < f->symbols[best].time_us)
			best = i;
	return best;
}

/* Market time of what comes next: a trade or the end. */
static int64_t
next_us(const struct feed_sim *f)
{
	int64_t	 time_us = f->symbols[next_symbol(f)].time_us;

	return time_us < f->end_us ? time_us : f->end_us;
}

static void
deliver(struct feed_sim *f, size_t symbol)
{
	struct sim_symbol	*s = &f->symbols[symbol];
	struct trade		 t;

	sim_market_trade(&s->market, s->slot, &t);
	s->time_us = sim_market_time_us(&s->market, ++s->slot);
	f->market_us = t.time_us;
	f->trades++;
	f->handler.trade(symbol, &t, f->arg);
}

/* Deliver what is due; true when there may be more at once. */
static bool
deliver_due(struct feed_sim *f)
{
	int64_t	 limit_us = clock_mono_us() + TURN_US, now_us = market_now(f), time_us;

	for (int i = 1; i <= TURN_TRADES && !f->paused; i++) {
		time_us = next_us(f);
		if (f->state == SIM_FLAT && time_us >= f->paced_from_us) {
			f->state = SIM_PACED;
			f->wall_from_us = clock_mono_us();
			now_us = market_now(f);
		}
		if (time_us > now_us)
			return false;
		if (time_us == f->end_us) {
			f->state = SIM_ENDED;
			return false;
		}
		deliver(f, next_symbol(f));
		if (i % TURN_CHECK == 0 && clock_mono_us() >= limit_us)
			break;
	}
	return true;
}

/* Never ahead of a trade that is still to come. */
static void
tell_clock(struct feed_sim *f)
{
	int64_t	 now_us = market_now(f), coming_us = next_us(f);

	if (now_us > coming_us)
		now_us = coming_us;
	if (now_us < f->market_us)
		return;
	f->market_us = now_us;
	f->handler.clock(FEED_ALL, now_us, f->arg);
}

static void
arm(struct feed_sim *f, bool at_once)
{
	struct timeval	 wait = { 0 };
	double		 wait_us;

	if (!at_once) {
		wait_us = (double)(next_us(f) - market_now(f)) / f->conf->pace;
		wait.tv_usec = (suseconds_t)fmax(WAIT_MIN_US, fmin(WAIT_MAX_US, wait_us));
	}
	if (event_add(f->turn, &wait) == -1)
		fatalx("feed", "cannot set a timer");
}

static void
turn_cb(evutil_socket_t fd, short what, void *arg)
{
	struct feed_sim	*f = arg;
	char		 time[CLOCK_TEXT_MAX];
	bool		 more;

	(void)fd, (void)what;
	f->handler.turn_begin(f->arg);
	more = deliver_due(f);
	if (f->conf->pace > 0 && f->state != SIM_FLAT && !f->paused)
		tell_clock(f);
	f->handler.turn_end(f->arg);
	if (f->state == SIM_ENDED) {
		log_info("feed", "the simulated market has ended name=%s market_time=%s trades=%llu", f->common->name,
		    clock_iso_ms(f->end_us, time), (unsigned long long)f->trades);
		f->handler.ended(true, f->arg);
	} else if (!f->paused)
		arm(f, more);
}

/* Market time at which each symbol begins: *paced_from_us is set too. */
static int64_t
find_begin(const struct feed_sim *f, const int64_t *resume_us, size_t history, int64_t *paced_from_us)
{
	int64_t	 start_us = time_of(f->conf->start, 0), begin_us = INT64_MAX;

	for (size_t i = 0; i < f->common->symbols.count; i++)
		if (resume_us[i] != INT64_MIN && resume_us[i] < begin_us)
			begin_us = resume_us[i];
	*paced_from_us = start_us;
	if (begin_us == INT64_MAX)
		begin_us = timeframe_open_us((enum timeframe)f->common->timeframe, start_us) -
		    (int64_t)history * timeframe_us((enum timeframe)f->common->timeframe);
	else if (begin_us > start_us)
		*paced_from_us = begin_us;
	if (f->conf->pace == 0)
		*paced_from_us = NEVER_US;
	return begin_us < 0 ? 0 : begin_us;
}

static void *
sim_open(struct event_base *base, const struct feed_conf *common, const void *conf, const int64_t *resume_us,
    size_t history, const struct feed_handler *handler, void *arg)
{
	struct feed_sim		*f = xcalloc(1, sizeof(*f));
	const struct feed_sim_conf *c = conf;
	struct sim_symbol	*s;
	char			 from[CLOCK_TEXT_MAX], paced[CLOCK_TEXT_MAX];
	int64_t			 begin_us, start_us = time_of(c->start, 0);
	uint64_t		 seed = (uint64_t)c->seed;

	f->common = common;
	f->conf = c;
	f->handler = *handler;
	f->arg = arg;
	begin_us = find_begin(f, resume_us, history, &f->paced_from_us);
	f->end_us = time_of(c->end, NEVER_US);
	f->market_us = begin_us;
	f->symbols = xcalloc(common->symbols.count, sizeof(*f->symbols));
	for (size_t i = 0; i < common->symbols.count; i++) {
		s = &f->symbols[i];
		sim_market_init(&s->market, seed, common->symbols.items[i],
		    i == 0 ? c->price : sim_market_price_of(seed, common->symbols.items[i], c->price),
		    c->volatility, start_us, MINUTE_US / c->trades_per_minute);
		s->slot = sim_market_slot(&s->market, resume_us[i] > begin_us ? resume_us[i] : begin_us);
		s->time_us = sim_market_time_us(&s->market, s->slot);
	}
	if ((f->turn = evtimer_new(base, turn_cb, f)) == NULL)
		fatalx("feed", "cannot make a timer");
	log_info("feed", "simulated market name=%s from=%s paced_from=%s pace=%g", common->name, clock_iso_ms(begin_us, from),
	    c->pace > 0 ? clock_iso_ms(f->paced_from_us, paced) : "never", c->pace);
	f->handler.live_from(FEED_ALL, start_us, arg);
	arm(f, true);
	return f;
}

static void
sim_close(void *state)
{
	struct feed_sim	*f = state;

	event_free(f->turn);
	free(f->symbols);
	free(f);
}

static void
sim_pause(void *state)
{
	struct feed_sim	*f = state;

	f->paused = true;
	event_del(f->turn);
}

static void
sim_resume(void *state)
{
	struct feed_sim	*f = state;

	if (!f->paused)
		return;
	f->paused = false;
	if (f->state != SIM_ENDED)
		arm(f, true);
}

static void
sim_status(const void *state, struct jsonw *w)
{
	static const char *const names[] = { [SIM_FLAT] = "flat out", [SIM_PACED] = "paced", [SIM_ENDED] = "ended" };
	const struct feed_sim	*f = state;
	char			 time[CLOCK_TEXT_MAX];

	jsonw_str(w, "state", f->paused && f->state != SIM_ENDED ? "paused" : names[f->state]);
	jsonw_str(w, "market_time", clock_iso_ms(f->market_us, time));
	jsonw_double(w, "pace", f->conf->pace, 6);
	jsonw_int(w, "trades", (int64_t)f->trades);
}

const struct feed_type feed_sim = {
	.name = "sim", .source = SOURCE_SIM, .can_wait = true, .keys = sim_keys, .conf_size = sizeof(struct feed_sim_conf), .check = sim_check,
	.open = sim_open, .close = sim_close, .pause = sim_pause, .resume = sim_resume, .status = sim_status,
};
