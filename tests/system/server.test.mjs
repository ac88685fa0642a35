// The web server as an attacker sees it: slow, huge, ambiguous, many, from elsewhere.  No database is there: none is needed.
import test from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import tls from 'node:tls';
import { Site, command, program, until } from './lib/site.mjs';

const TOKEN = 'a-token-for-tests';
const guarded = `[token t]\nsha256 = ${createHash('sha256').update(TOKEN).digest('hex')}\nscopes = read\n`;

// A relay without a watchdog and without its database.
async function relay(t, { keys = '', sections = '', address = '127.0.0.1', before = '' } = {}) {
  const site = await Site.create(t, { database: false });
  site.configure({ relay: `${keys}\n${sections}` });
  const command = `${before}exec ${program('tocsin-relay')} -c ${site.conf} listen=${address}:${site.port}`;
  site.relay = site.spawn('sh', ['-c', command]);
  await until('it listens', () => new Promise((done) => {
    const socket = net.connect(site.port, '127.0.0.1', () => { socket.destroy(); done(true); });
    socket.on('error', () => done(site.relay.exitCode !== null));
  }));
  assert.equal(site.relay.exitCode, null, site.relay.output());
  return site;
}

// Bytes in, bytes out: { text, socket, ended }.
function raw(t, site, bytes = '', { host = '127.0.0.1', ...options } = {}) {
  const socket = net.connect({ port: site.port, host, ...options });
  const it = { socket, text: '', ended: false };
  t.after(() => socket.destroy());
  socket.on('data', (data) => { it.text += data.toString('latin1'); });
  socket.on('error', (error) => { it.error = error; });
  socket.on('close', () => { it.ended = true; });
  socket.on('end', () => { it.ended = true; });
  if (bytes !== '') socket.write(bytes);
  return it;
}

const statuses = (text) => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
const rss = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

test('what two servers could understand in two ways is answered with an error, and nothing behind it is read', async (t) => {
  const site = await relay(t);
  const post = 'POST /healthz HTTP/1.1\r\nHost: localhost\r\n';
  const shapes = {
    400: [
      `${post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`, `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, `${post}Transfer-Encoding: chunked\r\n\r\n5\rXhello\r\n0\r\n\r\n`,
      `${post}Transfer-Encoding: chunked\r\n\r\nz\r\n`, `${post}X: a\r\n b\r\n\r\n`, 'GET /healthz HTTP/1.1\nHost: localhost\n\n',
      'GET /healthz\r\n', 'GET /healthz HTTP/1.1\r\n\r\n', 'GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n', 'GET /\0 HTTP/1.1\r\n', '\x16\x03\x01\x02\0\x01',
    ],
    413: [`${post}Content-Length: 65537\r\n\r\n`, `${post}Transfer-Encoding: chunked\r\n\r\n10001\r\n`],
    414: [`GET /${'a'.repeat(20000)} HTTP/1.1\r\n`],
    417: [`${post}Expect: a miracle\r\nContent-Length: 1\r\n\r\n`],
    421: ['GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n'],
    431: [`GET /healthz HTTP/1.1\r\nX: ${'a'.repeat(20000)}`, `GET /healthz HTTP/1.1\r\nHost: a\r\n${'X: a\r\n'.repeat(200)}\r\n`],
    501: [`${post}Transfer-Encoding: gzip, chunked\r\n\r\n`, 'BREW /pot HTTP/1.1\r\n', 'CONNECT a:1 HTTP/1.1\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    505: ['GET / HTTP/3.0\r\n'],
  };
  for (const [status, texts] of Object.entries(shapes)) {
    for (const text of texts) {
      const it = raw(t, site, Buffer.from(`${text}GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n`, 'latin1'));
      await until(`an end to ${JSON.stringify(text.slice(0, 80))}`, () => it.ended);
      assert.deepEqual(statuses(it.text), [Number(status)], text.slice(0, 80));
      assert.ok(JSON.parse(it.text.split('\r\n\r\n')[1]).error);
      assert.match(it.text, /^Connection: close\r$/m);
      it.socket.destroy();
    }
  }
});

test('requests behind one another are answered in order; HEAD has no body; who waits to be asked for his body is', async (t) => {
  const site = await relay(t);
  const ask = (method, where, more = '') => `${method} ${where} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
  const it = raw(t, site, `${ask('GET', '/healthz')}\r\n${ask('HEAD', '/healthz')}${ask('GET', '/nowhere')}${ask('POST', '/healthz', 'Content-Length: 5\r\n')}hello${ask('DELETE', '/healthz')}${ask('OPTIONS', '/healthz')}`);
  await until('all are answered', () => statuses(it.text).length === 6);
  assert.deepEqual(statuses(it.text), [200, 200, 404, 405, 405, 204]);
  const [first, second] = it.text.split(/(?=HTTP\/1\.1 )/);
  assert.match(first, /Content-Length: 3\r\n[^]*\r\n\r\nok\n$/);
  assert.match(second, /Content-Length: 3\r\n[^]*\r\n\r\n$/);
  assert.match(it.text, /Allow: GET, HEAD, OPTIONS/);
  const asked = raw(t, site, ask('POST', '/healthz', 'Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n'));
  await until('it is asked', () => asked.text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
  assert.deepEqual(statuses(asked.text), [100]);
  asked.socket.write('hi');
  await until('it ends', () => asked.ended);
  assert.deepEqual(statuses(asked.text), [100, 405]);
  // One who has said all gets his answer still.
  const half = raw(t, site, '', { allowHalfOpen: true });
  half.socket.end(ask('GET', '/healthz'));
  await until('it is answered', () => half.ended && statuses(half.text).length === 1);
  // All of them, when his end is here before any answer is.
  site.relay.kill('SIGSTOP');
  const all = raw(t, site, '', { allowHalfOpen: true });
  await new Promise((done) => all.socket.end(ask('GET', '/healthz').repeat(5), done));
  site.relay.kill('SIGCONT');
  await until('it ends', () => all.ended);
  assert.deepEqual(statuses(all.text), [200, 200, 200, 200, 200]);
  // A handshake is a GET.
  const handshake = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
  for (const [method, status] of [['HEAD', 405], ['GET', 101]]) {
    const upgrade = raw(t, site, ask(method, '/realtime/v1/websocket', handshake));
    await until('it is answered', () => upgrade.text.includes('\r\n\r\n'));
    assert.deepEqual(statuses(upgrade.text), [status]);
  }
});

test('nothing outside the page\'s own files has a path', async (t) => {
  const site = await relay(t);
  for (const where of ['/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/..%2f..%2fetc%2fpasswd', '//etc/passwd', '/./index.html', '/index.html/', '/index.html%00.png', '/app.js/../index.html',
    '/..\\..\\etc\\passwd', '/%c0%ae%c0%ae/etc/passwd', '/relay/www/index.html', '/.git/config', '/index.htm', '/INDEX.HTML']) {
    const it = raw(t, site, `GET ${where} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    await until(where, () => it.ended);
    assert.deepEqual(statuses(it.text), [404], where);
  }
});

test('slow heads and slow bodies run out of time, however they drip', async (t) => {
  const site = await relay(t, { keys: 'request_timeout = 1s' });
  const head = 'POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n';
  const drips = [raw(t, site, 'GET /hea'), raw(t, site, `${head}\r\n`), raw(t, site, `GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n${head}`)];
  const timer = setInterval(() => drips.forEach((d) => d.ended || d.socket.write('a')), 50);
  t.after(() => clearInterval(timer));
  const silent = raw(t, site);
  await until('all have ended', () => silent.ended && drips.every((d) => d.ended), 20000);
  assert.deepEqual(drips.map((d) => statuses(d.text)), [[408], [408], [200, 408]]);
  assert.equal(silent.text, '');
});

test('who asks for much and reads nothing costs little, and holds up nobody', async (t) => {
  // AddressSanitizer keeps what was freed: little of it here.
  const site = await relay(t, { before: 'export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=8"; ' });
  const before = rss(site.relay.pid);
  const greedy = Array.from({ length: 50 }, () => raw(t, site, 'GET /app.js HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(5000)));
  greedy.forEach((g) => g.socket.pause());
  let had = 0;
  await until('it has done for them what it will', async () => {
    const before = had;
    had = (await site.json('/v1/status')).requests_total;
    return had > 100 && had === before + 1; // this one
  }, 60000, 300);
  for (let i = 0; i < 20; i++) assert.equal((await site.get('/healthz')).status, 200);
  // A file and an input's buffer each, not all that was asked for: 2 GB.
  assert.ok(rss(site.relay.pid) - before < 50000, `${rss(site.relay.pid) - before} kB more`);
});

test('10,000 connections that say nothing, beside a stream that goes on', { timeout: 120000 }, async (t) => {
  const site = await relay(t, { keys: 'keepalive = 1s\nrequest_timeout = 60s', before: 'ulimit -n $(ulimit -H -n); ' });
  const stream = raw(t, site, 'GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until('it flows', () => /event-stream/.test(stream.text));
  const crowd = site.spawn('sh', ['-c', `ulimit -n $(ulimit -H -n); exec python3 -c '
import socket, sys
s = []
for i in range(10000):
    s.append(socket.create_connection(("127.0.0.1", ${site.port}), 60))
    if i % 2: s[i].send(b"GET /healthz HT")
print("there", flush=True)
sys.stdin.read()
'`], { stdio: ['pipe', 'pipe', 'pipe'] });
  await until('they are there', () => { assert.equal(crowd.exitCode, null, crowd.output()); return /there/.test(crowd.output()); }, 60000);
  await until('all are taken in', () => fs.readdirSync(`/proc/${site.relay.pid}/fd`).length > 10000, 60000);
  const comments = () => stream.text.split(': keepalive').length - 1;
  const had = comments();
  assert.equal((await site.get('/healthz')).status, 200);
  await until('the stream goes on', () => comments() > had);
  crowd.kill('SIGKILL');
  await until('they are gone', () => fs.readdirSync(`/proc/${site.relay.pid}/fd`).length < 100, 60000);
  assert.ok(!stream.ended);
});

const abroad = Object.values(os.networkInterfaces()).flat().find((i) => !i.internal && i.family === 'IPv4')?.address;

test('other addresses are served once a token guards them, each with its share of connections', { skip: abroad === undefined && 'this machine has no address but loopback' }, async (t) => {
  const bare = await Site.create(t, { database: false });
  bare.configure();
  const refused = await command(program('tocsin-relay'), ['-c', bare.conf, `listen=0.0.0.0:${bare.port}`]);
  assert.equal(refused.code, 100);
  assert.match(refused.stderr, /not a loopback address.*\[token NAME\]/);
  const site = await relay(t, { keys: 'max_per_address = 5', sections: guarded, address: '0.0.0.0' });
  assert.match(site.relay.output(), /reads along.*tls_cert/);
  const held = Array.from({ length: 5 }, () => raw(t, site, '', { host: abroad }));
  await until('they are there', () => fs.readdirSync(`/proc/${site.relay.pid}/fd`).length >= 15 || held.every((h) => h.socket.readyState === 'open'));
  const sixth = raw(t, site, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n', { host: abroad });
  await until('the sixth is hung up on', () => sixth.ended);
  assert.equal(sixth.text, '');
  assert.equal((await site.get('/healthz')).status, 200, 'this machine\'s own are not counted');
  held[0].socket.destroy();
  await until('there is room again', async () => {
    const next = raw(t, site, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', { host: abroad });
    await until('it ends', () => next.ended);
    return statuses(next.text)[0] === 200;
  });
});

test('a token is asked for, in any of its places, and never of probes and the page', async (t) => {
  const site = await relay(t, { sections: guarded });
  for (const where of ['/healthz', '/', '/app.js']) assert.equal((await site.get(where)).status, 200, where);
  const none = await site.get('/v1/status');
  assert.equal(none.status, 401);
  assert.match(none.headers.get('www-authenticate'), /^Bearer/);
  assert.equal((await site.get('/v1/status', { authorization: 'Bearer wrong' })).status, 401);
  for (const headers of [{ authorization: `Bearer ${TOKEN}` }, { apikey: TOKEN }, { 'x-api-key': TOKEN }]) assert.equal((await site.get('/v1/status', headers)).status, 200);
  for (const name of ['apikey', 'token']) assert.equal((await site.get(`/v1/status?${name}=${TOKEN}`)).status, 200, name);
  const stream = raw(t, site, `GET /v1/stream?symbol=BTC/USDT&token=${TOKEN} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await until('the stream opens', () => statuses(stream.text)[0] === 200);
  assert.ok(!site.relay.output().includes(TOKEN), 'no secret in the log');
});

test('pages of other sites: only those that are listed, by CORS\' rules, without credentials', async (t) => {
  const site = await relay(t, { keys: 'cors_origins = https://hub.example.org' });
  const ask = async (method, where, headers) => {
    const it = raw(t, site, `${method} ${where} HTTP/1.1\r\nHost: localhost:${site.port}\r\n${headers.map((h) => `${h}\r\n`).join('')}\r\n`);
    await until('an answer', () => it.text.includes('\r\n\r\n'));
    it.socket.destroy();
    return it.text;
  };
  const listed = await ask('GET', '/v1/status', ['Origin: https://hub.example.org', 'Sec-Fetch-Site: cross-site']);
  assert.match(listed, /^HTTP\/1\.1 200 [^]*Access-Control-Allow-Origin: https:\/\/hub\.example\.org\r\n/);
  assert.match(listed, /Vary: Origin/);
  assert.doesNotMatch(listed, /Allow-Credentials/);
  assert.match(await ask('GET', '/v1/stream', ['Origin: https://hub.example.org']), /^HTTP\/1\.1 200 [^]*event-stream[^]*Access-Control-Allow-Origin: https:\/\/hub/);
  assert.match(await ask('GET', '/v1/status', [`Origin: http://localhost:${site.port}`]), /^HTTP\/1\.1 200 /);
  for (const origin of ['https://evil.example', 'null', 'http://hub.example.org', 'https://hub.example.org.evil.example', `http://localhost:${site.port + 1}`]) {
    const text = await ask('GET', '/v1/status', [`Origin: ${origin}`]);
    assert.match(text, /^HTTP\/1\.1 403 /, origin);
    assert.doesNotMatch(text, /Access-Control-Allow-Origin/);
    assert.match(await ask('OPTIONS', '/v1/status', [`Origin: ${origin}`, 'Access-Control-Request-Method: GET']), /^HTTP\/1\.1 403 /, origin);
  }
  assert.match(await ask('GET', '/v1/status', ['Sec-Fetch-Site: cross-site']), /^HTTP\/1\.1 403 /);
  const preflight = await ask('OPTIONS', '/v1/status', ['Origin: https://hub.example.org', 'Access-Control-Request-Method: GET', 'Access-Control-Request-Headers: authorization']);
  assert.match(preflight, /^HTTP\/1\.1 204 [^]*Access-Control-Allow-Methods: GET, HEAD[^]*Access-Control-Allow-Headers: .*Authorization/);
});

// A certificate of its own name at site.dir/NAME.{crt,key}; returns its fingerprint.
function certificate(site, name) {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost',
    '-keyout', `${site.dir}/${name}.key`, '-out', `${site.dir}/${name}.crt`], { stdio: 'ignore' });
}

function secure(t, site, options = {}) {
  const socket = tls.connect({ port: site.port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false, ...options });
  const it = { socket, text: '' };
  t.after(() => socket.destroy());
  socket.on('data', (data) => { it.text += data.toString('latin1'); });
  socket.on('error', (error) => { it.error = error; });
  socket.on('close', () => { it.ended = true; });
  return it;
}

test('TLS 1.2 and 1.3, with a certificate that SIGHUP renews and a bad one does not replace', async (t) => {
  const dir = fs.mkdtempSync(`${os.tmpdir()}/tocsin-tls.`);
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  for (const name of ['first', 'second']) certificate({ dir }, name);
  const use = (name, key = name) => ['crt', 'key'].forEach((end) => fs.copyFileSync(`${dir}/${end === 'key' ? key : name}.${end}`, `${dir}/used.${end}`));
  use('first');
  const site = await relay(t, { keys: `keepalive = 1s\ntls_cert = ${dir}/used.crt\ntls_key = ${dir}/used.key` });
  const subject = async (options) => {
    const it = secure(t, site, options);
    await until('a handshake', () => it.ended || it.socket.getPeerCertificate().subject);
    const name = it.socket.getPeerCertificate()?.subject?.CN;
    it.socket.destroy();
    return name ?? it.error?.code ?? 'ended';
  };
  assert.equal(await subject({ maxVersion: 'TLSv1.2' }), 'first');
  assert.equal(await subject({ minVersion: 'TLSv1.3' }), 'first');
  assert.notEqual(await subject({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }), 'first');
  const stream = secure(t, site);
  stream.socket.write('GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until('a stream flows', () => /retry: 1000/.test(stream.text));
  const page = secure(t, site);
  page.socket.write('GET /app.js HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  await until('a file comes whole', () => page.ended);
  assert.equal(page.text.split('\r\n\r\n').slice(1).join('\r\n\r\n').length, Number(/Content-Length: (\d+)/.exec(page.text)[1]));
  // Who has said goodbye is answered all that he asked, however late he reads it; who is gone leaves nothing behind.
  const descriptors = () => fs.readdirSync(`/proc/${site.relay.pid}/fd`).length;
  const open = descriptors();
  const total = async () => {
    const it = secure(t, site);
    it.socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    await until('the figures', () => it.ended);
    return Number(/^tocsin_relay_requests_total (\d+)/m.exec(it.text)[1]);
  };
  const slow = secure(t, site);
  await new Promise((done) => { slow.socket.once('secureConnect', done); });
  slow.socket.pause();
  slow.socket.write('GET /app.js HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(340));
  let served = 0;
  await until('he takes no more', async () => {
    const before = served;
    served = await total();
    return served === before + 1; // this one
  }, 60000, 300);
  slow.socket.end();
  await total();
  slow.socket.resume();
  await until('all is there', () => slow.ended);
  assert.equal(statuses(slow.text).length, 340);
  await Promise.all(Array.from({ length: 20 }, () => new Promise((done) => {
    const gone = secure(t, site);
    gone.socket.on('secureConnect', () => gone.socket.write('GET /app.js HTTP/1.1\r\nHost: localhost\r\n\r\n', () => { gone.socket.destroy(); done(); }));
  })));
  await until('nothing is left of them', () => descriptors() <= open, 15000);
  use('second', 'first');
  site.relay.kill('SIGHUP');
  await until('it says what is wrong', () => /tls_key (is not|holds no key)[^]*known before stays/.test(site.relay.output()));
  assert.equal(await subject(), 'first');
  use('second');
  site.relay.kill('SIGHUP');
  await until('the new one is used', async () => await subject() === 'second');
  const had = stream.text.length;
  await until('the stream goes on', () => stream.text.length > had);
  assert.ok(!stream.ended);
  // One who does not speak TLS is hung up on, as is one who speaks nothing.
  const plain = raw(t, site, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until('plain HTTP ends', () => plain.ended);
  assert.deepEqual(statuses(plain.text), []);
});

test('tls_cert without its key, or a file that is not there, an origin with a path, an address without a port: said before anything runs', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ relay: 'tls_cert = /nowhere.crt\ncors_origins = https://hub.example.org/' });
  const { code, stderr } = await command(program('tocsin-relay'), ['-c', site.conf, '-n']);
  assert.equal(code, 100);
  assert.match(stderr, /tls_cert and tls_key belong together/);
  assert.match(stderr, /cors_origins: .*no path/);
  site.configure({ relay: 'tls_cert = /nowhere.crt\ntls_key = /nowhere.key' });
  const missing = await command(program('tocsin-relay'), ['-c', site.conf, '-n']);
  assert.equal(missing.code, 100);
  assert.match(missing.stderr, /tls_cert holds no certificate/);
  site.configure();
  for (const word of ['listen=127.0.0.1', 'listen=[::1]']) {
    const portless = await command(program('tocsin-relay'), ['-c', site.conf, word]);
    assert.equal(portless.code, 100);
    assert.match(portless.stderr, /say listen=127\.0\.0\.1:8787/);
  }
});
