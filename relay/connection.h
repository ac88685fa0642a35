/*
 * connection: one client of the web server, from being accepted until it is
 * closed or taken over: its requests, one after the other, and their answers.
 * For the server's own files (server.c, request.c, wire.c); all others know a
 * request only.
 *
 *	IDLE       nothing of a request is here (yet)
 *	READING    part of one is
 *	HANDLING   its handler has it
 *	ANSWERING  the answer is on its way out
 *	LINGERING  all was said; what still comes is forgotten, so that closing does not cut off the answer
 */
#ifndef TOCSIN_RELAY_CONNECTION_H
#define TOCSIN_RELAY_CONNECTION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/parser.h"
#include "relay/peer.h"

struct access;
struct bufferevent;
struct connection;
struct evbuffer;
struct request;

/* What all connections share; borrowed. */
struct connection_context {
	int64_t	 request_us, idle_us;
	/* A request is here: answer it, now or later. */
	void	(*handle)(struct request *r, void *arg);
	/* What came is no request; the answer is under way. */
	void	(*bad)(struct request *r, const struct parser_error *why, void *arg);
	/* It is freed, or taken over: in a list no more. */
	void	(*gone)(struct connection *c, void *arg);
	/* Its place (and that of a wire) is free again. */
	void	(*left)(const struct peer *peer, void *arg);
	void	*arg;
};

struct connection {
	const struct connection_context *context;
	struct bufferevent	*bev;		/* NULL: taken over */
	struct request		*request;	/* READING, HANDLING */
	struct parser		*parser;	/* READING */
	int64_t			 deadline_us;	/* monotonic; 0: none */
	size_t			 index;		/* in the server's list */
	enum { CONNECTION_IDLE, CONNECTION_READING, CONNECTION_HANDLING, CONNECTION_ANSWERING, CONNECTION_LINGERING } state;
	bool			 is_tls, has_answered;
	bool			 last;		/* no request after this one */
	bool			 has_ended;	/* the client sends no more */
	bool			 busy;		/* one of its functions is on the stack */
	struct peer		 peer;
};

/* What request.h promises to handlers. */
struct request {
	struct connection	*connection;	/* NULL: the client is gone */
	struct message		 message;
	const char		*rest;		/* of the path, behind the route's */
	char			*lines;		/* headers to be answered, each ended by CRLF; NULL: none */
	size_t			 lines_len;
	bool			 has_cache_control;
	struct access		*access;	/* a reference; NULL: not asked yet */
	char			*refusal;	/* owned; NULL: none */
	struct peer		 peer;
};

/* `bev` is owned from here on. */
struct connection *connection_new(const struct connection_context *context, struct bufferevent *bev, bool is_tls,
		    const struct peer *peer);
void		 connection_free(struct connection *c);	/* hangs up; a request that is being handled stays with its handler */

/* From time to time: hang up on one that has let its time pass (then it is freed). */
void		 connection_tick(struct connection *c, int64_t now_us);

/* For request.c: the answer, ready to be sent; the request is freed. */
void		 connection_answer(struct request *r, struct evbuffer *answer);

/* For wire.c: the bufferevent, to own, without callbacks; the request is freed.  NULL: the client is gone. */
struct bufferevent *connection_take(struct request *r);

void		 request_free(struct request *r);
#endif
