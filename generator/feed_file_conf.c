#include "generator/feed_file_conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *const file_format_names[] = { "auto", "candles", "trades", "json", NULL };
static const char *const header_names[] = { "auto", "yes", "no", NULL };
static const char *const unit_names[] = { "auto", "s", "ms", "us", "iso", NULL };
static const char *const on_error_names[] = { "skip", "stop", NULL };

char
file_separator(const struct feed_file_conf *conf)
{
	/* ';' begins a comment in our INI files and a tab is a blank there, so they have names. */
	if (conf->separator == NULL)
		return ',';
	return strcmp(conf->separator, "tab") == 0 ? '\t' : strcmp(conf->separator, "semicolon") == 0 ? ';' : *conf->separator;
}

static bool
separator_ok(const char *value, char *why, size_t why_size)
{
	snprintf(why, why_size, "one of the characters , | : or the word semicolon or tab");
	return strcmp(value, "tab") == 0 || strcmp(value, "semicolon") == 0 ||
	    (strlen(value) == 1 && strchr(",|:", *value) != NULL);
}

#define COLUMN_KEY(key, column, what) \
	{ .name = key, .type = CONF_STR, .offset = offsetof(struct feed_file_conf, layout.columns[column]), \
	  .def = "", .help = "column of the " what ": name in the header or number from 1; empty: the usual ones" }

const struct conf_key file_keys[] = {
	{ .name = "path", .type = CONF_STR, .offset = offsetof(struct feed_file_conf, path),
	  .help = "the file: CSV, or JSON lines as docs/exec.md has them" },
	{ .name = "format", .type = CONF_ENUM, .offset = offsetof(struct feed_file_conf, layout.format),
	  .def = "auto", .choices = file_format_names,
	  .help = "what a line is: candles or trades as CSV, or json; auto: by the first line" },
	COLUMN_KEY("time_column", COLUMN_TIME, "time (of candles: when they open)"),
	COLUMN_KEY("open_column", COLUMN_OPEN, "candles' open"),
	COLUMN_KEY("high_column", COLUMN_HIGH, "candles' high"),
	COLUMN_KEY("low_column", COLUMN_LOW, "candles' low"),
	COLUMN_KEY("close_column", COLUMN_CLOSE, "candles' close"),
	COLUMN_KEY("volume_column", COLUMN_VOLUME, "candles' volume (without one it is 0)"),
	COLUMN_KEY("price_column", COLUMN_PRICE, "trades' price"),
	COLUMN_KEY("quantity_column", COLUMN_QUANTITY, "trades' quantity"),
	COLUMN_KEY("id_column", COLUMN_ID, "trades' id (without one they are numbered)"),
	{ .name = "symbol_column", .type = CONF_STR, .offset = offsetof(struct feed_file_conf, layout.columns[COLUMN_SYMBOL]),
	  .def = "", .help = "column of the symbol as BASE/QUOTE: name or number; lines of others than symbols are skipped; "
	  "empty: all lines are the one symbol's" },
	{ .name = "header", .type = CONF_ENUM, .offset = offsetof(struct feed_file_conf, layout.header),
	  .def = "auto", .choices = header_names, .help = "whether the first line names the columns; auto: when no field is a number" },
	{ .name = "separator", .type = CONF_STR, .offset = offsetof(struct feed_file_conf, separator),
	  .def = ",", .check = separator_ok, .help = "what stands between two fields: , | : or the word semicolon or tab" },
	{ .name = "time_unit", .type = CONF_ENUM, .offset = offsetof(struct feed_file_conf, layout.time_unit),
	  .def = "auto", .choices = unit_names, .help = "unit of the times, since 1970, or iso (no zone: UTC); auto: by their size" },
	{ .name = "on_error", .type = CONF_ENUM, .offset = offsetof(struct feed_file_conf, on_error),
	  .def = "skip", .choices = on_error_names, .help = "whether a bad line is skipped or ends the feed" },
	{ .name = "pace", .type = CONF_DOUBLE, .offset = offsetof(struct feed_file_conf, pace),
	  .def = "0", .min = 0, .max = 1e6, .help = "market seconds per second; 0: as fast as it goes" },
	{ .name = NULL }
};

/* The first line that is not empty; false with the problem told. */
static bool
first_line(struct lines *l, char **line, size_t *len, layout_problem_cb problem, void *arg)
{
	enum lines_result	 result;

	while ((result = lines_next(l, line, len)) == LINES_LINE && (*len == 0 || (*len == 1 && **line == '\r')))
		;
	if (result == LINES_LINE)
		return true;
	problem("path", result == LINES_ERROR ? strerror(errno) : result == LINES_TOO_LONG ? "its first line is too long" :
	    "it has no line", arg);
	return false;
}

struct line_market
file_market(const struct feed_conf *common)
{
	return (struct line_market){
		.symbols = common->symbols.items, .count = common->symbols.count, .timeframe = (enum timeframe)common->timeframe
	};
}

/* Without names the columns may be a guess: a wrong one shows in the first line. */
static bool
first_row_ok(const struct layout *layout, enum timeframe tf, const struct csv_field *fields, int count,
    layout_problem_cb problem, void *arg)
{
	struct file_row	 row;
	char		 text[300], why[200];

	if (layout->has_header || layout_row(layout, tf, fields, count, &row, why, sizeof(why)))
		return true;
	snprintf(text, sizeof(text), "the first line has no names and cannot be read: %s; "
	    "say which column is what, and the time_unit", why);
	problem("path", text, arg);
	return false;
}

static bool
find_csv(struct layout *layout, const struct feed_file_conf *conf, const struct feed_conf *common, char *line, size_t len,
    layout_problem_cb problem, void *arg)
{
	struct csv_field	 fields[LAYOUT_FIELDS_MAX];
	const char		*why;
	int			 count = csv_split(line, len, file_separator(conf), fields, LAYOUT_FIELDS_MAX, &why);

	if (count == -1) {
		problem("path", why, arg);
		return false;
	}
	if (common->symbols.count > 1 && conf->layout.columns[COLUMN_SYMBOL] == NULL)
		problem("symbols", "are more than one: say in symbol_column which line is whose", arg);
	else if (layout_find(layout, &conf->layout, fields, count, problem, arg))
		return first_row_ok(layout, (enum timeframe)common->timeframe, fields, count, problem, arg);
	return false;
}

static bool
find_json(struct layout *layout, const struct feed_file_conf *conf, const struct feed_conf *common, char *line, size_t len,
    layout_problem_cb problem, void *arg)
{
	struct line_market	 market = file_market(common);
	struct jsonr		 scratch = { 0 };
	struct line		 first;
	char			 text[300], why[LINE_WHY_MAX];
	bool			 ok = true;

	*layout = (struct layout){ .format = FORMAT_JSON };
	for (int i = 0; i < COLUMNS; i++) {
		layout->at[i] = -1;
		if (conf->layout.columns[i] == NULL)
			continue;
		problem(file_column_keys[i], "has no meaning for JSON lines: leave it out", arg);
		ok = false;
	}
	if (line_parse(&scratch, &market, LINE_NO_CLOCK, line, len, &first, why) == LINE_BAD) {
		snprintf(text, sizeof(text), "the first line cannot be read: %s", why);
		problem("path", text, arg);
		ok = false;
	}
	jsonr_release(&scratch);
	return ok;
}

bool
file_find_data(struct lines *l, struct layout *layout, const struct feed_file_conf *conf, const struct feed_conf *common,
    layout_problem_cb problem, void *arg)
{
	char	 text[300], *line;
	size_t	 len;
	bool	 ok = false, json;

	if (lines_open(l, conf->path) == -1) {
		snprintf(text, sizeof(text), "%.100s cannot be read (%s): name a file of CSV or JSON lines that the generator's user"
		    " may read", conf->path, strerror(errno));
		problem("path", text, arg);
		return false;
	}
	if (!first_line(l, &line, &len, problem, arg))
		goto out;
	json = conf->layout.format == FORMAT_JSON || (conf->layout.format == FORMAT_AUTO && *line == '{');
	if (!(json ? find_json : find_csv)(layout, conf, common, line, len, problem, arg))
		goto out;
	if (!layout->has_header && lines_rewind(l) == -1) {
		problem("path", strerror(errno), arg);
		goto out;
	}
	ok = true;
out:
	if (!ok)
		lines_close(l);
	return ok;
}

struct check {
	struct conf			*file;
	const struct conf_section	*section;
};

static void
check_problem(const char *key, const char *text, void *arg)
{
	struct check	*c = arg;

	conf_error(c->file, c->section, key, "%s", text);
}

void
file_check(struct conf *file, const struct conf_section *section, const struct feed_conf *common, void *conf)
{
	struct feed_file_conf	*c = conf;
	struct check		 check = { file, section };
	struct lines		 lines;
	struct layout		 layout;

	if (c->path != NULL && file_find_data(&lines, &layout, c, common, check_problem, &check))
		lines_close(&lines);
}
