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
what_an_event_is_about_is_read_and_without_an_op_the_kind_tells_it(void **state)
{
	static const struct { const char *text; enum change_op op; } ops[] = {
		{ "{\"seq\":1,\"op\":\"INSERT\",\"kind\":\"closed\"}", CHANGE_INSERT },	/* came too late */
		{ "{\"seq\":1,\"op\":\"DELETE\",\"kind\":\"deleted\"}", CHANGE_DELETE },
		{ "{\"seq\":1,\"op\":\"OTHER\",\"kind\":\"acked\"}", CHANGE_UPDATE },
		{ "{\"seq\":1,\"kind\":\"opened\"}", CHANGE_INSERT },
		{ "{\"seq\":1,\"kind\":\"target_hit\"}", CHANGE_UPDATE },
		{ "{\"seq\":1,\"kind\":\"deleted\"}", CHANGE_DELETE },
	};
	const char	*why = NULL;
	struct change	*c = change_parse(text, "e.1", &why);

	(void)state;
	assert_int_equal(c->id, 7);
	assert_string_equal(c->at, "2026-11-23T10:57:25.5+00:00");
	change_unref(c);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		c = change_parse(ops[i].text, "e.1", &why);
		assert_int_equal(c->op, ops[i].op);
		assert_int_equal(c->id, 0);
		assert_string_equal(c->at, "");
		change_unref(c);
	}
}

static void
assert_field(const struct change *c, const char *column, const char *json)
{
	size_t		 len = 0;
	const char	*value = change_field(c, column, &len);

	if (json == NULL) {
		assert_null(value);
		return;
	}
	assert_non_null(value);
	assert_int_equal(len, strlen(json));
	assert_memory_equal(value, json, len);
}

static void
a_column_is_the_json_that_stands_there(void **state)
{
	static const char	 rich[] = "{\"seq\":3,\"kind\":\"opened\",\"id\":9,\"record\": {\"id\":9,\"symbol\":\"A/B\","
	    "\"entry\":87650.1200,\"targets\":[1.10,2],\"reason\":\"a \\\"quote\\\", {x}\",\"indicators\":{\"entry\":1},"
	    "\"outcome\":null,\"empty\":\"\",\"active\" : true }}";
	const char		*why = NULL;
	struct change		*c = change_parse(rich, "e.1", &why);

	(void)state;
	assert_non_null(c);
	assert_field(c, "id", "9");
	assert_field(c, "symbol", "\"A/B\"");
	assert_field(c, "entry", "87650.1200");
	assert_field(c, "targets", "[1.10,2]");
	assert_field(c, "reason", "\"a \\\"quote\\\", {x}\"");
	assert_field(c, "indicators", "{\"entry\":1}");
	assert_field(c, "outcome", "null");
	assert_field(c, "empty", "\"\"");
	assert_field(c, "active", "true");
	assert_field(c, "seq", NULL);
	assert_field(c, "symbo", NULL);
	assert_field(c, "", NULL);
	assert_int_equal(c->frame[c->record_at], '{');
	assert_int_equal(c->frame[c->record_at + c->record_len - 1], '}');
	change_unref(c);
	c = change_parse("{\"seq\":1,\"kind\":\"deleted\",\"record\":null}", "e", &why);
	assert_int_equal(c->record_len, 0);
	assert_field(c, "id", NULL);
	change_unref(c);
}

static unsigned	 extras_freed;

static void
free_extra(void *extra)
{
	extras_freed += *(unsigned *)extra;
}

static void
what_was_made_of_it_goes_with_the_last_reference(void **state)
{
	unsigned	 one = 1;
	const char	*why = NULL;
	struct change	*c = change_parse(text, "e.1", &why);

	(void)state;
	c->extra = &one;
	c->free_extra = free_extra;
	change_unref(change_ref(c));
	assert_int_equal(extras_freed, 0);
	change_unref_cb(c);
	assert_int_equal(extras_freed, 1);
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
	c = change_snapshot("{\"seq\":9,\"id\":4,\"updated_at\":\"2026-11-23T10:57:25+00:00\",\"entry\":1.50}", &why);
	assert_int_equal(c->op, CHANGE_INSERT);
	assert_int_equal(c->id, 4);
	assert_string_equal(c->at, "2026-11-23T10:57:25+00:00");
	assert_field(c, "entry", "1.50");
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
		cmocka_unit_test(what_an_event_is_about_is_read_and_without_an_op_the_kind_tells_it),
		cmocka_unit_test(a_column_is_the_json_that_stands_there),
		cmocka_unit_test(what_was_made_of_it_goes_with_the_last_reference),
		cmocka_unit_test(the_frame_is_one_event_with_the_text_unchanged),
		cmocka_unit_test(a_newline_between_tokens_cannot_end_the_data_line),
		cmocka_unit_test(a_deletion_and_an_oversized_event_are_told_apart),
		cmocka_unit_test(a_snapshot_wraps_the_record),
		cmocka_unit_test(other_texts_are_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
