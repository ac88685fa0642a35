// kraken: spot, WebSocket v2, channel trade.
import { QUANTITY_DECIMALS, decimal } from './market.mjs';

const INTERVALS = [1, 5, 15, 30, 60, 240, 1440, 10080, 21600];
const HEARTBEAT_EVERY_MS = 1000, SNAPSHOT = 50, CANDLES_MAX = 720, TRADES_MAX = 1000;
const quantity = (units) => decimal(units, QUANTITY_DECIMALS);
const iso = (us, digits = 6) => `${new Date(Math.floor(us / 1000)).toISOString().slice(0, -1)}${String(us % 1000).padStart(3, '0').slice(0, digits - 3)}`
  + `${'0'.repeat(Math.max(0, digits - 6))}Z`;

// A JSON number as they write it: no zeros at the end, small ones with an exponent.
function number(units, decimals) {
  const text = decimal(units, decimals, { trim: true });
  const small = text.match(/^0\.(0{4,})([1-9])(\d*)$/);
  return small ? `${small[2]}${small[3] ? `.${small[3]}` : ''}e-${String(small[1].length + 1).padStart(2, '0')}` : text.includes('.') ? text : `${text}.0`;
}

const trade = (market, t) => `{"symbol":"${t.symbol}","side":"${t.buy ? 'buy' : 'sell'}","price":${number(t.price, market.decimals)},`
  + `"qty":${number(t.quantity, QUANTITY_DECIMALS)},"ord_type":"${t.id % 2 ? 'limit' : 'market'}","trade_id":${t.id},"timestamp":"${iso(t.us, t.id % 3 === 0 ? 9 : 6)}"}`;

// No two trades have the same, though some share their microsecond.
const nanoseconds = (market, t) => BigInt(t.us) * 1000n + (market.trade(t.id - 1)?.us === t.us ? 1n : 0n);

// Their own names of some pairs: what an answer's key is.
const old = (symbol) => symbol.replace('BTC', 'XBT').replace('DOGE', 'XDG');

function internal(symbol) {
  const [base, quote] = old(symbol).split('/');
  const classes = { XBT: 'X', ETH: 'X', XRP: 'X', LTC: 'X', XDG: 'X', USD: 'Z', EUR: 'Z' };
  return classes[base] && classes[quote] ? classes[base] + base + classes[quote] + quote : base + quote;
}

const error = (...texts) => ({ status: 200, body: JSON.stringify({ error: texts }) });

export const kraken = {
  resolutionUs: 1,
  folds: false,
  native: (symbol) => symbol,
  // REST takes several names of a pair, those of old too.
  names: (symbol) => [symbol.replace('/', ''), old(symbol).replace('/', ''), internal(symbol), old(symbol)],

  opened(conn) {
    conn.send('{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":13834774380200032777,"system":"online","version":"2.0.10"}]}');
    conn.beat = conn.exchange.nowMs();
    conn.beats = false;
  },

  message(conn, text) {
    const { method, params, req_id: id } = JSON.parse(text), now = iso(conn.exchange.nowMs() * 1000);
    const request = id === undefined ? '' : `"req_id":${id},`;
    if (method === 'ping') return conn.send(`{"method":"pong",${request}"time_in":"${now}","time_out":"${now}"}`);
    if (method !== 'subscribe') return conn.send(`{"error":"Unsupported method","method":"${method}",${request}"success":false,"time_in":"${now}","time_out":"${now}"}`);
    conn.beats = true;
    for (const symbol of params.symbol) {
      if (params.channel !== 'trade' || !conn.exchange.markets.has(symbol) || conn.exchange.refused.has(symbol)) {
        conn.send(`{"error":"Currency pair not supported ${symbol}","method":"subscribe",${request}"success":false,"symbol":"${symbol}","time_in":"${now}","time_out":"${now}"}`);
        continue;
      }
      const snapshot = params.snapshot !== false, market = conn.exchange.markets.get(symbol), cursor = conn.subscribe(symbol);
      conn.send(`{"method":"subscribe",${request}"result":{"channel":"trade","snapshot":${snapshot},"symbol":"${symbol}"},"success":true,"time_in":"${now}","time_out":"${now}"}`);
      if (!snapshot || !cursor) continue;
      const last = conn.exchange.visible(market, market.ids(cursor.next - SNAPSHOT, cursor.next - 1));
      conn.send(`{"channel":"trade","type":"snapshot","data":[${last.map((t) => trade(market, t))}]}`);
    }
    return undefined;
  },

  trades(conn, market, trades) {
    conn.beat = conn.exchange.nowMs();
    return [`{"channel":"trade","type":"update","data":[${trades.map((t) => trade(market, t))}]}`];
  },

  tick(conn, nowMs) {
    if (!conn.beats || nowMs - conn.beat < HEARTBEAT_EVERY_MS || conn.exchange.faults.noHeartbeat) return;
    conn.beat = nowMs;
    conn.send('{"channel":"heartbeat"}');
  },

  garbage(conn, symbol) {
    const data = (text) => `{"channel":"trade","type":"update","data":[{"symbol":"${symbol}",${text}}]}`;
    return [
      data('"side":"buy","price":"abc","qty":1,"trade_id":9,"timestamp":"2026-01-01T00:00:00Z"'),
      data('"side":"buy","price":1.5,"qty":1,"timestamp":"2026-01-01T00:00:00Z"'),
      data('"side":"buy","price":1.5,"qty":1,"trade_id":9,"timestamp":12'),
      data('"side":"buy","price":-1.5,"qty":1,"trade_id":9,"timestamp":"2026-01-01T00:00:00Z"'),
      data('"side":"buy","price":1e400,"qty":1,"trade_id":9,"timestamp":"2026-01-01T00:00:00Z"'),
      data('"side":"buy","price":1,"qty":null,"trade_id":9.5,"timestamp":"2026-01-01T00:00:00Z"'),
      '{"channel":"trade","type":"update","data":{}}',
      '{"channel":"trade","type":"update","data":[{"symbol":"NO/BODY","side":"buy","price":1,"qty":1,"trade_id":9,"timestamp":"2026-01-01T00:00:00Z"}]}',
      '{"channel":"invented_today","data":[1,2,3]}',
    ];
  },

  // A word of the matching engine: online, maintenance …
  system(word) {
    return `{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":1,"system":"${word}","version":"2.0.10"}]}`;
  },

  rest(exchange, url, nowMs) {
    const symbol = exchange.symbolOf(url.searchParams.get('pair') ?? ''), market = exchange.markets.get(symbol);
    if (!market || exchange.refused.has(symbol)) return error('EQuery:Unknown asset pair');
    if (url.pathname === '/0/public/OHLC') return this.candles(market, url.searchParams, nowMs);
    if (url.pathname === '/0/public/Trades') return this.page(market, url.searchParams, nowMs);
    return error('EGeneral:Unknown method');
  },

  // Those after `since`; the last row is the running candle.
  candles(market, q, nowMs) {
    const minutes = Number(q.get('interval') ?? 1), length = minutes * 60000;
    if (!INTERVALS.includes(minutes)) return error('EGeneral:Invalid arguments');
    const oldest = Math.floor(nowMs / length) * length - (CANDLES_MAX - 1) * length;
    const from = Math.max(oldest, q.has('since') ? Number(q.get('since')) * 1000 + 1 : oldest);
    const rows = market.candles(minutes, from, nowMs + 1, nowMs * 1000, { empty: true }).filter(Boolean);
    const price = (units) => decimal(units, market.decimals);
    const vwap = (c) => (c.volume === 0n ? '0.0' : price(c.worth / c.volume));
    const last = rows.length > 1 ? rows.at(-2).openMs / 1000 : Math.floor(nowMs / length) * length / 1000;
    return { status: 200, body: `{"error":[],"result":{"${internal(market.symbol)}":[${rows.map((c) => `[${c.openMs / 1000},"${price(c.open)}","${price(c.high)}","${price(c.low)}",`
      + `"${price(c.close)}","${vwap(c)}","${quantity(c.volume)}",${c.trades}]`)}],"last":${last}}}` };
  },

  // Those after `since`, in nanoseconds.
  page(market, q, nowMs) {
    const count = Math.min(TRADES_MAX, Number(q.get('count') ?? TRADES_MAX)), nowUs = nowMs * 1000;
    const since = q.get('since') ?? '0', sinceNs = since.length > 12 ? BigInt(since) : BigInt(Math.floor(Number(since) * 1e6)) * 1000n;
    const trades = sinceNs === 0n ? market.ids(market.newest(nowUs) - count + 1, market.newest(nowUs))
      : market.between(Number(sinceNs / 1000n), nowUs + 1, count + 2).filter((t) => nanoseconds(market, t) > sinceNs).slice(0, count);
    const last = trades.length ? nanoseconds(market, trades.at(-1)) : since;
    return { status: 200, body: `{"error":[],"result":{"${internal(market.symbol)}":[${trades.map((t) => `["${decimal(t.price, market.decimals)}","${quantity(t.quantity)}",`
      + `${decimal(t.us, 6)},"${t.buy ? 'b' : 's'}","${t.id % 2 ? 'l' : 'm'}","",${t.id}]`)}],"last":"${last}"}}` };
  },
};
