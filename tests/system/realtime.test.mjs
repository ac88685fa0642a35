// Supabase Realtime with the real clients, unmodified: @supabase/realtime-js in both versions of its protocol, and
// supabase-js.
import test from 'node:test';
import assert from 'node:assert/strict';
import { until } from './lib/site.mjs';
import { hangUp, realtime, supabase, without, ws } from './lib/npm.mjs';
import { insert, insertMany, logged, newestSeq, relayOnly, stopped } from './lib/relayonly.mjs';

const skip = without(realtime, supabase, ws);
const WebSocket = ws?.WebSocket;
const table = { schema: 'public', table: 'signals' };

// A client that ends with the test.  It comes back after 50 ms, not after 1 s, unless told otherwise.
function connect(t, site, { vsn = '2.0.0', path = '/realtime/v1', apikey = 'any', ...more } = {}) {
  const client = new realtime.RealtimeClient(`ws://127.0.0.1:${site.port}${path}`, { params: { apikey }, transport: WebSocket, vsn, reconnectAfterMs: () => 50, ...more });
  site.streams.push({ close: () => hangUp(client) });
  t.after(() => hangUp(client));
  return client;
}

// A channel that writes down what it is told: `bindings` are filters of postgres_changes; payloads go to seen[i].
// `resume`: it carries its place, as an application would.
async function channel(client, name, bindings = [{ event: '*', ...table }], { resume = false, after, config, wait = true } = {}) {
  const c = client.channel(name, config ? { config } : undefined);
  const log = { channel: c, statuses: [], errors: [], seen: bindings.map(() => []), all: [], system: [] };
  bindings.forEach((binding, i) => c.on('postgres_changes', binding, (payload) => {
    log.seen[i].push(payload);
    log.all.push(payload);
    if (resume && payload.new.seq) c.updateJoinPayload({ tocsin: { after: payload.new.seq } });
  }));
  c.on('system', {}, (payload) => log.system.push(payload));
  if (after !== undefined) c.updateJoinPayload({ tocsin: { after } });
  c.subscribe((status, error) => {
    log.statuses.push(status);
    if (error) log.errors.push(error.message);
  }, 60000);
  if (wait) await until(`${name} is subscribed`, () => log.statuses.includes('SUBSCRIBED'), 60000).catch((error) => { throw new Error(`${error.message}: ${log.statuses} ${log.errors}`); });
  return log;
}

const count = (log, n, what = `${n} events`) => until(what, () => log.all.length >= n, 60000).catch((error) => { throw new Error(`${error.message}: there are ${log.all.length}`); });

test('the real client', { skip }, async (t) => {
  const site = await relayOnly(t);

  for (const [vsn, path] of [['1.0.0', '/realtime/v1'], ['1.0.0', '/socket'], ['2.0.0', '/realtime/v1'], ['2.0.0', '/socket']]) {
    await t.test(`${vsn} at ${path}: INSERT, UPDATE and DELETE, whole and in order, from SUBSCRIBED on`, async (t2) => {
      const client = connect(t2, site, { vsn, path });
      const log = await channel(client, 'room:1 *ü');
      const { id, seq } = await insert(site, { symbol: 'BTC/USDT', entry: 61234.56789, confidence: 0.7, reason: 'it\'s "so" \\ ünï 🔔\u2028', indicators: '{"rsi":31.5,"deep":[1,{"a":null}],"flag":true}' });
      const [[whole]] = await site.sql(`SELECT row_to_json(s) FROM signals s WHERE id = ${id}`);
      await site.sql(`UPDATE signals SET last_price = 101 WHERE id = ${id}`); // no event
      await stopped(site, `id = ${id}`);
      const [[after]] = await site.sql(`SELECT record FROM signal_events WHERE signal_id = ${id} AND op = 'UPDATE'`);
      await site.sql(`DELETE FROM signals WHERE id = ${id}`);
      await count(log, 3);
      await until('the system message', () => log.system.length > 0);
      const [inserted, updated, deleted] = log.all;
      assert.deepEqual(inserted.new, JSON.parse(whole));
      assert.deepEqual([inserted.eventType, inserted.schema, inserted.table, inserted.old, inserted.errors], ['INSERT', 'public', 'signals', {}, null]);
      assert.deepEqual([inserted.new.seq, inserted.new.entry, inserted.new.targets, inserted.new.acked_at], [seq, 61234.56789, [122469.13578], null]);
      assert.match(inserted.commit_timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.ok(Math.abs(Date.parse(inserted.commit_timestamp) - Date.parse(inserted.new.created_at)) < 5000);
      assert.deepEqual([updated.eventType, updated.new, updated.old], ['UPDATE', JSON.parse(after), { id }]);
      assert.deepEqual([deleted.eventType, deleted.new, deleted.old], ['DELETE', {}, { id }]);
      assert.deepEqual(log.system[0].status, 'ok');
      assert.deepEqual(log.statuses, ['SUBSCRIBED']);
      assert.equal(await client.removeChannel(log.channel), 'ok');
      assert.deepEqual(log.statuses, ['SUBSCRIBED', 'CLOSED']);
      const witness = await channel(connect(t2, site, { vsn }), 'witness');
      await insert(site);
      await count(witness, 1); // the relay knows of it: "from now on" is behind it
      const again = await channel(client, 'room:1 *ü');
      const last = await insert(site);
      await count(again, 1);
      assert.deepEqual(again.all.map((p) => p.new.id), [last.id]);
      assert.equal(log.all.length, 3);
    });
  }

  for (const vsn of ['1.0.0', '2.0.0']) {
    await t.test(`${vsn}: several bindings, each is called once, for its own`, async (t2) => {
      const log = await channel(connect(t2, site, { vsn }), 'bindings', [{ event: '*', ...table }, { event: 'INSERT', ...table }, { event: 'UPDATE', ...table },
        { event: 'DELETE', ...table }, { event: 'INSERT', ...table, filter: 'side=eq.short' }, { event: 'UPDATE', ...table, filter: `symbol=eq.BIND1.${vsn}/USDT,status=eq.stopped` }, { event: '*', schema: 'public' }, { event: '*', schema: '*' }]);
      const a = await insert(site, { symbol: `BIND1.${vsn}/USDT` }), b = await insert(site, { symbol: `BIND2.${vsn}/USDT`, side: 'short' });
      await stopped(site, `id = ${a.id}`);
      await stopped(site, `id = ${b.id}`);
      await site.sql(`DELETE FROM signals WHERE id = ${a.id}`);
      await until('the last one has come', () => log.seen[7].length === 5, 60000);
      const ids = log.seen.map((seen) => seen.map((p) => p.new.id ?? p.old.id));
      assert.deepEqual(ids, [[a.id, b.id, a.id, b.id, a.id], [a.id, b.id], [a.id, b.id], [a.id], [b.id], [a.id], [a.id, b.id, a.id, b.id, a.id], [a.id, b.id, a.id, b.id, a.id]]);
    });

    await t.test(`${vsn}: select gives these columns and the primary key`, async (t2) => {
      const client = connect(t2, site, { vsn });
      const log = await channel(client, 'select', [{ event: '*', ...table, select: ['symbol', 'status', 'seq'] }]), whole = await channel(client, 'whole');
      const { id, seq } = await insert(site, { symbol: `SELECT.${vsn}/USDT` });
      await stopped(site, `id = ${id}`);
      await count(log, 2);
      await count(whole, 2);
      assert.deepEqual(log.all[0].new, { id, seq, symbol: `SELECT.${vsn}/USDT`, status: 'active' });
      assert.deepEqual([Object.keys(log.all[1].new).sort(), log.all[1].new.status, log.all[1].old], [['id', 'seq', 'status', 'symbol'], 'stopped', { id }]);
      assert.ok(Object.keys(whole.all[0].new).length > 30);
    });

    await t.test(`${vsn}: broadcasts and presence are declined, and cost no channel`, async (t2) => {
      const log = await channel(connect(t2, site, { vsn }), 'talk', [{ event: 'INSERT', ...table }], { config: { broadcast: { ack: true, self: true } } });
      assert.equal(await log.channel.send({ type: 'broadcast', event: 'shout', payload: { a: 1 } }), 'error');
      assert.equal(await log.channel.send({ type: 'broadcast', event: 'raw', payload: new Uint8Array([0, 255, 1]) }), 'error');
      assert.equal(await log.channel.track({ me: 1 }), 'error');
      assert.equal(await log.channel.untrack(), 'error');
      await insert(site);
      await count(log, 1);
      assert.deepEqual(log.statuses, ['SUBSCRIBED']);
    });

    await t.test(`${vsn}: what is refused says why`, async (t2) => {
      const client = connect(t2, site, { vsn });
      for (const [i, [binding, why]] of [[{ event: '*', schema: 'public', table: 'candles' }, /candles/], [{ event: '*', schema: 'secret', table: 'signals' }, /secret/],
        [{ event: '*', ...table, filter: 'nosuch=eq.1' }, /nosuch/], [{ event: '*', ...table, filter: 'entry=gt.much' }, /entry|much/], [{ event: '*', ...table, filter: 'symbol=match.^B' }, /match/]].entries()) {
        const log = await channel(client, `refused${i}`, [binding], { wait: false });
        await until('it is refused', () => log.errors.length > 0);
        assert.equal(log.statuses[0], 'CHANNEL_ERROR');
        assert.match(log.errors[0], why);
        await client.removeChannel(log.channel);
      }
    });

    await t.test(`${vsn}: heartbeats are answered, with and without channels`, async (t2) => {
      const beats = [];
      const client = connect(t2, site, { vsn, heartbeatIntervalMs: 100, disconnectOnEmptyChannelsAfterMs: 600000, heartbeatCallback: (status) => beats.push(status) });
      client.connect();
      await until('beats', () => beats.filter((b) => b === 'ok').length >= 2);
      const log = await channel(client, 'beats');
      const had = beats.length;
      await until('more beats', () => beats.length >= had + 4);
      assert.deepEqual([...new Set(beats)].sort(), ['ok', 'sent']);
      assert.deepEqual(log.statuses, ['SUBSCRIBED']);
    });
  }

  await t.test('a client without bindings, and one that waits for the subscription', async (t2) => {
    const client = connect(t2, site);
    assert.deepEqual((await channel(client, 'nothing', [])).statuses, ['SUBSCRIBED']);
    const log = await channel(client, 'waits', undefined, { config: { postgres_changes_options: { wait: true, timeout: 15000 } } });
    await insert(site);
    await count(log, 1);
  });

  await t.test('many channels on many sockets, of both versions, see the same', async (t2) => {
    let logs = [];
    for (let i = 0; i < 10; i++) {
      const client = connect(t2, site, { vsn: i % 2 ? '1.0.0' : '2.0.0' });
      for (let k = 0; k < 20; k++) logs.push(channel(client, `many${k}`, [{ event: k % 2 ? 'INSERT' : '*', ...table }]));
    }
    logs = await Promise.all(logs);
    const from = await newestSeq(site);
    await insertMany(site, 50, { prefix: 'MANY' });
    const want = await logged(site, `seq > ${from}`);
    for (const log of logs) {
      await count(log, 50);
      assert.deepEqual(log.all.map((p) => p.new), want);
    }
  });

  await t.test('supabase-js: createClient, channel, removeChannel', async (t2) => {
    const client = supabase.createClient(`http://127.0.0.1:${site.port}`, 'sb_publishable_key', { auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false }, realtime: { transport: WebSocket } });
    t2.after(() => hangUp(client.realtime));
    const log = await channel(client, 'signals', [{ event: 'INSERT', ...table }, { event: 'UPDATE', ...table, filter: 'outcome=in.(win,loss)' }]);
    const { id } = await insert(site);
    await stopped(site, `id = ${id}`);
    await count(log, 2);
    assert.deepEqual(log.seen.map((seen) => seen.map((p) => [p.eventType, p.new.id])), [[['INSERT', id]], [['UPDATE', id]]]);
    assert.equal(await client.removeChannel(log.channel), 'ok');
    assert.deepEqual(await client.removeAllChannels(), []);
  });
});

// Filter, and what SQL says it means; null: the builder's words are tried, not mine.
const LATER = "'2026-01-01 00:00:30Z'";
const FILTERS = [
  ['symbol=eq.F1/USDT', "symbol = 'F1/USDT'"], ['symbol=neq.F1/USDT', "symbol <> 'F1/USDT'"], ['symbol=in.(F1/USDT,F3/USDT)', "symbol IN ('F1/USDT','F3/USDT')"],
  ['symbol=not.in.(F1/USDT,F3/USDT)', "symbol NOT IN ('F1/USDT','F3/USDT')"], ['symbol=lt.F2/USDT', "symbol COLLATE \"C\" < 'F2/USDT'"],
  ['entry=gt.9', 'entry > 9'], ['entry=gte.100', 'entry >= 100'], ['entry=lt.1e2', 'entry < 1e2'], ['entry=eq.100.00', 'entry = 100.00'], ['entry=in.(9.5,100.0)', 'entry IN (9.5,100.0)'],
  ['entry=neq.9.50', 'entry <> 9.50'], ['entry=not.lte.10', 'NOT entry <= 10'], ['entry=eq.12345678901234567890.123456789', 'entry = 12345678901234567890.123456789'],
  ['entry=gt.12345678901234567890.123456788', 'entry > 12345678901234567890.123456788'],
  ['confidence=eq.0.7', "confidence = '0.7'::real"], ['confidence=gt.0.5', "confidence > '0.5'::real"], ['confidence=lte.0.25', "confidence <= '0.25'::real"],
  ['pnl_ratio=lt.0', 'pnl_ratio < 0'], ['pnl_ratio=eq.-0.01', 'pnl_ratio = -0.01'], ['pnl_ratio=is.null', 'pnl_ratio IS NULL'], ['pnl_ratio=not.is.null', 'pnl_ratio IS NOT NULL'],
  ['outcome=eq.loss', "outcome = 'loss'"], ['outcome=neq.win', "outcome <> 'win'"], ['outcome=not.eq.win', "NOT outcome = 'win'"], ['outcome=isdistinct.loss', "outcome IS DISTINCT FROM 'loss'"],
  ['outcome=not.isdistinct.loss', "outcome IS NOT DISTINCT FROM 'loss'"], ['outcome=in.(loss,win)', "outcome IN ('loss','win')"], ['outcome=not.in.(win)', "outcome NOT IN ('win')"],
  ['side=eq.long,entry=gte.50', "side = 'long' AND entry >= 50"], [' side=eq.long , entry=lt.50 ', "side = 'long' AND entry < 50"], ['side=eq.short,side=eq.long', 'false'],
  ['symbol=like.F_/USDT', "symbol LIKE 'F_/USDT'"], ['symbol=ilike.f1%', "symbol ILIKE 'f1%'"], ['symbol=not.like.%1%', "symbol NOT LIKE '%1%'"],
  ['reason=like.100\\%%', "reason LIKE '100\\%%'"], ['reason=ilike.%ÜNÏ%', "reason LIKE '%ünï%'"], ['reason=like.%_%_%', "reason LIKE '%_%_%'"],
  ['reason=eq.a=b.c', "reason = 'a=b.c'"], ['reason=eq."a, \\"b\\" (c) \\\\d"', "reason = 'a, \"b\" (c) \\d'"], ['reason=in.("a, \\"b\\" (c) \\\\d",a=b.c)', "reason IN ('a, \"b\" (c) \\d', 'a=b.c')"],
  ['reason=eq." outer "', "reason = ' outer '"], ['reason=eq.ünï 🔔', "reason = 'ünï 🔔'"], ['reason=eq.null', "reason = 'null'"],
  ['targets_hit=gte.1', 'targets_hit >= 1'], ['targets_hit=eq.0', 'targets_hit = 0'], ['strategy_version=eq.1', 'strategy_version = 1'], ['id=gt.2', 'id > 2'], ['seq=in.(1,2,3)', 'seq IN (1,2,3)'],
  ['acked_at=is.null', 'acked_at IS NULL'], ['closed_at=not.is.null', 'closed_at IS NOT NULL'], ['candle_open_time=lte.2026-01-01', "candle_open_time <= '2026-01-01Z'"],
  ['candle_close_time=gt.2026-01-01T00:00:30Z', `candle_close_time > ${LATER}`], ['candle_close_time=gt.2026-01-01 00:00:30+00', `candle_close_time > ${LATER}`],
  ['candle_close_time=eq.2026-01-01T02:01:00+02:00', "candle_close_time = '2026-01-01 00:01Z'"], ['generated_at=lt.2030-01-01T00:00:00.123456Z', 'true'], ['status=eq.active', "status = 'active'"], ['mode=eq.live', "mode = 'live'"],
];

test('filters mean what they mean in SQL', { skip }, async (t) => {
  const site = await relayOnly(t);
  const { postgresChangesFilter } = realtime;
  const built = [
    [postgresChangesFilter().eq('reason', 'a, "b" (c) \\d').gt('entry', 1), "reason = 'a, \"b\" (c) \\d' AND entry > 1"], [postgresChangesFilter().in('symbol', ['F1/USDT', 'F2/USDT']), "symbol IN ('F1/USDT','F2/USDT')"],
    [postgresChangesFilter().not('reason', 'like', '100\\%%'), "reason NOT LIKE '100\\%%'"], [postgresChangesFilter().is('outcome', null).lte('entry', 100), 'outcome IS NULL AND entry <= 100'], [postgresChangesFilter(), 'true'],
    [postgresChangesFilter().isDistinct('outcome', 'win').eq('reason', ' outer '), "outcome IS DISTINCT FROM 'win' AND reason = ' outer '"],
  ].map(([builder, sql]) => [builder.build(), sql]);
  const cases = [...FILTERS, ...built].filter(([filter], i, list) => list.findIndex(([f]) => f === filter) === i);
  const log = await channel(connect(t, site), 'filters', [...cases.map(([filter]) => ({ event: '*', ...table, filter })), { event: '*', ...table }]);
  const reasons = ['100% sure', '1000', 'a=b.c', 'a, "b" (c) \\d', ' outer ', 'ünï 🔔', 'null', '', '%', '_', 'NULL'];
  for (const [i, reason] of reasons.entries()) {
    await insert(site, { symbol: `F${i}/USDT`, reason, side: i % 3 ? 'long' : 'short', entry: [100, 9.5, 10, 1, 100.5, '12345678901234567890.123456789'][i % 6], confidence: [0.7, 0.5, 0.25, 0, 1][i % 5] });
  }
  await stopped(site, 'id % 2 = 0');
  await site.sql("UPDATE signals SET targets_hit = 1, status = 'target_hit', outcome = 'win', exit_reason = 'target', closed_at = now(), pnl_ratio = 1 WHERE id = 3");
  await site.sql("UPDATE signals SET acked_at = now() WHERE id IN (1, 2)");
  const total = Number(await site.value('SELECT count(*) FROM signal_events'));
  const last = log.seen.at(-1);
  await until('all events', () => last.length === total, 60000);
  const rows = `(SELECT (json_populate_record(NULL::signals, record)).* FROM signal_events) s`;
  for (const [i, [filter, where]] of cases.entries()) {
    const want = (await site.sql(`SELECT seq FROM ${rows} WHERE ${where} ORDER BY seq`)).map(([seq]) => Number(seq));
    assert.deepEqual(log.seen[i].map((p) => p.new.seq), want, `${filter}  vs  ${where}`);
  }
  assert.ok(log.seen.slice(0, -1).filter((seen) => seen.length > 0 && seen.length < total).length > 45, 'most filters tell rows apart');
});

test('a filter sees what a change shows of the row: updates that leave it and deletions are not told', { skip }, async (t) => {
  const site = await relayOnly(t);
  const { id } = await insert(site, { symbol: 'GONE/USDT' });
  const log = await channel(connect(t, site), 'x', [{ event: '*', ...table, filter: 'status=eq.active' }, { event: 'DELETE', ...table, filter: 'symbol=eq.GONE/USDT' }, { event: 'DELETE', ...table, filter: `id=eq.${id}` }, { event: '*', ...table }]);
  await site.sql(`UPDATE signals SET acked_at = now() WHERE id = ${id}`);
  await stopped(site, `id = ${id}`);
  await site.sql(`DELETE FROM signals WHERE id = ${id}`);
  await until('all three', () => log.seen[3].length === 3);
  assert.deepEqual(log.seen.map((seen) => seen.map((p) => p.eventType)), [['UPDATE'], [], ['DELETE'], ['UPDATE', 'UPDATE', 'DELETE']]);
});

for (const vsn of ['1.0.0', '2.0.0']) {
  test(`${vsn}: nothing is lost over kills of the relay when the place is carried in the join, and a channel without one goes on live`, { skip }, async (t) => {
    const site = await relayOnly(t, { relay: 'ring_size = 16' });
    const client = connect(t, site, { vsn });
    const log = await channel(client, 'resumes', [{ event: 'INSERT', ...table }, { event: 'UPDATE', ...table }], { resume: true });
    const live = await channel(client, 'live');
    const told = () => live.all.map((p) => p.new.symbol).filter((s) => /^C\d\/USDT$/.test(s));
    const from = await newestSeq(site);
    await insertMany(site, 20, { prefix: 'A' });
    await count(log, 20);
    for (let i = 0; i < 3; i++) {
      const subscribed = (l) => l.statuses.filter((s) => s === 'SUBSCRIBED').length;
      const before = subscribed(live);
      await site.kill('relay');
      await insertMany(site, 100, { prefix: `B${i}X` }); // perhaps before it is back, and more than the ring holds
      await stopped(site, `symbol = 'A${i + 1}/USDT'`);
      await until('both are joined again', () => subscribed(log) > i + 1 && subscribed(live) > before, 60000);
      await insert(site, { symbol: `C${i}/USDT` });
      await until('the other has what comes while it is joined', () => told().includes(`C${i}/USDT`));
    }
    const want = await logged(site, `seq > ${from}`);
    await count(log, want.length);
    assert.deepEqual(log.all.map((p) => p.new), want);
    assert.deepEqual(told(), ['C0/USDT', 'C1/USDT', 'C2/USDT']);
  });
}

test('a place: number, text with its epoch, the cursor of the system message; what means nothing gets the reason and the active signals', { skip }, async (t) => {
  const site = await relayOnly(t, { relay: 'ring_size = 16' });
  await insertMany(site, 300, { prefix: 'P' });
  await stopped(site, "symbol <> 'P7/USDT' AND symbol <> 'P9/USDT'");
  const { cursor } = await site.json('/v1/signals');
  const epoch = cursor.split('-')[0];
  const client = connect(t, site);
  const all = await logged(site);
  for (const [i, after] of [0, '0', `${epoch}-0`, 100, String(all[99].seq), `${epoch}-${all[99].seq}`, all.at(-2).seq].entries()) {
    const log = await channel(client, `place${i}`, undefined, { after });
    const want = all.filter((r) => r.seq > Number(String(after).split('-').at(-1)));
    await count(log, want.length);
    assert.deepEqual(log.all.map((p) => p.new.seq), want.map((r) => r.seq), String(after));
    await until('it is told its place', () => log.system.length > 0);
    assert.equal(log.system[0].status, 'ok');
  }
  const place = (await channel(client, 'told')).system;
  await until('the cursor', () => place.length > 0);
  assert.equal(place[0].tocsin.cursor, cursor);
  for (const [i, [after, why]] of [[`${'0'.repeat(32)}.1-2`, /epoch/], [`${epoch}-999999`, /unknown/], [999999, /unknown/]].entries()) {
    const log = await channel(client, `lost${i}`, [{ event: 'INSERT', ...table }], { after });
    await count(log, 2);
    const error = await until('the reason', () => log.system.find((s) => s.status === 'error'));
    assert.match(error.message, why);
    assert.deepEqual(log.all.map((p) => p.new.symbol).sort(), ['P7/USDT', 'P9/USDT']);
    const { id } = await insert(site);
    await count(log, 3);
    assert.equal(log.all[2].new.id, id);
    await stopped(site, `id = ${id}`);
  }
  for (const [i, after] of ['x', -1, 1.5, '', {}, [], true, `${epoch}-`, `${epoch}-x`, '99999999999999999999'].entries()) {
    const log = await channel(client, `nonsense${i}`, undefined, { after, wait: false });
    await until('it is refused', () => log.errors.length > 0).catch(() => assert.fail(`${JSON.stringify(after)} was taken`));
    assert.match(log.errors[0], /after/);
    await client.removeChannel(log.channel);
  }
});

test('the database away: a join is answered in time, joined channels stay, and nothing is lost', { skip }, async (t) => {
  const site = await relayOnly(t);
  const client = connect(t, site);
  const log = await channel(client, 'stays', undefined);
  await insert(site);
  await count(log, 1);
  await site.postgres('kill');
  await until('the relay knows', async () => (await site.get('/readyz')).status === 503);
  await site.kill('relay').catch(() => {}); // one that has never seen the log
  const late = await channel(client, 'late', undefined, { wait: false });
  await until('the join is refused with the reason', () => late.errors.some((e) => /database|Database|log/.test(e)), 60000).catch(() => assert.fail(late.errors.join('\n')));
  await site.postgres('restart');
  await until('both are joined', () => late.statuses.at(-1) === 'SUBSCRIBED' && log.statuses.at(-1) === 'SUBSCRIBED', 120000);
  const closes = log.statuses.length;
  await site.postgres('kill');
  await site.postgres('restart');
  const { id } = await insert(site);
  await until('both have the signal', () => [log, late].every((l) => l.all.some((p) => p.new.id === id)), 60000);
  assert.equal(log.statuses.length, closes, 'the channel stayed joined');
});

test('a relay that is told to end says so', { skip }, async (t) => {
  const site = await relayOnly(t);
  const client = connect(t, site);
  const log = await channel(client, 'end', undefined, { resume: true });
  await insert(site);
  await count(log, 1);
  await site.kill('relay', 'SIGTERM');
  await until('it is joined again', () => log.statuses.filter((s) => s === 'SUBSCRIBED').length >= 2, 60000);
  assert.match(log.errors[0], /socket closed: 1001 \(.*restart.*\)/);
  await insert(site);
  await count(log, 2);
  assert.equal(log.all.length, 2);
});
