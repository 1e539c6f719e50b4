// Whoever tells endpoints is wrong, or an attacker's: Consul, the API server of Kubernetes, one instance of a service among others, a
// name server, who writes a file. What is told is bounded, and leads to nothing that trusts this machine.
import assert from 'node:assert/strict';
import http from 'node:http';
import os from 'node:os';
import { afterEach, beforeEach, describe, it } from 'node:test';
import zlib from 'node:zlib';
import { ask, counted, PLAIN, route, startServers, underLoad } from '../balance/lib.mjs';
import { EndpointFile, next } from '../discovery/lib.mjs';
import { startNameServer } from '../discovery/name_server.mjs';
import { QUICK } from '../health/lib.mjs';
import { lastingPort, listen } from '../lib/listen.mjs';
import { Consul, Kubernetes } from '../lib/registries.mjs';
import { closeAll, HOST, merge, openStage, OPEN } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

const MIB = 1 << 20;
const get = (s, more = {}) => s.request({ path: '/found/x', plain: true, listener: 'plain', ...more });
const instance = (port, more = {}) => ({ Node: { Address: '127.0.0.1' }, Service: { Address: '', Port: port }, Checks: [], ...more });
const slices = (...items) => JSON.stringify({ kind: 'EndpointSliceList', apiVersion: 'discovery.k8s.io/v1', metadata: { resourceVersion: '7' }, items });
const consulFields = { 'Content-Type': 'application/json', 'X-Consul-Index': '99' };

// Sends until nobody takes more, `total` bytes at the most; says how many left.
async function flood(response, total, piece = Buffer.alloc(MIB, 32)) {
  let sent = 0;
  for (; sent < total && !response.destroyed; sent += piece.length) {
    if (!response.write(piece)) await new Promise((done) => (response.once('drain', done), response.once('close', done)));
  }
  response.end();
  return sent;
}

describe('a registry that says too much', () => {
  let s, servers, registry, sent;
  beforeEach(async () => ((servers = await startServers(2)), (sent = undefined)));
  afterEach(() => closeAll(() => s?.close(), () => registry?.close(), ...servers.map((server) => () => server.close())));

  const open = async (discover) => {
    s = await openStage({ config: { workers: 1, listeners: PLAIN, upstreams: { found: { discover: { scheme: 'http', wait: '1s', ...discover } } } }, routes: { found: route('found') } });
    assert.equal((await get(s)).status, 200);
  };
  const consul = async () => {
    registry = await new Consul().start();
    registry.set([{ port: servers[0].port }]);
    await open({ from: registry.from });
  };
  const kubernetes = async () => {
    registry = await new Kubernetes().start();
    registry.set('a', [{ port: servers[0].port }]);
    await open({ from: 'k8s://shop/orders:http', api: registry.api });
    await until('a watch', () => registry.watches.size > 0);
  };
  // It fails as it should, costs little, and takes nothing with it.
  const fails = async (pattern, broken, { bytes = 32 * MIB } = {}) => {
    const before = s.gateway.rss();
    const failed = next(s, 'discovery_failed', ({ reason }) => pattern.test(reason), 30_000);
    registry.broken = broken;
    registry.drop();
    await failed();
    assert.equal((await get(s)).status, 200, 'the last good endpoints');
    if (sent !== undefined) assert.ok((await sent) <= bytes, `${await sent} bytes were read`);
    assert.ok(s.gateway.rss() - before < 96 * MIB, `${(s.gateway.rss() - before) / MIB} MiB more`);
    const recovered = next(s, 'discovery_recovered', () => true, 40_000);
    registry.broken = undefined;
    await recovered();
  };

  it('Consul: 100 MB, announced, in chunks, as a refusal, as a head', async () => {
    await consul();
    await fails(/too large/, (response) => (response.writeHead(200, { ...consulFields, 'Content-Length': 100 * MIB }), (sent = flood(response, 100 * MIB))));
    await fails(/too large/, (response) => (response.writeHead(200, consulFields), (sent = flood(response, 100 * MIB))));
    await fails(/too large|500/, (response) => (response.writeHead(500), (sent = flood(response, 100 * MIB))));
    sent = undefined;
    await fails(/./, ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const more = () => socket.writable && socket.write(`X-Filler: ${'x'.repeat(8000)}\r\n`) && setImmediate(more);
      more();
      socket.on('drain', more).on('error', () => {});
    });
  });
  it('Consul: a million endpoints, too many, the same one a thousand times', async () => {
    await consul();
    const list = (count, port) => JSON.stringify(Array.from({ length: count }, (_, i) => instance(port ?? 1 + (i % 60_000))));
    const many = list(30_000);
    assert.ok(many.length < 4 * MIB);
    await fails(/1024|memory/, (response) => response.writeHead(200, consulFields).end(many));
    const million = Buffer.from(`[${`${JSON.stringify(instance(9))},`.repeat(1_000_000)}1]`);
    await fails(/too large/, (response) => response.writeHead(200, consulFields).end(million));
    const found = next(s, 'endpoints_discovered', () => true, 20_000);
    registry.broken = (response) => response.writeHead(200, consulFields).end(list(1000, servers[1].port));
    registry.drop();
    assert.equal((await found()).endpoints, 1);
    assert.deepEqual(await counted(servers, () => ask(s, '/found/x', 8)), [0, 8]);
  });
  for (const coding of ['gzip', 'deflate']) {
    it(`a bomb: ${coding} is not asked for, and not undone`, async () => {
      const bomb = zlib[`${coding}Sync`](Buffer.concat([Buffer.from('['), Buffer.alloc(200 * MIB, 32), Buffer.from(']')]));
      for (const start of [consul, kubernetes]) {
        await start();
        let accepted;
        registry.server.prependListener('request', ({ headers }) => (accepted = headers['accept-encoding']));
        await fails(/./, (response) => response.writeHead(200, { ...consulFields, 'Content-Encoding': coding }).end(bomb));
        assert.equal(accepted, undefined);
        await s.close();
        await registry.close();
      }
    });
  }
  it('a redirect to another host is not followed, and the token stays here', async () => {
    let visits = 0;
    const elsewhere = http.createServer((request, response) => (visits++, response.writeHead(200, consulFields).end('[]')));
    const port = await listen(elsewhere);
    try {
      for (const start of [consul, kubernetes]) {
        await start();
        for (const status of start === consul ? [302, 307] : [308]) await fails(new RegExp(`answered ${status}`), (response) => response.writeHead(status, { ...consulFields, Location: `http://127.0.0.1:${port}/` }).end());
        await s.close();
        await registry.close();
      }
      assert.equal(visits, 0);
    } finally {
      elsewhere.close();
    }
  });
  it('Kubernetes: a list of 100 MB, a watch without an end of line, and one of nonsense', async () => {
    await kubernetes();
    const only = (watch, act) => (response, url) => (url.searchParams.has('watch') === watch ? act(response) : registry.answer(url, response));
    await fails(/too large/, (response) => (sent = flood(response.writeHead(200), 100 * MIB)));
    await fails(/2 MiB/, only(true, (response) => (sent = flood(response.writeHead(200), 100 * MIB, Buffer.alloc(MIB, 0x78)))));
    await fails(/event/, only(true, (response) => (sent = flood(response.writeHead(200), 100 * MIB, Buffer.from('{}\n'.repeat(100_000))))));
    sent = undefined;
    const many = slices(...Array.from({ length: 300 }, (_, i) => ({ metadata: { name: `s${i}` }, addressType: 'IPv4', ports: [{ name: 'http', port: 80 }], endpoints: [] })));
    await fails(/at most 256/, (response, url) => response.end(url.searchParams.has('watch') ? '{}\n' : many));
  });

  for (const [name, start, set] of [
    ['Consul', consul, (on) => registry.set((on ? servers : [servers[0]]).map(({ port }) => ({ port })))],
    ['Kubernetes', kubernetes, (on) => registry.set('b', [{ port: servers[1].port, uid: 'b', conditions: { ready: on } }])],
  ]) {
    it(`${name} that changes its mind 100 times a second is heard twice a second, and no request fails`, async () => {
      await start();
      const load = underLoad(s, '/found/x', 4);
      await until('some answers', () => load.answered > 50);
      const [from, rss, began] = [s.gateway.events.length, s.gateway.rss(), Date.now()];
      for (let i = 0; i < 400; i++) {
        set(i % 2 === 0);
        await new Promise((done) => setTimeout(done, 10));
      }
      const changes = s.gateway.events.slice(from).filter(({ event }) => event === 'endpoints_discovered').length;
      const seconds = (Date.now() - began) / 1000;
      assert.ok(changes <= 2 * seconds + 3, `${changes} changes in ${seconds} s`);
      set(true);
      await until('both', async () => (await s.gateway.metrics()).sum('sallyport_discovery_endpoints', { upstream: 'found' }) === 2);
      await load.stop();
      assert.deepEqual(load.failed, []);
      assert.ok(s.gateway.rss() - rss < 48 * MIB, `${(s.gateway.rss() - rss) / MIB} MiB more`);
    });
  }
});

describe('endpoints where no service is', () => {
  let s, servers, registry, names, inner;
  const other = Object.values(os.networkInterfaces()).flat().find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  // A route of the outer listener leads to what is discovered; the inner one has a route that trusts who is inside.
  const open = async (discover, address = '127.0.0.1', more = {}) => {
    inner = await lastingPort();
    s = await openStage({
      config: {
        workers: 1,
        listeners: { ...PLAIN, inner: { address, port: inner, exposure: 'internal', plaintext: 'allow' }, public: { exposure: 'external' } },
        upstreams: { found: { discover, connect_timeout: '500ms', ...more }, trusted: { endpoints: [servers[1].url] } },
      },
      routes: {
        found: { ...OPEN, match: { host: HOST, path: '/found/**' }, upstream: 'found', listeners: ['public'] },
        secret: { ...OPEN, match: { host: [HOST, '127.0.0.1'], path: '/**' }, upstream: 'trusted', listeners: ['inner'] },
      },
    });
  };
  const status = async () => (await s.request({ path: '/found/x' })).status;
  const consul = { scheme: 'http', get from() { return registry.from; } };
  const found = (upstream = 'found') => s.gateway.metrics().then((metrics) => metrics.sum('sallyport_discovery_endpoints', { upstream }));
  beforeEach(async () => {
    servers = await startServers(2);
    registry = await new Consul().start();
    names = await startNameServer();
  });
  afterEach(() => closeAll(() => s?.close(), () => registry.close(), () => names.close(), ...servers.map((server) => () => server.close())));
  // The honest one serves alone, and the inner route is not reached.
  const servesAlone = async (asked = 12) => assert.deepEqual(await counted(servers, async () => { for (let i = 0; i < asked; i++) assert.equal(await status(), 200); }), [asked, 0]);

  const LISTENERS = [['127.0.0.1', '127.0.0.1'], ['0.0.0.0', '127.0.0.1'], ['0.0.0.0', '127.9.9.9'], ['::', '127.0.0.1'], ['::', '::1'], ['0.0.0.0', other]];
  for (const [address, told] of LISTENERS) {
    it(`Consul tells the gateway's own listener at ${address} by ${told === other ? 'another address of this machine' : told}: it is passed over`, { skip: told === undefined && 'this machine has no other address' }, async () => {
      await open(consul, address);
      const passed = next(s, 'endpoints_passed_over');
      registry.set([{ port: servers[0].port }, { address: told, port: inner }]);
      assert.match((await passed()).reason, /listener of the gateway/);
      await servesAlone();
      // Alone it is no service at all, and what was there stays.
      const failed = next(s, 'discovery_failed');
      registry.set([{ address: told, port: inner }]);
      assert.match((await failed()).reason, /listener of the gateway/);
      await servesAlone();
    });
  }
  it('Consul tells it by a name: it is not connected to', async () => {
    await open(consul);
    const taken = next(s, 'endpoints_discovered');
    registry.set([{ address: 'localhost', port: inner }]);
    await taken();
    await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_connect', upstream: null, audit: false }, () => s.request({ path: '/found/x' }));
    assert.match(s.gateway.lines.findLast(({ log }) => log === 'access').detail ?? '', /listener of the gateway/);
    assert.equal(servers[1].requests, 0);
  });
  it('nor does a health check go there, and the endpoint is not well; twin: that of a service beside it', async () => {
    await open(consul, '127.0.0.1', { health: { path: '/healthz', ...QUICK } });
    const unhealthy = next(s, 'endpoint_unhealthy');
    registry.set([{ address: 'localhost', port: inner }]);
    const { reason, detail } = await unhealthy();
    assert.deepEqual([reason, detail], ['connect', 'it is a listener of the gateway itself']);
    registry.set([{ address: 'localhost', port: servers[0].port }]);
    const checks = { service: 'found', endpoint: `http://localhost:${servers[0].port}` };
    await until('it to be asked', async () => (await s.gateway.metrics()).sum('sallyport_health_checks_total', { ...checks, outcome: 'passed' }) > 2);
    assert.equal((await s.gateway.metrics()).sum('sallyport_upstream_healthy', checks), 1);
    await servesAlone(4);
    assert.deepEqual(s.gateway.lines.filter(({ log, listener }) => log === 'access' && listener === 'inner'), []);
  });
  it('twin: a service beside it on this machine is one, by address and by name', async () => {
    await open(consul);
    for (const address of ['127.0.0.1', 'localhost']) {
      const taken = next(s, 'endpoints_discovered');
      registry.set([{ address, port: servers[0].port }]);
      await taken();
      await servesAlone(4);
    }
  });
  it('a name server tells it: it is passed over', async () => {
    names.records['orders.test'] = { A: ['127.0.0.1', '127.0.0.2'] };
    await open({ scheme: 'http', from: `dns://orders.test:${await lastingPort()}`, interval: '100ms', resolvers: names.address });
    const reload = { upstreams: { found: { discover: { from: `dns://orders.test:${inner}` } } } };
    assert.equal((await s.gateway.reload(merge(s.config, reload))).event, 'ready');
    await s.gateway.event('endpoints_passed_over', ({ reason, endpoints }) => /listener of the gateway/.test(reason) && endpoints === 1);
    assert.equal(await status(), 502); // nobody is at 127.0.0.2
    assert.equal(servers[1].requests, 0);
  });
  it('a file tells it: the file is refused, as the configuration would be', async () => {
    const file = new EndpointFile([servers[0].url]);
    await open({ from: file.url });
    const failed = next(s, 'discovery_failed');
    file.write([servers[0].url, `http://127.0.0.1:${inner}`]);
    assert.match((await failed()).reason, /listener of the gateway/);
    await servesAlone();
  });
  it('a reload puts a listener where an endpoint is: that is none from then on', async () => {
    await open(consul);
    const port = await lastingPort();
    registry.set([{ port: servers[0].port }, { port }]);
    await until('both', async () => (await found()) === 2);
    const more = { listeners: { more: { address: '127.0.0.1', port, exposure: 'internal', plaintext: 'allow' } }, routes: { secret: { listeners: ['inner', 'more'] } } };
    assert.equal((await s.gateway.reload(merge(s.config, more))).event, 'ready');
    await s.gateway.event('endpoints_passed_over');
    await servesAlone();
  });

  const SECRETS = ['169.254.169.254', '::ffff:169.254.169.254', '64:ff9b::a9fe:a9fe', 'fd00:ec2::254', '168.63.129.16', '100.100.100.200'];
  it('where clouds tell machines their secrets: passed over, be it Consul\'s', async () => {
    registry.set([{ port: servers[0].port }, ...SECRETS.map((address) => ({ address, port: 80 }))]);
    await open(consul);
    assert.equal(await found(), 1);
    await servesAlone();
    const failed = next(s, 'discovery_failed');
    registry.set(SECRETS.map((address) => ({ address, port: 80 })));
    assert.match((await failed()).reason, /no instance has a port and an address/);
    await servesAlone();
  });
  it('or Kubernetes\'', async () => {
    const api = await new Kubernetes().start();
    try {
      api.set('a', [{ port: servers[0].port }, { address: '169.254.169.254', port: 80, uid: 'x' }]);
      await open({ from: 'k8s://shop/orders:http', api: api.api, scheme: 'http' });
      assert.equal(await found(), 1);
      await servesAlone();
    } finally {
      await api.close();
    }
  });
  it('or a name server\'s', async () => {
    names.records['orders.test'] = { A: ['169.254.169.254', '127.0.0.1'] };
    await open({ scheme: 'http', from: `dns://orders.test:${servers[0].port}`, interval: '100ms', resolvers: names.address });
    assert.equal(await found(), 1);
    await servesAlone();
  });
});
