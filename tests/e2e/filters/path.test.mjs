// What a route makes of the path: over HTTP/1.1 and HTTP/2 on both sides, and never of what it was decided on.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { HOST, READ_ORDERS, closeAll, openStage } from '../lib/stage.mjs';
import { requestH2 } from '../lib/h2.mjs';
import { Http2Upstream } from '../http2_upstreams/lib.mjs';

const route = (path, filters, extra = {}) => ({ match: { host: HOST, path }, upstream: 'order-service', auth: 'none', filters, ...extra });

const ROUTES = {
  strip: route('/strip/**', [{ strip_prefix: 1 }]),
  twice: route('/twice/**', [{ strip_prefix: 1 }, { strip_prefix: 1 }]),
  prefix: route('/prefix/**', [{ prefix_path: '/internal' }]),
  set: route('/tenants/{tenant}/orders/{id}', [{ set_path: '/orders/{tenant}/{id}' }]),
  rewrite: route('/red/**', [{ rewrite_path: { pattern: '^/red/?(?<rest>.*)', replacement: '/${rest}' } }]),
  rest: route('/rest/**', [{ rewrite_path: { pattern: '^/rest(?<rest>/.*)?', replacement: '${rest}' } }]),
  pieces: route('/pieces/**', [{ rewrite_path: { pattern: '^/pieces/(.)a(.)', replacement: '/$1$2' } }]),
  escapes: route('/escapes/**', [{ rewrite_path: { pattern: '^/escapes/(%2)0(F.*)', replacement: '/$1$2' } }]),
  slow: route('/slow/**', [{ rewrite_path: { pattern: '^/slow/(a+)+$', replacement: '/$1' } }]),
  several: route('/v1/**', [{ strip_prefix: 1 }, { prefix_path: '/v2' }]),
  guarded: { ...READ_ORDERS, match: { host: HOST, path: '/guarded/{owner}', methods: ['GET'] }, authorize: { claims: [{ claim: 'sub', path_variable: 'owner' }] }, filters: [{ set_path: '/admin' }] },
};

describe('filters of the path', () => {
  let s;
  let h2;
  before(async () => {
    h2 = await new Http2Upstream().start();
    s = await openStage({
      routes: { ...ROUTES, h2: { ...route('/h2/**', [{ strip_prefix: 1 }]), upstream: 'h2' } },
      config: (stage) => ({ upstreams: { h2: { endpoints: [h2.url], tls: { ca: stage.ca.certFile }, protocol: 'h2' } } }),
    });
  });
  after(() => closeAll(() => s?.close(), () => h2?.close()));

  const sent = async (path) => (await s.allowed(() => s.request({ path }))).echo.target;

  for (const [name, path, target] of [
    ['strip_prefix', '/strip/orders/1?q=a%20b', '/orders/1?q=a%20b'],
    ['strip_prefix of all there is', '/strip', '/'],
    ['prefix_path', '/prefix/x', '/internal/prefix/x'],
    ['set_path', '/tenants/acme/orders/%C3%A4?x', '/orders/acme/%C3%A4?x'],
    ['rewrite_path', '/red/blue/1', '/blue/1'],
    ['rewrite_path that leaves nothing', '/red', '/'],
    ['rewrite_path that leaves a group alone', '/rest/a/b', '/a/b'],
    ['rewrite_path that leaves an empty group alone', '/rest', '/'],
    ['several, in their order', '/v1/orders', '/v2/orders'],
  ]) {
    it(`${name}: ${path} is sent as ${target}`, async () => assert.equal(await sent(path), target));
  }
  it('whatever the protocols are', async () => {
    const response = await requestH2(s, { path: '/h2/orders/1?a=b' });
    assert.equal(response.status, 200);
    assert.equal(h2.requests.at(-1).headers[':path'], '/orders/1?a=b');
  });
  it('X-Forwarded-Prefix tells what strip_prefix took off, and nobody else does', async () => {
    const told = async (path, extra = {}) => (await s.allowed(() => s.request({ path, ...extra }))).echo.fields.filter(([name]) => /^x.forwarded.prefix$/i.test(name));
    const claims = { headers: [['X-Forwarded-Prefix', '//evil.example'], ['X-Forwarded_Prefix', '/evil']] };
    assert.deepEqual(await told('/strip/orders/1', claims), [['X-Forwarded-Prefix', '/strip']]);
    assert.deepEqual(await told('/strip'), [['X-Forwarded-Prefix', '/strip']]);
    assert.deepEqual(await told('/twice/a%20b/orders'), [['X-Forwarded-Prefix', '/twice/a%20b']]);
    assert.deepEqual(await told('/v1/orders'), [['X-Forwarded-Prefix', '/v1']]);
    assert.deepEqual(await told('/prefix/x', claims), []);
    const response = await requestH2(s, { path: '/h2/orders/1', headers: { 'x-forwarded-prefix': '/evil' } });
    assert.equal(response.status, 200);
    assert.equal(h2.requests.at(-1).headers['x-forwarded-prefix'], '/h2');
  });
  it('access logs tell of the path that was asked for', async () => {
    const { response } = await s.allowed(() => s.request({ path: '/strip/logged' }));
    const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
    assert.equal(line.path, '/strip/logged');
  });
  it('what is decided is decided on the path that was asked for', async () => {
    await s.denied({ status: 403, code: 'forbidden', reason: 'claim_rule' }, async () => s.request({ path: '/guarded/bob', token: await s.mint({ sub: 'alice' }) }));
    const { echo } = await s.allowed(async () => s.request({ path: '/guarded/alice', token: await s.mint({ sub: 'alice' }) }));
    assert.equal(echo.target, '/admin');
  });

  const refused = (path, detail, reason = 'rewrite_path') => async () => {
    const { access } = await s.denied({ status: 400, code: 'invalid_path', reason }, () => s.request({ path }));
    assert.match(access.detail, detail);
  };
  it('a dot segment made of pieces is not sent', refused('/pieces/.a./etc', /dot segment/));
  it('its honest twin is', async () => assert.equal(await sent('/pieces/xay/etc'), '/xy/etc'));
  it('an encoded slash made of pieces is not sent', refused('/escapes/%20F', /encoded slash/));
  it('a pattern that backtracks is denied in time', async () => {
    const started = Date.now();
    await refused(`/slow/${'a'.repeat(4000)}!`, /backtracks/, 'rewrite_limit')();
    assert.ok(Date.now() - started < 2000);
    assert.equal(await sent('/slow/aa'), '/aa');
  });
  it('what a client may not send is refused before any filter', async () => {
    for (const path of ['/strip/../x', '/strip/%2e%2e/x', '/strip/a%2Fb', '/strip//x'])
      await s.denied({ status: 400, code: 'invalid_path', reason: 'bad_path' }, () => s.request({ path }));
  });

  const check = async (filters, match) => {
    s.gateway.write({ ...s.config, routes: { one: route(match ?? '/a/{b}/**', filters) } });
    try {
      return await sallyport(['check', s.gateway.file]);
    } finally {
      s.gateway.write(s.config);
    }
  };
  for (const [filters, says] of [
    [[{ set_path: '/x?y=z' }], /a path has no query/],
    [[{ set_path: '/{c}' }], /the path "\/a\/\{b\}\/\*\*" has no variable \{c\}/],
    [[{ set_path: '/../{b}' }], /dot segment/],
    [[{ strip_prefix: 1, prefix_path: '/x' }], /strip_prefix and prefix_path in one entry/],
    [[{ rewrite_path: { pattern: '(', replacement: '/' } }], /not a regular expression/],
    [[{ strip_prefx: 1 }], /unknown key; did you mean "?strip_prefix/],
  ]) {
    it(`check: ${JSON.stringify(filters)}`, async () => {
      const { code, stderr, stdout } = await check(filters);
      assert.equal(code, 1, stdout);
      assert.match(stderr + stdout, says);
    });
  }
  it('check shows them', async () => {
    const { code, stdout } = await check([{ strip_prefix: 1 }, { set_path: '/x/{b}' }]);
    assert.equal(code, 0);
    assert.match(stdout, /filters +\[\{ strip_prefix: 1 \}, \{ set_path: "\/x\/\{b\}" \}\]/);
  });
});
