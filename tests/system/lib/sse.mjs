// sse: a Server-Sent Events client that behaves like a browser's: it reconnects for ever and resumes by Last-Event-ID.
import http from 'node:http';

export class EventStream {
  constructor(site, path = '/v1/stream', { lastId, reconnect = true } = {}) {
    this.site = site;
    this.path = path;
    this.lastId = lastId;
    this.reconnect = reconnect;
    this.events = []; // { id, event, data (parsed), at (ms) }
    this.comments = 0;
    this.connects = 0;
    this.refused = 0;
    site.streams.push(this);
    this.connect();
  }

  connect() {
    const headers = { accept: 'text/event-stream' };
    if (this.lastId) headers['last-event-id'] = this.lastId;
    let answered = false;
    this.request = http.get({ host: '127.0.0.1', port: this.site.port, path: this.path, headers, agent: false }, (response) => {
      answered = true;
      this.response = response;
      this.statusCode = response.statusCode;
      this.headers = response.headers;
      this.connects++;
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (text) => {
        rest += text;
        const blocks = rest.split('\n\n');
        rest = blocks.pop();
        for (const block of blocks) this.take(block);
      });
      response.on('close', () => this.retry());
      response.on('error', () => {});
    });
    this.request.on('error', (error) => {
      if (error.code === 'ECONNREFUSED') this.refused++;
      if (!answered) this.retry(); // else the response closes
    });
  }

  retry() {
    if (this.closed || !this.reconnect) {
      this.ended = true;
      return;
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), 20);
  }

  take(block) {
    const event = { event: 'message', at: Date.now() };
    const data = [];
    for (const line of block.split('\n')) {
      if (line.startsWith(':')) this.comments++;
      else if (line.startsWith('id: ')) event.id = this.lastId = line.slice(4);
      else if (line.startsWith('event: ')) event.event = line.slice(7);
      else if (line.startsWith('data: ')) data.push(line.slice(6));
    }
    if (data.length === 0) return;
    event.data = JSON.parse(data.join('\n'));
    this.events.push(event);
  }

  get seqs() {
    return this.events.filter((e) => e.event === 'message').map((e) => e.data.seq);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.request?.destroy();
    this.response?.destroy();
  }
}
