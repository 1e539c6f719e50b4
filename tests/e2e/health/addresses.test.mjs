// A name that stands for several addresses: each is asked, and the workers use those that are well.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Hosts } from '../lib/hosts.mjs';
import { closeAll, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { ask, change, healthy, QUICK, routesTo, startService } from './lib.mjs';

const hosts = new Hosts();

describe('health checks of names', { skip: hosts.skip }, () => {
  let s, one, two, url, late;
  before(async () => {
    hosts.know({ 'pair.test': ['127.0.0.2', '127.0.0.3'] });
    one = await startService({ name: 'one' }, 0, '127.0.0.2');
    two = await startService({ name: 'two' }, one.port, '127.0.0.3');
    url = `http://pair.test:${one.port}`;
    late = `http://late.test:${one.port}`;
    const health = { path: '/healthz', ...QUICK };
    s = await openStage({
      config: { workers: 1, upstreams: { named: { endpoints: [url], health }, late: { endpoints: [late], health } } },
      routes: routesTo('named', 'late'),
      gateway: { wrap: hosts.wrap },
    });
  });
  after(() => closeAll(() => s?.close(), () => one?.close(), () => two?.close()));

  const address = (event, which, from) => s.gateway.wait(`${event} of ${which}`, () => s.gateway.events.slice(from).find((e) => e.event === event && e.endpoint === url && e.address === which));

  it('an address that is not well gets no request, kept connections to it included', async () => {
    // Several at once, so that there are connections to both.
    const crowd = (size = 12) => Promise.all(Array.from({ length: size }, () => s.request({ path: '/named/x' })));
    await until('requests at both', async () => (await crowd(), one.requests > 0 && two.requests > 0));
    const from = s.gateway.events.length;
    one.status = 503;
    const line = await address('endpoint_unhealthy', '127.0.0.2', from);
    assert.equal(line.detail, 'status 503');
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_upstream_address_healthy', { endpoint: url, address: '127.0.0.2' }), 0);
    assert.equal(metrics.sum('sallyport_upstream_address_healthy', { endpoint: url, address: '127.0.0.3' }), 1);
    assert.equal(await healthy(s, 'named', url), 1, 'the endpoint is well as long as one address is');
    const before = one.requests;
    assert.deepEqual(await ask(s, '/named/x', 12), { 200: 12 });
    await crowd();
    assert.equal(one.requests, before, 'not one request reached it');
    one.status = 200;
    await address('endpoint_healthy', '127.0.0.2', from);
    let size = 12; // more than there are connections to the other one
    await until('it to be asked again', async () => (await crowd((size += 12)), one.requests > before));
  });
  it('all addresses are not well: the endpoint is not', async () => {
    const from = s.gateway.events.length;
    one.status = two.status = 503;
    await Promise.all(['127.0.0.2', '127.0.0.3'].map((which) => address('endpoint_unhealthy', which, from)));
    assert.equal(await healthy(s, 'named', url), 0);
    assert.deepEqual(await ask(s, '/named/x', 6), { 200: 6 }); // there is no other
    one.status = two.status = 200;
    await Promise.all(['127.0.0.2', '127.0.0.3'].map((which) => address('endpoint_healthy', which, from)));
    assert.equal(await healthy(s, 'named', url), 1);
  });
  it('a name that is not known is an endpoint that fails; once it is known its first check decides', async () => {
    const line = await change(s, 'endpoint_unhealthy', late);
    assert.deepEqual([line.reason, line.detail, line.address], ['name', 'host name not resolved', '']);
    const from = s.gateway.events.length;
    hosts.know({ 'pair.test': ['127.0.0.2', '127.0.0.3'], 'late.test': ['127.0.0.3'] });
    const back = await change(s, 'endpoint_healthy', late, from);
    assert.equal(back.address, '127.0.0.3');
    assert.deepEqual(await ask(s, '/late/x', 4), { 200: 4 });
  });
});
