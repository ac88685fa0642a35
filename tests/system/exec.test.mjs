// Exec feeds: a program's lines become candles and signals, once each, whatever dies; and nothing is left running.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { Site, alive, root, until } from './lib/site.mjs';

const MINUTE = 60000;

class ExecSite extends Site {
  // A feed of a script, which is written into the site's folder.
  async exec(script, { keys = '', symbols = 'BTC/USDT', env = {}, shell = '#!/bin/sh\n' } = {}) {
    fs.writeFileSync(`${this.dir}/program`, script.startsWith('#!') ? script : shell + script, { mode: 0o755 });
    this.configure({ feed: `[feed own]\ntype = exec\ncommand = ${this.dir}/program ${this.dir}\nsymbols = ${symbols}\n${keys}\n`, strategies: '' });
    await this.migrate();
    await this.start({ env });
    await this.running();
  }

  feed() {
    return this.process('generator').status?.feeds?.own;
  }

  running() {
    return until('the program runs', () => this.feed()?.pid && alive(this.feed().pid) && this.feed().pid);
  }

  // SIGKILL the program and wait for the next one.
  async killProgram() {
    const pid = await this.running();
    process.kill(pid, 'SIGKILL');
    return until('the program is back', () => this.feed()?.pid && this.feed().pid !== pid && alive(this.feed().pid), 40000);
  }
}

// Processes that have this text in their command line, zombies too, and children of a process.
function processes() {
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const [, state, ppid] = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, 'x ').split(' ');
      return [{ pid: Number(pid), state, ppid: Number(ppid), command: fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8') }];
    } catch {
      return [];
    }
  });
}
const ofSite = (site) => processes().filter((p) => p.command.includes(`${site.dir}/program`) && p.state !== 'Z');
const children = (pid) => processes().filter((p) => p.ppid === pid);

// A random walk of trades from `start` on, and the candles that an independent rebuild makes of them.
function market(count, start) {
  let state = 11;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const trades = [];
  for (let id = 1, price = 10000, time = start; id <= count; id++) {
    price += Math.floor(random() * 21) - 10;
    time += Math.floor(random() * 4000);
    trades.push({ id, price, quantity: 1 + Math.floor(random() * 9), time });
  }
  const candles = new Map();
  for (const t of trades) {
    const open = t.time - (t.time % MINUTE);
    const c = candles.get(open) ?? { open: t.price, high: t.price, low: t.price, volume: 0, trades: 0 };
    candles.set(open, { ...c, high: Math.max(c.high, t.price), low: Math.min(c.low, t.price), close: t.price, volume: c.volume + t.quantity, trades: c.trades + 1 });
  }
  return { trades, candles };
}

const CANDLES = `SELECT extract(epoch FROM open_time)::bigint * 1000, open, high, low, close, volume, trades FROM candles
  WHERE source <> 'filled' ORDER BY open_time`;
const row = ([open, c]) => [open, c.open, c.high, c.low, c.close, c.volume, c.trades].map(String);

test('the program of docs/exec.md, as it stands there, stores the candles that are over, once each', async (t) => {
  const site = await ExecSite.create(t);
  const script = /```sh\n(.*?)```/s.exec(fs.readFileSync(`${root}/docs/exec.md`, 'utf8'))[1];
  assert.ok(script.trim().split('\n').length <= 10);
  const first = Date.now() - (Date.now() % MINUTE) - 200 * MINUTE;
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url);
    const rows = [];
    for (let open = first; open < Date.now(); open += MINUTE) {
      const price = 100 + ((open / MINUTE) % 50);
      rows.push([open, `${price}.10`, `${price + 1}.00`, `${price - 1}.5`, `${price}.25`, '12.50', open + MINUTE - 1, '1', 7, '1', '1', '0']);
    }
    response.end(JSON.stringify(rows));
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  t.after(() => server.close());
  await site.exec(script, { keys: 'backfills = yes', symbols: 'BTC/USDT, ETH/USDT', env: { BINANCE: `http://127.0.0.1:${server.address().port}` } });
  await until('all are stored', async () => Number(await site.value('SELECT count(*) FROM candles')) >= 400);
  const before = asked.length;
  await site.killProgram();
  await site.kill('generator');
  await site.running();
  await until('it has asked again, twice', () => asked.length >= before + 4);
  assert.match(asked[0], /^\/api\/v3\/klines\?symbol=BTCUSDT&interval=1m&limit=1000$/);
  const now = Date.now();
  for (const symbol of ['BTC/USDT', 'ETH/USDT']) {
    const rows = await site.sql(`SELECT extract(epoch FROM open_time)::bigint * 1000, open, high, low, close, volume, trades, source FROM candles WHERE symbol = '${symbol}' ORDER BY open_time`);
    assert.ok(rows.length >= 200 && Number(rows.at(-1)[0]) + MINUTE <= now, 'the last one is over');
    rows.forEach(([open, ...values], i) => {
      const price = 100 + ((first / MINUTE + i) % 50);
      assert.equal(Number(open), first + i * MINUTE);
      assert.deepEqual(values, [`${price}.1`, `${price + 1}`, `${price - 1}.5`, `${price}.25`, '12.5', '7', 'file']);
    });
  }
  assert.doesNotMatch(site.log('generator'), /bad line/);
});

test('trades become the candles of an independent rebuild, whoever is killed on the way', async (t) => {
  const site = await ExecSite.create(t);
  const { trades, candles } = market(30000, Date.UTC(2026, 0, 1));
  fs.writeFileSync(`${site.dir}/trades`, trades.map((x) => `${JSON.stringify(x)}\n`).join(''));
  // Slowly enough to be killed in the middle, and each time from the beginning on.
  await site.exec('i=0; while read -r line; do echo "$line"; i=$((i + 1)); [ $((i % 500)) -ne 0 ] || [ -e "$1/fast" ] || sleep 0.2; done <"$1/trades"; sleep 1000',
    { keys: 'backfills = yes' });
  const stored = async () => Number(await site.value("SELECT count(*) FROM candles WHERE source <> 'filled'"));
  for (let round = 0; round < 3; round++) {
    const before = await stored();
    await until('some more are stored', async () => (await stored()) > before);
    await site.killProgram();
    await site.kill('generator');
    await site.running();
  }
  fs.writeFileSync(`${site.dir}/fast`, '');
  // The last candle is open: nothing later closes it, and its trades are of long ago.
  await until('every candle is stored', async () => (await stored()) >= candles.size - 1, 60000);
  assert.deepEqual(await site.sql(CANDLES), [...candles].slice(0, -1).map(row));
  assert.equal(site.process('generator').status.engine.gaps, 0);
});

const SIGNAL = { strategy: 'my_model', side: 'long', entry: '100.50', stop_loss: 99, targets: [102, 103], confidence: 0.75, reason: 'it said so', indicators: { score: 0.93 } };

test('a finished signal is stored, a stop ends it, and it is known again after a restart', async (t) => {
  const site = await ExecSite.create(t);
  const minute = Date.now() - (Date.now() % MINUTE) - 10 * MINUTE;
  const candle = (i, low) => ({ time: minute + i * MINUTE, open: 100, high: 101, low, close: 100 });
  const signal = { ...SIGNAL, candle_open_time: minute };
  const lines = (list) => list.map((x) => `${JSON.stringify(x)}\n`).join('');
  fs.writeFileSync(`${site.dir}/first`, lines([candle(0, 90), signal, candle(1, 99.5)]));
  fs.writeFileSync(`${site.dir}/then`, lines([candle(2, 98)]));
  await site.exec('cat "$1/first"; while [ ! -e "$1/go" ]; do sleep 0.1; done; cat "$1/then"; sleep 1000', { keys: 'backfills = yes\nmax_age = 1h' });
  const one = () => site.sql(`SELECT exchange, symbol, timeframe, strategy, side, entry, stop_loss, targets, confidence, reason,
    indicators, status, outcome, exit_price, round(r_multiple::numeric, 6), mode, extract(epoch FROM candle_open_time)::bigint * 1000 FROM signals`);
  const stands = ['own', 'BTC/USDT', '1m', 'my_model', 'long', '100.5', '99', '{102,103}', '0.75', 'it said so', '{"score": 0.93}'];
  await until('it is stored', async () => (await one()).length === 1);
  assert.deepEqual(await one(), [[...stands, 'active', '', '', '', 'live', String(minute)]]);
  await until('and its second candle is', async () => await site.value('SELECT count(*) FROM candles') === '2');
  await site.killProgram();
  await site.kill('generator');
  await site.running();
  fs.writeFileSync(`${site.dir}/go`, '');
  await until('it is stopped', async () => (await one())[0].includes('stopped'));
  assert.deepEqual(await one(), [[...stands, 'stopped', 'loss', '99', '-1.000000', 'live', String(minute)]]);
  // Printed again after it has ended, and after the generator has forgotten everything: known.
  await site.kill('generator');
  await until('it was printed again', () => site.feed()?.repeated_signals === 1);
  assert.equal((await one()).length, 1);
  assert.deepEqual(await site.sql('SELECT kind FROM signal_events ORDER BY seq'), [['opened'], ['closed']]);
});

test('signals alone: the other side reverses, the clock ends the last one, void; a bad one is named', async (t) => {
  const site = await ExecSite.create(t);
  const minute = Date.now() - (Date.now() % MINUTE);
  const lines = [
    { ...SIGNAL, candle_open_time: minute - 3 * MINUTE },
    { ...SIGNAL, candle_open_time: minute - 2 * MINUTE },
    { ...SIGNAL, stop_loss: 101 },
    { ...SIGNAL, candle_open_time: minute - MINUTE, expires_at: 'SOON', side: 'short', stop_loss: 101, targets: [99] },
  ];
  fs.writeFileSync(`${site.dir}/lines`, lines.map((x) => `${JSON.stringify(x)}\n`).join(''));
  await site.exec('sed "s/SOON/$(date -u -d "+3 seconds" +%FT%TZ)/" "$1/lines"; echo "no signal any more" >&2; sleep 1000', { keys: 'max_age = 1h' });
  await until('the clock has ended it', async () => await site.value("SELECT count(*) FROM signals WHERE status = 'expired'") === '1');
  assert.deepEqual(await site.sql('SELECT side, status, exit_reason, outcome, exit_price, closed_at = expires_at FROM signals ORDER BY id'),
    [['long', 'cancelled', 'reversed', 'void', '100.5', 'f'], ['short', 'expired', 'expired', 'void', '100.5', 't']]);
  assert.match(site.log('generator'), /bad line skipped name=own line=3 reason="stop_loss is not on the losing side of entry"/);
  assert.match(site.log('generator'), /the program says name=own text="no signal any more"/);
  assert.equal(site.feed().repeated_signals, 1);
  // That one again, with time to live, from a program that has forgotten, to a generator that has: the database knows.
  fs.writeFileSync(`${site.dir}/lines`, `${JSON.stringify({ ...lines[3], expires_at: undefined })}\n`);
  await site.kill('generator');
  await until('it is known', () => site.feed()?.lines === 1 && site.feed().repeated_signals === 1);
  assert.equal(site.process('generator').status.engine.signals_active, 0);
  assert.equal(await site.value('SELECT count(*) FROM signals'), '2');
});

test('nothing is left running: not after SIGTERM, not after kill -9 of the generator, and no zombie', async (t) => {
  const site = await ExecSite.create(t);
  // It ignores SIGTERM, and so does a child of it.
  await site.exec('trap "" TERM; sh -c \'while :; do sleep 1; done\' "$0-child" & while :; do echo "{}"; sleep 0.2; done');
  await until('its child runs', () => ofSite(site).some((p) => p.command.includes('program-child')));
  for (let i = 0; i < 3; i++) await site.killProgram();
  const generator = site.process('generator').pid;
  assert.deepEqual(children(generator).filter((p) => p.state === 'Z'), []);
  assert.equal(ofSite(site).filter((p) => p.command.includes('program-child')).length, 1, 'the children of those before are gone');
  assert.equal((await site.stop()).code, 0);
  await until('all of it is gone', () => ofSite(site).length === 0);

  // Nobody is left to end it but its guard.
  await site.start();
  await site.running();
  const old = await until('both run', () => ofSite(site).length >= 2 && ofSite(site).map((p) => p.pid));
  await site.kill('generator');
  await until('they have ended with it', () => !old.some(alive));
  await site.running();
  const guards = children(site.process('generator').pid).filter((p) => p.command.includes('tocsin-guard'));
  assert.equal(guards.length, 1);
  assert.equal((await site.stop()).code, 0);
  await until('all of it is gone again', () => ofSite(site).length === 0 && !alive(guards[0].pid));
  // The heartbeat went on through all of it.
  assert.doesNotMatch(site.log('watchdog'), /hung, aborting|suspect/);
});
