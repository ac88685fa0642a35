// What `make install` puts where, and that it works there: init script, unit, logrotate, manual pages.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Site, alive, bin, command, program, root, until } from './lib/site.mjs';
import { endsDaemon, lockHolder } from './lib/daemon.mjs';
import { beating, pids, supervised } from './lib/beating.mjs';

const isRoot = process.getuid() === 0;

// As it would be typed, but for the building, which is done.
async function make(target, variables) {
  const env = { ...process.env };
  for (const name of ['MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'B', 'DESTDIR', 'PREFIX', 'SYSCONFDIR', 'UNITDIR', 'INIT']) delete env[name];
  const words = Object.entries({ B: path.dirname(bin), ...variables }).map(([name, value]) => `${name}=${value}`);
  const done = await command('make', ['-s', '-o', 'all', target, ...words], { cwd: root, env });
  if (done.code !== 0) throw new Error(`make ${target}: ${done.stderr}`);
  return done.stdout;
}

// Every file and folder below, as "mode path".
const listing = (dir) => fs.readdirSync(dir, { recursive: true }).sort()
  .map((name) => `${(fs.statSync(`${dir}/${name}`).mode & 0o7777).toString(8)} ${name}`);
const files = (dir) => listing(dir).filter((line) => fs.statSync(`${dir}/${line.replace(/^\d+ /, '')}`).isFile());

test('make install with DESTDIR: all files with their modes, paths filled in, nothing outside', async (t) => {
  const site = await Site.create(t, { database: false });
  const d = `${site.dir}/d`;
  const prefix = `/opt/tocsin-${path.basename(site.dir)}`;
  await make('install', { DESTDIR: d, PREFIX: prefix });
  assert.ok(!fs.existsSync(prefix));
  const p = prefix.slice(1);
  const expected = [`755 ${p}/bin/tocsin`, `755 ${p}/sbin/tocsin-watchdog`, `755 ${p}/lib/tocsin/tocsin-generator`, `755 ${p}/lib/tocsin/tocsin-relay`,
    `644 ${p}/share/man/man1/tocsin.1`, `644 ${p}/share/man/man5/tocsin.conf.5`, `644 ${p}/share/man/man8/tocsin-watchdog.8`,
    `644 ${p}/share/doc/tocsin/tocsin.conf`, `644 ${p}/share/doc/tocsin/README.md`,
    ...fs.readdirSync(`${root}/docs`).filter((f) => f.endsWith('.md')).map((f) => `644 ${p}/share/doc/tocsin/${f}`),
    '640 etc/tocsin/tocsin.conf', '755 etc/init.d/tocsin', '644 etc/systemd/system/tocsin.service', '644 etc/logrotate.d/tocsin'];
  assert.deepEqual(files(d).sort(), expected.sort());
  assert.ok(listing(d).includes('750 etc/tocsin'));
  const text = (name) => fs.readFileSync(`${d}/${name}`, 'utf8');
  assert.match(text('etc/init.d/tocsin'), new RegExp(`^TOCSIN_BIN=${prefix}/bin/tocsin$`, 'm'));
  assert.match(text('etc/systemd/system/tocsin.service'), new RegExp(`^ExecStart=${prefix}/sbin/tocsin-watchdog -c /etc/tocsin/tocsin.conf$`, 'm'));
  assert.match(text('etc/logrotate.d/tocsin'), new RegExp(`${prefix}/bin/tocsin -c /etc/tocsin/tocsin.conf reload`));
  assert.match(text('etc/tocsin/tocsin.conf'), new RegExp(`^command = ${prefix}/lib/tocsin/tocsin-relay$`, 'm'));
  for (const name of ['etc/init.d/tocsin', 'etc/systemd/system/tocsin.service', 'etc/logrotate.d/tocsin', 'etc/tocsin/tocsin.conf'])
    assert.doesNotMatch(text(name), /\/usr\/local\/s?bin\/|\/usr\/local\/lib/, name);
});

test('installed again the configuration is kept, and uninstall leaves it', async (t) => {
  const site = await Site.create(t, { database: false });
  const d = `${site.dir}/d`;
  await make('install', { DESTDIR: d });
  const before = files(d);
  assert.ok(before.includes('644 usr/local/lib/systemd/system/tocsin.service'), 'where systemd looks for what lies below /usr/local');
  fs.writeFileSync(`${d}/etc/tocsin/tocsin.conf`, 'mine\n');
  assert.match(await make('install', { DESTDIR: d }), /\/etc\/tocsin\/tocsin\.conf is kept; the example of this version is \/usr\/local\/share\/doc\/tocsin\/tocsin\.conf/);
  assert.deepEqual(files(d), before);
  assert.equal(fs.readFileSync(`${d}/etc/tocsin/tocsin.conf`, 'utf8'), 'mine\n');
  assert.match(await make('uninstall', { DESTDIR: d }), /left alone: \/etc\/tocsin, /);
  assert.deepEqual(files(d), ['640 etc/tocsin/tocsin.conf']);
  await make('uninstall', { DESTDIR: d });
});

test('INIT chooses between init script and unit; another SYSCONFDIR reaches whoever needs it', async (t) => {
  const site = await Site.create(t, { database: false });
  const has = (dir, name) => files(dir).some((line) => line.endsWith(` ${name}`));
  await make('install', { DESTDIR: `${site.dir}/a`, PREFIX: '/usr', INIT: 'sysv' });
  assert.deepEqual([has(`${site.dir}/a`, 'etc/init.d/tocsin'), has(`${site.dir}/a`, 'usr/lib/systemd/system/tocsin.service')], [true, false]);
  await make('install', { DESTDIR: `${site.dir}/b`, PREFIX: '/usr', INIT: 'systemd', SYSCONFDIR: '/opt/etc' });
  assert.deepEqual([has(`${site.dir}/b`, 'opt/etc/init.d/tocsin'), has(`${site.dir}/b`, 'usr/lib/systemd/system/tocsin.service')], [false, true]);
  assert.match(fs.readFileSync(`${site.dir}/b/opt/etc/tocsin/tocsin.conf`, 'utf8'), /^command = \/usr\/lib\/tocsin\/tocsin-relay -c \/opt\/etc\/tocsin\/tocsin\.conf$/m);
  await assert.rejects(make('install', { DESTDIR: `${site.dir}/c`, INIT: 'upstart' }), /INIT=upstart: sysv, systemd or both/);
  await assert.rejects(make('install', { DESTDIR: `${site.dir}/c`, PREFIX: 'here' }), /an absolute path/);
});

test('the unit restarts for ever, is told when tocsin is ready, and has no pidfile', () => {
  const text = fs.readFileSync(`${root}/etc/systemd/tocsin.service`, 'utf8');
  const section = (name) => Object.fromEntries(text.split(`[${name}]\n`)[1].split(/^\[/m)[0].split('\n').filter((l) => /^[A-Z]/.test(l)).map((l) => l.split(/=(.*)/s)));
  assert.equal(section('Unit').StartLimitIntervalSec, '0');
  const service = section('Service');
  const wanted = { Type: 'notify', NotifyAccess: 'main', Restart: 'always', RestartSec: '500ms', KillMode: 'mixed', WatchdogSec: '30s', TimeoutStopSec: '60s',
    OOMScoreAdjust: '-900', OOMPolicy: 'continue', ProtectSystem: 'full', NoNewPrivileges: 'no' };
  for (const [key, value] of Object.entries(wanted)) assert.equal(service[key], value, key);
  assert.match(service.ExecReload, /tocsin -c \/etc\/tocsin\/tocsin\.conf reload$/);
  assert.ok(!('PIDFile' in service));
  assert.ok(!('User' in service));
});

// A private site with tocsin installed below it, and its init script run as init would: with nothing in the environment.
async function installed(t, processes, { keys = '' } = {}) {
  const site = endsDaemon(await Site.create(t, { database: false }));
  await make('install', { DESTDIR: '/', PREFIX: `${site.dir}/usr`, SYSCONFDIR: `${site.dir}/etc` });
  site.configure({ tocsin: 'heartbeat_interval = 200ms', check: '200ms', processes: processes?.(site) ??
    `[process beater]\ncommand = /bin/sh ${beating(site, 'beater', { before: `[ ! -e ${site.dir}/broken ] || exit 4` })}\n${keys}` });
  fs.mkdirSync(`${site.dir}/etc/default`);
  site.defaults = (text) => fs.writeFileSync(`${site.dir}/etc/default/tocsin`, text);
  site.defaults(`TOCSIN_CONF=${site.conf}\n`);
  site.init = (...words) => command('env', ['-i', '/bin/sh', `${site.dir}/etc/init.d/tocsin`, ...words]);
  site.code = async (...words) => (await site.init(...words)).code;
  return site;
}

test('init script: start returns when all is ready, is content the second time; stop leaves nothing', async (t) => {
  const site = await installed(t);
  assert.equal(await site.code('status'), 3);
  const started = await site.init('start');
  assert.equal(started.code, 0, started.stderr);
  assert.match(started.stderr, /running, 1 of 1 processes up/);
  const [child] = pids(site, 'beater');
  const watchdog = lockHolder(site);
  assert.ok(alive(child) && alive(watchdog));
  assert.equal(fs.readlinkSync(`/proc/${watchdog}/exe`), `${site.dir}/usr/sbin/tocsin-watchdog`);
  const again = await site.init('start');
  assert.deepEqual([again.code, again.stdout, lockHolder(site)], [0, 'tocsin: already running\n', watchdog]);
  const status = await site.init('status');
  assert.equal(status.code, 0);
  assert.match(status.stdout, /beater +up/);
  assert.equal(await site.code('stop'), 0);
  assert.ok(!alive(child) && !alive(watchdog));
  assert.equal(await site.code('status'), 3);
  assert.equal(await site.code('stop'), 0);
});

test('init script: restart, reload and try-restart do what the LSB says', async (t) => {
  const site = await installed(t);
  assert.equal(await site.code('try-restart'), 0);
  assert.equal(await site.code('status'), 3, 'nothing ran, so nothing was started');
  assert.equal(await site.code('reload'), 7);
  assert.equal(await site.code('restart'), 0);
  const first = lockHolder(site);
  for (const word of ['reload', 'force-reload']) {
    assert.equal(await site.code(word), 0, word);
    assert.equal(lockHolder(site), first);
  }
  assert.equal(site.log('watchdog').match(/reloaded path=/g).length, 2);
  assert.equal(await site.code('try-restart'), 0);
  const second = lockHolder(site);
  assert.ok(second !== first && alive(second) && !alive(first));
  for (const words of [[], ['dance'], ['--help']]) assert.equal(await site.code(...words), 2);
});

test('init script: dead is told from stopped; a start then takes over, and a stop makes it stopped', async (t) => {
  const site = await installed(t);
  assert.equal(await site.code('start'), 0);
  process.kill(lockHolder(site), 'SIGKILL');
  await until('it is dead', async () => (await site.code('status')) === 1);
  assert.equal(await site.code('try-restart'), 0);
  assert.equal(await site.code('status'), 1, 'it did not run, so nothing was started');
  // What a pidfile would be fooled by: numbers that are somebody else's by now.
  for (const name of ['watchdog.lock', 'beater.lock', 'tocsin.pid']) fs.writeFileSync(`${site.dir}/run/${name}`, `${process.pid}\n`);
  assert.equal(await site.code('status'), 1);
  assert.equal(await site.code('start'), 0);
  assert.equal(await site.code('status'), 0);
  process.kill(lockHolder(site), 'SIGKILL');
  await until('it is dead again', async () => (await site.code('status')) === 1);
  assert.equal(await site.code('stop'), 0);
  assert.equal(await site.code('status'), 3);
  assert.ok(!pids(site, 'beater').some(alive));
});

test('init script: the error of a process that does not start, and exit code 1', async (t) => {
  const site = await installed(t);
  fs.writeFileSync(`${site.dir}/broken`, '');
  const started = await site.init('start');
  assert.equal(started.code, 1);
  assert.match(started.stderr, /process beater: exit code 4: trying again/);
  assert.equal(await site.code('status'), 0, 'it is tried on');
  assert.equal(await site.code('stop'), 0);
});

test('init script: not configured 6, not installed 5, and both unknown to status', async (t) => {
  const site = await installed(t);
  fs.appendFileSync(site.conf, '[nonsense]\n');
  const wrong = await site.init('start');
  assert.equal(wrong.code, 6);
  assert.match(wrong.stderr, /nonsense/);
  site.defaults(`TOCSIN_CONF=${site.dir}/none.conf\n`);
  assert.deepEqual([await site.code('start'), await site.code('status')], [6, 4]);
  site.defaults(`TOCSIN_CONF=${site.conf}\nTOCSIN_BIN=${site.dir}/none\n`);
  assert.deepEqual([await site.code('start'), await site.code('stop'), await site.code('status')], [5, 5, 4]);
});

test('init script: 4 for a user who may not', { skip: !isRoot && 'needs root' }, async (t) => {
  const site = await installed(t);
  assert.equal(await site.code('start'), 0);
  const asNobody = async (word) => (await command('runuser', ['-u', 'nobody', '--', 'env', '-i', '/bin/sh', `${site.dir}/etc/init.d/tocsin`, word])).code;
  for (const word of ['start', 'stop', 'status', 'reload', 'try-restart']) assert.equal(await asNobody(word), 4, word);
  fs.chmodSync(site.conf, 0o600);
  for (const word of ['start', 'stop', 'status']) assert.equal(await asNobody(word), 4, `${word}, the configuration not to be read`);
  assert.equal(await site.code('status'), 0);
});

// The lines of docs, run as they stand there but for their paths.
const documented = (name, pattern) => fs.readFileSync(`${root}/docs/${name}`, 'utf8').match(pattern)[1];
const placed = (site, line) => line.replaceAll('/usr/local/', `${site.dir}/usr/`).replaceAll('/etc/tocsin/', `${site.dir}/etc/tocsin/`);

test('the cron line starts a dead watchdog, and leaves alone one that runs or was stopped', async (t) => {
  const site = await installed(t);
  const line = documented('operations.md', /^ +\* \* \* \* \* root (.*)$/m);
  assert.ok(fs.readFileSync(`${root}/docs/man/tocsin.1`, 'utf8').includes(`* * * * * root ${line}\n`));
  const cron = () => command('env', ['-i', 'PATH=/usr/bin:/bin', '/bin/sh', '-c', placed(site, line).replaceAll('/tocsin st', `/tocsin -c ${site.conf} st`)]);
  await cron();
  assert.equal(await site.code('status'), 3);
  assert.equal(await site.code('start'), 0);
  const first = lockHolder(site);
  await cron();
  assert.equal(lockHolder(site), first);
  process.kill(first, 'SIGKILL');
  await until('it is dead', async () => (await site.code('status')) === 1);
  await cron();
  assert.equal(await site.code('status'), 0);
  assert.equal(await site.code('stop'), 0);
  await cron();
  assert.equal(await site.code('status'), 3);
});

test('the inittab line stays in the foreground, and ends when it is told to', async (t) => {
  const site = await installed(t);
  const line = documented('operations.md', /^ +tc:2345:respawn:(\S+)/m);
  site.watchdog = site.spawn(placed(site, line), ['-c', site.conf]);
  await until('it is up', async () => (await site.code('status')) === 0 && pids(site, 'beater').length === 1);
  assert.deepEqual(await site.stop(), { code: 0, signal: null });
});

const logrotate = ['/usr/sbin/logrotate', '/usr/bin/logrotate'].find((file) => fs.existsSync(file));
test('logrotate takes the logs without losing a line', { skip: !logrotate && 'logrotate is not installed' }, async (t) => {
  // One reopens its log by SIGHUP, as our own programs do; one takes no SIGHUP.
  const counting = (name, before) => (site) => {
    const file = `${site.dir}/${name}.sh`;
    fs.writeFileSync(file, `#!/bin/sh\n${before}\nn=0\nwhile [ ! -e ${site.dir}/enough ]; do n=$((n + 1)); echo "line $n"; sleep 0.01; done\necho last $n\nexec sleep 1000\n`);
    return `[process ${name}]\ncommand = /bin/sh ${file}\nheartbeat_timeout = 0\n`;
  };
  const site = await installed(t, (s) => counting('polite', 'trap \'exec >>"$TOCSIN_LOG" 2>&1\' HUP')(s) + counting('deaf', '')(s));
  assert.equal(await site.code('start'), 0);
  const [user, group] = (await command('stat', ['-c', '%U %G', `${site.dir}/log`])).stdout.trim().split(' ');
  const snippet = fs.readFileSync(`${site.dir}/etc/logrotate.d/tocsin`, 'utf8').replace('/var/log/tocsin/', `${site.dir}/log/`)
    .replace('su root tocsin', `su ${user} ${group}`).replace(`${site.dir}/etc/tocsin/tocsin.conf`, site.conf);
  fs.writeFileSync(`${site.dir}/rotate.conf`, snippet, { mode: 0o644 });
  const logs = (name) => fs.readdirSync(`${site.dir}/log`).filter((f) => f.startsWith(`${name}.log`));
  for (let round = 1; round <= 3; round++) {
    const size = fs.statSync(`${site.dir}/log/polite.log`).size;
    await until('more is written', () => fs.statSync(`${site.dir}/log/polite.log`).size > size + 100);
    // A second has to pass between two rotations, by their names.
    await until('it is rotated', async () => {
      await command(logrotate, ['-f', '-s', `${site.dir}/rotate.state`, `${site.dir}/rotate.conf`]);
      return logs('polite').length === round + 1;
    });
    await until('it goes on in the new one', () => fs.statSync(`${site.dir}/log/polite.log`).size > 0);
  }
  fs.writeFileSync(`${site.dir}/enough`, '');
  for (const name of ['polite', 'deaf']) {
    const lines = await until(`${name} has written its last line`, () => {
      const all = logs(name).map((f) => fs.readFileSync(`${site.dir}/log/${f}`, 'utf8')).join('').trim().split('\n');
      return all.some((l) => l.startsWith('last')) && all;
    });
    const total = Number(lines.find((l) => l.startsWith('last')).slice(5));
    const numbers = lines.filter((l) => l.startsWith('line')).map((l) => Number(l.slice(5))).sort((a, b) => a - b);
    assert.deepEqual(numbers, Array.from({ length: total }, (_, i) => i + 1), name);
  }
  assert.ok(logs('watchdog').length >= 4);
  assert.match(site.log('watchdog'), /reloaded path=/);
  assert.match(site.log('watchdog') + logs('watchdog').map((f) => fs.readFileSync(`${site.dir}/log/${f}`, 'utf8')).join(''), /takes no SIGHUP, goes on as it is name=deaf/);
});

// Manual pages

const page = (name) => fs.readFileSync(`${root}/docs/man/${name}`, 'utf8');

test('the manual page of the configuration is what the programs say', async (t) => {
  const made = await command('sh', [`${root}/etc/reference.sh`, path.dirname(bin), 'man']);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(page('tocsin.conf.5'), made.stdout, 'run: sh etc/reference.sh build man > docs/man/tocsin.conf.5');
  const site = await Site.create(t, { database: false });
  site.configure();
  for (const name of ['tocsin-watchdog', 'tocsin-generator', 'tocsin-relay']) {
    const printed = (await command(program(name), ['-c', site.conf, '-T'])).stdout;
    const keys = printed.match(/^[a-z_]+(?= = )/gm);
    assert.ok(keys.length > 5);
    for (const key of keys) assert.ok(made.stdout.includes(`\n.It Cm ${key}\n`), `${name}: ${key}`);
  }
});

test('tocsin(1) has every word of tocsin help, tocsin-watchdog(8) every option and state', async () => {
  const help = (await command(program('tocsin'), ['help'])).stdout;
  const words = help.match(/^ {2}[a-z]+/gm).map((w) => w.trim());
  assert.ok(words.length >= 9);
  for (const word of words) assert.match(page('tocsin.1'), new RegExp(`^\\.It Cm .*\\b${word}\\b`, 'm'), word);
  for (const code of help.match(/(?<=\b)\d+(?= [a-z])/g)) assert.match(page('tocsin.1'), new RegExp(`^\\.It ${code}$`, 'm'), code);
  const usage = (await command(program('tocsin-watchdog'), ['-h'])).stdout;
  for (const option of usage.match(/-([a-zA-Z])\b/g).filter((o) => o.length === 2)) assert.match(page('tocsin-watchdog.8'), new RegExp(`^\\.It Fl ${option[1]}\\b`, 'm'), option);
  for (const state of ['starting', 'up', 'late', 'suspect', 'hung', 'stopping', 'backoff', 'crash-looping', 'blocked', 'stopped'])
    assert.match(page('tocsin-watchdog.8'), new RegExp(`^\\.It (\\S+ , )?${state}\\b`, 'm'), state);
});

test('the shell script of the manual is supervised: beats, status, and a clean end', async (t) => {
  const script = page('tocsin-watchdog.8').match(/^#!\/bin\/sh\nsay\(\)[^]*?^done\n/m)[0];
  const site = await Site.create(t, { database: false });
  fs.writeFileSync(`${site.dir}/own.sh`, script, { mode: 0o755 });
  site.configure({ check: '200ms', processes: `[process own]\ncommand = ${site.dir}/own.sh\nheartbeat_timeout = 2s\n` });
  await site.start({ ready: false });
  await until('its rows are counted', () => fs.existsSync(`${site.dir}/run/status.json`) && site.process('own').status?.rows >= 3);
  assert.equal(site.process('own').restarts, 0);
  assert.match(await site.ask('stop own'), /^ok own is stopped/);
  assert.match(site.log('watchdog'), /stops by its own word name=own/);
  assert.match(site.log('watchdog'), /ended name=own .*how="exit code 0"/);
});
