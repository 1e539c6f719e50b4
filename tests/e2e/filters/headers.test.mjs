// What a route makes of header fields and parameters, both ways, and what is out of a filter's reach.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { requestH2 } from '../lib/h2.mjs';
import { HOST, closeAll, fieldsOf, openStage } from '../lib/stage.mjs';
import { echo } from '../lib/upstream.mjs';
import { Http2Upstream } from '../http2_upstreams/lib.mjs';

const route = (path, filters, extra = {}) => ({ match: { host: HOST, path }, upstream: 'order-service', auth: 'none', filters, ...extra });

const REQUEST = [
  { add_request_header: { 'X-Added': 'ours' } },
  { set_request_header: { 'X-Tenant': '{tenant}' } },
  { remove_request_header: ['X-Debug', 'Cookie'] },
  { map_request_header: { 'X-Request-Id': 'X-Correlation-Id' } },
  { dedupe_request_header: { 'X-Twice': 'first' } },
  { add_request_parameter: { tenant: '{tenant}', via: 'a b' } },
  { remove_request_parameter: ['debug'] },
];
const RESPONSE = [
  { add_response_header: { 'X-Twice': '3' } },
  { set_response_header: { 'Cache-Control': 'no-store', 'X-Route': 'answers' } },
  { remove_response_header: ['X-Internal', 'Set-Cookie'] },
  { dedupe_response_header: { 'X-Same': 'unique' } },
];

const ROUTES = {
  request: route('/request/{tenant}', REQUEST),
  underscores: route('/underscores/{tenant}', [{ set_request_header: { 'X-Tenant': '{tenant}' } }], { relay: { underscores: true } }),
  response: route('/response/**', RESPONSE),
  trailers: route('/trailers/**', [{ remove_request_header: ['X-Gone'] }, { remove_response_header: ['X-Internal'] }], { relay: { trailers: true } }),
  plain: route('/plain/**', []),
  shown: route('/shown/**', [], { hide_upstream: false }),
  location: route('/location/**', [{ strip_prefix: 1 }, { rewrite_location: { '/': '/location' } }]),
  host: { ...route('/host/**', [{ set_host_header: 'orders.internal:8443' }]), upstream: 'named' },
  named: { ...route('/named/**', []), upstream: 'named' },
  preserved: { ...route('/preserved/**', [{ preserve_host_header: true }]), upstream: 'named' },
  caller: { ...route('/caller/**', [{ add_request_parameter: { user: '{subject}' } }, { set_response_header: { 'X-User': '{subject}' } }]), auth: { jwt: 'main' }, authorize: 'any_caller' },
};

describe('filters of header fields', () => {
  let s;
  let h2;
  before(async () => {
    h2 = await new Http2Upstream().start();
    s = await openStage({
      routes: { ...ROUTES, h2: { ...route('/h2/{tenant}', [...REQUEST, { set_host_header: 'orders.internal' }]), upstream: 'h2' } },
      config: (stage) => ({
        upstreams: {
          h2: { endpoints: [h2.url], tls: { ca: stage.ca.certFile }, protocol: 'h2' },
          named: { endpoints: [stage.upstream.url], tls: { ca: stage.ca.certFile }, host_header: 'fixed.internal' },
        },
      }),
    });
  });
  beforeEach(() => (s.upstream.script = echo));
  after(() => closeAll(() => s?.close(), () => h2?.close()));

  const fields = [['X-Added', 'theirs'], ['X-Tenant', 'evil'], ['x-debug', '1'], ['Cookie', 'a=b'], ['X-Correlation-Id', 'theirs'], ['X-Twice', '1'], ['X-Twice', '2']];
  const ask = (path, more = {}) => s.allowed(() => s.request({ path, fields, ...more }));

  it('of a request', async () => {
    const { echo: seen, response } = await ask('/request/acme?x=1&tenant=evil&debug=1');
    const values = ['x-added', 'x-tenant', 'x-debug', 'cookie', 'x-correlation-id', 'x-twice'].map((name) => fieldsOf(seen, name));
    assert.deepEqual(values, [['theirs', 'ours'], ['acme'], [], [], [response.fields.get('x-request-id')], ['1']]);
    assert.equal(seen.target, '/request/acme?x=1&tenant=acme&via=a%20b');
  });
  it('the same over HTTP/2, to an upstream that speaks it', async () => {
    const response = await requestH2(s, { path: '/h2/acme?tenant=evil', fields: { 'x-added': 'theirs', 'x-tenant': 'evil', 'x-debug': '1', cookie: 'a=b', 'x-twice': ['1', '2'] } });
    assert.equal(response.status, 200);
    const seen = h2.requests.at(-1).headers;
    assert.deepEqual([seen['x-tenant'], seen['x-debug'], seen.cookie, seen['x-twice'], seen[':authority'], seen[':path']], ['acme', undefined, undefined, '1', 'orders.internal', '/h2/acme?tenant=acme&via=a%20b']);
    assert.equal(seen['x-added'], 'theirs, ours');
  });
  it('the client cannot say it in another spelling', async () => {
    const { echo: seen } = await ask('/underscores/acme', { fields: [['X_Tenant', 'evil'], ['x-tenant', 'evil'], ['X_Other', 'passes']] });
    assert.deepEqual(seen.fields.filter(([n]) => /tenant/i.test(n)), [['X-Tenant', 'acme']]);
    assert.deepEqual(fieldsOf(seen, 'x_other'), ['passes']);
  });
  it('nor end a line by a variable of the path: such a path is none, and what is encoded stays so', async () => {
    for (const path of ['/request/a%0d%0aX-Admin:%201', '/request/a%00'])
      await s.denied({ status: 400, code: 'invalid_path', reason: 'bad_path' }, () => s.request({ path }));
    const { echo: seen } = await ask('/request/a%20%22b&admin=1');
    assert.deepEqual(fieldsOf(seen, 'x-tenant'), ['a%20%22b&admin=1']);
    assert.equal(seen.target, '/request/a%20%22b&admin=1?tenant=a%20%22b%26admin%3D1&via=a%20b');
  });
  it('what was proven, in a parameter and an answer; the client\'s own word for it goes', async () => {
    const { echo: seen, response } = await s.allowed(async () => s.request({ path: '/caller/1?user=admin', token: await s.mint({ sub: 'al&ice' }) }));
    assert.equal(seen.target, '/caller/1?user=al%26ice');
    assert.equal(response.fields.get('x-user'), 'al&ice');
  });
  it('Host: the upstream\'s own, a filter\'s, or the client\'s', async () => {
    for (const [path, host] of [['/named/1', 'fixed.internal'], ['/host/1', 'orders.internal:8443'], ['/preserved/1', HOST], ['/plain/1', HOST]])
      assert.deepEqual(fieldsOf((await ask(path)).echo, 'host'), [host], path);
  });

  const answer = (list, status = 200) => (s.upstream.script = async (exchange) => (await exchange.request.read(), exchange.respond(status, list, '{}')));
  const ANSWERED = [['X-Twice', '1'], ['X-Twice', '2'], ['Cache-Control', 'public'], ['X-Internal', '1'], ['Set-Cookie', 'a=b'], ['X-Same', '1'], ['X-Same', '1'], ['Server', 'secret/1.0'], ['X-Powered-By', 'PHP/5'], ['X-AspNet-Version', '4']];
  for (const [version, get] of [['HTTP/1.1', (path) => s.request({ path })], ['HTTP/2', (path) => requestH2(s, { path })]]) {
    it(`of an answer, over ${version}`, async () => {
      answer(ANSWERED);
      const response = await get('/response/1');
      const all = (name) => response.fields.all(name).flatMap((value) => value.split(', '));
      assert.deepEqual(['x-twice', 'cache-control', 'x-route', 'x-internal', 'set-cookie', 'x-same', 'server', 'x-powered-by', 'x-aspnet-version'].map(all), [['1', '2', '3'], ['no-store'], ['answers'], [], [], ['1'], [], [], []]);
    });
  }
  it('what is removed is removed from trailers, too', async () => {
    s.upstream.script = async (exchange) => {
      const request = await exchange.request.read();
      const body = JSON.stringify(request.trailers.list);
      await exchange.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Internal, X-Sum\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\nX-Internal: 1\r\nX-Sum: 2\r\n\r\n`);
    };
    const raw = `POST /trailers/1 HTTP/1.1\r\nHost: ${HOST}\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Gone: 1\r\nX-Kept: 2\r\n\r\n`;
    const response = await s.request({ raw });
    assert.deepEqual(response.json(), [['X-Kept', '2']]);
    assert.deepEqual(response.trailers.list.map(([n, v]) => [n.toLowerCase(), v]), [['x-sum', '2']]);
  });
  it('what serves an answer is hidden, unless the route says so', async () => {
    answer(ANSWERED);
    const [hidden, shown] = [await s.request({ path: '/plain/1' }), await s.request({ path: '/shown/1' })];
    assert.deepEqual([hidden.fields.get('server'), hidden.fields.get('x-powered-by')], [undefined, undefined]);
    assert.deepEqual([shown.fields.get('server'), shown.fields.get('x-powered-by')], ['secret/1.0', 'PHP/5']);
  });
  it('denials are the gateway\'s own: no filter changes them', async () => {
    const { response } = await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/caller/1' }));
    assert.equal(response.fields.get('x-user'), undefined);
  });

  const locationOf = async (path, location) => (answer([['Location', location]], 302), (await s.request({ path })).fields.get('location'));
  it('Location: an internal address goes, other services and the route that says so are let be', async () => {
    const inside = s.upstream.url;
    assert.equal(await locationOf('/plain/1', `${inside}/orders/1?x`), '/orders/1?x');
    assert.equal(await locationOf('/named/1', 'https://fixed.internal/a'), '/a');
    assert.equal(await locationOf('/plain/1', `${inside}//evil.example/`), '/.//evil.example/');
    assert.equal(await locationOf('/plain/1', 'https://elsewhere.example/'), 'https://elsewhere.example/');
    assert.equal(await locationOf('/shown/1', `${inside}/orders/1`), `${inside}/orders/1`);
  });
  it('rewrite_location puts back what strip_prefix took off', async () => {
    for (const [location, expected] of [['/orders/1', '/location/orders/1'], [`${s.upstream.url}/orders/1`, '/location/orders/1'], [`https://${HOST}/x`, '/location/x'], ['https://elsewhere.example/x', 'https://elsewhere.example/x']])
      assert.equal(await locationOf('/location/1', location), expected);
  });

  const check = async (filters, more = {}) => {
    s.gateway.write({ ...s.config, routes: { one: route('/a/{b}/**', filters), ...more } });
    try {
      return await sallyport(['check', s.gateway.file]);
    } finally {
      s.gateway.write(s.config);
    }
  };
  const identity = { two: { ...route('/two', [], { relay: { headers: { 'X-User-Id': 'subject' } } }), auth: { jwt: 'main' }, authorize: 'any_caller' } };
  for (const [filter, says] of [
    [{ set_request_header: { 'Content-Length': '0' } }, /Content-Length is the protocol's own/],
    [{ set_request_header: { 'Transfer-Encoding': 'chunked' } }, /Transfer-Encoding is the protocol's own/],
    [{ add_request_header: { Transfer_Encoding: 'chunked' } }, /ambiguous/],
    [{ add_request_header: { 'X-Forwarded-For': '127.0.0.1' } }, /X-Forwarded-For is the gateway's own/],
    [{ set_request_header: { 'X-Original-URL': '/admin' } }, /X-Original-URL is one that makes servers see another request/],
    [{ set_request_header: { 'X-User-Id': 'admin' } }, /X-User-Id is set from what was proven/],
    [{ map_request_header: { 'X-A': 'x-user-id' } }, /x-user-id is set from what was proven/],
    [{ remove_request_header: ['X-Request-Id'] }, /X-Request-Id is set by the gateway itself/],
    [{ map_request_header: { Authorization: 'X-Token' } }, /Authorization is a credential's/],
    [{ set_request_header: { 'X-A': 'a\r\nX-B: c' } }, /without control characters/],
    [{ set_request_header: { 'X-A': '{claims.sub}' } }, /relay\.headers tells the upstream/],
    [{ set_response_header: { 'Content-Length': '0' } }, /Content-Length is the protocol's own/],
    [{ remove_response_header: ['X-Request-Id'] }, /X-Request-Id is set by the gateway itself/],
    [{ set_response_header: { 'Access-Control-Allow-Origin': '*' } }, /made by `cors`/],
  ]) {
    it(`check refuses ${JSON.stringify(filter)}`, async () => {
      const { code, stdout, stderr } = await check([filter], identity);
      assert.equal(code, 1, stdout);
      assert.match(stdout + stderr, says);
    });
  }
  it('check tells of every entry that is wrong, where it stands', async () => {
    const { stdout, stderr } = await check([{ strip_prefix: 1 }, { set_request_header: { Host: 'a' } }, { remove_response_header: ['X-Fine', 'Connection'] }]);
    assert.match(stdout + stderr, /filters\[1\].*Host is/);
    assert.match(stdout + stderr, /filters\[2\].*Connection is/);
  });
});
