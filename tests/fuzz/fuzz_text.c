/* Any bytes as a time, as JSON, and as a string written into JSON: the writer's text is always valid. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char		 text[CLOCK_TEXT_MAX], *copy = malloc(size + 1);
	int64_t		 us, again;
	struct jsonw	 w;

	memcpy(copy, data, size);
	copy[size] = '\0';
	if (clock_parse_iso(copy, size, &us)) {
		clock_iso_us(us, text);
		/* Up to a zone's width around the years 1 and 9999 there is no text that reads back. */
		if (us > INT64_C(-62135596800000000) + INT64_C(86400000000) && us < INT64_C(253402214400000000) &&
		    (!clock_parse_iso(text, strlen(text), &again) || again != us))
			abort();
	}
	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_str(&w, copy, copy);
	if (json_valid(copy, size))
		jsonw_raw(&w, "raw", copy, size);
	jsonw_end_object(&w);
	if (!json_valid(w.buf, w.len) && !json_valid(copy, size))
		abort();
	jsonw_release(&w);
	free(copy);
	return 0;
}
