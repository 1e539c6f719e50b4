// A watch goes on while the gateway is reloaded, and in the process that relieves it: no endpoint is lost, and no request fails.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ask, counted, PLAIN, route, startServers, underLoad } from '../balance/lib.mjs';
import { sallyport } from '../lib/gateway.mjs';
import { Consul, Kubernetes } from '../lib/registries.mjs';
import { closeAll, merge, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { next } from './lib.mjs';

const upgrade = async (s) => {
  const { code, stderr } = await sallyport(['upgrade', '--config', s.gateway.file], { ms: 60_000 });
  assert.equal(code, 0, stderr);
};

const KINDS = {
  Consul: {
    start: () => new Consul().start(),
    discover: (registry) => ({ from: registry.from }),
    set: (registry, servers) => registry.set(servers.map(({ port }) => ({ port }))),
    watches: (registry) => registry.questions.filter(({ url }) => url.searchParams.has('index')),
    lists: (registry) => registry.questions.filter(({ url }) => !url.searchParams.has('index')),
  },
  Kubernetes: {
    start: () => new Kubernetes().start(),
    discover: (registry) => ({ from: 'k8s://shop/orders:http', api: registry.api }),
    set: (registry, servers) => {
      for (const { port } of servers) if (!registry.slices.has(`s${port}`)) registry.set(`s${port}`, [{ port, uid: `u${port}` }]);
      for (const name of registry.slices.keys()) if (!servers.some(({ port }) => name === `s${port}`)) registry.remove(name);
    },
    watches: (registry) => registry.questions.filter(({ url }) => url.searchParams.has('watch')),
    lists: (registry) => registry.questions.filter(({ url }) => !url.searchParams.has('watch')),
  },
};

for (const [kind, { start, discover, set, watches, lists }] of Object.entries(KINDS)) {
  describe(`a watch of ${kind}`, () => {
    let s, servers, registry, load;
    beforeEach(async () => {
      servers = await startServers(3);
      registry = await start();
      set(registry, [servers[0], servers[1]]);
      s = await openStage({
        config: { workers: 2, listeners: PLAIN, shutdown: { deadline: '5s' }, upstreams: { found: { discover: { scheme: 'http', ...discover(registry) } } } },
        routes: { found: route('found') },
      });
      await until('a watch', () => watches(registry).length > 0);
      load = underLoad(s, '/found/x', 4);
      await until('some answers', () => load.answered > 50);
    });
    afterEach(() => closeAll(() => load?.stop(), () => s?.close(), () => registry.close(), ...servers.map((server) => () => server.close())));

    const becomes = async (list) => {
      const found = next(s, 'endpoints_discovered', ({ endpoints }) => endpoints === list.length);
      set(registry, list);
      await found();
    };
    const shares = async () => (await counted(servers, () => ask(s, '/found/x', 60))).map((count) => count > 0);
    const none = async () => {
      await load.stop();
      assert.deepEqual(load.failed, []);
      assert.deepEqual(s.gateway.events.filter(({ event }) => event === 'discovery_failed'), []);
    };

    it('goes on over reloads: it is the same one', async () => {
      const asked = registry.questions.length;
      for (let i = 0; i < 3; i++) assert.equal((await s.gateway.reload(merge(s.config, { routes: { found: { timeout: `${3 + i}s` } } }))).event, 'ready');
      assert.equal(registry.questions.length, asked, 'it was asked anew');
      await becomes([servers[2]]);
      await load.stop();
      assert.deepEqual(await shares(), [false, false, true]);
      await none();
    });
    it('sees what changes while reloads go on', async () => {
      let going = true;
      const reloads = (async () => {
        for (let i = 0; going; i++) await s.gateway.reload(merge(s.config, { routes: { found: { timeout: `${3 + (i % 5)}s` } } }));
      })();
      for (const list of [[servers[2]], servers, [servers[0], servers[2]], [servers[1]]]) {
        await becomes(list);
        await until('requests there alone', async () => (await shares()).every((asked, i) => asked === list.includes(servers[i])));
      }
      going = false;
      await reloads;
      await none();
    });
    it('goes on in the process that relieves this one, which begins with a list', async () => {
      for (const list of [[servers[2]], servers]) {
        const [listed, watched] = [lists(registry).length, watches(registry).length];
        await upgrade(s);
        assert.equal(lists(registry).length, listed + 1);
        await until('its watch', () => watches(registry).length > watched);
        await becomes(list);
        await until('requests there alone', async () => (await shares()).every((asked, i) => asked === list.includes(servers[i])));
        await until('the older one to be gone', () => s.gateway.children().length === 1, 20_000);
      }
      await none();
    });
    it('sees what changes while one process relieves the other', async () => {
      let turn = 0, going = true;
      const lists = [[servers[0], servers[1]], [servers[1], servers[2]], servers];
      const flaps = (async () => {
        for (; going; turn++) {
          set(registry, lists[turn % 3]);
          await new Promise((done) => setTimeout(done, 50));
        }
      })();
      for (let i = 0; i < 2; i++) await upgrade(s);
      going = false;
      await flaps;
      set(registry, [servers[0]]);
      await until('requests there alone', async () => JSON.stringify(await shares()) === JSON.stringify([true, false, false]), 20_000);
      await none();
    });
  });
}
