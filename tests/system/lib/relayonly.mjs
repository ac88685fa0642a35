// relayonly: a site whose relay is alone, and signals written by hand.
import fs from 'node:fs';
import { Site } from './site.mjs';

// `process` holds further keys of [process relay], `sections` whole sections; the rest is as in Site.configure().
export async function relayOnly(t, { process: keys = '', sections = '', ...conf } = {}) {
  const site = await Site.create(t);
  site.configure({ ...conf, processes: undefined });
  fs.writeFileSync(site.conf, fs.readFileSync(site.conf, 'utf8').replace(/\[process generator\]\ncommand = .*\n/, '')
    .replace('[process relay]', `[process relay]\n${keys}`) + sections);
  await site.migrate();
  await site.start();
  endsWell(site);
  return site;
}

// Nothing went wrong in the relay that the watchdog has only covered up: it ends while its clients are still there, and
// its log knows of no crash and of no sanitizer's report, in any of its lives.
function endsWell(site) {
  site.destroy = async () => {
    if (site.watchdog.exitCode === null && site.watchdog.signalCode === null) await site.stop();
    const bad = site.log('relay').split('\n').filter((line) => /Sanitizer|runtime error:| crash: | fatal /.test(line));
    await Site.prototype.destroy.call(site);
    if (bad.length > 0) throw new Error(`the relay's log: ${bad.slice(0, 5).join('\n')}`);
  };
}

const COLUMNS = `exchange, symbol, timeframe, strategy, side, candle_open_time, candle_close_time, entry, stop_loss,
  initial_stop, targets, confidence, reason, indicators, generated_at, expires_at`;

let next = 0;
const literal = (text) => `'${String(text).replaceAll("'", "''")}'`;

// One signal; { id, seq }.
export async function insert(site, { symbol = `S${next++}/USDT`, side = 'long', strategy = 'ema_cross', entry = 100, confidence = 0.5, reason = 'because', indicators = '{}' } = {}) {
  const stop = side === 'long' ? 0.5 : entry * 2, target = side === 'long' ? entry * 2 : 0.5;
  const [[id, seq]] = await site.sql(`INSERT INTO signals (${COLUMNS}) VALUES ('test', ${literal(symbol)}, '1m', ${literal(strategy)}, '${side}',
    '2026-01-01', '2026-01-01 00:01', ${entry}, ${stop}, ${stop}, '{${target}}', ${confidence}, ${literal(reason)}, ${literal(indicators)}, now(), '2026-01-02')
    RETURNING id, seq`);
  return { id: Number(id), seq: Number(seq) };
}

// `count` of them in one transaction, of symbols PREFIX1/USDT and so on.
export const insertMany = (site, count, { prefix, reason = "'x'", indicators = "'{}'" }) =>
  site.sql(`INSERT INTO signals (${COLUMNS}) SELECT 'test', '${prefix}' || i || '/USDT', '1m', 'ema_cross', 'long', '2026-01-01', '2026-01-01 00:01', 100, 99, 99,
    '{102}', 0.5, ${reason}, ${indicators}, now(), '2026-01-02' FROM generate_series(1, ${count}) i`);

// The stop is hit: an UPDATE of kind closed.
export const stopped = (site, where) =>
  site.sql(`UPDATE signals SET status = 'stopped', exit_reason = 'stop_loss', outcome = 'loss', exit_price = stop_loss, pnl_ratio = -0.01, closed_at = now() WHERE ${where}`);

export const newestSeq = async (site) => Number(await site.value('SELECT coalesce(max(seq), 0) FROM signal_events'));

// The records of the log's events, as the log has them, in order.
export const logged = async (site, where = 'true') =>
  (await site.sql(`SELECT record FROM signal_events WHERE ${where} ORDER BY seq`)).map(([text]) => JSON.parse(text));
