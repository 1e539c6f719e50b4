// Routes that ask an external authorizer: what it is sent by either contract, and what becomes of what it answers.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { closeAll, fieldsOf, HOST, openStage } from '../lib/stage.mjs';
import { requestH2 } from '../lib/h2.mjs';
import { Authorizer } from './lib.mjs';

const asks = (path, name, over = {}) => ({ match: { host: HOST, path: `${path}/**` }, upstream: 'order-service', auth: { external: name }, authorize: 'any_caller', ...over });
const UNAVAILABLE = { status: 503, code: 'authorization_unavailable' };

describe('forward_auth', () => {
  let s, sso;
  before(async () => {
    sso = await Authorizer.start();
    s = await openStage({
      config: {
        authorizers: {
          sso: {
            contract: 'forward_auth',
            url: `${sso.url}/verify?for=orders`,
            request_headers: ['Authorization', 'Cookie', 'X-Tenant'],
            upstream_headers: ['Remote-User', 'X-Forwarded-Email', 'Authorization'],
            client_headers: ['Location', 'Set-Cookie', 'WWW-Authenticate', 'X-Session'],
            subject_header: 'Remote-User',
            roles_header: 'Remote-Groups',
          },
          plain: { contract: 'forward_auth', url: `${sso.url}/plain`, subject_header: 'Remote-User' },
          told: { contract: 'forward_auth', url: `${sso.url}/told`, identity_headers: { 'X-Caller': 'subject', 'X-Level': 'claims.level' }, request_headers: ['Authorization'] },
        },
        limits: undefined,
      },
      routes: {
        app: asks('/app', 'sso', { relay: { headers: { 'X-Caller-Id': 'subject', 'X-Roles': 'roles' } } }),
        admin: asks('/admin', 'sso', { authorize: { roles: ['admins'] } }),
        plain: asks('/plain', 'plain'),
        maybe: asks('/maybe', 'plain', { auth: { external: 'plain', mode: 'optional' } }),
        either: asks('/either', 'sso', { auth: { any_of: [{ jwt: 'main' }, { external: 'sso' }] } }),
        both: asks('/both', 'sso', { auth: { all_of: [{ jwt: 'main' }, { external: 'plain' }] } }),
        told: { match: { host: HOST, path: '/told/**' }, upstream: 'order-service', auth: { jwt: 'main' }, authorize: { scopes: ['read_orders'], external: 'told' } },
        asked: { match: { host: HOST, path: '/asked/**' }, upstream: 'order-service', auth: { jwt: 'main', token_from: { query: 'access_token' } }, authorize: { any_caller: true, external: 'told' } },
        open: { match: { host: HOST, path: '/open/**' }, upstream: 'order-service', auth: 'none', authorize: { external: 'told' } },
      },
    });
  });
  beforeEach(() => {
    sso.asked.length = 0;
    sso.decide = () => [200, { 'Remote-User': 'alice' }];
  });
  after(() => closeAll(() => s?.close(), () => sso?.close()));

  it('a credential in the query is not told', async () => {
    await s.allowed(async () => s.request({ path: `/asked/1?a=1&access_token=${await s.mint()}&b=2` }));
    assert.equal(sso.asked[0].get('x-forwarded-uri'), '/asked/1?a=1&b=2');
  });
  it('is asked by GET, with the request in X-Forwarded-*, and what is listed of the client', async () => {
    const { echo } = await s.allowed(() => s.request({ method: 'POST', path: '/app/a%3Ab?x=1', body: 'secret', fields: [
      ['Cookie', 'session=1'], ['X-Tenant', 't1'], ['X-Other', 'o'], ['Accept', 'text/html'], ['X-Forwarded-For', '6.6.6.6'], ['X-Forwarded-Uri', '/public'], ['Remote-User', 'root']] }));
    const [asked] = sso.asked;
    assert.equal(sso.asked.length, 1);
    assert.equal(asked.method, 'GET');
    assert.equal(asked.url, '/verify?for=orders');
    assert.equal(asked.body, '');
    assert.equal(asked.get('host'), sso.url.slice('http://'.length));
    const told = { 'x-forwarded-method': 'POST', 'x-forwarded-proto': 'https', 'x-forwarded-host': HOST, 'x-forwarded-uri': '/app/a:b?x=1', 'x-forwarded-for': '127.0.0.1',
      'x-original-method': 'POST', 'x-original-url': `https://${HOST}/app/a:b?x=1`, cookie: 'session=1', 'x-tenant': 't1' };
    for (const [name, value] of Object.entries(told)) assert.deepEqual(asked.all(name), [value], name);
    for (const name of ['x-other', 'accept', 'remote-user', 'content-length', 'transfer-encoding', 'user-agent']) assert.deepEqual(asked.all(name), [], name);
    assert.equal(echo.body, 'secret');
    assert.deepEqual([fieldsOf(echo, 'x-caller-id'), fieldsOf(echo, 'remote-user')], [['alice'], ['alice']]);
  });
  it('any 2xx is a yes; its fields go on by the list alone, and into the logs goes who it was', async () => {
    sso.decide = () => [202, { 'Remote-User': 'bob', 'Remote-Groups': 'staff, admins,staff', 'X-Forwarded-Email': 'b@example.com', Authorization: 'Bearer inner', 'X-Admin': 'yes', 'X-Session': 'new', Location: '/elsewhere', 'Set-Cookie': 's=2; Secure' }, 'a body'];
    const { response, echo } = await s.allowed(() => s.request({ path: '/app/1', fields: [['Authorization', 'Basic abc'], ['X-Forwarded-Email', 'evil@example.com']] }));
    assert.deepEqual([fieldsOf(echo, 'remote-user'), fieldsOf(echo, 'x-forwarded-email'), fieldsOf(echo, 'authorization'), fieldsOf(echo, 'x-admin'), fieldsOf(echo, 'x-roles')],
      [['bob'], ['b@example.com'], ['Bearer inner'], [], ['admins, staff']]);
    assert.deepEqual([response.fields.all('x-session'), response.fields.all('set-cookie'), response.fields.all('location'), response.fields.all('x-admin')], [['new'], ['s=2; Secure'], [], []]);
    const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
    assert.deepEqual([line.subject, line.issuer, line.authorizer], ['bob', 'sso', 'sso']);
    assert.ok(line.authorizer_us > 0);
  });
  it('roles that it tells are roles', async () => {
    sso.decide = () => [200, { 'Remote-User': 'bob', 'Remote-Groups': 'staff' }];
    await s.denied({ status: 403, code: 'forbidden', reason: 'role_missing' }, () => s.request({ path: '/admin/1' }));
    sso.decide = () => [200, { 'Remote-User': 'bob', 'Remote-Groups': 'staff,admins' }];
    await s.allowed(() => s.request({ path: '/admin/1' }));
  });
  it('401: its challenge, where it has one that may go on', async () => {
    sso.decide = () => [401, { 'WWW-Authenticate': 'Bearer realm="sso"', 'X-Other': '1' }, 'please log in'];
    const { response } = await s.denied({ status: 401, code: 'unauthenticated', reason: 'authorizer_unauthenticated', challenge: 'Bearer realm="sso"' }, () => s.request({ path: '/app/1' }));
    assert.ok(!response.fields.has('x-other') && !response.text.includes('log in'));
    const other = await s.request({ path: '/plain/1' });
    assert.deepEqual([other.status, other.fields.get('www-authenticate')], [401, 'External']);
  });
  it('403: no', async () => {
    sso.decide = () => [403, { 'Set-Cookie': ['a=1', 'b=2'] }];
    const { response } = await s.denied({ status: 403, code: 'forbidden', reason: 'authorizer_denied' }, () => s.request({ path: '/app/1' }));
    assert.deepEqual(response.fields.all('set-cookie'), ['a=1', 'b=2']);
  });
  it('a redirect goes to the client where Location is listed, and is not followed', async () => {
    sso.decide = (asked) => (asked.url.startsWith('/login') ? [200, { 'Remote-User': 'root' }] : [302, { Location: `${sso.url}/login` }]);
    const { response } = await s.denied({ status: 302, code: 'unauthenticated', reason: 'authorizer_redirect' }, () => s.request({ path: '/app/1' }));
    assert.equal(response.fields.get('location'), `${sso.url}/login`);
    const { response: other, access } = await s.denied({ status: 403, code: 'forbidden', reason: 'authorizer_denied' }, () => s.request({ path: '/plain/1' }));
    assert.ok(!other.fields.has('location'));
    assert.match(access.detail, /client_headers does not list Location/);
    assert.deepEqual(sso.asked.map((a) => a.url), ['/verify?for=orders', '/plain']);
  });
  it('any other status is no answer: 503, never a yes', async () => {
    for (const status of [500, 503, 404, 400, 429, 304, 407]) {
      sso.decide = () => [status, { 'Remote-User': 'alice', Location: '/x' }];
      const { response } = await s.denied({ ...UNAVAILABLE, reason: 'authorizer_error' }, () => s.request({ path: '/app/1' }));
      assert.ok(response.fields.has('retry-after'));
    }
  });
  it('a yes that names nobody proves nobody', async () => {
    sso.decide = () => [200, {}];
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: 'External' }, () => s.request({ path: '/plain/1' }));
    await s.allowed(() => s.request({ path: '/maybe/1' }));
    sso.decide = () => [401, {}];
    assert.equal((await s.request({ path: '/maybe/1' })).status, 401);
  });
  it('beside another way it is asked only where that is not enough', async () => {
    const { echo } = await s.allowed(async () => s.request({ path: '/either/1', token: await s.mint() }));
    assert.equal(sso.asked.length, 0);
    assert.deepEqual(fieldsOf(echo, 'remote-user'), []);
    await s.allowed(() => s.request({ path: '/either/1', fields: [['Cookie', 'session=1']] }));
    await s.allowed(() => s.request({ path: '/either/1', fields: [['Authorization', 'Basic abc']] }));
    assert.equal(sso.asked.length, 2);
    // A token that is there must be right, whatever the authorizer would say.
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => s.request({ path: '/either/1', token: 'garbage', fields: [['Cookie', 'session=1']] }));
    assert.equal(sso.asked.length, 2);
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/both/1' }));
    await s.allowed(async () => s.request({ path: '/both/1', token: await s.mint() }));
  });
  it('as a step of authorize: after all else holds, with the identity that was proven', async () => {
    const token = await s.mint({ level: 3 });
    await s.allowed(() => s.request({ path: '/told/1', token, fields: [['X-Caller', 'root'], ['X-Level', '9']] }));
    const [asked] = sso.asked;
    assert.deepEqual([asked.all('x-caller'), asked.all('x-level'), asked.get('authorization')], [['alice'], ['3'], `Bearer ${token}`]);
    await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, async () => s.request({ path: '/told/1', token: await s.mint({ scope: 'other' }) }));
    assert.equal(sso.asked.length, 1);
    sso.decide = () => [403, {}];
    await s.denied({ status: 403, code: 'forbidden', reason: 'authorizer_denied' }, () => s.request({ path: '/told/1', token }));
  });
  it('a public route may ask, too: it is the authorizer that decides', async () => {
    await s.allowed(() => s.request({ path: '/open/1' }));
    assert.deepEqual(sso.asked[0].all('x-caller'), []);
    sso.decide = () => [403, {}];
    await s.denied({ status: 403, code: 'forbidden', reason: 'authorizer_denied' }, () => s.request({ path: '/open/1' }));
  });
  it('two Authorization fields are refused before it is asked', async () => {
    await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_repeated' }, () => s.request({ path: '/app/1', fields: [['Authorization', 'Basic a'], ['Authorization', 'Basic b']] }));
    assert.equal(sso.asked.length, 0);
  });
  it('over HTTP/2 all is the same, and cookies are one field', async () => {
    sso.decide = () => [200, { 'Remote-User': 'alice', 'X-Session': 'h2' }];
    const response = await requestH2(s, { path: '/app/1', fields: { cookie: ['a=1', 'b=2'] } });
    assert.deepEqual([response.status, response.fields.get('x-session')], [200, 'h2']);
    assert.deepEqual(sso.asked[0].all('cookie'), ['a=1; b=2']);
    sso.decide = () => [302, { Location: '/login' }];
    const sent = await requestH2(s, { path: '/app/1' });
    assert.deepEqual([sent.status, sent.fields.get('location')], [302, '/login']);
  });
  it('connections to it are kept', async () => {
    const before = sso.connections;
    for (let i = 0; i < 10; i++) await s.allowed(() => s.request({ path: '/app/1' }));
    assert.ok(sso.connections - before <= 2, `${sso.connections - before} connections`);
  });
  it('metrics tell of it by name', async () => {
    const before = await s.gateway.metrics();
    await s.allowed(() => s.request({ path: '/app/1' }));
    sso.decide = () => [403, {}];
    await s.request({ path: '/app/1' });
    sso.decide = () => [500, {}];
    await s.request({ path: '/app/1' });
    const after = await s.gateway.metrics();
    const grown = (outcome) => after.sum('sallyport_authorizer_requests_total', { authorizer: 'sso', outcome }) - before.sum('sallyport_authorizer_requests_total', { authorizer: 'sso', outcome });
    assert.deepEqual(['allowed', 'denied', 'failed', 'remembered', 'joined'].map(grown), [1, 1, 1, 0, 0]);
    assert.ok(after.sum('sallyport_authorizer_duration_seconds_count', { authorizer: 'sso' }) >= 3);
  });
});

describe('ext_authz', () => {
  let s, opa;
  before(async () => {
    opa = await Authorizer.start();
    s = await openStage({
      config: { authorizers: { opa: { contract: 'ext_authz', url: `${opa.url}/authz`, request_headers: ['Authorization'], client_headers: ['X-Why', 'Location'], identity_headers: { 'X-Caller': 'subject' } } } },
      routes: {
        orders: { match: { host: HOST, path: '/orders/**' }, upstream: 'order-service', auth: { jwt: 'main' }, authorize: { external: 'opa' } },
      },
    });
  });
  beforeEach(() => {
    opa.asked.length = 0;
    opa.decide = () => [200, {}];
  });
  after(() => closeAll(() => s?.close(), () => opa?.close()));
  const ask = async (parts) => s.request({ path: '/orders/1', token: await s.mint(), ...parts });

  it("is asked by the request's own method, host and path, without its body", async () => {
    for (const method of ['GET', 'POST', 'DELETE', 'PURGE']) {
      await s.allowed(() => ask({ method, path: '/orders/1?x=%20', body: method === 'POST' ? 'hello' : undefined }));
      const asked = opa.asked.at(-1);
      assert.deepEqual([asked.method, asked.url, asked.get('host'), asked.get('x-forwarded-proto'), asked.get('x-forwarded-for'), asked.get('x-caller'), asked.body],
        [method, '/authz/orders/1?x=%20', HOST, 'https', '127.0.0.1', 'alice', '']);
      assert.equal(asked.get('content-length'), '0');
    }
  });
  it('200 alone is a yes', async () => {
    for (const status of [201, 204, 206]) {
      opa.decide = () => [status, {}];
      await s.denied({ ...UNAVAILABLE, reason: 'authorizer_error' }, () => ask());
    }
  });
  it('its no is told by its own status', async () => {
    for (const [status, told] of [[403, 403], [404, 404], [429, 429], [402, 402], [407, 403], [421, 403]]) {
      opa.decide = () => [status, { 'X-Why': 'so' }];
      const { response } = await s.denied({ status: told, code: 'forbidden', reason: 'authorizer_denied' }, () => ask());
      assert.equal(response.fields.get('x-why'), 'so');
    }
    opa.decide = () => [401, {}];
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'authorizer_unauthenticated', challenge: 'External' }, () => ask());
    opa.decide = () => [307, { Location: 'https://login.example.com/' }];
    await s.denied({ status: 307, code: 'unauthenticated', reason: 'authorizer_redirect' }, () => ask());
  });
});
