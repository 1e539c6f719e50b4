// Credentials elsewhere than in their usual header: in a header of another name, in a cookie, in a query parameter.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createKey, madeUp, writePepper } from '../api_keys/lib.mjs';
import { fieldsOf, HOST, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { requestH2 } from '../lib/h2.mjs';
import { Issuer } from '../lib/issuer.mjs';
import { tempDir } from '../lib/temp.mjs';
import { open, refusal, startSocketServer } from '../lib/websocket.mjs';

const COOKIE = '__Host-token';
const ANY = { cookie: COOKIE, query: 'access_token', header: 'X-Token' };
const OWN = `https://${HOST}`;
const route = (path, over = {}) => ({ match: { host: HOST, path: `${path}/**` }, upstream: 'order-service', auth: { jwt: 'main' }, authorize: 'any_caller', ...over });
const from = (path, token_from, over = {}) => route(path, { auth: { jwt: 'main', token_from }, ...over });
const cookie = (text) => [['Cookie', text]];

describe('token_from', () => {
  let s, server, token, partner;
  before(async () => {
    server = await startSocketServer();
    partner = await new Issuer({ issuer: 'https://partner.example.com' }).addKey('RS256', { kid: 'partner-1' });
    s = await openStage({
      routes: { usual: { ...READ_ORDERS } },
      config: async (stage) => ({
        listeners: { plain: { address: '127.0.0.1', port: 0, redirect_to_https: true } },
        issuers: { partner: { issuer: partner.issuer, audiences: ['orders'], algorithms: ['RS256'], jwks_file: await partner.writeJwks(join(stage.dir, 'partner.json')), token_from: { header: 'X-Partner-Token', cookie: '__Host-partner' } } },
        upstreams: { sockets: { endpoints: [server.url], tls: { ca: stage.ca.certFile } } },
        routes: {
          usual: { listeners: ['public'] },
          cookie: from('/cookie', { cookie: COOKIE }, { listeners: ['public'] }),
          header: from('/header', { header: 'X-Token' }, { listeners: ['public'] }),
          query: from('/query', { query: 'access_token' }, { listeners: ['public'] }),
          all: from('/all', { ...ANY, header: 'Authorization' }, { listeners: ['public'], relay: { token: 'forward', headers: { 'X-User': 'subject' } } }),
          cross: from('/cross', { cookie: COOKIE }, { listeners: ['public'], cors: { origins: ['https://app.example.com'], credentials: true } }),
          wild: from('/wild', { cookie: COOKIE }, { listeners: ['public'], cors: { origins: ['*'] } }),
          maybe: route('/maybe', { listeners: ['public'], auth: { jwt: 'main', mode: 'optional', token_from: { cookie: COOKIE } } }),
          both: route('/both', { listeners: ['public'], auth: { jwt: ['main', 'partner'] } }),
          open: route('/open', { listeners: ['public'], auth: 'none', authorize: undefined }),
          ws: { match: { host: HOST, path: '/ws' }, listeners: ['public'], upstream: 'sockets', auth: { jwt: 'main', token_from: { cookie: COOKIE } }, authorize: 'any_caller', websocket: { origins: ['*', 'https://app.example.com'] } },
        },
      }),
    });
    token = await s.mint();
  });
  after(async () => {
    await s?.close();
    await server?.close();
  });

  const places = [
    ['/cookie/1', () => ({ fields: cookie(`a=1; ${COOKIE}=${token}; b=2`) })],
    ['/cookie/1', () => ({ fields: [...cookie('a=1'), ...cookie(`${COOKIE}=${token}`)] })],
    ['/header/1', () => ({ fields: [['x-token', token]] })],
    ['/header/1', () => ({ fields: [['X-Token', `Bearer ${token}`]] })],
    ['/query/1', () => ({ path: `/query/1?a=1&access_token=${token}&b=%202` })],
    ['/all/1', () => ({ fields: cookie(`${COOKIE}=${token}`) })],
    ['/all/1', () => ({ path: `/all/1?access_token=${token}` })],
    ['/all/1', () => ({ token })],
  ];
  for (const [index, [path, parts]] of places.entries()) {
    it(`a token is taken from its place, and goes no further: ${path}, ${index}`, async () => {
      const { response, echo } = await s.allowed(() => s.request({ path, ...parts() }));
      assert.equal(fieldsOf(echo, 'Authorization').length, path === '/all/1' ? 1 : 0);
      assert.ok(!JSON.stringify({ ...echo, fields: echo.fields.filter(([n]) => n !== 'Authorization') }).includes(token));
      assert.equal(response.fields.get('cache-control') ?? '', parts().path ? 'private' : '');
    });
  }
  it('what stands beside it goes on: cookies, parameters, and no field where nothing is left', async () => {
    let { echo } = await s.allowed(() => s.request({ path: '/cookie/1', fields: cookie(`a=1; ${COOKIE}=${token}; b=2`) }));
    assert.deepEqual(fieldsOf(echo, 'Cookie'), ['a=1; b=2']);
    ({ echo } = await s.allowed(() => s.request({ path: '/cookie/1', fields: cookie(`${COOKIE}=${token}`) })));
    assert.deepEqual(fieldsOf(echo, 'Cookie'), []);
    ({ echo } = await s.allowed(() => s.request({ path: `/query/1?a=1&access_token=${token}&b=%202` })));
    assert.equal(echo.target, '/query/1?a=1&b=%202');
    ({ echo } = await s.allowed(() => s.request({ path: `/query/1?access_token=${token}` })));
    assert.equal(echo.target, '/query/1');
  });
  it('over HTTP/2 a cookie may come in crumbs', async () => {
    const { echo } = await s.allowed(() => requestH2(s, { path: '/cookie/1', fields: { cookie: ['a=1', `${COOKIE}=${token}`, 'b=2'] } }));
    assert.deepEqual(fieldsOf(echo, 'Cookie'), ['a=1; b=2']);
    await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_repeated' }, () => requestH2(s, { path: '/cookie/1', fields: { cookie: [`${COOKIE}=${token}`, `${COOKIE}=${token}`] } }));
    await s.denied({ status: 403, code: 'origin_denied', reason: 'cookie_origin' }, () => requestH2(s, { method: 'POST', path: '/cookie/1', body: 'x', fields: { cookie: [`${COOKIE}=${token}`], origin: 'https://evil.example' } }));
  });
  it('no token where the route looks: 401, wherever else one is', async () => {
    const nowhere = [{ path: '/cookie/1', token }, { path: '/orders/1', fields: cookie(`${COOKIE}=${token}`) }, { path: `/orders/1?access_token=${token}` }, { path: `/cookie/1?access_token=${token}` }, { path: '/header/1', token }, { path: '/cookie/1', fields: cookie(`${COOKIE}=`) }, { path: '/cookie/1', fields: cookie(`__host-token=${token}`) }];
    for (const one of nowhere) await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: 'Bearer' }, () => s.request(one));
    await s.allowed(() => s.request({ path: '/orders/1', token }));
  });
  it('T20: a token in two places, or twice in one: 400', async () => {
    const twice = [
      { path: '/all/1', token, fields: cookie(`${COOKIE}=${token}`) },
      { path: `/all/1?access_token=${token}`, token },
      { path: `/all/1?access_token=${token}`, fields: cookie(`${COOKIE}=x`) },
      { path: '/cookie/1', fields: cookie(`${COOKIE}=${token}; ${COOKIE}=${token}`) },
      { path: '/cookie/1', fields: [...cookie(`${COOKIE}=x`), ...cookie(`${COOKIE}=${token}`)] },
      { path: `/query/1?access_token=${token}&access_token=${token}` },
      { path: `/query/1?access_token=${token}&Access_Token=x` },
      { path: '/header/1', fields: [['X-Token', token], ['x-token', token]] },
    ];
    for (const one of twice) await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_repeated', challenge: 'Bearer error="invalid_request"' }, () => s.request(one));
  });
  it('what is no token is refused, never passed over', async () => {
    for (const one of [{ path: '/query/1?access_token=' }, { path: '/query/1?x;access_token=a' }, { path: '/cookie/1', fields: cookie(`${COOKIE}="a"`) }, { path: '/header/1', fields: [['X-Token', '']] }]) {
      await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_malformed' }, () => s.request(one));
    }
    const stale = await s.mint({ exp: Math.floor(Date.now() / 1000) - 600, iat: Math.floor(Date.now() / 1000) - 900 });
    for (const path of ['/cookie/1', '/maybe/1']) {
      await s.denied({ status: 401, code: 'invalid_token', reason: 'token_expired' }, () => s.request({ path, fields: cookie(`${COOKIE}=${stale}`) }));
    }
    await s.allowed(() => s.request({ path: '/maybe/1' }));
  });
  it('T39: a cookie counts for what changes something only where the page may', async () => {
    const post = (path, origin, over = {}) => ({ method: 'POST', path, fields: [...cookie(`${COOKIE}=${token}`), ...(origin === undefined ? [] : [['Origin', origin]])], ...over });
    const wrong = [['/cookie/1', 'https://evil.example'], ['/cookie/1', 'null'], ['/cookie/1', ''], ['/cookie/1', undefined], ['/cookie/1', `http://${HOST}`], ['/cookie/1', `${OWN}.evil.example`], ['/cookie/1', 'https://app.example.com'], ['/cross/1', 'https://evil.example'], ['/wild/1', 'https://evil.example'], ['/all/1', 'https://evil.example'], ['/maybe/1', 'https://evil.example']];
    for (const [path, origin] of wrong) await s.denied({ status: 403, code: 'origin_denied', reason: 'cookie_origin' }, () => s.request(post(path, origin)));
    for (const method of ['PUT', 'PATCH', 'DELETE', 'PURGE']) await s.denied({ status: 403, code: 'origin_denied', reason: 'cookie_origin' }, () => s.request({ ...post('/cookie/1', 'https://evil.example'), method }));
    await s.denied({ status: 403, code: 'origin_denied', reason: 'cookie_origin' }, () => s.request({ ...post('/cookie/1', OWN), fields: [...cookie(`${COOKIE}=${token}`), ['Origin', OWN], ['Origin', 'https://evil.example']] }));
  });
  it('T39, twins: its own page, a page that cors lets use credentials, a safe method, and a token that no browser adds', async () => {
    const post = (path, origin, fields = cookie(`${COOKIE}=${token}`), over = {}) => ({ method: 'POST', path, fields: [...fields, ['Origin', origin]], ...over });
    await s.allowed(() => s.request(post('/cookie/1', OWN)));
    await s.allowed(() => s.request(post('/cross/1', 'https://app.example.com')));
    await s.allowed(() => s.request(post('/all/1', 'https://evil.example', [], { token })));
    await s.allowed(() => s.request({ path: '/cookie/1', fields: [...cookie(`${COOKIE}=${token}`), ['Origin', 'https://evil.example']] }));
    await s.allowed(() => s.request({ method: 'POST', path: '/maybe/1', fields: [['Origin', 'https://evil.example']] }));
    await s.allowed(() => s.request({ method: 'POST', path: '/open/1', fields: [...cookie(`${COOKIE}=${token}`), ['Origin', 'https://evil.example']] }));
  });
  it('T39: WebSockets with a cookie, whatever "*" says', async () => {
    const headers = (origin) => ({ Cookie: `${COOKIE}=${token}`, ...(origin ? { Origin: origin } : {}) });
    for (const origin of ['https://evil.example', 'null', undefined]) {
      const answer = await refusal(s, { path: '/ws', headers: headers(origin) });
      assert.equal(answer.status, 403);
      assert.equal(JSON.parse(answer.body).code, 'origin_denied');
    }
    for (const origin of [OWN, 'https://app.example.com']) {
      const socket = await open(s, { path: '/ws', headers: headers(origin) });
      socket.send('hello');
      assert.equal(await socket.next(), 'hello');
      assert.equal(server.sockets.at(-1).request.headers.cookie, undefined);
      socket.close();
      await socket.closing;
    }
  });
  it('each issuer has its places: a token of one is none in the place of the other', async () => {
    const other = await partner.mint({}, { alg: 'RS256' });
    await s.allowed(() => s.request({ path: '/both/1', token }));
    await s.allowed(() => s.request({ path: '/both/1', fields: [['X-Partner-Token', other]] }));
    await s.allowed(() => s.request({ path: '/both/1', fields: cookie(`__Host-partner=${other}`) }));
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_issuer' }, () => s.request({ path: '/both/1', token: other }));
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_issuer' }, () => s.request({ path: '/both/1', fields: cookie(`__Host-partner=${token}`) }));
    await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_repeated' }, () => s.request({ path: '/both/1', token, fields: [['X-Partner-Token', other]] }));
  });
  it('on no route does it go on: header, cookie, parameter, the Referer of a page that had it', async () => {
    for (const path of ['/open/1', '/orders/1', '/both/1']) {
      const { echo } = await s.allowed(() => s.request({ path: `${path}?access_token=${token}&x=1`, token: path === '/open/1' ? undefined : token, fields: [['X-Token', token], ['X_Token', token], ['Referer', `${OWN}/query/1?access_token=${token}`], ...cookie(`${COOKIE}=${token}; c=d`)] }));
      assert.ok(!JSON.stringify(echo).includes(token), path);
      assert.deepEqual([fieldsOf(echo, 'Cookie'), echo.target, fieldsOf(echo, 'Referer')], [['c=d'], `${path}?x=1`, []]);
    }
    const { echo } = await s.allowed(() => s.request({ path: '/open/1', fields: [['Referer', `${OWN}/query/1?page=2`]] }));
    assert.deepEqual(fieldsOf(echo, 'Referer'), [`${OWN}/query/1?page=2`]);
  });
  it('a plain listener redirects nobody whose credential it has seen', async () => {
    const plain = (parts) => s.request({ listener: 'plain', plain: true, ...parts });
    for (const one of [{ path: `/query/1?access_token=${token}` }, { path: '/header/1', fields: [['X-Token', token]] }, { path: '/cookie/1', fields: cookie(`${COOKIE}=${token}`) }]) {
      const { response } = await s.denied({ status: 403, code: 'https_required', reason: 'plaintext' }, () => plain(one));
      assert.equal(response.fields.get('location'), undefined);
    }
    assert.equal((await plain({ path: '/query/1?x=1' })).status, 308);
  });
  it('T29: no log has it, nor an answer', async () => {
    const wrong = `${token.slice(0, -8)}AAAAAAAA`;
    for (const one of [{ path: `/query/1?access_token=${wrong}` }, { path: '/cookie/1', fields: cookie(`${COOKIE}=${wrong}`) }, { path: '/header/1', fields: [['X-Token', wrong]] }, { path: `/nowhere?access_token=${wrong}` }]) {
      const response = await s.request(one);
      assert.ok(response.status >= 400);
      assert.ok(!(response.text + JSON.stringify(response.fields.list)).includes(wrong));
    }
    await s.gateway.access('a request with a token in its query', (l) => l.path === '/query/1' && l.status === 200);
    assert.ok(!s.gateway.output.includes(token.slice(-40)) && !s.gateway.output.includes(wrong.slice(0, -8)));
  });
});

describe('key_from', () => {
  let s, made;
  before(async () => {
    const dir = tempDir('places');
    writePepper(dir);
    const partners = { store: join(dir, 'keys.sqlite'), peppers: { p1: `\${file:${join(dir, 'pepper')}}` } };
    const file = join(dir, 'keys.yaml');
    writeFileSync(file, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys: { partners } }));
    made = await createKey(file);
    const keyed = (path, key_from, over = {}) => route(path, { auth: { api_key: 'partners', ...(key_from ? { key_from } : {}) }, ...over });
    s = await openStage({
      config: { api_keys: { partners } },
      routes: {
        usual: keyed('/usual'),
        query: keyed('/query', { query: 'api_key' }),
        cookie: keyed('/cookie', { cookie: '__Host-key' }),
        each: keyed('/each', { header: 'X-Other-Key', cookie: '__Host-key', query: 'api_key' }),
        open: route('/open', { auth: 'none', authorize: undefined }),
        either: route('/either', { auth: { any_of: [{ jwt: 'main' }, { api_key: 'partners' }], token_from: { cookie: '__Host-token' }, key_from: { cookie: '__Host-key' } } }),
      },
    });
  });
  after(() => s?.close());

  it('a key is taken from where the route says, and goes no further', async () => {
    const right = [{ path: `/query/1?a=1&api_key=${made.key}` }, { path: '/cookie/1', fields: cookie(`a=1; __Host-key=${made.key}`) }, { path: '/each/1', fields: [['X-Other-Key', made.key]] }, { path: '/usual/1', fields: [['X-API-Key', made.key]] }];
    for (const one of right) {
      const { response, echo } = await s.allowed(() => s.request(one));
      assert.ok(!JSON.stringify(echo).includes(made.key));
      assert.equal(response.fields.get('cache-control') ?? '', one.path.startsWith('/query') ? 'private' : '');
    }
  });
  it('elsewhere it is none; and it is taken out all the same', async () => {
    for (const one of [{ path: `/usual/1?api_key=${made.key}` }, { path: '/query/1', fields: [['X-API-Key', made.key]] }, { path: '/usual/1', fields: cookie(`__Host-key=${made.key}`) }]) {
      await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: 'ApiKey' }, () => s.request(one));
    }
    const { echo } = await s.allowed(() => s.request({ path: `/open/1?api_key=${made.key}`, fields: [['X-Other-Key', made.key], ['X-API-Key', made.key], ...cookie(`__Host-key=${made.key}`)] }));
    assert.ok(!JSON.stringify(echo).includes(made.key));
  });
  it('in two places: 400; a wrong one: 401; a foreign page with the cookie: 403', async () => {
    await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_repeated' }, () => s.request({ path: `/each/1?api_key=${made.key}`, fields: [['X-Other-Key', made.key]] }));
    await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_repeated' }, () => s.request({ path: `/query/1?api_key=${made.key}&api_key=${made.key}` }));
    await s.denied({ status: 401, code: 'invalid_api_key', reason: 'api_key_unknown' }, () => s.request({ path: `/query/1?api_key=${madeUp()}` }));
    await s.denied({ status: 401, code: 'invalid_api_key', reason: 'api_key_malformed' }, () => s.request({ path: '/query/1?api_key=' }));
    const post = (origin) => ({ method: 'POST', path: '/cookie/1', fields: [...cookie(`__Host-key=${made.key}`), ['Origin', origin]] });
    await s.denied({ status: 403, code: 'origin_denied', reason: 'cookie_origin' }, () => s.request(post('https://evil.example')));
    await s.allowed(() => s.request(post(OWN)));
  });
  it('a token and a key may have a cookie each', async () => {
    const token = await s.mint();
    await s.allowed(() => s.request({ path: '/either/1', fields: cookie(`__Host-token=${token}`) }));
    await s.allowed(() => s.request({ path: '/either/1', fields: cookie(`__Host-token=${token}; __Host-key=${made.key}`) }));
    await s.denied({ status: 401, code: 'invalid_api_key', reason: 'api_key_unknown' }, () => s.request({ path: '/either/1', fields: cookie(`__Host-token=${token}; __Host-key=${madeUp()}`) }));
  });
  it('T29: no log has it', async () => {
    await s.gateway.access('a request with a key in its query', (l) => l.path === '/query/1' && l.status === 200);
    assert.ok(!s.gateway.output.includes(made.key.slice(10, 40)));
  });
});
