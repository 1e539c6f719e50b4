// Opaque tokens that are bound to a key of the client (RFC 9449 section 6.2): of a real authorization server that binds them.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Holder, openBoundStage } from '../lib/dpop.mjs';
import { AUDIENCE, RealProvider, SECRET } from '../lib/introspection.mjs';
import { closeAll, fieldsOf, HOST } from '../lib/stage.mjs';

const route = (path, endpoint, more = {}) => ({
  match: { host: HOST, path, methods: ['GET', 'POST'] },
  upstream: 'order-service',
  auth: { introspection: endpoint },
  authorize: { scopes: ['read_orders'] },
  relay: { token: 'forward', headers: { 'X-Client': 'client_id' } },
  timeout: '60s',
  ...more,
});

describe('opaque tokens of an authorization server that binds them', () => {
  let provider, s;
  const send = (parts) => s.request(parts);
  before(async () => {
    provider = await RealProvider.start();
    const endpoint = { endpoint: provider.url, client_id: 'gateway:1', client_secret: '${env:INTROSPECTION_SECRET}', issuer: provider.issuer, audiences: [AUDIENCE], timeout: '30s' };
    s = await openBoundStage({
      routes: {
        opaque: route('/orders/**', 'allowed'),
        fresh: route('/fresh/**', 'fresh'),
        strict: route('/strict/**', 'strict'),
        plain: route('/plain/**', 'off'),
        writing: route('/writing/**', 'allowed', { authorize: { scopes: ['write_orders'] } }),
        'read-orders': undefined,
      },
      gateway: { env: { INTROSPECTION_SECRET: SECRET } },
      config: (_, base) => ({
        ...base,
        introspection: {
          allowed: { ...endpoint, dpop: 'allowed', cache: '30s' },
          fresh: { ...endpoint, dpop: 'allowed', cache: '0s' },
          strict: { ...endpoint, dpop: 'required' },
          off: endpoint,
        },
      }),
    });
  });
  after(() => closeAll(() => s?.close(), () => provider?.close()));

  const ready = async (alg) => {
    const holder = await Holder.make(alg);
    const token = await provider.token({ holder });
    await s.allowed(() => holder.ask(send, token));
    assert.ok(holder.nonce);
    return { holder, token };
  };
  const refused = (reason, code, make) => s.denied({ status: 401, code, reason }, make);

  for (const alg of ['ES256', 'EdDSA', 'ES384']) {
    it(`${alg}: asked for a nonce, then let in, asked about anew and from what is remembered; not forwarded`, async () => {
      const holder = await Holder.make(alg);
      const token = await provider.token({ holder });
      for (const path of ['/orders/1', '/orders/1', '/fresh/1', '/fresh/1', '/strict/1']) {
        const { echo } = await s.allowed(() => holder.ask(send, token, { url: `https://${HOST}${path}`, request: { path } }));
        assert.deepEqual(fieldsOf(echo, 'X-Client'), ['machine']);
        for (const name of ['Authorization', 'DPoP']) assert.deepEqual(fieldsOf(echo, name), []);
      }
    });
  }
  it('T36 refused: as bearer, with a proof or none beside it, whether it is remembered or not', async () => {
    const { holder, token } = await ready();
    for (const path of ['/orders/1', '/fresh/1', '/strict/1']) {
      const { response } = await refused('token_bound', 'invalid_token', () => send({ path, token }));
      assert.ok(response.fields.all('www-authenticate').some((c) => c.startsWith('DPoP algs=')));
      await refused('token_bound', 'invalid_token', async () => send({ path, token, fields: [['DPoP', await holder.proof(token, { url: `https://${HOST}${path}` })]] }));
    }
    await s.allowed(() => holder.ask(send, token));
  });
  it('T36 refused: without a proof, by somebody else, for another token, and twice', async () => {
    const { holder, token } = await ready();
    const thief = await Holder.make();
    thief.nonce = holder.nonce;
    for (const path of ['/orders/1', '/fresh/1']) {
      const at = { url: `https://${HOST}${path}` };
      await refused('dpop_proof_missing', 'invalid_dpop_proof', () => send(holder.with(token, undefined, { path })));
      await refused('dpop_other_key', 'invalid_dpop_proof', async () => send(thief.with(token, await thief.proof(token, at), { path })));
      await refused('dpop_proof_token', 'invalid_dpop_proof', async () => send(holder.with(token, await holder.proof('another', at), { path })));
      await refused('dpop_proof_target', 'invalid_dpop_proof', async () => send(holder.with(token, await holder.proof(token, { url: `https://${HOST}/orders/2` }), { path })));
      const proof = await holder.proof(token, at);
      await s.allowed(() => send(holder.with(token, proof, { path })));
      await refused('dpop_proof_replayed', 'invalid_dpop_proof', () => send(holder.with(token, proof, { path })));
    }
  });
  it('refused: an unbound token with a proof; it is a bearer, and none where all must be bound', async () => {
    const { holder } = await ready();
    const unbound = await provider.token();
    const { echo } = await s.allowed(() => send({ path: '/orders/1', token: unbound }));
    assert.deepEqual(fieldsOf(echo, 'Authorization'), [`Bearer ${unbound}`]);
    await refused('token_unbound', 'invalid_token', async () => send(holder.with(unbound, await holder.proof(unbound))));
    await refused('token_unbound', 'invalid_token', () => send({ path: '/strict/1', token: unbound }));
  });
  it('where bound tokens are off, they are refused, and the scheme DPoP is nothing', async () => {
    const { holder, token } = await ready();
    await refused('token_bound', 'invalid_token', () => send({ path: '/plain/1', token }));
    await refused('credential_missing', 'unauthenticated', async () => send(holder.with(token, await holder.proof(token, { url: `https://${HOST}/plain/1` }), { path: '/plain/1' })));
  });
  it('a scope that is missing, and a revocation, are told by the scheme', async () => {
    const { holder, token } = await ready();
    const at = { url: `https://${HOST}/writing/1` };
    const scope = await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, async () => send(holder.with(token, await holder.proof(token, at), { path: '/writing/1' })));
    assert.match(scope.response.fields.get('www-authenticate'), /^DPoP .*error="insufficient_scope", scope="write_orders"/);
    await provider.revoke(token);
    const gone = await refused('token_inactive', 'invalid_token', async () => send(holder.with(token, await holder.proof(token, { url: `https://${HOST}/fresh/1` }), { path: '/fresh/1' })));
    assert.match(gone.response.fields.get('www-authenticate'), /^DPoP .*error="invalid_token"/);
  });
  it('no credential: asked for by the schemes that would do', async () => {
    for (const [path, schemes] of [['/orders/1', ['Bearer', 'DPoP']], ['/strict/1', ['DPoP']], ['/plain/1', ['Bearer']]]) {
      const { response } = await refused('credential_missing', 'unauthenticated', () => send({ path }));
      assert.deepEqual(response.fields.all('www-authenticate').map((c) => c.split(' ')[0]), schemes);
    }
  });
  it('many at once, of a token that nobody has asked about: one of each proof passes', async () => {
    const { holder } = await ready();
    const token = await provider.token({ holder });
    const proofs = await Promise.all(Array.from({ length: 8 }, () => holder.proof(token)));
    const answers = await Promise.all([...proofs, ...proofs].map((proof) => send(holder.with(token, proof))));
    assert.equal(answers.filter((a) => a.status === 200).length, 8);
    assert.equal(answers.filter((a) => a.status === 401).length, 8);
  });
});
