#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "common/json.h"

static void
writes_nested_values_with_escapes(void **state)
{
	struct jsonw	 w;

	(void)state;
	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "text", "a\"b\\c\n\x01 \xc3\xa4 \xff");
	jsonw_int(&w, "int", -9007199254740993);
	jsonw_double(&w, "ratio", 0.1, 6);
	jsonw_double(&w, "nan", NAN, 6);
	jsonw_array(&w, "list");
	jsonw_bool(&w, NULL, true);
	jsonw_null(&w, NULL);
	jsonw_object(&w, NULL);
	jsonw_end_object(&w);
	jsonw_end_array(&w);
	jsonw_str(&w, "none", NULL);
	jsonw_raw(&w, "raw", "{\"x\":1}", 7);
	jsonw_end_object(&w);
	assert_false(w.failed);
	assert_string_equal(w.buf, "{\"text\":\"a\\\"b\\\\c\\u000a\\u0001 \xc3\xa4 \xef\xbf\xbd\",\"int\":-9007199254740993,"
	    "\"ratio\":0.1,\"nan\":null,\"list\":[true,null,{}],\"none\":null,\"raw\":{\"x\":1}}");
	assert_true(json_valid(w.buf, w.len));
	jsonw_release(&w);
}

static void
a_full_fixed_buffer_fails_and_stays_terminated(void **state)
{
	char		 buf[16];
	struct jsonw	 w;

	(void)state;
	jsonw_init_fixed(&w, buf, sizeof(buf));
	jsonw_array(&w, NULL);
	for (int i = 0; i < 10; i++)
		jsonw_int(&w, NULL, 100 + i);
	assert_true(w.failed);
	assert_true(strlen(buf) < sizeof(buf));
	jsonw_clear(&w);
	jsonw_int(&w, NULL, 1);
	assert_false(w.failed);
	assert_string_equal(buf, "1");
}

static void
tells_json_from_anything_else(void **state)
{
	static const char *const	 good[] = {
		"{}", " [1, -0.5e+10, \"\\u00e4\\n\", true, null ] ", "\"x\"", "0", "{\"a\":{\"b\":[[]]}}"
	};
	static const char *const	 bad[] = {
		"", "{", "}", "[1,]", "{\"a\"}", "{a:1}", "01", "1.", "+1", "nul", "\"\\x\"", "\"\n\"", "\"\xff\"", "1 2", "\"\\u12g4\"", "[1"
	};
	char				 deep[200];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!json_valid(good[i], strlen(good[i])))
			fail_msg("refused %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (json_valid(bad[i], strlen(bad[i])))
			fail_msg("took %s", bad[i]);
	assert_false(json_valid("\"\\\0\"", 4));
	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	assert_false(json_valid(deep, 200));
	assert_true(json_valid(deep + 50, 100));
}

static void
knows_utf8(void **state)
{
	(void)state;
	assert_int_equal(utf8_length("a", 1), 1);
	assert_int_equal(utf8_length("\xc3\xa4", 2), 2);
	assert_int_equal(utf8_length("\xe2\x82\xac", 3), 3);
	assert_int_equal(utf8_length("\xf0\x9f\x94\x94", 4), 4);
	assert_int_equal(utf8_length("\xc3", 1), 0);		/* cut off */
	assert_int_equal(utf8_length("\xc0\x80", 2), 0);	/* overlong */
	assert_int_equal(utf8_length("\xe0\x80\x80", 3), 0);
	assert_int_equal(utf8_length("\xed\xa0\x80", 3), 0);	/* surrogate */
	assert_int_equal(utf8_length("\xf4\x90\x80\x80", 4), 0);	/* beyond U+10FFFF */
	assert_int_equal(utf8_length("\x80", 1), 0);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(writes_nested_values_with_escapes),
		cmocka_unit_test(a_full_fixed_buffer_fails_and_stays_terminated),
		cmocka_unit_test(tells_json_from_anything_else),
		cmocka_unit_test(knows_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
