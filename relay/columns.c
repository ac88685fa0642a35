#include "relay/columns.h"

#include <string.h>

const struct column columns[COLUMNS] = {
	{ "id", COLUMN_INT8 },
	{ "seq", COLUMN_INT8 },
	{ "exchange", COLUMN_TEXT },
	{ "symbol", COLUMN_TEXT },
	{ "timeframe", COLUMN_TEXT },
	{ "strategy", COLUMN_TEXT },
	{ "strategy_version", COLUMN_INT4 },
	{ "params_hash", COLUMN_TEXT },
	{ "side", COLUMN_TEXT },
	{ "candle_open_time", COLUMN_TIME },
	{ "candle_close_time", COLUMN_TIME },
	{ "entry", COLUMN_NUMERIC },
	{ "stop_loss", COLUMN_NUMERIC },
	{ "initial_stop", COLUMN_NUMERIC },
	{ "targets", COLUMN_OTHER },
	{ "confidence", COLUMN_FLOAT4 },
	{ "reason", COLUMN_TEXT },
	{ "indicators", COLUMN_OTHER },
	{ "status", COLUMN_TEXT },
	{ "targets_hit", COLUMN_INT2 },
	{ "last_price", COLUMN_NUMERIC },
	{ "max_favorable", COLUMN_NUMERIC },
	{ "max_adverse", COLUMN_NUMERIC },
	{ "exit_price", COLUMN_NUMERIC },
	{ "exit_reason", COLUMN_TEXT },
	{ "outcome", COLUMN_TEXT },
	{ "pnl_ratio", COLUMN_FLOAT8 },
	{ "r_multiple", COLUMN_FLOAT8 },
	{ "generated_at", COLUMN_TIME },
	{ "created_at", COLUMN_TIME },
	{ "updated_at", COLUMN_TIME },
	{ "expires_at", COLUMN_TIME },
	{ "closed_at", COLUMN_TIME },
	{ "acked_at", COLUMN_TIME },
	{ "mode", COLUMN_TEXT },
};

int
column_find(const char *name, size_t len)
{
	for (int i = 0; i < COLUMNS; i++)
		if (strlen(columns[i].name) == len && memcmp(columns[i].name, name, len) == 0)
			return i;
	return -1;
}
