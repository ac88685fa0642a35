#include "generator/exchange_private.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

#define SHOWN_MAX	40				/* bytes of a wrong value in a why */
#define NUMBER_MAX	64				/* bytes of a number that is cut */
#define TIME_MIN_US	INT64_C(1230768000000000)	/* 2009: no market of these exchanges is older */
#define TIME_MAX_US	INT64_C(4102444800000000)	/* 2100 */
#define MS_MAX		INT64_C(1000000000000000)	/* beyond it a time is in microseconds */

/* Markets */

static int
compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int	 order = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int
compare_natives(const void *a, const void *b, void *arg)
{
	const size_t			*x = a, *y = b;
	const struct exchange_markets	*m = arg;
	int				 order = strcmp(m->natives[*x], m->natives[*y]);

	return order != 0 ? order : (*x > *y) - (*x < *y);
}

struct exchange_markets *
exchange_markets_new(const struct exchange *x, const char *const *symbols, size_t count)
{
	struct exchange_markets	*m = xcalloc(1, sizeof(*m));

	m->count = count;
	m->symbols = xcalloc(count, sizeof(*m->symbols));
	m->natives = xcalloc(count, sizeof(*m->natives));
	m->sorted = xcalloc(count, sizeof(*m->sorted));
	for (size_t i = 0; i < count; i++) {
		snprintf(m->symbols[i], sizeof(m->symbols[i]), "%s", symbols[i]);
		x->native(symbols[i], m->natives[i]);
		m->sorted[i] = i;
	}
	qsort_r(m->sorted, count, sizeof(*m->sorted), compare_natives, m);
	return m;
}

void
exchange_markets_free(struct exchange_markets *m)
{
	if (m == NULL)
		return;
	free(m->symbols);
	free(m->natives);
	free(m->sorted);
	free(m);
}

size_t
exchange_markets_find(const struct exchange_markets *m, const char *native, size_t len)
{
	size_t		 low = 0, high = m->count, middle;
	const char	*name;
	int		 order;

	while (low < high) {
		middle = low + (high - low) / 2;
		name = m->natives[m->sorted[middle]];
		if ((order = compare_names(name, strlen(name), native, len)) == 0)
			return m->sorted[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return EXCHANGE_ALL;
}

size_t
exchange_market(const struct exchange_markets *m, struct jsonv native)
{
	size_t		 len;
	const char	*text = jsonv_raw(native, &len);

	return jsonv_is_string(native) ? exchange_markets_find(m, text, len) : EXCHANGE_ALL;
}

static bool
is_name(char c)
{
	return isalnum((unsigned char)c) != 0;
}

static bool
names(const char *text, const char *native)
{
	size_t		 len = strlen(native);
	const char	*at = text;

	while ((at = strcasestr(at, native)) != NULL) {
		if ((at == text || !is_name(at[-1])) && !is_name(at[len]))
			return true;
		at++;
	}
	return false;
}

size_t
exchange_named(const struct exchange_markets *m, const char *text)
{
	for (size_t i = 0; i < m->count; i++)
		if (names(text, m->natives[i]))
			return i;
	return EXCHANGE_ALL;
}

/* What is wrong */

bool
exchange_wrong(char why[EXCHANGE_WHY_MAX], const char *fmt, ...)
{
	va_list	 args;

	va_start(args, fmt);
	vsnprintf(why, EXCHANGE_WHY_MAX, fmt, args);
	va_end(args);
	return false;
}

bool
exchange_wrong_in(char why[EXCHANGE_WHY_MAX], const char *what, const char *whom)
{
	char	 rest[EXCHANGE_WHY_MAX];

	snprintf(rest, sizeof(rest), "%s", why);
	return exchange_wrong(why, "%s of %s: %s", what, whom, rest);
}

static bool
wrong_value(char why[EXCHANGE_WHY_MAX], const char *name, struct jsonv v, const char *expected)
{
	size_t		 len;
	const char	*text = jsonv_raw(v, &len);

	if (text == NULL)
		return exchange_wrong(why, "%s is missing", name);
	return exchange_wrong(why, "%s is %s: %.*s", name, expected, (int)(len < SHOWN_MAX ? len : SHOWN_MAX), text);
}

bool
exchange_whose(const struct exchange_markets *m, struct jsonv native, const char *name, size_t *symbol,
    char why[EXCHANGE_WHY_MAX])
{
	*symbol = exchange_market(m, native);
	return jsonv_is_string(native) || wrong_value(why, name, native, "no string");
}

bool
exchange_parse(struct jsonr *r, const char *text, size_t len, char why[EXCHANGE_WHY_MAX])
{
	if (jsonr_parse(r, text, len))
		return true;
	return exchange_wrong(why, "no JSON: %.*s", (int)(len < SHOWN_MAX ? len : SHOWN_MAX), text);
}

char *
exchange_words(struct jsonv v, char *buf, size_t size)
{
	size_t		 len;
	const char	*text = jsonv_raw(v, &len);

	buf[0] = '\0';
	if (jsonv_is_string(v) && !jsonv_string(v, buf, size))
		snprintf(buf, size, "%.*s", (int)(len < size ? len : size), text);
	return buf;
}

/* Fields */

bool
exchange_decimal(struct jsonv v, const char *name, struct decimal *out, char why[EXCHANGE_WHY_MAX])
{
	size_t		 len;
	const char	*text = jsonv_raw(v, &len);

	return (text != NULL && decimal_parse(text, len, out)) || wrong_value(why, name, v, "no decimal number that fits");
}

/* With fewer digits behind the point, as many as must go for the rest to fit. */
static bool
cut_to_fit(const char *text, size_t len, struct decimal *out)
{
	char	 kept[NUMBER_MAX];
	size_t	 digits, end, exponent;

	for (digits = 0; digits < len && text[digits] != 'e' && text[digits] != 'E'; digits++)
		;
	exponent = len - digits;
	for (end = digits; end > 1 && len < sizeof(kept) && text[end - 1] != '.'; end--) {
		memcpy(kept, text, end);
		memcpy(kept + end, text + digits, exponent);
		if (memchr(kept, '.', end) != NULL && decimal_parse(kept, end + exponent, out))
			return true;
	}
	return false;
}

bool
exchange_volume(struct jsonv v, struct decimal *out, char why[EXCHANGE_WHY_MAX])
{
	size_t		 len;
	const char	*text = jsonv_raw(v, &len);

	return (text != NULL && cut_to_fit(text, len, out)) || exchange_decimal(v, "volume", out, why);
}

bool
exchange_positive(struct jsonv v, const char *name, struct decimal *out, char why[EXCHANGE_WHY_MAX])
{
	return exchange_decimal(v, name, out, why) && (out->units > 0 || wrong_value(why, name, v, "not above zero"));
}

bool
exchange_int(struct jsonv v, const char *name, int64_t least, int64_t *out, char why[EXCHANGE_WHY_MAX])
{
	return (jsonv_int(v, out) && *out >= least) ||
	    wrong_value(why, name, v, least > 0 ? "no whole number above zero" : "no whole number from zero");
}

static bool
plausible(int64_t us)
{
	return us >= TIME_MIN_US && us < TIME_MAX_US;
}

bool
exchange_time_iso(struct jsonv v, const char *name, int64_t *us, char why[EXCHANGE_WHY_MAX])
{
	size_t		 len;
	const char	*text = jsonv_raw(v, &len);

	return (jsonv_is_string(v) && clock_parse_iso(text, len, us) && plausible(*us)) ||
	    wrong_value(why, name, v, "no time in RFC 3339 of this century");
}

bool
exchange_time_ms(struct jsonv v, const char *name, int64_t *us, char why[EXCHANGE_WHY_MAX])
{
	int64_t	 number;

	if (jsonv_int(v, &number) && number > 0) {
		*us = number > MS_MAX ? number : number * 1000;
		if (plausible(*us))
			return true;
	}
	return wrong_value(why, name, v, "no time in ms or us of this century");
}

/* The digits of a fraction, as microseconds. */
static const char *
read_fraction(const char *at, const char *end, int64_t *us)
{
	int64_t	 unit = 100000;

	for (*us = 0; at < end && *at >= '0' && *at <= '9'; at++, unit /= 10)
		*us += (*at - '0') * unit;
	return at;
}

bool
exchange_time_s(struct jsonv v, const char *name, int64_t *us, char why[EXCHANGE_WHY_MAX])
{
	size_t		 len;
	const char	*at = jsonv_raw(v, &len), *end = at == NULL ? NULL : at + len;
	int64_t		 seconds = 0, fraction_us = 0;

	/* No decimal_parse(): nanoseconds since 1970 have more digits than it takes. */
	for (; at < end && *at >= '0' && *at <= '9' && seconds < TIME_MAX_US / 1000000; at++)
		seconds = seconds * 10 + (*at - '0');
	if (at < end && *at == '.')
		at = read_fraction(at + 1, end, &fraction_us);
	*us = seconds * 1000000 + fraction_us;
	return (at == end && plausible(*us)) || wrong_value(why, name, v, "no time in seconds of this century");
}

bool
exchange_cells(struct jsonv array, struct jsonv *cells, size_t count)
{
	struct jsonv	 cell = jsonv_first(array);

	for (size_t i = 0; i < count; i++, cell = jsonv_next(cell)) {
		if (cell.at == -1)
			return false;
		cells[i] = cell;
	}
	return true;
}

/* Rows */

/* Where to begin so that of too many rows the oldest are read. */
static struct jsonv
first_row(struct jsonv rows, bool descend, size_t max)
{
	struct jsonv	 row = jsonv_first(rows);

	if (descend)
		for (size_t count = jsonv_count(rows); count > max; count--)
			row = jsonv_next(row);
	return row;
}

static int
compare_candles(const void *a, const void *b)
{
	const struct candle	*x = a, *y = b;

	return (x->open_us > y->open_us) - (x->open_us < y->open_us);
}

static bool
read_candle(struct jsonv row, exchange_candle_row *read_row, enum timeframe tf, struct candle *c, char why[EXCHANGE_WHY_MAX])
{
	char	 time[CLOCK_TEXT_MAX];

	if (!read_row(row, c, why))
		return false;
	c->source = c->trades == 0 ? SOURCE_FILLED : SOURCE_REST;
	return candle_ok(c, tf, why, EXCHANGE_WHY_MAX) ||
	    exchange_wrong_in(why, "the values", clock_iso_ms(c->open_us, time));
}

int
exchange_candles(struct jsonv rows, exchange_candle_row *read_row, bool descend, enum timeframe tf, int64_t now_us,
    struct candle *out, size_t max, char why[EXCHANGE_WHY_MAX])
{
	size_t		 count = 0, number = 1;
	struct jsonv	 row;
	struct candle	 c;
	char		 text[CLOCK_TEXT_MAX];

	for (row = first_row(rows, descend, max); row.at != -1 && count < max; row = jsonv_next(row), number++) {
		if (!read_candle(row, read_row, tf, &c, why)) {
			snprintf(text, sizeof(text), "row %zu", number);
			exchange_wrong_in(why, text, "the candles");
			return -1;
		}
		if (c.open_us + timeframe_us(tf) <= now_us)
			out[count++] = c;
	}
	qsort(out, count, sizeof(*out), compare_candles);
	for (size_t i = 1; i < count; i++)
		if (out[i].open_us == out[i - 1].open_us) {
			exchange_wrong(why, "two candles open at %s", clock_iso_ms(out[i].open_us, text));
			return -1;
		}
	return (int)count;
}

static int
compare_trades(const void *a, const void *b)
{
	const struct trade	*x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

int
exchange_trades(struct jsonv rows, exchange_trade_row *read_row, bool descend, struct trade *out, size_t max,
    char why[EXCHANGE_WHY_MAX])
{
	size_t		 count = 0;
	struct jsonv	 row;
	char		 text[32];

	for (row = first_row(rows, descend, max); row.at != -1 && count < max; row = jsonv_next(row))
		if (!read_row(row, &out[count++], why)) {
			snprintf(text, sizeof(text), "row %zu", count);
			exchange_wrong_in(why, text, "the trades");
			return -1;
		}
	qsort(out, count, sizeof(*out), compare_trades);
	for (size_t i = 1; i < count; i++)
		if (out[i].id == out[i - 1].id) {
			exchange_wrong(why, "two trades have the id %lld", (long long)out[i].id);
			return -1;
		}
	return (int)count;
}
