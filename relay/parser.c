#include "relay/parser.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/log.h"
#include "relay/parser_head.h"

#define HEAD_FIRST		1024	/* most heads fit */
#define CHUNK_DIGITS_MAX	8
#define CHUNK_EXTRA_MAX		4096	/* bytes of chunk extensions and trailers: nobody needs them */

enum parser_state {
	/* The head */
	P_START, P_START_LF, P_LINE, P_LF,
	/* A body of a known length */
	P_FIXED,
	/* A chunked one */
	P_SIZE, P_EXTENSION, P_SIZE_LF, P_DATA, P_DATA_CR, P_DATA_LF, P_TRAILER, P_TRAILER_LF,
	P_END
};

struct parser {
	struct message		*m;
	enum parser_state	 state;
	size_t			 room, body_room;	/* of m->head, m->body */
	size_t			 line;		/* where in the head the line at hand begins */
	size_t			 fields;	/* where the first line's end is behind; 0: it has not come */
	struct parser_framing	 framing;
	bool			 wants_continue;
	size_t			 left;		/* P_FIXED, P_DATA: bytes to come */
	unsigned		 digits;	/* P_SIZE: seen */
	size_t			 extra;		/* bytes of extensions and trailers */
	size_t			 trailer;	/* P_TRAILER: bytes of the line at hand */
	struct parser_error	 bad;
};

static bool
fail(struct parser *p, int status, const char *error, const char *hint)
{
	p->bad = (struct parser_error){ status, error, hint };
	return false;
}

static bool
fail_as(struct parser *p, const struct parser_error *bad)
{
	p->bad = *bad;
	return false;
}

/* The head */

static bool
put(struct parser *p, char c)
{
	struct message	*m = p->m;

	if (m->head_len >= PARSER_HEAD_MAX)
		return p->fields == 0 ? fail(p, 414, "the target is too long", "a head may have 16 kB") :
		    fail(p, 431, "the headers are too large", "a head may have 16 kB");
	if (m->head_len + 1 >= p->room) {
		p->room = p->room == 0 ? HEAD_FIRST : p->room * 2;
		m->head = xrealloc(m->head, p->room);
	}
	m->head[m->head_len++] = c;
	m->head[m->head_len] = '\0';
	return true;
}

/* The body's way is known: what comes next? */
static void
begin_body(struct parser *p)
{
	p->left = p->framing.length;
	p->state = p->framing.chunked ? P_SIZE : p->left > 0 ? P_FIXED : P_END;
	p->wants_continue = p->framing.expects_continue && p->state != P_END;
}

/* A line has ended (its CR is the last byte): an empty one ends the head. */
static bool
line_ended(struct parser *p)
{
	struct message			*m = p->m;
	size_t				 end = m->head_len - 1;
	const struct parser_error	*bad;
	char				*head;
	size_t				 len = m->head_len;

	if (p->line == 0) {
		/* A first look, at a copy: the buffer may still move, and what is no request need not go on. */
		struct message	 look = { .head = NULL };

		head = xstrdup(m->head);
		head[end] = '\0';
		bad = parser_head_first(head, &look);
		free(head);
		if (bad != NULL)
			return fail_as(p, bad);
	}
	if (!put(p, '\n'))
		return false;
	if (p->line == 0)
		p->fields = m->head_len;
	if (p->line == 0 || end > p->line) {
		p->line = m->head_len;
		p->state = P_LINE;
		return true;
	}
	m->head[p->fields - 2] = '\0';
	if ((bad = parser_head_first(m->head, m)) != NULL ||
	    (bad = parser_head_fields(m->head + p->fields, len - 1 - p->fields, m, &p->framing)) != NULL)
		return fail_as(p, bad);
	begin_body(p);
	return true;
}

static bool
take_head(struct parser *p, char c)
{
	switch (p->state) {
	case P_START:
		/* One empty line in front is forgiven (RFC 9112, 2.2). */
		if (c == '\r') {
			p->state = P_START_LF;
			return true;
		}
		p->state = P_LINE;
		break;
	case P_START_LF:
		p->state = P_LINE;
		return c == '\n' ? true : fail(p, 400, "a carriage return without its line feed", NULL);
	case P_LF:
		return c == '\n' ? line_ended(p) : fail(p, 400, "a carriage return without its line feed", NULL);
	default:
		break;
	}
	if (c == '\n')
		return fail(p, 400, "a line feed without its carriage return", NULL);
	if (((unsigned char)c < ' ' && c != '\t' && c != '\r') || c == 0x7f)
		return fail(p, 400, "a control character in the head", p->fields == 0 ? "http://, not https://?" : NULL);
	if (p->fields > 0 && p->m->head_len == p->line && (c == ' ' || c == '\t'))
		return fail(p, 400, "a header that goes on in another line", NULL);
	if (c == '\r')
		p->state = P_LF;
	return put(p, c);
}

/* The body */

static bool
extra(struct parser *p, char c)
{
	if ((unsigned char)c < ' ' && c != '\t')
		return fail(p, 400, "a control character between chunks", NULL);
	if (++p->extra > CHUNK_EXTRA_MAX)
		return fail(p, 400, "too much between chunks", NULL);
	return true;
}

static bool
take_size(struct parser *p, char c)
{
	static const char	 hex[] = "0123456789abcdef";
	const char		*digit = c == '\0' ? NULL : strchr(hex, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c);

	if (digit != NULL && p->digits++ < CHUNK_DIGITS_MAX) {
		p->left = p->left * 16 + (size_t)(digit - hex);
		return true;
	}
	if (digit != NULL || p->digits == 0 || (c != '\r' && c != ';'))
		return fail(p, 400, "a chunk's size is no number", NULL);
	if (p->left > PARSER_BODY_MAX - p->m->body_len)
		return fail(p, 413, "the body is too large", "at most 64 kB");
	p->state = c == ';' ? P_EXTENSION : P_SIZE_LF;
	return true;
}

static bool
size_ended(struct parser *p)
{
	p->digits = 0;
	p->trailer = 0;
	p->state = p->left > 0 ? P_DATA : P_TRAILER;
	return true;
}

static bool
take_trailer(struct parser *p, char c)
{
	if (c == '\r') {
		p->state = P_TRAILER_LF;
		return true;
	}
	p->trailer++;
	return extra(p, c);
}

static bool
trailer_ended(struct parser *p)
{
	p->state = p->trailer == 0 ? P_END : P_TRAILER;
	p->trailer = 0;
	return true;
}

static bool
take_framing(struct parser *p, char c)
{
	static const char	 line_end[] = "a chunk does not end where it says";

	switch (p->state) {
	case P_SIZE:
		return take_size(p, c);
	case P_EXTENSION:
		if (c != '\r')
			return extra(p, c);
		p->state = P_SIZE_LF;
		return true;
	case P_SIZE_LF:
		return c == '\n' ? size_ended(p) : fail(p, 400, line_end, NULL);
	case P_DATA_CR:
		p->state = P_DATA_LF;
		return c == '\r' ? true : fail(p, 400, line_end, NULL);
	case P_DATA_LF:
		p->state = P_SIZE;
		return c == '\n' ? true : fail(p, 400, line_end, NULL);
	case P_TRAILER:
		return take_trailer(p, c);
	default:
		return c == '\n' ? trailer_ended(p) : fail(p, 400, line_end, NULL);
	}
}

static size_t
take_data(struct parser *p, const char *data, size_t len)
{
	struct message	*m = p->m;
	size_t		 n = len < p->left ? len : p->left;

	/* As it comes: what was only announced takes no memory. */
	if (m->body_len + n >= p->body_room) {
		p->body_room = (m->body_len + n) * 2 + 1;
		m->body = xrealloc(m->body, p->body_room);
	}
	memcpy(m->body + m->body_len, data, n);
	m->body_len += n;
	m->body[m->body_len] = '\0';
	p->left -= n;
	if (p->left == 0)
		p->state = p->state == P_FIXED ? P_END : P_DATA_CR;
	return n;
}

size_t
parser_feed(struct parser *p, const char *data, size_t len, enum parser_verdict *verdict)
{
	size_t	 i = 0;
	bool	 ok = true;

	while (ok && i < len && p->state != P_END) {
		if (p->state == P_FIXED || p->state == P_DATA)
			i += take_data(p, data + i, len - i);
		else
			ok = p->state <= P_LF ? take_head(p, data[i++]) : take_framing(p, data[i++]);
	}
	*verdict = !ok ? PARSER_BAD : p->state == P_END ? PARSER_DONE : PARSER_MORE;
	return i;
}

const struct parser_error *
parser_error(const struct parser *p)
{
	return &p->bad;
}

bool
parser_wants_continue(struct parser *p)
{
	bool	 wants = p->wants_continue && p->m->body_len == 0;

	p->wants_continue = false;
	return wants;
}

struct parser *
parser_new(struct message *out)
{
	struct parser	*p = xcalloc(1, sizeof(*p));

	p->m = out;
	return p;
}

void
parser_free(struct parser *p)
{
	free(p);
}

const char *
message_header(const struct message *m, const char *name)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcasecmp(m->headers[i].name, name) == 0)
			return m->headers[i].value;
	return NULL;
}

void
message_release(struct message *m)
{
	free(m->head);
	free(m->body);
	m->head = m->body = NULL;
}
