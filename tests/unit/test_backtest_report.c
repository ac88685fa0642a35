#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "generator/backtest_report.h"

#define MINUTE_US	INT64_C(60000000)
#define START_US	(INT64_C(1700000000) / 60 * MINUTE_US)

static struct signal
signal_at(const char *strategy, int minute)
{
	struct signal	 s = {
		.exchange = "test", .symbol = "BTC/USDT", .timeframe = TF_1M, .strategy_version = 1, .params_hash = "0123456789abcdef",
		.candle_open_us = START_US + minute * MINUTE_US, .candle_close_us = START_US + (minute + 1) * MINUTE_US,
		.expires_us = START_US + (minute + 25) * MINUTE_US, .mode = MODE_REPLAY, .entry = { 100, 0 }, .initial_stop = { 90, 0 },
		.targets = { { 115, 0 }, { 130, 0 } }, .target_count = 2, .confidence = 0.75, .reason = "because", .indicators = "{\"a\":1}",
		.stop_loss = { 90, 0 }, .last_price = { 100, 0 }, .max_favorable = { 100, 0 }, .max_adverse = { 100, 0 },
	};

	snprintf(s.strategy, sizeof(s.strategy), "%s", strategy);
	return s;
}

static void
close_it(struct report *r, struct signal *s, int minute, enum signal_outcome outcome, double r_multiple)
{
	s->status = outcome == OUTCOME_VOID ? STATUS_CANCELLED : STATUS_STOPPED;
	s->exit_reason = outcome == OUTCOME_VOID ? EXIT_REVERSED : EXIT_STOP_LOSS;
	s->outcome = outcome;
	s->exit_price = (struct decimal){ 955, 1 };
	s->closed_us = START_US + minute * MINUTE_US;
	s->r_multiple = r_multiple;
	report_changed(r, s);
}

/* Two strategies, six signals; what was printed is owned by the caller. */
static char *
report_of(bool json)
{
	char		*text = NULL;
	size_t		 size = 0;
	FILE		*out = open_memstream(&text, &size);
	struct report	*r = report_new(out, json);
	struct signal	 a = signal_at("one", 0), b = signal_at("two", 1), c = signal_at("one", 5), d = signal_at("one", 9);
	struct signal	 e = signal_at("one", 12), f = signal_at("two", 30);

	report_strategy(r, "one");
	report_strategy(r, "two");
	report_strategy(r, "never");
	report_feed(r, "nothing");
	report_feed(r, "first");
	for (int i = 0; i < 30; i++)
		report_candle(r, START_US + (i - 30) * MINUTE_US, START_US + (i - 29) * MINUTE_US, false);
	report_feed(r, "second");
	for (int i = 0; i < 40; i++)
		report_candle(r, START_US + i * MINUTE_US, START_US + (i + 1) * MINUTE_US, i == 3);
	report_opened(r, &a);
	report_opened(r, &b);
	report_opened(r, &c);
	/* The later ones close first: nothing may be told before the first has. */
	close_it(r, &c, 8, OUTCOME_LOSS, -1);
	fflush(out);
	assert_int_equal(size, 0);
	close_it(r, &b, 20, OUTCOME_WIN, 3);
	close_it(r, &a, 4, OUTCOME_LOSS, -1.5);
	report_opened(r, &d);
	close_it(r, &d, 11, OUTCOME_LOSS, -1);
	report_opened(r, &e);
	close_it(r, &e, 13, OUTCOME_VOID, 0.25);
	report_opened(r, &f);
	report_end(r);
	assert_int_equal(report_candles(r), 70);
	assert_int_equal(report_signals(r), 6);
	assert_true(report_market_us(r) == START_US + 40 * MINUTE_US);
	report_free(r);
	fclose(out);
	return text;
}

static void
assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void
the_table_has_every_signal_and_the_figures(void **state)
{
	char	*text = report_of(false), *line, *rest;
	int	 lines = 0;

	(void)state;
	assert_has(text, "2023-11-14 22:14  BTC/USDT     1m   one                  long            100           90      0.7500  "
	    "2023-11-14 22:17         95.5  loss      stop_loss       -1.50  115, 130\n");
	assert_has(text, "void      reversed        +0.25");
	/* The last one. */
	assert_has(text, "      0.7500  -                           -  open      -                   -  115, 130\n");
	assert_has(text, "\nfeed nothing: market time - to - UTC (0 d 0 h 0 min), 0 candles, 0 of them filled in\n");
	assert_has(text, "feed first: market time 2023-11-14 21:43 to 2023-11-14 22:13 UTC (0 d 0 h 30 min), 30 candles, 0 of");
	assert_has(text, "feed second: market time 2023-11-14 22:13 to 2023-11-14 22:53 UTC (0 d 0 h 40 min), 40 candles, 1 of them filled in\n");
	/*                strategy              signals   closed   wins losses breakeven   void   open  win ratio   mean R     sum R    void R */
	assert_has(text, "one                         4        4      0      3         0      1      0      0.0 %   -1.167     -3.50     +0.25               3\n");
	assert_has(text, "two                         2        1      1      0         0      0      1    100.0 %   +3.000     +3.00         -               0\n");
	assert_has(text, "never                       0        0      0      0         0      0      0          -        -         -         -               0\n");
	assert_has(text, "total                       6        5      1      3         0      1      1     25.0 %   -0.125     -0.50     +0.25               3\n");
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		lines++;
	assert_int_equal(lines, 1 + 6 + 3 + 1 + 4);
	free(text);
}

static void
json_is_one_object_a_line(void **state)
{
	char	*text = report_of(true), *line, *rest;
	int	 lines = 0;

	(void)state;
	assert_has(text, "\"candle_close_time\":\"2023-11-14T22:14:00.000Z\"");
	assert_has(text, "\"indicators\":{\"a\":1}");
	assert_has(text, "\"exit_price\":95.5,\"exit_reason\":\"stop_loss\",\"outcome\":\"loss\",");
	assert_has(text, "{\"kind\":\"strategy\",\"strategy\":\"never\",\"signals\":0,\"closed\":0,\"wins\":0,\"losses\":0,\"breakeven\":0,"
	    "\"void\":0,\"open\":0,\"win_ratio\":null,\"mean_r\":null,\"sum_r\":0,\"void_sum_r\":0,\"max_consecutive_losses\":0}\n");
	assert_has(text, "{\"kind\":\"feed\",\"feed\":\"nothing\",\"candles\":0,\"filled_candles\":0,\"market_from\":null,\"market_to\":null}\n");
	assert_has(text, "{\"kind\":\"total\",\"signals\":6,\"closed\":5,\"wins\":1,\"losses\":3,\"breakeven\":0,\"void\":1,\"open\":1,"
	    "\"win_ratio\":0.25,\"mean_r\":-0.125,\"sum_r\":-0.5,\"void_sum_r\":0.25,\"max_consecutive_losses\":3,\"candles\":70,"
	    "\"filled_candles\":1,\"market_from\":\"2023-11-14T21:43:00.000Z\",\"market_to\":\"2023-11-14T22:53:00.000Z\"}\n");
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		assert_true(json_valid(line, strlen(line)));
		lines++;
	}
	assert_int_equal(lines, 6 + 3 + 4);
	free(text);
}

static void
without_anything_the_summary_says_so(void **state)
{
	char		*text = NULL;
	size_t		 size = 0;
	FILE		*out = open_memstream(&text, &size);
	struct report	*r = report_new(out, false);

	(void)state;
	report_end(r);
	report_free(r);
	fclose(out);
	assert_int_equal(strncmp(text, "strategy ", 9), 0);
	assert_has(text, "total                       0        0");
	free(text);
}

/* A recording that ends with a signal open holds up nothing of the next one. */
static void
the_next_recording_waits_for_nothing(void **state)
{
	char		*text = NULL;
	size_t		 size = 0;
	FILE		*out = open_memstream(&text, &size);
	struct report	*r = report_new(out, true);
	struct signal	 a = signal_at("one", 0), b = signal_at("one", 0);

	(void)state;
	report_feed(r, "first");
	report_opened(r, &a);
	report_feed(r, "second");
	fflush(out);
	assert_non_null(strstr(text, "\"status\":\"active\""));
	report_opened(r, &b);
	close_it(r, &b, 8, OUTCOME_LOSS, -1);
	fflush(out);
	assert_non_null(strstr(text, "\"status\":\"stopped\""));
	report_end(r);
	report_free(r);
	fclose(out);
	assert_null(strstr(strstr(text, "\"active\"") + 1, "\"active\""));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(the_table_has_every_signal_and_the_figures),
		cmocka_unit_test(json_is_one_object_a_line),
		cmocka_unit_test(without_anything_the_summary_says_so),
		cmocka_unit_test(the_next_recording_waits_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
