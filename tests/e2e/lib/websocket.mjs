// WebSockets by `ws`, a client and a server that many use: the peers on either side of the gateway.
import { createHash } from 'node:crypto';
import https from 'node:https';
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';
import { HOST, originCertificate } from './stage.mjs';
import { authority } from './pki.mjs';
import { within } from './wait.mjs';

// An upstream that echoes each message; `options` are WebSocketServer's. `server.sockets`: its ends of all connections, as they came.
export async function startSocketServer(options = {}) {
  const { onConnection, ...rest } = options;
  const { cert, key } = originCertificate();
  const server = https.createServer({ cert, key }, (request, response) => {
    response.writeHead(426, { 'Content-Type': 'text/plain' });
    response.end('a WebSocket is wanted');
  });
  const sockets = new WebSocketServer({ server, maxPayload: 1 << 27, ...rest });
  const opened = [];
  sockets.on('connection', (socket, request) => {
    socket.request = request;
    socket.closing = closed(socket);
    opened.push(socket);
    if (onConnection) return onConnection(socket, request);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://127.0.0.1:${server.address().port}`,
    sockets: opened,
    http: server,
    close: async () => {
      for (const socket of opened) socket.terminate();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

// How a socket ends: { code, reason, clean }. An error before it is not one of the test's own.
export const closed = (socket) =>
  new Promise((done) => {
    socket.on('error', (error) => (socket.failure = error));
    socket.once('close', (code, reason) => done({ code, reason: reason.toString() }));
  });

// Waits for a message and gives it; they are kept from the start.
function collect(socket) {
  const messages = [];
  let wake = null;
  socket.on('message', (data, isBinary) => {
    messages.push(isBinary ? data : data.toString());
    wake?.();
  });
  socket.next = async (what = 'a message') => {
    if (messages.length === 0) await within(20_000, what, new Promise((done) => (wake = done)));
    return messages.shift();
  };
  socket.collected = messages;
}

// A client through the gateway of the stage, not yet open.
export function dial(stage, { path = '/ws', token, protocols = [], headers = {}, host = HOST, keep = true, listener = 'public', ...options } = {}) {
  const socket = new WebSocket(`wss://127.0.0.1:${stage.gateway.ports[listener]}${path}`, protocols, {
    ca: authority().cert,
    servername: host,
    headers: { Host: host, ...(token ? { Authorization: `Bearer ${token}` } : {}), ...headers },
    ...options,
  });
  socket.closing = closed(socket);
  if (keep) collect(socket);
  return socket;
}

export async function open(stage, options) {
  const socket = dial(stage, options);
  const refused = new Promise((done) => socket.once('unexpected-response', (request, response) => done(response.statusCode)));
  const first = await within(20_000, 'a WebSocket to open', Promise.race([once(socket, 'open').then(() => 'open'), refused, socket.closing]));
  if (first !== 'open') throw new Error(`the WebSocket did not open: ${JSON.stringify(first)} ${socket.failure ?? ''}`);
  return socket;
}

// A handshake that is answered by something else than 101: { status, fields, body }.
export async function refusal(stage, options) {
  const socket = dial(stage, options);
  const answer = new Promise((done, fail) => {
    socket.once('open', () => fail(new Error('it opened')));
    socket.once('unexpected-response', (request, response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => (text += piece));
      response.on('end', () => done({ status: response.statusCode, fields: response.headers, body: text }));
    });
  });
  return within(20_000, 'a refused handshake', answer);
}

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
export const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='; // of that key, RFC 6455 section 1.3
export const acceptOf = (key) => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
export const HANDSHAKE = [['Connection', 'Upgrade'], ['Upgrade', 'websocket'], ['Sec-WebSocket-Key', KEY], ['Sec-WebSocket-Version', '13']];
