#include "tests/unit/unit.h"

#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <string.h>
#include <strings.h>

#include "common/net.h"
#include "common/pace.h"
#include "tests/unit/tls_peer.h"

/* URLs */

static void
a_url_is_taken_apart(void **state)
{
	struct net_url	 url;
	char		 why[NET_WHY_MAX], authority[NET_AUTHORITY_MAX];

	(void)state;
	assert_true(net_url_parse(&url, "wss", "wss://Stream.Binance.com:9443/ws/btcusdt@trade?x=1", why, sizeof(why)));
	assert_string_equal(url.host, "stream.binance.com");
	assert_int_equal(url.port, 9443);
	assert_string_equal(url.path, "/ws/btcusdt@trade?x=1");
	assert_false(url.is_address);
	assert_string_equal(net_authority(&url, authority), "stream.binance.com:9443");

	assert_true(net_url_parse(&url, "wss", "WSS://ws.kraken.com", why, sizeof(why)));
	assert_int_equal(url.port, 443);
	assert_string_equal(url.path, "/");
	assert_string_equal(net_authority(&url, authority), "ws.kraken.com");

	assert_true(net_url_parse(&url, "https", "https://[::1]:8443/a", why, sizeof(why)));
	assert_string_equal(url.host, "::1");
	assert_true(url.is_address);
	assert_int_equal(url.port, 8443);
	assert_string_equal(net_authority(&url, authority), "[::1]:8443");

	assert_true(net_url_parse(&url, "https", "https://[::1]", why, sizeof(why)));
	assert_string_equal(net_authority(&url, authority), "[::1]");
	assert_true(net_url_parse(&url, "http", "http://a.b/c", why, sizeof(why)));
	assert_int_equal(url.port, 80);
	assert_string_equal(net_authority(&url, authority), "a.b");
	assert_true(net_url_parse(&url, "http", "http://a.b:443/c", why, sizeof(why)));
	assert_string_equal(net_authority(&url, authority), "a.b:443");
	assert_false(net_url_parse(&url, "http", "https://a.b/c", why, sizeof(why)));
	assert_false(net_url_parse(&url, "https", "http://a.b/c", why, sizeof(why)));

	assert_true(net_url_parse(&url, "https", "https://127.0.0.1/", why, sizeof(why)));
	assert_true(url.is_address);
}

static void
anything_else_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char	*text, *why;
	} bad[] = {
		{ "", "scheme" }, { "ws://a.b/", "scheme" }, { "https://a.b/", "scheme" }, { "wss:/a.b", "scheme" },
		{ "wss://", "host" }, { "wss:///path", "host" }, { "wss://a b/", "host" }, { "wss://-a.b/", "host" },
		{ "wss://a..b/", "host" }, { "wss://a.b./", "host" }, { "wss://1.2.3/", "host" }, { "wss://1.2.3.400/", "host" },
		{ "wss://\xc3\xa4.de/", "host" }, { "wss://[::g]/", "host" }, { "wss://[1.2.3.4]/", "host" }, { "wss://[::1/", "]" },
		{ "wss://[::1]x/", "between" }, { "wss://a.b:/", "port" }, { "wss://a.b:0/", "port" }, { "wss://a.b:65536/", "port" },
		{ "wss://a.b:123456/", "port" }, { "wss://a.b:8x/", "port" }, { "wss://u@a.b/", "user" }, { "wss://u:p@a.b/", "user" },
		{ "wss://a.b/#x", "#" }, { "wss://a.b?x", "?" }, { "wss://a.b/a b", "%XX" }, { "wss://a.b/a\r\nX: y", "%XX" },
		{ "wss://a.b/\xc3\xa4", "%XX" }, { "wss://a.b/\x7f", "%XX" },
	};
	struct net_url	 url;
	char		 why[NET_WHY_MAX], label[80];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		*why = '\0';
		if (net_url_parse(&url, "wss", bad[i].text, why, sizeof(why)) || strstr(why, bad[i].why) == NULL)
			fail_msg("%s: %s", bad[i].text, why);
	}
	assert_true(net_wss_ok("wss://a.b/c?d", why, sizeof(why)));
	assert_false(net_wss_ok("https://a.b/", why, sizeof(why)));
	assert_true(net_https_ok("https://api.kraken.com", why, sizeof(why)));
	assert_false(net_https_ok("https://api.kraken.com/0", why, sizeof(why)));
	assert_non_null(strstr(why, "path"));
	snprintf(label, sizeof(label), "wss://%064d.b/", 0);
	assert_false(net_wss_ok(label, why, sizeof(why)));
}

static void
retry_after_is_seconds_or_a_date(void **state)
{
	int64_t	 at = INT64_C(784111777) * 1000000;	/* 1994-11-06 08:49:37 */

	(void)state;
	assert_int_equal(net_retry_after_ms("120", 0, 600000), 120000);
	assert_int_equal(net_retry_after_ms("0", 0, 600000), 0);
	assert_int_equal(net_retry_after_ms("99999999999999999999999", 0, 600000), 600000);
	assert_int_equal(net_retry_after_ms("Sun, 06 Nov 1994 08:49:37 GMT", at - 7000000, 600000), 7000);
	assert_int_equal(net_retry_after_ms("Sunday, 06-Nov-94 08:49:37 GMT", at - 7000000, 600000), 7000);
	assert_int_equal(net_retry_after_ms("Sun Nov  6 08:49:37 1994", at - 7000000, 600000), 7000);
	assert_int_equal(net_retry_after_ms("Sun, 06 Nov 1994 08:49:37 GMT", at + 1, 600000), 0);
	assert_int_equal(net_retry_after_ms("Sun, 06 Nov 1994 08:49:37 GMT", 0, 600000), 600000);
	assert_int_equal(net_retry_after_ms("", 0, 600000), -1);
	assert_int_equal(net_retry_after_ms("-5", 0, 600000), -1);
	assert_int_equal(net_retry_after_ms("soon", 0, 600000), -1);
	assert_int_equal(net_retry_after_ms("5 s", 0, 600000), -1);
}

/* Pace */

static void
requests_keep_their_distance(void **state)
{
	struct pace	 p = { .gap_ms = 100, .wait_base_ms = 5000, .wait_max_ms = 600000 };

	(void)state;
	assert_int_equal(pace_delay_us(&p, 1000), 0);
	pace_started(&p, 1000);
	assert_int_equal(pace_delay_us(&p, 1000), 100000);
	assert_int_equal(pace_delay_us(&p, 51000), 50000);
	assert_int_equal(pace_delay_us(&p, 101000), 0);
}

static void
a_refusal_makes_everybody_wait(void **state)
{
	struct pace	 p = { .wait_base_ms = 5000, .wait_max_ms = 60000 };

	(void)state;
	assert_int_equal(pace_answered(&p, 429, "7", NULL, 1000, 0), 7000);
	assert_int_equal(pace_delay_us(&p, 1000), 7000000);
	assert_int_equal(pace_delay_us(&p, 8000000), 0);
	/* The second in a row, and no time said. */
	assert_int_equal(pace_answered(&p, 418, NULL, NULL, 0, 0), 10000);
	assert_int_equal(pace_answered(&p, 503, "soon", NULL, 0, 0), 20000);
	/* Who is banned for a day (418 of Binance) and asks before it is over is banned for longer. */
	assert_int_equal(pace_answered(&p, 418, "86400", NULL, 0, 0), 86400000);
	assert_int_equal(pace_answered(&p, 503, "99999999999", NULL, 0, 0), PACE_RETRY_MAX_MS);
	/* Busy is no reproach: half a minute at most. */
	{
		struct pace	 busy = { .wait_base_ms = 5000, .wait_max_ms = 600000, .refusals = 5 };

		assert_int_equal(pace_answered(&busy, 503, NULL, NULL, 0, 0), 30000);
		assert_int_equal(pace_answered(&busy, 429, NULL, NULL, 0, 0), 320000);
	}
	/* No answer at all says nothing about the server's mood. */
	assert_int_equal(pace_answered(&p, 0, NULL, NULL, 0, 0), 0);
	assert_int_equal(pace_answered(&p, 429, NULL, NULL, 0, 0), 60000);
	assert_int_equal(pace_answered(&p, 200, NULL, NULL, 0, 0), 0);
	assert_int_equal(pace_answered(&p, 429, NULL, NULL, 0, 0), 5000);
	assert_int_equal(pace_answered(&p, 404, "7", NULL, 0, 0), 0);
	/* A time that is over already, or none: as if it had not been said, or we would ask at full speed. */
	assert_int_equal(pace_answered(&p, 429, "0", NULL, 0, 0), 5000);
	assert_int_equal(pace_answered(&p, 429, "Thu, 01 Jan 1970 00:00:01 GMT", NULL, 0, INT64_C(2000000)), 10000);
}

static void
a_spent_budget_waits_for_the_next_minute(void **state)
{
	struct pace	 p = { .wait_max_ms = 600000, .weight_max = 5000 };

	(void)state;
	assert_int_equal(pace_answered(&p, 200, NULL, "5000", 0, INT64_C(61000000)), 0);
	assert_int_equal(pace_answered(&p, 200, NULL, "5001", 0, INT64_C(61000000)), 59001);
	assert_int_equal(pace_delay_us(&p, 0), INT64_C(59001000));
	assert_int_equal(pace_answered(&p, 200, NULL, "many", 0, 0), 0);
}

/* Names */

struct question {
	struct event_base	*base;
	struct net		*net;
	struct net_lookup	*lookup;
	bool			 done;
	struct net_addresses	 addresses;
	char			 why[NET_WHY_MAX];
	char			 resolv_conf[64], hosts[64];
	struct evdns_server_port *server;
	unsigned		 asked;
	bool			 mute;
};

static void
write_file(char *path, const char *text)
{
	FILE	*file;

	if (*path == '\0') {
		strcpy(path, "/tmp/tocsin-net-XXXXXX");
		close(mkstemp(path));
	}
	file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
}

static int
setup(void **state)
{
	struct question	*q = calloc(1, sizeof(*q));
	char		 why[NET_WHY_MAX];

	signal(SIGPIPE, SIG_IGN);
	q->base = event_base_new();
	q->net = net_new(q->base, NULL, why, sizeof(why));
	write_file(q->hosts, "127.0.0.7 seven.test\n::1 six.test\n");
	net_set_files(q->net, "/nonexistent/resolv.conf", q->hosts);
	*state = q;
	return q->net == NULL;
}

static int
teardown(void **state)
{
	struct question	*q = *state;

	net_free(q->net);
	event_base_loop(q->base, EVLOOP_NONBLOCK);
	if (q->server != NULL)
		evdns_close_server_port(q->server);
	event_base_free(q->base);
	if (*q->resolv_conf != '\0')
		unlink(q->resolv_conf);
	unlink(q->hosts);
	free(q);
	return 0;
}

static void
found_cb(const struct net_addresses *addresses, const char *why, void *arg)
{
	struct question	*q = arg;

	assert_false(q->done);
	q->done = true;
	memset(&q->addresses, 0, sizeof(q->addresses));
	if (addresses != NULL)
		q->addresses = *addresses;
	else
		snprintf(q->why, sizeof(q->why), "%s", why);
}

static void
ask(struct question *q, const char *name)
{
	q->done = false;
	*q->why = '\0';
	q->lookup = net_lookup(q->net, name, found_cb, q);
	assert_false(q->done);
	assert_true(turn_until(q->base, &q->done));
}

static void
addresses_and_hosts_need_no_name_server(void **state)
{
	struct question	*q = *state;

	ask(q, "127.0.0.1");
	assert_int_equal(q->addresses.count, 1);
	assert_string_equal(q->addresses.text[0], "127.0.0.1");
	ask(q, "::1");
	assert_string_equal(q->addresses.text[0], "::1");
	ask(q, "seven.test");
	assert_int_equal(q->addresses.count, 1);
	assert_string_equal(q->addresses.text[0], "127.0.0.7");
	ask(q, "six.test");
	assert_string_equal(q->addresses.text[0], "::1");
	ask(q, "exchange.test");
	assert_int_equal(q->addresses.count, 0);
	assert_string_equal(q->why, "dns: no name server in /nonexistent/resolv.conf");
	ask(q, "seven.test");
	assert_int_equal(q->addresses.count, 1);
}

static void
dns_cb(struct evdns_server_request *req, void *arg)
{
	struct question			*q = arg;
	const struct evdns_server_question *asked = req->questions[0];
	unsigned char			 address[8] = { 127, 0, 0, 8, 127, 0, 0, 9 };

	q->asked++;
	if (q->mute) {
		evdns_server_request_drop(req);
		return;
	}
	if (strcasecmp(asked->name, "eight.test") == 0 && asked->type == EVDNS_TYPE_A)
		evdns_server_request_add_a_reply(req, asked->name, 2, address, 60);
	evdns_server_request_respond(req, strcasecmp(asked->name, "eight.test") == 0 ? 0 : DNS_ERR_NOTEXIST);
}

static void
serve_names(struct question *q)
{
	struct sockaddr_in	 address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t		 len = sizeof(address);
	int			 fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char			 text[80];

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	q->server = evdns_add_server_port_with_base(q->base, fd, 0, dns_cb, q);
	snprintf(text, sizeof(text), "nameserver 127.0.0.1:%u\n", ntohs(address.sin_port));
	write_file(q->resolv_conf, text);
}

static void
a_name_server_that_comes_later_is_found(void **state)
{
	struct question	*q = *state;
	unsigned	 asked;

	write_file(q->resolv_conf, "");
	net_set_files(q->net, q->resolv_conf, NULL);
	ask(q, "eight.test");
	assert_non_null(strstr(q->why, "no name server"));
	serve_names(q);
	ask(q, "eight.test");
	assert_int_equal(q->addresses.count, 2);
	assert_string_equal(q->addresses.text[0], "127.0.0.8");
	assert_string_equal(q->addresses.text[1], "127.0.0.9");
	ask(q, "nine.test");
	assert_string_equal(q->why, "dns: no such name");
	/* And one that goes is forgotten. */
	asked = q->asked;
	write_file(q->resolv_conf, "");
	ask(q, "nine.test");
	assert_non_null(strstr(q->why, "no name server"));
	assert_int_equal(q->asked, asked);
	/* hosts comes first, and is read anew too. */
	write_file(q->hosts, "127.0.0.10 eight.test another.name.test\n");
	ask(q, "eight.test");
	assert_string_equal(q->addresses.text[0], "127.0.0.10");
}

static void
a_cancelled_lookup_is_silent(void **state)
{
	struct question	*q = *state;

	serve_names(q);
	net_set_files(q->net, q->resolv_conf, NULL);
	net_lookup_cancel(net_lookup(q->net, "127.0.0.1", found_cb, q));
	net_lookup_cancel(net_lookup(q->net, "eight.test", found_cb, q));
	turn_for(q->base, 100);
	assert_false(q->done);
	assert_int_not_equal(q->asked, 0);
	/* One that is never answered, given back when net is freed: for the leak checker. */
	q->mute = true;
	net_lookup_cancel(net_lookup(q->net, "eight.test", found_cb, q));
	turn_for(q->base, 20);
	net_lookup_cancel(NULL);
}

static void
a_ca_file_that_is_none_is_told(void **state)
{
	struct question	*q = *state;
	char		 why[NET_WHY_MAX];

	assert_null(net_new(q->base, "/nonexistent/ca.pem", why, sizeof(why)));
	assert_non_null(strstr(why, "/nonexistent/ca.pem"));
	assert_non_null(strstr(why, "No such file"));
	assert_null(net_new(q->base, q->hosts, why, sizeof(why)));
	assert_non_null(strstr(why, q->hosts));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_url_is_taken_apart),
		cmocka_unit_test(anything_else_is_refused_with_a_reason),
		cmocka_unit_test(retry_after_is_seconds_or_a_date),
		cmocka_unit_test(requests_keep_their_distance),
		cmocka_unit_test(a_refusal_makes_everybody_wait),
		cmocka_unit_test(a_spent_budget_waits_for_the_next_minute),
		cmocka_unit_test_setup_teardown(addresses_and_hosts_need_no_name_server, setup, teardown),
		cmocka_unit_test_setup_teardown(a_name_server_that_comes_later_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cancelled_lookup_is_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ca_file_that_is_none_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
