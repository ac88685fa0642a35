/* The connections of a live feed over websockets of this file's own, with the time given by the test. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/backoff.h"
#include "common/json.h"
#include "common/log.h"
#include "generator/feed_exchange_links.h"
#include "generator/websocket.h"

#define SECOND		INT64_C(1000000)
#define SOCKETS_MAX	400
#define MARKETS		3

struct websocket {
	struct websocket_handler	 handler;
	void				*arg;
	bool				 open, closing, freed;
	int64_t				 heard_us, retry_after_ms;
	int				 sent, pings;
	char				 last[100];
};

static struct websocket sockets[SOCKETS_MAX];
static int made;

struct websocket *
websocket_new(struct net *net, const struct websocket_params *params, const struct websocket_handler *handler, void *arg)
{
	(void)net, (void)params;
	assert_true(made < SOCKETS_MAX);
	sockets[made] = (struct websocket){ .handler = *handler, .arg = arg, .retry_after_ms = -1 };
	return &sockets[made++];
}

void
websocket_free(struct websocket *ws)
{
	assert_false(ws->freed);
	ws->freed = true;
}

int
websocket_send(struct websocket *ws, const char *text, size_t len)
{
	assert_true(ws->open && !ws->freed);
	snprintf(ws->last, sizeof(ws->last), "%.*s", (int)len, text);
	ws->sent++;
	return 0;
}

int
websocket_ping(struct websocket *ws, const void *payload, size_t len)
{
	(void)payload, (void)len;
	assert_true(ws->open && !ws->freed);
	ws->pings++;
	return 0;
}

void
websocket_close(struct websocket *ws, uint16_t code)
{
	assert_int_equal(code, WEBSOCKET_NORMAL);
	ws->closing = true;
}

int64_t
websocket_heard_us(const struct websocket *ws)
{
	return ws->heard_us;
}

int64_t
websocket_retry_after_ms(const struct websocket *ws)
{
	return ws->retry_after_ms;
}

/* The exchange: one market a message; a message is a letter (what) and a digit (whose). */

static bool
subscribe(const struct exchange_markets *m, enum timeframe tf, size_t index, struct jsonw *message)
{
	(void)tf;
	if (index >= m->count)
		return false;
	jsonw_int(message, NULL, (int64_t)index);
	return true;
}

static bool
message(const struct exchange_markets *m, struct jsonr *r, const char *text, size_t len, const struct exchange_handler *h,
    void *arg, char why[EXCHANGE_WHY_MAX])
{
	size_t		 symbol = len > 1 ? (size_t)(text[1] - '0') : EXCHANGE_ALL;
	struct trade	 t = { .id = 1 };
	struct candle	 c = { .open_us = 0 };

	(void)m, (void)r;
	switch (text[0]) {
	case 's':
		h->subscribed(symbol, arg);
		return true;
	case 'r':
		h->refused(symbol, "unknown", arg);
		return true;
	case 't':
		h->trade(symbol, &t, arg);
		return true;
	case 'k':
		h->candle(symbol, TF_1M, &c, arg);
		h->candle(symbol, TF_5M, &c, arg);
		return true;
	case 'h':
		h->heartbeat(symbol, 7, 8, arg);
		return true;
	case 'o':
		h->online(len > 1, len > 1 ? "online" : "maintenance", arg);
		return true;
	case 'c':
		h->closing(arg);
		return true;
	default:
		snprintf(why, EXCHANGE_WHY_MAX, "what is that");
		return false;
	}
}

static const struct exchange toy = { .name = "toy", .subscribe = subscribe, .message = message, .send_gap_ms = 200 };

/* What the feed is told. */

static int trades[MARKETS], candles, heartbeats, refusals[MARKETS];
static bool covered[MARKETS];

static void
trade_cb(size_t symbol, const struct trade *t, void *arg)
{
	(void)t, (void)arg;
	assert_true(covered[symbol]);
	trades[symbol]++;
}

static void
candle_cb(size_t symbol, const struct candle *c, void *arg)
{
	(void)symbol, (void)c, (void)arg;
	candles++;
}

static void
heartbeat_cb(size_t symbol, int64_t last_trade_id, int64_t exchange_us, void *arg)
{
	(void)arg;
	assert_true(symbol < MARKETS && last_trade_id == 7 && exchange_us == 8);
	heartbeats++;
}

static void
covered_cb(size_t symbol, bool is, void *arg)
{
	(void)arg;
	assert_true(covered[symbol] != is);
	covered[symbol] = is;
}

static void
refused_cb(size_t symbol, const char *why, void *arg)
{
	(void)arg;
	assert_string_equal(why, "unknown");
	assert_false(covered[symbol]);
	refusals[symbol]++;
}

static struct links *links;
static struct exchange_markets markets = { .count = MARKETS };
static int64_t now_us;

static void
go_on(int64_t us)
{
	int64_t	 end_us = now_us + us;

	for (; now_us < end_us; now_us += SECOND / 10)
		links_tick(links, now_us);
}

static struct websocket *
newest(void)
{
	return &sockets[made - 1];
}

static void
say(struct websocket *ws, const char *text)
{
	assert_true(ws->open && !ws->freed);
	ws->heard_us = now_us;
	ws->handler.message(text, strlen(text), ws->arg);
}

static void
accept_open(struct websocket *ws)
{
	ws->open = true;
	ws->heard_us = now_us;
	ws->handler.open(ws->arg);
}

static void
subscribe_all(struct websocket *ws)
{
	accept_open(ws);
	go_on(SECOND);
	assert_int_equal(ws->sent, MARKETS);
	say(ws, "s0");
	say(ws, "s1");
	say(ws, "s2");
}

static int
set_up(void **state)
{
	const struct links_handler	 handler = {
		.trade = trade_cb, .candle = candle_cb, .heartbeat = heartbeat_cb, .covered = covered_cb, .refused = refused_cb,
	};

	(void)state;
	made = candles = heartbeats = 0;
	memset(covered, 0, sizeof(covered));
	memset(trades, 0, sizeof(trades));
	memset(refusals, 0, sizeof(refusals));
	now_us = 1000 * SECOND;
	links = links_new(NULL, &(struct links_params){
		.name = "test", .x = &toy, .markets = &markets, .tf = TF_1M, .url = "wss://x/", .reconnect_after_ms = 3600000,
	}, &handler, NULL);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	links_free(links);
	for (int i = 0; i < made; i++)
		assert_true(sockets[i].freed);
	return 0;
}

static void
it_subscribes_at_the_allowed_pace(void **state)
{
	(void)state;
	go_on(SECOND / 10);
	assert_int_equal(made, 1);
	assert_false(links_is_open(links));
	accept_open(newest());
	assert_true(links_is_open(links));
	assert_int_equal(newest()->sent, 1);
	for (int i = 1; i <= 6; i++) {
		go_on(SECOND / 10);
		assert_true(newest()->sent <= 2 + i / 2);
	}
	assert_int_equal(newest()->sent, MARKETS);
	assert_string_equal(newest()->last, "2");
	assert_false(covered[0]);
	assert_true(links_heard_us(links, 0) == INT64_MIN);
	say(newest(), "s0");
	assert_true(covered[0] && !covered[1]);
	assert_int_equal(links_heard_us(links, 0), now_us);
	say(newest(), "t1");		/* a trade says so, too */
	assert_true(covered[1]);
	say(newest(), "s1");
	say(newest(), "h2");
	say(newest(), "h");		/* of nobody in particular */
	say(newest(), "k0");		/* the other timeframe is none of ours */
	assert_int_equal(candles, 1);
	assert_int_equal(heartbeats, 1);
	assert_int_equal(trades[1], 1);
}

static void
it_connects_for_ever(void **state)
{
	int	 before;

	(void)state;
	for (int i = 0; i < 300; i++) {
		before = made;
		go_on(31 * SECOND);
		assert_int_equal(made, before + 1);
		newest()->handler.closed("connect: Connection refused", newest()->arg);
	}
	go_on(31 * SECOND);
	subscribe_all(newest());
	newest()->handler.closed("connection closed by the other side", newest()->arg);
	assert_false(covered[0] || covered[1] || covered[2]);
	go_on(31 * SECOND);
	subscribe_all(newest());
	assert_true(covered[0] && covered[1] && covered[2]);
}

static void
it_waits_as_long_as_the_server_asks(void **state)
{
	(void)state;
	go_on(SECOND / 10);
	newest()->retry_after_ms = 120000;
	newest()->handler.closed("refused with HTTP status 429", newest()->arg);
	go_on(119 * SECOND);
	assert_int_equal(made, 1);
	go_on(3 * SECOND);
	assert_int_equal(made, 2);
}

static void
a_second_connection_takes_over_without_a_gap(void **state)
{
	struct websocket	*old, *new;

	(void)state;
	go_on(SECOND / 10);
	subscribe_all(old = newest());
	for (int i = 0; i < 55; i++) {
		old->heard_us = now_us;
		go_on(60 * SECOND);
		assert_int_equal(made, 1);
	}
	go_on(6 * 60 * SECOND);		/* 5 % before the hour at the earliest, and no later than it */
	assert_int_equal(made, 2);
	new = newest();
	assert_false(old->freed || old->closing);
	accept_open(new);
	say(new, "s0");
	say(new, "s1");
	say(new, "t1");
	go_on(10 * SECOND);
	assert_false(old->closing);	/* one market is not had yet */
	say(old, "t2");
	say(new, "s2");
	say(new, "t2");
	go_on(SECOND);
	assert_false(old->closing);	/* a first trade of each, or some time */
	say(new, "t0");
	go_on(SECOND / 5);
	assert_true(old->closing);
	assert_true(covered[0] && covered[1] && covered[2]);
	old->handler.closed("closed code=1000", old->arg);
	assert_true(old->freed);
	assert_true(covered[0] && covered[1] && covered[2]);
	go_on(30 * SECOND);
	assert_int_equal(made, 2);
	assert_int_equal(trades[2], 2);
}

static void
quiet_markets_do_not_hold_up_the_taking_over(void **state)
{
	struct websocket	*old;

	(void)state;
	go_on(SECOND / 10);
	subscribe_all(old = newest());
	say(old, "c");			/* the server says that it will close */
	say(old, "c");
	go_on(SECOND / 10);
	assert_int_equal(made, 2);
	subscribe_all(newest());
	go_on(4 * SECOND);
	assert_false(old->closing);
	go_on(2 * SECOND);
	assert_true(old->closing);
	go_on(60 * SECOND);
	assert_int_equal(made, 2);
}

static void
one_that_is_not_trusted_is_replaced(void **state)
{
	struct websocket	*old;

	(void)state;
	links_renew(links);			/* there is none */
	go_on(SECOND / 10);
	subscribe_all(old = newest());
	go_on(SECOND);
	assert_int_equal(made, 1);
	links_renew(links);
	go_on(SECOND / 10);
	assert_int_equal(made, 2);
	subscribe_all(newest());
	go_on(6 * SECOND);
	assert_true(old->closing);
}

static void
an_old_connection_that_dies_first_leaves_the_new_one(void **state)
{
	struct websocket	*old;

	(void)state;
	go_on(SECOND / 10);
	subscribe_all(old = newest());
	say(old, "c");
	go_on(SECOND / 10);
	accept_open(newest());
	say(newest(), "s1");
	old->handler.closed("closed by the other side code=1001", old->arg);
	assert_true(!covered[0] && covered[1] && !covered[2]);
	go_on(2 * SECOND);
	say(newest(), "s0");
	say(newest(), "s2");
	go_on(60 * SECOND);
	assert_int_equal(made, 2);
	assert_true(covered[0] && covered[1] && covered[2]);
}

static void
a_new_connection_that_fails_leaves_the_old_one(void **state)
{
	struct websocket	*old;

	(void)state;
	go_on(SECOND / 10);
	subscribe_all(old = newest());
	say(old, "c");
	for (int i = 2; i < 10; i++) {
		old->heard_us = now_us;
		go_on(31 * SECOND);
		assert_int_equal(made, i);
		newest()->handler.closed("connect: Connection refused", newest()->arg);
		assert_true(covered[0] && covered[1] && covered[2]);
	}
	assert_false(old->closing);
}

static void
silence_is_asked_about(void **state)
{
	(void)state;
	go_on(SECOND / 10);
	subscribe_all(newest());
	go_on(SECOND / 2);
	assert_int_equal(newest()->pings, 0);
	go_on(10 * SECOND);
	assert_in_range(newest()->pings, 9, 11);
	say(newest(), "t0");
	for (int i = 0; i < 100; i++) {
		newest()->heard_us = now_us;
		go_on(SECOND / 10);
	}
	assert_in_range(newest()->pings, 9, 11);
}

static void
a_subscription_without_an_answer_is_begun_anew(void **state)
{
	(void)state;
	go_on(SECOND / 10);
	accept_open(newest());
	go_on(SECOND);
	say(newest(), "s0");
	say(newest(), "s1");
	go_on(13 * SECOND);
	assert_int_equal(made, 1);
	go_on(3 * SECOND);
	assert_true(sockets[0].freed);
	assert_false(covered[0] || covered[1]);
	go_on(2 * SECOND);
	assert_int_equal(made, 2);
}

static void
one_market_refused_leaves_the_others(void **state)
{
	(void)state;
	go_on(SECOND / 10);
	accept_open(newest());
	go_on(SECOND);
	say(newest(), "s0");
	say(newest(), "r1");
	say(newest(), "s2");
	assert_true(covered[0] && !covered[1] && covered[2]);
	assert_int_equal(refusals[1], 1);
	newest()->heard_us = now_us;
	go_on(60 * SECOND);
	assert_int_equal(made, 1);
	say(newest(), "r2");		/* the answer to the whole channel may come first */
	assert_false(covered[2]);
}

static void
a_refusal_of_everything_is_a_failed_connection(void **state)
{
	(void)state;
	go_on(SECOND / 10);
	accept_open(newest());
	say(newest(), "s0");
	say(newest(), "r");
	go_on(SECOND / 5);
	assert_true(sockets[0].freed);
	assert_false(covered[0]);
	go_on(2 * SECOND);
	assert_int_equal(made, 2);
}

static void
bad_messages_are_counted_and_skipped(void **state)
{
	char		 text[1000];
	struct jsonw	 w;

	(void)state;
	go_on(SECOND / 10);
	subscribe_all(newest());
	for (int i = 0; i < 1000; i++)
		say(newest(), "garbage");
	say(newest(), "t0");
	assert_int_equal(trades[0], 1);
	jsonw_init_fixed(&w, text, sizeof(text));
	jsonw_object(&w, NULL);
	links_status_json(links, &w);
	jsonw_end_object(&w);
	assert_non_null(strstr(text, "\"bad_messages\":1000"));
	assert_non_null(strstr(text, "\"messages\":1004"));
	assert_non_null(strstr(text, "\"attempts\":1,\"connects\":1"));
}

static void
an_exchange_that_does_not_match_says_so(void **state)
{
	const char	*word;

	(void)state;
	go_on(SECOND / 10);
	subscribe_all(newest());
	assert_true(links_is_online(links, &word));
	say(newest(), "o");
	assert_false(links_is_online(links, &word));
	assert_string_equal(word, "maintenance");
	say(newest(), "o1");
	assert_true(links_is_online(links, &word));
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		TEST(it_subscribes_at_the_allowed_pace), TEST(it_connects_for_ever), TEST(it_waits_as_long_as_the_server_asks),
		TEST(a_second_connection_takes_over_without_a_gap), TEST(quiet_markets_do_not_hold_up_the_taking_over),
		TEST(one_that_is_not_trusted_is_replaced), TEST(an_old_connection_that_dies_first_leaves_the_new_one),
		TEST(a_new_connection_that_fails_leaves_the_old_one),
		TEST(silence_is_asked_about), TEST(a_subscription_without_an_answer_is_begun_anew),
		TEST(one_market_refused_leaves_the_others), TEST(a_refusal_of_everything_is_a_failed_connection),
		TEST(bad_messages_are_counted_and_skipped), TEST(an_exchange_that_does_not_match_says_so),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
