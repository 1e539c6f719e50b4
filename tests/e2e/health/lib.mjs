// Services that are asked whether they are well: what they say is the test's.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { listen } from '../lib/listen.mjs';
import { HOST, OPEN } from '../lib/stage.mjs';
import { deadline } from '../lib/wait.mjs';

// As quick as may be where a busy machine must not fail a check: it takes hundreds of milliseconds over one. One check decides.
const SECOND = `${deadline(1_000)}ms`;
export const QUICK = { interval: SECOND, timeout: SECOND, unhealthy_after: 1, healthy_after: 1 };

export class Service {
  constructor({ tls = null, path = '/healthz', name = 'a' } = {}) {
    this.tls = tls;
    this.path = path;
    this.name = name;
    this.status = 200; // of the health path
    this.checks = []; // requests for it: their heads
    this.requests = 0; // all others
    this.urls = new Set();
    const answer = (request, response) => {
      if (request.url === this.path) {
        this.checks.push({ url: request.url, headers: request.headers, certificate: tls && request.socket.getPeerCertificate?.().subject?.CN });
        if (this.redirect) response.setHeader('location', this.redirect);
        if (this.status === 0) return request.socket.destroy();
        return response.writeHead(this.status).end(this.body ?? '');
      }
      this.requests++;
      this.urls.add(request.url);
      response.setHeader('content-type', 'application/json');
      return response.end(JSON.stringify({ name: this.name }));
    };
    this.server = tls ? https.createServer(tls, answer) : http.createServer(answer);
    this.sockets = new Set();
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }
  async start(where = 0, host = '127.0.0.1') {
    if (typeof where === 'string') await once(this.server.listen(where), 'listening');
    else this.port = await listen(this.server, where, host);
    return this;
  }
  get url() {
    return `${this.tls ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }
  close() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
export const startService = (options, where, host) => new Service(options).start(where, host);

export const routesTo = (...names) => Object.fromEntries(names.map((name) => [name, { ...OPEN, match: { host: HOST, path: `/${name}/**` }, upstream: name, timeout: '2s' }]));

// Waits for the `nth` change of this endpoint, and returns its line.
export async function change(s, event, endpoint, from = 0) {
  return s.gateway.wait(`the event "${event}" of ${endpoint}`, () => s.gateway.events.slice(from).find((e) => e.event === event && e.endpoint === endpoint));
}

// Runs `act`, and waits for the change that it makes.
export async function changes(s, event, endpoint, act) {
  const from = s.gateway.events.length;
  await act();
  return change(s, event, endpoint, from);
}

export async function healthy(s, service, endpoint) {
  const metrics = await s.gateway.metrics();
  assert.ok(metrics.has('sallyport_upstream_healthy', { service, endpoint }), `sallyport_upstream_healthy of ${endpoint}`);
  return metrics.sum('sallyport_upstream_healthy', { service, endpoint });
}

// `count` requests, and their statuses by number.
export async function ask(s, path, count = 12) {
  const statuses = {};
  for (let i = 0; i < count; i++) {
    const { status } = await s.request({ path });
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
  return statuses;
}
