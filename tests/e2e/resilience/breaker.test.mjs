// A circuit breaker: too many failures open it, probes close it, and what is denied meanwhile costs its upstream nothing.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { requestText } from '../lib/raw.mjs';
import { closeAll, HOST, OPEN, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { startUpstream } from '../lib/upstream.mjs';
import { until } from '../lib/wait.mjs';

const OPENED = { status: 503, code: 'unavailable', reason: 'upstream_open' };

describe('a circuit breaker', () => {
  let s, service, act;
  const open = async (time) => {
    s = await openStage({
      config: { workers: 1, upstreams: { service: { endpoints: [service.url], retries: 0, breaker: { failures: 50, minimum: 10, window: '60s', open: time, probes: 2 } } } },
      routes: {
        open: { ...OPEN, match: { host: HOST, path: '/open/**' }, upstream: 'service' },
        orders: { ...READ_ORDERS, upstream: 'service' },
      },
    });
  };
  const well = (exchange) => exchange.json(200, {});
  const failures = {
    503: (exchange) => exchange.respond(503),
    500: (exchange) => exchange.respond(500),
    reset: (exchange) => exchange.reset(),
    rubbish: async (exchange) => (await exchange.send('rubbish\r\n\r\n'), exchange.destroy()),
  };
  beforeEach(async () => {
    act = well;
    service = await startUpstream({ name: 'service', record: false, script: async (exchange) => (await exchange.request.read(), act(exchange)) });
  });
  afterEach(() => closeAll(() => s?.close(), () => service?.close()));

  const ask = async (count, status) => {
    for (let i = 0; i < count; i++) assert.equal((await s.request({ path: `/open/${i}` })).status, status);
  };

  describe('that stays open', () => {
    beforeEach(() => open('1h'));
    for (const [name, status] of [['503', 503], ['500', 500], ['reset', 502], ['rubbish', 502]]) {
      it(`opens after ${name}: requests are denied at once, before anybody is known, and the upstream sees none`, async () => {
        act = failures[name];
        await ask(10, status);
        const seen = service.requests.length;
        const { response } = await s.denied({ ...OPENED, upstream: service }, () => s.request({ path: '/open/denied' }));
        assert.match(response.fields.get('retry-after'), /^3[56]\d\d$/);
        await s.denied({ ...OPENED, upstream: service }, () => s.request({ path: '/orders/1' })); // not 401
        assert.equal(service.requests.length, seen);
        const event = await s.gateway.event('breaker_opened');
        assert.deepEqual([event.upstream, event.requests, event.failed], ['service', 10, 10]);
        assert.equal((await s.gateway.metrics()).sum('sallyport_breaker_opened_total'), 1);
      });
    }
    for (const [name, status, how] of [
      ['404', 404, (exchange) => exchange.respond(404)],
      ['501', 501, (exchange) => exchange.respond(501)],
      ['429', 429, (exchange) => exchange.respond(429)],
    ]) {
      it(`twin: ${name} is an answer`, async () => {
        act = how;
        await ask(30, status);
      });
    }
    it('twin: less than half', async () => {
      for (let i = 0; i < 20; i++) {
        act = well;
        await ask(2, 200);
        act = failures[503];
        await ask(1, 503);
      }
    });
    it('clients that go away say nothing about the upstream', async () => {
      act = async (exchange) => (exchange.stop = true);
      for (let i = 0; i < 15; i++) {
        const client = await s.connect();
        await client.send(requestText({ path: `/open/${i}` }));
        await until('it to be there', () => service.requests.length === i + 1);
        client.destroy();
      }
      act = well;
      await ask(1, 200);
    });
  });
  describe('that is probed', () => {
    beforeEach(() => open('1s'));
    it('closes when its probes went well', async () => {
      act = failures[503];
      await ask(10, 503);
      act = well;
      await until('the first probe', async () => (await s.request({ path: '/open/probe' })).status === 200, 5000);
      await until('the second one', async () => (await s.request({ path: '/open/probe' })).status === 200, 5000);
      await s.gateway.event('breaker_closed');
      await ask(20, 200);
    });
    it('opens again when one did not', async () => {
      act = failures[503];
      await ask(10, 503);
      const seen = service.requests.length;
      await until('a probe', async () => {
        await s.request({ path: '/open/probe' });
        return service.requests.length > seen;
      }, 5000);
      const { response } = await s.denied({ ...OPENED, upstream: service }, () => s.request({ path: '/open/after' }));
      assert.equal(response.fields.get('retry-after'), '1');
      assert.equal(service.requests.length, seen + 1);
    });
    it('probes are few: the others are denied while they are out', async () => {
      act = failures[503];
      await ask(10, 503);
      const held = [];
      act = (exchange) => new Promise((resolve) => held.push(() => exchange.json(200, {}).then(resolve)));
      const clients = [];
      await until('two probes to be held', async () => {
        const client = await s.connect();
        clients.push(client);
        await client.send(requestText({ path: '/open/held' }));
        return held.length === 2;
      }, 5000);
      const seen = service.requests.length;
      for (let i = 0; i < 5; i++) assert.equal((await s.request({ path: '/open/beside' })).status, 503);
      assert.equal(service.requests.length, seen);
      act = well;
      for (const answer of held) answer();
      await s.gateway.event('breaker_closed');
      for (const client of clients) client.destroy();
    });
    it('a probe whose client goes away leaves its place to another', async () => {
      act = failures[503];
      await ask(10, 503);
      act = async (exchange) => (exchange.stop = true);
      const seen = service.requests.length;
      const clients = [];
      await until('two probes', async () => {
        const client = await s.connect();
        clients.push(client);
        await client.send(requestText({ path: '/open/gone' }));
        return service.requests.length === seen + 2;
      }, 5000);
      act = well;
      for (const client of clients) client.destroy();
      await until('others to pass', async () => (await s.request({ path: '/open/probe' })).status === 200, 5000);
    });
  });
});

describe('a service that is not there', () => {
  let s;
  before(async () => {
    s = await openStage({
      config: { workers: 1, upstreams: { gone: { endpoints: ['http://127.0.0.1:1'], retries: 0, breaker: { minimum: 5, open: '1h' } } } },
      routes: { gone: { ...OPEN, match: { host: HOST, path: '/gone/**' }, upstream: 'gone' } },
    });
  });
  after(() => s?.close());
  it('opens it, too', async () => {
    for (let i = 0; i < 5; i++) assert.equal((await s.request({ path: '/gone/1' })).status, 502, JSON.stringify(s.gateway.events.filter((e) => e.event === 'breaker_opened')));
    const { response } = await s.denied(OPENED, () => s.request({ path: '/gone/1' }));
    assert.ok(Number(response.fields.get('retry-after')) > 3000);
  });
});
