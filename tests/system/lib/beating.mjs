// beating: children in ten lines of shell, supervised like our own programs.
import fs from 'node:fs';
import { Site, until } from './site.mjs';

// A child that beats: each of its runs adds a pid to NAME.pids, so that a test can find it at once.
export function beating(site, name, { body = 'sleep 0.1 & wait $!', before = '' } = {}) {
  const file = `${site.dir}/${name}.sh`;
  fs.writeFileSync(file, `#!/bin/sh
${before}
echo "READY=1" >&$TOCSIN_HEARTBEAT_FD
echo $$ >>${site.dir}/${name}.pids
while echo "WATCHDOG=1" >&$TOCSIN_HEARTBEAT_FD; do ${body}; done
`);
  // A child with a user of its own writes here too.
  fs.writeFileSync(`${site.dir}/${name}.pids`, '', { flag: 'a' });
  fs.chmodSync(`${site.dir}/${name}.pids`, 0o666);
  return file;
}

export function pids(site, name) {
  try {
    return fs.readFileSync(`${site.dir}/${name}.pids`, 'utf8').split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

// A site with one such child, `beater`, once it is up.
export async function supervised(t, { keys = '', watchdog = '', body, before, env = {} } = {}) {
  const site = await Site.create(t, { database: false });
  const script = beating(site, 'beater', { body, before });
  site.configure({ tocsin: 'heartbeat_interval = 200ms', check: '200ms', watchdog,
    processes: `[process beater]\ncommand = /bin/sh ${script}\n${keys}` });
  await site.start({ ready: false, env });
  await until('it is up', () => fs.existsSync(`${site.dir}/run/status.json`) && site.process('beater').state === 'up');
  return site;
}
