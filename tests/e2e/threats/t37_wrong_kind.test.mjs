// T37: a well-signed token of another kind is no access token.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { openStage, READ_ORDERS, HOST } from '../lib/stage.mjs';

describe('T37: the wrong kind of token', () => {
  let s;
  before(async () => {
    s = await openStage({
      config: (stage) => ({ issuers: { strict: { issuer: stage.issuer.issuer, audiences: ['orders'], algorithms: ['RS256'], jwks_file: stage.jwksFile, token_types: ['at+jwt'] } } }),
      routes: { 'read-orders': READ_ORDERS, strict: { ...READ_ORDERS, match: { host: HOST, path: '/strict/**' }, auth: { jwt: 'strict' } } },
    });
  });
  after(() => s?.close());

  const kinds = {
    'an ID token (nonce)': [{ nonce: 'n-0S6_WzA2Mj' }],
    'an ID token (at_hash)': [{ at_hash: '77QmUPtjPfzWtF2AnpK9RQ' }],
    'an ID token (c_hash)': [{ c_hash: 'LDktKdoQak3Pk0cnXxCltA' }, {}, 'may'],
    'an ID token (token_use)': [{ token_use: 'id' }],
    'an ID token (Keycloak typ)': [{ typ: 'ID' }],
    'a refresh token (Keycloak typ)': [{ typ: 'Refresh' }],
    'an offline token (Keycloak typ)': [{ typ: 'Offline' }],
    'a logout token (events)': [{ events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }],
    'a logout token (typ)': [{}, { typ: 'logout+jwt' }],
    'a logout token (Keycloak typ)': [{ typ: 'Logout' }],
    'a security event token (typ)': [{}, { typ: 'secevent+jwt' }],
    'a DPoP proof (typ)': [{}, { typ: 'dpop+jwt' }],
    'an introspection answer (typ)': [{}, { typ: 'token-introspection+jwt' }],
    'a request object (typ)': [{}, { typ: 'oauth-authz-req+jwt' }],
    'a client assertion (typ)': [{}, { typ: 'client-authentication+jwt' }],
    'an unknown kind (typ)': [{}, { typ: 'anything' }],
    'a userinfo answer (no exp)': [{ exp: undefined, iat: undefined, email: 'a@example.com' }],
  };
  for (const [name, [claims, header = {}, may]] of Object.entries(kinds)) {
    if (may) continue;
    it(`refused: ${name}`, async () => {
      const token = await s.mint(claims, { header });
      for (let i = 0; i < 2; i++) {
        await s.denied({ status: 401, code: 'invalid_token', reason: claims.exp === undefined && 'exp' in claims ? ['token_lifetime', 'token_kind'] : 'token_kind' }, () => s.request({ path: '/orders/1', token }));
      }
    });
  }
  it('refused: lives longer than any access token should', () => s.denied({ status: 401, code: 'invalid_token', reason: 'token_lifetime' }, async () => s.request({ path: '/orders/1', token: await s.mint({ exp: Math.floor(Date.now() / 1000) + 25 * 3600 }) })));
  it('a profile of at+jwt only', async () => {
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_kind' }, async () => s.request({ path: '/strict/1', token: await s.mint({}, { header: { typ: 'JWT' } }) }));
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_kind' }, async () => s.request({ path: '/strict/1', token: await s.mint() }));
    await s.allowed(async () => s.request({ path: '/strict/1', token: await s.mint({}, { header: { typ: 'at+jwt' } }) }));
    await s.allowed(async () => s.request({ path: '/strict/1', token: await s.mint({}, { header: { typ: 'application/at+jwt' } }) }));
  });
  it('twin: access tokens as issuers write them', async () => {
    for (const [claims, header] of [[{}, {}], [{}, { typ: 'JWT' }], [{}, { typ: 'at+jwt' }], [{ typ: 'Bearer', azp: 'web' }, { typ: 'JWT' }], [{ token_use: 'access', client_id: 'web' }, {}], [{ aud: ['account', 'orders'], jti: 'x', auth_time: 1 }, { typ: 'JWT' }]]) {
      const { response } = await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint(claims, { header }) }));
      assert.equal(response.status, 200);
    }
  });
});
