#include "generator/indicator.h"

#include <stdlib.h>

#include "common/log.h"

void
window_init(struct window *w, size_t size)
{
	*w = (struct window){ .size = size, .values = xcalloc(size, sizeof(double)) };
}

void
window_release(struct window *w)
{
	free(w->values);
	*w = (struct window){ 0 };
}

void
window_push(struct window *w, double x)
{
	w->values[w->next] = x;
	w->next = w->next + 1 == w->size ? 0 : w->next + 1;
	if (w->count < w->size)
		w->count++;
}

bool
window_full(const struct window *w)
{
	return w->count == w->size;
}

double
window_sum(const struct window *w)
{
	double	 sum = 0;

	if (window_full(w))
		for (size_t i = w->next; i < w->size; i++)
			sum += w->values[i];
	for (size_t i = 0; i < w->next; i++)
		sum += w->values[i];
	return sum;
}

double
window_max(const struct window *w)
{
	double	 max = w->values[0];

	for (size_t i = 1; i < w->count; i++)
		if (w->values[i] > max)
			max = w->values[i];
	return max;
}

double
window_min(const struct window *w)
{
	double	 min = w->values[0];

	for (size_t i = 1; i < w->count; i++)
		if (w->values[i] < min)
			min = w->values[i];
	return min;
}

bool
window_is_lowest(const struct window *w, double x)
{
	/* From the newest on: in a series that is no minimum a lower one is near. */
	for (size_t i = w->next; i-- > 0;)
		if (w->values[i] < x)
			return false;
	for (size_t i = w->count; i-- > w->next;)
		if (w->values[i] < x)
			return false;
	return true;
}

double
window_squares(const struct window *w, double mean)
{
	double	 sum = 0;

	if (window_full(w))
		for (size_t i = w->next; i < w->size; i++)
			sum += (w->values[i] - mean) * (w->values[i] - mean);
	for (size_t i = 0; i < w->next; i++)
		sum += (w->values[i] - mean) * (w->values[i] - mean);
	return sum;
}
