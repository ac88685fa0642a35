/*
 * A file's lines as the feed reads them: the first byte chooses the separator
 * and the columns' configuration, the first line finds the columns, the others
 * are rows.  Every field stays inside its line; every candle taken is a good one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "generator/csv.h"
#include "generator/feed_file_layout.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ignore_problem(const char *key, const char *text, void *arg)
{
	(void)arg;
	if (key == NULL || *text == '\0')
		abort();
}

static int
split(char *line, size_t len, char separator, struct csv_field *fields)
{
	const char	*why = NULL;
	int		 count = csv_split(line, len, separator, fields, LAYOUT_FIELDS_MAX, &why);

	if (count == 0 || (count == -1 && why == NULL))
		abort();
	for (int i = 0; i < count && i < LAYOUT_FIELDS_MAX; i++)
		if (fields[i].text < line || fields[i].text + fields[i].len > line + len)
			abort();
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct csv_field	 fields[LAYOUT_FIELDS_MAX];
	struct layout_conf	 conf = { .format = FORMAT_AUTO };
	struct layout		 layout;
	struct file_row		 row;
	char			*text, *line, *end, *lf, why[200];
	char			 number[] = "2", separator;
	bool			 found = false;
	int			 count;

	if (size == 0)
		return 0;
	separator = ",;\t|"[data[0] & 3];
	if ((data[0] & 4) != 0)
		conf.columns[COLUMN_SYMBOL] = number;
	conf.header = data[0] >> 3 & 1;		/* HEADER_AUTO or HEADER_YES */
	conf.time_unit = (data[0] >> 4 & 7) % (UNIT_ISO + 1);
	if ((text = malloc(size)) == NULL)
		abort();
	memcpy(text, data, size);
	end = text + size;
	for (line = text + 1; line < end; line = lf + 1) {
		if ((lf = memchr(line, '\n', (size_t)(end - line))) == NULL)
			lf = end;
		if ((count = split(line, (size_t)(lf - line), separator, fields)) == -1)
			continue;
		if (!found)
			found = layout_find(&layout, &conf, fields, count, ignore_problem, NULL);
		else if (layout_row(&layout, TF_1M, fields, count, &row, why, sizeof(why)) &&
		    layout.format == FORMAT_CANDLES && !candle_ok(&row.line.candle, TF_1M, why, sizeof(why)))
			abort();
		if (lf == end)
			break;
	}
	free(text);
	return 0;
}
