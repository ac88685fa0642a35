/* A connection's bytes, as requests one after the other: in one piece and in many, they mean the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "relay/parser.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct message *m)
{
	if (m->path == NULL || (*m->path != '/' && strcmp(m->path, "*") != 0) || m->body_len > PARSER_BODY_MAX)
		abort();
	/* No header has a line end or a NUL inside: each text ends where the next begins. */
	for (size_t i = 0; i < m->count; i++)
		if (strpbrk(m->headers[i].name, ": \t\r\n") != NULL || strpbrk(m->headers[i].value, "\r\n") != NULL)
			abort();
	if (m->body != NULL && m->body[m->body_len] != '\0')
		abort();
}

/* The first request: returns the bytes taken, and what came of it. */
static size_t
one(const char *data, size_t size, size_t step, enum parser_verdict *verdict, struct message *m)
{
	struct parser	*p = parser_new(m);
	size_t		 taken = 0, n;

	*verdict = PARSER_MORE;
	while (*verdict == PARSER_MORE && taken < size) {
		n = size - taken < step ? size - taken : step;
		taken += parser_feed(p, data + taken, n, verdict);
		(void)parser_wants_continue(p);
	}
	if (*verdict == PARSER_BAD && parser_error(p)->status < 400)
		abort();
	parser_free(p);
	return taken;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char		*text = (const char *)data;
	enum parser_verdict	 verdict = PARSER_DONE, again;
	size_t			 taken;

	while (verdict == PARSER_DONE && size > 0) {
		struct message	 m = { .head = NULL }, other = { .head = NULL };

		taken = one(text, size, SIZE_MAX, &verdict, &m);
		if (one(text, size, 1, &again, &other) != taken || again != verdict || (verdict == PARSER_DONE &&
		    (other.body_len != m.body_len || strcmp(other.path, m.path) != 0 || other.count != m.count)))
			abort();
		if (verdict == PARSER_DONE)
			check(&m);
		message_release(&m);
		message_release(&other);
		text += taken;
		size -= taken;
	}
	return 0;
}
