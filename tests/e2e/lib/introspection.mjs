// Introspection endpoints: a real one, and one that says what a test wants.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { exportJWK } from 'jose';
import { newKeyPair } from './issuer.mjs';
import { listen } from './listen.mjs';

export const closeServer = (server) =>
  new Promise((resolve) => {
    server.closeAllConnections();
    server.close(resolve);
  });

export const AUDIENCE = 'orders';

// What such a secret may hold: everything that a form, a URL and Basic have a meaning for.
export const SECRET = 'a:b+c d%&=/"\\~*0123456789';

const CALLER = { client_id: 'machine', client_secret: 'machine-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };

// panva's oidc-provider, with opaque tokens. `gateway`: metadata of the client that the gateway is.
export class RealProvider {
  static async start({ gateway = { token_endpoint_auth_method: 'client_secret_basic', client_secret: SECRET }, tls } = {}) {
    // It warns of what a provider in service should not do, as this one does.
    for (const name of ['warn', 'info']) console[name] = () => {};
    const provider = new RealProvider();
    provider.asked = []; // fields of the requests for introspection
    provider.tls = tls;
    const answer = (request, response) => {
      if (request.url.startsWith('/token/introspection')) provider.asked.push(request.headers);
      provider.answer(request, response);
    };
    provider.server = tls ? https.createServer({ cert: tls.cert, key: tls.key, ca: tls.ca, requestCert: true, rejectUnauthorized: false }, answer) : http.createServer(answer);
    provider.port = await listen(provider.server);
    provider.issuer = `${tls ? 'https' : 'http'}://127.0.0.1:${provider.port}`;
    const { default: Provider } = await import('oidc-provider');
    const { privateKey } = await newKeyPair('RS256');
    const oidc = new Provider(provider.issuer, {
      jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'first', alg: 'RS256', use: 'sig' }] },
      clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', ...(tls ? ['tls_client_auth'] : [])],
      clients: [
        CALLER,
        { ...CALLER, client_id: 'bound', tls_client_certificate_bound_access_tokens: tls !== undefined },
        { client_id: 'gateway:1', grant_types: [], redirect_uris: [], response_types: [], ...gateway },
      ],
      enabledJWA: { dPoPSigningAlgValues: ['ES256', 'ES384', 'EdDSA'] },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        dPoP: { enabled: true },
        introspection: { enabled: true, allowedPolicy: () => true },
        revocation: { enabled: true },
        mTLS: tls
          ? {
              enabled: true,
              certificateBoundAccessTokens: true,
              tlsClientAuth: true,
              getCertificate: (ctx) => {
                const peer = ctx.req.socket.getPeerCertificate();
                return peer?.raw ? new X509Certificate(peer.raw) : undefined;
              },
              certificateAuthorized: (ctx) => ctx.req.socket.authorized,
              certificateSubjectMatches: (ctx, property, expected) =>
                property === 'tls_client_auth_san_dns' && ctx.req.socket.getPeerCertificate().subjectaltname === `DNS:${expected}`,
            }
          : { enabled: false },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => 'https://orders.example.com',
          getResourceServerInfo: (_, __, client) => ({
            scope: 'read_orders write_orders',
            audience: provider.audience ?? AUDIENCE,
            accessTokenTTL: provider.life ?? 300,
            accessTokenFormat: provider.format ?? 'opaque',
            jwt: { sign: { alg: 'RS256', kid: 'first' } },
            client,
          }),
        },
      },
    });
    provider.answer = oidc.callback();
    provider.url = `${provider.issuer}/token/introspection`;
    return provider;
  }

  post(path, form, { client = 'machine', cert, key, proof } = {}) {
    const body = new URLSearchParams(form).toString();
    const { request } = this.tls ? https : http;
    return new Promise((resolve, reject) => {
      const sent = request(`${this.issuer}${path}`, {
        method: 'POST',
        ca: this.tls?.ca, cert, key, agent: false,
        headers: { Authorization: `Basic ${Buffer.from(`${client}:machine-secret`).toString('base64')}`, 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': body.length, ...(proof ? { DPoP: proof } : {}) },
      }, async (response) => {
        const parts = [];
        for await (const part of response) parts.push(part);
        const text = Buffer.concat(parts).toString();
        assert.equal(response.statusCode, 200, text);
        resolve(text);
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  // `holder`: of a key (dpop.mjs) that it is to be bound to.
  async token({ holder, ...options } = {}, scope = 'read_orders') {
    const proof = await holder?.proof(undefined, { method: 'POST', url: `${this.issuer}/token`, claims: { nonce: undefined } });
    const answer = JSON.parse(await this.post('/token', { grant_type: 'client_credentials', scope }, { proof, ...options }));
    assert.equal(answer.token_type, holder ? 'DPoP' : 'Bearer');
    return answer.access_token;
  }

  async revoke(token) {
    await this.post('/token/revocation', { token });
  }

  close() {
    return closeServer(this.server);
  }
}

// Says of each token what the test says: an object, or a function that answers.
export class ScriptedEndpoint {
  static async start() {
    const endpoint = new ScriptedEndpoint();
    endpoint.asked = []; // tokens
    endpoint.says = new Map();
    endpoint.waiting = [];
    endpoint.open = 0;
    endpoint.most = 0; // that were asked at once
    endpoint.server = http.createServer(async (request, response) => {
      endpoint.most = Math.max(endpoint.most, ++endpoint.open);
      response.once('close', () => endpoint.open--);
      const parts = [];
      for await (const part of request) parts.push(part);
      const form = new URLSearchParams(Buffer.concat(parts).toString());
      endpoint.asked.push(form.get('token'));
      endpoint.last = { form, headers: request.headers, method: request.method };
      if (endpoint.frozen) await new Promise((resolve) => endpoint.waiting.push(resolve));
      const answer = endpoint.says.get(form.get('token')) ?? endpoint.otherwise ?? { active: false };
      if (typeof answer === 'function') answer(response, request);
      else response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
    });
    endpoint.port = await listen(endpoint.server);
    endpoint.url = `http://127.0.0.1:${endpoint.port}/introspect`;
    return endpoint;
  }

  active(token, claims = {}) {
    this.says.set(token, { active: true, sub: 'user-1', client_id: 'app', aud: AUDIENCE, scope: 'read_orders', exp: Math.floor(Date.now() / 1000) + 300, ...claims });
    return token;
  }

  count(token) {
    return this.asked.filter((t) => t === token).length;
  }

  thaw() {
    this.frozen = false;
    for (const go of this.waiting.splice(0)) go();
  }

  async stop() {
    await closeServer(this.server);
  }

  async restart() {
    await listen(this.server, this.port);
  }

  close() {
    this.thaw();
    return this.server.listening ? closeServer(this.server) : undefined;
  }
}
