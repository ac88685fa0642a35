#include "generator/signal.h"

#include <stddef.h>

const char *const signal_side_names[] = { "long", "short", NULL };
const char *const signal_status_names[] = { "active", "target_hit", "stopped", "expired", "cancelled", NULL };
const char *const signal_exit_names[] = {
	NULL, "target", "stop_loss", "trailing_stop", "expired", "reversed", "feed_gap", "operator", NULL
};
const char *const signal_outcome_names[] = { NULL, "win", "loss", "breakeven", "void", NULL };
const char *const signal_mode_names[] = { "live", "dry_run", "replay", NULL };

const char *const signal_verdict_words[] = {
	[VERDICT_OPENED] = NULL,
	[VERDICT_REPEATED] = "it is known already, or one of the same side is active",
	[VERDICT_LATE] = "it comes too late: candles after its own have closed",
	[VERDICT_RESERVED] = "its strategy has the name of a configured [strategy]",
	[VERDICT_TOO_MANY] = "the symbol has signals of too many strategies",
};

#define ENTRIES(table)	(sizeof(table) / sizeof((table)[0]) - 1)
_Static_assert(ENTRIES(signal_side_names) == SIDE_SHORT + 1, "a side without its word");
_Static_assert(ENTRIES(signal_status_names) == STATUS_CANCELLED + 1, "a status without its word");
_Static_assert(ENTRIES(signal_exit_names) == EXIT_OPERATOR + 1, "an exit without its word");
_Static_assert(ENTRIES(signal_outcome_names) == OUTCOME_VOID + 1, "an outcome without its word");
_Static_assert(ENTRIES(signal_mode_names) == MODE_REPLAY + 1, "a mode without its word");
