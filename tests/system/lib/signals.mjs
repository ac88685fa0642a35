// signals: a relay alone, and signals written by hand.
import fs from 'node:fs';
import { Site } from './site.mjs';

// Sections as for configure(); no generator runs.
export async function relayOnly(t, { process: keys = '', migrate = true, start = true, ...conf } = {}) {
  const site = await Site.create(t);
  site.configure({ ...conf, processes: undefined });
  fs.writeFileSync(site.conf, fs.readFileSync(site.conf, 'utf8').replace(/\[process generator\]\ncommand = .*\n/, '').replace('[process relay]', `[process relay]\n${keys}`));
  if (migrate) await site.migrate();
  if (start) await site.start();
  return site;
}

export const insertSql = (symbols) => `INSERT INTO signals (exchange, symbol, timeframe, strategy, side, candle_open_time, candle_close_time, entry,
  stop_loss, initial_stop, targets, confidence, reason, generated_at, expires_at)
  SELECT 'test', ${symbols}, '1m', 'by_hand', 'long', '2026-01-01', '2026-01-01 00:01', 100, 99, 99, '{102}', 0.5, 'because', now(), '2126-01-02'`;

let next = 0;

// One more signal; its seq.
export async function insert(site, options) {
  return Number(await site.value(`${insertSql(`'H${next++}/USDT'`)} RETURNING seq`, options));
}

export const log = async (site, options) => (await site.sql('SELECT seq FROM signal_events ORDER BY seq', options)).map(([seq]) => Number(seq));
