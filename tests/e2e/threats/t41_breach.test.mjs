// T41 (BREACH, CVE-2013-3587): who can make a victim's browser send requests, and sees how long the encrypted answers are, has guesses
// put beside a secret: where the answer is compressed, the right guess makes a shorter one.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { requestH2 } from '../lib/h2.mjs';
import { sallyport } from '../lib/gateway.mjs';
import { authority } from '../lib/pki.mjs';
import { HOST, openStage } from '../lib/stage.mjs';
import { decode, orders, route } from '../compression/lib.mjs';
import { join } from 'node:path';
import { tempDir } from '../lib/temp.mjs';
import { writeFileSync } from 'node:fs';

const SECRET = 'csrf=9f8e7d6c5b4a3f2e1d0c';
const WRONG = 'csrf=0192837465abcdefedcb';
const FILLER = orders(4000).toString('latin1');

describe('T41: a secret and a guess in one compressed response', () => {
  let s, client;
  before(async () => {
    client = authority().issue({ cn: 'page', client: true });
    s = await openStage({
      config: (stage) => ({
        listeners: { mutual: { address: '127.0.0.1', port: 0, tls: { certificates: stage.base().listeners.public.tls.certificates, client_ca: stage.ca.certFile, client_certificate: 'optional' } } },
        defaults: { listeners: ['public', 'mutual'] },
        api_keys: undefined,
      }),
      routes: {
        open: route('/open/**', true),
        said: route('/said/**', { no_secrets_in_responses: true }, { auth: { jwt: 'main' }, authorize: 'any_caller' }),
        queries: route('/queries/**', { no_secrets_in_responses: true }, { auth: { jwt: 'main', token_from: { query: 'token' } }, authorize: 'any_caller' }),
      },
    });
    // The page: what was asked for, and the caller's secret.
    s.upstream.script = async (exchange) => {
      const { target } = await exchange.request.read();
      const guess = new URL(target, 'http://x').searchParams.get('q') ?? '';
      const told = exchange.request.fields.has('x-cookie-please') ? [['Set-Cookie', 'a=b']] : [];
      await exchange.respond(200, [['Content-Type', 'text/html'], ...told], `<p>${guess}</p>${FILLER}<input value="${SECRET}">`);
    };
  });
  after(() => s?.close());

  const ask = (guess, { path = '/open/x', fields = [], query = '', ...more } = {}) => s.request({ path: `${path}?q=${encodeURIComponent(guess)}${query}`, fields: [['Accept-Encoding', 'gzip, zstd'], ...fields], ...more });
  const leaksNothing = async (more) => {
    const [right, wrong] = [await ask(SECRET, more), await ask(WRONG, more)];
    for (const response of [right, wrong]) assert.deepEqual([response.status, response.fields.get('content-encoding'), response.fields.get('content-length')], [200, undefined, `${response.body.length}`]);
    assert.equal(right.body.length, wrong.body.length);
  };

  it('the attack is one: without a credential the right guess is shorter, and there is nobody whose secret it is', async () => {
    const [right, wrong] = [await ask(SECRET), await ask(WRONG)];
    assert.equal(right.fields.get('content-encoding'), 'zstd');
    assert.match(decode('zstd', right.body).toString('latin1'), /^<p>csrf=9f8e/);
    assert.ok(right.body.length < wrong.body.length, 'compression would tell');
  });
  for (const [what, fields] of [
    ['a cookie', [['Cookie', 'session=1']]],
    ['an empty cookie', [['Cookie', '']]],
    ['Basic', [['Authorization', 'Basic dTpw']]],
    ['Negotiate', [['Authorization', 'Negotiate YQ==']]],
    ['a Bearer token, which the upstream might know', [['Authorization', 'Bearer abc']]],
    ['a new session', [['X-Cookie-Please', '1']]],
  ]) {
    it(`${what}: the length tells nothing`, () => leaksNothing({ fields }));
  }
  it('a client certificate: the same; the twin on the same listener has none', async () => {
    await leaksNothing({ listener: 'mutual', tls: { cert: client.cert, key: client.key } });
    assert.equal((await ask(SECRET, { listener: 'mutual' })).fields.get('content-encoding'), 'zstd');
  });
  it('a credential in the query: the same', async () => {
    await leaksNothing({ query: '&token=abc' });
    await leaksNothing({ query: '&access_token=abc' });
    await leaksNothing({ path: '/queries/x', query: `&token=${await s.mint()}` });
    assert.equal((await ask(SECRET, { query: '&tokens=abc' })).fields.get('content-encoding'), 'zstd');
  });
  it('a cookie over HTTP/2, in one field or in many', async () => {
    for (const cookie of ['session=1', ['a=b', 'c=d']]) {
      const lengths = [];
      for (const guess of [SECRET, WRONG]) {
        const response = await requestH2(s, { path: `/open/x?q=${encodeURIComponent(guess)}`, fields: { 'accept-encoding': 'gzip', cookie } });
        assert.equal(response.headers['content-encoding'], undefined);
        lengths.push(response.body.length);
      }
      assert.equal(lengths[0], lengths[1]);
    }
    const honest = await requestH2(s, { path: '/open/x', fields: { 'accept-encoding': 'gzip' } });
    assert.equal(honest.headers['content-encoding'], 'gzip');
  });
  it('where the route says that its responses hold no secret, tokens are compressed for; a cookie beside one is not', async () => {
    const token = await s.mint();
    assert.equal((await ask(SECRET, { path: '/said/x', token })).fields.get('content-encoding'), 'zstd');
    await leaksNothing({ path: '/said/x', token, fields: [['Cookie', 'session=1']] });
  });

  const check = async (change) => {
    const config = structuredClone(s.config);
    change(config);
    const file = join(tempDir('check'), 'gateway.yaml');
    writeFileSync(file, JSON.stringify(config));
    return sallyport(['check', '--config', file]);
  };
  it('a route that knows its callers is not compressed unless it says so itself', async () => {
    const refused = await check((c) => (c.routes.said.compress = true));
    assert.notEqual(refused.code, 0);
    assert.match(refused.stdout + refused.stderr, /route "said" knows its callers, and compressed responses tell secrets by their length \(BREACH\).*no_secrets_in_responses: true/s);
    const optional = await check((c) => ((c.routes.said.compress = {}), (c.routes.said.auth.mode = 'optional')));
    assert.match(optional.stdout + optional.stderr, /route "said" knows its callers/);
    const forAll = await check((c) => ((c.defaults.compress = { no_secrets_in_responses: true }), delete c.routes.said.compress));
    assert.match(forAll.stdout + forAll.stderr, /is for each route to say/);
    const off = await check((c) => ((c.defaults.compress = true), (c.routes.said.compress = false)));
    assert.equal(off.code, 0, off.stdout + off.stderr);
  });
  it('bad settings are told, with what was meant', async () => {
    for (const [compress, told] of [
      [{ algorithms: ['gzp'] }, /gzp.*did you mean.*gzip/s],
      [{ algorithms: ['br'] }, /zstd.*gzip/s],
      [{ algorithms: [] }, /algorithms/],
      [{ types: ['json'] }, /a media type is written as/],
      [{ level: 'smal' }, /did you mean.*small/s],
      [{ min_sise: '1KiB' }, /did you mean.*min_size/s],
      ['yes please', /compress/],
    ]) {
      const result = await check((c) => (c.routes.open.compress = compress));
      assert.notEqual(result.code, 0, JSON.stringify(compress));
      assert.match(result.stdout + result.stderr, told);
    }
  });
});
