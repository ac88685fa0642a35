#include "watchdog/beat.h"

#include <string.h>

#include "common/json.h"

static const struct {
	const char	*line;
	enum beat_kind	 kind;
} words[] = {
	{ "WATCHDOG=1", BEAT_ALIVE },
	{ "READY=1", BEAT_READY },
	{ "STOPPING=1", BEAT_STOPPING },
};
static const char status_key[] = "STATUS=";

void
beat_clear(struct beat_parser *p)
{
	p->len = 0;
	p->overlong = false;
	p->refused = 0;
}

static void
take_status(struct beat_parser *p, const char *value, size_t len, beat_line_fn *cb, void *arg)
{
	/* Blanks around the object are JSON too, but no program writes them. */
	if (len > 0 && *value == '{' && json_valid(value, len))
		cb(BEAT_STATUS, value, len, arg);
	else
		p->refused++;
}

static void
take_line(struct beat_parser *p, const char *line, size_t len, beat_line_fn *cb, void *arg)
{
	const size_t	 key = sizeof(status_key) - 1;

	if (len == 0)
		return;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].line) == len && memcmp(words[i].line, line, len) == 0) {
			cb(words[i].kind, NULL, 0, arg);
			return;
		}
	if (len >= key && memcmp(line, status_key, key) == 0)
		take_status(p, line + key, len - key, cb, arg);
	else if (memchr(line, '=', len) == NULL)
		p->refused++;
}

void
beat_feed(struct beat_parser *p, const char *data, size_t len, beat_line_fn *cb, void *arg)
{
	const char	*newline;
	size_t		 part;

	while (len > 0) {
		newline = memchr(data, '\n', len);
		part = newline == NULL ? len : (size_t)(newline - data);
		/* With its newline a line fits the buffer, else it could not have been written in one piece. */
		if (part >= sizeof(p->line) - p->len)
			p->overlong = true;
		if (!p->overlong) {
			memcpy(p->line + p->len, data, part);
			p->len += part;
		}
		if (newline == NULL)
			return;
		if (p->overlong)
			p->refused++;
		else
			take_line(p, p->line, p->len, cb, arg);
		p->len = 0;
		p->overlong = false;
		data += part + 1;
		len -= part + 1;
	}
}
