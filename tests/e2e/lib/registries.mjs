// Servers of our own that behave as Consul's blocking queries and as the list and watch of Kubernetes' API server do, written after
// their public documentation: neither of the real ones is among the packages that tests may use.
import http from 'node:http';
import https from 'node:https';
import { once } from 'node:events';
import { listen } from './listen.mjs';

class Registry {
  // `tls`: as https.createServer takes it; none: without TLS.
  constructor({ tls } = {}) {
    this.tls = tls;
    this.questions = []; // { url: URL, authorization, subject }
    this.sockets = new Set();
    this.token = undefined; // that is wanted
    this.accepts = undefined; // while it rotates: these
    this.broken = undefined; // (response, url) => void, in place of an answer
    this.host = '127.0.0.1';
    this.port = 0;
  }
  async start() {
    const server = this.tls ? https.createServer.bind(https, this.tls) : http.createServer;
    this.server = server((request, response) => {
      const url = new URL(request.url, 'http://registry');
      this.questions.push({ url, authorization: request.headers.authorization, subject: request.socket.getPeerCertificate?.().subject?.CN });
      if (this.broken) return this.broken(response, url);
      if (this.token !== undefined && !(this.accepts ?? [this.token]).some((token) => request.headers.authorization === `Bearer ${token}`)) return this.refuse(response);
      this.answer(url, response);
    });
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket)).on('error', () => {});
    });
    this.port = await listen(this.server, this.port, this.host);
    return this;
  }
  drop() {
    for (const socket of this.sockets) socket.destroy();
  }
  async close() {
    if (!this.server?.listening) return;
    this.server.close();
    this.drop();
    await once(this.server, 'close');
  }
}

export class Consul extends Registry {
  index = 10;
  instances = []; // { address, port, weight, zone, status }
  filtered = false;
  #waiting = new Set();
  get from() {
    return `consul+${this.tls ? 'https' : 'http'}://127.0.0.1:${this.port}/orders`;
  }
  set(instances, index = this.index + 1) {
    this.instances = instances;
    this.index = index;
    for (const wake of this.#waiting) wake();
  }
  refuse(response) {
    response.writeHead(403).end('rpc error: ACL not found');
  }
  answer(url, response) {
    const since = Number(url.searchParams.get('index') ?? 0);
    const send = () => {
      response.writeHead(200, { 'Content-Type': 'application/json', 'X-Consul-Index': this.index, ...(this.filtered && { 'X-Consul-Results-Filtered-By-ACLs': 'true' }) });
      const passing = this.instances.filter(({ status }) => (status ?? 'passing') === 'passing');
      response.end(JSON.stringify(this.filtered ? [] : passing.map(({ address, port, weight, zone }) => ({ Node: { Node: 'n', Address: '127.0.0.1', Meta: { zone: zone ?? '' } }, Service: { Service: 'orders', Address: address ?? '', Port: port, Weights: { Passing: weight ?? 1, Warning: 1 } }, Checks: [{ CheckID: 'serfHealth', Status: 'passing' }] }))));
    };
    if (since !== this.index) return send();
    const wake = () => {
      clearTimeout(timer);
      this.#waiting.delete(wake);
      if (!response.destroyed) send();
    };
    const timer = setTimeout(wake, parseInt(url.searchParams.get('wait'), 10));
    this.#waiting.add(wake);
    response.on('close', () => (clearTimeout(timer), this.#waiting.delete(wake)));
  }
}

// { address, port, zone, conditions, uid } become one endpoint of the slice of that name.
export class Kubernetes extends Registry {
  version = 100;
  slices = new Map();
  oldest = 0; // a watch from before it is told 410
  watches = new Set();
  get api() {
    return `${this.tls ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }
  #object(name, endpoints, version) {
    return { kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1', metadata: { name, namespace: 'shop', resourceVersion: String(version), labels: { 'kubernetes.io/service-name': 'orders' } }, addressType: 'IPv4', ports: [{ name: 'http', protocol: 'TCP', port: endpoints[0]?.port ?? 80 }], endpoints: endpoints.map(({ address, zone, conditions, uid }) => ({ addresses: [address ?? '127.0.0.1'], conditions: conditions ?? {}, zone, targetRef: { kind: 'Pod', uid: uid ?? '' } })) };
  }
  history = []; // what a watch from before it is told
  event(type, object) {
    this.history.push({ type, object });
    for (const response of this.watches) response.write(`${JSON.stringify({ type, object })}\n`);
  }
  set(name, endpoints) {
    const type = this.slices.has(name) ? 'MODIFIED' : 'ADDED';
    const object = this.#object(name, endpoints, ++this.version);
    this.slices.set(name, object);
    this.event(type, object);
  }
  remove(name) {
    const object = { ...this.slices.get(name), metadata: { ...this.slices.get(name).metadata, resourceVersion: String(++this.version) } };
    this.slices.delete(name);
    this.event('DELETED', object);
  }
  refuse(response) {
    response.writeHead(401, { 'Content-Type': 'application/json' }).end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', message: 'Unauthorized', code: 401 }));
  }
  answer(url, response) {
    if (url.pathname !== '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices' || url.searchParams.get('labelSelector') !== 'kubernetes.io/service-name=orders') return response.writeHead(404).end();
    response.setHeader('Content-Type', 'application/json');
    if (url.searchParams.get('watch') !== 'true') return response.end(JSON.stringify({ kind: 'EndpointSliceList', apiVersion: 'discovery.k8s.io/v1', metadata: { resourceVersion: String(this.version) }, items: [...this.slices.values()] }));
    response.flushHeaders();
    const since = Number(url.searchParams.get('resourceVersion'));
    const expired = { kind: 'Status', message: 'too old resource version', reason: 'Expired', code: 410 };
    if (since < this.oldest) return response.end(`${JSON.stringify({ type: 'ERROR', object: expired })}\n`);
    for (const { type, object } of this.history) if (Number(object.metadata?.resourceVersion) > since) response.write(`${JSON.stringify({ type, object })}\n`);
    this.watches.add(response);
    const timer = setTimeout(() => response.end(), Number(url.searchParams.get('timeoutSeconds')) * 1000);
    response.on('close', () => (clearTimeout(timer), this.watches.delete(response)));
  }
}
