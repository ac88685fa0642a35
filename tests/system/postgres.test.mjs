// What stands between us and PostgreSQL: dead wires, poolers, other hosts, other schemas, and roles that mean no good.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { Site, freePort, program, root, simFeed, until } from './lib/site.mjs';
import { EventStream } from './lib/sse.mjs';
import { SERVER, Wire, listening } from './lib/netns.mjs';
import { insert, insertMany, relayOnly } from './lib/relayonly.mjs';
import { section } from './lib/webhooks.mjs';

const log = async (site) => (await site.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([seq]) => Number(seq));

// They wait for most of their time.
const scenarios = [];
const scenario = (...words) => scenarios.push(words);

// Let the site's server listen on TCP as well, where `words` says (nothing: here).
async function overTcp(site, address, words = []) {
  const port = await freePort();
  fs.appendFileSync(`${site.dir}/data/postgresql.conf`, `listen_addresses = '${address}'\nport = ${port}\n`);
  fs.appendFileSync(`${site.dir}/data/pg_hba.conf`, 'host all all 0.0.0.0/0 trust\n');
  await site.postgres('kill');
  const child = site.spawn(...shell([...words, 'sh', `${root}/etc/cluster.sh`, 'restart', site.dir]));
  assert.equal((await child.ended).code, 0, child.output());
  site.pgPort = port;
}

const shell = ([file, ...args]) => [file, args, { env: { ...process.env, TOCSIN_FAST: '1' }, stdio: ['ignore', 'ignore', 'pipe'] }];

// The configuration with other words for where the database is.
function database(site, where) {
  fs.writeFileSync(site.conf, fs.readFileSync(site.conf, 'utf8').replaceAll(/^database = host=\S+/gm, `database = ${where}`));
}

scenario('a wire that dies without a word is noticed within ten seconds by relay and generator, and nothing is lost', async (t) => {
  const site = await Site.create(t);
  const wire = await Wire.create(site);
  if (!wire) {
    t.skip('no network namespace may be made here');
    return;
  }
  site.configure({ feed: simFeed({ pace: 1200 }) });
  await site.migrate();
  await overTcp(site, SERVER, wire.inside('server'));
  database(site, `host=${SERVER} port=${site.pgPort}`);
  const { child: relay, port } = await listening(site, wire.inside('client', program('tocsin-relay'), '-c', site.conf));
  const generator = site.spawn(...shell(wire.inside('client', program('tocsin-generator'), '-c', site.conf)));
  site.port = port;
  const stream = new EventStream(site, '/v1/stream?after=0');
  await until('signals flow', () => stream.events.length >= 3, 60000);
  // The limit is ten seconds; a machine under load may take a moment longer to tell.
  const before = { relay: relay.output().length, generator: generator.output().length, at: Date.now() };
  wire.cut();
  const noticed = async (child, from, pattern, who) => {
    await until(`${who} has noticed`, () => pattern.test(child.output().slice(from)), 30000, 50);
    return Date.now() - before.at;
  };
  const times = await Promise.all([
    noticed(relay, before.relay, /warn listener: connection lost/, 'the listener'),
    noticed(relay, before.relay, /warn query: connection lost/, 'the session of history'),
    noticed(relay, before.relay, /warn api: connection lost/, 'the session of lists'),
    noticed(generator, before.generator, /warn writer: connection lost/, 'the writer'),
  ]);
  t.diagnostic(`noticed after ${times.join(', ')} ms: listener, history, lists, writer`);
  for (const ms of times) assert.ok(ms < 12000, `${times}`);
  // And while connecting: nobody answers.
  await until('an attempt has ended', () => /listener: cannot connect .*(timed out|no answer within)/.test(relay.output()), 60000);
  assert.equal((await site.get('/readyz')).status, 503);
  assert.equal((await site.get('/healthz')).status, 200);
  // The server's own end lets go of the writer's lock too: another generator could have taken over.
  await until('the server has noticed', async () => await site.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'tocsin_generator'") === '0', 30000, 100);
  const seen = stream.events.length;
  wire.mend();
  await until('signals flow again', () => stream.events.length > seen + 2, 60000);
  generator.kill('SIGTERM');
  await generator.ended;
  const all = await log(site);
  await until('all is there', () => stream.seqs.length >= all.length);
  assert.deepEqual(stream.seqs, all);
  assert.equal(stream.connects, 1, 'the client has noticed nothing');
});

scenario('a relay that is cut off stops sending webhooks before the server gives its lock to another', async (t) => {
  const site = await relayOnly(t, { start: false });
  const wire = await Wire.create(site);
  if (!wire) {
    t.skip('no network namespace may be made here');
    return;
  }
  await overTcp(site, SERVER, wire.inside('server'));
  database(site, `host=${SERVER} port=${site.pgPort}`);
  fs.appendFileSync(site.conf, section(site, 'all', { url: 'http://127.0.0.1:8080/' }));
  // A receiver on the relay's side of the wire, that takes its time and tells when something came.
  const receiver = site.spawn(...shell(wire.inside('client', process.execPath, '-e', `require('http').createServer((request, answer) => {
    process.stderr.write(Date.now() + '\\n');
    request.resume();
    setTimeout(() => answer.end(), 50);
  }).listen(8080, '127.0.0.1', () => process.stderr.write('listens\\n'))`)));
  await until('the receiver listens', () => receiver.output().includes('listens'));
  const { child: relay, port } = await listening(site, wire.inside('client', program('tocsin-relay'), '-c', site.conf));
  site.port = port;
  await until('the webhook runs', async () => (await site.json('/v1/webhooks').catch(() => ({}))).webhooks?.[0].state === 'running', 60000);
  await insertMany(site, 1000, { prefix: 'W' });
  const sent = () => receiver.output().match(/^\d+$/gm) ?? [];
  await until('it sends', () => sent().length > 5);
  wire.cut();
  await until('the server has let go', async () => await site.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tocsin-webhooks'") === '0', 30000, 20);
  const gone = Date.now();
  await until('the relay knows', () => /warn webhooks: connection lost/.test(relay.output()), 30000);
  const last = Number(sent().at(-1));
  t.diagnostic(`the last was sent ${gone - last} ms before the server let go`);
  assert.ok(last < gone, `${last - gone} ms after`);
});

scenario('hosts are tried one by one, a silent one does not keep us from the next, names do not block', async (t) => {
  const site = await relayOnly(t, { start: false });
  await overTcp(site, '127.0.0.1');
  // Its queue of connections is full: whoever comes next hears nothing.
  const silent = net.createServer({ pauseOnConnect: true }).listen({ port: 0, host: '127.0.0.1', backlog: 1 });
  await new Promise((done) => { silent.once('listening', done); });
  t.after(() => silent.close());
  const taken = [];
  silent.on('connection', (socket) => { taken.push(socket); socket.on('error', () => {}); });
  t.after(() => taken.forEach((socket) => socket.destroy()));
  fs.writeFileSync(site.conf, fs.readFileSync(site.conf, 'utf8').replaceAll(/^database = host=\S+/gm,
    `database = host=127.0.0.1,${site.dir}/nowhere,no-such-name.invalid,localhost port=${[silent.address().port, ...Array(3).fill(site.pgPort)]} connect_timeout=2`));
  await site.start();
  const stream = new EventStream(site, '/v1/stream');
  await until('the stream is open', () => stream.connects === 1);
  const { seq } = await insert(site);
  await until('it works', () => stream.seqs.includes(seq));
  assert.ok(taken.length >= 3, 'the silent one was asked first');
  assert.match(site.log('relay'), /listener: connected host=localhost port=/);
});

// pgbouncer between the programs and the site's server; returns the words of the conninfo.
async function pooler(site, mode) {
  const port = await freePort();
  const dir = `${site.dir}/pooler`;
  fs.rmSync(dir, { recursive: true, force: true });
  fs.mkdirSync(dir);
  fs.writeFileSync(`${dir}/users`, ['postgres', 'tocsin_relay', 'tocsin_generator'].map((user) => `"${user}" ""\n`).join(''));
  fs.writeFileSync(`${dir}/ini`, `[databases]\npostgres = host=127.0.0.1 port=${site.pgPort}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =
auth_type = trust\nauth_file = ${dir}/users\npool_mode = ${mode}\nlogfile = ${dir}/log\n`);
  fs.chmodSync(dir, 0o777);
  const root = process.getuid() === 0 ? ['runuser', '-u', 'postgres', '--'] : [];
  const [file, ...args] = [...root, 'pgbouncer', `${dir}/ini`];
  const child = site.spawn(file, args, { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } });
  await until('the pooler listens', () => {
    assert.equal(child.exitCode, null, child.output());
    return /listening on/.test(child.output());
  });
  return { child, port };
}

scenario('a pooler in transaction mode is named in one line, one in session mode will do', async (t) => {
  const site = await relayOnly(t, { start: false });
  await overTcp(site, '127.0.0.1');
  const direct = fs.readFileSync(site.conf, 'utf8');
  const bad = await pooler(site, 'transaction');
  database(site, `host=127.0.0.1 port=${bad.port}`);
  await site.start({ ready: false });
  const generator = site.spawn(program('tocsin-generator'), ['-c', site.conf]);
  const line = new RegExp(`cannot connect to the database why="127.0.0.1 port ${bad.port}: a pooler in transaction mode stands between.*pool_mode = session`);
  await until('the relay names it', () => line.test(site.log('relay')), 60000);
  await until('the generator names it', () => line.test(generator.output()), 60000);
  const { error } = await (await site.get('/readyz')).json();
  assert.match(error, /pooler in transaction mode/);
  assert.equal(site.log('relay').match(/pooler in transaction mode/g).length, 1, 'and once, not at each attempt');
  generator.kill('SIGTERM');
  await generator.ended;
  await site.stop();
  bad.child.kill('SIGTERM');
  await bad.child.ended;

  const good = await pooler(site, 'session');
  fs.writeFileSync(site.conf, direct);
  database(site, `host=127.0.0.1 port=${good.port}`);
  await site.start();
  assert.match(site.log('relay'), /listener: a pooler in session mode stands between/);
  const stream = new EventStream(site, '/v1/stream');
  await until('the stream is open', () => stream.connects === 1);
  const { seq } = await insert(site);
  await until('it arrives', () => stream.seqs.includes(seq));
  const status = await site.json('/v1/status');
  assert.equal(status.events.missed_total, 0, 'by its notification, not found by the probe');
  await site.stop();
});

scenario('a schema too old, too new or not there is named, with the mend, and the relay is not tried again at full speed', async (t) => {
  const site = await relayOnly(t, { migrate: false, start: false });
  await site.sql('CREATE ROLE tocsin_relay LOGIN');
  const refused = async (line) => {
    const child = site.spawn(program('tocsin-relay'), ['-c', site.conf, `listen=127.0.0.1:${site.port}`]);
    await until('the relay has ended', () => child.exitCode !== null);
    assert.equal(child.exitCode, 100, child.output());
    assert.match(child.output(), line);
  };
  await refused(/error relay: the database has no tables of tocsin: run `tocsin migrate`/);
  await site.migrate();
  const newest = Number(await site.value('SELECT max(number) FROM tocsin_migrations'));
  await site.sql(`DELETE FROM tocsin_migrations WHERE number = ${newest}`);
  await refused(new RegExp(`schema is number ${newest - 1}, this program needs ${newest}: run .tocsin migrate.`));
  await site.sql(`INSERT INTO tocsin_migrations (number, name) VALUES (${newest}, 'x'), (${newest + 1}, 'y')`);
  await refused(new RegExp(`schema is number ${newest + 1}, newer than this program's ${newest}: install the newer tocsin`));
});

scenario('a forged notification is not delivered, and holds up no true one', async (t) => {
  const site = await relayOnly(t);
  const stream = new EventStream(site, '/v1/stream');
  await until('the stream is open', () => stream.connects === 1);
  const { seq: first } = await insert(site);
  await until('the first', () => stream.events.length === 1);
  const genuine = stream.events[0].data;
  assert.deepEqual(Object.keys(genuine), ['seq', 'op', 'kind', 'id', 'at', 'record'], 'the mac is the relay\'s own affair');
  // The next seq, so that it would go out at once; a mac of the right form; the words of another event; garbage.
  const forge = (text) => site.sql(`SELECT pg_notify('signals', $forged$${text}$forged$)`, { user: 'tocsin_reader' });
  const fake = { ...genuine, seq: first + 1, record: { ...genuine.record, symbol: 'FAKE/USDT' } };
  await forge(JSON.stringify(fake));
  await forge(JSON.stringify({ ...fake, mac: '0'.repeat(32) }));
  await forge(JSON.stringify({ ...fake, seq: 9e15 }));
  await forge('nonsense');
  await forge('');
  const { seq: second } = await insert(site);
  await until('the true one', () => stream.events.length === 2);
  assert.deepEqual(stream.seqs, [first, second]);
  assert.doesNotMatch(JSON.stringify(stream.events), /FAKE/);
  await until('they are counted', async () => (await site.json('/v1/status')).events.forged_total === 5);
  assert.equal(site.log('relay').match(/a notification that the log has not sent/g).length, 1, 'told once');
  // One that listens sees its key's work, and can only say again what was said.
  for (const user of ['tocsin_reader', 'tocsin_generator']) {
    for (const sql of ['SELECT * FROM tocsin_notify_key', 'SELECT tocsin_new_notify_key()']) await assert.rejects(site.sql(sql, { user }), /permission denied/);
  }
});

scenario('another key of notifications is taken up, and nothing is missing meanwhile', async (t) => {
  const site = await relayOnly(t);
  const stream = new EventStream(site, '/v1/stream');
  await until('the stream is open', () => stream.connects === 1);
  await site.sql('SELECT tocsin_new_notify_key()');
  for (let i = 1; i <= 3; i++) {
    await insert(site);
    await until(`event ${i}`, () => stream.events.length === i);
  }
  assert.deepEqual(stream.seqs, await log(site));
  assert.equal((await site.json('/v1/status')).events.forged_total, 1, 'the first one told of it');
});

scenario('no role without a right to write signals can hold up who writes them', async (t) => {
  const site = await relayOnly(t);
  const stream = new EventStream(site, '/v1/stream');
  await until('the stream is open', () => stream.connects === 1);
  // All that a reader can lock, held for as long as the test takes.
  const holder = site.spawn('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', site.conninfo('tocsin_reader')], { stdio: ['pipe', 'pipe', 'pipe'] });
  holder.stdin.write(`SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT pg_advisory_xact_lock(hashtext('tocsin.signal_seq'));
    LOCK TABLE signals, signal_events, tocsin_instance IN ACCESS SHARE MODE; SELECT 'held';\n`);
  await until('they are held', () => holder.output().includes('held'));
  const { seq } = await insert(site);
  await until('it arrives', () => stream.seqs.includes(seq));
  for (const user of ['tocsin_reader', 'tocsin_relay', 'tocsin_generator']) {
    await assert.rejects(site.sql('BEGIN; LOCK TABLE tocsin_turn IN ACCESS SHARE MODE', { user }), /permission denied/);
  }
  for (const user of ['tocsin_reader', 'tocsin_relay']) {
    await assert.rejects(site.sql('BEGIN; LOCK TABLE signals IN ROW EXCLUSIVE MODE', { user }), /permission denied/);
  }
  holder.stdin.end();
  assert.equal((await holder.ended).code, 0, holder.output());
});

scenario('a role that takes the lock of the generators is named by the one that waits for it', async (t) => {
  const site = await Site.create(t);
  site.configure();
  await site.migrate();
  const holder = site.spawn('psql', ['-X', '-q', site.conninfo('tocsin_reader')], { stdio: ['pipe', 'pipe', 'pipe'] });
  holder.stdin.write("SELECT pg_advisory_lock(hashtext('tocsin.generator')); SELECT 'held', pg_backend_pid();\n");
  const pid = await until('it is held', () => holder.output().match(/held\s*\|\s*(\d+)/)?.[1]);
  const generator = site.spawn(program('tocsin-generator'), ['-c', site.conf]);
  const line = new RegExp(`lock is held by another role than ours: .* backend_pid=${pid} user=tocsin_reader`);
  await until('it names the holder', () => line.test(generator.output()), 60000);
  holder.stdin.end();
  await until('then it works', () => /info feed: simulated market/.test(generator.output()), 60000);
  generator.kill('SIGTERM');
  assert.equal((await generator.ended).code, 0);
});

test('between us and PostgreSQL', { concurrency: 4 }, (t) => Promise.all(scenarios.map(([name, body]) => t.test(name, body))));
