/*
 * engine_split: whole runs of an engine over base candles, and runs that a
 * restart splits, as loader.c does it; candles of the recordings in TOCSIN_DATA.
 */
#ifndef TOCSIN_TESTS_UNIT_ENGINE_SPLIT_H
#define TOCSIN_TESTS_UNIT_ENGINE_SPLIT_H
#include "tests/unit/engine_record.h"

#define MINUTE_US	INT64_C(60000000)
#define FILL_MAX	20

static void
feed(struct stream *s, struct record *r, const struct span *in, size_t from, size_t to)
{
	for (r->input = from; r->input < to; r->input++)
		stream_candle(s, &in->candles[r->input]);
}

static void
run_whole(const char *text, const struct span *in, size_t to, struct record *r)
{
	struct engine	*e = engine_of(text, MODE_REPLAY, FILL_MAX, r);

	feed(engine_stream(e, "test", "BTC/USDT", in->base), r, in, 0, to);
	engine_free(e);
}

static size_t
happenings_before(const struct record *r, size_t input)
{
	size_t	 low = 0, high = r->count, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (r->list[mid].input < input)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* A restart, as the generator does it: the newest base candles, then the signals as they stand, oldest first. */
static void
restart(struct engine *e, struct stream *s, enum timeframe base, const struct record *whole, size_t until)
{
	size_t		 wanted = stream_history_wanted(s), found = 0, first = until, count = 0;
	int64_t		 resume_us = INT64_MIN;
	struct signal	**signals = xcalloc(until + 1, sizeof(void *));

	while (first > 0 && found < wanted) {
		first--;
		found += whole->list[first].kind == ON_CANDLE && whole->list[first].tf == base;
	}
	for (size_t i = first; i < until; i++)
		if (whole->list[i].kind == ON_CANDLE && whole->list[i].tf == base) {
			stream_warm(s, &whole->list[i].candle);
			resume_us = whole->list[i].candle.open_us + timeframe_us(base);
		}
	for (size_t i = 0; i < until; i++) {
		if (whole->list[i].kind == ON_OPENED)
			signals[count++] = whole->list[i].signal;
		else if (whole->list[i].signal != NULL)
			for (size_t k = count; k-- > 0;)
				if (signals[k]->candle_open_us == whole->list[i].signal->candle_open_us &&
				    strcmp(signals[k]->strategy, whole->list[i].signal->strategy) == 0) {
					signals[k] = whole->list[i].signal;
					break;
				}
	}
	for (size_t i = 0; i < count; i++)
		if (signals[i]->status == STATUS_ACTIVE || signals[i]->closed_us >= resume_us - stream_memory_us(s))
			engine_restore(e, signals[i]);
	free(signals);
}

/* One run, or a part of one and a restart: the same. */
static void
check_split(const char *text, const struct span *in, const struct record *whole, size_t split, size_t *beyond)
{
	struct record	 rest = { 0 };
	struct engine	*e = engine_of(text, MODE_REPLAY, FILL_MAX, &rest);
	struct stream	*s = engine_stream(e, "test", "BTC/USDT", in->base);
	size_t		 until = happenings_before(whole, split);

	restart(e, s, in->base, whole, until);
	*beyond += split > stream_history_wanted(s);
	assert_int_equal(rest.count, 0);	/* a restart tells nothing */
	feed(s, &rest, in, split, in->count);
	assert_continues(whole, until, &rest, true, split);
	engine_free(e);
	record_release(&rest);
}

static inline void
check_splits(const char *text, const struct span *in, size_t step)
{
	struct record	 whole = { 0 };
	size_t		 beyond = 0;

	run_whole(text, in, in->count, &whole);
	for (size_t split = 1; split < in->count; split += step)
		check_split(text, in, &whole, split, &beyond);
	print_message("    %zu splits, %zu of them with a part of the history\n", (in->count - 2) / step + 1, beyond);
	record_release(&whole);
}

/* Rows "time,open,high,low,close,…"; the time becomes steps of the timeframe, holes of the file being kept. */
static inline struct candle *
read_candles(const char *name, enum timeframe tf, int skip_columns, size_t *count)
{
	const char	*folder = getenv("TOCSIN_DATA");
	char		 path[4096], *line = NULL, *field, *rest;
	size_t		 cap = 0;
	struct candle	*list = NULL, c;
	FILE		*in;

	snprintf(path, sizeof(path), "%s/%s", folder != NULL ? folder : "../shared/data", name);
	*count = 0;
	if ((in = fopen(path, "re")) == NULL) {
		print_message("%s is not there: set TOCSIN_DATA\n", path);
		skip();
	}
	while (getline(&line, &cap, in) != -1) {
		struct decimal	*prices[] = { &c.open, &c.high, &c.low, &c.close };

		c = (struct candle){ .source = SOURCE_FILE, .trades = -1 };
		field = strtok_r(line, ",\r\n", &rest);
		c.open_us = skip_columns > 0 ? (int64_t)*count * timeframe_us(tf) + INT64_C(1500000000) / 86400 * 86400000000 :
		    strtoll(field, NULL, 10) * 1000;
		for (size_t i = 0; i < 4 && field != NULL; i++)
			if ((field = strtok_r(NULL, ",\r\n", &rest)) == NULL || !decimal_parse(field, strlen(field), prices[i]))
				field = NULL;
		if (field == NULL)
			continue;	/* the header */
		list = xrealloc(list, (*count + 1) * sizeof(*list));
		list[(*count)++] = c;
	}
	free(line);
	fclose(in);
	return list;
}
#endif
