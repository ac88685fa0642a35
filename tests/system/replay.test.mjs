// The main job: a recording in, signals out, everything once.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Site, SIGNAL_ROWS, command, fileFeed, program, until, writeCandles } from './lib/site.mjs';
import { EventStream } from './lib/sse.mjs';

async function replay(site, file, extra = '') {
  site.configure({ feed: fileFeed(file, { extra }), generator: 'mode = replay' });
  await site.migrate();
  await site.start();
}

const ended = (site) => until('the recording has ended', () => /feed: file ended/.test(site.log('generator')));

// All that was read is committed: the heartbeat says that nothing is gathered or in flight.
async function settled(site, rows) {
  await ended(site);
  await until('every candle is stored', async () => Number(await site.value("SELECT count(*) FROM candles WHERE source <> 'filled'")) === rows);
}

test('a recording becomes candles, signals and events, each exactly once and in order', async (t) => {
  const site = await Site.create(t);
  const file = `${site.dir}/candles.csv`;
  const rows = writeCandles(file);
  await replay(site, file);
  const stream = new EventStream(site, '/v1/stream?after=0');
  await settled(site, rows);

  const [[stored, distinct, filled]] = await site.sql(
    "SELECT count(*) FILTER (WHERE source = 'file'), count(DISTINCT open_time), count(*) FILTER (WHERE source = 'filled') FROM candles");
  assert.equal(Number(stored), rows);
  assert.equal(Number(distinct), rows + Number(filled));
  assert.equal(rows + Number(filled), 4000, 'every hole is filled');

  const [[opened, closed, strategies]] = await site.sql(
    "SELECT count(*), count(*) FILTER (WHERE status <> 'active'), count(DISTINCT strategy) FROM signals");
  assert.ok(Number(opened) > 20 && Number(closed) > 15, `${opened} opened, ${closed} closed`);
  assert.equal(Number(strategies), 3);

  const seqs = (await site.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([s]) => Number(s));
  await until('every event has arrived', () => stream.seqs.length >= seqs.length);
  assert.deepEqual(stream.seqs, seqs);
  assert.equal(await site.value('SELECT count(*) FROM signals s WHERE NOT EXISTS (SELECT FROM signal_events e WHERE e.signal_id = s.id AND e.op = $$INSERT$$)'), '0');
  // The last record of each signal that went over the wire is the row.
  const last = new Map(stream.events.map((e) => [e.data.record.id, e.data.record.status]));
  for (const [id, status] of await site.sql('SELECT id, status FROM signals')) assert.equal(last.get(Number(id)), status, `signal ${id}`);
  assert.deepEqual(await site.stop(), { code: 0, signal: null });
});

test('a second run into a fresh database gives the same signals, row for row', async (t) => {
  const tables = [];
  for (let run = 0; run < 2; run++) {
    const site = await Site.create(t);
    const file = `${site.dir}/candles.csv`;
    const rows = writeCandles(file);
    await replay(site, file);
    await settled(site, rows);
    tables.push({ signals: await site.sql(SIGNAL_ROWS), events: await site.sql('SELECT seq, op, kind, signal_id FROM signal_events ORDER BY seq') });
    await site.stop();
  }
  assert.ok(tables[0].signals.length > 20);
  assert.deepEqual(tables[1], tables[0]);
});

test('a second start on the same database writes nothing twice', async (t) => {
  const site = await Site.create(t);
  const file = `${site.dir}/candles.csv`;
  const rows = writeCandles(file, { minutes: 1500 });
  await replay(site, file);
  await settled(site, rows);
  const before = await site.sql('SELECT * FROM signal_events ORDER BY seq');
  await site.stop();
  await site.start();
  await until('the second run has ended', () => site.log('generator').match(/feed: file ended/g)?.length === 2);
  assert.deepEqual(await site.sql('SELECT * FROM signal_events ORDER BY seq'), before);
});

test('lines that are no candles are named with their number, skipped and counted', async (t) => {
  const { default: fs } = await import('node:fs');
  const site = await Site.create(t);
  const file = `${site.dir}/candles.csv`;
  const rows = writeCandles(file, { minutes: 700 });
  const lines = fs.readFileSync(file, 'utf8').split('\n');
  lines.splice(100, 0, 'garbage', lines[50], '1735700000000,1,2,3,nan,5', '');
  fs.writeFileSync(file, lines.join('\n'));
  await replay(site, file);
  await settled(site, rows);
  const log = site.log('generator');
  for (const line of [101, 102, 103]) assert.match(log, new RegExp(`line=${line}\\b`));
  await until('the count is in the status', () => site.process('generator').status?.feeds?.file?.bad_lines === 3);
});

test('with on_error = stop the feed stops there and says so, and the generator stays', async (t) => {
  const { default: fs } = await import('node:fs');
  const site = await Site.create(t);
  const file = `${site.dir}/candles.csv`;
  writeCandles(file, { minutes: 50, holes: false });
  fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace(/(.*\n){20}/, (head) => `${head}garbage\n`));
  await replay(site, file, 'on_error = stop');
  await until('the line is named', () => / error feed: .*line=21\b/.test(site.log('generator')));
  await until('what came before is stored', async () => Number(await site.value('SELECT count(*) FROM candles')) === 19);
  await until('the status says failed', () => site.process('generator').status?.feeds?.file?.state === 'failed');
  assert.equal(site.process('generator').restarts, 0);
});

test('at_end = exit ends with 0 when all is committed, with 111 when a recording had to be given up', async (t) => {
  const { default: fs } = await import('node:fs');
  const site = await Site.create(t);
  const file = `${site.dir}/candles.csv`;
  const rows = writeCandles(file, { minutes: 60 });
  site.configure({ feed: fileFeed(file, { extra: 'on_error = stop' }), generator: 'mode = replay\nat_end = exit' });
  await site.migrate();
  assert.equal((await command(program('tocsin-generator'), ['-c', site.conf])).code, 0);
  assert.equal(Number(await site.value("SELECT count(*) FROM candles WHERE source = 'file'")), rows);
  fs.appendFileSync(file, 'garbage\n');
  assert.equal((await command(program('tocsin-generator'), ['-c', site.conf])).code, 111);
});
