#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/webhook_sign.h"

static bool
parses(const char *text, struct webhook_keys *keys)
{
	char	 why[160] = "";
	bool	 ok = webhook_keys_parse(text, keys, why, sizeof(why));

	assert_true(ok == (*why == '\0'));
	return ok;
}

/* What openssl(1) says of the same: nothing of ours takes part. */
static void
openssl_signature(const char *key_base64, const char *message, char *out, size_t size)
{
	char	 command[1024];
	FILE	*p;

	snprintf(command, sizeof(command), "printf '%%s' '%s' | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '%%s' '%s' | "
	    "base64 -d | od -An -v -tx1 | tr -d ' \\n') -binary | base64 -w0", message, key_base64);
	assert_non_null(p = popen(command, "r"));
	assert_non_null(fgets(out, (int)size, p));
	assert_int_equal(pclose(p), 0);
}

static void
a_signature_is_what_openssl_says(void **state)
{
	static const char *const	 secrets[] = {
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "AAAAAAAAAAAAAAAAAAAAAA==", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
	};
	struct webhook_keys		 keys;
	char				 text[128], got[WEBHOOK_SIGNATURE_MAX], want[128], message[256];
	static const char		 body[] = "{\"test\": 2432232314, \"x\": \"\xc3\xa4\"}";

	(void)state;
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		snprintf(text, sizeof(text), "whsec_%s\n", secrets[i]);
		assert_true(parses(text, &keys));
		assert_int_equal(keys.count, 1);
		webhook_sign(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body), got);
		snprintf(message, sizeof(message), "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.%s", body);
		openssl_signature(secrets[i], message, want, sizeof(want));
		assert_memory_equal(got, "v1,", 3);
		assert_string_equal(got + 3, want);
	}
}

static void
the_example_of_the_specification(void **state)
{
	struct webhook_keys	 keys;
	char			 got[WEBHOOK_SIGNATURE_MAX];
	static const char	 body[] = "{\"test\": 2432232314}";

	(void)state;
	assert_true(parses("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &keys));
	webhook_sign(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body), got);
	assert_string_equal(got, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void
each_key_signs_while_one_replaces_another(void **state)
{
	struct webhook_keys	 both, one;
	char			 got[WEBHOOK_SIGNATURE_MAX], first[WEBHOOK_SIGNATURE_MAX];

	(void)state;
	assert_true(parses(" whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\r\n\nAAAAAAAAAAAAAAAAAAAAAA==\n", &both));
	assert_true(parses("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &one));
	assert_int_equal(both.count, 2);
	assert_int_equal(both.items[1].len, 16);
	webhook_sign(&both, "id", 1, "x", 1, got);
	webhook_sign(&one, "id", 1, "x", 1, first);
	assert_memory_equal(got, first, strlen(first));
	assert_memory_equal(got + strlen(first), " v1,", 4);
	assert_int_equal(strlen(got), 2 * strlen(first) + 1);
}

static void
what_is_no_secret_is_refused(void **state)
{
	static const char *const	 bad[] = {
		"", "\n", "whsec_", "whsec_AAAA", "AAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA===",
		"AAAAAAAAAA=AAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAA*AAA", "AAAAAAAAAAAAAAAAAAAAAA==x", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS\xc3",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAA== AAAAAAAAAAAAAAAAAAAAAA== AAAAAAAAAAAAAAAAAAAAAA== AAAAAAAAAAAAAAAAAAAAAA== AAAAAAAAAAAAAAAAAAAAAA==",
	};
	struct webhook_keys		 keys;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(parses(bad[i], &keys));
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_signature_is_what_openssl_says), cmocka_unit_test(the_example_of_the_specification),
		cmocka_unit_test(each_key_signs_while_one_replaces_another), cmocka_unit_test(what_is_no_secret_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
