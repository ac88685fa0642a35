#include "common/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const prefixes[FINDING_KINDS] = { "ok   ", "warn ", "FAIL " };

void
finding_print(enum finding kind, const char *fmt, ...)
{
	char	 text[2048];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	printf("%s%s\n", prefixes[kind], text);
	(void)fflush(stdout);	/* the programs' own findings come between; main() checks stdout */
}

int
finding_of(const char *line)
{
	for (int i = 0; i < FINDING_KINDS; i++)
		if (strncmp(line, prefixes[i], FINDING_PREFIX_LEN) == 0)
			return i;
	return -1;
}
