// The relay as its users meet it: streams that resume exactly, plain REST, and a page.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { Site, command, program, simFeed, until } from './lib/site.mjs';
import { EventStream } from './lib/sse.mjs';

// A relay alone, its signals written by hand.
async function relayOnly(t, { process: keys = '', ...conf } = {}) {
  const site = await Site.create(t);
  site.configure({ ...conf, processes: undefined });
  fs.writeFileSync(site.conf, fs.readFileSync(site.conf, 'utf8').replace(/\[process generator\]\ncommand = .*\n/, '').replace('[process relay]', `[process relay]\n${keys}`));
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
  const ready = await site.get('/readyz');
  assert.deepEqual([ready.status, await ready.json()], [200, { ready: true }]);
  const status = await site.json('/v1/status');
  assert.equal(status.state, 'ready');
  assert.deepEqual(Object.values(status.database).map((session) => session.state), ['connected', 'connected', 'connected']);
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

// A request in its own words (fetch would not send these): { status, headers, text } of what came until `done(text)`.
function say(t, site, request, done = () => false) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(site.port, '127.0.0.1', () => socket.write(request));
    t.after(() => socket.destroy());
    let text = '';
    const finish = () => { socket.destroy(); resolve({ status: Number(text.split(' ')[1]), text }); };
    socket.setTimeout(20000, () => reject(new Error(`no end: ${text}`)));
    socket.on('error', reject);
    socket.on('end', finish);
    socket.on('data', (data) => { text += data; if (done(text)) finish(); });
  });
}

test('a web site that points its own name at the relay, or asks across sites, gets nothing', async (t) => {
  const site = await relayOnly(t, { relay: 'public_hosts = signals.example.org, vps' });
  const ask = (host, where, more = '') => say(t, site, `GET ${where} HTTP/1.1\r\n${host === null ? '' : `Host: ${host}\r\n`}${more}Connection: close\r\n\r\n`);
  for (const host of ['127.0.0.1', `127.0.0.1:${site.port}`, `localhost:${site.port}`, 'LOCALHOST', '[::1]', `[::1]:${site.port}`, 'signals.example.org', 'vps:443']) {
    assert.equal((await ask(host, '/v1/signals')).status, 200, host);
  }
  // HTTP/1.1 asks for a Host; HTTP/1.0 knew none, and no browser speaks it.
  assert.equal((await ask(null, '/v1/signals')).status, 400);
  assert.equal((await say(t, site, 'GET /v1/signals HTTP/1.0\r\n\r\n')).status, 200);
  for (const where of ['/v1/signals', '/v1/stream', '/v1/status', '/', '/readyz']) {
    const { status, text } = await ask(`evil.example:${site.port}`, where);
    assert.equal(status, 421, where);
    assert.match(text, /"hint":".*public_hosts/);
  }
  for (const [from, want] of [['cross-site', 403], ['same-origin', 200], ['same-site', 200], ['none', 200]]) {
    assert.equal((await ask('localhost', '/v1/signals', `Sec-Fetch-Site: ${from}\r\n`)).status, want, from);
  }
  // A link from elsewhere to the page itself is fine.
  assert.equal((await ask('localhost', '/', 'Sec-Fetch-Site: cross-site\r\n')).status, 200);
  assert.equal((await ask('localhost', '/v1/stream', 'Sec-Fetch-Site: cross-site\r\n')).status, 403);
});

test('public_hosts takes names, no addresses of pages', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ relay: 'public_hosts = vps, https://signals.example.org/' });
  const { code, stderr } = await command(program('tocsin-relay'), ['-c', site.conf, '-n']);
  assert.equal(code, 100);
  assert.match(stderr, /public_hosts: .*without scheme/);
});

test('a request pipelined before a stream is answered first, then the stream flows', async (t) => {
  const site = await relayOnly(t);
  await insert(site);
  const head = 'HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const { text } = await say(t, site, `GET /v1/signals ${head}GET /v1/stream?after=0 ${head}`, (got) => /^data: .*\n\n/m.test(got));
  const [first, second] = text.split(/(?=HTTP\/1\.1 200)/);
  assert.match(first, /application\/json[^]*"signals"\s*:\s*\[\{/);
  assert.match(second, /text\/event-stream[^]*"kind":"opened"/);
});

test('readiness ends with any of the sessions that it needs, and comes back', async (t) => {
  const site = await relayOnly(t);
  const terminate = (who) => site.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tocsin_relay' AND application_name LIKE '%${who}%'`);
  const readyz = async () => (await site.get('/readyz')).json();
  for (const [who, why] of [['listener', /no connection to the database$/], ['query', /history/], ['api', /signals/]]) {
    await site.sql('ALTER ROLE tocsin_relay CONNECTION LIMIT 0');
    await terminate(who);
    await until(`it is not ready without ${who}`, async () => why.test((await readyz()).error));
    assert.equal((await site.get('/readyz')).status, 503);
    assert.equal((await site.json('/v1/status')).state, 'degraded');
    assert.equal((await site.get('/healthz')).status, 200);
    await site.sql('ALTER ROLE tocsin_relay CONNECTION LIMIT -1');
    await until(`it is ready with ${who}`, async () => (await readyz()).ready);
  }
});

test('a question that takes long holds up no history, and ends', async (t) => {
  const site = await relayOnly(t, { relay: 'ring_size = 16' });
  for (let i = 0; i < 30; i++) await insert(site);
  site.spawn('psql', ['-X', '-q', '-c', "BEGIN; LOCK TABLE signals; SELECT pg_sleep(600)", `${site.conninfo('postgres')} application_name=locker`]);
  await until('the table is locked', async () => Number(await site.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'locker' AND wait_event = 'PgSleep'")) === 1);
  let answered = 0;
  const questions = Array.from({ length: 70 }, async () => {
    const response = await site.get('/v1/signals');
    answered++;
    return { status: response.status, error: (await response.json()).error };
  });
  await until('those beyond the limit are refused', () => answered === 6);
  const stream = new EventStream(site, '/v1/stream?after=0');
  await until('the history has come', () => stream.events.length === 30);
  assert.equal(answered, 6, 'the questions still wait');
  // The first one runs into its time limit.
  await until('the database gives up on one', () => answered > 6);
  await site.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'locker'");
  const results = await Promise.all(questions);
  assert.equal(results.filter((r) => /too many/.test(r.error)).length, 6);
  assert.ok(results.some((r) => r.status === 503 && /refused/.test(r.error)));
  assert.ok(results.some((r) => r.status === 200));
});

test('readers of history that stall hold up no other one, and go on where they were', async (t) => {
  const site = await relayOnly(t, { relay: 'ring_size = 16' });
  await site.sql(`INSERT INTO signals (exchange, symbol, timeframe, strategy, side, candle_open_time, candle_close_time, entry, stop_loss,
    initial_stop, targets, confidence, reason, indicators, generated_at, expires_at)
    SELECT 'test', 'T' || i || '/USDT', '1m', 'ema_cross', 'long', '2026-01-01', '2026-01-01 00:01', 100, 99, 99, '{102}', 0.5, 'x',
    json_build_object('pad', repeat('x', 20000)), now(), '2026-01-02' FROM generate_series(1, 600) i`);
  const stalled = [];
  const pages = async () => (await site.json('/v1/status')).streams.history_pages_total;
  // Each begins before all others, one after the other, so that no page serves two of them: more pages than may exist at once.
  for (let after = 69; after >= 0; after--) {
    const socket = net.connect(site.port, '127.0.0.1', () => socket.write(`GET /v1/stream?after=${after} HTTP/1.1\r\nHost: localhost\r\n\r\n`));
    t.after(() => socket.destroy());
    stalled.push(socket.pause());
    await until('it has its page', async () => await pages() >= stalled.length, 60000);
  }
  const brisk = new EventStream(site, '/v1/stream?after=0');
  await until('the brisk one has all', () => brisk.events.length === 600, 60000);
  const { streams } = await site.json('/v1/status');
  assert.deepEqual([streams.open, streams.dropped_slow_total], [71, 0]);
  const parts = [];
  let text = '';
  stalled.at(-1).on('data', (data) => { text += data; });
  stalled.at(-1).resume();
  await until('a stalled one has all', () => text.includes(`id: ${brisk.events.at(-1).id}\n`));
  for (const [, seq] of text.matchAll(/^id: \S+-(\d+)\ndata: /gm)) parts.push(Number(seq));
  assert.deepEqual(parts, brisk.seqs);
});

test('a reader that stalls is dropped, the others see no delay, and it resumes without loss', async (t) => {
  const site = await relayOnly(t, { relay: 'client_buffer = 64K' });
  const stalled = net.connect(site.port, '127.0.0.1');
  t.after(() => stalled.destroy());
  stalled.write('GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until('it is taken over', async () => (await site.json('/v1/status')).streams.open === 1);
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

test('connections that ask for nothing are bounded too, the oldest make room, and all end', async (t) => {
  const site = await relayOnly(t, { relay: 'max_clients = 1' });
  const { pid } = site.process('relay');
  const open = () => fs.readdirSync(`/proc/${pid}/fd`).length;
  let ended = 0;
  const sockets = Array.from({ length: 1300 }, () => net.connect(site.port, '127.0.0.1').on('error', () => {}).on('close', () => { ended++; }));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  await until('the oldest make room', () => ended >= 299);
  assert.match(site.log('relay'), /too many connections/);
  assert.ok(open() > 1000 && open() <= 1001 + 64 + 1, `${open()} descriptors`);
  assert.equal((await site.get('/healthz')).status, 200, 'it serves all the while');
  for (const socket of sockets) socket.destroy();
  await until('they are gone', () => open() < 100);
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

// The page in a real browser, spoken to over DevTools' pipe; `see(expression)` evaluates in it.
async function openPage(t, site) {
  const child = site.spawn('chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe', `--user-data-dir=${site.dir}/chromium`],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const waiting = new Map();
  let text = '', id = 0;
  child.stdio[4].on('data', (data) => {
    const messages = (text += data).split('\0');
    text = messages.pop();
    for (const message of messages.map((m) => JSON.parse(m))) waiting.get(message.id)?.(message.result ?? message);
  });
  const call = (method, params, sessionId) => new Promise((resolve) => {
    waiting.set(++id, resolve);
    child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  });
  const { targetId } = await call('Target.createTarget', { url: `http://localhost:${site.port}/` });
  const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
  const see = async (expression) => (await call('Runtime.evaluate', { expression, returnByValue: true }, sessionId)).result?.value;
  return { see, connection: () => see("document.getElementById('connection')?.textContent"), empty: () => see("(e => e.hidden ? '' : e.textContent)(document.getElementById('empty'))") };
}

const chromium = (process.env.PATH ?? '').split(':').some((folder) => fs.existsSync(`${folder}/chromium`));
test('the page says live only while it is, and claims nothing it does not know', { skip: !chromium && 'there is no chromium' }, async (t) => {
  const site = await relayOnly(t, { process: 'heartbeat_timeout = 5m' }); // the watchdog shall not wake it
  const terminate = () => site.sql("ALTER ROLE tocsin_relay CONNECTION LIMIT 0; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tocsin_relay'");
  const allow = () => site.sql('ALTER ROLE tocsin_relay CONNECTION LIMIT -1');
  await terminate();
  const page = await openPage(t, site);
  await until('it says that the signals are out of reach', async () => /Cannot reach/.test(await page.empty()));
  await allow();
  await until('it is live', async () => await page.connection() === 'live', 60000);
  assert.match(await page.empty(), /No signals yet/);
  await insert(site);
  await until('the signal shows', async () => await page.see("document.getElementById('count').textContent") === '1');
  assert.equal(await page.empty(), '');
  assert.match(await page.see("document.getElementById('latency').textContent"), /^\d+ ms$/);
  await terminate();
  await until('it knows that the database is away', async () => /^degraded: /.test(await page.connection()));
  await allow();
  await until('it is live again', async () => await page.connection() === 'live', 60000);
  // A relay that no longer answers, on a connection that stays open.
  const { pid } = site.process('relay');
  process.kill(pid, 'SIGSTOP');
  t.after(() => { try { process.kill(pid, 'SIGCONT'); } catch { /* it has ended */ } });
  await until('it notices', async () => await page.connection() === 'reconnecting');
  process.kill(pid, 'SIGCONT');
  await until('it is live once more', async () => await page.connection() === 'live', 60000);
  await insert(site);
  await until('the next signal shows', async () => await page.see("document.getElementById('count').textContent") === '2');
});

test('an update of a signal below the end of the list does not put it on top', { skip: !chromium && 'there is no chromium' }, async (t) => {
  const site = await relayOnly(t);
  for (let i = 0; i < 101; i++) await insert(site);
  const page = await openPage(t, site);
  await until('it is live', async () => await page.connection() === 'live');
  const [[first]] = await site.sql('SELECT min(id) FROM signals');
  const [[last]] = await site.sql('SELECT max(id) FROM signals');
  const stop = (id) => site.sql(`UPDATE signals SET status = 'stopped', exit_reason = 'stop_loss', outcome = 'loss', exit_price = 99, closed_at = now() WHERE id = ${id}`);
  await stop(first);
  await stop(last);
  await until('the second update shows', async () => await page.see("document.querySelectorAll('.closed').length") > 0);
  assert.equal(await page.see("document.getElementById('count').textContent"), '100');
  assert.equal(await page.see("document.querySelector('.signal').dataset.id"), last);
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
