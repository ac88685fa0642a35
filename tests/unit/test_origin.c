#include "tests/unit/unit.h"

#include "common/conf.h"
#include "relay/origin.h"

static char			 signals[] = "signals.example.org", hub[] = "https://hub.example.org", local[] = "http://localhost:3000", star[] = "*";
static char			*names[] = { signals };
static char			*sites[] = { hub, local }, *any[] = { hub, star };
static const struct conf_list	 ours = { 1, names }, listed = { 2, sites }, anybody = { 2, any }, none = { 0, NULL };

static void
a_page_is_judged_by_where_it_came_from(void **state)
{
	static const struct { const char *origin, *host; enum origin want; } table[] = {
		{ NULL, "a", ORIGIN_NONE }, { "", "a", ORIGIN_NONE },
		{ "http://127.0.0.1:8787", "127.0.0.1:8787", ORIGIN_OWN }, { "http://127.0.0.1:8788", "127.0.0.1:8787", ORIGIN_FOREIGN },
		{ "http://a", "a:80", ORIGIN_OWN }, { "https://A:443", "a", ORIGIN_OWN }, { "http://[::1]:80", "[::1]", ORIGIN_OWN },
		{ "http://[::1]:8787", "[::1]:8787", ORIGIN_OWN }, { "http://[::1]:1", "[::1]:8787", ORIGIN_FOREIGN },
		{ "https://signals.example.org", "127.0.0.1:8787", ORIGIN_OWN }, { "https://signals.example.org:8443", "x", ORIGIN_OWN },
		{ "https://signals.example.org.evil.example", "x", ORIGIN_FOREIGN }, { "https://xsignals.example.org", "x", ORIGIN_FOREIGN },
		{ "https://hub.example.org", "a", ORIGIN_LISTED }, { "https://HUB.example.org", "a", ORIGIN_LISTED },
		{ "http://hub.example.org", "a", ORIGIN_FOREIGN }, { "https://hub.example.org:444", "a", ORIGIN_FOREIGN },
		{ "http://localhost:3000", "localhost:8787", ORIGIN_LISTED }, { "null", "a", ORIGIN_FOREIGN }, { "null", NULL, ORIGIN_FOREIGN },
		{ "file://a", "a", ORIGIN_FOREIGN }, { "http://", "", ORIGIN_OWN }, { "http://evil.example", NULL, ORIGIN_FOREIGN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (origin_judge(table[i].origin, table[i].host, &ours, &listed) != table[i].want)
			fail_msg("%s asks %s", table[i].origin, table[i].host);
	assert_int_equal(origin_judge("https://evil.example", "a", &none, &none), ORIGIN_FOREIGN);
	assert_int_equal(origin_judge("https://evil.example", "a", &none, &anybody), ORIGIN_ANY);
	assert_int_equal(origin_judge("https://hub.example.org", "a", &none, &anybody), ORIGIN_LISTED);
}

static void
settings_take_origins_only(void **state)
{
	char	 why[160];

	(void)state;
	assert_true(origin_ok("https://hub.example.org", why, sizeof(why)));
	assert_true(origin_ok("http://localhost:3000", why, sizeof(why)));
	assert_true(origin_ok("*", why, sizeof(why)));
	assert_false(origin_ok("https://hub.example.org/", why, sizeof(why)));
	assert_false(origin_ok("hub.example.org", why, sizeof(why)));
	assert_false(origin_ok("https://", why, sizeof(why)));
	assert_false(origin_ok("https://*.example.org", why, sizeof(why)));
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_page_is_judged_by_where_it_came_from),
		cmocka_unit_test(settings_take_origins_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
