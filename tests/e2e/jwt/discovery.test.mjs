// Keys that are discovered: a real OpenID provider, and metadata that lies.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { exportJWK } from 'jose';
import { Issuer, newKeyPair } from '../lib/issuer.mjs';
import { listen } from '../lib/listen.mjs';
import { closeAll, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

const closeServer = (server) =>
  new Promise((resolve) => {
    server.closeAllConnections();
    server.close(resolve);
  });

const AUDIENCE = 'orders';
const OPTIONS = { jwks_file: null, algorithms: ['RS256', 'ES256'], audiences: [AUDIENCE] };

// panva's oidc-provider, whose keys and everything else may change under the same address.
class RealProvider {
  static async start({ path = '' } = {}) {
    // It warns of what a provider in service should not do, as this one does.
    for (const name of ['warn', 'info']) console[name] = () => {};
    const provider = new RealProvider();
    provider.requests = [];
    provider.server = http.createServer((request, response) => {
      provider.requests.push(request.url);
      provider.answer(request, response);
    });
    provider.port = await listen(provider.server);
    provider.issuer = `http://127.0.0.1:${provider.port}${path}`;
    await provider.use(await provider.newKey('first'));
    return provider;
  }

  async newKey(kid, alg = 'RS256') {
    const { privateKey } = await newKeyPair(alg);
    return { ...(await exportJWK(privateKey)), kid, alg, use: 'sig' };
  }

  async use(...keys) {
    const { default: Provider } = await import('oidc-provider');
    const oidc = new Provider(this.issuer, {
      jwks: { keys },
      clients: [{ client_id: 'machine', client_secret: 'machine-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => 'https://orders.example.com',
          getResourceServerInfo: () => ({ scope: 'read_orders', audience: AUDIENCE, accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: keys[0].alg, kid: keys[0].kid } } }),
        },
      },
    });
    this.answer = oidc.callback();
  }

  async token() {
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${Buffer.from('machine:machine-secret').toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'read_orders' }),
    });
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    return body.access_token;
  }

  close() {
    return closeServer(this.server);
  }
}

describe('a real OpenID provider', () => {
  let s;
  let provider;
  before(async () => {
    provider = await RealProvider.start();
    s = await openStage({ config: { issuers: { main: { ...OPTIONS, issuer: provider.issuer, jwks_refresh: '1s', jwks_unknown_kid_interval: '1s' } } } });
  });
  after(() => closeAll(() => s?.close(), () => provider?.close()));
  const ask = async (token) => s.request({ path: '/orders/1', token: token ?? (await provider.token()) });

  it('its token passes, with keys from where its metadata says', async () => {
    const event = await s.gateway.event('keys_discovered', (e) => e.issuer === 'main');
    assert.equal(event.url, `${provider.issuer}/jwks`);
    await s.gateway.event('keys_fetched', (e) => e.issuer === 'main');
    const { response } = await s.allowed(() => ask());
    const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
    assert.deepEqual([line.issuer, line.client_id], ['main', 'machine']);
    assert.ok(provider.requests.includes('/.well-known/openid-configuration'));
  });
  it('a token that another signed does not', async () => {
    const stranger = await new Issuer({ issuer: provider.issuer }).addKey('RS256', { kid: 'first' });
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_signature' }, async () => ask(await stranger.mint()));
  });
  it('nor one whose signature is none', async () => {
    const [head, payload] = (await provider.token()).split('.');
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_signature' }, () => ask(`${head}.${payload}.${Buffer.alloc(256).toString('base64url')}`));
  });
  it('a rotation of its keys is followed: the new one is found, tokens of the old one are refused once it is gone', async () => {
    const old = await provider.token();
    const [first, second] = [await provider.newKey('second', 'ES256'), await provider.newKey('third')];
    await provider.use(first, second);
    await until('the new key', async () => (await ask()).status === 200);
    await until('the end of the old key', async () => (await ask(old)).status === 401);
    await s.allowed(() => ask());
    await provider.use(second);
    await until('the next key', async () => (await ask()).status === 200);
  });
  it('gone: the last keys stay good; back: they are fetched anew', async () => {
    const token = await provider.token();
    await s.allowed(() => ask(token));
    const answer = provider.answer;
    provider.answer = (_, response) => response.writeHead(503).end();
    const failed = await s.gateway.event('keys_failed', (e) => e.issuer === 'main');
    assert.match(failed.reason, /^discovery at http:.*\/\.well-known\/openid-configuration: the server answered 503/);
    await s.allowed(() => ask(token));
    const metrics = await s.gateway.metrics();
    assert.ok(metrics.sum('sallyport_jwks_fetch_failures_total') >= 1);
    assert.ok(metrics.sum('sallyport_issuer_fetch_failures_total', { issuer: 'main' }) >= 1);
    assert.equal(metrics.sum('sallyport_issuer_has_keys', { issuer: 'main' }), 1);
    assert.ok(metrics.sum('sallyport_issuer_fetches_total', { issuer: 'main' }) >= 2);
    const age = metrics.sum('sallyport_issuer_keys_age_seconds', { issuer: 'main' });
    await until('older keys', async () => (await s.gateway.metrics()).sum('sallyport_issuer_keys_age_seconds') > age);
    provider.answer = answer;
    const from = s.gateway.events.length;
    await s.gateway.wait('newer keys', () => s.gateway.events.slice(from).find((e) => e.event === 'keys_fetched'), 20_000);
  });
});

// Whatever metadata says: each of these issuers names itself and its keys in its own way.
describe('T18: metadata that lies', () => {
  let s;
  let server;
  let inside; // what nobody outside should be able to have asked for
  const asked = [];
  const signer = new Issuer();
  const issuerOf = (name) => `http://127.0.0.1:${server.port}/${name}`;
  const metadata = {
    honest: (at) => ({ issuer: at, jwks_uri: `${at}/jwks` }),
    slash: (at) => ({ issuer: `${at}/`, jwks_uri: `${at}/jwks` }),
    another: (at) => ({ issuer: 'https://idp.example.com', jwks_uri: `${at}/jwks` }),
    nobody: (at) => ({ jwks_uri: `${at}/jwks` }),
    keyless: (at) => ({ issuer: at }),
    inside: (at) => ({ issuer: at, jwks_uri: `https://127.0.0.2:${inside.port}/jwks` }),
    insidename: (at) => ({ issuer: at, jwks_uri: `https://localhost:${inside.port}/jwks` }),
    plain: (at) => ({ issuer: at, jwks_uri: `http://127.0.0.2:${inside.port}/jwks` }),
    cloud: (at) => ({ issuer: at, jwks_uri: 'https://169.254.169.254/latest/meta-data/' }),
    file: (at) => ({ issuer: at, jwks_uri: 'file:///etc/passwd' }),
    user: (at) => ({ issuer: at, jwks_uri: `http://a:b@127.0.0.1:${server.port}/user/jwks` }),
  };
  const REASON = {
    slash: /another issuer/, another: /another issuer/, nobody: /names no issuer/, keyless: /names no jwks_uri/, inside: /not public/, insidename: /not public/,
    plain: /own host/, cloud: /not public/, file: /./, user: /malformed/, moved: /answered 302/, keysmoved: /answered 302/, huge: /too large/, html: /not JSON/, slow: /timed out/,
  };
  before(async () => {
    await signer.addKey('ES256', { kid: 'k' });
    const connected = (socket) => asked.push(socket.remoteAddress);
    inside = http.createServer((_, response) => response.end()).on('connection', connected);
    inside.port = await listen(inside, 0, '0.0.0.0');
    server = http.createServer(async (request, response) => {
      const name = request.url.split('/')[1];
      const at = issuerOf(name);
      if (request.url === `/${name}/jwks` && name === 'keysmoved') return response.writeHead(302, { Location: `http://127.0.0.1:${inside.port}/` }).end();
      if (request.url === `/${name}/jwks`) return response.end(JSON.stringify(await signer.jwks()));
      if (name === 'moved') return response.writeHead(302, { Location: `${issuerOf('honest')}/.well-known/openid-configuration` }).end();
      if (name === 'huge') return response.on('error', () => {}).end(Buffer.alloc(3 << 20, ' '));
      if (name === 'html') return response.end('<html>');
      if (name === 'slow') return undefined;
      return response.end(JSON.stringify((metadata[name] ?? metadata.honest)(at)));
    });
    server.port = await listen(server);
    const names = ['honest', ...Object.keys(REASON)];
    s = await openStage({
      config: { issuers: Object.fromEntries([['main', null], ...names.map((name) => [name, { issuer: issuerOf(name), audiences: ['orders'], algorithms: ['ES256'], jwks_timeout: '2s' }])]) },
      routes: Object.fromEntries(names.map((name) => [name, { match: { host: 'api.example.com', path: `/${name}/**` }, auth: { jwt: name }, authorize: { scopes: 'read_orders' }, upstream: 'order-service' }])),
    });
  });
  after(() => closeAll(() => s?.close(), () => closeServer(server), () => closeServer(inside)));
  const ask = async (name) => s.request({ path: `/${name}/1`, token: await signer.mint({ iss: issuerOf(name) }) });

  it('twin: who tells the truth is believed', () => until('the keys', async () => (await ask('honest')).status === 200));
  for (const [name, reason] of Object.entries(REASON)) {
    it(`${name}: refused, told, and 503`, async () => {
      const failed = await s.gateway.event('keys_failed', (e) => e.issuer === name, 20_000);
      assert.match(failed.reason, reason);
      await s.denied({ status: 503, code: 'authentication_unavailable', reason: 'issuer_unavailable' }, () => ask(name));
    });
  }
  it('metrics say who has keys', async () => {
    const metrics = await s.gateway.metrics();
    for (const name of ['honest', ...Object.keys(REASON)]) {
      assert.equal(metrics.sum('sallyport_issuer_has_keys', { issuer: name }), name === 'honest' ? 1 : 0);
      assert.equal(metrics.sum('sallyport_issuer_fetch_failures_total', { issuer: name }) > 0, name !== 'honest');
    }
  });
  it('nothing inside was asked', () => assert.deepEqual(asked, []));
});
