// T16: an external authorizer that hands back more than it may, or than a header can hold; and clients that play the authorizer.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { closeAll, fieldsOf, HOST, openStage } from '../lib/stage.mjs';
import { startBytes } from '../external/lib.mjs';

const asks = (path, over = {}) => ({ match: { host: HOST, path: `${path}/**` }, upstream: 'order-service', auth: { external: 'sso' }, authorize: 'any_caller', ...over });

describe('T16: injection from an external authorizer', () => {
  let s, told;
  before(async () => {
    told = await startBytes('');
    s = await openStage({
      config: { authorizers: { sso: { contract: 'forward_auth', url: told.url, subject_header: 'X-User', roles_header: 'X-Groups', upstream_headers: ['X-User', 'X-Role'], client_headers: ['Location', 'X-Told', 'Set-Cookie'] } } },
      routes: {
        app: asks('/app'),
        step: asks('/step', { auth: 'none', authorize: { external: 'sso' } }),
        open: { match: { host: HOST, path: '/open/**' }, upstream: 'order-service', auth: 'none' },
      },
    });
  });
  after(() => closeAll(() => s?.close(), () => told?.close()));

  const says = (lines, status = '200 OK') => (told.bytes = [`HTTP/1.1 ${status}`, ...lines, 'Content-Length: 0', '', ''].join('\r\n'));
  const refused = {
    'a bare CR': ['X-User: alice\rX-Admin: yes'],
    'a bare LF': ['X-User: alice\nX-Admin: yes'],
    'a NUL': ['X-User: alice\0'],
    'another control character': ['X-User: alice', 'X-Role: a\x01b'],
    'a folded line': ['X-User: alice', ' X-Admin: yes'],
    'a name with a space': ['X-User: alice', 'X-Role : admin'],
    'an empty name': ['X-User: alice', ': admin'],
    'a field for the upstream twice': ['X-User: alice', 'X-Role: user', 'X-Role: admin'],
    'the same in another case': ['X-User: alice', 'X-Role: user', 'x-role: user'],
    'the subject twice': ['X-User: alice', 'X-User: root'],
    'roles twice': ['X-User: alice', 'X-Groups: a', 'X-Groups: admins'],
    'a field for the client twice': ['X-User: alice', 'X-Told: 1', 'X-Told: 2'],
    'a subject without end': [`X-User: ${'a'.repeat(600)}`],
    'more cookies than may go on': ['X-User: alice', ...Array.from({ length: 40 }, (_, i) => `Set-Cookie: c${i}=1`)],
  };
  for (const [name, lines] of Object.entries(refused)) {
    it(`${name}: denied, logged, nothing upstream`, async () => {
      says(lines);
      for (const path of ['/app/1', '/step/1']) {
        const { response } = await s.denied({ status: 503, code: 'authorization_unavailable', reason: 'authorizer_answer' }, () => s.request({ path }));
        for (const field of ['x-told', 'x-admin', 'set-cookie']) assert.ok(!response.fields.has(field), field);
      }
    });
  }
  it('a redirect to two places is none', async () => {
    says(['Location: /login', 'Location: https://evil.example.org'], '302 Found');
    const { response } = await s.denied({ status: [403, 503], code: ['forbidden', 'authorization_unavailable'], reason: ['authorizer_denied', 'authorizer_answer'] }, () => s.request({ path: '/app/1' }));
    assert.ok(!response.fields.has('location'));
  });
  it('what is not listed goes nowhere, whatever it is called', async () => {
    says(['X-User: alice', 'X-Admin: yes', 'X_Role: admin', 'Connection: X-Role, keep-alive', 'Host: evil.example.org', 'X-Forwarded-For: 6.6.6.6', 'Content-Type: text/evil', 'Keep-Alive: timeout=5', 'Upgrade: h2c', 'Via: 1.1 evil', 'Alt-Svc: h2=":1"']);
    const { response, echo } = await s.allowed(() => s.request({ path: '/app/1' }));
    const names = echo.fields.map(([n]) => n.toLowerCase());
    for (const name of ['x-admin', 'x_role', 'x-role', 'upgrade', 'keep-alive', 'alt-svc', 'content-type']) assert.ok(!names.includes(name), `${name} upstream`);
    assert.deepEqual([fieldsOf(echo, 'host'), fieldsOf(echo, 'x-forwarded-for'), fieldsOf(echo, 'via')], [[HOST], ['127.0.0.1'], ['1.1 sallyport']]);
    for (const name of ['x-admin', 'upgrade', 'alt-svc']) assert.ok(!response.fields.has(name), `${name} to the client`);
    assert.notEqual(response.fields.get('content-type'), 'text/evil');
  });
  it('a client cannot say what the authorizer does not: in no spelling, on no route', async () => {
    says(['X-User: alice']);
    const forged = [['X-Role', 'admin'], ['x-ROLE', 'admin'], ['X_Role', 'admin'], ['X-User', 'root'], ['X_User', 'root'], ['Connection', 'X-User']];
    for (const path of ['/app/1', '/step/1', '/open/1']) {
      const { echo } = await s.allowed(() => s.request({ path, fields: forged }));
      const got = echo.fields.filter(([n]) => /^x.(role|user)$/i.test(n));
      assert.deepEqual(got.map(([, v]) => v), path === '/open/1' ? [] : ['alice'], path);
    }
  });
  it('twin: an honest answer passes as it is', async () => {
    says(['X-User: alice', 'X-Role: user, admin', 'X-Groups: a, b', 'X-Told: yes', 'Set-Cookie: a=1', 'Set-Cookie: b=2']);
    for (const path of ['/app/1', '/step/1']) {
      const { response, echo } = await s.allowed(() => s.request({ path }));
      assert.deepEqual([fieldsOf(echo, 'x-user'), fieldsOf(echo, 'x-role'), response.fields.all('x-told'), response.fields.all('set-cookie')], [['alice'], ['user, admin'], ['yes'], ['a=1', 'b=2']]);
    }
  });
});
