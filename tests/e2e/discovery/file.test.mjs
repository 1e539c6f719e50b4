// Endpoints of a file that is watched.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ask, counted, PLAIN, route, startServers, underLoad } from '../balance/lib.mjs';
import { QUICK } from '../health/lib.mjs';
import { closeAll, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { EndpointFile, next } from './lib.mjs';

const WIDTH = 8;

describe('endpoints of a file', () => {
  let s, servers, file;
  const open = async (list, upstream = {}, more = {}) => {
    file = new EndpointFile(list);
    s = await openStage({
      config: { workers: 2, listeners: PLAIN, upstreams: { found: { discover: file.url, connect_timeout: '500ms', ...upstream } }, ...more },
      routes: { found: route('found') },
    });
  };
  const get = () => s.request({ path: '/found/x', plain: true, listener: 'plain' });
  const change = async (list) => {
    const found = next(s, 'endpoints_discovered', ({ endpoints }) => endpoints === list.length);
    file.write(list);
    return found();
  };
  const urls = (...numbers) => numbers.map((number) => servers[number].url);
  beforeEach(async () => void (servers = await startServers(3)));
  afterEach(() => closeAll(() => s?.close(), ...servers.map((server) => () => server.close())));

  it('are there from the first request on, and join and leave under load without a failed request', async () => {
    await open(urls(0, 1));
    const load = underLoad(s, '/found/x', WIDTH);
    await until('some answers', () => load.answered > 50);
    assert.equal(servers[2].requests, 0);
    await change(urls(0, 1, 2));
    await until('requests at the third', () => servers[2].requests > 50);
    for (let round = 0; round < 4; round++) {
      await change(urls(0, 2));
      const before = servers[1].requests;
      const answered = load.answered;
      await until('many answers', () => load.answered > answered + 200);
      assert.ok(servers[1].requests - before <= WIDTH, 'what had been sent to it, or was about to be');
      await change(urls(2, 1, 0));
      await until('requests at the second', () => servers[1].requests > before + WIDTH);
    }
    await load.stop();
    assert.deepEqual(load.failed, []);
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_discovery_endpoints', { upstream: 'found' }), 3);
    assert.equal(metrics.sum('sallyport_discovery_up', { upstream: 'found' }), 1);
  });

  it('that came later are hidden, too, where an answer leads to them', async () => {
    await open(urls(0));
    await change(urls(0, 1));
    for (const server of servers) server.fields = { Location: `${server.url}/inside?a=b` };
    await until('an answer of each', async () => {
      assert.equal((await get()).fields.get('location'), '/inside?a=b');
      return servers[0].requests > 0 && servers[1].requests > 0;
    });
  });

  it('that stay keep their connections, and those that go lose theirs', async () => {
    await open(urls(0, 1));
    await ask(s, '/found/x', 80, { width: 8 });
    const kept = new Set(servers[0].sockets);
    assert.ok(kept.size > 0 && servers[1].sockets.size > 0);
    await change(urls(0, 2));
    await until('connections to the second to close', () => servers[1].sockets.size === 0);
    const before = servers[0].requests;
    await ask(s, '/found/x', 40, { width: 2 });
    assert.ok(servers[0].requests > before);
    for (const socket of kept) assert.ok(servers[0].sockets.has(socket), 'it was not closed');
  });

  it('finish their requests when they go', async () => {
    await open(urls(0));
    servers[0].delay = 1500;
    const slow = get();
    await until('the request to be there', () => servers[0].requests === 1);
    await change(urls(1));
    assert.equal((await get()).status, 200);
    assert.equal(servers[1].requests, 1);
    assert.equal((await slow).status, 200);
    await until('its connection to close', () => servers[0].sockets.size === 0);
  });

  it('stay where the file is broken, too large or missing', async () => {
    await open(urls(0));
    const broken = {
      'not JSON': `["${servers[1].url}"`,
      'no list': JSON.stringify({ url: servers[1].url }),
      'another member': JSON.stringify([{ url: servers[1].url, wieght: 3 }]),
      'a weight of nothing': JSON.stringify([{ url: servers[1].url, weight: 0 }]),
      'a path': JSON.stringify([`${servers[1].url}/x`]),
      'a socket': JSON.stringify(['unix:/run/docker.sock']),
      'one of them wrong': JSON.stringify([servers[1].url, 'ftp://127.0.0.1']),
      'too many': JSON.stringify(Array.from({ length: 1025 }, (_, i) => `http://127.0.0.1:${i + 1}`)),
      'one server twice': JSON.stringify([servers[1].url, { url: servers[1].url, weight: 2 }]),
      'too large': JSON.stringify([servers[1].url]) + ' '.repeat(1024 * 1024),
    };
    for (const [what, text] of Object.entries(broken)) {
      const failed = next(s, 'discovery_failed');
      file.text(text);
      const event = await failed();
      assert.deepEqual([event.upstream, event.from, event.level, event.endpoints], ['found', file.url, 'warning', 1], what);
      assert.equal((await s.gateway.metrics()).sum('sallyport_discovery_up', { upstream: 'found' }), 0, what);
      assert.equal((await get()).status, 200, what);
    }
    const gone = next(s, 'discovery_failed', ({ reason }) => /No such file/.test(reason));
    rmSync(file.path);
    await gone();
    assert.deepEqual(await counted(servers, () => ask(s, '/found/x', 8)), [8, 0, 0]);
    const recovered = next(s, 'discovery_recovered');
    await change(urls(1, 2));
    await recovered();
    assert.deepEqual((await counted(servers, () => ask(s, '/found/x', 8)))[0], 0);
    assert.ok((await s.gateway.metrics()).sum('sallyport_discovery_looks_total', { upstream: 'found', result: 'failed' }) >= Object.keys(broken).length);
  });

  it('are none where the file is not there at the start: 503, until it is', async () => {
    await open(undefined);
    const response = await get();
    assert.equal(response.status, 503);
    assert.equal(response.fields.get('retry-after'), '1');
    await s.gateway.access('the denial', ({ reason }) => reason === 'upstream_no_endpoints');
    await change(urls(0));
    assert.equal((await get()).status, 200);
    await change([]);
    assert.equal((await get()).status, 503, 'an empty list is taken at its word');
  });

  it('have weights', async () => {
    await open([{ url: servers[0].url, weight: 3 }, servers[1].url], { balance: 'weighted' });
    const [heavy, light] = await counted(servers, () => ask(s, '/found/x', 400));
    assert.ok(heavy > 270 && heavy < 330, `${heavy}, ${light}`);
    await change([{ url: servers[0].url, weight: 1 }, { url: servers[1].url, weight: 1 }, { url: servers[2].url, weight: 8 }]);
    const after = await counted(servers, () => ask(s, '/found/x', 400));
    assert.ok(after[2] > 280, String(after));
  });

  for (const balance of ['round_robin', 'least_requests', 'p2c', 'weighted', 'hash'])
    it(`go and come back, by ${balance}`, async () => {
      await open(urls(0), { balance, ...(balance === 'hash' ? { hash_by: 'address' } : {}) });
      assert.equal((await get()).status, 200);
      await change([]);
      assert.equal((await get()).status, 503);
      await change(urls(0, 1, 2));
      assert.deepEqual(await ask(s, '/found/x', 30), { 200: 30 });
    });

  it('are checked, and counted, as they come and go', async () => {
    await open(urls(0, 1), { health: { path: '/healthz', ...QUICK }, outliers: {} });
    servers[0].healthy = false;
    await s.gateway.event('endpoint_unhealthy', ({ endpoint }) => endpoint === servers[0].url);
    servers[2].healthy = false;
    await change(urls(0, 1, 2));
    await s.gateway.event('endpoint_unhealthy', ({ endpoint }) => endpoint === servers[2].url);
    assert.deepEqual(await counted(servers, () => ask(s, '/found/x', 30)), [0, 30, 0], 'the mark of the first one stays');
    await change(urls(1));
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_upstream_ejected', { endpoint: servers[0].url }) ?? 0, 0);
    assert.deepEqual(await ask(s, '/found/x', 10), { 200: 10 });
  });

  it('stay through a reload, and follow it', async () => {
    await open(urls(0));
    await change(urls(1));
    await s.gateway.reload(s.gateway.config);
    assert.deepEqual(await counted(servers, () => ask(s, '/found/x', 8)), [0, 8, 0]);
    await change(urls(2));
    assert.deepEqual(await counted(servers, () => ask(s, '/found/x', 8)), [0, 0, 8]);
  });

  it('are read where the gateway is confined', async () => {
    await open(urls(0), {}, { confinement: { mode: 'enforce' } });
    assert.equal((await get()).status, 200);
    await change(urls(1));
    assert.deepEqual(await counted(servers, () => ask(s, '/found/x', 8)), [0, 8, 0]);
  });
});
