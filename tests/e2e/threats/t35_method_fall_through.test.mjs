// T35: where a path is known, its methods decide; no laxer route above it does.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, READ_ORDERS, fieldsOf, openStage } from '../lib/stage.mjs';

const OVERRIDES = ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'x-http-method-override', 'X_HTTP_Method_Override'];

describe('T35: method fall-through', () => {
  let s;
  before(async () => {
    s = await openStage({
      routes: {
        everything: { ...OPEN, match: { host: HOST, path: '/**' } },
        'read-admin': { ...READ_ORDERS, match: { host: HOST, path: '/orders/admin/{id}', methods: ['GET'] }, authorize: { scopes: ['admin'] } },
        orders: { ...READ_ORDERS, match: { host: HOST, path: '/orders/{a}/{id}', methods: ['GET', 'DELETE'] } },
      },
    });
  });
  after(() => s?.close());

  for (const method of ['DELETE', 'POST', 'PUT', 'PATCH', 'OPTIONS', 'PROPFIND', 'get', 'Get', 'GETX']) {
    it(`405: ${method} /orders/admin/1`, async () => {
      for (const token of [undefined, await s.mint({ scope: 'admin read_orders' })]) {
        const { response } = await s.denied({ status: 405, code: 'method_not_allowed', reason: 'method_not_allowed' }, () => s.request({ method, path: '/orders/admin/1', token }));
        assert.deepEqual(response.fields.get('allow').split(/, */).sort(), ['GET', 'HEAD']);
      }
    });
  }
  it('an override changes no decision and does not arrive', async () => {
    for (const name of OVERRIDES) {
      const { echo } = await s.allowed(async () => s.request({ path: '/orders/admin/1', token: await s.mint({ scope: 'admin' }), fields: [[name, 'DELETE']] }));
      assert.equal(echo.method, 'GET');
      assert.ok(!echo.fields.some(([n]) => /override|http.method/i.test(n)), name);
    }
    await s.denied({ status: 405, code: 'method_not_allowed', reason: 'method_not_allowed' }, () => s.request({ method: 'POST', path: '/orders/admin/1', body: '', fields: [['X-HTTP-Method-Override', 'GET']] }));
  });
  it('the scope of the more specific route counts', async () => {
    await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing', route: 'read-admin' }, async () => s.request({ path: '/orders/admin/1', token: await s.mint() }));
  });
  it('twin: GET and HEAD there, DELETE where a route has it, anything elsewhere', async () => {
    await s.allowed(async () => s.request({ path: '/orders/admin/1', token: await s.mint({ scope: 'admin' }) }));
    assert.equal((await s.request({ method: 'HEAD', path: '/orders/admin/1', token: await s.mint({ scope: 'admin' }) })).status, 200);
    const { echo } = await s.allowed(async () => s.request({ method: 'DELETE', path: '/orders/x/1', token: await s.mint() }));
    assert.equal(echo.method, 'DELETE');
    const { echo: other } = await s.allowed(() => s.request({ method: 'PROPFIND', path: '/other' }));
    assert.deepEqual([other.method, fieldsOf(other, 'x-http-method-override')], ['PROPFIND', []]);
  });
});
