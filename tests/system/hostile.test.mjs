// What a process that has been taken over, or anybody else in its group, can do to the watchdog that runs as root: nothing.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Site, command, program, until } from './lib/site.mjs';
import { beating, pids } from './lib/beating.mjs';

const isRoot = process.getuid() === 0;
const asNobody = (...words) => command('runuser', ['-u', 'nobody', '--', ...words]);

const comm = (pid) => {
  try {
    return fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
};

async function ofNobody(t, { keys = '', watchdog = '', check = '200ms' } = {}) {
  const site = await Site.create(t, { database: false });
  site.configure({ check, watchdog, processes: `[process beater]\ncommand = /bin/sh ${beating(site, 'beater')}\nuser = nobody\n${keys}` });
  await site.start({ ready: false });
  await until('it is up', () => pids(site, 'beater').length === 1);
  return site;
}

test('a pipe planted as the next watchdog.log does not hold the watchdog', { skip: !isRoot }, async (t) => {
  const site = await ofNobody(t);
  const log = `${site.dir}/log/watchdog.log`;
  fs.renameSync(log, `${log}-1`);
  assert.equal((await asNobody('mkfifo', log)).code, 0);
  site.watchdog.kill('SIGHUP');
  await until('it says so', () => fs.readFileSync(`${log}-1`, 'utf8').includes('cannot reopen'), 5000);
  assert.match(await site.ask('status'), /beater +up/);
});

test('a pipe planted as the log of a process is an error with a name, and holds nobody', { skip: !isRoot }, async (t) => {
  const site = await ofNobody(t);
  fs.rmSync(`${site.dir}/log/beater.log`);
  assert.equal((await asNobody('mkfifo', `${site.dir}/log/beater.log`)).code, 0);
  process.kill(pids(site, 'beater')[0], 'SIGKILL');
  await until('it is told', () => site.log('watchdog').includes('not started: log: '), 5000);
  fs.rmSync(`${site.dir}/log/beater.log`);
  await until('another copy is up', () => pids(site, 'beater').length === 2);
});

test('nobody looks into a child before it has become its program; the program may leave a core', { skip: !isRoot || !fs.existsSync('/usr/bin/strace') }, async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ processes: `[process beater]\ncommand = /bin/sh ${beating(site, 'beater')}\nuser = nobody\n` });
  const watchdog = await site.start({ ready: false });
  const [pid] = await until('it is up', () => pids(site, 'beater').length === 1 && pids(site, 'beater'));
  assert.equal((await asNobody('ls', `/proc/${pid}/fd`)).code, 0, 'dumpable');
  // Held between fork and exec, where strace stops it: at the system call that sends it to its folder.
  const trace = site.spawn('strace', ['-f', '-qq', '-e', 'trace=chdir,execve', '-e', 'inject=chdir:delay_enter=3s', '-p', `${watchdog.pid}`]);
  await until('strace is there', () => /^TracerPid:\t[1-9]/m.test(fs.readFileSync(`/proc/${watchdog.pid}/status`, 'utf8')));
  process.kill(pid, 'SIGKILL');
  const next = await until('another is forked', () => fs.readFileSync(`/proc/${watchdog.pid}/task/${watchdog.pid}/children`, 'utf8').trim().split(' ').map(Number)
    .find((c) => c && c !== pid && comm(c) === 'tocsin-watchdog'));
  await until('it is nobody', () => /^Uid:\t65534/m.test(fs.readFileSync(`/proc/${next}/status`, 'utf8')));
  await new Promise((done) => setTimeout(done, 500));
  assert.equal(comm(next), 'tocsin-watchdog', 'not its program yet');
  const seen = await asNobody('ls', '-l', `/proc/${next}/fd`);
  assert.notEqual(seen.code, 0, seen.stdout);
  trace.kill('SIGINT');
});

test('those who may only look cannot take the operator\'s place at the control socket', { skip: !isRoot }, async (t) => {
  const site = await ofNobody(t);
  const crowd = site.spawn('runuser', ['-u', 'nobody', '--', 'perl', '-MIO::Socket::UNIX', '-e',
    '$| = 1; $SIG{PIPE} = "IGNORE"; push @s, IO::Socket::UNIX->new($ARGV[0]) for 1 .. 40; print "there\\n"; while (1) { for (@s) { $_->syswrite("s") if $_ } sleep 1 }', `${site.dir}/run/control.sock`]);
  await until('they are there', () => crowd.output().includes('there'));
  assert.match(await site.ask('status'), /^ok\n/);
  assert.match(await site.ask('restart beater'), /^ok beater is up/);
  // A byte now and then does not keep a place for longer than a line may take.
  await until('they are sent away', async () => (await asNobody('perl', '-MIO::Socket::UNIX', '-e',
    '$s = IO::Socket::UNIX->new($ARGV[0]) or die; print $s "status\\n"; print <$s>', `${site.dir}/run/control.sock`)).stdout.startsWith('ok\n'), 12000);
});

test('a program of on_alert is not exempt from the OOM killer', { skip: !isRoot }, async (t) => {
  const site = await Site.create(t, { database: false });
  const script = `${site.dir}/alert.sh`;
  fs.writeFileSync(script, '#!/bin/sh\nread score </proc/self/oom_score_adj; echo "alert: score=$score"; readlink /proc/self/fd/1 /proc/self/fd/2\n', { mode: 0o755 });
  site.configure({ watchdog: `on_alert = ${script}`, processes: '[process bad]\ncommand = /bin/sh -c "exit 3"\nuser = nobody\n' });
  // Upwards anybody may set it; the watchdog as root goes to -900, where it can.
  site.watchdog = site.spawn('sh', ['-c', `echo 500 >/proc/self/oom_score_adj; exec ${program('tocsin-watchdog')} -c ${site.conf}`]);
  const [, score, ...outputs] = await until('it is told', () => /alert: score=(-?\d+)\n(\S+)\n(\S+)\n/.exec(site.log('bad')));
  assert.equal(score, '0');
  assert.deepEqual(outputs, [`${site.dir}/log/bad.log`, `${site.dir}/log/bad.log`], 'never the watchdog\'s own log');
});

test('who was handed the lock by a process, but is of another user, is not ended in its place', { skip: !isRoot }, async (t) => {
  const site = await Site.create(t, { database: false });
  const deaf = `${site.dir}/daemon.sock`;
  const daemon = site.spawn('python3', ['-c', `import socket, os, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.bind("${deaf}"); os.chmod("${deaf}", 0o666); s.listen(); print("listening", flush=True)
c, _ = s.accept(); m, fds, f, a = socket.recv_fds(c, 10, 4); print("got", fds, flush=True)
time.sleep(1000)`]);
  await until('it listens', () => daemon.output().includes('listening'));
  fs.writeFileSync(`${site.dir}/evil.py`, `import socket, os
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); s.connect("${deaf}")
lock = [int(f) for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + f) and os.readlink("/proc/self/fd/" + f).endswith("evil.lock")]
socket.send_fds(s, [b"x"], lock); s.recv(1)
`);
  site.configure({ processes: `[process evil]\ncommand = /usr/bin/python3 ${site.dir}/evil.py\nuser = nobody\nkill_grace = 200ms\n` });
  await site.start({ ready: false });
  await until('it has the lock', () => daemon.output().includes('got ['));
  process.kill(site.process('evil').pid, 'SIGKILL');
  await until('all was tried', () => site.log('watchdog').includes('killing whoever holds its lock name=evil'));
  assert.match(site.log('watchdog'), /killing whoever holds its lock name=evil lock=\S+ signalled=0/);
  assert.equal(daemon.exitCode ?? daemon.signalCode, null, 'the daemon lives');
});
