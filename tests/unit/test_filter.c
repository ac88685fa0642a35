#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "relay/access.h"
#include "relay/change.h"
#include "relay/filter.h"

static struct change *
change_of(const char *kind, const char *record)
{
	char		 text[256];
	const char	*why = NULL;
	struct change	*c;

	snprintf(text, sizeof(text), "{\"seq\":1,\"kind\":\"%s\",\"record\":%s}", kind, record);
	c = change_parse(text, "e.1", &why);
	assert_non_null(c);
	return c;
}

static bool
passes(const char *name, const char *value, const char *kind, const char *record)
{
	struct filter	*f = filter_new();
	struct change	*c = change_of(kind, record);
	char		 why[160];
	bool		 result;

	assert_int_equal(filter_set(f, name, value, why, sizeof(why)), FILTER_SET_OK);
	assert_false(filter_is_empty(f));
	result = filter_passes(f, c);
	change_unref(c);
	filter_free(f);
	return result;
}

static const char btc[] = "{\"symbol\":\"BTC/USDT\",\"strategy\":\"ema_cross\",\"side\":\"long\",\"confidence\":0.7}";

static void
each_condition_lets_its_own_through(void **state)
{
	(void)state;
	assert_true(passes("symbol", "ETH/USDT,BTC/USDT", "opened", btc));
	assert_false(passes("symbol", "ETH/USDT", "opened", btc));
	assert_true(passes("strategy", "ema_cross", "opened", btc));
	assert_false(passes("strategy", "ema", "opened", btc));
	assert_true(passes("side", "long,short", "opened", btc));
	assert_false(passes("side", "short", "opened", btc));
	assert_true(passes("kind", "closed,opened", "opened", btc));
	assert_false(passes("kind", "closed", "opened", btc));
	assert_true(passes("min_confidence", "0.7", "opened", btc));
	assert_false(passes("min_confidence", "0.71", "opened", btc));
}

static void
a_deletion_passes_all_but_kind(void **state)
{
	(void)state;
	assert_true(passes("symbol", "ETH/USDT", "deleted", "null"));
	assert_true(passes("min_confidence", "1", "deleted", "null"));
	assert_false(passes("kind", "opened", "deleted", "null"));
}

static void
a_record_without_the_member_does_not_pass(void **state)
{
	(void)state;
	assert_false(passes("symbol", "ETH/USDT", "opened", "{}"));
	assert_false(passes("side", "long", "opened", "{}"));
}

static void
nonsense_is_refused_by_name(void **state)
{
	static const struct { const char *name, *value; } bad[] = {
		{ "symbol", "" }, { "symbol", "btc/usdt" }, { "symbol", "BTC" }, { "symbol", "BTC/" }, { "symbol", "/USDT" },
		{ "symbol", "BTC/USDT," }, { "symbol", "BTC/USDT,,ETH/USDT" }, { "symbol", "ABCDEFGHIJKLMNOPQRSTU/X" },
		{ "symbol", "A/B/C" }, { "strategy", "Ema" }, { "strategy", "" }, { "side", "up" }, { "side", "longer" },
		{ "kind", "open" }, { "min_confidence", "1.1" }, { "min_confidence", "-1" }, { "min_confidence", "" },
		{ "min_confidence", "nan" }, { "min_confidence", "0x1" }, { "min_confidence", "0.5.5" },
	};
	struct filter	*f = filter_new();
	char		 why[160];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		assert_int_equal(filter_set(f, bad[i].name, bad[i].value, why, sizeof(why)), FILTER_SET_BAD);
		assert_true(strlen(why) > 0);
	}
	assert_int_equal(filter_set(f, "symbols", "BTC/USDT", why, sizeof(why)), FILTER_SET_UNKNOWN);
	filter_free(f);
}

static void
a_list_has_an_end(void **state)
{
	struct filter	*f = filter_new();
	char		 list[FILTER_WORDS_MAX * 4 + 8] = "A/B", why[160];

	(void)state;
	for (int i = 1; i < FILTER_WORDS_MAX; i++)
		strcat(list, ",A/B");
	assert_int_equal(filter_set(f, "symbol", list, why, sizeof(why)), FILTER_SET_OK);
	assert_int_equal(filter_set(f, "symbol", "A/B", why, sizeof(why)), FILTER_SET_BAD);
	filter_free(f);
}

static void
one_with_some_symbols_is_shown_these_and_deletions(void **state)
{
	static const struct { const char *kind, *record; bool shown; } cases[] = {
		{ "opened", btc, true }, { "opened", "{\"symbol\":\"ETH/USDT\"}", false }, { "deleted", "null", true },
		{ "opened", "{}", false }, { "opened", "null", false }, { "opened", "{\"symbol\":7}", false },
	};
	char		 symbol[] = "BTC/USDT", *symbols[] = { symbol };
	struct access	*some = access_new("some", ACCESS_READ, symbols, 1, 0), *every = access_new("every", ACCESS_READ, NULL, 0, 0);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct change	*c = change_of(cases[i].kind, cases[i].record);

		assert_int_equal(filter_may_see(some, c), cases[i].shown);
		assert_true(filter_may_see(every, c) && filter_may_see(NULL, c));
		change_unref(c);
	}
	access_unref(some);
	access_unref(every);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(each_condition_lets_its_own_through),
		cmocka_unit_test(a_deletion_passes_all_but_kind),
		cmocka_unit_test(a_record_without_the_member_does_not_pass),
		cmocka_unit_test(nonsense_is_refused_by_name),
		cmocka_unit_test(a_list_has_an_end),
		cmocka_unit_test(one_with_some_symbols_is_shown_these_and_deletions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
