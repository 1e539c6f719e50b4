// Endpoints of EndpointSlices: by a server of our own that lists and watches as Kubernetes' documentation says (lib/registries.mjs), no
// real one.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ask, counted, PLAIN, route, startServers, underLoad } from '../balance/lib.mjs';
import { Kubernetes } from '../lib/registries.mjs';
import { closeAll, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';
import { next } from './lib.mjs';

describe('endpoints of EndpointSlices', () => {
  let s, servers, api;
  const at = (number, more = {}) => ({ port: Number(new URL(servers[number].url).port), uid: `u${number}`, ...more });
  const open = async (discover = {}, more = {}) => {
    s = await openStage({
      config: { workers: 2, listeners: PLAIN, upstreams: { found: { discover: { from: 'k8s://shop/orders:http', api: api.api, scheme: 'http', ...discover } } }, ...more },
      routes: { found: route('found') },
    });
  };
  const get = () => s.request({ path: '/found/x', plain: true, listener: 'plain' });
  const discovered = (count, does, ms) => {
    const found = next(s, 'endpoints_discovered', ({ endpoints }) => endpoints === count, ms);
    does();
    return found();
  };
  const watching = () => until('a watch', () => api.watches.size > 0, 10_000);
  beforeEach(async () => {
    servers = await startServers(3);
    api = await new Kubernetes().start();
  });
  afterEach(() => closeAll(() => s?.close(), () => api.close(), ...servers.map((server) => () => server.close())));

  it('join and leave under load without a failed request', async () => {
    api.set('a', [at(0)]);
    await open();
    await watching();
    const load = underLoad(s, '/found/x', 4);
    await until('some answers', () => load.answered > 50);
    for (let round = 0; round < 3; round++) {
      await discovered(2, () => api.set('b', [at(1)]));
      await discovered(3, () => api.set('c', [at(2)]));
      await discovered(2, () => api.set('b', [at(1, { conditions: { ready: false } })]));
      await discovered(1, () => api.remove('c'));
    }
    await load.stop();
    assert.deepEqual(load.failed, []);
  });

  it('that terminate serve for want of others', async () => {
    api.set('a', [at(0, { conditions: { ready: false, serving: true, terminating: true } })]);
    api.set('b', [at(1, { conditions: { ready: false, serving: false, terminating: true } })]);
    await open();
    assert.deepEqual(await counted(servers, () => ask(s, '/found/x', 8)), [8, 0, 0]);
    await watching();
    const taken = next(s, 'endpoints_discovered');
    api.set('c', [at(2)]);
    await taken();
    assert.deepEqual(await counted(servers, () => ask(s, '/found/x', 8)), [0, 0, 8]);
    await discovered(1, () => api.remove('c'));
  });

  it('go on from the last bookmark when a watch ends or breaks, and from a list when that is too old', async () => {
    api.set('a', [at(0)]);
    await open({ wait: '5s' });
    await watching();
    api.version = 500;
    api.event('BOOKMARK', { kind: 'EndpointSlice', metadata: { resourceVersion: '500' } });
    await until('the bookmark to be used', () => api.questions.at(-1).url.searchParams.get('resourceVersion') === '500', 20_000);
    await watching();
    await discovered(2, () => api.set('b', [at(1)]), 10_000);
    api.oldest = 1000;
    api.version = 1000;
    const lists = () => api.questions.filter(({ url }) => !url.searchParams.has('watch')).length;
    const before = lists();
    api.drop();
    await until('another list', () => lists() > before, 30_000);
    assert.equal(api.questions.filter(({ url }) => !url.searchParams.has('watch')).at(-1).url.searchParams.get('resourceVersion'), null);
    await watching();
    await discovered(1, () => api.remove('b'), 10_000);
  });

  it('are asked for again at once where a watch has lasted as long as it was to', async () => {
    api.set('a', [at(0)]);
    await open({ wait: '1s' });
    const watches = () => api.questions.filter(({ url }) => url.searchParams.has('watch')).length;
    await watching();
    const before = watches();
    await until('six more watches of a second', () => watches() >= before + 6, 11_000);
  });

  it('stay where the server is silent, talks nonsense or is gone, and follow it when it is back', async () => {
    api.set('a', [at(0)]);
    await open({ wait: '1s' });
    await watching();
    const failed = next(s, 'discovery_failed');
    api.event('NONSENSE', {});
    assert.match((await failed()).reason, /no event/);
    await s.gateway.event('discovery_recovered');
    const refused = next(s, 'discovery_failed', () => true, 20_000);
    api.broken = (response) => response.writeHead(503).end();
    api.drop();
    assert.match((await refused()).reason, /503/);
    assert.equal((await get()).status, 200);
    api.set('a', [at(2)]);
    await discovered(1, () => void (api.broken = undefined), 40_000);
    assert.deepEqual(await counted(servers, () => ask(s, '/found/x', 8)), [0, 0, 8]);
    const hung = next(s, 'discovery_failed', ({ reason }) => /timed out/i.test(reason), 30_000);
    api.broken = () => {};
    api.drop();
    await hung();
    assert.equal((await get()).status, 200);
  });

  it('stay where a watch hangs before it begins, which is noticed long before `wait` is over', async () => {
    api.set('a', [at(0)]);
    const answer = api.answer.bind(api);
    api.broken = (response, url) => url.searchParams.has('watch') || answer(url, response);
    await open({ wait: '10m' });
    const failed = await s.gateway.event('discovery_failed', () => true, 25_000);
    assert.match(failed.reason, /does not begin to answer/);
    assert.equal((await get()).status, 200);
    const recovered = next(s, 'discovery_recovered');
    api.broken = undefined;
    await recovered();
    await discovered(2, () => api.set('b', [at(1)]));
  });

  it('are asked for with the token that the file holds now', async () => {
    const path = join(tempDir('k8s'), 'token');
    writeFileSync(path, 'wrong');
    api.token = 'right';
    api.set('a', [at(0)]);
    await open({ token_file: path, wait: '1s' }, { confinement: { mode: 'enforce' } });
    assert.match((await s.gateway.event('discovery_failed')).reason, /401.*Unauthorized/);
    const recovered = next(s, 'discovery_recovered', () => true, 10_000);
    writeFileSync(path, 'right');
    await recovered();
    assert.equal((await get()).status, 200);
  });

  it('are not taken where no slice has the port', async () => {
    api.set('a', [at(0)]);
    await open({ from: 'k8s://shop/orders:grpc' });
    assert.match((await s.gateway.event('discovery_failed')).reason, /no EndpointSlice has such a TCP port/);
    assert.equal((await get()).status, 503);
  });
});
