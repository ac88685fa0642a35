#include "generator/candle.h"

#include <stdio.h>

#include "common/clock.h"

#define MINUTE_US	INT64_C(60000000)

const char *const timeframe_names[] = {
	"1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", NULL
};
static const int minutes[] = { 1, 3, 5, 15, 30, 60, 120, 240, 360, 720, 1440 };
_Static_assert(sizeof(timeframe_names) / sizeof(timeframe_names[0]) == TIMEFRAMES + 1, "a name for every timeframe");
_Static_assert(sizeof(minutes) / sizeof(minutes[0]) == TIMEFRAMES, "a length for every timeframe");

const char *const candle_source_names[] = { "ws", "rest", "trades", "file", "sim", "filled", NULL };
_Static_assert(sizeof(candle_source_names) / sizeof(candle_source_names[0]) == SOURCE_FILLED + 2, "a name for every source");

int64_t
timeframe_us(enum timeframe tf)
{
	return minutes[tf] * MINUTE_US;
}

int64_t
timeframe_open_us(enum timeframe tf, int64_t time_us)
{
	int64_t	 length_us = timeframe_us(tf), into_us = time_us % length_us;

	/* C rounds towards zero; before 1970 a candle opens below. */
	return time_us - into_us - (into_us < 0 ? length_us : 0);
}

bool
candle_ok(const struct candle *c, enum timeframe tf, char *why, size_t why_size)
{
	const struct decimal	*prices[] = { &c->open, &c->high, &c->low, &c->close };
	char			 time[CLOCK_TEXT_MAX];

	for (int i = 0; i < 4; i++) {
		if (prices[i]->units <= 0) {
			snprintf(why, why_size, "a price is not above zero");
			return false;
		}
		if (decimal_compare(*prices[i], c->high) > 0) {
			snprintf(why, why_size, "a price is above the high");
			return false;
		}
		if (decimal_compare(*prices[i], c->low) < 0) {
			snprintf(why, why_size, "a price is below the low");
			return false;
		}
	}
	if (c->volume.units < 0) {
		snprintf(why, why_size, "the volume is negative");
		return false;
	}
	if (timeframe_open_us(tf, c->open_us) != c->open_us) {
		snprintf(why, why_size, "no %s candle opens at %s", timeframe_names[tf], clock_iso_us(c->open_us, time));
		return false;
	}
	return true;
}
