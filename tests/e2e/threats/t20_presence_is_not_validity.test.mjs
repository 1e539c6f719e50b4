// T20: a credential counts by what it proves. A wrong one beside a right one is refused, never passed over.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { seconds } from '../lib/issuer.mjs';
import { gatewayCertificate, HOST, openStage, READ_ORDERS } from '../lib/stage.mjs';

describe('T20: presence is not validity', () => {
  let s;
  let mine;
  before(async () => {
    const server = gatewayCertificate();
    const listeners = ['public', 'mutual'];
    s = await openStage({
      config: (stage) => ({
        listeners: { mutual: { address: '127.0.0.1', port: 0, tls: { certificates: [{ cert: server.certFile, key: server.keyFile }], client_ca: stage.ca.certFile, client_certificate: 'required' } } },
      }),
      routes: {
        'read-orders': { ...READ_ORDERS, listeners },
        maybe: { ...READ_ORDERS, listeners, match: { host: HOST, path: '/maybe/**' }, auth: { jwt: 'main', mode: 'optional' }, authorize: 'any_caller' },
        open: { match: { host: HOST, path: '/open/**' }, listeners, upstream: 'order-service', auth: 'none' },
      },
    });
    mine = s.ca.issue({ cn: 'mine', client: true });
  });
  after(() => s?.close());

  const bearer = (token) => ['Authorization', `Bearer ${token}`];
  const wrong = async () => ({
    garbage: 'garbage',
    'three garbage parts': 'a.b.c',
    'an ended token': await s.mint({ exp: seconds() - 100, iat: seconds() - 200 }),
    'a token of another audience': await s.mint({ aud: 'billing' }),
    'a forged token': s.issuer.forge({ sign: Buffer.alloc(64) }),
  });

  for (const [path, why] of [['/orders/1', 'where one is needed'], ['/maybe/1', 'where none is needed']]) {
    it(`a wrong bearer token ${why}: 401 invalid_token, with a valid client certificate too`, async () => {
      for (const [name, token] of Object.entries(await wrong())) {
        for (const parts of [{}, { listener: 'mutual', tls: { cert: mine.cert, key: mine.key } }]) {
          const reason = ['token_malformed', 'token_expired', 'token_audience', 'token_signature'];
          const { response } = await s.denied({ status: 401, code: 'invalid_token', reason }, () => s.request({ path, token, ...parts }));
          assert.match(response.fields.get('www-authenticate'), /error="invalid_token"/, name);
        }
      }
    });
  }
  it('two Authorization fields: 400, in either order, equal ones too, also where none is needed', async () => {
    const good = await s.mint();
    for (const path of ['/orders/1', '/maybe/1']) {
      for (const [one, other] of [[good, 'garbage'], ['garbage', good], [good, good]]) {
        await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_repeated' }, () => s.request({ path, fields: [bearer(one), bearer(other)] }));
      }
      for (const other of ['Basic YTpi', 'Negotiate x', '']) {
        await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_repeated' }, () => s.request({ path, fields: [bearer(good), ['Authorization', other]] }));
      }
    }
  });
  it('two tokens in one field: 400', async () => {
    const good = await s.mint();
    for (const value of [`Bearer ${good}, Bearer ${good}`, `Bearer ${good} ${good}`, `Bearer ${good},garbage`, 'Bearer ', 'Bearer']) {
      await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_malformed' }, () => s.request({ path: '/orders/1', fields: [['Authorization', value]] }));
    }
  });
  it('a credential that no authenticator of the route owns proves nothing, and does not arrive', async () => {
    const unowned = [['Authorization', 'Basic YWxpY2U6c2VjcmV0'], ['X-Api-Key', 'k'], ['Cookie', 'session=1'], ['Proxy-Authorization', 'Basic YWxpY2U6c2VjcmV0'], ['DPoP', 'x.y.z']];
    for (const field of unowned) {
      await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/orders/1', fields: [field] }));
    }
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, async () => s.request({ path: `/orders/1?access_token=${await s.mint()}` }));
  });
  it('a valid client certificate is no token', async () => {
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/orders/1', listener: 'mutual', tls: { cert: mine.cert, key: mine.key } }));
  });
  it('twin: the right token alone, the scheme in any case; none where none is needed', async () => {
    const token = await s.mint();
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      await s.allowed(() => s.request({ path: '/orders/1', fields: [['Authorization', `${scheme} ${token}`]] }));
    }
    await s.allowed(() => s.request({ path: '/maybe/1', token }));
    await s.allowed(() => s.request({ path: '/maybe/1' }));
    await s.allowed(() => s.request({ path: '/orders/1', token, listener: 'mutual', tls: { cert: mine.cert, key: mine.key } }));
    await s.allowed(() => s.request({ path: '/open/1', fields: [['Authorization', 'Bearer garbage']] }));
  });
});
