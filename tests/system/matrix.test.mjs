// The fault matrix of the watchdog with the real programs: every fault, on the generator, on the relay, on both at once.
// What is expected while it lasts is the table's; once it is over, the whole site has to be as it was before.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { alive, bin, simFeed, until } from './lib/site.mjs';
import { FaultSite, limitDescriptors, nextDescriptor } from './lib/faultsite.mjs';
import { EventStream } from './lib/sse.mjs';
import { NAMES, census, whole, work } from './lib/whole.mjs';

const TARGETS = [['generator'], ['relay'], NAMES];
const sanitized = /asan/.test(bin);
const wanted = new RegExp(process.env.TOCSIN_CELLS ?? ''); // for work on some of them: a pattern of their names

// One fault on some targets, from its beginning to its end.
class Cell {
  constructor(site, targets) {
    this.site = site;
    this.targets = targets;
    this.others = NAMES.filter((name) => !targets.includes(name));
    this.before = Object.fromEntries(site.status().processes.map((p) => [p.name, p]));
    this.marks = Object.fromEntries(['watchdog', ...NAMES].map((name) => [name, site.log(name).length]));
    this.watchdog = site.watchdog;
  }

  pid(name) {
    return this.before[name].pid;
  }

  signal(signal, names = this.targets) {
    for (const name of names) process.kill(this.pid(name), signal);
  }

  // A log since the fault began.
  since(name) {
    return this.site.log(name).slice(this.marks[name]);
  }

  // Until the watchdog's log says so of each target.
  async said(pattern, log = 'watchdog') {
    for (const name of this.targets) {
      const line = new RegExp(pattern.replace('NAME', `name=${name} pid=-?\\d+`).replace('PID', this.pid(name)));
      await until(`the log of ${log} says ${line}`, () => line.test(this.since(log))).catch((e) => {
        throw new Error(`${e.message}, but since the fault only:\n${this.since(log).split('\n').slice(-40).join('\n')}`);
      });
    }
  }

  each(tell) {
    for (const name of this.targets) tell(this.site.process(name), name);
  }

  // Whoever has nothing to do with it works on: the generator writes, the relay answers.
  async othersWork() {
    if (this.others.includes('relay')) assert.equal(await this.site.answer('/healthz'), 200);
    if (this.others.includes('generator')) {
      const { candles } = await work(this.site);
      await until('candles are written meanwhile', async () => (await work(this.site)).candles > candles);
    }
  }

  // Each target runs anew, by the status of the watchdog that saw it all.
  replaced() {
    return until('new copies are up', () => this.targets.every((name) => {
      const p = this.site.process(name);
      return p.pid !== this.pid(name) && p.state === 'up';
    }));
  }

  async killWatchdog() {
    this.watchdog.kill('SIGKILL');
    await this.watchdog.ended;
  }
}

const touch = (file) => fs.writeFileSync(file, '');

function lastExit(expected) {
  return async (site, cell) => {
    await cell.replaced();
    cell.each((p) => assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, p.last_exits[0][key]])), expected));
  };
}

// A child that crashes tells where, in its own log.
async function backtrace(cell) {
  for (const name of cell.targets) await until(`${name} tells where it was`, () => /crash: signal=\d+[^]*crash: frame=\d+ at=/.test(cell.since(name)));
}

// Fill the room of the logs, that left in their last pages too, but for a few bytes: the next line is torn there.
function fillLogs(site) {
  const fd = fs.openSync(site.file('log/filling'), 'w');
  const block = Buffer.alloc(1 << 16);
  try {
    for (;;) if (fs.writeSync(fd, block) < block.length) break;
    for (;;) fs.writeSync(fd, block, 0, 1);
  } catch (error) {
    assert.equal(error.code, 'ENOSPC');
  } finally {
    fs.closeSync(fd);
  }
  for (const name of ['watchdog', ...NAMES]) {
    const file = site.file(`log/${name}.log`);
    const left = (-fs.statSync(file).size & 4095) - 10;
    if (left > 0) {
      try {
        fs.appendFileSync(file, `${'#'.repeat(left - 1)}\n`);
      } catch (error) {
        assert.equal(error.code, 'ENOSPC'); // its owner was faster
      }
    }
  }
}

/*
 * name
 * inflict(site, cell)	do it
 * meanwhile(site, cell) what is to be seen as long as it lasts (default: nothing)
 * mend(site, cell)	take it away (default: it is over by itself); also when `meanwhile` failed
 * after(site, cell)	what is to be seen in the end, beside that all is whole
 * replaced		whose copies are new ones afterwards: 'targets' (default), 'none', 'all'
 * starts		how many of them there may be: 'one' (default), 'some'
 * namespace		it needs one
 * targets		others than the usual
 */
const FAULTS = [
  {
    name: 'SIGKILL',
    inflict: (site, cell) => cell.signal('SIGKILL'),
    meanwhile: lastExit({ cause: 'signal', signal: 9 }),
  },
  {
    name: 'SIGABRT',
    inflict: (site, cell) => cell.signal('SIGABRT'),
    meanwhile: lastExit({ cause: 'signal', signal: 6 }),
    after: (site, cell) => backtrace(cell),
  },
  {
    name: 'SIGSEGV',
    inflict: (site, cell) => cell.signal('SIGSEGV'),
    // A sanitizer has its own word on this one, and its own exit code.
    meanwhile: lastExit(sanitized ? { cause: 'exit', code: 99 } : { cause: 'signal', signal: 11 }),
    after: (site, cell) => sanitized || backtrace(cell),
  },
  {
    name: 'SIGSTOP',
    replaced: 'none',
    inflict: (site, cell) => cell.signal('SIGSTOP'),
    meanwhile: async (site, cell) => {
      await cell.othersWork();
      await cell.said('late: no beat NAME');
      await cell.said('continuing it name=.* pid=PID');
    },
  },
  {
    name: 'busy loop',
    inflict: (site, cell) => cell.signal('SIGUSR2'),
    meanwhile: async (site, cell) => {
      await cell.othersWork();
      await cell.said('hung, aborting NAME cause=no-beat');
    },
    after: async (site, cell) => {
      cell.each((p) => assert.deepEqual([p.last_exits[0].cause, p.last_exits[0].signal], ['no-beat', 6]));
      await backtrace(cell);
      for (const name of cell.targets) assert.match(cell.since(name), /shim\.so/, 'the backtrace leads to the loop');
    },
  },
  {
    name: 'the descriptors of a child used up',
    replaced: 'none',
    inflict: async (site, cell) => {
      cell.limits = cell.targets.map((name) => [name, limitDescriptors(cell.pid(name), 3)]);
      // Now each needs some: the sessions, and a client's connection that nobody refuses.
      for (const name of cell.targets) await site.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tocsin_${name}'`);
      cell.waiting = cell.targets.includes('relay') ? site.answer('/healthz') : 200;
    },
    meanwhile: async (site, cell) => {
      for (const name of cell.targets) {
        await until(`${name} says degraded`, () => site.process(name).status?.state === 'degraded');
        await until(`${name} says why`, () => /Too many open files/.test(cell.since(name)));
      }
      await cell.othersWork();
    },
    mend: (site, cell) => cell.limits.forEach(([name, limit]) => limitDescriptors(cell.pid(name), limit)),
    after: async (site, cell) => assert.equal(await cell.waiting, 200, 'who waited is served'),
  },
  {
    name: 'the descriptors of the watchdog used up',
    inflict: (site, cell) => {
      cell.limit = limitDescriptors(site.watchdog.pid, nextDescriptor(site.watchdog.pid));
      cell.signal('SIGKILL');
    },
    // A dead child gives two of them back: enough for its lock, not for its pipes.
    meanwhile: async (site, cell) => {
      await cell.said('failed to start NAME .*Too many open files');
      await cell.othersWork();
    },
    mend: (site, cell) => limitDescriptors(site.watchdog.pid, cell.limit),
  },
  {
    name: 'no room for the logs',
    namespace: true,
    inflict: (site, cell) => {
      fillLogs(site);
      cell.signal('SIGKILL');
    },
    meanwhile: async (site, cell) => {
      await cell.replaced();
      await cell.othersWork();
      const { candles } = await work(site);
      await until('candles are written', async () => (await work(site)).candles > candles);
      assert.equal(await site.answer('/healthz'), 200);
      assert.equal(fs.statSync(site.file('log/watchdog.log')).size % 4096, 0, 'there is no room indeed');
    },
    mend: (site) => fs.rmSync(site.file('log/filling')),
    after: (site, cell) => until('the lost lines are counted', () => /^\S+Z watchdog\[\d+\] warn log: could not be written lines_lost=[1-9]/m.test(cell.since('watchdog'))),
  },
  {
    name: 'no process left to fork',
    inflict: (site, cell) => {
      touch(`${site.dir}/fork-fails`);
      cell.signal('SIGKILL');
    },
    meanwhile: async (site, cell) => {
      await cell.said('failed to start NAME .*fork: Resource temporarily unavailable.* failures_in_a_row=[2-9]');
      await cell.othersWork();
    },
    mend: (site) => fs.rmSync(`${site.dir}/fork-fails`),
  },
  {
    name: 'the program missing',
    starts: 'some',
    inflict: (site, cell) => {
      for (const name of cell.targets) fs.renameSync(site.program(`tocsin-${name}`), `${site.dir}/away-${name}`);
      cell.signal('SIGKILL');
    },
    meanwhile: async (site, cell) => {
      await cell.said('failed to start NAME .*exec: No such file or directory.* failures_in_a_row=[2-9]');
      await cell.othersWork();
    },
    mend: (site, cell) => cell.targets.forEach((name) => fs.renameSync(`${site.dir}/away-${name}`, site.program(`tocsin-${name}`))),
  },
  {
    name: 'the runtime folder not writable',
    namespace: true,
    inflict: async (site, cell) => {
      await site.mount('mount', '--bind', `${site.dir}/run`, `${site.dir}/run`);
      await site.mount('mount', '-o', 'remount,bind,ro', `${site.dir}/run`);
      cell.signal('SIGKILL');
    },
    meanwhile: async (site, cell) => {
      await cell.said('failed to start NAME .*lock: Read-only file system.* failures_in_a_row=[2-9]');
      await until('its status is missed', () => /status: cannot be written, trying on/.test(cell.since('watchdog')));
      for (const name of cell.others) assert.match(await site.ask('status'), new RegExp(`^${name} +up`, 'm'), 'operators are answered');
      await cell.othersWork();
    },
    mend: (site) => site.mount('umount', `${site.dir}/run`),
    after: (site, cell) => until('its status is back', () => /status: is written again/.test(cell.since('watchdog'))),
  },
  {
    name: 'the runtime folder emptied',
    inflict: (site, cell) => {
      for (const file of fs.readdirSync(site.file('run'))) fs.rmSync(site.file(`run/${file}`));
      cell.signal('SIGKILL');
    },
    meanwhile: (site) => until('its files are back', () => ['status.json', 'watchdog.lock', 'control.sock'].every((f) => fs.existsSync(site.file(`run/${f}`)))),
  },
  {
    name: 'the watchdog frozen while they die',
    targets: [...TARGETS, []],
    inflict: (site, cell) => {
      cell.watchdog.kill('SIGSTOP');
      cell.signal('SIGKILL');
      cell.thawed = Date.now() + 2000;
    },
    meanwhile: async (site, cell) => {
      await cell.othersWork();
      const { updated_at } = site.status();
      await until('two seconds are over, twice its patience', () => Date.now() > cell.thawed);
      assert.equal(site.status().updated_at, updated_at, 'it is frozen');
    },
    mend: (site, cell) => cell.watchdog.kill('SIGCONT'),
    after: (site, cell) => assert.match(cell.since('watchdog'), /was late itself, no process is judged for it/),
  },
  {
    name: 'the watchdog killed',
    replaced: 'all',
    targets: [[]],
    inflict: (site, cell) => cell.killWatchdog(),
    meanwhile: (site, cell) => until('its children have ended', () => !NAMES.some((name) => alive(cell.pid(name)))),
    mend: (site) => site.start({ ready: false }),
  },
  {
    name: 'the watchdog killed beside a stopped child',
    replaced: 'all',
    inflict: (site, cell) => {
      cell.signal('SIGSTOP');
      return cell.killWatchdog();
    },
    meanwhile: async (site, cell) => {
      await until('the others have ended', () => !cell.others.some((name) => alive(cell.pid(name))));
      for (const name of cell.targets) assert.ok(alive(cell.pid(name)), 'a stopped one notices nothing');
    },
    mend: (site) => site.start({ ready: false }),
    // The relay's has the listening socket, too: it has to go before all else.
    after: async (site, cell) => {
      await cell.said('an earlier copy (holds its lock|still has its address, ending it) name=.* pid=PID program=tocsin-');
      assert.equal(/still has its address/.test(cell.since('watchdog')), cell.targets.includes('relay'));
    },
  },
  {
    name: 'the watchdog killed beside a child in a busy loop',
    replaced: 'all',
    inflict: (site, cell) => {
      cell.signal('SIGUSR2');
      return cell.killWatchdog();
    },
    meanwhile: async (site, cell) => {
      await until('the others have ended', () => !cell.others.some((name) => alive(cell.pid(name))));
      for (const name of cell.targets) assert.ok(alive(cell.pid(name)), 'a wedged one is deaf to SIGTERM');
    },
    mend: (site) => site.start({ ready: false }),
    after: (site, cell) => cell.targets.includes('generator') && assert.match(cell.since('watchdog'), /killing whoever holds its lock name=generator/),
  },
  {
    name: 'a stranger with a recycled pid',
    replaced: 'all',
    inflict: async (site, cell) => {
      cell.targets.forEach((name) => process.kill(cell.pid(name), 'SIGSTOP'));
      await cell.killWatchdog();
      // Everything that ever held the number of one of ours now names the stranger, who has a lock's file open, too.
      const locks = cell.targets.map((name) => fs.openSync(site.file(`run/${name}.lock`), 'r+'));
      cell.stranger = site.spawn('sleep', ['1000'], { stdio: ['ignore', 'ignore', 'ignore', ...locks] });
      const { pid } = cell.stranger;
      locks.forEach((fd) => { fs.writeSync(fd, `${pid}\n`); fs.closeSync(fd); });
      for (const name of [...cell.targets, 'watchdog']) fs.writeFileSync(site.file(`run/${name}.pid`), `${pid}\n`);
      const status = fs.readFileSync(site.file('run/status.json'), 'utf8');
      fs.writeFileSync(site.file('run/status.json'), cell.targets.reduce((text, name) => text.replaceAll(String(cell.pid(name)), pid), status));
    },
    meanwhile: async (site, cell) => {
      await site.start();
      assert.ok(alive(cell.stranger.pid), 'the stranger lives on');
      for (const name of cell.targets) assert.ok(!alive(cell.pid(name)), 'and the copy of before does not');
      assert.doesNotMatch(cell.since('watchdog'), new RegExp(`pid=${cell.stranger.pid}\\b`));
    },
    mend: async (site, cell) => {
      cell.stranger.kill('SIGKILL');
      await cell.stranger.ended;
    },
  },
];

// Who is a new copy, who is the old one, and nobody was started more often than needed.
function assertCopies(site, fault, cell) {
  const scope = fault.replaced ?? 'targets';
  for (const name of NAMES) {
    const p = site.process(name);
    const fresh = scope === 'all' || (scope === 'targets' && cell.targets.includes(name));
    assert.equal(p.pid !== cell.pid(name), fresh, `${name} is ${fresh ? 'a new' : 'the old'} copy`);
    const count = p.restarts - cell.before[name].restarts;
    if (scope === 'all') assert.equal(p.restarts, 0, `${name} was started once by the new watchdog`);
    else if (fresh && fault.starts === 'some') assert.ok(count >= 1);
    else assert.equal(count, fresh ? 1 : 0, `starts of ${name}`);
    if (fresh) assert.ok(!alive(cell.pid(name)), `the old copy of ${name} has ended`);
  }
}

async function endure(site, fault, targets, before) {
  const cell = new Cell(site, targets);
  let failure;
  try {
    await fault.inflict(site, cell);
    await fault.meanwhile?.(site, cell);
  } catch (error) {
    failure = error;
  }
  try {
    await fault.mend?.(site, cell);
  } catch (error) {
    failure ??= error; // the first one tells more
  }
  if (failure) throw failure;
  if ((fault.replaced ?? 'targets') === 'targets') await cell.replaced();
  await whole(site, before);
  assertCopies(site, fault, cell);
  await fault.after?.(site, cell);
}

// What the stream brought is the log of the database, each event once, in order.
async function delivered(site, stream) {
  const seqs = (await site.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([s]) => Number(s));
  await until('every event has arrived', () => stream.seqs.at(-1) >= seqs.at(-1));
  assert.deepEqual(stream.seqs.slice(0, seqs.length), seqs);
  assert.equal(stream.events.filter((e) => e.event === 'reset').length, 0);
}

const child = (site, name, keys) => `[process ${name}]\ncommand = ${site.program(`tocsin-${name}`)} -c ${site.dir}/tocsin.conf
heartbeat_timeout = 1s\nkill_grace = 1s\nstable_after = 200ms\nmax_cores = 0\n${keys}\n`;

async function faultSite(t) {
  const site = await FaultSite.create(t);
  site.configure({ feed: simFeed({ pace: 1200 }), tocsin: 'heartbeat_interval = 200ms', check: '200ms',
    processes: child(site, 'generator', '') + child(site, 'relay', `listen = 127.0.0.1:${site.port}`) });
  await site.migrate();
  await site.start();
  return site;
}

// Another watchdog, whatever became of the one before.
async function anew(site) {
  site.watchdog.kill('SIGCONT');
  site.watchdog.kill('SIGTERM');
  await site.watchdog.ended;
  await site.start();
}

test('the fault matrix', async (t) => {
  const site = await faultSite(t);
  const stream = new EventStream(site, '/v1/stream?after=0');
  await until('there are signals', () => stream.events.length >= 2, 60000);
  const before = census(site);
  let broken = false; // a cell that failed spoils none of the others
  for (const fault of FAULTS)
    for (const targets of fault.targets ?? TARGETS) {
      const name = `${fault.name}: ${targets.join(' and ') || 'the watchdog alone'}`;
      if (!wanted.test(name)) continue;
      await t.test(name, { skip: fault.namespace && !site.holder && 'no mount namespace may be made here' }, async () => {
        if (broken) await anew(site);
        broken = true;
        await endure(site, fault, targets, before);
        broken = false;
      });
    }
  await t.test('and every event has arrived once', () => delivered(site, stream));
});

// A client every 10 ms: connects, asks, and has its answer, or is cut off with the relay it got.
class Callers {
  constructor(port) {
    this.port = port;
    this.counts = { connected: 0, answered: 0, cut: 0, open: 0 };
    this.errors = [];
    this.timer = setInterval(() => this.call(), 10);
  }

  call() {
    let text = '';
    this.counts.open++;
    const socket = net.connect(this.port, '127.0.0.1', () => {
      socket.connected = true;
      this.counts.connected++;
      socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    });
    socket.on('data', (d) => { text += d; });
    socket.on('error', (error) => socket.connected || this.errors.push(error.code));
    socket.on('close', () => {
      this.counts.open--;
      if (text.startsWith('HTTP/1.1 200 ')) this.counts.answered++;
      else if (socket.connected) this.counts.cut++;
    });
  }

  async stop() {
    clearInterval(this.timer);
    await until('every caller has its answer', () => this.counts.open === 0);
  }
}

test('the relay killed 50 times under load: no connection is ever refused, no event lost', async (t) => {
  const site = await faultSite(t);
  const streams = Array.from({ length: 5 }, () => new EventStream(site, '/v1/stream?after=0'));
  // Signals flow: ten new ones a second, beside those of the generator.
  const writer = site.spawn('psql', ['-X', '-q', site.conninfo('postgres')], { stdio: ['pipe', 'ignore', 'pipe'] });
  writer.stdin.write(`INSERT INTO signals (exchange, symbol, timeframe, strategy, side, candle_open_time, candle_close_time, entry, stop_loss,
    initial_stop, targets, confidence, reason, generated_at, expires_at)
    VALUES ('load', 'LOAD/USDT', '1m', 'load', 'long', clock_timestamp(), clock_timestamp(), 100, 99, 99, '{102}', 0.5, 'load', now(), '2100-01-01') \\watch 0.1\n`);
  await until('signals flow', () => streams.every((stream) => stream.events.length > 5));
  const callers = new Callers(site.port);
  t.after(() => clearInterval(callers.timer));
  const calm = (before) => until('the relay is stable', () => {
    const p = site.process('relay');
    return p.pid !== before && p.state === 'up' && p.failures_in_a_row === 0 && p;
  });
  let relay = await calm();
  const restarts = relay.restarts;
  for (let i = 0; i < 50; i++) {
    const { answered } = callers.counts;
    await until('the relay serves', () => callers.counts.answered > answered);
    process.kill(relay.pid, 'SIGKILL');
    relay = await calm(relay.pid);
  }
  assert.equal(relay.restarts, restarts + 50);
  const { answered, cut } = callers.counts;
  await until('callers are answered', () => callers.counts.answered > answered + 20);
  await callers.stop();
  assert.deepEqual(callers.errors, [], 'nobody was refused');
  assert.equal(callers.counts.cut, cut, 'who came after the end was answered');
  for (const stream of streams) assert.equal(stream.refused, 0);
  writer.stdin.end();
  writer.kill('SIGTERM');
  await writer.ended;
  for (const stream of streams) await delivered(site, stream);
  t.diagnostic(`${callers.counts.connected} connections, ${callers.counts.cut} cut off with a relay`);
});
