// site: one private installation of tocsin for one test: a PostgreSQL cluster, a configuration, a watchdog.
// Everything lives below one temporary folder and is gone when the test ends.
import { spawn, execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const run = promisify(execFile);
export const root = fileURLToPath(new URL('../../..', import.meta.url));
export const bin = process.env.TOCSIN_BIN ?? path.join(root, 'build/bin');
export const program = (name) => path.join(bin, name);
const cluster = path.join(root, 'etc/cluster.sh');

// Wait for a condition, never for a time: poll `check` until it gives something true, or fail with `what`.
export async function until(what, check, ms = 30000, everyMs = 10) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
    await new Promise((done) => setTimeout(done, everyMs));
  }
}

export function alive(pid) {
  try {
    // A zombie has ended, whoever has still to collect it.
    return !/^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

// A port that nobody has, below those that the kernel gives to outgoing connections: the tests of thousands of clients would take it.
export async function freePort() {
  for (;;) {
    const port = 10240 + Math.floor(Math.random() * 22000), server = net.createServer();
    const free = await new Promise((done) => {
      server.once('error', () => done(false));
      server.listen(port, '0.0.0.0', () => server.close(() => done(true)));
    });
    if (free) return port;
  }
}

// Run a program to its end: { code, stdout, stderr }, whatever the code; a hang is an error.
export function command(file, args, options = {}) {
  return new Promise((done, fail) => {
    execFile(file, args, { timeout: 60000, maxBuffer: 1 << 26, ...options }, (error, stdout, stderr) => {
      if (error && (error.killed || typeof error.code !== 'number')) fail(new Error(`${file}: ${error.message}\n${stderr}`));
      else done({ code: error ? error.code : 0, stdout, stderr });
    });
  });
}

export class Site {
  // `t` is the test's context: the site ends with it.
  static async create(t, { database = true } = {}) {
    const site = new this();
    site.view = '';
    site.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'tocsin-test.'));
    fs.chmodSync(site.dir, 0o755);
    site.children = [];
    site.streams = [];
    t.after(() => site.destroy());
    site.port = await freePort();
    if (database) {
      execFileSync('sh', [cluster, 'start', site.dir], { env: { ...process.env, TOCSIN_FAST: '1' }, stdio: ['ignore', 'pipe', 'inherit'] });
      site.cluster = true;
    }
    return site;
  }

  // Where this test finds a file of the site: its programs may live in a mount namespace of their own, see faultsite.mjs.
  file(path) {
    return `${this.view}${this.dir}/${path}`;
  }

  conninfo(user, dbname = 'postgres') {
    return `host=${this.dir}/sock${this.pgPort ? ` port=${this.pgPort}` : ''} user=${user} dbname=${dbname}`;
  }

  // A configuration with the sections given on top of what every test needs.
  configure({ generator = '', relay = '', watchdog = '', check = '1s', feed, strategies, tocsin = '', processes, dbname = 'postgres' } = {}) {
    const exe = (name) => `${program(`tocsin-${name}`)} -c ${this.dir}/tocsin.conf`;
    this.conf = `${this.dir}/tocsin.conf`;
    fs.writeFileSync(this.conf, `[tocsin]
database = ${this.conninfo('postgres', dbname)}
runtime_dir = ${this.dir}/run
log_dir = ${this.dir}/log
state_dir = ${this.dir}/state
${tocsin}
[watchdog]
check_interval = ${check}
${watchdog}
${processes ?? `[process generator]
command = ${exe('generator')}
[process relay]
command = ${exe('relay')}
listen = 127.0.0.1:${this.port}
`}
[generator]
database = ${this.conninfo('tocsin_generator', dbname)}
${generator}
${feed ?? simFeed()}
${strategies ?? threeStrategies('1m')}
[relay]
database = ${this.conninfo('tocsin_relay', dbname)}
${relay}
`);
    return this;
  }

  async migrate() {
    const { code, stderr } = await command(program('tocsin-generator'), ['-c', this.conf, 'migrate']);
    if (code !== 0) throw new Error(`migrate: ${stderr}`);
  }

  // Start the watchdog and wait until the relay is ready.
  async start({ ready = true, env = {} } = {}) {
    this.watchdog = this.spawn(program('tocsin-watchdog'), ['-c', this.conf], { env: { ...process.env, ...env } });
    if (ready) await this.ready();
    return this.watchdog;
  }

  // The relay answers and the status of this watchdog, not of one before it, says that all are up.
  ready() {
    return until('all is ready', async () => {
      if (this.watchdog.exitCode !== null) throw new Error(`the watchdog ended: ${this.watchdog.output()}`);
      if ((await this.get('/readyz').catch(() => ({}))).status !== 200) return false;
      const status = fs.existsSync(this.file('run/status.json')) && this.status();
      return status && status.pid === this.watchdog.pid && status.processes.every((p) => p.state === 'up');
    });
  }

  spawn(file, args, options = {}) {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let text = '';
    child.stdout?.on('data', (d) => { text += d; });
    child.stderr?.on('data', (d) => { text += d; });
    child.output = () => text;
    child.ended = new Promise((done) => {
      child.once('exit', (code, signal) => done({ code, signal }));
      child.once('error', (error) => { // it never ran
        text += error.message;
        done({ code: null, signal: null });
      });
    });
    this.children.push(child);
    return child;
  }

  // SIGTERM the watchdog and wait for its end: { code, signal }.
  async stop() {
    this.watchdog.kill('SIGTERM');
    return this.watchdog.ended;
  }

  get(where, headers = {}) {
    return fetch(`http://127.0.0.1:${this.port}${where}`, { headers, signal: AbortSignal.timeout(20000) });
  }

  async json(where) {
    return (await this.get(where)).json();
  }

  // What the watchdog answers to a line on its control socket; null sends none.
  ask(line) {
    return new Promise((done, fail) => {
      let text = '';
      const socket = net.connect(this.file('run/control.sock'), () => line !== null && socket.write(`${line}\n`));
      socket.on('data', (d) => { text += d; });
      socket.once('error', fail);
      socket.once('close', () => done(text));
    });
  }

  status() {
    return JSON.parse(fs.readFileSync(this.file('run/status.json'), 'utf8'));
  }

  process(name) {
    return this.status().processes.find((p) => p.name === name);
  }

  log(name) {
    try {
      return fs.readFileSync(this.file(`log/${name}.log`), 'utf8');
    } catch {
      return '';
    }
  }

  // SIGKILL a supervised process and wait for the next one to be up.
  async kill(name, signal = 'SIGKILL') {
    const { pid } = this.process(name);
    process.kill(pid, signal);
    return until(`${name} is back`, () => {
      const p = this.process(name);
      return p.pid !== pid && p.state === 'up' && p;
    });
  }

  postgres(action) {
    return run('sh', [cluster, action, this.dir], { env: { ...process.env, TOCSIN_FAST: '1' } });
  }

  // Rows of a query as arrays of text.
  async sql(text, { user = 'postgres', dbname = 'postgres' } = {}) {
    const { stdout } = await run('psql', ['-X', '-q', '-At', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-c', text, this.conninfo(user, dbname)],
      { maxBuffer: 1 << 28 });
    return stdout === '' ? [] : stdout.slice(0, -1).split('\n').map((line) => line.split('\t'));
  }

  async value(text, options) {
    return (await this.sql(text, options))[0][0];
  }

  async destroy() {
    for (const stream of this.streams) stream.close();
    let pids = [];
    try {
      pids = this.status().processes.map((p) => p.pid).filter(Boolean);
    } catch { /* no status was written */ }
    for (const child of this.children) {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        child.kill('SIGCONT');
        child.kill('SIGTERM');
        const hard = setTimeout(() => child.kill('SIGKILL'), 15000);
        await child.ended;
        clearTimeout(hard);
      }
    }
    // Orphans of a watchdog that the test killed end by themselves; none may be left.
    const left = await until('all supervised processes have ended', () => !pids.some(alive), 15000).then(() => [], () => pids.filter(alive));
    for (const pid of left) process.kill(pid, 'SIGKILL');
    if (this.cluster) await this.postgres('stop');
    fs.rmSync(this.dir, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`processes were left behind: ${left}`);
  }
}

export function simFeed({ pace = 600, symbols = 'BTC/USDT, ETH/USDT', extra = '' } = {}) {
  return `[feed sim]\ntype = sim\nsymbols = ${symbols}\npace = ${pace}\n${extra}\n`;
}

export function fileFeed(file, { symbols = 'AAA/BTC', extra = '' } = {}) {
  return `[feed file]\ntype = file\npath = ${file}\nsymbols = ${symbols}\n${extra}\n`;
}

export function threeStrategies(timeframe) {
  return ['ema_cross', 'rsi_reversion', 'donchian_breakout']
    .map((type) => `[strategy ${type}]\ntype = ${type}\ntimeframe = ${timeframe}\n`).join('\n');
}

// All types, once on each of the timeframes; `extra` holds further keys of all of them.
export function allStrategies(timeframes, extra = '') {
  return ['ema_cross', 'rsi_reversion', 'donchian_breakout', 'macd_cross', 'supertrend_flip', 'bollinger_squeeze']
    .flatMap((type) => timeframes.map((timeframe) => `[strategy ${type}_${timeframe}]\ntype = ${type}\ntimeframe = ${timeframe}\n${extra}\n`)).join('\n');
}

// Everything about the signals but ids and clocks, in order of seq of their opening.
export const SIGNAL_ROWS = `SELECT exchange, symbol, timeframe, strategy, strategy_version, params_hash, side, candle_open_time,
  candle_close_time, entry, stop_loss, initial_stop, targets, confidence, reason, indicators, status, targets_hit, last_price,
  max_favorable, max_adverse, exit_price, exit_reason, outcome, pnl_ratio, r_multiple, expires_at, closed_at, mode
  FROM signals ORDER BY candle_close_time, exchange, symbol, timeframe, strategy`;

// A deterministic random walk as a CSV file of 1m candles with some minutes missing; returns how many rows.
export function writeCandles(file, { minutes = 4000, seed = 7, start = Date.UTC(2025, 0, 1), holes = true } = {}) {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const lines = ['open_time_ms,open,high,low,close,volume'];
  let price = 100;
  for (let i = 0; i < minutes; i++) {
    const open = price;
    const drift = Math.sin(i / 180) * 0.0004;
    const prices = [open];
    for (let k = 0; k < 6; k++) {
      price *= 1 + drift / 6 + (random() - 0.5) * 0.0012;
      prices.push(price);
    }
    const missing = holes && random() < 0.04;
    if (i > 0 && missing) continue;
    const p = prices.map((x) => Number(x.toFixed(4)));
    lines.push([start + i * 60000, p[0], Math.max(...p), Math.min(...p), p.at(-1), (random() * 50).toFixed(3)].join(','));
    price = p.at(-1);
  }
  fs.writeFileSync(file, `${lines.join('\n')}\n`);
  return lines.length - 1;
}
