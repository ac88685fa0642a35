// Webhooks as their receivers meet them: signed, in order, nothing lost, and nothing twice but what an id check drops.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { Site, program, until } from './lib/site.mjs';
import { Receiver } from './lib/receiver.mjs';
import { insert, log, state, withWebhooks } from './lib/webhooks.mjs';

test('each change is delivered once, in order, signed, one at a time; what was there before is not', async (t) => {
  const [all, shorts] = [await Receiver.create(t), await Receiver.create(t)];
  const site = await withWebhooks(t, { all: { receiver: all }, shorts: { receiver: shorts, keys: 'side = short\nkind = opened' } }, { start: false });
  await insert(site, { count: 3 });
  await site.start();
  await until('the webhooks are running', async () => (await site.json('/v1/webhooks')).webhooks.every((w) => w.state === 'running'));
  assert.equal(Number(await site.value("SELECT seq FROM webhooks WHERE name = 'all'")), (await log(site)).at(-1), 'the place is kept at once');
  const [[id]] = await insert(site, { symbol: "'BTC/USDT'", reason: 'ümlaut' });
  await site.sql(`UPDATE signals SET status = 'stopped', exit_reason = 'stop_loss', outcome = 'loss', exit_price = 99, closed_at = now() WHERE id = ${id}`);
  await site.sql(`DELETE FROM signals WHERE id = ${id}`);
  await insert(site, { side: 'short', count: 2 });
  const want = (await log(site)).slice(3);
  await until('all five', () => all.taken.length >= 5);
  await until('the short ones', () => shorts.taken.length >= 2);
  assert.deepEqual(all.seqs, want);
  assert.deepEqual(shorts.seqs, want.slice(3));
  assert.deepEqual([all.bad, shorts.bad, all.most, all.requests.length, all.connections], [[], [], 1, 5, 1]);
  const [opened, closed, deleted] = all.taken.map((got) => JSON.parse(got.body));
  assert.deepEqual([opened.type, opened.data.record.symbol, opened.data.record.reason], ['signal.opened', 'BTC/USDT', 'ümlaut']);
  assert.deepEqual([closed.type, deleted.type, deleted.data.record], ['signal.closed', 'signal.deleted', null]);
  assert.equal(opened.timestamp, opened.data.at);
  const { headers, method, path } = all.taken[0];
  assert.deepEqual([method, path, headers['content-type']], ['POST', '/hook', 'application/json']);
  assert.equal((await state(site, 'all')).delivered_total, 5);
  assert.deepEqual((await site.json('/v1/status')).webhooks.map((w) => [w.name, w.behind]), [['all', 0], ['shorts', 0]]);
  await until('the watchdog knows', () => site.process('relay').status.webhooks?.running === 2);
  const metrics = await (await site.get('/metrics')).text();
  for (const line of ['webhook_delivered_total{webhook="all"} 5', 'webhook_delivered_total{webhook="shorts"} 2', 'webhook_running{webhook="all"} 1']) assert.ok(metrics.includes(`tocsin_relay_${line}\n`), line);
  // Its stop saves where it is.
  await site.stop();
  assert.deepEqual(await site.sql('SELECT DISTINCT seq FROM webhooks'), [[String(want.at(-1))]]);
});

test('relays and databases that die in the middle lose nothing, and what comes twice has its id', async (t) => {
  const receiver = await Receiver.create(t, { answer: () => ({ delay: 2 }) });
  const site = await withWebhooks(t, { all: { receiver } }, { relay: 'ring_size = 64' });
  let stop = false;
  const writer = (async () => {
    while (!stop) await insert(site, { count: 20 }).catch(() => new Promise((done) => { setTimeout(done, 100); }));
  })();
  for (const harm of ['relay', 'database', 'relay', 'session', 'relay']) {
    const before = receiver.taken.length;
    await until(`deliveries before the next harm (${harm})`, () => receiver.taken.length > before + 40, 60000);
    if (harm === 'relay') await site.kill('relay');
    else if (harm === 'database') {
      await site.postgres('kill');
      await site.postgres('restart');
    }
    if (harm === 'session') await site.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tocsin-webhooks'");
  }
  stop = true;
  await writer;
  const want = await log(site);
  await until('all of the log', () => receiver.seqs.at(-1) === want.at(-1), 120000, 50);
  assert.deepEqual(receiver.seqs, want);
  assert.deepEqual(receiver.bad, []);
});

test('of two relays one sends, and the other takes over where it stopped', async (t) => {
  const receiver = await Receiver.create(t);
  const site = await withWebhooks(t, { all: { receiver } }, { start: false });
  const other = await Site.create(t, { database: false });
  fs.writeFileSync(site.conf, `${fs.readFileSync(site.conf, 'utf8')}[process second]\ncommand = ${program('tocsin-relay')} -c ${site.conf}\nlisten = 127.0.0.1:${other.port}\n`);
  await site.start();
  const states = () => Promise.all([site, other].map(async (s) => (await state(s, 'all')).state));
  await until('one sends, one stands by', async () => (await states()).sort().join() === 'running,standby');
  await insert(site, { count: 5 });
  await until('the first five', () => receiver.taken.length === 5);
  const sender = (await states())[0] === 'running' ? 'relay' : 'second';
  process.kill(site.process(sender).pid, 'SIGSTOP');
  const frozen = site.process(sender).pid;
  process.kill(frozen, 'SIGKILL');
  await insert(site, { count: 5 });
  await until('the next five', () => receiver.taken.length === 10);
  assert.deepEqual([receiver.seqs, receiver.bad], [await log(site), []]);
  await until('one sends, one stands by', async () => (await states()).sort().join() === 'running,standby');
});

test('a log that begins behind its place is told, and read from its beginning', async (t) => {
  const receiver = await Receiver.create(t);
  const site = await withWebhooks(t, { all: { receiver } }, { relay: 'ring_size = 16' });
  await insert(site);
  await until('the first', () => receiver.taken.length === 1);
  await site.stop();
  await insert(site, { count: 40 });
  const all = await log(site);
  await site.sql(`DELETE FROM signal_events WHERE seq <= ${all[9]}`);
  await site.start();
  await until('the rest', () => receiver.taken.length >= 32);
  assert.deepEqual(receiver.seqs, [all[0], ...all.slice(10)]);
  assert.equal((await state(site, 'all')).gaps_total, 1);
  assert.match(site.log('relay'), /warn webhook: the log does not go on from its place: .*name=all .*reason=retention/);
});

test('a database restored as it was: it goes on from the place that was restored with it', async (t) => {
  const receiver = await Receiver.create(t);
  const site = await withWebhooks(t, { all: { receiver } });
  await insert(site, { count: 10 });
  const all = await log(site), last = String(all.at(-1));
  await until('all ten', () => receiver.taken.length === 10);
  await until('its place is saved', async () => await site.value('SELECT seq FROM webhooks') === last);
  await site.sql(`BEGIN; DELETE FROM signal_events WHERE seq > ${all[5]}; UPDATE webhooks SET seq = ${all[3]};
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tocsin_relay'; COMMIT`);
  await until('the relay knows', () => /starting over on another log reason=log/.test(site.log('relay')));
  await insert(site);
  const want = (await log(site)).slice(4);
  await until('the newest one', () => receiver.seqs.at(-1) === want.at(-1));
  assert.deepEqual(receiver.requests.slice(10).map((got) => JSON.parse(got.body).data.seq), want);
  assert.equal((await state(site, 'all')).gaps_total, 0);
});

test('what a receiver asks for with Retry-After outlives the session with the database', async (t) => {
  const busy = await Receiver.create(t, { answer: () => ({ status: 503, headers: { 'Retry-After': '3600' } }) });
  const other = await Receiver.create(t);
  const site = await withWebhooks(t, { busy: { receiver: busy }, other: { receiver: other } });
  await insert(site);
  await until('it is asked to wait', async () => (await state(site, 'busy')).retry_s > 0);
  await until('that it fails is saved', async () => await site.value("SELECT failing_since IS NOT NULL FROM webhooks WHERE name = 'busy'") === 't');
  await site.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tocsin-webhooks'");
  await until('both go on', async () => /webhooks: connection lost/.test(site.log('relay')) &&
    (await state(site, 'busy')).state === 'failing' && (await state(site, 'other')).state === 'running');
  await insert(site);
  await until('the other one has what is new', () => other.taken.length === 2);
  assert.deepEqual([busy.requests.length, (await state(site, 'busy')).retry_s > 0], [1, true]);
});

test('a webhook that may not begin says why', async (t) => {
  const receiver = await Receiver.create(t);
  const site = await withWebhooks(t, { all: { receiver } }, { start: false });
  await site.sql('REVOKE INSERT ON webhooks FROM tocsin_relay');
  await site.start();
  await until('it is told', () => /warn webhook: the query failed.* what=begin .*permission denied/.test(site.log('relay')));
  await site.sql('GRANT INSERT ON webhooks TO tocsin_relay');
  await until('then it begins', async () => (await state(site, 'all')).state === 'running');
});

test('HTTPS is verified: the authority that is trusted, and no other', async (t) => {
  const dir = fs.mkdtempSync('/tmp/tocsin-ca.');
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority');
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem', '-out', 'csr.pem', '-subj', '/CN=receiver');
  fs.writeFileSync(`${dir}/ext`, 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  openssl('x509', '-req', '-in', 'csr.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1', '-extfile', 'ext', '-out', 'cert.pem');
  const receiver = await Receiver.create(t, { tls: { key: fs.readFileSync(`${dir}/key.pem`), cert: fs.readFileSync(`${dir}/cert.pem`) } });
  const url = `https://localhost:${receiver.port}/hook?x=1`;
  const site = await withWebhooks(t, { trusting: { receiver, url, keys: `ca_file = ${dir}/ca.pem` }, wary: { receiver, url } });
  await insert(site, { count: 2 });
  await until('what the one sends', () => receiver.taken.length === 2);
  assert.deepEqual([receiver.seqs, receiver.bad, receiver.taken[0].path], [await log(site), [], '/hook?x=1']);
  await until('the other does not', async () => /TLS: .*certificate/.test((await state(site, 'wary')).why ?? ''));
  assert.equal(receiver.requests.length, 2);
});
