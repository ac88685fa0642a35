#include "generator/line.h"

#include <stdio.h>
#include <string.h>

#include "common/symbol.h"
#include "generator/line_private.h"
#include "generator/timestamp.h"

#define SHOWN_MAX	40	/* bytes of a bad value that `why` repeats */

static const char *const kind_names[] = { [LINE_TRADE] = "trade", [LINE_CANDLE] = "candle", [LINE_SIGNAL] = "signal" };
#define KINDS	(sizeof(kind_names) / sizeof(kind_names[0]))

static bool
refuse(char *why, const char *text)
{
	snprintf(why, LINE_WHY_MAX, "%s", text);
	return false;
}

/* "price 'abc' is no number …" */
static bool
refuse_value(char *why, const char *name, struct jsonv value, const char *text)
{
	size_t		 len;
	const char	*raw = jsonv_raw(value, &len);

	snprintf(why, LINE_WHY_MAX, "%s '%.*s' %s", name, len > SHOWN_MAX ? SHOWN_MAX : (int)len, raw == NULL ? "" : raw, text);
	return false;
}

struct jsonv
line_member(struct jsonv object, const char *key)
{
	struct jsonv	 value = jsonv_get(object, key);

	if (jsonv_is_null(value))
		value.at = -1;
	return value;
}

bool
line_time(struct jsonv object, const char *key, int64_t *time_us, char *why)
{
	struct jsonv	 value = line_member(object, key);
	size_t		 len;
	const char	*text = jsonv_raw(value, &len);

	if (text == NULL) {
		snprintf(why, LINE_WHY_MAX, "no %s", key);
		return false;
	}
	return timestamp_parse(UNIT_AUTO, text, len, time_us) || refuse_value(why, key, value,
	    "is none: ISO 8601 (without a zone UTC), or s, ms or us since 1970");
}

bool
line_number(struct jsonv value, const char *name, struct decimal *out, char *why)
{
	size_t		 len;
	const char	*text = jsonv_raw(value, &len);

	if (text == NULL) {
		snprintf(why, LINE_WHY_MAX, "no %s", name);
		return false;
	}
	return decimal_parse(text, len, out) || refuse_value(why, name, value, "is no number of up to 18 digits");
}

static bool
member_number(struct jsonv object, const char *key, struct decimal *out, char *why)
{
	return line_number(line_member(object, key), key, out, why);
}

static bool
is_there(struct jsonv object, const char *key)
{
	return line_member(object, key).at != -1;
}

/* What the members make it; KINDS: nothing. */
static size_t
kind_by_members(struct jsonv object)
{
	if (is_there(object, "entry"))
		return LINE_SIGNAL;
	if (is_there(object, "open") || is_there(object, "high") || is_there(object, "low") || is_there(object, "close"))
		return LINE_CANDLE;
	return is_there(object, "price") ? LINE_TRADE : KINDS;
}

static bool
find_kind(struct jsonv object, enum line_kind *kind, char *why)
{
	struct jsonv	 type = line_member(object, "type");
	size_t		 members = kind_by_members(object), said = 0;

	if (type.at == -1) {
		*kind = (enum line_kind)members;
		return members < KINDS || refuse(why, "neither a trade (price, quantity, time) nor a candle (time, open, high, low,"
		    " close) nor a signal (strategy, side, entry, stop_loss, targets)");
	}
	while (said < KINDS && !jsonv_equals(type, kind_names[said]))
		said++;
	if (said == KINDS)
		return refuse_value(why, "type", type, "is none of trade, candle, signal");
	*kind = (enum line_kind)said;
	if (members == said || members == KINDS)
		return true;
	snprintf(why, LINE_WHY_MAX, "type says %s, but it has the members of a %s", kind_names[said], kind_names[members]);
	return false;
}

static enum line_result
find_symbol(struct jsonv object, const struct line_market *market, size_t *symbol, char *why)
{
	struct jsonv	 value = line_member(object, "symbol");
	char		 text[2 * SYMBOL_PART_MAX + 2];

	*symbol = 0;
	if (value.at == -1 && market->count == 1)
		return LINE_TAKEN;
	if (value.at == -1) {
		refuse(why, "no symbol, and the feed has several");
		return LINE_BAD;
	}
	if (!jsonv_string(value, text, sizeof(text)) || !symbol_ok(text, strlen(text))) {
		refuse_value(why, "symbol", value, "is no BASE/QUOTE in capitals");
		return LINE_BAD;
	}
	while (*symbol < market->count && strcmp(market->symbols[*symbol], text) != 0)
		++*symbol;
	return *symbol < market->count ? LINE_TAKEN : LINE_OTHER;
}

static enum line_result
read_trade(struct jsonv object, int64_t now_us, struct line *out, char *why)
{
	struct trade	*t = &out->trade;
	struct jsonv	 id = line_member(object, "id");

	if (!member_number(object, "price", &t->price, why) || !member_number(object, "quantity", &t->quantity, why) ||
	    !line_time(object, "time", &t->time_us, why))
		return LINE_BAD;
	out->has_id = id.at != -1;
	if (t->price.units <= 0)
		refuse(why, "the price is not above zero");
	else if (t->quantity.units < 0)
		refuse(why, "the quantity is negative");
	else if (out->has_id && (!jsonv_int(id, &t->id) || t->id < 0))
		refuse_value(why, "id", id, "is no whole number of 0 or more");
	else if (now_us != LINE_NO_CLOCK && t->time_us > now_us + LINE_AHEAD_MAX_US)
		refuse(why, "its time is more than a minute ahead of this machine's clock");
	else
		return LINE_TAKEN;
	return LINE_BAD;
}

static bool
read_candle_members(struct jsonv object, const struct line_market *market, struct candle *c, char *why)
{
	struct jsonv	 tf = line_member(object, "timeframe"), trades = line_member(object, "trades");

	if (!line_time(object, "time", &c->open_us, why) || !member_number(object, "open", &c->open, why) ||
	    !member_number(object, "high", &c->high, why) || !member_number(object, "low", &c->low, why) ||
	    !member_number(object, "close", &c->close, why))
		return false;
	if (is_there(object, "volume") && !member_number(object, "volume", &c->volume, why))
		return false;
	if (tf.at != -1 && !jsonv_equals(tf, timeframe_names[market->timeframe]))
		return refuse_value(why, "timeframe", tf, "is not the feed's");
	c->trades = -1;
	if (trades.at != -1 && (!jsonv_int(trades, &c->trades) || c->trades < 0 || c->trades > INT32_MAX))
		return refuse_value(why, "trades", trades, "is no number of trades");
	c->source = SOURCE_FILE;
	return candle_ok(c, market->timeframe, why, LINE_WHY_MAX);
}

static enum line_result
read_candle(struct jsonv object, const struct line_market *market, int64_t now_us, struct candle *c, char *why)
{
	struct jsonv	 closed = line_member(object, "closed");
	bool		 is_closed = false;
	int64_t		 end_us;

	if (!read_candle_members(object, market, c, why))
		return LINE_BAD;
	if (closed.at != -1 && !jsonv_bool(closed, &is_closed)) {
		refuse_value(why, "closed", closed, "is neither true nor false");
		return LINE_BAD;
	}
	end_us = c->open_us + timeframe_us(market->timeframe);
	if (closed.at != -1 && !is_closed)
		return LINE_UNFINISHED;
	if (now_us == LINE_NO_CLOCK || end_us <= now_us)
		return LINE_TAKEN;
	if (!is_closed)
		return LINE_UNFINISHED;
	/* The program knows better than our clock, within reason. */
	if (end_us <= now_us + LINE_AHEAD_MAX_US)
		return LINE_TAKEN;
	refuse(why, "it ends more than a minute ahead of this machine's clock");
	return LINE_BAD;
}

enum line_result
line_parse(struct jsonr *r, const struct line_market *market, int64_t now_us, const char *text, size_t len, struct line *out,
    char why[LINE_WHY_MAX])
{
	struct jsonv		 object;
	enum line_kind		 kind;
	enum line_result	 result;
	size_t			 symbol;

	if (!jsonr_parse(r, text, len)) {
		refuse(why, "it is no JSON");
		return LINE_BAD;
	}
	object = jsonr_root(r);
	if (!jsonv_is_object(object)) {
		refuse(why, "it is no JSON object");
		return LINE_BAD;
	}
	if (!find_kind(object, &kind, why))
		return LINE_BAD;
	if ((result = find_symbol(object, market, &symbol, why)) != LINE_TAKEN)
		return result;
	*out = (struct line){ .kind = kind, .symbol = symbol };
	switch (kind) {
	case LINE_TRADE:
		return read_trade(object, now_us, out, why);
	case LINE_CANDLE:
		return read_candle(object, market, now_us, &out->candle, why);
	case LINE_SIGNAL:
		break;
	}
	return line_signal(object, market, now_us, &out->signal, why);
}

int64_t
line_time_us(const struct line *l)
{
	return l->kind == LINE_TRADE ? l->trade.time_us : l->kind == LINE_CANDLE ? l->candle.open_us : l->signal.candle_close_us;
}
