#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/access.h"
#include "relay/auth.h"
#include "relay/settings.h"
#include "relay/token.h"
#include "tests/unit/jwt_make.h"

#define NOW_US	(INT64_C(1800000000) * 1000000)
#define HS256	"{\"alg\":\"HS256\"}"

static const char	 key[] = "a key of more than thirty-two bytes, for tests";
static const char	*code, *why;

/* A file of this text; the caller unlinks it. */
static void
write_file(char *path, const char *text)
{
	int	 fd = mkstemp(path);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static struct auth *
auth_of(const char *text)
{
	char		 path[] = "/tmp/tocsin-test-XXXXXX";
	struct settings	 s;
	struct auth	*a;

	write_file(path, text);
	assert_true(settings_read(&s, path));
	a = auth_new(&s);
	settings_release(&s);
	unlink(path);
	return a;
}

/* [token NAME] for the secret, and more keys. */
static const char *
section(const char *name, const char *secret, const char *more)
{
	static char	 text[4][512];
	static size_t	 at;
	unsigned char	 hash[TOKEN_HASH_BYTES];
	char		 hex[TOKEN_HEX_MAX];

	token_hash(secret, hash);
	token_hash_format(hash, hex);
	at = (at + 1) % 4;
	snprintf(text[at], sizeof(text[at]), "[token %s]\nsha256 = %s\n%s\n", name, hex, more);
	return text[at];
}

static struct auth *
auth_of_two(const char *one, const char *two)
{
	char	 text[1024];

	snprintf(text, sizeof(text), "%s%s", one, two);
	return auth_of(text);
}

static void
a_hash_is_known_by_its_digits(void **state)
{
	unsigned char	 hash[TOKEN_HASH_BYTES], again[TOKEN_HASH_BYTES];
	char		 hex[TOKEN_HEX_MAX];

	(void)state;
	token_hash("abc", hash);	/* FIPS 180-2 appendix B.1 */
	token_hash_format(hash, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_true(token_hash_parse("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", again));
	assert_true(token_hash_equals(hash, again));
	again[31] ^= 1;
	assert_false(token_hash_equals(hash, again));
	assert_false(token_hash_parse("ba7816bf", again));
	assert_false(token_hash_parse("ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", again));
	assert_false(token_hash_parse("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0", again));
}

static void
a_secret_is_safe_in_a_url(void **state)
{
	unsigned char	 bytes[TOKEN_HASH_BYTES];
	char		 text[TOKEN_SECRET_MAX];

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	token_secret(bytes, text);
	assert_string_equal(text, "tocsin_" "__________________________________________8");
	memset(bytes, 0xfb, sizeof(bytes));
	token_secret(bytes, text);
	assert_null(strpbrk(text, "+/="));
	assert_int_equal(strlen(text), 7 + 43);
}

static void
nothing_configured_lets_everybody_in(void **state)
{
	struct auth	*a = auth_of("[relay]\n"), *closed = auth_of("[relay]\nanonymous =\n");
	struct access	*x = auth_check(a, NULL, NOW_US, &code, &why), *y = auth_check(a, "anything", NOW_US, &code, &why);
	struct access	*z = auth_check(closed, NULL, NOW_US, &code, &why);

	(void)state;
	assert_true(auth_is_open(a));
	assert_true(access_may(x, ACCESS_READ | ACCESS_ACK));
	assert_false(access_may(x, ACCESS_ADMIN));
	assert_ptr_equal(x, y);
	assert_true(access_sees(x, "BTC/USDT"));
	assert_false(access_may(z, ACCESS_READ));
	access_unref(x);
	access_unref(y);
	access_unref(z);
	auth_free(a);
	auth_free(closed);
}

static void
a_token_is_known_by_its_secret_only(void **state)
{
	struct auth	*a = auth_of_two(section("phone", "geheim", "scopes = read, ack\nsymbols = BTC/USDT, ETH/USDT"),
	    section("boss", "other", "scopes = read, ack, admin"));
	struct access	*phone, *boss;

	(void)state;
	assert_false(auth_is_open(a));
	assert_non_null(phone = auth_check(a, "geheim", NOW_US, &code, &why));
	assert_non_null(boss = auth_check(a, "other", NOW_US, &code, &why));
	assert_string_equal(access_name(phone), "phone");
	assert_true(access_may(phone, ACCESS_READ | ACCESS_ACK));
	assert_false(access_may(phone, ACCESS_READ | ACCESS_ADMIN));
	assert_true(access_sees(phone, "ETH/USDT"));
	assert_false(access_sees(phone, "XRP/USDT"));
	assert_true(access_sees(phone, NULL));
	assert_false(access_sees_all(phone));
	assert_string_equal(access_symbols(phone), "BTC/USDT,ETH/USDT");
	assert_false(access_has_expired(phone, NOW_US));
	assert_true(access_sees_all(boss));
	assert_null(access_symbols(boss));
	assert_null(auth_check(a, NULL, NOW_US, &code, &why));
	assert_string_equal(code, "Unauthorized");
	assert_null(auth_check(a, "", NOW_US, &code, &why));
	assert_null(auth_check(a, "geheim ", NOW_US, &code, &why));
	assert_null(auth_check(a, "a.b.c", NOW_US, &code, &why));
	assert_string_equal(code, "Unauthorized");
	access_unref(phone);
	access_unref(boss);
	auth_free(a);
}

/* [relay] with a key for JWTs in a file; the path is static. */
static const char *
with_key(const char *text)
{
	static char	 path[32], conf[128];

	snprintf(path, sizeof(path), "/tmp/tocsin-test-XXXXXX");
	write_file(path, text);
	snprintf(conf, sizeof(conf), "[relay]\njwt_secret_file = %s\n", path);
	return conf;
}

static void
remove_key(const char *conf)
{
	char	 path[64];

	assert_int_equal(sscanf(conf, "[relay]\njwt_secret_file = %63s", path), 1);
	unlink(path);
}

static struct access *
check_jwt(const struct auth *a, const char *claims)
{
	char		*text = make_jwt(HS256, claims, key);
	struct access	*x = auth_check(a, text, NOW_US, &code, &why);

	free(text);
	return x;
}

static void
a_web_token_is_good_until_it_expires(void **state)
{
	char		 line[sizeof(key) + 1];
	const char	*conf;
	struct auth	*a;
	struct access	*x;

	(void)state;
	snprintf(line, sizeof(line), "%s\n", key);	/* an editor's line end is not part of it */
	conf = with_key(line);
	a = auth_of(conf);
	remove_key(conf);
	assert_non_null(a);
	assert_false(auth_is_open(a));
	assert_non_null(x = check_jwt(a, "{\"sub\":\"ann\",\"exp\":1800000060,\"symbols\":[\"BTC/USDT\"]}"));
	assert_string_equal(access_name(x), "jwt:ann");
	assert_int_equal(access_wall_expires_us(x), NOW_US + 60 * 1000000);
	assert_false(access_has_expired(x, NOW_US + 59 * 1000000));
	assert_true(access_has_expired(x, NOW_US + 60 * 1000000));
	assert_false(access_sees(x, "ETH/USDT"));
	access_unref(x);
	assert_null(check_jwt(a, "{\"exp\":1799999995}"));
	assert_string_equal(code, "InvalidJWTToken");
	assert_string_equal(why, "Token has expired 5 seconds ago");
	assert_null(auth_check(a, "tocsin_x", NOW_US, &code, &why));
	assert_string_equal(code, "Unauthorized");
	auth_free(a);
}

static void
a_key_that_is_none_is_refused(void **state)
{
	const char	*conf = with_key("too short\n");

	(void)state;
	assert_null(auth_of(conf));
	remove_key(conf);
	assert_null(auth_of(conf));
	conf = with_key("\n");
	assert_null(auth_of(conf));
	remove_key(conf);
	assert_null(auth_of("[relay]\njwt_secret_file = /dev/zero\n"));
}

static void
what_was_let_in_ends_with_its_token(void **state)
{
	char		 unchanged[512], changed[512];
	const char	*conf;
	struct auth	*a, *b;
	struct access	*stays, *narrows, *goes, *again;

	(void)state;
	snprintf(unchanged, sizeof(unchanged), "%s", section("stays", "one", "scopes = read"));
	snprintf(changed, sizeof(changed), "%s%s%s", unchanged, section("narrows", "two", "symbols = BTC/USDT, ETH/USDT"), section("goes", "three", ""));
	a = auth_of(changed);
	stays = auth_check(a, "one", NOW_US, &code, &why);
	narrows = auth_check(a, "two", NOW_US, &code, &why);
	goes = auth_check(a, "three", NOW_US, &code, &why);
	b = auth_of_two(unchanged, section("narrows", "two", "symbols = BTC/USDT"));
	auth_replace(a, b);
	assert_false(access_has_expired(stays, NOW_US));
	assert_true(access_has_expired(narrows, NOW_US));
	assert_true(access_has_expired(goes, NOW_US));
	assert_null(auth_check(b, "three", NOW_US, &code, &why));
	assert_non_null(again = auth_check(b, "two", NOW_US, &code, &why));
	assert_false(access_has_expired(again, NOW_US));
	access_unref(again);
	/* Under another name it is another's: the log tells who did what. */
	a = auth_of(section("renamed", "one", "scopes = read"));
	auth_replace(b, a);
	assert_true(access_has_expired(stays, NOW_US));
	assert_non_null(again = auth_check(a, "one", NOW_US, &code, &why));
	assert_string_equal(access_name(again), "renamed");
	access_unref(again);
	access_unref(stays);
	stays = auth_check(a, "one", NOW_US, &code, &why);
	b = a;
	/* And with the key of web tokens. */
	conf = with_key(key);
	a = auth_of(conf);
	remove_key(conf);
	auth_replace(b, a);
	assert_true(access_has_expired(stays, NOW_US));
	again = check_jwt(a, "{\"exp\":1800000060}");
	conf = with_key(key);
	b = auth_of(conf);
	remove_key(conf);
	auth_replace(a, b);
	assert_false(access_has_expired(again, NOW_US));
	auth_replace(b, a = auth_of("[relay]\n"));
	assert_true(access_has_expired(again, NOW_US));
	access_unref(again);
	access_unref(stays);
	access_unref(narrows);
	access_unref(goes);
	auth_free(a);
}

int
main(void)
{
	static const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(a_hash_is_known_by_its_digits),
		cmocka_unit_test(a_secret_is_safe_in_a_url),
		cmocka_unit_test(nothing_configured_lets_everybody_in),
		cmocka_unit_test(a_token_is_known_by_its_secret_only),
		cmocka_unit_test(a_web_token_is_good_until_it_expires),
		cmocka_unit_test(a_key_that_is_none_is_refused),
		cmocka_unit_test(what_was_let_in_ends_with_its_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
