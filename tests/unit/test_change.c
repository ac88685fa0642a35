#include "tests/unit/unit.h"

#include <string.h>

#include "relay/change.h"

static const char text[] = "{\"seq\":42,\"op\":\"INSERT\",\"kind\":\"opened\",\"id\":7,\"at\":\"2026-11-23T10:57:25.5+00:00\","
    "\"record\":{\"id\":7,\"seq\":42,\"symbol\":\"BTC/USDT\",\"strategy\":\"ema_cross\",\"side\":\"short\","
    "\"confidence\":0.75,\"generated_at\":\"2026-11-23T10:57:25.25+00:00\"}}";

static void
what_filters_and_clocks_need_is_read(void **state)
{
	const char	*why = NULL;
	struct change	*c = change_parse(text, "e.1", &why);

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->seq, 42);
	assert_int_equal(c->kind, CHANGE_OPENED);
	assert_true(c->has_record);
	assert_string_equal(c->symbol, "BTC/USDT");
	assert_string_equal(c->strategy, "ema_cross");
	assert_int_equal(c->side, CHANGE_SHORT);
	assert_float_equal(c->confidence, 0.75, 0);
	assert_int_equal(c->wall_at_us - c->wall_generated_us, 250000);
	change_unref(c);
}

static void
the_frame_is_one_event_with_the_text_unchanged(void **state)
{
	const char	*why = NULL;
	struct change	*c = change_parse(text, "e.1", &why);

	(void)state;
	assert_memory_equal(c->frame, "id: e.1-42\ndata: {", 18);
	assert_int_equal(c->json_len, strlen(text));
	assert_memory_equal(c->frame + c->json_at, text, c->json_len);
	assert_string_equal(c->frame + c->json_at + c->json_len, "\n\n");
	assert_int_equal(strlen(c->frame), c->frame_len);
	change_unref(c);
}

static void
a_newline_between_tokens_cannot_end_the_data_line(void **state)
{
	const char	*why = NULL;
	struct change	*c = change_parse("{\"seq\":1,\r\n\"kind\":\"acked\",\n\"record\":null}", "e.1", &why);

	(void)state;
	assert_non_null(c);
	assert_string_equal(strchr(c->frame, '\n'), "\ndata: {\"seq\":1,  \"kind\":\"acked\", \"record\":null}\n\n");
	change_unref(c);
}

static void
a_deletion_and_an_oversized_event_are_told_apart(void **state)
{
	const char	*why = NULL;
	struct change	*deleted = change_parse("{\"seq\":1,\"kind\":\"deleted\",\"record\":null}", "e", &why);
	struct change	*oversized = change_parse("{\"seq\":2,\"kind\":\"opened\"}", "e", &why);

	(void)state;
	assert_true(deleted->has_record);
	assert_null(deleted->symbol);
	assert_int_equal(deleted->side, CHANGE_NO_SIDE);
	assert_false(oversized->has_record);
	change_unref(deleted);
	change_unref(oversized);
}

static void
a_snapshot_wraps_the_record(void **state)
{
	const char	*why = NULL;
	struct change	*c = change_snapshot("{\"seq\":9,\"symbol\":\"A/B\"}", &why);

	(void)state;
	assert_string_equal(c->frame, "event: snapshot\ndata: {\"record\":{\"seq\":9,\"symbol\":\"A/B\"}}\n\n");
	assert_string_equal(c->symbol, "A/B");
	change_unref(c);
	assert_null(change_snapshot("[]", &why));
	assert_null(change_snapshot("{}", &why));
}

static void
other_texts_are_refused_with_a_reason(void **state)
{
	static const char *const bad[] = {
		"", "hello", "[]", "{}", "null", "{\"seq\":1}", "{\"seq\":\"1\",\"kind\":\"opened\"}",
		"{\"seq\":0,\"kind\":\"opened\"}", "{\"seq\":-1,\"kind\":\"opened\"}", "{\"seq\":1.5,\"kind\":\"opened\"}",
		"{\"seq\":1e300,\"kind\":\"opened\"}", "{\"seq\":1,\"kind\":\"other\"}", "{\"seq\":1,\"kind\":1}",
		"{\"seq\":1,\"kind\":\"opened\",\"record\":[]}", "{\"seq\":1,\"kind\":\"opened\"} x",
	};
	const char		*why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = NULL;
		assert_null(change_parse(bad[i], "e.1", &why));
		assert_non_null(why);
	}
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(what_filters_and_clocks_need_is_read),
		cmocka_unit_test(the_frame_is_one_event_with_the_text_unchanged),
		cmocka_unit_test(a_newline_between_tokens_cannot_end_the_data_line),
		cmocka_unit_test(a_deletion_and_an_oversized_event_are_told_apart),
		cmocka_unit_test(a_snapshot_wraps_the_record),
		cmocka_unit_test(other_texts_are_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
