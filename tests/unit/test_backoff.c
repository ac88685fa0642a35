#include "tests/unit/unit.h"

#include "common/backoff.h"

static void
doubles_up_to_its_ceiling_and_stays_there(void **state)
{
	static const unsigned	 ceilings[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 };
	struct backoff		 b = { .base_ms = 1000, .max_ms = 30000 };

	(void)state;
	for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++) {
		assert_int_equal(backoff_ceiling_ms(&b), ceilings[i]);
		assert_true(backoff_next_ms(&b, backoff_random()) <= ceilings[i]);
	}
	b.failures = UINT32_MAX;
	assert_int_equal(backoff_next_ms(&b, UINT32_MAX), 30000);
	assert_int_equal(b.failures, UINT32_MAX);
	backoff_reset(&b);
	assert_int_equal(backoff_ceiling_ms(&b), 1000);
}

static void
jitter_is_full(void **state)
{
	struct backoff	 b = { .base_ms = 999, .max_ms = 999 };

	(void)state;
	assert_int_equal(backoff_next_ms(&b, 0), 0);
	assert_int_equal(backoff_next_ms(&b, UINT32_MAX), 999);
	assert_int_equal(backoff_next_ms(&b, UINT32_MAX / 2), 499);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(doubles_up_to_its_ceiling_and_stays_there),
		cmocka_unit_test(jitter_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
