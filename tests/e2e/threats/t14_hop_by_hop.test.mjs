// T14: Connection names what the next hop shall not see; a client must not remove what the gateway says.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, READ_ORDERS, fieldsOf, openStage } from '../lib/stage.mjs';

describe('T14: hop-by-hop abuse', () => {
  let s;
  before(async () => (s = await openStage({ routes: { 'read-orders': { ...READ_ORDERS, relay: { token: 'forward', headers: { 'X-User': 'claims.sub' } } } } })));
  after(() => s?.close());

  const kept = (echo, token) => {
    assert.deepEqual(fieldsOf(echo, 'x-user'), ['alice']);
    assert.deepEqual(fieldsOf(echo, 'authorization'), [`Bearer ${token}`]);
    assert.deepEqual(fieldsOf(echo, 'x-forwarded-for'), ['127.0.0.1']);
    assert.deepEqual(fieldsOf(echo, 'x-forwarded-proto'), ['https']);
    assert.deepEqual(fieldsOf(echo, 'host'), [HOST]);
    assert.equal(fieldsOf(echo, 'x-request-id').length, 1);
  };

  for (const value of ['X-User, Authorization, X-Forwarded-For', 'close, X-User, Authorization, X-Forwarded-For, X-Forwarded-Proto, X-Request-Id, Host', 'x-user,authorization,,x-forwarded-for', 'keep-alive, X-USER']) {
    it(`what the gateway sets still arrives: Connection: ${value}`, async () => {
      const token = await s.mint();
      const { echo } = await s.allowed(() => s.request({ path: '/orders/1', token, fields: [['Connection', value], ['X-User', 'admin']] }));
      kept(echo, token);
      assert.deepEqual(fieldsOf(echo, 'connection').filter((v) => v !== 'keep-alive'), []);
    });
  }
  it('over two Connection fields too', async () => {
    const token = await s.mint();
    const { echo } = await s.allowed(() => s.request({ path: '/orders/1', token, fields: [['Connection', 'X-User'], ['Connection', 'X-Forwarded-For']] }));
    kept(echo, token);
  });
  it('authentication is decided on what came: Connection cannot take the token away from it', async () => {
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/orders/1', fields: [['Connection', 'Authorization']] }));
  });
  it('twin: what a client names of its own is hop-by-hop', async () => {
    const { echo } = await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint(), fields: [['Connection', 'X-Mine'], ['X-Mine', '1'], ['X-Other', '2'], ['Keep-Alive', 'timeout=5'], ['TE', 'trailers'], ['Proxy-Connection', 'keep-alive']] }));
    assert.deepEqual(fieldsOf(echo, 'x-mine'), []);
    assert.deepEqual(fieldsOf(echo, 'x-other'), ['2']);
    for (const name of ['keep-alive', 'proxy-connection', 'te']) assert.deepEqual(fieldsOf(echo, name), [], name);
  });
});
