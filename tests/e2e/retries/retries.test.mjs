// Requests that are sent again because their route says so: when, how often, and when not.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { closeAll, HOST, OPEN, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { tempDir } from '../lib/temp.mjs';
import { grows, IDLE, leavesNothing } from '../faults/lib.mjs';
import { startUpstream } from '../lib/upstream.mjs';

const FAST = { backoff: '0ms' };
const at = (path, retry, more = {}) => ({ ...OPEN, match: { host: HOST, path: `${path}/**` }, timeout: '1s', retry: { ...FAST, ...retry }, ...more });

describe('retries', () => {
  let s;
  // How the upstream fails each request by its path, and how often before it answers.
  const failures = new Map();
  const seen = (path) => s.upstream.requests.filter((r) => r.target === path).length;
  const kinds = {
    reset: (exchange) => exchange.reset(),
    silence: (exchange) => (exchange.stop = true),
    half: (exchange) => exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!').then(() => exchange.destroy()),
  };
  before(async () => {
    s = await openStage({
      config: { workers: 1, upstreams: { 'order-service': { retries: 0, retry_budget: 100 } } },
      routes: {
        plain: { ...OPEN, match: { host: HOST, path: '/plain/**' }, timeout: '1s' },
        standard: at('/standard', {}),
        twice: at('/twice', { attempts: 2 }),
        all: at('/all', { on: ['500', '502', '504', 'timeout'], try_timeout: '100ms' }),
        posts: at('/posts', { methods: ['POST'] }),
        late: at('/late', { attempts: 10, backoff: '60s' }, { timeout: '1h' }),
      },
      upstream: {
        record: false,
        script: async (exchange) => {
          const failure = failures.get(exchange.request.target);
          const request = await exchange.request.read();
          if (!failure || failure.times-- <= 0) return exchange.json(200, { served: request.target, body: request.body.toString() });
          if (typeof failure.how === 'number') return exchange.respond(failure.how, [['X-Try', 'failed']], 'failed');
          return kinds[failure.how](exchange);
        },
      },
    });
  });
  after(() => s?.close());

  let count = 0;
  async function tried(prefix, how, times, parts = {}) {
    const path = `${prefix}/${++count}`;
    failures.set(path, { how, times });
    const response = await s.request({ path, ...parts });
    const id = response.fields.get('x-request-id');
    const access = await s.gateway.access('the request', (l) => l.request_id === id);
    return { response, access, times: seen(path) };
  }

  for (const [name, prefix, how] of [
    ['503 by default', '/standard', 503],
    ['a connection that is reset, by default', '/standard', 'reset'],
    ['500', '/all', 500],
    ['502', '/all', 502],
    ['504', '/all', 504],
    ['silence for try_timeout', '/all', 'silence'],
  ]) {
    it(`${name}: tried again, and the client sees the second answer alone`, async () => {
      const { response, access, times } = await tried(prefix, how, 1);
      assert.equal(response.status, 200);
      assert.equal(response.fields.get('x-try'), undefined);
      assert.equal(times, 2);
      assert.equal(access.tries, 1);
    });
  }
  it('attempts: no more than that, and then what the last one said', async () => {
    const { response, access, times } = await tried('/twice', 503, 9);
    assert.equal(response.status, 503);
    assert.equal(response.fields.get('x-try'), 'failed');
    assert.equal(times, 3);
    assert.equal(access.tries, 2);
    assert.equal((await tried('/twice', 503, 2)).response.status, 200);
  });
  for (const [name, prefix, how, status, parts] of [
    ['what the route does not name: 500', '/standard', 500, 500],
    ['what the route does not name: silence', '/standard', 'silence', 504],
    ['a success', '/standard', 200, 200],
    ['without `retry`', '/plain', 503, 503],
    ['POST', '/standard', 503, 503, { method: 'POST', body: 'x' }],
    ['POST without a body', '/standard', 'reset', 502, { method: 'POST' }],
    ['GET where another method is named', '/posts', 503, 503],
    ['a body that is on its way', '/standard', 503, 503, { method: 'PUT', body: 'x'.repeat(1000) }],
  ]) {
    it(`not tried again: ${name}`, async () => {
      const { response, access, times } = await tried(prefix, how, 1, parts);
      assert.equal(response.status, status);
      assert.equal(times, 1);
      assert.equal(access.tries, undefined);
    });
  }
  it('twin: POST without a body where it is named', async () => {
    const { response, times } = await tried('/posts', 503, 1, { method: 'POST' });
    assert.equal(response.status, 200);
    assert.equal(times, 2);
  });
  it('never after the first byte of an answer', async () => {
    const path = `/standard/${++count}`;
    failures.set(path, { how: 'half', times: 1 });
    await s.request({ path }).catch((error) => error); // 502, or cut off: whether the head had left is a matter of time
    assert.ok(seen(path) <= 2);
  });
  it('the timeout is for all tries together', async () => {
    const begun = Date.now();
    const path = `/all/${++count}`;
    failures.set(path, { how: 'silence', times: 99 });
    const { access } = await s.denied({ status: 504, code: 'gateway_timeout', reason: 'upstream_timeout', nothingUpstream: false }, () => s.request({ path }));
    assert.equal(access.tries, 1);
    assert.ok(Date.now() - begun < 2000);
  });
  it('a client that goes away while a try is waited for: nothing more is sent, and nothing is left', () =>
    leavesNothing(s, async () => {
      const path = `/late/${++count}`;
      failures.set(path, { how: 503, times: 99 });
      const client = await s.connect();
      await grows(s, 'sallyport_upstream_retries_total', {}, () => client.send(requestText({ path })));
      client.destroy();
      await s.gateway.access('the request', (l) => l.path === path && l.aborted);
      assert.equal(seen(path), 1);
    }));
  it('no wait is longer than what is left of the timeout', async () => {
    const path = `/all/${++count}`;
    failures.set(path, { how: 'silence', times: 99 });
    assert.equal((await s.request({ path })).status, 504);
  });
});

describe('a retry budget', () => {
  let s, broken;
  before(async () => {
    broken = await startUpstream({ name: 'broken', record: false, script: async (exchange) => (await exchange.request.read(), exchange.respond(503)) });
    s = await openStage({
      config: { workers: 1, upstreams: { broken: { endpoints: [broken.url], retries: 0 }, none: { endpoints: [broken.url], retries: 0, retry_budget: 0 } } },
      routes: { broken: at('/broken', { attempts: 3 }, { upstream: 'broken' }), none: at('/none', {}, { upstream: 'none' }) },
    });
  });
  after(() => closeAll(() => s?.close(), () => broken?.close()));

  it('when everything fails, an upstream gets a fifth more and not four times as much', async () => {
    const client = await s.connect();
    const REQUESTS = 500;
    for (let i = 0; i < REQUESTS; i++) {
      await client.send(requestText({ path: `/broken/${i}` }));
      assert.equal((await client.response()).status, 503);
    }
    client.end();
    assert.ok(broken.requests.length >= REQUESTS * 1.19 && broken.requests.length <= REQUESTS * 1.2 + 3, `${broken.requests.length} requests`);
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_upstream_retries_total'), broken.requests.length - REQUESTS);
    assert.ok(metrics.sum('sallyport_upstream_retries_refused_total') > REQUESTS / 2);
  });
  it('0: none', async () => {
    const before = broken.requests.length;
    for (let i = 0; i < 10; i++) assert.equal((await s.request({ path: `/none/${i}` })).status, 503);
    assert.equal(broken.requests.length - before, 10);
  });
});

describe('retries to another server', () => {
  let s, dead;
  before(async () => {
    dead = await startUpstream({ name: 'dead' });
    await dead.stop();
    s = await openStage({
      config: (stage) => ({ workers: 1, upstreams: { pair: { endpoints: [dead.url, stage.upstream.url], tls: { ca: stage.ca.certFile }, retries: 0, retry_budget: 100 } } }),
      routes: { pair: at('/pair', { on: ['connect'] }, { upstream: 'pair' }), without: { ...OPEN, match: { host: HOST, path: '/without/**' }, upstream: 'pair' } },
    });
  });
  after(() => s?.close());

  it('connect: the other one serves', async () => {
    for (let i = 0; i < 10; i++) assert.equal((await s.request({ path: `/pair/${i}` })).status, 200);
  });
  it('twin: without it half of them fail', async () => {
    const statuses = [];
    for (let i = 0; i < 10; i++) statuses.push((await s.request({ path: `/without/${i}` })).status);
    assert.equal(statuses.filter((status) => status === 502).length, 5, `${statuses}`);
  });
});

describe('retries, checked', () => {
  const check = (retry, more = {}) => {
    const file = join(tempDir('retries'), 'gateway.yaml');
    writeFileSync(file, JSON.stringify({
      listeners: { public: { address: '127.0.0.1', port: 1, plaintext: 'allow' } },
      upstreams: { 'order-service': { endpoints: ['http://127.0.0.1:9001'] } },
      routes: { open: { match: { host: HOST, path: '/**' }, upstream: 'order-service', auth: 'none', limits: [{ limit: '9/1m', by: 'address' }], retry, ...more } },
    }));
    return sallyport(['check', file]);
  };
  it('a good one is shown', async () => {
    const { code, stdout, stderr } = await check({ on: ['503', 'timeout'], try_timeout: '2s', attempts: 2 });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /retry .*try_timeout: 2s/);
  });
  for (const [name, retry, more, said] of [
    ['a try as long as all', { try_timeout: '15s' }, {}, /retry.*: try_timeout must be less than the route's timeout/],
    ['timeout without try_timeout', { on: ['timeout'] }, {}, /there must be a try_timeout/],
    ['a status that means no failure', { on: ['404'] }, {}, /404/],
    ['CONNECT', { methods: ['CONNECT'] }, {}, /CONNECT is never sent again/],
    ['no attempts', { attempts: 0 }, {}, /attempts/],
  ]) {
    it(`refused: ${name}`, async () => {
      const { code, stderr } = await check(retry, more);
      assert.equal(code, 1);
      assert.match(stderr, said);
    });
  }
});
