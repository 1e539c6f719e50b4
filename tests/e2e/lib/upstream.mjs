// An upstream that records every byte it is sent and answers as a test scripts it.
import { createHash } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { ByteReader, ProtocolError, readRequest } from './http.mjs';
import { listen } from './listen.mjs';
import { until } from './wait.mjs';
import { bytes, resetBeneath } from './raw.mjs';

// What `echo` answers: the request as it came.
export const echoOf = (request, exchange) => ({
  method: request.method,
  target: request.target,
  version: request.version,
  fields: request.fields.list,
  trailers: request.trailers.list,
  size: request.body.length,
  sha256: createHash('sha256').update(request.body).digest('hex'),
  body: request.body.length <= 65_536 ? request.body.toString('latin1') : undefined,
  connection: exchange.connection.index,
});

export async function echo(exchange) {
  const request = await exchange.request.read();
  exchange.json(200, echoOf(request, exchange));
}

class Connection {
  constructor(index, socket, plain) {
    this.index = index;
    this.socket = socket;
    this.plain = plain; // beneath TLS
    this.chunks = [];
    this.size = 0;
    this.requests = [];
    this.closed = false;
    this.ended = false;
    socket.on('close', () => (this.closed = true));
    socket.on('end', () => (this.ended = true));
    socket.on('error', (error) => (this.error = error));
  }
  get received() {
    return Buffer.concat(this.chunks);
  }
  get text() {
    return this.received.toString('latin1');
  }
}

class Exchange {
  constructor(upstream, connection, request) {
    this.upstream = upstream;
    this.connection = connection;
    this.request = request;
    this.stop = false;
  }
  get socket() {
    return this.connection.socket;
  }
  // Resolves when the kernel has it, or the socket is gone.
  send(data) {
    return new Promise((resolve) => {
      if (this.socket.destroyed) return resolve(false);
      this.socket.write(bytes(data), (error) => resolve(!error));
    });
  }
  respond(status, fields = [], body = '') {
    const payload = Buffer.isBuffer(body) ? body : Buffer.from(body, 'utf8');
    const lines = [`HTTP/1.1 ${status} Scripted`, ...fields.map(([n, v]) => `${n}: ${v}`)];
    if (status >= 200 && status !== 204 && status !== 304) lines.push(`Content-Length: ${payload.length}`);
    const head = bytes(`${lines.join('\r\n')}\r\n\r\n`);
    return this.send(this.request.method === 'HEAD' ? head : Buffer.concat([head, payload]));
  }
  json(status, value, fields = []) {
    return this.respond(status, [['Content-Type', 'application/json'], ...fields], JSON.stringify(value));
  }
  // Half-closes after what was sent; no further request is read.
  end() {
    this.stop = true;
    this.socket.end();
    this.socket.resume(); // what was not read would hide the other side's end
  }
  destroy() {
    this.stop = true;
    this.socket.destroy();
  }
  reset() {
    this.stop = true;
    resetBeneath(this.connection.plain, this.socket);
  }
}

export class Upstream {
  constructor({ name = 'upstream', tls: options = null, script = echo, record = true } = {}) {
    this.name = name;
    this.options = options;
    this.script = script;
    this.record = record; // false: bodies too large to keep
    this.connections = [];
    this.sockets = new Set();
    this.plain = new Map(); // remote port → socket
    this.requests = []; // of all connections, as they came
    this.violations = []; // requests that broke HTTP: the gateway must never send one
    this.onSocket = null; // (socket) => true where the test took it, before TLS
  }

  async start(port = 0) {
    const accept = (socket) => this.#serve(socket);
    this.tlsServer = this.options && tls.createServer({ ALPNProtocols: ['http/1.1'], ...this.options }, accept);
    this.tlsServer?.on('tlsClientError', (error) => (this.tlsErrors ??= []).push(error));
    this.server = net.createServer({ noDelay: true }, (socket) => {
      this.sockets.add(socket);
      this.plain.set(socket.remotePort, socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
      if (this.onSocket?.(socket)) return;
      if (this.tlsServer) this.tlsServer.emit('connection', socket);
      else accept(socket);
    });
    this.port = await listen(this.server, port);
    return this;
  }

  get url() {
    return `${this.options ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  // Bytes of application data seen so far: "nothing upstream" is that this does not grow.
  bytesSeen() {
    return this.connections.reduce((sum, c) => sum + c.size, 0);
  }

  // All that was received, as text.
  get text() {
    return this.connections.map((c) => c.text).join('');
  }

  request(what, predicate, ms) {
    return until(`${this.name} to see ${what}`, () => this.requests.find(predicate), ms);
  }

  async #serve(socket) {
    const connection = new Connection(this.connections.length, socket, this.plain.get(socket.remotePort));
    this.connections.push(connection);
    const reader = new ByteReader(socket, {
      onBytes: (chunk) => {
        connection.size += chunk.length;
        if (this.record) connection.chunks.push(Buffer.from(chunk));
      },
    });
    try {
      for (;;) {
        const request = await readRequest(reader, 600_000);
        if (request === null) return socket.end();
        connection.requests.push(request);
        this.requests.push(request);
        const exchange = new Exchange(this, connection, request);
        exchange.reader = reader; // for what follows a request that is no HTTP
        await this.script(exchange);
        if (exchange.stop) return;
        if (request.body === undefined) await request.skip();
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) this.failure = error;
      // A request that breaks off is the client's abort passed on; one that is malformed is a fault.
      else if (!/closed within/.test(error.message)) this.violations.push(error.message);
      socket.destroy();
    }
  }

  // No longer accepts; with `cut`, open connections go too. `start(port)` brings it back.
  async stop({ cut = true } = {}) {
    if (cut) for (const socket of [...this.connections.map((c) => c.socket), ...this.sockets]) socket.destroy();
    await new Promise((resolve) => this.server.close(() => resolve()));
  }

  async close() {
    await this.stop();
    if (this.violations.length > 0) throw new Error(`${this.name} was sent malformed requests: ${this.violations.join('; ')}`);
    if (this.failure) throw this.failure;
  }
}

export const startUpstream = (options) => new Upstream(options).start();
