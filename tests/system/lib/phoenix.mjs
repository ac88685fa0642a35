// phoenix: a WebSocket client by hand, and Supabase Realtime's messages over it: does everything a client may do, and what
// none may.
import crypto from 'node:crypto';
import net from 'node:net';
import { CLOSE, Frames, PING, PONG, TEXT, accept, frame } from './exchange/websocket.mjs';

export { BINARY, CLOSE, PING, PONG, TEXT } from './exchange/websocket.mjs';
export const CONTINUATION = 0;
export const PATH = '/realtime/v1/websocket?apikey=any&vsn=2.0.0';
const key = () => crypto.randomBytes(16).toString('base64');

// The upgrade's head, with any header replaced, or left out when it is null.
export function upgradeText(site, path, headers = {}, method = 'GET') {
  const all = { Host: `127.0.0.1:${site.port}`, Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': key(), ...headers };
  const lines = Object.entries(all).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}\r\n`);
  return { text: `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, key: all['Sec-WebSocket-Key'] };
}

export class Phoenix {
  // Resolves when it is open; what else was answered is an error with { status, headers, body }.
  // `first`: bytes sent in the same segment as the upgrade.
  static open(site, { path = PATH, headers, method, first = Buffer.alloc(0) } = {}) {
    return new Promise((done, fail) => new Phoenix(site, { path, headers, method, first, done, fail }));
  }

  constructor(site, { path, headers, method, first, done, fail }) {
    const upgrade = upgradeText(site, path, headers, method);
    this.version = /vsn=2/.test(path) ? 2 : 1;
    this.frames = new Frames();
    this.parts = [];
    this.messages = []; // { joinRef, ref, topic, event, payload, raw }
    this.pongs = [];
    this.wrong = []; // what a server must not do
    this.closed = null; // { code, reason } of its close frame
    this.ended = false; // the connection is gone
    this.next = 1;
    this.waiting = new Map(); // ref -> { done, fail }: of answers that are to come
    this.join_refs = new Map();
    this.socket = net.connect(site.port, '127.0.0.1', () => this.socket.write(Buffer.concat([Buffer.from(upgrade.text), first])));
    this.socket.setNoDelay(true);
    site.streams.push(this);
    let head = Buffer.alloc(0);
    const greet = (chunk) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) return;
      const [line, ...rest] = head.subarray(0, end).toString('latin1').split('\r\n');
      this.status = Number(line.split(' ')[1]);
      this.headers = Object.fromEntries(rest.map((l) => [l.slice(0, l.indexOf(':')).toLowerCase(), l.slice(l.indexOf(':') + 1).trim()]));
      if (this.status !== 101) { // wait for its body
        this.body = head.subarray(end + 4).toString();
        if (this.body.length >= Number(this.headers['content-length'] ?? 0)) {
          this.close();
          fail(Object.assign(new Error(`refused: ${line} ${this.body}`), { status: this.status, headers: this.headers, body: this.body }));
        }
        return;
      }
      this.socket.off('data', greet);
      this.socket.on('data', (data) => this.data(data));
      if (this.headers['sec-websocket-accept'] !== accept(upgrade.key)) this.wrong.push('Sec-WebSocket-Accept');
      this.data(head.subarray(end + 4));
      done(this);
    };
    this.socket.on('data', greet);
    this.socket.on('error', (error) => { this.error = error; });
    this.socket.on('close', () => {
      this.ended = true;
      for (const one of this.waiting.values()) one.fail(new Error(`the connection ended: ${JSON.stringify(this.closed)}`));
      fail(this.error ?? new Error('hung up at the upgrade'));
    });
  }

  data(chunk) {
    for (const { fin, opcode, masked, data } of this.frames.take(chunk)) {
      if (masked) this.wrong.push('a masked frame');
      if (this.closed) this.wrong.push('a frame after the close');
      if (opcode === PING) this.frame(PONG, data);
      else if (opcode === PONG) this.pongs.push(data.toString());
      else if (opcode === CLOSE) {
        this.closed = { code: data.length >= 2 ? data.readUInt16BE(0) : 1005, reason: data.subarray(2).toString() };
        if (!this.saidClose) this.frame(CLOSE, data.subarray(0, 2));
      } else {
        this.parts.push(data);
        if (fin) this.take(Buffer.concat(this.parts.splice(0)).toString());
      }
    }
  }

  take(raw) {
    const m = JSON.parse(raw);
    if (Array.isArray(m) !== (this.version === 2)) this.wrong.push(`a message of the other version: ${raw}`);
    const message = Array.isArray(m) ? { joinRef: m[0], ref: m[1], topic: m[2], event: m[3], payload: m[4], raw }
      : { joinRef: null, ref: m.ref, topic: m.topic, event: m.event, payload: m.payload, raw };
    this.messages.push(message);
    if (message.event === 'phx_reply') this.waiting.get(message.ref)?.done(message);
  }

  // One frame, masked as it has to be unless `mask` is null.
  frame(opcode, payload, { fin, mask = crypto.randomBytes(4) } = {}) {
    if (opcode === CLOSE) this.saidClose = true;
    this.bytes(frame(opcode, payload, { fin, mask: mask ?? undefined }));
  }

  bytes(data) {
    if (!this.socket.destroyed) this.socket.write(data);
  }

  send(text) {
    this.frame(TEXT, text);
  }

  // Returns its ref.
  push(topic, event, payload = {}, { ref = String(this.next++), joinRef = this.join_refs.get(topic) ?? null } = {}) {
    this.send(this.text(topic, event, payload, ref, joinRef));
    return ref;
  }

  text(topic, event, payload, ref, joinRef) {
    if (this.version === 2) return JSON.stringify([joinRef, ref, topic, event, payload]);
    return JSON.stringify({ topic, event, payload, ref, ...(joinRef === null ? {} : { join_ref: joinRef }) });
  }

  // The message that answers `ref`; a hang is an error.
  answer(ref, ms = 60000) {
    const found = this.messages.find((m) => m.event === 'phx_reply' && m.ref === ref);
    if (found) return found;
    if (this.ended) throw new Error(`the connection ended: ${JSON.stringify(this.closed)}`);
    return new Promise((done, fail) => {
      const timer = setTimeout(() => fail(new Error(`timed out: an answer to ${ref}`)), ms);
      this.waiting.set(ref, { done, fail });
      for (const how of ['done', 'fail']) {
        const settle = this.waiting.get(ref)[how];
        this.waiting.get(ref)[how] = (value) => {
          clearTimeout(timer);
          this.waiting.delete(ref);
          settle(value);
        };
      }
    });
  }

  // Join, and wait for the answer: its payload, with its `ref`.
  async join(topic, changes, { config = {}, ...more } = {}) {
    const ref = this.push(topic, 'phx_join', { config: { broadcast: { ack: false, self: false }, presence: { key: '', enabled: false }, postgres_changes: changes, private: false, ...config }, ...more },
      { ref: String(this.next), joinRef: String(this.next++) });
    this.join_refs.set(topic, ref);
    return { ref, ...(await this.answer(ref)).payload };
  }

  // All that was sent before has been seen to when this comes back.
  async heartbeat() {
    return (await this.answer(this.push('phoenix', 'heartbeat', {}, { joinRef: null }))).payload;
  }

  of(topic, event) {
    return this.messages.filter((m) => m.topic === topic && m.event === event).map((m) => m.payload);
  }

  changes(topic) {
    return this.of(topic, 'postgres_changes');
  }

  // Of rows that are there still.
  seqs(topic) {
    return this.changes(topic).map((c) => c.data.record?.seq).filter((seq) => seq !== undefined);
  }

  close() {
    this.socket.destroy();
  }
}

export const all = (more = {}) => ({ event: '*', schema: 'public', table: 'signals', ...more });
