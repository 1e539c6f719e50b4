// T36: a token bound to a key is no bearer token.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, READ_ORDERS, closeAll, fieldsOf, gatewayCertificate, openStage } from '../lib/stage.mjs';
import { Holder, openBoundStage } from '../lib/dpop.mjs';
import { ScriptedEndpoint } from '../lib/introspection.mjs';
import { Authority } from '../lib/pki.mjs';

describe('T36: sender-constrained tokens', () => {
  let s;
  let mine;
  let other;
  before(async () => {
    const clients = new Authority('Client CA');
    mine = clients.issue({ cn: 'mine', client: true });
    other = clients.issue({ cn: 'other', client: true });
    const { certFile: cert, keyFile: key } = gatewayCertificate();
    s = await openStage({
      config: { listeners: { public: { tls: { certificates: [{ cert, key }], client_ca: clients.certFile, client_certificate: 'optional' } } } },
      routes: { 'read-orders': { ...READ_ORDERS, relay: { token: 'forward', headers: { 'X-User': 'claims.sub' } } } },
    });
  });
  after(() => s?.close());

  const bound = { status: 401, code: 'invalid_token', reason: 'token_bound' };
  const ask = async (claims, { cert, ...parts } = {}) => s.request({ path: '/orders/1', token: await s.mint(claims), tls: cert ? { cert: cert.cert, key: cert.key } : {}, ...parts });

  for (const [name, cnf] of Object.entries({
    'DPoP (jkt)': { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' },
    'a certificate (x5t#S256)': { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' },
    'an embedded key (jwk)': { jwk: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' } },
    'a kid': { kid: 'rsa-1' },
    'an unknown method': { 'x-new': '1' },
    'nothing (an empty cnf)': {},
  })) {
    it(`refused as bearer: bound by ${name}`, async () => {
      await s.denied(bound, () => ask({ cnf }));
      await s.denied(bound, () => ask({ cnf })); // once seen, as before
    });
  }
  for (const cnf of [null, 'x', [], 1]) {
    it(`refused: cnf ${JSON.stringify(cnf)}`, () => s.denied({ ...bound, reason: ['token_bound', 'token_malformed', 'token_claim'] }, () => ask({ cnf })));
  }
  it('refused: a DPoP header that is no proof', async () => {
    await s.denied(bound, () => ask({ cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } }, { fields: [['DPoP', 'eyJhbGciOiJub25lIn0.e30.']] }));
  });
  it("refused: another certificate than the token's", async () => {
    await s.denied(bound, () => ask({ cnf: { 'x5t#S256': mine.thumbprint } }, { cert: other }));
    await s.denied(bound, () => ask({ cnf: { 'x5t#S256': mine.thumbprint } }, { fields: [['X-Forwarded-Client-Cert', mine.thumbprint], ['Client-Cert', `:${mine.thumbprint}:`]] }));
  });
  it('refused: the right certificate and one more binding that is not proven', async () => {
    await s.denied(bound, () => ask({ cnf: { 'x5t#S256': mine.thumbprint, jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } }, { cert: mine }));
  });
  it('twin: the certificate it is bound to; such a token is not forwarded', async () => {
    const token = await s.mint({ cnf: { 'x5t#S256': mine.thumbprint } });
    const { echo } = await s.allowed(() => s.request({ path: '/orders/1', token, tls: { cert: mine.cert, key: mine.key } }));
    assert.deepEqual(fieldsOf(echo, 'authorization'), []);
    assert.deepEqual(fieldsOf(echo, 'x-user'), ['alice']);
    // and the cached verification does not serve another connection
    await s.denied(bound, () => s.request({ path: '/orders/1', token }));
    await s.denied(bound, () => s.request({ path: '/orders/1', token, tls: { cert: other.cert, key: other.key } }));
  });
  it('twin: a token without cnf, with a certificate or without', async () => {
    await s.allowed(() => ask({}));
    await s.allowed(() => ask({}, { cert: mine }));
  });
});

describe('T36: tokens that are bound to a key of the client', () => {
  let s;
  let mine;
  let other;
  let token;
  before(async () => {
    s = await openBoundStage();
    mine = await Holder.make();
    other = await Holder.make();
    token = await s.mint({ cnf: mine.cnf });
    await mine.ask((parts) => s.request(parts), token);
    other.nonce = mine.nonce;
  });
  after(() => s?.close());

  const refused = (reason, code, make) => s.denied({ status: 401, code, reason }, make);

  it('refused as bearer, also after it has passed with its proof', async () => {
    await refused('token_bound', 'invalid_token', () => s.request({ path: '/orders/1', token }));
    await s.allowed(async () => s.request(mine.with(token, await mine.proof(token))));
    await refused('token_bound', 'invalid_token', () => s.request({ path: '/orders/1', token }));
    await refused('token_bound', 'invalid_token', async () => s.request({ path: '/orders/1', token, fields: [['DPoP', await mine.proof(token)]] }));
  });
  it('refused: without a proof, with that of another, with one for another request, and twice', async () => {
    await refused('dpop_proof_missing', 'invalid_dpop_proof', () => s.request(mine.with(token)));
    await refused('dpop_other_key', 'invalid_dpop_proof', async () => s.request(mine.with(token, await other.proof(token))));
    await refused('dpop_proof_target', 'invalid_dpop_proof', async () => s.request(mine.with(token, await mine.proof(token), { path: '/orders/2' })));
    await refused('dpop_proof_target', 'invalid_dpop_proof', async () => s.request(mine.with(token, await mine.proof(token), { method: 'POST' })));
    const proof = await mine.proof(token);
    await s.allowed(() => s.request(mine.with(token, proof)));
    await refused('dpop_proof_replayed', 'invalid_dpop_proof', () => s.request(mine.with(token, proof)));
  });
  it('refused: bound to more than the proof shows', async () => {
    const both = await s.mint({ cnf: { ...mine.cnf, 'x5t#S256': mine.jkt } });
    await refused('token_bound', 'invalid_token', async () => s.request(mine.with(both, await mine.proof(both))));
  });
  it('twin: with its proof; it is not forwarded, though the route forwards tokens', async () => {
    const { echo } = await s.allowed(async () => s.request(mine.with(token, await mine.proof(token))));
    assert.deepEqual(fieldsOf(echo, 'authorization'), []);
    assert.deepEqual(fieldsOf(echo, 'x-user'), ['alice']);
    const unbound = await s.mint();
    const passed = await s.allowed(() => s.request({ path: '/orders/1', token: unbound }));
    assert.deepEqual(fieldsOf(passed.echo, 'authorization'), [`Bearer ${unbound}`]);
  });
});

// RFC 9449 section 6.2, RFC 8705 section 3.2: what the endpoint says a token is bound to holds as what a JWT says of itself.
describe('T36: tokens that an endpoint says are bound', () => {
  let s, endpoint, mine, other;
  const send = (parts) => s.request(parts);
  before(async () => {
    endpoint = await ScriptedEndpoint.start();
    const settings = { endpoint: endpoint.url, client_id: 'gateway', client_secret: '${env:INTROSPECTION_SECRET}', audiences: ['orders'], dpop: 'allowed' };
    s = await openBoundStage({
      routes: {
        'read-orders': { ...READ_ORDERS, auth: { any_of: [{ jwt: 'main' }, { introspection: 'main' }] }, relay: { token: 'forward', headers: { 'X-User': 'claims.sub' } } },
        half: { ...READ_ORDERS, match: { host: HOST, path: '/half/**' }, auth: { any_of: [{ jwt: 'main' }, { introspection: 'plain' }] } },
      },
      gateway: { env: { INTROSPECTION_SECRET: 'secret' } },
      config: (_, base) => ({ ...base, introspection: { main: settings, plain: { ...settings, dpop: undefined } } }),
    });
    [mine, other] = [await Holder.make(), await Holder.make()];
    await s.allowed(() => mine.ask(send, endpoint.active('first', { cnf: mine.cnf, token_type: 'DPoP' })));
    other.nonce = mine.nonce;
  });
  after(() => closeAll(() => s?.close(), () => endpoint?.close()));

  const refused = (reason, code, make) => s.denied({ status: 401, code, reason }, make);
  const prove = async (token, { by = mine, path = '/orders/1', ...parts } = {}) => send(by.with(token, await by.proof(token, { url: `https://${HOST}${path}`, ...parts }), { path }));

  for (const type of ['DPoP', 'dpop', 'Bearer', undefined]) {
    it(`cnf.jkt with token_type ${type}: with its proof only, however often it is asked`, async () => {
      const token = endpoint.active(`bound-${type}`, { cnf: mine.cnf, token_type: type });
      for (let i = 0; i < 2; i++) {
        await refused('token_bound', 'invalid_token', () => send({ path: '/orders/1', token }));
        await refused('dpop_other_key', 'invalid_dpop_proof', () => prove(token, { by: other }));
        const { echo } = await s.allowed(() => prove(token));
        assert.deepEqual([fieldsOf(echo, 'authorization'), fieldsOf(echo, 'x-user')], [[], ['user-1']]);
      }
    });
  }
  for (const [name, claims] of Object.entries({
    'DPoP that does not say by what key': { token_type: 'DPoP' },
    'DPoP with an empty cnf': { token_type: 'DPoP', cnf: {} },
    'DPoP that is bound to a certificate': { token_type: 'DPoP', cnf: { 'x5t#S256': 'A'.repeat(43) } },
    'bound to a key and to a certificate': { token_type: 'DPoP', cnf: { jkt: 'A'.repeat(43), 'x5t#S256': 'A'.repeat(43) } },
    'bound to a text': { cnf: 'x' },
  })) {
    it(`refused either way: ${name}`, async () => {
      const token = endpoint.active(`odd-${name.replaceAll(' ', '-')}`, claims);
      await refused('token_bound', 'invalid_token', () => send({ path: '/orders/1', token }));
      await refused('token_bound', 'invalid_token', () => prove(token));
    });
  }
  it('refused: an unbound token with a proof, which passes as bearer', async () => {
    const token = endpoint.active('unbound', { token_type: 'Bearer' });
    await refused('token_unbound', 'invalid_token', () => prove(token));
    const { echo } = await s.allowed(() => send({ path: '/orders/1', token }));
    assert.deepEqual(fieldsOf(echo, 'authorization'), [`Bearer ${token}`]);
  });
  it('what the endpoint says later counts: a token that it binds anew', async () => {
    const token = endpoint.active('moved', { cnf: mine.cnf, token_type: 'DPoP' });
    await s.allowed(() => prove(token));
    assert.equal((await s.gateway.reload(JSON.parse(JSON.stringify({ ...s.config, introspection: { ...s.config.introspection, main: { ...s.config.introspection.main, client_id: 'gateway2' } } })))).event, 'ready');
    endpoint.active('moved', { cnf: other.cnf, token_type: 'DPoP' });
    await refused('dpop_other_key', 'invalid_dpop_proof', () => prove(token));
    await s.allowed(() => prove(token, { by: other }));
  });
  it('one table of used proofs, whoever verifies the token', async () => {
    const opaque = endpoint.active('same-jti', { cnf: mine.cnf });
    const jwt = await s.mint({ cnf: mine.cnf });
    const claims = { jti: 'the-same' };
    await s.allowed(() => prove(jwt, { claims }));
    await refused('dpop_proof_replayed', 'invalid_dpop_proof', () => prove(opaque, { claims }));
    await s.allowed(() => prove(opaque));
  });
  it('each kind by its own setting: where the endpoint takes no bound tokens, its answer decides', async () => {
    const bound = endpoint.active('half-bound', { cnf: mine.cnf, token_type: 'DPoP' });
    const unbound = endpoint.active('half-unbound');
    await refused('token_bound', 'invalid_token', () => prove(bound, { path: '/half/1' }));
    await refused('token_unbound', 'invalid_token', () => prove(unbound, { path: '/half/1' }));
    await s.allowed(() => send({ path: '/half/1', token: unbound }));
    const jwt = await s.mint({ cnf: mine.cnf });
    await s.allowed(() => prove(jwt, { path: '/half/1' }));
  });
  it('a proof that is wrong costs the endpoint nothing', async () => {
    const token = endpoint.active('unasked', { cnf: mine.cnf });
    await refused('dpop_proof_token', 'invalid_dpop_proof', async () => send(mine.with(token, await mine.proof('another'))));
    assert.equal(endpoint.count(token), 0);
    await s.allowed(() => prove(token));
  });
});
