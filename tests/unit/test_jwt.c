#include "tests/unit/unit.h"

#include <string.h>

#include "relay/access.h"
#include "relay/jwt.h"
#include "tests/unit/jwt_make.h"

#define HS256	"{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define NOW_US	(INT64_C(1800000000) * 1000000)

static const char	 key[] = "a key of more than thirty-two bytes, for tests";

/* Check a token of these claims now: the error's code, "" when it is good. */
static const char *
verdict(const char *header, const char *claims, struct jwt *out, struct jwt_error *error)
{
	char	*text = make_jwt(header, claims, key);

	error->code = "";
	error->why[0] = '\0';
	(void)jwt_check(text, key, strlen(key), NOW_US, out, error);
	free(text);
	return error->code;
}

static const char *
claims_verdict(const char *claims)
{
	static struct jwt_error	 error;
	struct jwt		 j;

	if (*verdict(HS256, claims, &j, &error) == '\0')
		jwt_release(&j);
	return error.code;
}

static const char *
text_verdict(const char *text)
{
	static struct jwt_error	 error;
	struct jwt		 j;

	error.code = "";
	if (jwt_check(text, key, strlen(key), NOW_US, &j, &error))
		jwt_release(&j);
	return error.code;
}

/* RFC 7515 appendix A.1, which is also RFC 7519 section 3.1. */
static void
the_example_of_the_rfc_is_good_until_its_time(void **state)
{
	static const unsigned char	 rfc_key[] = {
		0x03, 0x23, 0x35, 0x4b, 0x2b, 0x0f, 0xa5, 0xbc, 0x83, 0x7e, 0x06, 0x65, 0x77, 0x7b, 0xa6, 0x8f,
		0x5a, 0xb3, 0x28, 0xe6, 0xf0, 0x54, 0xc9, 0x28, 0xa9, 0x0f, 0x84, 0xb2, 0xd2, 0x50, 0x2e, 0xbf,
		0xd3, 0xfb, 0x5a, 0x92, 0xd2, 0x06, 0x47, 0xef, 0x96, 0x8a, 0xb4, 0xc3, 0x77, 0x62, 0x3d, 0x22,
		0x3d, 0x2e, 0x21, 0x72, 0x05, 0x2e, 0x4f, 0x08, 0xc0, 0xcd, 0x9a, 0xf5, 0x67, 0xd0, 0x80, 0xa3,
	};
	static const char		 text[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
	    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
	const int64_t			 exp_us = INT64_C(1300819380) * 1000000;
	struct jwt_error		 error;
	struct jwt			 j;

	(void)state;
	assert_true(jwt_check(text, rfc_key, sizeof(rfc_key), exp_us - 1, &j, &error));
	assert_int_equal(j.wall_expires_us, exp_us);
	assert_int_equal(j.scopes, ACCESS_READ);
	assert_int_equal(j.symbol_count, 0);
	jwt_release(&j);
	assert_false(jwt_check(text, rfc_key, sizeof(rfc_key), exp_us + 5000000, &j, &error));
	assert_string_equal(error.code, "InvalidJWTToken");
	assert_string_equal(error.why, "Token has expired 5 seconds ago");
	assert_false(jwt_check(text, rfc_key, sizeof(rfc_key) - 1, exp_us - 1, &j, &error));
	assert_string_equal(error.code, "JwtSignatureError");
}

static void
no_other_algorithm_can_be_chosen(void **state)
{
	static const char *const	 headers[] = {
		"{\"alg\":\"none\"}", "{\"alg\":\"HS512\"}", "{\"alg\":\"RS256\"}", "{\"alg\":\"hs256\"}", "{\"typ\":\"JWT\"}", "{\"alg\":[\"HS256\"]}",
	};
	struct jwt_error		 error;
	struct jwt			 j;

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		assert_string_equal(verdict(headers[i], "{\"exp\":1800000001}", &j, &error), "JwtSignatureError");
	assert_string_equal(verdict("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", "{\"exp\":1800000001}", &j, &error), "InvalidJWTToken");
	assert_string_equal(verdict("[\"HS256\"]", "{\"exp\":1800000001}", &j, &error), "MalformedJWT");
}

static void
exp_is_needed_and_taken_to_the_letter(void **state)
{
	(void)state;
	assert_string_equal(claims_verdict("{\"exp\":1800000001}"), "");
	assert_string_equal(claims_verdict("{\"exp\":1800000000.5}"), "");
	assert_string_equal(claims_verdict("{\"exp\":1800000000}"), "InvalidJWTToken");
	assert_string_equal(claims_verdict("{\"exp\":1799999970}"), "InvalidJWTToken");
	assert_string_equal(claims_verdict("{}"), "InvalidJWTToken");
	assert_string_equal(claims_verdict("{\"exp\":null}"), "InvalidJWTToken");
	assert_string_equal(claims_verdict("{\"exp\":\"1800000001\"}"), "InvalidJWTToken");
	assert_string_equal(claims_verdict("{\"exp\":-1}"), "InvalidJWTToken");
	assert_string_equal(claims_verdict("{\"exp\":1e300}"), "InvalidJWTToken");
	assert_string_equal(claims_verdict("[1800000001]"), "MalformedJWT");
}

static void
nbf_may_lie_a_little_ahead(void **state)
{
	(void)state;
	assert_string_equal(claims_verdict("{\"exp\":1800009999,\"nbf\":1800000030}"), "");
	assert_string_equal(claims_verdict("{\"exp\":1800009999,\"nbf\":null}"), "");
	assert_string_equal(claims_verdict("{\"exp\":1800009999,\"nbf\":1800000031}"), "InvalidJWTToken");
	assert_string_equal(claims_verdict("{\"exp\":1800009999,\"nbf\":\"soon\"}"), "InvalidJWTToken");
}

static unsigned
scopes_of(const char *scopes)
{
	struct jwt_error	 error;
	struct jwt		 j;
	char			 claims[256];
	unsigned		 got;

	snprintf(claims, sizeof(claims), "{\"exp\":1800000001,\"role\":\"service_role\",\"scopes\":%s}", scopes);
	assert_string_equal(verdict(HS256, claims, &j, &error), "");
	got = j.scopes;
	jwt_release(&j);
	return got;
}

static void
scopes_come_from_their_claim_only(void **state)
{
	(void)state;
	assert_int_equal(scopes_of("null"), ACCESS_READ);
	assert_int_equal(scopes_of("[\"read\",\"ack\"]"), ACCESS_READ | ACCESS_ACK);
	assert_int_equal(scopes_of("\"admin\""), ACCESS_ADMIN);
	assert_int_equal(scopes_of("\"read ack,admin\""), ACCESS_ALL);
	assert_int_equal(scopes_of("\" read,, \""), ACCESS_READ);
	assert_int_equal(scopes_of("\"readack\""), 0);
	assert_int_equal(scopes_of("[\"openid\"]"), 0);
	assert_int_equal(scopes_of("[]"), 0);
	assert_int_equal(scopes_of("\"\""), 0);
	assert_string_equal(claims_verdict("{\"exp\":1800000001,\"scopes\":7}"), "InvalidJWTToken");
	assert_string_equal(claims_verdict("{\"exp\":1800000001,\"scopes\":[\"read\",true]}"), "InvalidJWTToken");
}

static void
symbols_that_are_not_understood_never_mean_all(void **state)
{
	struct jwt_error	 error;
	struct jwt		 j;

	(void)state;
	assert_string_equal(verdict(HS256, "{\"exp\":1800000001,\"sub\":\"ann\",\"symbols\":[\"BTC/USDT\",\"ETH\\/USDT\"]}", &j, &error), "");
	assert_int_equal(j.symbol_count, 2);
	assert_string_equal(j.symbols[0], "BTC/USDT");
	assert_string_equal(j.symbols[1], "ETH/USDT");
	assert_string_equal(j.subject, "ann");
	jwt_release(&j);
	assert_string_equal(claims_verdict("{\"exp\":1800000001,\"symbols\":[]}"), "InvalidJWTToken");
	assert_string_equal(claims_verdict("{\"exp\":1800000001,\"symbols\":\"BTC/USDT\"}"), "InvalidJWTToken");
	assert_string_equal(claims_verdict("{\"exp\":1800000001,\"symbols\":[\"BTC/USDT\",\"btc\"]}"), "InvalidJWTToken");
	assert_string_equal(claims_verdict("{\"exp\":1800000001,\"symbols\":[\"BTC/USDT,ETH/USDT\"]}"), "InvalidJWTToken");
}

/* There is one way to write a token: each change of a byte makes it another one. */
static void
base64url_is_strict_and_every_byte_is_signed(void **state)
{
	char	*text = make_jwt(HS256, "{\"exp\":1800000001}", key), *copy;
	size_t	 len = strlen(text);

	(void)state;
	assert_string_equal(text_verdict(text), "");
	copy = calloc(1, len + 8);
	for (size_t i = 0; i < len; i++)
		for (int bit = 0; bit < 8; bit++) {
			memcpy(copy, text, len + 1);
			copy[i] = (char)(copy[i] ^ 1 << bit);
			assert_string_not_equal(text_verdict(copy), "");
		}
	snprintf(copy, len + 8, "%s=", text);
	assert_string_not_equal(text_verdict(copy), "");
	snprintf(copy, len + 8, "%s.x", text);
	assert_string_equal(text_verdict(copy), "MalformedJWT");
	free(copy);
	free(text);
}

static void
what_is_no_token_is_malformed(void **state)
{
	char	 huge[JWT_MAX + 64];

	(void)state;
	assert_string_equal(text_verdict(""), "MalformedJWT");
	assert_string_equal(text_verdict("a"), "MalformedJWT");
	assert_string_equal(text_verdict("a.b"), "MalformedJWT");
	assert_string_equal(text_verdict(".."), "MalformedJWT");
	assert_string_equal(text_verdict("e30.e30."), "MalformedJWT");
	assert_string_equal(text_verdict("aGVsbG8.aGVsbG8.aGVsbG8"), "MalformedJWT");
	memset(huge, 'a', sizeof(huge));
	huge[4] = huge[8] = '.';
	huge[sizeof(huge) - 1] = '\0';
	assert_string_equal(text_verdict(huge), "MalformedJWT");
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(the_example_of_the_rfc_is_good_until_its_time),
		cmocka_unit_test(no_other_algorithm_can_be_chosen),
		cmocka_unit_test(exp_is_needed_and_taken_to_the_letter),
		cmocka_unit_test(nbf_may_lie_a_little_ahead),
		cmocka_unit_test(scopes_come_from_their_claim_only),
		cmocka_unit_test(symbols_that_are_not_understood_never_mean_all),
		cmocka_unit_test(base64url_is_strict_and_every_byte_is_signed),
		cmocka_unit_test(what_is_no_token_is_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
