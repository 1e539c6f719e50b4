// The internal listener: metrics, health, readiness and nothing else.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OPEN, READ_ORDERS, openStage } from '../lib/stage.mjs';
import { parseMetrics } from '../lib/metrics.mjs';
import { curl, requestText } from '../lib/raw.mjs';
import { until } from '../lib/wait.mjs';

describe('status', () => {
  let s;
  before(async () => (s = await openStage({ routes: { open: OPEN, 'read-orders': READ_ORDERS } })));
  after(() => s?.close());

  const ask = (parts) => s.request({ listener: 'ops', plain: true, host: '127.0.0.1', ...parts });

  it('/healthz and /readyz', async () => {
    for (const path of ['/healthz', '/readyz']) {
      const response = await ask({ path });
      assert.equal(response.status, 200, path);
      assert.match(response.fields.get('cache-control') ?? '', /no-store/);
      assert.equal((await ask({ method: 'HEAD', path })).status, 200);
    }
  });
  it('/metrics is the Prometheus text format, with help and type for every name', async () => {
    await s.request({ path: '/open/x' });
    const response = await ask({ path: '/metrics' });
    assert.match(response.fields.get('content-type'), /^text\/plain; version=0\.0\.4/);
    const metrics = parseMetrics(response.text);
    for (const { name } of metrics.samples) {
      const family = [name, name.replace(/_(bucket|sum|count)$/, '')].find((n) => metrics.types.has(n));
      assert.ok(family, `no type for ${name}`);
      assert.ok(metrics.helps.get(family)?.length > 0, `no help for ${name}`);
      assert.match(name, /^(sallyport|process)_/);
      if (metrics.types.get(family) === 'counter') assert.match(name, /_total$/);
    }
    const seen = new Set();
    for (const { name, labels } of metrics.samples) {
      const key = name + JSON.stringify(labels);
      assert.ok(!seen.has(key), `twice: ${key}`);
      seen.add(key);
    }
  });
  it('requests, denials and durations are counted by route', async () => {
    const before = await s.gateway.metrics();
    for (let i = 0; i < 3; i++) await s.request({ path: '/open/x' });
    for (let i = 0; i < 2; i++) await s.request({ path: '/orders/1' });
    await s.request({ path: '/nowhere' });
    const total = (metrics) => metrics.sum('sallyport_requests_total');
    const after = await until('all six to be counted', async () => {
      const metrics = await s.gateway.metrics();
      return total(metrics) - total(before) >= 6 && metrics;
    });
    const grown = (name, labels) => after.sum(name, labels) - before.sum(name, labels);
    assert.equal(grown('sallyport_requests_total', { route: 'open', status: 200 }), 3);
    assert.equal(grown('sallyport_requests_total', { route: 'read-orders', status: 401 }), 2);
    assert.equal(grown('sallyport_denied_total', { route: 'read-orders', reason: 'credential_missing' }), 2);
    assert.equal(grown('sallyport_denied_total', { reason: 'no_route' }), 1);
    assert.equal(grown('sallyport_request_duration_seconds_count', { route: 'open' }), 3);
    assert.ok(grown('sallyport_request_duration_seconds_sum', { route: 'open' }) > 0);
    assert.equal(grown('sallyport_request_duration_seconds_bucket', { route: 'open', le: '+Inf' }), 3);
    const buckets = after.samples.filter((x) => x.name === 'sallyport_request_duration_seconds_bucket' && x.labels.route === 'open');
    const values = buckets.map((x) => x.value);
    assert.deepEqual(values, [...values].sort((a, b) => a - b), 'buckets are cumulative');
    assert.ok(grown('sallyport_connections_accepted_total', {}) >= 6);
    assert.ok(grown('sallyport_tls_handshakes_total', {}) >= 6);
  });
  it('gauges come back to rest', async () => {
    const client = await s.connect();
    await client.send(requestText({ path: '/open/x' }));
    await client.response();
    // The exchange ends a moment after its answer has left; its connection stays.
    await until('no exchange to be open', async () => (await s.gateway.metrics()).sum('sallyport_exchanges_open') === 0);
    assert.ok((await s.gateway.metrics()).sum('sallyport_connections_open') >= 1);
    client.end();
  });
  it('bodies are counted', async () => {
    const before = await s.gateway.metrics();
    const response = await s.request({ method: 'POST', path: '/open/x', body: 'x'.repeat(1000) });
    // An exchange is counted when it ends, a moment after its answer has left.
    const grown = async (name) => (await s.gateway.metrics()).sum(name) - before.sum(name);
    await until('the bodies to be counted', async () => (await grown('sallyport_request_body_bytes_total')) === 1000);
    assert.equal(await grown('sallyport_response_body_bytes_total'), response.body.length);
  });
  it('no route name of a client becomes a label', async () => {
    for (let i = 0; i < 5; i++) await s.request({ path: `/random-${i}`, host: 'api.example.com' });
    assert.ok(!(await ask({ path: '/metrics' })).text.includes('random-'));
  });
  it('nothing else is there', async () => {
    for (const path of ['/', '/open/x', '/orders/1', '/metrics/', '/metrics/x', '/METRICS', '/config', '/debug/pprof']) {
      const response = await ask({ path });
      assert.ok([400, 404].includes(response.status), `${path}: ${response.status}`);
    }
    for (const method of ['POST', 'PUT', 'DELETE']) assert.ok([404, 405].includes((await ask({ method, path: '/metrics' })).status));
  });
  it('and it is not on other listeners', async () => {
    for (const path of ['/metrics', '/healthz', '/readyz']) assert.equal((await s.request({ path })).status, 404);
  });
  it('curl agrees', async () => {
    const { stdout } = await curl(['-w', '\n%{http_code}', `http://127.0.0.1:${s.gateway.ports.ops}/readyz`]);
    assert.match(stdout, /\n200$/);
  });
});
