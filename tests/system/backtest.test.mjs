// tocsin backtest: the configured strategies over recordings, without a database.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Site, allStrategies, command, fileFeed, program, simFeed, writeCandles } from './lib/site.mjs';

const tocsin = (site, ...words) => command(program('tocsin'), words, { cwd: site.dir });
const lines = ({ stdout }) => stdout.trimEnd().split('\n').map((line) => JSON.parse(line));

// Everything about a signal but ids and the clocks of the run; numbers as they are, times in milliseconds.
const ROWS = `SELECT to_jsonb(r) FROM (SELECT exchange, symbol, timeframe, strategy, strategy_version, params_hash, mode, side,
  candle_open_time, candle_close_time, expires_at, closed_at, entry, initial_stop, stop_loss, targets, confidence, reason, indicators,
  status, targets_hit, last_price, max_favorable, max_adverse, exit_price, exit_reason, outcome, pnl_ratio, r_multiple
  FROM signals ORDER BY id) r`;

function comparable(row) {
  const out = { exit_price: null, exit_reason: null, outcome: null, pnl_ratio: null, r_multiple: null, closed_at: null, ...row };
  delete out.kind;
  for (const key of ['candle_open_time', 'candle_close_time', 'expires_at', 'closed_at']) out[key] &&= Date.parse(out[key]);
  return out;
}

const identity = (s) => [s.symbol, s.timeframe, s.strategy, s.candle_open_time].join(' ');
const ordered = (rows) => rows.map(comparable).sort((a, b) => (identity(a) < identity(b) ? -1 : 1));

// Trades, several a minute, made of the candles of a recording: open, high, low, close.
function writeTrades(file, candles) {
  const out = ['id,timestamp,price,amount'];
  for (const line of fs.readFileSync(candles, 'utf8').trimEnd().split('\n').slice(1)) {
    const [time, open, high, low, close] = line.split(',');
    for (const [i, price] of [open, high, low, close].entries()) out.push(`${out.length},${Number(time) + 14000 * i},${price},0.5`);
  }
  fs.writeFileSync(file, `${out.join('\n')}\n`);
}

test('the signals are, row for row, those that the generator writes to a database', async (t) => {
  const site = await Site.create(t);
  writeCandles(`${site.dir}/candles.csv`, { minutes: 6000 });
  writeTrades(`${site.dir}/trades.csv`, `${site.dir}/candles.csv`);
  writeCandles(`${site.dir}/other.csv`, { minutes: 3000, seed: 99, start: Date.UTC(2025, 0, 2) });
  site.configure({
    feed: `${fileFeed(`${site.dir}/trades.csv`)}\n[feed other]\ntype = file\npath = ${site.dir}/other.csv\nsymbols = CCC/DDD\n`,
    strategies: allStrategies(['1m', '5m'], 'warmup = 120'), generator: 'mode = replay\nat_end = exit',
  });
  const run = await tocsin(site, 'backtest', '-c', site.conf, '--json');
  assert.equal(run.code, 0, run.stderr);
  assert.equal(run.stderr, '');
  await site.migrate();
  assert.equal((await command(program('tocsin-generator'), ['-c', site.conf])).code, 0);

  const signals = lines(run).filter((line) => line.kind === 'signal');
  const stored = (await site.sql(ROWS)).map(([json]) => JSON.parse(json));
  assert.ok(signals.length > 100, `${signals.length} signals`);
  assert.equal(new Set(signals.map((s) => s.strategy)).size, 12, 'every strategy has fired');
  assert.deepEqual(ordered(signals), ordered(stored));

  // The summary is that of these rows.
  const summary = lines(run).filter((line) => line.kind !== 'signal');
  assert.deepEqual(summary.map((line) => line.kind), ['feed', 'feed', ...Array(12).fill('strategy'), 'total']);
  for (const line of summary.slice(2)) {
    const own = stored.filter((s) => line.kind === 'total' || s.strategy === line.strategy);
    const count = (outcome) => own.filter((s) => s.outcome === outcome).length;
    const counted = own.filter((s) => ['win', 'loss', 'breakeven'].includes(s.outcome));
    assert.equal(line.signals, own.length);
    assert.equal(line.open, own.filter((s) => s.status === 'active').length);
    assert.deepEqual([line.wins, line.losses, line.breakeven, line.void], ['win', 'loss', 'breakeven', 'void'].map(count));
    assert.equal(line.win_ratio, line.wins + line.losses > 0 ? line.wins / (line.wins + line.losses) : null);
    assert.ok(Math.abs(line.sum_r - counted.reduce((sum, s) => sum + s.r_multiple, 0)) < 1e-9);
    let losses = 0;
    let most = 0;
    for (const s of counted.sort((a, b) => Date.parse(a.closed_at) - Date.parse(b.closed_at))) {
      losses = s.outcome === 'loss' ? losses + 1 : 0;
      most = Math.max(most, losses);
    }
    // Of several that closed in one minute the order is not told by the rows.
    if (line.kind === 'strategy') assert.equal(line.max_consecutive_losses, most, line.strategy);
  }
  assert.equal(summary.at(-1).market_from, '2025-01-01T00:00:00.000Z');
});

test('people get a table with units, and the same twice; a pace is not waited for', async (t) => {
  const site = await Site.create(t, { database: false });
  writeCandles(`${site.dir}/candles.csv`);
  site.configure({ feed: fileFeed(`${site.dir}/candles.csv`, { extra: 'pace = 1' }), generator: 'mode = replay' });
  const first = await tocsin(site, '-c', site.conf, 'backtest');
  assert.deepEqual(await tocsin(site, 'backtest', '-c', site.conf), first);
  assert.equal(first.code, 0, first.stderr);
  const [head, ...rows] = first.stdout.split('\n');
  assert.match(head, /^opened \(UTC\) .*entry .*confidence .*outcome .* R  targets$/);
  const at = head.indexOf('side');
  for (const row of rows.slice(0, rows.indexOf(''))) assert.match(row.slice(at), /^(long |short) /);
  assert.match(first.stdout, /\nfeed file: market time 2025-01-01 00:00 to 2025-01-03 18:40 UTC \(2 d 18 h 40 min\), 4000 candles, \d+ of them filled in\n/);
  assert.match(first.stdout, /\nstrategy +signals .*\nema_cross .*\nrsi_reversion .*\ndonchian_breakout .*\ntotal .* %.*\n$/);
});

test('a feed without an end, a wrong configuration and a broken recording are told apart', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ feed: simFeed() });
  const sim = await tocsin(site, 'backtest', '-c', site.conf);
  assert.equal(sim.code, 100);
  assert.equal(sim.stdout, '');
  assert.match(sim.stderr, /^tocsin backtest: \S+: \[feed sim\] is no recording: use .* type = file .*\n$/);

  const missing = await tocsin(site, 'backtest', '-c', `${site.dir}/none.conf`);
  assert.equal(missing.code, 100);
  assert.match(missing.stderr, /none\.conf/);
  assert.equal((await tocsin(site, 'backtest', '--jso')).code, 100);
  assert.equal((await tocsin(site, 'backtest', '-c')).code, 100);

  writeCandles(`${site.dir}/candles.csv`, { minutes: 800, holes: false });
  site.configure({ feed: fileFeed(`${site.dir}/candles.csv`, { extra: 'on_error = stop' }) });
  fs.appendFileSync(`${site.dir}/candles.csv`, 'garbage\n');
  const broken = await tocsin(site, 'backtest', '-c', site.conf);
  assert.equal(broken.code, 111);
  assert.match(broken.stderr, /error feed: bad line, and on_error = stop .*line=802\b.*\ntocsin backtest: a recording was given up/s);
  assert.match(broken.stdout, / 800 candles/);
});
