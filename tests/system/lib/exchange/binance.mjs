// binance: spot, combined or raw streams of aggregate trades and klines.
import { QUANTITY_DECIMALS, decimal } from './market.mjs';

const INTERVALS = { '1m': 1, '3m': 3, '5m': 5, '15m': 15, '30m': 30, '1h': 60, '2h': 120, '4h': 240, '6h': 360, '8h': 480, '12h': 720, '1d': 1440 };
const KLINE_EVERY_MS = 2000, CLOSED_AFTER_MS = 120;
const quantity = (units) => decimal(units, QUANTITY_DECIMALS);
const price = (market, units) => `${decimal(units, market.decimals)}${'0'.repeat(8 - market.decimals)}`;
const native = (symbol) => symbol.replace('/', '');

function aggregate(market, t) {
  return `{"e":"aggTrade","E":${Math.ceil(t.us / 1000) + 2},"s":"${native(t.symbol)}","a":${t.id},"p":"${price(market, t.price)}","q":"${quantity(t.quantity)}",`
    + `"f":${t.first},"l":${t.last},"T":${t.us / 1000},"m":${!t.buy},"M":true}`;
}

function kline(market, interval, c, nowMs, closed) {
  const length = INTERVALS[interval] * 60000;
  return `{"e":"kline","E":${nowMs},"s":"${native(market.symbol)}","k":{"t":${c.openMs},"T":${c.openMs + length - 1},"s":"${native(market.symbol)}",`
    + `"i":"${interval}","f":${c.first},"L":${c.last},"o":"${price(market, c.open)}","c":"${price(market, c.close)}","h":"${price(market, c.high)}",`
    + `"l":"${price(market, c.low)}","v":"${quantity(c.volume)}","n":${c.trades},"x":${closed},"q":"${quantity(c.worth / 10n ** BigInt(market.decimals))}",`
    + '"V":"0.00000000","Q":"0.00000000","B":"0"}}';
}

const problem = (status, code, msg) => ({ status, body: JSON.stringify({ code, msg }) });

export const binance = {
  resolutionUs: 1000,
  folds: true,
  messagesPerSecond: 5,
  pingEveryMs: 20000,
  native,

  opened(conn) {
    const [where, streams] = conn.path.split('?streams=');
    conn.wrapped = where === '/stream';
    conn.klines = new Map();
    const names = streams ? streams.split('/') : where.startsWith('/ws/') ? where.slice(4).split('/') : [];
    for (const name of names) this.subscribe(conn, name);
  },

  subscribe(conn, name) {
    const [market, kind] = name.split('@');
    const symbol = conn.exchange.symbolOf(market.toUpperCase());
    // An unknown market is no error here: there is never anything of it.
    if (!symbol || conn.exchange.refused.has(symbol)) return;
    if (kind === 'aggTrade') conn.subscribe(symbol);
    else if (kind?.startsWith('kline_')) conn.klines.set(name, { symbol, name, interval: kind.slice(6), openMs: null, told: 0 });
  },

  message(conn, text) {
    const { method, params, id } = JSON.parse(text);
    if (method !== 'SUBSCRIBE') return conn.send(`{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":${id ?? null}}`);
    if (!params.every((p) => /^[a-z0-9]+@[a-zA-Z0-9_]+$/.test(p))) return conn.send(`{"error":{"code":2,"msg":"Invalid request: stream"},"id":${id}}`);
    conn.send(`{"result":null,"id":${id}}`);
    for (const name of params) this.subscribe(conn, name);
    return undefined;
  },

  wrap(conn, name, data) {
    return conn.wrapped ? `{"stream":"${name}","data":${data}}` : data;
  },

  trades(conn, market, trades) {
    const name = `${native(market.symbol).toLowerCase()}@aggTrade`;
    return trades.map((t) => this.wrap(conn, name, aggregate(market, t)));
  },

  tick(conn, nowMs) {
    for (const k of conn.klines.values()) {
      const market = conn.exchange.markets.get(k.symbol), minutes = INTERVALS[k.interval], length = minutes * 60000;
      k.openMs ??= Math.floor(nowMs / length) * length;
      if (nowMs >= k.openMs + length + CLOSED_AFTER_MS) {
        const closed = market.candle(minutes, k.openMs) ?? market.emptyCandle(k.openMs);
        if (!conn.exchange.faults.keepCandles && !market.losses(k.openMs, k.openMs + length)) {
          conn.send(this.wrap(conn, k.name, kline(market, k.interval, closed, nowMs, true)));
        }
        k.openMs += length;
        k.told = nowMs;
      } else if (conn.exchange.klines && nowMs - k.told >= KLINE_EVERY_MS) {
        const now = market.candle(minutes, k.openMs, nowMs * 1000);
        k.told = nowMs;
        if (now) conn.send(this.wrap(conn, k.name, kline(market, k.interval, now, nowMs, false)));
      }
    }
  },

  shutdown(conn, nowMs) {
    conn.send(conn.wrapped ? `{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":${nowMs}}}` : `{"e":"serverShutdown","E":${nowMs}}`);
  },

  garbage(conn, symbol) {
    const s = native(symbol);
    return [
      `{"e":"aggTrade","E":1,"s":"${s}","a":9,"p":"abc","q":"1","f":1,"l":1,"T":1,"m":true,"M":true}`,
      `{"e":"aggTrade","E":1,"s":"${s}","p":"1.0","q":"1","f":1,"l":1,"T":1,"m":true,"M":true}`,
      `{"e":"aggTrade","E":1,"s":"${s}","a":9,"p":{"x":1},"q":"1","f":1,"l":1,"T":1,"m":true}`,
      `{"e":"aggTrade","E":1,"s":"${s}","a":9,"p":"1e999999999","q":"1","f":1,"l":1,"T":1,"m":true}`,
      `{"e":"aggTrade","E":1,"s":"${s}","a":"nine","p":"1","q":"1","f":1,"l":1,"T":1,"m":true}`,
      `{"e":"aggTrade","E":1,"s":"${s}","a":9,"p":"-5","q":"1","f":1,"l":1,"T":1,"m":true}`,
      `{"e":"kline","E":1,"s":"${s}","k":7}`,
      '{"e":"24hrTicker","E":1,"s":"BNBBTC","p":"0.0015"}',
      '{"e":"aggTrade","E":1,"s":"NOBODY","a":9,"p":"1","q":"1","f":1,"l":1,"T":1,"m":true}',
    ].map((text) => this.wrap(conn, `${s.toLowerCase()}@aggTrade`, text));
  },

  rest(exchange, url, nowMs) {
    const q = url.searchParams, symbol = exchange.symbolOf(q.get('symbol') ?? ''), market = exchange.markets.get(symbol);
    const headers = { 'x-mbx-used-weight-1m': String(exchange.weight(2, nowMs)) };
    if (url.pathname === '/api/v3/time') return { status: 200, headers, body: `{"serverTime":${nowMs}}` };
    if (url.pathname === '/api/v3/ping') return { status: 200, headers, body: '{}' };
    if (!market || exchange.refused.has(symbol)) return problem(400, -1121, 'Invalid symbol.');
    const limit = Number(q.get('limit') ?? 500);
    if (!(limit >= 1 && limit <= 1000)) return problem(400, -1100, "Illegal characters found in parameter 'limit'");
    if (url.pathname === '/api/v3/klines') return { headers, ...this.klines(market, q, limit, nowMs) };
    if (url.pathname === '/api/v3/aggTrades') return { headers, ...this.aggregates(market, q, limit, nowMs) };
    return { status: 404, body: '<html>not found</html>' };
  },

  klines(market, q, limit, nowMs) {
    const minutes = INTERVALS[q.get('interval')];
    if (!minutes) return problem(400, -1120, 'Invalid interval.');
    const length = minutes * 60000, end = Math.min(Number(q.get('endTime') ?? nowMs), nowMs);
    const start = q.has('startTime') ? Number(q.get('startTime')) : end - limit * length;
    const rows = market.candles(minutes, start, end + 1, nowMs * 1000, { empty: true, max: limit });
    return { status: 200, body: `[${rows.filter(Boolean).map((c) => `[${c.openMs},"${price(market, c.open)}","${price(market, c.high)}","${price(market, c.low)}",`
      + `"${price(market, c.close)}","${quantity(c.volume)}",${c.openMs + length - 1},"0.00000000",${c.trades},"0.00000000","0.00000000","0"]`)}]` };
  },

  aggregates(market, q, limit, nowMs) {
    const newest = market.newest(nowMs * 1000);
    let trades;
    if (q.has('fromId')) {
      if (q.has('startTime') || q.has('endTime')) return problem(400, -1128, 'Combination of optional parameters invalid.');
      const from = Number(q.get('fromId'));
      trades = market.ids(from, Math.min(newest, from + limit + 5000)).slice(0, limit);
    } else if (q.has('startTime')) {
      trades = market.between(Number(q.get('startTime')) * 1000, Math.min(Number(q.get('endTime') ?? nowMs), nowMs) * 1000 + 1, limit);
    } else trades = market.ids(newest - limit + 1, newest);
    return { status: 200, body: `[${trades.map((t) => `{"a":${t.id},"p":"${price(market, t.price)}","q":"${quantity(t.quantity)}","f":${t.first},"l":${t.last},`
      + `"T":${t.us / 1000},"m":${!t.buy},"M":true}`)}]` };
  },
};
