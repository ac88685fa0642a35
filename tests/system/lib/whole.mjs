// whole: is a site as it should be once a fault is over?  What was before is remembered by census(), what is wrong now
// is told by wrongs() in words.
import assert from 'node:assert/strict';
import { files } from './faultsite.mjs';
import { until } from './site.mjs';

export const NAMES = ['generator', 'relay'];
const BEAT_MS = 1000; // a beat older than this is none

const children = (site) => Object.fromEntries(site.status().processes.map((p) => [p.name, p]));

// Descriptors of all, by kind, and the processes as they are.
export function census(site) {
  const processes = children(site);
  return {
    watchdog: files(site.watchdog.pid),
    files: Object.fromEntries(NAMES.map((name) => [name, files(processes[name].pid)])),
    processes,
  };
}

// Who writes, is anything doubled, and how far has the work come: one query.
export async function work(site) {
  const [[writers, sessions, doubled, candles]] = await site.sql(`SELECT
    (SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = (hashtext('tocsin.generator')::bigint & 4294967295)::oid),
    (SELECT count(*) FROM pg_stat_activity WHERE usename = 'tocsin_generator'),
    (SELECT count(*) - count(DISTINCT (exchange, symbol, timeframe, strategy, candle_open_time)) FROM signals),
    (SELECT count(*) FROM candles)`);
  return { writers: Number(writers), sessions: Number(sessions), doubled: Number(doubled), candles: Number(candles) };
}

// Beating by the status of this very watchdog.
function silent(site) {
  const status = site.status();
  if (status.pid !== site.watchdog.pid) return [`the status is that of another watchdog: ${status.pid}`];
  return status.processes.filter((p) => p.state !== 'up' || p.beat_age_ms > BEAT_MS || p.failures_in_a_row > 0)
    .map((p) => `${p.name} is ${p.state}, its last beat ${p.beat_age_ms} ms ago, failures in a row ${p.failures_in_a_row}`);
}

// Copies, zombies and orphans.
function strangers(site) {
  const all = site.processes();
  const parents = new Map(all.map((p) => [p.pid, p.ppid]));
  const ofWatchdog = (pid) => pid === site.watchdog.pid || (parents.has(pid) && ofWatchdog(parents.get(pid)));
  const count = (name) => all.filter((p) => p.program === `tocsin-${name}` && p.state !== 'Z').length;
  const tell = (p) => `pid=${p.pid} ppid=${p.ppid} state=${p.state} ${p.command || p.comm}`;
  return [
    ...['watchdog', ...NAMES].filter((name) => count(name) !== 1).map((name) => `${count(name)} copies of ${name}`),
    ...all.filter((p) => p.state === 'Z').map((p) => `a zombie: ${tell(p)}`),
    ...all.filter((p) => !ofWatchdog(p.pid)).map((p) => `an orphan: ${tell(p)}`),
  ];
}

function differing(what, now, before) {
  const count = (list, x) => list.filter((y) => y === x).length;
  const kinds = [...new Set([...now, ...before])].filter((x) => count(now, x) !== count(before, x));
  return kinds.map((x) => `${what} has ${count(now, x)} of ${x}, it had ${count(before, x)}`);
}

function descriptors(site, before) {
  const processes = children(site);
  return [...differing('the watchdog', files(site.watchdog.pid), before.watchdog),
    ...NAMES.flatMap((name) => differing(name, files(processes[name].pid), before.files[name]))];
}

// The cheap questions first: what one of them finds is told alone.
async function wrongs(site, before, candles) {
  for (const look of [silent, strangers, descriptors]) {
    const found = look(site, before);
    if (found.length > 0) return found;
  }
  const ready = await site.answer('/readyz');
  if (ready !== 200) return [`/readyz: ${ready}`];
  const now = await work(site);
  assert.equal(now.doubled, 0, 'signals are doubled');
  assert.ok(now.writers <= 1, 'two write');
  if (now.writers !== 1 || now.sessions !== 1) return [`${now.writers} writers, ${now.sessions} sessions of a generator`];
  return now.candles > candles ? [] : [`no candle was written after the first ${candles}`];
}

// Wait until nothing is wrong any more, compared with the census `before`.
export async function whole(site, before, ms = 20000) {
  const { candles } = await work(site);
  let found = [];
  await until('all is whole', async () => {
    found = await wrongs(site, before, candles).catch((error) => {
      if (error.code === 'ERR_ASSERTION') throw error;
      return [error.message]; // a file or a process that is just being replaced
    });
    return found.length === 0;
  }, ms).catch((error) => {
    throw error.code === 'ERR_ASSERTION' ? error : new Error(`not whole again: ${found.join('; ')}`);
  });
}
