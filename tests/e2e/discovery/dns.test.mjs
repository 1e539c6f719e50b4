// Endpoints that name servers tell.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ask, counted, HomedServer, PLAIN, route, underLoad } from '../balance/lib.mjs';
import { QUICK } from '../health/lib.mjs';
import { authority } from '../lib/pki.mjs';
import { closeAll, openStage } from '../lib/stage.mjs';
import { startUpstream } from '../lib/upstream.mjs';
import { until } from '../lib/wait.mjs';
import { next } from './lib.mjs';
import { NXDOMAIN, SERVFAIL, startNameServer } from './name_server.mjs';

const NAME = 'orders.test';
const SERVICE = '_http._tcp.orders.test';
const INTERVAL = '100ms';

describe('endpoints of DNS', () => {
  let s, servers, names;
  const open = async (from, upstream = {}, more = {}) => {
    s = await openStage({
      config: {
        workers: 2,
        listeners: PLAIN,
        upstreams: { found: { discover: { from, scheme: 'http', interval: INTERVAL, resolvers: names.address }, connect_timeout: '500ms', ...upstream } },
        ...more,
      },
      routes: { found: route('found') },
    });
  };
  const addresses = (...numbers) => ({ A: numbers.map((number) => servers[number].address) });
  const records = (...list) => ({ SRV: list.map(([number, more]) => ({ port: servers[number].port, target: `s${number}.test`, ...more })) });
  const get = () => s.request({ path: '/found/x', plain: true, listener: 'plain' });
  const url = (number) => `http://${servers[number].address}:${servers[number].port}`;
  const change = async (name, value, count) => {
    const found = next(s, 'endpoints_discovered', ({ endpoints }) => endpoints === count);
    names.records[name] = value;
    return found();
  };
  beforeEach(async () => {
    names = await startNameServer();
    servers = [await new HomedServer('0').at('127.0.0.2', 0)];
    for (const number of [1, 2]) servers.push(await new HomedServer(String(number)).at(`127.0.0.${number + 2}`, servers[0].port));
    servers.forEach((server, number) => (names.records[`s${number}.test`] = { A: [server.address] }));
  });
  afterEach(() => closeAll(() => s?.close(), () => names.close(), ...servers.map((server) => () => server.close())));

  it('are each address of a name, from the first request on, and join and leave under load', async () => {
    names.records[NAME] = addresses(0, 1);
    await open(`dns://${NAME}:${servers[0].port}`);
    const load = underLoad(s, '/found/x', 8);
    await until('requests at both', () => servers[0].requests > 20 && servers[1].requests > 20);
    await change(NAME, addresses(0, 1, 2), 3);
    await until('requests at the third', () => servers[2].requests > 20);
    await change(NAME, addresses(2), 1);
    const before = servers[0].requests;
    const answered = load.answered;
    await until('many answers', () => load.answered > answered + 200);
    assert.ok(servers[0].requests - before <= 8);
    await load.stop();
    assert.deepEqual(load.failed, []);
  });

  it('that only turn in the answer are no change', async () => {
    names.records[NAME] = addresses(0, 1, 2);
    await open(`dns://${NAME}:${servers[0].port}`);
    const from = s.gateway.events.length;
    names.records[NAME] = addresses(2, 0, 1, 0);
    const asked = names.questions.length;
    await until('some answers', () => names.questions.length > asked + 6);
    assert.deepEqual(s.gateway.events.slice(from).filter(({ event }) => event === 'endpoints_discovered'), []);
  });

  it('stay while name servers are silent, or fail', async () => {
    names.records[NAME] = addresses(0);
    await open(`dns://${NAME}:${servers[0].port}`);
    for (const spoil of [() => (names.code = SERVFAIL), () => (names.silent = true)]) {
      const failed = next(s, 'discovery_failed');
      spoil();
      const event = await failed();
      assert.deepEqual([event.upstream, event.endpoints, event.level], ['found', 1, 'warning']);
      assert.equal((await s.gateway.metrics()).sum('sallyport_discovery_up', { upstream: 'found' }), 0);
      assert.deepEqual(await ask(s, '/found/x', 10), { 200: 10 });
      const recovered = next(s, 'discovery_recovered');
      names.code = 0;
      names.silent = false;
      await recovered();
    }
  });

  for (const [what, nothing] of Object.entries({ 'the name is said not to exist': NXDOMAIN, 'it has no addresses': {} }))
    it(`go when ${what}, three times`, async () => {
      names.records[NAME] = addresses(0);
      await open(`dns://${NAME}:${servers[0].port}`, {}, {});
      const failed = next(s, 'discovery_failed');
      const asked = names.questions.length;
      await change(NAME, nothing, 0);
      assert.match((await failed()).reason, /no such name/);
      assert.ok(names.questions.length - asked >= 6, 'two questions, three times');
      assert.equal((await get()).status, 503);
      await s.gateway.access('the denial', ({ reason }) => reason === 'upstream_no_endpoints');
      await change(NAME, addresses(1), 1);
      assert.equal((await get()).status, 200);
    });

  it('are none at a start without a name server, which waits two seconds: 503, until there is one', async () => {
    names.silent = true;
    const began = Date.now();
    await open(`dns://${NAME}:${servers[0].port}`);
    assert.ok(Date.now() - began >= 1900);
    assert.equal((await get()).status, 503);
    names.silent = false;
    await change(NAME, addresses(0), 1);
    assert.equal((await get()).status, 200);
  });

  it('are the targets of SRV records, by weight', async () => {
    names.records[SERVICE] = records([0, { weight: 6000 }], [1, { weight: 2000 }]);
    await open(`dns+srv://${SERVICE}`, { balance: 'weighted' });
    const [heavy, light] = await counted(servers, () => ask(s, '/found/x', 400));
    assert.ok(heavy > 270 && heavy < 330, `${heavy}, ${light}`);
    await change(SERVICE, records([0, { weight: 1 }], [1, { weight: 1 }], [2, { weight: 8 }]), 3);
    const after = await counted(servers, () => ask(s, '/found/x', 400));
    assert.ok(after[2] > 280, String(after));
  });

  it('of a lower priority serve where the others are not healthy, one priority after the other', async () => {
    names.records[SERVICE] = records([2, { priority: 30 }], [0, { priority: 10 }], [1, { priority: 20 }]);
    await open(`dns+srv://${SERVICE}`, { health: { path: '/healthz', ...QUICK } });
    const serves = async (number) => assert.deepEqual(await counted(servers, () => ask(s, '/found/x', 20)), [0, 1, 2].map((i) => (i === number ? 20 : 0)));
    const turns = async (number, healthy) => {
      const turned = next(s, healthy ? 'endpoint_healthy' : 'endpoint_unhealthy', ({ endpoint }) => endpoint === url(number));
      servers[number].healthy = healthy;
      await turned();
    };
    await serves(0);
    await turns(0, false);
    await serves(1);
    await turns(1, false);
    await serves(2);
    await turns(1, true);
    await serves(1);
    await turns(0, true);
    await serves(0);
  });

  it('of a lower priority serve where nobody looks after the others, as soon as those are found closed', async () => {
    names.records[SERVICE] = records([0, { priority: 10 }], [1, { priority: 20 }], [2, { priority: 30 }]);
    await open(`dns+srv://${SERVICE}`);
    assert.deepEqual(await counted(servers, () => ask(s, '/found/x', 20)), [20, 0, 0]);
    servers[0].close();
    assert.deepEqual(await counted(servers, async () => assert.deepEqual(await ask(s, '/found/x', 20), { 200: 20 })), [0, 20, 0]);
  });

  it('are none where the target is the root, and those of a target that does not exist are left out', async () => {
    names.records[SERVICE] = records([0], [1, { target: 'gone.test' }]);
    await open(`dns+srv://${SERVICE}`);
    assert.deepEqual(await counted(servers, () => ask(s, '/found/x', 10)), [10, 0, 0]);
    await change(SERVICE, records([0, { target: '.' }]), 0);
    assert.equal((await get()).status, 503);
  });

  it('stay where an answer is absurd', async () => {
    names.records[NAME] = addresses(0);
    await open(`dns://${NAME}:${servers[0].port}`);
    const many = Array.from({ length: 3000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
    const failed = next(s, 'discovery_failed', ({ reason }) => /more addresses/.test(reason));
    names.records[NAME] = { A: many };
    await failed();
    const recovered = next(s, 'discovery_recovered');
    names.records[NAME] = { A: ['0.0.0.0', '0.1.2.3', '255.255.255.255', '224.0.0.1', servers[0].address] };
    await recovered();
    assert.deepEqual(await ask(s, '/found/x', 10), { 200: 10 });
    assert.equal((await s.gateway.metrics()).sum('sallyport_discovery_endpoints', { upstream: 'found' }), 1);
  });

  it('are asked for where the gateway is confined, by TCP too', async () => {
    names.records[NAME] = { A: [servers[0].address, ...Array.from({ length: 60 }, () => servers[0].address)] };
    await open(`dns://${NAME}:${servers[0].port}`, {}, { confinement: { mode: 'enforce' } });
    assert.equal((await get()).status, 200);
    await change(NAME, addresses(1, 2), 2);
    assert.deepEqual((await counted(servers, () => ask(s, '/found/x', 8)))[0], 0);
  });
});

describe('endpoints of DNS by TLS', () => {
  let s, names, server;
  const open = async (certificate, config = {}) => {
    names = await startNameServer();
    const issued = await authority().issue(certificate);
    server = await startUpstream({ name: 'found', tls: { cert: issued.cert, key: issued.key } });
    names.records['_https._tcp.orders.test'] = { SRV: [{ port: Number(new URL(server.url).port), target: 'elsewhere.test' }] };
    names.records['elsewhere.test'] = { A: ['127.0.0.1'] };
    s = await openStage({
      config: (stage) => ({
        listeners: PLAIN,
        upstreams: { found: { discover: { from: 'dns+srv://_https._tcp.orders.test', resolvers: names.address }, tls: { ca: stage.ca.certFile } } },
        ...config,
      }),
      routes: { found: route('found') },
    });
  };
  const get = () => s.request({ path: '/found/x', plain: true, listener: 'plain' });
  afterEach(() => closeAll(() => s?.close(), () => names?.close(), () => server?.close()));

  it('must show the name that is configured', async () => {
    await open({ dns: ['orders.test'] });
    assert.equal((await get()).status, 200);
  });
  it('are refused where they show that of the target, which the name servers chose', async () => {
    await open({ dns: ['elsewhere.test'] });
    assert.equal((await get()).status, 502);
    await s.gateway.access('the failure', ({ reason }) => reason === 'upstream_tls');
  });
});
