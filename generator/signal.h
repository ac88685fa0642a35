/* signal: one trading signal with its whole life; mirrors the table signals (etc/sql). */
#ifndef TOCSIN_GENERATOR_SIGNAL_H
#define TOCSIN_GENERATOR_SIGNAL_H
#include <stdint.h>

#include "generator/candle.h"

#define SIGNAL_TARGETS_MAX	5
#define SIGNAL_REASON_MAX	500
#define SIGNAL_INDICATORS_MAX	1024

enum signal_side { SIDE_LONG, SIDE_SHORT };
enum signal_status { STATUS_ACTIVE, STATUS_TARGET_HIT, STATUS_STOPPED, STATUS_EXPIRED, STATUS_CANCELLED };
enum signal_exit { EXIT_NONE, EXIT_TARGET, EXIT_STOP_LOSS, EXIT_TRAILING_STOP, EXIT_EXPIRED, EXIT_REVERSED, EXIT_FEED_GAP, EXIT_OPERATOR };
enum signal_outcome { OUTCOME_NONE, OUTCOME_WIN, OUTCOME_LOSS, OUTCOME_BREAKEVEN, OUTCOME_VOID };
enum signal_mode { MODE_LIVE, MODE_DRY_RUN, MODE_REPLAY };

/* The words of the table's columns, indexed by the enums; NULL for the NONEs; a NULL at the end. */
extern const char *const signal_side_names[];
extern const char *const signal_status_names[];
extern const char *const signal_exit_names[];
extern const char *const signal_outcome_names[];
extern const char *const signal_mode_names[];

/* What becomes of a finished signal that comes from outside. */
enum signal_verdict {
	VERDICT_OPENED,
	VERDICT_REPEATED,	/* known already, or one of the same side is active */
	VERDICT_LATE,		/* its market has gone on beyond its candle */
	VERDICT_RESERVED,	/* its strategy has the name of one that is configured */
	VERDICT_TOO_MANY	/* strategies on one stream */
};
extern const char *const signal_verdict_words[];	/* for people; NULL for VERDICT_OPENED */

struct signal {
	/* Identity: the unique key of the table. */
	char			 exchange[33];
	char			 symbol[42];		/* BASE/QUOTE */
	enum timeframe		 timeframe;
	char			 strategy[49];
	int			 strategy_version;
	char			 params_hash[17];
	int64_t			 candle_open_us;
	enum signal_mode	 mode;
	/* Fixed when it opens. */
	enum signal_side	 side;
	int64_t			 candle_close_us, expires_us;	/* market time */
	int64_t			 generated_us;			/* wall clock */
	int64_t			 fresh_until_us;		/* wall clock; inserted later it is void (max_age); 0: never, 1: it is too late already */
	struct decimal		 entry, initial_stop, targets[SIGNAL_TARGETS_MAX];
	int			 target_count;
	double			 confidence;			/* 0 to 1 */
	char			 reason[SIGNAL_REASON_MAX + 1];
	char			 indicators[SIGNAL_INDICATORS_MAX];	/* a JSON object */
	/* Its life. */
	enum signal_status	 status;
	int			 targets_hit;
	struct decimal		 stop_loss, last_price, max_favorable, max_adverse;
	/* Once it is closed. */
	enum signal_exit	 exit_reason;
	enum signal_outcome	 outcome;
	struct decimal		 exit_price;
	int64_t			 closed_us;		/* market time: end of the candle that closed it */
	double			 pnl_ratio, r_multiple;
};
#endif
