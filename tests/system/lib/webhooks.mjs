// webhooks: a site whose relay sends to receivers, and its signals written by hand.
import fs from 'node:fs';
import { Site, program, until } from './site.mjs';
import { newSecret } from './receiver.mjs';

// A site whose relay has these webhooks: { NAME: { receiver or url, keys } }.
export async function withWebhooks(t, hooks, { start = true, relay = '' } = {}) {
  const site = await Site.create(t);
  site.configure({ relay: `anonymous = read, ack, admin\n${relay}`, processes: `[process relay]\ncommand = ${program('tocsin-relay')} -c ${site.dir}/tocsin.conf
listen = 127.0.0.1:${site.port}\n` });
  for (const [name, hook] of Object.entries(hooks)) fs.appendFileSync(site.conf, section(site, name, hook));
  await site.migrate();
  if (start) {
    await site.start();
    await until('the webhooks are running', async () => (await site.json('/v1/webhooks')).webhooks.every((w) => w.state === 'running'));
  }
  return site;
}

export function section(site, name, { receiver, url = receiver.url, keys = '', allow = 'yes', secret = receiver?.secret ?? newSecret() }) {
  const file = `${site.dir}/${name}.secret`;
  fs.writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  return `[webhook ${name}]\nurl = ${url}\n${/format/.test(keys) ? '' : `secret_file = ${file}\n`}allow_private = ${allow}\n${keys}\n`;
}

let next = 0;
const values = ({ symbol = `'S' || i || '/USDT'`, side = 'long', reason = 'because' } = {}) => `'test', ${symbol}, '1m', 'ema_cross', '${side}', '2026-01-01',
  '2026-01-01 00:01', 100, ${side === 'long' ? '99, 99, \'{102}\'' : '101, 101, \'{98}\''}, 0.5, '${reason}', now(), '2026-01-02'`;
export const insert = async (site, { count = 1, ...what } = {}) => {
  const first = next;
  next += count;
  return site.sql(`INSERT INTO signals (exchange, symbol, timeframe, strategy, side, candle_open_time, candle_close_time, entry, stop_loss,
    initial_stop, targets, confidence, reason, generated_at, expires_at) SELECT ${values(what)} FROM generate_series(${first}, ${next - 1}) i RETURNING id`);
};
export const log = async (site) => (await site.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([seq]) => Number(seq));
export const state = async (site, name) => (await site.json('/v1/webhooks')).webhooks.find((w) => w.name === name);
export const post = (site, where) => fetch(`http://127.0.0.1:${site.port}${where}`, { method: 'POST', signal: AbortSignal.timeout(20000) });
