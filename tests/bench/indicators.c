/*
 * indicators: the largest deviation of every indicator from TA-Lib's values, for
 * each reference file in TOCSIN_DATA (default ../shared/data).  Exits with 1 when
 * one is beyond its tolerance, 0 also when no file is there, and says so.
 */
#include "tests/unit/indicator_reference.h"

static bool
report(const char *name)
{
	char			 path[4096];
	size_t			 rows = reference_run(reference_path(name, path, sizeof(path)));
	const struct reference	*r;
	bool			 ok = true, good;

	if (rows == 0) {
		printf("%s: not there, skipped\n", path);
		return true;
	}
	printf("%s: %zu bars\n%-12s %9s %10s %10s\n", path, rows, "indicator", "compared", "largest", "tolerance");
	for (int i = 0; i < REFERENCES; i++) {
		r = &references[i];
		good = r->misplaced == 0 && r->compared > 0 && r->largest <= r->tolerance;
		printf("%-12s %9zu %10.2g %10.2g%s\n", r->column, r->compared, r->largest, r->tolerance, good ? "" : "  BEYOND");
		if (r->misplaced > 0)
			printf("%-12s %9zu values where the reference has none, or the reverse\n", r->column, r->misplaced);
		ok = ok && good;
	}
	return ok;
}

int
main(void)
{
	bool	 eurusd = report("eurusd_1h.reference.csv"), goog = report("goog_1d.reference.csv");

	return eurusd && goog ? 0 : 1;
}
