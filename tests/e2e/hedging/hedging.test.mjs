// Reads that are sent to a second server since the first is slow: who answers, what becomes of the other, and what is never hedged.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { IDLE, leavesNothing } from '../faults/lib.mjs';
import { sallyport } from '../lib/gateway.mjs';
import { requestText } from '../lib/raw.mjs';
import { closeAll, HOST, OPEN, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';
import { PLAIN } from '../balance/lib.mjs';
import { Fleet } from './lib.mjs';

const at = (path, upstream, hedge, more = {}) => ({ ...OPEN, match: { host: HOST, path: `${path}/**` }, upstream, listeners: ['plain', 'public'], timeout: '10s', hedge, ...more });
const AFTER = { after: '30ms' };
// The first copy gets no answer, ever; the second one does.
const slowFirst = ({ turn, answer }) => turn > 1 && answer();

for (const scheme of ['http', 'h2c']) {
  describe(`hedging at ${scheme}:// servers`, () => {
    let s, fleet;
    before(async () => {
      fleet = await Fleet.start(3, scheme);
      const upstreams = {
        three: fleet.upstream(IDLE),
        one: fleet.upstream({ ...IDLE, endpoints: [fleet.servers[0].url] }),
        none: fleet.upstream({ ...IDLE, retry_budget: 0 }),
        fused: fleet.upstream({ ...IDLE, breaker: { failures: 50, minimum: 20, window: '60s', open: '60s' } }),
      };
      s = await openStage({
        config: { workers: 1, listeners: PLAIN, upstreams },
        routes: {
          three: at('/three', 'three', AFTER),
          patient: at('/patient', 'three', { after: '750ms' }), // the hints are sooner, however busy the machine is
          without: at('/without', 'three', undefined),
          heads: at('/heads', 'three', { ...AFTER, methods: ['HEAD'] }),
          quick: at('/quick', 'three', AFTER, { timeout: '300ms' }),
          again: at('/again', 'three', AFTER, { retry: { on: ['503', 'reset'], attempts: 1, backoff: '0ms' } }),
          one: at('/one', 'one', AFTER),
          none: at('/none', 'none', AFTER),
          fused: at('/fused', 'fused', AFTER),
        },
      });
    });
    beforeEach(() => (fleet.act = ({ answer }) => answer()));
    after(() => closeAll(() => s?.close(), () => fleet?.close()));

    let count = 0;
    const asked = async (prefix, act, parts = {}) => {
      const path = `${prefix}/${++count}`;
      fleet.act = act;
      const response = await s.request({ path, plain: true, listener: 'plain', ...parts });
      const id = response.fields.get('x-request-id');
      const access = await s.gateway.access('the request', (l) => l.request_id === id);
      return { response, access, times: fleet.seen(path), path };
    };
    const total = async (name) => (await s.gateway.metrics()).sum(name);

    it('the first is slow: the second answers, and the first is cancelled', async () => {
      const [cancelled, sent, won] = [fleet.cancelled, await total('sallyport_hedges_total'), await total('sallyport_hedges_won_total')];
      const { response, access, times } = await asked('/three', slowFirst);
      assert.equal(response.status, 200);
      assert.equal(response.body.toString(), response.fields.get('x-server'));
      assert.equal(times, 2);
      assert.equal(access.hedge, 'won');
      assert.equal(access.tries, undefined);
      assert.equal(access.endpoint, fleet.servers[Number(response.body.toString().at(-1))].url);
      await until('the slow one to be cancelled', () => fleet.cancelled === cancelled + 1);
      assert.equal(await total('sallyport_hedges_total'), sent + 1);
      assert.equal(await total('sallyport_hedges_won_total'), won + 1);
    });
    it('twin: without `hedge` nobody else is asked', async () => {
      const { response, access, times } = await asked('/without', ({ answer }) => setTimeout(answer, 200));
      assert.equal(response.status, 200);
      assert.equal(times, 1);
      assert.equal(access.hedge, undefined);
    });
    it('the first is faster after all: it answers, and the second is cancelled', async () => {
      const cancelled = fleet.cancelled;
      let first;
      const { response, access, times } = await asked('/three', ({ turn, answer }) => (turn === 1 ? (first = answer) : first()));
      assert.equal(response.status, 200);
      assert.equal(response.body.toString(), response.fields.get('x-server'));
      assert.equal(times, 2);
      assert.equal(access.hedge, 'lost');
      await until('the second to be cancelled', () => fleet.cancelled === cancelled + 1);
    });
    it('a fast one is asked alone', async () => {
      for (let i = 0; i < 10; i++) {
        const { access, times } = await asked('/three', ({ answer }) => answer());
        assert.ok(access.hedge !== undefined || times === 1, 'a copy that nobody logged');
      }
    });

    for (const [name, parts] of [
      ['POST', { method: 'POST', body: 'x' }],
      ['POST without a body', { method: 'POST' }],
      ['PUT', { method: 'PUT', body: 'x' }],
      ['DELETE', { method: 'DELETE' }],
      ['OPTIONS', { method: 'OPTIONS' }],
      ['a GET with a body', { method: 'GET', body: 'x' }],
    ]) {
      it(`never hedged: ${name}`, async () => {
        const { response, access, times } = await asked('/three', ({ answer }) => setTimeout(answer, 200), parts);
        assert.equal(response.status, 200);
        assert.equal(times, 1);
        assert.equal(access.hedge, undefined);
      });
    }
    it('twin: HEAD is', async () => assert.equal((await asked('/three', slowFirst, { method: 'HEAD' })).access.hedge, 'won'));
    it('methods: no others', async () => {
      assert.equal((await asked('/heads', ({ answer }) => setTimeout(answer, 200))).times, 1);
      assert.equal((await asked('/heads', slowFirst, { method: 'HEAD' })).access.hedge, 'won');
    });
    it('a service of one server: there is no other to ask', async () => {
      const { response, access, times } = await asked('/one', ({ answer }) => setTimeout(answer, 200));
      assert.deepEqual([response.status, times, access.hedge], [200, 1, undefined]);
    });
    it('no budget: not sent, and counted', async () => {
      const refused = await total('sallyport_hedges_refused_total');
      const { response, times } = await asked('/none', ({ answer }) => setTimeout(answer, 200));
      assert.deepEqual([response.status, times], [200, 1]);
      assert.equal(await total('sallyport_hedges_refused_total'), refused + 1);
    });

    // One of them fails as soon as both are under way, the other one answers then.
    for (const [name, how, failing, outcome] of [
      ['the first fails with 503', (copy) => copy.answer(503, 'failed'), 1, 'won'],
      ['the second fails with 503', (copy) => copy.answer(503, 'failed'), 2, 'failed'],
      ['the first breaks off', (copy) => copy.response.destroy(), 1, 'won'],
      ['the second breaks off', (copy) => copy.response.destroy(), 2, 'failed'],
    ]) {
      it(`${name}: it does not beat the other`, async () => {
        const copies = [];
        const { response, access, times } = await asked('/three', (copy) => {
          copies.push(copy);
          if (copies.length < 2) return;
          how(copies[failing - 1]);
          setTimeout(copies[2 - failing].answer, 100);
        });
        assert.equal(response.status, 200);
        assert.equal(times, 2);
        assert.equal(access.hedge, outcome);
      });
    }
    const bothFail = (copies) => (copy) => {
      copies.push(copy);
      if (copy.turn === 2) copies.forEach(({ answer }) => answer(503, 'failed'));
      if (copy.turn > 2) copy.answer();
    };
    it('both fail: the client is told', async () => {
      const { response, access, times } = await asked('/three', bothFail([]));
      assert.deepEqual([response.status, response.body.toString(), times, access.hedge], [503, 'failed', 2, access.hedge]);
      assert.notEqual(access.hedge, 'won');
    });
    it('both fail: `retry` asks a third one', async () => {
      const { response, access, times } = await asked('/again', bothFail([]));
      assert.deepEqual([response.status, times, access.tries], [200, 3, 1]);
    });
    it('501 is an answer', async () => {
      const { response, access } = await asked('/three', ({ turn, answer }) => turn > 1 && answer(501));
      assert.deepEqual([response.status, access.hedge], [501, 'won']);
    });
    it('both are silent: the timeout is for both', async () => {
      const begun = Date.now();
      const { response, access, times } = await asked('/quick', () => {});
      assert.deepEqual([response.status, access.reason, times], [504, 'upstream_timeout', 2]);
      assert.ok(Date.now() - begun < 5000);
    });
    it('one that has sent early hints is alone: the client has heard it', async () => {
      const { response, times } = await asked('/patient', ({ response: out, answer }) => {
        out.writeEarlyHints({ link: '</style.css>; rel=preload' });
        setTimeout(answer, 1500);
      });
      assert.deepEqual([response.status, times], [200, 1]);
    });
    it('the client goes away: both are cancelled, and nothing is left', () =>
      leavesNothing(s, async () => {
        const path = `/three/${++count}`;
        const cancelled = fleet.cancelled;
        fleet.act = () => {};
        const client = await s.connect();
        await client.send(requestText({ path }));
        await until('both copies', () => fleet.seen(path) === 2);
        client.destroy();
        await s.gateway.access('the request', (l) => l.path === path && l.aborted);
        await until('both to be cancelled', () => fleet.cancelled === cancelled + 2);
      }));
    it('who loses has not failed: the breaker stays closed', async () => {
      for (let i = 0; i < 40; i++) assert.equal((await asked('/fused', slowFirst)).access.hedge, 'won');
      assert.equal(await total('sallyport_breaker_opened_total'), 0);
    });
    it('twin: where both fail it opens', async () => {
      for (let i = 0; i < 80 && (await total('sallyport_breaker_opened_total')) === 0; i++) await asked('/fused', bothFail([]));
      assert.equal(await total('sallyport_breaker_opened_total'), 1);
    });

    it('thousands with random delays: each answer is whole, and of one server', () =>
      leavesNothing(s, async () => {
        const REQUESTS = 3000;
        const size = 20_000;
        fleet.act = ({ server, request, response }) => {
          const body = Buffer.from(`${server.name} ${request.url} `.repeat(1000)).subarray(0, size);
          const cut = Math.floor(Math.random() * size);
          const write = () => !response.destroyed && (response.writeHead(200, { 'x-server': server.name, 'content-length': size }), response.write(body.subarray(0, cut)), setImmediate(() => response.destroyed || response.end(body.subarray(cut))));
          setTimeout(write, Math.random() < 0.5 ? 0 : 20 + Math.random() * 30);
        };
        let next = 0;
        const [sent, won] = [await total('sallyport_hedges_total'), await total('sallyport_hedges_won_total')];
        await Promise.all(Array.from({ length: 32 }, async () => {
          const client = await s.connect({ plain: true, listener: 'plain' });
          while (next < REQUESTS) {
            const path = `/three/many/${next++}`;
            await client.send(requestText({ path }));
            const response = await client.response();
            assert.equal(response.status, 200);
            const expected = Buffer.from(`${response.fields.get('x-server')} ${path} `.repeat(1000)).subarray(0, size);
            assert.ok(expected.equals(response.body), `${path}: the answer of ${response.fields.get('x-server')}`);
          }
          client.end();
        }));
        const [more, wins] = [(await total('sallyport_hedges_total')) - sent, (await total('sallyport_hedges_won_total')) - won];
        assert.ok(more > 100 && wins > 10 && wins < more, `${more} hedged, ${wins} won`);
      }));
  });
}

describe('the tail, and what it costs', () => {
  let s, fleet, held;
  const SLOW = 2000; // ms; far beyond `after`, and that beyond what a busy machine makes of a fast answer
  before(async () => {
    fleet = await Fleet.start(3);
    held = await Fleet.start(3);
    s = await openStage({
      config: { workers: 1, listeners: PLAIN, upstreams: { tail: fleet.upstream({ retry_budget: 20 }), twin: fleet.upstream(), storm: held.upstream({ retry_budget: 20 }) } },
      routes: {
        tail: at('/tail', 'tail', '250ms'),
        twin: at('/twin', 'twin', undefined),
        storm: at('/storm', 'storm', AFTER, { retry: { on: ['503'], attempts: 3, backoff: '0ms' } }),
      },
    });
  });
  after(() => closeAll(() => s?.close(), () => fleet?.close(), () => held?.close()));

  // How long each request took.
  async function times(prefix, requests, width) {
    const took = [];
    let next = 0;
    await Promise.all(Array.from({ length: width }, async () => {
      const client = await s.connect({ plain: true, listener: 'plain' });
      while (next < requests) {
        const begun = performance.now();
        await client.send(requestText({ path: `${prefix}/${next++}` }));
        await client.response();
        took.push(performance.now() - begun);
      }
      client.end();
    }));
    return took;
  }
  const isLate = (took) => took >= SLOW * 0.9;
  // One of three is slow in every second of its requests: a sixth of all.
  const slow = ({ server, answer }) => (server.name === 'server-0' && server.requests % 2 === 0 ? setTimeout(answer, SLOW) : answer());

  it('one of three is slow: few notice, and the servers get a fifth more at the most', async () => {
    fleet.act = slow;
    const before = fleet.requests;
    const late = (await times('/tail', 300, 8)).filter(isLate).length;
    assert.ok(late <= 300 / 18, `${late} of 300 are late`); // a third of those that would be
    assert.ok(fleet.requests - before <= 300 * 1.2 + 3, `${fleet.requests - before} requests`);
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_hedges_total'), fleet.requests - before - 300);
  });
  it('twin: without it the slow ones are as slow as their server', async () => {
    fleet.act = slow;
    const late = (await times('/twin', 120, 8)).filter(isLate).length;
    assert.ok(late >= 120 / 6 - 1, `${late} of 120 are late`);
  });
  it('all are slow and fail: hedges and retries together are a fifth of the requests', async () => {
    held.act = ({ answer }) => setTimeout(() => answer(503, 'failed'), 50);
    await times('/storm', 600, 16);
    assert.ok(held.requests >= 600 * 1.15 && held.requests <= 600 * 1.2 + 3, `${held.requests} requests`);
  });
});

describe('hedging, checked', () => {
  const check = (hedge, more = {}) => {
    const file = join(tempDir('hedging'), 'gateway.yaml');
    writeFileSync(file, JSON.stringify({
      listeners: { public: { address: '127.0.0.1', port: 1, plaintext: 'allow' } },
      upstreams: { 'order-service': { endpoints: ['http://127.0.0.1:9001', 'http://127.0.0.1:9002'] } },
      routes: { open: { match: { host: HOST, path: '/**' }, upstream: 'order-service', auth: 'none', limits: [{ limit: '9/1m', by: 'address' }], hedge, ...more } },
    }));
    return sallyport(['check', file]);
  };
  for (const hedge of ['50ms', { after: '50ms', methods: ['HEAD'] }]) {
    it(`a good one is shown: ${JSON.stringify(hedge)}`, async () => {
      const { code, stdout, stderr } = await check(hedge);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /hedge .*after: 50ms/);
    });
  }
  for (const [name, hedge, more, said] of [
    ['as late as the timeout', '15s', {}, /hedge.*: after must be less than the route's timeout/],
    ['as late as a try may take', '1s', { retry: { try_timeout: '1s' } }, /after must be less than the try_timeout/],
    ['POST', { after: '50ms', methods: ['GET', 'POST'] }, {}, /only GET and HEAD can be hedged/],
    ['no time', { methods: ['GET'] }, {}, /after/],
    ['at once', '0ms', {}, /hedge: a duration .*, as in "hedge: 100ms"/],
  ]) {
    it(`refused: ${name}`, async () => {
      const { code, stderr } = await check(hedge, more);
      assert.equal(code, 1);
      assert.match(stderr, said);
    });
  }
});
