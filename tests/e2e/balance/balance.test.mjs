// Which endpoint gets a request: by weight, by how fast it answers, by a key.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { closeAll, merge, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { ask, counted, PLAIN, route, Server, startServers } from './lib.mjs';

const WORKERS = 2;

describe('the balance of a service', () => {
  let s, servers;
  const keyed = (i) => ({ fields: [['X-Key', `user-${i % 40}`]] });
  before(async () => {
    servers = await startServers(4);
    const urls = servers.map((server) => server.url);
    s = await openStage({
      config: {
        workers: WORKERS,
        listeners: PLAIN,
        upstreams: {
          weighted: { balance: 'weighted', endpoints: [{ url: urls[0], weight: 6 }, { url: urls[1], weight: 3 }, urls[2]] },
          p2c: { balance: 'p2c', endpoints: urls },
          least: { balance: 'least_requests', endpoints: urls.slice(0, 3) },
          header: { balance: 'hash', hash_by: 'header:X-Key', endpoints: urls },
          bounded: { balance: 'hash', hash_by: 'header:X-Key', max_load: 110, endpoints: urls },
          cookie: { balance: 'hash', hash_by: 'cookie:sid', endpoints: urls },
          caller: { balance: 'hash', hash_by: 'caller', endpoints: urls },
        },
      },
      routes: {
        ...Object.fromEntries(['weighted', 'p2c', 'least', 'header', 'bounded', 'cookie'].map((name) => [name, route(name, { timeout: '1m' })])),
        caller: route('caller', { auth: { jwt: 'main' }, authorize: 'any_caller' }),
      },
    });
  });
  after(() => closeAll(() => s?.close(), ...(servers ?? []).map((server) => () => server.close())));

  it('by weight', async () => {
    const counts = await counted(servers, async () => assert.deepEqual(await ask(s, '/weighted/x', 600), { 200: 600 }));
    // Each worker deals evenly by itself; how connections fall on workers is chance, and changes nothing of the sum.
    for (const [i, wanted] of [360, 180, 60, 0].entries()) assert.ok(Math.abs(counts[i] - wanted) <= 5 * WORKERS, `${counts}`);
  });
  it('p2c: one that answers slowly gets little', async () => {
    servers[2].delay = 150;
    try {
      await ask(s, '/p2c/x', 100); // it finds out
      const counts = await counted(servers, async () => assert.deepEqual(await ask(s, '/p2c/x', 400), { 200: 400 }));
      assert.ok(counts[2] <= 40, `${counts}: 100 would be its turn`);
      for (const i of [0, 1, 3]) assert.ok(counts[i] >= 60, `${counts}`);
    } finally {
      servers[2].delay = 0;
    }
  });
  it('least_requests: one that holds its requests gets no more', async () => {
    let release;
    servers[0].hold = new Promise((resolve) => (release = resolve));
    const asked = () => servers.reduce((sum, { requests }) => sum + requests, 0);
    try {
      // Those that ask are eight: with its turn it would soon hold all of them, and nothing would go on.
      const counts = await counted(servers, async () => {
        const from = asked();
        const asking = ask(s, '/least/x', 200);
        await until('the others to be asked for all the rest', () => asked() - from === 200, 30_000).finally(release);
        assert.deepEqual(await asking, { 200: 200 });
      });
      assert.ok(counts[0] >= 1 && counts[0] < 8, `${counts}`);
    } finally {
      servers[0].hold = null;
    }
  });

  // By key, whose server answered: there must be one for each.
  const owners = (field = (caller) => caller) => {
    const found = new Map();
    for (const server of servers) {
      for (const caller of server.callers.splice(0).map(field)) {
        assert.equal(found.get(caller) ?? server, server, `${caller} went to two`);
        found.set(caller, server);
      }
    }
    return found;
  };

  it('by header: one key, one server, in every worker', async () => {
    owners(() => '' + Math.random());
    assert.deepEqual(await ask(s, '/header/x', 200, { make: keyed }), { 200: 200 });
    const found = owners();
    assert.equal(found.size, 40);
    assert.equal(new Set(found.values()).size, 4);
  });
  it('by header: what has none takes turns', async () => {
    const counts = await counted(servers, () => ask(s, '/header/x', 80));
    for (const count of counts) assert.ok(Math.abs(count - 20) <= WORKERS, `${counts}`);
    owners(() => '' + Math.random());
  });
  it('by cookie', async () => {
    const make = (i) => ({ fields: [['Cookie', `theme=dark${i}; sid=s${i % 20}`]] });
    assert.deepEqual(await ask(s, '/cookie/x', 100, { make }), { 200: 100 });
    assert.equal(owners((cookie) => /sid=\w+/.exec(cookie)[0]).size, 20);
  });
  it('by caller: whatever the token, and over a reload that takes one server away', async () => {
    // One key, one server; the servers see who it is by the key that the client adds for the test.
    const make = async (i) => ({ token: await s.mint({ sub: `u${i % 20}`, jti: `${i}-${Math.random()}` }), fields: [['X-Key', `u${i % 20}`]] });
    assert.deepEqual(await ask(s, '/caller/x', 60, { make }), { 200: 60 });
    const first = owners();
    assert.equal(first.size, 20);
    assert.equal((await s.gateway.reload()).event, 'ready');
    await ask(s, '/caller/x', 40, { make });
    assert.deepEqual([...owners()].sort(), [...first].sort(), 'nothing moves by a reload');
    const less = servers.map((server) => server.url).filter((_, i) => i !== 1).reverse();
    assert.equal((await s.gateway.reload(merge(s.config, { upstreams: { caller: { endpoints: less } } }))).event, 'ready');
    await ask(s, '/caller/x', 40, { make });
    const second = owners();
    const moved = [...first].filter(([key, server]) => second.get(key) !== server && server !== servers[1]);
    assert.ok(moved.length <= 2, `${moved.map(([key]) => key)} moved without need`);
    await s.gateway.reload(s.config);
    await ask(s, '/caller/x', 40, { make });
    assert.deepEqual([...owners()].sort(), [...first].sort(), 'what had moved is back');
  });
  it('by caller: the anonymous of one address go to one', async () => {
    assert.equal((await s.gateway.reload(merge(s.config, { routes: { caller: { auth: 'none', authorize: null } } }))).event, 'ready');
    const counts = await counted(servers, () => ask(s, '/caller/x', 20));
    assert.deepEqual([...counts].sort((a, b) => a - b), [0, 0, 0, 20]);
    await s.gateway.reload(s.config);
  });
  it('with a bound, one key does not overrun its server', async () => {
    for (const server of servers) server.delay = 50;
    try {
      const one = () => ({ fields: [['X-Key', 'the same']] });
      const free = await counted(servers, () => ask(s, '/header/x', 64, { width: 32, make: one }));
      assert.equal(Math.max(...free), 64);
      const bound = await counted(servers, () => ask(s, '/bounded/x', 64, { width: 32, make: one }));
      assert.ok(Math.max(...bound) < 40 && Math.min(...bound) > 0, `${bound}`);
    } finally {
      for (const server of servers) server.delay = 0;
    }
  });
  it('by key: a server that is gone is passed over, and its keys come back with it', async () => {
    owners(() => '' + Math.random());
    await ask(s, '/header/x', 80, { make: keyed });
    const first = owners();
    const { port } = servers[3];
    servers[3].close();
    assert.deepEqual(await ask(s, '/header/x', 80, { make: keyed }), { 200: 80 });
    for (const [key, server] of owners()) if (first.get(key) !== servers[3]) assert.equal(server, first.get(key), `${key} stays`);
    servers[3] = await new Server('3').start(port);
    await ask(s, '/header/x', 80, { make: keyed });
    for (const [key, server] of owners()) assert.equal(server.port, first.get(key).port);
  });
});
