/*
 * parser: one HTTP/1.x request out of a connection's bytes (RFC 9112), as
 * strictly as the standard allows: what a proxy in front of us might understand
 * in another way is refused, not repaired.
 *
 * Written here rather than taken from Debian's http-parser, which is built
 * lenient (its HTTP_PARSER_STRICT is off): bare line feeds, blanks in a header's
 * name and anything in place of a chunk's line end pass through it.
 */
#ifndef TOCSIN_RELAY_PARSER_H
#define TOCSIN_RELAY_PARSER_H
#include <stdbool.h>
#include <stddef.h>

#include "relay/request.h"

#define PARSER_HEADERS_MAX	100
#define PARSER_HEAD_MAX		16384	/* bytes of request line and headers */
#define PARSER_BODY_MAX		65536	/* bytes, without a chunked body's framing */

struct header {
	const char	*name, *value;
};

/* A request as it was sent.  The texts are parts of `head`; the owner frees head and body (message_release()). */
struct message {
	char			*head;
	size_t			 head_len;
	unsigned		 method;	/* enum request_method; 0: PUT, DELETE or PATCH */
	const char		*path, *query;	/* NULL: none */
	const char		*host;		/* Host, or an absolute target's; NULL: none, or empty */
	const char		*origin;	/* NULL: none */
	bool			 minor;		/* HTTP/1.1, not 1.0 */
	bool			 keep_alive, has_upgrade;
	struct header		 headers[PARSER_HEADERS_MAX];
	size_t			 count;
	char			*body;		/* NUL behind it; NULL: none */
	size_t			 body_len;
};

enum parser_verdict {
	PARSER_MORE,		/* of the bytes to come */
	PARSER_DONE,		/* what follows is the next request's */
	PARSER_BAD,		/* no request; nothing that follows can be understood either */
};

/* Why a request is none; constants. */
struct parser_error {
	int		 status;
	const char	*error, *hint;
};

struct parser;

struct parser	*parser_new(struct message *out);	/* `out` (zeroed) is filled; borrowed */
void		 parser_free(struct parser *p);		/* NULL is fine */

/* Take bytes; returns how many (all but with PARSER_DONE).  Not after PARSER_DONE or PARSER_BAD. */
size_t		 parser_feed(struct parser *p, const char *data, size_t len, enum parser_verdict *verdict);
const struct parser_error *parser_error(const struct parser *p);

/* True once, when the client holds its body back until it is told to go on. */
bool		 parser_wants_continue(struct parser *p);

const char	*message_header(const struct message *m, const char *name);	/* the first of that name; NULL: none */
void		 message_release(struct message *m);
#endif
