#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "relay/notify.h"

/* Made by Python's hmac, of the key 01 02 … 20. */
#define INNER	"373435323330313e3f3c3d3a3b383926272425222320212e2f2c2d2a2b2829163636363636363636363636363636363636363636363636363636363636363636"
#define OUTER	"5d5e5f58595a5b54555657505152534c4d4e4f48494a4b44454647404142437c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c"
#define TEXT	"{\"seq\":42,\"op\":\"INSERT\",\"kind\":\"opened\",\"id\":7,\"at\":\"2026-11-23T10:57:25.123456+00:00\",\"record\":{\"id\":7}}"
#define MAC	"e6b9694fe94f9f4f52bd23c25030bce5"

static struct notify_key	 key;

static int
set_up(void **state)
{
	(void)state;
	return notify_key_read(&key, INNER, OUTER) ? 0 : -1;
}

static void
with_mac(char out[NOTIFY_MAX], const char *text, const char *mac)
{
	snprintf(out, NOTIFY_MAX, "%.*s,\"mac\":\"%s\"}", (int)strlen(text) - 1, text, mac);
}

static void
what_the_key_has_signed_is_opened(void **state)
{
	char	 payload[NOTIFY_MAX], text[NOTIFY_MAX];

	(void)state;
	with_mac(payload, TEXT, MAC);
	assert_true(notify_open(&key, payload, text));
	assert_string_equal(text, TEXT);
}

static void
anything_else_is_not(void **state)
{
	char			 payload[NOTIFY_MAX], text[NOTIFY_MAX], whole[NOTIFY_MAX];
	struct notify_key	 none = key;

	(void)state;
	with_mac(whole, TEXT, MAC);
	for (size_t i = 0; i < strlen(whole); i++) {	/* any byte changed, any tail cut off */
		memcpy(payload, whole, sizeof(whole));
		payload[i] ^= 1;
		assert_false(notify_open(&key, payload, text));
		payload[i] = '\0';
		assert_false(notify_open(&key, payload, text));
	}
	assert_false(notify_open(&key, TEXT, text));
	memcpy(payload, whole, sizeof(whole));
	payload[strlen(whole)] = ' ';
	payload[strlen(whole) + 1] = '\0';
	assert_false(notify_open(&key, payload, text));
	none.is_known = false;
	assert_false(notify_open(&none, whole, text));
	memset(payload, 'x', sizeof(payload));
	payload[NOTIFY_MAX - 1] = '\0';
	assert_false(notify_open(&key, payload, text));
}

static void
a_key_is_two_times_64_bytes(void **state)
{
	struct notify_key	 k;
	char			 bad[] = INNER;

	(void)state;
	assert_false(notify_key_read(&k, NULL, OUTER));
	assert_false(notify_key_read(&k, INNER, NULL));
	assert_false(notify_key_read(&k, INNER, ""));
	assert_false(notify_key_read(&k, INNER "00", OUTER));
	bad[5] = 'g';
	assert_false(notify_key_read(&k, bad, OUTER));
	assert_false(k.is_known);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(what_the_key_has_signed_is_opened),
		cmocka_unit_test(anything_else_is_not),
		cmocka_unit_test(a_key_is_two_times_64_bytes),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
