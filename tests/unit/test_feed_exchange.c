/* The configuration of live feeds. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "generator/feed.h"
#include "tests/unit/conf_text.h"

static void
assert_verdict(const char *text, const char *said)
{
	struct conf	*file = conf_of(text);
	struct feed	**feeds = feed_read_all(file);
	char		*verdict = conf_verdict(file);

	if (said == NULL ? *verdict != '\0' : strstr(verdict, said) == NULL)
		fail_msg("%s\n-> \"%s\" instead of \"%s\"", text, verdict, said == NULL ? "" : said);
	free(verdict);
	conf_free(file);
	feed_free_all(feeds);
}

static void
every_exchange_needs_type_and_symbols_only(void **state)
{
	(void)state;
	assert_verdict("[feed a]\ntype = binance\nsymbols = BTC/USDT, ETH/USDT\n", NULL);
	assert_verdict("[feed b]\ntype = coinbase\nsymbols = BTC/USD\n", NULL);
	assert_verdict("[feed c]\ntype = kraken\nsymbols = BTC/USD\ntimeframe = 4h\nreconnect_after = 0\n", NULL);
	assert_verdict("[feed c]\ntype = kraken\nsymbols = BTC/USD\nurl = wss://127.0.0.1:9000/prefix\nrest_url = https://[::1]:9000\n"
	    "ca_file = /etc/tocsin/ca.pem\n", NULL);
}

static void
a_timeframe_that_rest_does_not_have_is_refused(void **state)
{
	(void)state;
	assert_verdict("[feed b]\ntype = coinbase\nsymbols = BTC/USD\ntimeframe = 3m\n",
	    "timeframe: coinbase has no candles of 3m: one of 1m, 5m, 15m, 1h, 6h, 1d");
	assert_verdict("[feed b]\ntype = kraken\nsymbols = BTC/USD\ntimeframe = 2h\n",
	    "timeframe: kraken has no candles of 2h: one of 1m, 5m, 15m, 30m, 1h, 4h, 1d");
}

static void
keys_are_checked(void **state)
{
	(void)state;
	assert_verdict("[feed b]\ntype = kraken\nsymbols = BTC/USD\nurl = ws://127.0.0.1:9000\n", "url: ");
	assert_verdict("[feed b]\ntype = kraken\nsymbols = BTC/USD\nrest_url = http://127.0.0.1:9000\n", "rest_url: ");
	assert_verdict("[feed b]\ntype = kraken\nsymbols = BTC/USD\nrest_url = https://127.0.0.1/path\n", "rest_url: ");
	assert_verdict("[feed b]\ntype = kraken\nsymbols = BTC/USD\nca_file = ca.pem\n", "ca_file: ");
	assert_verdict("[feed b]\ntype = kraken\nsymbols = BTC/USD\nreconnect_after = 9s\n", "reconnect_after: is below 10 s");
}

static void
symbols_that_are_one_market_there_are_refused(void **state)
{
	(void)state;
	assert_verdict("[feed b]\ntype = binance\nsymbols = A/BC, AB/C\n", "symbols: A/BC and AB/C are both ABC with binance");
	assert_verdict("[feed b]\ntype = coinbase\nsymbols = A/BC, AB/C\n", NULL);
}

static void
more_symbols_than_a_connection_carries_are_refused(void **state)
{
	char	 text[16000] = "[feed b]\ntype = binance\nsymbols = ";
	size_t	 len = strlen(text);

	(void)state;
	for (int i = 0; i < 513; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%sA%d/USDT", i > 0 ? ", " : "", i);
	snprintf(text + len, sizeof(text) - len, "\n");
	assert_verdict(text, "symbols: 513 are more than a connection to binance carries, 512");
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(every_exchange_needs_type_and_symbols_only),
		cmocka_unit_test(a_timeframe_that_rest_does_not_have_is_refused),
		cmocka_unit_test(keys_are_checked),
		cmocka_unit_test(symbols_that_are_one_market_there_are_refused),
		cmocka_unit_test(more_symbols_than_a_connection_carries_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
