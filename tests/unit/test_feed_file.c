#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "generator/feed.h"

#define MINUTE		INT64_C(60000000)
#define T0		INT64_C(1767225600000000)	/* 2026-01-01 */
#define RECORDS_MAX	20000
#define DEADLINE_S	30

/* What a feed delivers. */
struct recorder {
	struct event_base	*base;
	struct feed		*feed;
	bool			 in_turn;
	int			 turns, ended, count;
	bool			 ended_ok;
	size_t			 symbol[RECORDS_MAX];
	struct trade		 trades[RECORDS_MAX];
	struct candle		 candles[RECORDS_MAX];
	int64_t			 clock_us, delivered_us;	/* market time */
	int64_t			 start_us, wall_us[RECORDS_MAX];	/* monotonic */
	int			 stop_at;	/* leave the loop after so many records; 0: never */
	int			 pause_every;	/* pause after so many, and resume by a timer */
	struct event		*resume;
	char			 status[2000];
};

static struct recorder rec;
static char csv_path[64], conf_path[64];

static void
temp_file(char path[64], const char *text, size_t len)
{
	int	 fd;

	strcpy(path, "/tmp/test_feed_file.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd != -1);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static void
record(size_t symbol, int64_t time_us)
{
	assert_true(rec.in_turn);
	assert_true(rec.count < RECORDS_MAX);
	rec.delivered_us = time_us;
	rec.wall_us[rec.count] = clock_mono_us();
	rec.symbol[rec.count++] = symbol;
	if (rec.pause_every != 0 && rec.count % rec.pause_every == 0) {
		feed_pause(rec.feed);
		event_add(rec.resume, &(struct timeval){ .tv_usec = 100 });
	}
	if (rec.stop_at != 0 && rec.count >= rec.stop_at) {
		feed_pause(rec.feed);
		event_base_loopbreak(rec.base);
	}
}

static void
trade_cb(size_t symbol, const struct trade *t, void *arg)
{
	(void)arg;
	rec.trades[rec.count] = *t;
	record(symbol, t->time_us);
}

static void
candle_cb(size_t symbol, const struct candle *c, void *arg)
{
	(void)arg;
	rec.candles[rec.count] = *c;
	record(symbol, c->open_us);
}

static enum signal_verdict
signal_cb(size_t symbol, const struct signal *s, void *arg)
{
	(void)arg;
	record(symbol, s->candle_close_us);
	return strcmp(s->strategy, "taken") == 0 ? VERDICT_RESERVED : VERDICT_OPENED;
}

static void
clock_cb(size_t symbol, int64_t now_us, void *arg)
{
	assert_true(symbol == FEED_ALL);
	(void)arg;
	assert_true(rec.in_turn);
	/* Trades of this market rise, so the clock never goes back, nor behind what was delivered. */
	assert_true(now_us >= rec.clock_us && now_us >= rec.delivered_us);
	rec.clock_us = now_us;
}

static void
turn_begin_cb(void *arg)
{
	(void)arg;
	assert_false(rec.in_turn);
	rec.in_turn = true;
	rec.turns++;
}

static void
turn_end_cb(void *arg)
{
	(void)arg;
	assert_true(rec.in_turn);
	rec.in_turn = false;
}

static void
ended_cb(bool ok, void *arg)
{
	(void)arg;
	rec.ended_ok = ok;
	assert_false(rec.in_turn);
	rec.ended++;
	event_base_loopbreak(rec.base);
}

static void
resume_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	feed_resume(rec.feed);
}

static const struct feed_handler handler = {
	.trade = trade_cb, .candle = candle_cb, .signal = signal_cb, .clock = clock_cb, .turn_begin = turn_begin_cb, .turn_end = turn_end_cb,
	.ended = ended_cb,
};

/* Configure a feed of `csv` (NULL: of the path in csv_path) with further keys; what conf_finish() said in *errors. */
static struct feed **
configure(const char *csv, const char *keys, char **errors)
{
	char		 text[4096];
	struct conf	*file;
	struct feed	**feeds;
	FILE		*out;
	size_t		 size;

	if (csv != NULL)
		temp_file(csv_path, csv, strlen(csv));
	snprintf(text, sizeof(text), "[feed rec]\ntype = file\npath = %s\n%s\n", csv_path, keys);
	temp_file(conf_path, text, strlen(text));
	file = conf_read(conf_path);
	feeds = feed_read_all(file);
	out = open_memstream(errors, &size);
	conf_finish(file, out);
	fclose(out);
	conf_free(file);
	unlink(conf_path);
	return feeds;
}

/* Run the feed to its end, to stop_at, or until the deadline fails the test. */
static void
run(const char *csv, const char *keys, const int64_t *resume_us, size_t history, int stop_at, int pause_every)
{
	static const int64_t	 from_start[8] = { INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN };
	struct jsonw		 w;
	struct feed		**feeds;
	char			*errors;

	memset(&rec, 0, sizeof(rec));
	feeds = configure(csv, keys, &errors);
	assert_string_equal(errors, "");
	free(errors);
	rec.base = event_base_new();
	rec.feed = feeds[0];
	rec.resume = evtimer_new(rec.base, resume_cb, NULL);
	rec.stop_at = stop_at;
	rec.pause_every = pause_every;
	event_base_loopexit(rec.base, &(struct timeval){ .tv_sec = DEADLINE_S });
	rec.start_us = clock_mono_us();
	feed_open(rec.feed, rec.base, resume_us != NULL ? resume_us : from_start, history, &handler, NULL);
	event_base_dispatch(rec.base);
	assert_true(rec.ended == 1 || (rec.count == stop_at && stop_at != 0));
	jsonw_init_fixed(&w, rec.status, sizeof(rec.status));
	jsonw_object(&w, NULL);
	feed_status_json(rec.feed, &w);
	jsonw_end_object(&w);
	assert_false(w.failed);
	feed_free_all(feeds);
	event_free(rec.resume);
	event_base_free(rec.base);
	if (csv != NULL)
		unlink(csv_path);
}

static void
assert_status(const char *part)
{
	if (strstr(rec.status, part) == NULL)
		fail_msg("%s is not in %s", part, rec.status);
}

/* The errors of a configuration contain each of the texts, NULL at the end. */
static void
assert_refused(const char *csv, const char *keys, const char *const *texts)
{
	char	*errors;

	feed_free_all(configure(csv, keys, &errors));
	for (; *texts != NULL; texts++)
		if (strstr(errors, *texts) == NULL)
			fail_msg("\"%s\" is not in \"%s\"", *texts, errors);
	free(errors);
	if (csv != NULL)
		unlink(csv_path);
}

#define ASSERT_REFUSED(csv, keys, ...) assert_refused(csv, keys, (const char *const[]){ __VA_ARGS__, NULL })

static void
assert_decimal(struct decimal d, const char *want)
{
	char	 buf[DECIMAL_TEXT_MAX];

	assert_string_equal(decimal_text(d, buf), want);
}

static void
assert_time(int64_t us, const char *want)
{
	char	 buf[CLOCK_TEXT_MAX];

	assert_string_equal(clock_iso_ms(us, buf), want);
}

static bool
use_data(const char *name)
{
	const char	*dir = getenv("TOCSIN_DATA");
	char		 path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : "../shared/data", name);
	if (access(path, R_OK) == -1 || strlen(path) >= sizeof(csv_path))
		return false;
	strcpy(csv_path, path);
	return true;
}

/* The five recordings */

static void
recorded_hours_without_a_name_for_the_time(void **state)
{
	(void)state;
	if (!use_data("eurusd_1h.csv"))
		skip();
	run(NULL, "symbols = EUR/USD\ntimeframe = 1h", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 5000);
	assert_time(rec.candles[0].open_us, "2017-04-19T09:00:00.000Z");
	assert_decimal(rec.candles[0].high, "1.0722");
	assert_decimal(rec.candles[0].volume, "1413");
	assert_int_equal(rec.candles[0].trades, -1);
	assert_int_equal(rec.candles[0].source, SOURCE_FILE);
	assert_time(rec.candles[4999].open_us, "2018-02-07T15:00:00.000Z");
	assert_status("\"bad_lines\":0");
	assert_status("\"state\":\"ended\"");
	assert_true(rec.turns >= 5000 / 512);
}

static void
recorded_days(void **state)
{
	(void)state;
	if (!use_data("goog_1d.csv"))
		skip();
	run(NULL, "symbols = GOOG/USD\ntimeframe = 1d", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 2148);
	assert_time(rec.candles[0].open_us, "2004-08-19T00:00:00.000Z");
	assert_decimal(rec.candles[0].close, "100.34");
	assert_status("\"bad_lines\":0");
}

static void
recorded_minutes_in_milliseconds(void **state)
{
	(void)state;
	if (!use_data("unittest_btc_1m.csv"))
		skip();
	run(NULL, "symbols = UNITTEST/BTC", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 13681);
	assert_time(rec.candles[0].open_us, "2017-11-04T23:02:00.000Z");
	assert_decimal(rec.candles[0].open, "0.00162008");
	assert_decimal(rec.candles[0].volume, "108.14853839");
	assert_status("\"bad_lines\":0");
}

static void
recorded_trades_with_ids(void **state)
{
	(void)state;
	if (!use_data("ethusdt_trades_20230202.csv"))
		skip();
	run(NULL, "symbols = ETH/USDT", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 1000);
	assert_int_equal(rec.trades[0].id, 1206419187);
	assert_time(rec.trades[0].time_us, "2023-02-02T09:20:00.138Z");
	assert_decimal(rec.trades[0].price, "1666.8");
	assert_decimal(rec.trades[0].quantity, "26.062");
	assert_status("\"bad_lines\":0");
}

static void
recorded_trades_without_header_and_ids(void **state)
{
	(void)state;
	if (!use_data("kraken_bcheur_trades.csv"))
		skip();
	for (int i = 0; i < 2; i++) {
		run(NULL, i == 0 ? "symbols = BCH/EUR" : "symbols = BCH/EUR\nformat = trades\nheader = no\ntime_column = 1\n"
		    "price_column = 2\nquantity_column = 3\ntime_unit = s", NULL, 0, 0, 0);
		assert_int_equal(rec.count, 486);
		assert_int_equal(rec.trades[0].id, 1);
		assert_int_equal(rec.trades[485].id, 486);
		assert_time(rec.trades[0].time_us, "2023-01-02T00:48:56.000Z");
		assert_decimal(rec.trades[0].price, "90.07");
		assert_status("\"bad_lines\":0");
	}
}

/* Columns and forms */

static void
columns_are_found_by_name_or_number(void **state)
{
	(void)state;
	run("Price,Zeit,Menge,Symbol\r\n10.5,2026-01-01 00:00:01.5,2,A/B\r\n11,2026-01-01T00:00:02+01:00,3,A/B",
	    "symbols = A/B\ntime_column = zeit\nquantity_column = 3", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 2);
	assert_time(rec.trades[0].time_us, "2026-01-01T00:00:01.500Z");
	assert_time(rec.trades[1].time_us, "2025-12-31T23:00:02.000Z");
	assert_decimal(rec.trades[1].quantity, "3");
	/* A byte order mark, quotes, blanks, semicolons, decimals with a point, no volume. */
	run("\xef\xbb\xbf\"time\";\"open\";high ; low;CLOSE\n1767225600;1;3;0.5;\"2\"\n\n1767225660;2;2;2;2\n",
	    "symbols = A/B\nseparator = semicolon", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 2);
	assert_int_equal(rec.candles[0].open_us, T0);
	assert_decimal(rec.candles[0].low, "0.5");
	assert_decimal(rec.candles[0].volume, "0");
	assert_status("\"bad_lines\":0");
	run("1767225600.25|1|3\n1767225600250|1|3\n1767225600250000|1|3\n2026-01-01T00:00:00.25|1|3\n",
	    "symbols = A/B\nseparator = |", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(rec.trades[i].time_us, T0 + 250000);
}

static void
a_column_may_name_the_symbol(void **state)
{
	(void)state;
	run("time,symbol,price,amount\n1767225600,B/X,1,1\n1767225601,A/X,2,1\n1767225602,C/X,3,1\n1767225603,A/X,4,1\n",
	    "symbols = A/X, B/X\nsymbol_column = symbol", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 3);
	assert_int_equal(rec.symbol[0], 1);
	assert_int_equal(rec.symbol[1], 0);
	/* Numbered by symbol. */
	assert_int_equal(rec.trades[0].id, 1);
	assert_int_equal(rec.trades[1].id, 1);
	assert_int_equal(rec.trades[2].id, 2);
	assert_status("\"other_symbols\":1");
	assert_status("\"bad_lines\":0");
}

/* Bad lines */

static const char *const bad_trades =
    "time,price,amount,id\n"
    "1767225600,1,1,1\n"
    "soon,1,1,2\n"
    "1767225600,x,1,3\n"
    "1767225600,1\n"
    "1767225600,0,1,5\n"
    "1767225600,1,-1,6\n"
    "1767225600,1,1,7.5\n"
    "\"1767225600,1,1,8\n"
    "\n"
    "12,1,1,9\n"
    "1767225601,2,1,10";

static void
bad_lines_are_skipped_and_counted(void **state)
{
	(void)state;
	run(bad_trades, "symbols = A/B", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 2);
	assert_int_equal(rec.trades[1].id, 10);
	assert_status("\"bad_lines\":8");
	assert_status("\"lines\":12");
	assert_status("\"state\":\"ended\"");
}

static void
a_bad_line_can_end_the_feed(void **state)
{
	(void)state;
	run(bad_trades, "symbols = A/B\non_error = stop", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 1);
	assert_int_equal(rec.ended, 1);
	assert_status("\"bad_lines\":1");
	assert_status("\"state\":\"failed\"");
}

static void
candles_come_in_order_and_once(void **state)
{
	(void)state;
	run("time,open,high,low,close,volume\n2026-01-01 00:01,1,1,1,1,1\n2026-01-01 00:00,1,1,1,1,1\n"
	    "2026-01-01 00:01,1,1,1,1,1\n2026-01-01 00:02:30,1,1,1,1,1\n2026-01-01 00:03,1,1,2,1,1\n2026-01-01 00:04,2,2,2,2,2\n",
	    "symbols = A/B", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 2);
	assert_int_equal(rec.candles[1].open_us, T0 + 4 * MINUTE);
	assert_status("\"bad_lines\":4");
}

static void
a_line_beyond_the_buffer_is_one_bad_line(void **state)
{
	size_t	 huge = 700000, len;
	char	*text = malloc(huge + 200);

	(void)state;
	len = (size_t)sprintf(text, "time,price,amount\n1767225600,1,1\n");
	memset(text + len, '7', huge);
	strcpy(text + len + huge, "\n1767225601,2,1\n");
	run(text, "symbols = A/B", NULL, 0, 0, 0);
	free(text);
	assert_int_equal(rec.count, 2);
	assert_status("\"bad_lines\":1");
	assert_status("\"lines\":4");
}

/* JSON lines */

static void
json_lines_are_known_by_the_first_one(void **state)
{
	(void)state;
	run("\xef\xbb\xbf\n{\"price\":\"1.50\",\"quantity\":2,\"time\":1767225600}\r\n\n"
	    "{\"price\":0,\"quantity\":2,\"time\":1767225600}\nnonsense\n"
	    "{\"price\":2,\"quantity\":2,\"time\":1767225601}\n{\"symbol\":\"C/D\",\"price\":2}", "symbols = A/B", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 2);
	assert_decimal(rec.trades[0].price, "1.5");
	assert_int_equal(rec.trades[1].id, 2);
	assert_status("\"bad_lines\":2");
	assert_status("\"other_symbols\":1");
	assert_status("\"lines\":7");
}

static void
json_candles_and_signals_of_several_symbols(void **state)
{
	const char	*text =
	    "{\"symbol\":\"A/B\",\"time\":1767225600,\"open\":1,\"high\":2,\"low\":1,\"close\":2}\n"
	    "{\"symbol\":\"C/D\",\"time\":1767225600,\"open\":3,\"high\":3,\"low\":3,\"close\":3}\n"
	    "{\"symbol\":\"A/B\",\"time\":1767225600,\"open\":1,\"high\":2,\"low\":1,\"close\":2}\n"
	    "{\"symbol\":\"A/B\",\"time\":1767225660,\"strategy\":\"s\",\"side\":\"long\",\"entry\":2,\"stop_loss\":1,\"targets\":[3]}\n"
	    "{\"symbol\":\"A/B\",\"time\":1767225660,\"strategy\":\"taken\",\"side\":\"long\",\"entry\":2,\"stop_loss\":1,\"targets\":[3]}\n"
	    "{\"symbol\":\"A/B\",\"time\":1767225660,\"open\":1,\"high\":2,\"low\":1,\"close\":2,\"closed\":false}\n"
	    "{\"symbol\":\"A/B\",\"time\":1767225660,\"open\":1,\"high\":2,\"low\":1,\"close\":2,\"closed\":true}\n";

	(void)state;
	run(text, "symbols = A/B, C/D\nformat = json", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 5);
	assert_int_equal(rec.symbol[1], 1);
	assert_decimal(rec.candles[1].close, "3");
	assert_int_equal(rec.candles[4].open_us, T0 + MINUTE);
	/* The second candle of a time, and the signal that was refused. */
	assert_status("\"bad_lines\":2");
	/* A restart behind the first minute. */
	run(text, "symbols = A/B, C/D", (const int64_t[]){ T0 + MINUTE, T0 + MINUTE }, 0, 0, 0);
	assert_int_equal(rec.count, 3);
	run(text, "symbols = A/B, C/D\non_error = stop", NULL, 0, 0, 0);
	assert_int_equal(rec.count, 2);
	assert_status("\"state\":\"failed\"");
}

static void
json_that_cannot_be_read_is_found_by_the_check(void **state)
{
	(void)state;
	ASSERT_REFUSED("{\"price\":1}\n", "symbols = A/B", "path: the first line cannot be read: no quantity");
	ASSERT_REFUSED("{\"price\":1}\n", "symbols = A/B, C/D", "path: the first line cannot be read: no symbol, and the feed has several");
	ASSERT_REFUSED("time,price\n", "symbols = A/B\nformat = json", "path: the first line cannot be read: it is no JSON");
	ASSERT_REFUSED("{\"price\":1,\"quantity\":1,\"time\":1767225600}\n", "symbols = A/B\ntime_column = 2",
	    "time_column: has no meaning for JSON lines");
}

/* What the check finds */

static void
a_missing_or_useless_file_is_found_by_the_check(void **state)
{
	(void)state;
	strcpy(csv_path, "/nonexistent/trades.csv");
	ASSERT_REFUSED(NULL, "symbols = A/B", "path: /nonexistent/trades.csv cannot be read (No such file or directory)");
	strcpy(csv_path, "/tmp");
	ASSERT_REFUSED(NULL, "symbols = A/B", "Is a directory");
	ASSERT_REFUSED("", "symbols = A/B", "path: it has no line");
	ASSERT_REFUSED("time,open,high,low\n", "symbols = A/B\nformat = candles",
	    "close_column: which column this is cannot be told (read as candles)", "the file has 4 columns: time, open, high, low");
	ASSERT_REFUSED("when,what\n1,2\n", "symbols = A/B", "time_column: which", "price_column: which", "quantity_column: which");
	ASSERT_REFUSED("time,price,amount\n1,2,3\n", "symbols = A/B\nid_column = nr", "id_column: \"nr\" is neither");
	ASSERT_REFUSED("time,price,amount\n1,2,3\n", "symbols = A/B\nquantity_column = 4", "quantity_column: \"4\" is neither");
	ASSERT_REFUSED("time,price,amount\n1,2,3\n", "symbols = A/B\nformat = trades\nopen_column = price",
	    "open_column: is no column of trades");
	/* id, price, quantity, quote, time: not what is guessed without names. */
	ASSERT_REFUSED("12345,100.5,2,201,1767225600000\n", "symbols = A/B",
	    "path: the first line has no names and cannot be read: time '12345' is none");
	ASSERT_REFUSED("time,price,amount\n1,2,3\n", "symbols = A/B, C/D", "symbols: are more than one");
	ASSERT_REFUSED("time,price,amount\n1,2,3\n", "symbols = A/B\nseparator = x\npace = -1", "separator: \"x\"", "pace: \"-1\"");
}

static void
the_common_keys_are_checked(void **state)
{
	const char	*csv = "time,price,amount\n1767225600,1,1\n";

	(void)state;
	ASSERT_REFUSED(csv, "symbols = BTCUSDT", "is no BASE/QUOTE");
	ASSERT_REFUSED(csv, "symbols = btc/usdt", "is no BASE/QUOTE");
	ASSERT_REFUSED(csv, "symbols = A/B/C", "is no BASE/QUOTE");
	ASSERT_REFUSED(csv, "symbols = ABCDEFGHIJKLMNOPQRSTU/B", "is no BASE/QUOTE");
	ASSERT_REFUSED(csv, "timeframe = 1m", "symbols: is missing");
	ASSERT_REFUSED(csv, "symbols = ,", "symbols: names no market");
	ASSERT_REFUSED(csv, "symbols = A/B, A/B\nsymbol_column = 1", "A/B stands there twice");
	ASSERT_REFUSED(csv, "symbols = A/B\ntimeframe = 7m", "timeframe: \"7m\"");
	ASSERT_REFUSED(csv, "symbols = A/B\nexchange = my-own", "exchange: \"my-own\"");
	ASSERT_REFUSED(csv, "symbols = A/B\nsped = 1", "sped: is no key");
	ASSERT_REFUSED(csv, "symbols = A/B\n[feed a-b]\ntype = sim\nsymbols = A/B", "has a - in its name");
	ASSERT_REFUSED(csv, "symbols = A/B\n[feed two]\ntype = sim\nsymbols = C/D, A/B\nexchange = rec",
	    "A/B of exchange rec comes from [feed rec] already");
	ASSERT_REFUSED(csv, "symbols = A/B\n[feed]\ntype = sim\nsymbols = A/B", "[feed] has no good name");
	ASSERT_REFUSED(csv, "symbols = A/B\n[feed x]\ntype = tape\nsymbols = A/B", "type: \"tape\" is not allowed: one of sim, file");
}

static void
the_effective_values_print_as_one_section(void **state)
{
	struct feed	**feeds;
	char		*errors, *text;
	size_t		 size;
	FILE		*out;

	(void)state;
	feeds = configure("time,price,amount\n1767225600,1,1\n", "symbols = A/B", &errors);
	out = open_memstream(&text, &size);
	feed_print_conf(feeds[0], out);
	fclose(out);
	assert_non_null(strstr(text, "[feed rec]\n"));
	assert_null(strchr(strchr(text, '[') + 1, '['));
	assert_non_null(strstr(text, "\nexchange = rec\n"));
	assert_non_null(strstr(text, "\ntimeframe = 1m\n"));
	assert_non_null(strstr(text, "\npace = 0\n"));
	feed_free_all(feeds);
	free(text);
	free(errors);
	unlink(csv_path);
}

/* When what is delivered */

/* One trade each 10 s from T0. */
static char *
every_ten_seconds(int count)
{
	char	*text = malloc((size_t)count * 40 + 100), *p = text;

	p += sprintf(p, "time,price,amount\n");
	for (int i = 0; i < count; i++)
		p += sprintf(p, "%d,%d,1\n", (int)(T0 / 1000000) + 10 * i, 100 + i);
	return text;
}

static void
a_restart_skips_what_was_before_and_keeps_ids(void **state)
{
	char	*text = every_ten_seconds(1500);
	int64_t	 resume_us = T0 + 100 * MINUTE;

	(void)state;
	run(text, "symbols = A/B", &resume_us, 50, 0, 0);
	assert_int_equal(rec.count, 900);
	assert_int_equal(rec.trades[0].time_us, resume_us);
	assert_int_equal(rec.trades[0].id, 601);
	assert_status("\"before_resume\":600");
	assert_status("\"bad_lines\":0");
	free(text);
}

static void
a_pause_holds_everything_and_loses_nothing(void **state)
{
	char	*text = every_ten_seconds(3000);

	(void)state;
	run(text, "symbols = A/B", NULL, 0, 0, 100);
	assert_int_equal(rec.count, 3000);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(rec.trades[i].id, i + 1);
	free(text);
}

static void
a_paced_feed_keeps_time(void **state)
{
	char	*text = every_ten_seconds(660);

	(void)state;
	/* 110 minutes take 0.66 s at this pace, whatever history strategies would like. */
	run(text, "symbols = A/B\npace = 10000", NULL, 100, 0, 0);
	assert_int_equal(rec.count, 660);
	for (int i = 1; i < 660; i++)
		assert_true(rec.wall_us[i] - rec.wall_us[0] >= (rec.trades[i].time_us - rec.trades[0].time_us) / 10000 - 1000);
	assert_true(rec.clock_us > T0 + 105 * MINUTE);
	/* After a restart the pace begins at once. */
	run(text, "symbols = A/B\npace = 3000", &(int64_t){ T0 + 100 * MINUTE }, 10, 0, 0);
	assert_int_equal(rec.count, 60);
	assert_true(rec.wall_us[59] - rec.start_us >= 590000000 / 3000);
	free(text);
}

static void
a_file_that_vanished_fails_the_feed_only(void **state)
{
	struct feed	**feeds;
	char		*errors;

	(void)state;
	memset(&rec, 0, sizeof(rec));
	feeds = configure("time,price,amount\n1767225600,1,1\n", "symbols = A/B", &errors);
	unlink(csv_path);
	rec.base = event_base_new();
	rec.feed = feeds[0];
	feed_open(feeds[0], rec.base, &(int64_t){ INT64_MIN }, 0, &handler, NULL);
	feed_pause(feeds[0]);
	feed_resume(feeds[0]);
	event_base_dispatch(rec.base);
	assert_int_equal(rec.ended, 1);
	feed_free_all(feeds);
	event_base_free(rec.base);
	free(errors);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_hours_without_a_name_for_the_time),
		cmocka_unit_test(recorded_days),
		cmocka_unit_test(recorded_minutes_in_milliseconds),
		cmocka_unit_test(recorded_trades_with_ids),
		cmocka_unit_test(recorded_trades_without_header_and_ids),
		cmocka_unit_test(columns_are_found_by_name_or_number),
		cmocka_unit_test(a_column_may_name_the_symbol),
		cmocka_unit_test(bad_lines_are_skipped_and_counted),
		cmocka_unit_test(a_bad_line_can_end_the_feed),
		cmocka_unit_test(candles_come_in_order_and_once),
		cmocka_unit_test(a_line_beyond_the_buffer_is_one_bad_line),
		cmocka_unit_test(json_lines_are_known_by_the_first_one),
		cmocka_unit_test(json_candles_and_signals_of_several_symbols),
		cmocka_unit_test(json_that_cannot_be_read_is_found_by_the_check),
		cmocka_unit_test(a_missing_or_useless_file_is_found_by_the_check),
		cmocka_unit_test(the_common_keys_are_checked),
		cmocka_unit_test(the_effective_values_print_as_one_section),
		cmocka_unit_test(a_restart_skips_what_was_before_and_keeps_ids),
		cmocka_unit_test(a_pause_holds_everything_and_loses_nothing),
		cmocka_unit_test(a_paced_feed_keeps_time),
		cmocka_unit_test(a_file_that_vanished_fails_the_feed_only),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("feed_file", tests, NULL, NULL);
}
