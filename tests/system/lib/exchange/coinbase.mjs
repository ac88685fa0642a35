// coinbase: Coinbase Exchange, channels matches and heartbeat (and a ticker that nobody asked for may come, too).
import { QUANTITY_DECIMALS, decimal } from './market.mjs';

const GRANULARITIES = [60, 300, 900, 3600, 21600, 86400];
const HEARTBEAT_EVERY_MS = 1000, CANDLES_MAX = 300;
const native = (symbol) => symbol.replace('/', '-');
const quantity = (units) => decimal(units, QUANTITY_DECIMALS, { trim: true });
const sequence = (id) => id * 10;

function time(us) {
  return `${new Date(Math.floor(us / 1000)).toISOString().slice(0, -1)}${String(us % 1000).padStart(3, '0')}Z`;
}

// `side` is the maker's.
function match(market, t, type) {
  return `{"type":"${type}","trade_id":${t.id},"maker_order_id":"27fff20b-af29-4f45-8744-56dd1ef57dc0","taker_order_id":"1da6ce16-c8da-4732-9f71-6049f4c6aaf8",`
    + `"side":"${t.buy ? 'sell' : 'buy'}","size":"${quantity(t.quantity)}","price":"${decimal(t.price, market.decimals)}","product_id":"${native(t.symbol)}",`
    + `"sequence":${sequence(t.id)},"time":"${time(t.us)}"}`;
}

function moment(text) {
  return /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);
}

const problem = (status, message) => ({ status, body: JSON.stringify({ message }) });

export const coinbase = {
  resolutionUs: 1,
  folds: false,
  messagesPerSecond: 100,
  subscribeWithinMs: 5000,
  requestsPerSecond: 10,
  native,

  opened(conn) {
    conn.channels = { matches: new Set(), heartbeat: new Set() };
    conn.beat = 0;
  },

  message(conn, text) {
    const { type, channels = [], product_ids: common = [] } = JSON.parse(text);
    const fail = (reason) => conn.send(JSON.stringify({ type: 'error', message: 'Failed to subscribe', reason }));
    if (type !== 'subscribe') return fail('unknown type');
    const asked = channels.map((c) => (typeof c === 'string' ? { name: c, product_ids: common } : c));
    // One bad product, and the whole request is ignored.
    for (const { name, product_ids: products } of asked) {
      if (!['matches', 'heartbeat', 'heartbeats', 'ticker'].includes(name)) return fail(`${name} is not a valid channel`);
      const bad = products.find((p) => !conn.exchange.symbolOf(p) || conn.exchange.refused.has(conn.exchange.symbolOf(p)));
      if (bad !== undefined || products.length === 0) return fail(`${bad ?? ''} is not a valid product`);
    }
    const fresh = [];
    for (const { name, product_ids: products } of asked) {
      for (const p of products) {
        const symbol = conn.exchange.symbolOf(p);
        if (name === 'matches' && !conn.channels.matches.has(p)) fresh.push(symbol);
        conn.channels[name]?.add(p);
      }
    }
    conn.send(JSON.stringify({ type: 'subscriptions',
      channels: Object.entries(conn.channels).filter(([, set]) => set.size > 0).map(([name, set]) => ({ name, product_ids: [...set] })) }));
    for (const symbol of fresh) {
      const market = conn.exchange.markets.get(symbol), cursor = conn.subscribe(symbol);
      if (cursor) conn.send(match(market, market.trade(cursor.next - 1), 'last_match'));
    }
    return undefined;
  },

  trades(conn, market, trades) {
    return trades.map((t) => match(market, t, 'match'));
  },

  tick(conn, nowMs) {
    if (nowMs - conn.beat < HEARTBEAT_EVERY_MS || conn.exchange.faults.noHeartbeat) return;
    conn.beat = nowMs;
    for (const product of conn.channels.heartbeat) {
      const cursor = conn.cursors.get(conn.exchange.symbolOf(product));
      const last = conn.exchange.faults.zeroHeartbeat || !cursor ? 0 : cursor.next - 1;
      conn.send(`{"type":"heartbeat","sequence":${sequence(last) + 5},"last_trade_id":${last},"product_id":"${product}","time":"${time(nowMs * 1000)}"}`);
    }
  },

  garbage(conn, symbol) {
    const p = native(symbol);
    return [
      `{"type":"match","trade_id":9,"side":"sell","size":"1","price":"abc","product_id":"${p}","sequence":5,"time":"2026-01-01T00:00:00.1Z"}`,
      `{"type":"match","trade_id":9,"side":"sell","size":"1","price":"1","product_id":"${p}","sequence":5,"time":"yesterday"}`,
      `{"type":"match","side":"sell","size":"1","price":"1","product_id":"${p}","sequence":5,"time":"2026-01-01T00:00:00.1Z"}`,
      `{"type":"match","trade_id":"nine","side":"sell","size":"1","price":"1","product_id":"${p}","sequence":5,"time":"2026-01-01T00:00:00.1Z"}`,
      `{"type":"match","trade_id":9,"side":"sell","size":[],"price":"1","product_id":"${p}","sequence":5,"time":"2026-01-01T00:00:00.1Z"}`,
      `{"type":"match","trade_id":9,"side":"sell","size":"1","price":"-1","product_id":"${p}","sequence":5,"time":"2026-01-01T00:00:00.1Z"}`,
      '{"type":"match","trade_id":9,"side":"sell","size":"1","price":"1","product_id":"NO-BODY","sequence":5,"time":"2026-01-01T00:00:00.1Z"}',
      `{"type":"ticker","sequence":1,"product_id":"${p}","price":"1.00","side":"buy","time":"2026-01-01T00:00:00.1Z","trade_id":1,"last_size":"0.04"}`,
      '{"type":"invented_today","anything":[1,2,3]}',
    ];
  },

  rest(exchange, url, nowMs) {
    const [, product, what] = url.pathname.match(/^\/products\/([^/]+)\/(candles|trades)$/) ?? [];
    if (!what) return problem(404, 'NotFound');
    const symbol = exchange.symbolOf(product), market = exchange.markets.get(symbol);
    if (!market || exchange.refused.has(symbol)) return problem(404, 'NotFound');
    return what === 'candles' ? this.candles(market, url.searchParams, nowMs) : this.page(market, url.searchParams, nowMs);
  },

  candles(market, q, nowMs) {
    const seconds = Number(q.get('granularity') ?? 60);
    if (!GRANULARITIES.includes(seconds)) return problem(400, 'Unsupported granularity');
    const end = q.has('end') ? moment(q.get('end')) : nowMs, start = q.has('start') ? moment(q.get('start')) : end - CANDLES_MAX * seconds * 1000;
    if (Number.isNaN(start) || Number.isNaN(end)) return problem(400, 'Invalid start or end');
    if ((end - start) / 1000 / seconds > CANDLES_MAX) {
      return problem(400, `granularity too small for the requested time range. Count of aggregations requested exceeds ${CANDLES_MAX}`);
    }
    const rows = market.candles(seconds / 60, start, Math.min(end, nowMs) + 1, nowMs * 1000).reverse().slice(0, CANDLES_MAX);
    const price = (units) => decimal(units, market.decimals, { trim: true });
    return { status: 200, body: `[${rows.map((c) => `[${c.openMs / 1000},${price(c.low)},${price(c.high)},${price(c.open)},${price(c.close)},${quantity(c.volume)}]`)}]` };
  },

  page(market, q, nowMs) {
    const limit = Math.min(1000, Number(q.get('limit') ?? 1000)), newest = market.newest(nowMs * 1000);
    const below = q.has('after') ? Number(q.get('after')) - 1 : newest, above = q.has('before') ? Number(q.get('before')) + 1 : -Infinity;
    const to = Math.min(below, newest);
    const trades = market.ids(Math.max(above, to - limit - 5000), to).slice(-limit).reverse();
    const headers = trades.length ? { 'cb-before': String(trades[0].id), 'cb-after': String(trades.at(-1).id) } : {};
    return { status: 200, headers, body: `[${trades.map((t) => `{"trade_id":${t.id},"side":"${t.buy ? 'sell' : 'buy'}","size":"${decimal(t.quantity, QUANTITY_DECIMALS)}",`
      + `"price":"${decimal(t.price, market.decimals)}","time":"${time(t.us)}"}`)}]` };
  },
};
