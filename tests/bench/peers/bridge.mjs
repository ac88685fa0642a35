// bridge.mjs sse|ws|retry PORT SOCKET_FOLDER: what one writes in Node in an afternoon: npm's pg LISTENs, every client gets every
// notification.  `retry` is sse with the error handler that pg's documentation asks for; the others end with their session.
// /healthz answers 200 while it listens.
import http from 'node:http';
import pg from 'pg';
import { WebSocketServer } from 'ws';

const [mode, port, host] = process.argv.slice(2);
const streams = new Set();
let listening = false;

const server = http.createServer((request, response) => {
  if (request.url === '/healthz') {
    response.writeHead(listening ? 200 : 503).end();
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  response.flushHeaders();
  streams.add(response);
  response.on('close', () => streams.delete(response));
});
const sockets = mode === 'ws' ? new WebSocketServer({ server }) : null;

function tell({ payload }) {
  if (sockets) {
    for (const socket of sockets.clients) socket.send(payload);
    return;
  }
  const text = `data: ${payload}\n\n`;
  for (const stream of streams) stream.write(text);
}

async function listen() {
  const client = new pg.Client({ host, user: 'postgres', database: 'postgres' });
  client.on('notification', tell);
  if (mode === 'retry') {
    client.on('error', () => {
      if (!listening) return;
      listening = false;
      setTimeout(again, 1000);
    });
  }
  await client.connect();
  await client.query('LISTEN signals');
  listening = true;
}

function again() {
  listen().catch((error) => {
    if (mode !== 'retry') throw error;
    setTimeout(again, 1000);
  });
}

server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 }, again);
