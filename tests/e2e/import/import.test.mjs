// `sallyport import`: what it makes of other programs' configuration holds when requests come.
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ROOT, sallyport, startGateway } from '../lib/gateway.mjs';
import { authority } from '../lib/pki.mjs';
import { fieldsOf, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { echo } from '../lib/upstream.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const dir = tempDir('import');
const put = (name, text) => writeFileSync(join(dir, name), text);
const run = (...args) => sallyport(args, { cwd: dir });
const lineOf = (text, part) => text.split('\n').findIndex((line) => line.includes(part)) + 1;

before(() => {
  const { cert, key } = authority().issue({ dns: ['api.example.com'] });
  for (const name of ['c.pem', 'gateway.crt']) put(name, cert);
  for (const name of ['k.pem', 'gateway.key']) put(name, key);
  put('key.pepper', '0123456789abcdef0123456789abcdef');
  for (const name of ['orders.yml', 'api.yaml']) copyFileSync(join(here, name), join(dir, name));
  copyFileSync(join(ROOT, 'examples/import/application.yml'), join(dir, 'shop.yml'));
});

describe('import of Spring Cloud Gateway', () => {
  it('carries over the older properties whole, and check prints what is in force', async () => {
    const made = await run('import', 'spring-cloud-gateway', 'orders.yml', '--output', 'orders.yaml');
    assert.deepEqual([made.code, made.stdout, made.stderr], [0, '', '']);
    const checked = await run('check', 'orders.yaml');
    assert.equal(checked.code, 0, checked.stderr);
    for (const part of ['502', '2MiB', '/api/orders/**', 'X-Version', '10/1s', 'strip_prefix'])
      assert.ok(checked.stdout.includes(part), `${part} in ${checked.stdout}`);
    const again = await run('import', 'spring-cloud-gateway', 'orders.yml', '--output', 'orders.yaml');
    assert.equal(again.code, 1, 'a file that is there stays as it is');
  });
  it('tells what the newer ones had that it has not, and check refuses what is left to fill in', async () => {
    const source = readFileSync(join(dir, 'shop.yml'), 'utf8');
    const made = await run('import', 'spring-cloud-gateway', 'shop.yml');
    assert.equal(made.code, 3);
    for (const [part, what] of [['the expression of Header X-Request-Id', 'Header=X-Request-Id'], ['RewriteResponseHeader', 'RewriteResponseHeader'], ['lb://number-service', 'lb://'], ['STABLE_URI', 'STABLE_URI'], ['profile', 'on-profile']])
      assert.ok(made.stderr.split('\n').some((line) => line.startsWith(`shop.yml:${lineOf(source, what)}:`) && line.includes('not carried over: ') && line.includes(part)), `${part} in ${made.stderr}`);
    assert.match(made.stdout, /split: \{ weights: \{ stable: 95, canary: 5 \} \}/);
    assert.match(made.stdout, /breaker: \{ failures: 40, minimum: 10, window: 30s, open: 10s, probes: 5 \}/);
    assert.match(made.stdout, /timeout: 3s/);
    put('shop.yaml', made.stdout);
    const checked = await run('check', 'shop.yaml');
    assert.equal(checked.code, 1);
    assert.match(checked.stderr, /there is no issuer "fill-in-who-may-call"/);
    assert.match(checked.stderr, /there is no issuer "fill-in-since-a-condition-was-lost"/);
    assert.doesNotMatch(made.stdout, /auth: none/);
  });
  it('refuses what is no YAML of its kind', async () => {
    put('bomb.yml', 'a: &a [x, x]\nb: &b [*a, *a]\nspring: *b\n');
    const bomb = await run('import', 'spring-cloud-gateway', 'bomb.yml');
    assert.deepEqual([bomb.code, bomb.stdout], [1, '']);
    assert.match(bomb.stderr, /bomb\.yml:1:\d+: error: anchors/);
    const missing = await run('import', 'spring-cloud-gateway', 'nothing.yml');
    assert.equal(missing.code, 1);
    assert.equal((await run('import', 'nginx', 'x')).code, 2);
    assert.equal((await run('import', 'spring-cloud-gateway', 'orders.yml', '--upstream', 'http://127.0.0.1:1')).code, 2);
  });
});

describe('import of OpenAPI', () => {
  it('takes callers and scopes from security, and makes public what says so alone', async () => {
    const made = await run('import', 'openapi', 'api.yaml', '--upstream', 'http://127.0.0.1:9000');
    assert.equal(made.code, 3);
    assert.equal(made.stdout.match(/auth: none/g).length, 1);
    const route = (name) => made.stdout.split(`\n  ${name}:\n`)[1].split('\n\n')[0];
    assert.match(route('getOrder'), /path: \["\/v1\/orders\/\{id\}"\]\n {6}methods: \["GET"\]\n {4}auth: \{ jwt: login \}\n {4}authorize: \{ scopes: \["orders:read"\] \}/);
    assert.match(route('post-order-x-evil-true'), /all_of: \[\{ jwt: login \}, \{ api_key: key \}\]/);
    assert.match(route('health'), /auth: none/);
    for (const name of ['listOrders', 'loose']) assert.match(route(name), /auth: \{ jwt: fill-in-who-may-call \}/);
  });
  it('says the same of JSON', async () => {
    const operation = { operationId: 'a', security: [] };
    put('api.json', JSON.stringify({ openapi: '3.0.3', paths: { '/a': { get: operation } } }));
    const made = await run('import', 'openapi', 'api.json', '--upstream', 'http://127.0.0.1:9000', '--output', 'json.yaml');
    assert.deepEqual([made.code, made.stderr], [0, '']);
    const checked = await run('check', 'json.yaml');
    assert.equal(checked.code, 0, checked.stderr);
  });
});

describe('a gateway that runs by what was imported', () => {
  let s;
  before(async () => {
    s = await openStage({ start: false });
    const { port } = new URL(s.upstream.url);
    put('run.yml', `
server: { port: 0, ssl: { certificate: gateway.crt, certificate-private-key: gateway.key } }
spring:
  security.oauth2.resourceserver.jwt: { issuer-uri: "${s.issuer.issuer}", audiences: orders }
  cloud.gateway:
    default-filters: [RemoveRequestHeader=X-Debug, PrefixPath=/inner, 'SetResponseHeader=X-Who, whole']
    routes:
      - id: v2
        uri: https://127.0.0.1:${port}
        predicates: [Path=/api/orders/**, Method=GET, 'Header=X-Version, v2']
        filters: ['RewritePath=/api/(?<rest>.*), /v2/$\\{rest}', TokenRelay=]
      - id: orders
        uri: https://127.0.0.1:${port}
        predicates: [Path=/api/orders/**, Method=GET]
        filters: [StripPrefix=1, 'AddRequestHeader=X-Gateway, edge', TokenRelay=, 'SetResponseHeader=X-Kind, orders']
      - id: turns
        uri: https://127.0.0.1:${port}
        predicates: ['Path=/turns/{kind}/**']
        filters: [StripPrefix=1, 'SetResponseHeader=X-Who, route', 'SetRequestHeader=X-Kind, {kind}', 'PrefixPath=/outer']
`);
    const made = await run('import', 'spring-cloud-gateway', 'run.yml');
    assert.deepEqual([made.code, made.stderr], [0, '']);
    // Of the stage: where keys, certificates and the status pages are.
    const { listeners, issuers } = s.base();
    const overlay = {
      failure_budget: 'off',
      listeners: { public: { address: '127.0.0.1', tls: listeners.public.tls }, ops: listeners.ops },
      issuers: { main: { jwks_file: issuers.main.jwks_file } },
      upstreams: { v2: { tls: { ca: s.ca.certFile } } },
    };
    s.gateway = await startGateway({ config: made.stdout, files: { 'stage.yaml': JSON.stringify(overlay) }, overlays: ['stage.yaml'] });
  });
  beforeEach(() => (s.upstream.script = echo));
  after(() => s?.close());

  it('strips, adds and relays as the routes say', async () => {
    const token = await s.mint();
    const { response, echo: seen } = await s.allowed(() => s.request({ path: '/api/orders/1?a=b', token, fields: [['X-Debug', '1']] }));
    assert.equal(seen.target, '/inner/orders/1?a=b');
    assert.deepEqual([fieldsOf(seen, 'X-Gateway'), fieldsOf(seen, 'X-Debug')], [['edge'], []]);
    assert.deepEqual(fieldsOf(seen, 'Authorization'), [`Bearer ${token}`]);
    assert.deepEqual(fieldsOf(seen, 'Host'), [new URL(s.upstream.url).host]);
    assert.equal(response.fields.get('x-kind'), 'orders');
    const { echo: other } = await s.allowed(() => s.request({ path: '/api/orders/1', token, fields: [['X-Version', 'v2']] }));
    assert.equal(other.target, '/inner/v2/orders/1');
  });
  it('lets filters of the whole and of the route take turns, on answers in reverse', async () => {
    const token = await s.mint();
    const { response, echo: seen } = await s.allowed(() => s.request({ path: '/turns/a/b', token }));
    assert.equal(seen.target, '/outer/inner/a/b');
    assert.deepEqual(fieldsOf(seen, 'X-Kind'), ['a']);
    assert.equal(response.fields.get('x-who'), 'route');
  });
  it('serves nobody without a token, and nothing that no route had', async () => {
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/api/orders/1' }));
    await s.denied({ status: 404, code: 'not_found', reason: 'no_route' }, () => s.request({ path: '/orders/1' }));
    await s.denied({ status: 405, code: 'method_not_allowed', reason: 'method_not_allowed' }, () => s.request({ method: 'POST', path: '/api/orders/1' }));
  });
});
