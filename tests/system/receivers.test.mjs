// Receivers of webhooks that fail, refuse, hang, are gone, or are none that may be reached; and the services' own forms.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Site, command, program, until } from './lib/site.mjs';
import { Receiver, newSecret } from './lib/receiver.mjs';
import { insert, log, post, state, withWebhooks } from './lib/webhooks.mjs';

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

test('a topic is as good as a password: neither what is left out nor an answer shows it', async (t) => {
  const ntfy = await Receiver.create(t, { secret: null, answer: (got) => ({ status: 400, body: `bad topic ${JSON.parse(got.body).topic}` }) });
  const site = await withWebhooks(t, { ntfy: { url: `http://127.0.0.1:${ntfy.port}/topicSECRET`, keys: 'format = ntfy' } });
  await insert(site, { reason: 'whole' });
  await until('it is left out', async () => (await state(site, 'ntfy')).left_out_total === 1, 60000);
  assert.equal(JSON.parse(ntfy.requests[0].body).topic, 'topicSECRET');
  const shown = site.log('relay') + JSON.stringify(await site.json('/v1/status'));
  assert.match(shown, /left out name=ntfy .*HTTP status 400: bad topic \[.*whole/);
  assert.ok(!/SECRET/.test(shown), shown);
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
