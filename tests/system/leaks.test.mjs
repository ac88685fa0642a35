// No byte and no descriptor is left when a program ends: each does its work under valgrind.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Site, bin, command, fileFeed, program, until, writeCandles } from './lib/site.mjs';
import { EventStream } from './lib/sse.mjs';
import { Phoenix } from './lib/phoenix.mjs';
import { Receiver } from './lib/receiver.mjs';
import { insert, post, section, state } from './lib/webhooks.mjs';
import { insert as insertOne } from './lib/relayonly.mjs';

// A sanitized program has its own leak check, and valgrind cannot run it.
const skip = /asan/.test(bin) && 'LeakSanitizer watches this build';
const valgrind = ['--leak-check=full', '--show-leak-kinds=all', '--errors-for-leak-kinds=all', '--track-fds=yes', '--child-silent-after-fork=yes', '--error-exitcode=99', '-q', '--log-file='];
const args = (log, ...words) => [...valgrind.map((v) => (v === '--log-file=' ? v + log : v)), ...words];

// valgrind -q reports nothing but errors and open descriptors; what it was started with is not the program's to close.
function clean(log) {
  const text = fs.readFileSync(log, 'utf8');
  const own = text.replace(/==\d+== (Open .*\n==\d+== +<inherited from parent>|FILE DESCRIPTORS: .*)\n/g, '').replace(/^==\d+==\s*$/gm, '');
  assert.equal(own.trim(), '', text);
}

test('the generator replays, commits and ends clean', { skip }, async (t) => {
  const site = await Site.create(t);
  const file = `${site.dir}/candles.csv`;
  writeCandles(file, { minutes: 1200 });
  site.configure({ feed: fileFeed(file), generator: 'mode = replay\nat_end = exit' });
  await site.migrate();
  const { code, stderr } = await command('valgrind', args(`${site.dir}/vg`, program('tocsin-generator'), '-c', site.conf));
  assert.equal(code, 0, stderr);
  clean(`${site.dir}/vg`);
  assert.ok(Number(await site.value('SELECT count(*) FROM signals')) > 5);
});

test('the generator stopped in the middle ends clean', { skip }, async (t) => {
  const site = await Site.create(t);
  site.configure();
  await site.migrate();
  const child = site.spawn('valgrind', args(`${site.dir}/vg`, program('tocsin-generator'), '-c', site.conf));
  await until('candles are stored', async () => Number(await site.value('SELECT count(*) FROM candles')) > 100);
  child.kill('SIGTERM');
  assert.deepEqual(await child.ended, { code: 0, signal: null }, child.output());
  clean(`${site.dir}/vg`);
});

test('the generator stopped while it loads ends clean', async (t) => {
  const site = await Site.create(t);
  site.configure();
  await site.migrate();
  // A candle that is read for as long as the server lets a statement run.
  await site.sql(`INSERT INTO candles SELECT 'sim', 'BTC/USDT', '1m', '2026-01-01', 1, 1, 1, 1, 1, 1, 'sim';
    ALTER TABLE candles ENABLE ROW LEVEL SECURITY; CREATE POLICY slow ON candles USING (pg_sleep(60) IS NOT NULL)`);
  const words = [program('tocsin-generator'), '-c', site.conf];
  const child = skip ? site.spawn(words[0], words.slice(1)) : site.spawn('valgrind', args(`${site.dir}/vg`, ...words));
  await until('it loads', async () => await site.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'tocsin_generator' AND wait_event = 'PgSleep'") === '1', 60000);
  child.kill('SIGTERM');
  assert.deepEqual(await child.ended, { code: 0, signal: null }, child.output());
  if (!skip) clean(`${site.dir}/vg`);
});

test('a database by a name that name servers are asked for: every program that connects ends clean', async (t) => {
  const site = await Site.create(t);
  site.configure();
  fs.writeFileSync(site.conf, fs.readFileSync(site.conf, 'utf8').replaceAll(/^database = host=/gm, 'database = connect_timeout=2 host=no-such-name.invalid,'));
  const run = (...words) => (skip ? site.spawn(words[0], words.slice(1)) : site.spawn('valgrind', args(`${site.dir}/vg`, ...words)));
  const ends = async (child) => {
    assert.deepEqual(await child.ended, { code: 0, signal: null }, child.output());
    if (!skip) clean(`${site.dir}/vg`);
  };
  await ends(run(program('tocsin-generator'), '-c', site.conf, 'migrate'));
  for (const name of ['generator', 'relay']) await ends(run(program(`tocsin-${name}`), '-c', site.conf, 'check'));
  const generator = run(program('tocsin-generator'), '-c', site.conf);
  await until('candles are stored', async () => Number(await site.value('SELECT count(*) FROM candles')) > 10, 60000);
  generator.kill('SIGTERM');
  await ends(generator);
  const relay = run(program('tocsin-relay'), '-c', site.conf, `listen=127.0.0.1:${site.port}`);
  await until('the relay is ready', async () => (await site.get('/readyz').catch(() => ({}))).status === 200, 60000);
  relay.kill('SIGTERM');
  await ends(relay);
});

test('the relay serves, resumes, loses its database and ends clean with clients on it', { skip }, async (t) => {
  const site = await Site.create(t);
  const file = `${site.dir}/candles.csv`;
  writeCandles(file, { minutes: 1200 });
  site.configure({ feed: fileFeed(file), generator: 'mode = replay\nat_end = exit' });
  await site.migrate();
  await command(program('tocsin-generator'), ['-c', site.conf]);
  const child = site.spawn('valgrind', args(`${site.dir}/vg`, program('tocsin-relay'), '-c', site.conf, `listen=127.0.0.1:${site.port}`));
  await until('it is ready', async () => (await site.get('/readyz').catch(() => ({}))).status === 200);
  const streams = ['/v1/stream?after=0', '/v1/stream?symbol=AAA/BTC&side=long', '/v1/stream'].map((where) => new EventStream(site, where));
  await until('history has come', () => streams[0].events.length > 10 && streams.every((s) => s.connects === 1));
  for (const where of ['/', '/app.js', '/v1/signals', '/v1/status', '/nowhere', '/v1/stream?x=1']) await (await site.get(where)).arrayBuffer();
  streams[1].close();
  await site.postgres('kill');
  await until('it is not ready', async () => (await site.get('/readyz')).status === 503);
  await site.postgres('restart');
  await until('it is ready again', async () => (await site.get('/readyz')).status === 200);
  child.kill('SIGTERM');
  assert.deepEqual(await child.ended, { code: 0, signal: null }, child.output());
  clean(`${site.dir}/vg`);
});

test('the relay with Realtime clients that join, filter, leave, hang up and stay ends clean', { skip }, async (t) => {
  const site = await Site.create(t);
  site.configure();
  await site.migrate();
  const child = site.spawn('valgrind', args(`${site.dir}/vg`, program('tocsin-relay'), '-c', site.conf, `listen=127.0.0.1:${site.port}`));
  await until('it is ready', async () => (await site.get('/readyz').catch(() => ({}))).status === 200);
  const all = { event: '*', schema: 'public', table: 'signals' };
  const [stays, leaves, old] = [await Phoenix.open(site), await Phoenix.open(site), await Phoenix.open(site, { path: '/socket/websocket?apikey=k&vsn=1.0.0' })];
  assert.equal((await stays.join('realtime:all', [all, { ...all, filter: 'reason=like."%\\"no\\"%"', select: ['id', 'reason'] }])).status, 'ok');
  assert.equal((await stays.join('realtime:none', [{ ...all, filter: 'nothing=eq.1' }])).status, 'error');
  assert.equal((await stays.join('realtime:all', [all, { ...all, filter: 'reason=like."%\\"no\\"%"', select: ['id', 'reason'] }], { tocsin: { after: 0 } })).status, 'ok');
  assert.equal((await leaves.join('realtime:all', [all])).status, 'ok');
  assert.equal((await old.join('realtime:all', [all], { tocsin: { after: 'f.1-99999' } })).status, 'ok');
  stays.send('no JSON');
  await insertOne(site, { reason: 'he said "no", twice', symbol: 'AAA/BTC' });
  for (const client of [stays, leaves, old]) await until('it has come', () => client.changes('realtime:all').length > 0);
  await leaves.answer(leaves.push('realtime:all', 'phx_leave'));
  old.close();
  await site.postgres('kill');
  await until('it is not ready', async () => (await site.get('/readyz')).status === 503);
  const waits = leaves.push('realtime:more', 'phx_join', { config: { postgres_changes: [all] } });
  await site.postgres('restart');
  await leaves.answer(waits);
  await insertOne(site, { symbol: 'BBB/BTC' });
  await until('what is new', () => stays.changes('realtime:all').length >= 2);
  child.kill('SIGTERM');
  const end = await child.ended;
  clean(`${site.dir}/vg`);
  assert.deepEqual(end, { code: 0, signal: null }, child.output());
});

test('the relay with receivers that take, refuse, hang and are away ends clean', { skip }, async (t) => {
  const site = await Site.create(t);
  const good = await Receiver.create(t), hanging = await Receiver.create(t, { answer: () => ({ hang: true }) }), gone = await Receiver.create(t, { answer: () => ({ status: 410 }) });
  site.configure({ relay: 'anonymous = read, ack, admin' });
  for (const [name, hook] of Object.entries({ good: { receiver: good }, hanging: { receiver: hanging }, gone: { receiver: gone },
    away: { receiver: gone, url: 'http://127.0.0.1:1/' }, tls: { receiver: good, url: `https://localhost:${good.port}/` } })) fs.appendFileSync(site.conf, section(site, name, hook));
  await site.migrate();
  const child = site.spawn('valgrind', args(`${site.dir}/vg`, program('tocsin-relay'), '-c', site.conf, `listen=127.0.0.1:${site.port}`));
  await until('the webhooks run', async () => (await (await site.get('/v1/webhooks').catch(() => ({ json: () => ({}) }))).json()).webhooks?.every((w) => w.state === 'running'), 60000);
  await insert(site, { count: 100 });
  await until('one has all', () => good.taken.length === 100);
  await until('the others none', async () => hanging.requests.length === 1 && (await state(site, 'gone')).state === 'parked' && (await state(site, 'away')).state === 'failing' && (await state(site, 'tls')).state === 'failing');
  await until('it is resumed', async () => (await post(site, '/v1/webhooks/gone/resume')).status === 200);
  await site.postgres('kill');
  await until('it is not ready', async () => (await site.get('/readyz')).status === 503);
  await site.postgres('restart');
  await until('it is ready again', async () => (await site.get('/readyz')).status === 200);
  await insert(site);
  await until('what is new', () => good.taken.length === 101, 60000);
  child.kill('SIGTERM');
  assert.deepEqual(await child.ended, { code: 0, signal: null }, child.output());
  clean(`${site.dir}/vg`);
});

test('the watchdog starts, loses and stops children and ends clean', { skip }, async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ processes: `[process a]\ncommand = /bin/sleep 1000\nheartbeat_timeout = 0\nlisten = 127.0.0.1:${site.port}\n[process b]\ncommand = /bin/false\n`,
    watchdog: `on_alert = /bin/false\nhardware_watchdog = ${site.dir}/device` });
  fs.writeFileSync(`${site.dir}/device`, '');
  site.watchdog = site.spawn('valgrind', args(`${site.dir}/vg`, program('tocsin-watchdog'), '-c', site.conf));
  await until('both were started', () => fs.existsSync(`${site.dir}/run/status.json`) && site.process('b').restarts > 0 && site.process('a').pid);
  process.kill(site.process('a').pid, 'SIGKILL');
  await until('the first is back', () => site.process('a').restarts > 0);
  site.watchdog.kill('SIGHUP');
  await until('it has reloaded', () => /reloaded/.test(site.log('watchdog')));
  for (const line of ['status', 'status-json', 'reload', 'restart a', 'restart b', 'stop b', 'nonsense']) assert.notEqual(await site.ask(line), '');
  fs.appendFileSync(site.conf, 'nonsense\n');
  assert.match(await site.ask('reload'), /^error/);
  assert.deepEqual(await site.stop(), { code: 0, signal: null }, site.watchdog.output());
  clean(`${site.dir}/vg`);
});

test('no descriptor is lost over restarts of the children', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ processes: `[process a]\ncommand = /bin/sleep 1000\nheartbeat_timeout = 0\nlisten = 127.0.0.1:${site.port}\n` });
  await site.start({ ready: false });
  const open = () => fs.readdirSync(`/proc/${site.watchdog.pid}/fd`).length;
  const restarts = async (n) => until(`restart ${n}`, () => fs.existsSync(`${site.dir}/run/status.json`) && site.process('a').restarts === n && site.process('a').pid);
  await restarts(0);
  await until('it is up', () => site.process('a').state === 'up');
  // A moment at which it writes its status or reads /proc is not the rule: the least of some looks is.
  let before = Infinity;
  for (let looks = 0; looks < 20; looks++) before = Math.min(before, await new Promise((done) => setTimeout(() => done(open()), 5)));
  // The first failure is followed at once, the others with backoff.
  for (let n = 1; n <= 3; n++) {
    process.kill(site.process('a').pid, 'SIGKILL');
    await restarts(n);
    await until('it is up', () => site.process('a').state !== 'backoff');
  }
  await until('the count is the old one', () => open() === before);
});
