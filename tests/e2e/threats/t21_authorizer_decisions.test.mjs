// T21, of decisions of an external authorizer: that it said yes to one request says nothing about another.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { closeAll, fieldsOf, HOST, openStage } from '../lib/stage.mjs';
import { Authorizer } from '../external/lib.mjs';

describe("T21: a remembered decision and another's request", () => {
  let s, opa;
  before(async () => {
    opa = await Authorizer.start();
    const by = ['credential', 'method', 'host', 'path', 'query'];
    s = await openStage({
      config: {
        workers: 1, // one cache, so that a second use is a hit
        authorizers: {
          opa: { contract: 'ext_authz', url: opa.url, request_headers: ['Authorization', 'Cookie'], upstream_headers: ['X-User'], identity_headers: { 'X-Caller': 'subject', 'X-Scopes': 'scopes' }, cache: { for: '10m', by } },
        },
      },
      routes: {
        a: { match: { host: HOST, path: '/a/**' }, upstream: 'order-service', auth: { jwt: 'main' }, authorize: { scopes: ['read_orders'], external: 'opa' } },
        open: { match: { host: HOST, path: '/open/**' }, upstream: 'order-service', auth: 'none', authorize: { external: 'opa' } },
      },
    });
  });
  beforeEach(() => {
    opa.asked.length = 0;
    // Alice may read what is in /a/alice; with a cookie anybody may what it says.
    opa.decide = (asked) => {
      const may = asked.method === 'GET' && (asked.url.startsWith(`/a/${asked.get('x-caller')}/`) || asked.get('cookie') === `may=${asked.url}`);
      return [may ? 200 : 403, may ? { 'X-User': asked.get('x-caller') ?? 'cookie' } : {}];
    };
  });
  after(() => closeAll(() => s?.close(), () => opa?.close()));

  const DENIED = { status: 403, code: 'forbidden', reason: 'authorizer_denied' };
  const warm = async (parts) => {
    for (let i = 0; i < 3; i++) await s.allowed(() => s.request(parts));
    assert.equal(opa.asked.length, 1, 'it is remembered');
  };

  it("another caller's, another path, method or query: asked by itself", async () => {
    const alice = await s.mint();
    const bob = await s.mint({ sub: 'bob' });
    await warm({ path: '/a/alice/1', token: alice });
    await s.denied(DENIED, () => s.request({ path: '/a/alice/1', token: bob }));
    await s.denied(DENIED, () => s.request({ path: '/a/bob/1', token: alice }));
    await s.denied(DENIED, () => s.request({ method: 'DELETE', path: '/a/alice/1', token: alice }));
    await s.allowed(() => s.request({ path: '/a/alice/1?all', token: alice }));
    assert.equal(opa.asked.length, 5);
  });
  it('the same caller with another token is another credential', async () => {
    await warm({ path: '/a/alice/2', token: await s.mint() });
    await s.allowed(async () => s.request({ path: '/a/alice/2', token: await s.mint({ jti: 'other', scope: 'read_orders more' }) }));
    assert.equal(opa.asked.length, 2);
  });
  it("the route's own rules run again whatever is remembered", async () => {
    await warm({ path: '/a/alice/3', token: await s.mint() });
    await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, async () => s.request({ path: '/a/alice/3', token: await s.mint({ scope: 'none' }) }));
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/a/alice/3' }));
  });
  it('without a credential nobody gets what one with it got', async () => {
    const fields = [['Cookie', 'may=/open/1']];
    await warm({ path: '/open/1', fields });
    await s.denied(DENIED, () => s.request({ path: '/open/1' }));
    await s.denied(DENIED, () => s.request({ path: '/open/1', fields: [['Cookie', 'may=/open/2']] }));
    await s.denied(DENIED, () => s.request({ path: '/open/1', fields: [['Cookie', ''], ['Authorization', 'may=/open/1']] }));
  });
  it('twin: the same request again is let in without a question, as whom it was', async () => {
    const alice = await s.mint();
    await warm({ path: '/a/alice/4', token: alice });
    const { echo } = await s.allowed(() => s.request({ path: '/a/alice/4', token: alice, fields: [['X-User', 'root']] }));
    assert.deepEqual(fieldsOf(echo, 'x-user'), ['alice']);
    assert.equal(opa.asked.length, 1);
  });
});
