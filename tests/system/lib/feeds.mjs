// feeds: a generator on fake exchanges, all living through the same few minutes: a feed a scenario.  The table keeps
// account of whoever changes a candle that was stored.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Exchange } from './exchange.mjs';
import { Site, program, until } from './site.mjs';

const LOOK_EVERY_MS = 500, POLL_MS = 100;
export const MINUTE = 60000;
export const minuteOf = (ms) => Math.floor(ms / MINUTE) * MINUTE;
export const sleepless = (ms) => { // a condition: so much time has passed
  const end = Date.now() + ms;
  return () => Date.now() >= end;
};

// `rising` fires on the first live candle of a rising market and stays active for good.
const STRATEGIES = `[strategy rising]
type = donchian_breakout
timeframe = 1m
period = 3
stop_atr = 25
targets_r = 40, 50
expiry_candles = 10000
[strategy five]
type = donchian_breakout
timeframe = 5m
warmup = 60
`;

const CHANGES = `CREATE TABLE candle_changes ( exchange text, symbol text, timeframe text,
  open_time timestamptz, before text, after text);
CREATE FUNCTION candle_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO candle_changes (exchange, symbol, timeframe, open_time, before, after)
    VALUES (OLD.exchange, OLD.symbol, OLD.timeframe, OLD.open_time, OLD::text, NEW::text);
  RETURN NULL;
END $$;
CREATE TRIGGER candle_changed AFTER UPDATE ON candles FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION candle_changed();`;

export class Feeds {
  // scenarios: { name, exchange: options of Exchange, keys }.  prepare(feed) can set faults before anybody connects.
  static async create(t, scenarios, { strategies = STRATEGIES, generator = '' } = {}) {
    const feeds = new Feeds();
    // The minute at the start is the same for all, and the first trades of it are seen live.
    await until('the minute has some time left', () => Date.now() % MINUTE < 50000);
    feeds.site = await Site.create(t);
    feeds.list = await Promise.all(scenarios.map(async (s) => new Feed(feeds.site, s, await Exchange.create(t, s.exchange))));
    for (const feed of feeds.list) await feed.scenario.prepare?.(feed);
    const sections = feeds.list.map((f) => `[feed ${f.name}]\n${f.exchange.keys}${f.scenario.keys ?? ''}\n`).join('\n');
    feeds.site.configure({ generator, strategies, feed: sections,
      processes: `[process generator]\ncommand = ${program('tocsin-generator')} -c ${feeds.site.dir}/tocsin.conf\n` });
    await feeds.site.migrate();
    await feeds.site.sql(CHANGES);
    return feeds;
  }

  async start() {
    this.startedMs = Date.now();
    for (const feed of this.list) Object.assign(feed, { startedMs: this.startedMs, table: this.table });
    await this.site.start({ ready: false });
    this.look();
  }

  // What all scenarios wait for, asked for once: the newest candle of each series, and the signals.
  table = { newest: new Map(), signals: new Map() };

  async look() {
    try {
      const rows = await this.site.sql(`SELECT exchange, symbol, timeframe, (extract(epoch FROM max(open_time)) * 1000)::bigint::text, '', '' FROM candles GROUP BY 1, 2, 3
        UNION ALL SELECT exchange, symbol, '', status, exit_reason, outcome FROM signals WHERE strategy = 'rising'`);
      const newest = new Map(), signals = new Map();
      for (const [exchange, symbol, timeframe, value, ...more] of rows) {
        const key = `${exchange} ${symbol}`;
        if (timeframe !== '') newest.set(`${key} ${timeframe}`, Number(value));
        else signals.set(key, [...(signals.get(key) ?? []), [value, ...more]]);
      }
      Object.assign(this.table, { newest, signals });
    } catch (error) {
      if (!fs.existsSync(this.site.dir)) return; // the test is over
    }
    setTimeout(() => this.look(), LOOK_EVERY_MS).unref();
  }
}

export class Feed {
  constructor(site, scenario, exchange) {
    Object.assign(this, { site, scenario, exchange, name: scenario.name, symbols: [...exchange.markets.keys()] });
  }

  // What the generator said about it goes with a failure.
  async run() {
    try {
      await this.scenario.run(this);
    } catch (error) {
      error.message += `\n${this.lines().slice(-20).join('\n')}`;
      throw error;
    }
  }

  // Log lines about this feed that match.
  lines(match = /./) {
    const own = new RegExp(`\\b(name|feed)=${this.name}( |$)`);
    return this.site.log('generator').split('\n').filter((line) => own.test(line) && match.test(line));
  }

  logged(match, count = 1, ms = 60000) {
    return until(`${this.name} logs ${match}`, () => this.lines(match).length >= count, ms, POLL_MS);
  }

  // Its STATUS, null before there is any.
  status() {
    try {
      return this.site.process('generator').status.feeds[this.name];
    } catch {
      return null;
    }
  }

  // All markets are subscribed to by streams that live, newer than `after` (ms).
  subscribed(after = 0, ms = 100000) {
    return until(`${this.name} is subscribed`, () => {
      const streams = this.exchange.subscribed.filter((c) => c.openedAt >= after);
      return this.symbols.every((s) => this.exchange.refused.has(s) || streams.some((c) => c.cursors.has(s)));
    }, ms, POLL_MS);
  }

  async rows(symbol, minutes, fromMs, toMs) {
    const rows = await this.site.sql(`SELECT extract(epoch FROM open_time)::bigint * 1000, trim_scale(open), trim_scale(high), trim_scale(low), trim_scale(close),
      trim_scale(volume), trades, source FROM candles WHERE exchange = '${this.name}' AND symbol = '${symbol}' AND timeframe = '${minutes}m'
      AND open_time >= to_timestamp(${fromMs / 1000}) AND open_time < to_timestamp(${toMs / 1000}) ORDER BY open_time`);
    return rows.map(([openMs, open, high, low, close, volume, trades, source]) => (
      { openMs: Number(openMs), open, high, low, close, volume, trades: trades === '' ? null : Number(trades), source }));
  }

  // The candle that opens at openMs has been stored.
  stored(symbol, openMs, minutes = 1) {
    const ms = Math.max(0, openMs + minutes * MINUTE - Date.now()) + 45000;
    return until(`${this.name} stores ${symbol} of ${new Date(openMs).toISOString()}`,
      () => this.table.newest.get(`${this.name} ${symbol} ${minutes}m`) >= openMs, ms, POLL_MS);
  }

  // A signal of the strategy `rising` is in this status: [status, exit_reason, outcome].
  signal(symbol, status, ms = 120000) {
    return until(`${this.name}: a signal of ${symbol} is ${status}`,
      () => this.table.signals.get(`${this.name} ${symbol}`)?.find((row) => row[0] === status), ms, POLL_MS);
  }

  // Row for row what the exchange's trades give.  `sources`: those that a candle with trades may have.
  async equal(symbol, fromMs, toMs, { minutes = 1, sources = ['rest', 'trades', 'ws'], skip = () => false } = {}) {
    const wanted = this.exchange.expectedCandles(symbol, minutes, fromMs, toMs).filter((c) => !skip(c.openMs));
    const rows = (await this.rows(symbol, minutes, fromMs, toMs)).filter((c) => !skip(c.openMs));
    const core = ({ openMs, open, high, low, close, volume }) => [new Date(openMs).toISOString(), open, high, low, close, volume].join(' ');
    assert.ok(wanted.length > 0);
    assert.deepEqual(rows.map(core), wanted.map(core), `${this.name} ${symbol} ${minutes}m`);
    rows.forEach((row, i) => {
      const what = `${this.name} ${symbol} ${minutes}m ${core(row)} ${row.source} ${row.trades}`;
      if (wanted[i].empty) assert.ok(['filled', 'rest'].includes(row.source), what);
      else assert.ok(sources.includes(row.source), what);
      // REST of Coinbase does not tell how many trades a candle had.
      if (row.trades === null) assert.ok(this.exchange.name === 'coinbase' && (row.source === 'rest' || minutes > 1), what);
      else assert.equal(row.trades, wanted[i].trades, what);
    });
    return rows;
  }

  // No candle that was stored, and so judged, was ever changed.
  async unchanged(symbol) {
    const changes = await this.site.sql(`SELECT symbol, timeframe, open_time, before, after FROM candle_changes WHERE exchange = '${this.name}'
      ${symbol ? `AND symbol = '${symbol}'` : ''}`);
    assert.deepEqual(changes, [], `${this.name}: candles were changed`);
  }

  // No limit was broken, every ping answered.
  polite() {
    const { seen, protocol, name } = this.exchange;
    assert.equal(seen.tooFast, 0, `${this.name}: more messages than allowed`);
    assert.equal(seen.wrongPongs, 0);
    if (name === 'binance') {
      for (const n of new Set(seen.sent.map((s) => s.connection))) {
        assert.ok(Exchange.busiest(seen.sent.filter((s) => s.connection === n), 1000) <= protocol.messagesPerSecond);
      }
    }
    if (protocol.requestsPerSecond) assert.ok(Exchange.busiest(seen.requests, 1000) <= protocol.requestsPerSecond);
  }
}
