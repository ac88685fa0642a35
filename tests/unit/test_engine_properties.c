/*
 * What must hold of all six strategies at once on several timeframes, over a
 * synthetic market and the recordings of TOCSIN_DATA: a restart anywhere changes
 * nothing, the future changes nothing, disorder among trades changes nothing.
 *
 * Splits are drawn anew in each run; TOCSIN_SEED repeats one.
 */
#include <time.h>

#include "tests/unit/engine_split.h"

#define SPLITS	25

/* Keys that make memories short, so that most restarts see a part of the history only. */
static const char *const	 quick[] = {
	"type = ema_cross\nfast = 3\nslow = 8\nadx_period = 4\nadx_min = 15\n",
	"type = rsi_reversion\nrsi_period = 4\nema_period = 12\n",
	"type = donchian_breakout\nperiod = 6\ntargets_r = 0.5, 1, 2\n",
	"type = macd_cross\nfast = 3\nslow = 7\nsignal = 3\nguard_stops = 2\nguard_candles = 60\n",
	"type = supertrend_flip\nperiod = 4\nmultiplier = 2\ncooldown_candles = 1\n",
	"type = bollinger_squeeze\nperiod = 8\ndeviations = 1.7\nlookback = 30\narmed_bars = 6\nexpiry_candles = 8\n",
};

static const char *const	 defaults[] = {
	"type = ema_cross\n", "type = rsi_reversion\n", "type = donchian_breakout\n", "type = macd_cross\n", "type = supertrend_flip\n",
	"type = bollinger_squeeze\n",
};

static uint64_t	 seed;

/* The six with `keys` on each of the timeframes (names, NULL at the end); owned. */
static char *
six_on(const char *const *types, const char *const *timeframes, const char *keys)
{
	char	*text = NULL;
	size_t	 size = 0;
	FILE	*out = open_memstream(&text, &size);

	for (; *timeframes != NULL; timeframes++)
		for (int i = 0; i < 6; i++)
			fprintf(out, "[strategy s%d_%s]\ntimeframe = %s\n%s%s", i, *timeframes, *timeframes, types[i], keys);
	fclose(out);
	return text;
}

static const char *const	 minutes[] = { "1m", "5m", "15m", NULL };
static const char *const	 hours[] = { "1h", "2h", "4h", NULL };
static const char *const	 days[] = { "1d", NULL };

/* Signals opened by each of the six: what never fires proves nothing. */
static void
count_openings(const struct record *r, size_t counts[6])
{
	memset(counts, 0, 6 * sizeof(*counts));
	for (size_t i = 0; i < r->count; i++)
		if (r->list[i].kind == ON_OPENED)
			counts[r->list[i].signal->strategy[1] - '0']++;
	print_message("    opened: ema_cross %zu, rsi_reversion %zu, donchian_breakout %zu, macd_cross %zu, supertrend_flip %zu, "
	    "bollinger_squeeze %zu\n", counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]);
}

static void
check_prefixes(const char *text, const struct span *in, const struct record *whole, int count)
{
	struct record	 part = { 0 };
	size_t		 to;

	for (int i = 0; i < count; i++) {
		to = 1 + market_random(&seed) % (in->count - 1);
		run_whole(text, in, to, &part);
		assert_continues(whole, 0, &part, false, to);
		assert_int_equal(part.count, happenings_before(whole, to));
		record_release(&part);
	}
}

static void
check_all(char *text, const struct span *in, size_t least)
{
	struct record	 whole = { 0 };
	size_t		 counts[6], beyond = 0;

	run_whole(text, in, in->count, &whole);
	count_openings(&whole, counts);
	for (int i = 0; i < 6; i++)
		assert_true(counts[i] >= least);
	check_prefixes(text, in, &whole, SPLITS / 3);
	for (int i = 0; i < SPLITS; i++)
		check_split(text, in, &whole, 1 + market_random(&seed) % (in->count - 1), &beyond);
	/* Neighbours, to stand once on each place within a candle of 15. */
	for (size_t i = 0; i < 15; i++)
		check_split(text, in, &whole, in->count * 3 / 4 + i, &beyond);
	print_message("    %d splits, %zu of them with a part of the history\n", SPLITS + 15, beyond);
	record_release(&whole);
	free(text);
}

static struct market	 market;
static struct span	 synthetic;

static int
set_up(void **state)
{
	const char	*given = getenv("TOCSIN_SEED");

	(void)state;
	seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761 + 1;
	print_message("TOCSIN_SEED=%llu repeats this run\n", (unsigned long long)seed);
	market_make(&market, 16000, 4711);
	synthetic = (struct span){ market.candles, market.candle_count, TF_1M };
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	market_release(&market);
	return 0;
}

static void
a_synthetic_market_keeps_them(void **state)
{
	(void)state;
	check_all(six_on(quick, minutes, "atr_period = 4\nwarmup = 60\n"), &synthetic, 20);
	check_all(six_on(defaults, minutes, ""), &synthetic, 3);
}

/* Holes from one minute to half an hour, filled up to FILL_MAX: in each there are filled candles and jumps. */
static void
a_market_full_of_holes_keeps_them(void **state)
{
	struct span	 in = { .base = TF_1M };
	struct candle	*list = xcalloc(synthetic.count, sizeof(*list));
	size_t		 skip = 0;

	(void)state;
	for (size_t i = 0; i < synthetic.count; i++) {
		if (skip == 0 && market_random(&seed) % 12 == 0)
			skip = market_random(&seed) % 6 == 0 ? market_random(&seed) % 30 : 3;
		if (skip > 0) {
			skip--;
			continue;
		}
		list[in.count++] = synthetic.candles[i];
	}
	in.candles = list;
	check_all(six_on(quick, minutes, "atr_period = 4\nwarmup = 60\n"), &in, 10);
	free(list);
}

static void
check_recording(const char *name, enum timeframe base, const char *const *timeframes, size_t least)
{
	struct span	 in = { .base = base };
	struct candle	*list = read_candles(name, base, base != TF_1M, &in.count);
	struct record	 r = { 0 };
	char		*text = six_on(quick, timeframes, "atr_period = 4\nwarmup = 60\n");

	in.candles = list;
	assert_true(in.count > 2000);
	run_whole(text, &in, in.count, &r);
	check_life(&r, &in, 6 * least);
	record_release(&r);
	check_all(text, &in, least);
	check_all(six_on(defaults, timeframes, "warmup = 500\n"), &in, 0);
	free(list);
}

static void
a_recorded_minute_market_keeps_them(void **state)
{
	(void)state;
	check_recording("unittest_btc_1m.csv", TF_1M, minutes, 20);
}

static void
a_recorded_hourly_market_keeps_them(void **state)
{
	(void)state;
	check_recording("eurusd_1h.csv", TF_1H, hours, 10);
}

static void
a_recorded_daily_market_keeps_them(void **state)
{
	(void)state;
	check_recording("goog_1d.csv", TF_1D, days, 3);
}

/* Trades in disorder */

/*
 * The trades with those of a minute in any order, every fifth one told again at
 * any time later, and then, when nothing can come of it, one that is too late:
 * of a new id (not seen before, and not among the others) in a closed minute.
 */
static struct trade *
disorder(const struct market *m, size_t *count)
{
	struct trade	*list = xcalloc(3 * m->trade_count, sizeof(*list)), t;
	size_t		 begin = 0, end, n = 0;

	for (; begin < m->trade_count; begin = end) {
		int64_t	 minute = m->trades[begin].time_us / MINUTE_US;

		for (end = begin; end < m->trade_count && m->trades[end].time_us / MINUTE_US == minute; end++)
			list[n++] = m->trades[end];
		for (size_t i = end - begin; i > 1; i--) {
			size_t	 with = market_random(&seed) % i;

			t = list[n - (end - begin) + i - 1];
			list[n - (end - begin) + i - 1] = list[n - (end - begin) + with];
			list[n - (end - begin) + with] = t;
		}
		if (begin > 20) {
			list[n++] = m->trades[begin - market_random(&seed) % 20];
			t = m->trades[begin - 1 - market_random(&seed) % 10];
			if (t.time_us / MINUTE_US < minute) {
				/* Ids of the market are even here; so this one is new. */
				t.id++;
				t.price.units *= 2;
				list[n++] = t;
			}
		}
	}
	*count = n;
	return list;
}

static void
shuffled_repeated_and_late_trades_change_nothing(void **state)
{
	struct record	 orderly = { 0 }, r = { 0 };
	struct engine	*e;
	struct stream	*s;
	char		*text = six_on(quick, minutes, "atr_period = 4\nwarmup = 60\n");
	struct trade	*list;
	size_t		 count;

	(void)state;
	for (size_t i = 0; i < market.trade_count; i++)
		market.trades[i].id *= 2;
	list = disorder(&market, &count);
	assert_true(count > market.trade_count * 5 / 4);
	run_whole(text, &synthetic, synthetic.count, &orderly);
	e = engine_of(text, MODE_REPLAY, FILL_MAX, &r);
	s = engine_stream(e, "test", "BTC/USDT", TF_1M);
	for (size_t i = 0; i < count; i++)
		stream_trade(s, &list[i]);
	stream_clock(s, market.trades[market.trade_count - 1].time_us + 2 * MINUTE_US);
	assert_continues(&orderly, 0, &r, true, 0);
	engine_free(e);
	record_release(&orderly);
	record_release(&r);
	free(list);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_synthetic_market_keeps_them),
		cmocka_unit_test(a_market_full_of_holes_keeps_them),
		cmocka_unit_test(a_recorded_minute_market_keeps_them),
		cmocka_unit_test(a_recorded_hourly_market_keeps_them),
		cmocka_unit_test(a_recorded_daily_market_keeps_them),
		cmocka_unit_test(shuffled_repeated_and_late_trades_change_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
