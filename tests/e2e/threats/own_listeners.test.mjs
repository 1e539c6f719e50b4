// A name that is written turns out to stand for the gateway's own listener, since whoever answers for the name says so: no request and no
// health check goes there. Who means it writes the address, of which `check` proves where it leads.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { healthy, QUICK, startService } from '../health/lib.mjs';
import { Hosts } from '../lib/hosts.mjs';
import { lastingPort } from '../lib/listen.mjs';
import { closeAll, HOST, merge, OPEN, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

const hosts = new Hosts({ localhost: ['127.0.0.1'], 'self.test': ['127.0.0.1'], 'any.test': ['0.0.0.0'], 'both.test': ['127.0.0.1', '127.0.0.3'], 'orders.test': ['127.0.0.1'] });

describe('a name that stands for the gateway itself', { skip: hosts.skip }, () => {
  let s, inside, orders, elsewhere, inner;
  const [health, from] = [{ path: '/healthz', ...QUICK, interval: '1s', timeout: '1s' }, (upstream, listener) => ({ ...OPEN, match: { host: HOST, path: `/${upstream}/**` }, upstream, listeners: [listener], timeout: '10s' })];
  before(async () => {
    inner = await lastingPort();
    inside = await startService({ name: 'inside' });
    orders = await startService({ name: 'orders' });
    elsewhere = await startService({ name: 'elsewhere' }, inner, '127.0.0.3');
    const at = (name, port = inner) => ({ endpoints: [`http://${name}:${port}`], health });
    s = await openStage({
      gateway: { wrap: hosts.wrap },
      config: {
        workers: 1,
        listeners: { inner: { address: '127.0.0.1', port: inner, exposure: 'internal', plaintext: 'allow' }, mesh: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } },
        upstreams: { self: at('self.test'), any: at('any.test'), both: { endpoints: at('both.test').endpoints }, orders: at('orders.test', orders.port), meant: at('127.0.0.1'), local: at('localhost'), inside: { endpoints: [inside.url] } },
      },
      routes: {
        ...Object.fromEntries(['self', 'any', 'both', 'orders'].map((name) => [name, from(name, 'public')])),
        ...Object.fromEntries(['meant', 'local'].map((name) => [name, from(name, 'mesh')])),
        secret: { ...OPEN, match: { host: [HOST, 'self.test', 'any.test', '127.0.0.1', 'localhost'], path: '/**' }, upstream: 'inside', listeners: ['inner'] },
      },
    });
  });
  after(() => closeAll(() => s?.close(), ...[inside, orders, elsewhere].map((service) => () => service?.close())));

  const checks = async (service, endpoint, outcome) => (await s.gateway.metrics()).sum('sallyport_health_checks_total', { service, endpoint, outcome });
  for (const name of ['self', 'any']) {
    it(`${name}.test: no request goes there, and no health check`, async () => {
      const before = inside.requests;
      const { access } = await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_connect', upstream: null, audit: false }, () => s.request({ path: `/${name}/x` }));
      assert.match(access.detail, /listener of the gateway/);
      const endpoint = `http://${name}.test:${inner}`;
      await until('it to be judged for a check', async () => (await checks(name, endpoint, 'connect')) >= 2);
      const { reason, detail } = await s.gateway.event('endpoint_unhealthy', (e) => e.endpoint === endpoint);
      assert.deepEqual([reason, detail], ['connect', 'it is a listener of the gateway itself']);
      assert.equal(await checks(name, endpoint, 'passed'), 0);
      assert.equal(inside.requests, before);
    });
  }
  it('of several addresses the others serve', async () => {
    for (let i = 0; i < 6; i++) assert.deepEqual((await s.request({ path: '/both/x' })).json(), { name: 'elsewhere' });
  });
  it('twin: a service beside it by such a name', async () => {
    assert.deepEqual((await s.request({ path: '/orders/x' })).json(), { name: 'orders' });
    await until('checks', async () => (await checks('orders', `http://orders.test:${orders.port}`, 'passed')) >= 2);
  });
  for (const [name, host] of [['meant', '127.0.0.1'], ['local', 'localhost']]) {
    it(`twin: ${host} is meant so, where a route inside leads there`, async () => {
      assert.deepEqual((await s.request({ path: `/${name}/x`, plain: true, listener: 'mesh' })).json(), { name: 'inside' });
      await until('checks', async () => (await checks(name, `http://${host}:${inner}`, 'passed')) >= 2);
    });
  }
  it('a reload that puts a listener where a name leads ends it', async () => {
    orders.close();
    await until('its port to be free', async () => (await s.request({ path: '/orders/x' })).status === 502);
    const more = { listeners: { late: { address: '0.0.0.0', port: orders.port, exposure: 'internal', plaintext: 'allow' } }, routes: { secret: { listeners: ['inner', 'late'] } } };
    assert.equal((await s.gateway.reload(merge(s.config, more))).event, 'ready');
    await until('it not to be well', async () => (await healthy(s, 'orders', `http://orders.test:${orders.port}`)) === 0);
    const { access } = await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_connect', upstream: null, audit: false }, () => s.request({ path: '/orders/x' }));
    assert.match(access.detail, /listener of the gateway/);
  });
});
