// Where keys come from and how they change: files, a real key set server, every algorithm.
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { exportJWK } from 'jose';
import { ASYMMETRIC, Issuer, b64, forge, hmacKey, seconds, serveKeys, signatureOf } from '../lib/issuer.mjs';
import { closeAll, HOST, READ_ORDERS, fieldsOf, originCertificate, openStage } from '../lib/stage.mjs';
import { SLOW, until } from '../lib/wait.mjs';

const route = (name, jwt = name) => ({ ...READ_ORDERS, match: { host: HOST, path: `/${name}/**` }, auth: { jwt } });

describe('algorithms end to end', () => {
  let s;
  let issuer;
  const SECRET = Object.fromEntries(['HS256', 'HS384', 'HS512'].map((alg) => [alg, `a-secret-for-${alg}-`.padEnd(64, 'x')]));
  before(async () => {
    issuer = new Issuer({ issuer: 'https://all.example.com' });
    for (const alg of ASYMMETRIC) await issuer.addKey(alg, { kid: alg });
    s = await openStage({
      config: async (stage) => ({
        issuers: {
          all: { issuer: issuer.issuer, audiences: ['orders'], algorithms: ASYMMETRIC, jwks_file: await issuer.writeJwks(join(stage.dir, 'all.json')) },
          bare: { issuer: 'https://bare.example.com', audiences: ['orders'], algorithms: ASYMMETRIC, jwks_file: (writeFileSync(join(stage.dir, 'bare.json'), JSON.stringify(await issuer.jwks({ algs: false }))), join(stage.dir, 'bare.json')) },
          few: { issuer: 'https://few.example.com', audiences: ['orders'], algorithms: ['ES256'], jwks_file: join(stage.dir, 'all.json') },
          ...Object.fromEntries(Object.keys(SECRET).map((alg) => [alg.toLowerCase(), { issuer: `https://${alg.toLowerCase()}.example.com`, audiences: ['orders'], algorithms: [alg], secret: `\${env:${alg}_SECRET}` }])),
        },
      }),
      gateway: { env: Object.fromEntries(Object.entries(SECRET).map(([alg, secret]) => [`${alg}_SECRET`, secret])) },
      routes: Object.fromEntries(['all', 'bare', 'few', 'hs256', 'hs384', 'hs512'].map((name) => [name, route(name)])),
    });
  });
  after(() => s?.close());

  for (const alg of ASYMMETRIC) {
    it(`${alg}: accepted, and with one byte changed refused`, async () => {
      const token = await issuer.mint({}, { kid: alg });
      await s.allowed(() => s.request({ path: '/all/1', token }));
      await s.allowed(() => s.request({ path: '/all/1', token })); // from the cache
      const [head, payload, signature] = token.split('.');
      const bytes = Buffer.from(signature, 'base64url');
      bytes[bytes.length >> 1] ^= 1;
      await s.denied({ status: 401, code: 'invalid_token', reason: 'token_signature' }, () => s.request({ path: '/all/1', token: `${head}.${payload}.${bytes.toString('base64url')}` }));
    });
    it(`${alg}: refused where the issuer does not allow it`, async () => {
      const token = await issuer.mint({ iss: 'https://few.example.com' }, { kid: alg });
      if (alg === 'ES256') await s.allowed(() => s.request({ path: '/few/1', token }));
      else await s.denied({ status: 401, code: 'invalid_token', reason: 'token_algorithm' }, () => s.request({ path: '/few/1', token }));
    });
    it(`${alg}: a key without alg is used by its kind`, async () => {
      await s.allowed(async () => s.request({ path: '/bare/1', token: await issuer.mint({ iss: 'https://bare.example.com' }, { kid: alg }) }));
    });
  }
  it('a token without kid is tried against the keys that fit', async () => {
    const key = issuer.key({ kid: 'ES384' });
    const token = forge({ header: { alg: 'ES384' }, payload: issuer.claims(), sign: (input) => signatureOf('ES384', key.privateKey, input) });
    await s.allowed(() => s.request({ path: '/all/1', token }));
  });
  it('an EC key of one curve does not serve another\'s algorithm', async () => {
    const key = issuer.key({ kid: 'ES256' });
    const token = forge({ header: { alg: 'ES384', kid: 'ES256' }, payload: issuer.claims({ iss: 'https://bare.example.com' }), sign: (input) => signatureOf('ES384', key.privateKey, input) });
    await s.denied({ status: 401, code: 'invalid_token', reason: ['token_algorithm', 'token_key_unknown', 'token_signature'] }, () => s.request({ path: '/bare/1', token }));
  });
  for (const alg of Object.keys(SECRET)) {
    it(`${alg}: with the configured secret only`, async () => {
      const name = alg.toLowerCase();
      const mint = (secret, header = {}) => forge({ header: { alg, ...header }, payload: issuer.claims({ iss: `https://${name}.example.com` }), sign: (input) => signatureOf(alg, hmacKey(secret), input) });
      await s.allowed(() => s.request({ path: `/${name}/1`, token: mint(SECRET[alg]) }));
      await s.denied({ status: 401, code: 'invalid_token', reason: 'token_signature' }, () => s.request({ path: `/${name}/1`, token: mint('another-secret-of-more-than-thirty-two-bytes') }));
      const rs = forge({ header: { alg: 'RS256', kid: 'RS256' }, payload: issuer.claims({ iss: `https://${name}.example.com` }), sign: (input) => signatureOf('RS256', issuer.key({ kid: 'RS256' }).privateKey, input) });
      await s.denied({ status: 401, code: 'invalid_token', reason: 'token_algorithm' }, () => s.request({ path: `/${name}/1`, token: rs }));
    });
  }
});

describe('claims', () => {
  let s;
  before(async () => {
    s = await openStage({ config: { issuers: { main: { clock_skew: '30s', max_token_lifetime: '1h', required_claims: ['sub', 'jti'] } } } });
  });
  after(() => s?.close());
  const now = () => seconds();
  const ask = async (claims, options) => s.request({ path: '/orders/1', token: await s.mint({ jti: 'x', ...claims }, options) });
  const denied = (reason, claims) => () => s.denied({ status: 401, code: 'invalid_token', reason }, () => ask(typeof claims === 'function' ? claims() : claims));

  it('exp within the skew passes', () => s.allowed(() => ask({ exp: now() - 20 })));
  it('exp beyond it does not', denied('token_expired', () => ({ exp: now() - 40, iat: now() - 100 })));
  it('nbf within the skew passes', () => s.allowed(() => ask({ nbf: now() + 20 })));
  it('nbf beyond it does not', denied('token_not_yet', () => ({ nbf: now() + 60 })));
  it('iat in the future does not', denied('token_not_yet', () => ({ iat: now() + 60 })));
  it('no exp', denied('token_lifetime', { exp: undefined }));
  it('a life longer than allowed', denied('token_lifetime', () => ({ exp: now() + 3700 })));
  it('exp as text', denied(['token_malformed', 'token_claim', 'token_lifetime'], () => ({ exp: String(now() + 100) })));
  it('exp beyond any clock', denied(['token_malformed', 'token_claim', 'token_lifetime'], { exp: 1e300 }));
  it('exp with a fraction passes', () => s.allowed(() => ask({ exp: now() + 100.5 })));
  it('no aud', denied('token_audience', { aud: undefined }));
  it('aud empty', denied('token_audience', { aud: [] }));
  it('another aud', denied('token_audience', { aud: ['billing', 'Orders', 'orders/'] }));
  it('aud among several passes', () => s.allowed(() => ask({ aud: ['billing', 'orders'] })));
  it('no iss', denied('token_issuer', { iss: undefined }));
  it('iss that only resembles', denied('token_issuer', { iss: 'https://idp.example.com/' }));
  it('a required claim is missing', denied('token_claim', { jti: undefined }));
  it('a payload that is no object', async () => {
    for (const payload of ['[]', '"x"', '1', 'null', '', '{"iss":', '\xff\xfe']) {
      await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => s.request({ path: '/orders/1', token: s.issuer.forge({ kid: 'rsa-1', payload: payload === '' ? Buffer.alloc(0) : Buffer.from(payload, 'latin1') }) }));
    }
  });
  it('a payload nested without end', denied(['token_malformed'], () => ({ deep: JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`) })));
  it('a token of the greatest length, and one beyond', async () => {
    await s.allowed(() => ask({ filler: 'x'.repeat(4_000) }));
    const response = await ask({ filler: 'x'.repeat(30_000) });
    assert.ok([401, 431].includes(response.status), `${response.status}`);
  });
  it('identity reaches log and upstream as proven', async () => {
    const { response } = await s.allowed(() => ask({ sub: 'zoë', client_id: 'web' }));
    const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
    assert.deepEqual([line.subject, line.client_id, line.issuer], ['zoë', 'web', 'main']);
  });
});

describe('jwks_file', () => {
  it('a change is taken up by itself; a removed key takes its tokens along; a bad file changes nothing', async () => {
    const issuer = await new Issuer().addKey('ES256', { kid: 'old' });
    const s = await openStage({ issuer, config: { issuers: { main: { algorithms: ['ES256'] } } } });
    try {
      const ask = async (kid) => (await s.request({ path: '/orders/1', token: await issuer.mint({}, { kid }) })).status;
      const old = await issuer.mint({}, { kid: 'old' });
      assert.equal((await s.request({ path: '/orders/1', token: old })).status, 200);
      const replace = async () => {
        await issuer.writeJwks(`${s.jwksFile}.new`);
        renameSync(`${s.jwksFile}.new`, s.jwksFile);
      };
      await issuer.addKey('ES256', { kid: 'new' });
      await replace();
      await until('the new key', async () => (await ask('new')) === 200, 20_000);
      assert.equal((await s.request({ path: '/orders/1', token: old })).status, 200);
      issuer.removeKey('old');
      await replace();
      await until('the old key to be gone, its cached tokens too', async () => (await s.request({ path: '/orders/1', token: old })).status === 401, 20_000);
      writeFileSync(s.jwksFile, '{"keys": [');
      await s.gateway.wait('the bad file to be refused', () => s.gateway.events.find((e) => e.event === 'reload_refused' || e.event === 'keys_failed'), 20_000);
      assert.equal(await ask('new'), 200);
    } finally {
      await s.close();
    }
  });
});

describe('jwks_url', () => {
  const open = async (issuer, server, settings = {}, stage = {}) =>
    openStage({
      ...stage,
      issuer,
      config: { issuers: { main: { algorithms: ['ES256', 'RS256'], jwks_file: null, jwks_url: server.url, jwks_unknown_kid_interval: '1s', jwks_timeout: '1s', ...settings } } },
    });
  const ask = async (s, issuer, options) => s.request({ path: '/orders/1', token: await issuer.mint({}, options) });

  it('an unknown kid looks again, throttled; good tokens are not affected', async () => {
    const issuer = await new Issuer().addKey('ES256', { kid: 'first' });
    const server = await issuer.serve();
    const s = await open(issuer, server, { jwks_unknown_kid_interval: '2s' });
    try {
      await until('the keys', async () => (await ask(s, issuer, { kid: 'first' })).status === 200);
      await s.gateway.event('keys_fetched', (e) => e.issuer === 'main');
      const stranger = await new Issuer().addKey('ES256', { kid: 'flood' });
      const start = server.fetches;
      const from = Date.now();
      for (let i = 0; i < 100; i++) {
        const response = await s.request({ path: '/orders/1', token: stranger.forge({ header: { kid: `random-${i}` } }) });
        assert.equal(response.status, 401);
        if (i % 10 === 0) assert.equal((await ask(s, issuer, { kid: 'first' })).status, 200);
      }
      const allowed = Math.ceil((Date.now() - from) / 2000) + 1;
      assert.ok(server.fetches - start <= allowed, `${server.fetches - start} fetches, ${allowed} allowed`);
      // rotation
      await issuer.addKey('ES256', { kid: 'second' });
      await until('the rotated key', async () => (await ask(s, issuer, { kid: 'second' })).status === 200, 15_000);
      assert.equal((await ask(s, issuer, { kid: 'first' })).status, 200);
      const metrics = await s.gateway.metrics();
      assert.equal(metrics.sum('sallyport_jwks_fetches_total'), server.fetches);
    } finally {
      await closeAll(() => s.close(), () => server.stop());
    }
  });
  it('is refreshed by itself; a removed key takes its tokens along', async () => {
    const issuer = await new Issuer().addKey('ES256', { kid: 'first' });
    await issuer.addKey('ES256', { kid: 'second' });
    const server = await issuer.serve();
    const s = await open(issuer, server, { jwks_refresh: '1s' });
    try {
      const token = await issuer.mint({}, { kid: 'first' });
      await until('the keys', async () => (await s.request({ path: '/orders/1', token })).status === 200);
      issuer.removeKey('first');
      await until('the removed key to be gone', async () => (await s.request({ path: '/orders/1', token })).status === 401, 20_000);
      assert.equal((await ask(s, issuer, { kid: 'second' })).status, 200);
    } finally {
      await closeAll(() => s.close(), () => server.stop());
    }
  });
  it('down at start: 503 with Retry-After, never 401; when it comes up: 200', async () => {
    const issuer = await new Issuer().addKey('ES256', { kid: 'first' });
    const server = await issuer.serve();
    const { port } = server;
    await server.stop();
    const s = await open(issuer, server);
    try {
      const { response } = await s.denied({ status: 503, code: 'authentication_unavailable', reason: 'issuer_unavailable' }, () => ask(s, issuer, {}));
      assert.match(response.fields.get('retry-after'), /^[1-9][0-9]*$/);
      assert.equal(response.fields.has('www-authenticate'), false);
      // Without a token it is the caller's fault all the same.
      await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/orders/1' }));
      await server.start(port);
      await until('the keys', async () => (await ask(s, issuer, {})).status === 200, 30_000 * SLOW);
    } finally {
      await closeAll(() => s.close(), () => server.stop());
    }
  });
  it('down later: the last good keys stay good for jwks_stale, then 503', async () => {
    const issuer = await new Issuer().addKey('ES256', { kid: 'first' });
    const server = await issuer.serve();
    const s = await open(issuer, server, { jwks_refresh: '1s', jwks_stale: '3s' });
    try {
      await until('the keys', async () => (await ask(s, issuer, {})).status === 200);
      await server.stop();
      await s.gateway.event('keys_failed', (e) => e.issuer === 'main', 20_000);
      assert.equal((await ask(s, issuer, {})).status, 200, 'stale keys still serve');
      await until('the stale limit', async () => (await ask(s, issuer, {})).status === 503, 20_000);
    } finally {
      await s.close();
    }
  });
  it('over https, with its own authority', async () => {
    const issuer = await new Issuer().addKey('ES256', { kid: 'first' });
    const { cert, key } = originCertificate();
    const server = await issuer.serve({ tls: { cert, key } });
    const trusted = await openStage({ issuer, config: (stage) => ({ issuers: { main: { algorithms: ['ES256'], jwks_file: null, jwks_url: server.url, jwks_tls: { ca: stage.ca.certFile } } } }) });
    const untrusted = await open(issuer, server);
    try {
      await until('the keys', async () => (await ask(trusted, issuer, {})).status === 200);
      await untrusted.gateway.event('keys_failed');
      assert.equal((await ask(untrusted, issuer, {})).status, 503);
    } finally {
      await closeAll(() => trusted.close(), () => untrusted.close(), () => server.stop());
    }
  });
  it('keys we cannot use are skipped, the others serve', async () => {
    const issuer = await new Issuer().addKey('RS256', { kid: 'good' });
    const weak = await new Issuer().addKey('RS256', { kid: 'weak', bits: 1024 });
    const encryption = await new Issuer().addKey('RS256', { kid: 'enc' });
    const server = await serveKeys(async () => ({
      keys: [
        { kty: 'unknown', kid: 'a' },
        { kty: 'oct', k: b64('x'.repeat(64)), kid: 'oct', alg: 'HS256' },
        ...(await weak.jwks()).keys,
        { ...(await exportJWK(encryption.key({}).publicKey)), kid: 'enc', use: 'enc' },
        ...(await issuer.jwks()).keys,
      ],
    }));
    const s = await open(issuer, server);
    try {
      await until('the keys', async () => (await ask(s, issuer, {})).status === 200);
      for (const other of [weak, encryption]) await s.denied({ status: 401, code: 'invalid_token', reason: ['token_key_unknown', 'token_signature'] }, () => s.request({ path: '/orders/1', token: other.forge() }));
      const oct = forge({ header: { alg: 'HS256', kid: 'oct' }, payload: issuer.claims(), sign: (input) => signatureOf('HS256', hmacKey('x'.repeat(64)), input) });
      await s.denied({ status: 401, code: 'invalid_token', reason: 'token_algorithm' }, () => s.request({ path: '/orders/1', token: oct }));
    } finally {
      await closeAll(() => s.close(), () => server.stop());
    }
  });
});

describe('optional and several issuers', () => {
  let s;
  let other;
  before(async () => {
    other = await new Issuer({ issuer: 'https://other.example.com' }).addKey('ES256', { kid: 'o' });
    s = await openStage({
      config: async (stage) => ({ issuers: { other: { issuer: other.issuer, audiences: ['orders'], algorithms: ['ES256'], jwks_file: await other.writeJwks(join(stage.dir, 'other.json')) } } }),
      routes: {
        optional: { ...route('optional'), auth: { jwt: 'main', mode: 'optional' }, authorize: 'any_caller', relay: { headers: { 'X-User': 'claims.sub', 'X-Issuer': 'issuer' } } },
        both: { ...route('both'), auth: { jwt: ['main', 'other'] } },
      },
    });
  });
  after(() => s?.close());

  it('optional lets the absent through as anonymous, never the wrong', async () => {
    const { echo } = await s.allowed(() => s.request({ path: '/optional/1' }));
    assert.deepEqual(fieldsOf(echo, 'x-user'), []);
    const { echo: known } = await s.allowed(async () => s.request({ path: '/optional/1', token: await s.mint() }));
    assert.deepEqual([fieldsOf(known, 'x-user'), fieldsOf(known, 'x-issuer')], [['alice'], [s.issuer.issuer]]);
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => s.request({ path: '/optional/1', token: 'garbage' }));
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_expired' }, async () => s.request({ path: '/optional/1', token: await s.mint({ exp: seconds() - 100, iat: seconds() - 200 }) }));
  });
  it('each issuer\'s keys verify its own tokens only', async () => {
    await s.allowed(async () => s.request({ path: '/both/1', token: await s.mint() }));
    await s.allowed(async () => s.request({ path: '/both/1', token: await other.mint() }));
    await s.denied({ status: 401, code: 'invalid_token', reason: ['token_key_unknown', 'token_signature', 'token_algorithm'] }, async () => s.request({ path: '/both/1', token: await other.mint({ iss: s.issuer.issuer }) }));
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_issuer' }, async () => s.request({ path: '/optional/1', token: await other.mint() }));
  });
});
