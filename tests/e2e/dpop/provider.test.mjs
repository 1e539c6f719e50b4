// A real authorization server that binds its tokens (panva's oidc-provider), and a client that proves them.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { decodeJwt, exportJWK } from 'jose';
import { Holder, openBoundStage } from '../lib/dpop.mjs';
import { newKeyPair } from '../lib/issuer.mjs';
import { closeAll } from '../lib/stage.mjs';

const AUDIENCE = 'orders';

class BindingProvider {
  static async start() {
    // It warns of what a provider in service should not do, as this one does.
    for (const name of ['warn', 'info']) console[name] = () => {};
    const { default: Provider } = await import('oidc-provider');
    const provider = new BindingProvider();
    provider.server = http.createServer((request, response) => provider.answer(request, response));
    await new Promise((done) => provider.server.listen(0, '127.0.0.1', done));
    provider.issuer = `http://127.0.0.1:${provider.server.address().port}`;
    const { privateKey } = await newKeyPair('RS256');
    const oidc = new Provider(provider.issuer, {
      jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'first', alg: 'RS256', use: 'sig' }] },
      clients: [{ client_id: 'machine', client_secret: 'machine-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [], dpop_bound_access_tokens: false }],
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        dPoP: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => 'https://orders.example.com',
          getResourceServerInfo: () => ({ scope: 'read_orders', audience: AUDIENCE, accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256', kid: 'first' } } }),
        },
      },
    });
    provider.answer = oidc.callback();
    return provider;
  }

  // Bound to the holder's key, or to none.
  async token(holder) {
    const url = `${this.issuer}/token`;
    const response = await fetch(url, {
      method: 'POST',
      headers: { Authorization: `Basic ${Buffer.from('machine:machine-secret').toString('base64')}`, ...(holder ? { DPoP: await holder.proof(undefined, { method: 'POST', url }) } : {}) },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'read_orders' }),
    });
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    assert.equal(body.token_type, holder ? 'DPoP' : 'Bearer');
    return body.access_token;
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }
}

describe('tokens of an authorization server that binds them', () => {
  let provider, s;
  const send = (parts) => s.request(parts);
  before(async () => {
    provider = await BindingProvider.start();
    const issuer = { issuer: provider.issuer, jwks_file: undefined, algorithms: ['RS256'], audiences: [AUDIENCE] };
    s = await openBoundStage({ config: (_, base) => ({ ...base, issuers: { main: { ...base.issuers.main, ...issuer }, strict: { ...base.issuers.strict, ...issuer }, plain: { ...base.issuers.plain, ...issuer } } }) });
    await s.gateway.event('keys_fetched');
  });
  after(() => closeAll(() => s?.close(), () => provider?.close()));

  for (const alg of ['ES256', 'EdDSA']) {
    it(`${alg}: asked for a nonce, then let in, again and again`, async () => {
      const holder = await Holder.make(alg);
      const token = await provider.token(holder);
      assert.equal(decodeJwt(token).cnf.jkt, holder.jkt);
      for (let i = 0; i < 3; i++) await s.allowed(() => holder.ask(send, token));
      assert.ok(holder.nonce);
    });
  }
  it('refused: by somebody else, and as bearer; its unbound tokens are bearers', async () => {
    const [holder, thief] = [await Holder.make(), await Holder.make()];
    const token = await provider.token(holder);
    await s.allowed(() => holder.ask(send, token));
    await s.denied({ status: 401, code: 'invalid_dpop_proof', reason: 'dpop_other_key' }, () => thief.ask(send, token));
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_bound' }, () => send({ path: '/orders/1', token }));
    const unbound = await provider.token();
    await s.allowed(() => send({ path: '/orders/1', token: unbound }));
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_unbound' }, () => send({ path: '/strict/1', token: unbound }));
  });
  it('refused: the proof that was made for the authorization server', async () => {
    const holder = await Holder.make();
    const token = await provider.token(holder);
    await s.allowed(() => holder.ask(send, token));
    const proof = await holder.proof(undefined, { method: 'POST', url: `${provider.issuer}/token` });
    await s.denied({ status: 401, code: 'invalid_dpop_proof', reason: ['dpop_proof_token', 'dpop_proof_target'] }, () => send(holder.with(token, proof)));
  });
});
