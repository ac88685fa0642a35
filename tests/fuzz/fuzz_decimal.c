/* Whatever decimal_parse() takes is written and read back as the same number, close to what strtod() makes of it. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "generator/decimal.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char		 text[DECIMAL_TEXT_MAX], copy[256];
	struct decimal	 d, back, level;
	double		 value, other;

	if (!decimal_parse((const char *)data, size, &d))
		return 0;
	if (d.scale < 0 || d.scale > DECIMAL_SCALE_MAX || (d.scale > 0 && d.units % 10 == 0))
		abort();
	decimal_text(d, text);
	if (strlen(text) >= sizeof(text) || !decimal_parse(text, strlen(text), &back) || decimal_compare(d, back) != 0 ||
	    back.units != d.units || back.scale != d.scale)
		abort();
	value = decimal_double(d);
	if (size < sizeof(copy)) {
		memcpy(copy, data, size);
		copy[size] = '\0';
		other = strtod(copy, NULL);
		if (fabs(value - other) > fabs(other) * 1e-15)
			abort();
	}
	if (decimal_compare(decimal_add(d, (struct decimal){ 0 }), d) != 0)
		abort();
	level = decimal_level(fabs(value), d);
	if (level.units < 0)
		abort();
	return 0;
}
