/*
 * ws_frame: the frames of a WebSocket (RFC 6455, section 5) as a server reads
 * and writes them.  Pure: bytes in, messages out.
 *
 * An own reader instead of a library's: a socket that says nothing costs the
 * struct alone, and the limit holds for a whole message, whatever its fragments.
 */
#ifndef TOCSIN_RELAY_WS_FRAME_H
#define TOCSIN_RELAY_WS_FRAME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_HEAD_MAX		10	/* bytes of a frame's head without a mask */
#define WS_CONTROL_MAX		125	/* of a control frame's payload */

/* Close codes (section 7.4.1). */
#define WS_CODE_NORMAL		1000
#define WS_CODE_AWAY		1001
#define WS_CODE_PROTOCOL	1002
#define WS_CODE_NONE		1005	/* never sent: there was none */
#define WS_CODE_DATA		1007
#define WS_CODE_POLICY		1008
#define WS_CODE_TOO_BIG		1009

enum ws_event {
	WS_NOTHING,	/* all bytes are taken, and make no whole message yet */
	WS_TEXT,	/* valid UTF-8; a NUL stands behind it */
	WS_BINARY,
	WS_PING,
	WS_PONG,
	WS_CLOSE,	/* `code`, and the reason as data */
	WS_BAD,		/* the protocol is broken: close with `code`, read no more */
};

struct ws_message {
	const char	*data;		/* borrowed, valid until the next call of ws_read() */
	size_t		 len;
	unsigned	 code;
	const char	*why;		/* WS_BAD: a constant, for the log and the close frame */
};

/* Ready for use when all zero but `message_max` (bytes of a whole message). */
struct ws_reader {
	size_t		 message_max;
	unsigned char	 head[14];
	uint8_t		 head_len;
	uint8_t		 opcode;	/* of the message under way; 0: none */
	bool		 in_payload, is_final, is_control, done;
	uint8_t		 control_len;
	uint64_t	 left, at;	/* of the frame's payload: still to come, and taken */
	char		*message;	/* what has come of one, owned */
	size_t		 message_len, message_size;
	char		*control;	/* the same of a control frame */
};

/* Take bytes off the front of `*data` until something is whole.  To be called until it returns WS_NOTHING. */
enum ws_event	 ws_read(struct ws_reader *r, const void **data, size_t *len, struct ws_message *out);
void		 ws_reader_release(struct ws_reader *r);

/* Write the head of a final frame of `len` bytes; returns its length.  `event`: WS_TEXT, WS_PONG or WS_CLOSE. */
size_t		 ws_head(char head[WS_HEAD_MAX], enum ws_event event, uint64_t len);
#endif
