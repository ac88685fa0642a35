/* Last-Event-ID and ?after= of anybody's request, and a filter's NAME=VALUE. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "relay/cursor.h"
#include "relay/filter.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_cursor(const char *text)
{
	struct cursor	 c, again;
	char		 buf[CURSOR_MAX];

	if (!cursor_parse(text, &c) || c.epoch[0] == '\0')
		return;
	if (c.seq < 0 || !cursor_parse(cursor_format(c.epoch, c.seq, buf), &again) || again.seq != c.seq ||
	    strcmp(again.epoch, c.epoch) != 0)
		abort();
}

static void
check_filter(char *text)
{
	struct filter	*f = filter_new();
	char		*value = strchr(text, '='), why[160];

	if (value != NULL) {
		*value++ = '\0';
		(void)filter_set(f, text, value, why, sizeof(why));
	}
	filter_free(f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	*text = malloc(size + 1);

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	check_cursor(text);
	check_filter(text);
	free(text);
	return 0;
}
