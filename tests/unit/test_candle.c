#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "generator/candle.h"

static int64_t
at(const char *iso)
{
	int64_t	 us;

	assert_true(clock_parse_iso(iso, strlen(iso), &us));
	return us;
}

static void
every_timeframe_has_its_name_and_length(void **state)
{
	(void)state;
	assert_string_equal(timeframe_names[TF_1M], "1m");
	assert_string_equal(timeframe_names[TF_1D], "1d");
	assert_null(timeframe_names[TIMEFRAMES]);
	assert_int_equal(timeframe_us(TF_1M), 60000000);
	assert_int_equal(timeframe_us(TF_12H), INT64_C(43200000000));
	assert_int_equal(timeframe_us(TF_1D), INT64_C(86400000000));
	for (enum timeframe tf = TF_1M; tf < TIMEFRAMES; tf++)
		assert_int_equal(timeframe_us(TF_1D) % timeframe_us(tf), 0);
	assert_string_equal(candle_source_names[SOURCE_FILLED], "filled");
	assert_string_equal(candle_source_names[SOURCE_SIM], "sim");
}

static void
a_boundary_opens_the_new_candle(void **state)
{
	(void)state;
	assert_int_equal(timeframe_open_us(TF_5M, at("2026-01-01T00:05:00Z")), at("2026-01-01T00:05:00Z"));
	assert_int_equal(timeframe_open_us(TF_5M, at("2026-01-01T00:05:00Z") - 1), at("2026-01-01T00:00:00Z"));
	assert_int_equal(timeframe_open_us(TF_1D, at("2024-02-29T23:59:59.999999Z")), at("2024-02-29T00:00:00Z"));
	assert_int_equal(timeframe_open_us(TF_4H, at("2024-02-29T23:59:59Z")), at("2024-02-29T20:00:00Z"));
	assert_int_equal(timeframe_open_us(TF_1H, at("1969-12-31T23:59:59Z")), at("1969-12-31T23:00:00Z"));
	assert_int_equal(timeframe_open_us(TF_1H, at("1969-12-31T23:00:00Z")), at("1969-12-31T23:00:00Z"));
}

static void
a_bad_candle_is_refused_with_the_reason(void **state)
{
	const struct candle	 good = {
		.open_us = at("2026-01-01T00:05:00Z"), .open = { 10, 0 }, .high = { 12, 0 }, .low = { 95, 1 }, .close = { 11, 0 },
		.trades = -1
	};
	struct candle		 c = good;
	char			 why[100] = "";

	(void)state;
	assert_true(candle_ok(&c, TF_5M, why, sizeof(why)));
	assert_false(candle_ok(&c, TF_15M, why, sizeof(why)));
	assert_string_equal(why, "no 15m candle opens at 2026-01-01T00:05:00.000000Z");
	c.low = (struct decimal){ 0 };
	assert_false(candle_ok(&c, TF_5M, why, sizeof(why)));
	assert_string_equal(why, "a price is not above zero");
	c = good;
	c.close = (struct decimal){ 1201, 2 };
	assert_false(candle_ok(&c, TF_5M, why, sizeof(why)));
	assert_string_equal(why, "a price is above the high");
	c = good;
	c.open = (struct decimal){ 94, 1 };
	assert_false(candle_ok(&c, TF_5M, why, sizeof(why)));
	assert_string_equal(why, "a price is below the low");
	c = good;
	c.volume.units = -1;
	assert_false(candle_ok(&c, TF_5M, why, sizeof(why)));
	assert_string_equal(why, "the volume is negative");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_timeframe_has_its_name_and_length),
		cmocka_unit_test(a_boundary_opens_the_new_candle),
		cmocka_unit_test(a_bad_candle_is_refused_with_the_reason),
	};

	return cmocka_run_group_tests_name("candle", tests, NULL, NULL);
}
