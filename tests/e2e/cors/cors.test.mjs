// Cross-origin requests (Fetch standard): preflight before authentication, fields on denials too.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, READ_ORDERS, openStage } from '../lib/stage.mjs';

const APP = 'https://app.example.com';
const tokens = (value) => (value ?? '').split(/\s*,\s*/).filter(Boolean).map((t) => t.toLowerCase()).sort();

describe('CORS', () => {
  let s;
  before(async () => {
    s = await openStage({
      routes: {
        'read-orders': { ...READ_ORDERS, cors: { origins: [APP, 'https://admin.example.com'], methods: ['GET'], headers: ['Authorization', 'X-Mine'], expose: ['X-Total'], credentials: true, max_age: '10m' } },
        'write-orders': { ...READ_ORDERS, match: { host: HOST, path: '/orders/**', methods: ['POST'] }, authorize: 'any_caller', cors: { origins: [APP], methods: ['POST'], headers: ['Authorization'] } },
        open: { ...OPEN, cors: { origins: ['*'] } },
        closed: { ...OPEN, match: { host: HOST, path: '/closed/**' } },
        own: { ...OPEN, match: { host: HOST, path: '/own/**', methods: ['GET', 'OPTIONS'] } },
      },
    });
  });
  after(() => s?.close());

  const preflight = (path, { origin = APP, method = 'GET', headers } = {}) =>
    s.request({ method: 'OPTIONS', path, fields: [['Origin', origin], ['Access-Control-Request-Method', method], ...(headers ? [['Access-Control-Request-Headers', headers]] : [])] });
  const bare = (response) => {
    for (const name of response.fields.names()) assert.ok(!name.startsWith('access-control-'), name);
  };

  it('a preflight is answered before authentication and goes nowhere', async () => {
    const seen = s.upstream.bytesSeen();
    const response = await preflight('/orders/1', { headers: 'authorization, x-mine' });
    assert.ok([200, 204].includes(response.status), `${response.status}`);
    assert.equal(response.body.length, 0);
    assert.equal(response.fields.get('access-control-allow-origin'), APP);
    assert.equal(response.fields.get('access-control-allow-credentials'), 'true');
    assert.deepEqual(tokens(response.fields.get('access-control-allow-methods')), ['get']);
    assert.deepEqual(tokens(response.fields.get('access-control-allow-headers')), ['authorization', 'x-mine']);
    assert.equal(response.fields.get('access-control-max-age'), '600');
    assert.ok(tokens(response.fields.all('vary').join(',')).includes('origin'));
    assert.ok(response.fields.get('x-request-id'));
    assert.equal(s.upstream.bytesSeen(), seen);
  });
  it('for each method by its own route', async () => {
    const response = await preflight('/orders/1', { method: 'POST', headers: 'authorization' });
    assert.ok([200, 204].includes(response.status));
    assert.equal(response.fields.has('access-control-allow-credentials'), false);
  });
  for (const [name, path, options] of [
    ['a foreign origin', '/orders/1', { origin: 'https://evil.example.org' }],
    ['an origin that only begins alike', '/orders/1', { origin: `${APP}.evil.org` }],
    ['an origin that only ends alike', '/orders/1', { origin: 'https://evilapp.example.com' }],
    ['the origin over http', '/orders/1', { origin: 'http://app.example.com' }],
    ['the origin with a port', '/orders/1', { origin: `${APP}:8443` }],
    ['the null origin', '/orders/1', { origin: 'null' }],
    ['a header that is not allowed', '/orders/1', { headers: 'authorization, x-evil' }],
  ]) {
    it(`refused: ${name}`, async () => {
      const { response } = await s.denied({ status: 403, code: 'cors_denied', reason: 'cors_origin_denied' }, () => preflight(path, options));
      bare(response);
    });
  }
  it('refused: a method that no route has', async () => {
    const { response } = await s.denied({ status: [403, 405], code: ['cors_denied', 'method_not_allowed'], reason: ['cors_origin_denied', 'method_not_allowed'] }, () => preflight('/orders/1', { method: 'DELETE' }));
    bare(response);
  });
  it('refused: a route without cors', async () => {
    const response = await preflight('/own/1');
    bare(response);
  });
  it('OPTIONS that is no preflight is a request like others', async () => {
    await s.denied({ status: 405, code: 'method_not_allowed', reason: 'method_not_allowed' }, () => s.request({ method: 'OPTIONS', path: '/orders/1', fields: [['Origin', APP]] }));
    const { echo } = await s.allowed(() => s.request({ method: 'OPTIONS', path: '/own/1' }));
    assert.equal(echo.method, 'OPTIONS');
  });

  it('an actual request from an allowed origin is decorated', async () => {
    const { response } = await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint(), fields: [['Origin', APP]] }));
    assert.equal(response.fields.get('access-control-allow-origin'), APP);
    assert.equal(response.fields.get('access-control-allow-credentials'), 'true');
    assert.deepEqual(tokens(response.fields.get('access-control-expose-headers')), ['x-total']);
    assert.ok(tokens(response.fields.all('vary').join(',')).includes('origin'));
  });
  it('a denial too, so that a browser can read it', async () => {
    for (const [expected, parts] of [
      [{ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, {}],
      [{ status: 401, code: 'invalid_token', reason: 'token_malformed' }, { token: 'garbage' }],
      [{ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, { token: await s.mint({ scope: 'x' }) }],
    ]) {
      const { response } = await s.denied(expected, () => s.request({ path: '/orders/1', fields: [['Origin', APP]], ...parts }));
      assert.equal(response.fields.get('access-control-allow-origin'), APP);
    }
  });
  it('from a foreign origin: served as ever, without permission to read', async () => {
    const { response } = await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint(), fields: [['Origin', 'https://evil.example.org']] }));
    bare(response);
    assert.ok(tokens(response.fields.all('vary').join(',')).includes('origin'));
  });
  it('without Origin: no CORS fields but Vary', async () => {
    const { response } = await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint() }));
    bare(response);
    assert.ok(tokens(response.fields.all('vary').join(',')).includes('origin'));
  });
  it('*: any origin, never credentials', async () => {
    const { response } = await s.allowed(() => s.request({ path: '/open/1', fields: [['Origin', 'https://anyone.example.org']] }));
    assert.equal(response.fields.get('access-control-allow-origin'), '*');
    assert.equal(response.fields.has('access-control-allow-credentials'), false);
  });
  it('the upstream\'s own CORS fields do not widen ours', async () => {
    const { script } = s.upstream;
    s.upstream.script = async (exchange) => {
      await exchange.request.read();
      await exchange.json(200, {}, [['Access-Control-Allow-Origin', '*'], ['Access-Control-Allow-Credentials', 'true']]);
    };
    const { response } = await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint(), fields: [['Origin', 'https://evil.example.org']] }));
    s.upstream.script = script;
    assert.deepEqual(response.fields.all('access-control-allow-origin'), []);
    assert.deepEqual(response.fields.all('access-control-allow-credentials'), []);
  });
});
