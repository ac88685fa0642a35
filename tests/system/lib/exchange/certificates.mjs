// certificates: a private certificate authority and server certificates, good ones and bad ones, by openssl.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const CONF = `[ca]
default_ca = made
[made]
database = index
rand_serial = yes
unique_subject = no
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
`;

function openssl(dir, ...args) {
  execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
}

function authority(dir, name) {
  openssl(dir, 'req', '-x509', ...KEY, '-keyout', `${name}.key`, '-out', `${name}.pem`, '-days', '2', '-subj', `/CN=tocsin test ${name}`);
}

function server(dir, name, { by = 'ca', names, from, to }) {
  openssl(dir, 'req', '-new', ...KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`);
  openssl(dir, 'ca', '-batch', '-notext', '-config', 'ca.cnf', '-cert', `${by}.pem`, '-keyfile', `${by}.key`, '-in', `${name}.csr`,
    '-out', `${name}.pem`, '-startdate', from, '-enddate', to);
  return { key: fs.readFileSync(`${dir}/${name}.key`), cert: fs.readFileSync(`${dir}/${name}.pem`) };
}

const stamp = (days) => `${new Date(Date.now() + days * 86400000).toISOString().replace(/[-:T]|\..*/g, '')}Z`;

// Below `dir`: ca.pem, for the one who verifies.  Returns { good, expired, host, unknown }: what a TLS server needs of each.
export function makeCertificates(dir) {
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(`${dir}/ca.cnf`, CONF);
  fs.writeFileSync(`${dir}/index`, '');
  authority(dir, 'ca');
  authority(dir, 'stranger');
  const names = 'DNS:localhost,IP:127.0.0.1', now = { from: stamp(-1), to: stamp(1) };
  return {
    good: server(dir, 'good', { names, ...now }),
    expired: server(dir, 'expired', { names, from: stamp(-3), to: stamp(-2) }),
    host: server(dir, 'host', { names: 'DNS:elsewhere.example', ...now }),
    unknown: server(dir, 'unknown', { names, by: 'stranger', ...now }),
  };
}
