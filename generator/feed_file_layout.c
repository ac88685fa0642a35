#include "generator/feed_file_layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAMES_MAX	14

const char *const file_column_keys[COLUMNS] = {
	[COLUMN_TIME] = "time_column", [COLUMN_OPEN] = "open_column", [COLUMN_HIGH] = "high_column",
	[COLUMN_LOW] = "low_column", [COLUMN_CLOSE] = "close_column", [COLUMN_VOLUME] = "volume_column",
	[COLUMN_PRICE] = "price_column", [COLUMN_QUANTITY] = "quantity_column", [COLUMN_ID] = "id_column",
	[COLUMN_SYMBOL] = "symbol_column",
};

/* Usual names, the surest first.  A symbol's column is used only when it is configured. */
static const char *const usual[COLUMNS][NAMES_MAX] = {
	[COLUMN_TIME] = { "time", "timestamp", "open_time", "open_time_ms", "opentime", "open time", "datetime", "date",
	    "timestamp_ms", "time_ms", "ts", "unix", "unixtime" },
	[COLUMN_OPEN] = { "open", "o" },
	[COLUMN_HIGH] = { "high", "h" },
	[COLUMN_LOW] = { "low", "l" },
	[COLUMN_CLOSE] = { "close", "c" },
	[COLUMN_VOLUME] = { "volume", "vol", "v" },
	[COLUMN_PRICE] = { "price", "p" },
	[COLUMN_QUANTITY] = { "amount", "quantity", "qty", "size", "volume", "vol", "q" },
	[COLUMN_ID] = { "id", "trade_id", "tradeid", "tid" },
};

/* Without a header: time first, then what exports commonly write. */
static const int candle_places[COLUMNS] = {
	[COLUMN_TIME] = 1, [COLUMN_OPEN] = 2, [COLUMN_HIGH] = 3, [COLUMN_LOW] = 4, [COLUMN_CLOSE] = 5, [COLUMN_VOLUME] = 6
};
static const int trade_places[COLUMNS] = { [COLUMN_TIME] = 1, [COLUMN_PRICE] = 2, [COLUMN_QUANTITY] = 3 };

static struct csv_field
trimmed(struct csv_field f)
{
	while (f.len > 0 && (f.text[0] == ' ' || f.text[0] == '\t')) {
		f.text++;
		f.len--;
	}
	while (f.len > 0 && (f.text[f.len - 1] == ' ' || f.text[f.len - 1] == '\t'))
		f.len--;
	return f;
}

/* The columns */

static int
find_name(const char *name, const struct csv_field *fields, int count)
{
	struct csv_field	 f;

	for (int i = 0; i < count; i++) {
		f = trimmed(fields[i]);
		if (f.len == strlen(name) && strncasecmp(f.text, name, f.len) == 0)
			return i;
	}
	return -1;
}

static int
find_usual(enum file_column column, const struct csv_field *fields, int count)
{
	int	 at;

	for (int i = 0; i < NAMES_MAX && usual[column][i] != NULL; i++)
		if ((at = find_name(usual[column][i], fields, count)) != -1)
			return at;
	/* pandas leaves the index without a name. */
	return column == COLUMN_TIME && trimmed(fields[0]).len == 0 ? 0 : -1;
}

/* By the name or number that the configuration gives. */
static int
find_given(const struct layout *l, const char *given, const struct csv_field *fields, int count)
{
	int	 at = l->has_header ? find_name(given, fields, count) : -1;
	char	*end;
	long	 number;

	if (at != -1)
		return at;
	number = strtol(given, &end, 10);
	return *end == '\0' && number >= 1 && number <= count ? (int)number - 1 : -1;
}

static bool
is_header(const struct csv_field *fields, int count)
{
	struct csv_field	 f;
	struct decimal		 d;

	for (int i = 0; i < count; i++) {
		f = trimmed(fields[i]);
		if (decimal_parse(f.text, f.len, &d))
			return false;
	}
	return true;
}

static enum file_format
guess_format(const struct layout *l, const struct layout_conf *conf, const struct csv_field *fields, int count)
{
	if (conf->columns[COLUMN_OPEN] != NULL || conf->columns[COLUMN_CLOSE] != NULL)
		return FORMAT_CANDLES;
	if (conf->columns[COLUMN_PRICE] != NULL || conf->columns[COLUMN_QUANTITY] != NULL)
		return FORMAT_TRADES;
	if (!l->has_header)
		return count >= candle_places[COLUMN_VOLUME] ? FORMAT_CANDLES : FORMAT_TRADES;
	return find_usual(COLUMN_OPEN, fields, count) != -1 && find_usual(COLUMN_CLOSE, fields, count) != -1 ?
	    FORMAT_CANDLES : FORMAT_TRADES;
}

static bool
is_wanted(enum file_format format, enum file_column column)
{
	if (column >= COLUMN_OPEN && column <= COLUMN_VOLUME)
		return format == FORMAT_CANDLES;
	if (column >= COLUMN_PRICE && column <= COLUMN_ID)
		return format == FORMAT_TRADES;
	return true;
}

static bool
may_be_missing(enum file_column column)
{
	return column == COLUMN_VOLUME || column == COLUMN_ID || column == COLUMN_SYMBOL;
}

/* "12 columns: a, b, c, …" of what the file has, for people. */
static void
describe_columns(const struct layout *l, const struct csv_field *fields, int count, char *buf, size_t size)
{
	size_t	 len = (size_t)snprintf(buf, size, "%d column%s", count, count == 1 ? "" : "s");

	for (int i = 0; l->has_header && i < count && len + 40 < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%.*s", i == 0 ? ": " : ", ",
		    fields[i].len > 30 ? 30 : (int)fields[i].len, fields[i].text);
}

static int
find_column(const struct layout *l, const struct layout_conf *conf, enum file_column column,
    const struct csv_field *fields, int count)
{
	int	 place;

	if (conf->columns[column] != NULL)
		return find_given(l, conf->columns[column], fields, count);
	if (l->has_header)
		return find_usual(column, fields, count);
	place = (l->format == FORMAT_CANDLES ? candle_places : trade_places)[column];
	return place <= count ? place - 1 : -1;
}

bool
layout_find(struct layout *l, const struct layout_conf *conf, const struct csv_field *fields, int count,
    layout_problem_cb problem, void *arg)
{
	char	 text[600], has[400];
	bool	 ok = true;

	if (count > LAYOUT_FIELDS_MAX)
		count = LAYOUT_FIELDS_MAX;
	l->time_unit = (enum time_unit)conf->time_unit;
	l->has_header = conf->header == HEADER_AUTO ? is_header(fields, count) : conf->header == HEADER_YES;
	l->format = conf->format == FORMAT_AUTO ? guess_format(l, conf, fields, count) : (enum file_format)conf->format;
	describe_columns(l, fields, count, has, sizeof(has));
	for (enum file_column i = 0; i < COLUMNS; i++) {
		l->at[i] = is_wanted(l->format, i) ? find_column(l, conf, i, fields, count) : -1;
		if (!is_wanted(l->format, i) && conf->columns[i] != NULL)
			snprintf(text, sizeof(text), "is no column of %s: leave it out, or set format =",
			    l->format == FORMAT_CANDLES ? "candles" : "trades");
		else if (l->at[i] == -1 && conf->columns[i] != NULL)
			snprintf(text, sizeof(text), "\"%.60s\" is neither a column's name nor its number: the file has %s",
			    conf->columns[i], has);
		else if (l->at[i] == -1 && is_wanted(l->format, i) && !may_be_missing(i))
			snprintf(text, sizeof(text), "which column this is cannot be told (read as %s): give its name or number; "
			    "the file has %s", l->format == FORMAT_CANDLES ? "candles" : "trades", has);
		else
			continue;
		problem(file_column_keys[i], text, arg);
		ok = false;
	}
	return ok;
}

/* A line */

static bool
read_number(const struct layout *l, enum file_column column, const struct csv_field *fields, struct decimal *out,
    char *why, size_t why_size)
{
	struct csv_field	 f = trimmed(fields[l->at[column]]);

	if (decimal_parse(f.text, f.len, out))
		return true;
	snprintf(why, why_size, "%.*s '%.*s' is no number", (int)strcspn(file_column_keys[column], "_"),
	    file_column_keys[column], f.len > 40 ? 40 : (int)f.len, f.text);
	return false;
}

static bool
read_trade(const struct layout *l, const struct csv_field *fields, struct trade *t, char *why, size_t why_size)
{
	struct decimal	 id = { 0 };

	if (!read_number(l, COLUMN_PRICE, fields, &t->price, why, why_size) ||
	    !read_number(l, COLUMN_QUANTITY, fields, &t->quantity, why, why_size))
		return false;
	if (l->at[COLUMN_ID] != -1 && !read_number(l, COLUMN_ID, fields, &id, why, why_size))
		return false;
	t->id = id.units;
	t->folded = 0;
	if (t->price.units > 0 && t->quantity.units >= 0 && id.scale == 0 && id.units >= 0)
		return true;
	snprintf(why, why_size, "%s", t->price.units <= 0 ? "the price is not above zero" :
	    t->quantity.units < 0 ? "the quantity is negative" : "the id is no whole number of 0 or more");
	return false;
}

static bool
read_candle(const struct layout *l, enum timeframe tf, const struct csv_field *fields, struct candle *c, char *why,
    size_t why_size)
{
	struct decimal	*prices[] = { &c->open, &c->high, &c->low, &c->close };

	for (int i = 0; i < 4; i++)
		if (!read_number(l, (enum file_column)(COLUMN_OPEN + i), fields, prices[i], why, why_size))
			return false;
	if (l->at[COLUMN_VOLUME] != -1 && !read_number(l, COLUMN_VOLUME, fields, &c->volume, why, why_size))
		return false;
	c->trades = -1;
	c->source = SOURCE_FILE;
	return candle_ok(c, tf, why, why_size);
}

bool
layout_row(const struct layout *l, enum timeframe tf, const struct csv_field *fields, int count, struct file_row *row,
    char *why, size_t why_size)
{
	struct csv_field	 time;
	int64_t			 time_us;

	for (int i = 0; i < COLUMNS; i++)
		if (l->at[i] >= count) {
			snprintf(why, why_size, "%d column%s where %d or more are needed", count, count == 1 ? "" : "s", l->at[i] + 1);
			return false;
		}
	time = trimmed(fields[l->at[COLUMN_TIME]]);
	if (!timestamp_parse(l->time_unit, time.text, time.len, &time_us)) {
		snprintf(why, why_size, "time '%.*s' is none%s", time.len > 40 ? 40 : (int)time.len, time.text,
		    l->time_unit == UNIT_AUTO ? "" : " in this time_unit");
		return false;
	}
	row->symbol = (struct csv_field){ 0 };
	if (l->at[COLUMN_SYMBOL] != -1)
		row->symbol = trimmed(fields[l->at[COLUMN_SYMBOL]]);
	row->line.kind = l->format == FORMAT_TRADES ? LINE_TRADE : LINE_CANDLE;
	row->line.has_id = l->at[COLUMN_ID] != -1;
	row->line.trade = (struct trade){ .time_us = time_us };
	row->line.candle = (struct candle){ .open_us = time_us };
	return l->format == FORMAT_TRADES ? read_trade(l, fields, &row->line.trade, why, why_size) :
	    read_candle(l, tf, fields, &row->line.candle, why, why_size);
}
