// netns: two machines and the wire between them, as network namespaces: `client` and `server`, on one bridge in a third.
// The wire can be cut so that nobody is told: packets vanish, every link stays up.
import { execFileSync } from 'node:child_process';
import net from 'node:net';
import { command, until } from './site.mjs';

export const CLIENT = '10.77.0.2';
export const SERVER = '10.77.0.3';

const NETWORK = `
set -e
ip link add name br0 type bridge
ip link set br0 up
add() {
  ip link add name $1 type veth peer name eth0 netns $2
  ip link set $1 master br0
  ip link set $1 up
}
add to_client $1
add to_server $2
`;
const HOST = `
set -e
ip link set lo up
ip addr add $1/24 dev eth0
ip link set eth0 up
`;

export class Wire {
  // null where no namespace may be made.
  static async create(site) {
    if (process.getuid() !== 0) return null;
    const wire = new Wire();
    wire.holders = {};
    for (const name of ['bridge', 'client', 'server']) {
      const holder = wire.hold(site);
      await Promise.race([holder.ended, until('the namespace is made', () => holder.output().includes('made'))]);
      if (holder.exitCode !== null) return null;
      wire.holders[name] = holder.pid;
    }
    const { client, server } = wire.holders;
    wire.run('bridge', 'sh', '-c', NETWORK, 'sh', String(client), String(server));
    wire.run('client', 'sh', '-c', HOST, 'sh', CLIENT);
    wire.run('server', 'sh', '-c', HOST, 'sh', SERVER);
    // Were they asked for while the wire is cut, the sender would be told that there is no such host.
    for (const [here, there, address] of [['client', 'server', SERVER], ['server', 'client', CLIENT]]) {
      const [, mac] = wire.run(there, 'ip', 'link', 'show', 'eth0').match(/link\/ether (\S+)/);
      wire.run(here, 'ip', 'neigh', 'replace', address, 'lladdr', mac, 'nud', 'permanent', 'dev', 'eth0');
    }
    return wire;
  }

  // A process that keeps a namespace, until the test's site ends it.
  hold(site) {
    return site.spawn('unshare', ['-n', 'sh', '-c', 'echo made && exec sleep infinity']);
  }

  // A command line that runs inside, as the same process.
  inside(name, ...words) {
    return ['nsenter', `--net=/proc/${this.holders[name]}/ns/net`, ...words];
  }

  run(name, ...words) {
    const [file, ...args] = this.inside(name, ...words);
    return execFileSync(file, args, { encoding: 'utf8' });
  }

  command(name, ...words) {
    const [file, ...args] = this.inside(name, ...words);
    return command(file, args);
  }

  cut() {
    this.run('bridge', 'ip', 'link', 'set', 'to_client', 'nomaster');
  }

  mend() {
    this.run('bridge', 'ip', 'link', 'set', 'to_client', 'master', 'br0');
  }
}

// Start a program inside that takes over a listening socket made out here, as systemd hands them: { child, port }.
export async function listening(site, words) {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((done) => { server.once('listening', done); });
  const { port } = server.address();
  const child = site.spawn('sh', ['-c', 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', 'sh', ...words], { stdio: ['ignore', 'pipe', 'pipe', server._handle.fd] });
  server.close(); // the child has it now
  return { child, port };
}
