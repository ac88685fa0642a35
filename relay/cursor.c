#include "relay/cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_CHARS	"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._"
#define SEQ_DIGITS	18	/* below INT64_MAX, so no overflow to check for */

bool
cursor_parse(const char *text, struct cursor *out)
{
	const char	*dash = strrchr(text, '-'), *digits = dash == NULL ? text : dash + 1;
	size_t		 epoch_len = dash == NULL ? 0 : (size_t)(dash - text), len = strlen(digits);

	if (len == 0 || len > SEQ_DIGITS || strspn(digits, "0123456789") != len)
		return false;
	if (dash != NULL && (epoch_len == 0 || epoch_len >= EPOCH_MAX || strspn(text, EPOCH_CHARS) != epoch_len))
		return false;
	memcpy(out->epoch, text, epoch_len);
	out->epoch[epoch_len] = '\0';
	out->seq = strtoll(digits, NULL, 10);
	return true;
}

char *
cursor_format(const char *epoch, int64_t seq, char buf[CURSOR_MAX])
{
	snprintf(buf, CURSOR_MAX, "%s-%" PRId64, epoch, seq);
	return buf;
}

enum cursor_verdict
cursor_judge(int64_t seq, int64_t lowest, int64_t highest)
{
	if (seq == 0)
		return CURSOR_GOOD;
	/* An empty log cannot tell; when events may be missing, say so. */
	if (highest == 0 || seq < lowest - 1)
		return CURSOR_EXPIRED;
	return seq > highest ? CURSOR_UNKNOWN : CURSOR_GOOD;
}
