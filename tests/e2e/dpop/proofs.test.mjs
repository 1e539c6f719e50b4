// Every check of RFC 9449 section 4.3, each beside the honest request that differs in nothing else.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { exportJWK } from 'jose';
import { athOf, Holder, openBoundStage, ORIGIN } from '../lib/dpop.mjs';
import { requestH2 } from '../lib/h2.mjs';
import { b64, newKeyPair, seconds, signatureOf } from '../lib/issuer.mjs';
import { closeAll, fieldsOf, HOST, originCertificate, READ_ORDERS } from '../lib/stage.mjs';
import { connectStream, connectSession } from '../lib/tunnels.mjs';
import { open, refusal, startSocketServer } from '../lib/websocket.mjs';

const lower = (fields) => Object.fromEntries(Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value]));

describe('proofs of possession', () => {
  let s, sockets, holder, token;
  before(async () => {
    sockets = await startSocketServer();
    s = await openBoundStage({
      config: (stage, base) => ({ ...base, upstreams: { sockets: { endpoints: [sockets.url], tls: { ca: stage.ca.certFile, server_name: 'orders.internal' } } } }),
      routes: { ws: { ...READ_ORDERS, match: { host: HOST, path: '/ws' }, upstream: 'sockets', websocket: {} } },
    });
    holder = await Holder.make();
    token = await s.mint({ cnf: holder.cnf });
    // It has just started: proofs need a nonce, which the first answer tells.
    await holder.ask((parts) => s.request(parts), token);
    assert.ok(holder.nonce, 'a nonce was told');
  });
  after(() => closeAll(() => s?.close(), () => sockets?.close()));

  const send = (parts) => s.request(parts);
  const wrong = (reason, proof, parts) => s.denied({ status: 401, code: 'invalid_dpop_proof', reason }, async () => send(holder.with(token, await proof, parts)));

  it('a good proof: the token counts, and does not go on', async () => {
    const { echo } = await s.allowed(async () => send(holder.with(token, await holder.proof(token))));
    assert.deepEqual(fieldsOf(echo, 'authorization'), []);
    assert.deepEqual(fieldsOf(echo, 'dpop'), []);
    assert.deepEqual(fieldsOf(echo, 'x-user'), ['alice']);
  });

  for (const alg of ['ES384', 'RS256', 'PS256', 'EdDSA']) {
    it(`a good proof by ${alg}, and one that another key signed`, async () => {
      const other = await Holder.make(alg);
      const twin = await Holder.make(alg);
      other.nonce = holder.nonce;
      const own = await s.mint({ cnf: other.cnf });
      for (let i = 0; i < 2; i++) await s.allowed(async () => send(other.with(own, await other.proof(own))));
      const forged = other.forge(own, { sign: (input) => signatureOf(alg, twin.privateKey, input) });
      await s.denied({ status: 401, code: 'invalid_dpop_proof', reason: 'dpop_proof_signature' }, () => send(other.with(own, forged)));
    });
  }
  it('over HTTP/2', async () => {
    const ask = async (proof) => requestH2(s, { path: '/orders/1', fields: Object.fromEntries(holder.with(token, proof).fields) });
    const response = await ask(await holder.proof(token));
    assert.equal(response.status, 200, response.text);
    const again = await ask('x');
    assert.equal(again.status, 401);
    assert.match(again.headers['www-authenticate'], /^DPoP error="invalid_dpop_proof".* algs="/);
  });

  it('for a WebSocket: the proof is for the handshake', async () => {
    const headers = async (url) => Object.fromEntries(holder.with(token, await holder.proof(token, { url })).fields);
    const socket = await open(s, { headers: await headers(`${ORIGIN}/ws`) });
    socket.send('hello');
    assert.equal(await socket.next(), 'hello');
    socket.close();
    const refused = await refusal(s, { headers: await headers(`${ORIGIN}/orders/1`) });
    assert.equal(refused.status, 401);
    // Over HTTP/2 it is an extended CONNECT, which stands for the same GET.
    const session = await connectSession(s);
    assert.equal((await connectStream(session, { fields: lower(await headers(`${ORIGIN}/orders/1`)) })).status, 401);
    const { stream, status } = await connectStream(session, { fields: lower(await headers(`${ORIGIN}/ws`)) });
    assert.equal(status, 200);
    stream.destroy();
    session.destroy();
  });

  it('refused: none, two, or what is no proof', async () => {
    await wrong('dpop_proof_missing', undefined);
    await s.denied({ status: 401, code: 'invalid_dpop_proof', reason: 'dpop_proof_repeated' }, async () =>
      send(holder.with(token, await holder.proof(token), { fields: [['DPoP', await holder.proof(token)]] })));
    for (const text of ['', 'x', 'x.y.z', token, `${await holder.proof(token)}.`, `${await holder.proof(token)},${await holder.proof(token)}`]) await wrong('dpop_proof_malformed', text);
  });
  for (const typ of ['JWT', 'at+jwt', 'dpop', 'DPoP+JWT', 'application/dpop+jwt', '', undefined]) {
    it(`refused: typ ${JSON.stringify(typ)}`, () => wrong('dpop_proof_malformed', holder.forge(token, { header: { typ } })));
  }
  it('refused: an algorithm that is none, symmetric, or not listed', async () => {
    await wrong('dpop_proof_algorithm', holder.forge(token, { header: { alg: 'none' }, sign: '' }));
    await wrong('dpop_proof_algorithm', holder.forge(token, { header: { alg: 'HS256' }, sign: (input) => signatureOf('HS256', Buffer.from(holder.jwk.x), input) }));
    const other = await Holder.make('ES512');
    other.nonce = holder.nonce;
    await wrong('dpop_proof_algorithm', other.proof(token));
  });
  it('refused: crit', () => wrong('dpop_proof_malformed', holder.forge(token, { header: { crit: ['x'], x: 1 } })));

  it('refused: a key that is missing, private, symmetric, or no key', async () => {
    const secret = await exportJWK(holder.privateKey);
    for (const jwk of [undefined, null, 'x', [], {}, secret, { ...holder.jwk, d: 'x' }, { ...holder.jwk, k: 'x' }, { kty: 'oct', k: 'AAAA' }, { ...holder.jwk, kty: 'X' }, { ...holder.jwk, x: undefined }, { ...holder.jwk, x: `${holder.jwk.x}=` }]) {
      await wrong('dpop_proof_key', holder.forge(token, { header: { jwk } }));
    }
  });
  it('refused: the key of another, and of another kind', async () => {
    const other = await Holder.make();
    const rsa = await Holder.make('RS256');
    other.nonce = rsa.nonce = holder.nonce;
    await wrong('dpop_other_key', other.proof(token));
    await wrong('dpop_other_key', rsa.proof(token));
    // the right key named, another one's signature
    await wrong('dpop_proof_signature', holder.forge(token, { sign: (input) => signatureOf('ES256', other.privateKey, input) }));
    for (const sign of ['', b64('x'), Buffer.alloc(64)]) await wrong('dpop_proof_signature', holder.forge(token, { sign }));
    await wrong('dpop_proof_key', holder.forge(token, { header: { alg: 'RS256' } }));
  });
  it('refused: an RSA key that is too small, or too large to verify with', async () => {
    for (const bits of [1024, 4352]) {
      const weak = await Holder.make('RS256', { bits });
      weak.nonce = holder.nonce;
      const own = await s.mint({ cnf: weak.cnf });
      await s.denied({ status: 401, code: 'invalid_dpop_proof', reason: 'dpop_proof_key' }, () => send(weak.with(own, weak.forge(own))));
    }
  });

  for (const [name, htm] of Object.entries({ 'another method': 'POST', 'lower case': 'get', none: undefined, 'no text': 1 })) {
    it(`refused: htm, ${name}`, () => wrong(['dpop_proof_target', 'dpop_proof_malformed'], holder.forge(token, { claims: { htm } })));
  }
  for (const htu of ['https://evil.example/orders/1', `http://api.example.com/orders/1`, `${ORIGIN}:444/orders/1`, `${ORIGIN}/orders/2`, `${ORIGIN}/orders/1/`, `${ORIGIN}/Orders/1`, `${ORIGIN}/orders/x/../1`, `${ORIGIN}//orders/1`, '/orders/1', 'api.example.com/orders/1', 'https:///orders/1', `https://u@api.example.com/orders/1`, `${ORIGIN}.evil.example/orders/1`, '', undefined, 1]) {
    it(`refused: htu ${JSON.stringify(htu)}`, () => wrong(['dpop_proof_target', 'dpop_proof_malformed'], holder.forge(token, { claims: { htu } })));
  }
  for (const [htu, path] of [[`${ORIGIN}/orders/1?a=b#c`, '/orders/1'], [`${ORIGIN}/orders/1`, '/orders/1?a=b'], ['HTTPS://API.Example.COM:443/orders/1', '/orders/1'], [`${ORIGIN}/orders/%31`, '/orders/1'], [`${ORIGIN}/orders/a%7eb%3a`, '/orders/a~b:']]) {
    it(`twin: htu ${htu} for ${path}`, async () => {
      await s.allowed(async () => send(holder.with(token, await holder.proof(token, { url: htu }), { path })));
    });
  }
  it('refused: a Host that the client made up does not make it an origin', async () => {
    await s.denied({ status: [404, 421], reason: ['no_route', 'misdirected'], code: ['not_found', 'misdirected_request'] }, async () =>
      send(holder.with(token, await holder.proof(token, { url: 'https://evil.example/orders/1' }), { host: 'evil.example' })));
  });

  for (const iat of [undefined, '1', null, -1, 1e300]) it(`refused: iat ${iat}`, () => wrong('dpop_proof_malformed', holder.forge(token, { claims: { iat } })));
  for (const offset of [-3600, -62, 40, 3600]) it(`refused: iat ${offset} s from now`, () => wrong('dpop_proof_time', holder.forge(token, { claims: { iat: seconds() + offset } })));
  for (const offset of [-50, 20, 0.5]) {
    it(`twin: iat ${offset} s from now`, () => s.allowed(() => send(holder.with(token, holder.forge(token, { claims: { iat: seconds() + offset } })))));
  }
  for (const jti of [undefined, '', 1, 'x'.repeat(1100)]) it(`refused: jti ${String(jti).slice(0, 9)}`, () => wrong('dpop_proof_malformed', holder.forge(token, { claims: { jti } })));
  it('refused: ath of nothing, or of another token', async () => {
    const another = await s.mint({ cnf: holder.cnf, jti: 'another' });
    for (const ath of [undefined, '', 1, athOf(another), athOf(token).slice(1), `${athOf(token)}=`]) await wrong('dpop_proof_token', holder.forge(token, { claims: { ath } }));
    await s.allowed(async () => send(holder.with(another, await holder.proof(another))));
  });
  it('refused: a member twice', () => {
    const text = JSON.stringify(holder.payload(token));
    return wrong('dpop_proof_malformed', holder.forge(token, { payload: `${text.slice(0, -1)},"htm":"GET"}` }));
  });

  it('refused: a nonce that is none of ours, with one that is', async () => {
    for (const nonce of ['', 'x', `${holder.nonce}x`, 'A'.repeat(22)]) {
      const { response } = await s.denied({ status: 401, code: 'use_dpop_nonce', reason: 'dpop_nonce' }, () => send(holder.with(token, holder.forge(token, { claims: { nonce } }))));
      assert.equal(response.fields.all('dpop-nonce').length, 1);
      holder.nonce = response.fields.get('dpop-nonce');
      await s.allowed(async () => send(holder.with(token, await holder.proof(token))));
      assert.match(response.fields.get('www-authenticate'), /^DPoP error="use_dpop_nonce", error_description="[^"]+", algs="RS256 PS256 ES256 ES384 EdDSA Ed25519"$/);
    }
    await wrong('dpop_proof_malformed', holder.forge(token, { claims: { nonce: 1 } }));
  });

  it('a token that is wrong in itself, with a good proof', async () => {
    for (const [claims, reason] of [[{ exp: seconds() - 100 }, 'token_expired'], [{ aud: 'x' }, 'token_audience']]) {
      const own = await s.mint({ cnf: holder.cnf, ...claims });
      const { response } = await s.denied({ status: 401, code: 'invalid_token', reason }, async () => send(holder.with(own, await holder.proof(own))));
      assert.match(response.fields.get('www-authenticate'), /^DPoP error="invalid_token"/);
    }
    const poor = await s.mint({ cnf: holder.cnf, scope: 'other' });
    const { response } = await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, async () => send(holder.with(poor, await holder.proof(poor))));
    assert.match(response.fields.get('www-authenticate'), /^DPoP error="insufficient_scope", scope="read_orders", algs="/);
  });

  describe('the scheme', () => {
    const at = (path) => ({ url: `${ORIGIN}${path}` });
    it('a bound token as Bearer: refused, and told how it should come', async () => {
      for (const fields of [[], [['DPoP', await holder.proof(token)]]]) {
        const { response } = await s.denied({ status: 401, code: 'invalid_token', reason: 'token_bound' }, () => send({ path: '/orders/1', token, fields }));
        const challenges = response.fields.all('www-authenticate').join(', ');
        assert.match(challenges, /Bearer error="invalid_token"/);
        assert.match(challenges, /DPoP algs="/);
      }
    });
    it('an unbound token with a proof: refused; as Bearer it is good', async () => {
      const unbound = await s.mint();
      await s.denied({ status: 401, code: 'invalid_token', reason: 'token_unbound' }, async () => send(holder.with(unbound, await holder.proof(unbound))));
      await s.allowed(() => send({ path: '/orders/1', token: unbound }));
    });
    it('both schemes, and a token that is none', async () => {
      await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_repeated' }, async () => send(holder.with(token, await holder.proof(token), { token })));
      await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_malformed' }, async () => send(holder.with('a b', await holder.proof(token))));
    });
    it('required: an unbound token is refused, and no Bearer is asked for', async () => {
      const unbound = await s.mint();
      await s.denied({ status: 401, code: 'invalid_token', reason: 'token_unbound' }, () => send({ path: '/strict/1', token: unbound }));
      const { response } = await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => send({ path: '/strict/1' }));
      assert.deepEqual(response.fields.all('www-authenticate').length, 1);
      assert.match(response.fields.get('www-authenticate'), /^DPoP algs="/);
      await s.allowed(async () => send(holder.with(token, await holder.proof(token, at('/strict/1')), { path: '/strict/1' })));
    });
    it('allowed: both are asked for', async () => {
      const { response } = await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => send({ path: '/orders/1' }));
      assert.deepEqual(response.fields.all('www-authenticate').map((c) => c.split(' ')[0]), ['Bearer', 'DPoP']);
    });
    it('off: a bound token is refused, whatever comes with it', async () => {
      await s.denied({ status: 401, code: 'invalid_token', reason: 'token_bound' }, () => send({ path: '/plain/1', token }));
      await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, async () => send(holder.with(token, await holder.proof(token, at('/plain/1')), { path: '/plain/1' })));
      await s.allowed(async () => send({ path: '/plain/1', token: await s.mint() }));
    });
  });

  it('proofs and nonces stand in no log', async () => {
    const proof = await holder.proof(token, { claims: { jti: randomUUID() } });
    await s.allowed(() => send(holder.with(token, proof)));
    await send(holder.with(token, proof));
    await s.gateway.access('the replay', (l) => l.reason === 'dpop_proof_replayed');
    for (const secret of [proof.split('.')[2], holder.nonce]) assert.ok(!s.gateway.output.includes(secret));
  });
});
