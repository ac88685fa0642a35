/*
 * backtest_report: what a backtest prints: signals in the order in which they
 * opened, each with how it ended, then one line a recording, one a strategy and
 * one of them all.
 *
 * Figures are those of closed signals with an outcome.  A signal that an
 * opposite one replaced has none (void): its R is summed apart.
 */
#ifndef TOCSIN_GENERATOR_BACKTEST_REPORT_H
#define TOCSIN_GENERATOR_BACKTEST_REPORT_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "generator/signal.h"

struct report;

/* Write to `out` (borrowed).  Never NULL; free with report_free(). */
struct report	*report_new(FILE *out, bool json);
void		 report_free(struct report *r);

/* A signal opened; it changed in any way.  Copied. */
void		 report_opened(struct report *r, const struct signal *s);
void		 report_changed(struct report *r, const struct signal *s);

/* A recording begins; the candles that follow are its own.  Signals of the one before that are open are told so: nothing closes them any more. */
void		 report_feed(struct report *r, const char *name);

/* A base candle [open_us, end_us) was judged. */
void		 report_candle(struct report *r, int64_t open_us, int64_t end_us, bool filled);

/* A strategy that shall have its line even without a signal. */
void		 report_strategy(struct report *r, const char *name);

/* The signals that are still open, and the summary. */
void		 report_end(struct report *r);

/* So far. */
uint64_t	 report_candles(const struct report *r);
uint64_t	 report_signals(const struct report *r);
int64_t		 report_market_us(const struct report *r);	/* end of the latest candle of the recording at hand */
#endif
