// T17: a token must be signed by the issuer's key, by an algorithm that is allowed and fits that key.
import { createPrivateKey } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Issuer, b64, forge, hmacKey, newKeyPair, signatureOf } from '../lib/issuer.mjs';
import { openStage } from '../lib/stage.mjs';
import assert from 'node:assert/strict';

describe('T17: algorithm confusion', () => {
  let s;
  let stranger;
  before(async () => {
    s = await openStage();
    stranger = await new Issuer().addKey('RS256', { kid: 'rsa-1' });
  });
  after(() => s?.close());

  const refused = (reason, make) => async () => {
    const { response } = await s.denied({ status: 401, code: 'invalid_token', reason, route: 'read-orders' }, async () => s.request({ path: '/orders/1', token: await make() }));
    assert.match(response.fields.get('www-authenticate'), /^Bearer .*error="invalid_token"/);
    const second = await s.request({ path: '/orders/1', token: await make() });
    assert.equal(second.status, 401, 'not once it was seen either');
  };
  const key = () => s.issuer.key({ alg: 'RS256' });

  for (const alg of ['none', 'nOnE', 'NONE', 'None', '']) {
    for (const [what, sign] of [['no signature', ''], ['a signature', 'AAAA']]) {
      it(`refused: alg "${alg}" with ${what}`, refused(['token_algorithm', 'token_malformed'], () => forge({ header: { alg, typ: 'JWT', kid: 'rsa-1' }, payload: s.issuer.claims(), sign })));
    }
  }
  for (const alg of ['HS256', 'HS384', 'HS512']) {
    for (const [what, secret] of [['PEM', () => s.issuer.publicPem()], ['PEM without its last newline', () => s.issuer.publicPem().trimEnd()], ['DER', () => key().publicKey.export({ type: 'spki', format: 'der' })], ['nothing', () => '']]) {
      it(`refused: ${alg} keyed with the RSA public key as ${what}`, refused('token_algorithm', () => s.issuer.forge({ header: { alg, kid: 'rsa-1' }, sign: (input) => signatureOf(alg, hmacKey(secret()), input) })));
    }
  }
  it('refused: HS256 without a kid', refused('token_algorithm', () => forge({ header: { alg: 'HS256' }, payload: s.issuer.claims(), sign: (input) => signatureOf('HS256', hmacKey(s.issuer.publicPem()), input) })));
  it("refused: an algorithm that is not the key's alg", refused('token_algorithm', () => s.issuer.forge({ header: { alg: 'ES256', kid: 'rsa-1' }, alg: 'ES256' })));
  it('refused: RS512 by an RS256 key', refused('token_algorithm', () => s.issuer.forge({ header: { alg: 'RS512' }, kid: 'rsa-1', sign: (input) => signatureOf('RS512', key().privateKey, input) })));
  it('refused: PS256 by an RS256 key', refused('token_algorithm', () => s.issuer.forge({ header: { alg: 'PS256' }, kid: 'rsa-1', sign: (input) => signatureOf('PS256', key().privateKey, input) })));
  it('refused: an algorithm in another spelling', refused('token_algorithm', () => s.issuer.forge({ header: { alg: 'rs256' }, kid: 'rsa-1' })));
  it('refused: alg is no string', refused(['token_algorithm', 'token_malformed'], () => s.issuer.forge({ header: { alg: ['RS256'] }, kid: 'rsa-1' })));
  it('refused: no alg', refused(['token_algorithm', 'token_malformed'], () => forge({ header: { kid: 'rsa-1' }, payload: s.issuer.claims(), sign: (input) => signatureOf('RS256', key().privateKey, input) })));
  it('refused: an empty signature', refused(['token_signature', 'token_malformed'], () => s.issuer.forge({ kid: 'rsa-1', sign: '' })));
  it('refused: a signature of zeros', refused('token_signature', () => s.issuer.forge({ kid: 'rsa-1', sign: Buffer.alloc(256) })));
  it('refused: an ECDSA signature of zeros (CVE-2022-21449)', refused('token_signature', () => s.issuer.forge({ kid: 'ec-1', sign: Buffer.alloc(64) })));
  it('refused: an ECDSA signature in DER', refused('token_signature', () => s.issuer.forge({ kid: 'ec-1', sign: (input) => signatureOf('RS256', s.issuer.key({ kid: 'ec-1' }).privateKey, input) })));
  it("refused: a stranger's key under our kid", refused('token_signature', () => stranger.mint({}, { kid: 'rsa-1' })));
  it("refused: a stranger's key without a kid", refused(['token_signature', 'token_key_unknown'], () => forge({ header: { alg: 'RS256' }, payload: s.issuer.claims(), sign: (input) => signatureOf('RS256', stranger.key({}).privateKey, input) })));
  it('refused: a changed payload', refused('token_signature', async () => {
    const [head, , signature] = (await s.mint()).split('.');
    return `${head}.${b64(s.issuer.claims({ sub: 'admin' }))}.${signature}`;
  }));
  it('refused: a changed header', refused('token_signature', async () => {
    const [, payload, signature] = (await s.mint()).split('.');
    return `${b64({ alg: 'RS256', kid: 'rsa-1', typ: 'at+jwt' })}.${payload}.${signature}`;
  }));
  it('refused: crit with an unknown name', refused('token_critical', () => s.issuer.forge({ header: { crit: ['exp'], exp: 1 }, kid: 'rsa-1' })));
  it('refused: crit with b64', refused(['token_critical', 'token_malformed'], () => s.issuer.forge({ header: { crit: ['b64'], b64: false }, kid: 'rsa-1' })));
  it('refused: crit empty', refused(['token_critical', 'token_malformed'], () => s.issuer.forge({ header: { crit: [] }, kid: 'rsa-1' })));
  it('refused: crit that is no list', refused(['token_critical', 'token_malformed'], () => s.issuer.forge({ header: { crit: 'b64' }, kid: 'rsa-1' })));
  it('refused: b64 false without crit', refused(['token_critical', 'token_malformed', 'token_signature'], () => {
    const payload = JSON.stringify(s.issuer.claims());
    const head = b64({ alg: 'RS256', kid: 'rsa-1', b64: false });
    return `${head}.${b64(payload)}.${signatureOf('RS256', key().privateKey, `${head}.${payload}`).toString('base64url')}`;
  }));
  it('refused: a duplicate alg', refused('token_malformed', () => s.issuer.forge({ header: '{"alg":"none","alg":"RS256","kid":"rsa-1"}', kid: 'rsa-1' })));
  it('refused: a duplicate claim', refused('token_malformed', () => s.issuer.forge({ payload: JSON.stringify(s.issuer.claims()).replace('{', '{"sub":"admin",'), kid: 'rsa-1' })));
  it('refused: padding, other alphabets and loose bits in base64url', async () => {
    const token = await s.mint();
    const [head, payload, signature] = token.split('.');
    for (const bad of [`${head}.${payload}.${signature}==`, `${head}.${payload}.${signature.replace(/[-_]/, '+')}`, `${head}=.${payload}.${signature}`, `${head}.${payload}.${signature}.`, `${head}.${payload}.${signature}.x`, `.${head}.${payload}.${signature}`]) {
      if (bad === token) continue;
      const response = await s.request({ path: '/orders/1', token: bad });
      assert.ok([400, 401].includes(response.status), `${response.status} for a variant`);
    }
  });
  it('refused: a JWE', refused(['token_malformed', 'token_algorithm'], () => `${b64({ alg: 'RSA-OAEP', enc: 'A256GCM', kid: 'rsa-1' })}.AAAA.AAAA.AAAA.AAAA`));
  it('refused: a weak curve of its own', refused(['token_key_unknown', 'token_algorithm', 'token_signature'], async () => {
    const { privateKey } = await newKeyPair('ES384');
    return s.issuer.forge({ header: { alg: 'ES384', kid: 'ec-1' }, kid: 'ec-1', sign: (input) => signatureOf('ES384', createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })), input) });
  }));

  it('twin: honest tokens of both keys', async () => {
    for (const alg of ['RS256', 'ES256']) {
      for (const header of [{}, { typ: 'JWT' }, { typ: 'at+jwt' }, { typ: 'application/at+jwt' }]) {
        await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint({}, { alg, header }) }));
      }
    }
  });
});
