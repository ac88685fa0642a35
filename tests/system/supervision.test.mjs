// What the watchdog does beyond restarting: doubts, limits, orders, alerts, orphans, and its own supervisor.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Site, alive, command, program, until } from './lib/site.mjs';
import { beating, pids, supervised } from './lib/beating.mjs';

const isRoot = process.getuid() === 0;
const settled = (site, name = 'beater') => until(`${name} is up`, () => site.process(name).state === 'up');

test('a stopped child is continued, not replaced', async (t) => {
  const site = await supervised(t, { keys: 'heartbeat_timeout = 500ms\n' });
  const [pid] = pids(site, 'beater');
  process.kill(pid, 'SIGSTOP');
  await until('it is continued', () => site.log('watchdog').includes(`continuing it name=beater pid=${pid}`));
  await settled(site);
  assert.match(site.log('watchdog'), /late: no beat name=beater[^]*suspect: [^\n]*name=beater[^]*continuing it/);
  assert.deepEqual(pids(site, 'beater'), [pid]);
});

test('STATUS is no beat: neither for the judgement nor for the age that is told', async (t) => {
  const site = await Site.create(t, { database: false });
  const script = `${site.dir}/talker.sh`;
  fs.writeFileSync(script, '#!/bin/sh\necho READY=1 >&$TOCSIN_HEARTBEAT_FD\nwhile echo \'STATUS={"rows":1}\' >&$TOCSIN_HEARTBEAT_FD; do sleep 0.1; done\n');
  site.configure({ tocsin: 'heartbeat_interval = 200ms', check: '200ms', processes: `[process talker]\ncommand = /bin/sh ${script}\nheartbeat_timeout = 1s\n` });
  await site.start({ ready: false });
  const [, age] = await until('it is late', () => /late: no beat name=talker pid=\d+ beat_age_ms=(\d+)/.exec(site.log('watchdog')));
  assert.ok(Number(age) >= 1000, age);
});

test('an operator is told by on_alert, with the facts', async (t) => {
  const site = await Site.create(t, { database: false });
  const script = `${site.dir}/alert.sh`;
  fs.writeFileSync(script, `#!/bin/sh\necho "$TOCSIN_ALERT|$TOCSIN_PROCESS|$TOCSIN_FAILURES|$TOCSIN_LAST_EXIT|$1|$NOTIFY_SOCKET" >>${site.dir}/alerts\n`, { mode: 0o755 });
  site.configure({ watchdog: `on_alert = ${script} "two words"`, processes: '[process bad]\ncommand = /bin/sh -c "exit 3"\n' });
  await site.start({ ready: false });
  const told = await until('it is told', () => fs.existsSync(`${site.dir}/alerts`) && fs.readFileSync(`${site.dir}/alerts`, 'utf8'));
  assert.equal(told, 'crash-looping|bad|5|exit code 3|two words|\n');
});

test('orders by the control socket are answered when they are decided', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ processes: `[process beater]\ncommand = /bin/sh ${beating(site, 'beater', { before: `[ ! -e ${site.dir}/broken ] || exit 4` })}\n` });
  await site.start({ ready: false });
  await until('it is up', () => pids(site, 'beater').length === 1);
  assert.match(await site.ask('status'), /^ok\n.*\n.*\nbeater +up/);
  assert.match(await site.ask('restart beater'), new RegExp(`^ok beater is up pid=${pids(site, 'beater')[1]} `));
  assert.equal(await site.ask('stop beater'), 'ok beater is stopped\n');
  assert.ok(!pids(site, 'beater').some(alive));
  assert.match(await site.ask('status'), /beater +stopped/);
  fs.writeFileSync(`${site.dir}/broken`, '');
  assert.match(await site.ask('start beater'), /^error beater: exit code 4/);
  fs.rmSync(`${site.dir}/broken`);
  assert.match(await site.ask('start beater'), /^ok beater is up/);
  assert.match(await site.ask('start nobody'), /^error no process "nobody": there is beater/);
  assert.match(await site.ask('dance'), /^error unknown request/);
  assert.match(await site.ask('x'.repeat(300)), /^error the request is too long/);
  assert.equal(await site.ask('reload'), 'ok reloaded\n');
  fs.appendFileSync(site.conf, '[process beater]\nnonsense = 1\n');
  assert.match(await site.ask('reload'), /^error the configuration is not valid, going on with the one before\n[^]*nonsense/);
  assert.equal(await site.ask('stop'), 'ok stopping\n');
  assert.deepEqual(await site.watchdog.ended, { code: 0, signal: null });
});

test('clients of the control socket that never ask neither fill it nor stop it', async (t) => {
  const site = await supervised(t);
  const silent = [];
  const { connect } = await import('node:net');
  for (let i = 0; i < 40; i++) silent.push(connect(`${site.dir}/run/control.sock`));
  t.after(() => silent.forEach((s) => s.destroy()));
  silent.forEach((s) => s.on('error', () => {}));
  assert.match(await site.ask(null), /^error too many/);
  await until('they are sent away', async () => (await site.ask('status').catch(() => '')).startsWith('ok'));
});

test('only root and the own user give orders; the group may look', { skip: !isRoot }, async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ processes: `[process beater]\ncommand = /bin/sh ${beating(site, 'beater')}\nuser = nobody\n` });
  await site.start({ ready: false });
  await until('it is up', () => pids(site, 'beater').length === 1);
  const asNobody = (line) => command('runuser', ['-u', 'nobody', '--', 'perl', '-MIO::Socket::UNIX', '-e',
    '$s = IO::Socket::UNIX->new($ARGV[0]) or die "$!"; print $s "$ARGV[1]\\n"; print <$s>', `${site.dir}/run/control.sock`, line]);
  assert.match((await asNobody('status')).stdout, /^ok\n/);
  assert.match((await asNobody('stop beater')).stdout, /^error not allowed/);
  assert.match((await asNobody('stop')).stdout, /^error not allowed/);
  const other = await command('runuser', ['-u', 'games', '--', 'test', '-w', `${site.dir}/run/control.sock`]);
  assert.notEqual(other.code, 0, 'others cannot even connect');
  assert.ok(alive(pids(site, 'beater')[0]));
});

test('an orphan that does not end is found by its lock and ended before another is started', async (t) => {
  const site = await supervised(t, { keys: 'kill_grace = 500ms\n', before: "trap '' TERM", body: 'sleep 0.1 & wait $!; true' });
  const [orphan] = pids(site, 'beater');
  // Deaf to SIGTERM, and stopped: it sees neither the signal nor the broken pipe.
  process.kill(orphan, 'SIGSTOP');
  site.watchdog.kill('SIGKILL');
  await site.watchdog.ended;
  assert.ok(alive(orphan));
  await site.start({ ready: false });
  await until('another copy is up', () => pids(site, 'beater').length === 2 && site.process('beater').pid === pids(site, 'beater')[1]);
  assert.ok(!alive(orphan));
  assert.match(site.log('watchdog'), new RegExp(`an earlier copy holds its lock name=beater pid=${orphan}`));
});

test('an orphan that does not end, and holds the listening socket too, does not keep the next watchdog from starting', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ processes: `[process beater]\ncommand = /bin/sh ${beating(site, 'beater', { before: "trap '' TERM" })}\nlisten = 127.0.0.1:${site.port}\nkill_grace = 500ms\n` });
  await site.start({ ready: false });
  const [orphan] = await until('it is up', () => pids(site, 'beater').length === 1 && pids(site, 'beater'));
  process.kill(orphan, 'SIGSTOP');
  site.watchdog.kill('SIGKILL');
  await site.watchdog.ended;
  assert.ok(alive(orphan));
  await site.start({ ready: false });
  await until('another copy is up', () => pids(site, 'beater').length === 2);
  assert.ok(!alive(orphan));
  assert.match(site.log('watchdog'), /an earlier copy still has its address, ending it name=beater pid=\d+/);
});

test('somebody who only reads a lock file is no orphan', async (t) => {
  const site = await supervised(t);
  const reader = site.spawn('tail', ['-f', `${site.dir}/run/beater.lock`]);
  site.watchdog.kill('SIGKILL');
  await site.watchdog.ended;
  await site.start({ ready: false });
  await until('another copy is up', () => pids(site, 'beater').length === 2);
  assert.ok(alive(reader.pid));
});

test('a runtime folder that somebody removed is made again, and stays one watchdog\'s', async (t) => {
  const site = await supervised(t);
  fs.rmSync(`${site.dir}/run`, { recursive: true });
  await until('status and lock are back', () => ['status.json', 'watchdog.lock', 'control.sock'].every((f) => fs.existsSync(`${site.dir}/run/${f}`)));
  const second = await command(program('tocsin-watchdog'), ['-c', site.conf]);
  assert.equal(second.code, 111);
  assert.match(second.stderr, /already running/);
  assert.match(await site.ask('status'), /beater +up/);
  assert.equal(pids(site, 'beater').length, 1);
});

test('a new lock that somebody holds for a moment only is no second watchdog', async (t) => {
  const site = await supervised(t);
  const lock = `${site.dir}/run/watchdog.lock`;
  const other = site.spawn('sh', ['-c', `rm ${lock}; exec flock -F ${lock} sleep 0.15`]);
  await other.ended;
  await until('the lock is made again', () => /the lock was removed by somebody and is made again/.test(site.log('watchdog')));
  assert.ok(!/another watchdog/.test(site.log('watchdog')));
  // One that stays is.
  site.spawn('sh', ['-c', `rm ${lock}; exec flock -F ${lock} sleep 1000`]);
  assert.deepEqual(await site.watchdog.ended, { code: 0, signal: null });
});

test('limits, working folder and cores of a process are what was configured', async (t) => {
  const site = await Site.create(t, { database: false });
  const script = `${site.dir}/limits.sh`;
  fs.writeFileSync(script, '#!/bin/sh\necho "$(ulimit -Hn) $(ulimit -d) $(ulimit -c) $(pwd)"\nexec sleep 1000\n');
  const section = (name, keys) => `[process ${name}]\ncommand = /bin/sh ${script}\nheartbeat_timeout = 0\n${keys}\n`;
  site.configure({ processes: section('one', 'max_open_files = 777\nmax_memory = 64M\nmax_cores = 0') + section('two', 'max_cores = 2') });
  fs.mkdirSync(`${site.dir}/state/two`, { recursive: true });
  fs.writeFileSync(`${site.dir}/state/two/core.1`, '');
  await site.start({ ready: false });
  const said = (name) => until(`${name} has said`, () => site.log(name).trim());
  assert.equal(await said('one'), `777 65536 0 ${site.dir}/state/one`);
  const room = isRoot ? 'unlimited' : (await command('sh', ['-c', 'ulimit -H -c'])).stdout.trim();
  assert.match(await said('two'), new RegExp(` unlimited ${room} ${site.dir}/state/two$`));
  // The second core was its last one, until somebody removes them.
  fs.writeFileSync(`${site.dir}/state/two/core.2`, '');
  await site.ask('reload');
  assert.equal(JSON.parse((await site.ask('status-json')).slice(3)).processes[1].state, 'up', 'a reload ends nobody who takes no SIGHUP');
  await site.ask('restart two');
  assert.match(await until('it has said it again', () => site.log('two').trim().split('\n')[1]), / 0 \//);
});

test('a long log of a program that does not rotate it is put aside at its next start', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ tocsin: 'log_max_size = 64K', processes: `[process talker]\ncommand = /bin/sh -c "head -c 70000 /dev/zero | tr '\\\\0' x; exec sleep 1000"\nheartbeat_timeout = 0\n` });
  await site.start({ ready: false });
  await until('it has talked', () => site.log('talker').length === 70000);
  await site.ask('restart talker');
  await until('it has talked again', () => site.log('talker').length === 70000);
  assert.equal(fs.statSync(`${site.dir}/log/talker.log.1`).size, 70000);
});

// Datagrams, one a line; perl is part of every Debian, and node has no datagram sockets of this family.
function listener(site) {
  const path = `${site.dir}/notify.sock`;
  const perl = site.spawn('perl', ['-MIO::Socket::UNIX', '-e',
    '$| = 1; $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die; chmod 0666, $ARGV[0]; print "listening\\n"; while (defined $s->recv($d, 4096)) { $d =~ s/\\n/ /g; print "$d\\n" }', path]);
  return until('it listens', () => perl.output().includes('listening')).then(() => ({ path, said: () => perl.output() }));
}

test('a supervisor above is told: ready, beats, reloading, stopping', async (t) => {
  const site = await Site.create(t, { database: false });
  const above = await listener(site);
  site.configure({ check: '1s', processes: `[process beater]\ncommand = /bin/sh ${beating(site, 'beater', { before: 'echo "notify=$NOTIFY_SOCKET$WATCHDOG_USEC"' })}\n` });
  await site.start({ ready: false, env: { NOTIFY_SOCKET: above.path, WATCHDOG_USEC: '200000' } });
  await until('ready', () => above.said().includes('READY=1'));
  await until('status', () => above.said().includes('STATUS=1 of 1 processes up'));
  await until('five beats', () => above.said().split('WATCHDOG=1').length > 5);
  site.watchdog.kill('SIGHUP');
  await until('reloading', () => /RELOADING=1 MONOTONIC_USEC=\d+[^]*READY=1/.test(above.said()));
  await site.stop();
  assert.match(above.said(), /STOPPING=1/);
  assert.match(site.log('beater'), /^notify=$/m, 'no child hears of it');
});

test('a hardware watchdog is fed while all is well, and released by a clean end', async (t) => {
  const site = await Site.create(t, { database: false });
  fs.writeFileSync(`${site.dir}/device`, '');
  site.configure({ check: '200ms', watchdog: `hardware_watchdog = ${site.dir}/device`, processes: `[process beater]\ncommand = /bin/sh ${beating(site, 'beater')}\n` });
  await site.start({ ready: false });
  const size = () => fs.statSync(`${site.dir}/device`).size;
  await until('it is fed', () => size() > 3);
  site.watchdog.kill('SIGSTOP');
  const before = size();
  const later = Date.now() + 600;
  await until('three checks would have come', () => Date.now() > later);
  assert.equal(size(), before, 'a watchdog that is stuck feeds nothing');
  site.watchdog.kill('SIGCONT');
  await until('it is fed again', () => size() > before);
  await site.stop();
  assert.equal(fs.readFileSync(`${site.dir}/device`, 'utf8').at(-1), 'V');
});
