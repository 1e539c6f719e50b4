// What of a request reaches the upstream.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, READ_ORDERS, fieldsOf, openStage } from '../lib/stage.mjs';

const route = (name, relay, extra = {}) => ({ ...READ_ORDERS, match: { host: HOST, path: `/${name}/**`, methods: ['GET', 'POST'] }, ...(relay ? { relay } : {}), ...extra });

describe('relay', () => {
  let s;
  before(async () => {
    s = await openStage({
      routes: {
        forward: route('forward', { token: 'forward' }),
        strip: route('strip', { token: 'strip' }),
        unset: route('unset'),
        identity: route('identity', {
          headers: { 'X-User-Id': 'claims.sub', 'X-Subject': 'subject', 'X-Issuer': 'issuer', 'X-Client': 'client_id', 'X-Scopes': 'scopes', 'X-Literal': "'text'", 'X-Country': 'claims.address.country', 'X-Level': 'claims.level', 'X-Admin': 'claims.admin' },
        }),
        open: OPEN,
      },
    });
  });
  after(() => s?.close());

  const credentials = [['Proxy-Authorization', 'Basic eDp5'], ['DPoP', 'proof']];

  it('token: forward relays the verified token, and no other credential', async () => {
    const token = await s.mint();
    const { echo } = await s.allowed(() => s.request({ path: '/forward/1', token, fields: credentials }));
    assert.deepEqual(fieldsOf(echo, 'authorization'), [`Bearer ${token}`]);
    for (const name of ['proxy-authorization', 'dpop']) assert.deepEqual(fieldsOf(echo, name), [], name);
  });
  for (const name of ['strip', 'unset']) {
    it(`${name}: no credential goes on`, async () => {
      const { echo } = await s.allowed(async () => s.request({ path: `/${name}/1`, token: await s.mint(), fields: credentials }));
      for (const field of ['authorization', 'proxy-authorization', 'dpop']) assert.deepEqual(fieldsOf(echo, field), [], field);
    });
  }
  it('a public route: unowned credentials are stripped too', async () => {
    const { echo } = await s.allowed(() => s.request({ path: '/open/1', fields: [['Authorization', 'Basic eDp5'], ...credentials] }));
    for (const field of ['authorization', 'proxy-authorization', 'dpop']) assert.deepEqual(fieldsOf(echo, field), [], field);
  });
  it('identity headers from what was proven', async () => {
    const { echo } = await s.allowed(async () => s.request({ path: '/identity/1', token: await s.mint({ sub: 'alice', client_id: 'web', scope: 'read_orders x', address: { country: 'DE' }, level: 3, admin: true }) }));
    const value = (name) => fieldsOf(echo, name);
    assert.deepEqual(
      ['X-User-Id', 'X-Subject', 'X-Issuer', 'X-Client', 'X-Scopes', 'X-Literal', 'X-Country', 'X-Level', 'X-Admin'].map(value),
      [['alice'], ['alice'], [s.issuer.issuer], ['web'], ['read_orders x'], ['text'], ['DE'], ['3'], ['true']],
    );
  });
  it('a claim that is absent gives no header', async () => {
    const { echo } = await s.allowed(async () => s.request({ path: '/identity/1', token: await s.mint() }));
    for (const name of ['x-client', 'x-country', 'x-level']) assert.deepEqual(fieldsOf(echo, name), [], name);
  });
  it('the address, the scheme and the host are told', async () => {
    const { echo, response } = await s.allowed(() => s.request({ path: '/open/1?q=1', fields: [['Accept', 'a/b'], ['Content-Type', 'text/plain']], method: 'POST', body: 'x' }));
    assert.deepEqual(fieldsOf(echo, 'x-forwarded-for'), ['127.0.0.1']);
    assert.deepEqual(fieldsOf(echo, 'x-forwarded-proto'), ['https']);
    assert.deepEqual(fieldsOf(echo, 'x-forwarded-host'), [HOST]);
    assert.deepEqual(fieldsOf(echo, 'host'), [HOST]);
    assert.deepEqual(fieldsOf(echo, 'x-request-id'), [response.fields.get('x-request-id')]);
    assert.deepEqual(fieldsOf(echo, 'traceparent'), [], 'no trace is made up');
    assert.deepEqual([fieldsOf(echo, 'accept'), fieldsOf(echo, 'content-type'), echo.target], [['a/b'], ['text/plain'], '/open/1?q=1']);
  });
  it('nothing else is added', async () => {
    const { echo } = await s.allowed(() => s.request({ path: '/open/1' }));
    const names = echo.fields.map(([n]) => n.toLowerCase()).sort();
    for (const name of names) assert.ok(['host', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-request-id', 'traceparent', 'connection', 'via'].includes(name), name);
  });
});
