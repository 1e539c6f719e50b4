// A token issuer: keys of every kind, a key set server, honest tokens and hostile ones.
import { createHmac, createPublicKey, generateKeyPair, constants, createSecretKey, sign as nodeSign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { promisify } from 'node:util';
import { exportJWK, SignJWT } from 'jose';
import { listen } from './listen.mjs';

const generate = promisify(generateKeyPair);
export const b64 = (data) => Buffer.from(typeof data === 'string' ? data : Buffer.isBuffer(data) ? data : JSON.stringify(data)).toString('base64url');
export const seconds = () => Math.floor(Date.now() / 1000);

const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };
export const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

export async function newKeyPair(alg, { bits = 2048 } = {}) {
  if (/^[RP]S/.test(alg)) return generate('rsa', { modulusLength: bits });
  if (CURVES[alg]) return generate('ec', { namedCurve: CURVES[alg] });
  if (alg === 'EdDSA' || alg === 'Ed25519') return generate('ed25519');
  throw new Error(`no key for ${alg}`);
}

// A signature by node's own crypto, for what jose refuses to make.
export function signatureOf(alg, key, input) {
  const data = Buffer.from(input);
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith('HS')) return createHmac(hash, key).update(data).digest();
  if (alg.startsWith('RS')) return nodeSign(hash, data, key);
  if (alg.startsWith('PS')) {
    return nodeSign(hash, data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(alg.slice(2)) / 8 });
  }
  if (alg.startsWith('ES')) return nodeSign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
  return nodeSign(null, data, key);
}

// header and payload: objects, or texts to be encoded as they are. sign: a function of the signing input, or its result.
export function forge({ header, payload, sign = '' }) {
  const input = `${b64(header)}.${b64(payload)}`;
  const signature = typeof sign === 'function' ? sign(input) : sign;
  return `${input}.${typeof signature === 'string' ? signature : signature.toString('base64url')}`;
}

export class Issuer {
  constructor({ issuer = 'https://idp.example.com', audience = 'orders' } = {}) {
    this.issuer = issuer;
    this.audience = audience;
    this.keys = new Map(); // kid → { alg, publicKey, privateKey }
  }

  async addKey(alg, { kid = `${alg.toLowerCase()}-${this.keys.size + 1}`, bits } = {}) {
    this.keys.set(kid, { kid, alg, ...(await newKeyPair(alg, { bits })) });
    return this;
  }

  removeKey(kid) {
    this.keys.delete(kid);
    return this;
  }

  key({ kid, alg } = {}) {
    const found = kid ? this.keys.get(kid) : [...this.keys.values()].find((k) => !alg || k.alg === alg);
    if (!found) throw new Error(`no key ${kid ?? alg}`);
    return found;
  }

  async jwks({ algs = true } = {}) {
    const keys = [];
    for (const { kid, alg, publicKey } of this.keys.values()) {
      keys.push({ ...(await exportJWK(publicKey)), kid, use: 'sig', ...(algs ? { alg } : {}) });
    }
    return { keys };
  }

  async writeJwks(file) {
    writeFileSync(file, JSON.stringify(await this.jwks()));
    return file;
  }

  claims(claims = {}) {
    const now = seconds();
    const all = { iss: this.issuer, aud: this.audience, sub: 'alice', iat: now, exp: now + 300, scope: 'read_orders', ...claims };
    for (const [name, value] of Object.entries(all)) if (value === undefined) delete all[name];
    return all;
  }

  // An honest token, through jose (node's crypto for the name "Ed25519", which jose 5 does not write).
  async mint(claims = {}, { kid, alg, header = {} } = {}) {
    const key = this.key({ kid, alg });
    const name = alg ?? key.alg;
    const protectedHeader = { alg: name, kid: key.kid, ...header };
    if (name === 'Ed25519') {
      return forge({ header: protectedHeader, payload: this.claims(claims), sign: (input) => signatureOf(name, key.privateKey, input) });
    }
    return new SignJWT(this.claims(claims)).setProtectedHeader(protectedHeader).sign(key.privateKey);
  }

  // A token of any shape, signed well by one of our keys unless `sign` says otherwise.
  forge({ header = {}, payload, claims = {}, kid, alg, sign } = {}) {
    const key = this.key({ kid, alg });
    return forge({
      header: typeof header === 'string' ? header : { alg: key.alg, kid: key.kid, ...header },
      payload: payload ?? this.claims(claims),
      sign: sign ?? ((input) => signatureOf(key.alg, key.privateKey, input)),
    });
  }

  // The RSA public key in PEM, as the secret of an HMAC: the classic confusion.
  publicPem(options = { alg: 'RS256' }) {
    return this.key(options).publicKey.export({ type: 'spki', format: 'pem' });
  }

  serve(options = {}) {
    return serveKeys(async () => this.jwks(), options);
  }
}

export const hmacKey = (secret) => createSecretKey(Buffer.from(secret));
export const publicJwk = async (privateKey) => exportJWK(createPublicKey(privateKey));

// A key set server. `server.answer` may be replaced by (request, response) => … to be slow, huge, redirecting, broken.
export async function serveKeys(document, { tls = null, port = 0 } = {}) {
  const server = {
    fetches: 0,
    paths: [],
    sockets: new Set(),
    answer: null,
    async start(at) {
      const handler = async (request, response) => {
        server.fetches++;
        server.paths.push(request.url);
        if (server.answer) return server.answer(request, response);
        response.setHeader('Content-Type', 'application/jwk-set+json');
        response.end(JSON.stringify(await document()));
      };
      server.http = tls ? https.createServer(tls, handler) : http.createServer(handler);
      server.http.on('connection', (socket) => {
        server.sockets.add(socket);
        socket.on('close', () => server.sockets.delete(socket));
      });
      server.port = await listen(server.http, at);
      server.url = `${tls ? 'https' : 'http'}://127.0.0.1:${server.port}/jwks.json`;
      return server;
    },
    async stop() {
      for (const socket of server.sockets) socket.destroy();
      await new Promise((resolve) => server.http.close(() => resolve()));
    },
  };
  return server.start(port);
}

let standard;
// The issuer most tests share: made once a process, since RSA keys take their time.
export const standardIssuer = () =>
  (standard ??= (async () => {
    const issuer = new Issuer();
    await issuer.addKey('RS256', { kid: 'rsa-1' });
    await issuer.addKey('ES256', { kid: 'ec-1' });
    return issuer;
  })());
