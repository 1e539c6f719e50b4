// Documents of protected resources (RFC 9728), and the challenges that point at them.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, openStage, READ_ORDERS } from '../lib/stage.mjs';

const WELL_KNOWN = '/.well-known/oauth-protected-resource';

describe('protected resources', () => {
  let s;
  before(async () => {
    const route = (path, auth, over = {}) => ({ match: { host: HOST, path: `${path}/**` }, upstream: 'order-service', listeners: ['public'], auth: { jwt: 'main', ...auth }, authorize: { scopes: ['read_orders'], acr: ['gold'] }, ...over });
    s = await openStage({
      config: {
        listeners: { other: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } },
        resources: {
          orders: { resource: `https://${HOST}/orders`, issuers: ['main'], scopes: ['read_orders', 'write_orders'], title: 'Orders', documentation: 'https://docs.example.com/orders' },
          whole: { resource: `https://${HOST}`, issuers: ['main'] },
        },
      },
      routes: {
        'read-orders': { ...READ_ORDERS, listeners: ['public'], authorize: { scopes: ['read_orders'], acr: ['gold'] }, auth: { jwt: 'main', realm: 'shop', resource: 'orders' } },
        stream: route('/stream', { resource: 'whole', token_from: { header: 'Authorization', query: 'access_token' } }),
        plain: route('/plain', {}),
        behind: route('/.well-known', {}),
        internal: route('/internal', {}, { listeners: ['other'] }),
      },
    });
  });
  after(() => s?.close());
  const get = (path, over = {}) => s.request({ path, ...over });

  it('the document says who issues tokens, and is for everybody', async () => {
    const seen = s.upstream.bytesSeen();
    const response = await get(`${WELL_KNOWN}/orders`, { fields: [['Origin', 'https://anywhere.example']] });
    assert.equal(response.status, 200);
    assert.equal(response.fields.get('content-type'), 'application/json');
    assert.equal(response.fields.get('access-control-allow-origin'), '*');
    assert.equal(response.fields.get('cache-control'), 'max-age=300');
    assert.deepEqual(response.json(), {
      resource: `https://${HOST}/orders`,
      authorization_servers: [s.issuer.issuer],
      scopes_supported: ['read_orders', 'write_orders'],
      bearer_methods_supported: ['header'],
      resource_name: 'Orders',
      resource_documentation: 'https://docs.example.com/orders',
    });
    assert.equal(s.upstream.bytesSeen(), seen, 'nothing upstream');
    const line = await s.gateway.access('the document', (l) => l.path === `${WELL_KNOWN}/orders`);
    assert.equal(line.status, 200);
  });
  it('one without a path stands at the well-known place itself', async () => {
    const response = await get(WELL_KNOWN);
    assert.deepEqual(response.json(), { resource: `https://${HOST}`, authorization_servers: [s.issuer.issuer], bearer_methods_supported: ['header', 'query'] });
    assert.equal((await get(WELL_KNOWN, { method: 'HEAD' })).status, 200);
    const preflight = await get(WELL_KNOWN, { method: 'OPTIONS', fields: [['Origin', 'https://a.example'], ['Access-Control-Request-Method', 'GET'], ['Access-Control-Request-Headers', 'mcp-protocol-version']] });
    assert.deepEqual([preflight.status, preflight.fields.get('access-control-allow-origin'), preflight.fields.get('access-control-allow-headers')], [204, '*', '*']);
  });
  it('challenges point at it, whatever they are about', async () => {
    const where = `resource_metadata="https://${HOST}${WELL_KNOWN}/orders"`;
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: `Bearer realm="shop", ${where}` }, () => get('/orders/1'));
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed', challenge: `Bearer realm="shop", error="invalid_token", error_description="The access token is not acceptable", ${where}` }, () => get('/orders/1', { token: 'a' }));
    const token = await s.mint({ scope: 'none' });
    await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing', challenge: `Bearer realm="shop", error="insufficient_scope", scope="read_orders", ${where}` }, () => get('/orders/1', { token }));
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: `Bearer resource_metadata="https://${HOST}${WELL_KNOWN}"` }, () => get('/stream/1'));
    // twin: a route that names none points nowhere
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: 'Bearer' }, () => get('/plain/1'));
  });
  it('a client finds its issuer from nothing but the URL', async () => {
    const asked = await get('/orders/1');
    const url = new URL(/resource_metadata="([^"]+)"/.exec(asked.fields.get('www-authenticate'))[1]);
    const document = (await get(url.pathname)).json();
    assert.ok(`https://${HOST}/orders/1`.startsWith(document.resource));
    const token = await s.issuer.mint({ scope: document.scopes_supported.join(' '), acr: 'gold' }, { alg: 'RS256' });
    assert.equal(document.authorization_servers[0], s.issuer.issuer);
    await s.allowed(() => get('/orders/1', { token }));
  });
  it('only it is public: other methods, paths, listeners and spellings are not', async () => {
    const { response } = await s.denied({ status: 405, code: 'method_not_allowed', reason: 'method_not_allowed' }, () => get(WELL_KNOWN, { method: 'POST' }));
    assert.equal(response.fields.get('allow'), 'GET, HEAD, OPTIONS');
    for (const path of [`${WELL_KNOWN}/other`, `${WELL_KNOWN}/orders/`, `${WELL_KNOWN}/orders/1`, `${WELL_KNOWN}x`]) {
      await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => get(path));
    }
    await s.denied({ status: 404, code: 'not_found', reason: 'no_route' }, () => get(WELL_KNOWN, { listener: 'other', plain: true }));
  });
});
