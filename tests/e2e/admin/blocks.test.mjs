// The admin API for blocks: what `sallyport block` does, over HTTP, by who may.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { READ_ORDERS } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { makeStore } from '../blocks/lib.mjs';
import { assertProblem, openAdmin } from './lib.mjs';

const REASON = 'INC-4711: it leaked';

describe('the admin API, blocks', () => {
  let s, store;
  before(async () => {
    const made = await makeStore();
    store = made.store;
    chmodSync(made.dir, 0o777); // the gateway's user is another one where the tests are root's
    chmodSync(store, 0o666);
    s = await openAdmin({ config: { blocks: { store } }, admin: { blocks: true }, routes: { orders: READ_ORDERS } });
  });
  after(() => s?.close());
  const add = async (body) => {
    const response = await s.post('/v1/blocks', { expires: '1h', reason: REASON, ...body });
    assert.equal(response.status, 201, response.text);
    return response.json();
  };
  const call = (token) => s.request({ path: '/orders/1', token });
  const becomes = (status, token) => until(`${status} everywhere`, async () => {
    for (let i = 0; i < 8; i++) if ((await call(token)).status !== status) return false;
    return true;
  });

  it('add: bites in all workers, and nobody else; remove: as before', async () => {
    const [bad, good] = [await s.mint({ sub: 'mallory' }), await s.mint({ sub: 'alice' })];
    assert.deepEqual([(await call(bad)).status, (await call(good)).status], [200, 200]);
    const block = await add({ kind: 'sub', value: 'mallory', issuer: 'main' });
    assert.deepEqual([block.kind, block.value, block.state, block.reason, block.by], ['sub', 'mallory', 'in force', REASON, 'spiffe://example.org/ops/root']);
    await becomes(401, bad);
    assert.equal((await call(good)).status, 200);
    const removed = await s.post(`/v1/blocks/${block.number}/remove`, { reason: 'found again' });
    assert.deepEqual([removed.status, removed.json()], [200, { removed: block.number }]);
    await becomes(200, bad);
    assertProblem(await s.post(`/v1/blocks/${block.number}/remove`), 404, 'not_found', /no such block/);
  });
  it('a token is kept by its digest, and stands nowhere', async () => {
    const [bad, good] = [await s.mint({ jti: 'a' }), await s.mint({ jti: 'b' })];
    const block = await add({ kind: 'token', value: bad });
    assert.equal(block.value, createHash('sha256').update(bad).digest('hex'));
    await becomes(401, bad);
    assert.equal((await call(good)).status, 200);
    const secret = bad.split('.')[2];
    assert.ok(!s.gateway.output.includes(secret) && !readFileSync(store, 'latin1').includes(secret));
  });
  it('what may be a token or the digest of one blocks neither, until it is said which', async () => {
    const token = await s.mint({ jti: 'digested' });
    const digest = createHash('sha256').update(token).digest('hex');
    const body = { kind: 'token', expires: '1h', reason: REASON };
    assertProblem(await s.post('/v1/blocks', { ...body, value: digest }), 400, 'invalid_request', /value: .*sha256:/);
    assert.equal((await call(token)).status, 200);
    assert.equal((await add({ kind: 'token', value: `sha256:${digest}` })).value, digest);
    await becomes(401, token);
  });
  it('what no token can be is refused: its digest would block nobody', async () => {
    const token = await s.mint({ jti: 'framed' });
    for (const value of [`Bearer ${token}`, `${token}\n`, ` ${token}`, `"${token}"`, 'a=b']) {
      assertProblem(await s.post('/v1/blocks', { kind: 'token', value, expires: '1h', reason: REASON }), 400, 'invalid_request', /value: is no token/);
    }
    assert.equal((await call(token)).status, 200);
    await add({ kind: 'token', value: token });
    await becomes(401, token);
  });
  it('list: pages, by kind; the command tells the same', async () => {
    for (let i = 0; i < 5; i++) await add({ kind: 'jti', value: `t${i}`, issuer: 'main' });
    const first = (await s.get('/v1/blocks?kind=jti&limit=3')).json();
    assert.deepEqual(first.blocks.map((b) => b.value), ['t0', 't1', 't2']);
    const second = (await s.get(`/v1/blocks?kind=jti&limit=3&after=${first.next}`)).json();
    assert.deepEqual([second.blocks.map((b) => b.value), second.next], [['t3', 't4'], null]);
    const { stdout } = await sallyport(['block', 'list', '--config', s.gateway.file, '--json', '--kind', 'jti']);
    assert.deepEqual(JSON.parse(stdout), [...first.blocks, ...second.blocks]);
  });
  it('who may only look may not block; who may nothing sees nothing', async () => {
    const body = { kind: 'sub', value: 'alice', issuer: 'main', expires: '1h', reason: REASON };
    assert.equal((await s.admin({ as: 'viewer', path: '/v1/blocks' })).status, 200);
    assert.equal((await s.admin({ as: 'viewer', method: 'POST', path: '/v1/blocks', body })).status, 403);
    assert.equal((await s.admin({ as: 'stranger', path: '/v1/blocks' })).status, 401);
  });
  it('what is wrong is said, and nothing is blocked', async () => {
    const before = (await s.get('/v1/blocks?limit=1000')).json().blocks.length;
    const wrong = [
      [{ kind: 'nobody', value: 'x' }, /kind/],
      [{ kind: 'sub', value: 'x' }, /value: .*issuer/],
      [{ kind: 'address', value: '127.0.0.1' }, /value: .*loopback/],
      [{ kind: 'address', value: '10.0.0.0/4' }, /value/],
      [{ kind: 'route', value: 'nowhere' }, /value/],
      [{ kind: 'consumer', value: 'acme', expires: 'soon' }, /expires/],
      [{ kind: 'consumer', value: 'acme', expires: '2001-01-01' }, /expires/],
      [{ kind: 'consumer', value: 'acme', reason: 'two\nlines' }, /reason/],
      [{ kind: 'consumer', value: 'acme', reson: 'x' }, /not known/],
    ];
    for (const [body, detail] of wrong) assertProblem(await s.post('/v1/blocks', { expires: '1h', reason: REASON, ...body }), 400, 'invalid_request', detail);
    assertProblem(await s.post('/v1/blocks', { kind: 'consumer', value: 'acme', reason: REASON }), 400, 'invalid_request', /expires/);
    assertProblem(await s.get('/v1/blocks?kind=nobody'), 400, 'invalid_request', /kind/);
    assertProblem(await s.post('/v1/blocks/0/remove'), 404, 'not_found', /no such block/);
    assert.equal((await s.get('/v1/blocks?limit=1000')).json().blocks.length, before);
  });
  it('who blocked what stands in the audit log', async () => {
    const { number } = await add({ kind: 'consumer', value: 'acme' });
    const line = await s.gateway.audit('the change', (l) => l.event === 'administered' && l.action === 'blocks.add' && l.detail === `${number} consumer`);
    assert.equal(line.subject, 'spiffe://example.org/ops/root');
    await s.gateway.audit('the block', (l) => l.event === 'block_added' && /consumer acme/.test(l.detail));
  });
});

describe('the admin API without blocks', () => {
  it('serves none, though there is a store', async () => {
    const { store } = await makeStore();
    const s = await openAdmin({ config: { blocks: { store } } });
    try {
      assertProblem(await s.get('/v1/blocks'), 404, 'not_found', /blocks/);
      assert.equal((await s.get('/v1/key-sets')).status, 200);
    } finally {
      await s.close();
    }
  });
});
