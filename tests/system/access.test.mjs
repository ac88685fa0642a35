// Who may do what: tokens, JSON Web Tokens, their scopes and symbols, and what a SIGHUP changes.
import test from 'node:test';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { Site, command, program, until } from './lib/site.mjs';
import { EventStream } from './lib/sse.mjs';
import { closeSignal, insertSignal, relayOnly } from './lib/apisite.mjs';

const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex');
const section = (name, secret, keys = '') => `[token ${name}]\nsha256 = ${sha256(secret)}\n${keys}\n`;
const bearer = (secret) => ({ authorization: `Bearer ${secret}` });
const KEY = 'a key of more than thirty-two bytes, for tests';

function jwt(claims, key = KEY, header = { alg: 'HS256', typ: 'JWT' }) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${crypto.createHmac('sha256', key).update(signed).digest('base64url')}`;
}
const inSeconds = (s) => Math.floor(Date.now() / 1000) + s;

const status = async (site, where, headers = {}, method = 'GET') => {
  const response = await fetch(`http://127.0.0.1:${site.port}${where}`, { method, headers, signal: AbortSignal.timeout(20000) });
  const body = await response.text();
  if (response.status >= 400) assert.ok(JSON.parse(body).error, body);
  return response.status;
};

// Replace the tokens of the configuration and tell the relay; resolves when it has taken (or refused) them.
async function reconfigure(site, change, logged) {
  const times = () => site.log('relay').split(logged).length;
  const before = times();
  fs.writeFileSync(site.conf, change(fs.readFileSync(site.conf, 'utf8')));
  process.kill(site.process('relay').pid, 'SIGHUP');
  await until(`"${logged}" in the log`, () => times() > before);
}

test('every way to show a token opens what its scopes say, and nothing more', async (t) => {
  const site = await relayOnly(t, { relay: `${section('reader', 'r')}${section('phone', 'p', 'scopes = read, ack')}${section('boss', 'b', 'scopes = read, ack, admin')}` });
  const id = await insertSignal(site);
  const routes = ['/v1/signals', `/v1/signals/${id}`, '/v1/stats', '/v1/status', '/metrics', '/v1/candles?exchange=a&symbol=A/B&timeframe=1m', '/v1/stream'];
  for (const where of routes) {
    assert.equal(await status(site, where), 401, where);
    assert.equal(await status(site, where, bearer('wrong')), 401, where);
  }
  for (const where of ['/', '/app.js', '/healthz', '/readyz']) assert.equal(await status(site, where), 200, where);
  for (const headers of [bearer('r'), { authorization: 'bearer r' }, { apikey: 'r' }, { 'x-api-key': 'r' }]) assert.equal(await status(site, '/v1/signals', headers), 200, JSON.stringify(headers));
  assert.equal(await status(site, '/v1/signals?apikey=r&limit=5'), 200);
  assert.equal(await status(site, '/v1/signals?limit=5&token=r'), 200);
  assert.equal(await status(site, '/v1/signals', { authorization: 'Basic r' }), 401);
  const refused = await site.get('/v1/signals');
  assert.match(refused.headers.get('www-authenticate'), /^Bearer/);
  await refused.text();
  const can = async (secret, what) => status(site, `/v1/signals/${id}/${what}`, bearer(secret), 'POST');
  assert.deepEqual([await can('r', 'ack'), await can('r', 'cancel'), await can('p', 'cancel'), await can('x', 'ack')], [403, 403, 403, 401]);
  assert.equal(await site.value(`SELECT status FROM signals WHERE id = ${id} AND acked_at IS NULL`), 'active');
  assert.deepEqual([await can('p', 'ack'), await can('b', 'cancel')], [200, 200]);
  assert.match(site.log('relay'), /asked to cancel a signal id=\d+ by=boss/);
  const stream = new EventStream(site, '/v1/stream?apikey=r&after=0');
  await until('the history', () => stream.events.length === 3);
  for (const secret of ['p', 'b', 'r']) assert.doesNotMatch(site.log('relay'), new RegExp(sha256(secret)));
});

test('a token for some symbols shows these, everywhere', async (t) => {
  const site = await relayOnly(t, { relay: `${section('narrow', 'n', 'scopes = read, ack, admin\nsymbols = BTC/USDT, ETH/USDT')}${section('wide', 'w')}` });
  const ids = {};
  for (const symbol of ['BTC/USDT', 'XRP/USDT', 'ETH/USDT']) ids[symbol] = await insertSignal(site, { symbol });
  await site.sql(`INSERT INTO candles SELECT 'test', s, '1m', '2026-01-01', 1, 1, 1, 1, 1, 1, 'sim' FROM unnest(ARRAY['BTC/USDT', 'XRP/USDT']) s`);
  await closeSignal(site, ids['XRP/USDT']);
  await closeSignal(site, ids['BTC/USDT']);
  const json = async (where) => (await site.get(where, bearer('n'))).json();
  assert.deepEqual((await json('/v1/signals')).signals.map((s) => s.symbol), ['ETH/USDT', 'BTC/USDT']);
  assert.deepEqual((await json('/v1/signals?symbol=XRP/USDT')).signals, []);
  assert.equal(await status(site, `/v1/signals/${ids['BTC/USDT']}`, bearer('n')), 200);
  for (const [what, method] of [['', 'GET'], ['/ack', 'POST'], ['/cancel', 'POST']]) assert.equal(await status(site, `/v1/signals/${ids['XRP/USDT']}${what}`, bearer('n'), method), 404, what);
  assert.equal((await json('/v1/candles?exchange=test&timeframe=1m&symbol=BTC/USDT')).candles.length, 1);
  assert.equal((await json('/v1/candles?exchange=test&timeframe=1m&symbol=XRP/USDT')).candles.length, 0);
  assert.deepEqual((await json('/v1/stats')).strategies.map((s) => [s.active, s.closed]), [[1, 1]]);
  const narrow = new EventStream(site, '/v1/stream?after=0&apikey=n');
  const wide = new EventStream(site, '/v1/stream?after=0&apikey=w');
  await until('the wide one has all', () => wide.events.length === 5);
  await insertSignal(site, { symbol: 'XRP/USDT' });
  await insertSignal(site, { symbol: 'ETH/USDT', timeframe: '5m' });
  await until('both have the last', () => wide.events.length === 7 && narrow.events.length === 4);
  assert.deepEqual(narrow.events.map((e) => e.data.record.symbol), ['BTC/USDT', 'ETH/USDT', 'BTC/USDT', 'ETH/USDT']);
});

test('a web token is taken until it expires, and its stream ends with it', async (t) => {
  const site = await Site.create(t);
  fs.writeFileSync(`${site.dir}/jwt.key`, `${KEY}\n`, { mode: 0o600 });
  site.configure({ relay: `jwt_secret_file = ${site.dir}/jwt.key\nkeepalive = 1s`,
    processes: `[process relay]\ncommand = ${program('tocsin-relay')} -c ${site.dir}/tocsin.conf\nlisten = 127.0.0.1:${site.port}\n` });
  await site.migrate();
  await site.start();
  const of = (token) => status(site, '/v1/signals', bearer(token));
  assert.equal(await of(jwt({ exp: inSeconds(60) })), 200);
  assert.equal(await status(site, `/v1/signals?apikey=${jwt({ exp: inSeconds(60), role: 'anon' })}`), 200);
  // EventSource and WebSocket have no other place for one of this length.
  const long = jwt({ exp: inSeconds(60), symbols: Array.from({ length: 250 }, (_, i) => `COIN${i}/USDT`) });
  assert.ok(long.length > 4096);
  for (const where of [`/v1/signals?apikey=${long}`, `/v1/signals?apikey=${long}&apikey=x&token=y`]) assert.equal(await status(site, where), 200);
  assert.equal(await of(jwt({ exp: inSeconds(-1) })), 401);
  assert.equal(await of(jwt({ sub: 'x' })), 401);
  assert.equal(await of(jwt({ exp: inSeconds(60) }, `${KEY}!`)), 401);
  assert.equal(await of(jwt({ exp: inSeconds(60) }, KEY, { alg: 'none' })), 401);
  assert.equal(await of(`${jwt({ exp: inSeconds(60) }).split('.').slice(0, 2).join('.')}.`), 401);
  assert.equal(await of(jwt({ exp: inSeconds(60), scopes: ['ack'] })), 403);
  const id = await insertSignal(site);
  assert.equal(await status(site, `/v1/signals/${id}/ack`, bearer(jwt({ exp: inSeconds(60), role: 'service_role' })), 'POST'), 403);
  assert.equal(await status(site, `/v1/signals/${id}/ack`, bearer(jwt({ exp: inSeconds(60), scopes: 'read ack', sub: 'ann' })), 'POST'), 200);
  assert.match(site.log('relay'), /asked to ack a signal id=\d+ by=jwt:ann/);
  const response = await site.get('/v1/stream?after=0', bearer(jwt({ exp: inSeconds(6) })));
  const text = await response.text(); // to its end: the relay's doing
  assert.match(text, /"kind":"opened"[^]*"kind":"acked"/);
});

test('SIGHUP takes new tokens, ends what the old ones opened, and keeps all when something is wrong', async (t) => {
  const site = await relayOnly(t, { relay: `keepalive = 1s\n${section('stays', 'one')}${section('goes', 'two')}` });
  const stays = new EventStream(site, '/v1/stream?apikey=one');
  await until('it is open', () => stays.connects === 1);
  const goes = await site.get('/v1/stream', bearer('two'));
  assert.equal(goes.status, 200);
  const ended = goes.text();
  await reconfigure(site, (conf) => conf.replace(section('goes', 'two'), section('fresh', 'three')), 'tokens and key read again');
  await ended;
  assert.deepEqual([await status(site, '/v1/signals', bearer('one')), await status(site, '/v1/signals', bearer('two')), await status(site, '/v1/signals', bearer('three'))], [200, 401, 200]);
  await reconfigure(site, (conf) => conf.replace(sha256('three'), 'three'), 'tokens and key stay as they were');
  assert.match(site.log('relay'), /settings: .*sha256: this value is not allowed/);
  assert.equal(await status(site, '/v1/signals', bearer('three')), 200);
  await insertSignal(site);
  await until('the stream goes on', () => stays.events.length === 1);
  assert.equal(stays.connects, 1);
});

test('an address beyond this machine takes a token, and does not lose it by a SIGHUP', async (t) => {
  const site = await Site.create(t, { database: false });
  const listen = `listen=0.0.0.0:${site.port}`;
  const start = () => command(program('tocsin-relay'), ['-c', site.conf, listen]);
  site.conf = `${site.dir}/tocsin.conf`;
  const conf = (more) => fs.writeFileSync(site.conf, `[tocsin]\nruntime_dir = ${site.dir}/run\n[relay]\ndatabase = host=/nonexistent\n${more}`);
  conf('');
  const open = await start();
  assert.equal(open.code, 100);
  assert.match(open.stderr, /not a loopback address.*\[token NAME\]/);
  conf(section('one', '1'));
  const relay = site.spawn(program('tocsin-relay'), ['-c', site.conf, listen]);
  await until('it serves', () => site.get('/healthz').then((r) => r.status === 200, () => false));
  assert.equal(await status(site, '/v1/status'), 401);
  assert.equal(await status(site, '/v1/status', bearer('1')), 200);
  conf('');
  relay.kill('SIGHUP');
  await until('it refuses', () => /tokens and key stay as they were/.test(relay.output()));
  assert.equal(await status(site, '/v1/status'), 401);
  relay.kill('SIGTERM');
  assert.deepEqual(await relay.ended, { code: 0, signal: null });
});

test('`tocsin-relay token` makes what the configuration takes, and -n tells what it does not', async (t) => {
  const site = await Site.create(t, { database: false });
  const made = await command(program('tocsin-relay'), ['token', 'phone']);
  assert.equal(made.code, 0);
  const [secret] = made.stderr.split('\n');
  assert.match(secret, /^tocsin_[A-Za-z0-9_-]{43}$/);
  assert.match(made.stdout, new RegExp(`^\\[token phone\\]\nsha256 = ${sha256(secret)}\n`));
  assert.ok(!made.stdout.includes(secret));
  assert.notEqual((await command(program('tocsin-relay'), ['token', 'phone'])).stdout, made.stdout);
  assert.equal((await command(program('tocsin-relay'), ['token'])).code, 100);
  assert.equal((await command(program('tocsin-relay'), ['token', 'No Name'])).code, 100);
  const check = async (relay) => {
    site.configure({ processes: '', relay });
    return command(program('tocsin-relay'), ['-c', site.conf, '-n']);
  };
  assert.equal((await check(made.stdout)).code, 0);
  fs.writeFileSync(`${site.dir}/short`, 'short\n', { mode: 0o600 });
  for (const [relay, error] of [[`[token a]\nsha256 = ${secret}`, /64 hexadecimal digits/], ['[token a]', /sha256: is missing/], [section('a', 'x', 'scopes = root'), /read, ack, admin/],
    [section('a', 'x', 'symbols = btc'), /BASE\/QUOTE/], [section('a', 'x') + section('b', 'x'), /that of \[token a\] already/], ['anonymous = everything', /read, ack, admin/],
    ['jwt_secret_file = /nonexistent', /No such file/], [`jwt_secret_file = ${site.dir}/short`, /at least 32 bytes/]]) {
    const { code, stderr } = await check(relay);
    assert.equal(code, 100, relay);
    assert.match(stderr, error);
    assert.ok(!stderr.includes(secret), 'a secret in an error');
  }
});
