/* Cooldown and stop-loss guard as SIGNALS.md has them, through the whole engine. */
#include "tests/unit/engine_split.h"

#include "generator/strategy.h"

#define MINUTELY	"timeframe = 1m\nwarmup = 10\n"
#define START_US	(INT64_C(1700000040) * 1000000)

/* Numbers of the candles that opened a signal, as text. */
static char *
openings(const char *keys, const struct candle *candles, size_t count)
{
	struct record	 r = { 0 };
	struct span	 in = { candles, count, TF_1M };
	char		 text[400], *out = xcalloc(1, 4096);
	size_t		 len = 0;

	snprintf(text, sizeof(text), "[strategy d]\ntype = donchian_breakout\nperiod = 2\natr_period = 2\n%s", keys);
	run_whole(text, &in, count, &r);
	for (size_t i = 0; i < r.count; i++)
		if (r.list[i].kind == ON_OPENED)
			len += (size_t)snprintf(out + len, 4096 - len, "%s%zu", len == 0 ? "" : " ", r.list[i].input);
	record_release(&r);
	return out;
}

static struct candle
candle_at(int minute, int64_t open, int64_t close)
{
	int64_t	 high = open > close ? open : close, low = open > close ? close : open;

	return (struct candle){
		.open_us = START_US + minute * MINUTE_US, .open = { open, 0 }, .high = { high + 1, 0 }, .low = { low - 1, 0 },
		.close = { close, 0 }, .trades = 1, .source = SOURCE_FILE
	};
}

static void
assert_openings(const char *keys, const struct candle *candles, size_t count, const char *expected)
{
	char	*got = openings(keys, candles, count);

	assert_string_equal(got, expected);
	free(got);
}

/* Every candle rises out of its channel; what opens on one is at its target in the next. */
static void
after_a_close_three_candles_stay_silent(void **state)
{
	struct candle	 c[30];

	(void)state;
	for (int i = 0; i < 30; i++)
		c[i] = candle_at(i, 1000 + 20 * i - 20, 1000 + 20 * i);
	/* Opened on 9, closed by 10, which itself is silent; 11, 12, 13 rest; 14. */
	assert_openings(MINUTELY "targets_r = 0.1\n", c, 30, "9 14 19 24 29");
	assert_openings(MINUTELY "targets_r = 0.1\ncooldown_candles = 1\n", c, 20, "9 12 15 18");
	assert_openings(MINUTELY "targets_r = 0.1\ncooldown_candles = 0\n", c, 15, "9 10 11 12 13 14");
}

/* A cooldown is one of the strategy's candles, a close may come within one. */
static void
a_cooldown_counts_the_strategys_candles(void **state)
{
	struct candle	 c[30];

	(void)state;
	for (int i = 0; i < 30; i++)
		c[i] = candle_at(i, 1000 + 20 * i - 20, 1000 + 20 * i);
	c[0].open_us = c[0].open_us / (15 * MINUTE_US) * (15 * MINUTE_US);
	for (int i = 1; i < 30; i++)
		c[i].open_us = c[0].open_us + i * MINUTE_US;
	/* Three-minute candles, warm with their fourth, of minutes 9 to 11.  Closed by minute 12; those to 14 and 17 rest; 20. */
	assert_openings("timeframe = 3m\nwarmup = 4\ntargets_r = 0.1\ncooldown_candles = 2\n", c, 30, "11 20 29");
}

/* Each candle swings further than the one before: a breakout, and a loss for what it opened before. */
static void
four_stops_pause_until_one_is_24_candles_ago(void **state)
{
	struct candle	 c[80];
	int64_t		 last = 1000000;

	(void)state;
	for (int i = 0; i < 80; i++) {
		c[i] = candle_at(i, last, 1000000 + (i % 2 == 0 ? 1 : -1) * (1000 + 100 * i));
		last = c[i].close.units;
	}
	/*
	 * Losses on 10, 11, 12 and 13: 13 opens nothing.  The one on 10 lies back 24 candles on 34, which opens; it is lost on
	 * 35, when that on 11 has left, and so on; on 38 four lie within again: those on 35, 36, 37 and 38.  59 = 35 + 24.
	 */
	assert_openings(MINUTELY "cooldown_candles = 0\nstop_atr = 0.1\ntargets_r = 100\n", c, 80, "9 10 11 12 34 35 36 37 59 60 61 62");
	assert_openings(MINUTELY "cooldown_candles = 0\nstop_atr = 0.1\ntargets_r = 100\nguard_stops = 1\nguard_candles = 3\n", c, 25,
	    "9 13 17 21");
	assert_openings(MINUTELY "cooldown_candles = 0\nstop_atr = 0.1\ntargets_r = 100\nguard_stops = 0\n", c, 15, "9 10 11 12 13 14");
}

/* Against every firing */

struct rules {
	int64_t	 cooldown, guard_stops, guard;	/* candles, as the configuration has them */
};

struct judge {
	const struct record	*r;
	struct strategy		*strategy;
	struct rules		 rules;
	const struct signal	*active;
	int64_t			 closed_us[4096];
	bool			 lost[4096];
	size_t			 closed;
	size_t			 opened, cooled, guarded, same_side, reversed;
};

static bool
rests(struct judge *j, int64_t at_us, int64_t tf_us)
{
	int64_t	 losses = 0;

	/* Silent are the candle that ends with the close, and as many full candles after it as the key says. */
	for (size_t i = 0; i < j->closed && j->rules.cooldown > 0; i++)
		if (at_us - j->closed_us[i] <= j->rules.cooldown * tf_us) {
			j->cooled++;
			return true;
		}
	for (size_t i = 0; i < j->closed; i++)
		losses += j->lost[i] && at_us - j->closed_us[i] < j->rules.guard * tf_us;
	if (j->rules.guard_stops == 0 || losses < j->rules.guard_stops)
		return false;
	j->guarded++;
	return true;
}

/* The strategy fired on the candle that is happening `at`: what must follow, up to the word that it was judged. */
static void
check_firing(struct judge *j, size_t at, const struct signal *fresh)
{
	int64_t	 tf_us = timeframe_us(strategy_timeframe(j->strategy));
	bool	 reversal = j->active != NULL && j->active->side != fresh->side, expected = reversal, opened = false;

	if (j->active == NULL)
		expected = !rests(j, fresh->candle_close_us, tf_us);
	j->same_side += j->active != NULL && !reversal;
	j->reversed += reversal;
	for (size_t i = at + 1; i < j->r->count; i++) {
		const struct happening	*h = &j->r->list[i];

		if (h->kind == ON_JUDGED && strcmp(h->strategy, strategy_name(j->strategy)) == 0)
			break;
		if (h->kind == ON_OPENED && strcmp(h->signal->strategy, strategy_name(j->strategy)) == 0) {
			opened = true;
			assert_int_equal(h->signal->side, fresh->side);
			assert_true(same_decimal(h->signal->entry, fresh->entry));
		}
	}
	if (opened != expected)
		fail_msg("%s at input %zu: opened %d, expected %d", strategy_name(j->strategy), j->r->list[at].input, opened, expected);
	j->opened += opened;
}

static void
follow_signal(struct judge *j, const struct signal *s)
{
	if (strcmp(s->strategy, strategy_name(j->strategy)) != 0)
		return;
	j->active = s->status == STATUS_ACTIVE ? s : NULL;
	if (s->status == STATUS_ACTIVE)
		return;
	assert_true(j->closed < 4096);
	j->closed_us[j->closed] = s->closed_us;
	j->lost[j->closed++] = s->status == STATUS_STOPPED && s->outcome == OUTCOME_LOSS;
}

static void
check_rules(const char *section, const struct rules *rules, const struct record *r, struct judge *j)
{
	struct conf		*file = conf_of(section);
	struct strategy_state	*st;
	struct signal		 fresh;
	bool			 fires;

	*j = (struct judge){ .r = r, .rules = *rules, .strategy = strategy_new(file, conf_next(file, "strategy", NULL)) };
	st = strategy_state_new(j->strategy);
	for (size_t i = 0; i < r->count; i++) {
		if (r->list[i].signal != NULL)
			follow_signal(j, r->list[i].signal);
		if (r->list[i].kind != ON_CANDLE || r->list[i].tf != strategy_timeframe(j->strategy))
			continue;
		fires = strategy_step(j->strategy, st, &r->list[i].candle, &fresh);
		if (fires && r->list[i].candle.source != SOURCE_FILLED)
			check_firing(j, i, &fresh);
	}
	strategy_state_free(st);
	strategy_free(j->strategy);
	conf_free(file);
}

static void
every_firing_opens_unless_a_rule_forbids_it(void **state)
{
	static const struct {
		const char	*section;
		struct rules	 rules;
	} cases[] = {
		{ "[strategy a]\ntype = donchian_breakout\ntimeframe = 1m\nperiod = 5\natr_period = 5\nwarmup = 100\n", { 3, 4, 24 } },
		{ "[strategy b]\ntype = donchian_breakout\ntimeframe = 5m\nperiod = 3\natr_period = 5\nwarmup = 60\ncooldown_candles = 2\n"
		  "guard_stops = 2\nguard_candles = 40\n", { 2, 2, 40 } },
		{ "[strategy c]\ntype = supertrend_flip\ntimeframe = 1m\nperiod = 3\nmultiplier = 1\natr_period = 5\nwarmup = 100\n"
		  "cooldown_candles = 7\nguard_stops = 3\nguard_candles = 60\n", { 7, 3, 60 } },
		{ "[strategy d]\ntype = macd_cross\ntimeframe = 15m\nfast = 2\nslow = 4\nsignal = 2\natr_period = 5\nwarmup = 60\n"
		  "cooldown_candles = 0\nguard_stops = 1\nguard_candles = 6\n", { 0, 1, 6 } },
	};
	static struct judge	 j;
	struct market		 m;
	struct span		 in;
	struct record		 r = { 0 };
	char			 text[2000];
	size_t			 len = 0, cooled = 0, guarded = 0, same_side = 0, reversed = 0;

	(void)state;
	market_make(&m, 16000, 7);
	in = (struct span){ m.candles, m.candle_count, TF_1M };
	for (size_t i = 0; i < 4; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", cases[i].section);
	run_whole(text, &in, in.count, &r);
	for (size_t i = 0; i < 4; i++) {
		check_rules(cases[i].section, &cases[i].rules, &r, &j);
		print_message("    %zu opened, %zu silent in the cooldown, %zu by the guard, %zu of the same side, %zu reversals\n", j.opened,
		    j.cooled, j.guarded, j.same_side, j.reversed);
		assert_true(j.opened > 30);
		cooled += j.cooled;
		guarded += j.guarded;
		same_side += j.same_side;
		reversed += j.reversed;
	}
	assert_true(cooled > 100 && guarded > 100 && same_side > 50 && reversed > 50);
	record_release(&r);
	market_release(&m);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(after_a_close_three_candles_stay_silent),
		cmocka_unit_test(a_cooldown_counts_the_strategys_candles),
		cmocka_unit_test(four_stops_pause_until_one_is_24_candles_ago),
		cmocka_unit_test(every_firing_opens_unless_a_rule_forbids_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
