#include "tests/unit/unit.h"

#include <string.h>

#include "relay/address.h"

static void
what_is_not_public_is_refused(void **state)
{
	static const char *const	 list[] = {
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
		"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
		"198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1",
		"64:ff9b::10.0.0.1", "64:ff9b:1::808:808", "100::1", "2001::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1",
		"3fff::1", "4000::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ffff::1",
		"", "example.org", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.2.3", "1.2.3.4.5", "1.2.3.4 ", "[::1]", "::ffff:8.8.8.8.8",
	};
	char				 why[160];

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		*why = '\0';
		if (address_is_public(list[i], why, sizeof(why)))
			fail_msg("%s is taken for public", list[i]);
		assert_non_null(strstr(why, "allow_private"));
	}
}

static void
what_is_public_passes(void **state)
{
	static const char *const	 list[] = {
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.0.1",
		"172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255",
		"2001:200::1", "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450::1", "3ffe:ffff::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
	};
	char				 why[160];

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (!address_is_public(list[i], why, sizeof(why)))
			fail_msg("%s is refused: %s", list[i], why);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(what_is_not_public_is_refused), cmocka_unit_test(what_is_public_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
