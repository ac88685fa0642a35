#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "relay/crowd.h"
#include "relay/peer.h"

#define ADDRESSES	5000

static struct peer
peer(const char *address)
{
	struct sockaddr_in	 v4 = { .sin_family = AF_INET, .sin_port = htons(7) };
	struct sockaddr_in6	 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(7) };

	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return peer_of((struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
	return peer_of((struct sockaddr *)&v6);
}

static void
an_address_has_its_share_and_no_more(void **state)
{
	struct crowd	*c = crowd_new(2);
	struct peer	 a = peer("192.0.2.1"), mapped = peer("::ffff:192.0.2.1"), b = peer("192.0.2.2");

	(void)state;
	assert_true(crowd_enter(c, &a));
	assert_true(crowd_enter(c, &mapped));
	assert_false(crowd_enter(c, &a));
	assert_true(crowd_enter(c, &b));
	crowd_leave(c, &a);
	assert_true(crowd_enter(c, &a));
	assert_false(crowd_enter(c, &a));
	crowd_free(c);
}

static void
neighbours_in_IPv6_share_and_this_machine_is_not_counted(void **state)
{
	static const char *const	 local[] = { "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1" };
	struct crowd			*c = crowd_new(1);
	struct peer			 a = peer("2001:db8:0:1::1"), same = peer("2001:db8:0:1:ffff::2"), other = peer("2001:db8:0:2::1"), p;

	(void)state;
	assert_true(crowd_enter(c, &a));
	assert_false(crowd_enter(c, &same));
	assert_true(crowd_enter(c, &other));
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		for (int n = 0; n < 5; n++) {
			p = peer(local[i]);
			assert_true(crowd_enter(c, &p));
		}
	assert_int_equal(crowd_addresses(c), 2);
	crowd_free(c);
}

static void
thousands_of_addresses_leave_nothing_behind(void **state)
{
	struct crowd	*c = crowd_new(1);
	struct peer	 p;
	char		 text[32];

	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < ADDRESSES; i++) {
			snprintf(text, sizeof(text), "10.0.%d.%d", i / 256, i % 256);
			p = peer(text);
			assert_true(crowd_enter(c, &p));
			assert_false(crowd_enter(c, &p));
		}
		assert_int_equal(crowd_addresses(c), ADDRESSES);
		assert_true(crowd_longest(c) < 16);
		for (int i = 0; i < ADDRESSES; i++) {
			snprintf(text, sizeof(text), "10.0.%d.%d", i / 256, i % 256);
			p = peer(text);
			crowd_leave(c, &p);
		}
		assert_int_equal(crowd_addresses(c), 0);
	}
	crowd_free(c);
}

static void
a_peer_has_a_name_for_the_log(void **state)
{
	char		 text[PEER_TEXT_MAX];
	struct peer	 v4 = peer("192.0.2.1"), v6 = peer("2001:db8::1");

	(void)state;
	assert_string_equal(peer_text(&v4, text), "192.0.2.1:7");
	assert_string_equal(peer_text(&v6, text), "[2001:db8::1]:7");
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(an_address_has_its_share_and_no_more),
		cmocka_unit_test(neighbours_in_IPv6_share_and_this_machine_is_not_counted),
		cmocka_unit_test(thousands_of_addresses_leave_nothing_behind),
		cmocka_unit_test(a_peer_has_a_name_for_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
