// What the relay answers from the database, and the figures that it gives away about itself.
import test from 'node:test';
import assert from 'node:assert/strict';
import { until } from './lib/site.mjs';
import { EventStream } from './lib/sse.mjs';
import { closeSignal, insertSignal, relayOnly } from './lib/apisite.mjs';

const post = async (site, where, headers = {}) => {
  const response = await fetch(`http://127.0.0.1:${site.port}${where}`, { method: 'POST', headers, signal: AbortSignal.timeout(20000) });
  return { status: response.status, body: await response.json() };
};

async function refused(site, where, status, error) {
  const response = await site.get(where);
  const body = await response.json();
  assert.equal(response.status, status, `${where}: ${JSON.stringify(body)}`);
  assert.match(body.error, error, where);
  assert.ok(body.hint.length > 0, where);
}

test('one signal comes with its history, also after it was deleted', async (t) => {
  const site = await relayOnly(t);
  const id = await insertSignal(site, { symbol: 'BTC/USDT' });
  await insertSignal(site);
  await closeSignal(site, id);
  const { signal, events } = await site.json(`/v1/signals/${id}`);
  assert.deepEqual([signal.id, signal.status, signal.entry], [id, 'stopped', 100]);
  assert.deepEqual(events.map((e) => [e.op, e.kind, e.record.status]), [['INSERT', 'opened', 'active'], ['UPDATE', 'closed', 'stopped']]);
  assert.ok(events[0].seq < events[1].seq);
  await site.sql(`DELETE FROM signals WHERE id = ${id}`);
  const after = await site.json(`/v1/signals/${id}`);
  assert.deepEqual([after.signal, after.events.map((e) => e.kind)], [null, ['opened', 'closed', 'deleted']]);
  for (const where of ['999999', 'x', '', '0x1', '1/x', `${'9'.repeat(30)}`, '-1', "1'"]) await refused(site, `/v1/signals/${where}`, 404, /signal/);
  await refused(site, `/v1/signals/${id}?colour=red`, 400, /colour/);
});

test('candles come page by page, their numbers as they are kept', async (t) => {
  const site = await relayOnly(t);
  await site.sql(`INSERT INTO candles SELECT 'test', 'BTC/USDT', '1m', '2026-01-01'::timestamptz + i * interval '1 minute', 1.10 + i, 9999, 0.00000001, 2 + i, 3.50, i, 'sim'
    FROM generate_series(0, 6) i`);
  const where = '/v1/candles?exchange=test&symbol=BTC/USDT&timeframe=1m';
  const text = await (await site.get(`${where}&limit=1`)).text();
  assert.match(text, /"open"\s*:\s*7\.10,[^]*"low"\s*:\s*0\.00000001,[^]*"volume"\s*:\s*3\.50/);
  const pages = [];
  let next;
  do {
    const page = await site.json(`${where}&limit=3${next ? `&before=${next}` : ''}`);
    pages.push(page.candles.map((c) => c.trades));
    next = page.next;
  } while (next);
  assert.deepEqual(pages, [[4, 5, 6], [1, 2, 3], [0]]);
  assert.deepEqual((await site.json(`${where}&before=2026-01-01T00:00:30.5Z`)).candles.map((c) => c.open_time), ['2026-01-01T00:00:00+00:00']);
  assert.deepEqual(await site.json('/v1/candles?exchange=none&symbol=A/B&timeframe=1d'), { candles: [], next: null });
  await refused(site, '/v1/candles?exchange=test&symbol=BTC/USDT', 400, /missing parameter: timeframe/);
  for (const [more, name] of [['limit=0', 'limit'], ['limit=1001', 'limit'], ['before=yesterday', 'before'], ['before=2026-13-41T00:00:00Z', 'range'], ['symbol=btc', 'symbol'],
    ['timeframe=7m', 'timeframe'], ["exchange=a';--", 'exchange'], ['colour=red', 'colour']]) await refused(site, `${where}&${more}`, 400, new RegExp(name));
});

test('statistics count how closed signals ended, each strategy by itself', async (t) => {
  const site = await relayOnly(t);
  const ended = async (keys, how) => closeSignal(site, await insertSignal(site, keys), how);
  const win = { status: 'target_hit', reason: 'target', outcome: 'win', exit: 102, r: 2 };
  const empty = { status: 'cancelled', reason: 'reversed', outcome: 'void', exit: 100.5, r: 0.5 };
  await ended({ strategy: 'alpha', symbol: 'BTC/USDT' }, win);
  await ended({ strategy: 'alpha', symbol: 'ETH/USDT' }, {});
  await ended({ strategy: 'alpha', symbol: 'ETH/USDT', timeframe: '5m' }, {});
  await ended({ strategy: 'alpha', symbol: 'ETH/USDT' }, { status: 'expired', reason: 'expired', outcome: 'breakeven', exit: 100, r: 0 });
  await ended({ strategy: 'alpha' }, empty);
  await ended({ strategy: 'alpha', mode: 'replay' }, win);
  await insertSignal(site, { strategy: 'alpha' });
  await ended({ strategy: 'beta' }, empty);
  const of = async (query = '') => (await site.json(`/v1/stats${query}`)).strategies;
  assert.deepEqual(await of(), [
    { strategy: 'alpha', active: 1, closed: 5, wins: 1, losses: 2, breakevens: 1, voids: 1, judged: 4, win_ratio: 0.25, mean_r: 0 },
    { strategy: 'beta', active: 0, closed: 1, wins: 0, losses: 0, breakevens: 0, voids: 1, judged: 0, win_ratio: null, mean_r: null },
  ]);
  assert.deepEqual((await of('?symbol=ETH/USDT&timeframe=1m')).map((s) => [s.wins, s.losses, s.mean_r]), [[0, 1, -0.5]]);
  assert.deepEqual((await of('?strategy=beta')).map((s) => s.strategy), ['beta']);
  assert.deepEqual((await of('?mode=live,replay&strategy=alpha')).map((s) => s.wins), [2]);
  for (const query of ['timeframe=7m', 'mode=odd', 'symbol=btc', 'strategy=A', 'colour=red']) await refused(site, `/v1/stats?${query}`, 400, new RegExp(query.split('=')[0]));
});

test('a signal is acknowledged once, by anybody, and everybody hears of it', async (t) => {
  const site = await relayOnly(t);
  const id = await insertSignal(site);
  const stream = new EventStream(site, '/v1/stream');
  await until('the stream is open', () => stream.connects === 1);
  const first = await post(site, `/v1/signals/${id}/ack`);
  assert.deepEqual([first.status, first.body.changed, first.body.signal.id], [200, true, id]);
  assert.ok(first.body.signal.acked_at);
  const again = await post(site, `/v1/signals/${id}/ack`);
  assert.deepEqual(again, { status: 200, body: { changed: false, signal: first.body.signal } });
  await until('the event', () => stream.events.length === 1);
  assert.deepEqual([stream.events[0].data.kind, stream.events[0].data.id], ['acked', id]);
  assert.equal((await post(site, '/v1/signals/999999/ack')).status, 404);
  await refused(site, `/v1/signals/${id}/ack`, 405, /method/);
  assert.equal((await post(site, `/v1/signals/${id}`)).status, 405);
  assert.equal((await post(site, `/v1/signals/${id}/delete`)).status, 404);
  // Nobody is asked for a token here, and `anonymous` does not hold admin.
  assert.equal((await post(site, `/v1/signals/${id}/cancel`)).status, 403);
  assert.equal(await site.value(`SELECT status FROM signals WHERE id = ${id}`), 'active');
});

test('a signal is cancelled at its last price; a closed one is final', async (t) => {
  const site = await relayOnly(t, { relay: 'anonymous = read, ack, admin' });
  const long = await insertSignal(site, { last: 101.5 });
  const short = await insertSignal(site, { side: 'short', last: 100.5 });
  const unpriced = await insertSignal(site);
  const closed = await insertSignal(site);
  await closeSignal(site, closed);
  const { status, body } = await post(site, `/v1/signals/${long}/cancel`);
  const { signal } = body;
  assert.deepEqual([status, body.changed], [200, true]);
  assert.deepEqual([signal.status, signal.exit_reason, signal.outcome, signal.exit_price, signal.pnl_ratio, signal.r_multiple], ['cancelled', 'operator', 'void', 101.5, 0.015, 1.5]);
  assert.deepEqual((await post(site, `/v1/signals/${long}/cancel`)).body, { changed: false, signal });
  assert.equal((await post(site, `/v1/signals/${short}/cancel`)).body.signal.r_multiple, -0.5);
  assert.equal((await post(site, `/v1/signals/${unpriced}/cancel`)).body.signal.exit_price, 100);
  const late = await post(site, `/v1/signals/${closed}/cancel`);
  assert.deepEqual([late.status, late.body.error], [409, 'the signal is closed already']);
  assert.equal((await post(site, '/v1/signals/999999/cancel')).status, 404);
  assert.equal((await post(site, `/v1/signals/${closed}/ack`)).body.changed, true);
  const kinds = (await site.json(`/v1/signals/${long}`)).events.map((e) => e.kind);
  assert.deepEqual(kinds, ['opened', 'closed']);
  // The role itself may not write: only the two functions.
  await assert.rejects(site.sql(`UPDATE signals SET acked_at = now() WHERE id = ${short}`, { user: 'tocsin_relay' }), /permission denied/);
  await assert.rejects(site.sql(`SELECT tocsin_ack(${short}, NULL)`, { user: 'tocsin_reader' }), /permission denied/);
});

test('who waits for the database when the relay stops is told so', async (t) => {
  const site = await relayOnly(t);
  const holder = site.spawn('psql', ['-X', '-q', '-c', 'BEGIN; LOCK TABLE signals; SELECT pg_sleep(60)', site.conninfo('postgres')]);
  await until('somebody holds the table', async () => (await site.value("SELECT count(*) FROM pg_locks WHERE relation = 'signals'::regclass AND mode = 'AccessExclusiveLock' AND granted")) === '1');
  const asked = site.get('/v1/signals');
  await until('the question waits', async () => /^tocsin_relay_questions_pending 1$/m.test(await (await site.get('/metrics')).text()));
  const stopped = site.stop();
  const response = await asked;
  assert.equal(response.status, 503);
  assert.ok((await response.json()).error);
  await stopped;
  holder.kill('SIGKILL');
});

test("another web site's page acknowledges nothing", async (t) => {
  const site = await relayOnly(t, { relay: 'public_hosts = signals.example.org' });
  const id = await insertSignal(site);
  const where = `/v1/signals/${id}/ack`;
  const own = `http://127.0.0.1:${site.port}`;
  for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' },
    { origin: `${own}.evil.example` }, { origin: `http://127.0.0.1:${site.port + 1}` }]) {
    const { status, body } = await post(site, where, headers);
    assert.equal(status, 403, JSON.stringify(headers));
    assert.match(body.error, /another web site/);
  }
  assert.equal(await site.value(`SELECT acked_at IS NULL FROM signals WHERE id = ${id}`), 't');
  assert.equal((await post(site, where, { origin: own, 'sec-fetch-site': 'same-origin' })).body.changed, true);
});

// What promtool would complain of: the families' form, their order, and histograms that do not add up.  { name: value }
function checkMetrics(text) {
  const types = {};
  const values = {};
  let family = null;
  assert.ok(text.endsWith('\n'));
  const lines = text.slice(0, -1).split('\n');
  for (let i = 0; i < lines.length; i++) {
    const help = /^# HELP (tocsin_relay_[a-z0-9_]+) (.+)$/.exec(lines[i]);
    if (help) {
      family = help[1];
      const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(lines[++i]);
      assert.equal(type?.[1], family, lines[i]);
      assert.ok(!(family in types), `${family} stands twice`);
      types[family] = type[2];
      if (type[2] === 'counter') assert.match(family, /_total$/);
      else assert.doesNotMatch(family, /_total$/);
      continue;
    }
    const sample = /^([a-z0-9_]+)(\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"\})? (-?[0-9.e+-]+|NaN|\+Inf)$/.exec(lines[i]);
    assert.ok(sample, `no sample: ${lines[i]}`);
    const base = types[family] === 'histogram' ? sample[1].replace(/_(bucket|sum|count)$/, '') : sample[1];
    assert.equal(base, family, 'a sample outside of its family');
    const key = sample[1] + (sample[2] ?? '');
    assert.ok(!(key in values), `${key} stands twice`);
    values[key] = Number(sample[3]);
  }
  for (const name of Object.keys(types).filter((n) => types[n] === 'histogram')) {
    const buckets = Object.keys(values).filter((k) => k.startsWith(`${name}_bucket`)).map((k) => [Number(/le="(.*)"/.exec(k)[1].replace('+Inf', 'Infinity')), values[k]]);
    assert.ok(buckets.length > 10);
    for (let i = 1; i < buckets.length; i++) assert.ok(buckets[i][0] > buckets[i - 1][0] && buckets[i][1] >= buckets[i - 1][1], `${name}: bucket ${i}`);
    assert.equal(buckets.at(-1)[0], Infinity);
    assert.equal(buckets.at(-1)[1], values[`${name}_count`]);
    assert.ok(values[`${name}_sum`] >= 0);
  }
  return values;
}

test('/metrics is what Prometheus reads, and counts what happened', async (t) => {
  const site = await relayOnly(t, { relay: '[webhook nobody]\nurl = http://127.0.0.1:1/x\nallow_private = yes\nkind = deleted\nformat = ntfy\n' });
  const stream = new EventStream(site, '/v1/stream');
  await until('the stream is open', () => stream.connects === 1);
  for (let i = 0; i < 3; i++) await insertSignal(site);
  await until('three events', () => stream.events.length === 3);
  const read = async () => {
    const response = await site.get('/metrics');
    assert.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
    return checkMetrics(await response.text());
  };
  const metrics = await read();
  assert.equal(metrics.tocsin_relay_events_total, 3);
  assert.equal(metrics.tocsin_relay_deliveries_total, 3);
  assert.equal(metrics.tocsin_relay_streams, 1);
  assert.equal(metrics.tocsin_relay_ready, 1);
  assert.equal(metrics['tocsin_relay_session_up{session="api"}'], 1);
  assert.equal(metrics.tocsin_relay_event_to_relay_seconds_count, 3);
  assert.ok(metrics.tocsin_relay_event_to_relay_seconds_sum > 0);
  assert.equal(metrics['tocsin_relay_webhook_delivered_total{webhook="nobody"}'], 0);
  assert.equal(metrics['tocsin_relay_webhook_parked{webhook="nobody"}'], 0);
  assert.ok((await read()).tocsin_relay_requests_total > metrics.tocsin_relay_requests_total);
  await site.sql("ALTER ROLE tocsin_relay CONNECTION LIMIT 0; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tocsin_relay'");
  await until('it says that it is not ready', async () => {
    const now = await read();
    return now.tocsin_relay_ready === 0 && now['tocsin_relay_session_up{session="api"}'] === 0;
  });
});
