// The feeds of exchanges, against fake ones over real TLS.  Candles take minutes, so all scenarios live through the same
// two: one generator, a feed and an exchange a scenario, each with its faults, none the wiser of the others'.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Feeds, MINUTE, minuteOf, sleepless } from './lib/feeds.mjs';
import { until } from './lib/site.mjs';

const ALL = ['binance', 'coinbase', 'kraken'];
const HISTORY = 200 * MINUTE;
const each = (make) => ALL.map((protocol) => ({ ...make(protocol), protocol })).map((s) => ({ ...s, exchange: { protocol: s.protocol, ...s.exchange } }));

// The minute that was running at the start and the next: by then every fault is over, and all of both must be there.
async function bothMinutes(feed, symbols = feed.symbols, options = {}) {
  const first = minuteOf(feed.startedMs), end = first + 2 * MINUTE;
  for (const symbol of symbols) {
    await feed.stored(symbol, first + MINUTE);
    await feed.equal(symbol, first - HISTORY, end, options);
  }
}

const plain = each((protocol) => ({
  name: `plain_${protocol}`,
  title: 'cold start, history, live candles of several timeframes, quiet minutes',
  exchange: { markets: ['BTC/USD', { symbol: 'DOGE/BTC', price: 0.00001234, decimals: 8, quiet: (i) => i === 0 || i % 7 === -3 }], pingEveryMs: 2000 },
  async run(feed) {
    const { exchange } = feed, first = minuteOf(feed.startedMs);
    await feed.subscribed();
    await feed.stored('BTC/USD', first);
    // The minute before the start may be too young for REST.
    await feed.equal('BTC/USD', first - 499 * MINUTE, first - MINUTE, { sources: ['rest'] });
    await feed.equal('BTC/USD', first, first + MINUTE, { sources: ['trades'] });
    await bothMinutes(feed);

    // The minute at the start has no trades in one market.
    const [quiet] = await feed.rows('DOGE/BTC', 1, first, first + MINUTE);
    assert.deepEqual([quiet.source, quiet.volume, quiet.trades], ['filled', '0', 0]);

    const five = Math.floor((first + 2 * MINUTE) / (5 * MINUTE)) * 5 * MINUTE;
    for (const symbol of feed.symbols) await feed.equal(symbol, five - 250 * MINUTE, five, { minutes: 5, sources: ['rest', 'trades'] });
    await feed.unchanged();

    feed.polite();
    assert.ok(exchange.seen.pongs >= 10);
    assert.equal(exchange.seen.closes.length, 0);
    assert.equal(exchange.subscribed.length, 1, 'one connection has all markets');
    for (const { sni, headers } of [...exchange.seen.upgrades, ...exchange.seen.requests]) {
      assert.equal(sni, 'localhost');
      assert.match(headers.host, /^localhost/);
      assert.match(headers['user-agent'], /^tocsin\//);
    }
  },
}));

const connections = each((protocol) => ({
  name: `cuts_${protocol}`,
  title: 'connections that are cut in every way, stall, or say goodbye',
  exchange: { markets: ['BTC/USD', 'ETH/USD'] },
  prepare(feed) {
    feed.exchange.faults.zeroHeartbeat = true; // it happens that they do not know the last trade
  },
  async run(feed) {
    const { exchange } = feed;
    const again = async (fault) => {
      await feed.subscribed();
      await until('some trades', sleepless(300));
      const at = Date.now();
      fault();
      await feed.subscribed(at);
    };
    await again(() => exchange.cut('reset'));
    await again(() => exchange.close(1012, 'service restart'));
    await again(() => exchange.cut('middle'));
    await again(() => exchange.stall()); // nothing is sent, no ping answered; the socket stays open
    await again(() => exchange.cut('fin'));
    await bothMinutes(feed);
    await feed.unchanged();
    feed.polite();
  },
}));

const trades = each((protocol) => ({
  name: `trades_${protocol}`,
  title: 'trades dropped, repeated and out of order, garbage, parts and huge messages',
  exchange: { markets: [{ symbol: 'BTC/USD', perMinute: 240 }, 'ETH/USD'] },
  async run(feed) {
    const { exchange } = feed, { faults } = exchange;
    await feed.subscribed();
    await until('some trades', sleepless(1000));
    const during = async (fault, off) => {
      const { sent } = exchange, lasted = sleepless(2500);
      Object.assign(faults, fault);
      await until('trades under the fault', () => lasted() && exchange.sent > sent + 5, 60000);
      Object.assign(faults, off);
    };
    const dropped = exchange.drop('BTC/USD', 3);
    await until('they are over', () => exchange.markets.get('BTC/USD').newest(Date.now() * 1000) > dropped.to);
    await during({ reorder: true }, { reorder: false });
    await during({ repeat: true }, { repeat: false });
    exchange.garbage('BTC/USD');
    await feed.logged(/ warn .*not understood/);
    await during({ fragment: 50 }, { fragment: 0 });
    await during({ trickle: 700 }, { trickle: 0 });
    // Trades at the very end of the minute are dropped: nothing but REST or a heartbeat tells of them in time.
    for (const symbol of feed.symbols) {
      const market = exchange.markets.get(symbol), end = minuteOf(Date.now()) + MINUTE;
      const to = market.newest(end * 1000 - 1), now = market.newest(Date.now() * 1000);
      if (to - now > 3) exchange.drop(symbol, 2, to - now - 2);
    }
    await bothMinutes(feed);
    await feed.unchanged();
    feed.polite();
    assert.equal(exchange.seen.closes.length, 0, 'nothing of this is a reason to reconnect');
    assert.ok(feed.lines(/ (warn|error) /).length < 30, 'garbage does not flood the log');
  },
}));

const silence = each((protocol) => ({
  name: `silent_${protocol}`,
  title: 'a stream without a word for a minute, but whose pings are answered, is alive',
  exchange: { markets: [{ symbol: 'BTC/USD', quiet: (i) => i === 1 }], klines: false },
  prepare(feed) {
    Object.assign(feed.exchange.faults, { noHeartbeat: true, keepCandles: true });
  },
  async run(feed) {
    const { exchange } = feed, first = minuteOf(feed.startedMs), silence = exchange.markets.get('BTC/USD');
    await feed.subscribed();
    await feed.stored('BTC/USD', first);
    await feed.equal('BTC/USD', first - HISTORY, first + MINUTE);
    if (exchange.protocol.system) {
      exchange.say(exchange.protocol.system('maintenance'));
      await feed.logged(/ warn .*maintenance/);
      exchange.say(exchange.protocol.system('online'));
      await feed.logged(/ info .*online/);
    }
    await until('the quiet minute is over', () => Date.now() >= first + 2 * MINUTE, 130000);
    assert.deepEqual(exchange.seen.closes, []);
    assert.ok(exchange.seen.sent.filter((s) => s.what === 'ping' || s.what.includes('"ping"')).length >= 5);
    const sent = exchange.seen.sent.length;
    await until('trades go on', () => exchange.sent > 0 && silence.newest(Date.now() * 1000) > silence.newest((first + 2 * MINUTE) * 1000));
    assert.ok(exchange.seen.sent.length - sent <= 2 && exchange.subscribed.length === 1);
    await feed.unchanged();
    feed.polite();
  },
}));

const late = each((protocol) => ({
  name: `late_${protocol}`,
  title: 'a stream that is seconds behind: what is stored in the end is right',
  exchange: { markets: [{ symbol: 'BTC/USD', perMinute: 240 }] },
  async run(feed) {
    await feed.subscribed();
    feed.exchange.faults.lagMs = 5000;
    const first = minuteOf(feed.startedMs);
    await feed.stored('BTC/USD', first);
    await until(`${feed.name}: the first minute is right`,
      () => feed.equal('BTC/USD', first, first + MINUTE).then(() => true, (error) => { feed.wrong = error; return false; }), 40000).catch(() => { throw feed.wrong; });
    feed.exchange.faults.lagMs = 0;
    await bothMinutes(feed);
    feed.polite();
  },
}));

const poison = each((protocol) => ({
  name: `poison_${protocol}`,
  title: 'a trade that never was, far beyond the others: it is in no candle',
  exchange: { markets: ['BTC/USD'] },
  async run(feed) {
    await feed.subscribed();
    await until('some trades', sleepless(2000));
    feed.exchange.poison('BTC/USD');
    await bothMinutes(feed);
    await feed.unchanged();
    feed.polite();
  },
}));

const skewed = [['binance', -6000], ['coinbase', 6000], ['kraken', -6000]].map(([protocol, skewMs]) => ({
  name: `skew_${protocol}`,
  title: `an exchange whose clock is ${skewMs / 1000} s ahead of ours`,
  exchange: { protocol, markets: ['BTC/USD', { symbol: 'ETH/USD', perMinute: 4 }] },
  prepare(feed) {
    feed.exchange.faults.skewMs = skewMs;
  },
  async run(feed) {
    await feed.subscribed();
    await bothMinutes(feed);
    await feed.unchanged();
  },
}));

const many = { name: 'many_binance', title: 'so many markets that the subscription takes several messages, at the pace that is allowed',
  exchange: { protocol: 'binance', markets: Array.from({ length: 170 }, (_, i) => `M${i}/USDT`), market: { perMinute: 8, pastPerMinute: 3 } },
  async run(feed) {
    const { exchange } = feed, first = minuteOf(feed.startedMs);
    await feed.subscribed();
    assert.ok(exchange.seen.sent.filter((s) => s.what.includes('SUBSCRIBE')).length > 5);
    await feed.stored('M169/USDT', first);
    for (const symbol of ['M0/USDT', 'M84/USDT', 'M169/USDT']) {
      await feed.stored(symbol, first);
      await feed.equal(symbol, first - HISTORY, first + MINUTE);
    }
    await feed.unchanged();
    feed.polite();
  } };

// By hand, for longer: TOCSIN_CHAOS_MINUTES; as it was before: TOCSIN_SEED.
// Only trades that are followed by others soon are dropped: what Kraken keeps back in a quiet market nobody can know.
const chaos = each((protocol) => ({
  name: `chaos_${protocol}`,
  title: 'faults at random, one after the other',
  exchange: { markets: [{ symbol: 'BTC/USD', perMinute: 300 }, 'ETH/USD', { symbol: 'XRP/USD', perMinute: 3 }] },
  async run(feed) {
    const { exchange } = feed, { faults } = exchange, seed = Number(process.env.TOCSIN_SEED ?? Date.now() % 1000000);
    const minutes = Number(process.env.TOCSIN_CHAOS_MINUTES ?? 2), first = minuteOf(feed.startedMs), end = first + minutes * MINUTE;
    let state = seed, told = '';
    const random = (below) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor(state / 2 ** 32 * below);
    };
    const symbol = () => feed.symbols[random(feed.symbols.length)];
    const none = { ...faults };
    const whileOn = (fault) => () => {
      Object.assign(faults, fault);
      return () => Object.assign(faults, none);
    };
    const rests = (fault) => () => exchange.failRest(/./, fault).off;
    const kinds = {
      reset: () => exchange.cut('reset'), fin: () => exchange.cut('fin'), middle: () => exchange.cut('middle'), goodbye: () => exchange.close(1001),
      stall: () => exchange.stall(), drop: () => { exchange.drop('BTC/USD', 1 + random(5)); }, garbage: () => { exchange.garbage(symbol()); },
      reorder: whileOn({ reorder: true }), repeat: whileOn({ repeat: true }), fragment: whileOn({ fragment: 30 }), trickle: whileOn({ trickle: 500 }),
      refuse: whileOn({ refuse: 503 }), mute: whileOn({ stallNew: true }), beatless: whileOn({ noHeartbeat: true }), zero: whileOn({ zeroHeartbeat: true }),
      rest500: rests({ status: 500 }), rest429: rests({ status: 429, headers: { 'retry-after': '1' } }), restCut: rests({ cut: true }), restSlow: rests({ delayMs: 700 }),
      restHtml: rests({ status: 502, body: '<html>' }),
    };
    try {
      await feed.subscribed();
      while (Date.now() < end - 25000) {
        const kind = Object.keys(kinds)[random(Object.keys(kinds).length)], ms = 100 + random(4000);
        told += ` ${kind}/${ms}`;
        const off = kinds[kind]();
        await until('it lasts', sleepless(ms), 30000, 50);
        if (typeof off === 'function') off();
      }
      for (const s of feed.symbols) {
        await feed.stored(s, end - MINUTE);
        await feed.equal(s, first - HISTORY, end);
      }
      await feed.unchanged();
      feed.polite();
    } catch (error) {
      error.message = `TOCSIN_SEED=${seed}:${told}\n${error.message}`;
      throw error;
    }
  },
}));

const losses = each((protocol) => ({
  name: `loss_${protocol}`,
  title: 'trades that nobody has any more: a gap is declared, its market alone begins anew',
  exchange: { markets: [{ symbol: 'BTC/USD', trend: 'rise' }, { symbol: 'ETH/USD', trend: 'rise' }] },
  async run(feed) {
    const { exchange } = feed, first = minuteOf(feed.startedMs);
    await feed.subscribed();
    for (const symbol of feed.symbols) await feed.signal(symbol, 'active');
    const lost = exchange.lose('BTC/USD', 4, 5), minute = minuteOf(lost.fromUs / 1000);
    const cancelled = await feed.signal('BTC/USD', 'cancelled');
    assert.deepEqual(cancelled, ['cancelled', 'feed_gap', 'void']);
    assert.ok(feed.lines(/ warn .*BTC\/USD/).length > 0);
    await feed.signal('ETH/USD', 'active'); // the other market has nothing to do with it
    await feed.equal('BTC/USD', first - HISTORY, minute);
    assert.deepEqual(await feed.rows('BTC/USD', 1, minute, minute + MINUTE), [], 'a candle with trades missing was stored');
    await feed.stored('ETH/USD', minute);
    await feed.equal('ETH/USD', first - HISTORY, minute + MINUTE);
    await feed.unchanged();
  },
}));

const unknown = each((protocol) => ({
  name: `unknown_${protocol}`,
  title: 'a market that the exchange does not know is told once, by name; the others live',
  exchange: { markets: ['BTC/USD', 'NONE/USD'] },
  prepare(feed) {
    feed.exchange.refused.add('NONE/USD');
  },
  async run(feed) {
    await feed.subscribed();
    await feed.logged(/ (warn|error) .*NONE.?USD/);
    await bothMinutes(feed, ['BTC/USD']);
    assert.deepEqual(await feed.rows('NONE/USD', 1, 0, Date.now()), []);
    assert.equal(feed.lines(/ (warn|error) .*NONE.?USD/).length, 1);
    feed.polite();
  },
}));

const refusals = [
  { name: 'tls_binance', title: 'wrong certificates are refused with the reason, the right one is taken later',
    exchange: { protocol: 'binance', markets: ['BTC/USD'] },
    prepare: (feed) => feed.exchange.certificate('expired'),
    async run(feed) {
      await feed.logged(/TLS.*expired/);
      feed.exchange.certificate('host');
      await feed.logged(/TLS.*(host|name)/i);
      feed.exchange.certificate('unknown');
      await feed.logged(/TLS.*(issuer|self.signed|unable|unknown)/i);
      assert.equal(feed.exchange.seen.requests.length + feed.exchange.seen.upgrades.length, 0, 'something was sent to a stranger');
      feed.exchange.certificate('good');
      await feed.subscribed();
      await bothMinutes(feed);
    } },
  { name: 'refused_coinbase', title: 'upgrades refused, connections refused: tried for ever',
    exchange: { protocol: 'coinbase', markets: ['BTC/USD'] },
    prepare: (feed) => feed.exchange.listen('closed'),
    async run(feed) {
      await feed.logged(/refused/i);
      await feed.exchange.listen();
      for (const status of [403, 503]) {
        feed.exchange.faults.refuse = status;
        await feed.logged(new RegExp(`\\b${status}\\b`));
      }
      feed.exchange.faults.refuse = null;
      feed.exchange.faults.wrongAccept = true;
      const { length } = feed.exchange.seen.upgrades;
      await until('tried again', () => feed.exchange.seen.upgrades.length > length, 60000);
      feed.exchange.faults.wrongAccept = false;
      await feed.subscribed();
      await bothMinutes(feed);
    } },
  { name: 'mute_kraken', title: 'who takes a connection and never says a word is left after the timeout',
    exchange: { protocol: 'kraken', markets: ['BTC/USD'] },
    prepare: (feed) => feed.exchange.listen('mute'),
    async run(feed) {
      const { exchange } = feed;
      await until('it is connected to', () => exchange.seen.sockets > 0);
      await feed.logged(/timeout|timed out|no answer/i);
      await exchange.listen();
      exchange.faults.refuse = 'silent';
      await until('it is asked for an upgrade', () => exchange.seen.upgrades.length > 0, 60000);
      exchange.faults.refuse = null;
      exchange.faults.stallNew = true; // upgraded, and then nothing
      await until('a stream that says nothing', () => [...exchange.connections].some((c) => c.stalled), 60000);
      exchange.faults.stallNew = false;
      await feed.subscribed();
      await bothMinutes(feed);
    } },
];

const rest = { name: 'rest_binance', title: 'REST that asks for patience, fails, lies and dawdles; a shutdown that is announced',
  exchange: { protocol: 'binance', markets: ['BTC/USD', 'ETH/USD'] },
  prepare(feed) {
    feed.exchange.failRest(/klines/, { status: 429, headers: { 'retry-after': '8' }, body: '{"code":-1003,"msg":"Too many requests"}' }, 1);
  },
  async run(feed) {
    const { exchange } = feed;
    await until('it was told to wait', () => exchange.seen.requests.some((r) => r.status === 429));
    const [told] = exchange.seen.requests.filter((r) => r.status === 429);
    const before = exchange.seen.requests.length;
    for (const fault of [{ status: 500, body: 'oops' }, { body: '<html>' }, { body: '[[1,2],[3' }, { cut: true }, { delayMs: 1500 }, { status: 200, body: '{"code":-1,"msg":"?"}' }]) {
      exchange.failRest(/klines|aggTrades/, fault, 1);
    }
    await until('it asks again', () => exchange.seen.requests.length > before);
    assert.ok(exchange.seen.requests[before].at - told.at >= 8000, 'Retry-After was not honoured');
    await feed.subscribed();
    await until('all faults are used up', () => exchange.rests.every((r) => r.times === 0), 60000);
    let at = Date.now();
    exchange.shutdown();
    await feed.subscribed(at);
    // Others at this address have used the minute's budget up: nothing more is asked in it.
    await until('the minute has some time left', () => Date.now() % MINUTE < 45000);
    exchange.spent = 5000;
    at = Date.now();
    exchange.cut();
    exchange.drop('BTC/USD', 1); // a cut that happens to lose nothing gives it no cause to ask
    await until('it asks, and hears it', () => exchange.seen.requests.at(-1).at > at, 60000);
    const { at: asked } = exchange.seen.requests.find((r) => r.at > at);
    // What is lost now can be had only when it may ask again.
    exchange.drop('BTC/USD', 2);
    await until('it goes on in the next', () => exchange.seen.requests.at(-1).at >= minuteOf(asked) + MINUTE, 90000);
    assert.ok(exchange.seen.requests.filter((r) => r.at > asked && r.at < minuteOf(asked) + MINUTE).length <= 1, 'the budget was overdrawn');
    await bothMinutes(feed);
    await feed.unchanged();
    feed.polite();
  } };

const overlap = { name: 'overlap_binance', title: 'before the exchange cuts, a second connection takes over: never none, nothing missing, nothing twice',
  exchange: { protocol: 'binance', markets: ['BTC/USD', { symbol: 'ETH/USD', perMinute: 600 }] },
  keys: 'reconnect_after = 15s\n',
  async run(feed) {
    const { exchange } = feed;
    await feed.subscribed();
    const from = Date.now();
    exchange.sessionMaxMs = 60000;
    await bothMinutes(feed);
    await feed.unchanged();
    feed.polite();
    assert.ok(exchange.seen.upgrades.length >= 3, `${exchange.seen.upgrades.length} connections`);
    assert.deepEqual(exchange.seen.closes.filter((c) => !c.how.includes('client')), [], 'the feed closes, not the exchange');
    // Each symbol had a subscribed stream at every moment.
    const lives = (symbol) => exchange.seen.subscriptions.filter((s) => s.symbol === symbol)
      .map((s) => ({ from: s.at, to: exchange.seen.closes.find((c) => c.connection === s.connection)?.at ?? Infinity }));
    for (const symbol of feed.symbols) {
      let covered = from;
      for (const life of lives(symbol).sort((a, b) => a.from - b.from)) {
        assert.ok(life.from <= covered, `${symbol}: no connection for ${life.from - covered} ms`);
        covered = Math.max(covered, life.to);
      }
    }
    assert.ok(exchange.subscribed.length <= 2);
  } };

// By hand: some of them, by a pattern of their names.
const only = new RegExp(process.env.TOCSIN_SCENARIOS ?? '.');
const scenarios = [...plain, ...connections, ...trades, ...silence, ...late, ...poison, ...chaos, ...skewed, many, ...losses, ...unknown, ...refusals, rest, overlap].filter((s) => only.test(s.name));

// Beside the others, by a site of its own.
async function killed(t) {
  const feeds = await Feeds.create(t, each((protocol) => ({ name: `kill_${protocol}`, exchange: { markets: ['BTC/USD', 'ETH/USD'] } })));
  const { site, list } = feeds;
  await feeds.start();
  for (let i = 0, at = 0; i < 3; i++) {
    for (const feed of list) await feed.subscribed(at);
    await until('it works a while', sleepless(2000 + 2000 * i));
    at = Date.now();
    await site.kill('generator');
  }
  // Away while a minute ends and the next begins.
  const second = minuteOf(feeds.startedMs) + MINUTE;
  await until('the minute is about to end', () => Date.now() > second - 3000, 70000);
  assert.match(await site.ask('stop generator'), /^ok/);
  await until('a minute has ended', () => Date.now() > second + 4000);
  assert.match(await site.ask('start generator'), /^ok/);
  for (const feed of list) {
    await bothMinutes(feed);
    await feed.unchanged();
    feed.polite();
  }
}

test('feeds of exchanges', { concurrency: true, timeout: 300000 + MINUTE * (process.env.TOCSIN_CHAOS_MINUTES ?? 0) }, async (t) => {
  const feeds = await Feeds.create(t, scenarios);
  await feeds.start();
  const others = only.test('kill') && t.test('kill -9 in the middle of minutes: the candles are the same', killed);
  await Promise.all(feeds.list.map((feed) => t.test(`${feed.exchange.name}: ${feed.scenario.title}`, () => feed.run())));
  await others;
  // One run of the generator went through all of it, and it ends in good order: under a sanitizer without a leak.
  assert.match(await feeds.site.ask('stop generator'), /^ok/);
  assert.deepEqual(feeds.site.process('generator').last_exits.map(({ cause, code }) => [cause, code]), [['stopped', 0]]);
  assert.ok(feeds.site.log('generator').split('status too long').length <= 2, 'what is known is not told again');
});
