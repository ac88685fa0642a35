/* The text of a notification: any role of the database may send one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "relay/change.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A column lies within the record. */
static void
check_columns(const struct change *c)
{
	static const char *const	 columns[] = { "id", "seq", "symbol", "targets", "indicators", "reason", "outcome", "" };
	const char			*record = c->frame + c->record_at, *value;
	size_t				 len;

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if ((value = change_field(c, columns[i], &len)) != NULL &&
		    (len == 0 || value <= record || value + len >= record + c->record_len))
			abort();
}

static void
check(struct change *c)
{
	if (c == NULL)
		return;
	/* A frame is lines without a blank one before its end; anything else would forge an event. */
	if (strlen(c->frame) != c->frame_len || strstr(c->frame, "\n\n") != c->frame + c->frame_len - 2 ||
	    strchr(c->frame, '\r') != NULL)
		abort();
	check_columns(c);
	change_unref(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char		*text = malloc(size + 1);
	const char	*why;

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	check(change_parse(text, "0123456789abcdef.1", &why));
	check(change_snapshot(text, &why));
	free(text);
	return 0;
}
