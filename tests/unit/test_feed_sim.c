#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "generator/builder.h"
#include "generator/feed.h"
#include "generator/feed_sim_market.h"

#define MINUTE		INT64_C(60000000)
#define T0		INT64_C(1767225600000000)	/* 2026-01-01 */
#define RECORDS_MAX	40000
#define DEADLINE_S	30

/* What a feed delivers. */
struct record {
	size_t		 symbol;
	struct trade	 t;
	int64_t		 wall_us;
};

struct recorder {
	struct event_base	*base;
	struct feed		*feed;
	bool			 in_turn;
	int			 ended, count;
	bool			 ended_ok;
	int64_t			 start_us;	/* monotonic */
	struct record		 r[RECORDS_MAX];
	int64_t			 clock_us, live_from_us;
	int			 clocks;
	int64_t			 stop_clock_us;	/* leave the loop when the clock is there; 0: never */
	int			 pause_every;	/* pause after so many, and resume by a timer */
	struct event		*resume;
	char			 status[1000];
};

static struct recorder rec, other;

static void
trade_cb(size_t symbol, const struct trade *t, void *arg)
{
	(void)arg;
	assert_true(rec.in_turn);
	assert_true(rec.count < RECORDS_MAX);
	assert_true(t->time_us >= rec.clock_us);	/* the clock was never ahead of a trade */
	rec.r[rec.count++] = (struct record){ .symbol = symbol, .t = *t, .wall_us = clock_mono_us() };
	if (rec.pause_every != 0 && rec.count % rec.pause_every == 0) {
		feed_pause(rec.feed);
		event_add(rec.resume, &(struct timeval){ .tv_usec = 100 });
	}
}

static void
candle_cb(size_t symbol, const struct candle *c, void *arg)
{
	(void)symbol, (void)c, (void)arg;
	fail_msg("the simulated market has no candles");
}

static void
clock_cb(size_t symbol, int64_t now_us, void *arg)
{
	assert_true(symbol == FEED_ALL);
	(void)arg;
	assert_true(rec.in_turn);
	assert_true(now_us >= rec.clock_us);
	rec.clock_us = now_us;
	rec.clocks++;
	if (rec.stop_clock_us != 0 && now_us >= rec.stop_clock_us)
		event_base_loopbreak(rec.base);
}

static void
turn_begin_cb(void *arg)
{
	(void)arg;
	assert_false(rec.in_turn);
	rec.in_turn = true;
}

static void
turn_end_cb(void *arg)
{
	(void)arg;
	assert_true(rec.in_turn);
	rec.in_turn = false;
}

static void
live_from_cb(size_t symbol, int64_t market_us, void *arg)
{
	assert_true(symbol == FEED_ALL);
	(void)arg;
	rec.live_from_us = market_us;
}

static void
ended_cb(bool ok, void *arg)
{
	(void)arg;
	rec.ended_ok = ok;
	rec.ended++;
	event_base_loopbreak(rec.base);
}

static void
resume_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	feed_resume(rec.feed);
}

static const struct feed_handler handler = {
	.trade = trade_cb, .candle = candle_cb, .clock = clock_cb, .turn_begin = turn_begin_cb, .turn_end = turn_end_cb,
	.live_from = live_from_cb, .ended = ended_cb,
};

static struct feed **
configure(const char *keys, char **errors)
{
	char		 path[] = "/tmp/test_feed_sim.XXXXXX", text[2000];
	struct conf	*file;
	struct feed	**feeds;
	size_t		 size;
	FILE		*out;
	int		 fd = mkstemp(path);

	assert_true(fd != -1);
	snprintf(text, sizeof(text), "[feed sim]\ntype = sim\n%s\n", keys);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	file = conf_read(path);
	feeds = feed_read_all(file);
	out = open_memstream(errors, &size);
	conf_finish(file, out);
	fclose(out);
	conf_free(file);
	unlink(path);
	return feeds;
}

static void
run(const char *keys, const int64_t *resume_us, size_t history, int64_t stop_clock_us, int pause_every)
{
	static const int64_t	 from_start[4] = { INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN };
	struct jsonw		 w;
	struct feed		**feeds;
	char			*errors;

	memset(&rec, 0, sizeof(rec));
	rec.clock_us = INT64_MIN;
	feeds = configure(keys, &errors);
	assert_string_equal(errors, "");
	free(errors);
	rec.base = event_base_new();
	rec.feed = feeds[0];
	rec.resume = evtimer_new(rec.base, resume_cb, NULL);
	rec.stop_clock_us = stop_clock_us;
	rec.pause_every = pause_every;
	event_base_loopexit(rec.base, &(struct timeval){ .tv_sec = DEADLINE_S });
	rec.start_us = clock_mono_us();
	feed_open(rec.feed, rec.base, resume_us != NULL ? resume_us : from_start, history, &handler, NULL);
	event_base_dispatch(rec.base);
	assert_true(stop_clock_us != 0 ? rec.clock_us >= stop_clock_us : rec.ended == 1);
	jsonw_init_fixed(&w, rec.status, sizeof(rec.status));
	jsonw_object(&w, NULL);
	feed_status_json(rec.feed, &w);
	jsonw_end_object(&w);
	assert_false(w.failed);
	feed_free_all(feeds);
	event_free(rec.resume);
	event_base_free(rec.base);
}

static bool
same(const struct record *a, const struct record *b)
{
	return a->symbol == b->symbol && a->t.id == b->t.id && a->t.time_us == b->t.time_us &&
	    decimal_compare(a->t.price, b->t.price) == 0 && decimal_compare(a->t.quantity, b->t.quantity) == 0;
}

#define TWO_HOURS	"symbols = BTC/USDT, ETH/USDT, SOL/USDT\nend = 2026-01-01T02:00:00Z\npace = 0\n"

static void
trades_come_by_time_then_symbol_with_ids_that_rise_by_one(void **state)
{
	int64_t	 last[3] = { 0 };

	(void)state;
	run(TWO_HOURS, NULL, 30, 0, 0);
	assert_int_equal(rec.count, 3 * 30 * 150);
	assert_int_equal(rec.ended, 1);
	assert_true(rec.r[0].t.time_us >= T0 - 30 * MINUTE && rec.r[0].t.time_us < T0 - 29 * MINUTE);
	for (int i = 0; i < rec.count; i++) {
		const struct record	*r = &rec.r[i];

		assert_true(r->t.id > 0 && r->t.price.units > 0 && r->t.quantity.units > 0);
		assert_true(last[r->symbol] == 0 || r->t.id == last[r->symbol] + 1);
		last[r->symbol] = r->t.id;
		if (i > 0)
			assert_true(r->t.time_us > r[-1].t.time_us ||
			    (r->t.time_us == r[-1].t.time_us && r->symbol > r[-1].symbol));
	}
	assert_non_null(strstr(rec.status, "\"state\":\"ended\""));
	assert_non_null(strstr(rec.status, "\"trades\":13500"));
}

static void
the_same_seed_is_the_same_market_and_another_is_not(void **state)
{
	int	 equal = 0;

	(void)state;
	run(TWO_HOURS, NULL, 0, 0, 0);
	memcpy(&other, &rec, sizeof(rec));
	run(TWO_HOURS, NULL, 0, 0, 0);
	assert_int_equal(rec.count, other.count);
	for (int i = 0; i < rec.count; i++)
		assert_true(same(&rec.r[i], &other.r[i]));
	run(TWO_HOURS "seed = 2", NULL, 0, 0, 0);
	for (int i = 0; i < rec.count && i < other.count; i++)
		equal += same(&rec.r[i], &other.r[i]);
	assert_int_equal(equal, 0);
}

static void
a_restart_anywhere_continues_the_undisturbed_market(void **state)
{
	int64_t	 resume_us[3];
	int	 next;

	(void)state;
	run(TWO_HOURS, NULL, 20, 0, 0);
	memcpy(&other, &rec, sizeof(rec));
	for (int round = 0; round < 40; round++) {
		/* Candle boundaries, single microseconds, and a symbol that is new. */
		for (int s = 0; s < 3; s++)
			resume_us[s] = round % 2 == 0 ? T0 - 20 * MINUTE + (round * 3 + s) * MINUTE :
			    other.r[(round * 331 + s * 100) % other.count].t.time_us + s;
		if (round % 5 == 4)
			resume_us[1] = INT64_MIN;
		run(TWO_HOURS, resume_us, 20, 0, round % 3 == 0 ? 100 : 0);
		if (resume_us[1] == INT64_MIN)
			resume_us[1] = resume_us[0] < resume_us[2] ? resume_us[0] : resume_us[2];
		next = 0;
		for (int i = 0; i < other.count; i++)
			if (other.r[i].t.time_us >= resume_us[other.r[i].symbol]) {
				assert_true(next < rec.count);
				assert_true(same(&rec.r[next++], &other.r[i]));
			}
		assert_int_equal(next, rec.count);
	}
}

static void
history_does_not_change_the_market(void **state)
{
	int	 skip;

	(void)state;
	run(TWO_HOURS, NULL, 60, 0, 0);
	memcpy(&other, &rec, sizeof(rec));
	run(TWO_HOURS, NULL, 0, 0, 0);
	/* Signals may begin where the history ends, asked for or not. */
	assert_int_equal(other.live_from_us, T0);
	assert_int_equal(rec.live_from_us, T0);
	skip = other.count - rec.count;
	assert_int_equal(skip, 3 * 60 * 30);
	for (int i = 0; i < rec.count; i++)
		assert_true(same(&rec.r[i], &other.r[i + skip]));
}

static void
a_paced_market_follows_the_wall_after_its_history(void **state)
{
	const char	*keys = "symbols = BTC/USDT\npace = 6000\n";
	int		 first = 0;

	(void)state;
	/* 30 minutes in 0.3 s. */
	run(keys, NULL, 100, T0 + 30 * MINUTE, 0);
	while (rec.r[first].t.time_us < T0)
		first++;
	assert_int_equal(first, 3000);
	for (int i = first; i < rec.count; i++)
		assert_true(rec.r[i].wall_us - rec.start_us >= (rec.r[i].t.time_us - T0) / 6000);
	assert_non_null(strstr(rec.status, "\"state\":\"paced\""));
	/* Resumed: paced from the first trade on, whatever history is asked for. */
	run(keys, &(int64_t){ T0 + 60 * MINUTE }, 100, T0 + 90 * MINUTE, 0);
	assert_true(rec.r[0].t.time_us >= T0 + 60 * MINUTE);
	for (int i = 0; i < rec.count; i++)
		assert_true(rec.r[i].wall_us - rec.start_us >= (rec.r[i].t.time_us - T0 - 60 * MINUTE) / 6000);
}

static void
the_clock_moves_on_between_two_trades(void **state)
{
	(void)state;
	/* One trade a minute, a minute in 100 ms of wall time: the clock ticks at least as often as trades come. */
	run("symbols = BTC/USDT\npace = 600\ntrades_per_minute = 1\nend = 2026-01-01T00:05:00Z", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 5);
	assert_int_equal(rec.clock_us, T0 + 5 * MINUTE);
	assert_true(rec.clocks >= 5);
}

static void
a_market_beyond_its_end_is_over(void **state)
{
	int64_t	 resume_us[3] = { T0 + 121 * MINUTE, T0 + 121 * MINUTE, T0 + 130 * MINUTE };

	(void)state;
	run(TWO_HOURS, resume_us, 0, 0, 0);
	assert_int_equal(rec.count, 0);
	run("symbols = BTC/USDT\nend = 2026-01-01T02:00:00Z\npace = 1", resume_us, 0, 0, 0);
	assert_int_equal(rec.count, 0);
}

/*
 * A month of one-minute candles: moves as configured, quiet and wild hours, a
 * price on its grid that starts where it should and stays within bounds.
 */
static void
the_market_looks_like_one(void **state)
{
	struct sim_market	 m;
	struct builder		*b = builder_new(TF_1M, 0, SOURCE_SIM);
	struct candle		 c;
	struct trade		 t;
	double			 price, before = 0, sum = 0, hour = 0, quiet = 1, wild = 0;
	int			 count = 0;

	(void)state;
	sim_market_init(&m, 1, "BTC/USDT", 50000, 0.0008, T0, 2000000);
	sim_market_trade(&m, sim_market_slot(&m, T0), &t);
	assert_true(fabs(decimal_double(t.price) / 50000 - 1) < 0.001);
	for (int64_t slot = sim_market_slot(&m, T0); count < 30 * 1440; slot++) {
		sim_market_trade(&m, slot, &t);
		assert_in_range(t.price.scale, 0, 1);
		if (builder_trade(b, &t, &c) == 0)
			continue;
		price = decimal_double(c.close);
		assert_true(price > 20000 && price < 125000);
		if (before != 0) {
			sum += pow(log(price / before), 2);
			hour += fabs(log(price / before)) / 60;
		}
		before = price;
		if (++count % 60 == 0) {
			quiet = fmin(quiet, hour);
			wild = fmax(wild, hour);
			hour = 0;
		}
	}
	assert_true(sqrt(sum / count) > 0.0006 && sqrt(sum / count) < 0.001);
	assert_true(wild > 4 * quiet);
	builder_free(b);
}

static void
impossible_values_are_refused(void **state)
{
	static const struct {
		const char	*keys, *error;
	} rows[] = {
		{ "symbols = A/B\npace = 0", "pace: 0 goes as fast as it can" },
		{ "symbols = A/B\nend = 2025-01-01", "end: is not after start" },
		{ "symbols = A/B\nstart = yesterday", "start: \"yesterday\" is not allowed: a time in ISO form" },
		{ "symbols = A/B\nstart =", "start: is empty" },
		{ "symbols = A/B\ntrades_per_minute = 0", "trades_per_minute: \"0\"" },
		{ "symbols = A/B\nvolatility = 7", "volatility: \"7\"" },
		{ "symbols = A/B\nprice = 0", "price: \"0\"" },
	};
	char	*errors;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		feed_free_all(configure(rows[i].keys, &errors));
		if (strstr(errors, rows[i].error) == NULL)
			fail_msg("\"%s\" is not in \"%s\"", rows[i].error, errors);
		free(errors);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trades_come_by_time_then_symbol_with_ids_that_rise_by_one),
		cmocka_unit_test(the_same_seed_is_the_same_market_and_another_is_not),
		cmocka_unit_test(a_restart_anywhere_continues_the_undisturbed_market),
		cmocka_unit_test(history_does_not_change_the_market),
		cmocka_unit_test(a_paced_market_follows_the_wall_after_its_history),
		cmocka_unit_test(the_clock_moves_on_between_two_trades),
		cmocka_unit_test(a_market_beyond_its_end_is_over),
		cmocka_unit_test(the_market_looks_like_one),
		cmocka_unit_test(impossible_values_are_refused),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("feed_sim", tests, NULL, NULL);
}
