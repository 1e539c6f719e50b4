// Servers of one service, over HTTP/1.1 or HTTP/2 without TLS, of which a test says how each copy of a request is treated.
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';

class Server {
  constructor(fleet, name, scheme) {
    this.name = name;
    this.scheme = scheme;
    this.requests = 0;
    this.cancelled = 0; // without the end of an answer
    this.sockets = new Set();
    this.server = scheme === 'h2c' ? http2.createServer() : http.createServer();
    this.server.on('request', (request, response) => this.#on(fleet, request, response));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
    });
  }
  #on(fleet, request, response) {
    this.requests++;
    const turn = (fleet.turns.get(request.url) ?? 0) + 1; // 1: the first copy of it, by its path
    fleet.turns.set(request.url, turn);
    response.on('error', () => {}).on('close', () => response.writableEnded || this.cancelled++);
    request.on('error', () => {}).resume();
    const answer = (status = 200, body = this.name) => !response.destroyed && response.writeHead(status, { 'x-server': this.name, 'content-length': body.length }).end(body);
    fleet.act({ server: this, turn, request, response, answer });
  }
  async start() {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.url = `${this.scheme}://127.0.0.1:${this.server.address().port}`;
    return this;
  }
  close() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

export class Fleet {
  constructor() {
    this.turns = new Map();
    this.act = ({ answer }) => answer();
  }
  static async start(count, scheme = 'http') {
    const fleet = new Fleet();
    fleet.servers = await Promise.all(Array.from({ length: count }, (_, i) => new Server(fleet, `server-${i}`, scheme).start()));
    return fleet;
  }
  get requests() {
    return this.servers.reduce((sum, server) => sum + server.requests, 0);
  }
  get cancelled() {
    return this.servers.reduce((sum, server) => sum + server.cancelled, 0);
  }
  seen(path) {
    return this.turns.get(path) ?? 0;
  }
  upstream(more = {}) {
    return { endpoints: this.servers.map((server) => server.url), retries: 0, retry_budget: 100, ...more };
  }
  close() {
    for (const server of this.servers) server.close();
  }
}
