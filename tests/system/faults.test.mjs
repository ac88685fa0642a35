// Whatever dies, everything arrives: each event once, in order, and the signals are those of an undisturbed run.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { Site, SIGNAL_ROWS, alive, fileFeed, simFeed, until, writeCandles } from './lib/site.mjs';
import { EventStream } from './lib/sse.mjs';

const delivered = async (site, stream) => {
  const seqs = (await site.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([s]) => Number(s));
  await until('every event has arrived', () => stream.seqs.length >= seqs.length || stream.seqs.at(-1) >= seqs.at(-1));
  assert.deepEqual(stream.seqs.slice(0, seqs.length), seqs);
  assert.equal(stream.events.filter((e) => e.event === 'reset').length, 0);
  return seqs.length;
};

const opened = async (site, n) => until(`${n} signals`, async () => Number(await site.value('SELECT count(*) FROM signals')) >= n, 60000);

test('both children killed again and again: nothing lost, nothing doubled, no connection refused', async (t) => {
  const site = await Site.create(t);
  site.configure({ feed: simFeed({ pace: 1200 }) });
  await site.migrate();
  await site.start();
  const stream = new EventStream(site, '/v1/stream?after=0');
  for (let round = 1; round <= 4; round++) {
    await opened(site, round * 4);
    await site.kill('generator');
    await site.kill('relay');
  }
  await opened(site, 20);
  await site.stop();
  await site.start();
  assert.ok(await delivered(site, stream) >= 20);
  assert.equal(await site.value('SELECT count(*) - count(DISTINCT (exchange, symbol, timeframe, strategy, candle_open_time)) FROM signals'), '0');
});

test('the listening socket outlives the relay: a client is never refused', async (t) => {
  const site = await Site.create(t);
  site.configure();
  await site.migrate();
  await site.start();
  const stream = new EventStream(site, '/v1/stream');
  for (let round = 0; round < 5; round++) {
    await until('the stream is open', () => stream.response && !stream.response.destroyed);
    await site.kill('relay');
  }
  await until('it has come back', () => stream.connects >= 6);
  assert.equal(stream.refused, 0);
});

test('kills and database crashes during a replay leave the signals of an undisturbed run', async (t) => {
  const tables = [];
  for (const disturbed of [false, true]) {
    const site = await Site.create(t);
    const file = `${site.dir}/candles.csv`;
    const rows = writeCandles(file, { minutes: 5000, seed: 11 });
    // Paced when disturbed, so that the blows fall into the middle.
    site.configure({ feed: fileFeed(file, { extra: disturbed ? 'pace = 40000' : '' }), generator: 'mode = replay' });
    await site.migrate();
    await site.start();
    const stream = new EventStream(site, '/v1/stream?after=0');
    const stored = async () => Number(await site.value("SELECT count(*) FROM candles WHERE source <> 'filled'").catch(() => 0));
    if (disturbed) {
      for (const [at, blow] of [[600, 'kill'], [1500, 'crash'], [2300, 'kill'], [3000, 'crash'], [3800, 'kill']]) {
        await until(`${at} candles`, async () => await stored() >= at, 60000);
        if (blow === 'kill') await site.kill('generator');
        else {
          await site.postgres('kill');
          await site.postgres('restart');
        }
      }
    }
    await until('every candle is stored', async () => await stored() === rows, 60000);
    await delivered(site, stream);
    tables.push({ signals: await site.sql(SIGNAL_ROWS), candles: await site.sql('SELECT * FROM candles ORDER BY open_time'),
      state: await site.sql('SELECT strategy, last_candle_open_time FROM strategy_state ORDER BY strategy') });
    await site.stop();
  }
  assert.ok(tables[0].signals.length > 20);
  assert.deepEqual(tables[1], tables[0]);
});

test('while the database is away both beat, say so, and are not restarted; then they go on', async (t) => {
  const site = await Site.create(t);
  site.configure({ feed: simFeed({ pace: 1200 }) });
  await site.migrate();
  await site.start();
  const stream = new EventStream(site, '/v1/stream?after=0');
  await opened(site, 3);
  await site.postgres('kill');
  await until('the relay is not ready', async () => (await site.get('/readyz')).status === 503);
  assert.equal((await site.get('/healthz')).status, 200);
  await until('both say degraded', () => ['generator', 'relay'].every((name) => site.process(name).status?.state === 'degraded'));
  await site.postgres('restart');
  await site.ready();
  const before = stream.events.length;
  await until('events flow again', () => stream.events.length > before, 60000);
  await delivered(site, stream);
  for (const name of ['generator', 'relay']) assert.equal(site.process(name).restarts, 0, name);
});

test('a second generator stands by, and takes over when the first is gone', async (t) => {
  const site = await Site.create(t);
  site.configure({ feed: simFeed({ pace: 1200 }) });
  await site.migrate();
  await site.start();
  await opened(site, 2);
  const second = site.spawn(`${process.env.TOCSIN_BIN ?? 'build/bin'}/tocsin-generator`, ['-c', site.conf]);
  await until('it stands by', () => /standing by/.test(second.output()));
  process.kill(site.process('generator').pid, 'SIGSTOP');
  process.kill(site.process('generator').pid, 'SIGKILL');
  // Whichever of the two gets the lock, one writes on and nothing is doubled.
  const before = Number(await site.value('SELECT count(*) FROM candles'));
  await until('one of them writes on', async () => Number(await site.value('SELECT count(*) FROM candles')) > before + 10);
  second.kill('SIGTERM');
  assert.deepEqual(await second.ended, { code: 0, signal: null });
});

test('when the watchdog is killed its children end by themselves, and the next one starts over', async (t) => {
  const site = await Site.create(t);
  site.configure();
  await site.migrate();
  await site.start();
  const pids = site.status().processes.map((p) => p.pid);
  site.watchdog.kill('SIGKILL');
  await site.watchdog.ended;
  await until('both children have ended', () => !pids.some(alive), 5000);
  await site.start();
  for (const { pid } of site.status().processes) assert.ok(!pids.includes(pid));
});

test('a transaction left open on signals is named, and what waits for it is written afterwards', async (t) => {
  const site = await Site.create(t);
  site.configure({ feed: simFeed({ pace: 1200 }) });
  await site.migrate();
  await site.start();
  await opened(site, 1);
  const psql = site.spawn('psql', ['-X', '-q', site.conninfo('postgres')], { stdio: ['pipe', 'pipe', 'pipe'] });
  psql.stdin.write("BEGIN; UPDATE signals SET acked_at = now() WHERE id = 1; SELECT 'held', pg_backend_pid();\n");
  const pid = await until('the lock is held', () => psql.output().match(/held\s*\|\s*(\d+)/)?.[1]);
  const held = await site.value('SELECT max(seq) FROM signal_events');
  await until('the blocker is named', () => new RegExp(`blocked by .*backend_pid=${pid} `).test(site.log('generator')), 60000);
  assert.equal(await site.value('SELECT max(seq) FROM signal_events'), held);
  psql.stdin.end('ROLLBACK;\n');
  await psql.ended;
  await until('writing goes on', async () => await site.value('SELECT max(seq) FROM signal_events') !== held, 60000);
  assert.equal(site.process('generator').restarts, 0);
});

test('a generator that finds another one was the writer meanwhile starts over: what it has in memory is out of date', async (t) => {
  const site = await Site.create(t);
  site.configure({ feed: simFeed({ pace: 1200 }) });
  await site.migrate();
  await site.start();
  await opened(site, 1);
  await site.sql("UPDATE tocsin_instance SET writer = gen_random_uuid(); SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tocsin_generator'");
  await until('it starts over', () => /another generator has become the writer: starting over/.test(site.log('generator')));
  await until('and writes', () => site.process('generator').restarts === 1 && site.process('generator').status?.session === 'writing');
});

test('its own session that the server still holds open after a loss is ended, not taken for a rival', async (t) => {
  const site = await Site.create(t);
  // Between generator and server: a proxy that can drop the client and keep the server's side.
  const pairs = [];
  const proxy = net.createServer((client) => {
    const server = net.connect(`${site.dir}/sock/.s.PGSQL.5432`);
    pairs.push({ client, server });
    client.pipe(server, { end: false });
    server.pipe(client);
    for (const end of [client, server]) end.on('error', () => {});
  });
  await new Promise((done) => { proxy.listen(0, '127.0.0.1', done); });
  t.after(() => {
    proxy.close();
    for (const { client, server } of pairs) { client.destroy(); server.destroy(); }
  });
  site.configure({ feed: simFeed({ pace: 1200 }) });
  fs.writeFileSync(site.conf, fs.readFileSync(site.conf, 'utf8')
    .replace(/database = .* user=tocsin_generator/, `database = host=127.0.0.1 port=${proxy.address().port} user=tocsin_generator`));
  await site.migrate();
  await site.start();
  await opened(site, 1);
  pairs[0].client.destroy();
  await until('it has ended its ghost', () => /ended our own lost session/.test(site.log('generator')), 20000);
  const before = Number(await site.value('SELECT count(*) FROM candles'));
  await until('it writes on', async () => Number(await site.value('SELECT count(*) FROM candles')) > before + 10);
  assert.equal(site.process('generator').restarts, 0);
});

test('a row that the database refuses for good is named and left out; all others are written', async (t) => {
  const site = await Site.create(t);
  site.configure({ feed: simFeed({ pace: 1200 }) });
  await site.migrate();
  await site.sql("ALTER TABLE signals ADD CONSTRAINT no_ether CHECK (symbol <> 'ETH/USDT')");
  await site.start();
  await until('a refusal is told', () => /refuses a row for good.*no_ether.*ETH/.test(site.log('generator')), 60000);
  await opened(site, 3);
  await until('candles of both', async () => await site.value('SELECT count(DISTINCT symbol) FROM candles') === '2');
  assert.doesNotMatch(site.log('generator'), /refuses a row for good.*BTC/);
  assert.equal(site.process('generator').restarts, 0);
});

test('a table changed under a running generator costs one reconnect, nothing else', async (t) => {
  const site = await Site.create(t);
  site.configure({ feed: simFeed({ pace: 1200 }) });
  await site.migrate();
  await site.start();
  await opened(site, 2);
  await site.sql('ALTER TABLE signals ALTER COLUMN strategy_version TYPE bigint, ALTER COLUMN confidence TYPE double precision');
  const before = Number(await site.value('SELECT max(seq) FROM signal_events'));
  await until('signals are written on', async () => Number(await site.value('SELECT max(seq) FROM signal_events')) > before + 3, 60000);
  assert.equal(site.process('generator').restarts, 0);
});
