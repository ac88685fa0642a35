// What the generator has found out reaches the database whatever happens on the way: kills, a database that is away, a disk
// that is full, a journal that was torn.  `KILLS=n` sets how many blows the kill tests deal, `SEED=n` which.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Site, SIGNAL_ROWS, alive, command, program, root, simFeed, until, writeCandles } from './lib/site.mjs';
import { FaultSite } from './lib/faultsite.mjs';
import { EventStream } from './lib/sse.mjs';

const KILLS = Number(process.env.KILLS ?? 12);
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
const MINUTES = 4000;
const MARKETS = ['AAA/BTC', 'BBB/BTC'];

function randomOf(seed) {
  let state = seed >>> 0;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return { random, below: (n) => Math.floor(random() * n), pick: (list) => list[Math.floor(random() * list.length)] };
}

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

const STRATEGIES = ['1m', '5m', '15m'].flatMap((timeframe) => ['ema_cross', 'rsi_reversion', 'donchian_breakout']
  .map((type) => `[strategy ${type}_${timeframe}]\ntype = ${type}\ntimeframe = ${timeframe}\n`)).join('\n');

// Two markets, each a file of its own below the site.
function recordings(site, { pace = 0, minutes = MINUTES } = {}) {
  return MARKETS.map((symbol, i) => {
    const file = `${site.dir}/market${i}.csv`;
    if (!fs.existsSync(file)) writeCandles(file, { minutes, seed: 21 + i });
    return `[feed market${i}]\ntype = file\npath = ${file}\nsymbols = ${symbol}\npace = ${pace}\n`;
  }).join('\n');
}

const lines = (file) => fs.readFileSync(file, 'utf8').split('\n').length - 2;
const recorded = (site) => MARKETS.reduce((sum, _, i) => sum + lines(`${site.dir}/market${i}.csv`), 0);
const stored = async (site) => Number(await site.value("SELECT count(*) FROM candles WHERE source = 'file' AND timeframe = '1m'").catch(() => -1));

// Signals and candles but for ids and clocks.
async function outcome(site) {
  return {
    signals: await site.sql(SIGNAL_ROWS),
    candles: await site.sql('SELECT * FROM candles ORDER BY exchange, symbol, timeframe, open_time'),
    state: await site.sql('SELECT exchange, symbol, timeframe, strategy, last_candle_open_time FROM strategy_state ORDER BY 1, 2, 3, 4'),
  };
}

function assertSame(found, expected) {
  for (const table of ['signals', 'candles', 'state']) {
    const wrong = found[table].findIndex((row, i) => String(row) !== String(expected[table][i]));
    assert.equal(wrong, -1, `${table}, row ${wrong}: ${found[table][wrong]}\nnot ${expected[table][wrong]}`);
    assert.equal(found[table].length, expected[table].length, `${table}: as many rows`);
  }
}

// Each change is told once, in an order that makes sense, and nothing was committed before what is older.
async function assertEventsSane(site) {
  const value = (text) => site.value(text);
  assert.equal(await value('SELECT count(*) FROM signals s WHERE (SELECT count(*) FROM signal_events e WHERE e.signal_id = s.id AND op = $$INSERT$$) <> 1'), '0',
    'each signal is inserted once');
  assert.equal(await value(`SELECT count(*) FROM (SELECT signal_id, kind, record->>'targets_hit', record->>'stop_loss', record->>'status'
    FROM signal_events WHERE kind <> 'acked' GROUP BY 1, 2, 3, 4, 5 HAVING count(*) > 1) AS d`), '0', 'no change is told twice');
  const story = new Map();
  for (const [id, kind, op] of await site.sql("SELECT signal_id, kind, op FROM signal_events WHERE kind <> 'acked' ORDER BY seq")) {
    story.set(id, (story.get(id) ?? '') + ({ opened: 'o', closed: op === 'INSERT' ? 'v' : 'c', target_hit: 't', stop_moved: 't', deleted: 'd' })[kind]);
  }
  for (const [id, kinds] of story) assert.match(kinds, /^(ot*c?|v)d?$/, `the story of signal ${id}`);
  assert.equal(await value(`SELECT count(*) FROM (SELECT at, lag(at) OVER (ORDER BY seq) AS before FROM signal_events) AS e WHERE at < before`), '0',
    'the order of seq is that of commits');
  // Market time never goes back in one market's events, nor a candle's transaction before an older candle's.
  assert.equal(await value(`SELECT count(*) FROM (SELECT t, lag(t) OVER (PARTITION BY symbol ORDER BY seq) AS before FROM (SELECT seq, record->>'symbol' AS symbol,
    CASE kind WHEN 'opened' THEN record->>'candle_close_time' ELSE record->>'closed_at' END::timestamptz AS t FROM signal_events
    WHERE kind IN ('opened', 'closed') AND record->>'exit_reason' IS DISTINCT FROM 'operator') AS e) AS e WHERE t < before`), '0', 'market time goes on');
  assert.equal(await value(`SELECT count(*) FROM (SELECT xmin::text::bigint AS x, lag(xmin::text::bigint) OVER (PARTITION BY symbol, timeframe ORDER BY open_time) AS before
    FROM candles) AS c WHERE x < before`), '0', 'candles are committed in order');
}

const once = (make) => {
  let made;
  return () => (made ??= make());
};

// The undisturbed run that all others are compared with.
const undisturbed = once(async () => {
  let end;
  const site = await Site.create({ after: (f) => { end = f; } });
  try {
    site.configure({ feed: recordings(site), strategies: STRATEGIES, generator: 'mode = replay\nat_end = exit' });
    await site.migrate();
    const child = generator(site);
    assert.equal((await child.ended).code, 0, child.output());
    const result = await outcome(site);
    assert.ok(result.signals.length > 200, `${result.signals.length} signals`);
    await assertEventsSane(site);
    return result;
  } finally {
    await end();
  }
});

// A generator without a watchdog, its log in output().
function generator(site, options) {
  fs.mkdirSync(site.file('state'), { recursive: true });
  const [file, ...args] = site.inside?.(program('tocsin-generator'), '-c', site.conf) ?? [program('tocsin-generator'), '-c', site.conf];
  return site.spawn(file, args, options);
}

const says = (child, what, ms) => until(`it says ${what}`, () => {
  if (child.exitCode !== null && !what.test(child.output())) throw new Error(`it ended with ${child.exitCode} and did not say ${what}`);
  return what.test(child.output());
}, ms).catch((error) => { throw new Error(`${error.message}: ${child.output().slice(-3000)}`); });

async function kill(child) {
  child.kill('SIGKILL');
  await child.ended;
}

const journalOf = (site) => site.file('state/generator/journal');
const sizeOf = (file) => (fs.existsSync(file) ? fs.statSync(file).size : 0);

async function grows(site, bytes = 3000) {
  const before = sizeOf(journalOf(site));
  await until('the journal grows', () => sizeOf(journalOf(site)) > before + bytes);
}

const count = async (site, condition = 'true') => Number(await site.value(`SELECT count(*) FROM signals WHERE ${condition}`));

// The whole recording is there once the pace is off.
async function finish(site, start) {
  site.configure({ ...site.settings, feed: recordings(site), generator: `${site.settings.generator}\nat_end = exit` });
  const child = generator(site);
  start?.(child);
  assert.equal((await child.ended).code, 0, child.output());
  assertSame(await outcome(site), await undisturbed());
  await assertEventsSane(site);
}

function replay(site, pace, generatorKeys = 'mode = replay') {
  site.settings = { feed: recordings(site, { pace }), strategies: STRATEGIES, generator: generatorKeys };
  return site.configure(site.settings);
}

async function killTest(t) {
  const { random, below } = randomOf(SEED);
  const site = await Site.create(t);
  const tell = { generator: 0, database: 0, both: 0 };
  // Slow enough to last for all blows; a run that is not killed at once counts as stable.
  const conf = (pace, extra = '') => {
    replay(site, pace);
    site.configure({ ...site.settings, processes: ['generator', 'relay'].map((name) => `[process ${name}]
command = ${program(`tocsin-${name}`)} -c ${site.dir}/tocsin.conf
stable_after = 100ms
`).join('') + `listen = 127.0.0.1:${site.port}\n`, generator: `mode = replay\n${extra}` });
  };
  conf((MINUTES * 60) / (KILLS * 1.6));
  await site.migrate();
  // As some run it, for speed: a server that crashes forgets what it has confirmed, unless a session asks for better.
  await site.sql('ALTER DATABASE postgres SET synchronous_commit = off');
  await site.sql("ALTER SYSTEM SET wal_writer_delay = '10s'");
  await site.sql('SELECT pg_reload_conf()');
  await site.start();
  const stream = new EventStream(site, '/v1/stream?after=0');
  await until('the recording runs', async () => await stored(site) > 20);
  const blow = async () => {
    const pid = site.process('generator')?.pid;
    if (pid && alive(pid)) process.kill(pid, 'SIGKILL');
  };
  const began = Date.now();
  for (let n = 0; n < KILLS; n++) {
    await pause(below(1300));
    const kind = random();
    if (kind < 0.5) {
      await until('it runs', () => site.process('generator')?.state === 'up');
      await blow();
      tell.generator++;
    } else {
      await site.postgres('kill');
      if (kind > 0.75) {
        await pause(below(300));
        await blow();
      }
      tell[kind > 0.75 ? 'both' : 'database']++;
      await site.postgres('restart');
    }
  }
  const total = recorded(site);
  const before = await until('the database answers', async () => await stored(site) + 1);
  assert.ok(before < total, `${before} of ${total} candles: the blows fell into the recording`);
  conf(0);
  await until('it runs', () => site.process('generator')?.state === 'up');
  await site.kill('generator');
  await until('every candle is stored', async () => await stored(site) === total, 60000);
  await until('and every state', async () => site.process('generator').status?.state === 'ready' && site.process('generator').status.writer.backlog_bytes === 0);
  const found = await outcome(site);
  const expected = await undisturbed();
  assertSame(found, expected);
  await assertEventsSane(site);
  const seqs = (await site.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([s]) => Number(s));
  await until('every event has arrived', () => stream.seqs.length >= seqs.length);
  assert.deepEqual(stream.seqs, seqs);
  t.diagnostic(`SEED=${SEED}: in ${Math.round((Date.now() - began) / 1000)} s ${tell.generator} kills of the generator, ${tell.database} of the database, ${tell.both} of both, ` +
    `${before} of ${total} candles until the last; ${found.signals.length} signals and ${found.candles.length} candles compared, ` +
    `${seqs.length} events`);
}

async function fullDisk(t) {
  const { random, below, pick } = randomOf(SEED + 1);
  const site = await FaultSite.create(t);
  if (!site.holder) return t.skip('no mount namespace here');
  const rounds = Math.max(4, Math.round(KILLS / 2));
  replay(site, Math.min(8000, (MINUTES * 60) / (rounds * 3)), 'mode = replay\nbacklog_max = 64K');
  fs.mkdirSync(`${site.dir}/state/generator`, { recursive: true });
  await site.mount('mount', '-t', 'tmpfs', '-o', 'mode=0700,size=128k', 'tmpfs', `${site.dir}/state/generator`);
  await site.migrate();
  const filler = site.file('state/generator/filler');
  const fill = () => {
    const fd = fs.openSync(filler, 'w');
    try {
      for (;;) fs.writeSync(fd, Buffer.alloc(4096));
    } catch (error) {
      assert.equal(error.code, 'ENOSPC');
    } finally {
      fs.closeSync(fd);
    }
  };
  fill(); // full from the very start
  let child = generator(site);
  let said = '';
  await says(child, /continuing after the last commit/);
  for (let n = 0; n < rounds; n++) {
    const away = n % 4 !== 3;
    if (away) await site.postgres('kill');
    await pause(below(600));
    if (n % 2 === 0) fs.rmSync(filler, { force: true });
    else fill();
    await pause(below(600));
    if (random() < 0.6) {
      child.kill(pick(['SIGKILL', 'SIGKILL', 'SIGTERM']));
      await child.ended;
      said += child.output();
      child = generator(site);
    }
    if (random() < 0.5) fs.rmSync(filler, { force: true });
    if (away) await site.postgres('restart');
    await says(child, /continuing after the last commit/);
    const before = await stored(site);
    await until('it writes on', async () => await stored(site) > before + 20, 60000);
    if (n % 2 === 1) fill();
  }
  said += child.output();
  assert.match(said, /journal: cannot be (written|opened), what waits stays in memory: make room on the disk/);
  assert.match(said, /journal: can be written again/);
  assert.doesNotMatch(said, /rows are lost|refuses a row/);
  child.kill('SIGKILL');
  await child.ended;
  fill();
  await finish(site, () => setTimeout(() => fs.rmSync(filler, { force: true }), 200));
  t.diagnostic(`SEED=${SEED}: ${rounds} rounds`);
}

async function tornTail(t) {
  const { below } = randomOf(SEED + 2);
  const site = await Site.create(t);
  const rounds = Math.max(7, Math.round(KILLS / 2));
  replay(site, Math.min(8000, (MINUTES * 60) / (rounds * 2)), 'mode = replay\nbacklog_max = 1M');
  await site.migrate();
  const file = journalOf(site);
  const damage = {
    cut: (bytes) => bytes.subarray(0, below(bytes.length)),
    'cut the last bytes': (bytes) => bytes.subarray(0, bytes.length - 1 - below(40)),
    'append garbage': (bytes) => Buffer.concat([bytes, Buffer.from(Array.from({ length: 1 + below(5000) }, () => below(256)))]),
    'append zeros': (bytes) => Buffer.concat([bytes, Buffer.alloc(1 + below(5000))]),
    'flip a bit': (bytes) => {
      bytes[8 + below(bytes.length - 8)] ^= 1 << below(8);
      return bytes;
    },
    // What a machine that died may leave: they are committed once more, after much newer ones.
    'old rows without their marks': (bytes) => {
      const parts = [bytes.subarray(0, 8)];
      for (let at = 8, end; at < bytes.length; at = end) {
        end = at + 17 + bytes.readUInt32LE(at);
        if (bytes[at + 16] === 1) parts.push(bytes.subarray(at, end));
      }
      return Buffer.concat(parts.slice(0, Math.ceil(parts.length * 0.7)));
    },
    'a block of zeros': (bytes) => bytes.fill(0, 8 + below(bytes.length - 8)),
  };
  const kinds = Object.keys(damage);
  for (let n = 0; n < rounds; n++) {
    const kind = kinds[n % kinds.length];
    const child = generator(site);
    await says(child, /continuing after the last commit/);
    const before = await stored(site);
    await until('it writes', async () => await stored(site) > before + 20);
    if (n % 3 !== 2) {
      await site.postgres('kill');
      await grows(site);
    }
    await kill(child);
    const bytes = damage[kind](fs.readFileSync(file));
    fs.writeFileSync(file, bytes);
    if (n % 3 !== 2) await site.postgres('restart');
    const next = generator(site);
    await says(next, /continuing after the last commit/);
    const told = next.output().match(/journal: cut off a torn tail path=\S+ bytes=\d+/g) ?? [];
    assert.ok(told.length <= 1, next.output());
    if (kind.startsWith('old rows')) assert.match(next.output(), /an earlier run left batches to commit/);
    else if (kind !== 'cut' && bytes.length > 8) assert.equal(told.length, 1, `${kind}: ${next.output()}`);
    assert.doesNotMatch(next.output(), /refuses a row|not written/);
    await kill(next);
  }
  await finish(site);
}

async function outage(t) {
  const site = await Site.create(t);
  replay(site, 20000);
  await site.migrate();
  // Killed while it waits.
  let child = generator(site);
  await until('it writes', async () => await stored(site) > 400);
  await site.postgres('kill');
  await grows(site, 20000);
  await kill(child);
  await site.postgres('restart');
  const before = await stored(site);
  child = generator(site);
  await says(child, /continuing after the last commit/);
  const [, batches] = child.output().match(/an earlier run left batches to commit path=\S+ batches=(\d+)/);
  assert.ok(Number(batches) >= 1);
  assert.ok(child.output().indexOf('an earlier run left') < child.output().indexOf('continuing after the last commit'));
  assert.ok(await stored(site) > before + 100, 'what was in the journal is committed before the feed goes on');
  // Told to end while it waits.
  await until('it writes', async () => await stored(site) > before + 500);
  await site.postgres('kill');
  await grows(site, 20000);
  child.kill('SIGTERM');
  assert.deepEqual(await child.ended, { code: 0, signal: null });
  assert.match(child.output(), /generator: what is not committed is in the journal: the next start commits it\n/);
  // Told to end before it has seen the database at all: nothing is lost either.
  child = generator(site);
  await says(child, /connect/);
  child.kill('SIGTERM');
  assert.deepEqual(await child.ended, { code: 0, signal: null });
  await site.postgres('restart');
  const after = await stored(site);
  child = generator(site);
  await says(child, /continuing after the last commit/);
  assert.match(child.output(), /an earlier run left batches to commit/);
  assert.ok(await stored(site) > after + 100);
  await assertEventsSane(site);
  await kill(child);
  await finish(site, async (last) => { await last.ended; assert.doesNotMatch(last.output(), /refuses a row|not written/); });
}

async function maxAge(t) {
  const site = await Site.create(t);
  site.configure({ feed: simFeed({ pace: 1200, symbols: 'AAA/USDT, BBB/USDT, CCC/USDT, DDD/USDT' }), strategies: STRATEGIES.replaceAll(/^type.*$/gm, '$&\nmax_age = 3s') });
  await site.migrate();
  const child = generator(site);
  await until('it writes', async () => await count(site) > 3, 60000);
  await site.postgres('kill');
  const away = Date.now();
  await until('longer than max_age', () => Date.now() > away + 4500);
  await site.postgres('restart');
  const restarted = Date.now();
  await until('late ones are stored', async () => await count(site, "outcome = 'void'") > 0, 40000);
  const late = "exit_reason = 'expired' AND outcome = 'void'";
  assert.equal(await count(site, `${late} AND (status <> 'expired' OR closed_at <> candle_close_time OR created_at < generated_at + interval '3 s')`), 0);
  assert.equal(await site.value(`SELECT count(*) FROM signal_events e JOIN signals s ON s.id = e.signal_id WHERE s.${late} AND (kind, op) <> ('closed', 'INSERT')`), '0');
  assert.equal(await site.value(`SELECT count(*) FROM signal_events e JOIN signals s ON s.id = e.signal_id WHERE s.${late}`), String(await count(site, late)));
  assert.match(child.output(), /signal: too late, older than its max_age: void id=/);
  const ids = (await site.sql(`SELECT id FROM signals WHERE ${late}`)).map(([id]) => id).join('|');
  assert.doesNotMatch(child.output(), new RegExp(`signal: (opened|closed|changed) id=(${ids}) `));
  // Those of the outage's last seconds are as good as any; and the strategies of the late ones go on.
  await until('new ones open', async () => await count(site, `generated_at > to_timestamp(${restarted / 1000}) AND outcome IS DISTINCT FROM 'void'`) > 3, 40000);
  await until('also where one was late', async () => await site.value(`SELECT count(*) FROM signals n JOIN signals s USING (symbol, strategy)
    WHERE s.exit_reason = 'expired' AND s.outcome = 'void' AND n.candle_open_time > s.candle_open_time AND n.outcome IS DISTINCT FROM 'void'`) !== '0', 40000);
  await assertEventsSane(site);
  assert.equal(child.exitCode, null);
}

async function cancelled(t) {
  const site = await Site.create(t);
  site.configure({ feed: simFeed({ pace: 1200 }), strategies: STRATEGIES });
  await site.migrate();
  let child = generator(site);
  for (const restart of [false, true]) {
    const id = await until('an active one', async () => (await site.sql("SELECT max(id) FROM signals WHERE status = 'active' AND timeframe <> '1m'"))[0][0], 60000);
    const [[symbol, strategy]] = await site.sql(`SELECT symbol, strategy FROM signals WHERE id = ${id}`);
    if (restart) await kill(child);
    await site.sql(`UPDATE signals SET status = 'cancelled', exit_reason = 'operator', outcome = 'void', closed_at = now() WHERE id = ${id} AND status = 'active'`);
    if (restart) child = generator(site);
    else await says(child, new RegExp(`a signal was closed in the database symbol=${symbol} timeframe=\\S+ strategy=${strategy}`));
    await until('a new one', async () => await count(site, `id > ${id} AND (symbol, strategy) = ('${symbol}', '${strategy}')`) > 0, 60000);
    assert.equal(await count(site, `id = ${id} AND (status, exit_reason) = ('cancelled', 'operator')`), 1);
  }
  await assertEventsSane(site);
}

async function twoGenerators(t) {
  const site = await Site.create(t);
  replay(site, 8000);
  await site.migrate();
  const first = generator(site);
  await says(first, /continuing after the last commit/);
  await until('it writes', async () => await stored(site) > 50);
  first.kill('SIGSTOP');
  await site.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tocsin_generator'");
  const second = generator(site);
  assert.deepEqual(await second.ended, { code: 111, signal: null });
  assert.equal(second.output().match(/another generator uses it: give each a state_dir of its own/g)?.length, 1, second.output());
  assert.match(second.output(), /cannot write without its journal: starting over/);
  first.kill('SIGCONT');
  // It finds that somebody else was the writer, and starts over as well.
  assert.equal((await first.ended).code, 111);
  await finish(site);
}

// Where the journal should be there is something else; once that is gone it is taken up.
async function obstacles(t) {
  const site = await Site.create(t);
  replay(site, 8000);
  await site.migrate();
  const file = journalOf(site);
  const folder = path.dirname(file);
  const obstacle = {
    'a folder': [() => fs.mkdirSync(file), /it is no journal of tocsin: move it away/],
    'a FIFO': [() => execFileSync('mkfifo', [file]), /it is no journal of tocsin: move it away/],
    'somebody\'s file': [() => fs.writeFileSync(file, 'something that somebody needs\n'), /it is no journal of tocsin: move it away/],
    'a link': [() => fs.symlinkSync('/dev/null', file), /it is no journal of tocsin: move it away/],
    'a file in the folder\'s place': [() => { fs.rmdirSync(folder); fs.writeFileSync(folder, ''); }, /see \[tocsin\] state_dir/],
  };
  for (const [what, [put, mend]] of Object.entries(obstacle)) {
    fs.mkdirSync(folder, { recursive: true });
    fs.rmSync(file, { recursive: true, force: true });
    put();
    const child = generator(site);
    const told = /journal: cannot be opened, what waits stays in memory: .*/g;
    await says(child, /continuing after the last commit/);
    const before = await stored(site);
    await until('it writes without', async () => await stored(site) > before + 20);
    assert.equal(child.output().match(told)?.length, 1, what);
    assert.match(child.output().match(told)[0], mend, what);
    if (what === 'somebody\'s file') assert.equal(fs.readFileSync(file, 'utf8'), 'something that somebody needs\n');
    if (what.startsWith('a file')) fs.rmSync(folder);
    else fs.rmSync(file, { recursive: true });
    if (what === 'a folder' || what.startsWith('a file')) await says(child, /journal: can be written again/);
    await kill(child);
  }
  // Taken away while it is in use, by a hand that cleans up.
  fs.rmSync(file, { force: true });
  let child = generator(site);
  await until('it is there', async () => sizeOf(file) > 5000);
  await site.postgres('kill');
  fs.rmSync(folder, { recursive: true });
  await says(child, /journal: was taken away while in use, made anew with all that was in it/);
  const size = sizeOf(file);
  await until('it grows', () => sizeOf(file) > size);
  await kill(child);
  await site.postgres('restart');
  child = generator(site);
  await says(child, /an earlier run left batches to commit/);
  await kill(child);
  await finish(site);
}

async function retention(t) {
  const site = await Site.create(t);
  site.configure({ feed: simFeed({ pace: 1200 }), generator: 'retention = 2d', strategies: STRATEGIES });
  await site.migrate();
  await site.start();
  await until('signals', async () => await count(site, "status <> 'active'") > 5 && await count(site, "status = 'active'") > 0, 60000);
  await site.stop();
  // All that is there was written three days ago; the newest event too.
  await site.sql(`SET session_replication_role = replica;
    UPDATE signals SET created_at = created_at - interval '3 d', updated_at = updated_at - interval '3 d';
    UPDATE signal_events SET at = at - interval '3 d';
    INSERT INTO candles SELECT exchange, symbol, timeframe, open_time - interval '400 d', open, high, low, close, volume, trades, source FROM candles
      WHERE timeframe = '1m' ORDER BY open_time DESC LIMIT 1800`);
  // A replay of old data, ended long ago: as old as it is, it stays.
  await site.sql(`INSERT INTO candles SELECT 'old', 'OLD/BTC', '1m', timestamptz '2019-01-01' + n * interval '1 min', 1, 1, 1, 1, 0, 0, 'file' FROM generate_series(1, 1000) n`);
  const active = await site.sql("SELECT id FROM signals WHERE status = 'active' ORDER BY id");
  const closed = await count(site, "status <> 'active'");
  const shifted = Number(await site.value("SELECT count(*) FROM candles WHERE open_time < (SELECT min(open_time) FROM candles WHERE exchange = 'sim') + interval '300 d' AND exchange = 'sim'"));
  assert.ok(closed > 5 && shifted > 1000);
  await site.start();
  await until('the old ones are gone', async () => await count(site, "status <> 'active' AND updated_at < now() - interval '2 d'") === 0);
  await until('and their candles', async () => await site.value("SELECT count(*) FROM candles WHERE exchange = 'sim' AND open_time < timestamptz '2025-11-01'") === '0');
  await until('and the events', async () => Number(await site.value("SELECT count(*) FROM signal_events WHERE at < now() - interval '2 d'")) <= 1);
  assert.equal(await site.value("SELECT count(*) FROM candles WHERE exchange = 'old'"), '1000');
  assert.equal(await site.value("SELECT count(*) FROM signal_events WHERE op = 'DELETE'"), '0');
  for (const [id] of active) assert.equal(await count(site, `id = ${id}`), 1, 'an active signal stays');
  await until('it says so', () => site.process('generator').status?.retention?.deleted_rows >= closed + shifted);
  // Who was long away is told to begin anew, once the relay has nothing of it in memory either.
  await site.kill('relay');
  await site.ready();
  const { cursor } = await site.json('/v1/signals');
  const old = new EventStream(site, `/v1/stream?after=${cursor.replace(/-\d+$/, '-1')}`);
  await until('a reset', () => old.events.some((e) => e.event === 'reset'));
  assert.equal(old.events[0].event, 'reset');
  assert.equal(old.events[0].data.reason, 'retention');
  // It has the right through the function alone; and what the owner deletes is told.
  await assert.rejects(site.sql('DELETE FROM signals', { user: 'tocsin_generator' }), /permission denied/);
  await assert.rejects(site.sql("SET tocsin.retention = 'on'; DELETE FROM signals", { user: 'tocsin_generator' }), /permission denied/);
  await assert.rejects(site.sql("SELECT tocsin_retain('1 d', '1 d', 10)", { user: 'tocsin_relay' }), /permission denied/);
  const [[id]] = active;
  await site.sql(`DELETE FROM signals WHERE id = ${id}`);
  assert.equal(await site.value(`SELECT count(*) FROM signal_events WHERE op = 'DELETE' AND signal_id = ${id}`), '1');
}

async function blocked(t) {
  const site = await Site.create(t);
  replay(site, 8000);
  await site.migrate();
  const child = generator(site);
  await until('a signal', async () => await count(site) > 0);
  const psql = site.spawn('psql', ['-X', '-q', site.conninfo('postgres')], { stdio: ['pipe', 'pipe', 'pipe'] });
  psql.stdin.write("BEGIN; UPDATE signals SET acked_at = now() WHERE id = 1; SELECT 'held', pg_backend_pid();\n");
  const pid = await until('the lock is held', () => psql.output().match(/held\s*\|\s*(\d+)/)?.[1]);
  await grows(site, 20000);
  await says(child, new RegExp(`writer: blocked by a transaction of somebody else backend_pid=${pid} user="postgres" state="idle in transaction" query="SELECT 'held'`));
  psql.stdin.end('ROLLBACK;\n');
  await psql.ended;
  const before = await stored(site);
  await until('writing goes on', async () => await stored(site) > before + 200);
  await assertEventsSane(site);
  await kill(child);
  await finish(site);
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

// A journal of one record: statements as [letter, rows].
function writeJournal(file, statements) {
  const data = Buffer.concat(statements.map(([letter, rows]) => {
    const json = Buffer.from(JSON.stringify(rows));
    const head = Buffer.alloc(9, letter);
    head.writeUInt32LE(rows.length, 1);
    head.writeUInt32LE(json.length, 5);
    return Buffer.concat([head, json]);
  }));
  const head = Buffer.alloc(17);
  head.writeUInt32LE(data.length);
  head.writeBigUInt64LE(1n, 8);
  head[16] = 1;
  head.writeUInt32LE(crc32(Buffer.concat([head.subarray(8), data])), 4);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, Buffer.concat([Buffer.from('TOCSINJ1'), head, data]));
}

async function oldRows(t) {
  const site = await Site.create(t);
  replay(site, 1);
  await site.migrate();
  const levels = { long: [100, 90, '{110,120,130}', 110, 125, 95], short: [100, 110, '{90,80,70}', 90, 75, 105] };
  for (const [side, [entry, initial, targets, stop, favorable, adverse]] of Object.entries(levels)) {
    await site.sql(`INSERT INTO signals (exchange, symbol, timeframe, strategy, side, candle_open_time, candle_close_time, entry, stop_loss, initial_stop,
      targets, targets_hit, confidence, reason, last_price, max_favorable, max_adverse, generated_at, expires_at, mode) VALUES ('x', '${side.toUpperCase()}/BTC',
      '1m', 's', '${side}', '2025-01-01', '2025-01-01 00:01', ${entry}, ${stop}, ${initial}, '${targets}', 2, 0.5, '', 100, ${favorable}, ${adverse}, now(), '2030-01-01', 'replay')`);
  }
  const identity = (side) => ({ exchange: 'x', symbol: `${side.toUpperCase()}/BTC`, timeframe: '1m', strategy: 's', strategy_version: 1, params_hash: '',
    candle_open_time: '2025-01-01T00:00:00Z', mode: 'replay' });
  const old = { last_price: 100, max_favorable: 101, max_adverse: 100 };
  const rows = () => site.sql('SELECT symbol, seq, status, targets_hit, stop_loss, max_favorable, max_adverse FROM signals ORDER BY id');
  const before = await rows();
  writeJournal(journalOf(site), ['long', 'short'].flatMap((side) => [['r', [{ ...identity(side), ...old, max_favorable: side === 'long' ? 101 : 99 }]],
    ['c', [{ ...identity(side), ...old, max_favorable: side === 'long' ? 101 : 99, status: 'active', targets_hit: 1, stop_loss: 100 }]]]));
  const child = generator(site);
  await says(child, /continuing after the last commit/);
  assert.match(child.output(), /an earlier run left batches to commit/);
  assert.doesNotMatch(child.output(), /refuses a row/);
  assert.deepEqual(await rows(), before);
}

// A feed that does not wait, and a journal that is too small for what it brings while the database is away.
async function halfFull(t) {
  const site = await Site.create(t);
  fs.writeFileSync(`${site.dir}/market`, `#!/bin/sh
exec awk 'BEGIN {
  srand(5)
  for (p = 100; n < 400000; n++) {
    o = p
    p *= 1 + sin(n / 180) * 0.0004 + (rand() - 0.5) * 0.003
    printf "{\\"symbol\\":\\"S0/BTC\\",\\"time\\":%d,\\"open\\":%.4f,\\"high\\":%.4f,\\"low\\":%.4f,\\"close\\":%.4f,\\"volume\\":1}\\n",
      ${Math.floor(Date.now() / 60000) * 60 - 300 * 86400} + n * 60, o, (o > p ? o : p) * 1.0004, (o < p ? o : p) * 0.9996, p
    # Each of a strategy of its own: one can be active of a kind.
    if (n % 10 == 0) printf "{\\"symbol\\":\\"S%d/BTC\\",\\"strategy\\":\\"s%d\\",\\"side\\":\\"long\\",\\"entry\\":100,\\"stop_loss\\":1,\\"targets\\":[1000],\\"reason\\":\\"${'a reason '.repeat(50)}\\"}\\n", n / 10 % 9, n
    if (n % 200 == 0) {
      fflush()
      system("sleep 0.1")
    }
  }
  system("sleep 1000")
}'
`, { mode: 0o755 });
  site.configure({ feed: `[feed own]\ntype = exec\ncommand = ${site.dir}/market\nsymbols = ${Array.from({ length: 9 }, (_, n) => `S${n}/BTC`)}\n`, generator: 'journal_max = 1M', check: '200ms',
    strategies: '' });
  const { code, stderr } = await command(program('tocsin-generator'), ['-c', site.conf, '-n']);
  if (code !== 0 && / type: /.test(stderr)) return t.skip('no feed of type exec');
  await site.migrate();
  await site.start();
  await until('signals', async () => await count(site) > 10);
  await site.postgres('kill');
  await until('the feed is held back', () => site.process('generator').status?.feeds.own.state === 'paused', 60000);
  const { journal } = site.process('generator').status;
  assert.ok(journal.waiting_bytes >= 1 << 19 && journal.waiting_bytes < (1 << 20) * 3 / 4, JSON.stringify(journal));
  await site.postgres('restart');
  const idle = () => until('all is committed', () => site.process('generator').status?.journal?.waiting_bytes === 0, 60000);
  await idle();
  const before = await count(site);
  await until('it goes on', async () => await count(site) > before + 3, 60000);
  assert.equal(site.process('generator').restarts, 0);
  assert.equal(site.process('generator').status.journal.candle_rows_dropped + site.process('generator').status.journal.signal_rows_dropped, 0);
  await site.kill('generator');
  await until('it goes on', () => site.process('generator').status?.session === 'writing' && site.process('generator').status.state === 'ready', 60000);
  const after = await count(site);
  await until('with new signals', async () => await count(site) > after, 60000);
  assert.doesNotMatch(site.log('generator'), /refuses a row|rows that are neither/);
}

// An hour behind the database, and then set further back while it runs: a signal's age is judged all the same.
async function clockSetBack(t) {
  const site = await Site.create(t);
  const clock = `${site.dir}/clock`;
  const set = (hours) => {
    const offset = Buffer.alloc(8);
    offset.writeBigInt64LE(BigInt(hours) * 3600n * 1000000000n);
    const fd = fs.openSync(clock, fs.existsSync(clock) ? 'r+' : 'w'); // never shorter: it is mapped
    fs.writeSync(fd, offset, 0, 8, 0);
    fs.closeSync(fd);
  };
  execFileSync('gcc', ['-shared', '-fPIC', '-D_GNU_SOURCE', '-o', `${site.dir}/wallclock.so`, `${root}/tests/bench/wallclock.c`]);
  set(-1);
  site.configure({ feed: simFeed({ pace: 1200 }), strategies: STRATEGIES });
  await site.migrate();
  const asan = [process.env.ASAN_OPTIONS, 'verify_asan_link_order=0'].filter(Boolean).join(':');
  const child = generator(site, { env: { ...process.env, ASAN_OPTIONS: asan, LD_PRELOAD: `${site.dir}/wallclock.so`, TOCSIN_BENCH_CLOCK: clock } });
  await says(child, /session: the database's clock and ours differ: have both set by the network ahead_ms=3(600|599)\d{3}\n/);
  await until('signals', async () => await count(site, "outcome IS DISTINCT FROM 'void'") > 3, 60000);
  set(-5);
  const before = await count(site);
  await until('more signals', async () => await count(site, "outcome IS DISTINCT FROM 'void' AND generated_at < now() - interval '4 h'") > 3, 60000);
  assert.ok(before > 0);
  assert.equal(await count(site, "outcome = 'void' AND exit_reason = 'expired'"), 0);
  await assertEventsSane(site);
}

// Statements and commits fail now and then while signals of the next transaction are on their way behind them.
async function failingTransactions(t) {
  const site = await Site.create(t);
  replay(site, (MINUTES * 60) / 8, 'mode = replay\nat_end = exit');
  await site.migrate();
  // By the transaction's number, so that a big one fails no more often than a small one.
  await site.sql(`CREATE FUNCTION fail_some() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF TG_LEVEL = 'STATEMENT' THEN PERFORM pg_sleep(0.004); END IF;
      IF pg_current_xact_id()::text::bigint % 11 = TG_ARGV[0]::integer THEN RAISE EXCEPTION 'now and then' USING ERRCODE = '55P03'; END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER fail BEFORE INSERT ON candles FOR EACH STATEMENT EXECUTE FUNCTION fail_some('0');
    CREATE TRIGGER fail AFTER INSERT ON signals FOR EACH STATEMENT EXECUTE FUNCTION fail_some('4');
    CREATE CONSTRAINT TRIGGER fail_late AFTER INSERT OR UPDATE ON strategy_state DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION fail_some('8')`);
  const child = generator(site);
  assert.equal((await child.ended).code, 0, child.output());
  assertSame(await outcome(site), await undisturbed());
  await assertEventsSane(site);
  const failures = child.output().match(/cannot commit, trying again sqlstate=55P03/g)?.length ?? 0;
  assert.ok(failures > 5, `${failures} failures`);
  assert.doesNotMatch(child.output(), /rolled back by somebody|refuses a row/);
  // What is asked right after a failure is answered: the aborted transaction, and what went into it early, is ended before.
  assert.doesNotMatch(fs.readFileSync(site.file('postgres.log'), 'utf8'), /STATEMENT: .*tocsin_blocker/);
  t.diagnostic(`${failures} failed transactions`);
}

const chains = [
  [['random kills of generator and database leave the signals of an undisturbed run, each told once', killTest],
    ['a clock that is an hour behind the database\'s, and set back: signals are none the older', clockSetBack],
    ['two generators with one state_dir: the second cannot take the journal, nothing is damaged', twoGenerators],
    ['what stands in the journal\'s place is named, and the journal taken up once it can be', obstacles],
    ['a journal that is half full: a program waits in its pipe, nothing is lost, and all goes on', halfFull],
    ['transactions that fail now and then: the same signals, each told once', failingTransactions],
    ['a commit that is blocked: rows go to the journal, the blocker is named, all is written afterwards', blocked]],
  [['a journal\'s disk full again and again, the database away: the same signals', fullDisk],
    ['max_age: what an outage made late is stored as expired and void and never told as opened', maxAge]],
  [['a torn or spoilt journal: one line, and the same signals', tornTail],
    ['retention by the generator\'s role alone: in batches, without events, active signals stay', retention]],
  [['killed or ended during an outage: what was journaled is committed before anything newer', outage],
    ['rows that come once more, after newer ones, move nothing back', oldRows],
    ['a signal that an operator cancels leaves the book, and a new one may open', cancelled]],
];

test('the journal', { concurrency: chains.length }, async (t) => {
  t.diagnostic(`SEED=${SEED} KILLS=${KILLS}`);
  await undisturbed();
  await Promise.all(chains.map(async (chain) => {
    for (const [name, body] of chain) await t.test(name, body);
  }));
});
