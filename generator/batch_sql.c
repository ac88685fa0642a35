/* The statements of generator/batch.h. */
#include "generator/batch.h"

#define IDENTITY_COLUMNS	\
	"exchange text, symbol text, timeframe text, strategy text, strategy_version integer, params_hash text, " \
	"candle_open_time timestamptz, mode text"
#define IDENTITY_MATCHES	\
	"s.exchange = r.exchange AND s.symbol = r.symbol AND s.timeframe = r.timeframe AND s.strategy = r.strategy " \
	"AND s.strategy_version = r.strategy_version AND s.params_hash = r.params_hash " \
	"AND s.candle_open_time = r.candle_open_time AND s.mode = r.mode"

#define INSERT_CANDLES	\
	"INSERT INTO candles (exchange, symbol, timeframe, open_time, open, high, low, close, volume, trades, source)" \
	" SELECT e, s, f, t, o, h, l, c, v, n, x FROM json_to_recordset($1::json)" \
	" AS r(e text, s text, f text, t timestamptz, o numeric, h numeric, l numeric, c numeric, v numeric, n integer, x text)"

#define OPEN_COLUMNS	\
	"exchange, symbol, timeframe, strategy, strategy_version, params_hash, candle_open_time, mode, side, candle_close_time," \
	" entry, stop_loss, initial_stop, targets, confidence, reason, indicators, last_price, max_favorable, max_adverse," \
	" generated_at, expires_at"

const char *const batch_names[BATCH_KINDS] = {
	[BATCH_OPEN] = "open", [BATCH_CHANGE] = "change", [BATCH_CANDLES] = "candles", [BATCH_CORRECT] = "correct",
	[BATCH_REFRESH] = "refresh", [BATCH_STATE] = "state"
};

/*
 * Each can run twice (the answer to a COMMIT was lost) and then changes
 * nothing: an identity is inserted once, a closed signal is left alone.
 */
const char *const batch_sql[BATCH_KINDS] = {
	[BATCH_OPEN] =
	    "INSERT INTO signals (" OPEN_COLUMNS ", status, outcome, exit_reason, closed_at)"
	    " SELECT " OPEN_COLUMNS ", CASE WHEN stale THEN 'expired' ELSE 'active' END, CASE WHEN stale THEN 'void' END,"
	    " CASE WHEN stale THEN 'expired' END, CASE WHEN stale THEN candle_close_time END"
	    " FROM json_to_recordset($1::json) AS r(" IDENTITY_COLUMNS ", side text, candle_close_time timestamptz,"
	    " entry numeric, stop_loss numeric, initial_stop numeric, targets numeric[], confidence real, reason text,"
	    " indicators jsonb, last_price numeric, max_favorable numeric, max_adverse numeric, generated_at timestamptz,"
	    " expires_at timestamptz, fresh_until timestamptz)"
	    " CROSS JOIN LATERAL (SELECT coalesce(fresh_until < clock_timestamp(), false) AS stale) AS x"
	    " ON CONFLICT DO NOTHING"
	    " RETURNING id, symbol, timeframe, strategy, side, entry, stop_loss, confidence,"
	    " (extract(epoch FROM generated_at) * 1000000)::bigint",
	[BATCH_CHANGE] =
	    "UPDATE signals s SET status = r.status, targets_hit = r.targets_hit, stop_loss = r.stop_loss,"
	    " last_price = r.last_price, max_favorable = r.max_favorable, max_adverse = r.max_adverse,"
	    " exit_price = r.exit_price, exit_reason = r.exit_reason, outcome = r.outcome, pnl_ratio = r.pnl_ratio,"
	    " r_multiple = r.r_multiple, closed_at = r.closed_at"
	    " FROM json_to_recordset($1::json) AS r(" IDENTITY_COLUMNS ", status text, targets_hit smallint, stop_loss numeric,"
	    " last_price numeric, max_favorable numeric, max_adverse numeric, exit_price numeric, exit_reason text,"
	    " outcome text, pnl_ratio double precision, r_multiple double precision, closed_at timestamptz)"
	    " WHERE " IDENTITY_MATCHES " AND s.status = 'active'"
	    " AND (s.status, s.targets_hit, s.stop_loss) IS DISTINCT FROM (r.status, r.targets_hit, r.stop_loss)"
	    " RETURNING s.id, s.symbol, s.timeframe, s.strategy, s.side, s.status, s.targets_hit, s.stop_loss, s.exit_price,"
	    " s.outcome, s.r_multiple",
	[BATCH_CANDLES] = INSERT_CANDLES " ON CONFLICT DO NOTHING",
	[BATCH_CORRECT] =
	    INSERT_CANDLES " ON CONFLICT (exchange, symbol, timeframe, open_time) DO UPDATE SET open = EXCLUDED.open,"
	    " high = EXCLUDED.high, low = EXCLUDED.low, close = EXCLUDED.close, volume = EXCLUDED.volume,"
	    " trades = EXCLUDED.trades, source = EXCLUDED.source",
	[BATCH_REFRESH] =
	    "WITH refreshed AS (UPDATE signals s SET last_price = r.last_price, max_favorable = r.max_favorable, max_adverse = r.max_adverse"
	    " FROM json_to_recordset($1::json) AS r(" IDENTITY_COLUMNS ", last_price numeric, max_favorable numeric,"
	    " max_adverse numeric) WHERE " IDENTITY_MATCHES " AND s.status = 'active')"
	    " SELECT s.exchange, s.symbol, s.timeframe, s.strategy, (extract(epoch FROM s.candle_open_time) * 1000000)::bigint,"
	    " (extract(epoch FROM s.closed_at) * 1000000)::bigint"
	    " FROM json_to_recordset($1::json) AS r(" IDENTITY_COLUMNS ") JOIN signals s ON " IDENTITY_MATCHES
	    " AND s.status <> 'active'",
	[BATCH_STATE] =
	    "INSERT INTO strategy_state (exchange, symbol, timeframe, strategy, last_candle_open_time)"
	    " SELECT exchange, symbol, timeframe, strategy, t FROM json_to_recordset($1::json)"
	    " AS r(exchange text, symbol text, timeframe text, strategy text, t timestamptz)"
	    " ON CONFLICT (exchange, symbol, timeframe, strategy) DO UPDATE"
	    " SET last_candle_open_time = greatest(strategy_state.last_candle_open_time, EXCLUDED.last_candle_open_time),"
	    " updated_at = clock_timestamp()",
};
