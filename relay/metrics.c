#include "relay/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/hist.h"
#include "common/log.h"

#define PREFIX		"tocsin_relay_"
#define LEAST_POWER	6	/* of the bounds: 64 us */
#define GREATEST_POWER	26	/* 67 s */

struct metrics {
	FILE		*out;
	char		*text;
	size_t		 len;
	const char	*name;		/* of the family at hand */
};

struct metrics *
metrics_new(void)
{
	struct metrics	*m = xcalloc(1, sizeof(*m));

	if ((m->out = open_memstream(&m->text, &m->len)) == NULL)
		fatal("metrics", "no memory for the text");
	return m;
}

void
metrics_free(struct metrics *m)
{
	fclose(m->out);
	free(m->text);
	free(m);
}

void
metrics_family(struct metrics *m, const char *name, const char *type, const char *help)
{
	m->name = name;
	fprintf(m->out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}

static void
put_escaped(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		if (*text == '\n')
			fputs("\\n", out);
		else {
			if (*text == '"' || *text == '\\')
				fputc('\\', out);
			fputc(*text, out);
		}
}

static void
put_value(FILE *out, double value)
{
	if (isfinite(value))
		fprintf(out, " %.15g\n", value);
	else
		fputs(isnan(value) ? " NaN\n" : value > 0 ? " +Inf\n" : " -Inf\n", out);
}

void
metrics_sample(struct metrics *m, const char *label, const char *label_value, double value)
{
	fprintf(m->out, PREFIX "%s", m->name);
	if (label != NULL) {
		fprintf(m->out, "{%s=\"", label);
		put_escaped(m->out, label_value);
		fputs("\"}", m->out);
	}
	put_value(m->out, value);
}

void
metrics_one(struct metrics *m, const char *name, const char *type, const char *help, double value)
{
	metrics_family(m, name, type, help);
	metrics_sample(m, NULL, NULL, value);
}

static void
put_bucket(struct metrics *m, const struct hist *h, int64_t top_us)
{
	fprintf(m->out, PREFIX "%s_bucket{le=\"%.15g\"} %" PRIu64 "\n", m->name, (double)top_us / 1e6, hist_count_to(h, top_us));
}

void
metrics_hist(struct metrics *m, const char *name, const char *help, const struct hist *h)
{
	metrics_family(m, name, "histogram", help);
	/* Two a power of two, each where a bucket of ours ends, so that the counts are exact. */
	for (int power = LEAST_POWER; power <= GREATEST_POWER; power++) {
		put_bucket(m, h, (INT64_C(1) << power) - 1);
		put_bucket(m, h, (INT64_C(3) << power) / 2 - 1);
	}
	fprintf(m->out, PREFIX "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, h->count);
	fprintf(m->out, PREFIX "%s_sum %.15g\n" PREFIX "%s_count %" PRIu64 "\n", name, (double)h->sum_us / 1e6, name, h->count);
}

const char *
metrics_text(struct metrics *m, size_t *len)
{
	if (fflush(m->out) != 0)
		fatal("metrics", "no memory for the text");
	*len = m->len;
	return m->text;
}
