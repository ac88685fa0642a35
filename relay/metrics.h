/*
 * metrics: figures in the text format of Prometheus (0.0.4).  A family first,
 * then its samples:
 *
 *	metrics_family(m, "events_total", "counter", "events handed out");
 *	metrics_sample(m, NULL, NULL, 42);
 */
#ifndef TOCSIN_RELAY_METRICS_H
#define TOCSIN_RELAY_METRICS_H
#include <stddef.h>
#include <stdint.h>

struct hist;
struct metrics;

struct metrics	*metrics_new(void);
void		 metrics_free(struct metrics *m);

/* `name` gets the prefix tocsin_relay_; `type` is counter or gauge; `help` is a line without backslashes. */
void		 metrics_family(struct metrics *m, const char *name, const char *type, const char *help);

/* A sample of the last family; `label` (NULL: none) and its value, which is escaped. */
void		 metrics_sample(struct metrics *m, const char *label, const char *label_value, double value);

/* A family of one sample without labels. */
void		 metrics_one(struct metrics *m, const char *name, const char *type, const char *help, double value);

/* A family with all of a histogram: cumulative buckets, sum and count, in seconds. */
void		 metrics_hist(struct metrics *m, const char *name, const char *help, const struct hist *h);

/* The text; borrowed. */
const char	*metrics_text(struct metrics *m, size_t *len);
#endif
