// T18: where keys come from is the configuration's word, never the token's.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Issuer, publicJwk, serveKeys, signatureOf, standardIssuer } from '../lib/issuer.mjs';
import { closeAll, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

describe('T18: key sources named by the token', () => {
  let s;
  let evil;
  let evilServer;
  before(async () => {
    s = await openStage();
    evil = await new Issuer().addKey('RS256', { kid: 'evil' });
    evilServer = await evil.serve();
  });
  after(() => closeAll(() => s?.close(), () => evilServer?.stop()));

  const sign = (input) => signatureOf('RS256', evil.key({}).privateKey, input);
  const refused = (name, header, reasons = ['token_key_unknown', 'token_signature']) =>
    it(`ignored, no fetch: ${name}`, async () => {
      await s.denied({ status: 401, code: 'invalid_token', reason: reasons }, async () =>
        s.request({ path: '/orders/1', token: s.issuer.forge({ header: { alg: 'RS256', ...(typeof header === 'function' ? await header() : header) }, kid: 'rsa-1', sign }) }));
      assert.equal(evilServer.fetches, 0, 'the gateway fetched what a token named');
    });

  refused('jku', () => ({ kid: 'evil', jku: evilServer.url }));
  refused('jku with our kid', () => ({ kid: 'rsa-1', jku: evilServer.url }));
  refused('jku without a kid', () => ({ kid: undefined, jku: evilServer.url }));
  refused('x5u', () => ({ kid: 'evil', x5u: evilServer.url }));
  refused('x5c', async () => ({ kid: 'evil', x5c: [Buffer.from(s.ca.cert.replace(/-----[^-]+-----|\s/g, ''), 'base64').toString('base64')] }));
  refused('an embedded jwk', async () => ({ kid: 'evil', jwk: { ...(await publicJwk(evil.key({}).privateKey)), kid: 'evil' } }));
  refused('an embedded jwk under our kid', async () => ({ kid: 'rsa-1', jwk: await publicJwk(evil.key({}).privateKey) }));
  refused('kid with ../', { kid: '../../../../dev/null' });
  refused('kid as a file URL', { kid: 'file:///etc/passwd' });
  refused('kid with SQL', { kid: "x' UNION SELECT 'key' --" });
  refused('kid with NUL', { kid: 'rsa-1\0x' });
  refused('kid as a command', { kid: '| touch /tmp/owned' });
  refused('kid of 8 KiB', { kid: 'k'.repeat(8192) });
  refused('kid that is no string', { kid: { $ne: null } }, ['token_key_unknown', 'token_signature', 'token_malformed']);

  it('twin: a jku beside an honest signature is ignored, not obeyed', async () => {
    await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint({}, { header: { jku: evilServer.url } }) }));
    assert.equal(evilServer.fetches, 0);
  });
});

describe('T18: what a key set server may do', () => {
  // Each issuer's keys come from a server that misbehaves in its own way; one honest issuer beside them.
  let s;
  let victim;
  const servers = {};
  const issuers = {};
  const names = ['honest', 'redirecting', 'huge', 'endless', 'html', 'empty', 'private'];
  before(async () => {
    const honest = await standardIssuer();
    victim = await serveKeys(async () => honest.jwks());
    for (const name of names) {
      issuers[name] = Object.assign(new Issuer({ issuer: `https://${name}.example.com` }), { keys: honest.keys });
      servers[name] = await issuers[name].serve();
    }
    servers.redirecting.answer = (_, response) => response.writeHead(302, { Location: victim.url }).end();
    servers.huge.answer = (_, response) => {
      // 50 MB, with an honest key at the end
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.write('{"keys":[');
      const filler = Buffer.alloc(1 << 20, ' ');
      let left = 50;
      const more = () => {
        while (left-- > 0) if (!response.write(filler)) return response.once('drain', more);
        honest.jwks().then((set) => response.end(`${JSON.stringify(set.keys[0])}]}`));
      };
      response.on('error', () => {});
      more();
    };
    servers.endless.answer = (_, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.write('{"keys":[');
    };
    servers.html.answer = (_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>');
    servers.empty.answer = (_, response) => response.end('{"keys":[]}');
    servers.private.answer = async (_, response) => response.end(JSON.stringify({ keys: [{ kty: 'oct', k: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', kid: 'rsa-1' }] }));
    s = await openStage({
      config: { issuers: Object.fromEntries([['main', null], ...names.map((name) => [name, { issuer: issuers[name].issuer, audiences: ['orders'], algorithms: ['RS256', 'HS256'].slice(0, 1), jwks_url: servers[name].url, jwks_timeout: '1s' }])]) },
      routes: Object.fromEntries(names.map((name) => [name, { ...READ_ORDERS, match: { host: 'api.example.com', path: `/${name}/**` }, auth: { jwt: name } }])),
    });
  });
  after(() => closeAll(() => s?.close(), ...[victim, ...Object.values(servers)].map((server) => () => server?.stop())));

  it('twin: honest keys are fetched and used', async () => {
    await until('honest keys', async () => (await s.request({ path: '/honest/1', token: await issuers.honest.mint({}, { alg: 'RS256' }) })).status === 200);
  });
  for (const name of names.slice(1)) {
    it(`${name}: no keys, so 503 with Retry-After, never 401 or 200`, async () => {
      await s.gateway.event('keys_failed', (e) => e.issuer === name);
      const { response } = await s.denied({ status: 503, code: 'authentication_unavailable', reason: 'issuer_unavailable' }, async () =>
        s.request({ path: `/${name}/1`, token: await issuers[name].mint({}, { alg: 'RS256' }) }));
      assert.match(response.fields.get('retry-after'), /^[1-9][0-9]*$/);
    });
  }
  it('the redirect to another address was not followed', () => assert.equal(victim.fetches, 0));
  it('the huge document was not held', () => assert.ok(s.gateway.rss() < 200 * 1024 * 1024 * (process.env.SALLYPORT_SLOW ? 5 : 1), `${s.gateway.rss()} bytes`));
});
