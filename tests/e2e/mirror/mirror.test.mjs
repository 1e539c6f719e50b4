// Copies of requests for a second upstream: whole, without credentials, and without anybody waiting for them.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { startHttp2 } from '../http2_upstreams/lib.mjs';
import { sallyport } from '../lib/gateway.mjs';
import { requestText } from '../lib/raw.mjs';
import { closeAll, HOST, OPEN, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { echo, startUpstream } from '../lib/upstream.mjs';
import { until } from '../lib/wait.mjs';

const sha256 = (body) => createHash('sha256').update(body).digest('hex');

describe('mirror', () => {
  let s, shadow, shadow2, act;
  const bodies = []; // of copies over HTTP/2
  const outcome = async (name) => (await s.gateway.metrics()).sum('sallyport_mirrored_requests_total', { outcome: name });
  const copied = (path) => shadow.request(`a copy of ${path}`, (r) => r.target === path);
  before(async () => {
    shadow = await startUpstream({ name: 'shadow', script: async (exchange) => act(exchange) });
    shadow2 = await startHttp2({
      tls: false,
      script: async (stream) => {
        const pieces = [];
        for await (const piece of stream) pieces.push(piece);
        bodies.push(Buffer.concat(pieces));
        stream.respond({ ':status': 200 });
        stream.end();
      },
    });
    const at = (path, mirror, more = {}) => ({ ...OPEN, match: { host: HOST, path: `${path}/**` }, mirror, ...more });
    s = await openStage({
      config: { workers: 1, upstreams: { shadow: { endpoints: [shadow.url], retries: 0 }, shadow2: { endpoints: [shadow2.url], retries: 0 }, gone: { endpoints: ['http://127.0.0.1:1'], retries: 0 } } },
      routes: {
        open: at('/open', 'shadow'),
        orders: { ...READ_ORDERS, relay: { token: 'forward', headers: { 'X-User': 'subject' } }, mirror: 'shadow' },
        trusted: { ...READ_ORDERS, match: { host: HOST, path: '/trusted/**' }, relay: { token: 'forward' }, mirror: { upstream: 'shadow', credentials: true } },
        large: at('/large', { upstream: 'shadow', body: '1MiB' }),
        large2: at('/large2', { upstream: 'shadow2', body: '1MiB' }),
        some: at('/some', { upstream: 'shadow', percent: 20 }),
        gone: at('/gone', 'gone'),
        quick: at('/quick', 'shadow', { timeout: '200ms' }),
      },
    });
  });
  beforeEach(() => (act = echo));
  after(() => closeAll(() => s?.close(), () => shadow?.close(), () => shadow2?.close()));

  it('the same request: method, target, fields, body', async () => {
    const body = randomBytes(50_000);
    for (const framing of [{ body }, { body, chunked: true }]) {
      const path = `/open/${randomBytes(4).toString('hex')}?a=b%20c`;
      const { echo: seen } = await s.allowed(() => s.request({ method: 'PUT', path, fields: [['X-Own', 'yes'], ['Content-Type', 'application/octet-stream']], ...framing }));
      const copy = await copied(path);
      await until('its body', () => copy.body !== undefined);
      assert.equal(copy.method, 'PUT');
      assert.equal(sha256(copy.body), sha256(body));
      const names = (list) => list.map(([name, value]) => `${name.toLowerCase()}: ${value}`).filter((line) => !/^(transfer-encoding|content-length):/.test(line)).sort();
      assert.deepEqual(names(copy.fields.list), names(seen.fields));
    }
  });
  it('a body that is larger than what a connection takes at once', async () => {
    const body = randomBytes(1_000_000);
    const answered = await outcome('answered');
    await s.allowed(() => s.request({ method: 'PUT', path: '/large/1', body }));
    const copy = await copied('/large/1');
    await until('its body', () => copy.body !== undefined);
    assert.equal(sha256(copy.body), sha256(body));
    await s.allowed(() => s.request({ method: 'PUT', path: '/large2/1', body }));
    await until('the copy over HTTP/2', () => bodies.length === 1);
    assert.equal(sha256(bodies[0]), sha256(body));
    await until('both to be answered', async () => (await outcome('answered')) === answered + 2);
  });
  it('credentials stay, and what the gateway says of the caller goes', async () => {
    const token = await s.mint();
    const { echo: seen } = await s.allowed(() => s.request({ path: '/orders/1', token, fields: [['Cookie', 'session=secret']] }));
    assert.ok(seen.fields.some(([name]) => name.toLowerCase() === 'authorization'));
    const copy = await copied('/orders/1');
    assert.equal(copy.fields.get('authorization'), undefined);
    assert.equal(copy.fields.get('cookie'), undefined);
    assert.ok(copy.fields.get('x-user'));
    assert.equal(shadow.text.includes(token), false);
  });
  it('twin: they go where the route says so', async () => {
    const token = await s.mint();
    await s.allowed(() => s.request({ path: '/trusted/1', token, fields: [['Cookie', 'session=secret']] }));
    const copy = await copied('/trusted/1');
    assert.equal(copy.fields.get('authorization'), `Bearer ${token}`);
    assert.equal(copy.fields.get('cookie'), 'session=secret');
  });
  it('an answer without end holds nothing for ever', async () => {
    const before = await outcome('failed');
    let timer;
    act = async (exchange) => {
      exchange.stop = true;
      await exchange.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
      timer = setInterval(() => exchange.send('data: 1\n\n').catch(() => clearInterval(timer)), 20);
    };
    await s.allowed(() => s.request({ path: '/quick/endless' }));
    await copied('/quick/endless');
    await until('it to be given up', async () => (await outcome('failed')) === before + 1);
    clearInterval(timer);
  });
  it('what is denied is not copied', async () => {
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/orders/denied' }));
    await s.allowed(() => s.request({ path: '/open/behind' }));
    await copied('/open/behind');
    assert.equal(shadow.requests.some((r) => r.target === '/orders/denied'), false);
  });

  const unnoticed = async (path, parts = {}) => {
    const { response } = await s.allowed(() => s.request({ path, ...parts }));
    assert.equal(response.status, 200);
  };
  it('an answer is thrown away, whatever it says', async () => {
    act = (exchange) => exchange.respond(500, [['X-Shadow', 'yes']], 'x'.repeat(200_000));
    const before = await outcome('answered');
    const { response } = await s.allowed(() => s.request({ path: '/open/500' }));
    assert.equal(response.fields.get('x-shadow'), undefined);
    await until('the answer', async () => (await outcome('answered')) === before + 1);
  });
  for (const [name, path, how] of [
    ['that is not there', '/gone/1', echo],
    ['that is frozen', '/quick/1', async (exchange) => (await exchange.request.read(), (exchange.stop = true))],
    ['that resets', '/open/reset', (exchange) => exchange.reset()],
    ['that speaks rubbish', '/open/rubbish', async (exchange) => (await exchange.send('rubbish\r\n\r\n'), exchange.destroy())],
  ]) {
    it(`one ${name}: nobody notices but the metric`, async () => {
      act = how;
      const before = await outcome('failed');
      await unnoticed(path);
      await until('the failure', async () => (await outcome('failed')) === before + 1, 5000);
    });
  }
  it('a body that is too large is not copied; the request passes', async () => {
    for (const framing of [{}, { chunked: true }]) {
      const before = await outcome('dropped');
      await unnoticed('/open/large', { method: 'PUT', body: Buffer.alloc(65_537), ...framing });
      assert.equal(await outcome('dropped'), before + 1);
    }
    assert.equal(shadow.requests.some((r) => r.target === '/open/large'), false);
  });
  it('a request that breaks off is not copied', async () => {
    const before = await outcome('dropped');
    const client = await s.connect();
    await client.send(`PUT /open/broken HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 100\r\n\r\nhalf`);
    await s.upstream.request('its beginning', (r) => r.target === '/open/broken');
    client.destroy();
    await until('the end', async () => (await outcome('dropped')) === before + 1);
    assert.equal(shadow.requests.some((r) => r.target === '/open/broken'), false);
  });
  it('no more than 256 at once wait for it', async () => {
    act = async (exchange) => (await exchange.request.read(), (exchange.stop = true));
    const before = await outcome('dropped');
    const client = await s.connect();
    for (let i = 0; i < 300; i++) {
      await client.send(requestText({ path: `/open/many/${i}` }));
      assert.equal((await client.response()).status, 200);
    }
    client.end();
    assert.ok((await outcome('dropped')) - before >= 300 - 256);
    await shadow.stop(); // ends them all
    await shadow.start(shadow.port);
    await until('the end', async () => (await s.gateway.metrics()).sum('sallyport_upstream_connections_open') < 20);
  });
  it('percent: a share of them', async () => {
    const client = await s.connect();
    const from = shadow.requests.length;
    for (let i = 0; i < 500; i++) {
      await client.send(requestText({ path: `/some/${i}` }));
      assert.equal((await client.response()).status, 200);
    }
    await client.send(requestText({ path: '/open/last' }));
    await client.response();
    client.end();
    await copied('/open/last');
    const share = shadow.requests.length - from - 1;
    assert.ok(share > 50 && share < 160, `${share} of 500`); // 100 ± 6.7 standard deviations
  });
});

describe('mirror, checked', () => {
  const check = (mirror) => {
    const file = join(tempDir('mirror'), 'gateway.yaml');
    writeFileSync(file, JSON.stringify({
      listeners: { public: { address: '127.0.0.1', port: 1, plaintext: 'allow' } },
      upstreams: { orders: { endpoints: ['http://127.0.0.1:9001'] }, shadow: { endpoints: ['http://127.0.0.1:9002'] } },
      routes: { open: { match: { host: HOST, path: '/**' }, upstream: 'orders', auth: 'none', limits: [{ limit: '9/1m', by: 'address' }], mirror } },
    }));
    return sallyport(['check', file]);
  };
  it('a good one is shown', async () => {
    const { code, stdout, stderr } = await check({ upstream: 'shadow', percent: 5 });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /mirror .*percent: 5/);
  });
  for (const [name, mirror, said] of [
    ['an upstream that is not there', 'shadov', /mirror.*no upstream.*shadov|shadov.*did you mean/],
    ['the same upstream', 'orders', /each would be served twice/],
    ['more than all', { upstream: 'shadow', percent: 101 }, /percent/],
  ]) {
    it(`refused: ${name}`, async () => {
      const { code, stderr } = await check(mirror);
      assert.equal(code, 1);
      assert.match(stderr, said);
    });
  }
});
