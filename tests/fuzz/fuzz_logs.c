/* Any bytes as a line of a log: its time is one of ours or none, and nothing that a terminal would obey comes out. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "watchdog/logline.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char	*line = (const char *)data;
	char		*shown = NULL, stamp[CLOCK_TEXT_MAX];
	size_t		 shown_len = 0;
	int64_t		 wall_us;
	FILE		*out;

	/* What was read is what it says; a second 60 is the next minute's first. */
	if (logline_time(line, size, &wall_us) && memcmp(line + 17, "60", 2) != 0 &&
	    memcmp(clock_iso_ms(wall_us, stamp), line, LOGLINE_TIME_LEN) != 0)
		abort();
	if ((out = open_memstream(&shown, &shown_len)) == NULL)
		abort();
	logline_print(out, line, size, true);
	fclose(out);
	if (shown_len == 0 || shown[shown_len - 1] != '\n')
		abort();
	for (size_t i = 0; i + 1 < shown_len; i++)
		if (((unsigned char)shown[i] < 0x20 && shown[i] != '\t') || shown[i] == 0x7f)
			abort();
	free(shown);
	return 0;
}
