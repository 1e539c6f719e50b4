// A client that holds a key (RFC 9449): its proofs are jose's, and those that jose would not make are forged.
import { createHash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';
import { forge, newKeyPair, seconds, signatureOf } from './issuer.mjs';
import { HOST, openStage, READ_ORDERS } from './stage.mjs';

export const ORIGIN = `https://${HOST}`;
export const athOf = (token) => createHash('sha256').update(token).digest('base64url');

export class Holder {
  static async make(alg = 'ES256', options) {
    const holder = new Holder();
    holder.alg = alg;
    Object.assign(holder, await newKeyPair(alg, options));
    holder.jwk = await exportJWK(holder.publicKey);
    holder.jkt = await calculateJwkThumbprint(holder.jwk);
    return holder;
  }

  get cnf() {
    return { jkt: this.jkt };
  }

  payload(token, { method = 'GET', url = `${ORIGIN}/orders/1`, claims = {} } = {}) {
    const all = { jti: randomUUID(), htm: method, htu: url, iat: seconds(), ath: token && athOf(token), nonce: this.nonce, ...claims };
    for (const [name, value] of Object.entries(all)) if (value === undefined) delete all[name];
    return all;
  }

  proof(token, { header = {}, ...parts } = {}) {
    return new SignJWT(this.payload(token, parts)).setProtectedHeader({ alg: this.alg, typ: 'dpop+jwt', jwk: this.jwk, ...header }).sign(this.privateKey);
  }

  // Of any shape. A header's member that is undefined is left out.
  forge(token, { header = {}, payload, sign, ...parts } = {}) {
    const key = this.privateKey;
    return forge({
      header: typeof header === 'string' ? header : { alg: this.alg, typ: 'dpop+jwt', jwk: this.jwk, ...header },
      payload: payload ?? this.payload(token, parts),
      sign: sign ?? ((input) => signatureOf(this.alg, key, input)),
    });
  }

  // The parts of a request with this token and proof.
  with(token, proof, { fields = [], ...parts } = {}) {
    return { path: '/orders/1', ...parts, fields: [['Authorization', `DPoP ${token}`], ...(proof === undefined ? [] : [['DPoP', proof]]), ...fields] };
  }

  // As clients do: asks, and once more with the nonce that it is told.
  async ask(send, token, { request = {}, ...parts } = {}) {
    const once = async () => {
      const response = await send(this.with(token, await this.proof(token, parts), request));
      this.nonce = response.fields.get('dpop-nonce') ?? this.nonce;
      return response;
    };
    const response = await once();
    return response.status === 401 && response.fields.get('www-authenticate')?.includes('use_dpop_nonce') ? once() : response;
  }
}

export const DPOP = { origins: [ORIGIN], algorithms: ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA', 'Ed25519'] };

// Bound tokens are allowed from `main`, and demanded from `strict`, which is the same issuer.
export const openBoundStage = ({ config = {}, routes = {}, dpop = {}, ...options } = {}) =>
  openStage({
    config: async (stage) => {
      const base = { dpop: { ...DPOP, ...dpop }, issuers: { main: { dpop: 'allowed' }, strict: { ...stage.base().issuers.main, dpop: 'required' }, plain: stage.base().issuers.main } };
      return { ...base, ...(typeof config === 'function' ? config(stage, base) : config) };
    },
    routes: {
      'read-orders': { ...READ_ORDERS, match: { host: HOST, path: '/orders/**', methods: ['GET', 'POST'] }, relay: { token: 'forward', headers: { 'X-User': 'claims.sub' } } },
      strict: { ...READ_ORDERS, match: { host: HOST, path: '/strict/**' }, auth: { jwt: 'strict' } },
      plain: { ...READ_ORDERS, match: { host: HOST, path: '/plain/**' }, auth: { jwt: 'plain' } },
      ...routes,
    },
    ...options,
  });
