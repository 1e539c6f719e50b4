// Endpoints that Consul tells: by a server of our own that answers as its documentation says (lib/registries.mjs), no real one.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ask, counted, PLAIN, route, startServers, underLoad } from '../balance/lib.mjs';
import { Consul } from '../lib/registries.mjs';
import { closeAll, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';
import { next } from './lib.mjs';

describe('endpoints of Consul', () => {
  let s, servers, consul;
  const at = (...numbers) => numbers.map((number) => ({ port: servers[number].port ?? Number(new URL(servers[number].url).port) }));
  const open = async (discover = {}, upstream = {}, more = {}) => {
    s = await openStage({
      config: { workers: 2, listeners: PLAIN, upstreams: { found: { discover: { from: consul.from, scheme: 'http', ...discover }, ...upstream } }, ...more },
      routes: { found: route('found') },
    });
  };
  const get = () => s.request({ path: '/found/x', plain: true, listener: 'plain' });
  const change = async (instances, index) => {
    const found = next(s, 'endpoints_discovered', ({ endpoints }) => endpoints === instances.length);
    consul.set(instances, index);
    return found();
  };
  beforeEach(async () => {
    servers = await startServers(3);
    consul = await new Consul().start();
  });
  afterEach(() => closeAll(() => s?.close(), () => consul.close(), ...servers.map((server) => () => server.close())));

  it('join and leave under load without a failed request', async () => {
    consul.set(at(0, 1));
    await open();
    const load = underLoad(s, '/found/x', 4);
    await until('some answers', () => load.answered > 50);
    for (let round = 0; round < 3; round++) {
      await change(at(0, 2));
      await change(at(2, 1, 0));
    }
    await load.stop();
    assert.deepEqual(load.failed, []);
    const blocking = consul.questions.filter(({ url }) => url.searchParams.has('index'));
    assert.ok(blocking.length >= 6 && blocking.every(({ url }) => Number(url.searchParams.get('index')) > 0));
    assert.equal((await s.gateway.metrics()).sum('sallyport_discovery_endpoints', { upstream: 'found' }), 3);
  });

  it('have weights', async () => {
    consul.set([{ ...at(0)[0], weight: 3 }, { ...at(1)[0], weight: 1 }]);
    await open({}, { balance: 'weighted' });
    const [heavy] = await counted(servers, () => ask(s, '/found/x', 400));
    assert.ok(heavy > 270 && heavy < 330, String(heavy));
  });

  it('are asked for with the token that the file holds now', async () => {
    const path = join(tempDir('consul'), 'token');
    writeFileSync(path, 'wrong\n');
    consul.token = 'right';
    consul.set(at(0));
    await open({ token_file: path, wait: '1s' });
    const failed = await s.gateway.event('discovery_failed');
    assert.match(failed.reason, /403.*ACL not found/);
    assert.equal((await get()).status, 503);
    const recovered = next(s, 'discovery_recovered', () => true, 10_000);
    writeFileSync(path, 'right\n');
    await recovered();
    assert.equal((await get()).status, 200);
    consul.token = 'newer';
    writeFileSync(path, 'newer\n');
    await until('a question with it', () => consul.questions.at(-1).authorization === 'Bearer newer');
  });

  it('stay where it is gone, is no Consul, or filters what the token may not read', async () => {
    consul.set(at(0));
    await open({ wait: '1s' });
    for (const [what, broken, pattern] of [
      ['no index', (response) => response.end('[]'), /X-Consul-Index/],
      ['garbage', (response) => response.writeHead(200, { 'X-Consul-Index': '99' }).end('[{'), /./],
      ['too large', (response) => response.writeHead(200, { 'X-Consul-Index': '99' }).end(Buffer.alloc(5 << 20, 32)), /too large/],
      ['elsewhere', (response) => response.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end(), /302/],
    ]) {
      const failed = next(s, 'discovery_failed', ({ reason }) => pattern.test(reason), 20_000);
      consul.broken = broken;
      await failed();
      assert.equal((await get()).status, 200, what);
      const recovered = next(s, 'discovery_recovered', () => true, 20_000);
      consul.broken = undefined;
      await recovered();
    }
    const filtered = next(s, 'discovery_failed', ({ reason }) => /may not read/.test(reason));
    consul.filtered = true;
    consul.set(at(0));
    await filtered();
    assert.equal((await get()).status, 200);
  });

  it('are none at once where it says so, and after three answers where its index went back', async () => {
    consul.set(at(0));
    await open();
    await change([]);
    assert.equal((await get()).status, 503);
    await change(at(0));
    const doubted = next(s, 'discovery_failed', ({ reason }) => /all at once/.test(reason));
    const none = change([], 1);
    await doubted();
    await none;
    assert.ok(consul.questions.at(-1).url.searchParams.get('index') === null);
  });

  it('are read where the gateway is confined', async () => {
    const path = join(tempDir('consul'), 'token');
    writeFileSync(path, 'right\n');
    consul.token = 'right';
    consul.set(at(0));
    await open({ token_file: path }, {}, { confinement: { mode: 'enforce' } });
    assert.equal((await get()).status, 200);
  });
});
