// Answers that a route makes or changes: redirects, another status, what browsers are told.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { requestH2 } from '../lib/h2.mjs';
import { HOST, openStage } from '../lib/stage.mjs';
import { echo } from '../lib/upstream.mjs';

const open = (path, more = {}) => ({ match: { host: HOST, path }, auth: 'none', ...more });
const route = (path, filters, more = {}) => ({ ...open(path), upstream: 'order-service', filters, ...more });

const ROUTES = {
  moved: open('/moved/{id}/{name}', { filters: [{ redirect_to: { location: 'https://new.example.com/things/{id}?name={name}', status: '301', keep_query: true } }] }),
  short: open('/short/**', { filters: [{ redirect_to: '/long' }] }),
  pieces: open('/pieces/{a}', { filters: [{ redirect_to: '/x{a}' }] }),
  members: open('/members', { auth: { jwt: 'main' }, authorize: 'any_caller', filters: [{ redirect_to: '/home' }], secure_headers: true }),
  status: route('/status/**', [{ set_status: 404 }]),
  socket: route('/socket', [{ set_status: 200 }], { websocket: {} }),
  secure: route('/secure/**', [], { secure_headers: { content_security_policy: "default-src 'none'", frame_options: 'off' } }),
  strict: route('/strict/**', [], { secure_headers: { overwrite: true } }),
  many: route('/many/**', [{ add_response_header: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`X-Added-${i}`, 'yes'])) }], { secure_headers: true }),
  bare: route('/bare/**', [], { secure_headers: false }),
};
const NAMES = ['strict-transport-security', 'x-content-type-options', 'x-frame-options', 'referrer-policy', 'content-security-policy'];
const CSP = "default-src 'self'; base-uri 'self'; frame-ancestors 'none'; object-src 'none'";

describe('answers of a route', () => {
  let s;
  before(async () => {
    s = await openStage({
      routes: ROUTES,
      config: { listeners: { plain: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } }, defaults: { listeners: ['public', 'plain'] } },
    });
  });
  beforeEach(() => (s.upstream.script = echo));
  after(() => s?.close());

  it('fields of filters take no room of those that guard browsers', async () => {
    s.upstream.script = async (exchange) => (await exchange.request.read(), exchange.respond(200, Array.from({ length: 95 }, (_, i) => [`X-Own-${i}`, 'yes'])));
    const response = await s.request({ path: '/many/1' });
    assert.equal(response.status, 200);
    for (const name of ['x-own-94', 'x-added-39', 'x-request-id', ...NAMES]) assert.ok(response.fields.get(name), name);
  });
  for (const [version, get] of [['HTTP/1.1', (path) => s.request({ path })], ['HTTP/2', (path) => requestH2(s, { path })]]) {
    it(`redirects, over ${version}, and asks no upstream`, async () => {
      const seen = s.upstream.bytesSeen();
      const response = await get('/moved/7/%C3%A4&b=1?c=d');
      assert.deepEqual([response.status, response.fields.get('location')], [301, 'https://new.example.com/things/7?name=%C3%A4%26b%3D1&c=d']);
      const short = await get('/short/x?c=d');
      assert.deepEqual([short.status, short.fields.get('location')], [302, '/long']);
      assert.equal(s.upstream.bytesSeen() - seen, 0);
    });
  }
  it('where it leads is no client\'s to say', async () => {
    for (const path of ['/moved//evil.example/x', '/moved/%2F%2Fevil.example/x', '/moved/%5Cevil/x', '/pieces/%0d%0aX-A:b'])
      await s.denied({ status: 400, code: 'invalid_path', reason: 'bad_path' }, () => s.request({ path }));
    const named = await s.request({ path: '/moved/1/x', fields: [['X-Forwarded-Host', 'evil.example']] });
    assert.equal(named.fields.get('location'), 'https://new.example.com/things/1?name=x');
  });
  it('only who may is redirected', async () => {
    const { response } = await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/members' }));
    assert.equal(response.fields.get('location'), undefined);
    const allowed = await s.request({ path: '/members', token: await s.mint() });
    assert.deepEqual([allowed.status, allowed.fields.get('location')], [302, '/home']);
  });

  const answer = (status, list = []) => (s.upstream.script = async (exchange) => (await exchange.request.read(), exchange.respond(status, list, status === 204 ? '' : '{}')));
  it('set_status: another one, unless the answer has no body by its own', async () => {
    for (const [from, to] of [[200, 404], [403, 404], [500, 404], [204, 204], [304, 304]]) {
      answer(from);
      const response = await s.request({ path: '/status/1' });
      assert.equal(response.status, to, `${from}`);
      const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
      assert.equal(line.status, to);
    }
  });
  it('set_status makes no tunnel of an answer to a handshake', async () => {
    answer(404);
    const response = await s.request({ path: '/socket', fields: [['Connection', 'upgrade'], ['Upgrade', 'websocket'], ['Sec-WebSocket-Version', '13'], ['Sec-WebSocket-Key', 'AAAAAAAAAAAAAAAAAAAAAA=='], ['Origin', `https://${HOST}`]] });
    assert.equal(response.status, 404);
  });

  const told = (response) => NAMES.map((name) => response.fields.all(name).join('|') || undefined);
  it('secure_headers: on every answer of the route, denials too', async () => {
    assert.deepEqual(told(await s.request({ path: '/strict/1' })), ['max-age=31536000', 'nosniff', 'DENY', 'no-referrer', CSP]);
    assert.deepEqual(told(await s.request({ path: '/members' })), ['max-age=31536000', 'nosniff', 'DENY', 'no-referrer', CSP]);
    assert.deepEqual(told(await s.request({ path: '/secure/1' })), ['max-age=31536000', 'nosniff', undefined, 'no-referrer', "default-src 'none'"]);
    assert.deepEqual(told(await s.request({ path: '/bare/1' })), [undefined, undefined, undefined, undefined, undefined]);
  });
  it('Strict-Transport-Security is said over TLS alone', async () => {
    const response = await s.request({ path: '/strict/1', listener: 'plain', plain: true });
    assert.deepEqual(told(response), [undefined, 'nosniff', 'DENY', 'no-referrer', CSP]);
  });
  it('what the upstream says stands, unless it is overwritten', async () => {
    answer(200, [['Referrer-Policy', 'origin'], ['X-Content-Type-Options', 'nosniff'], ['Content-Security-Policy', 'a'], ['Content-Security-Policy', 'b']]);
    assert.deepEqual(told(await s.request({ path: '/secure/1' })).slice(3), ['origin', 'a|b']);
    assert.deepEqual(told(await s.request({ path: '/strict/1' })).slice(3), ['no-referrer', CSP]);
  });

  for (const [filters, says] of [
    [[{ redirect_to: 'https://{id}/' }], /the host of a redirect is a constant/],
    [[{ redirect_to: '//evil.example/' }], /a redirect leads to/],
    [[{ redirect_to: { location: '/', status: '200' } }], /301/],
    [[{ set_status: 204 }], /has no body/],
    [[{ strip_prefix: 1 }], /upstream is missing/],
  ]) {
    it(`check refuses ${JSON.stringify(filters)}`, async () => {
      s.gateway.write({ ...s.config, routes: { one: open('/{id}', { filters }) } });
      const { code, stdout, stderr } = await sallyport(['check', s.gateway.file]);
      s.gateway.write(s.config);
      assert.equal(code, 1, stdout);
      assert.match(stdout + stderr, says);
    });
  }
});
