/* relay: the running program: what it owns, and how the parts are joined. */
#ifndef TOCSIN_RELAY_RELAY_H
#define TOCSIN_RELAY_RELAY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/stats.h"

struct event_base;
struct request;
struct heartbeat;
struct history;
struct listener;
struct pg;
struct auth;
struct questions;
struct realtime;
struct ring;
struct server;
struct settings;
struct streams;
struct tls;
struct webhooks;
struct webhooks_api;

struct relay {
	const struct settings	*settings;	/* borrowed */
	struct auth		*auth;
	bool			 all_loopback;	/* all that it listens on */
	struct tls		*tls;		/* NULL: plain */
	struct event_base	*base;
	struct stats		 stats;
	struct ring		*ring;
	struct listener		*listener;
	struct pg		*query;		/* the session of history */
	struct pg		*api_session;	/* its own: what people ask for must not hold up a stream's history */
	struct history		*history;
	struct questions	*questions;
	struct streams		*streams;
	struct realtime		*realtime;
	struct webhooks		*webhooks;	/* NULL: none are configured */
	struct webhooks_api	*webhooks_api;
	struct server		*server;
	struct heartbeat	*heartbeat;
	int64_t			 started_us;	/* monotonic */
	bool			 stopping;
	int			 exit_code;
};

/*
 * Build everything and serve on the listening sockets (they and `auth` are owned from here on)
 * until relay_stop().  Returns the exit code.
 */
int	 relay_run(const struct settings *settings, struct auth *auth, const int *fds, size_t count);
#endif
