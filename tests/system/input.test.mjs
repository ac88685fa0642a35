// Bad input: one clear line that says what, where and how to mend it, and the right exit code.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Site, bin, command, fileFeed, program, root, simFeed, until } from './lib/site.mjs';

const programs = ['tocsin-watchdog', 'tocsin-generator', 'tocsin-relay'];

// Every program's verdict on a configuration: { code, stderr } by name.
async function verdicts(site) {
  const all = {};
  for (const name of programs) all[name] = await command(program(name), ['-c', site.conf, '-n']);
  return all;
}

test('the configuration that we ship is right, and printed values read back', async (t) => {
  const site = await Site.create(t, { database: false });
  for (const name of programs) {
    // The commands it names are there once it is installed.
    const shipped = fs.readFileSync(`${root}/etc/tocsin.conf`, 'utf8').replace(/^user = .*\n/gm, '');
    fs.writeFileSync(`${site.dir}/shipped.conf`, shipped);
    const checked = await command(program(name), ['-c', `${site.dir}/shipped.conf`, '-n']);
    assert.deepEqual([checked.code, checked.stderr], [0, ''], name);
    const printed = await command(program(name), ['-c', `${site.dir}/shipped.conf`, '-T']);
    assert.equal(printed.code, 0);
    fs.writeFileSync(`${site.dir}/printed.conf`, printed.stdout);
    const again = await command(program(name), ['-c', `${site.dir}/printed.conf`, '-T']);
    assert.equal(again.stderr, '');
    assert.equal(again.stdout, printed.stdout, name);
  }
});

test('the reference of the configuration is what the programs say', async () => {
  const made = await command('sh', [`${root}/etc/reference.sh`, path.dirname(bin)]);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(fs.readFileSync(`${root}/docs/configuration.md`, 'utf8'), made.stdout, 'run: sh etc/reference.sh build > docs/configuration.md');
});

test('an unknown key, a wrong unit and a bad value are all named at once, by the program they belong to', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ tocsin: 'log_levle = info', watchdog: 'health_log = maybe', generator: 'grace = 5', relay: 'keepalive = 15 parsecs',
    strategies: '[strategy x]\ntype = ema_cross\ntimeframe = 7m\nfast = 30\n' });
  const all = await verdicts(site);
  for (const name of programs) {
    assert.equal(all[name].code, 100, name);
    assert.match(all[name].stderr, new RegExp(`^${site.conf}:\\d+: log_levle: is no key`, 'm'), name);
  }
  assert.match(all['tocsin-watchdog'].stderr, /health_log: "maybe" is not allowed: one of/);
  assert.match(all['tocsin-generator'].stderr, /grace: "5" is not allowed: a duration with its unit/);
  assert.match(all['tocsin-generator'].stderr, /timeframe: "7m" is not allowed: one of/);
  assert.match(all['tocsin-relay'].stderr, /keepalive: "15 parsecs" is not allowed/);
});

test('a password in a conninfo is never shown, not even when it is wrong', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure();
  const text = fs.readFileSync(site.conf, 'utf8');
  for (const bad of ['host=db user=u password=hunter2 sslmod=require', 'host=db password=hunter2 secret3', 'postgresql://u:hunter2@db/x?y']) {
    fs.writeFileSync(site.conf, text.replace(/database = /g, `database = ${bad} `));
    for (const name of ['tocsin-generator', 'tocsin-relay']) {
      for (const option of ['-n', '-T']) {
        const { code, stdout, stderr } = await command(program(name), ['-c', site.conf, option]);
        assert.equal(code, 100, name);
        assert.doesNotMatch(stdout + stderr, /hunter2|secret3/);
        assert.match(stderr, /database: this value is not allowed/);
      }
    }
  }
  fs.writeFileSync(site.conf, text.replace(/database = .*/g, 'database = host=db user=u password=hunter2'));
  for (const name of programs) assert.doesNotMatch((await command(program(name), ['-c', site.conf, '-T'])).stdout, /hunter2/);
});

test('a strategy on a finer timeframe than its feed is refused: it would wait for ever', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ feed: simFeed({ extra: 'timeframe = 15m' }), strategies: '[strategy x]\ntype = ema_cross\ntimeframe = 5m\n' });
  const { code, stderr } = await command(program('tocsin-generator'), ['-c', site.conf, '-n']);
  assert.equal(code, 100);
  assert.match(stderr, /:\d+: timeframe: is no multiple of the candles of \[feed sim\], 15m/);
});

test('a missing configuration, a missing recording and a missing command end with code 100', async (t) => {
  const site = await Site.create(t, { database: false });
  for (const name of programs) {
    const { code, stderr } = await command(program(name), ['-c', `${site.dir}/nowhere.conf`]);
    assert.equal(code, 100, name);
    assert.match(stderr, /nowhere\.conf:0: No such file or directory/);
  }
  site.configure({ feed: fileFeed(`${site.dir}/nowhere.csv`) });
  const { code, stderr } = await command(program('tocsin-generator'), ['-c', site.conf]);
  assert.equal(code, 100);
  assert.match(stderr, /nowhere\.csv/);
  site.configure({ processes: '[process x]\ncommand = sleep 1\n' });
  assert.equal((await command(program('tocsin-watchdog'), ['-c', site.conf])).code, 100);
});

test('a misconfigured child ends with 100 and is not restarted in vain', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ generator: 'grace = 5' });
  await site.start({ ready: false });
  await until('it has ended once', () => site.log('watchdog').match(/died name=generator .*exit code 100.* next_start_in_ms=30000/));
  const { restarts, state, last_exits: exits } = await until('the status knows', () => {
    const p = fs.existsSync(`${site.dir}/run/status.json`) && site.process('generator');
    return p && p.last_exits.length > 0 && p;
  });
  assert.equal(exits[0].code, 100);
  assert.equal(exits.length, 1);
  assert.ok(restarts <= 1, `${restarts} restarts, ${state}`);
  assert.match(site.log('generator'), /grace: "5" is not allowed/);
});

test('a port in use: one line, code 111', async (t) => {
  const site = await Site.create(t, { database: false });
  const server = net.createServer().listen(site.port, '127.0.0.1');
  t.after(() => server.close());
  await until('the port is taken', () => server.listening);
  site.configure();
  const { code, stderr } = await command(program('tocsin-watchdog'), ['-c', site.conf]);
  assert.equal(code, 111);
  assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${site.port} is in use`));
  assert.equal(stderr.trim().split('\n').length, 1);
});

test('a second watchdog: one line, code 111, and the first goes on', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure();
  await site.start({ ready: false });
  await until('it runs', () => fs.existsSync(`${site.dir}/run/status.json`));
  const { code, stderr } = await command(program('tocsin-watchdog'), ['-c', site.conf]);
  assert.equal(code, 111);
  assert.match(stderr, /already running/);
  assert.equal(site.watchdog.exitCode, null);
});

test('a database without tables, and one that is newer: said in one line, code 100, no restart in vain', async (t) => {
  const site = await Site.create(t);
  site.configure();
  const roles = await site.sql("CREATE ROLE tocsin_generator LOGIN; CREATE ROLE tocsin_relay LOGIN; CREATE ROLE tocsin_reader LOGIN");
  assert.deepEqual(roles, []);
  const runs = [['tocsin-generator', []], ['tocsin-relay', [`listen=127.0.0.1:${site.port}`]]];
  for (const [name, words] of runs) {
    const { code, stderr } = await command(program(name), ['-c', site.conf, ...words]);
    assert.equal(code, 100, name);
    assert.match(stderr, /error [a-z]+: .*has no tables of tocsin: run `tocsin migrate`/, name);
  }
  await site.migrate();
  await site.sql("INSERT INTO tocsin_migrations (number, name) VALUES (99, 'future')");
  for (const [name, words] of runs) {
    const { code, stderr } = await command(program(name), ['-c', site.conf, ...words]);
    assert.equal(code, 100, name);
    assert.match(stderr, /number 99, newer than this program's \d+: install the newer tocsin/, name);
  }
  const refused = await command(program('tocsin-generator'), ['-c', site.conf, 'migrate']);
  assert.equal(refused.code, 100);
  assert.match(refused.stderr, /newer than this program/);
});

test('migrating twice, and twice at the same time, applies everything once', async (t) => {
  const site = await Site.create(t);
  site.configure();
  const both = await Promise.all([0, 1, 2].map(() => command(program('tocsin-generator'), ['-c', site.conf, 'migrate'])));
  assert.deepEqual(both.map((r) => r.code), [0, 0, 0]);
  assert.equal(both.filter((r) => /nothing to do/.test(r.stdout)).length, 2);
  assert.deepEqual(await site.sql('SELECT number, name FROM tocsin_migrations'), [['1', '0001_signals.sql'], ['2', '0002_retention.sql'], ['3', '0003_operators.sql'],
    ['4', '0004_webhooks.sql'], ['5', '0005_notify.sql']]);
  assert.match((await command(program('tocsin'), ['-c', site.conf, 'migrate'])).stdout, /nothing to do/);
});

test('an unreachable database: migrating says so with code 111', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure();
  const { code, stderr } = await command(program('tocsin-generator'), ['-c', site.conf, 'migrate']);
  assert.equal(code, 111);
  assert.match(stderr, /^tocsin migrate: cannot reach the database: .*\n$/);
});

test('addresses that are not loopback are refused: there are no tokens yet', async (t) => {
  const site = await Site.create(t, { database: false });
  site.configure({ processes: `[process relay]\ncommand = ${program('tocsin-relay')} -c ${site.dir}/tocsin.conf\nlisten = 0.0.0.0:${site.port}\n` });
  await site.start({ ready: false });
  await until('the relay has refused', () => /died name=relay .*exit code 100/.test(site.log('watchdog')));
  assert.match(site.log('relay'), /loopback/);
});

test('the roles have the rights they need and no more', async (t) => {
  const site = await Site.create(t);
  site.configure({ feed: simFeed({ pace: 1200 }) });
  await site.migrate();
  const refused = (user, sql) => assert.rejects(site.sql(sql, { user }), /permission denied|must be owner/);
  for (const user of ['tocsin_relay', 'tocsin_reader']) {
    await refused(user, 'DELETE FROM signals');
    await refused(user, "UPDATE signals SET status = 'expired'");
    await refused(user, 'INSERT INTO strategy_state VALUES (1)');
    await refused(user, 'SELECT nextval($$signal_seq$$)');
    await site.sql('SELECT * FROM signals, signal_events, candles, strategy_state, tocsin_instance, tocsin_migrations', { user });
  }
  await refused('tocsin_generator', "INSERT INTO signal_events (seq, op, kind, signal_id) VALUES (1, 'INSERT', 'opened', 1)");
  await refused('tocsin_generator', 'DELETE FROM signal_events');
  await refused('tocsin_generator', 'DELETE FROM tocsin_migrations');
  await refused('tocsin_generator', 'DROP TABLE signals');
});
