// market: one made-up market.  Everything about it is a pure function of its seed: the trades of a minute are known
// before that minute comes, and ids rise by one.  Times are microseconds since 1970 (safe integers), prices and
// quantities integers of `decimals` and QUANTITY_DECIMALS digits; candles are built of the trades with integers only.
const MINUTE_US = 60_000_000;
export const QUANTITY_DECIMALS = 8;

// Four numbers into 32 well mixed bits.
function mix(seed, a, b, c) {
  let h = seed | 0;
  for (const x of [a, b, c]) {
    h = Math.imul(h ^ x, 0x85ebca6b);
    h ^= h >>> 13;
    h = Math.imul(h, 0xc2b2ae35);
    h ^= h >>> 16;
  }
  return h >>> 0;
}

// An integer of so many decimals as text, all of them (or without the zeros at its end).
export function decimal(units, decimals, { trim = false } = {}) {
  const digits = String(units).padStart(decimals + 1, '0');
  if (decimals === 0) return digits;
  const text = `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
  return trim ? text.replace(/\.?0+$/, '') : text;
}

// Where a reader of the trades stands: take(us) gives those up to a time that it has not had.
class Cursor {
  constructor(market, next) {
    this.market = market;
    this.next = next;
    this.minute = market.minuteOf(next);
    this.at = next - market.first(this.minute);
  }

  take(us) {
    const all = [];
    for (;;) {
      const trades = this.market.trades(this.minute);
      while (this.at < trades.length && trades[this.at].us <= us) all.push(trades[this.at++]);
      if (this.at < trades.length || us < (this.minute + 1) * MINUTE_US) break;
      this.minute++;
      this.at = 0;
    }
    if (all.length > 0) this.next = all.at(-1).id + 1;
    return all;
  }
}

export class Market {
  // perMinute: trades a minute from startMs on, pastPerMinute before; quiet(minutes since the start): without any;
  // trend: walk, rise or fall; folds: some trades stand for several, as Binance's aggregates.
  constructor({ symbol, seed = 1, startMs, historyMinutes = 1500, perMinute = 90, pastPerMinute = 6, quiet = () => false,
    trend = 'walk', price = 87650.1, decimals = 2, resolutionUs = 1, folds = false }) {
    Object.assign(this, { symbol, perMinute, pastPerMinute, quiet, trend, decimals, resolutionUs, folds });
    this.seed = mix(seed, ...[...symbol].reduce((s, c) => [s[0] * 31 + c.charCodeAt(0) | 0, s[1] + 1, 7], [1, 0, 7]));
    this.base = Math.round(price * 10 ** decimals);
    this.startMinute = Math.floor(startMs / 60000);
    this.firstMinute = this.startMinute - historyMinutes;
    this.firstIds = [5_600_000 + (this.seed % 1000)];
    this.firstRaws = [this.firstIds[0] * 2];
    this.made = new Map(); // minute -> trades, of the latest few that were asked for
    this.lost = []; // [first id, last id] of trades that nobody will ever see
  }

  count(minute) {
    if (this.quiet(minute - this.startMinute)) return 0;
    const mean = minute < this.startMinute ? this.pastPerMinute : this.perMinute;
    return Math.max(1, mean + (mix(this.seed, minute, 1, 11) % 3) - 1);
  }

  folded(minute, slot) {
    return this.folds && mix(this.seed, minute, slot, 12) % 4 === 0 ? mix(this.seed, minute, slot, 13) % 3 : 0;
  }

  // Of a minute: the id of its first trade, or of the next there will be.
  first(minute, what = 'firstIds') {
    while (this.firstIds.length <= minute - this.firstMinute) {
      const at = this.firstMinute + this.firstIds.length - 1, count = this.count(at);
      let raws = count;
      for (let slot = 0; this.folds && slot < count; slot++) raws += this.folded(at, slot);
      this.firstIds.push(this.firstIds.at(-1) + count);
      this.firstRaws.push(this.firstRaws.at(-1) + raws);
    }
    return this[what][Math.max(0, minute - this.firstMinute)];
  }

  // The walk at a time in minutes: noise of several wave lengths between fixed points.
  walk(time) {
    let sum = 0;
    for (const [length, height] of [[64, 0.02], [16, 0.008], [4, 0.003]]) {
      const left = Math.floor(time / length), part = time / length - left;
      const at = (k) => mix(this.seed, k, length, 14) / 2 ** 32 - 0.5;
      sum += height * (at(left) * (1 - part) + at(left + 1) * part);
    }
    return sum;
  }

  price(minute, slot, part) {
    const noise = (mix(this.seed, minute, slot, 15) / 2 ** 32 - 0.5) * 0.0004;
    const time = minute - this.startMinute + part;
    const way = this.trend === 'walk' ? this.walk(minute + part) : (this.trend === 'rise' ? 1 : -1) * time * 0.0004;
    return Math.max(1, Math.round(this.base * (1 + way + noise * (this.trend === 'walk' ? 1 : 0.2))));
  }

  quantity(minute, slot) {
    const h = mix(this.seed, minute, slot, 16);
    return h % 5 === 0 ? 1 + h % 999 : h % 5 === 1 ? (1 + h % 90) * 100_000_000 : 1000 * (1 + h % 400_000);
  }

  time(minute, slot, count) {
    const twin = slot > 0 && mix(this.seed, minute, slot, 17) % 5 === 0 ? 1 : 0; // at the time of the one before
    const edge = mix(this.seed, minute, 2, 18) % 3;
    let within = Math.floor((slot - twin + mix(this.seed, minute, slot - twin, 19) / 2 ** 32) * MINUTE_US / count);
    if (slot - twin === 0 && edge === 0) within = 0;
    if (slot - twin === count - 1 && edge === 1) within = MINUTE_US - this.resolutionUs;
    return minute * MINUTE_US + within - within % this.resolutionUs;
  }

  // All trades of a minute, lowest id first: { id, us, price, quantity, buy, first, last } (first and last: raw ids).
  trades(minute) {
    const known = this.made.get(minute);
    if (known) return known;
    const count = minute < this.firstMinute ? 0 : this.count(minute), all = [];
    let raw = this.first(minute, 'firstRaws');
    for (let slot = 0, id = this.first(minute); slot < count; slot++, id++) {
      const us = this.time(minute, slot, count), last = raw + this.folded(minute, slot);
      all.push({ id, us, price: this.price(minute, slot, slot / count), quantity: this.quantity(minute, slot),
        buy: mix(this.seed, minute, slot, 20) % 2 === 0, first: raw, last, symbol: this.symbol });
      raw = last + 1;
    }
    this.made.set(minute, all);
    if (this.made.size > 8) this.made.delete(this.made.keys().next().value);
    return all;
  }

  minuteOf(id) {
    this.first(this.startMinute);
    while (this.firstIds.at(-1) <= id) this.first(this.firstMinute + this.firstIds.length);
    let low = 0, high = this.firstIds.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.firstIds[middle] <= id) low = middle;
      else high = middle;
    }
    // Of a quiet minute and the one behind it, which begin with the same id, the later has the trade.
    while (this.firstIds[low + 1] <= id) low++;
    return this.firstMinute + low;
  }

  trade(id) {
    if (id < this.firstIds[0]) return undefined;
    const minute = this.minuteOf(id);
    return this.trades(minute)[id - this.first(minute)];
  }

  // The id of the newest trade at or before a time.
  newest(us) {
    const minute = Math.floor(us / MINUTE_US), all = this.trades(minute);
    let n = 0;
    while (n < all.length && all[n].us <= us) n++;
    return this.first(minute) + n - 1;
  }

  // From the first trade after a time on.
  cursor(us) {
    return new Cursor(this, this.newest(us) + 1);
  }

  isLost(id) {
    return this.lost.some(([from, to]) => from <= id && id <= to);
  }

  // Trades of [fromUs, toUs), at most `max`, that anybody can see.
  between(fromUs, toUs, max = Infinity) {
    const all = [];
    for (let minute = Math.max(this.firstMinute, Math.floor(fromUs / MINUTE_US)); minute * MINUTE_US < toUs; minute++) {
      for (const trade of this.trades(minute)) {
        if (trade.us < fromUs || trade.us >= toUs || this.isLost(trade.id)) continue;
        if (all.length >= max) return all;
        all.push(trade);
      }
    }
    return all;
  }

  // Trades of ids from..to (ends included) that anybody can see.
  ids(from, to) {
    const all = [];
    for (let id = Math.max(from, this.firstIds[0]); id <= to; id++) if (!this.isLost(id)) all.push(this.trade(id));
    return all;
  }

  // The candle of `minutes` that opens at openMs as it is at asOfUs; null without trades.
  candle(minutes, openMs, asOfUs = Infinity) {
    const openUs = openMs * 1000, trades = this.between(openUs, Math.min(openUs + minutes * MINUTE_US, asOfUs + 1));
    if (trades.length === 0) return null;
    let volume = 0n, high = trades[0].price, low = high, worth = 0n, count = 0;
    for (const { price, quantity, first, last } of trades) {
      high = Math.max(high, price);
      low = Math.min(low, price);
      volume += BigInt(quantity);
      worth += BigInt(price) * BigInt(quantity);
      count += last - first + 1;
    }
    return { openMs, open: trades[0].price, high, low, close: trades.at(-1).price, volume, worth, trades: count,
      first: trades[0].first, last: trades.at(-1).last };
  }

  // Candles whose opening lies in [fromMs, toMs), as REST of an exchange has them at asOfUs.  An interval without trades
  // is left out, or (empty) has the price before it; one with a lost trade is never there.
  candles(minutes, fromMs, toMs, asOfUs, { empty = false, max = Infinity } = {}) {
    const length = minutes * 60000, all = [];
    let at = Math.max(Math.ceil(fromMs / length) * length, Math.ceil(this.firstMinute * 60000 / length) * length);
    for (; at < toMs && at * 1000 <= asOfUs && all.length < max; at += length) {
      if (this.losses(at, at + length)) continue;
      const candle = this.candle(minutes, at, asOfUs);
      if (candle) all.push(candle);
      else if (empty) all.push(this.emptyCandle(at));
    }
    return all;
  }

  emptyCandle(openMs) {
    const id = this.newest(openMs * 1000 - 1);
    if (id < this.firstIds[0]) return null;
    const { price } = this.trade(id);
    return { openMs, open: price, high: price, low: price, close: price, volume: 0n, worth: 0n, trades: 0, first: -1, last: -1 };
  }

  losses(fromMs, toMs) {
    return this.lost.some(([from, to]) => this.trade(to).us >= fromMs * 1000 && this.trade(from).us < toMs * 1000);
  }
}
