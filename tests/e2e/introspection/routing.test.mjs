// Whose token it is: JWTs go to their issuers, all others to the endpoint; and what a cached token may do where.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ScriptedEndpoint } from '../lib/introspection.mjs';
import { closeAll, HOST, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { sallyport } from '../lib/gateway.mjs';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';

const route = (path, auth, more = {}) => ({ match: { host: HOST, path, methods: ['GET'] }, upstream: 'order-service', auth, authorize: { scopes: ['read_orders'] }, ...more });

const endpointSettings = (endpoint, more = {}) => ({
  endpoint: endpoint.url, client_id: 'gateway', client_secret: '${env:INTROSPECTION_SECRET}', audiences: ['orders'], ...more,
});

describe('jwt and introspection on one route', () => {
  let s;
  let endpoint;
  before(async () => {
    endpoint = await ScriptedEndpoint.start();
    s = await openStage({
      routes: {
        both: route('/both/**', { any_of: [{ jwt: 'main' }, { introspection: 'main' }] }),
        plain: route('/plain/**', { jwt: 'main', introspection: 'main' }),
        alone: route('/alone/**', { introspection: 'main' }),
        jwt: route('/jwt/**', { jwt: 'main' }),
        optional: { ...route('/optional/**', { introspection: 'main', mode: 'optional' }), authorize: 'any_caller' },
        other: route('/other/**', { introspection: 'other' }),
        writing: route('/writing/**', { introspection: 'main' }, { authorize: { scopes: ['write_orders'] } }),
        admin: route('/admin/**', { introspection: 'main' }, { authorize: { roles: { any: ['admin'] }, claims: [{ claim: 'tenant', equals: 'acme' }] } }),
      },
      gateway: { env: { INTROSPECTION_SECRET: 'secret' } },
      config: {
        introspection: {
          main: endpointSettings(endpoint),
          other: endpointSettings(endpoint, { audiences: ['invoices'] }),
        },
      },
    });
  });
  after(() => closeAll(() => s?.close(), () => endpoint?.close()));
  const ask = (path, token) => s.request({ path: `/${path}/1`, token });

  it('a JWT is verified with keys, and nobody is asked', async () => {
    const token = await s.mint();
    for (const path of ['both', 'plain']) await s.allowed(() => ask(path, token));
    assert.equal(endpoint.count(token), 0);
  });
  it('a JWT that is wrong is not asked about either', async () => {
    const token = `${(await s.mint()).slice(0, -8)}AAAAAAAA`;
    endpoint.active(token);
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_signature' }, () => ask('both', token));
    assert.equal(endpoint.count(token), 0);
  });
  it('any other is asked about, once', async () => {
    const token = endpoint.active('opaque-both');
    for (const path of ['both', 'plain', 'alone', 'both', 'plain', 'alone']) await s.allowed(() => ask(path, token));
    assert.ok(endpoint.count(token) <= s.config.workers, 'each worker asks once');
    assert.deepEqual([endpoint.last.method, endpoint.last.form.get('token_type_hint'), endpoint.last.headers.accept], ['POST', 'access_token', 'application/json']);
  });
  it('where there is introspection alone, JWTs too', async () => {
    const token = await s.mint();
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_inactive' }, () => ask('alone', token));
    const known = endpoint.active(await s.mint({ jti: 'known' }));
    await s.allowed(() => ask('alone', known));
  });
  it('where there is jwt alone, an opaque token is malformed', async () => {
    const token = endpoint.active('opaque-jwt');
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => ask('jwt', token));
    assert.equal(endpoint.count(token), 0);
  });
  it('one challenge for the one token that is wanted', async () => {
    for (const path of ['both', 'plain', 'alone']) {
      const { response } = await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: 'Bearer' }, () => ask(path));
      assert.deepEqual(response.fields.all('www-authenticate'), ['Bearer']);
    }
  });
  it('T20: optional lets nobody through who sends a wrong one; two fields are none', async () => {
    await s.allowed(() => ask('optional'));
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_inactive' }, () => ask('optional', 'garbage'));
    await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_repeated' }, () =>
      s.request({ path: '/alone/1', token: endpoint.active('twice'), fields: [['Authorization', 'Bearer twice']] }));
  });
  it('T21: what one route let in is judged anew on another: audience and scope', async () => {
    const token = endpoint.active('opaque-routes');
    await s.allowed(() => ask('alone', token));
    await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, () => ask('writing', token));
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_audience' }, () => ask('other', token));
    await s.allowed(() => ask('alone', token));
  });
  it('roles and claims are those of the answer', async () => {
    await s.allowed(() => ask('admin', endpoint.active('an-admin', { roles: ['admin'], tenant: 'acme' })));
    await s.denied({ status: 403, code: 'forbidden', reason: 'claim_rule' }, () => ask('admin', endpoint.active('of-another', { roles: ['admin'], tenant: 'evil' })));
    await s.denied({ status: 403, code: 'forbidden', reason: 'role_missing' }, () => ask('admin', endpoint.active('no-admin', { tenant: 'acme' })));
  });
  it('T29: no token is in any log', async () => {
    const token = 'very-secret-opaque-token-0001';
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_inactive' }, () => ask('alone', token));
    assert.ok(!s.gateway.output.includes(token));
  });
});

describe('what check says', () => {
  const complaints = (over, auth = { introspection: 'main' }) => {
    const dir = tempDir('check');
    const config = {
      listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow', exposure: 'internal' } },
      issuers: { main: { issuer: 'https://idp.example.com', audiences: ['orders'] } },
      introspection: {
        main: { endpoint: 'https://idp.example.com/introspect', client_id: 'gateway', client_secret: '${env:S}', audiences: ['orders'], ...over },
        second: { endpoint: 'https://idp2.example.com/introspect', client_id: 'gateway', client_secret: '${env:S}', server_checks_audience: true },
      },
      upstreams: { orders: { endpoints: ['http://127.0.0.1:1'] } },
      routes: { orders: { match: { host: HOST, path: '/**' }, listeners: ['public'], upstream: 'orders', auth, authorize: 'any_caller' } },
    };
    const file = join(dir, 'gateway.yaml');
    writeFileSync(file, JSON.stringify(config));
    return sallyport(['check', file], { env: { S: 'secret' } });
  };
  const cases = [
    ['plain http', { endpoint: 'http://idp.example.com/introspect' }, undefined, /plain http to something other than loopback/],
    ['no audience', { audiences: undefined }, undefined, /audiences is missing: tokens for anybody/],
    ['both words about it', { server_checks_audience: true }, undefined, /exclude each other/],
    ['no secret', { client_secret: undefined }, undefined, /client_secret is missing/],
    ['no key', { client_authentication: 'private_key_jwt', client_secret: undefined }, undefined, /client_key is missing/],
    ['a secret too many', { client_authentication: 'private_key_jwt', client_key: '/dev/null' }, undefined, /client_secret is given|is empty/],
    ['no certificate', { client_authentication: 'tls_client_auth', client_secret: undefined }, undefined, /tls\.cert and tls\.key/],
    ['a secret that is written down', { client_secret: 'plain' }, undefined, /\$\{env:NAME\}|\$\{file/],
    ['an unknown endpoint', {}, { introspection: 'mian' }, /did you mean "main"/],
    ['two endpoints', {}, { any_of: [{ introspection: 'main' }, { introspection: 'second' }] }, /second introspection endpoint/],
    ['one token that is both', {}, { all_of: [{ jwt: 'main' }, { introspection: 'main' }] }, /one Bearer token/],
  ];
  for (const [name, over, auth, expected] of cases) {
    it(name, async () => {
      const { code, stdout, stderr } = await complaints(over, auth);
      assert.notEqual(code, 0);
      assert.match(stdout + stderr, expected);
    });
  }
  it('nothing, where all is well', async () => {
    const { code, stdout, stderr } = await complaints({});
    assert.equal(code, 0, stdout + stderr);
  });
});
