/* frames: what a subscriber's bytes hold.  Each takes the whole messages at the front of `bytes` and returns how many bytes
 * those were; the rest is to come again with more behind it. */
#ifndef TOCSIN_BENCH_FRAMES_H
#define TOCSIN_BENCH_FRAMES_H
#include <stdbool.h>
#include <stddef.h>

/* An event of a stream; `id` and `data` are not terminated, and NULL when there was none.  Several data lines: the last. */
struct frames_event {
	const char	*id, *data;
	size_t		 id_len, data_len;
	bool		 reset;
};

/*
 * The next whole event of Server-Sent Events.  The chunks of a chunked response need no decoding where each begins with an
 * event: their sizes are lines that mean nothing.
 */
size_t	 frames_event(const char *bytes, size_t len, struct frames_event *event);

enum { FRAME_TEXT = 1, FRAME_BINARY = 2, FRAME_CLOSE = 8, FRAME_PING = 9, FRAME_PONG = 10 };

/* The next whole frame of a server's WebSocket (RFC 6455, 5.2). */
size_t	 frames_next(const char *bytes, size_t len, int *opcode, const char **payload, size_t *payload_len);

/* A client's frame around `len` bytes, masked with zeros, which is allowed to those who need no masking.  Returns its
 * length, at most len + 14. */
size_t	 frames_client(char *out, int opcode, const char *payload, size_t len);
#endif
