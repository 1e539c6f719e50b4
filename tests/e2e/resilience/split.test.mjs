// A route's requests shared out to several upstreams: exact by weight, sticky by what the route says.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';
import { closeAll, HOST, OPEN, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { startUpstream } from '../lib/upstream.mjs';

describe('split', () => {
  let s, canary;
  before(async () => {
    const script = (name) => async (exchange) => (await exchange.request.read(), exchange.json(200, { name }));
    canary = await startUpstream({ name: 'canary', record: false, script: script('canary') });
    const at = (path, split, more = {}) => ({ ...OPEN, listeners: ['public'], match: { host: HOST, path: `${path}/**` }, split, ...more });
    s = await openStage({
      config: { workers: 2, upstreams: { canary: { endpoints: [canary.url] } }, listeners: { plain: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } } },
      routes: {
        exact: at('/exact', { weights: { 'order-service': 95, canary: 5 } }, { listeners: ['plain'] }),
        header: at('/header', { weights: { 'order-service': 50, canary: 50 }, sticky: 'header:X-Tenant' }),
        cookie: at('/cookie', { weights: { 'order-service': 50, canary: 50 }, sticky: 'cookie:session' }),
        caller: { ...READ_ORDERS, listeners: ['public'], match: { host: HOST, path: '/caller/**' }, split: { weights: { 'order-service': 50, canary: 50 }, sticky: 'caller' } },
        off: at('/off', { weights: { 'order-service': 1, canary: 0 } }),
      },
      upstream: { tls: undefined, record: false, script: script('order-service') },
    });
  });
  after(() => closeAll(() => s?.close(), () => canary?.close()));

  const who = async (parts) => (await s.request(parts)).json().name;

  it('exact over 10,000 requests on two workers: 500 of them', async () => {
    let left = 10_000;
    const counts = { 'order-service': 0, canary: 0 };
    await Promise.all(Array.from({ length: 8 }, async () => {
      const client = await RawClient.connect({ port: s.gateway.ports.plain });
      while (left-- > 0) {
        await client.send(requestText({ path: '/exact/1' }));
        counts[(await client.response()).json().name]++;
      }
      client.end();
    }));
    assert.deepEqual(counts, { 'order-service': 9500, canary: 500 });
  });
  for (const [path, field] of [['/header', (i) => ['X-Tenant', `tenant-${i}`]], ['/cookie', (i) => ['Cookie', `a=b; session=s${i}`]]]) {
    it(`sticky by ${path.slice(1)}: each stays, and both upstreams have some`, async () => {
      const names = new Set();
      for (let i = 0; i < 20; i++) {
        const name = await who({ path: `${path}/1`, fields: [field(i)] });
        names.add(name);
        for (let k = 0; k < 3; k++) assert.equal(await who({ path: `${path}/${k}`, fields: [field(i)] }), name);
      }
      assert.equal(names.size, 2);
    });
    it(`twin: without that ${path.slice(1)} each takes its turn`, async () => {
      const names = [];
      for (let i = 0; i < 20; i++) names.push(await who({ path: `${path}/1` }));
      assert.equal(names.filter((name) => name === 'canary').length, 10);
    });
  }
  it('sticky by caller: by who is proven to be, whatever its token', async () => {
    const names = new Set();
    for (let i = 0; i < 20; i++) {
      const name = await who({ path: '/caller/1', token: await s.mint({ sub: `user-${i}` }) });
      names.add(name);
      for (let k = 0; k < 2; k++) assert.equal(await who({ path: '/caller/1', token: await s.mint({ sub: `user-${i}`, jti: `${k}` }) }), name);
    }
    assert.equal(names.size, 2);
  });
  it('a weight of 0: nothing goes there; the log says who served', async () => {
    for (let i = 0; i < 10; i++) assert.equal(await who({ path: '/off/1' }), 'order-service');
    const response = await s.request({ path: '/cookie/1', fields: [['Cookie', 'session=x']] });
    const access = await s.gateway.access('the request', (l) => l.request_id === response.fields.get('x-request-id'));
    assert.equal(access.upstream, response.json().name);
  });
});

describe('split, checked', () => {
  const check = (split, more = {}) => {
    const file = join(tempDir('split'), 'gateway.yaml');
    writeFileSync(file, JSON.stringify({
      listeners: { public: { address: '127.0.0.1', port: 1, plaintext: 'allow' } },
      upstreams: { orders: { endpoints: ['http://127.0.0.1:9001'] }, canary: { endpoints: ['http://127.0.0.1:9002'] } },
      defaults: { upstream: 'orders' },
      routes: { open: { match: { host: HOST, path: '/**' }, auth: 'none', limits: [{ limit: '9/1m', by: 'address' }], split, ...more } },
    }));
    return sallyport(['check', file]);
  };
  it('a good one is shown', async () => {
    const { code, stdout, stderr } = await check({ weights: { orders: 9, canary: 1 } });
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    assert.match(stdout, /split +\{ weights: \{ orders: 9, canary: 1 \} \}/);
    assert.doesNotMatch(stdout, /^  upstream /m);
  });
  it('an upstream of its own beside it is warned of', async () => {
    const { code, stderr } = await check({ weights: { orders: 9, canary: 1 } }, { upstream: 'orders' });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /warning: .*`split` stands in place of `upstream`/);
  });
  for (const [name, split, said] of [
    ['an upstream that is not there', { weights: { orders: 1, canry: 1 } }, /canry/],
    ['no weight at all', { weights: { orders: 0 } }, /all weights are 0/],
    ['none', { weights: {} }, /weights/],
    ['less than nothing', { weights: { orders: -1 } }, /weight/],
    ['sticky by the weather', { weights: { orders: 1 }, sticky: 'weather' }, /sticky/],
  ]) {
    it(`refused: ${name}`, async () => {
      const { code, stderr } = await check(split);
      assert.equal(code, 1);
      assert.match(stderr, said);
    });
  }
});
