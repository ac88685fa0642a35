/*
 * batch: what one transaction will write, gathered as JSON for
 * json_to_recordset(): one statement, one text.  Pure: no database here.
 *
 * A signal that is older than its fresh_until_us when it is inserted is stored
 * as expired, with outcome void: nobody is told of it as if it were fresh.
 *
 * Signals keep their order (an UPDATE after its INSERT, a reversal's close
 * before the next opening).  Candles, refreshed prices and strategy states are
 * order-free and go at the end, the last value of each.
 */
#ifndef TOCSIN_GENERATOR_BATCH_H
#define TOCSIN_GENERATOR_BATCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generator/signal.h"

struct batch;

enum batch_kind { BATCH_OPEN, BATCH_CHANGE, BATCH_CANDLES, BATCH_CORRECT, BATCH_REFRESH, BATCH_STATE, BATCH_KINDS };

/*
 * The statement of each kind, with one parameter $1: a JSON array.  BATCH_REFRESH
 * returns those of its signals that are closed in the table: exchange, symbol,
 * timeframe, strategy, candle_open_time and closed_at in us.
 */
extern const char *const batch_sql[BATCH_KINDS];
extern const char *const batch_names[BATCH_KINDS];	/* for prepared statements and messages */

struct batch	*batch_new(void);		/* never NULL */
void		 batch_free(struct batch *b);

void		 batch_open(struct batch *b, const struct signal *s);
void		 batch_change(struct batch *b, const struct signal *s);
void		 batch_refresh(struct batch *b, const struct signal *s);
void		 batch_candle(struct batch *b, const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c);
/* In the place of one that is there, or was gathered before. */
void		 batch_correct(struct batch *b, const char *exchange, const char *symbol, enum timeframe tf, const struct candle *c);
void		 batch_judged(struct batch *b, const char *exchange, const char *symbol, enum timeframe tf, const char *strategy,
		    int64_t open_us);

/* Rows and bytes gathered; rows 0 = nothing to write. */
size_t		 batch_rows(const struct batch *b);
size_t		 batch_bytes(const struct batch *b);

/*
 * The signals' statements so far take no more rows: they can be sent.  Returns
 * how many there are; they stay the first ones.
 */
size_t		 batch_close_signals(struct batch *b);

/* No more rows: lay the statements out.  Their texts stay the batch's. */
void		 batch_seal(struct batch *b);
size_t		 batch_statements(const struct batch *b);
enum batch_kind	 batch_statement(const struct batch *b, size_t index, const char **json);

size_t		 batch_statement_rows(const struct batch *b, size_t index);

/* When its oldest opening since the last call was generated (wall clock); INT64_MAX: there is none. */
int64_t		 batch_take_oldest_us(struct batch *b);

/*
 * A sealed batch as bytes for the journal, owned by the caller; and back, behind
 * the statements that `b`, sealed or new, has already.  False when the bytes are
 * none of ours: then `b` is as it was.
 */
void		*batch_pack(const struct batch *b, size_t *len);
bool		 batch_unpack(struct batch *b, const void *data, size_t len);

/* Openings and changes of signals; and the other rows, which a sealed batch can do without: batch_drop_others() returns how many. */
size_t		 batch_signal_rows(const struct batch *b);
size_t		 batch_drop_others(struct batch *b);

/*
 * Cut a statement of several rows into two, `index` and `index` + 1, in order.
 * False when it has only one.
 */
bool		 batch_split(struct batch *b, size_t index);

/* Leave this statement out of further attempts: the server refused it for good. */
void		 batch_refuse(struct batch *b, size_t index);
bool		 batch_is_refused(const struct batch *b, size_t index);
#endif
