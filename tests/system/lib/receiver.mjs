// receiver: a program that webhooks are sent to, as its owner would write it: it checks the signature by itself, and drops
// what it has by its id.
import crypto from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

export const newSecret = () => `whsec_${crypto.randomBytes(24).toString('base64')}`;

// As the specification of Standard Webhooks says, with nothing of ours.
function isSigned(secret, headers, body) {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signatures } = headers;
  if (!id || !time || !signatures || Math.abs(Date.now() / 1000 - Number(time)) > 300) return false;
  const want = crypto.createHmac('sha256', key).update(`${id}.${time}.${body}`).digest();
  return signatures.split(' ').some((s) => s.startsWith('v1,') && want.length === Buffer.from(s.slice(3), 'base64').length &&
    crypto.timingSafeEqual(want, Buffer.from(s.slice(3), 'base64')));
}

export class Receiver {
  // `answer(request, n)` may give { status, headers, body, delay, hang } for the n-th request; without it all is taken.
  static async create(t, { secret = newSecret(), answer = () => ({}), tls, port = 0 } = {}) {
    const r = new this();
    Object.assign(r, { secret, answer, requests: [], taken: [], bad: [], ids: new Set(), connections: 0, flying: 0, most: 0 });
    r.server = tls ? https.createServer(tls, (q, a) => r.handle(q, a)) : http.createServer((q, a) => r.handle(q, a));
    r.server.on('connection', () => { r.connections++; });
    await new Promise((done) => { r.server.listen(port, '127.0.0.1', done); });
    r.port = r.server.address().port;
    t.after(() => r.close());
    return r;
  }

  async handle(request, reply) {
    this.most = Math.max(this.most, ++this.flying);
    reply.on('close', () => { this.flying--; });
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const got = { method: request.method, path: request.url, headers: request.headers, body, at: Date.now() };
    this.requests.push(got);
    const how = this.answer(got, this.requests.length) ?? {};
    if (how.hang) return;
    const status = how.status ?? 200;
    if (status < 300) this.take(got);
    if (how.delay) await new Promise((done) => { setTimeout(done, how.delay); });
    reply.writeHead(status, how.headers ?? {});
    reply.end(how.body ?? '');
  }

  take(got) {
    if (this.secret !== null && !isSigned(this.secret, got.headers, got.body)) this.bad.push(got);
    const id = got.headers['webhook-id'];
    if (this.ids.has(id)) return;
    if (id !== undefined) this.ids.add(id);
    this.taken.push(got);
  }

  // What came, each once, in the order in which it came first.
  get seqs() {
    return this.taken.map((got) => JSON.parse(got.body).data.seq);
  }

  get url() {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((done) => { this.server.close(done); });
  }
}
