/* stats: what the relay counts and measures, in one place for STATUS and /v1/status. */
#ifndef TOCSIN_RELAY_STATS_H
#define TOCSIN_RELAY_STATS_H
#include <stdint.h>

#include "common/hist.h"

struct stats {
	/* The way of a signal: strategy -> log -> relay -> socket. */
	struct hist	 generation_to_event, event_to_relay, relay_to_socket;
	struct hist	 notify_round_trip;
	uint64_t	 events;		/* handed out, live or caught up */
	uint64_t	 deliveries;		/* events times the streams that took them */
	uint64_t	 read_backs;		/* gaps, and notifications without their record */
	uint64_t	 missed;		/* events that only the probe found */
	uint64_t	 listen_lost;		/* probes that found us not listening */
	uint64_t	 forged;		/* notifications that the log has not sent */
	uint64_t	 bad_texts;		/* notifications or rows that are no event */
	uint64_t	 streams_opened, streams_slow, streams_refused, resets;
	uint64_t	 sockets_opened, joins, joins_refused;	/* of Realtime; its slow and refused clients count as streams */
	uint64_t	 messages_bad;		/* that were none */
	uint64_t	 history_pages;		/* questions that the database answered */
	uint64_t	 history_shared;	/* readers that were served with another one's */
	uint64_t	 requests;		/* that reached a route */
	uint64_t	 requests_bad;		/* that were none, or that their sender may not ask */
	uint64_t	 connections, connections_refused, connections_shed;
};
#endif
