// apisite: a site with a relay alone, its signals written by hand.
import { Site, program } from './site.mjs';

let next = 0;

export async function relayOnly(t, conf = {}) {
  const site = await Site.create(t);
  site.configure({ ...conf, processes: `[process relay]\ncommand = ${program('tocsin-relay')} -c ${site.dir}/tocsin.conf\nlisten = 127.0.0.1:${site.port}\n` });
  await site.migrate();
  await site.start();
  return site;
}

// Returns its id, as a number.
export async function insertSignal(site, { symbol = `S${next++}/USDT`, side = 'long', strategy = 'ema_cross', timeframe = '1m', mode = 'live', last = 'NULL' } = {}) {
  const stop = side === 'long' ? 99 : 101;
  return Number(await site.value(`INSERT INTO signals (exchange, symbol, timeframe, strategy, side, candle_open_time, candle_close_time, entry, stop_loss,
    initial_stop, targets, confidence, reason, last_price, generated_at, expires_at, mode)
    VALUES ('test', '${symbol}', '${timeframe}', '${strategy}', '${side}', '2026-01-01'::timestamptz + ${next++} * interval '1 minute', '2026-02-01 00:01', 100, ${stop},
    ${stop}, '${side === 'long' ? '{102}' : '{98}'}', 0.5, 'because', ${last}, now(), '2026-03-02', '${mode}') RETURNING id`));
}

export const closeSignal = (site, id, { status = 'stopped', reason = 'stop_loss', outcome = 'loss', exit = 99, r = -1 } = {}) =>
  site.sql(`UPDATE signals SET status = '${status}', exit_reason = '${reason}', outcome = '${outcome}', exit_price = ${exit}, r_multiple = ${r}, pnl_ratio = ${r} / 100.0,
    targets_hit = CASE '${status}' WHEN 'target_hit' THEN 1 ELSE 0 END, closed_at = now() WHERE id = ${id}`);
