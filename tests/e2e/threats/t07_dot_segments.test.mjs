// T7: dot segments never lead into a laxer rule.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';

const guarded = {
  public: { ...OPEN, match: { host: HOST, path: ['/public/**', '/api/**', '/x/**'] } },
  admin: { match: { host: HOST, path: '/admin/**' }, upstream: 'order-service', auth: { jwt: 'main' }, authorize: { scopes: ['admin'] } },
};
const bad = { status: 400, code: ['invalid_path', 'invalid_request'], reason: ['bad_path', 'bad_target'] };

describe('T7: dot segments', () => {
  let s;
  before(async () => (s = await openStage({ routes: guarded })));
  after(() => s?.close());

  for (const path of [
    '/public/../admin', '/public/./../admin', '/public/..', '/public/.', '/public/../public/x', '/./admin', '/../admin', '/..',
    '/api%2e%2e/admin', '/api/%2e%2e/admin', '/api/%2E%2E/admin', '/api/.%2e/admin', '/api/%2e./admin', '/api/%2e/admin', '/api/..;/admin',
    '/api/..;x=y/admin', '/api/.;/admin', '/api/..%2fadmin', '/api/..%5cadmin', '/api/..\\admin', '/api/%2e%2e%2fadmin', '/api/%252e%252e/admin',
    '/api/..%00/admin', '/api/..%09/admin', '/api/..?/admin', '/api/%c0%ae%c0%ae/admin',
  ]) {
    it(`refused or harmless: ${path}`, async () => {
      if (path === '/api%2e%2e/admin') {
        // Not a dot segment: "api.." is a name, and no route has it.
        await s.denied({ status: [400, 404], code: ['invalid_path', 'not_found'], reason: ['bad_path', 'no_route'] }, () => s.request({ path }));
        return;
      }
      await s.denied(bad, () => s.request({ path }));
    });
  }

  it('absolute-form too', async () => {
    await s.denied(bad, () => s.request({ path: `https://${HOST}/public/../admin` }));
  });

  it('twin: dots within names pass and stay as they are', async () => {
    for (const path of ['/public/a.b', '/public/.hidden', '/public/...', '/public/a..b', '/public/..a', '/public/x?y=../../admin']) {
      const { echo, response } = await s.allowed(() => s.request({ path }));
      assert.equal(echo.target, path);
      const line = await s.gateway.access(path, (l) => l.request_id === response.fields.get('x-request-id'));
      assert.equal(line.path, path.split('?')[0]);
      assert.equal(line.route, 'public');
    }
  });

  it('twin: the guarded path itself is guarded', async () => {
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', route: 'admin' }, () => s.request({ path: '/admin/x' }));
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', route: 'admin' }, () => s.request({ path: '/%61dmin/x' }));
    await s.allowed(async () => s.request({ path: '/admin/x', token: await s.mint({ scope: 'admin' }) }));
  });
});
