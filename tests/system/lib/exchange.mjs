// exchange: a fake exchange on this machine, over real TLS with an authority of its own: REST and WebSocket of one
// protocol on one port, over markets that are made up but exact (exchange/market.mjs), and every fault a test can want,
// switched while it runs.  Like the real ones it knows trades only up to now.
import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { binance } from './exchange/binance.mjs';
import { makeCertificates } from './exchange/certificates.mjs';
import { coinbase } from './exchange/coinbase.mjs';
import { kraken } from './exchange/kraken.mjs';
import { Market, QUANTITY_DECIMALS, decimal } from './exchange/market.mjs';
import { BINARY, PING, TEXT, WebSocket, accept } from './exchange/websocket.mjs';

const PROTOCOLS = { binance, coinbase, kraken };
const PONG_WITHIN_MS = 60000;
const BROKEN = ['{"broken', '', 'null', '[]', '""', '7', '{}', '[[[[', '{"e":', '\u0000', '{"e":"aggTrade"}', '{"type":"match"}', '{"channel":"trade"}',
  `${'['.repeat(3000)}${']'.repeat(3000)}`, '{"e":null,"type":[],"channel":{}}', 'Not Found'];

// One client's stream.
class Connection extends WebSocket {
  constructor(exchange, socket, raw, request, number) {
    super(socket, raw, { message: (text) => this.received(text), ping: () => this.count('ping'), pong: (data) => this.ponged(data), closed: (how) => this.closed(how) });
    Object.assign(this, { exchange, number, path: request.url, openedAt: Date.now(), since: exchange.nowMs(), heard: [], open: [], pinged: 0 });
    this.cursors = new Map(); // symbol -> what it has had
    this.held = new Map(); // symbol -> trades kept back to come later
    exchange.protocol.opened(this);
  }

  // From the next trade on; undefined when it was subscribed.
  subscribe(symbol) {
    if (this.cursors.has(symbol)) return undefined;
    const cursor = this.exchange.markets.get(symbol).cursor(this.exchange.nowUs());
    this.cursors.set(symbol, cursor);
    this.subscribedAt ??= Date.now();
    this.exchange.seen.subscriptions.push({ at: Date.now(), connection: this.number, symbol });
    return cursor;
  }

  count(what) {
    const now = Date.now(), { protocol, seen } = this.exchange;
    seen.sent.push({ at: now, connection: this.number, what });
    this.heard = this.heard.filter((at) => now - at < 1000);
    this.heard.push(now);
    if (this.heard.length <= (protocol.messagesPerSecond ?? Infinity) || this.ended) return;
    seen.tooFast++;
    this.close(1008, 'Too many requests');
  }

  received(text) {
    this.count(text);
    this.exchange.protocol.message(this, text);
    this.flush();
  }

  ponged(data) {
    this.count('pong');
    const text = data.toString(), at = this.open.findIndex((p) => p.text === text);
    if (at === -1) this.exchange.seen.wrongPongs++;
    else {
      this.exchange.seen.pongs++;
      this.open.splice(0, at + 1);
    }
  }

  closed(how) {
    this.closedAt = Date.now();
    this.exchange.seen.closes.push({ at: this.closedAt, connection: this.number, how });
    this.exchange.connections.delete(this);
  }

  tick(nowMs) {
    const { protocol, pingEveryMs, sessionMaxMs, faults } = this.exchange;
    if (this.stalled) return;
    this.fragment = faults.fragment;
    this.trickle = faults.trickle;
    if (sessionMaxMs && nowMs - this.since > sessionMaxMs) return this.close(1001, 'session is over');
    if (protocol.subscribeWithinMs && !this.subscribedAt && nowMs - this.since > protocol.subscribeWithinMs) return this.close(1008, 'no subscription');
    for (const [symbol, cursor] of this.cursors) this.emit(symbol, cursor.take(this.exchange.nowUs()));
    protocol.tick(this, nowMs);
    if (pingEveryMs && nowMs - (this.pinged || this.since) >= pingEveryMs) {
      this.pinged = nowMs;
      this.open.push({ text: String(nowMs), at: nowMs });
      this.send(String(nowMs), PING);
    }
    if (this.open.length && nowMs - this.open[0].at > PONG_WITHIN_MS) return this.cut();
    return this.flush();
  }

  emit(symbol, fresh) {
    const { exchange } = this, { faults } = exchange, market = exchange.markets.get(symbol);
    let trades = exchange.visible(market, fresh);
    if (faults.reorder) { // back to front, and one of them a turn later still
      const late = this.held.get(symbol) ?? [];
      this.held.set(symbol, trades.length > 1 ? [trades.shift()] : []);
      trades = [...trades.reverse(), ...late];
    }
    if (trades.length === 0) return;
    if (faults.repeat) trades = [...exchange.visible(market, market.ids(trades[0].id - 3, trades[0].id - 1)), ...trades, ...trades];
    exchange.sent += trades.length;
    for (const text of exchange.protocol.trades(this, market, trades)) this.send(text);
  }
}

export class Exchange {
  // It ends with the test `t`.  protocol: binance, coinbase or kraken; markets: symbols, or options of Market with one;
  // host: in its addresses; tickMs: how often trades go out.
  static async create(t, options) {
    const exchange = new Exchange(options);
    t?.after(() => exchange.destroy());
    await exchange.begin();
    return exchange;
  }

  constructor({ protocol, markets = ['BTC/USDT'], seed = 1, host = 'localhost', tickMs = 25, dir, pingEveryMs, sessionMaxMs = 0, klines = true, market = {} }) {
    this.protocol = PROTOCOLS[protocol];
    this.name = protocol;
    this.ownDir = dir === undefined;
    this.dir = dir ?? fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-exchange.'));
    Object.assign(this, { host, tickMs, sessionMaxMs, klines, pingEveryMs: pingEveryMs ?? this.protocol.pingEveryMs ?? 0 });
    const { resolutionUs, folds } = this.protocol, startMs = Date.now();
    this.markets = new Map(markets.map((m) => (typeof m === 'string' ? { symbol: m } : m))
      .map((m) => [m.symbol, new Market({ seed, startMs, resolutionUs, folds, ...market, ...m })]));
    this.natives = new Map([...this.markets.keys()].flatMap((s) => [this.protocol.native(s), ...(this.protocol.names?.(s) ?? [])].map((n) => [n, s])));
    this.connections = new Set();
    this.sockets = new Map(); // the client's port -> its TCP socket
    this.refused = new Set(); // symbols that may not be subscribed to, nor asked for
    this.swallowed = []; // { symbol, from, to }: trades that the stream does not bring
    this.sent = 0; // trades, over all streams
    this.spent = 0;
    this.rests = []; // faults of REST, see failRest()
    // stallNew: whoever connects hears nothing; refuse: upgrades are answered so, or 'silent': never; fragment: bytes a
    // frame; trickle: bytes a tick; repeat, reorder: trades; keepCandles: no closed candle is sent; noHeartbeat,
    // zeroHeartbeat (without the last id); lagMs: trades come so late; skewMs: its clock is ahead of ours.
    this.faults = { stallNew: false, refuse: null, fragment: 0, trickle: 0, repeat: false, reorder: false, keepCandles: false,
      noHeartbeat: false, zeroHeartbeat: false, lagMs: 0, skewMs: 0 };
    this.seen = { sockets: 0, tlsErrors: [], upgrades: [], subscriptions: [], sent: [], closes: [], requests: [], pongs: 0, wrongPongs: 0, tooFast: 0 };
  }

  async begin() {
    this.certificates = makeCertificates(this.dir);
    this.caFile = `${this.dir}/ca.pem`;
    this.server = https.createServer({ ...this.certificates.good, keepAliveTimeout: 60000 });
    this.mute = net.createServer();
    for (const server of [this.server, this.mute]) server.on('connection', (raw) => this.connected(raw));
    this.server.on('tlsClientError', (error) => this.seen.tlsErrors.push({ at: Date.now(), code: error.code }));
    this.server.on('request', (request, response) => this.request(request, response).catch((error) => response.destroy(error)));
    this.server.on('upgrade', (request, socket) => this.upgrade(request, socket));
    await this.listen();
    this.timer = setInterval(() => this.tick(), this.tickMs);
  }

  get url() {
    return `wss://${this.host}:${this.port}`;
  }

  get restUrl() {
    return `https://${this.host}:${this.port}`;
  }

  // Lines of a [feed NAME] section.
  get keys() {
    return `type = ${this.name}\nsymbols = ${[...this.markets.keys()].join(', ')}\nurl = ${this.url}\nrest_url = ${this.restUrl}\nca_file = ${this.caFile}\n`;
  }

  symbolOf(native) {
    return this.natives.get(native);
  }

  // By its own clock.
  nowMs() {
    return Date.now() + this.faults.skewMs;
  }

  // Up to where the streams are.
  nowUs() {
    return (this.nowMs() - this.faults.lagMs) * 1000;
  }

  connected(raw) {
    this.seen.sockets++;
    const { remotePort } = raw;
    this.sockets.set(remotePort, raw);
    raw.on('error', () => {});
    raw.once('close', () => this.sockets.delete(remotePort));
  }

  // How the port is: 'open', 'closed' (connections are refused) or 'mute' (they are taken, and nothing is ever said).
  // Who is connected stays so.
  async listen(how = 'open') {
    const server = { open: this.server, mute: this.mute, closed: null }[how];
    if (this.listening) await new Promise((done) => { // its end waits for connections, its port does not
      this.listening.close();
      setImmediate(done);
    });
    this.listening = server;
    if (!server) return;
    await new Promise((done, fail) => {
      server.once('error', fail);
      server.listen({ port: this.port ?? 0, host: '127.0.0.1' }, () => {
        server.off('error', fail);
        done();
      });
    });
    this.port ??= server.address().port;
  }

  // Which certificate newcomers get: good, expired, host (of another one), unknown (of another authority).
  certificate(name) {
    this.server.setSecureContext(this.certificates[name]);
  }

  tick() {
    const now = this.nowMs();
    for (const connection of this.connections) connection.tick(now);
  }

  // WebSocket

  upgrade(request, socket) {
    const { refuse, stallNew } = this.faults, raw = this.sockets.get(socket.remotePort);
    this.seen.upgrades.push({ at: Date.now(), path: request.url, headers: request.headers, sni: socket.servername, protocol: socket.getProtocol(), refused: refuse });
    socket.on('error', () => {});
    if (refuse === 'silent') return;
    if (refuse) {
      socket.end(`HTTP/1.1 ${refuse} Refused\r\nContent-Type: text/html\r\nRetry-After: 1\r\nContent-Length: 14\r\nConnection: close\r\n\r\n<html>no</html`);
      return;
    }
    if (this.faults.wrongAccept || request.headers['sec-websocket-version'] !== '13' || !request.headers['sec-websocket-key']) {
      socket.end(this.faults.wrongAccept ? `${this.switching('d3Jvbmc=')}` : 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    socket.setNoDelay(true);
    socket.write(this.switching(accept(request.headers['sec-websocket-key'])));
    const connection = new Connection(this, socket, raw, request, this.seen.upgrades.length);
    this.connections.add(connection);
    connection.stalled = stallNew;
    connection.flush();
  }

  date() {
    return new Date(this.nowMs()).toUTCString();
  }

  switching(key) {
    return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nDate: ${this.date()}\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`;
  }

  // What the stream shows of these trades.
  visible(market, trades) {
    if (this.swallowed.length === 0 && market.lost.length === 0) return trades;
    const hidden = this.swallowed.filter((s) => s.symbol === market.symbol);
    return trades.filter(({ id }) => !market.isLost(id) && !hidden.some(({ from, to }) => from <= id && id <= to));
  }

  // Faults that happen at once, to all who are connected.

  // They stay connected, hear nothing and are not listened to any more.
  stall() {
    for (const connection of this.connections) connection.stalled = true;
  }

  cut(how) {
    for (const connection of [...this.connections]) connection.cut(how);
  }

  close(code, reason) {
    for (const connection of [...this.connections]) connection.close(code, reason);
  }

  // Binance's word before a restart.
  shutdown() {
    for (const connection of this.connections) this.protocol.shutdown(connection, this.nowMs());
  }

  say(payload, opcode = TEXT) {
    for (const connection of this.connections) connection.send(payload, opcode);
  }

  // What no parser may accept, and what it may ignore only; returns how many messages.
  garbage(symbol) {
    let count = 0;
    for (const connection of this.connections) {
      const all = [...BROKEN, ...this.protocol.garbage(connection, symbol)];
      for (const text of all) connection.send(text);
      connection.send(Buffer.from([0, 255, 254, 1, 2, 3]), BINARY);
      connection.send(`{"type":"huge","e":"huge","channel":"huge","data":"${'x'.repeat(500_000)}"}`);
      count = all.length + 2;
    }
    return count;
  }

  // A trade that never was, with an id far beyond; all else about it is in order.
  poison(symbol) {
    const market = this.markets.get(symbol), last = market.trade(market.newest(this.nowUs()));
    const trade = { ...last, id: last.id + 1_000_000_000, price: last.price * 2 };
    for (const connection of this.connections) for (const text of this.protocol.trades(connection, market, [trade])) connection.send(text);
  }

  // The stream brings the next `count` trades of a market to nobody; REST has them.  Returns { from, to }, their ids.
  drop(symbol, count, after = 0) {
    const from = this.markets.get(symbol).newest(this.nowUs()) + 1 + after, range = { symbol, from, to: from + count - 1 };
    this.swallowed.push(range);
    return range;
  }

  // And these nobody will ever see: REST has neither them nor their candles.
  lose(symbol, count, after = 0) {
    const market = this.markets.get(symbol), from = market.newest(this.nowUs()) + 1 + after, to = from + count - 1;
    market.lost.push([from, to]);
    return { symbol, from, to, fromUs: market.trade(from).us, toUs: market.trade(to).us };
  }

  // REST

  // The next `times` requests whose path matches are answered { status, headers, body }, or cut, or only after delayMs.
  failRest(match, fault, times = Infinity) {
    const entry = { match, times, ...fault };
    this.rests.push(entry);
    return { off: () => { entry.times = 0; }, get left() { return entry.times; } };
  }

  // Binance's count of what a minute's requests have cost; `spent`: by others at this address, too.
  weight(cost, nowMs) {
    const minute = Math.floor(nowMs / 60000);
    if (this.spent) cost += this.spent;
    this.spent = 0;
    this.used = this.used?.minute === minute ? { minute, cost: this.used.cost + cost } : { minute, cost };
    return this.used.cost;
  }

  async request(request, response) {
    const seen = { at: Date.now(), method: request.method, path: request.url, headers: request.headers, sni: request.socket.servername };
    this.seen.requests.push(seen);
    const fault = this.rests.find((f) => f.times > 0 && f.match.test(request.url));
    if (fault) fault.times--;
    if (fault?.delayMs) await new Promise((done) => setTimeout(done, fault.delayMs));
    if (fault?.cut) {
      response.destroy();
      return;
    }
    const limit = this.protocol.requestsPerSecond, recent = this.seen.requests.filter((r) => seen.at - r.at < 1000).length;
    let answer = fault?.status || fault?.body !== undefined ? { status: 200, ...fault } : null;
    if (!answer && limit && recent > limit) answer = { status: 429, body: '{"message":"Public rate limit exceeded"}' };
    if (!answer && this.name === 'coinbase' && !request.headers['user-agent']) answer = { status: 400, body: '{"message":"User-Agent header is required."}' };
    answer ??= this.protocol.rest(this, new URL(request.url, this.restUrl), this.nowMs());
    seen.status = answer.status;
    response.writeHead(answer.status, { 'content-type': 'application/json', date: this.date(), ...answer.headers });
    response.end(answer.body ?? '');
  }

  // What a test asks

  // Candles of [fromMs, toMs), all closed, as they should be in the table: texts without zeros at the end.  An interval
  // without trades has `empty`; one with a lost trade is not there.
  expectedCandles(symbol, minutes, fromMs, toMs) {
    const market = this.markets.get(symbol), text = (units) => decimal(units, market.decimals, { trim: true });
    return market.candles(minutes, fromMs, toMs, Infinity, { empty: true }).filter(Boolean).map((c) => ({ openMs: c.openMs, open: text(c.open), high: text(c.high),
      low: text(c.low), close: text(c.close), volume: decimal(c.volume, QUANTITY_DECIMALS, { trim: true }), trades: c.trades, empty: c.trades === 0 }));
  }

  // Live streams with a subscription.
  get subscribed() {
    return [...this.connections].filter((c) => c.subscribedAt && !c.stalled);
  }

  // The most that came in any stretch of `ms`.
  static busiest(list, ms) {
    const times = list.map((x) => x.at).sort((a, b) => a - b);
    let most = 0;
    for (let from = 0, to = 0; to < times.length; to++) {
      while (times[to] - times[from] >= ms) from++;
      most = Math.max(most, to - from + 1);
    }
    return most;
  }

  async destroy() {
    clearInterval(this.timer);
    this.listening?.close();
    for (const raw of this.sockets.values()) raw.destroy();
    if (this.ownDir) fs.rmSync(this.dir, { recursive: true, force: true });
  }
}
