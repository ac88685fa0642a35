#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "generator/line_private.h"

#define EXPIRY_CANDLES	24	/* unless the line says otherwise */
#define EXPIRY_MAX	100000
#define WORD_MAX	256	/* bytes of a key or a word among the indicators */
#define YEAR_10000_US	INT64_C(253402300800000000)

static bool
refuse(char *why, const char *text)
{
	snprintf(why, LINE_WHY_MAX, "%s", text);
	return false;
}

static bool
read_strategy(struct jsonv object, struct signal *s, char *why)
{
	struct jsonv	 version = line_member(object, "strategy_version");
	int64_t		 number = 1;
	size_t		 len;

	if (!jsonv_string(line_member(object, "strategy"), s->strategy, sizeof(s->strategy)) || (len = strlen(s->strategy)) == 0 ||
	    strspn(s->strategy, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
		return refuse(why, "no strategy: its name, 1 to 48 of a-z 0-9 _");
	if (version.at != -1 && (!jsonv_int(version, &number) || number < 1 || number > INT32_MAX))
		return refuse(why, "strategy_version is no whole number of 1 or more");
	s->strategy_version = (int)number;
	return true;
}

static bool
read_timeframe(struct jsonv object, enum timeframe base, struct signal *s, char *why)
{
	struct jsonv	 value = line_member(object, "timeframe");
	int		 tf = 0;

	s->timeframe = base;
	if (value.at == -1)
		return true;
	while (tf < TIMEFRAMES && !jsonv_equals(value, timeframe_names[tf]))
		tf++;
	if (tf == TIMEFRAMES)
		return refuse(why, "timeframe is none of 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 12h, 1d");
	s->timeframe = (enum timeframe)tf;
	return timeframe_us(s->timeframe) % timeframe_us(base) == 0 ||
	    refuse(why, "timeframe is no multiple of the feed's");
}

/* The candle that fired: by its open, or the last one that had closed at `time`, or now. */
static bool
read_candle_time(struct jsonv object, int64_t now_us, struct signal *s, char *why)
{
	int64_t	 length_us = timeframe_us(s->timeframe), at_us = now_us;

	if (line_member(object, "candle_open_time").at != -1) {
		if (!line_time(object, "candle_open_time", &s->candle_open_us, why))
			return false;
		if (timeframe_open_us(s->timeframe, s->candle_open_us) != s->candle_open_us)
			return refuse(why, "no candle of its timeframe opens at candle_open_time");
	} else {
		if ((now_us == LINE_NO_CLOCK || line_member(object, "time").at != -1) && !line_time(object, "time", &at_us, why))
			return false;
		s->candle_open_us = timeframe_open_us(s->timeframe, at_us) - length_us;
	}
	s->candle_close_us = s->candle_open_us + length_us;
	return now_us == LINE_NO_CLOCK || s->candle_close_us <= now_us ||
	    refuse(why, "its candle has not closed by this machine's clock");
}

static bool
read_expiry(struct jsonv object, int64_t now_us, struct signal *s, char *why)
{
	struct jsonv	 count = line_member(object, "expiry_candles");
	int64_t		 candles = EXPIRY_CANDLES;

	if (line_member(object, "expires_at").at != -1) {
		if (!line_time(object, "expires_at", &s->expires_us, why))
			return false;
	} else {
		if (count.at != -1 && (!jsonv_int(count, &candles) || candles < 1 || candles > EXPIRY_MAX))
			return refuse(why, "expiry_candles is no whole number from 1 to 100000");
		s->expires_us = s->candle_close_us + candles * timeframe_us(s->timeframe);
	}
	if (s->expires_us <= s->candle_close_us)
		return refuse(why, "expires_at is not after the end of its candle");
	if (s->expires_us >= YEAR_10000_US)
		return refuse(why, "it would expire after the year 9999");
	return now_us == LINE_NO_CLOCK || s->expires_us > now_us || refuse(why, "it has expired already");
}

/* Is level a beyond level b, in the direction of the signal? */
static bool
is_beyond(const struct signal *s, struct decimal a, struct decimal b)
{
	int	 order = decimal_compare(a, b);

	return s->side == SIDE_LONG ? order > 0 : order < 0;
}

static bool
read_targets(struct jsonv object, struct signal *s, char *why)
{
	struct jsonv	 list = line_member(object, "targets");
	struct decimal	 before = s->entry;

	if (!jsonv_is_array(list) || jsonv_count(list) < 1 || jsonv_count(list) > SIGNAL_TARGETS_MAX)
		return refuse(why, "no targets: an array of 1 to 5 prices");
	for (struct jsonv e = jsonv_first(list); e.at != -1; e = jsonv_next(e)) {
		struct decimal	*target = &s->targets[s->target_count++];

		if (!line_number(e, "target", target, why))
			return false;
		if (target->units <= 0)
			return refuse(why, "a target is not above zero");
		if (!is_beyond(s, *target, before))
			return refuse(why, s->target_count == 1 ? "the first target is not on the winning side of entry" :
			    "a target does not lie beyond the one before it");
		before = *target;
	}
	return true;
}

static bool
read_levels(struct jsonv object, struct signal *s, char *why)
{
	struct jsonv	 side = line_member(object, "side");

	if (!jsonv_equals(side, "long") && !jsonv_equals(side, "short"))
		return refuse(why, "side is neither long nor short");
	s->side = jsonv_equals(side, "long") ? SIDE_LONG : SIDE_SHORT;
	if (!line_number(line_member(object, "entry"), "entry", &s->entry, why) ||
	    !line_number(line_member(object, "stop_loss"), "stop_loss", &s->initial_stop, why))
		return false;
	if (s->entry.units <= 0 || s->initial_stop.units <= 0)
		return refuse(why, s->entry.units <= 0 ? "entry is not above zero" : "stop_loss is not above zero");
	if (!is_beyond(s, s->entry, s->initial_stop))
		return refuse(why, "stop_loss is not on the losing side of entry");
	s->stop_loss = s->initial_stop;
	s->last_price = s->max_favorable = s->max_adverse = s->entry;
	return read_targets(object, s, why);
}

static bool
read_confidence(struct jsonv object, struct signal *s, char *why)
{
	struct jsonv	 value = line_member(object, "confidence");
	struct decimal	 d;

	if (value.at == -1)
		return true;
	if (!line_number(value, "confidence", &d, why))
		return false;
	/* Four digits: as many as survive the column's type unchanged. */
	s->confidence = round(decimal_double(d) * 1e4) / 1e4;
	return (s->confidence >= 0 && s->confidence <= 1) || refuse(why, "confidence is not from 0 to 1");
}

static bool
read_reason(struct jsonv object, struct signal *s, char *why)
{
	struct jsonv	 value = line_member(object, "reason");

	if (value.at == -1) {
		snprintf(s->reason, sizeof(s->reason), "the program gave no reason");
		return true;
	}
	return jsonv_string(value, s->reason, sizeof(s->reason)) || refuse(why, "reason is no text of up to 500 bytes");
}

/* A number as it stands there, or as the nearest that every database takes. */
static bool
put_value(struct jsonw *w, const char *key, struct jsonv value)
{
	char		 word[WORD_MAX];
	size_t		 len;
	const char	*raw = jsonv_raw(value, &len);
	struct decimal	 d;
	double		 number;
	bool		 truth;

	if (jsonv_string(value, word, sizeof(word)))
		jsonw_str(w, key, word);
	else if (jsonv_is_null(value))
		jsonw_null(w, key);
	else if (jsonv_bool(value, &truth))
		jsonw_bool(w, key, truth);
	else if (jsonv_double(value, &number) && decimal_parse(raw, len, &d))
		jsonw_raw(w, key, raw, len);
	else if (jsonv_double(value, &number))
		jsonw_double(w, key, number, 17);
	else
		return false;
	return true;
}

static bool
read_indicators(struct jsonv object, struct signal *s, char *why)
{
	struct jsonv	 value = line_member(object, "indicators");
	char		 key[WORD_MAX];
	struct jsonw	 w;

	if (value.at != -1 && !jsonv_is_object(value))
		return refuse(why, "indicators is no object");
	jsonw_init_fixed(&w, s->indicators, sizeof(s->indicators));
	jsonw_object(&w, NULL);
	for (struct jsonv k = jsonv_first_key(value); k.at != -1; k = jsonv_next_key(k))
		if (!jsonv_string(k, key, sizeof(key)) || !put_value(&w, key, jsonv_of_key(k)))
			return refuse(why, "indicators holds something else than numbers, short words, true, false and null");
	jsonw_end_object(&w);
	return !w.failed || refuse(why, "indicators are longer than 1023 bytes");
}

enum line_result
line_signal(struct jsonv object, const struct line_market *market, int64_t now_us, struct signal *out, char *why)
{
	bool	 ok = read_strategy(object, out, why) && read_timeframe(object, market->timeframe, out, why) &&
		    read_candle_time(object, now_us, out, why) && read_expiry(object, now_us, out, why) &&
		    read_levels(object, out, why) && read_confidence(object, out, why) && read_reason(object, out, why) &&
		    read_indicators(object, out, why);

	out->status = STATUS_ACTIVE;
	return ok ? LINE_TAKEN : LINE_BAD;
}
