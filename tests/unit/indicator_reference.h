/*
 * indicator_reference: run every indicator over a *.reference.csv (values of
 * TA-Lib's C code) and note the largest deviations; for the unit test and the
 * benchmark.
 */
#ifndef TOCSIN_TESTS_UNIT_INDICATOR_REFERENCE_H
#define TOCSIN_TESTS_UNIT_INDICATOR_REFERENCE_H
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generator/indicator_range.h"

/* Deviations relative to max(1, |reference|); those of Bollinger relative to the close. */
#define REFERENCE_TOLERANCE		1e-9
#define REFERENCE_TOLERANCE_BOLLINGER	1e-10

struct reference {
	const char	*column;	/* of the file */
	double		 tolerance;
	size_t		 compared;
	size_t		 misplaced;	/* one side had a value and the other had none */
	double		 largest;
};

enum {
	R_SMA20, R_EMA20, R_EMA12, R_EMA26, R_RSI, R_MACD, R_SIGNAL, R_HIST, R_UPPER, R_MIDDLE, R_LOWER, R_TR, R_ATR,
	R_PLUS, R_MINUS, R_ADX, R_K, R_D, R_DON_UP, R_DON_LO, REFERENCES
};

static struct reference references[REFERENCES] = {
	[R_SMA20] = { .column = "sma20" }, [R_EMA20] = { .column = "ema20" }, [R_EMA12] = { .column = "ema12" },
	[R_EMA26] = { .column = "ema26" }, [R_RSI] = { .column = "rsi14" }, [R_MACD] = { .column = "macd" },
	[R_SIGNAL] = { .column = "macd_signal" }, [R_HIST] = { .column = "macd_hist" },
	[R_UPPER] = { .column = "bb_upper" }, [R_MIDDLE] = { .column = "bb_middle" }, [R_LOWER] = { .column = "bb_lower" },
	[R_TR] = { .column = "tr" }, [R_ATR] = { .column = "atr14" }, [R_PLUS] = { .column = "plus_di14" },
	[R_MINUS] = { .column = "minus_di14" }, [R_ADX] = { .column = "adx14" }, [R_K] = { .column = "stoch_k" },
	[R_D] = { .column = "stoch_d" }, [R_DON_UP] = { .column = "donch_up20" }, [R_DON_LO] = { .column = "donch_lo20" },
};

#define REFERENCE_FIRST_COLUMN	6	/* after i, time, open, high, low, close */
#define REFERENCE_COLUMNS	(REFERENCE_FIRST_COLUMN + REFERENCES)

static void
reference_compare(int which, bool ready, double value, const char *expected, double close)
{
	struct reference	*r = &references[which];
	double			 want, deviation;

	if (ready != (*expected != '\0')) {
		r->misplaced++;
		return;
	}
	if (!ready)
		return;
	want = strtod(expected, NULL);
	r->tolerance = REFERENCE_TOLERANCE;
	deviation = fabs(value - want) / fmax(1, fabs(want));
	if (which >= R_UPPER && which <= R_LOWER) {
		r->tolerance = REFERENCE_TOLERANCE_BOLLINGER;
		deviation = fabs(value - want) / close;
	}
	r->compared++;
	if (!(deviation <= r->largest))
		r->largest = deviation;
}

/* Cut a line at its commas; empty fields stay. */
static int
reference_split(char *line, char *fields[REFERENCE_COLUMNS])
{
	int	 count = 0;

	line[strcspn(line, "\r\n")] = '\0';
	for (char *p = line; p != NULL && count < REFERENCE_COLUMNS; count++) {
		fields[count] = p;
		if ((p = strchr(p, ',')) != NULL)
			*p++ = '\0';
	}
	return count;
}

/* Fill `references`.  Returns the rows read, 0 when there is no such file or its columns are others. */
static size_t
reference_run(const char *path)
{
	struct sma		 sma20;
	struct ema		 ema20, ema12, ema26;
	struct rsi		 rsi;
	struct macd		 macd;
	struct bollinger	 bands;
	struct atr		 atr;
	struct adx		 adx;
	struct stochastic	 stoch;
	struct donchian		 donchian;
	struct bar		 b;
	char			*line = NULL, *f[REFERENCE_COLUMNS];
	size_t			 cap = 0, rows = 0;
	FILE			*in = fopen(path, "re");

	if (in == NULL)
		return 0;
	sma_init(&sma20, 20);
	ema_init(&ema20, 20);
	ema_init(&ema12, 12);
	ema_init(&ema26, 26);
	rsi_init(&rsi, 14);
	macd_init(&macd, 12, 26, 9);
	bollinger_init(&bands, 20, 2);
	atr_init(&atr, 14);
	adx_init(&adx, 14);
	stochastic_init(&stoch, 14, 3, 3, true);
	donchian_init(&donchian, 20);
	for (int i = 0; i < REFERENCES; i++)
		references[i] = (struct reference){ .column = references[i].column };
	if (getline(&line, &cap, in) != -1 && reference_split(line, f) == REFERENCE_COLUMNS)
		for (int i = 0; i < REFERENCES; i++)
			references[i].misplaced += strcmp(f[REFERENCE_FIRST_COLUMN + i], references[i].column) != 0;
	while (getline(&line, &cap, in) != -1 && reference_split(line, f) == REFERENCE_COLUMNS) {
		b = (struct bar){ strtod(f[3], NULL), strtod(f[4], NULL), strtod(f[5], NULL) };
		sma_update(&sma20, b.close);
		ema_update(&ema20, b.close);
		ema_update(&ema12, b.close);
		ema_update(&ema26, b.close);
		rsi_update(&rsi, b.close);
		macd_update(&macd, b.close);
		bollinger_update(&bands, b.close);
		atr_update(&atr, &b);
		adx_update(&adx, &b);
		stochastic_update(&stoch, &b);
		donchian_update(&donchian, &b);
#define COMPARE(which, ready, value)	reference_compare(which, ready, value, f[REFERENCE_FIRST_COLUMN + (which)], b.close)
		COMPARE(R_SMA20, sma20.ready, sma20.value);
		COMPARE(R_EMA20, ema20.ready, ema20.value);
		COMPARE(R_EMA12, ema12.ready, ema12.value);
		COMPARE(R_EMA26, ema26.ready, ema26.value);
		COMPARE(R_RSI, rsi.ready, rsi.value);
		COMPARE(R_MACD, macd.ready, macd.value);
		COMPARE(R_SIGNAL, macd.ready, macd.signal);
		COMPARE(R_HIST, macd.ready, macd.histogram);
		COMPARE(R_UPPER, bands.ready, bands.upper);
		COMPARE(R_MIDDLE, bands.ready, bands.middle);
		COMPARE(R_LOWER, bands.ready, bands.lower);
		COMPARE(R_TR, atr.has_range, atr.true_range);
		COMPARE(R_ATR, atr.ready, atr.value);
		COMPARE(R_PLUS, adx.di_ready, adx.plus_di);
		COMPARE(R_MINUS, adx.di_ready, adx.minus_di);
		COMPARE(R_ADX, adx.ready, adx.value);
		COMPARE(R_K, stoch.ready, stoch.k);
		COMPARE(R_D, stoch.ready, stoch.d);
		COMPARE(R_DON_UP, donchian.ready, donchian.upper);
		COMPARE(R_DON_LO, donchian.ready, donchian.lower);
#undef COMPARE
		rows++;
	}
	sma_release(&sma20);
	bollinger_release(&bands);
	stochastic_release(&stoch);
	donchian_release(&donchian);
	free(line);
	fclose(in);
	return rows;
}

static const char *
reference_path(const char *name, char *buf, size_t size)
{
	const char	*folder = getenv("TOCSIN_DATA");

	snprintf(buf, size, "%s/%s", folder != NULL ? folder : "../shared/data", name);
	return buf;
}
#endif
