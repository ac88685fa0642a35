#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "relay/inherit.h"

static int
is_loopback(const char *address)
{
	struct sockaddr_in	 v4 = { .sin_family = AF_INET };
	struct sockaddr_in6	 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return inherit_is_loopback((struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
	return inherit_is_loopback((struct sockaddr *)&v6);
}

static void
only_this_machine_counts_as_loopback(void **state)
{
	struct sockaddr_un	 un = { .sun_family = AF_UNIX };

	(void)state;
	assert_true(is_loopback("127.0.0.1"));
	assert_true(is_loopback("127.9.9.9"));
	assert_true(is_loopback("::1"));
	assert_true(is_loopback("::ffff:127.0.0.1"));
	assert_true(inherit_is_loopback((struct sockaddr *)&un));
	assert_false(is_loopback("0.0.0.0"));
	assert_false(is_loopback("10.0.0.1"));
	assert_false(is_loopback("128.0.0.1"));
	assert_false(is_loopback("::"));
	assert_false(is_loopback("::ffff:10.0.0.1"));
	assert_false(is_loopback("fe80::1"));
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(only_this_machine_counts_as_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
