#include "tests/unit/unit.h"

#include "relay/host.h"

static bool
ours(const char *host)
{
	static char		 first[] = "signals.example.org", second[] = "vps";
	static char *const	 names[] = { first, second };

	return host_is_ours(host, names, 2);
}

static void
addresses_and_localhost_need_no_name(void **state)
{
	(void)state;
	assert_true(ours("127.0.0.1"));
	assert_true(ours("203.0.113.7"));
	assert_true(ours("[::1]"));
	assert_true(ours("[2001:db8::7]"));
	assert_true(ours("[::ffff:127.0.0.1]"));
	assert_true(ours("localhost"));
	assert_true(ours("LocalHost"));
}

static void
no_host_is_no_browser(void **state)
{
	(void)state;
	assert_true(ours(NULL));
	assert_true(ours(""));
}

static void
only_the_names_given_are_ours(void **state)
{
	(void)state;
	assert_true(ours("signals.example.org"));
	assert_true(ours("Signals.Example.ORG"));
	assert_true(ours("vps"));
	assert_false(ours("evil.example"));
	assert_false(ours("signals.example.org.evil.example"));
	assert_false(ours("example.org"));
	assert_false(host_is_ours("signals.example.org", NULL, 0));
}

static void
what_only_resembles_an_address_is_a_name(void **state)
{
	(void)state;
	assert_false(ours("127.0.0.1.evil.example"));
	assert_false(ours("127.1"));
	assert_false(ours("[::1].evil.example"));
	assert_false(ours("[evil]"));
	assert_false(ours("["));
	assert_false(ours("[]"));
	assert_false(ours("localhost.evil.example"));
	assert_false(ours("[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]"));
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(addresses_and_localhost_need_no_name),
		cmocka_unit_test(no_host_is_no_browser),
		cmocka_unit_test(only_the_names_given_are_ours),
		cmocka_unit_test(what_only_resembles_an_address_is_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
