/*
 * A line of a program: the first byte chooses the market and the clock.  What
 * is taken is what the tables take; what is refused has its words.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "generator/line.h"

#define NOW_US	INT64_C(1767226200000000)	/* 2026-01-01T00:10 */

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
order(const struct signal *s, struct decimal a, struct decimal b)
{
	return s->side == SIDE_LONG ? decimal_compare(a, b) : decimal_compare(b, a);
}

static bool
signal_ok(const struct signal *s)
{
	size_t	 len = strlen(s->strategy);

	if (len < 1 || len > 48 || strspn(s->strategy, "abcdefghijklmnopqrstuvwxyz0123456789_") != len || s->strategy_version < 1)
		return false;
	if (s->candle_close_us != s->candle_open_us + timeframe_us(s->timeframe) || s->expires_us <= s->candle_close_us ||
	    timeframe_open_us(s->timeframe, s->candle_open_us) != s->candle_open_us)
		return false;
	if (s->entry.units <= 0 || s->initial_stop.units <= 0 || order(s, s->entry, s->initial_stop) <= 0 ||
	    s->target_count < 1 || s->target_count > SIGNAL_TARGETS_MAX || !(s->confidence >= 0 && s->confidence <= 1))
		return false;
	for (int i = 0; i < s->target_count; i++)
		if (s->targets[i].units <= 0 || order(s, s->targets[i], i == 0 ? s->entry : s->targets[i - 1]) <= 0)
			return false;
	return strlen(s->reason) <= SIGNAL_REASON_MAX && json_valid(s->indicators, strlen(s->indicators)) && s->indicators[0] == '{';
}

static bool
taken_ok(const struct line *l, const struct line_market *m)
{
	char	 why[LINE_WHY_MAX];

	if (l->symbol >= m->count)
		return false;
	switch (l->kind) {
	case LINE_TRADE:
		return l->trade.price.units > 0 && l->trade.quantity.units >= 0 && l->trade.id >= 0 && (l->has_id || l->trade.id == 0);
	case LINE_CANDLE:
		return candle_ok(&l->candle, m->timeframe, why, sizeof(why)) && l->candle.trades >= -1;
	case LINE_SIGNAL:
		return signal_ok(&l->signal);
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char		 btc[] = "BTC/USDT", eth[] = "ETH/USDT", *symbols[] = { btc, eth };
	struct line_market	 m = { .symbols = symbols, .timeframe = TF_1M };
	struct jsonr		 r = { 0 };
	struct line		 line;
	char			 why[LINE_WHY_MAX] = "";

	if (size == 0)
		return 0;
	m.count = 1 + (data[0] & 1);
	switch (line_parse(&r, &m, (data[0] & 2) != 0 ? LINE_NO_CLOCK : NOW_US, (const char *)data + 1, size - 1, &line, why)) {
	case LINE_TAKEN:
		if (!taken_ok(&line, &m))
			abort();
		break;
	case LINE_BAD:
		if (why[0] == '\0')
			abort();
		break;
	case LINE_OTHER:
	case LINE_UNFINISHED:
		break;
	}
	jsonr_release(&r);
	return 0;
}
