// The watchdog with children of any kind: ten lines of shell are supervised like our own programs.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Site, alive, command, program, until } from './lib/site.mjs';
import { beating, pids, supervised } from './lib/beating.mjs';

test('a killed child is back at once, and the death is told', async (t) => {
  const site = await supervised(t);
  const [first] = pids(site, 'beater');
  process.kill(first, 'SIGKILL');
  await until('there is another', () => pids(site, 'beater').length === 2);
  const p = await until('the status knows', () => {
    const s = site.process('beater');
    return s.state === 'up' && s.restarts === 1 && s;
  });
  assert.equal(p.pid, pids(site, 'beater')[1]);
  assert.equal(p.last_exits[0].signal, 9);
  assert.match(site.log('watchdog'), /died name=beater .*signal/);
});

test('a child inherits exactly its standard descriptors, its log, the heartbeat, its lock and its sockets', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ processes: `[process beater]\ncommand = /bin/sh ${beating(site, 'beater')}\nlisten = 127.0.0.1:${site.port}\n` });
  await site.start({ ready: false });
  const [pid] = await until('it is up', () => pids(site, 'beater').length === 1 && pids(site, 'beater'));
  const targets = fs.readdirSync(`/proc/${pid}/fd`).map((fd) => [Number(fd), fs.readlinkSync(`/proc/${pid}/fd/${fd}`)])
    .filter(([, target]) => !target.endsWith('beater.sh')); // the shell's own
  const kinds = targets.sort((a, b) => a[0] - b[0]).map(([fd, target]) => `${fd} ${target.replace(/:\[.*/, '').replace(site.dir, '')}`);
  assert.deepEqual(kinds, ['0 /dev/null', '1 /log/beater.log', '2 /log/beater.log', '3 socket', '4 pipe', '5 /run/beater.lock']);
});

test('a hung child is found, aborted and replaced', async (t) => {
  const site = await supervised(t, { keys: 'heartbeat_timeout = 1s\nkill_grace = 500ms\n', body: '[ -e "$0.hang" ] && sleep 1000; sleep 0.1' });
  const [first] = pids(site, 'beater');
  fs.writeFileSync(`${site.dir}/beater.sh.hang`, '');
  await until('it is judged', () => /hung, aborting name=beater/.test(site.log('watchdog')));
  fs.rmSync(`${site.dir}/beater.sh.hang`);
  await until('another one is up', () => pids(site, 'beater').length >= 2 && site.process('beater').state === 'up');
  assert.ok(!alive(first));
});

test('with both stopped and resumed nobody is killed: no time that the watchdog missed is held against a child', async (t) => {
  const site = await supervised(t, { keys: 'heartbeat_timeout = 1s\n' });
  const [pid] = pids(site, 'beater');
  for (const [one, other] of [[site.watchdog.pid, pid], [pid, site.watchdog.pid]]) {
    process.kill(one, 'SIGSTOP');
    process.kill(other, 'SIGSTOP');
    const until2s = Date.now() + 2000;
    await until('two seconds are over', () => Date.now() > until2s);
    process.kill(one, 'SIGCONT');
    process.kill(other, 'SIGCONT');
    const before = site.status().updated_at;
    await until('it looks again', () => site.status().updated_at !== before);
    const beats = Date.now() + 1500;
    await until('its patience would be over', () => Date.now() > beats);
  }
  assert.deepEqual(pids(site, 'beater'), [pid]);
  assert.equal(site.process('beater').restarts, 0);
});

test('checks that are seldom hide no gap: a child that wakes up slowly after a freeze is not killed', async (t) => {
  const site = await Site.create(t, { database: false });
  // Frozen for long, it needs another 0.9 s to come to itself, as one whose memory was swapped out.
  const script = `${site.dir}/slow.pl`;
  fs.writeFileSync(script, `use IO::Handle; use Time::HiRes qw(time sleep); open(my $h, ">&=", $ENV{TOCSIN_HEARTBEAT_FD}); $h->autoflush(1);
print $h "READY=1\n"; my $last = time; while (print $h "WATCHDOG=1\n") { sleep 0.7; my $now = time; sleep 0.9 if $now - $last > 1; $last = time; }
`);
  site.configure({ check: '60s', tocsin: 'heartbeat_interval = 200ms', processes: `[process slow]\ncommand = /usr/bin/perl ${script}\nheartbeat_timeout = 2s\n` });
  await site.start({ ready: false });
  const [, pid] = await until('it is up', () => / up name=slow pid=(\d+)/.exec(site.log('watchdog')));
  // Some 0.5 s after a beat (READY comes with the first): that one is read, and the next not there yet.
  const started = Date.now() + 500;
  await until('it has beaten', () => Date.now() > started);
  const frozen = [site.watchdog.pid, Number(pid)];
  frozen.forEach((p) => process.kill(p, 'SIGSTOP'));
  const end = Date.now() + 2000;
  await until('it was frozen', () => Date.now() > end);
  frozen.forEach((p) => process.kill(p, 'SIGCONT'));
  const later = Date.now() + 3000;
  await until('it would have been killed', () => Date.now() > later);
  assert.ok(!/hung/.test(site.log('watchdog')), site.log('watchdog'));
});

test('a child that fails at once is tried again with backoff, for ever, and called crash-looping', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ processes: `[process failing]\ncommand = /bin/sh -c "date +%s%N >>${site.dir}/starts; exit 3"\n` });
  await site.start({ ready: false });
  await until('six starts', () => fs.existsSync(`${site.dir}/starts`) && fs.readFileSync(`${site.dir}/starts`, 'utf8').split('\n').length > 6);
  const at = fs.readFileSync(`${site.dir}/starts`, 'utf8').trim().split('\n').map((ns) => Number(ns) / 1e6);
  assert.ok(at[1] - at[0] < 1000, `the first restart comes at once: ${at[1] - at[0]} ms`);
  assert.ok(at[5] - at[4] > at[2] - at[1], 'later ones wait longer');
  assert.match(site.log('watchdog'), /ANOMALY crash-looping name=failing/);
  assert.equal(site.process('failing').state, 'crash-looping');
  const { code, stdout } = await command(program('tocsin'), ['-c', site.conf, 'status']);
  assert.equal(code, 0);
  assert.match(stdout, /failing +crash-looping/);
});

test('a program that is missing is started as soon as it is there', async (t) => {
  const site = await Site.create(t, { database: false });
  const file = `${site.dir}/late.sh`;
  site.configure({ processes: `[process late]\ncommand = ${file}\nheartbeat_timeout = 0\n` });
  await site.start({ ready: false });
  await until('its absence is told', () => /No such file/.test(site.log('watchdog')));
  fs.writeFileSync(file, `#!/bin/sh\necho $$ >>${site.dir}/late.pids\nexec sleep 1000\n`, { mode: 0o755 });
  await until('it runs', () => pids(site, 'late').length === 1);
});

test('SIGTERM stops all, in order, and leaves nothing behind', async (t) => {
  const site = await Site.create(t, { database: false });
  const scripts = ['one', 'two'].map((name) => `[process ${name}]\ncommand = /bin/sh ${beating(site, name, { body: 'sleep 1000 & wait $!' })}\nheartbeat_timeout = 0\n`);
  site.configure({ processes: scripts.join('') });
  await site.start({ ready: false });
  await until('both are up', () => ['one', 'two'].every((name) => pids(site, name).length === 1));
  assert.deepEqual(await site.stop(), { code: 0, signal: null });
  for (const name of ['one', 'two']) assert.ok(!alive(pids(site, name)[0]), name);
  const log = site.log('watchdog');
  assert.ok(log.indexOf('stopping name=two') < log.indexOf('stopping name=one'), 'the last first');
  assert.equal((await command(program('tocsin'), ['-c', site.conf, 'status'])).code, 3);
  assert.equal(fs.existsSync(`${site.dir}/run/status.json`), false);
});

test('SIGHUP reopens the logs, and a configuration that is wrong changes nothing', async (t) => {
  const site = await supervised(t, { body: 'trap : HUP; sleep 0.1 & wait $!' });
  fs.renameSync(`${site.dir}/log/watchdog.log`, `${site.dir}/log/old`);
  fs.appendFileSync(site.conf, '\n[watchdog2]\nx = 1\n');
  site.watchdog.kill('SIGHUP');
  await until('the new log has lines', () => /watchdog2/.test(site.log('watchdog')));
  assert.equal(site.process('beater').state, 'up');
});

test('status as JSON and as a table, with exit codes for scripts', async (t) => {
  const site = await supervised(t);
  const json = await command(program('tocsin'), ['-c', site.conf, 'status', '--json']);
  assert.equal(json.code, 0);
  const status = JSON.parse(json.stdout);
  assert.equal(status.processes[0].name, 'beater');
  for (const key of ['pid', 'uptime_s', 'restarts', 'beat_age_ms', 'availability_ratio', 'rss_kb', 'last_exits']) assert.ok(key in status.processes[0], key);
  const table = await command(program('tocsin'), ['-c', site.conf, 'status']);
  assert.match(table.stdout, /beater +up/);
  assert.equal((await command(program('tocsin'), ['-c', site.conf, 'nonsense'])).code, 100);
  site.watchdog.kill('SIGKILL');
  await site.watchdog.ended;
  await until('it is dead with its lock file', async () => (await command(program('tocsin'), ['-c', site.conf, 'status'])).code === 1);
});
