// Supabase Realtime behind tokens and JWTs: who may join, what he sees, and what happens when his right ends.
import test from 'node:test';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { until } from './lib/site.mjs';
import { hangUp, realtime, without, ws } from './lib/npm.mjs';
import { Phoenix, all } from './lib/phoenix.mjs';
import { insert, insertMany, logged, newestSeq, relayOnly } from './lib/relayonly.mjs';

const KEY = crypto.randomBytes(32).toString('hex');
const READER = 'reader-secret', BITCOIN = 'bitcoin-secret', BLIND = 'blind-secret';
const now = () => Math.floor(Date.now() / 1000);
const base64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

function jwt(claims, { key = KEY, alg = 'HS256' } = {}) {
  const body = `${base64({ alg, typ: 'JWT' })}.${base64({ role: 'authenticated', ...claims })}`;
  const hash = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' }[alg];
  return `${body}.${hash ? crypto.createHmac(hash, key).update(body).digest('base64url') : ''}`;
}

const section = (name, secret, keys) => `[token ${name}]\nsha256 = ${crypto.createHash('sha256').update(secret).digest('hex')}\n${keys}\n`;

async function guarded(t, more = {}) {
  const file = `${fs.mkdtempSync('/tmp/tocsin-key.')}/jwt`;
  t.after(() => fs.rmSync(file.replace(/\/jwt$/, ''), { recursive: true }));
  fs.writeFileSync(file, KEY, { mode: 0o600 });
  return relayOnly(t, { relay: `jwt_secret_file = ${file}`,
    sections: section('reader', READER, 'scopes = read') + section('bitcoin', BITCOIN, 'scopes = read\nsymbols = BTC/USDT, XBT/USDT') + section('blind', BLIND, 'scopes = ack'), ...more });
}

const path = (secret) => `/realtime/v1/websocket?vsn=2.0.0${secret === undefined ? '' : `&apikey=${encodeURIComponent(secret)}`}`;

test('who may join, by which secret, and the reason for who may not', async (t) => {
  const site = await guarded(t);
  const join = async (secret, payload = {}, headers = {}) => {
    const client = await Phoenix.open(site, { path: path(secret), headers });
    const { status, response } = await client.join('realtime:x', [all()], payload);
    assert.equal((await client.heartbeat()).status, 'ok', 'the socket stays');
    client.close();
    return status === 'ok' ? 'ok' : response.reason;
  };
  const good = jwt({ exp: now() + 600 });
  for (const secret of [READER, BITCOIN, good, jwt({ exp: now() + 600, scopes: ['read', 'ack'], symbols: ['BTC/USDT'] })]) {
    assert.equal(await join(secret), 'ok');
    assert.equal(await join(secret, { access_token: secret }), 'ok', 'as supabase-js sends it');
    assert.equal(await join(undefined, {}, { Authorization: `Bearer ${secret}` }), 'ok');
    assert.equal(await join(undefined, {}, { apikey: secret }), 'ok');
    assert.equal(await join(undefined, {}, { 'X-API-Key': secret }), 'ok');
  }
  assert.equal(await join(READER, { access_token: good }), 'ok');
  assert.equal(await join(READER, { access_token: 'sb_publishable_whatever' }), 'ok', 'a key of theirs means: the apikey');
  assert.equal(await join(READER, { access_token: null }), 'ok');
  const head = good.split('.');
  const refused = {
    [READER.slice(1)]: /^Unauthorized/, [`${READER} `.repeat(2)]: /^Unauthorized/, [BLIND]: /^Unauthorized.*read/i,
    [jwt({ exp: now() - 5 })]: /^InvalidJWTToken.*expired/, [jwt({})]: /^InvalidJWTToken.*exp/, [jwt({ exp: now() + 600 }, { key: 'another key of some length, 32 bytes' })]: /^JwtSignatureError/,
    [jwt({ exp: now() + 600 }, { alg: 'none' })]: /JWT|Jwt/, [jwt({ exp: now() + 600 }, { alg: 'HS512' })]: /JWT|Jwt/, [`${head[0]}.${base64({ exp: now() + 9999 })}.${head[2]}`]: /^JwtSignatureError/,
    [jwt({ exp: now() + 600, scopes: ['ack'] })]: /^Unauthorized.*read/i, 'a.b.c': /^MalformedJWT/,
  };
  for (const [secret, reason] of Object.entries(refused)) {
    for (const why of [await join(secret), await join(undefined, { access_token: secret })]) {
      assert.match(why, reason, secret);
      assert.ok(!why.includes(secret));
    }
  }
  assert.match(await join(undefined), /^Unauthorized/);
  const log = site.log('relay');
  for (const secret of [READER, BITCOIN, good]) assert.ok(!log.includes(secret), 'no secret is logged');
});

test('a token for some symbols sees these only, whatever it asks for', async (t) => {
  const site = await guarded(t);
  const whole = await Phoenix.open(site, { path: path(READER) }), part = await Phoenix.open(site, { path: path(BITCOIN) }), claimed = await Phoenix.open(site, { path: path(jwt({ exp: now() + 600, symbols: ['ETH/USDT'] })) });
  for (const client of [whole, part, claimed]) {
    assert.equal((await client.join('realtime:all', [all()])).status, 'ok');
    assert.equal((await client.join('realtime:one', [all({ filter: 'symbol=eq.ETH/USDT' })])).status, 'ok');
  }
  for (const symbol of ['ETH/USDT', 'BTC/USDT', 'SOL/USDT', 'XBT/USDT']) await insert(site, { symbol });
  await until('the reader has all', () => whole.seqs('realtime:all').length === 4);
  await Promise.all([part, claimed].map((c) => c.heartbeat()));
  const symbols = (client, topic) => client.changes(topic).map((c) => c.data.record.symbol);
  await until('the others have theirs', () => symbols(part, 'realtime:all').length === 2 && symbols(claimed, 'realtime:all').length === 1);
  assert.deepEqual(symbols(whole, 'realtime:one'), ['ETH/USDT']);
  assert.deepEqual([symbols(part, 'realtime:all'), symbols(part, 'realtime:one')], [['BTC/USDT', 'XBT/USDT'], []]);
  assert.deepEqual([symbols(claimed, 'realtime:all'), symbols(claimed, 'realtime:one')], [['ETH/USDT'], ['ETH/USDT']]);
  // Nor through the past, nor through a snapshot.
  const past = await Phoenix.open(site, { path: path(BITCOIN) });
  await past.join('realtime:past', [all()], { tocsin: { after: 0 } });
  await past.join('realtime:lost', [all()], { tocsin: { after: `${'0'.repeat(32)}.1-2` } });
  await insert(site, { symbol: 'XBT/USDT', strategy: 'rsi_reversion' });
  for (const topic of ['realtime:past', 'realtime:lost']) {
    await until('the last one', () => past.changes(topic).length === 3);
    assert.deepEqual(symbols(past, topic).sort(), ['BTC/USDT', 'XBT/USDT', 'XBT/USDT']);
  }
});

test('a token that runs out ends its channels with the reason, one that is refreshed in time does not', async (t) => {
  const site = await guarded(t);
  const client = await Phoenix.open(site, { path: path(READER) });
  // Long enough for a slow machine to join and to refresh it.
  const exp = now() + 5, short = jwt({ exp });
  const { ref } = await client.join('realtime:ends', [all()], { access_token: short });
  await client.join('realtime:refreshed', [all()], { access_token: short });
  await client.join('realtime:mine', [all()]);
  const before = client.messages.filter((m) => m.event === 'phx_reply').length;
  client.push('realtime:refreshed', 'access_token', { access_token: jwt({ exp: now() + 600 }) });
  await client.heartbeat();
  assert.equal(client.messages.filter((m) => m.event === 'phx_reply').length, before + 1, 'the heartbeat has the only reply');
  await until('it ends', () => client.of('realtime:ends', 'phx_error').length === 1, 60000);
  assert.ok(Date.now() >= exp * 1000, 'not before its time');
  const error = client.messages.find((m) => m.event === 'phx_error');
  assert.ok(error.ref === null || error.ref === ref);
  assert.ok(error.joinRef === null || error.joinRef === ref);
  const system = client.of('realtime:ends', 'system').at(-1);
  assert.deepEqual([system.status, system.channel], ['error', 'ends']);
  assert.match(system.message, /expired/i);
  assert.equal(client.of('realtime:ends', 'phx_close').length, 0);
  await insert(site);
  await until('the others go on', () => ['refreshed', 'mine'].every((c) => client.changes(`realtime:${c}`).length === 1));
  assert.equal(client.changes('realtime:ends').length, 0);
  // A bad one ends the channel too: what it had was given up for it.
  client.push('realtime:refreshed', 'access_token', { access_token: jwt({ exp: now() - 1 }) });
  await until('it ends as well', () => client.of('realtime:refreshed', 'phx_error').length === 1);
  assert.match(client.of('realtime:refreshed', 'system').at(-1).message, /expired/i);
  assert.equal((await client.join('realtime:ends', [all()], { access_token: jwt({ exp: now() + 600 }) })).status, 'ok');
  assert.deepEqual(client.wrong, []);
});

test('the real client comes back by itself with a fresh token, and misses nothing', { skip: without(realtime, ws) }, async (t) => {
  const site = await guarded(t);
  for (const vsn of ['1.0.0', '2.0.0']) {
    const tokens = [];
    const client = new realtime.RealtimeClient(`ws://127.0.0.1:${site.port}/realtime/v1`, { params: { apikey: READER }, transport: ws.WebSocket, vsn,
      accessToken: async () => { // asked at connecting and at each heartbeat; good for a moment only, until one is kept
        tokens.push(jwt({ exp: now() + (tokens.length < 3 ? 3 : 600), n: tokens.length }));
        return tokens.at(-1);
      }, heartbeatIntervalMs: 3600000, timeout: 2000 });
    site.streams.push({ close: () => hangUp(client) });
    const seqs = [], statuses = [], messages = [], from = await newestSeq(site);
    await client.setAuth();
    const channel = client.channel('fresh').on('postgres_changes', { event: 'INSERT', schema: 'public', table: 'signals' }, ({ new: row }) => {
      seqs.push(row.seq);
      channel.updateJoinPayload({ tocsin: { after: row.seq } });
    }).on('system', {}, (m) => messages.push(m));
    channel.updateJoinPayload({ tocsin: { after: from } });
    channel.subscribe((status) => {
      statuses.push(status);
      if (status === 'CHANNEL_ERROR') client.setAuth(); // as an application does that has been told
    }, 5000);
    let round = 0;
    await until('it has ended and come back', async () => {
      await insertMany(site, 3, { prefix: `V${vsn[0]}R${round++}X` });
      return statuses.includes('CHANNEL_ERROR') && statuses.at(-1) === 'SUBSCRIBED' && tokens.length > 3;
    }, 120000, 200);
    await insertMany(site, 1, { prefix: `V${vsn[0]}LAST` });
    const want = (await logged(site, `seq > ${from}`)).map((r) => r.seq);
    await until('it has all', () => seqs.length >= want.length, 60000);
    assert.deepEqual(seqs, want);
    assert.ok(messages.some((m) => m.status === 'error' && /expired/i.test(m.message)), 'it was told why');
    assert.ok(!statuses.includes('CLOSED'));
    hangUp(client);
  }
});

test('a token taken out of the configuration ends its channels', async (t) => {
  const site = await guarded(t);
  const gone = await Phoenix.open(site, { path: path(BITCOIN) }), stays = await Phoenix.open(site, { path: path(READER) });
  await gone.join('realtime:x', [all()]);
  await stays.join('realtime:x', [all()]);
  fs.writeFileSync(site.conf, fs.readFileSync(site.conf, 'utf8').replace(/\[token bitcoin\][^[]*/, ''));
  process.kill(site.process('relay').pid, 'SIGHUP');
  await until('its channel ends', () => gone.of('realtime:x', 'phx_error').length === 1);
  assert.equal(gone.of('realtime:x', 'system').at(-1).status, 'error');
  assert.match((await gone.join('realtime:x', [all()])).response.reason, /taken back/);
  const late = await Phoenix.open(site, { path: path(BITCOIN) });
  assert.match((await late.join('realtime:x', [all()])).response.reason, /^Unauthorized/);
  await insert(site);
  await until('the other one goes on', () => stays.changes('realtime:x').length === 1);
});
