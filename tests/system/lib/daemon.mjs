// daemon: a watchdog that `tocsin start` has left behind.
import fs from 'node:fs';
import { Site, alive, until } from './site.mjs';

// Who holds the watchdog's lock, by the kernel's word; 0: nobody.
export const lockHolder = (site) => {
  if (!fs.existsSync(`${site.dir}/run/watchdog.lock`)) return 0;
  const { ino } = fs.statSync(`${site.dir}/run/watchdog.lock`);
  const line = fs.readFileSync('/proc/locks', 'utf8').split('\n').find((l) => l.includes('FLOCK') && l.includes(`:${ino} `));
  return line ? Number(line.trim().split(/\s+/)[4]) : 0;
};

// What `tocsin start` leaves behind is nobody's child: end it before the site looks for what is left.
export const endsDaemon = (site) => {
  site.destroy = async () => {
    const pid = lockHolder(site);
    if (pid) {
      process.kill(pid, 'SIGTERM');
      await until('the daemon has ended', () => !alive(pid));
    }
    return Site.prototype.destroy.call(site);
  };
  return site;
};
