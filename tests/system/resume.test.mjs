// Coming back: thousands at once, from places that only the database still knows, and those that read too slowly to keep up.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { Site, until } from './lib/site.mjs';

async function relayOnly(t, conf) {
  const site = await Site.create(t);
  site.configure({ ...conf, processes: undefined });
  fs.writeFileSync(site.conf, fs.readFileSync(site.conf, 'utf8').replace(/\[process generator\]\ncommand = .*\n/, ''));
  await site.migrate();
  await site.start();
  return site;
}

// `count` signals of strategies s0 to s19 in turns, in one transaction; each call of a site with another `batch`.
const insert = (site, batch, count, reason = 'because') => site.sql(`INSERT INTO signals (exchange, symbol, timeframe, strategy, side, candle_open_time,
  candle_close_time, entry, stop_loss, initial_stop, targets, confidence, reason, generated_at, expires_at)
  SELECT 'test', 'B${batch}N' || i || '/USDT', '1m', 's' || i % 20, 'long', '2026-01-01', '2026-01-01 00:01', 100, 99, 99, '{102}', 0.5, '${reason}', now(), '2026-01-02'
  FROM generate_series(0, ${count - 1}) i`);

// A client that keeps the seqs alone, and can read slowly.
class Reader {
  constructor(t, site, query, { bytesPerSecond } = {}) {
    Object.assign(this, { site, query, bytesPerSecond, seqs: [], ends: 0, id: undefined });
    t.after(() => { this.closed = true; this.socket.destroy(); });
    this.connect();
  }

  connect() {
    const last = this.id === undefined ? '' : `Last-Event-ID: ${this.id}\r\n`;
    let rest = '';
    this.socket = net.connect(this.site.port, '127.0.0.1', () => this.socket.write(`GET /v1/stream?${this.query} HTTP/1.1\r\nHost: localhost\r\n${last}\r\n`));
    this.socket.setEncoding('latin1').on('error', () => {}).on('data', (text) => {
      const blocks = (rest + text).split('\n\n');
      rest = blocks.pop();
      for (const block of blocks) this.take(block);
      if (this.bytesPerSecond !== undefined) {
        this.socket.pause();
        setTimeout(() => this.socket.resume(), 1000 * text.length / this.bytesPerSecond);
      }
    });
    this.socket.on('close', () => {
      this.ends++;
      if (!this.closed) setTimeout(() => !this.closed && this.connect(), 20);
    });
  }

  take(block) {
    const [, id, seq, kind] = /^id: (\S+-(\d+))(\ndata: )?/m.exec(block) ?? [];
    if (id !== undefined) this.id = id;
    if (kind !== undefined) this.seqs.push(Number(seq));
    this.wasReset ||= block.includes('event: reset');
  }
}

test('2,000 who come back far behind the ring in the same moment share the pages, and miss nothing', async (t) => {
  const site = await relayOnly(t, { relay: 'ring_size = 16' });
  await insert(site, 0, 3000);
  const log = async () => (await site.sql("SELECT seq, record->>'strategy' FROM signal_events ORDER BY seq")).map(([seq, strategy]) => ({ seq: Number(seq), strategy }));
  const events = await log();
  const streams = async () => (await site.json('/v1/status')).streams;
  // Nothing can be read until all have asked.
  const locker = site.spawn('psql', ['-X', '-q', '-c', 'BEGIN; LOCK TABLE signal_events; SELECT pg_sleep(600)', `${site.conninfo('postgres')} application_name=locker`]);
  await until('the log is locked', async () => Number(await site.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'locker' AND wait_event = 'PgSleep'")) === 1);
  const before = await streams();
  const readers = Array.from({ length: 2000 }, (_, i) => {
    const after = events[i * 7919 % events.length].seq;
    return Object.assign(new Reader(t, site, `after=${after}&strategy=s${i % 20}`), { after, strategy: `s${i % 20}` });
  });
  await until('all are there', async () => (await streams()).open === readers.length, 60000);
  await site.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'locker'");
  await until('the lock is gone', () => locker.exitCode !== null);
  // And on they go, live.
  await insert(site, 1, 20);
  const all = await log();
  const wanted = new Map(readers.map((r) => [r, all.filter((e) => e.seq > r.after && e.strategy === r.strategy).map((e) => e.seq)]));
  await until('all have all', () => readers.every((r) => r.seqs.length >= wanted.get(r).length), 120000, 100);
  for (const r of readers) assert.deepEqual(r.seqs, wanted.get(r));
  assert.ok(readers.every((r) => r.ends === 0 && !r.wasReset));
  const after = await streams();
  const pages = after.history_pages_total - before.history_pages_total;
  // Six pages hold it all; each of them alone would have asked for one to seven.
  assert.ok(pages >= 6 && pages <= 40, `${pages} pages`);
  assert.ok(after.history_shared_total - before.history_shared_total >= readers.length - 1);
});

test('a slow reader is dropped with a reason, others see nothing of it, and it has all in the end', async (t) => {
  const site = await relayOnly(t, { relay: 'client_buffer = 64K\nring_size = 200000\nring_bytes = 256M' });
  const streams = async () => (await site.json('/v1/status')).streams;
  const slow = new Reader(t, site, 'after=0', { bytesPerSecond: 1000000 });
  const brisk = new Reader(t, site, 'after=0');
  await until('both are there', async () => (await streams()).open === 2);
  let batch = 0;
  await until('it is dropped', async () => {
    await insert(site, batch++, 2000, 'x'.repeat(400));
    return (await streams()).dropped_slow_total > 0;
  }, 60000, 200);
  assert.match(site.log('relay'), /slow client dropped, it may resume peer=127\.0\.0\.1:\d+ why="too far behind" lag_bytes=\d+/);
  const total = Number(await site.value('SELECT count(*) FROM signal_events'));
  assert.equal(total, batch * 2000);
  delete slow.bytesPerSecond;
  await until('both have all', () => slow.seqs.length >= total && brisk.seqs.length >= total, 60000);
  assert.deepEqual(slow.seqs, brisk.seqs);
  assert.ok(slow.ends > 0 && !slow.wasReset);
  assert.equal(brisk.ends, 0);
});
