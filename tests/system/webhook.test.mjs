// Webhooks as their receivers meet them: signed, in order, nothing lost, and nothing twice but what an id check drops.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { Site, command, program, until } from './lib/site.mjs';
import { Receiver, newSecret } from './lib/receiver.mjs';

// A site whose relay has these webhooks: { NAME: { receiver or url, keys } }.
async function withWebhooks(t, hooks, { start = true, relay = '' } = {}) {
  const site = await Site.create(t);
  site.configure({ relay: `anonymous = read, ack, admin\n${relay}`, processes: `[process relay]\ncommand = ${program('tocsin-relay')} -c ${site.dir}/tocsin.conf
listen = 127.0.0.1:${site.port}\n` });
  for (const [name, hook] of Object.entries(hooks)) fs.appendFileSync(site.conf, section(site, name, hook));
  await site.migrate();
  if (start) {
    await site.start();
    await until('the webhooks are running', async () => (await site.json('/v1/webhooks')).webhooks.every((w) => w.state === 'running'));
  }
  return site;
}

function section(site, name, { receiver, url = receiver.url, keys = '', allow = 'yes', secret = receiver?.secret ?? newSecret() }) {
  const file = `${site.dir}/${name}.secret`;
  fs.writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  return `[webhook ${name}]\nurl = ${url}\n${/format/.test(keys) ? '' : `secret_file = ${file}\n`}allow_private = ${allow}\n${keys}\n`;
}

let next = 0;
const values = ({ symbol = `'S' || i || '/USDT'`, side = 'long', reason = 'because' } = {}) => `'test', ${symbol}, '1m', 'ema_cross', '${side}', '2026-01-01',
  '2026-01-01 00:01', 100, ${side === 'long' ? '99, 99, \'{102}\'' : '101, 101, \'{98}\''}, 0.5, '${reason}', now(), '2026-01-02'`;
const insert = async (site, { count = 1, ...what } = {}) => {
  const first = next;
  next += count;
  return site.sql(`INSERT INTO signals (exchange, symbol, timeframe, strategy, side, candle_open_time, candle_close_time, entry, stop_loss,
    initial_stop, targets, confidence, reason, generated_at, expires_at) SELECT ${values(what)} FROM generate_series(${first}, ${next - 1}) i RETURNING id`);
};
const log = async (site) => (await site.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([seq]) => Number(seq));
const state = async (site, name) => (await site.json('/v1/webhooks')).webhooks.find((w) => w.name === name);
const post = (site, where) => fetch(`http://127.0.0.1:${site.port}${where}`, { method: 'POST', signal: AbortSignal.timeout(20000) });

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

test('a receiver that fails, hangs, redirects or is away is tried again until it takes it; the others do not wait for it', async (t) => {
  const failing = await Receiver.create(t, { answer: (got, n) => (n === 1 ? { status: 500, body: 'down' } : n === 2 ? { status: 302, headers: { Location: '/elsewhere' } } : {}) });
  const hanging = await Receiver.create(t, { answer: (got, n) => ({ hang: n === 1 }) });
  const busy = await Receiver.create(t, { answer: (got, n) => (n === 1 ? { status: 429, headers: { 'Retry-After': '3' } } : {}) });
  const away = await Receiver.create(t);
  await away.close();
  const good = await Receiver.create(t);
  const site = await withWebhooks(t, { failing: { receiver: failing }, hanging: { receiver: hanging, keys: 'timeout = 500ms' }, busy: { receiver: busy },
    away: { receiver: away }, good: { receiver: good } });
  await insert(site, { count: 3 });
  const want = await log(site);
  await until('the good one', () => good.taken.length === 3);
  await until('one that is away', async () => (await state(site, 'away')).state === 'failing');
  assert.match((await state(site, 'away')).why, /refused/);
  const back = await Receiver.create(t, { secret: away.secret, port: away.port });
  for (const r of [failing, hanging, busy, back]) {
    await until('what was missing', () => r.taken.length === 3, 60000);
    assert.deepEqual([r.seqs, r.bad], [want, []]);
  }
  assert.deepEqual(new Set(failing.requests.map((r) => r.path)), new Set(['/hook']), 'no redirect is followed');
  assert.equal(new Set(failing.requests.slice(0, 3).map((r) => r.headers['webhook-id'])).size, 1, 'the same event keeps its id');
  assert.ok(busy.requests[1].at - busy.requests[0].at >= 2990, 'Retry-After was heeded');
  assert.equal((await state(site, 'failing')).state, 'running');
});

test('what is not taken is left out and logged whole; who is gone is parked, and resumed by hand', async (t) => {
  const picky = await Receiver.create(t, { answer: (got) => (/poison/.test(got.body) ? { status: 422, body: 'no poison' } : {}) });
  let gone = true;
  const leaving = await Receiver.create(t, { answer: () => (gone ? { status: 410, body: 'moved away' } : {}) });
  const site = await withWebhooks(t, { picky: { receiver: picky }, leaving: { receiver: leaving } });
  await insert(site);
  await insert(site, { reason: 'poison' });
  await insert(site);
  const want = await log(site);
  await until('what can be taken', () => picky.taken.length === 2, 60000);
  assert.deepEqual(picky.seqs, [want[0], want[2]]);
  assert.equal((await state(site, 'picky')).left_out_total, 1);
  assert.match(site.log('relay'), /error webhook: not taken by the receiver: left out name=picky .*no poison.*poison/);
  const parked = await until('the other is parked', async () => { const w = await state(site, 'leaving'); return w.state === 'parked' && w; });
  assert.match(parked.why, /410: moved away/);
  assert.match(site.log('relay'), /given up: parked.*name=leaving/);
  await until('and stays so', async () => (await site.value("SELECT parked_why IS NOT NULL FROM webhooks WHERE name = 'leaving'")) === 't');
  await site.kill('relay');
  await site.ready();
  await until('also after a restart', async () => (await state(site, 'leaving')).state === 'parked');
  assert.equal(leaving.requests.length, 1);
  gone = false;
  assert.equal((await post(site, '/v1/webhooks/nobody/resume')).status, 404);
  assert.equal((await post(site, '/v1/webhooks/leaving/resume?from=then')).status, 400);
  assert.equal((await post(site, '/v1/webhooks/picky/resume')).status, 409);
  assert.equal((await post(site, '/v1/webhooks/leaving/resume')).status, 200);
  await until('all of it', () => leaving.taken.length === 3);
  assert.deepEqual([leaving.seqs, leaving.bad], [want, []]);
});

test('after give_up without a delivery it is parked, and may go on from now', async (t) => {
  let dead = true;
  const receiver = await Receiver.create(t, { answer: () => (dead ? { status: 503 } : {}) });
  const site = await withWebhooks(t, { dead: { receiver, keys: 'give_up = 1s' } });
  await insert(site);
  await until('it is parked', async () => (await state(site, 'dead')).state === 'parked', 60000);
  await until('in the database too', async () => (await site.value('SELECT parked_at IS NOT NULL FROM webhooks')) === 't');
  await insert(site, { count: 2 });
  dead = false;
  assert.equal((await post(site, '/v1/webhooks/dead/resume?from=now')).status, 200);
  await until('it runs', async () => (await state(site, 'dead')).state === 'running');
  await insert(site);
  await until('what is new', () => receiver.taken.length > 0);
  assert.deepEqual(receiver.seqs, (await log(site)).slice(-1));
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

test('private networks are out of reach, by address at the start and by name when it is resolved', async (t) => {
  const receiver = await Receiver.create(t);
  const site = await withWebhooks(t, { named: { receiver, url: `https://localhost:${receiver.port}/hook`, allow: 'no' } });
  await insert(site);
  await until('it is refused', async () => /address (127\.0\.0\.1|::1) is not public .*allow_private/.test((await state(site, 'named')).why ?? ''));
  assert.equal(receiver.connections, 0);
  const plain = fs.readFileSync(site.conf, 'utf8');
  for (const [url, what] of [[`https://127.0.0.1:${receiver.port}/`, /not public \(loopback\)/], ['https://[::ffff:10.0.0.1]/', /not public/],
    ['https://169.254.169.254/latest', /link-local/], [`http://example.org/`, /http:\/\/ is only for private/], ['ftp://example.org/', /https:\/\//], ['https://u:p@example.org/', /user/]]) {
    fs.writeFileSync(`${site.dir}/bad.conf`, plain.replace(/url = .*/, `url = ${url}`));
    const { code, stderr } = await command(program('tocsin-relay'), ['-c', `${site.dir}/bad.conf`, '-n']);
    assert.deepEqual([code, what.test(stderr)], [100, true], `${url}: ${stderr}`);
  }
});

test('the services get their own forms, and no token gets into a log or an answer', async (t) => {
  const token = 'bot123456:SECRETSECRETSECRET';
  const echo = (got, n) => (n === 1 ? { status: 404, body: `Cannot POST ${got.path} ${got.path}` } : n === 2 ? { status: 429, body: '{"ok":false,"parameters":{"retry_after":1}}' } : {});
  const telegram = await Receiver.create(t, { secret: null, answer: echo });
  const [discord, slack, ntfy] = [await Receiver.create(t, { secret: null }), await Receiver.create(t, { secret: null }), await Receiver.create(t, { secret: null })];
  const site = await withWebhooks(t, {
    telegram: { url: `http://127.0.0.1:${telegram.port}/${token}/sendMessage`, keys: 'format = telegram\nchat_id = -1001' },
    discord: { receiver: discord, keys: 'format = discord' }, slack: { receiver: slack, keys: 'format = slack' },
    ntfy: { url: `http://127.0.0.1:${ntfy.port}/base/signals`, keys: `format = ntfy\nsecret_file = /tmp/tocsin-ntfy.${process.pid}` },
  }, { start: false });
  fs.writeFileSync(`/tmp/tocsin-ntfy.${process.pid}`, 'tk_NTFYSECRET\n', { mode: 0o600 });
  t.after(() => fs.rmSync(`/tmp/tocsin-ntfy.${process.pid}`));
  await site.start();
  await until('the webhooks are running', async () => (await site.json('/v1/webhooks')).webhooks.every((w) => w.state === 'running'));
  await insert(site, { symbol: "'BTC/USDT'", reason: '<b>&*bold*' });
  for (const r of [telegram, discord, slack, ntfy]) await until('one message', () => r.taken.length === 1, 60000);
  const [a, b, c, d] = [telegram, discord, slack, ntfy].map((r) => JSON.parse(r.taken[0].body));
  assert.equal(telegram.taken[0].path, `/${token}/sendMessage`);
  assert.equal(a.chat_id, '-1001');
  assert.match(a.text, /^<b>LONG BTC\/USDT 1m \(ema_cross\)<\/b>\nEntry 100.*\n&lt;b&gt;&amp;\*bold\*$/s);
  assert.match(b.content, /\\<b\\>&\\\*bold\\\*$/);
  assert.match(c.text, /&lt;b&gt;&amp;\*bold\*$/);
  assert.deepEqual([d.topic, d.title, ntfy.taken[0].path, ntfy.taken[0].headers.authorization], ['signals', 'LONG BTC/USDT 1m (ema_cross)', '/base/', 'Bearer tk_NTFYSECRET']);
  const shown = site.log('relay') + JSON.stringify(await site.json('/v1/status')) + (await command(program('tocsin-relay'), ['-c', site.conf, '-T'])).stdout;
  assert.ok(!/SECRET/.test(shown));
  assert.match(shown, /HTTP status 404: Cannot POST \[path\]/);
});

test('a configuration that cannot work is refused, all of it at once', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure();
  const file = (name, text, mode = 0o600) => { fs.writeFileSync(`${site.dir}/${name}`, text); fs.chmodSync(`${site.dir}/${name}`, mode); return `${site.dir}/${name}`; };
  const good = file('good', `${newSecret()}\n`);
  fs.appendFileSync(site.conf, `
[webhook a]\nsecret_file = ${good}
[webhook b]\nurl = https://example.org/\nurl_file = ${good}\nsecret_file = ${good}
[webhook c]\nurl = https://example.org/
[webhook d]\nurl = https://example.org/\nsecret_file = ${file('short', 'whsec_AAAA')}
[webhook e]\nurl = https://example.org/\nsecret_file = /nowhere/at/all
[webhook f]\nurl = https://example.org/\nformat = telegram
[webhook g]\nurl = https://example.org/\nformat = telegram\nchat_id = 5
[webhook h]\nurl = https://example.org/\nformat = ntfy
[webhook i]\nurl = https://example.org/\nformat = slack\nsecret_file = ${good}
[webhook j]\nurl = https://example.org/x\nformat = discord\nside = up\nkind = born\nsymbol = btc\nca_file = ${good}
[webhook K]\nurl = https://example.org/x\nformat = discord
`);
  const { code, stderr } = await command(program('tocsin-relay'), ['-c', site.conf, '-n']);
  assert.equal(code, 100);
  for (const what of [/\[webhook a\] needs one of url and url_file/, /\[webhook b\] needs one of/, /\[webhook c\] needs secret_file/, /secret_file: too short/, /secret_file: \/nowhere/,
    /\[webhook f\]: chat_id is needed/, /url: Telegram's is/, /url: ntfy's URL ends/, /secret_file: has no use/, /side: "up"/, /kind: "born"/, /symbol: "btc"/, /ca_file: .*certificates/, /\[webhook K\] has no good name/]) {
    assert.match(stderr, what);
  }
});
