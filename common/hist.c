#include "common/hist.h"

#include "common/json.h"

static int
bucket_of(int64_t us)
{
	int	 power = 0, index;

	while (us >> power >= 2 * HIST_SUB)
		power++;
	/* us >> power is now below 32: 0 to 15 only in the first, linear group. */
	index = us < HIST_SUB ? (int)us : (power + 1) * HIST_SUB + (int)(us >> power) - HIST_SUB;
	return index < HIST_POWERS * HIST_SUB ? index : HIST_POWERS * HIST_SUB - 1;
}

/* The largest value that bucket_of() puts into `index`. */
static int64_t
bucket_top_us(int index)
{
	int	 power = index / HIST_SUB - 1;

	if (index < HIST_SUB)
		return index;
	return ((int64_t)(index % HIST_SUB + HIST_SUB + 1) << power) - 1;
}

void
hist_add(struct hist *h, int64_t us)
{
	if (us < 0)
		us = 0;
	h->count++;
	h->sum_us += us;
	if (us > h->max_us)
		h->max_us = us;
	h->buckets[bucket_of(us)]++;
}

int64_t
hist_percentile_us(const struct hist *h, double percent)
{
	double		 wanted = (double)h->count * percent / 100;
	uint64_t	 seen = 0;
	int64_t		 top;

	if (h->count == 0)
		return 0;
	for (int i = 0; i < HIST_POWERS * HIST_SUB; i++) {
		seen += h->buckets[i];
		if (seen > 0 && (double)seen >= wanted) {
			top = bucket_top_us(i);
			return top < h->max_us ? top : h->max_us;
		}
	}
	return h->max_us;
}

uint64_t
hist_count_to(const struct hist *h, int64_t us)
{
	uint64_t	 count = 0;

	for (int i = 0; i <= bucket_of(us); i++)
		count += h->buckets[i];
	return count;
}

void
hist_json(struct jsonw *w, const char *key, const struct hist *h)
{
	jsonw_object(w, key);
	jsonw_int(w, "count", (int64_t)h->count);
	jsonw_double(w, "mean_ms", h->count == 0 ? 0 : (double)h->sum_us / (double)h->count / 1000, 4);
	jsonw_double(w, "p50_ms", (double)hist_percentile_us(h, 50) / 1000, 6);
	jsonw_double(w, "p99_ms", (double)hist_percentile_us(h, 99) / 1000, 6);
	jsonw_double(w, "max_ms", (double)h->max_us / 1000, 6);
	jsonw_end_object(w);
}
