// The operators' command `tocsin`.  First what it does on its own, against a watchdog that is played; at the end, with the real one.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Site, alive, command, program, until } from './lib/site.mjs';
import { endsDaemon, lockHolder } from './lib/daemon.mjs';

const tocsin = (site, args, options) => command(program('tocsin'), ['-c', site.conf, ...args], options);

// A process without heartbeat; its program is a script of its own, so that it can be found.
const sleeper = (site, name, body = 'exec sleep 1000') => {
  const file = `${site.dir}/${name}.sh`;
  fs.writeFileSync(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return `[process ${name}]\ncommand = ${file}\nheartbeat_timeout = 0\n`;
};

async function quiet(t, processes = (site) => sleeper(site, 'one')) {
  const site = await Site.create(t, { database: false });
  site.configure({ processes: processes(site) });
  return site;
}

// Play the watchdog: hold its lock, and answer on its socket as `answer(line, socket)` says.
async function played(t, answer) {
  const site = await quiet(t, (s) => sleeper(s, 'generator') + sleeper(s, 'relay'));
  const run = `${site.dir}/run`;
  fs.mkdirSync(run);
  site.holder = site.spawn('flock', ['-F', `${run}/watchdog.lock`, 'sleep', '1000']);
  await until('the lock is held', async () => (await command('flock', ['-n', `${run}/watchdog.lock`, 'true'])).code === 1);
  site.asked = [];
  if (answer) {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      socket.once('data', (data) => {
        site.asked.push(String(data));
        answer(String(data).trim(), socket);
      });
    });
    await new Promise((done) => server.listen(`${run}/control.sock`, done));
    t.after(() => server.close());
  }
  return site;
}

test('status, and what it answers to, come by the socket', async (t) => {
  const site = await played(t, (line, socket) => socket.end(line === 'status' ? 'ok\nTHE TABLE\n' : 'ok\n{"pid":1}\n'));
  assert.deepEqual(await tocsin(site, ['status']), { code: 0, stdout: 'THE TABLE\n', stderr: '' });
  assert.deepEqual(await tocsin(site, ['status', '--json']), { code: 0, stdout: '{"pid":1}\n', stderr: '' });
  assert.deepEqual(site.asked, ['status\n', 'status-json\n']);
});

test('a watchdog that does not answer: status.json with its age, within seconds, and exit code 0', async (t) => {
  const site = await played(t, () => {});
  fs.writeFileSync(`${site.dir}/run/status.json`, '{"pid":7}\n');
  const begun = Date.now();
  const frozen = await tocsin(site, ['status']);
  assert.ok(Date.now() - begun < 4000);
  assert.equal(frozen.code, 0);
  assert.equal(frozen.stdout, '{"pid":7}\n');
  assert.match(frozen.stderr, /^tocsin: .*does not answer.*status\.json of \d s ago\n$/);
});

test('a held lock without a socket: status.json, stop and the like fail with what to do', async (t) => {
  const site = await played(t);
  fs.writeFileSync(`${site.dir}/run/status.json`, '{"pid":7}\n');
  const status = await tocsin(site, ['status', '--json']);
  assert.deepEqual([status.code, status.stdout], [0, '{"pid":7}\n']);
  assert.match(status.stderr, /control\.sock: No such file.*status\.json of \d s ago/);
  for (const words of [['stop'], ['restart'], ['reload'], ['restart', 'relay']]) {
    const { code, stderr } = await tocsin(site, words);
    assert.equal(code, 1, words.join(' '));
    assert.match(stderr, /runs but does not answer on .*control\.sock: No such file.*SIGTERM/);
  }
});

test('one process: the answer is printed, and failures, unknown names and forbidden ones have their exit codes', async (t) => {
  const answers = {
    'start relay': 'ok relay is up pid=123 after_ms=12\n',
    'stop relay': 'ok relay is stopped\n',
    'restart generator': 'error generator: exit code 1: trying again in 100 ms\n',
    'start x': 'error no process "x": there are generator, relay\n',
    'stop generator': 'error not allowed: user 33 may only ask for the status\n',
  };
  const site = await played(t, (line, socket) => socket.end(answers[line]));
  assert.deepEqual(await tocsin(site, ['start', 'relay']), { code: 0, stdout: 'tocsin: relay is up pid=123 after_ms=12\n', stderr: '' });
  assert.deepEqual(await tocsin(site, ['stop', 'relay']), { code: 0, stdout: 'tocsin: relay is stopped\n', stderr: '' });
  assert.deepEqual(await tocsin(site, ['restart', 'generator']), { code: 1, stdout: '', stderr: 'tocsin: generator: exit code 1: trying again in 100 ms\n' });
  assert.deepEqual(await tocsin(site, ['start', 'x']), { code: 100, stdout: '', stderr: 'tocsin: no process "x": there are generator, relay\n' });
  const denied = await tocsin(site, ['stop', 'generator']);
  assert.equal(denied.code, 4);
  assert.match(denied.stderr, /not allowed: user 33/);
});

test('an answer may take its time, and come in pieces', async (t) => {
  const site = await played(t, (line, socket) => {
    socket.write('ok relay is');
    setTimeout(() => socket.end(' up pid=5\n'), 3000);
  });
  assert.deepEqual(await tocsin(site, ['restart', 'relay']), { code: 0, stdout: 'tocsin: relay is up pid=5\n', stderr: '' });
});

test('no answer, and what is none, are told apart', async (t) => {
  const answers = { 'start generator': '', 'start relay': 'hello\n', reload: 'x'.repeat(10000) };
  const site = await played(t, (line, socket) => socket.end(answers[line]));
  for (const [words, text] of [[['start', 'generator'], /closed the connection/], [['start', 'relay'], /no answer of this version/], [['reload'], /no answer of this version/]]) {
    const { code, stderr } = await tocsin(site, words);
    assert.equal(code, 1);
    assert.match(stderr, text);
    assert.equal(stderr.trim().split('\n').length, 1);
  }
});

test('reload: the errors of a configuration that is not taken are shown', async (t) => {
  let answer = 'ok reloaded\n';
  const site = await played(t, (line, socket) => socket.end(answer));
  assert.deepEqual(await tocsin(site, ['reload']), { code: 0, stdout: 'tocsin: reloaded\n', stderr: '' });
  answer = 'error the configuration is not valid, going on with the one before\n/etc/x:3: a: is wrong\n/etc/x:4: b: too\n';
  assert.deepEqual(await tocsin(site, ['reload']), {
    code: 1, stdout: '', stderr: 'tocsin: the configuration is not valid, going on with the one before\n/etc/x:3: a: is wrong\n/etc/x:4: b: too\n' });
});

test('stop waits until the lock is free', async (t) => {
  let site;
  let freed = 0;
  site = await played(t, (line, socket) => {
    socket.write('ok stopping\n');
    setTimeout(() => {
      freed = Date.now();
      fs.unlinkSync(`${site.dir}/run/watchdog.lock`);
      site.holder.kill();
      socket.end();
    }, 1000);
  });
  const { code, stdout } = await tocsin(site, ['stop']);
  assert.deepEqual([code, stdout], [0, 'tocsin: stopped\n']);
  assert.ok(freed > 0);
});

test('what is not running: words that need it say so, stop is content, status tells dead from stopped', async (t) => {
  const site = await quiet(t);
  for (const words of [['reload'], ['start', 'one'], ['stop', 'one'], ['restart', 'one']]) {
    const { code, stderr } = await tocsin(site, words);
    assert.equal(code, 7, words.join(' '));
    assert.match(stderr, /^tocsin: not running: .*\n$/);
  }
  assert.deepEqual(await tocsin(site, ['stop']), { code: 0, stdout: 'tocsin: not running\n', stderr: '' });
  assert.equal((await tocsin(site, ['status'])).code, 3);
  fs.mkdirSync(`${site.dir}/run`);
  fs.writeFileSync(`${site.dir}/run/watchdog.lock`, '');
  assert.equal((await tocsin(site, ['status'])).code, 1);
  const stopped = await tocsin(site, ['stop']);
  assert.equal(stopped.code, 0);
  assert.match(stopped.stdout, /not running: .*died/);
  assert.equal((await tocsin(site, ['status'])).code, 3, 'stopped by an operator: nobody is to start it again');
});

test('stop after the watchdog has died: not before its processes have ended', async (t) => {
  const site = await quiet(t);
  fs.mkdirSync(`${site.dir}/run`);
  fs.writeFileSync(`${site.dir}/run/watchdog.lock`, '');
  const orphan = site.spawn('flock', ['-F', `${site.dir}/run/one.lock`, 'sleep', '1000']);
  await until('it holds its lock', async () => (await command('flock', ['-n', `${site.dir}/run/one.lock`, 'true'])).code === 1);
  const stop = site.spawn(program('tocsin'), ['-c', site.conf, 'stop']);
  const early = await tocsin(site, ['status']);
  assert.equal(early.code, 1);
  assert.equal(stop.exitCode, null);
  orphan.kill();
  assert.deepEqual(await stop.ended, { code: 0, signal: null });
  assert.equal((await tocsin(site, ['status'])).code, 3);
});

test('words that are wrong', async (t) => {
  const site = await quiet(t);
  const wrong = [[], ['nonsense'], ['status', 'x'], ['start', 'a', 'b'], ['start', '--now'], ['stop', '../x'], ['reload', 'x'], ['check', 'x'], ['help', 'x'],
    ['logs', '-n', '-5'], ['logs', '-n', 'x'], ['logs', '-x'], ['logs', 'nobody']];
  for (const words of wrong) {
    const { code, stdout, stderr } = await tocsin(site, words);
    assert.deepEqual([code, stdout], [100, ''], words.join(' '));
    assert.equal(stderr.trim().split('\n').length, words[1]?.[0] === '-' && words[1] === '-x' ? 2 : 1, stderr);
  }
  assert.equal((await command(program('tocsin'), ['-c', `${site.dir}/none`, 'start'])).code, 100);
  assert.match((await tocsin(site, ['help'])).stdout, /logs \[NAME/);
});

test('start: a daemon of its own session, once; its words and its exit code are handed on', async (t) => {
  const site = endsDaemon(await quiet(t));
  const started = await command(program('tocsin'), ['-c', path.basename(site.conf), 'start'], { cwd: site.dir });
  assert.equal(started.code, 0, started.stderr);
  assert.match(started.stderr, /running, 1 of 1 processes up/);
  const pid = lockHolder(site);
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  assert.equal(Number(stat[3]), pid, 'it leads its session');
  assert.equal(fs.readlinkSync(`/proc/${pid}/cwd`), '/');
  assert.deepEqual(['0', '1'].map((fd) => fs.readlinkSync(`/proc/${pid}/fd/${fd}`)), ['/dev/null', `${site.dir}/log/watchdog.log`]);
  assert.ok(fs.readdirSync(`/proc/${pid}/fd`).every((fd) => !fs.readlinkSync(`/proc/${pid}/fd/${fd}`).includes('pipe') || Number(fd) > 2));
  assert.deepEqual(await tocsin(site, ['start']), { code: 0, stdout: 'tocsin: already running\n', stderr: '' });
  assert.equal(lockHolder(site), pid);
});

test('start: 1 when a process cannot be started and is tried again, the watchdog\'s own code when it gives up', async (t) => {
  const site = endsDaemon(await quiet(t, (s) => sleeper(s, 'good') + sleeper(s, 'bad')));
  const conf = fs.readFileSync(site.conf, 'utf8');
  fs.writeFileSync(site.conf, conf.replace(`${site.dir}/bad.sh`, `${site.dir}/not-there`));
  const partly = await tocsin(site, ['start']);
  assert.equal(partly.code, 1, partly.stderr);
  assert.match(partly.stderr, /process bad: .*No such file/);
  assert.match(partly.stderr, /running, 1 of 2 processes up/);
  const other = await quiet(t);
  fs.appendFileSync(other.conf, '[nonsense]\n');
  const misconfigured = await tocsin(other, ['start']);
  assert.equal(misconfigured.code, 100);
  assert.match(misconfigured.stderr, /nonsense\] is no section/);
});

// Logs

const stamp = (ms) => `2026-11-23T10:00:00.${String(ms).padStart(3, '0')}Z`;
async function logged(t) {
  const site = await quiet(t, (s) => sleeper(s, 'generator') + sleeper(s, 'relay'));
  fs.mkdirSync(`${site.dir}/log`);
  site.logPath = (name) => `${site.dir}/log/${name}.log`;
  site.append = (name, text) => fs.appendFileSync(site.logPath(name), text);
  site.append('watchdog', `${stamp(1)} watchdog[1] info a\n${stamp(5)} watchdog[1] info b\n`);
  site.append('generator', `${stamp(2)} generator[2] info c\n\tat line 5\n\tat line 6\n${stamp(6)} generator[2] info d\n`);
  site.append('relay', `${stamp(3)} relay[3] info e\n`);
  fs.writeFileSync(`${site.logPath('relay')}.1`, `${stamp(0)} relay[3] info before\n`);
  return site;
}
const all = [`${stamp(0)} relay[3] info before`, `${stamp(1)} watchdog[1] info a`, `${stamp(2)} generator[2] info c`, '\tat line 5', '\tat line 6',
  `${stamp(3)} relay[3] info e`, `${stamp(5)} watchdog[1] info b`, `${stamp(6)} generator[2] info d`];

test('logs are merged by time, the last lines of all, with what was rotated', async (t) => {
  const site = await logged(t);
  const shown = async (...words) => (await tocsin(site, ['logs', ...words])).stdout;
  const lines = (list) => list.map((l) => `${l}\n`).join('');
  assert.equal(await shown(), lines(all));
  assert.equal(await shown('-n', 'all'), lines(all));
  for (const n of [0, 1, 3, 4, 7]) assert.equal(await shown('-n', String(n)), lines(n === 0 ? [] : all.slice(-n)), `-n ${n}`);
  assert.equal(await shown('relay', 'watchdog'), lines(all.filter((l) => /relay|watchdog/.test(l))));
  assert.equal(await shown('generator', '-n2'), lines(all.filter((l) => /generator|\tat/.test(l)).slice(-2)));
});

test('logs of a file of a gigabyte: the last lines at once', async (t) => {
  const site = await logged(t);
  fs.truncateSync(site.logPath('generator'), 2 ** 30);
  site.append('generator', `\n${stamp(7)} generator[2] info end\n`);
  const begun = Date.now();
  const { stdout } = await tocsin(site, ['logs', '-n', '1']);
  assert.equal(stdout, `${stamp(7)} generator[2] info end\n`);
  assert.ok(Date.now() - begun < 1000);
});

test('logs that are not there or not logs', async (t) => {
  const site = await quiet(t);
  const none = await tocsin(site, ['logs']);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /no log yet/);
  fs.mkdirSync(`${site.dir}/log`);
  fs.symlinkSync('/etc/passwd', `${site.dir}/log/one.log`);
  fs.writeFileSync(`${site.dir}/log/watchdog.log`, `${stamp(1)} watchdog[1] info a\n`);
  const link = await tocsin(site, ['logs']);
  assert.deepEqual([link.code, link.stdout], [1, `${stamp(1)} watchdog[1] info a\n`]);
  assert.match(link.stderr, /one\.log: not a regular file/);
});

test('logs -f goes on through rotation, cuts and files that come later; Ctrl-C ends it with 0', async (t) => {
  const site = await logged(t);
  fs.rmSync(site.logPath('relay'));
  fs.rmSync(`${site.logPath('relay')}.1`);
  const f = site.spawn(program('tocsin'), ['-c', site.conf, 'logs', '-f', '-n', '1']);
  const sees = (text) => until(`it shows ${text}`, () => f.output().includes(text), 5000);
  await sees(all.at(-1));
  site.append('relay', `${stamp(10)} relay[3] info late file\n`);
  await sees('late file');
  site.append('generator', 'Assertion failed: x\n');
  await sees('Assertion failed');
  fs.renameSync(site.logPath('generator'), `${site.logPath('generator')}.1`);
  fs.appendFileSync(`${site.logPath('generator')}.1`, `${stamp(11)} generator[2] info last of the old\n`);
  site.append('generator', `${stamp(12)} generator[2] info first of the new\n`);
  await sees('first of the new');
  assert.ok(f.output().indexOf('last of the old') < f.output().indexOf('first of the new'));
  fs.truncateSync(site.logPath('watchdog'), 0);
  site.append('watchdog', `${stamp(13)} watchdog[1] info cut\n`);
  await sees('info cut');
  // In one go, in the wrong order: the merge puts it right.
  site.append('watchdog', `${stamp(22)} watchdog[1] info later\n`);
  site.append('relay', `${stamp(21)} relay[3] info sooner\n`);
  await sees('info later');
  await sees('info sooner');
  const counts = f.output().trim().split('\n');
  assert.equal(new Set(counts).size, counts.length, 'no line twice');
  assert.equal(counts.filter((l) => /info [a-e]$/.test(l)).length, 1, 'of the old ones only the last');
  f.kill('SIGINT');
  assert.deepEqual(await f.ended, { code: 0, signal: null });
});

// Check

const findings = (text) => text.trim().split('\n').slice(0, -1);

test('check: everything in order but not started', async (t) => {
  const site = await quiet(t);
  const { code, stdout, stderr } = await tocsin(site, ['check']);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^ok   configuration /);
  assert.match(stdout, /^ok   watchdog: .* finds the configuration valid$/m);
  assert.match(stdout, /^ok   process one: /m);
  assert.match(stdout, /^warn the watchdog is not running: `tocsin start`/m);
  assert.match(stdout, /^tocsin check: \d+ ok, 1 to look at \(warn\), 0 wrong \(FAIL\)\n$/m);
  for (const line of findings(stdout)) assert.match(line, /^(ok {3}|warn |FAIL )\S/);
});

test('check: each thing that is wrong is found, with its mend', async (t) => {
  const faults = [
    ['a wrong key', (s) => fs.appendFileSync(s.conf, '[watchdog2]\n'), /^FAIL watchdog: .*tocsin\.conf:\d+: \[watchdog2\] is no section/m],
    ['a configuration for all to change', (s) => fs.chmodSync(s.conf, 0o666), /^FAIL configuration .*chmod go-w/m],
    ['a password for all to read', (s) => fs.writeFileSync(s.conf, fs.readFileSync(s.conf, 'utf8').replace('database =', 'database = password=geheim'), { mode: 0o644 }),
      /^warn configuration .*password.*chmod 640/m, 0],
    ['a missing program', (s) => fs.rmSync(`${s.dir}/one.sh`), /^FAIL process one: .*one\.sh cannot be executed: No such file/m],
    ['a program that is none', (s) => fs.chmodSync(`${s.dir}/one.sh`, 0o644), /^FAIL process one: .*Permission denied/m],
    ['a program for all to change', (s) => fs.chmodSync(`${s.dir}/one.sh`, 0o777), /^FAIL process one: .*chmod go-w/m],
    ['a user who is not there', (s) => fs.appendFileSync(`${s.conf}`, `[process two]\ncommand = ${s.dir}/one.sh\nuser = nobody-at-all\n`), /^FAIL process two: .*useradd/m],
    ['a log folder for all', (s) => { fs.mkdirSync(`${s.dir}/log`); fs.chmodSync(`${s.dir}/log`, 0o777); }, /^FAIL log_dir .*chmod o-w/m],
    ['a file where a folder should be', (s) => fs.writeFileSync(`${s.dir}/run`, ''), /^FAIL runtime_dir .*is no folder/m],
    ['a lock left', (s) => { fs.mkdirSync(`${s.dir}/run`); fs.writeFileSync(`${s.dir}/run/watchdog.lock`, ''); }, /^FAIL the watchdog is dead/m],
    ['no configuration', (s) => fs.rmSync(s.conf), /^FAIL configuration .*No such file/m],
  ];
  for (const [what, break_it, line, code = 1] of faults) {
    const site = await quiet(t);
    break_it(site);
    const { code: found, stdout } = await tocsin(site, ['check']);
    assert.match(stdout, line, what);
    assert.equal(found, code, `${what}\n${stdout}`);
    assert.ok(!stdout.includes('geheim'));
  }
});

test('check as root: a log folder of an unprivileged user is refused, one that its process cannot write is named', { skip: process.getuid() !== 0 && 'not root' }, async (t) => {
  const site = await quiet(t, (s) => `${sleeper(s, 'one')}user = nobody\n`);
  fs.mkdirSync(`${site.dir}/log`);
  fs.chownSync(`${site.dir}/log`, 65534, 65534);
  assert.match((await tocsin(site, ['check'])).stdout, /^FAIL log_dir .*belongs to nobody.*CVE-2016-1247.*chown root/m);
  fs.chownSync(`${site.dir}/log`, 0, 0);
  assert.match((await tocsin(site, ['check'])).stdout, /^FAIL log_dir .*process one's user nobody cannot write in it.*chmod 1770/m);
});

test('check: a watchdog that is frozen', async (t) => {
  const site = await played(t, () => {});
  const { code, stdout } = await tocsin(site, ['check']);
  assert.equal(code, 1);
  assert.match(stdout, /^FAIL the watchdog \(pid \d+\) runs but does not answer.*kill -CONT/m);
});

test('check asks the programs for their database: migrated, not migrated, not there', async (t) => {
  const site = await Site.create(t);
  site.configure();
  const before = await tocsin(site, ['check']);
  assert.equal(before.code, 1, before.stdout);
  assert.match(before.stdout, /^FAIL generator: .*role "tocsin_generator" does not exist|^FAIL generator: .*`tocsin migrate`/m);
  await site.migrate();
  const after = await tocsin(site, ['check']);
  for (const name of ['generator', 'relay']) {
    assert.match(after.stdout, new RegExp(`^ok   process ${name}: .* finds the configuration valid$`, 'm'));
    assert.match(after.stdout, new RegExp(`^ok   ${name}: connected to database postgres at .* as tocsin_${name} in \\d+ ms`, 'm'));
    assert.match(after.stdout, new RegExp(`^ok   ${name}: the database's schema is number \\d+, as needed$`, 'm'));
  }
  assert.equal(after.code, 0, after.stdout);
  await site.postgres('stop');
  const begun = Date.now();
  const away = await tocsin(site, ['check']);
  assert.equal(away.code, 1);
  assert.match(away.stdout, /^FAIL relay: cannot connect to the database: .*: see database in \[relay\]/m);
  assert.ok(Date.now() - begun < 20000);
});

// With the real watchdog.

const running = async (t, processes = (s) => sleeper(s, 'one') + sleeper(s, 'two')) => {
  const site = await quiet(t, processes);
  await site.start({ ready: false });
  await until('all are up', () => fs.existsSync(`${site.dir}/run/status.json`) && site.status().processes.every((p) => p.state === 'up'));
  return site;
};

test('real: status as a table and as JSON by the socket, and no status.txt any more', async (t) => {
  const site = await running(t);
  const table = await tocsin(site, ['status']);
  assert.deepEqual([table.code, table.stderr], [0, '']);
  assert.match(table.stdout, /^one +up/m);
  const json = await tocsin(site, ['status', '--json']);
  assert.deepEqual([json.code, json.stderr], [0, '']);
  assert.equal(JSON.parse(json.stdout).processes[1].name, 'two');
  assert.equal(fs.existsSync(`${site.dir}/run/status.txt`), false);
  assert.equal(fs.statSync(`${site.dir}/run/control.sock`).mode & 0o777, 0o660);
});

test('real: one process is stopped, stays stopped, is started and restarted, and the others are left alone', async (t) => {
  const site = await running(t);
  const [one, two] = [site.process('one').pid, site.process('two').pid];
  assert.deepEqual(await tocsin(site, ['stop', 'one']), { code: 0, stdout: 'tocsin: one is stopped\n', stderr: '' });
  assert.ok(!alive(one));
  assert.match((await tocsin(site, ['status'])).stdout, /^one +stopped/m);
  const started = await tocsin(site, ['start', 'one']);
  assert.equal(started.code, 0, started.stderr);
  const pid = Number(started.stdout.match(/^tocsin: one is up pid=(\d+) uptime_ms=\d+\n$/)[1]);
  assert.ok(alive(pid));
  const restarted = await tocsin(site, ['restart', 'one']);
  assert.match(restarted.stdout, /^tocsin: one is up pid=\d+ uptime_ms=\d+\n$/);
  assert.ok(!alive(pid));
  assert.ok(alive(two));
  const { code, stderr } = await tocsin(site, ['stop', 'three']);
  assert.deepEqual([code, stderr], [100, 'tocsin: no process "three": there are one, two\n']);
});

test('real: a start that fails is told, with exit code 1', async (t) => {
  const site = await running(t);
  assert.equal((await tocsin(site, ['stop', 'one'])).code, 0);
  fs.rmSync(`${site.dir}/one.sh`);
  const { code, stderr } = await tocsin(site, ['start', 'one']);
  assert.equal(code, 1);
  assert.match(stderr, /^tocsin: one: .*No such file.*it is tried again/);
});

test('real: reload takes a valid configuration, and shows what is wrong with another', async (t) => {
  const site = await running(t);
  assert.deepEqual(await tocsin(site, ['reload']), { code: 0, stdout: 'tocsin: reloaded\n', stderr: '' });
  fs.appendFileSync(site.conf, '[watchdog2]\n');
  const { code, stderr } = await tocsin(site, ['reload']);
  assert.equal(code, 1);
  assert.match(stderr, /^tocsin: the configuration is not valid, going on with the one before\n.*tocsin\.conf:\d+: \[watchdog2\] is no section/);
});

test('real: start, restart and stop of all of it', async (t) => {
  const site = endsDaemon(await quiet(t));
  assert.equal((await tocsin(site, ['start'])).code, 0);
  const [watchdog, child] = [lockHolder(site), site.process('one').pid];
  const restarted = await tocsin(site, ['restart']);
  assert.deepEqual([restarted.code, restarted.stdout], [0, 'tocsin: stopped\n']);
  assert.match(restarted.stderr, /running, 1 of 1 processes up/);
  const next = lockHolder(site);
  assert.notEqual(next, watchdog);
  assert.ok(!alive(child) && !alive(watchdog));
  assert.deepEqual(await tocsin(site, ['stop']), { code: 0, stdout: 'tocsin: stopped\n', stderr: '' });
  assert.ok(!alive(next));
  assert.equal((await tocsin(site, ['status'])).code, 3);
  for (const name of ['watchdog.lock', 'control.sock', 'status.json']) assert.equal(fs.existsSync(`${site.dir}/run/${name}`), false, name);
});

test('real: two who start, restart or stop it at the same moment do not wait for one another', async (t) => {
  const site = endsDaemon(await quiet(t));
  const both = async (word) => (await Promise.all([tocsin(site, [word]), tocsin(site, [word])])).map((r) => (r.code === 0 ? 0 : r));
  for (let i = 0; i < 5; i++) {
    assert.deepEqual(await both('start'), [0, 0]);
    // The later one may stop what the earlier one has just started: that one then tells of 0 processes up.
    const restarts = await both('restart');
    for (const r of restarts) if (r !== 0) assert.deepEqual([r.code, /running, 0 of 1 processes up/.test(r.stderr)], [1, true], r.stderr);
    assert.ok(restarts.includes(0));
    assert.deepEqual(await both('stop'), [0, 0]);
    for (const dir of ['run', 'log', 'state']) fs.rmSync(`${site.dir}/${dir}`, { recursive: true });
  }
});

test('real: a frozen watchdog: status of before, stop says how to wake or end it', async (t) => {
  const site = await running(t);
  site.watchdog.kill('SIGSTOP');
  try {
    const status = await tocsin(site, ['status']);
    assert.equal(status.code, 0);
    assert.equal(JSON.parse(status.stdout).pid, site.watchdog.pid);
    assert.match(status.stderr, /does not answer/);
    const stop = await tocsin(site, ['stop']);
    assert.equal(stop.code, 1);
    assert.match(stop.stderr, new RegExp(`kill -CONT ${site.watchdog.pid}`));
  } finally {
    site.watchdog.kill('SIGCONT');
  }
  // What was asked while it was frozen is done now.
  assert.deepEqual(await site.watchdog.ended, { code: 0, signal: null });
});

test('real: others may not ask', { skip: process.getuid() !== 0 && 'not root' }, async (t) => {
  const site = await running(t);
  fs.chmodSync(`${site.dir}/run`, 0o755);
  for (const words of [['stop'], ['restart', 'one'], ['reload']]) {
    const { code, stderr } = await tocsin(site, words, { uid: 65534, gid: 65534 });
    assert.equal(code, 4, stderr);
    assert.match(stderr, /not allowed|cannot tell/);
  }
  assert.equal(site.process('one').state, 'up');
});

test('real: check tells of processes that are not up', async (t) => {
  const site = await running(t);
  await tocsin(site, ['stop', 'two']);
  const stopped = await tocsin(site, ['check']);
  assert.equal(stopped.code, 0);
  assert.match(stopped.stdout, /^warn process two was stopped by somebody: `tocsin start two` starts it$/m);
  fs.writeFileSync(`${site.dir}/one.sh`, '#!/bin/sh\nexit 1\n');
  await tocsin(site, ['restart', 'one']);
  await until('it crash-loops', () => site.process('one').state === 'crash-looping');
  const looping = await tocsin(site, ['check']);
  assert.equal(looping.code, 1);
  assert.match(looping.stdout, /^FAIL process one is crash-looping: see .*one\.log/m);
});

test('real: check finds it running', async (t) => {
  const site = await running(t);
  const { code, stdout } = await tocsin(site, ['check']);
  assert.equal(code, 0, stdout);
  assert.match(stdout, new RegExp(`^ok   the watchdog runs and answers, pid ${site.watchdog.pid}$`, 'm'));
});
