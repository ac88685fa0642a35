// Supabase Realtime over TLS: the real client at wss://, through more than a socket takes at once.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { until } from './lib/site.mjs';
import { hangUp, realtime, without, ws } from './lib/npm.mjs';
import { insert, insertMany, logged, newestSeq, relayOnly } from './lib/relayonly.mjs';

test('wss: joins, a burst and a resume', { skip: without(realtime, ws) }, async (t) => {
  const dir = fs.mkdtempSync(`${os.tmpdir()}/tocsin-wss.`);
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
    '-keyout', `${dir}/key`, '-out', `${dir}/crt`], { stdio: 'ignore' });
  // Started without, so that the harness can ask it over HTTP; the next one reads the file anew.
  const site = await relayOnly(t);
  fs.writeFileSync(site.conf, fs.readFileSync(site.conf, 'utf8').replace('[relay]\n', `[relay]\ntls_cert = ${dir}/crt\ntls_key = ${dir}/key\n`));
  await site.kill('relay');
  const ca = fs.readFileSync(`${dir}/crt`);
  class Trusting extends ws.WebSocket {
    constructor(url, protocols) { super(url, protocols, { ca }); }
  }
  const client = new realtime.RealtimeClient(`wss://localhost:${site.port}/realtime/v1`, { params: { apikey: 'any' }, transport: Trusting });
  site.streams.push({ close: () => hangUp(client) });
  const join = async (name, after) => {
    const log = { seen: [], status: [] };
    const channel = client.channel(name);
    if (after !== undefined) channel.updateJoinPayload({ tocsin: { after } });
    channel.on('postgres_changes', { event: '*', schema: 'public', table: 'signals' }, (p) => log.seen.push(p.new)).subscribe((s, e) => log.status.push(e?.message ?? s), 60000);
    await until(`${name} is joined`, () => log.status.includes('SUBSCRIBED')).catch(() => assert.fail(log.status.join()));
    return log;
  };
  const from = await newestSeq(site);
  const live = await join('live');
  await insert(site, { indicators: JSON.stringify({ pad: 'y'.repeat(90000) }) });
  await insertMany(site, 2000, { prefix: 'T', reason: "repeat('x', 400)" });
  await until('all have come', () => live.seen.length === 2001, 60000);
  const want = await logged(site, `seq > ${from}`);
  assert.deepEqual(live.seen, want);
  const resumed = await join('resumed', want[999].seq);
  await until('the rest has come', () => resumed.seen.length === 1001, 60000);
  assert.deepEqual(resumed.seen, want.slice(1000));
  assert.deepEqual([live.status, resumed.status], [['SUBSCRIBED'], ['SUBSCRIBED']]);
});
