/*
 * notify: notifications that only the event log can have sent.  Any role may
 * NOTIFY; the trigger in etc/sql ends its texts with a member "mac" that takes
 * a key to make, which the relay may read and others may not.  Pure.
 */
#ifndef TOCSIN_RELAY_NOTIFY_H
#define TOCSIN_RELAY_NOTIFY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOTIFY_PAD	64	/* bytes: a block of SHA-256 */
#define NOTIFY_MAX	8000	/* bytes of a notification, with a NUL */

/* HMAC's key (RFC 2104), with its inner and outer padding. */
struct notify_key {
	bool	 is_known;
	uint8_t	 inner[NOTIFY_PAD], outer[NOTIFY_PAD];
};

/* From hexadecimal text, NULL being none.  False, and no key is known then, when it is none. */
bool	 notify_key_read(struct notify_key *key, const char *inner, const char *outer);

/*
 * Check `payload`, and write the event's text without its "mac" to `text`, as
 * the log itself has it.  False: it carries no mac, or a wrong one.
 */
bool	 notify_open(const struct notify_key *key, const char *payload, char text[NOTIFY_MAX]);

/* Give back what checking keeps between two payloads, at the program's end. */
void	 notify_end(void);
#endif
