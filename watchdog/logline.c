#include "watchdog/logline.h"

#include "common/clock.h"
#include "common/json.h"

bool
logline_time(const char *line, size_t len, int64_t *wall_us)
{
	/* All that clock_parse_iso() knows would take "2026-11-23" for a stamp too. */
	if (len <= LOGLINE_TIME_LEN || line[LOGLINE_TIME_LEN] != ' ' || line[LOGLINE_TIME_LEN - 1] != 'Z' ||
	    line[10] != 'T' || line[19] != '.')
		return false;
	return clock_parse_iso(line, LOGLINE_TIME_LEN, wall_us);
}

/* Bytes from `s` on that may be shown as they are; 0: not even the first. */
static size_t
harmless(const char *s, size_t len)
{
	size_t	 n = utf8_length(s, len);

	if (n == 1 && (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f))
		return 0;
	/* U+0080 to U+009F are control codes as well. */
	if (n == 2 && (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0)
		return 0;
	return n;
}

void
logline_print(FILE *out, const char *line, size_t len, bool safe)
{
	size_t	 n;

	if (!safe)
		(void)fwrite(line, 1, len, out);	/* the caller looks at ferror() */
	else
		for (; len > 0; line += n, len -= n) {
			if ((n = harmless(line, len)) > 0)
				(void)fwrite(line, 1, n, out);
			else {
				n = 1;
				fprintf(out, "\\x%02x", (unsigned char)*line);
			}
		}
	(void)putc('\n', out);
}
