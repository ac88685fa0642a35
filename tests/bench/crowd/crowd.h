/*
 * crowd: many subscribers of one server in one thread, for measurements.  They speak SSE, a plain WebSocket, or Supabase
 * Realtime (vsn 2.0.0) over it; a crowd that resumes reconnects for ever, as a faithful client does: SSE with the id of the
 * last whole event, Realtime with the place in its join.  What cannot be understood ends the program.
 */
#ifndef TOCSIN_BENCH_CROWD_H
#define TOCSIN_BENCH_CROWD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum crowd_kind { CROWD_SSE, CROWD_WEBSOCKET, CROWD_REALTIME };

struct crowd;
struct subscriber;

/* A whole message: the data line of an event, a text frame, a postgres_changes message.  `text` is not terminated. */
typedef void (*crowd_message_fn)(struct subscriber *s, const char *text, size_t len, int64_t now_ns, void *arg);

struct crowd_params {
	enum crowd_kind		 kind;
	const char		*url;		/* http://ADDRESS:PORT/PATH, IPv4; borrowed */
	size_t			 count;
	int			 retry_ms;	/* a closed connection is opened again after that; -1: it ends the program */
	bool			 spread;	/* from many addresses of 127.0.0.0/8: many ports of one are slow to find */
	crowd_message_fn	 message;
	void			*arg;
};

enum subscriber_state { SUBSCRIBER_CLOSED, SUBSCRIBER_CONNECTING, SUBSCRIBER_HEAD, SUBSCRIBER_JOINING, SUBSCRIBER_LIVE };

struct subscriber {
	struct crowd		*crowd;
	size_t			 index;
	int			 fd;
	enum subscriber_state	 state;
	int64_t			 due_ns;	/* when a closed one connects again */
	char			*rest;		/* of a message that is not whole yet */
	size_t			 rest_len, rest_size;
	char			 place[80];	/* to resume from: EPOCH-SEQ, or empty */
	int64_t			 last;		/* the caller's own: the highest so far */
	void			*own;
};

struct crowd_counts {
	size_t		 live;			/* now */
	uint64_t	 connects;		/* connections that were answered */
	uint64_t	 refused;		/* connect(2) said no */
	uint64_t	 closed;		/* by the server */
	uint64_t	 resets;		/* the server could not resume, or reported an error: told on stderr once */
	uint64_t	 bytes;
};

/* The parameters are copied.  Nothing is connected yet. */
struct crowd	*crowd_new(const struct crowd_params *params);
void		 crowd_free(struct crowd *c);

/* Connect all of them, at most `at_once` unanswered at any time, and wait until all are live; ends the program after 120 s. */
void		 crowd_open(struct crowd *c, size_t at_once);

/* Connect those that are due, wait up to `wait_ms` for bytes, and take what there is. */
void		 crowd_turn(struct crowd *c, int wait_ms);

/* Close all connections, those of odd index with a reset; those that retry do so when `retry_ms` has passed. */
void		 crowd_hang_up(struct crowd *c);

/* Readable when crowd_turn() has something to take: for poll(2) over several crowds.  Owned by the crowd. */
int		 crowd_fd(const struct crowd *c);

const struct crowd_counts *crowd_counts(const struct crowd *c);

/* The subscriber of an index below `count`. */
struct subscriber *crowd_subscriber(struct crowd *c, size_t index);

/* The number that follows `key` in a message, -1 when there is none. */
int64_t		 crowd_number(const char *text, size_t len, const char *key);
#endif
