#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/change.h"
#include "relay/realtime_filter.h"
#include "relay/realtime_value.h"

static const char record[] = "{\"id\":9007199254740993,\"seq\":7,\"symbol\":\"BTC/USDT\",\"strategy_version\":1,\"side\":\"long\","
	"\"entry\":61234.56789000,\"stop_loss\":0.10,\"targets\":[1,2],\"confidence\":0.7,\"reason\":\"gr\\u00fc\\\\\\\"n, 100%\","
	"\"indicators\":{\"rsi\":31},\"status\":\"active\",\"targets_hit\":0,\"exit_price\":null,\"outcome\":null,\"pnl_ratio\":-0.01,"
	"\"r_multiple\":\"NaN\",\"generated_at\":\"2026-11-23T10:57:25.123456+00:00\"}";

static struct change *
change_of(const char *op, const char *text)
{
	char		 whole[1200];
	const char	*why = NULL;
	struct change	*c;

	snprintf(whole, sizeof(whole), "{\"seq\":7,\"op\":\"%s\",\"kind\":\"opened\",\"id\":5,\"record\":%s}", op, text);
	c = change_parse(whole, "e.1", &why);
	assert_non_null(c);
	return c;
}

static bool
passes_of(const char *filter, struct change *c)
{
	struct realtime_filter	*f = NULL;
	char			 why[1024] = "";
	bool			 result;

	if (!realtime_filter_read(filter, &f, why, sizeof(why)))
		fail_msg("%s: %s", filter, why);
	assert_non_null(f);
	result = realtime_filter_passes(f, c);
	realtime_filter_free(f);
	return result;
}

static bool
passes(const char *filter)
{
	struct change	*c = change_of("INSERT", record);
	bool		 result = passes_of(filter, c);

	change_unref(c);
	return result;
}

static void
comparisons_are_typed(void **state)
{
	static const struct { const char *filter; bool passes; } cases[] = {
		{ "id=eq.9007199254740993", true }, { "id=eq.9007199254740992", false }, { "id=gt.9007199254740992", true },
		{ "seq=gt.10", false }, { "seq=lt.10", true }, { "seq=in.(1,7)", true }, { "seq=not.in.(1,7)", false },
		{ "entry=eq.61234.56789", true }, { "entry=eq.6.123456789e4", true }, { "entry=neq.061234.5678900", false },
		{ "entry=gt.61234.567889999999999999999999", true }, { "entry=lt.61234.567890000000000000000001", true },
		{ "entry=gt.-70000", true }, { "stop_loss=eq.1e-1", true }, { "stop_loss=gte..1", true }, { "stop_loss=lt.0.2", true },
		{ "confidence=eq.0.7", true }, { "confidence=gt.0.69", true }, { "pnl_ratio=lt.0", true }, { "pnl_ratio=eq.-1e-2", true },
		{ "symbol=eq.BTC/USDT", true }, { "symbol=neq.BTC/USDT", false }, { "symbol=lt.BTC/USDT2", true }, { "symbol=gt.BTC", true },
		{ "symbol=in.(ETH/USDT, \"BTC/USDT\")", true }, { "reason=eq.\"gr\xc3\xbc\\\\\\\"n, 100%\"", true },
		{ "generated_at=gt.2026-11-23T10:57:25.123455Z", true }, { "generated_at=lte.2026-11-23 11:57:25.123456+01:00", true },
		{ "generated_at=gt.2026-11-24", false }, { "side=eq.long,entry=gt.1", true }, { " side=eq.long , entry=lt.1 ", false },
		{ "symbol=not.eq.ETH/USDT", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (passes(cases[i].filter) != cases[i].passes)
			fail_msg("%s", cases[i].filter);
}

static void
nulls_match_nothing_but_is_and_isdistinct(void **state)
{
	(void)state;
	assert_false(passes("outcome=eq.win"));
	assert_false(passes("outcome=neq.win"));
	assert_false(passes("outcome=not.eq.win"));
	assert_false(passes("outcome=not.in.(win)"));
	assert_false(passes("outcome=not.like.w%"));
	assert_true(passes("outcome=is.null"));
	assert_true(passes("exit_price=is.NULL"));
	assert_false(passes("symbol=is.null"));
	assert_true(passes("symbol=not.is.null"));
	assert_true(passes("targets=not.is.null"));
	assert_true(passes("outcome=isdistinct.win"));
	assert_false(passes("outcome=not.isdistinct.win"));
	assert_false(passes("symbol=isdistinct.BTC/USDT"));
	/* What is no number is nothing to compare with. */
	assert_false(passes("r_multiple=gt.0"));
	assert_false(passes("r_multiple=not.gt.0"));
	/* A column that the record does not show. */
	assert_false(passes("mode=eq.live"));
	assert_false(passes("mode=not.is.null"));
}

static void
a_deletion_shows_its_id_only(void **state)
{
	struct change	*c = change_of("DELETE", "null");

	(void)state;
	assert_true(passes_of("id=eq.5", c));
	assert_false(passes_of("id=gt.5", c));
	assert_false(passes_of("symbol=neq.x", c));
	assert_false(passes_of("symbol=is.null", c));
	change_unref(c);
}

static void
patterns_are_those_of_like(void **state)
{
	static const struct { const char *pattern, *text; bool matches, any_case; } cases[] = {
		{ "", "", true, false }, { "", "a", false, false }, { "%", "", true, false }, { "%%", "abc", true, false },
		{ "a%c", "abc", true, false }, { "a%c", "abcd", false, false }, { "_", "\xc3\xbc", true, false }, { "__", "\xc3\xbc", false, false },
		{ "%b%", "abc", true, false }, { "%ab", "aab", true, false }, { "a\\%", "a%", true, false }, { "a\\%", "ab", false, false },
		{ "\\_", "_", true, false }, { "\\\\", "\\", true, false }, { "A", "a", false, false }, { "A", "a", true, true },
		{ "%\xc3\x9c%", "gr\xc3\xbcn", true, true }, { "%\xc3\x9c%", "gr\xc3\xbcn", false, false }, { "%aab%", "aaab", true, false },
		{ "_%_", "a", false, false }, { "_%_", "ab", true, false },
	};
	char	 long_pattern[400] = "", text[4001];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct realtime_pattern	*p = realtime_pattern_new(cases[i].pattern, cases[i].any_case);

		if (realtime_pattern_matches(p, cases[i].text, strlen(cases[i].text)) != cases[i].matches)
			fail_msg("%s ~ %s", cases[i].text, cases[i].pattern);
		realtime_pattern_free(p);
	}
	assert_null(realtime_pattern_new("a\\", false));
	/* What makes others exponential takes no time. */
	for (int i = 0; i < 120; i++)
		strcat(long_pattern, "%a");
	strcat(long_pattern, "b");
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	struct realtime_pattern	*p = realtime_pattern_new(long_pattern, false);
	assert_false(realtime_pattern_matches(p, text, strlen(text)));
	realtime_pattern_free(p);
}

static void
refusals_name_what_is_wrong(void **state)
{
	static const struct { const char *filter, *why; } cases[] = {
		{ "symbol", "no `=`" }, { "symbol=eq", "symbol" }, { "nosuch=eq.1", "nosuch; known are id, seq," }, { "symbol=like.a\\", "escape" },
		{ "symbol=foo.1", "foo" }, { "entry=gt.abc", "numeric: abc" }, { "entry=gt.", "entry" }, { "entry=gt.1e", "entry" },
		{ "entry=gt.1e99999", "entry" }, { "entry=eq.NaN", "NaN" }, { "targets_hit=eq.32768", "smallint" }, { "strategy_version=eq.2147483648", "integer" },
		{ "id=eq.9223372036854775808", "bigint" }, { "id=eq.1.5", "bigint" }, { "id=eq.", "bigint" }, { "symbol=in.a,b", "parentheses" },
		{ "symbol=match.^A", "match is not offered" }, { "symbol=not.imatch.^A", "imatch is not offered" }, { "side=eq.long,,entry=gt.1", "empty" },
		{ "side=eq.long,", "empty" }, { ",", "empty" }, { "targets=eq.{1}", "compound" }, { "indicators=eq.{}", "compound" },
		{ "entry=like.1%", "needs a text" }, { "symbol=is.true", "is.null" }, { "symbol=eq.\"a", "quotes" }, { "symbol=eq.\"a\"b", "quotes" },
		{ "generated_at=gt.soon", "soon" }, { "confidence=eq.1e999", "real" },
	};
	struct realtime_filter	*f;
	char			 why[1024], *big = calloc(1, 5002);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (realtime_filter_read(cases[i].filter, &f, why, sizeof(why)))
			fail_msg("taken: %s", cases[i].filter);
		if (strstr(why, cases[i].why) == NULL)
			fail_msg("%s: %s", cases[i].filter, why);
	}
	memset(big, 'x', 5000);
	assert_false(realtime_filter_read(big, &f, why, sizeof(why)));
	strcpy(big, "id=in.(1");
	for (int i = 0; i < 100; i++)
		strcat(big, ",1");
	strcat(big, ")");
	assert_false(realtime_filter_read(big, &f, why, sizeof(why)));
	assert_string_equal(why, "too many values for `in` filter. Maximum 100");
	*big = '\0';
	for (int i = 0; i < 33; i++)
		strcat(big, i == 0 ? "id=eq.1" : ",id=eq.1");
	assert_false(realtime_filter_read(big, &f, why, sizeof(why)));
	free(big);
	/* A small buffer is no danger. */
	char	 small[8];
	assert_false(realtime_filter_read("nosuch=eq.1", &f, small, sizeof(small)));
}

static void
a_blank_filter_is_none(void **state)
{
	struct realtime_filter	*f;
	char			 why[64];

	(void)state;
	assert_true(realtime_filter_read("", &f, why, sizeof(why)));
	assert_null(f);
	assert_true(realtime_filter_read(" \t", &f, why, sizeof(why)));
	assert_null(f);
}

static void
commas_dots_and_quotes_split_where_they_should(void **state)
{
	struct change	*c = change_of("INSERT", "{\"reason\":\"https://a.b/?x=1\",\"symbol\":\"a,b (c)\",\"side\":\"say \\\"x\\\"\"}");

	(void)state;
	assert_true(passes_of("reason=eq.https://a.b/?x=1", c));
	assert_true(passes_of("symbol=eq.\"a,b (c)\",reason=like.https%", c));
	assert_true(passes_of("symbol=in.(x,\"a,b (c)\")", c));
	assert_true(passes_of("side=eq.say \"x\"", c));
	assert_true(passes_of("side=in.(\"say \\\"x\\\"\",y)", c));
	change_unref(c);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(comparisons_are_typed),
		cmocka_unit_test(nulls_match_nothing_but_is_and_isdistinct),
		cmocka_unit_test(a_deletion_shows_its_id_only),
		cmocka_unit_test(patterns_are_those_of_like),
		cmocka_unit_test(refusals_name_what_is_wrong),
		cmocka_unit_test(a_blank_filter_is_none),
		cmocka_unit_test(commas_dots_and_quotes_split_where_they_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
