/*
 * realtime_message: the envelope of Supabase Realtime's messages (Phoenix), read
 * and written in both versions of its serializer.  Pure.
 *
 * References and topics are the client's: they are kept and sent back as the
 * JSON text that they came as, never looked into.
 */
#ifndef TOCSIN_RELAY_REALTIME_MESSAGE_H
#define TOCSIN_RELAY_REALTIME_MESSAGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json.h"
#include "common/jsonr.h"

#define REALTIME_REF_MAX	64	/* bytes of a reference's JSON */
#define REALTIME_TOPIC_MAX	1024	/* and of a topic's */
#define REALTIME_EVENT_MAX	32	/* bytes of an event's name, with the NUL; a longer one is none that is known here */
#define REALTIME_PREFIX		"realtime:"

enum realtime_version { REALTIME_V1, REALTIME_V2 };	/* vsn=1.0.0: objects; 2.0.0: arrays of five */

/* A piece of JSON, not NUL-terminated. */
struct realtime_text {
	const char	*at;
	size_t		 len;
};

struct realtime_message {
	struct realtime_text	 join_ref, ref;		/* null or a string (or a number) */
	struct realtime_text	 topic;			/* a string, with its quotes */
	char			 event[REALTIME_EVENT_MAX];
	struct jsonv		 payload;		/* none in a binary message */
	char			 text[6 * (255 + 2 * REALTIME_REF_MAX) + 16];	/* binary: where the texts above live */
};

/*
 * Read a text message.  What it holds is borrowed from `text` and `r`.  False
 * with a reason (a constant) when it is no message.
 */
bool	 realtime_message_read(struct jsonr *r, enum realtime_version version, const char *text, size_t len,
	    struct realtime_message *out, const char **why);

/* The same for a binary frame: a broadcast (kind 3), of which only the envelope is looked at. */
bool	 realtime_message_read_binary(const void *data, size_t len, struct realtime_message *out, const char **why);

bool	 realtime_is_null(struct realtime_text t);
bool	 realtime_same(struct realtime_text a, struct realtime_text b);

/*
 * Write a message: realtime_message_begin(), the payload as one value under the key
 * that it returns, realtime_message_end().  Refs NULL: null.  Version 1 has no join_ref.
 */
const char *realtime_message_begin(struct jsonw *w, enum realtime_version version, const struct realtime_text *join_ref,
	    const struct realtime_text *ref, struct realtime_text topic, const char *event);
void	 realtime_message_end(struct jsonw *w, enum realtime_version version);
#endif
