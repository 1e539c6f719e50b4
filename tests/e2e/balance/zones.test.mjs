// Requests stay in the gateway's zone as long as it can take them; and where too few are healthy, all are used.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { changes, QUICK } from '../health/lib.mjs';
import { closeAll, merge, openStage } from '../lib/stage.mjs';
import { ask, counted, PLAIN, route, startServers } from './lib.mjs';

describe('zones', () => {
  let s, servers;
  const shares = async (path = '/zoned/x') => {
    const counts = await counted(servers, async () => assert.deepEqual(await ask(s, path, 40), { 200: 40 }));
    return counts.map((count) => count > 0);
  };
  const set = (server, healthy) => changes(s, healthy ? 'endpoint_healthy' : 'endpoint_unhealthy', server.url, () => (server.healthy = healthy));
  before(async () => {
    servers = await startServers(5);
    const endpoints = servers.map((server, i) => ({ url: server.url, zone: i < 3 ? 'a' : 'b' }));
    s = await openStage({
      config: {
        zone: 'a',
        workers: 2,
        listeners: PLAIN,
        upstreams: { zoned: { endpoints, zone_spill: 50, health: { path: '/healthz', ...QUICK } } },
      },
      routes: { zoned: route('zoned') },
    });
  });
  after(() => closeAll(() => s?.close(), ...(servers ?? []).map((server) => () => server.close())));

  it('all are healthy: none leaves the zone', async () => {
    assert.deepEqual(await shares(), [true, true, true, false, false]);
    assert.equal((await s.gateway.metrics()).sum('sallyport_upstream_other_zone_total'), 0);
  });
  it('enough are: the others of the zone take it', async () => {
    await set(servers[0], false);
    assert.deepEqual(await shares(), [false, true, true, false, false]);
  });
  it('too few are: requests go to all zones, and it is counted', async () => {
    await set(servers[1], false);
    assert.deepEqual(await shares(), [false, false, true, true, true]);
    assert.ok((await s.gateway.metrics()).sum('sallyport_upstream_other_zone_total') >= 20);
  });
  it('below the panic threshold all are used', async () => {
    assert.equal((await s.gateway.reload(merge(s.config, { upstreams: { zoned: { panic_threshold: 70 } } }))).event, 'ready');
    const before = (await s.gateway.metrics()).sum('sallyport_upstream_unhealthy_used_total');
    assert.deepEqual(await shares(), [true, true, true, true, true]);
    assert.ok((await s.gateway.metrics()).sum('sallyport_upstream_unhealthy_used_total') - before >= 10);
    await s.gateway.reload(s.config);
    assert.deepEqual(await shares(), [false, false, true, true, true]);
  });
  it('and they come back', async () => {
    await set(servers[1], true);
    assert.deepEqual(await shares(), [false, true, true, false, false]);
  });
  it('another gateway, another zone', async () => {
    assert.equal((await s.gateway.reload(merge(s.config, { zone: 'b' }))).event, 'ready');
    assert.deepEqual(await shares(), [false, false, false, true, true]);
    assert.equal((await s.gateway.reload(merge(s.config, { zone: null }))).event, 'ready');
    assert.deepEqual(await shares(), [false, true, true, true, true]);
  });
});
