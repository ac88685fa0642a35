#include "generator/recovery.h"

const char *const market_state_names[] = {
	[MARKET_OFFLINE] = "offline", [MARKET_REFUSED] = "refused", [MARKET_JOINING] = "joining",
	[MARKET_CANDLES] = "candles", [MARKET_TRADES] = "trades", [MARKET_LIVE] = "live", [MARKET_HOLE] = "hole",
	[MARKET_WAITING] = "waiting",
};
_Static_assert(sizeof(market_state_names) / sizeof(market_state_names[0]) == MARKET_STATES, "a name for every state");

enum market_state
market_next(enum market_state s, enum market_event e)
{
#define OFF	MARKET_OFFLINE
#define REF	MARKET_REFUSED
#define JOI	MARKET_JOINING
#define CAN	MARKET_CANDLES
#define TRA	MARKET_TRADES
#define LIV	MARKET_LIVE
#define HOL	MARKET_HOLE
#define WAI	MARKET_WAITING
	static const enum market_state	 next[][MARKET_EVENTS] = {
		/*                   COVERED UNCOVERED REFUSED JOINED BEHIND DUE  DONE  FAILED OVERFLOW */
		[MARKET_OFFLINE] = { JOI,    OFF,      REF,    OFF,   OFF,   OFF, OFF,  OFF,   OFF },
		[MARKET_REFUSED] = { JOI,    OFF,      REF,    REF,   REF,   REF, REF,  REF,   REF },
		[MARKET_JOINING] = { JOI,    OFF,      REF,    LIV,   CAN,   CAN, JOI,  JOI,   CAN },
		[MARKET_CANDLES] = { CAN,    OFF,      REF,    CAN,   CAN,   CAN, TRA,  CAN,   CAN },
		[MARKET_TRADES]  = { TRA,    OFF,      REF,    LIV,   TRA,   TRA, TRA,  WAI,   CAN },
		[MARKET_LIVE]    = { LIV,    OFF,      REF,    LIV,   HOL,   LIV, LIV,  LIV,   CAN },
		[MARKET_HOLE]    = { HOL,    OFF,      REF,    LIV,   HOL,   TRA, HOL,  HOL,   CAN },
		[MARKET_WAITING] = { WAI,    OFF,      REF,    LIV,   WAI,   CAN, WAI,  WAI,   WAI },
	};
	_Static_assert(sizeof(next) / sizeof(next[0]) == MARKET_STATES, "a row for every state");

	return next[s][e];
}

int64_t
recovery_edge_us(enum timeframe tf, int64_t wall_us)
{
	return timeframe_open_us(tf, wall_us - RECOVERY_SETTLE_US);
}

struct recovery_span
recovery_span(enum timeframe tf, int64_t done_us, int64_t edge_us, size_t history, size_t reach)
{
	int64_t			 length_us = timeframe_us(tf);
	/* A candle may end while we ask: one less. */
	int64_t			 reach_us = reach == 0 ? INT64_MIN : edge_us - ((int64_t)reach - 2) * length_us;
	struct recovery_span	 span = { .from_us = done_us };

	if (done_us == INT64_MIN)
		span.from_us = edge_us - (int64_t)history * length_us;
	if (span.from_us < reach_us) {
		span.from_us = reach_us;
		span.lost = true;
	}
	return span;
}

bool
recovery_too_soon(enum timeframe tf, int64_t last_open_us, int64_t edge_us, int64_t wall_us)
{
	return last_open_us < edge_us - timeframe_us(tf) && wall_us < edge_us + RECOVERY_ABSENT_US;
}

/* Everything from next_id to what comes live is there. */
static bool
is_joined(const struct recovery_trades *t)
{
	if (t->next_id == 0)		/* no trade has ever been seen, and REST knows none */
		return t->complete && t->first_held == 0;
	if (t->first_held == 0 ? t->newest >= t->next_id : t->first_held != t->next_id)
		return false;
	return t->complete || (t->first_live != 0 && t->first_live <= t->next_id);
}

enum recovery_need
recovery_need(const struct recovery_trades *t)
{
	if (is_joined(t))
		return NEED_NOTHING;
	if (t->pages >= RECOVERY_PAGES_MAX)
		return NEED_TOO_MUCH;
	if (t->descends)
		return NEED_BELOW_ID;
	return t->next_id == 0 ? NEED_FROM_TIME : NEED_FROM_ID;
}
