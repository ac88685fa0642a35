#include "generator/feed_file_conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *const file_format_names[] = { "auto", "candles", "trades", NULL };
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
	{ .name = "path", .type = CONF_STR, .offset = offsetof(struct feed_file_conf, path), .help = "the CSV file" },
	{ .name = "format", .type = CONF_ENUM, .offset = offsetof(struct feed_file_conf, layout.format),
	  .def = "auto", .choices = file_format_names, .help = "what a line is; auto: by the columns" },
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

/* The first line that is not empty, in fields; their number, or -1 with the problem told. */
static int
first_fields(struct lines *l, char separator, struct csv_field *fields, layout_problem_cb problem, void *arg)
{
	const char		*why = "it has no line";
	char			*line;
	size_t			 len;
	int			 count;
	enum lines_result	 result;

	while ((result = lines_next(l, &line, &len)) == LINES_LINE && (len == 0 || (len == 1 && *line == '\r')))
		;
	if (result == LINES_LINE && (count = csv_split(line, len, separator, fields, LAYOUT_FIELDS_MAX, &why)) != -1)
		return count;
	if (result == LINES_ERROR)
		why = strerror(errno);
	else if (result == LINES_TOO_LONG)
		why = "its first line is too long";
	problem("path", why, arg);
	return -1;
}

bool
file_find_data(struct lines *l, struct layout *layout, const struct feed_file_conf *conf, enum timeframe tf,
    layout_problem_cb problem, void *arg)
{
	struct csv_field	 fields[LAYOUT_FIELDS_MAX];
	struct file_row		 row;
	char			 text[300], why[200];
	int			 count;
	bool			 ok = false;

	if (lines_open(l, conf->path) == -1) {
		snprintf(text, sizeof(text), "%.100s cannot be read (%s): name a CSV file that the generator's user may read",
		    conf->path, strerror(errno));
		problem("path", text, arg);
		return false;
	}
	if ((count = first_fields(l, file_separator(conf), fields, problem, arg)) == -1)
		goto out;
	if (!layout_find(layout, &conf->layout, fields, count, problem, arg))
		goto out;
	/* Without names the columns may be a guess: a wrong one shows here. */
	if (!layout->has_header && !layout_row(layout, tf, fields, count, &row, why, sizeof(why))) {
		snprintf(text, sizeof(text), "the first line has no names and cannot be read: %s; "
		    "say which column is what, and the time_unit", why);
		problem("path", text, arg);
		goto out;
	}
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

	if (common->symbols.count > 1 && c->layout.columns[COLUMN_SYMBOL] == NULL)
		conf_error(file, section, "symbols", "are more than one: say in symbol_column which line is whose");
	if (c->path != NULL && file_find_data(&lines, &layout, c, (enum timeframe)common->timeframe, check_problem, &check))
		lines_close(&lines);
}
