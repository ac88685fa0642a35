// websocket: the server's end of one WebSocket connection (RFC 6455), by hand, so that it can do everything wrong on purpose.
import crypto from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
export const TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10;
const CONTINUATION = 0, SLOW_READER_BYTES = 8 << 20;

export const accept = (key) => crypto.createHash('sha1').update(key + GUID).digest('base64');

// One frame; masked as a client's when a mask of four bytes is given.
export function frame(opcode, payload, { fin = true, mask } = {}) {
  const data = Buffer.isBuffer(payload) ? payload : Buffer.from(payload), n = data.length;
  const size = n < 126 ? 2 : n < 65536 ? 4 : 10, header = Buffer.alloc(size + (mask ? 4 : 0));
  header[0] = (fin ? 0x80 : 0) | opcode;
  header[1] = (mask ? 0x80 : 0) | (size === 2 ? n : size === 4 ? 126 : 127);
  if (size === 4) header.writeUInt16BE(n, 2);
  if (size === 10) header.writeBigUInt64BE(BigInt(n), 2);
  if (!mask) return Buffer.concat([header, data]);
  mask.copy(header, size);
  return Buffer.concat([header, data.map((byte, i) => byte ^ mask[i % 4])]);
}

// Frames out of a stream of bytes: take(chunk) gives those that are complete, { fin, opcode, masked, data }.
export class Frames {
  rest = Buffer.alloc(0);

  take(chunk) {
    const all = [];
    this.rest = this.rest.length ? Buffer.concat([this.rest, chunk]) : chunk;
    for (let one; (one = this.next()) !== null;) all.push(one);
    return all;
  }

  next() {
    const b = this.rest;
    if (b.length < 2) return null;
    const masked = (b[1] & 0x80) !== 0;
    let n = b[1] & 0x7f, at = 2;
    if (n >= 126 && b.length < (n === 126 ? 4 : 10)) return null;
    if (n === 126) [n, at] = [b.readUInt16BE(2), 4];
    else if (n === 127) [n, at] = [Number(b.readBigUInt64BE(2)), 10];
    const start = at + (masked ? 4 : 0);
    if (b.length < start + n) return null;
    const data = Buffer.from(b.subarray(start, start + n));
    if (masked) for (let i = 0; i < n; i++) data[i] ^= b[at + (i & 3)];
    this.rest = b.subarray(start + n);
    return { fin: (b[0] & 0x80) !== 0, opcode: b[0] & 0x0f, masked, data };
  }
}

// After the upgrade.  Events go to `on`: message(text), ping(), pong(data), closed(how).  What is sent waits for flush():
// one write for many frames.
export class WebSocket {
  constructor(socket, raw, on) {
    Object.assign(this, { socket, raw, on });
    this.frames = new Frames();
    this.out = [];
    this.parts = [];
    this.fragment = 0; // bytes of payload a frame; 0: whole
    this.trickle = 0; // bytes a flush; 0: all
    this.stalled = false;
    socket.on('data', (chunk) => this.data(chunk));
    socket.on('error', () => {});
    socket.on('close', () => this.end('gone'));
  }

  end(how) {
    if (this.ended) return;
    this.ended = how;
    this.on.closed(how);
  }

  data(chunk) {
    if (this.stalled) return;
    for (const { fin, opcode, masked, data } of this.frames.take(chunk)) {
      if (!masked) return this.close(1002, 'frames of a client are masked');
      if (opcode === PING) {
        this.on.ping();
        this.send(data, PONG);
        this.flush();
      } else if (opcode === PONG) this.on.pong(data);
      else if (opcode === CLOSE) {
        this.end('closed by the client');
        this.out = [frame(CLOSE, data.subarray(0, 2))];
        this.flush();
        this.socket.end();
        return;
      } else {
        this.parts.push(data);
        if (!fin) continue;
        const text = Buffer.concat(this.parts).toString();
        this.parts = [];
        this.on.message(text);
      }
    }
  }

  send(payload, opcode = TEXT) {
    if (this.stalled || this.ended) return;
    if (!this.fragment || opcode >= CLOSE || payload.length <= this.fragment) {
      this.out.push(frame(opcode, payload));
      return;
    }
    const data = Buffer.from(payload);
    for (let at = 0; at < data.length; at += this.fragment) {
      const end = Math.min(at + this.fragment, data.length);
      this.out.push(frame(at === 0 ? opcode : CONTINUATION, data.subarray(at, end), { fin: end === data.length }));
      // Control frames may come between the parts of a message.
      if (end < data.length && at % (4 * this.fragment) === 0) this.out.push(frame(PONG, 'in between'));
    }
  }

  flush() {
    if (this.out.length === 0 || this.stalled || this.socket.destroyed) return;
    let bytes = this.out.length === 1 ? this.out[0] : Buffer.concat(this.out);
    this.out = [];
    if (this.trickle && bytes.length > this.trickle) {
      this.out.push(bytes.subarray(this.trickle));
      bytes = bytes.subarray(0, this.trickle);
    }
    this.socket.write(bytes);
    if (this.socket.writableLength > SLOW_READER_BYTES) this.cut();
  }

  close(code, reason = '') {
    const data = Buffer.alloc(2);
    data.writeUInt16BE(code);
    this.send(Buffer.concat([data, Buffer.from(reason)]), CLOSE);
    this.trickle = 0;
    this.flush();
    this.end(`closed ${code}`);
    this.socket.end();
  }

  // Without a word: reset, fin, or middle (half a frame, then reset).
  cut(how = 'reset') {
    this.end(`cut ${how}`);
    if (how === 'fin') this.socket.end();
    else if (how === 'middle') this.socket.write(frame(TEXT, 'x'.repeat(300)).subarray(0, 150), () => this.raw.resetAndDestroy());
    else this.raw.resetAndDestroy();
  }
}
