// A page that shows a list of signals by Supabase Realtime, through everything that can befall it: it subscribes to INSERT
// and UPDATE, puts new signals on top, replaces changed ones, and shows what the table has at the end.
import test from 'node:test';
import assert from 'node:assert/strict';
import { until } from './lib/site.mjs';
import { hangUp, realtime, without, ws } from './lib/npm.mjs';
import { Phoenix, all } from './lib/phoenix.mjs';
import { insertMany, logged, newestSeq, relayOnly } from './lib/relayonly.mjs';

// The page, with the client's own timing.
class Hub {
  constructor(t, site, vsn) {
    this.list = [];
    this.seqs = [];
    this.statuses = [];
    this.resets = [];
    this.client = new realtime.RealtimeClient(`ws://127.0.0.1:${site.port}/realtime/v1`, { params: { apikey: 'any' }, transport: ws.WebSocket, vsn });
    site.streams.push({ close: () => hangUp(this.client) });
  }

  // From the list on that the page has loaded.
  begin({ signals, cursor }) {
    this.list = signals;
    this.channel = this.client.channel('signals')
      .on('postgres_changes', { event: 'INSERT', schema: 'public', table: 'signals' }, ({ new: row }) => this.take(row, () => this.list.unshift(row)))
      .on('postgres_changes', { event: 'UPDATE', schema: 'public', table: 'signals' }, ({ new: row }) => this.take(row, () => {
        const at = this.list.findIndex((s) => s.id === row.id);
        if (at === -1) this.resets.push(`an update of ${row.id}, which is not there`);
        else this.list[at] = row;
      }))
      .on('system', {}, (message) => message.status === 'error' && this.resets.push(message.message));
    this.channel.updateJoinPayload({ tocsin: { after: cursor } });
    this.channel.subscribe((status) => this.statuses.push(status));
  }

  take(row, change) {
    this.seqs.push(row.seq);
    this.channel.updateJoinPayload({ tocsin: { after: row.seq } });
    change();
  }

  get joined() {
    return this.statuses.at(-1) === 'SUBSCRIBED';
  }
}

test('the hub page survives relay kills and Postgres restarts without a missed row and without a second subscription', { skip: without(realtime, ws) }, async (t) => {
  const site = await relayOnly(t, { relay: 'ring_size = 64' });
  await insertMany(site, 30, { prefix: 'OLD' });
  const start = await newestSeq(site), page = await site.json('/v1/signals?limit=500');
  const hubs = ['1.0.0', '2.0.0', '2.0.0'].map((vsn) => new Hub(t, site, vsn));
  for (const hub of hubs) hub.begin(structuredClone(page));
  await until('all are joined', () => hubs.every((h) => h.joined), 60000);

  // Signals are written all the while: opened, then closed; whatever fails is written again, and is there once.
  let writing = true, n = 0;
  const again = async (text) => {
    while (!await site.sql(text).then(() => true, () => false)) await new Promise((done) => setTimeout(done, 20));
  };
  const writer = (async () => {
    while (writing) {
      n++;
      await again(`INSERT INTO signals (exchange, symbol, timeframe, strategy, side, candle_open_time, candle_close_time, entry, stop_loss, initial_stop, targets, confidence, reason, generated_at, expires_at)
        SELECT 'test', 'H${n}.' || i || '/USDT', '1m', 'ema_cross', 'long', '2026-01-01', '2026-01-01 00:01', 100, 99, 99, '{102}', 0.5, 'x', now(), '2026-01-02' FROM generate_series(1, 5) i ON CONFLICT DO NOTHING`);
      await again(`UPDATE signals SET status = 'stopped', exit_reason = 'stop_loss', outcome = 'loss', exit_price = 99, closed_at = now() WHERE symbol LIKE 'H${n}.%' AND symbol < 'H${n}.4' AND status = 'active'`);
    }
  })();
  t.after(() => { writing = false; return writer; });

  for (const fault of ['relay', 'postgres', 'relay', 'both', 'postgres']) {
    const had = hubs.map((h) => h.seqs.length);
    if (fault !== 'relay') await site.postgres('kill');
    if (fault !== 'postgres') process.kill(site.process('relay').pid, 'SIGKILL');
    if (fault !== 'relay') await site.postgres('restart');
    await until(`signals flow again after ${fault}`, () => hubs.every((h, i) => h.seqs.length > had[i] + 20), 120000);
  }
  writing = false;
  await writer;
  const want = (await logged(site, `seq > ${start}`)).map((r) => r.seq);
  assert.ok(want.length > 100, `${want.length} events`);
  await until('all have all', () => hubs.every((h) => h.seqs.length >= want.length), 60000).catch(() => {});
  const rows = (await site.sql('SELECT row_to_json(s) FROM signals s ORDER BY id DESC')).map(([text]) => JSON.parse(text));
  for (const hub of hubs) {
    assert.deepEqual(hub.seqs, want, 'each change once, in order');
    assert.deepEqual(hub.resets, []);
    assert.deepEqual(hub.list.map(({ id, seq, status }) => ({ id, seq, status })).sort((a, b) => b.id - a.id), rows.map(({ id, seq, status }) => ({ id, seq, status })));
    assert.ok(hub.joined);
  }
  // One subscription each, one listener on the database.
  const { realtime: counts } = await site.json('/v1/status');
  assert.deepEqual([counts.sockets, counts.channels], [3, 3]);
  assert.equal(await site.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'tocsin_relay' AND application_name LIKE '%listener%'"), '1');
});

test('2,000 Realtime clients come back in the same second after the relay was killed, and miss nothing', async (t) => {
  const site = await relayOnly(t);
  const count = 2000, seen = Array.from({ length: count }, () => []);
  const join = async (i) => {
    const client = await Phoenix.open(site, { path: `/realtime/v1/websocket?apikey=any&vsn=${i % 2 ? '1' : '2'}.0.0` });
    client.take = ((take) => function one(raw) { // what it has seen, not every word of it
      take.call(this, raw);
      for (const m of this.messages) if (m.event === 'postgres_changes') seen[i].push(m.payload.data.record.seq);
      this.messages.length = 0;
    })(client.take);
    const { status } = await client.join('realtime:herd', [all()], seen[i].length ? { tocsin: { after: seen[i].at(-1) } } : {});
    assert.equal(status, 'ok');
    return client;
  };
  const everyone = () => Promise.all(seen.map((_, i) => join(i)));
  let clients = await everyone();
  await insertMany(site, 1, { prefix: 'FIRST' });
  await until('all have the first', () => seen.every((s) => s.length === 1), 120000, 50);
  await site.kill('relay');
  await until('all are cut', () => clients.every((c) => c.ended), 60000, 50);
  await insertMany(site, 20, { prefix: 'MISSED' });
  clients = await everyone();
  await insertMany(site, 3, { prefix: 'LAST' });
  const want = (await logged(site)).map((r) => r.seq);
  await until('all have all', () => seen.every((s) => s.length >= want.length), 120000, 50);
  for (const s of seen) assert.deepEqual(s, want);
  assert.equal(clients.filter((c) => c.ended).length, 0);
});
