// The fake exchange of feeds.test.mjs is right itself: what it says by stream and by REST is one market, and its faults
// are faults.  With a client of its own.
import test from 'node:test';
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import tls from 'node:tls';
import { Exchange } from './lib/exchange.mjs';
import { CLOSE, Frames, PING, PONG, TEXT, accept, frame } from './lib/exchange/websocket.mjs';
import { until } from './lib/site.mjs';

const SUBSCRIBE = {
  binance: (symbol) => JSON.stringify({ method: 'SUBSCRIBE', params: [`${symbol.replace('/', '').toLowerCase()}@aggTrade`], id: 1 }),
  coinbase: (symbol) => JSON.stringify({ type: 'subscribe', product_ids: [symbol.replace('/', '-')], channels: ['matches', 'heartbeat'] }),
  kraken: (symbol) => JSON.stringify({ method: 'subscribe', params: { channel: 'trade', symbol: [symbol] }, req_id: 1 }),
};
const PATHS = { binance: '/stream', coinbase: '/', kraken: '/v2' };

class Client {
  constructor(exchange, { masked = true, pongs = true } = {}) {
    Object.assign(this, { masked, pongs, texts: [], frames: [], parts: [], took: new Frames(), head: '', closed: null });
    this.socket = tls.connect({ host: '127.0.0.1', port: exchange.port, servername: exchange.host, ca: fs.readFileSync(exchange.caFile) });
    this.socket.on('error', (error) => { this.error = error.code; });
    this.socket.on('close', () => { this.ended = true; });
    const key = crypto.randomBytes(16).toString('base64');
    this.expected = accept(key);
    this.socket.once('secureConnect', () => this.socket.write(`GET ${PATHS[exchange.name]} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n`
      + `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`));
    this.socket.on('data', (chunk) => this.data(chunk));
  }

  data(chunk) {
    if (!this.up) {
      this.head += chunk.toString('latin1');
      const end = this.head.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.up = true;
      chunk = Buffer.from(this.head.slice(end + 4), 'latin1');
    }
    for (const one of this.took.take(chunk)) {
      this.frames.push(one);
      if (one.opcode === PING && this.pongs) this.send(one.data, PONG);
      else if (one.opcode === CLOSE) this.closed = one.data.readUInt16BE(0);
      else if (one.opcode < CLOSE) {
        this.parts.push(one.data);
        if (one.fin) this.texts.push(Buffer.concat(this.parts.splice(0)).toString());
      }
    }
  }

  send(payload, opcode = TEXT) {
    this.socket.write(frame(opcode, payload, { mask: this.masked ? crypto.randomBytes(4) : undefined }));
  }

  // [id, price, quantity] as they were written.
  trades() {
    const all = [];
    for (const text of this.texts) {
      for (const [, id, price, quantity] of text.matchAll(/"a":(\d+),"p":"([\d.]+)","q":"([\d.]+)"/g)) all.push([Number(id), price, quantity]);
      for (const [, id, quantity, price] of text.matchAll(/"match","trade_id":(\d+),.*?"size":"([\d.]+)","price":"([\d.]+)"/g)) all.push([Number(id), price, quantity]);
      for (const [, price, quantity, id] of text.matchAll(/"price":([\d.e-]+),"qty":([\d.e-]+),.*?"trade_id":(\d+)/g)) all.push([Number(id), price, quantity]);
    }
    return all;
  }
}

async function connected(t, exchange, options) {
  const client = new Client(exchange, options);
  t.after(() => client.socket.destroy());
  await until('it is upgraded', () => client.up || client.ended);
  return client;
}

function get(exchange, path) {
  return new Promise((done, fail) => {
    https.get({ host: '127.0.0.1', port: exchange.port, servername: exchange.host, path, ca: fs.readFileSync(exchange.caFile), agent: false,
      headers: { 'user-agent': 'test' } }, (response) => {
      let text = '';
      response.on('data', (d) => { text += d; });
      response.on('end', () => done({ status: response.statusCode, headers: response.headers, text, json: () => JSON.parse(text) }));
      response.on('error', fail);
    }).on('error', fail);
  });
}

const near = (a, b) => Math.abs(Number(a) - Number(b)) <= 1e-12 * Math.abs(Number(b));

for (const protocol of ['binance', 'coinbase', 'kraken']) {
  test(`${protocol}: stream, trades and candles of REST are one market`, async (t) => {
    const exchange = await Exchange.create(t, { protocol, markets: [{ symbol: 'BTC/USD', perMinute: 1200 }, { symbol: 'DOGE/BTC', price: 0.00001234, decimals: 8 }] });
    const market = exchange.markets.get('BTC/USD'), client = await connected(t, exchange);
    assert.match(client.head, /101 Switching/);
    assert.ok(client.head.includes(client.expected));
    client.send(SUBSCRIBE[protocol]('BTC/USD'));
    await until('twenty trades', () => client.trades().length >= (protocol === 'kraken' ? 70 : 20));
    const trades = client.trades();
    trades.forEach(([id], i) => assert.equal(id, trades[0][0] + i, 'ids rise by one'));
    for (const [id, price, quantity] of trades) {
      const real = market.trade(id);
      assert.ok(near(price, real.price / 100) && near(quantity, real.quantity / 1e8), `${id} ${price} ${quantity}`);
    }

    const openMs = Math.floor(Date.now() / 60000) * 60000, fromMs = openMs - 400 * 60000;
    const expected = exchange.expectedCandles('BTC/USD', 1, openMs - 5 * 60000, openMs);
    const rows = [];
    if (protocol === 'binance') {
      const all = (await get(exchange, `/api/v3/klines?symbol=BTCUSD&interval=1m&startTime=${fromMs}&limit=1000`)).json();
      assert.ok(all.at(-1)[0] >= openMs && all.at(-1)[6] > Date.now() - 1000, 'the open candle is the last');
      for (const [at, o, h, l, c, v, , , n] of all) rows.push([at, o, h, l, c, v, n]);
    } else if (protocol === 'coinbase') {
      const path = `/products/BTC-USD/candles?granularity=60&start=${new Date(openMs - 299 * 60000).toISOString()}&end=${new Date(openMs).toISOString()}`;
      const all = (await get(exchange, path)).json();
      assert.ok(all[0][0] > all[1][0] && all.length <= 300, 'newest first');
      for (const [at, l, h, o, c, v] of all.reverse()) rows.push([at * 1000, o, h, l, c, v]);
      assert.equal((await get(exchange, path.replace(/start=[^&]*/, `start=${new Date(fromMs).toISOString()}`))).status, 400, 'too many');
    } else {
      const { result } = (await get(exchange, `/0/public/OHLC?pair=XBTUSD&interval=1&since=${fromMs / 1000}`)).json();
      for (const [at, o, h, l, c, , v, n] of result.XXBTZUSD) rows.push([at * 1000, o, h, l, c, v, n]);
    }
    for (const e of expected) {
      const row = rows.find(([at]) => at === e.openMs);
      assert.ok([e.open, e.high, e.low, e.close, e.volume].every((x, i) => near(row[i + 1], x)), `${row} ${JSON.stringify(e)}`);
      if (row.length > 6) assert.equal(row[6], e.trades);
    }

    // Pages of trades: all of an hour, each once.
    const from = market.newest((openMs - 200 * 60000) * 1000) + 1, to = market.newest(openMs * 1000);
    const ids = [];
    if (protocol === 'binance') {
      for (let next = from; next <= to;) {
        const page = (await get(exchange, `/api/v3/aggTrades?symbol=BTCUSD&fromId=${next}&limit=500`)).json();
        ids.push(...page.map((x) => x.a));
        next = ids.at(-1) + 1;
      }
    } else if (protocol === 'coinbase') {
      for (let below = to + 1; below > from;) {
        const page = await get(exchange, `/products/BTC-USD/trades?limit=500&after=${below}`);
        ids.unshift(...page.json().map((x) => x.trade_id).reverse());
        below = Number(page.headers['cb-after']);
      }
    } else {
      for (let since = `${market.trade(from - 1).us}999`; ids.length === 0 || ids.at(-1) < to;) {
        const { result } = (await get(exchange, `/0/public/Trades?pair=BTCUSD&count=300&since=${since}`)).json();
        ids.push(...result.XXBTZUSD.map((x) => x[6]));
        since = result.last;
      }
    }
    ids.forEach((id, i) => assert.equal(id, ids[0] + i));
    assert.ok(ids.includes(from) && ids.includes(to));
  });
}

test('faults: drop, lose, repeat, reorder, fragments, garbage', async (t) => {
  const exchange = await Exchange.create(t, { protocol: 'binance', markets: [{ symbol: 'BTC/USD', perMinute: 2400 }] });
  const client = await connected(t, exchange), market = exchange.markets.get('BTC/USD');
  client.send(SUBSCRIBE.binance('BTC/USD'));
  await until('a trade', () => client.trades().length > 0);
  const ids = () => client.trades().map(([id]) => id);
  const passed = (range) => until('they are over', () => ids().some((id) => id > range.to));

  const dropped = exchange.drop('BTC/USD', 5);
  await passed(dropped);
  assert.ok(!ids().some((id) => id >= dropped.from && id <= dropped.to));
  assert.equal((await get(exchange, `/api/v3/aggTrades?symbol=BTCUSD&fromId=${dropped.from}&limit=3`)).json()[0].a, dropped.from);

  const lost = exchange.lose('BTC/USD', 5);
  await passed(lost);
  assert.equal((await get(exchange, `/api/v3/aggTrades?symbol=BTCUSD&fromId=${lost.from}&limit=3`)).json()[0].a, lost.to + 1);
  const openMs = Math.floor(lost.fromUs / 6e7) * 60000;
  assert.equal(exchange.expectedCandles('BTC/USD', 1, openMs, openMs + 60000).length, 0);

  exchange.faults.repeat = true;
  await until('some come again', () => new Set(ids()).size < ids().length);
  exchange.faults.repeat = false;

  exchange.faults.reorder = true;
  await until('an id falls', () => ids().slice(-40).some((id, i, all) => i > 0 && id < all[i - 1]));
  exchange.faults.reorder = false;

  exchange.faults.fragment = 40;
  await until('parts come', () => client.frames.some((f) => !f.fin));
  exchange.faults.fragment = 0;
  const before = client.texts.length, count = exchange.garbage('BTC/USD');
  await until('garbage comes', () => client.texts.length >= before + count && client.texts.some((text) => text.length > 500_000));
  assert.ok(!client.ended && market.trades(market.startMinute).length > 0);
});

test('faults: stall, cut, refuse, close, limits, pings', async (t) => {
  const exchange = await Exchange.create(t, { protocol: 'binance', markets: [{ symbol: 'BTC/USD', perMinute: 2400 }], pingEveryMs: 100 });
  const subscribed = async (options) => {
    const client = await connected(t, exchange, options);
    client.send(SUBSCRIBE.binance('BTC/USD'));
    await until('a trade', () => client.trades().length > 0);
    return client;
  };
  const pinged = await subscribed();
  await until('pongs', () => exchange.seen.pongs >= 3);
  assert.equal(exchange.seen.wrongPongs, 0);
  pinged.send('other', PONG);
  await until('a wrong pong', () => exchange.seen.wrongPongs === 1);

  exchange.stall();
  const count = pinged.frames.length;
  pinged.send('hallo', PING);
  const other = await subscribed();
  assert.equal(pinged.frames.length, count, 'nothing was said');
  assert.equal(exchange.subscribed.length, 1);
  exchange.cut('middle');
  await until('they are cut', () => pinged.ended && other.ended);
  assert.equal(other.error, 'ECONNRESET');

  const closes = await subscribed();
  exchange.close(1012, 'restart');
  await until('it is closed', () => closes.ended);
  assert.equal(closes.closed, 1012);

  const bare = await connected(t, exchange, { masked: false });
  bare.send('{}');
  await until('unmasked frames end it', () => bare.closed === 1002);

  const hasty = await connected(t, exchange, { pongs: false });
  for (let i = 0; i < 6; i++) hasty.send('{"method":"LIST_SUBSCRIPTIONS","id":3}');
  await until('too many end it', () => hasty.closed === 1008);
  assert.equal(exchange.seen.tooFast, 1);

  exchange.faults.refuse = 429;
  assert.match((await connected(t, exchange)).head, /^HTTP\/1.1 429/);
  exchange.faults.refuse = null;

  await exchange.listen('closed');
  assert.equal((await connected(t, exchange)).error, 'ECONNREFUSED');
  await exchange.listen('mute');
  const mute = new Client(exchange);
  t.after(() => mute.socket.destroy());
  const sockets = exchange.seen.sockets;
  await until('it is taken', () => exchange.seen.sockets > sockets);
  await exchange.listen();
  await subscribed();
  assert.ok(!mute.up && !mute.ended);

  for (const [name, code] of [['expired', 'CERT_HAS_EXPIRED'], ['host', 'ERR_TLS_CERT_ALTNAME_INVALID'], ['unknown', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE']]) {
    exchange.certificate(name);
    assert.equal((await connected(t, exchange)).error, code, name);
  }
  exchange.certificate('good');
  await subscribed();

  exchange.failRest(/klines/, { status: 429, headers: { 'retry-after': '2' }, body: '{"code":-1003}' }, 1);
  const refused = await get(exchange, '/api/v3/klines?symbol=BTCUSD&interval=1m');
  assert.deepEqual([refused.status, refused.headers['retry-after']], [429, '2']);
  assert.equal((await get(exchange, '/api/v3/klines?symbol=BTCUSD&interval=1m')).status, 200);
  assert.equal((await get(exchange, '/api/v3/klines?symbol=XXX&interval=1m')).json().code, -1121);
});
