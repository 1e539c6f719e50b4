// The usual set-up of a test: issuer, upstream, gateway between them, a client, and what must hold of every denial.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startGateway } from './gateway.mjs';
import { standardIssuer } from './issuer.mjs';
import { authority } from './pki.mjs';
import { RawClient, requestText } from './raw.mjs';
import { tempDir } from './temp.mjs';
import { startUpstream } from './upstream.mjs';

export const HOST = 'api.example.com';

const isMap = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

// Maps merge by key, lists replace, undefined and null delete.
export function merge(base, over) {
  if (!isMap(base) || !isMap(over)) return over;
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined || value === null) delete result[key];
    else result[key] = key in result ? merge(result[key], value) : value;
  }
  return result;
}

let serverCertificate;
let upstreamCertificate;
export const gatewayCertificate = () => (serverCertificate ??= authority().issue({ dns: [HOST, 'app.example.com', 'localhost'] }));
export const originCertificate = () => (upstreamCertificate ??= authority().issue({ dns: ['orders.internal'], ip: ['127.0.0.1'] }));

export const READ_ORDERS = {
  match: { host: HOST, path: '/orders/**', methods: ['GET'] },
  upstream: 'order-service',
  auth: { jwt: 'main' },
  authorize: { scopes: ['read_orders'] },
};

export const OPEN = { match: { host: HOST, path: '/open/**' }, upstream: 'order-service', auth: 'none', body: '1GiB' };

// `expected` may be a list of what would do.
const fits = (actual, expected, what) =>
  Array.isArray(expected) ? assert.ok(expected.includes(actual), `${what}: ${actual}, expected one of ${expected}`) : assert.equal(actual, expected, what);

export class Stage {
  static async open(options = {}) {
    const stage = new Stage();
    try {
      await stage.#open(options);
    } catch (error) {
      await stage.close().catch(() => {});
      throw error;
    }
    return stage;
  }

  // config: an object merged over the usual one, or a function of the stage that gives it. upstream: options of Upstream.
  async #open({ config = {}, routes, upstream = {}, issuer, start = true, gateway = {} }) {
    this.dir = tempDir('stage');
    this.ca = authority();
    this.issuer = issuer ?? (await standardIssuer());
    this.jwksFile = await this.issuer.writeJwks(join(this.dir, 'keys.json'));
    const origin = originCertificate();
    this.upstream = await startUpstream({ name: 'order-service', tls: { cert: origin.cert, key: origin.key }, ...upstream });
    const own = typeof config === 'function' ? await config(this) : config;
    this.config = merge(this.base(routes), own);
    if (start) this.gateway = await startGateway({ config: this.config, ...gateway });
  }

  base(routes = { 'read-orders': READ_ORDERS }) {
    const server = gatewayCertificate();
    return {
      instance: 'edge-test',
      workers: 2,
      logs: { access: { file: '-' }, audit: { file: '-' } },
      // All clients of a test share one address, and many of them are wrong on purpose: failure_budget/ is about this.
      failure_budget: 'off',
      // A machine that is slow, or busy with other tests, is not a gateway that is asked for too much: overload/ is about that.
      overload: { queue_deadline: '60s' },
      listeners: {
        // All clients of a test share one address, and none of them may be turned away for that.
        public: { address: '127.0.0.1', port: 0, handshakes: '100000/1s', handshakes_per_address: '100000/1s', tls: { certificates: [{ cert: server.certFile, key: server.keyFile }] } },
        ops: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow', status: true },
      },
      issuers: {
        main: { issuer: this.issuer.issuer, audiences: ['orders'], algorithms: ['RS256', 'ES256'], jwks_file: this.jwksFile },
      },
      upstreams: { 'order-service': { endpoints: [this.upstream.url], tls: this.upstream.options ? { ca: this.ca.certFile } : undefined } },
      routes,
    };
  }

  mint(claims, options) {
    return this.issuer.mint(claims, { alg: 'RS256', ...options });
  }

  tls(options = {}) {
    return { ca: this.ca.cert, servername: HOST, ...options };
  }

  connect({ listener = 'public', tls, plain = false, ...options } = {}) {
    return RawClient.connect({ port: this.gateway.ports[listener], tls: plain ? null : this.tls(tls), ...options });
  }

  // One request on a connection of its own. `raw`: its bytes, instead of its parts.
  async request({ raw, listener, tls, plain, localAddress, preface, socket, ...parts } = {}) {
    const client = await this.connect({ listener, tls, plain, localAddress, preface, socket });
    try {
      await client.send(raw ?? requestText(parts));
      const response = await client.response({ method: parts.method });
      response.client = client;
      return response;
    } finally {
      client.end();
    }
  }

  // What a denial must look like everywhere: to the caller, in both logs, in the metrics, and upstream.
  // `make`: sends the request and returns the response.
  async denied({ status, code, reason, challenge, route, audit = true, upstream = this.upstream, nothingUpstream = true }, make) {
    const before = await this.gateway.metrics();
    const seen = upstream?.bytesSeen() ?? 0;
    const response = await make();
    this.checkDenial(response, { status, code, challenge });
    const id = response.fields.get('x-request-id');
    const access = await this.gateway.access(`the denial ${reason}`, (l) => l.request_id === id);
    assert.equal(access.status, response.status, 'status in the access log');
    fits(access.reason, reason, 'reason in the access log');
    if (route !== undefined) assert.equal(access.route, route, 'route in the access log');
    if (audit) {
      const line = await this.gateway.audit(`the denial ${reason}`, (l) => l.request_id === id);
      assert.equal(line.event, 'denied');
      assert.equal(line.reason, access.reason, 'reason in the audit log');
    }
    const after = await this.gateway.metrics();
    const grown = (name, labels) => after.sum(name, labels) - before.sum(name, labels);
    assert.ok(grown('sallyport_denied_total', { reason: access.reason }) >= 1, `sallyport_denied_total{reason="${access.reason}"} did not grow`);
    assert.ok(grown('sallyport_requests_total', { status: response.status }) >= 1, `sallyport_requests_total{status="${response.status}"} did not grow`);
    if (nothingUpstream) assert.equal((upstream?.bytesSeen() ?? 0) - seen, 0, 'bytes reached the upstream');
    return { response, access };
  }

  // Bytes that are no acceptable request: one denial, then the connection is closed from the gateway's side.
  async refusedBytes(raw, { status = 400, code = 'invalid_request', reason = 'bad_request', listener, tls, plain, ...rest } = {}) {
    return this.denied({ status, code, reason, ...rest }, async () => {
      const client = await this.connect({ listener, tls, plain });
      try {
        await client.send(raw);
        const response = await client.response();
        assert.match(response.fields.get('connection') ?? '', /close/i, 'a refused message closes its connection');
        await client.ended();
        return response;
      } finally {
        client.destroy();
      }
    });
  }

  checkDenial(response, { status, code, challenge }) {
    fits(response.status, status, `status; the answer was ${response.text}`);
    assert.equal(response.fields.get('content-type'), 'application/problem+json');
    assert.match(response.fields.get('cache-control') ?? '', /no-store/);
    const id = response.fields.get('x-request-id');
    assert.ok(id, 'X-Request-Id on a denial');
    if (response.body.length > 0) {
      const problem = response.json();
      assert.equal(problem.type, 'about:blank');
      assert.equal(problem.status, response.status);
      fits(problem.code, code, 'public code');
      assert.equal(problem.request_id, id);
      assert.ok(problem.title.length > 0);
      assert.deepEqual(Object.keys(problem).sort(), ['code', 'request_id', 'status', 'title', 'type'], 'members of the problem');
    }
    if (challenge !== undefined) assert.equal(response.fields.get('www-authenticate'), challenge);
    if (status === 401) assert.match(response.fields.all('www-authenticate')[0] ?? '', /^(Bearer|ApiKey|External|Basic|DPoP)/);
  }

  // The honest twin: 200, and what the upstream saw.
  async allowed(make) {
    const response = await make();
    assert.equal(response.status, 200, `status; the answer was ${response.text}`);
    assert.ok(response.fields.get('x-request-id'), 'X-Request-Id on a response');
    return { response, echo: response.json() };
  }

  async close() {
    try {
      await this.gateway?.stop();
    } finally {
      await this.upstream?.close();
    }
  }
}

// Closes everything, whatever fails on the way, and then fails by the first.
export async function closeAll(...closers) {
  const failures = [];
  for (const close of closers) await Promise.resolve().then(close).catch((error) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}

export const fieldsOf = (echo, name) => echo.fields.filter(([n]) => n.toLowerCase() === name.toLowerCase()).map(([, v]) => v);
export const openStage = (options) => Stage.open(options);
