#include "generator/feed_exchange_links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/backoff.h"
#include "common/json.h"
#include "common/jsonr.h"
#include "common/log.h"
#include "common/net.h"
#include "generator/websocket.h"

#define RETRY_BASE_MS	1000
#define RETRY_MAX_MS	30000
#define GOOD_US		INT64_C(60000000)	/* so long connected: the failures before are forgotten */
#define SUBSCRIBE_US	INT64_C(15000000)	/* for the answer to a subscription */
#define SETTLED_US	INT64_C(5000000)	/* an overlapping connection takes over, quiet markets or not */
#define PING_US		INT64_C(1000000)	/* nothing heard for so long: is it alive? */
#define BAD_TOLD	5			/* bad messages of one connection in the log */
#define EXCERPT		160			/* bytes of one */
#define WORD_MAX	40

/* One market on one connection. */
struct part {
	bool	 has, refused, traded;
};

struct link {
	struct links		*links;
	struct websocket	*ws;
	struct part		*parts;		/* one a market */
	size_t			 settled, traded;	/* markets had or refused; that a trade came for */
	size_t			 subscribing;	/* number of the next message of a subscription */
	bool			 open, asked;	/* asked: all such messages are sent */
	int64_t			 opened_us, sent_us, ready_us, pinged_us, renew_us;
	uint64_t		 messages, bad;
	const char		*doom;		/* why it is to be ended at the next tick */
};

struct links {
	struct net		*net;
	struct links_params	 params;
	char			*url;
	struct links_handler	 handler;
	void			*arg;
	/* Serving, or on the way; overlapping it; saying goodbye. */
	struct link		*front, *next, *leaving;
	unsigned		*covers;	/* connections that have the market */
	struct backoff		 backoff;
	int64_t			 now_us;	/* of the last tick: near enough for everything here */
	int64_t			 retry_us;	/* no attempt before */
	struct jsonr		 json;
	bool			 renew;		/* the server is about to close */
	bool			 offline;
	char			 word[WORD_MAX];
	char			 error[NET_WHY_MAX];	/* of the connection that ended last */
	uint64_t		 attempts, connects, messages, bad;
};

/* One connection */

static void
link_free(struct link *k)
{
	if (k == NULL)
		return;
	websocket_free(k->ws);
	free(k->parts);
	free(k);
}

static void
settle(struct link *k, size_t symbol)
{
	struct part	*p = &k->parts[symbol];

	if (!p->has && !p->refused && ++k->settled == k->links->params.markets->count)
		k->ready_us = k->links->now_us;
}

static void
cover(struct link *k, size_t symbol)
{
	struct links	*l = k->links;

	settle(k, symbol);
	k->parts[symbol].refused = false;
	if (k->parts[symbol].has)
		return;
	k->parts[symbol].has = true;
	if (l->covers[symbol]++ == 0)
		l->handler.covered(symbol, true, l->arg);
}

static void
uncover(struct link *k, size_t symbol)
{
	struct links	*l = k->links;

	if (!k->parts[symbol].has)
		return;
	k->parts[symbol].has = false;
	if (--l->covers[symbol] == 0)
		l->handler.covered(symbol, false, l->arg);
}

static void
uncover_all(struct link *k)
{
	for (size_t i = 0; i < k->links->params.markets->count; i++)
		uncover(k, i);
}

static void
fail(struct link *k, const char *why)
{
	if (k->doom == NULL)
		k->doom = why;
}

/* What messages say */

static void
trade_cb(size_t symbol, const struct trade *t, void *arg)
{
	struct link	*k = arg;

	cover(k, symbol);
	if (!k->parts[symbol].traded) {
		k->parts[symbol].traded = true;
		k->traded++;
	}
	k->links->handler.trade(symbol, t, k->links->arg);
}

static void
candle_cb(size_t symbol, enum timeframe tf, const struct candle *c, void *arg)
{
	struct link	*k = arg;

	if (tf == k->links->params.tf)
		k->links->handler.candle(symbol, c, k->links->arg);
}

static void
heartbeat_cb(size_t symbol, int64_t last_trade_id, int64_t exchange_us, void *arg)
{
	struct link	*k = arg;

	if (symbol != EXCHANGE_ALL)
		k->links->handler.heartbeat(symbol, last_trade_id, exchange_us, k->links->arg);
}

static void
subscribed_cb(size_t symbol, void *arg)
{
	struct link	*k = arg;

	if (symbol != EXCHANGE_ALL)
		cover(k, symbol);
	else
		for (size_t i = 0; i < k->links->params.markets->count; i++)
			cover(k, i);
}

static void
refused_cb(size_t symbol, const char *why, void *arg)
{
	struct link	*k = arg;
	struct links	*l = k->links;

	if (symbol == EXCHANGE_ALL) {
		log_warnx("feed", "the exchange refuses a subscription name=%s why=\"%s\"", l->params.name, why);
		snprintf(l->error, sizeof(l->error), "subscription refused: %s", why);
		fail(k, l->error);
		return;
	}
	settle(k, symbol);
	uncover(k, symbol);
	k->parts[symbol].refused = true;
	if (l->covers[symbol] == 0)
		l->handler.refused(symbol, why, l->arg);
}

static void
online_cb(bool online, const char *word, void *arg)
{
	struct link	*k = arg;
	struct links	*l = k->links;

	if (online == !l->offline)
		return;
	l->offline = !online;
	snprintf(l->word, sizeof(l->word), "%s", word);
	if (online)
		log_info("feed", "the exchange matches again name=%s word=%s", l->params.name, l->word);
	else
		log_warnx("feed", "the exchange does not match: silence is in order name=%s word=%s", l->params.name, l->word);
}

static void
closing_cb(void *arg)
{
	struct link	*k = arg;

	if (k != k->links->front || k->links->renew)
		return;
	k->links->renew = true;
	log_info("feed", "the server is about to close: another connection is opened name=%s", k->links->params.name);
}

static const struct exchange_handler exchange_handler = {
	.trade = trade_cb, .candle = candle_cb, .heartbeat = heartbeat_cb, .subscribed = subscribed_cb,
	.refused = refused_cb, .online = online_cb, .closing = closing_cb,
};

/* What the connection says */

static void
send_subscription(struct link *k, int64_t now_us)
{
	const struct links_params	*p = &k->links->params;
	struct jsonw			 message;

	jsonw_init(&message);
	if (!p->x->subscribe(p->markets, p->tf, k->subscribing, &message))
		k->asked = true;
	else if (websocket_send(k->ws, message.buf, message.len) == -1)
		fail(k, "cannot send a subscription");
	else {
		k->subscribing++;
		k->sent_us = now_us;
	}
	jsonw_release(&message);
}

static void
open_cb(void *arg)
{
	struct link		*k = arg;
	struct links		*l = k->links;
	int64_t			 age_us = l->params.reconnect_after_ms * 1000;

	k->open = true;
	k->opened_us = l->now_us;
	if (age_us > 0)
		k->renew_us = k->opened_us + age_us - (int64_t)((double)age_us * 0.05 * (backoff_random() / (double)UINT32_MAX));
	l->connects++;
	log_info("feed", "connected name=%s connects=%llu%s", l->params.name, (unsigned long long)l->connects,
	    k == l->next ? " overlapping=yes" : "");
	send_subscription(k, k->opened_us);
}

static void
bad_message(struct link *k, const char *text, size_t len, const char *why)
{
	k->links->bad++;
	if (++k->bad > BAD_TOLD)
		return;
	log_warnx("feed", "a message that is not understood is skipped name=%s bytes=%zu why=\"%s\" begins=\"%.*s\"%s",
	    k->links->params.name, len, why, (int)(len < EXCERPT ? len : EXCERPT), text,
	    k->bad == BAD_TOLD ? " (no more of this connection are told)" : "");
}

static void
message_cb(const char *text, size_t len, void *arg)
{
	struct link			*k = arg;
	struct links			*l = k->links;
	char				 why[EXCHANGE_WHY_MAX] = "";

	k->messages++;
	l->messages++;
	if (!l->params.x->message(l->params.markets, &l->json, text, len, &exchange_handler, k, why))
		bad_message(k, text, len, why);
}

static bool
was_good(const struct link *k)
{
	return k->open && k->ready_us != 0 && k->links->now_us - k->ready_us >= GOOD_US;
}

/* The serving connection, or the overlapping one, is over. */
static void
ended(struct links *l, bool front, const char *why)
{
	struct link	*k = front ? l->front : l->next;
	int64_t		 asked_ms = websocket_retry_after_ms(k->ws), wait_ms;

	if (was_good(k))
		backoff_reset(&l->backoff);
	wait_ms = backoff_next_ms(&l->backoff, backoff_random());
	if (asked_ms > wait_ms)
		wait_ms = asked_ms;
	l->retry_us = l->now_us + wait_ms * 1000;
	if (why != l->error)
		snprintf(l->error, sizeof(l->error), "%s", why);
	log_warnx("feed", "%s name=%s why=\"%s\" attempts=%llu retry_ms=%lld",
	    k->open ? "a connection ended" : "cannot connect", l->params.name, l->error,
	    (unsigned long long)l->attempts, (long long)wait_ms);
	if (front) {
		l->front = l->next;
		l->renew = false;
	}
	l->next = NULL;
	uncover_all(k);
	link_free(k);
}

static void
closed_cb(const char *why, void *arg)
{
	struct link	*k = arg;
	struct links	*l = k->links;

	if (k == l->leaving) {
		l->leaving = NULL;
		link_free(k);
	} else
		ended(l, k == l->front, why);
}

static struct link *
connect_link(struct links *l)
{
	const struct websocket_handler	 handler = { .open = open_cb, .message = message_cb, .closed = closed_cb };
	const struct websocket_params	 params = {
		.url = l->url, .silence_ms = l->params.x->silence_ms, .answer_ms = l->params.x->answer_ms,
	};
	struct link			*k = xcalloc(1, sizeof(*k));

	k->links = l;
	k->parts = xcalloc(l->params.markets->count, sizeof(*k->parts));
	l->attempts++;
	k->ws = websocket_new(l->net, &params, &handler, k);
	return k;
}

/* Over time */

static void
tick_link(struct link *k, int64_t now_us)
{
	const struct exchange	*x = k->links->params.x;
	int64_t			 gap_us = (int64_t)x->send_gap_ms * 1000, last_us;

	if (!k->open)
		return;
	last_us = k->sent_us > k->pinged_us ? k->sent_us : k->pinged_us;
	if (!k->asked && now_us - last_us >= gap_us)
		send_subscription(k, now_us);
	else if (k->asked && k->ready_us == 0 && now_us - k->sent_us >= SUBSCRIBE_US)
		fail(k, "no answer to a subscription for 15 s");
	if (k->asked && now_us - websocket_heard_us(k->ws) >= PING_US && now_us - last_us >= (gap_us > PING_US ? gap_us : PING_US)) {
		k->pinged_us = now_us;
		(void)websocket_ping(k->ws, NULL, 0);	/* a full queue is a stalled connection: that is noticed */
	}
}

/* The overlapping one has all that the other has: it takes over. */
static void
take_over(struct links *l)
{
	struct link	*old = l->front;

	log_info("feed", "the new connection takes over name=%s old_age_s=%lld", l->params.name,
	    (long long)((l->now_us - old->opened_us) / 1000000));
	l->front = l->next;
	l->next = NULL;
	l->renew = false;
	uncover_all(old);
	link_free(l->leaving);
	l->leaving = old;
	websocket_close(old->ws, WEBSOCKET_NORMAL);
}

/* Time for another connection: the first, or one that overlaps it. */
static void
connect_when_due(struct links *l, int64_t mono_us)
{
	struct link	*front = l->front;

	if (mono_us < l->retry_us)
		return;
	if (front == NULL) {
		l->front = connect_link(l);
		return;
	}
	if (front->renew_us != 0 && mono_us >= front->renew_us)
		l->renew = true;
	if (l->renew && front->open && l->next == NULL)
		l->next = connect_link(l);
}

void
links_tick(struct links *l, int64_t mono_us)
{
	l->now_us = mono_us;
	if (l->front != NULL)
		tick_link(l->front, mono_us);
	if (l->next != NULL)
		tick_link(l->next, mono_us);
	if (l->next != NULL && l->next->doom != NULL)
		ended(l, false, l->next->doom);
	if (l->front != NULL && l->front->doom != NULL)
		ended(l, true, l->front->doom);
	connect_when_due(l, mono_us);
	if (l->front != NULL && l->next != NULL && l->next->ready_us != 0 &&
	    (l->next->traded == l->params.markets->count || mono_us - l->next->ready_us >= SETTLED_US))
		take_over(l);
}

struct links *
links_new(struct net *net, const struct links_params *params, const struct links_handler *handler, void *arg)
{
	struct links	*l = xcalloc(1, sizeof(*l));

	*l = (struct links){
		.net = net, .params = *params, .url = xstrdup(params->url), .handler = *handler, .arg = arg,
		.covers = xcalloc(params->markets->count, sizeof(*l->covers)),
		.backoff = { .base_ms = RETRY_BASE_MS, .max_ms = RETRY_MAX_MS },
	};
	return l;
}

void
links_free(struct links *l)
{
	if (l == NULL)
		return;
	link_free(l->front);
	link_free(l->next);
	link_free(l->leaving);
	jsonr_release(&l->json);
	free(l->covers);
	free(l->url);
	free(l);
}

void
links_renew(struct links *l)
{
	l->renew = l->front != NULL;
}

static int64_t
heard_by(const struct link *k, size_t symbol)
{
	return k != NULL && k->open && k->parts[symbol].has ? websocket_heard_us(k->ws) : INT64_MIN;
}

int64_t
links_heard_us(const struct links *l, size_t symbol)
{
	int64_t	 front = heard_by(l->front, symbol), next = heard_by(l->next, symbol);

	return front > next ? front : next;
}

bool
links_is_open(const struct links *l)
{
	return l->front != NULL && l->front->open;
}

bool
links_is_online(const struct links *l, const char **word)
{
	*word = l->word;
	return !l->offline;
}

void
links_status_json(const struct links *l, struct jsonw *w)
{
	jsonw_int(w, "connected_s", links_is_open(l) ? (l->now_us - l->front->opened_us) / 1000000 : 0);
	jsonw_int(w, "attempts", (int64_t)l->attempts);
	jsonw_int(w, "connects", (int64_t)l->connects);
	jsonw_int(w, "messages", (int64_t)l->messages);
	jsonw_int(w, "bad_messages", (int64_t)l->bad);
	if (l->error[0] != '\0')
		jsonw_str(w, "last_error", l->error);
	if (l->offline)
		jsonw_str(w, "exchange_is", l->word);
}
