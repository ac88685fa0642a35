/*
 * feed_exchange_links: the connections of an exchange's feed: subscribed, kept
 * alive, made anew for ever (full jitter, at most 30 s apart, or as the server
 * asks), and before the server cuts one at its greatest age replaced by a
 * second one that overlaps it.  All of them deliver to the same markets.
 */
#ifndef TOCSIN_GENERATOR_FEED_EXCHANGE_LINKS_H
#define TOCSIN_GENERATOR_FEED_EXCHANGE_LINKS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generator/exchange.h"

struct jsonw;
struct links;
struct net;

/* From the loop. */
struct links_handler {
	void	(*trade)(size_t symbol, const struct trade *t, void *arg);
	void	(*candle)(size_t symbol, const struct candle *c, void *arg);	/* of the timeframe */
	void	(*heartbeat)(size_t symbol, int64_t last_trade_id, int64_t exchange_us, void *arg);
	/* The first connection has it, or the last one that had is gone. */
	void	(*covered)(size_t symbol, bool covered, void *arg);
	/* At each connection anew; not while another one has it. */
	void	(*refused)(size_t symbol, const char *why, void *arg);
};

struct links_params {
	const char	*name;			/* the feed's, for the log */
	const struct exchange *x;
	const struct exchange_markets *markets;
	enum timeframe	 tf;
	const char	*url;			/* of the stream, with path; wss://; copied */
	int64_t		 reconnect_after_ms;	/* a second connection at this age, up to 5 % before; 0: never */
};

/* Begins to connect with the first links_tick().  Params and handler are copied, not what else they point to.  Never NULL. */
struct links	*links_new(struct net *net, const struct links_params *params, const struct links_handler *handler, void *arg);
void		 links_free(struct links *l);	/* no callbacks */

/* Some ten times a second. */
void		 links_tick(struct links *l, int64_t mono_us);

/* Replace the connection by another one, as if it were too old. */
void		 links_renew(struct links *l);

/* Up to when (monotonic) a connection that has the market was heard; INT64_MIN: none has. */
int64_t		 links_heard_us(const struct links *l, size_t symbol);
bool		 links_is_open(const struct links *l);

/* False while the exchange says that it does not match; *word (borrowed) is its. */
bool		 links_is_online(const struct links *l, const char **word);

void		 links_status_json(const struct links *l, struct jsonw *w);
#endif
