/*
 * stream: one subscriber over Server-Sent Events: its connection, its filter
 * and its place in the log (a reader).
 *
 * Whatever does not fit into the socket stays where it is, so a stream keeps
 * at most the piece that was cut, and a reference to one batch.  One that is
 * dead is freed by the set, never from inside a callback.
 */
#ifndef TOCSIN_RELAY_STREAM_H
#define TOCSIN_RELAY_STREAM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/reader.h"

struct cursor;
struct request;
struct filter;
struct stream;

/* What all streams share; borrowed. */
struct stream_context {
	struct reader_context	 reader;
	uint64_t		 client_buffer;		/* bytes a stream may lag */
	int64_t			 keepalive_us;
	int64_t			 wall_now_us;		/* at the last tick */
	void			(*dead)(struct stream *s, void *arg);	/* once; free it later */
	void			*arg;
};

/*
 * Take the request over, with what its sender may see and for how long.  `filter` (NULL: everything) is owned from here on;
 * `cursor` (NULL: from now on) is copied.  NULL when the client is gone
 * already; the filter is freed then too.
 */
struct stream	*stream_new(const struct stream_context *context, struct request *req, struct filter *filter,
		    const struct cursor *cursor);
void		 stream_free(struct stream *s);

/* Send the response's head, and begin if the log is known. */
void		 stream_start(struct stream *s);

/* The log is known: find the place to begin at.  Only a held stream cares. */
void		 stream_begin(struct stream *s);

/* Send what there is, as far as the socket takes it. */
void		 stream_pump(struct stream *s);

/* It is about to be pumped, in two steps: have it, and then what it refers to, in the cache by then. */
void		 stream_prefetch(const struct stream *s);
void		 stream_prefetch_parts(const struct stream *s);

/* Its place means nothing any more: tell it to forget, and begin with the active signals. */
void		 stream_reset(struct stream *s, const char *reason);

/* Once a second: hang up on one too far behind; true when it sent a keepalive. */
bool		 stream_tick(struct stream *s, int64_t now_us, bool may_keep_alive);

/* The stream's index in the set. */
size_t		 stream_index(const struct stream *s);
void		 stream_set_index(struct stream *s, size_t index);
#endif
