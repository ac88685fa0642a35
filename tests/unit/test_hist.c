#include "tests/unit/unit.h"

#include <string.h>

#include "common/hist.h"
#include "common/json.h"

static void
percentiles_are_never_low_and_at_most_a_sixteenth_high(void **state)
{
	struct hist	 h = { 0 };

	(void)state;
	assert_int_equal(hist_percentile_us(&h, 50), 0);
	for (int64_t us = 1; us <= 100000; us++)
		hist_add(&h, us);
	for (int p = 1; p <= 100; p++) {
		int64_t	 exact = p * 1000, told = hist_percentile_us(&h, p);

		if (told < exact || (double)told > (double)exact * 1.0625)
			fail_msg("p%d is %d us, told %d us", p, (int)exact, (int)told);
	}
	assert_int_equal(hist_percentile_us(&h, 100), 100000);
}

static void
small_negative_and_huge_values_have_their_place(void **state)
{
	struct hist	 h = { 0 };

	(void)state;
	hist_add(&h, -5);
	assert_int_equal(hist_percentile_us(&h, 100), 0);
	for (int us = 0; us < 16; us++) {
		memset(&h, 0, sizeof(h));
		hist_add(&h, us);
		assert_int_equal(hist_percentile_us(&h, 50), us);
	}
	hist_add(&h, INT64_C(1) << 50);
	assert_int_equal(h.max_us, INT64_C(1) << 50);
	assert_int_equal(h.count, 2);
	assert_true(hist_percentile_us(&h, 100) > INT64_C(1) << 35);
}

static void
is_told_in_milliseconds(void **state)
{
	struct hist	 h = { 0 };
	struct jsonw	 w;

	(void)state;
	hist_add(&h, 1000);
	hist_add(&h, 3000);
	jsonw_init(&w);
	jsonw_object(&w, NULL);
	hist_json(&w, "latency", &h);
	jsonw_end_object(&w);
	assert_string_equal(w.buf, "{\"latency\":{\"count\":2,\"mean_ms\":2,\"p50_ms\":1.023,\"p99_ms\":3,\"max_ms\":3}}");
	jsonw_release(&w);
}

static void
counts_up_to_the_end_of_a_bucket_are_exact(void **state)
{
	static struct hist	 h;
	uint64_t		 below[2] = { 0, 0 };

	(void)state;
	for (int64_t us = 1; us < 3000; us += 7) {
		hist_add(&h, us);
		below[0] += us <= 1023;
		below[1] += us <= 1535;
	}
	assert_int_equal(hist_count_to(&h, 1023), below[0]);
	assert_int_equal(hist_count_to(&h, 1535), below[1]);
	assert_int_equal(hist_count_to(&h, 0), 0);
	assert_int_equal(hist_count_to(&h, INT64_MAX), h.count);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(percentiles_are_never_low_and_at_most_a_sixteenth_high),
		cmocka_unit_test(small_negative_and_huge_values_have_their_place),
		cmocka_unit_test(is_told_in_milliseconds),
		cmocka_unit_test(counts_up_to_the_end_of_a_bucket_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
