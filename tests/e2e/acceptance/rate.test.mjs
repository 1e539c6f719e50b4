// N requests a window per client, and not one more in any window.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { READ_ORDERS, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { pass } from '../lib/wait.mjs';

const COUNT = 10;
const WINDOW = 2_000;

describe(`${COUNT} requests in ${WINDOW} ms per client and not one more in any window`, () => {
  let s;
  before(async () => {
    s = await openStage({ routes: { 'read-orders': { ...READ_ORDERS, limits: [{ limit: `${COUNT}/${WINDOW}ms`, by: 'caller' }] } } });
  });
  after(() => s?.close());

  it('any window, however it lies', async () => {
    const token = await s.mint({ sub: 'steady' });
    const client = await s.connect();
    const admitted = [];
    const end = Date.now() + 3.2 * WINDOW;
    while (Date.now() < end) {
      const sent = performance.now();
      await client.send(requestText({ path: '/orders/1', token }));
      const { status } = await client.response();
      assert.ok(status === 200 || status === 429, `status ${status}`);
      if (status === 200) admitted.push({ sent, answered: performance.now() });
      await pass(17);
    }
    client.end();
    // Each decision fell between `sent` and `answered`: COUNT + 1 admissions cannot lie within one window.
    for (let i = 0; i + COUNT < admitted.length; i++) {
      const span = admitted[i + COUNT].answered - admitted[i].sent;
      assert.ok(span >= WINDOW, `${COUNT + 1} admissions within ${span} ms`);
    }
    assert.ok(admitted.length >= 3 * COUNT, `only ${admitted.length} were admitted in more than three windows`);
  });

  it('side by side, over many connections and both workers', async () => {
    const tokens = { bob: await s.mint({ sub: 'bob' }), carol: await s.mint({ sub: 'carol' }) };
    const ask = (sub) => s.request({ path: '/orders/1', token: tokens[sub] }).then((r) => [sub, r]);
    const started = performance.now();
    const answers = await Promise.all(Array.from({ length: 6 * COUNT }, (_, i) => ask(i % 2 ? 'bob' : 'carol')));
    const took = performance.now() - started;
    for (const sub of ['bob', 'carol']) {
      const own = answers.filter(([name]) => name === sub).map(([, r]) => r);
      const passed = own.filter((r) => r.status === 200).length;
      if (took < WINDOW) assert.equal(passed, COUNT, `${sub}: within one window`);
      else assert.ok(passed >= COUNT, `${sub}: at least the allowance`);
      for (const response of own.filter((r) => r.status !== 200)) {
        s.checkDenial(response, { status: 429, code: 'rate_limited' });
        const retry = Number(response.fields.get('retry-after'));
        assert.ok(Number.isInteger(retry) && retry >= 1 && retry <= Math.ceil(WINDOW / 1000) + 1, `Retry-After ${retry}`);
      }
    }
  });

  it('a client that waited as told is served again', async () => {
    const token = await s.mint({ sub: 'dave' });
    let refused;
    for (let i = 0; i <= COUNT && !refused; i++) {
      const response = await s.request({ path: '/orders/1', token });
      if (response.status === 429) refused = response;
    }
    assert.ok(refused, 'the one too many was refused');
    await pass(1000 * Number(refused.fields.get('retry-after')));
    assert.equal((await s.request({ path: '/orders/1', token })).status, 200);
  });

  it('the refusal is logged with its reason and nothing of it goes upstream', async () => {
    const token = await s.mint({ sub: 'erin' });
    for (let i = 0; i < COUNT; i++) await s.request({ path: '/orders/1', token });
    await s.denied({ status: 429, code: 'rate_limited', reason: 'rate_caller' }, () => s.request({ path: '/orders/1', token }));
  });
});
