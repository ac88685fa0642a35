// faultsite: a site that can be broken in ways that need a hold on it: its programs are copies below its own folder,
// its logs and its runtime folder are small file systems of a mount namespace of its own, and a shim (shim.c) sits in
// every one of its programs.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Site, command, program, until } from './site.mjs';

const PROGRAMS = ['tocsin-watchdog', 'tocsin-generator', 'tocsin-relay'];
const LOG_ROOM = '16m';

export class FaultSite extends Site {
  static async create(t, options) {
    const site = await super.create(t, options);
    fs.mkdirSync(`${site.dir}/bin`);
    for (const name of PROGRAMS) fs.copyFileSync(program(name), site.program(name));
    execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', `${site.dir}/shim.so`, fileURLToPath(new URL('shim.c', import.meta.url))]);
    await site.separate();
    return site;
  }

  program(name) {
    return `${this.dir}/bin/${name}`;
  }

  // A mount namespace for the programs, where that is allowed: root's own, or one of a user namespace.
  async separate() {
    const how = process.getuid() === 0 ? ['-m'] : ['-rm'];
    for (const folder of ['log', 'run']) fs.mkdirSync(`${this.dir}/${folder}`);
    const holder = this.spawn('unshare', [...how, '--propagation', 'private', 'sh', '-c',
      'mount -t tmpfs -o mode=0750,size=$2 tmpfs "$1/log" && mount -t tmpfs -o mode=0750 tmpfs "$1/run" && echo separate && exec sleep infinity',
      'sh', this.dir, LOG_ROOM]);
    await Promise.race([holder.ended, until('the namespace is made', () => holder.output().includes('separate') || holder.exitCode !== null)]);
    if (holder.exitCode !== null) return;
    this.holder = holder.pid;
    this.view = `/proc/${holder.pid}/root`;
  }

  // A command line that runs inside, as the same process.
  inside(...words) {
    const how = process.getuid() === 0 ? ['-m'] : ['-U', '--preserve-credentials', '-m'];
    return this.holder ? ['nsenter', '-t', String(this.holder), ...how, ...words] : words;
  }

  async mount(...args) {
    const [file, ...rest] = this.inside(...args);
    const { code, stderr } = await command(file, rest);
    if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  }

  async start({ ready = true, env = {} } = {}) {
    const [file, ...args] = this.inside(this.program('tocsin-watchdog'), '-c', this.conf);
    // A sanitized program wants to be the first that is loaded; the shim takes no memory and may precede it.
    const asan = [process.env.ASAN_OPTIONS, 'verify_asan_link_order=0'].filter(Boolean).join(':');
    this.watchdog = this.spawn(file, args,
      { env: { ...process.env, ASAN_OPTIONS: asan, LD_PRELOAD: `${this.dir}/shim.so`, TOCSIN_SHIM: this.dir, ...env } });
    if (ready) await this.ready();
    return this.watchdog;
  }

  // Whatever a test that failed has left behind, stopped or wedged, ends with the site.
  async destroy() {
    try {
      await super.destroy();
    } finally {
      for (const { pid } of this.processes()) process.kill(pid, 'SIGKILL');
    }
  }

  // One request on a connection of its own, which is closed by the answer: the answer's status, or the error's code.
  answer(where) {
    return new Promise((done) => {
      const request = http.get({ host: '127.0.0.1', port: this.port, path: where, agent: false, timeout: 20000 }, (response) => {
        response.resume();
        response.once('close', () => done(response.complete ? response.statusCode : 'cut'));
      });
      request.once('timeout', () => request.destroy());
      request.once('error', (error) => done(error.code));
    });
  }

  // No connection is kept: a descriptor of the relay is somebody's.
  async get(where) {
    return { status: await this.answer(where) };
  }

  // Every process that is the site's: by its program, its command line, or a file of the runtime or log folder that it
  // has open.  A process: { pid, ppid, state, program, files (its descriptors' targets) }.
  processes() {
    const ours = [];
    for (const entry of fs.readdirSync('/proc')) {
      const pid = Number(entry);
      if (!pid || pid === process.pid) continue;
      const p = describe(pid);
      if (!p || ['postgres', 'psql'].includes(p.comm)) continue;
      const own = [p.exe, p.command].some((text) => text.includes(`${this.dir}/bin/`));
      if (own || p.files.some((f) => f.startsWith(`${this.dir}/run/`) || f.startsWith(`${this.dir}/log/`))) ours.push(p);
      else if (p.ppid === this.watchdog?.pid) ours.push(p); // a zombie has neither
    }
    return ours;
  }
}

const quietly = (read, otherwise) => {
  try {
    return read();
  } catch {
    return otherwise; // it has ended, or is not ours to look at
  }
};

// What a descriptor refers to; of pipes, sockets and the like their kind.  Removed or not.
export function files(pid) {
  return quietly(() => fs.readdirSync(`/proc/${pid}/fd`), []).map((fd) => quietly(() => fs.readlinkSync(`/proc/${pid}/fd/${fd}`), null))
    // Open for a moment at each check: the new status, and what is read of /proc.
    .filter((target) => target !== null && !/^\/proc\/|\.new$/.test(target)).map((target) => target.replace(/:\[\d+\]$| \(deleted\)$/, '')).sort();
}

function describe(pid) {
  const stat = quietly(() => fs.readFileSync(`/proc/${pid}/stat`, 'utf8'), null);
  if (stat === null) return null;
  const [, comm, state, ppid] = stat.match(/^\d+ \((.*)\) (.) (\d+) /s);
  const exe = quietly(() => fs.readlinkSync(`/proc/${pid}/exe`), '');
  const text = quietly(() => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8'), '').replaceAll('\0', ' ');
  return { pid, ppid: Number(ppid), state, comm, exe, command: text, program: path.basename(exe), files: files(pid) };
}

// The lowest number that the next descriptor of this process would get.
export function nextDescriptor(pid) {
  const taken = new Set(fs.readdirSync(`/proc/${pid}/fd`).map(Number));
  let next = 0;
  while (taken.has(next)) next++;
  return next;
}

// The soft limit of descriptors; returns what it was.
export function limitDescriptors(pid, limit) {
  const [, soft] = fs.readFileSync(`/proc/${pid}/limits`, 'utf8').match(/^Max open files\s+(\d+)/m);
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${limit}:`]);
  return Number(soft);
}
