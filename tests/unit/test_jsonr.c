#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "common/jsonr.h"

static struct jsonv
parsed(struct jsonr *r, const char *text)
{
	assert_true(jsonr_parse(r, text, strlen(text)));
	return jsonr_root(r);
}

static void
numbers_keep_their_literal_text(void **state)
{
	struct jsonr	 r = { 0 };
	struct jsonv	 v = parsed(&r, " {\"p\": 1e-05, \"P\":\"0.00012460\",\"n\":-12 }");
	const char	*text;
	size_t		 len;
	int64_t		 n;
	double		 d;

	(void)state;
	text = jsonv_raw(jsonv_get(v, "p"), &len);
	assert_int_equal(len, 5);
	assert_memory_equal(text, "1e-05", 5);
	assert_true(jsonv_double(jsonv_get(v, "p"), &d));
	assert_true(d == 1e-05);
	text = jsonv_raw(jsonv_get(v, "P"), &len);
	assert_int_equal(len, 10);
	assert_memory_equal(text, "0.00012460", 10);
	assert_false(jsonv_int(jsonv_get(v, "p"), &n));
	assert_true(jsonv_int(jsonv_get(v, "n"), &n));
	assert_int_equal(n, -12);
	jsonr_release(&r);
}

static void
members_and_elements_are_found_behind_nested_ones(void **state)
{
	struct jsonr	 r = { 0 };
	struct jsonv	 v = parsed(&r, "{\"a\":{\"x\":[1,[2,{\"y\":3}],4]},\"b\":[ {\"k\":1},[],\"s\",null,{\"k\":2}],\"c\":true}"), e;
	int64_t		 n, sum = 0;
	bool		 c;

	(void)state;
	assert_int_equal(jsonv_count(v), 3);
	assert_true(jsonv_bool(jsonv_get(v, "c"), &c) && c);
	assert_int_equal(jsonv_get(v, "x").at, -1);
	assert_int_equal(jsonv_get(v, "y").at, -1);
	assert_int_equal(jsonv_count(jsonv_get(v, "b")), 5);
	for (e = jsonv_first(jsonv_get(v, "b")); e.at != -1; e = jsonv_next(e))
		if (jsonv_int(jsonv_get(e, "k"), &n))
			sum += n;
	assert_int_equal(sum, 3);
	e = jsonv_next(jsonv_next(jsonv_first(jsonv_get(v, "b"))));
	assert_true(jsonv_equals(e, "s"));
	assert_false(jsonv_equals(e, "ss"));
	assert_true(jsonv_is_null(jsonv_next(e)));
	e = jsonv_first(jsonv_get(jsonv_get(v, "a"), "x"));
	assert_true(jsonv_int(jsonv_next(jsonv_next(e)), &n));
	assert_int_equal(n, 4);
	assert_int_equal(jsonv_next(jsonv_next(jsonv_next(e))).at, -1);
	assert_int_equal(jsonv_first(jsonv_get(v, "c")).at, -1);
	jsonr_release(&r);
}

static void
questions_about_nothing_are_answered_with_no(void **state)
{
	struct jsonr	 r = { 0 };
	struct jsonv	 v = parsed(&r, "[\"12\",12.5,\"x\",99999999999999999999,true,{}]"), e = jsonv_first(v), gone = jsonv_get(v, "k");
	int64_t		 n = 7;
	double		 d;
	bool		 b;
	size_t		 len;
	char		 buf[4];

	(void)state;
	assert_true(jsonv_int(e, &n) && n == 12);
	assert_false(jsonv_double(e, &d));
	e = jsonv_next(e);
	assert_false(jsonv_int(e, &n));
	assert_false(jsonv_int(jsonv_next(e), &n));
	assert_false(jsonv_int(jsonv_next(jsonv_next(e)), &n));
	assert_false(jsonv_double(jsonv_next(jsonv_next(jsonv_next(e))), &d));
	assert_null(jsonv_raw(gone, &len));
	assert_false(jsonv_is_object(gone) || jsonv_is_array(gone) || jsonv_is_string(gone) || jsonv_is_null(gone));
	assert_false(jsonv_int(gone, &n) || jsonv_bool(gone, &b) || jsonv_double(gone, &d) || jsonv_string(gone, buf, sizeof(buf)));
	assert_int_equal(jsonv_next(gone).at, -1);
	assert_int_equal(jsonv_count(gone), 0);
	jsonr_release(&r);
}

static void
members_come_in_the_order_of_the_text(void **state)
{
	struct jsonr	 r = { 0 };
	struct jsonv	 v = parsed(&r, "{\"a\":{\"x\":1},\"b\":[{\"y\":2},3],\"c\":4}"), key = { NULL, -1 }, value, inner = { NULL, -1 };

	(void)state;
	assert_true(jsonv_member(v, &key, &value));
	assert_true(jsonv_equals(key, "a") && jsonv_is_object(value));
	assert_true(jsonv_member(value, &inner, &value));
	assert_true(jsonv_equals(inner, "x"));
	assert_false(jsonv_member(jsonv_get(v, "a"), &inner, &value));
	assert_true(jsonv_member(v, &key, &value));
	assert_true(jsonv_equals(key, "b") && jsonv_is_array(value));
	assert_true(jsonv_member(v, &key, &value));
	assert_true(jsonv_equals(key, "c"));
	assert_false(jsonv_member(v, &key, &value));
	key.at = -1;
	assert_false(jsonv_member(parsed(&r, "[{},1]"), &key, &value));
	assert_false(jsonv_member(parsed(&r, "{}"), &key, &value));
	assert_false(jsonv_member(parsed(&r, "[{},{\"a\":1}]"), &key, &value));
	assert_false(jsonv_member(jsonv_first(jsonr_root(&r)), &key, &value));
	jsonr_release(&r);
}

static void
escapes_are_resolved(void **state)
{
	struct jsonr	 r = { 0 };
	struct jsonv	 v = parsed(&r, "[\"a\\n\\\"\\u00e4\\u20ac\\ud83d\\ude00/\",\"\\u0000\",\"\\ud800x\",\"abcd\"]"), e = jsonv_first(v);
	char		 buf[64], four[4], five[5];

	(void)state;
	assert_true(jsonv_string(e, buf, sizeof(buf)));
	assert_string_equal(buf, "a\n\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80/");
	e = jsonv_next(e);
	assert_false(jsonv_string(e, buf, sizeof(buf)));
	e = jsonv_next(e);
	assert_false(jsonv_string(e, buf, sizeof(buf)));
	e = jsonv_next(e);
	assert_false(jsonv_string(e, four, sizeof(four)));
	assert_true(jsonv_string(e, five, sizeof(five)));
	jsonr_release(&r);
}

static void
only_one_whole_value_is_taken(void **state)
{
	static const char *const	 wrong[] = { "", " ", "{", "{}{}", "[1,]", "{a:1}", "{\"a\" 1}", "nul", "[1 2]", "'x'" };
	struct jsonr			 r = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_false(jsonr_parse(&r, wrong[i], strlen(wrong[i])));
		assert_int_equal(jsonr_root(&r).at, -1);
	}
	assert_true(jsonr_parse(&r, "42", 2));
	assert_true(jsonr_parse(&r, "\"s\"", 3));
	jsonr_release(&r);
}

static void
many_tokens_make_room_for_themselves(void **state)
{
	struct jsonr	 r = { 0 };
	char		*text = malloc(20002), *at = text;
	struct jsonv	 e;
	size_t		 count = 0;

	(void)state;
	*at++ = '[';
	for (int i = 0; i < 10000; i++, at += 2)
		memcpy(at, i < 9999 ? "1," : "1]", 2);
	assert_true(jsonr_parse(&r, text, (size_t)(at - text)));
	for (e = jsonv_first(jsonr_root(&r)); e.at != -1; e = jsonv_next(e))
		count++;
	assert_int_equal(count, 10000);
	free(text);
	jsonr_release(&r);
}

static void
an_object_s_members_are_walked_by_their_keys(void **state)
{
	struct jsonr	 r = { 0 };
	struct jsonv	 v = parsed(&r, "{\"a\":{\"x\":[1]},\"b\":[{\"k\":1}],\"c\":{}}"), k;
	char		 names[8] = "", name[8];

	(void)state;
	for (k = jsonv_first_key(v); k.at != -1; k = jsonv_next_key(k)) {
		assert_true(jsonv_string(k, name, sizeof(name)));
		assert_int_equal(jsonv_of_key(k).at, jsonv_get(v, name).at);
		strcat(names, name);
	}
	assert_string_equal(names, "abc");
	assert_int_equal(jsonv_first_key(jsonv_get(v, "c")).at, -1);
	assert_int_equal(jsonv_first_key(jsonv_get(v, "b")).at, -1);
	assert_int_equal(jsonv_next_key(jsonv_get(v, "none")).at, -1);
	assert_int_equal(jsonv_of_key(jsonv_get(v, "none")).at, -1);
	jsonr_release(&r);
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(numbers_keep_their_literal_text),
		cmocka_unit_test(members_and_elements_are_found_behind_nested_ones),
		cmocka_unit_test(an_object_s_members_are_walked_by_their_keys),
		cmocka_unit_test(questions_about_nothing_are_answered_with_no),
		cmocka_unit_test(members_come_in_the_order_of_the_text),
		cmocka_unit_test(escapes_are_resolved),
		cmocka_unit_test(only_one_whole_value_is_taken),
		cmocka_unit_test(many_tokens_make_room_for_themselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
