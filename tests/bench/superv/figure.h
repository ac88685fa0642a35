/* figure: lists of milliseconds, and figures beside their targets. */
#ifndef TOCSIN_BENCH_SUPERV_FIGURE_H
#define TOCSIN_BENCH_SUPERV_FIGURE_H
#include <stdbool.h>
#include <stddef.h>

/* Room for `count` values, all 0; owned, for free().  Exits the bench when memory runs out. */
double	*figure_list(size_t count);

/* The value that `percent` (0 to 100) of the values do not exceed; sorts them.  `count` is not 0. */
double	 figure_percentile(double *values, size_t count, double percent);

/* One line: the figure, its unit, the most it may be; true when it is no more than that. */
bool	 figure_judge(const char *what, double value, const char *unit, double most);

/* The same without a target. */
void	 figure_tell(const char *what, double value, const char *unit);
#endif
