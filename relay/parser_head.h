/* parser_head: a request's head, once it is there whole: for parser.c only. */
#ifndef TOCSIN_RELAY_PARSER_HEAD_H
#define TOCSIN_RELAY_PARSER_HEAD_H
#include <stdbool.h>
#include <stddef.h>

#include "relay/parser.h"

/* How the body's length is told. */
struct parser_framing {
	bool	 chunked, expects_continue;
	size_t	 length;	/* bytes, when not chunked */
};

/*
 * Read the first line: `line` (changed) is without its line end.  NULL, or what
 * is wrong with it.
 */
const struct parser_error *parser_head_first(char *line, struct message *out);

/* Read the lines that follow (`text`, changed: each ends with CRLF), and judge the whole. */
const struct parser_error *parser_head_fields(char *text, size_t len, struct message *out, struct parser_framing *framing);
#endif
