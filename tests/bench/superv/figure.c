#include "tests/bench/superv/figure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/superv/proc.h"

double *
figure_list(size_t count)
{
	double	*values = calloc(count, sizeof(*values));

	if (values == NULL)
		proc_die("memory", strerror(errno));
	return values;
}

static int
compare(const void *a, const void *b)
{
	double	 x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
figure_percentile(double *values, size_t count, double percent)
{
	size_t	 at = (size_t)((double)count * percent / 100);

	qsort(values, count, sizeof(*values), compare);
	return values[at < count ? at : count - 1];
}

bool
figure_judge(const char *what, double value, const char *unit, double most)
{
	bool	 ok = value <= most;

	printf("  %-44s %10.4g %-4s target %6g  %s\n", what, value, unit, most, ok ? "ok" : "BEYOND");
	fflush(stdout);
	return ok;
}

void
figure_tell(const char *what, double value, const char *unit)
{
	printf("  %-44s %10.4g %s\n", what, value, unit);
	fflush(stdout);
}
