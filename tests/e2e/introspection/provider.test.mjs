// Tokens that a real authorization server is asked about, by each way to prove who the gateway is.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { exportJWK, exportPKCS8 } from 'jose';
import { newKeyPair } from '../lib/issuer.mjs';
import { AUDIENCE, RealProvider, SECRET } from '../lib/introspection.mjs';
import { authority } from '../lib/pki.mjs';
import { closeAll, fieldsOf, HOST, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { deadline, until } from '../lib/wait.mjs';

const ROUTE = {
  match: { host: HOST, path: '/orders/**', methods: ['GET'] },
  upstream: 'order-service',
  auth: { introspection: 'main' },
  authorize: { scopes: ['read_orders'] },
  timeout: '60s',
  relay: { token: 'forward', headers: { 'X-Client': 'client_id', 'X-Issuer': 'issuer' } },
};

const open = (provider, settings, { routes = { orders: ROUTE }, config = {} } = {}) =>
  openStage({
    routes,
    gateway: { env: { INTROSPECTION_SECRET: SECRET } },
    config: {
      introspection: { main: { endpoint: provider.url, client_id: 'gateway:1', audiences: [AUDIENCE], issuer: provider.issuer, cache: '1s', timeout: '30s', ...settings } },
      ...config,
    },
  });

const BASIC = { client_secret: '${env:INTROSPECTION_SECRET}' };

async function keyFile(alg) {
  const { privateKey, publicKey } = await newKeyPair(alg);
  const file = join(tempDir('key'), 'client.pem');
  writeFileSync(file, await exportPKCS8(privateKey));
  return { file, jwk: { ...(await exportJWK(publicKey)), kid: 'k1', use: 'sig', alg } };
}

// Each way: what the provider knows of the gateway, and what the gateway's configuration says.
const ways = {
  client_secret_basic: async () => ({ gateway: { client_secret: SECRET }, settings: BASIC }),
  client_secret_post: async () => ({ gateway: { client_secret: SECRET }, settings: BASIC }),
  ...Object.fromEntries(['RS256', 'ES256', 'EdDSA'].map((alg) => [`private_key_jwt ${alg}`, async () => {
    const { file, jwk } = await keyFile(alg);
    return { gateway: { jwks: { keys: [jwk] }, token_endpoint_auth_signing_alg: alg }, settings: { client_key: file, client_key_id: 'k1' } };
  }])),
  tls_client_auth: async () => {
    const ca = authority();
    const server = ca.issue({ ip: ['127.0.0.1'] });
    const own = ca.issue({ dns: ['gateway.internal'], client: true });
    return {
      tls: { cert: server.cert, key: server.key, ca: ca.cert },
      gateway: { tls_client_auth_san_dns: 'gateway.internal' },
      settings: { tls: { ca: ca.certFile, cert: own.certFile, key: own.keyFile } },
    };
  },
};

for (const [name, make] of Object.entries(ways)) {
  const method = name.split(' ')[0];
  describe(`a real authorization server, asked with ${name}`, () => {
    let s;
    let provider;
    let way;
    before(async () => {
      way = await make();
      provider = await RealProvider.start({ tls: way.tls, gateway: { token_endpoint_auth_method: method, ...way.gateway } });
      s = await open(provider, { client_authentication: method, ...way.settings });
    });
    after(() => closeAll(() => s?.close(), () => provider?.close()));
    const ask = (token) => s.request({ path: '/orders/1', token });

    it('an active token passes, as whoever it was issued to', async () => {
      const token = await provider.token();
      const { response, echo } = await s.allowed(() => ask(token));
      assert.deepEqual(fieldsOf(echo, 'X-Client'), ['machine']);
      assert.deepEqual(fieldsOf(echo, 'X-Issuer'), [provider.issuer]);
      assert.deepEqual(fieldsOf(echo, 'Authorization'), [`Bearer ${token}`]);
      const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
      assert.deepEqual([line.issuer, line.client_id], ['main', 'machine']);
    });
    it('one that it does not know does not', async () => {
      const { access } = await s.denied({ status: 401, code: 'invalid_token', reason: 'token_inactive' }, () => ask('made-up'));
      assert.equal(access.detail, 'main');
    });
    it('a scope that it lacks is named', async () => {
      const token = await provider.token({}, 'write_orders');
      await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing', challenge: 'Bearer error="insufficient_scope", scope="read_orders"' }, () => ask(token));
    });
    it('a revocation is noticed when its time in the cache is over', async () => {
      const token = await provider.token();
      await s.allowed(() => ask(token));
      const before = provider.asked.length;
      await s.allowed(() => ask(token));
      const revoked = Date.now();
      await provider.revoke(token);
      await until('the revocation', async () => (await ask(token)).status === 401);
      assert.ok(Date.now() - revoked < deadline(10_000));
      assert.ok(provider.asked.length > before);
    });
    it('no secret is in any log', async () => {
      assert.ok(s.gateway.output.length > 0);
      for (const text of [SECRET, '0123456789', encodeURIComponent(SECRET)]) assert.ok(!s.gateway.output.includes(text));
    });
  });
}

describe('a real authorization server that does not know the gateway', () => {
  let s;
  let provider;
  before(async () => {
    provider = await RealProvider.start({ gateway: { token_endpoint_auth_method: 'client_secret_basic', client_secret: 'another' } });
    s = await open(provider, BASIC);
  });
  after(() => closeAll(() => s?.close(), () => provider?.close()));
  it('is a failure of ours: 503, and never 401', async () => {
    const token = await provider.token();
    const { response } = await s.denied({ status: 503, code: 'authentication_unavailable', reason: 'introspection_refused' }, () => s.request({ path: '/orders/1', token }));
    assert.match(response.fields.get('retry-after'), /^[1-9]\d*$/);
    const event = await s.gateway.event('introspection_failed', (e) => e.endpoint === 'main');
    assert.match(event.reason, /the server answered 401, not 200/);
  });
});

describe('a token that is meant for another', () => {
  let s;
  let provider;
  before(async () => {
    provider = await RealProvider.start();
    s = await open(provider, BASIC);
  });
  after(() => closeAll(() => s?.close(), () => provider?.close()));
  it('is refused', async () => {
    provider.audience = 'invoices';
    const token = await provider.token();
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_audience' }, () => s.request({ path: '/orders/1', token }));
    provider.audience = undefined;
    await s.allowed(async () => s.request({ path: '/orders/1', token: await provider.token() }));
  });
  it('and one that expires goes with its exp, whatever the cache', async () => {
    provider.life = 1;
    const token = await provider.token();
    provider.life = undefined;
    await until('its end', async () => (await s.request({ path: '/orders/1', token })).status === 401);
  });
});

describe('T36: a token that is bound to a certificate (RFC 8705)', () => {
  let s;
  let provider;
  let mine;
  let another;
  before(async () => {
    const ca = authority();
    const server = ca.issue({ ip: ['127.0.0.1'] });
    [mine, another] = [ca.issue({ dns: ['caller.internal'], client: true }), ca.issue({ dns: ['thief.internal'], client: true })];
    provider = await RealProvider.start({ tls: { cert: server.cert, key: server.key, ca: ca.cert } });
    s = await open(provider, { ...BASIC, tls: { ca: ca.certFile } }, {
      config: { listeners: { public: { tls: { client_ca: ca.certFile, client_certificate: 'optional' } } } },
    });
  });
  after(() => closeAll(() => s?.close(), () => provider?.close()));
  const ask = (token, certificate) => s.request({ path: '/orders/1', token, tls: certificate && { cert: certificate.cert, key: certificate.key } });
  const refused = { status: 401, code: 'invalid_token', reason: 'token_bound' };

  it('passes with that certificate, and is not forwarded', async () => {
    const token = await provider.token({ client: 'bound', cert: mine.cert, key: mine.key });
    await s.denied(refused, () => ask(token));
    const { echo } = await s.allowed(() => ask(token, mine));
    assert.deepEqual(fieldsOf(echo, 'Authorization'), []);
    await s.denied(refused, () => ask(token, another));
    await s.denied(refused, () => ask(token));
    await s.allowed(() => ask(token, mine));
  });
});
