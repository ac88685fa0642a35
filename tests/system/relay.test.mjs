// The relay as its users meet it: streams that resume exactly, plain REST, and a page.
import test from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { Site, simFeed, until } from './lib/site.mjs';
import { EventStream } from './lib/sse.mjs';

// A relay alone, its signals written by hand.
async function relayOnly(t, conf = {}) {
  const site = await Site.create(t);
  site.configure({ ...conf, processes: undefined });
  const text = (await import('node:fs')).default;
  text.writeFileSync(site.conf, text.readFileSync(site.conf, 'utf8').replace(/\[process generator\]\ncommand = .*\n/, ''));
  await site.migrate();
  await site.start();
  return site;
}

let next = 0;
const insert = (site, { symbol = `S${next++}/USDT`, side = 'long', strategy = 'ema_cross', confidence = 0.5, reason = 'because', indicators = '{}' } = {}) =>
  site.sql(`INSERT INTO signals (exchange, symbol, timeframe, strategy, side, candle_open_time, candle_close_time, entry, stop_loss,
    initial_stop, targets, confidence, reason, indicators, generated_at, expires_at)
    VALUES ('test', '${symbol}', '1m', '${strategy}', '${side}', '2026-01-01', '2026-01-01 00:01', 100, ${side === 'long' ? 99 : 101},
    ${side === 'long' ? 99 : 101}, '${side === 'long' ? '{102}' : '{98}'}', ${confidence}, '${reason}', '${indicators}', now(), '2026-01-02') RETURNING id, seq`);

const newest = async (site) => Number(await site.value('SELECT coalesce(max(seq), 0) FROM signal_events'));

test('INSERT, UPDATE and DELETE arrive as they are committed, with the record', async (t) => {
  const site = await relayOnly(t);
  const stream = new EventStream(site, '/v1/stream');
  await until('the stream is open', () => stream.connects === 1);
  assert.match(stream.headers['content-type'], /^text\/event-stream/);
  assert.equal(stream.headers['x-accel-buffering'], 'no');
  const [[id]] = await insert(site, { symbol: 'BTC/USDT' });
  await site.sql(`UPDATE signals SET targets_hit = 0, last_price = 101 WHERE id = ${id}`); // no event
  await site.sql(`UPDATE signals SET status = 'stopped', exit_reason = 'stop_loss', outcome = 'loss', exit_price = 99, closed_at = now() WHERE id = ${id}`);
  await site.sql(`DELETE FROM signals WHERE id = ${id}`);
  await until('three events', () => stream.events.length === 3);
  const [opened, closed, deleted] = stream.events.map((e) => e.data);
  assert.deepEqual([opened.op, opened.kind, opened.record.symbol, opened.record.status], ['INSERT', 'opened', 'BTC/USDT', 'active']);
  assert.deepEqual([closed.op, closed.kind, closed.record.status, closed.id], ['UPDATE', 'closed', 'stopped', Number(id)]);
  assert.deepEqual([deleted.op, deleted.kind, deleted.record], ['DELETE', 'deleted', null]);
  for (const e of stream.events) assert.match(e.id, new RegExp(`^[0-9a-f]{32}\\.[0-9A-F]+-${e.data.seq}$`));
});

test('a cursor resumes exactly, from the ring or from the database, and 0 gives all', async (t) => {
  const site = await relayOnly(t, { relay: 'ring_size = 64' });
  await site.sql('SELECT 1');
  for (let i = 0; i < 150; i++) next++;
  await site.sql(`INSERT INTO signals (exchange, symbol, timeframe, strategy, side, candle_open_time, candle_close_time, entry, stop_loss,
    initial_stop, targets, confidence, reason, generated_at, expires_at)
    SELECT 'test', 'R' || i || '/USDT', '1m', 'ema_cross', 'long', '2026-01-01', '2026-01-01 00:01', 100, 99, 99, '{102}', 0.5, 'x', now(), '2026-01-02'
    FROM generate_series(1, 3000) i`);
  const all = (await site.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([s]) => Number(s));
  const whole = new EventStream(site, '/v1/stream?after=0');
  await until('all of the log', () => whole.events.length >= 3000);
  assert.deepEqual(whole.seqs, all);
  for (const from of [1, 1500, 2950, 2999]) {
    const stream = new EventStream(site, '/v1/stream', { lastId: whole.events[from].id });
    await until(`the rest after ${from}`, () => stream.events.length >= 3000 - from - 1);
    assert.deepEqual(stream.seqs, all.slice(from + 1));
    stream.close();
  }
  // While the history is paged, live events wait their turn.
  const late = new EventStream(site, '/v1/stream?after=0');
  for (let i = 0; i < 5; i++) await insert(site);
  await until('history and live', () => late.events.length >= 3005);
  assert.deepEqual(late.seqs, (await site.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([s]) => Number(s)));
});

test('an unknown epoch, a cursor that retention has overtaken, and one from the future get a reset and the active signals', async (t) => {
  const site = await relayOnly(t, { relay: 'ring_size = 64' });
  for (let i = 0; i < 4; i++) await insert(site);
  const epoch = (await site.json('/v1/signals')).cursor.split('-')[0];
  await site.sql('DELETE FROM signal_events WHERE seq <= 3');
  await site.kill('relay');
  await site.ready();
  const cases = { '00000000000000000000000000000000.1-2': 'epoch', [`${epoch}-1`]: 'retention', [`${epoch}-99999`]: 'unknown' };
  for (const [id, reason] of Object.entries(cases)) {
    const stream = new EventStream(site, '/v1/stream', { lastId: id, reconnect: false });
    await until(`the snapshot for ${id}`, () => stream.events.length >= 5);
    assert.equal(stream.events[0].event, 'reset');
    assert.equal(stream.events[0].data.reason, reason);
    const snapshot = stream.events.slice(1, 5);
    assert.deepEqual(new Set(snapshot.map((e) => e.event)), new Set(['snapshot']));
    assert.equal(new Set(snapshot.map((e) => e.data.record.id)).size, 4);
    await insert(site);
    await until('live afterwards', () => stream.events.some((e) => e.event === 'message'));
    await site.sql('DELETE FROM signals WHERE id = (SELECT max(id) FROM signals)');
    stream.close();
  }
});

test('rolled back writes, records too large for NOTIFY, and a lost listener leave no gap', async (t) => {
  const site = await relayOnly(t);
  const stream = new EventStream(site, '/v1/stream');
  await until('the stream is open', () => stream.connects === 1);
  await insert(site);
  await site.sql("BEGIN; SELECT nextval('signal_seq') FROM generate_series(1, 40); ROLLBACK");
  await insert(site);
  await insert(site, { indicators: JSON.stringify({ big: 'x'.repeat(9000) }) });
  await insert(site);
  await site.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tocsin_relay'");
  await insert(site);
  await insert(site);
  const all = (await site.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([s]) => Number(s));
  await until('all six', () => stream.events.length >= 6);
  assert.deepEqual(stream.seqs, all);
  assert.equal(stream.events[2].data.record.indicators.big.length, 9000);
  assert.equal(stream.connects, 1, 'the client has noticed nothing');
});

test('filters choose, and what they do not know is refused by name', async (t) => {
  const site = await relayOnly(t);
  const streams = {
    'symbol=BTC/USDT': [0, 3], 'symbol=BTC/USDT,ETH/USDT&side=short': [1], 'strategy=rsi_reversion': [2], 'min_confidence=0.8': [1, 2], 'kind=closed': [],
  };
  const open = Object.keys(streams).map((query) => new EventStream(site, `/v1/stream?${query}`));
  const all = new EventStream(site, '/v1/stream');
  await until('all are open', () => [...open, all].every((s) => s.connects === 1));
  await insert(site, { symbol: 'BTC/USDT' });
  await insert(site, { symbol: 'ETH/USDT', side: 'short', confidence: 0.9 });
  await insert(site, { symbol: 'XRP/USDT', strategy: 'rsi_reversion', confidence: 0.8 });
  await insert(site, { symbol: 'BTC/USDT', strategy: 'other' });
  await until('all four', () => all.events.length === 4);
  const want = Object.values(streams).map((indexes) => indexes.map((i) => all.seqs[i]));
  await until('the filtered ones', () => open.every((s, i) => s.events.length >= want[i].length));
  assert.deepEqual(open.map((s) => s.seqs), want);
  for (const [query, name] of [['side=up', 'side'], ['min_confidence=2', 'min_confidence'], ['colour=red', 'colour'], ['kind=x', 'kind'], ['symbol=btc', 'symbol'], ['after=x', 'after']]) {
    const response = await site.get(`/v1/stream?${query}`);
    const body = await response.json();
    assert.equal(response.status, 400, query);
    assert.match(body.error, new RegExp(name));
    assert.ok(body.hint.length > 0);
  }
});

test('GET /v1/signals pages, filters and gives the cursor to go on from', async (t) => {
  const site = await relayOnly(t);
  for (let i = 0; i < 7; i++) await insert(site, { symbol: i % 2 ? 'BTC/USDT' : 'ETH/USDT', strategy: `s${i}` });
  const first = await site.json('/v1/signals?limit=3');
  assert.deepEqual(first.signals.map((s) => s.strategy), ['s6', 's5', 's4']);
  const second = await site.json(`/v1/signals?limit=3&before=${first.next}`);
  assert.deepEqual(second.signals.map((s) => s.strategy), ['s3', 's2', 's1']);
  const third = await site.json(`/v1/signals?limit=3&before=${second.next}`);
  assert.deepEqual([third.signals.map((s) => s.strategy), third.next], [['s0'], null]);
  assert.equal((await site.json('/v1/signals?symbol=BTC/USDT&side=long&status=active')).signals.length, 3);
  assert.equal((await site.json('/v1/signals?status=stopped,expired')).signals.length, 0);
  assert.equal(Number(first.cursor.split('-')[1]), await newest(site));
  for (const query of ['limit=0', 'limit=501', 'before=x', "symbol=';DROP", 'status=odd', 'colour=red']) {
    assert.equal((await site.get(`/v1/signals?${query}`)).status, 400, query);
  }
});

test('health, readiness, status, the page, and errors that say what to do', async (t) => {
  const site = await relayOnly(t);
  assert.equal((await site.get('/healthz')).status, 200);
  const status = await site.json('/v1/status');
  assert.ok(status, 'status is JSON');
  const page = await site.get('/');
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-security-policy'), /default-src 'none'/);
  const html = await page.text();
  for (const [, where] of html.matchAll(/(?:src|href)="([^"#:]+)"/g)) assert.equal((await site.get(`/${where.replace(/^\.?\//, '')}`)).status, 200, where);
  const etag = page.headers.get('etag');
  assert.equal((await site.get('/', { 'if-none-match': etag })).status, 304);
  const missing = await site.get('/nowhere');
  assert.equal(missing.status, 404);
  assert.ok((await missing.json()).error);
  const wrong = await fetch(`http://127.0.0.1:${site.port}/v1/signals`, { method: 'DELETE' });
  assert.equal(wrong.status, 405);
  assert.match(wrong.headers.get('allow'), /GET/);
  await wrong.arrayBuffer();
});

test('a reader that stalls is dropped, the others see no delay, and it resumes without loss', async (t) => {
  const site = await relayOnly(t, { relay: 'client_buffer = 64K' });
  const stalled = net.connect(site.port, '127.0.0.1');
  t.after(() => stalled.destroy());
  stalled.write('GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n');
  await until('it is taken over', async () => (await site.json('/v1/status')).relay?.clients !== 0);
  stalled.pause();
  const brisk = new EventStream(site, '/v1/stream');
  await until('the other is open', () => brisk.connects === 1);
  const rows = 6000;
  await site.sql(`INSERT INTO signals (exchange, symbol, timeframe, strategy, side, candle_open_time, candle_close_time, entry, stop_loss,
    initial_stop, targets, confidence, reason, generated_at, expires_at)
    SELECT 'test', 'T' || i || '/USDT', '1m', 'ema_cross', 'long', '2026-01-01', '2026-01-01 00:01', 100, 99, 99, '{102}', 0.5, repeat('x', 400), now(), '2026-01-02'
    FROM generate_series(1, ${rows}) i`);
  await until('the brisk one has all', () => brisk.events.length === rows);
  await until('the stalled one is dropped', () => /lag|slow|behind/i.test(site.log('relay')));
  assert.equal(brisk.connects, 1);
  // What it had, and what it gets from there on, is everything.
  let text = '';
  stalled.on('data', (d) => { text += d; });
  stalled.resume();
  await until('it sees its end', () => stalled.destroyed);
  const ids = [...text.matchAll(/^id: (\S+)\ndata: .*\n\n/gm)].map((m) => m[1]);
  const again = new EventStream(site, '/v1/stream', { lastId: ids.at(-1) });
  await until('the rest', () => ids.length + again.events.length >= rows);
  assert.deepEqual([...ids.map((id) => Number(id.split('-')[1])), ...again.seqs], brisk.seqs);
});

test('500 clients come back in the same second after the relay was killed, and miss nothing', async (t) => {
  const site = await relayOnly(t);
  await insert(site);
  const streams = [];
  for (let i = 0; i < 500; i++) streams.push(new EventStream(site, '/v1/stream?after=0'));
  await until('all are open', () => streams.every((s) => s.events.length === 1), 60000);
  await site.kill('relay');
  for (let i = 0; i < 3; i++) await insert(site);
  await until('all have all', () => streams.every((s) => s.events.length >= 4), 60000);
  for (const s of streams) assert.deepEqual(s.seqs, streams[0].seqs);
  assert.equal(streams.reduce((n, s) => n + s.refused, 0), 0);
});

test('the generator works: its status shows in the relay, live signals reach a stream', async (t) => {
  const site = await Site.create(t);
  site.configure({ feed: simFeed({ pace: 1200 }) });
  await site.migrate();
  await site.start();
  const stream = new EventStream(site, '/v1/stream');
  await until('a live signal', () => stream.events.some((e) => e.data.op === 'INSERT'), 60000);
  const { record } = stream.events.find((e) => e.data.op === 'INSERT').data;
  assert.match(record.params_hash, /^[0-9a-f]{16}$/);
  assert.equal(await site.value("SELECT string_agg(DISTINCT source, ',') FROM candles"), 'sim');
  assert.ok(record.reason.length > 20 && Object.keys(record.indicators).length > 1);
});
