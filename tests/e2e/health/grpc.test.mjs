// Health checks by gRPC (grpc.health.v1): @grpc/grpc-js plays the health service, over TLS and without.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import grpc from '@grpc/grpc-js';
import { HOST, closeAll, openStage, originCertificate } from '../lib/stage.mjs';
import { authority } from '../lib/pki.mjs';
import { until } from '../lib/wait.mjs';
import { startHttp2 } from '../http2_upstreams/lib.mjs';
import { change, changes, healthy, QUICK } from './lib.mjs';

const raw = { serialize: (value) => value, deserialize: (bytes) => bytes };
const method = (path) => ({ path, requestStream: false, responseStream: false, requestSerialize: raw.serialize, requestDeserialize: raw.deserialize, responseSerialize: raw.serialize, responseDeserialize: raw.deserialize });
const CHECK = method('/grpc.health.v1.Health/Check');
const ECHO = method('/test.Echo/Unary');
const SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3;

class GrpcService {
  constructor({ health = true, tls = false } = {}) {
    this.tls = tls;
    this.calls = 0;
    this.asked = []; // names of services, as sent
    this.serving = new Map([['', SERVING], ['orders.v1.Orders', SERVING]]);
    this.server = new grpc.Server();
    this.server.addService({ unary: ECHO }, { unary: (call, done) => (this.calls++, done(null, call.request)) });
    if (health) this.server.addService({ check: CHECK }, { check: (call, done) => this.#check(call, done) });
  }
  #check({ request, metadata }, done) {
    // string service = 1
    const name = request.length === 0 ? '' : request.subarray(2).toString();
    if (request.length > 0) assert.deepEqual([request[0], request[1]], [0x0a, request.length - 2]);
    this.asked.push({ name, metadata });
    if (this.fails) return done({ code: this.fails });
    const status = this.serving.get(name);
    if (status === undefined) return done({ code: grpc.status.NOT_FOUND });
    return done(null, this.message ?? Buffer.from([0x08, status]));
  }
  async start(port = 0) {
    const origin = originCertificate();
    const credentials = this.tls ? grpc.ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(origin.cert), private_key: Buffer.from(origin.key) }]) : grpc.ServerCredentials.createInsecure();
    this.port = await new Promise((resolve, reject) => this.server.bindAsync(`127.0.0.1:${port}`, credentials, (error, value) => (error ? reject(error) : resolve(value))));
    return this;
  }
  get url() {
    return `${this.tls ? 'https' : 'h2c'}://127.0.0.1:${this.port}`;
  }
  close() {
    this.server.forceShutdown();
  }
}

describe('health checks by gRPC', () => {
  let s, a, b, secure, bare, strange, client;
  before(async () => {
    [a, b, bare] = await Promise.all([new GrpcService().start(), new GrpcService().start(), new GrpcService({ health: false }).start()]);
    secure = await new GrpcService({ tls: true }).start();
    strange = await startHttp2({ tls: false, script: (stream) => (stream.respond({ ':status': strange.status ?? 200, 'content-type': strange.type ?? 'text/plain' }), stream.end('hello')) });
    const route = (name) => ({ match: { host: HOST, path: '/test.Echo/**' }, upstream: name, auth: 'none', timeout: '2s' });
    s = await openStage({
      config: (stage) => ({
        workers: 2,
        upstreams: {
          whole: { endpoints: [a.url, b.url], health: { grpc: '', ...QUICK } },
          named: { endpoints: [secure.url], protocol: 'h2', tls: { ca: stage.ca.certFile }, health: { grpc: 'orders.v1.Orders', ...QUICK } },
          agreed: { endpoints: [secure.url], protocol: 'auto', tls: { ca: stage.ca.certFile }, health: { grpc: '', ...QUICK } },
          bare: { endpoints: [bare.url], health: { grpc: '', ...QUICK } },
          strange: { endpoints: [strange.url], health: { grpc: '', ...QUICK } },
          http1: { endpoints: [stage.upstream.url], protocol: 'auto', tls: { ca: stage.ca.certFile }, health: { grpc: '', ...QUICK } },
        },
      }),
      routes: { echo: route('whole') },
    });
    client = new grpc.Client(`127.0.0.1:${s.gateway.ports.public}`, grpc.credentials.createSsl(Buffer.from(authority().cert)), { 'grpc.ssl_target_name_override': HOST, 'grpc.default_authority': HOST, 'grpc.enable_retries': 0 });
  });
  after(() => closeAll(() => client?.close(), () => s?.close(), ...[a, b, secure, bare, strange].map((service) => () => service?.close())));

  const call = () => new Promise((resolve) => client.makeUnaryRequest(ECHO.path, raw.serialize, raw.deserialize, Buffer.from('x'), (error, answer) => resolve(error ? error.code : answer.toString())));
  const calls = async (count) => new Set(await Promise.all(Array.from({ length: count }, call)));

  it('SERVING, NOT_SERVING, SERVING again', async () => {
    await until('both to be asked', () => a.asked.length > 1 && b.asked.length > 1);
    assert.deepEqual(a.asked[0].name, '');
    assert.match(a.asked[0].metadata.get('user-agent')[0], /^sallyport\//);
    assert.equal(a.asked[0].metadata.get('authorization').length, 0);
    assert.deepEqual(await calls(10), new Set(['x']));
    const line = await changes(s, 'endpoint_unhealthy', a.url, () => a.serving.set('', NOT_SERVING));
    assert.deepEqual([line.service, line.reason, line.detail], ['whole', 'not_serving', 'NOT_SERVING']);
    const before = a.calls;
    assert.deepEqual(await calls(20), new Set(['x']));
    assert.equal(a.calls, before, 'not one call reached it');
    await changes(s, 'endpoint_healthy', a.url, () => a.serving.set('', SERVING));
    await until('it to be called again', async () => (await calls(4), a.calls > before));
  });
  it('over TLS, of one service by its name', async () => {
    await until('it to be asked', () => secure.asked.some(({ name }) => name === 'orders.v1.Orders'));
    assert.equal(await healthy(s, 'named', secure.url), 1);
    assert.equal(await healthy(s, 'agreed', secure.url), 1);
    const line = await changes(s, 'endpoint_unhealthy', secure.url, () => secure.serving.set('orders.v1.Orders', SERVICE_UNKNOWN));
    assert.deepEqual([line.service, line.detail], ['named', 'SERVICE_UNKNOWN']);
    assert.equal(await healthy(s, 'agreed', secure.url), 1, 'the whole server is well');
    await changes(s, 'endpoint_healthy', secure.url, () => secure.serving.set('orders.v1.Orders', SERVING));
    const unknown = await changes(s, 'endpoint_unhealthy', secure.url, () => secure.serving.delete('orders.v1.Orders'));
    assert.deepEqual([unknown.reason, unknown.detail], ['not_serving', "the server's health service does not know this service"]);
    await changes(s, 'endpoint_healthy', secure.url, () => secure.serving.set('orders.v1.Orders', SERVING));
  });
  it('a server without a health service: unhealthy, and the log says so', async () => {
    const line = await change(s, 'endpoint_unhealthy', bare.url);
    assert.deepEqual([line.reason, line.detail], ['unimplemented', 'the server does not implement grpc.health.v1.Health']);
  });
  it('other outcomes of a call, and messages that are none', async () => {
    const from = s.gateway.events.length;
    b.fails = grpc.status.UNAVAILABLE;
    const line = await change(s, 'endpoint_unhealthy', b.url, from);
    assert.deepEqual([line.reason, line.detail], ['status', 'grpc-status 14']);
    await changes(s, 'endpoint_healthy', b.url, () => (b.fails = 0));
    // The status is written before and behind what nobody knows: fields are passed over.
    b.message = Buffer.from([0x12, 2, 0x61, 0x62, 0x08, NOT_SERVING, 0x1d, 1, 2, 3, 4, 0x08, SERVING]);
    const asked = b.asked.length;
    await until('checks', () => b.asked.length > asked + 1);
    assert.equal(await healthy(s, 'whole', b.url), 1);
    const wrong = await changes(s, 'endpoint_unhealthy', b.url, () => (b.message = Buffer.from([0x08])));
    assert.deepEqual([wrong.reason, wrong.detail], ['protocol', 'the answer is no HealthCheckResponse']);
    await changes(s, 'endpoint_healthy', b.url, () => (b.message = undefined));
    const large = await changes(s, 'endpoint_unhealthy', b.url, () => (b.message = Buffer.concat([Buffer.from([0x12, 0x80, 0x20]), Buffer.alloc(4096)])));
    assert.deepEqual([large.reason, large.detail], ['protocol', 'the answer is too large']);
  });
  it('no gRPC, and no HTTP/2', async () => {
    const line = await change(s, 'endpoint_unhealthy', strange.url);
    assert.deepEqual([line.reason, /Content-Type/.test(line.detail)], ['protocol', true]);
    const http1 = await change(s, 'endpoint_unhealthy', s.upstream.url);
    assert.deepEqual([http1.reason, http1.detail], ['protocol', 'the server does not agree to HTTP/2, which gRPC needs']);
  });
});
