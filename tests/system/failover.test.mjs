// A standby promoted under load: generator, relay and clients go over to it, and nothing that was confirmed is lost.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { Site, command, simFeed, until } from './lib/site.mjs';
import { EventStream } from './lib/sse.mjs';
import { insertSql } from './lib/signals.mjs';
import { Receiver } from './lib/receiver.mjs';
import { section } from './lib/webhooks.mjs';

const BIN = `/usr/lib/postgresql/${fs.readdirSync('/usr/lib/postgresql').filter((v) => fs.existsSync(`/usr/lib/postgresql/${v}/bin/initdb`)).sort((a, b) => b - a)[0]}/bin`;

// As the user that runs the servers.
const asServer = (file, ...args) => (process.getuid() === 0 ? ['runuser', '-u', 'postgres', '--', file, ...args] : [file, ...args]);
function server(file, ...args) {
  const [program, ...words] = asServer(`${BIN}/${file}`, ...args);
  execFileSync(program, words, { cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] });
}

// A standby of the site's server, streaming; `sock` and `data` like the first one's.
class Standby {
  constructor(site) {
    this.site = site;
    this.sock = `${site.dir}/sock2`;
    this.parent = `${site.dir}/standby`; // a folder that the servers' user may write to
    this.data = `${this.parent}/data`;
  }

  async begin() {
    const { site, sock, parent, data } = this;
    // The servers' user replicates over the socket; whoever calls may too.
    fs.writeFileSync(`${site.dir}/data/pg_hba.conf`, 'local all all peer map=tocsin\nlocal replication all trust\n');
    await site.sql("SELECT pg_reload_conf()");
    for (const folder of [sock, parent]) {
      fs.mkdirSync(folder);
      if (process.getuid() === 0) execFileSync('chown', ['postgres', folder]);
    }
    server('pg_basebackup', '-h', `${site.dir}/sock`, '-U', 'postgres', '-D', data, '-R', '-X', 'stream', '-c', 'fast', '--no-sync');
    fs.appendFileSync(`${data}/postgresql.conf`, `unix_socket_directories = '${sock}'\n`);
    this.start();
    await until('the standby streams', async () => await site.value('SELECT count(*) FROM pg_stat_replication WHERE state = $$streaming$$') === '1');
  }

  start() {
    server('pg_ctl', '-s', '-w', '-t', '60', '-D', this.data, '-l', `${this.parent}/log`, 'start');
    this.running = true;
  }

  promote() {
    server('pg_ctl', '-s', '-w', '-t', '60', '-D', this.data, 'promote');
  }

  end() {
    if (this.running) server('pg_ctl', '-s', '-w', '-t', '60', '-D', this.data, '-m', 'immediate', 'stop');
    this.running = false;
  }

  async sql(text) {
    const { code, stdout, stderr } = await command('psql', ['-X', '-q', '-At', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-c', text, `host=${this.sock} user=postgres dbname=postgres`]);
    if (code !== 0) throw new Error(stderr);
    return stdout === '' ? [] : stdout.slice(0, -1).split('\n').map((line) => line.split('\t'));
  }
}

// A site whose programs know both servers.
async function pair(t, conf = {}) {
  const site = await Site.create(t);
  const standby = new Standby(site);
  const destroy = site.destroy.bind(site);
  site.destroy = async () => { // before its folder goes
    try {
      await stopAll(site);
    } finally {
      standby.end();
      await destroy();
    }
  };
  site.configure(conf);
  await site.migrate();
  await standby.begin();
  fs.writeFileSync(site.conf, fs.readFileSync(site.conf, 'utf8').replaceAll(`host=${site.dir}/sock `, `host=${site.dir}/sock,${standby.sock} `));
  return { site, standby };
}

async function stopAll(site) {
  for (const stream of site.streams) stream.close();
  if (site.watchdog && site.watchdog.exitCode === null) await site.stop();
}

const newest = async (standby) => Number((await standby.sql('SELECT coalesce(max(seq), 0) FROM signal_events'))[0][0]);

test('a standby promoted under load: all go over, clients notice nothing, and nothing confirmed is lost or doubled', async (t) => {
  const { site, standby } = await pair(t, { feed: simFeed({ pace: 1200 }) });
  // On this server alone: the standby has nobody to wait for once it is promoted.
  await site.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
  await site.sql('SELECT pg_reload_conf()');
  await until('it is synchronous', async () => await site.value('SELECT sync_state FROM pg_stat_replication') === 'sync');
  await site.start();
  const stays = new EventStream(site, '/v1/stream?after=0'), filtered = new EventStream(site, '/v1/stream?after=0&strategy=by_hand');
  // Beside the generator's: two signals, then two more, and so on; what was confirmed is printed.
  const writer = site.spawn('psql', ['-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', site.conninfo('postgres')], { stdio: ['pipe', 'pipe', 'pipe'] });
  writer.stdin.on('error', () => {});
  writer.stdin.write(`${insertSql("'L' || (random() * 1e9)::bigint || i || '/USDT'")} FROM generate_series(1, 2) i RETURNING seq \\watch 0.02\n`);
  await until('signals flow', () => stays.events.length > 200, 60000);
  await site.postgres('kill');
  await writer.ended;
  const confirmed = writer.output().split('\n').filter((line) => /^\d+$/.test(line)).map(Number);
  const epochBefore = stays.lastId.split('-')[0], { seqs: before } = stays, placeBefore = stays.lastId;
  standby.promote();
  await site.ready();
  // The generator too: signals of its own go on.
  const from = await newest(standby);
  await until('the generator writes to the new server', async () => (await standby.sql(`SELECT count(*) FROM signal_events WHERE seq > ${from}`))[0][0] >= 2, 60000);
  await standby.sql(insertSql("'AFTER/USDT'"));
  await until('the new events arrive', () => stays.events.at(-1).id.split('-')[0] !== epochBefore, 60000);
  // Clients that come back with a place of the old timeline, the last one and one far behind, go on exactly.
  const resumed = new EventStream(site, '/v1/stream', { lastId: placeBefore }), behind = new EventStream(site, '/v1/stream', { lastId: stays.events[10].id });
  await standby.sql("UPDATE signals SET acked_at = now() WHERE symbol = 'AFTER/USDT'");
  await stopWriting(site);
  const all = (await standby.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([seq]) => Number(seq));
  const last = all.at(-1);
  await until('all is there', () => [stays, resumed, behind].every((s) => s.seqs.at(-1) === last), 60000);
  assert.deepEqual(stays.seqs, all, 'none missed, none twice, in order');
  assert.deepEqual(resumed.seqs, all.filter((seq) => seq > before.at(-1)));
  assert.deepEqual(behind.seqs, all.slice(11));
  const byHand = (await standby.sql("SELECT seq FROM signal_events WHERE record->>'strategy' = 'by_hand' ORDER BY seq")).map(([seq]) => Number(seq));
  assert.deepEqual(filtered.seqs, byHand);
  for (const seq of confirmed) assert.ok(all.includes(seq), `${seq} was confirmed`);
  for (const stream of [stays, filtered, resumed, behind]) {
    assert.equal(stream.connects, 1, 'no client was cut off');
    assert.deepEqual(stream.events.filter((e) => e.event !== 'message'), [], 'and none was told to forget what it has');
  }
  assert.match(site.log('relay'), /listener: the log goes on in another timeline/);
  const [[doubled]] = await standby.sql('SELECT count(*) - count(DISTINCT (exchange, symbol, timeframe, strategy, candle_open_time)) FROM signals');
  assert.equal(doubled, '0');
  // A relay that was not there knows it from the database.
  await site.kill('relay');
  const later = new EventStream(site, '/v1/stream', { lastId: placeBefore });
  await until('it goes on as well', () => later.seqs.at(-1) === last, 60000);
  assert.deepEqual(later.events.map((e) => e.event).filter((event) => event !== 'message'), []);
  assert.deepEqual(later.seqs, resumed.seqs);
  t.diagnostic(`${all.length} events, ${confirmed.length} confirmed to the writer by hand, ${before.length} seen before the promotion`);
});

// End the generator by the operators' word.
async function stopWriting(site) {
  const { pid } = site.process('generator');
  await site.ask('stop generator');
  await until('the generator has ended', () => !fs.existsSync(`/proc/${pid}`));
}

test('a promotion that has lost events: who has seen them is told to begin anew, the others go on', async (t) => {
  const { site, standby } = await pair(t, { processes: undefined });
  fs.writeFileSync(site.conf, fs.readFileSync(site.conf, 'utf8').replace(/\[process generator\]\ncommand = .*\n/, ''));
  await site.start();
  const stream = new EventStream(site, '/v1/stream?after=0');
  const insert = (target, symbol) => target.sql(insertSql(`'${symbol}/USDT'`));
  for (let i = 0; i < 5; i++) await insert(site, `KEPT${i}`);
  await until('the standby has them', async () => await newest(standby) === 5);
  // It falls behind: what is written from now on only the first server has.
  standby.end();
  for (let i = 0; i < 3; i++) await insert(site, `LOST${i}`);
  await until('the client has seen them', () => stream.seqs.length === 8);
  const place = stream.events.map((e) => e.id);
  await site.postgres('kill');
  standby.start();
  standby.promote();
  await until('the client is told', () => stream.events.some((e) => e.event === 'reset'), 60000);
  assert.equal(stream.events[8].data.reason, 'epoch');
  await until('and what holds', () => stream.events.filter((e) => e.event === 'snapshot').length === 5);
  // More than the lost ones, so that their numbers may be in use again.
  for (let i = 0; i < 40; i++) await insert(standby, `NEW${i}`);
  const all = (await standby.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([seq]) => Number(seq));
  await until('then it goes on', () => stream.seqs.length === 8 + 40);
  assert.deepEqual(stream.seqs.slice(8), all.slice(5));
  const early = new EventStream(site, '/v1/stream', { lastId: place[4], reconnect: false });
  await until('who has seen none of them goes on', () => early.seqs.length === 40);
  assert.deepEqual(early.seqs, all.slice(5));
  assert.equal(early.events.length, 40);
  const late = new EventStream(site, '/v1/stream', { lastId: place[5], reconnect: false });
  await until('who has is told', () => late.events.length > 0);
  assert.deepEqual([late.events[0].event, late.events[0].data.reason], ['reset', 'epoch']);
});

test('webhooks go over too: what the new server has is delivered, what comes twice has its id, and numbers used again are no repeats', async (t) => {
  const { site, standby } = await pair(t, { processes: undefined });
  const receiver = await Receiver.create(t);
  fs.writeFileSync(site.conf, `${fs.readFileSync(site.conf, 'utf8').replace(/\[process generator\]\ncommand = .*\n/, '')}${section(site, 'all', { receiver })}`);
  await site.start();
  const running = () => until('the webhook runs', async () => (await site.json('/v1/webhooks')).webhooks[0].state === 'running', 60000);
  await running();
  const symbols = () => receiver.taken.map((got) => JSON.parse(got.body).data.record.symbol.replace('/USDT', ''));
  const names = (name, count) => Array.from({ length: count }, (_, i) => `${name}${i}`);
  for (const name of names('KEPT', 5)) await site.sql(insertSql(`'${name}/USDT'`));
  await until('the standby has them', async () => await newest(standby) === 5);
  standby.end();
  for (const name of names('LOST', 3)) await site.sql(insertSql(`'${name}/USDT'`));
  await until('all eight', () => receiver.taken.length === 8);
  await until('and its place is saved', async () => await site.value('SELECT seq FROM webhooks') === '8');
  await site.postgres('kill');
  standby.start();
  standby.promote();
  await running();
  // The lost ones' numbers again.
  await standby.sql("SELECT setval('signal_seq', 5)");
  for (const name of names('NEW', 5)) await standby.sql(insertSql(`'${name}/USDT'`));
  const want = [...names('KEPT', 5), ...names('LOST', 3), ...names('NEW', 5)];
  await until('the new ones', () => receiver.taken.length >= want.length, 60000);
  assert.deepEqual([symbols(), receiver.bad], [want, []]);
  assert.deepEqual((await standby.sql('SELECT seq FROM signal_events ORDER BY seq')).map(([seq]) => Number(seq)), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});
